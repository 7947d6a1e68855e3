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
from napari_intseg.propagation.guide import guidance
from napari_intseg.propagation.memory import follow
from napari_intseg.propagation.plan import Walk
from napari_intseg.propagation.restraint import cut
from napari_intseg.propagation.stretch import Anchor, Stretch

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

    def run(self) -> Iterator[Answered]:
        """Yield plane, answer, confidence and how much has been done."""
        if self.request.settings.method == "interpolate":
            yield from self._filled(0, lost=False)
            return
        left, right = self.stretch.left, self.stretch.right
        if left is not None and not left.is_empty:
            for index, patch, sure in self._pass(left, self.stretch.forward):
                if index in self.stretch:
                    yield self._take(index, patch, sure, abs(index - left.index))
        passed = len(self.stretch.forward)
        if right is not None and not right.is_empty:
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
            why = ending.reason(held.mask, neighbour, areas, held.likeness, held.growth)
            if why is not None:
                return
            yield index, trimmed(held.patch, self.threshold), held.sure
            neighbour = held.mask
            areas.append(int(np.count_nonzero(neighbour)))

    def _held(
        self, index: int, patch: Patch, neighbour: BoolArray, appearance: Appearance
    ) -> _Held:
        """Restrain an answer by its neighbour's mask and the anchor's grey values."""
        restraint = self.request.settings.restraint
        allowance = restraint.allowance_mm(neighbour, self.step_mm, self.spacing)
        window = self._window(neighbour, allowance)
        mask = patch.mask(self.threshold)
        if not mask[window].any():
            return _Held(patch, mask & False, 0.0, 1.0, 0.0)
        image = self._rgb(index, window)
        belongs = appearance.belongs(image) if appearance.is_telling else None
        kept, growth = restraint.apply(
            mask[window], neighbour[window], belongs, allowance, self.spacing
        )
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
        """Return the image round a mask as RGB, and the mask there."""
        window = _grown(mask, ring_reach(mask))
        return self._rgb(index, window), mask[window]

    def _window(self, neighbour: BoolArray, allowance_mm: float) -> tuple[slice, slice]:
        """Return a window round a mask in which a leak can be seen."""
        box = bounding_box(neighbour)
        assert box is not None
        side = max(box[1] - box[0], box[3] - box[2])
        return _grown(neighbour, int(np.ceil(max(allowance_mm / min(self.spacing), side / 2))) + 1)

    def _rgb(self, index: int, window: tuple[slice, slice]) -> FloatArray:
        raw = self.request.volume.take(Plane(self.stretch.axis, index), *window)
        return self.options.intensity.to_rgb(raw)

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
        if left is None or right is None or left.is_empty or right.is_empty:
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
