"""Labels moved to a folder that a person chooses, while work on them goes on."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_intseg.errors import FileError, IntSegError
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.signals import told
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop
from napari_intseg.ui.storage.labels_on_disk import LabelsOnDisk, copy, ending, keep, place_of


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

        labels.data_setitem = noted  # as napari itself calls it

    def note(self, indices: Any) -> None:
        """Take note of pixels."""
        self.indices.append(tuple(np.asarray(i) for i in indices))

    def close(self) -> None:
        """Note nothing any more."""
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
