"""Tracking: an object from time point to time point, slices as they are, volumes whole.

Or all objects that there are at every time point at once, by `link`: which are one, which divide,
which merge.
"""

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.io.cell_tracking import LabelledObjects, Tracks, check_series, objects_of
from napari_intseg.io.file_checks import tracking_extra
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


_REACH_SIZES = 2.0
"""Objects may move so many of their diameters by default. What moves by more than one does not
overlap itself any more, and which one it is can only be guessed by who else is near."""

_COST_LINK, _COST_BRANCH = 2.0, 1.0
"""From which on two objects are not linked, and not of one division or merge; see `Linker`."""

Node = tuple[int, int]
"""A time point, and the index of an object among those of that time point."""


class Linker:
    """Links the objects of a time series, given one time point after the other.

    The links are the cheapest there are, for all objects of two time points at once; ends and
    beginnings that are left over are then joined to tracks that divide or merge [1]_. The library
    that solves this is LapTrack [2]_. A link costs ``1 - IoU + d / reach``, where ``d`` is the
    distance of the centres. For a division or a merge it is ``1 - s + d / reach``, where ``s`` is
    the share of the smaller that lies in the larger, and less than 1: more of it lies in the other
    than the centres are apart.

    Parameters
    ----------
    spacing : sequence of float
        Millimetres between pixels along each spatial axis.
    reach_mm : float, optional
        How far a centre may move from one time point to the next; by default twice the diameter of
        a ball (a disc, on flat images) of the median size.

    Raises
    ------
    MissingExtraError
        If LapTrack is not installed.

    References
    ----------
    .. [1] Jaqaman, K. et al. "Robust single-particle tracking in live-cell time-lapse sequences",
       Nature Methods 5, 2008, doi:10.1038/nmeth.1237.
    .. [2] Fukai, Y. T., Kawaguchi, K. "LapTrack: linear assignment particle tracking with tunable
       metrics", Bioinformatics 39, 2023, doi:10.1093/bioinformatics/btac799.
    """

    def __init__(self, spacing: Sequence[float], reach_mm: float | None = None) -> None:
        self._solver = tracking_extra().LapTrack
        self._spacing = np.asarray(spacing, float)
        if reach_mm is not None and not (math.isfinite(reach_mm) and reach_mm > 0):
            raise PromptError(
                f"reach is no distance: expected millimetres above 0, got {reach_mm!r}. Give how "
                "far an object may move between two time points."
            )
        self._reach_mm = reach_mm
        self._frames: list[LabelledObjects] = []
        self._kept: list[frozenset[int]] = []
        self._shared: list[dict[tuple[int, int], int]] = []
        self._before: Array | None = None
        self._held: set[int] = set()

    def add(self, labels: Array, kept: Collection[int] = ()) -> None:
        """Take the next time point.

        Parameters
        ----------
        labels : ndarray of integers
            Of one shape at every time point; not negative.
        kept : collection of int
            Objects whose numbers stay as they are: of one number they are one track. Those that are
            nowhere keep theirs from others.

        Raises
        ------
        DataError
            If a label is negative.
        PromptError
            If one of these is missing between two time points that have it.
        """
        objects, time = objects_of(labels), len(self._frames)
        if (objects.numbers < 0).any():
            raise DataError(
                f"labels are not counted from 0: expected 0 for the background, got "
                f"{int(objects.numbers.min())!r} at time point {time}. Renumber them."
            )
        chosen = frozenset(kept) & frozenset(objects.numbers.tolist())
        before = frozenset().union(*self._kept) - (self._kept[-1] if self._kept else frozenset())
        gone = sorted(chosen & before)
        if gone:
            raise PromptError(
                f"object has a gap: expected {gone[0]}, which is accepted or locked, at every time "
                f"point up to {time}, got none at {time - 1}. Complete it, or unlock it."
            )
        self._held.update(kept)
        self._shared.append(_shared(self._before, labels))
        self._frames.append(objects)
        self._kept.append(chosen)
        self._before = labels.copy()

    @property
    def centres(self) -> list[dict[int, tuple[float, ...]]]:
        """For each time point, the centre of each object by its number, in pixels."""
        return [objects.by_number for objects in self._frames]

    def tracks(self, above: int = 0) -> Tracks:
        """Return the tracks of all time points so far.

        Parameters
        ----------
        above : int, default 0
            Numbers that no object had before are larger than this one, too.
        """
        after: dict[Node, list[Node]] = {}
        before: dict[Node, list[Node]] = {}
        for one, other in self._links():
            after.setdefault(one, []).append(other)
            before.setdefault(other, []).append(one)
        chains: dict[Node, int] = {}
        starts: list[Node] = []
        held: list[int | None] = []  # the number that a chain has to keep
        parents: dict[int, list[Node]] = {}
        for node in self._nodes():
            here, own = before.get(node, []), self._kept_number(node)
            goes_on = len(here) == 1 and len(after[here[0]]) == 1
            chain = chains[here[0]] if goes_on else len(starts)
            if goes_on and own is not None and held[chain] not in (None, own):
                goes_on, chain = False, len(starts)
            if not goes_on:
                starts.append(node)
                held.append(None)
                if here:
                    parents[chain] = sorted(here, key=lambda one: -self._overlap(one, node))
            held[chain] = own if own is not None else held[chain]
            chains[node] = chain
        names = self._names(starts, held, above)
        numbers: list[dict[int, int]] = [{} for _ in self._frames]
        for node, chain in chains.items():
            numbers[node[0]][self._number(node)] = names[chain]
        return Tracks(
            tuple(numbers),
            {
                names[child]: tuple(names[chains[one]] for one in of)
                for child, of in parents.items()
            },
        )

    def _nodes(self) -> Iterator[Node]:
        for time, objects in enumerate(self._frames):
            yield from ((time, index) for index in range(len(objects.numbers)))

    def _number(self, node: Node) -> int:
        return int(self._frames[node[0]].numbers[node[1]])

    def _kept_number(self, node: Node) -> int | None:
        number = self._number(node)
        return number if number in self._kept[node[0]] else None

    def _overlap(self, one: Node, other: Node) -> int:
        return self._shared[other[0]].get((self._number(one), self._number(other)), 0)

    def _names(self, starts: Sequence[Node], held: Sequence[int | None], above: int) -> list[int]:
        """Return the number of each chain: one that is kept, else its first one if it is free."""
        used = set(self._held)
        largest = max((int(o.numbers.max(initial=above)) for o in self._frames), default=above)
        largest = max([largest, *used])
        names = []
        for node, kept in zip(starts, held, strict=True):
            name = kept or self._number(node)
            if kept is None and name in used:
                largest += 1
                name = largest
            used.add(name)
            names.append(name)
        return names

    def _links(self) -> list[tuple[Node, Node]]:
        """Return all links, forward in time; those of kept objects are given, not found."""
        first = np.cumsum([0, *(len(objects.numbers) for objects in self._frames)])
        if not first[-1]:
            return []
        links: dict[tuple[int, int], float] = {}
        branches: dict[tuple[int, int], float] = {}
        given: list[tuple[Node, Node]] = []
        reach = self._reach_mm or self._usual_reach()
        for time in range(1, len(self._frames)):
            forced = self._forced(time)
            given += [((time - 1, i), (time, j)) for i, j in forced.items()]
            for (i, j), costs in self._costs(time, reach).items():
                if i not in forced and j not in forced.values():
                    pair = int(first[time - 1]) + i, int(first[time]) + j
                    links[pair], branches[pair] = costs
        known = [np.arange(a, b, dtype=float)[:, np.newaxis] for a, b in itertools.pairwise(first)]
        solver = self._solver(
            metric=_looked_up(links), cutoff=_COST_LINK,
            track_start_cost=_COST_LINK, track_end_cost=_COST_LINK,
            gap_closing_cutoff=False,
            splitting_metric=_looked_up(branches), splitting_cutoff=_COST_BRANCH,
            merging_metric=_looked_up(branches), merging_cutoff=_COST_BRANCH,
            segment_start_cost=_COST_BRANCH, segment_end_cost=_COST_BRANCH,
            no_splitting_cost=_COST_BRANCH, no_merging_cost=_COST_BRANCH,
        )  # fmt: skip
        found = solver.predict(known).edges()
        return [*given, *(((int(a), int(b)), (int(c), int(d))) for (a, b), (c, d) in found)]

    def _forced(self, time: int) -> dict[int, int]:
        """Return the links between objects of one number that is kept, by their indices."""
        both = self._kept[time - 1] & self._kept[time]
        before, now = (self._frames[t].numbers.tolist() for t in (time - 1, time))
        return {before.index(number): now.index(number) for number in both}

    def _costs(self, time: int, reach: float) -> dict[tuple[int, int], tuple[float, float]]:
        """Return what it costs to link, and to join as a branch, the pairs that are near enough."""
        before, now = self._frames[time - 1], self._frames[time]
        apart = cdist(before.centres * self._spacing, now.centres * self._spacing) / reach
        out = {}
        for i, j in np.argwhere(apart <= 1).tolist():
            numbers = int(before.numbers[i]), int(now.numbers[j])
            shared = self._shared[time].get(numbers, 0)
            sizes = int(before.sizes[i]), int(now.sizes[j])
            far = float(apart[i, j])
            out[i, j] = 1 - shared / (sum(sizes) - shared) + far, 1 - shared / min(sizes) + far
        return out

    def _usual_reach(self) -> float:
        size = float(np.median(np.concatenate([objects.sizes for objects in self._frames])))
        size *= float(np.prod(self._spacing))
        n = len(self._spacing)
        diameter = 2 * math.sqrt(size / math.pi) if n == 2 else (6 * size / math.pi) ** (1 / 3)
        return _REACH_SIZES * diameter


