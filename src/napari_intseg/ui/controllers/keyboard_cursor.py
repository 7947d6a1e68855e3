"""Clicks without a mouse: a cursor on the image that keys move."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Points
from napari.utils.key_bindings import coerce_keybinding
from numpy.typing import NDArray

from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import camera_of
from napari_intseg.ui.layers.layer_registry import note_made
from napari_intseg.ui.messages import Message

NAME = "keyboard cursor"
_STEP_PX = 16
_RING_PX = 22
"""On the screen: what a key moves the cursor by, and how wide its ring is; a nucleus is wider."""

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
        controller.signals.changed.connect(self._follow)

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
        self._place = np.array(shape) // 2 * 1.0
        self._bind()
        self._draw(image_controller)
        self._controller.signals.message.emit(
            Message(
                "Arrows move the cursor, with Shift by a pixel; Enter clicks, Shift+Enter "
                "clicks beside the object; . and , change the plane. The key that began it ends it."
            )
        )

    def close(self) -> None:
        """Give the keys back, and take the cursor away."""
        layer, self._layer = self._layer, None
        viewer = self._controller.viewer
        for key, before in self._before.items():
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
            active = viewer.layers.selection.active
            wide = _RING_PX / camera_of(viewer).zoom / float(labels.scale[-1])
            self._layer = Points(
                at, name=NAME, symbol="ring", size=max(3.0, wide), face_color="white",
                border_color="black", scale=labels.scale, translate=labels.translate,
                rotate=labels.rotate, shear=labels.shear, affine=labels.affine,
                units=labels.units,
            )  # fmt: skip
            self._layer.editable = False
            note_made(self._layer, image_controller.image_axes.image, "cursor")
            viewer.add_layer(self._layer)
            viewer.layers.selection.active = active
        else:
            self._layer.data = at

    def _bind(self) -> None:
        for key, call in self._keys().items():
            code = coerce_keybinding(key)
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
