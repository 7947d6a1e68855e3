"""Clicks that need no button or no mouse, and the further masks that answer the same clicks.

The first click on an image begins its first object; a cursor that keys move clicks without a mouse.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Points
from napari.utils.key_bindings import coerce_keybinding
from numpy.typing import NDArray

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import Alternative
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import camera_of
from napari_intseg.ui.layers.layer_registry import add_aside
from napari_intseg.ui.layers.points_listener import MODIFIER
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import listen, told

if TYPE_CHECKING:
    from napari_intseg.ui.controllers.viewer_controller import ViewerController

_MOVED_PX = 4
"""A press that moves further is a drag, by which the view is moved: Qt's own limit is 10."""

# the number that vispy gives the left button
_LEFT = 1
_MOVES_VIEW = "pan_zoom"
"""napari's mode of a layer whose clicks do nothing."""


class FirstClickListener:
    """Hears the mouse on the canvas where no layer would take a click.

    That is as long as there are no clicks on the chosen image, and later while the image, its
    labels or no layer is selected: without it such a click would be lost, and nothing said so.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        controller.viewer.mouse_drag_callbacks.append(self._press)

    def close(self) -> None:
        """Let go of the viewer."""
        if self._press in self._controller.viewer.mouse_drag_callbacks:
            self._controller.viewer.mouse_drag_callbacks.remove(self._press)

    @property
    def is_awaited(self) -> bool:
        """Whether a click now would be the first one."""
        controller = self._controller
        active = controller.viewer.layers.selection.active
        return (
            controller.image_controller is None
            and controller.image is not None
            and controller.image.visible
            and controller.viewer.dims.ndisplay == 2
            and (active is None or isinstance(active, Image))
            and "click" in controller.prompt_tools.offered()
        )

    @property
    def is_aside(self) -> bool:
        """Whether a click now would reach no layer of the work that is under way."""
        controller = self._controller
        image_controller = controller.image_controller
        if image_controller is None or image_controller.is_closed:
            return False
        active = controller.viewer.layers.selection.active
        return (
            (
                active is None
                # a brush of napari's, or moving the layer, is meant otherwise
                or (
                    active in (controller.image, image_controller.labels)
                    and active.mode == _MOVES_VIEW
                )
            )
            and controller.viewer.dims.ndisplay == 2
            and "click" in controller.prompt_tools.offered()
        )

    def _press(self, _viewer: Any, event: Any) -> Iterator[None]:
        # other buttons and keys are napari's own
        if event.button != _LEFT or set(event.modifiers) - {MODIFIER}:
            return
        if not (self.is_awaited or self.is_aside):
            return
        start = np.asarray(event.pos, float)
        is_drag = False
        yield
        while event.type == "mouse_move":
            moved = np.abs(np.asarray(event.pos, float) - start).max()
            is_drag = is_drag or bool(moved > _MOVED_PX)
            yield
        # asked again: the press itself may have changed the selection
        turned = MODIFIER in event.modifiers
        if is_drag or not self._is_inside(event.position):
            return
        if self.is_awaited and not turned:
            self._begin(event.position)
        elif self.is_aside:
            self._go_on(event.position, turned)

    def _is_inside(self, position: Any) -> bool:
        image = self._controller.image
        if image is None:
            return False
        # axes of the image itself: colours are no axis of the world
        ndim = len(image.extent.data[0])
        at = np.asarray(image.world_to_data(position[-ndim:]), float)
        return not ((at < -0.5).any() or (at > np.asarray(image.extent.data[1]) + 0.5).any())

    def _go_on(self, position: Any, turned: bool) -> None:
        """Click as with the Points layer selected, which it is from now on."""
        image_controller = self._controller.image_controller
        assert image_controller is not None
        clicking, points = image_controller.clicking, image_controller.points
        grid = len(image_controller.image_axes.grid)
        self._controller.viewer.layers.selection.active = points
        clicking.click(
            np.asarray(points.world_to_data(position[-grid:]), float), clicking.positive != turned
        )

    def _begin(self, position: Any) -> None:
        controller = self._controller
        controller.new_object()
        image_controller = controller.image_controller
        if image_controller is None or isinstance(image_controller.displayed_slice, str):
            return
        # work of an earlier window goes on
        if image_controller.is_begun(image_controller.session_store.object):
            return
        grid = len(image_controller.image_axes.grid)
        image_controller.points.add(
            np.asarray(image_controller.points.world_to_data(position[-grid:]), float)
        )


NAME = "keyboard cursor"
_STEP_PX = 16
_RING_PX = 22
"""Pixels of the screen: what a key moves the cursor by, and how wide its ring is, which is narrower
than a nucleus."""

# rows and columns of the screen, whose rows count downwards
_MOVES = {"Up": (-1, 0), "Down": (1, 0), "Left": (0, -1), "Right": (0, 1)}


class KeyboardCursor:
    """While it is on, the arrow keys move a cursor and Enter clicks there.

    Arrows move by some pixels of the screen, with Shift by one pixel of the image. Enter gives a
    positive click, Shift+Enter a negative one; full stop and comma show the next plane and the one
    before. The keys are napari's again once it is off.

    Parameters
    ----------
    controller : ViewerController
        Whose clicks.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._layer: Points | None = None
        self._place: NDArray[np.float64] = np.zeros(2)
        self._before: dict[Any, Any] = {}

    @property
    def is_on(self) -> bool:
        """Whether the arrow keys move it."""
        return self._layer is not None

    @property
    def place(self) -> tuple[int, int]:
        """Row and column of the pixel that it is on."""
        return int(self._place[0]), int(self._place[1])

    def toggle(self) -> None:
        """Switch it on or off."""
        if self.is_on:
            self.close()
            self._controller.signals.message.emit(Message("The arrow keys are napari's again."))
            return
        if self._controller.image_controller is None:
            self._controller.new_object()
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        if isinstance(image_controller.displayed_slice, str):
            self._controller.signals.failed.emit(image_controller.displayed_slice)
            return
        shape = image_controller.image_axes.volume().slice_shape(
            image_controller.displayed_slice.plane.axis
        )
        # the middle of the slice
        self._place = np.array(shape) // 2 * 1.0
        self._bind()
        self._draw(image_controller)
        listen(self._controller.signals.edited, self._follow, True)
        self._controller.signals.message.emit(
            Message(
                "Arrows move the cursor, with Shift by a pixel; Enter clicks, Shift+Enter "
                "clicks beside the object; . and , change the plane. The key that began it ends it."
            )
        )

    def close(self) -> None:
        """Give the keys back, and take the cursor away."""
        layer, self._layer = self._layer, None
        listen(self._controller.signals.edited, self._follow, False)
        viewer = self._controller.viewer
        for key, before in self._before.items():
            # None takes a key away where there was none before
            viewer.bind_key(key, before, overwrite=True)
        self._before = {}
        if layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def move(self, rows: int, cols: int, *, by_pixel: bool = False) -> None:
        """Move it by so many steps, or pixels, and say where it is."""
        image_controller = self._current()
        if image_controller is None:
            return
        step = np.ones(2)
        if not by_pixel:
            scale = np.asarray(image_controller.labels.scale, float)[self._axes(image_controller)]
            step = np.maximum(
                1, np.rint(_STEP_PX / camera_of(self._controller.viewer).zoom / scale)
            )
        shape = np.array(
            [image_controller.image_axes.shape[a] for a in self._axes(image_controller)]
        )
        self._place = np.clip(self._place + np.array([rows, cols]) * step, 0, shape - 1)
        self._draw(image_controller)
        self._tell(image_controller)

    def click(self, positive: bool = True) -> None:
        """Click where it is."""
        image_controller = self._current()
        if image_controller is not None:
            image_controller.clicking.click(self._position(image_controller), positive)

    def step_plane(self, by: int) -> None:
        """Show a plane further on, or back."""
        image_controller = self._current()
        if image_controller is None or len(image_controller.image_axes.spatial) < 3:
            return
        now = image_controller.displayed_slice
        if isinstance(now, str):
            return
        viewer = self._controller.viewer
        offset = viewer.dims.ndim - len(image_controller.image_axes.grid)
        axis = offset + image_controller.image_axes.spatial[now.plane.axis]
        viewer.dims.set_current_step(axis, viewer.dims.current_step[axis] + by)
        self._draw(image_controller)

    def _current(self) -> ImageController | None:
        image_controller = self._controller.image_controller
        if not self.is_on or image_controller is None or image_controller.is_closed:
            return None
        if isinstance(image_controller.displayed_slice, str):
            self._controller.signals.message.emit(image_controller.displayed_slice)
            return None
        return image_controller

    def _follow(self) -> None:
        """End with the work on the image, or when its layer was removed."""
        if self._layer is None:
            return
        image_controller = self._controller.image_controller
        if image_controller is None or self._layer not in self._controller.viewer.layers:
            self.close()

    def _axes(self, image_controller: ImageController) -> list[int]:
        """Return the two axes of the grid that are displayed."""
        now, spatial = image_controller.displayed_slice, image_controller.image_axes.spatial
        assert not isinstance(now, str)
        return [a for i, a in enumerate(spatial) if len(spatial) == 2 or i != now.plane.axis]

    def _position(self, image_controller: ImageController) -> NDArray[np.float64]:
        now = image_controller.displayed_slice
        assert not isinstance(now, str)
        at = np.zeros(len(image_controller.image_axes.grid))
        free = iter(self._place)
        for axis, part in enumerate(image_controller.image_axes.index(now.time, now.plane)):
            at[axis] = next(free) if isinstance(part, slice) else part
        return at

    def _tell(self, image_controller: ImageController) -> None:
        row, col = self.place
        held = int(
            image_controller.labels.data[tuple(self._position(image_controller).astype(int))]
        )
        told = Message("Cursor at row {row}, column {col}, in no object.", row=row, col=col)
        if held:
            told = Message(
                "Cursor at row {row}, column {col}, in object {label}.",
                row=row,
                col=col,
                label=held,
            )
        self._controller.signals.message.emit(told)

    def _draw(self, image_controller: ImageController) -> None:
        viewer, labels = self._controller.viewer, image_controller.labels
        at = self._position(image_controller)[None]
        if self._layer is None:
            wide = _RING_PX / camera_of(viewer).zoom / float(labels.scale[-1])
            self._layer = Points(
                at, name=NAME, symbol="ring", size=max(3.0, wide), face_color="white",
                border_color="black", scale=labels.scale, translate=labels.translate,
                rotate=labels.rotate, shear=labels.shear, affine=labels.affine,
                units=labels.units,
            )  # fmt: skip
            self._layer.editable = False
            # the cursor's layer must not take the mouse
            add_aside(viewer, self._layer, image_controller.image_axes.image, "cursor")
        else:
            self._layer.data = at

    def _bind(self) -> None:
        for key, call in self._keys().items():
            code = coerce_keybinding(key)
            # only what the viewer itself has: keys of layers and of napari stay underneath
            self._before[code] = self._controller.viewer.keymap.get(code)
            self._controller.viewer.bind_key(code, _without_viewer(call), overwrite=True)

    def _keys(self) -> dict[str, Callable[[], None]]:
        def moved(by: tuple[int, int], by_pixel: bool) -> Callable[[], None]:
            return lambda: self.move(*by, by_pixel=by_pixel)

        keys: dict[str, Callable[[], None]] = {}
        for name, by in _MOVES.items():
            keys[name], keys[f"Shift-{name}"] = moved(by, False), moved(by, True)
        keys["Enter"] = self.click
        keys["Shift-Enter"] = lambda: self.click(False)
        keys["."], keys[","] = (lambda: self.step_plane(1)), (lambda: self.step_plane(-1))
        return keys


