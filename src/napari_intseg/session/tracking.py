"""Tracking: an object from time point to time point, slices as they are, volumes whole."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.stretch import Anchor, Stretch, stretches
from napari_intseg.propagation.time_step import Before, TimePointFinder, appearance_of, as_volume
from napari_intseg.propagation.walk import Step, Walk, WalkSettings, walk
from napari_intseg.session.document import Document
from napari_intseg.session.masks.plane_state import ObjectInfo, ObjectKey, PlaneKey, PlaneState
from napari_intseg.session.propagator import propagated

Followed = tuple[Plane, Step]
"""A plane of the volume at a time point, and the step on it; its plane's index is the time."""


class HasDocument(Protocol):
    """A session, or anything else with a document."""

    document: Document


@dataclass(frozen=True, slots=True, eq=False)
class SliceTracking:
    """A slice to be followed; frozen, so that it can go to another thread.

    Parameters
    ----------
    plane : Plane
        In the slices of all time points.
    walk : Walk
        Through time: the index of its planes is the time point.
    """

    plane: Plane
    walk: Walk

    def steps(self) -> Iterator[Followed]:
        """Yield a step for each time point answered; the model is asked here."""
        return ((self.plane, step) for step in walk(self.walk) if step.plane is not None)


@dataclass(frozen=True, slots=True, eq=False)
class VolumeTracking:
    """A volume to be followed from one time point to all others; frozen likewise.

    Parameters
    ----------
    walk : Walk
        Its volume is that of time point `start`.
    axis : int
        Masks lie on planes perpendicular to it.
    start, n_times : int
        Where it begins, and how many time points there are.
    volume_at : callable
        Returns the volume at any of them.
    known : mapping of int to mapping of int to Patch
        Masks that stay, by time point and plane: at `start` all of them.
    stale : mapping of int to frozenset of int
        Planes with masks that came from an earlier following; what is not found again goes.
    """

    walk: Walk
    axis: int
    start: int
    n_times: int
    volume_at: Callable[[int], Volume]
    known: Mapping[int, Mapping[int, Patch]]
    stale: Mapping[int, frozenset[int]]

    def steps(self) -> Iterator[Followed]:
        """Yield a step for each plane answered at each time point; the model is asked here.

        First forward in time, then backward, each until the object is lost.
        """
        first = self.known[self.start]
        threshold = self.walk.model.traits.threshold
        # where it is largest it is found most surely, and what it looks like is seen best
        largest = max(first, key=lambda i: int(first[i].inside(threshold).sum()))
        seen = appearance_of(self.walk, self.axis, largest, first[largest])
        passed, total = 0, max(1, len(first) * (self.n_times - 1))
        # forward and backward start anew from the first masks:
        # an object lost one way is not lost the other
        for times in (range(self.start + 1, self.n_times), range(self.start - 1, -1, -1)):
            masks: Mapping[int, Patch] = first
            for time in times:
                moment = self._moment(time, Before(masks, seen))
                passed += len(first)
                for index, patch, sure in moment.find():
                    step = self._step(time, index, patch, sure, (passed, total))
                    yield step[0], replace(step[1], note=moment.note)
                for index in self.stale.get(time, frozenset()) - set(moment.found):
                    # empty masks take away what an earlier
                    # following left and this one does not find
                    nothing = Patch.empty(self.walk.volume.slice_shape(self.axis))
                    yield self._step(time, index, nothing, 1.0, (passed, total))
                masks = moment.found
                if not masks:
                    break

    def _moment(self, time: int, before: Before) -> TimePointFinder:
        # the time is part of the key, so that embeddings of different times are told apart
        request = replace(self.walk, volume=self.volume_at(time), key=(self.walk.key, time))
        return TimePointFinder(request, self.axis, before, self.known.get(time, {}))

    def _step(
        self, time: int, index: int, patch: Patch, sure: float, work: tuple[int, int]
    ) -> Followed:
        stretch = Stretch(0, None, None, 0, self.n_times - 1)
        step = Step(self.walk, stretch, Plane(0, time), patch, sure, *work)
        return Plane(self.axis, index), step


