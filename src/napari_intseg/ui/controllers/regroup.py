"""Merging, splitting and renumbering objects from the window, without Qt; at all time points."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError, PromptError
from napari_intseg.session.document import Change
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.object_facts import NAMES

if TYPE_CHECKING:
    from napari_intseg.ui.controllers.viewer_controller import ViewerController


def merge(controller: "ViewerController", labels: Iterable[int]) -> None:
    """Make one object of several, with the smallest of their numbers; one undo a time point."""
    chosen = sorted(set(labels))
    if len(chosen) < 2:
        controller.signals.failed.emit(
            "Choose two or more objects in the table first: hold Ctrl and click on their rows."
        )
        return
    into = chosen[0]

    def act(session: Session) -> Change | None:
        there = [label for label in chosen if label in session.objects]
        if len(there) > 1:
            change = session.merge_objects(there)
            if there[0] == into:
                return change
        return _renumbered(session, there[0], into) if there and there[0] != into else None

    if _at_all_times(controller, chosen, act):
        others = ", ".join(str(label) for label in chosen[1:])
        controller.signals.message.emit(
            f"{'Objects' if len(chosen) > 2 else 'Object'} {others} "
            f"{'are' if len(chosen) > 2 else 'is'} part of object {into} now."
        )


def relabel(controller: "ViewerController", label: int, number: int) -> None:
    """Give an object another number; name and class go with it."""
    image_controller = controller.image_controller
    if image_controller is None or label == number:
        return
    if number in image_controller.session_store.labels:
        controller.signals.failed.emit(
            f"There is an object {number} already. Choose another number, or select both rows "
            "and merge them."
        )
        return
    if not image_controller.has_room(number):
        controller.signals.failed.emit(image_controller.too_large(f"object {number}"))
        return
    if _at_all_times(controller, [label], lambda session: _renumbered(session, label, number)):
        known = image_controller.labels.metadata.get(NAMES, {})
        if label in known:
            known[number] = dict(known[label])  # it stays for the old one too: undo goes back there
        controller.signals.message.emit(f"Object {label} is object {number} now.")
        controller.signals.changed.emit()


class Splitter:
    """Takes the next two clicks as the two parts an object is split into.

    Parameters
    ----------
    controller : ViewerController
        Whose clicks.
    """

    def __init__(self, controller: "ViewerController") -> None:
        self._controller = controller
        self._image_controller: ImageController | None = None
        self._label = 0
        self._first: tuple[float, ...] | None = None
        controller.signals.changed.connect(self._follow)

    @property
    def is_on(self) -> bool:
        """Whether the next click says where to split."""
        return self._image_controller is not None

    def begin(self, label: int | None = None) -> None:
        """Wait for two clicks in an object, the current one by default; twice: not any more."""
        controller, image_controller = self._controller, self._controller.image_controller
        if self.is_on:
            self.stop()
            controller.signals.message.emit("Nothing is split.")
            return
        if image_controller is None or isinstance(image_controller.displayed_slice, str):
            controller.signals.failed.emit("There is no object to split yet. Click on one first.")
            return
        if label is not None:
            controller.select_object(label)
        self._label = image_controller.session_store.object
        session = image_controller.session_store.session(image_controller.time)
        if session is None or not _has_pixels(session, self._label):
            controller.signals.failed.emit(
                f"Object {self._label} has no pixels to split. Click on it first."
            )
            return
        self._image_controller, self._first = image_controller, None
        image_controller.clicking.divert = self.click
        controller.viewer.layers.selection.active = image_controller.points
        image_controller.points.mode = "add"
        controller.signals.message.emit(
            f"Split object {self._label}: click in one part, then in the other."
        )

    def stop(self) -> None:
        """Take clicks as prompts again."""
        image_controller, self._image_controller = self._image_controller, None
        if image_controller is not None:
            image_controller.clicking.divert = None

    def _follow(self) -> None:
        """Give up where the object or the image is another one meanwhile."""
        held = self._image_controller
        if held is None:
            return
        if (
            held.is_closed
            or held is not self._controller.image_controller
            or held.session_store.object != self._label
        ):
            self.stop()

    def click(self, at: NDArray[np.float64]) -> None:
        """Take a position on the grid of the labels as a click in a part; the second one splits."""
        image_controller = self._image_controller
        if image_controller is None:
            return
        position = tuple(float(at[axis]) for axis in image_controller.image_axes.spatial)
        session = image_controller.session_store.session(image_controller.time)
        index = tuple(int(np.floor(p + 0.5)) for p in position)
        signals = self._controller.signals
        if session is None or not _holds(session, self._label, index):
            signals.failed.emit(
                f"That is not in object {self._label}. Click inside it, once in each part."
            )
        elif self._first is None:
            self._first = position
            signals.message.emit(f"Now click in the other part of object {self._label}.")
        else:
            first, self._first = self._first, None
            self._split(image_controller, session, first, position)

    def _split(
        self,
        image_controller: ImageController,
        session: Session,
        first: tuple[float, ...],
        second: tuple[float, ...],
    ) -> None:
        label, new = self._label, max(image_controller.session_store.labels) + 1
        if not image_controller.has_room(new):
            self.stop()
            self._controller.signals.failed.emit(image_controller.too_large(f"object {new}"))
            return
        try:
            change = session.split_object(first, second, label, new)
        except PromptError as err:
            self._controller.signals.failed.emit(str(err))
            return
        self.stop()
        image_controller.show_change(image_controller.time, session, change)
        self._controller.signals.message.emit(f"Object {label} is split: object {new} is new.")


def _renumbered(session: Session, label: int, number: int) -> Change | None:
    return session.relabel_object(label, number) if label in session.objects else None


def _at_all_times(
    controller: "ViewerController", labels: Iterable[int], act: Callable[[Session], Change | None]
) -> bool:
    """Do something in every session, if all of them may; return whether that was so."""
    image_controller = controller.image_controller
    if image_controller is None:
        return False
    sessions = image_controller.session_store.sessions
    for label in labels:
        controller.let_go(label)
    try:
        for session in sessions.values():  # asked of all before the first is changed
            for label in labels:
                if label in session.objects:
                    session.document.check_free(label)
        for time, session in sessions.items():
            change = act(session)
            if change is not None:
                image_controller.show_change(time, session, change)
    except IntSegError as err:
        controller.signals.failed.emit(str(err))
        return False
    return True


def _has_pixels(session: Session, label: int) -> bool:
    if label not in session.objects:
        return False
    canvas = session.document.canvas
    shown = (state.shown for _, state in canvas.states(label))
    return bool(canvas.painted(label)) or any(s is not None and s.inside.any() for s in shown)


def _holds(session: Session, label: int, index: tuple[int, ...]) -> bool:
    """Whether a pixel of the data belongs to an object."""
    if any(not 0 <= i < n for i, n in zip(index, session.volume.shape, strict=True)):
        return False
    flat = len(index) == 2
    plane, (row, col) = (Plane(0, 0), index) if flat else (Plane(0, index[0]), index[1:])
    return bool(session.mask_on(plane, label)[row, col])
