"""The first click on an image begins its first object: no button has to be pressed before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Image

from napari_intseg.ui.clicking import MODIFIER
from napari_intseg.ui.tools import offered
from napari_intseg.ui.workbench import Workbench

_MOVED_PX = 4
"""A press that moves further is a drag, by which the view is moved: Qt's own limit is 10."""

_LEFT = 1


class FirstClick:
    """Hears the mouse on the canvas as long as there are no clicks on the chosen image.

    Parameters
    ----------
    bench : Workbench
        Whose work.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        bench.viewer.mouse_drag_callbacks.append(self._press)

    def close(self) -> None:
        """Let go of the viewer."""
        if self._press in self._bench.viewer.mouse_drag_callbacks:
            self._bench.viewer.mouse_drag_callbacks.remove(self._press)

    @property
    def is_awaited(self) -> bool:
        """Whether a click now would be the first one."""
        bench = self._bench
        active = bench.viewer.layers.selection.active
        return (
            bench.binder is None
            and bench.image is not None
            and bench.image.visible
            and bench.viewer.dims.ndisplay == 2
            and (active is None or isinstance(active, Image))
            and "click" in offered(bench)
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
        bench = self._bench
        image = bench.image
        assert image is not None
        ndim = len(image.extent.data[0])
        at = np.asarray(image.world_to_data(position[-ndim:]), float)
        shape = np.asarray(image.extent.data[1])
        if not positive or (at < -0.5).any() or (at > shape + 0.5).any():
            return
        bench.new_object()
        binder = bench.binder
        if binder is None or isinstance(binder.viewed, str):
            return
        if binder.is_begun(binder.drawer.object):  # work of an earlier window is gone on with
            return
        grid = len(binder.frame.grid)
        binder.points.add(np.asarray(binder.points.world_to_data(position[-grid:]), float))
