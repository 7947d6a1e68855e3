"""Splitting an object in two by two clicks, without Qt."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.signals import told


class Splitter:
    """Takes the next two clicks as the two parts an object is split into.

    Parameters
    ----------
    tools : Tools
        The viewer, and the signals that tell.
    current : callable
        Returns the work on the chosen image; None without one.
    select : callable
        Makes the object of a number the current one.
    """

    def __init__(
        self,
        tools: Tools,
        current: Callable[[], ImageController | None],
        select: Callable[[int], None],
    ) -> None:
        self._viewer, self._signals = tools.viewer, tools.signals
        self._current, self._select = current, select
        self._image_controller: ImageController | None = None
        self._label = 0
        self._first: tuple[float, ...] | None = None
        self._signals.changed.connect(self._follow)

    @property
    def is_on(self) -> bool:
        """Whether the next click says where to split."""
        return self._image_controller is not None

    def begin(self, label: int | None = None) -> None:
        """Wait for two clicks in an object, the current one by default; twice: not any more."""
        image_controller = self._current()
        if self.is_on:
            self.stop()
            self._signals.message.emit(Message("Nothing is split."))
            return
        if image_controller is None or isinstance(image_controller.displayed_slice, str):
            self._signals.failed.emit(
                Message("There is no object to split yet. Click on one first.")
            )
            return
        if label is not None:
            self._select(label)
        self._label = image_controller.session_store.object
        session = image_controller.session_store.session(image_controller.time)
        if session is None or not _has_pixels(session, self._label):
            self._signals.failed.emit(
                Message(
                    "Object {label} has no pixels to split. Click on it first.", label=self._label
                )
            )
            return
        self._image_controller, self._first = image_controller, None
        image_controller.clicking.divert = self.click
        self._viewer.layers.selection.active = image_controller.points
        image_controller.points.mode = "add"
        self._signals.message.emit(
            Message(
                "Split object {label}: click in one part, then in the other.", label=self._label
            )
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
            or held is not self._current()
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
        if session is None or not _holds(session, self._label, index):
            self._signals.failed.emit(
                Message(
                    "That is not in object {label}. Click inside it, once in each part.",
                    label=self._label,
                )
            )
        elif self._first is None:
            self._first = position
            self._signals.message.emit(
                Message("Now click in the other part of object {label}.", label=self._label)
            )
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
            self._signals.failed.emit(image_controller.too_large(new))
            return
        try:
            change = session.split_object(first, second, label, new)
        except PromptError as err:
            self._signals.failed.emit(told(err))
            return
        self.stop()
        image_controller.show_change(image_controller.time, session, change)
        self._signals.message.emit(
            Message("Object {label} is split: object {new} is new.", label=label, new=new)
        )


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