class TrackedMasks:
    """Takes over masks of a document that came from another time point.

    Parameters
    ----------
    document : Document
        Is changed.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def accept(self, label: int, plane: Plane, step: Step, token: Hashable) -> bool:
        """Take over a mask that was tracked here from another time point.

        Parameters
        ----------
        label : int
            Of the object; it is begun if need be.
        plane : Plane
            Of this document's volume.
        step : Step
            From `SliceTracking.steps` or `VolumeTracking.steps`.
        token : hashable, or None
            Steps with the same token are one entry of the history.

        Returns
        -------
        bool
            False where a person has given something, or the object is finished.
        """
        document = self.document
        state = document.state(label, plane)
        is_new = label not in document.objects
        if step.patch is None or state.is_given or (not is_new and document.is_finished(label)):
            return False
        shown = propagated(document, step)
        changes: dict[Hashable, Any] = {
            PlaneKey(label, plane): PlaneState(propagated=shown, shown=shown)
        }
        if is_new:
            changes[ObjectKey(label)] = ObjectInfo(label)
        document.do("Follow through time", changes, token=token)
        return True


def tracking_request(
    sessions: Mapping[int, HasDocument],
    start: HasDocument,
    label: int,
    n_times: int,
    volume_at: Callable[[int], Volume],
    *,
    settings: WalkSettings | None = None,
) -> list[SliceTracking | VolumeTracking]:
    """Return what there is to follow of an object, from the time points where it was settled.

    The mask of a slice at one time point is the question at the next; time points at which a
    person gave something are anchors. A volume is followed as a whole, see `TimePointFinder`:
    from `start` outward; planes on which a person gave something stay, and it goes on from them.

    Parameters
    ----------
    sessions : mapping of int to Session
        By time point, those that exist.
    start : Session
        Whose masks are followed; one of them.
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
    states = start.document.canvas.states(label)
    planes = [plane for plane, s in states if s.shown is not None and s.shown.inside.any()]
    if not planes or n_times < 2:
        raise PromptError(
            "nothing to follow through time: expected a mask and at least 2 time points, got "
            f"{len(planes)} planes of object {label} and {n_times!r}. Click on the object first."
        )
    how = settings or WalkSettings.through_time()
    if start.document.volume.ndim == 2:
        return [_slice(sessions, start, label, as_volume(volume_at, n_times, planes[0]), how)]
    time = next(time for time, session in sessions.items() if session is start)
    whole = replace(
        _walk(start, label, start.document.volume, how), context=start.document.setup.context
    )
    return [
        VolumeTracking(
            whole,
            axis,
            time,
            n_times,
            volume_at,
            {t: _masks(session, label, axis, session is start) for t, session in sessions.items()},
            {t: _stale(session, label, axis) for t, session in sessions.items() if t != time},
        )
        # masks on planes of several axes are followed axis by axis
        for axis in sorted({plane.axis for plane in planes})
    ]


def _slice(
    sessions: Mapping[int, HasDocument],
    start: HasDocument,
    label: int,
    frames: Volume,
    how: WalkSettings,
) -> SliceTracking:
    anchors, plane = [], Plane(0, 0)
    for time, session in sessions.items():
        state = session.document.state(label, plane)
        if state.shown is not None and (session is start or state.is_given):
            shown = state.shown
            anchors.append(Anchor(time, shown.patch, not shown.inside.any(), shown.patch))
    todo = tuple(stretches(0, anchors, range(frames.shape[0])))
    return SliceTracking(plane, replace(_walk(start, label, frames, how), stretches=todo))


def _walk(start: HasDocument, label: int, volume: Volume, how: WalkSettings) -> Walk:
    setup = start.document.setup
    return Walk(label, setup.model, volume, lambda: setup.options, (), how, None, setup)


def _masks(session: HasDocument, label: int, axis: int, every: bool) -> dict[int, Patch]:
    """Return an object's masks, or only those on planes that a person worked on."""
    return {
        plane.index: state.shown.patch
        for plane, state in session.document.canvas.states(label)
        if plane.axis == axis and state.shown is not None and (every or state.is_given)
    }


def _stale(session: HasDocument, label: int, axis: int) -> frozenset[int]:
    return frozenset(
        plane.index
        for plane, state in session.document.canvas.states(label)
        if plane.axis == axis and not state.is_given
    )
