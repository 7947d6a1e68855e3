"""Bringing an object into view."""

import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import Place
from napari_intseg.ui.review import bring
from napari_intseg.ui.viewed import camera_of
from napari_intseg.ui.workbench import Workbench


def show_object(bench: Workbench, label: int) -> None:
    """Make an object the current one, and show a plane of it with its middle in the middle.

    The plane where most was given for it; of what was found or propagated that with most pixels.
    """
    bench.select_object(label)
    binder = bench.binder
    if binder is None or binder.is_closed:
        return
    found = _place(binder, label)
    if found is None:
        bench.voice.message.emit(f"Object {label} is nowhere yet: click on it.")
        return
    bring(binder, found.plane, found.time)
    mask = binder.drawer.mask(found)
    if not mask.any():
        return
    rows, cols = np.nonzero(mask)
    at = np.zeros(len(binder.frame.grid))
    where = binder.frame.index(found.time, found.plane)
    middle = iter((rows.mean(), cols.mean()))
    for axis, part in enumerate(where):
        at[axis] = next(middle) if isinstance(part, slice) else part
    world = np.asarray(binder.labels.data_to_world(at), float)
    viewer = bench.viewer
    offset = viewer.dims.ndim - len(at)
    shown = [axis - offset for axis in viewer.dims.displayed]
    camera_of(viewer).center = tuple(world[axis] for axis in shown)


def _place(binder: Binder, label: int) -> Place | None:
    times = sorted(binder.drawer.sessions.items(), key=lambda one: one[0] != binder.time)
    for time, session in times:
        if label in session.objects:
            plane = _plane(session, label)
            if plane is not None:
                return Place(time, label, plane)
    return None


def _plane(session: Session, label: int) -> Plane | None:
    states = list(session.document.canvas.states(label))
    if states:
        plane, _ = max(
            states,
            key=lambda one: (
                len(one[1].prompts.clicks),
                0 if one[1].shown is None else int(np.count_nonzero(one[1].shown.inside)),
            ),
        )
        return plane
    painted = session.document.canvas.painted(label)
    return Plane(0, min(painted)) if painted else None
