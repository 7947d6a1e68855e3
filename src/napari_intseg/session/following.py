"""An object followed through the sessions of a time series, plane by plane."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.propagation.frames import as_volume
from napari_intseg.propagation.stretch import Anchor, stretches
from napari_intseg.propagation.walk import Step, Walk, WalkSettings, walk
from napari_intseg.session.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Follow:
    """One plane of an object to be followed; frozen, so that it can go to another thread.

    Parameters
    ----------
    plane : Plane
        In the volumes of all time points.
    walk : Walk
        Through time: the index of its planes is the time point.
    """

    plane: Plane
    walk: Walk

    def steps(self) -> Iterator[Step]:
        """Yield a step for each time point answered; the model is asked here."""
        return (step for step in walk(self.walk) if step.plane is not None)


def follow_request(
    sessions: Mapping[int, Session],
    start: Session,
    label: int,
    n_times: int,
    volume_at: Callable[[int], Volume],
    *,
    settings: WalkSettings | None = None,
) -> list[Follow]:
    """Return what there is to follow of an object, from the time points where it was settled.

    Every plane of the object at `start` is followed by itself: the mask at one time point is the
    question at the next. Time points at which a person gave something on that plane are anchors.

    Parameters
    ----------
    sessions : mapping of int to Session
        By time point, those that exist.
    start : Session
        Whose planes are followed; one of them.
    label : int
        Of the object.
    n_times : int
        How many time points there are.
    volume_at : callable
        Returns the volume at any of them.
    settings : WalkSettings, optional
        `WalkSettings.through_time` by default.

    Raises
    ------
    PromptError
        If the object has no mask at `start`, or there is but one time point.
    """
    planes = [
        plane
        for plane, state in start.document.canvas.states(label)
        if state.shown is not None and state.shown.inside.any()
    ]
    if not planes or n_times < 2:
        raise PromptError(
            "nothing to follow through time: expected a mask and at least 2 time points, got "
            f"{len(planes)} planes of object {label} and {n_times!r}. Click on the object first."
        )
    setup, how = start.setup, settings or WalkSettings.through_time()
    found = []
    for plane in planes:
        volume = as_volume(volume_at, n_times, plane)
        anchors = _anchors(sessions, start, label, plane)
        todo = tuple(stretches(0, anchors, range(n_times)))
        request = Walk(label, setup.model, volume, lambda: setup.options, todo, how, None, setup)
        found.append(Follow(plane, request))
    return found


def _anchors(
    sessions: Mapping[int, Session], start: Session, label: int, plane: Plane
) -> list[Anchor]:
    anchors = []
    for time, session in sessions.items():
        state = session.document.state(label, plane)
        if state.shown is not None and (session is start or state.is_given):
            shown = state.shown
            anchors.append(Anchor(time, shown.patch, not shown.inside.any(), shown.patch))
    return anchors
