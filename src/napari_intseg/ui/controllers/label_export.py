"""Labels and measurements out of the window, in the worker's thread; without Qt.

Labels move to a folder that a person chooses, while work on them goes on.
"""

import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from napari.layers import Image, Labels

from napari_intseg.core.affine import from_spacing, spacing_of
from napari_intseg.core.files import write_bytes
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError, IntSegError
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.inference.soft_edge import cut_out
from napari_intseg.io.cell_tracking import TRACKED, Tracks, write_ctc
from napari_intseg.io.geo_tags import map_place
from napari_intseg.io.hooks import KEY, file_grid, layer_grid
from napari_intseg.io.measurements import measure, write_measurements
from napari_intseg.io.output_files import check_apart, write_beside
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.suffixes import KINDS, ending_of
from napari_intseg.io.write import holds_directions, write_labels
from napari_intseg.session.journal.recorder import Line, now
from napari_intseg.session.journal.replayer import about_labels
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.object_actions import names_of
from napari_intseg.ui.controllers.review import TRACKS
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, Stopped, sentence, told
from napari_intseg.ui.storage.disk_folders import LabelsOnDisk, copy, ending, keep, place_of


def export_labels(controller: ViewerController, path: Path) -> None:
    """Write the labels of the time point in the window; a file that is there is replaced.

    To a folder whose name ends in `TRACKED` all time points are written, with their tracks.

    They get the geometry of the image's file, bit for bit, where the image was read from one by
    our readers; else that of the layer. The journal is written along.
    """
    image_controller = _image_controller(controller)
    if image_controller is None:
        return
    has_times = (image_controller.image_axes.n_times or 1) > 1
    if has_times and path.name.lower().endswith(TRACKED):
        work = _tracks_job(controller, image_controller, path)
    else:
        work = labels_job(controller, image_controller, path)
    _write(controller, path, work)
    controller.signals.message.emit(Message("Writing {name} …", name=path.name))


def export_cutout(
    controller: ViewerController, label: int, path: Path, *, soft_px: float = 0.0
) -> None:
    """Write an object on the displayed plane as RGBA PNG; a file that is there is replaced.

    See `inference.soft_edge.cut_out`.
    """
    image_controller = _image_controller(controller)
    here = None if image_controller is None else image_controller.displayed_slice
    if image_controller is None or here is None or isinstance(here, str):
        return
    session = image_controller.session_store.session(here.time)
    if session is None or label not in session.objects:
        controller.signals.failed.emit(Message("Object {label} has not been begun.", label=label))
        return
    setup, mask = session.setup, session.mask_on(here.plane, label)
    inputs = _inputs(controller)

    def work(should_stop: ShouldStop) -> str:
        check_apart(path, *inputs)
        read = SliceReader(setup.volume, here.plane)
        image = setup.options.intensity.to_rgb(read(*(slice(0, n) for n in mask.shape)))
        _check(should_stop)
        found = cut_out(image, mask, soft_px=soft_px)
        # rounded, not cut off: opacity of 1 must become 255
        picture = np.rint(found * 255).astype(np.uint8)
        write_bytes(path, iio.imwrite("<bytes>", picture, extension=".png"))
        return Message("Wrote {name}{which}.", name=path.name, which="")

    _write(controller, path, work)


def _write(controller: ViewerController, path: Path, work: Callable[[ShouldStop], str]) -> None:
    """Have something written that `ViewerController.cancel` stops, and tell of it."""

    def done(outcome: Outcome[str]) -> None:
        controller.writing.remove(job)
        if isinstance(outcome.error, Stopped):
            outcome = Outcome(
                Message("Writing {name} was cancelled; nothing has changed.", name=path.name)
            )
        _tell(controller, outcome)
        controller.signals.changed.emit()

    job = controller.worker.submit(work, done)
    controller.writing.append(job)
    controller.signals.changed.emit()


def _check(should_stop: ShouldStop) -> None:
    """End the work from within if a person asks for it."""
    if should_stop():
        raise Stopped


def _tracks_job(
    controller: ViewerController, image_controller: ImageController, path: Path
) -> Callable[[ShouldStop], str]:
    """Return what writes the labels of all time points as a folder of the challenge."""
    labels, inputs = np.array(image_controller.labels.data), _inputs(controller)
    tracks = image_controller.labels.metadata.get(TRACKS, Tracks((), {}))
    like = _like(image_controller, image_controller.time)

    def work(should_stop: ShouldStop) -> str:
        check_apart(path, *inputs)
        _check(should_stop)
        held = [np.unique(frame).tolist() for frame in labels]
        now = Tracks(tuple({track: track for track in here if track} for here in held), {}).spans
        # of tracks that still begin and end where they did when they were linked
        same = {track for track, span in tracks.spans.items() if now.get(track) == span}
        parents = {one: of for one, of in tracks.parents.items() if {one, *of} <= same}
        write_ctc(path, labels, parents, overwrite=True)
        return joined([
            Message("Wrote {name}{which}.", name=path.name, which=""), _left_out(path, like),
        ])  # fmt: skip

    return work


