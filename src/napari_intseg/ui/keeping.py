"""Labels moved to a folder that a person chooses, while work on them goes on."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_intseg.errors import FileError, IntSegError
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.kept import Kept, copy, ending, keep, place_of
from napari_intseg.ui.voice import told
from napari_intseg.ui.workbench import Workbench
from napari_intseg.ui.worker import Outcome, ShouldStop


class Keeping:
    """Where the labels of the chosen image live.

    Parameters
    ----------
    bench : Workbench
        Whose work.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.is_moving = False

    @property
    def place(self) -> Path | None:
        """The folder on disk; None: they are in memory, or there are none."""
        binder = self._binder()
        return None if binder is None else place_of(binder.labels.data)

    def move(self, path: Path) -> None:
        """Have the labels live in a new folder from now on; what is in the old one stays there.

        They are copied in the inference thread. What is painted meanwhile is copied after it.
        """
        binder, voice = self._binder(), self._bench.voice
        if binder is None or self.is_moving:
            voice.failed.emit("There are no labels to keep yet. Begin an object first.")
            return
        labels, source = binder.labels, binder.labels.data
        try:
            kept = keep(binder.frame, source.dtype, _new(path))
        except IntSegError as err:
            voice.failed.emit(str(err))
            return
        written = _Written(labels)
        binder.painter.on_direct = written.note
        self.is_moving = True
        voice.message.emit(f"Copying the labels to {path.name} …")
        voice.changed.emit()

        def work(_: ShouldStop) -> None:
            copy(source, kept.array)

        def done(outcome: Outcome[None]) -> None:
            written.close()
            binder.painter.on_direct = None
            self.is_moving = False
            if outcome.error is not None:
                voice.failed.emit(told(outcome.error))
            elif binder.is_closed or labels.data is not source:
                voice.failed.emit("The labels were removed while they were copied.")
            else:
                self._swap(binder, kept, written)
            voice.changed.emit()

        self._bench.worker.submit(work, done)

    def _swap(self, binder: Binder, kept: Kept, written: "_Written") -> None:
        source = binder.labels.data
        for indices in written.indices:
            values = getattr(source, "vindex", source)[indices]
            getattr(kept.array, "vindex", kept.array)[indices] = values
        binder.labels.data = kept.array
        self._bench.voice.message.emit(f"The labels are kept in {kept.path}.")

    def _binder(self) -> Binder | None:
        binder = self._bench.binder
        return None if binder is None or binder.is_closed else binder


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
            f"labels are not written over something: expected a new name, got {str(path)!r}. "
            "Choose another name."
        )
    return path
