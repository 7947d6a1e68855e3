"""From clicked planes outward, plane by plane, the neighbour's mask as guidance."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from napari_intseg.core.volume import Plane
from napari_intseg.inference.batching import BatchedModel, gains_by_batches
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.guard import Stop
from napari_intseg.propagation.request import Walk, WalkSettings, with_memory
from napari_intseg.propagation.stretch import Stretch
from napari_intseg.propagation.stretch_walker import (
    Answered,
    Passed,
    SectionsOf,
    StretchWalker,
)

# answers of stretches that are ahead of their turn: logits of 1,000 objects of 128 x 128 pixels
_AHEAD_BYTES = 64 << 20

__all__ = ["Step", "Stop", "Walk", "WalkSettings", "walk", "walk_all", "with_memory"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One plane done, or the end of a stretch.

    Parameters
    ----------
    walk : Walk
        What it belongs to.
    stretch : Stretch
        The part of it.
    plane : Plane or None
        Which has an answer; None: the stretch is done.
    patch : Patch or None
        The answer. Between two anchors, that of the first walk comes first and is replaced by the
        reconciled one when the second passes by.
    confidence : float
        0 to 1, see `propagation.confidence`.
    done, total : int
        Of the work.
    answered : frozenset of int
        At the end of a stretch, all planes that have an answer.
    note : str
        What the model told people with the answer, e.g. that memory ran out; empty: nothing.
    stops : tuple of Stop
        At the end of a stretch, where the object ended in it, and why.
    """

    walk: Walk
    stretch: Stretch
    plane: Plane | None
    patch: Patch | None
    confidence: float
    done: int
    total: int
    answered: frozenset[int] = frozenset()
    note: str = ""
    stops: tuple[Stop, ...] = ()


def walk(request: Walk) -> Iterator[Step]:
    """Propagate; stop iterating to cancel, what has come by then is good.

    From an anchor with anchors on both sides, walks start at both, each through the whole
    stretch, and where both have answered their probabilities are averaged, weighted by the
    distance to the other's anchor. So the answer passes smoothly from one to the other. With
    `Walk.near`, the stretches take turns, so that what is nearest to a click comes first.

    Parameters
    ----------
    request : Walk
        From `Session.propagation_request`. Not changed.

    Yields
    ------
    Step
        One for each plane answered, and one at the end of each stretch.
    """
    yield from _walk(request, _runs_of(request, _Abreast.of([request])))


def _walk(request: Walk, runs: "list[_StretchRun]") -> Iterator[Step]:
    ended = 0
    while runs:
        # as they are listed, or the one whose next plane is nearest
        run = runs[0] if request.near is None else min(runs, key=lambda r: r.away)
        found = run.next()
        done = min(ended + sum(one.passed for one in runs), request.total)
        if found is not None:
            plane, patch, confidence, _ = found
            yield Step(
                request, run.stretch, plane, patch, confidence, done, request.total, note=run.note
            )
            continue
        runs.remove(run)
        ended += request.work(run.stretch)
        done = ended + sum(one.passed for one in runs)
        yield Step(
            request, run.stretch, None, None, 1.0, done, request.total, run.worker.answered,
            stops=tuple(run.worker.stops),
        )  # fmt: skip


def _runs_of(request: Walk, abreast: "_Abreast | None") -> "list[_StretchRun]":
    sections: SectionsOf = {}
    asked = request if abreast is None else replace(request, model=abreast.model)
    return [_StretchRun(asked, stretch, sections, abreast) for stretch in request.stretches]


class _StretchRun:
    """One stretch of a walk: how much of it has passed, and how far it is from a click."""

    def __init__(
        self, request: Walk, stretch: Stretch, sections: SectionsOf, abreast: "_Abreast | None"
    ) -> None:
        self.stretch, self.passed, self.note = stretch, 0, ""
        self.worker = StretchWalker(request, stretch, sections)
        second = None if abreast is None else self.worker.second()
        self.second = None if second is None else _SecondWalk(second, self.worker)
        self._answers = self.worker.run(None if self.second is None else self.second.taken())
        self._near = 0 if request.near is None else request.near
        sides = [side.index for side in (stretch.left, stretch.right) if side is not None]
        self.away = min((abs(side - self._near) for side in sides), default=0)
        # answers ahead of their turn, each with the model's note; None: there are no more
        self.ahead: deque[tuple[Answered | None, str]] = deque()
        self.is_ended = False
        self._abreast = abreast
        if abreast is not None:
            abreast.runs += [self] if self.second is None else [self, self.second]

    @property
    def waits(self) -> bool:
        """Whether it may need an answer of its second walk that is not there."""
        return self.second is not None and not (self.second.ahead or self.second.is_ended)

    def next(self) -> Answered | None:
        """Return the next answer; None if there is none left."""
        if not self.ahead:
            if self._abreast is None:
                self.advance()
            else:
                self._abreast.advance(self)
        found, self.note = self.ahead.popleft()
        if found is not None:
            self.away, self.passed = abs(found[0].index - self._near) + 1, found[3]
        return found

    def advance(self) -> None:
        """Compute the next answer."""
        found = next(self._answers, None)
        self.is_ended = found is None
        self.ahead.append((found, self.worker.note))

    @property
    def ahead_bytes(self) -> int:
        """What answers ahead of their turn hold."""
        return sum(found[1].logits.nbytes for found, _ in self.ahead if found is not None)