def labels_job(
    controller: ViewerController,
    image_controller: ImageController,
    path: Path,
    time: int | None = None,
) -> Callable[[ShouldStop], str]:
    """Return what writes the labels as they are now, in whichever thread; it returns what to tell.

    Of a time series those of one time point, by default the one in the window. Nothing of the
    layers is needed any more when it runs.
    """
    time = image_controller.time if time is None else time
    labels, meta = _labels(image_controller, time)
    array, like = file_grid(labels, meta)
    # a copy: the journal grows while the file is written
    lines = list(image_controller.session_store.journal.lines)
    which = _which(image_controller, time)

    inputs, names = _inputs(controller), names_of(image_controller)

    def work(should_stop: ShouldStop) -> str:
        # in the other thread: it looks at the disk, which may be slow
        check_apart(path, *inputs)
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            check = partial(_check, should_stop)
            write_labels(path, array, like, overwrite=True, names=names, check=check)
        write_beside(path, [*lines, _about(labels, time)])
        told = Message("Wrote {name}{which}.", name=path.name, which=which)
        here = {*np.unique(array).tolist()}
        return joined([
            told, _left_out(path, like), _empty(names, here), *_told(remarks),
        ])  # fmt: skip

    return work


def _empty(names: Mapping[int, str], here: Container[int]) -> Message:
    """Say which objects that a person has named have no pixels; nothing if there are none."""
    empty = [f"{name!r}" for label, name in names.items() if label not in here]
    if not empty:
        return Message("")
    return Message("Without pixels, and so not in the file: {names}.", names=", ".join(empty))


def _left_out(path: Path, like: Volume) -> Message:
    """Say what of an image's geometry a file of labels does not hold; nothing if it holds all.

    As in `write_labels`: who opens such a file again finds it elsewhere than the image.
    """
    kind, affine = KINDS.get(ending_of(path) or ""), like.affine
    is_tracks = path.name.lower().endswith(TRACKED)
    no = Message("")
    if affine is None or not (is_tracks or kind in ("tiff", "npy", "picture", "coco")):
        return no
    if kind != "tiff":
        if np.allclose(affine, from_spacing((1.0,) * 3)):
            return no
        return Message("Such a file holds neither the spacing nor the place of the image.")
    if np.allclose(affine, from_spacing(spacing_of(affine))):
        return no
    return Message("TIFF holds the spacing, but not the place and direction of the image.")


def export_measurements(controller: ViewerController, path: Path) -> None:
    """Write a table of all objects at the time point in the window, with the image's values."""
    image_controller = _image_controller(controller)
    if image_controller is None:
        return
    labels, meta = _labels(image_controller, image_controller.time)
    # the unit comes from the labels' layer, the values from the image
    grid = layer_grid(labels, meta)
    volume = image_controller.image_axes.volume(image_controller.time)
    like = FileVolume(volume.data, grid.source, affine=grid.affine, channels=volume.n_channels > 0)

    inputs = _inputs(controller)

    def work(should_stop: ShouldStop) -> str:
        check_apart(path, *inputs)
        _check(should_stop)
        rows = measure(labels, like)
        _check(should_stop)
        write_measurements(path, rows, like, overwrite=True)
        return counted(
            len(rows),
            "Measured {n} object: {name}{which}.",
            "Measured {n} objects: {name}{which}.",
            name=path.name,
            which=_which(image_controller, image_controller.time),
        )

    _write(controller, path, work)
    controller.signals.message.emit(Message("Measuring …"))


def own_source(controller: ViewerController) -> Source | None:
    """Return what is known of the file that the image was read from; None if nothing is."""
    known = {} if controller.image is None else controller.image.metadata.get(KEY) or {}
    source = known.get("source")
    return source if isinstance(source, Source) else None


def has_map(controller: ViewerController) -> bool:
    """Whether labels of the chosen image can be written in the coordinates of a map."""
    source, axes = own_source(controller), controller.image_controller
    if source is None or axes is None or "z" in axes.image_axes.grid:
        return False
    if KINDS.get(ending_of(source.path) or "") != "tiff":
        return False
    with suppress(FileError, OSError):
        return map_place(source.path) is not None
    return False


def holding_endings(controller: ViewerController, endings: Iterable[str]) -> list[str]:
    """Return those of some files' endings whose formats can hold how the labels' axes lie."""
    image_controller = controller.image_controller
    if image_controller is None:
        return list(endings)
    like = _like(image_controller, image_controller.time)
    return [ending for ending in endings if holds_directions(ending, like)]


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


def _labels(image_controller: ImageController, time: int) -> tuple[Array, dict[str, Any]]:
    """Return a copy of the labels at a time point, and where they lie."""
    grid = image_controller.image_axes.grid
    where = tuple(time if axis == "t" else slice(None) for axis in grid)
    # a copy: clicks go on while it is written
    return np.array(image_controller.labels.data[where]), _meta(image_controller, time)


