"""Labels and measurements out of the window, in the worker's thread; without Qt."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image

from napari_intseg.core.segmenter import Array
from napari_intseg.io.hooks import KEY, file_grid, layer_grid
from napari_intseg.io.measurements import measure, write_measurements
from napari_intseg.io.output_files import check_apart, write_beside
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.write import write_labels
from napari_intseg.session.journal.recorder import Line, now
from napari_intseg.session.journal.replayer import about_labels
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.object_actions import names_of
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.signals import sentence, told
from napari_intseg.ui.qt.worker_thread import Outcome


def export_labels(controller: ViewerController, path: Path) -> None:
    """Write the labels of the time point in the window; a file that is there is replaced.

    They get the geometry of the image's file, bit for bit, where the image was read from one by
    our readers; else that of the layer. The journal is written along.
    """
    image_controller = _image_controller(controller)
    if image_controller is None:
        return
    work = labels_job(controller, image_controller, path)
    controller.worker.submit(work, lambda outcome: _tell(controller, outcome))
    controller.signals.message.emit(Message("Writing {name} …", name=path.name))


def labels_job(
    controller: ViewerController, image_controller: ImageController, path: Path
) -> Callable[[Callable[[], bool]], str]:
    """Return what writes the labels as they are now, in whichever thread; it returns what to tell.

    Nothing of the layers is needed any more when it runs.
    """
    labels, meta = _labels(image_controller)
    array, like = file_grid(labels, meta)
    lines, time = list(image_controller.session_store.journal.lines), image_controller.time
    which = _which(image_controller)

    inputs, names = _inputs(controller), names_of(image_controller)

    def work(_should_stop: Callable[[], bool]) -> str:
        check_apart(path, *inputs)
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            write_labels(path, array, like, overwrite=True, names=names)
        write_beside(path, [*lines, _about(labels, time)])
        return joined(
            [Message("Wrote {name}{which}.", name=path.name, which=which), *_told(remarks)]
        )

    return work


def export_measurements(controller: ViewerController, path: Path) -> None:
    """Write a table of all objects at the time point in the window, with the image's values."""
    image_controller = _image_controller(controller)
    if image_controller is None:
        return
    labels, meta = _labels(image_controller)
    grid = layer_grid(labels, meta)
    volume = image_controller.image_axes.volume(image_controller.time)
    like = FileVolume(volume.data, grid.source, affine=grid.affine, channels=volume.n_channels > 0)

    inputs = _inputs(controller)

    def work(_should_stop: Callable[[], bool]) -> str:
        check_apart(path, *inputs)
        rows = measure(labels, like)
        write_measurements(path, rows, like, overwrite=True)
        return counted(
            len(rows),
            "Measured {n} object: {name}{which}.",
            "Measured {n} objects: {name}{which}.",
            name=path.name,
            which=_which(image_controller),
        )

    controller.worker.submit(work, lambda outcome: _tell(controller, outcome))
    controller.signals.message.emit(Message("Measuring …"))


def own_source(controller: ViewerController) -> Source | None:
    """Return what is known of the file that the image was read from; None if nothing is."""
    known = {} if controller.image is None else controller.image.metadata.get(KEY) or {}
    source = known.get("source")
    return source if isinstance(source, Source) else None


def _told(remarks: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return what this package remarked on, in sentences; a console is not read by everybody."""
    ours = [str(one.message) for one in remarks if "napari_intseg" in one.filename]
    return [sentence(text) for text in dict.fromkeys(ours)]


def _inputs(controller: ViewerController) -> tuple[Path, ...]:
    """Return the files of all images in the viewer, whoever read them."""
    images = [layer for layer in controller.viewer.layers if isinstance(layer, Image)]
    known = [(image.metadata.get(KEY) or {}).get("source") for image in images]
    ours = [source.path for source in known if isinstance(source, Source)]
    theirs = [Path(image.source.path) for image in images if image.source.path]
    return (*ours, *theirs)


def _image_controller(controller: ViewerController) -> ImageController | None:
    if controller.image_controller is None:
        controller.signals.failed.emit(
            Message("There are no labels yet. Begin an object and click on it first.")
        )
    return controller.image_controller


def _labels(image_controller: ImageController) -> tuple[Array, dict[str, Any]]:
    """Return a copy of the labels at the time point in the window, and where they lie."""
    layer, image = image_controller.labels, image_controller.image_axes.image
    grid = image_controller.image_axes.grid
    where = tuple(image_controller.time if axis == "t" else slice(None) for axis in grid)
    meta = layer.as_layer_data_tuple()[1]
    meta["metadata"] = {KEY: {**(image.metadata.get(KEY) or {}), "time": image_controller.time}}
    return np.array(layer.data[where]), meta


def _about(labels: Array, time: int) -> Line:
    """Return the journal's line on labels that are written."""
    at = {"time": time} if time else {}
    return {"t": now(), "do": "labels", **at, **about_labels(labels)}


def _which(image_controller: ImageController) -> str:
    count = image_controller.image_axes.n_times or 1
    if count < 2:
        return ""
    return Message(", time point {time} of {count}", time=image_controller.time, count=count)


def _tell(controller: ViewerController, outcome: Outcome[str]) -> None:
    if outcome.error is not None:
        controller.signals.failed.emit(told(outcome.error))
    else:
        controller.signals.message.emit(outcome.value or "")