def link(
    labels: Array,
    *,
    spacing: Sequence[float] | None = None,
    reach_mm: float | None = None,
    kept: Mapping[int, Collection[int]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Tracks:
    """Link the objects of a time series: which are one, which divide, which merge; see `Linker`.

    Parameters
    ----------
    labels : ndarray of integers, shape (T, Y, X) or (T, Z, Y, X)
        Numbers of different time points need not have anything to do with each other.
    spacing : sequence of float, optional
        Millimetres between pixels along ``(y, x)`` or ``(z, y, x)``; 1 by default.
    reach_mm : float, optional
        How far a centre may move between two time points.
    kept : mapping of int to collection of int, optional
        By time point, objects whose numbers stay as they are.
    on_progress : callable, optional
        Called with time points done and in all.

    Returns
    -------
    Tracks
        ``tracks.apply(labels[t], t)`` has their numbers; `write_ctc` writes them.

    Raises
    ------
    DataError
        If the labels are no time series, or some are negative.
    PromptError
        If the reach is no distance, or an object that is kept has a gap.
    MissingExtraError
        If LapTrack is not installed.
    """
    check_series(labels)
    linker = Linker(spacing or (1.0,) * (labels.ndim - 1), reach_mm)
    for time in range(len(labels)):
        linker.add(np.asarray(labels[time]), (kept or {}).get(time, ()))
        if on_progress is not None:
            on_progress(time + 1, len(labels))
    return linker.tracks()


def _looked_up(costs: Mapping[tuple[int, int], float]) -> Callable[[Any, Any], float]:
    """Return a metric of objects that have one coordinate, which says who they are."""

    def cost(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        a, b = int(one[0]), int(other[0])
        return costs.get((a, b) if a < b else (b, a), math.inf)

    return cost


def _shared(before: Array | None, now: Array) -> dict[tuple[int, int], int]:
    """Return how many pixels objects of two time points share, by their numbers."""
    if before is None:
        return {}
    both = (before > 0) & (now > 0)
    pairs, counts = np.unique(np.stack([before[both], now[both]]), axis=1, return_counts=True)
    return {(int(a), int(b)): int(n) for a, b, n in zip(*pairs, counts, strict=True)}