def _like(image_controller: ImageController, time: int) -> Volume:
    """Return the grid of the labels at a time point; nothing of what is labelled is read."""
    sizes = zip(image_controller.image_axes.grid, image_controller.labels.data.shape, strict=True)
    nothing = np.broadcast_to(np.uint8(0), [n for axis, n in sizes if axis != "t"])
    return file_grid(nothing, _meta(image_controller, time))[1]


def _meta(image_controller: ImageController, time: int) -> dict[str, Any]:
    """Return where the labels at a time point lie, as `file_grid` takes it."""
    meta: dict[str, Any] = image_controller.labels.as_layer_data_tuple()[1]
    of_image = image_controller.image_axes.image.metadata.get(KEY) or {}
    meta["metadata"] = {KEY: {**of_image, "time": time}}
    return meta


def _about(labels: Array, time: int) -> Line:
    """Return the journal's line on labels that are written."""
    at = {"time": time} if time else {}
    return {"t": now(), "do": "labels", **at, **about_labels(labels)}


def _which(image_controller: ImageController, time: int) -> str:
    count = image_controller.image_axes.n_times or 1
    if count < 2:
        return ""
    return Message(", time point {time} of {count}", time=time, count=count)


def _tell(controller: ViewerController, outcome: Outcome[str]) -> None:
    if outcome.error is not None:
        controller.signals.failed.emit(told(outcome.error))
    else:
        controller.signals.message.emit(outcome.value or "")


class LabelsLocation:
    """Where the labels of the chosen image live.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self.is_moving = False

    @property
    def place(self) -> Path | None:
        """The folder on disk; None: they are in memory, or there are none."""
        image_controller = self._image_controller()
        return None if image_controller is None else place_of(image_controller.labels.data)

    def move(self, path: Path) -> None:
        """Have the labels live in a new folder from now on; what is in the old one stays there.

        They are copied in the inference thread. What is painted meanwhile is copied after it.
        """
        image_controller, signals = self._image_controller(), self._controller.signals
        if image_controller is None or self.is_moving:
            signals.failed.emit(Message("There are no labels to keep yet. Begin an object first."))
            return
        labels, source = image_controller.labels, image_controller.labels.data
        try:
            kept = keep(image_controller.image_axes, source.dtype, _new(path))
        except IntSegError as err:
            signals.failed.emit(told(err))
            return
        written = _Written(labels)
        # pixels that change while the labels are copied are copied once more at the end
        image_controller.labels_writer.on_direct = written.note
        self.is_moving = True
        signals.message.emit(Message("Copying the labels to {name} …", name=path.name))
        signals.changed.emit()

        def work(_: ShouldStop) -> None:
            copy(source, kept.array)

        def done(outcome: Outcome[None]) -> None:
            written.close()
            image_controller.labels_writer.on_direct = None
            self.is_moving = False
            if outcome.error is not None:
                signals.failed.emit(told(outcome.error))
            # the labels that were copied are no longer those in the window
            elif image_controller.is_closed or labels.data is not source:
                signals.failed.emit(Message("The labels were removed while they were copied."))
            else:
                self._swap(image_controller, kept, written)
            signals.changed.emit()

        self._controller.worker.submit(work, done)

    def _swap(
        self, image_controller: ImageController, kept: LabelsOnDisk, written: "_Written"
    ) -> None:
        source = image_controller.labels.data
        for indices in written.indices:
            # zarr takes single pixels by `vindex`, numpy by plain indices
            values = getattr(source, "vindex", source)[indices]
            getattr(kept.array, "vindex", kept.array)[indices] = values
        image_controller.labels.data = kept.array
        self._controller.signals.message.emit(
            Message("The labels are kept in {path}.", path=kept.path)
        )

    def _image_controller(self) -> ImageController | None:
        image_controller = self._controller.image_controller
        return None if image_controller is None or image_controller.is_closed else image_controller


class _Written:
    """Notes which pixels of a layer are written."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self.indices: list[Any] = []
        write = labels.data_setitem

        def noted(indices: Any, value: Any, refresh: bool = True) -> None:
            self.note(indices)
            write(indices, value, refresh)

        # as napari itself calls it
        labels.data_setitem = noted

    def note(self, indices: Any) -> None:
        """Take note of pixels."""
        self.indices.append(tuple(np.asarray(i) for i in indices))

    def close(self) -> None:
        """Note nothing any more."""
        # napari's own method shows again beneath
        vars(self._labels).pop("data_setitem", None)


def _new(path: Path) -> Path:
    path = path if path.suffix == ending() else path.with_name(path.name + ending())
    if path.exists():
        raise FileError(
            Message(
                "labels are not written over something: expected a new name, got {path!r}. "
                "Choose another name.",
                path=str(path),
            )
        )
    return path