class _SecondWalk:
    """The second of two walks that meet, made beside the first, whose `StretchRun` takes it over.

    Parameters
    ----------
    walker : StretchWalker
        Makes the walk.
    first : StretchWalker
        Takes its answers.
    """

    waits = False

    def __init__(self, walker: StretchWalker, first: StretchWalker) -> None:
        self._walker, self._first = walker, first
        self._walked = walker.walk_second()
        # with the model's notes; None: there are no more
        self.ahead: deque[tuple[Passed, str] | None] = deque()
        self.is_ended = False

    def advance(self) -> None:
        """Compute the next answer."""
        found = next(self._walked, None)
        self.is_ended = found is None
        self.ahead.append(None if found is None else (found, self._walker.note))

    def taken(self) -> Iterator[tuple[Passed, str]]:
        """Yield the answers, which have been computed by then."""
        while (found := self.ahead.popleft()) is not None:
            yield found
        self._first.stops += self._walker.stops

    @property
    def ahead_bytes(self) -> int:
        """What answers that were not taken yet hold."""
        return sum(found[0][1].logits.nbytes for found in self.ahead if found is not None)


class _Abreast:
    """Stretches that are walked at the same time, so that a device answers them in one pass.

    Their steps come in the order in which they would without, since journals hold it, and the first
    object to come has a pixel: those ahead of their turn wait.

    Parameters
    ----------
    model : BatchedModel
        Who answers all of them.
    """

    def __init__(self, model: BatchedModel) -> None:
        self.model = model
        self.runs: list[_StretchRun | _SecondWalk] = []

    @classmethod
    def of(cls, requests: Sequence[Walk]) -> "_Abreast | None":
        """Return what walks of one session are walked by; None if there is nothing to gain."""
        model = requests[0].model if requests else None
        asks = all(one.settings.method == "neighbour" for one in requests)
        if model is None or not asks or not gains_by_batches(model):
            return None
        return cls(BatchedModel(model))

    def advance(self, wanted: _StretchRun) -> None:
        """Compute the next answer of a stretch, and one more of each that has room for it."""
        if wanted.second is not None and wanted.waits:
            self._advance(wanted.second)
        self._advance(wanted)

    def _advance(self, wanted: "_StretchRun | _SecondWalk") -> None:
        held, going = sum(run.ahead_bytes for run in self.runs), [wanted]
        for run in self.runs:
            is_ready = not (run is wanted or run.is_ended or run.waits)
            if is_ready and held < _AHEAD_BYTES:
                going.append(run)
        if len(going) == 1:
            wanted.advance()
        else:
            self.model.run([run.advance for run in going])
        self.runs = [run for run in self.runs if run.ahead or not run.is_ended]


def walk_all(requests: Sequence[Walk]) -> Iterator[Step]:
    """Propagate several objects in one sweep, so that a plane is encoded once for all of them.

    Objects take turns, the next being the one whose next plane is nearest to the plane that was
    just answered. What a model prepares of a slice then has to be kept for a few planes, not for
    as many as the longest object has.

    Parameters
    ----------
    requests : sequence of Walk
        One for each object, along the same axis.

    Yields
    ------
    Step
        As from `walk`; its `walk` says of which object.
    """
    abreast = _Abreast.of(requests)
    turns = [_Turn(request, abreast) for request in requests]
    at = 0
    while turns:
        # the object whose next plane is nearest, so that what a model prepared is used while it is
        # kept
        turn = min(turns, key=lambda t: abs(t.coming - at))
        step = turn.step()
        if step is None:
            turns.remove(turn)
            continue
        at = at if step.plane is None else step.plane.index
        yield step


class _Turn:
    """One object of several, and which plane it will ask for next."""

    def __init__(self, request: Walk, abreast: _Abreast | None) -> None:
        # those abreast are all there from the beginning; else each begins at its first turn
        steps = walk(request) if abreast is None else _walk(request, _runs_of(request, abreast))
        self._steps, self._left = steps, list(request.stretches)
        self.coming = self._first()

    def step(self) -> Step | None:
        step = next(self._steps, None)
        if step is None:
            return None
        if step.plane is None:
            self._left.pop(0)
            self.coming = self._first()
        else:
            # a walk from the right goes down; a guess that is wrong costs one turn, no answer
            goes_down = step.done > len(step.stretch.forward) + self._before(step)
            self.coming = step.plane.index + (-1 if goes_down else 1)
        return step

    def _first(self) -> int:
        for stretch in self._left[:1]:
            for planes in (stretch.forward, stretch.backward):
                if planes:
                    return planes[0]
        return 0

    def _before(self, step: Step) -> int:
        """Return how much had been done before the stretch of a step."""
        done = step.walk.stretches.index(step.stretch)
        return sum(step.walk.work(stretch) for stretch in step.walk.stretches[:done])
