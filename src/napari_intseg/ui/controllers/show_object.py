"""Bringing an object into view."""

import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.review import bring
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import camera_of
from napari_intseg.ui.layers.points_codec import Place


def show_object(controller: ViewerController, label: int) -> None:
    """Make an object the current one, and show a plane of it with its middle in the middle.

    The plane where most was given for it; of what was found or propagated that with most pixels.
    """
    controller.select_object(label)
    image_controller = controller.image_controller
    if image_controller is None or image_controller.is_closed:
        return
    found = _place(image_controller, label)
    if found is None:
        controller.signals.message.emit(f"Object {label} is nowhere yet: click on it.")
        return
    bring(image_controller, found.plane, found.time)
    mask = image_controller.session_store.mask(found)
    if not mask.any():
        return
    rows, cols = np.nonzero(mask)
    at = np.zeros(len(image_controller.image_axes.grid))
    where = image_controller.image_axes.index(found.time, found.plane)
    middle = iter((rows.mean(), cols.mean()))
    for axis, part in enumerate(where):
        at[axis] = next(middle) if isinstance(part, slice) else part
    world = np.asarray(image_controller.labels.data_to_world(at), float)
    viewer = controller.viewer
    offset = viewer.dims.ndim - len(at)
    shown = [axis - offset for axis in viewer.dims.displayed]
    camera_of(viewer).center = tuple(world[axis] for axis in shown)


def _place(image_controller: ImageController, label: int) -> Place | None:
    times = sorted(
        image_controller.session_store.sessions.items(),
        key=lambda one: one[0] != image_controller.time,
    )
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
