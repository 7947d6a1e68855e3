"""The first click on an image begins its first object: no button has to be pressed before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Image

from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_listener import MODIFIER

_MOVED_PX = 4
"""A press that moves further is a drag, by which the view is moved: Qt's own limit is 10."""

# the number that vispy gives the left button
_LEFT = 1


class FirstClickListener:
    """Hears the mouse on the canvas as long as there are no clicks on the chosen image.

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

    def _press(self, _viewer: Any, event: Any) -> Iterator[None]:
        if not self.is_awaited or event.button != _LEFT or set(event.modifiers) - {MODIFIER}:
            return
        start = np.asarray(event.pos, float)
        is_drag = False
        yield
        while event.type == "mouse_move":
            moved = np.abs(np.asarray(event.pos, float) - start).max()
            is_drag = is_drag or bool(moved > _MOVED_PX)
            yield
        if not is_drag and self.is_awaited:
            self._begin(event.position, positive=MODIFIER not in event.modifiers)

    def _begin(self, position: Any, *, positive: bool) -> None:
        controller = self._controller
        image = controller.image
        assert image is not None
        ndim = len(image.extent.data[0])
        at = np.asarray(image.world_to_data(position[-ndim:]), float)
        shape = np.asarray(image.extent.data[1])
        if not positive or (at < -0.5).any() or (at > shape + 0.5).any():
            return
        controller.new_object()
        image_controller = controller.image_controller
        if image_controller is None or isinstance(image_controller.displayed_slice, str):
            return
        if image_controller.is_begun(
            image_controller.session_store.object
        ):  # work of an earlier window is gone on with
            return
        grid = len(image_controller.image_axes.grid)
        image_controller.points.add(
            np.asarray(image_controller.points.world_to_data(position[-grid:]), float)
        )
