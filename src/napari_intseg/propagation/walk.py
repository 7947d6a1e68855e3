"""From clicked planes outward, plane by plane, the neighbour's mask as guidance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from napari_intseg.core.segmenter import (
    Array,
    BoolArray,
    FloatArray,
    MemorySegmenter,
    Segmenter,
    sigmoid,
)
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, PreparedStore, predict_slice
from napari_intseg.inference.view import View
from napari_intseg.propagation.blend import between, blend, trimmed
from napari_intseg.propagation.ending import Appearance, Ending, overlap, ring_reach
from napari_intseg.propagation.guide import guidance
from napari_intseg.propagation.stretch import Anchor, Stretch


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """How propagation works.

    Parameters
    ----------
    ending : Ending
        When it stops.
    method : {"neighbour", "memory"}
        "neighbour": each mask is the question on the next plane, for any model; "memory": the
        model remembers the planes before, if it is a `MemorySegmenter` (SAM 2).
    fill : {"interpolate", "nothing"}
        What becomes of planes between two anchors that neither walk reached: a person said that
        the object is on both sides, so by default its shape is interpolated.
    """

    ending: Ending = field(default_factory=Ending)
    method: Literal["neighbour", "memory"] = "neighbour"
    fill: Literal["interpolate", "nothing"] = "interpolate"


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A propagation to be done; frozen, so that it can go to another thread.

    Parameters
    ----------
    label : int
        Of the object.
    model : Segmenter
        Who answers.
    volume : Volume
        What is looked at.
    options : callable
        Returns how slices are shown to the model; may read from the data the first time.
    stretches : tuple of Stretch
        What there is to do.
    settings : WalkSettings
        How.
    prepared : PreparedStore or None
        What the model prepared earlier.
    key : Any
        Names model and intensity in `prepared`.
    """

    label: int
    model: Segmenter
    volume: Volume
    options: Callable[[], Options]
    stretches: tuple[Stretch, ...]
    settings: WalkSettings = field(default_factory=WalkSettings)
    prepared: PreparedStore | None = None
    key: Any = None

    @property
    def total(self) -> int:
        """How many times the model is asked at most."""
        return sum(len(s.forward) + len(s.backward) for s in self.stretches)


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
        0 to 1: between two anchors how far both walks agree (IoU), else how sure the model is of
        the mask's pixels, times its overlap with the neighbour's.
    done, total : int
        Of the work.
    answered : frozenset of int
        At the end of a stretch, all planes that have an answer.
    """

    walk: Walk
    stretch: Stretch
    plane: Plane | None
    patch: Patch | None
    confidence: float
    done: int
    total: int
    answered: frozenset[int] = frozenset()


def walk(request: Walk) -> Iterator[Step]:
    """Propagate; stop iterating to cancel, what has come by then is good.

    From an anchor with anchors on both sides, walks start at both, each through the whole
    stretch, and where both have answered their probabilities are averaged, weighted by the
    distance to the other's anchor. So the answer passes smoothly from one to the other.

    Parameters
    ----------
    request : Walk
        From `Session.propagation_request`. Not changed.

    Yields
    ------
    Step
        One for each plane answered, and one at the end of each stretch.
    """
    done = 0
    for stretch in request.stretches:
        worker = _Worker(request, stretch)
        for plane, patch, confidence, seconds_pass in worker.run():
            yield Step(
                request, stretch, plane, patch, confidence, done + seconds_pass, request.total
            )
        done += len(stretch.forward) + len(stretch.backward)
        yield Step(
            request, stretch, None, None, 1.0, done, request.total, frozenset(worker.answers)
        )


def with_memory(model: Segmenter) -> MemorySegmenter:
    """Return a model that can follow an object by what it remembers.

    Raises
    ------
    PromptError
        If it cannot.
    """
    if not isinstance(model, MemorySegmenter):
        raise PromptError(
            f"model has no memory: expected one that follows an object, e.g. 'sam2.1-tiny', "
            f"got {model.traits.name!r}. Choose such a model, or method='neighbour'."
        )
    return model


class _Worker:
    """The work on one stretch."""

    def __init__(self, request: Walk, stretch: Stretch) -> None:
        self.request, self.stretch = request, stretch
        self.options = request.options()
        self.threshold = request.model.traits.threshold
        self.answers: dict[int, Patch] = {}

    def run(self) -> Iterator[tuple[Plane, Patch, float, int]]:
        """Yield plane, answer, confidence and how many planes have been passed."""
        left, right = self.stretch.left, self.stretch.right
        passed = 0
        if left is not None and not left.is_empty:
            for index, patch, sure in self._pass(left, self.stretch.forward):
                passed = abs(index - left.index)
                if index in self.stretch:
                    self.answers[index] = patch
                    yield Plane(self.stretch.axis, index), patch, sure, passed
        passed = len(self.stretch.forward)
        if right is not None and not right.is_empty:
            for index, patch, sure in self._pass(right, self.stretch.backward):
                if index in self.stretch:
                    both = self._met(index, patch, sure)
                    self.answers[index] = both[0]
                    yield Plane(self.stretch.axis, index), *both, passed + right.index - index
        yield from self._filled(passed + len(self.stretch.backward))

    def _pass(self, anchor: Anchor, indices: range) -> Iterator[tuple[int, Patch, float]]:
        """Walk from an anchor until the object ends."""
        neighbour = anchor.patch.mask(self.threshold)
        areas = [int(np.count_nonzero(neighbour))]
        appearance = Appearance.of(*self._seen(anchor.index, neighbour))
        followed = self._followed(anchor, indices)
        for index in indices:
            patch = self._ask(index, neighbour) if followed is None else next(followed)
            mask = patch.mask(self.threshold)
            likeness = appearance.likeness(*self._seen(index, mask)) if mask.any() else 0.0
            ending = self.request.settings.ending
            if ending.reason(mask, neighbour, areas, likeness) is not None:
                return
            sure = float(sigmoid(patch.logits)[patch.inside(self.threshold)].mean())
            yield index, trimmed(patch, self.threshold), sure * overlap(mask, neighbour)
            neighbour = mask
            areas.append(int(np.count_nonzero(mask)))

    def _followed(self, anchor: Anchor, indices: range) -> Iterator[Patch] | None:
        """Return the model's own walk from an anchor's mask, None if it has none to make."""
        request, axis = self.request, self.stretch.axis
        if request.settings.method == "neighbour":
            return None
        model = with_memory(request.model)
        shape = request.volume.slice_shape(axis)

        def read(index: int) -> FloatArray:
            plane = Plane(axis, index)
            return View.whole(shape).read(
                lambda rows, cols: request.volume.take(plane, rows, cols), self.options.intensity
            )

        masks = {anchor.index: anchor.patch.mask(self.threshold)}
        walked = model.follow(read, indices, masks=masks)
        return (Patch(0, 0, logits, shape) for _, logits in walked)

    def _ask(self, index: int, neighbour: BoolArray) -> Patch:
        request, plane = self.request, Plane(self.stretch.axis, index)
        prompts, initial = guidance(neighbour, request.model.traits)

        def read(rows: slice, cols: slice) -> Array:
            return request.volume.take(plane, rows, cols)

        return predict_slice(
            request.model,
            read,
            request.volume.slice_shape(plane.axis),
            prompts,
            self.options,
            initial=initial,
            prepared=request.prepared,
            key=(request.key, plane),
        ).patch

    def _seen(self, index: int, mask: BoolArray) -> tuple[Array, BoolArray]:
        """Return the image round a mask as RGB, and the mask there."""
        found = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        reach = ring_reach(mask)
        rows, cols = (
            slice(max(0, int(f[0]) - reach), min(size, int(f[-1]) + 1 + reach))
            for f, size in zip(found, mask.shape, strict=True)
        )
        raw = self.request.volume.take(Plane(self.stretch.axis, index), rows, cols)
        return self.options.intensity.to_rgb(raw), mask[rows, cols]

    def _met(self, index: int, patch: Patch, sure: float) -> tuple[Patch, float]:
        """Reconcile an answer of the second walk with that of the first, if there is one."""
        first, left, right = self.answers.get(index), self.stretch.left, self.stretch.right
        if first is None or left is None or right is None:
            return patch, sure
        agreement = overlap(patch.mask(self.threshold), first.mask(self.threshold))
        weight = (right.index - index) / (right.index - left.index)
        return blend(first, patch, weight), agreement

    def _filled(self, passed: int) -> Iterator[tuple[Plane, Patch, float, int]]:
        left, right = self.stretch.left, self.stretch.right
        if self.request.settings.fill == "nothing" or left is None or right is None:
            return
        if left.is_empty or right.is_empty:
            return
        masks = left.patch.mask(self.threshold), right.patch.mask(self.threshold)
        for index in range(self.stretch.first, self.stretch.last + 1):
            if index not in self.answers:
                weight = (right.index - index) / (right.index - left.index)
                patch = between(*masks, weight)
                if patch.box() is not None:
                    self.answers[index] = patch
                    yield Plane(self.stretch.axis, index), patch, 0.0, passed