def _without_viewer(call: Callable[[], None]) -> Callable[[Any], None]:
    def press(_viewer: Any) -> None:
        call()

    return press


def offered(controller: "ViewerController") -> tuple[Alternative, ...]:
    """Return the masks offered for the current object on the displayed plane, best first."""
    return controller.prompt_tools.offer()[1]


def told_offer(alternatives: tuple[Alternative, ...]) -> str:
    """Return a text that says which of the masks is in place."""
    if not alternatives:
        return ""
    number = next((i for i, one in enumerate(alternatives) if one.is_chosen), None)
    if number is None:
        return Message("{count} masks", count=len(alternatives))
    return Message(
        "{number} of {count} · score {score:.2f}",
        number=number + 1,
        count=len(alternatives),
        score=alternatives[number].score,
    )


def step(controller: "ViewerController", by: int = 1) -> None:
    """Put the next mask in place, or the one before with -1; after the last comes the first."""
    at, image_controller = _here(controller), controller.image_controller
    alternatives = offered(controller)
    if at is None or image_controller is None or not alternatives:
        controller.signals.failed.emit(
            Message(
                "The model gave one answer here. SAM and its kin give several after a single "
                "click; other models do with *several answers* ticked, among what the model "
                "sees."
            )
        )
        return
    time, session, plane = at
    if session.is_finished(session.object):
        controller.signals.failed.emit(
            Message("The object is accepted. Untick it in the list to go on with it.")
        )
        return
    now = next((i for i, one in enumerate(alternatives) if one.is_chosen), -1)
    change = session.choose_alternative((now + by) % len(alternatives), plane)
    image_controller.draw(time, change)
    controller.signals.message.emit(
        Message("Answer {which}.", which=told_offer(offered(controller)))
    )
    controller.signals.changed.emit()


def share(controller: "ViewerController") -> None:
    """Give the objects of the displayed plane each other's clicks, and have all answered anew."""
    here = _here(controller)
    image_controller = controller.image_controller
    if here is None or image_controller is None:
        controller.signals.message.emit(Message("There is nothing of that kind here."))
        return
    time, session, plane = here
    try:
        change = session.share_corrections(plane)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return
    image_controller.show_change(time, session, change)


def _here(controller: "ViewerController") -> tuple[int, Session, Plane] | None:
    """Return the displayed time point, its session and the plane; None if there is none."""
    image_controller = controller.image_controller
    now = None if image_controller is None else image_controller.displayed_slice
    if image_controller is None or now is None or isinstance(now, str):
        return None
    session = image_controller.session_store.session(now.time)
    if session is None or image_controller.session_store.object not in session.objects:
        return None
    return now.time, session, now.plane
