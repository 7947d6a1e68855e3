"""The work on one stretch: walks from its anchors, and shapes interpolated where they fail."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from napari_intseg.core.segmenter import BoolArray, FloatArray
from napari_intseg.core.volume import Plane
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import Patch, bounding_box
from napari_intseg.inference.predict import largest_view_px, predict_slice
from napari_intseg.inference.reading import SliceReader
from napari_intseg.propagation import confidence
from napari_intseg.propagation.blend import Shapes, blend, trimmed
from napari_intseg.propagation.ending import Appearance, overlap, ring_reach
from napari_intseg.propagation.guard import Stop
from napari_intseg.propagation.guide import guidance
from napari_intseg.propagation.memory import follow
from napari_intseg.propagation.plan import Walk
from napari_intseg.propagation.restraint import Cones, cut
from napari_intseg.propagation.stretch import Anchor, Stretch

_SMOOTHED_PX = 5  # grey values are smoothed over four pixels, see `Restraint.apply`

Answered = tuple[Plane, Patch, float, int]
"""Plane, answer, confidence, and how much of the work has been done."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """An answer held to its neighbour: what is left, how sure it is, and what speaks for an end."""

    patch: Patch
    mask: BoolArray
    likeness: float
    growth: float
    sure: float


class Worker:
    """Answers the planes of one stretch.

    Parameters
    ----------
    request : Walk
        What it belongs to.
    stretch : Stretch
        The planes.

    Attributes
    ----------
    answers : dict of int to Patch
        By plane, so far.
    note : str
        What the model told people with its last answer; empty: nothing.
    stops : list of Stop
        Where walks ended before their planes did, so far.
    """

    def __init__(self, request: Walk, stretch: Stretch) -> None:
        self.request, self.stretch = request, stretch
        # clicks that guide a walk are put by it, not by a person
        self.options = replace(request.options(), obey=False)
        self.threshold = request.model.traits.threshold
        self.spacing = request.volume.slice_spacing(stretch.axis)
        self.step_mm = float(request.volume.spacing[stretch.axis])
        self.answers: dict[int, Patch] = {}
        self.note = ""
        self._sure: dict[int, float] = {}
        self.stops: list[Stop] = []
        sides = [side for side in (stretch.left, stretch.right) if side is not None]
        masks = {s.index: s.patch.mask(self.threshold) for s in sides if s.is_start}
        self._largest = max((int(np.count_nonzero(m)) for m in masks.values()), default=0)
        self._cone = self._cone_from({})

    def run(self) -> Iterator[Answered]:
        """Yield plane, answer, confidence and how much has been done."""
        if self.request.settings.method == "interpolate":
            yield from self._filled(0, lost=False)
            return
        left, right = self.stretch.left, self.stretch.right
        self.stops += [
            Stop(Plane(self.stretch.axis, side.index), side.doubt)
            for side in (left, right)
            if side is not None and side.doubt
        ]
        if left is not None and left.is_start:
            for index, patch, sure in self._pass(left, self.stretch.forward):
                if index in self.stretch:
                    yield self._take(index, patch, sure, abs(index - left.index))
        passed = len(self.stretch.forward)
        if right is not None and right.is_start:
            for index, patch, sure in self._pass(right, self.stretch.backward):
                if index in self.stretch:
                    both = self._met(index, patch, sure)
                    yield self._take(index, *both, passed + right.index - index)
        if self.request.settings.fill == "interpolate":
            yield from self._filled(passed + len(self.stretch.backward), lost=True)

    def _take(self, index: int, patch: Patch, sure: float, done: int) -> Answered:
        self.answers[index], self._sure[index] = patch, sure
        return Plane(self.stretch.axis, index), patch, sure, done

    def _pass(self, anchor: Anchor, indices: range) -> Iterator[tuple[int, Patch, float]]:
        """Walk from an anchor until the object ends."""
        neighbour = anchor.patch.mask(self.threshold)
        self._cone = self._cone_from({anchor.index: neighbour})
        areas = [int(np.count_nonzero(neighbour))]
        appearance = Appearance.of(*self._around(anchor.index, neighbour))
        followed = self._followed(anchor, indices)
        ending = self.request.settings.ending
        for index in indices:
            if ending.is_beyond(abs(index - anchor.index) * self.step_mm):
                return
            if followed is None:
                patch = self._ask(index, neighbour)
            else:
                patch, self.note = next(followed)
            held = self._held(index, patch, neighbour, appearance)
            why = ending.reason(
                held.mask, neighbour, areas, held.likeness, held.growth, largest=self._largest
            )
            if why is not None:
                self.stops.append(self._stop(index, why, held))
                return
            yield index, trimmed(held.patch, self.threshold), held.sure
            neighbour = held.mask
            areas.append(int(np.count_nonzero(neighbour)))

    def _cone_from(self, masks: dict[int, BoolArray]) -> Cones:
        restraint = self.request.settings.restraint
        cone = max(restraint.cone, restraint.steepness) if restraint.cone else 0.0
        removed = {
            side.index: side.removed.mask(self.threshold)
            for side in (self.stretch.left, self.stretch.right)
            if side is not None and side.is_start and side.removed is not None
        }
        return Cones(masks, cone, self.step_mm, self.spacing, removed)

    def _stop(self, index: int, why: str, held: _Held) -> Stop:
        area = int(np.count_nonzero(held.mask))
        times = {"leaked": held.growth, "grew": area / max(1, self._largest)}.get(why, 1.0)
        return Stop(Plane(self.stretch.axis, index), why, times)

    def _held(
        self, index: int, patch: Patch, neighbour: BoolArray, appearance: Appearance
    ) -> _Held:
        """Restrain an answer by its neighbour's mask and the anchor's grey values."""
        restraint = self.request.settings.restraint
        allowance = restraint.allowance_mm(neighbour, self.step_mm, self.spacing)
        mask = patch.mask(self.threshold)
        window = self._window(neighbour, mask, allowance)
        if not mask[window].any():
            return _Held(patch, mask & False, 0.0, 1.0, 0.0)
        image = self._grey(index, window)
        belongs = appearance.belongs(image) if appearance.is_telling else None
        kept, growth = restraint.apply(
            mask[window],
            neighbour[window],
            belongs,
            allowance,
            self.spacing,
            within=self._cone.at(index, window),
        )
        for side in (self.stretch.left, self.stretch.right):
            if side is not None and side.is_empty:
                away = abs(side.index - index) * self.step_mm
                kept = restraint.closed(kept, away, self.spacing)
        asked = int(np.count_nonzero(mask))
        held = cut(patch, kept, window, self.threshold)
        whole = np.zeros_like(mask)
        whole[window] = kept
        likeness = appearance.likeness(image, kept) if kept.any() else 0.0
        sure = confidence.walked(
            confidence.edge_certainty(held, self.threshold),
            overlap(whole, neighbour),
            likeness,
            float(np.count_nonzero(kept)) / asked,
        )
        return _Held(held, whole, likeness, growth, sure)

    def _followed(self, anchor: Anchor, indices: range) -> Iterator[tuple[Patch, str]] | None:
        """Return the model's own walk from an anchor's mask, None if it has none to make."""
        if self.request.settings.method == "neighbour":
            return None
        mask = anchor.patch.mask(self.threshold)
        return follow(self.request, self.options, self.stretch.axis, (anchor.index, mask), indices)

    def _ask(self, index: int, neighbour: BoolArray) -> Patch:
        request, plane = self.request, Plane(self.stretch.axis, index)
        prompts, initial = guidance(neighbour, request.model.traits)
        shape = request.volume.slice_shape(plane.axis)
        ask = partial(
            predict_slice,
            request.model,
            SliceReader(request.volume, plane, request.context),
            shape,
            prompts,
            self.options,
            initial=initial,
            prepared=request.prepared,
            key=(request.key, plane),
        )
        seen_px = largest_view_px(request.model, shape, self.options)
        answer = within_memory(request.model, ask, store=request.prepared, seen_px=seen_px)
        self.note = str(answer.info.get("note", ""))
        return answer.patch

    def _around(self, index: int, mask: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Return the image round a mask in grey, and the mask there."""
        window = _grown(mask, ring_reach(mask))
        return self._grey(index, window), mask[window]

    def _window(
        self, neighbour: BoolArray, mask: BoolArray, allowance_mm: float
    ) -> tuple[slice, slice]:
        """Return a window that holds where a mask may be, and of a leak as much as is measured."""
        box = bounding_box(neighbour)
        assert box is not None
        side = max(box[1] - box[0], box[3] - box[2])
        reach = int(np.ceil(allowance_mm / min(self.spacing)))
        far = _grown(neighbour, max(reach, -(-side // 2)) + 1)
        near = _grown(neighbour, reach + _SMOOTHED_PX)
        found = bounding_box(mask[far])
        if found is None:
            return near
        starts = [min(n.start, f.start + b) for n, f, b in zip(near, far, found[::2], strict=True)]
        stops = [max(n.stop, f.start + b) for n, f, b in zip(near, far, found[1::2], strict=True)]
        return slice(starts[0], stops[0]), slice(starts[1], stops[1])

    def _grey(self, index: int, window: tuple[slice, slice]) -> FloatArray:
        raw = self.request.volume.take(Plane(self.stretch.axis, index), *window)
        return self.options.intensity.to_grey(raw)

    def _met(self, index: int, patch: Patch, sure: float) -> tuple[Patch, float]:
        """Reconcile an answer of the second walk with that of the first, if there is one."""
        first, left, right = self.answers.get(index), self.stretch.left, self.stretch.right
        if first is None or left is None or right is None:
            return patch, sure
        agreement = overlap(patch.mask(self.threshold), first.mask(self.threshold))
        weight = (right.index - index) / (right.index - left.index)
        return blend(first, patch, weight), confidence.met(self._sure[index], sure, agreement)

    def _filled(self, passed: int, *, lost: bool) -> Iterator[Answered]:
        """Interpolate what has no answer between two anchors, from the nearest masks."""
        left, right = self.stretch.left, self.stretch.right
        if left is None or right is None or not (left.is_start and right.is_start):
            return
        self.note = ""
        known = {left.index: left.patch, **self.answers, right.index: right.patch}
        for low, high in pairwise(sorted(known)):
            wanted = [i for i in range(low + 1, high) if i in self.stretch]
            if not wanted:
                continue
            masks = known[low].mask(self.threshold), known[high].mask(self.threshold)
            shapes, common = Shapes(*masks, self.spacing), overlap(*masks)
            for index in wanted:
                weight = (high - index) / (high - low)
                patch = shapes.at(weight, self.threshold)
                if patch.box(self.threshold) is not None:
                    sure = confidence.interpolated(common, weight, lost=lost)
                    passed += not lost
                    yield self._take(index, patch, sure, passed)


def _grown(mask: BoolArray, reach: int) -> tuple[slice, slice]:
    """Return rows and columns of a mask's box, so much larger on all sides, within the slice."""
    box = bounding_box(mask)
    assert box is not None
    return (
        slice(max(0, box[0] - reach), min(mask.shape[0], box[1] + reach)),
        slice(max(0, box[2] - reach), min(mask.shape[1], box[3] + reach)),
    )
