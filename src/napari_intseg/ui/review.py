"""Looking through what propagation did, and tidying it; without Qt."""

from dataclasses import replace
from typing import Any

import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.plan import Method
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.workbench import Workbench

Seen = tuple[int, int, Plane, float]


class Review:
    """The planes of the current object that a person should look at, and what tidies it.

    Parameters
    ----------
    bench : Workbench
        Whose work.

    Attributes
    ----------
    shown : Plane or None
        Where `next` or `show` went last.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._seen: set[Seen] = set()
        self.shown: Plane | None = None

    @property
    def planes(self) -> tuple[tuple[Plane, float], ...]:
        """Planes that were propagated to, the least sure first, and how sure they are, 0 to 1."""
        session = self._session()
        return () if session is None else _planes(session, session.object)

    def next(self) -> Plane | None:
        """Show the least sure plane that has not been shown yet.

        After the last of the current object comes that of another which is not accepted, the least
        sure first; after the last of all, it begins again.
        """
        binder, session = self._bench.binder, self._session()
        if binder is None or session is None:
            self._bench.voice.failed.emit("There is no plane to check yet. Propagate first.")
            return None
        objects = {label: self._marks(binder.time, label) for label in self._objects(session)}
        if not any(objects.values()):
            self._bench.voice.failed.emit("There is no plane to check yet. Propagate first.")
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
            self._bench.select_object(label)
        self.show(plane)
        return plane

    def _objects(self, session: Session) -> list[int]:
        """Return the current object, and those that are not accepted."""
        current = session.object
        others = (label for label in session.objects if not session.is_finished(label))
        return [current, *(label for label in others if label != current)]

    def _marks(self, time: int, label: int) -> list[Seen]:
        session = self._session()
        return [] if session is None else [(time, label, *row) for row in _planes(session, label)]

    def show(self, plane: Plane) -> None:
        """Bring a plane into the window."""
        binder, session = self._bench.binder, self._session()
        if binder is None or session is None:
            return
        bring(binder, plane)
        self.shown = plane
        sure = session.confidences.get(plane)
        if sure is not None:
            self._seen.add((binder.time, session.object, plane, sure))
            axis = binder.frame.grid[binder.frame.spatial[plane.axis]]
            number = binder.plane_number(plane)
            left = sum((binder.time, session.object, *r) not in self._seen for r in self.planes)
            self._bench.voice.message.emit(
                f"Object {session.object}, plane {axis} = {number}, {100 * sure:.0f} % sure; "
                f"{left} more to check. Click to correct it, then propagate again."
            )
        self._bench.voice.changed.emit()

    def clean_up(self, **options: Any) -> None:
        """Tidy the current object at the time point in the window; see `Session.clean_up`."""
        binder, session = self._bench.binder, self._session()
        if binder is None or session is None or not binder.is_begun(session.object):
            self._bench.voice.failed.emit(
                "There is nothing to tidy yet. Click on the object first."
            )
            return
        now = binder.viewed
        if not isinstance(now, str):
            session.axis = now.plane.axis
        try:
            change = session.clean_up(**options)
        except IntSegError as err:
            self._bench.voice.failed.emit(str(err))
            return
        binder.draw(binder.time, change)
        count = len(change.planes)
        said = f"{count} plane{'' if count == 1 else 's'} tidied" if count else "was tidy already"
        self._bench.voice.message.emit(f"Object {session.object}: {said}.")
        self._bench.voice.changed.emit()

    @property
    def reach_mm(self) -> float | None:
        """How far from a clicked plane propagation goes at most; settable, None: no limit."""
        return self._bench.settings.ending.reach_mm

    @reach_mm.setter
    def reach_mm(self, reach_mm: float | None) -> None:
        settings = self._bench.settings
        ending = replace(settings.ending, reach_mm=reach_mm)
        self._bench.settings = replace(settings, ending=ending)

    @property
    def is_interpolating(self) -> bool:
        """Whether shapes are interpolated between clicked planes without the model; settable."""
        return self._bench.settings.method == "interpolate"

    @is_interpolating.setter
    def is_interpolating(self, on: bool) -> None:
        method: Method = "interpolate" if on else "neighbour"
        self._bench.settings = replace(self._bench.settings, method=method)

    def _session(self) -> Session | None:
        """Return the session in the window if it has the current object; it is selected then."""
        binder = self._bench.binder
        if binder is None or binder.is_closed:
            return None
        session = binder.drawer.session(binder.time)
        label = binder.drawer.object
        return session if session is not None and label in session.objects else None


def _planes(session: Session, label: int) -> tuple[tuple[Plane, float], ...]:
    found = session.confidences_of(label)
    return tuple((plane, found[plane]) for plane in session.to_check(label=label))


def _sureness(marks: list[Seen]) -> float:
    return marks[0][3]


def bring(binder: Binder, plane: Plane, time: int | None = None) -> None:
    """Show a plane in the window, whatever the order of the dims.

    Parameters
    ----------
    binder : Binder
        Whose image it is of.
    plane : Plane
        Of any axis; that axis leaves the display if need be.
    time : int, optional
        The time point; that in the window by default.
    """
    dims, frame, labels = binder.tools.viewer.dims, binder.frame, binder.labels
    offset = dims.ndim - len(frame.grid)
    here = np.array(labels.world_to_data(dims.point), float)[-len(frame.grid) :]
    if len(frame.spatial) == 3:
        axis = frame.spatial[plane.axis]
        here[axis] = plane.index
        if axis + offset in dims.displayed:
            rest = [a for a in range(dims.ndim) if a not in {s + offset for s in frame.spatial}]
            others = [s + offset for s in frame.spatial if s != axis]
            dims.order = (*rest, axis + offset, *others)
    if time is not None and "t" in frame.grid:
        here[frame.grid.index("t")] = time
    world = np.asarray(labels.data_to_world(here), float)
    hidden = [a for a in dims.order[: dims.ndim - dims.ndisplay] if a >= offset]
    for one in hidden:
        dims.set_point(one, float(world[one - offset]))
