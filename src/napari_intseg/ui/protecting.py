"""Locks, regions and overlaps from the window, without Qt; they hold at all time points."""

from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Shapes

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.errors import DataError, IntSegError
from napari_intseg.session.document import Change
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.workbench import Workbench


def session_now(bench: Workbench) -> Session | None:
    """Return the session at the time point in the window; None while there is none."""
    binder = bench.binder
    return None if binder is None else binder.drawer.session(binder.time)


def protect(bench: Workbench, **rules: Any) -> bool:
    """Change rules of `Protection` at all time points; return whether that could be done."""
    binder = bench.binder
    if session_now(bench) is None or binder is None:
        bench.voice.failed.emit("There is nothing to protect yet. Begin an object first.")
        return False
    try:
        for session in binder.drawer.sessions.values():
            session.protect(**rules)
    except IntSegError as err:
        bench.voice.failed.emit(str(err))
        bench.voice.changed.emit()
        return False
    bench.voice.changed.emit()
    return True


def protect_region(bench: Workbench, layer: Layer | None) -> bool:
    """Let pixels change only inside a Shapes or Labels layer; None: everywhere."""
    binder = bench.binder
    if binder is None or layer is None:
        return protect(bench, region=None)
    try:
        return protect(bench, region=region_of(layer, binder.frame))
    except DataError as err:
        bench.voice.failed.emit(str(err))
        return False


def region_of(layer: Layer, frame: Frame) -> BoolArray:
    """Return where a layer has shapes or labels, on the grid of a volume.

    Raises
    ------
    DataError
        If the layer is of another kind or on another grid.
    """
    shape = tuple(frame.shape[axis] for axis in frame.spatial)
    if isinstance(layer, Labels) and layer.data.shape in (shape, shape[-2:]):
        drawn: BoolArray = np.asarray(layer.data) != 0
        return drawn
    if isinstance(layer, Shapes) and len(layer.data) and layer.ndim in (2, len(frame.grid)):
        flat = shape[-2:]
        inside = np.zeros(flat, bool)
        for vertices in layer.data:  # seen from above: a shape holds on all planes
            one = Shapes([np.asarray(vertices)[:, -2:]], shape_type="polygon")
            inside |= one.to_masks(mask_shape=flat).any(axis=0)
        return inside
    raise DataError(
        f"layer is no region: expected shapes, or labels of shape {shape}, got {layer.name!r}. "
        "Draw shapes over the image, or choose another layer."
    )


def set_locked(bench: Workbench, locked: bool) -> None:
    """Lock the current object's pixels, or unlock them, accepted or not."""
    binder, session = bench.binder, session_now(bench)
    if binder is None or session is None:
        return
    label = binder.drawer.object
    for one in binder.drawer.sessions.values():
        if label in one.objects and one.is_locked(label) != locked:
            (one.lock_object if locked else one.unlock_object)(label)
    bench.voice.changed.emit()


def overlap(bench: Workbench) -> dict[int, int]:
    """Return how many pixels of the current answer others hold; empty unless people are asked."""
    binder, session = bench.binder, session_now(bench)
    if binder is None or session is None or isinstance(binder.viewed, str):
        return {}
    if session.protection.policy != "ask" or binder.drawer.object not in session.objects:
        return {}
    return session.contested_on(binder.viewed.plane, binder.drawer.object)


def take_over(bench: Workbench) -> None:
    """Give the current object the pixels of its answer that others hold."""
    binder, session = bench.binder, session_now(bench)
    if binder is not None and session is not None and not isinstance(binder.viewed, str):
        plane, label = binder.viewed.plane, binder.drawer.object
        _draw(bench, binder, lambda: session.take_over(plane, label))


def drop_painted(bench: Workbench) -> None:
    """Let models' answers count again where the current object was painted by hand."""
    binder, session = bench.binder, session_now(bench)
    if binder is not None and session is not None:
        _draw(bench, binder, lambda: session.clear_painted(binder.drawer.object))


def _draw(bench: Workbench, binder: Binder, act: Any) -> None:
    try:
        change: Change | None = act()
    except IntSegError as err:
        bench.voice.failed.emit(str(err))
        return
    if change is None:
        bench.voice.message.emit("There is nothing of that kind here.")
        return
    binder.draw(binder.time, change)
    bench.voice.changed.emit()
