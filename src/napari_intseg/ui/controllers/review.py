"""Review of propagated planes, and clean-up of their masks; without Qt."""

from dataclasses import replace
from typing import Any

import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.request import Method
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message, counted
from napari_intseg.ui.qt.signals import told

Seen = tuple[int, int, Plane, float]


class Review:
    """The least sure planes of the current object, and clean-up of its masks.

    Parameters
    ----------
    controller : ViewerController
        Whose work.

    Attributes
    ----------
    shown : Plane or None
        Where `next` or `show` went last.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._seen: set[Seen] = set()
        self.shown: Plane | None = None

    @property
    def planes(self) -> tuple[tuple[Plane, float], ...]:
        """Planes that were propagated to, the least sure first, and how sure they are, 0 to 1."""
        session = self._session()
        return () if session is None else _planes_to_check(session, session.object)

    def next(self) -> Plane | None:
        """Show the least sure plane that has not been shown yet.

        After the last of the current object comes that of another which is not accepted, the least
        sure first; after the last of all, it begins again.
        """
        image_controller, session = self._controller.image_controller, self._session()
        if image_controller is not None and len(image_controller.image_axes.spatial) < 3:
            self._controller.signals.message.emit(
                Message("A flat image has no planes to check; this key is for volumes.")
            )
            return None
        if image_controller is None or session is None:
            self._controller.signals.failed.emit(
                Message("There is no plane to check yet. Propagate first.")
            )
            return None
        objects = {
            label: self._marks(image_controller.time, label) for label in self._objects(session)
        }
        if not any(objects.values()):
            self._controller.signals.failed.emit(
                Message("There is no plane to check yet. Propagate first.")
            )
            return None
        left = {
            label: [mark for mark in marks if mark not in self._seen]
            for label, marks in objects.items()
        }
        if not any(left.values()):
            left = objects
            self._seen.difference_update(mark for marks in objects.values() for mark in marks)
        first = left[session.object] or min((m for m in left.values() if m), key=_sureness)
        _, label, plane, _ = first[0]
        if label != session.object:
            self._controller.select_object(label)
        self.show(plane)
        return plane

    def _objects(self, session: Session) -> list[int]:
        """Return the current object, and those that are not accepted."""
        current = session.object
        others = (label for label in session.objects if not session.is_finished(label))
        return [current, *(label for label in others if label != current)]

    def _marks(self, time: int, label: int) -> list[Seen]:
        session = self._session()
        return (
            []
            if session is None
            else [(time, label, *row) for row in _planes_to_check(session, label)]
        )

    def show(self, plane: Plane) -> None:
        """Move the sliders to a plane."""
        image_controller, session = self._controller.image_controller, self._session()
        if image_controller is None or session is None:
            return
        bring(image_controller, plane)
        self.shown = plane
        sure = session.confidences.get(plane)
        if sure is not None:
            self._seen.add((image_controller.time, session.object, plane, sure))
            axis = image_controller.image_axes.grid[image_controller.image_axes.spatial[plane.axis]]
            number = image_controller.plane_number(plane)
            left = sum(
                (image_controller.time, session.object, *r) not in self._seen for r in self.planes
            )
            self._controller.signals.message.emit(
                Message(
                    "Object {object}, plane {axis} = {number}, {sure:.0f} % sure; {left} more to "
                    "check. Click to correct it, then propagate again.",
                    object=session.object,
                    axis=axis,
                    number=number,
                    sure=100 * sure,
                    left=left,
                )
            )
        self._controller.signals.changed.emit()

    def clean_up(self, **options: Any) -> None:
        """Clean up the current object at the displayed time point, see `Session.clean_up`."""
        image_controller, session = self._controller.image_controller, self._session()
        if (
            image_controller is None
            or session is None
            or not image_controller.is_begun(session.object)
        ):
            self._controller.signals.failed.emit(
                Message("There is nothing to tidy yet. Click on the object first.")
            )
            return
        now = image_controller.displayed_slice
        if not isinstance(now, str):
            session.axis = now.plane.axis
        try:
            change = session.clean_up(**options)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return
        image_controller.draw(image_controller.time, change)
        count = len(change.planes)
        done = Message("Object {label} was tidy already.", label=session.object)
        if count:
            done = counted(
                count,
                "Object {label}: {n} plane tidied.",
                "Object {label}: {n} planes tidied.",
                label=session.object,
            )
        self._controller.signals.message.emit(done)
        self._controller.signals.changed.emit()

    @property
    def reach_mm(self) -> float | None:
        """How far from a clicked plane propagation goes at most; settable, None: no limit."""
        return self._controller.settings.ending.reach_mm

    @reach_mm.setter
    def reach_mm(self, reach_mm: float | None) -> None:
        settings = self._controller.settings
        ending = replace(settings.ending, reach_mm=reach_mm)
        self._controller.settings = replace(settings, ending=ending)

    @property
    def is_interpolating(self) -> bool:
        """Whether shapes are interpolated between clicked planes without the model; settable."""
        return self._controller.settings.method == "interpolate"

    @is_interpolating.setter
    def is_interpolating(self, on: bool) -> None:
        method: Method = "interpolate" if on else "neighbour"
        self._controller.settings = replace(self._controller.settings, method=method)

    def _session(self) -> Session | None:
        """Return the displayed session with the current object selected; None if it has none."""
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.is_closed:
            return None
        session = image_controller.session_store.session(image_controller.time)
        label = image_controller.session_store.object
        return session if session is not None and label in session.objects else None


def _planes_to_check(session: Session, label: int) -> tuple[tuple[Plane, float], ...]:
    found = session.confidences_of(label)
    return tuple((plane, found[plane]) for plane in session.to_check(label=label))


def _sureness(marks: list[Seen]) -> float:
    return marks[0][3]


def bring(image_controller: ImageController, plane: Plane, time: int | None = None) -> None:
    """Move the sliders to a plane, whatever the order of the dims.

    Parameters
    ----------
    image_controller : ImageController
        Whose image it is of.
    plane : Plane
        Of any axis; that axis leaves the display if need be.
    time : int, optional
        The time point; that in the window by default.
    """
    dims, image_axes, labels = (
        image_controller.tools.viewer.dims,
        image_controller.image_axes,
        image_controller.labels,
    )
    offset = dims.ndim - len(image_axes.grid)
    here = np.array(labels.world_to_data(dims.point), float)[-len(image_axes.grid) :]
    if len(image_axes.spatial) == 3:
        axis = image_axes.spatial[plane.axis]
        here[axis] = plane.index
        if axis + offset in dims.displayed:
            rest = [
                a for a in range(dims.ndim) if a not in {s + offset for s in image_axes.spatial}
            ]
            others = [s + offset for s in image_axes.spatial if s != axis]
            dims.order = (*rest, axis + offset, *others)
    if time is not None and "t" in image_axes.grid:
        here[image_axes.grid.index("t")] = time
    world = np.asarray(labels.data_to_world(here), float)
    hidden = [a for a in dims.order[: dims.ndim - dims.ndisplay] if a >= offset]
    for one in hidden:
        dims.set_point(one, float(world[one - offset]))
