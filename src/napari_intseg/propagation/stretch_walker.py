"""One stretch: walks from its anchors, and interpolated shapes where the walks fail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise

import numpy as np

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray, FloatArray, bounding_box
from napari_intseg.core.volume import Plane
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import Patch, Window, on_window, trimmed
from napari_intseg.inference.predict import largest_view_px, predict_slice, prepare_slice
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.propagation import confidence
from napari_intseg.propagation.correction import Correction, corrected, grown, inner
from napari_intseg.propagation.ending import (
    NECK,
    SOFT,
    Appearance,
    CrossSection,
    affirmed,
    depth_in,
    overlap,
    ring_reach,
    tapered_to,
)
from napari_intseg.propagation.guard import Stop
from napari_intseg.propagation.guidance import (
    beyond_reach,
    box_of,
    cross_sections,
    deepest,
    follow,
    guidance,
    pixel_of,
)
from napari_intseg.propagation.request import Walk
from napari_intseg.propagation.restraint import Cones, cut
from napari_intseg.propagation.stretch import Anchor, Earlier, Shapes, Stretch, blend

# pixels round the window: grey values are smoothed over four of them, see `Restraint.apply`
_SMOOTHED_PX = 5

SectionsOf = dict[int, tuple[CrossSection, ...]]
"""What planes across say, by the index of the anchor they pass through."""

Answered = tuple[Plane, Patch, float, int]
"""Plane, answer, confidence, and how much of the work has been done."""

Passed = tuple[int, Patch, float]
"""Index of a plane, a walk's answer, and its confidence."""


@dataclass(frozen=True, slots=True, eq=False)
class _RestrainedAnswer:
    """A restrained answer: its mask, its confidence, and why the object may end here.

    `kept` is the mask, and `before` its neighbour's, on a window of the slice that holds both.
    """

    patch: Patch
    window: Window
    kept: BoolArray
    before: BoolArray
    likeness: float
    growth: float
    sure: float

    @property
    def mask(self) -> BoolArray:
        """The mask on the slice, put together anew at each call."""
        whole = np.zeros(self.patch.shape, bool)
        whole[self.window] = self.kept
        return whole


class StretchWalker:
    """Answers the planes of one stretch.

    Parameters
    ----------
    request : Walk
        What it belongs to.
    stretch : Stretch
        The planes.
    sections : dict of int to tuple of CrossSection, optional
        What planes across each anchor say, so far: the stretches on either side of it share them.

    Attributes
    ----------
    answers : dict of int to Patch
        By plane, so far, where there is a mask on both sides: a walk from the other one meets
        them. Else none is held, so that memory does not grow with the number of planes.
    note : str
        What the model told people with its last answer; empty: nothing.
    stops : list of Stop
        Where walks ended before their planes did, so far.
    """

    def __init__(self, request: Walk, stretch: Stretch, sections: SectionsOf | None = None) -> None:
        self.request, self.stretch = request, stretch
        # clicks that guide a walk are put by it, not by a person
        self.options = replace(request.options(), obey=False, whole=False)
        self.threshold = request.model.traits.threshold
        self.spacing = request.volume.slice_spacing(stretch.axis)
        self.step_mm = float(request.volume.spacing[stretch.axis])
        self.answers: dict[int, Patch] = {}
        self._answered: set[int] = set()
        self.note = ""
        earlier = stretch.earlier or Earlier({}, {}, frozenset())
        self._sure: dict[int, float] = dict(earlier.sure)
        self._kept: dict[int, Patch] = dict(earlier.answers)
        self._known, self._done = earlier.known, earlier.done
        self.stops: list[Stop] = []
        sides = [side for side in (stretch.left, stretch.right) if side is not None]
        self._is_between = len(sides) == 2 and all(side.is_start for side in sides)
        masks = {s.index: s.patch.mask(self.threshold) for s in sides if s.is_start}
        self._largest = max((int(np.count_nonzero(m)) for m in masks.values()), default=0)
        self._cone = self._cone_from({})
        self._sections: SectionsOf = {} if sections is None else sections

    def second(self) -> "StretchWalker | None":
        """Return who makes the second of two walks that meet, at any time; None if it has to wait.

        It waits where answers are corrected, which the first walk may do already, and where planes
        are passed through.
        """
        left, right, stretch = self.stretch.left, self.stretch.right, self.stretch
        if not self._is_between or stretch.earlier is not None or left is None or right is None:
            return None
        is_all = left.index + 1 == stretch.first and right.index - 1 == stretch.last
        asks = self.request.settings.method == "neighbour"
        return StretchWalker(self.request, stretch, self._sections) if is_all and asks else None

    def walk_second(self) -> Iterator[Passed]:
        """Yield what the second of two walks that meet answers."""
        anchor, indices = self._sides[1]
        assert anchor is not None
        yield from self._pass(anchor, indices)

    @property
    def _sides(self) -> tuple[tuple[Anchor | None, range], tuple[Anchor | None, range]]:
        """The anchors, with the planes walked from them; the first walk goes first."""
        left = self.stretch.left, self.stretch.forward
        right = self.stretch.right, self.stretch.backward
        # the walk beside the plane that is wanted comes first
        return (right, left) if self._comes_from_right else (left, right)

    def run(self, second: Iterator[tuple[Passed, str]] | None = None) -> Iterator[Answered]:
        """Yield plane, answer, confidence and how much has been done.

        Parameters
        ----------
        second : iterator, optional
            What `walk_second` of `second` yields, and the model's note with each; by default that
            walk is made here.
        """
        if self.request.settings.method == "interpolate":
            yield from self._filled(0, lost=False)
            return
        left, right = self.stretch.left, self.stretch.right
        self.stops += [
            Stop(Plane(self.stretch.axis, side.index), side.doubt)
            for side in (left, right)
            if side is not None and side.doubt
        ]
        # first: what an emptied plane speaks against must not lead the walks
        yield from self._closed()
        passed = 0
        for number, (anchor, indices) in enumerate(self._sides):
            if anchor is not None and indices:
                told = second if number == 1 else None
                walked = self._pass(anchor, indices) if told is None else self._told(told)
                for index, patch, sure in walked:
                    if index in self.stretch:
                        both = self._met(index, patch, sure)
                        yield self._take(index, *both, passed + abs(index - anchor.index))
            passed += len(indices)
        if self.request.settings.fill == "interpolate":
            yield from self._filled(passed, lost=True)

    @property
    def _comes_from_right(self) -> bool:
        """Whether the planes beside the right anchor are those that are wanted first."""
        left, right, near = self.stretch.left, self.stretch.right, self.request.near
        if left is None or right is None or near is None:
            return False
        return abs(right.index - near) < abs(left.index - near)

    @property
    def answered(self) -> frozenset[int]:
        """The planes that have an answer: of this walk, or an earlier one that still holds."""
        sides = self.stretch.left, self.stretch.right
        if not any(side is not None and not side.is_empty for side in sides):
            # nothing leads there any more
            return frozenset(self._answered)
        return frozenset(self._answered) | frozenset(self._kept)

    def _take(self, index: int, patch: Patch, sure: float, done: int) -> Answered:
        self._answered.add(index)
        self._sure[index] = sure
        if self._is_between:
            self.answers[index] = patch
        if index in self._kept:
            self._kept[index] = patch
        return Plane(self.stretch.axis, index), patch, sure, done

    def _closed(self) -> Iterator[Answered]:
        """Take from earlier answers what a plane that has been emptied since speaks against."""
        left, right = self.stretch.left, self.stretch.right
        if left is None or right is None or left.is_empty == right.is_empty:
            return
        for side in (left, right):
            if not side.is_empty or side.index in self._known:
                continue
            beyond = self._beyond_neck(side)
            for index in sorted(self._kept, key=lambda i: abs(i - side.index)):
                old = self._kept[index].mask(self.threshold)
                away = abs(side.index - index) * self.step_mm
                new = self.request.settings.restraint.closed(old, away, self.spacing)
                if index in beyond:
                    new = np.zeros_like(old)
                change = Correction.between(old, new)
                if change.is_settled(old):
                    break
                patch = corrected(self._kept[index], None, change)
                yield self._take(index, trimmed(patch, self.threshold), self._sure[index], 0)

    def _beyond_neck(self, side: Anchor) -> set[int]:
        """Return the planes between an emptied one and the neck behind which a flood began.

        None if earlier answers do not narrow on the way, to less than half of what they are behind.
        """
        other = self.stretch.right if side is self.stretch.left else self.stretch.left
        if other is None or other.is_empty:
            return set()
        step = 1 if other.index > side.index else -1
        indices, areas = [], []
        for index in range(side.index + step, other.index, step):
            if index not in self._kept:
                break
            indices.append(index)
            areas.append(int(np.count_nonzero(self._kept[index].inside(self.threshold))))
        indices.append(other.index)
        areas.append(int(np.count_nonzero(other.patch.inside(self.threshold))))
        neck = int(np.argmin(areas))
        if areas[neck] < NECK * max(areas[:neck], default=0):
            return set(indices[:neck])
        return set()

    def _told(self, walked: Iterator[tuple[Passed, str]]) -> Iterator[Passed]:
        for found, self.note in walked:
            yield found

    def _pass(self, anchor: Anchor, indices: range) -> Iterator[Passed]:
        """Walk from an anchor until the object ends, or its correction has been carried."""
        neighbour = anchor.patch.mask(self.threshold)
        self._cone = self._cone_from({anchor.index: neighbour})
        areas = self._led_to(anchor, indices, int(np.count_nonzero(neighbour)))
        led = len(areas) - 1
        # of the anchor, not of the plane before: small changes would add up from plane to plane
        appearance = Appearance.of(*self._around(anchor.index, neighbour))
        followed = self._followed(anchor, indices)
        ending = self.request.settings.ending
        # a mask that a person insisted on says itself how large the object is there
        behind = [] if anchor.is_settled else self._behind(anchor, indices)
        tapered = tapered_to(behind, areas[-1], ending.max_regrowth)
        nothing = np.zeros_like(neighbour)
        before = nothing if anchor.before is None else anchor.before.mask(self.threshold)
        change: Correction | None = Correction.between(before, neighbour)
        clicked_mm = self._clicked_away(anchor, before & ~neighbour)
        for index in indices:
            if ending.is_beyond(abs(index - anchor.index) * self.step_mm):
                return
            old = self._kept.get(index)
            if old is None and self._keeps_end(anchor):
                return
            # a walk that was broken off has carried the correction here already
            if old is not None and index in self._done:
                neighbour, change = old.mask(self.threshold), None
                continue
            if not neighbour.any():
                return
            if followed is None:
                away = abs(index - anchor.index) * self.step_mm
                negatives = [click for click, deep_mm in clicked_mm if deep_mm > away]
                patch = self._ask(index, neighbour, negatives)
            else:
                patch, self.note = next(followed)
            self._prepare_next(index + indices.step, indices, patch)
            held = self._held(index, patch, neighbour, appearance)
            why = ending.reason(
                held.kept, held.before, areas, held.likeness, held.growth,
                largest=self._largest, led=led, tapered=tapered if old is None else 0,
            )  # fmt: skip
            if old is None:
                whole = held.mask
                shares = affirmed(self._across(anchor), index, whole)
                why = ending.overruled(why, shares, likeness=self._alike(held), tapered=tapered)
                if why is not None:
                    self.stops.append(self._stop(index, why, held))
                    return
                # what lies far from the mask is dropped, so that hundreds of planes fit in memory
                yield index, trimmed(held.patch, self.threshold), held.sure
                neighbour = whole
                change = Correction(neighbour, nothing)
            else:
                mask = old.mask(self.threshold)
                # it was found to go on here, and the new answers that were refused for these were
                # better than what they left: see docs/results.md
                why = None if why in SOFT else why
                new = held.mask if why is None else self._near(mask, neighbour)
                change = self._carried(index, anchor, change, mask, new)
                if change.is_settled(mask):
                    return
                patch = corrected(old, held.patch if why is None else None, change)
                # an answer that was corrected is no surer than either
                sure = min(held.sure, self._sure[index]) if why is None else self._sure[index]
                yield index, trimmed(patch, self.threshold), sure
                neighbour = change.applied(mask)
            areas.append(int(np.count_nonzero(neighbour)))

    def _clicked_away(self, anchor: Anchor, removed: BoolArray) -> list[tuple[Click, float]]:
        """Return negative clicks, and how deep in what they took away: so far along they hold."""
        if not anchor.negatives:
            return []
        if anchor.removed is not None:
            removed = removed | anchor.removed.mask(self.threshold)
        deep = depth_in(removed, self.spacing)
        cone = self.request.settings.restraint.cone
        return [
            (one, float(deep[pixel_of(one, deep.shape)]) / cone if cone else 0.0)
            for one in anchor.negatives
        ]

    def _across(self, anchor: Anchor) -> tuple[CrossSection, ...]:
        """Return what planes across an anchor say; asked once, and where an object may end."""
        settings = self.request.settings
        is_asked = settings.ending.min_affirmed and settings.method == "neighbour"
        if self._is_between or not is_asked:
            return ()
        if anchor.index not in self._sections:
            known = anchor.index, anchor.patch.mask(self.threshold)
            self._sections[anchor.index] = cross_sections(
                self.request, self.options, self.stretch.axis, known
            )
        return self._sections[anchor.index]

    def _alike(self, held: _RestrainedAnswer) -> float:
        """Return how like the anchor an answer looks where that may let an object go on, else 0.

        A model that is no good across follows what touches the object as surely as the object.
        """
        return held.likeness if self.request.model.traits.across else 0.0

    def _led_to(self, anchor: Anchor, indices: range, area: int) -> list[int]:
        """Return the areas of the planes that lead to where a walk starts, from the largest on.

        A person who clicks where an object is about to end does not say that it grows again
        behind; one who clicks where it has grown does.
        """
        behind = self._behind(anchor, indices)
        if not behind or area > self.request.settings.ending.max_regrowth * behind[0]:
            return [area]
        led = [*reversed(behind), area]
        return led[led.index(max(led)) :]

    def _behind(self, anchor: Anchor, indices: range) -> list[int]:
        """Return the areas of the known planes that a walk turns its back on, the nearest first."""
        known, index, areas = self.request.areas, anchor.index - indices.step, []
        while index in known:
            areas.append(known[index])
            index -= indices.step
        return areas

    def _keeps_end(self, anchor: Anchor) -> bool:
        """Whether a walk from an anchor goes no farther than the planes answered before."""
        keeps = self.request.settings.ending.keeps_ends and anchor.is_correction
        return keeps and not self._is_between

    def _near(self, mask: BoolArray, neighbour: BoolArray) -> BoolArray:
        """Return what of a mask can be the object where no answer says it."""
        restraint = self.request.settings.restraint
        reach = restraint.allowance_mm(neighbour, self.step_mm, self.spacing)
        return np.asarray(mask & grown(neighbour, reach, self.spacing))

    def _carried(
        self,
        index: int,
        anchor: Anchor,
        change: Correction | None,
        mask: BoolArray,
        new: BoolArray,
    ) -> Correction:
        """Return what changes on a plane that has an answer."""
        if change is None:
            return Correction.between(mask, new)
        restraint = self.request.settings.restraint
        reach = restraint.allowance_mm(new, self.step_mm, self.spacing)
        firm = self._firm(index, anchor)
        return change.carried(mask, new, reach, self.spacing, firm)

    def _firm(self, index: int, anchor: Anchor) -> BoolArray | None:
        """Return what the clicked plane on the other side vouches for; None: nothing.

        It is its inside, less one mm for each mm to it, and the shape between the two: a small
        remnant at a nucleus's end took a tenth of the planes behind it along.
        """
        left, right = self.stretch.left, self.stretch.right
        cone, other = self.request.settings.restraint.cone, right if anchor is left else left
        if left is None or right is None or other is None or not (other.is_start and cone):
            return None
        if self._is_refuted(other, anchor):
            return None
        away = cone * abs(other.index - index) * self.step_mm
        weight = (right.index - index) / (right.index - left.index)
        between = self._shapes.at(weight, self.threshold).mask(self.threshold)
        return inner(other.patch.mask(self.threshold), away, self.spacing) | between

    @cached_property
    def _shapes(self) -> Shapes:
        """The shapes between the masks of both clicked planes."""
        left, right = self.stretch.left, self.stretch.right
        assert left is not None
        assert right is not None
        return Shapes(
            left.patch.mask(self.threshold), right.patch.mask(self.threshold), self.spacing
        )

    def _is_refuted(self, other: Anchor, anchor: Anchor) -> bool:
        """Whether one clicked plane vouches for what a person has taken away on another one.

        Then it was flooded itself, and vouches for nothing between them.
        """
        if other.is_settled or anchor.removed is None:
            return False
        away = self.request.settings.restraint.cone * abs(other.index - anchor.index) * self.step_mm
        removed = anchor.removed.mask(self.threshold)
        firm = inner(other.patch.mask(self.threshold), away, self.spacing)
        return bool(removed.any() and firm[deepest(removed)])

    def _cone_from(self, masks: dict[int, BoolArray]) -> Cones:
        restraint = self.request.settings.restraint
        # at least the steepness, which already allows so much from plane to plane
        cone = max(restraint.cone, restraint.steepness) if restraint.cone else 0.0
        removed = {
            side.index: side.removed.mask(self.threshold)
            for side in (self.stretch.left, self.stretch.right)
            if side is not None and side.is_start and side.removed is not None
        }
        return Cones(masks, cone, self.step_mm, self.spacing, removed)

    def _stop(self, index: int, why: str, held: _RestrainedAnswer) -> Stop:
        area = int(np.count_nonzero(held.kept))
        times = {"leaked": held.growth, "grew": area / max(1, self._largest)}.get(why, 1.0)
        return Stop(Plane(self.stretch.axis, index), why, times)

    def _held(
        self, index: int, patch: Patch, neighbour: BoolArray, appearance: Appearance
    ) -> _RestrainedAnswer:
        """Restrain an answer by its neighbour's mask and the anchor's grey values."""
        restraint = self.request.settings.restraint
        box = box_of(neighbour)
        own = neighbour[box[0] : box[1], box[2] : box[3]]
        allowance = restraint.allowance_mm(own, self.step_mm, self.spacing)
        patch = trimmed(patch, self.threshold)
        inside, at = patch.inside(self.threshold), patch.slices
        # everything below is measured on this window: whole slices were most of what a plane cost
        window = self._window(box, inside, at, allowance)
        mask, before = on_window(inside, at, window), neighbour[window]
        if not mask.any():
            return _RestrainedAnswer(patch, window, mask, before, 0.0, 1.0, 0.0)
        image = self._grey(index, window)
        # asked only where grey values tell, since it costs a look at each pixel
        belongs = appearance.belongs(image) if appearance.is_telling else None
        kept, growth = restraint.apply(
            mask, before, belongs, allowance, self.spacing, within=self._cone.at(index, window)
        )
        for side in (self.stretch.left, self.stretch.right):
            if side is not None and side.is_empty:
                away = abs(side.index - index) * self.step_mm
                kept = restraint.closed(kept, away, self.spacing)
        held = cut(patch, kept, window, self.threshold)
        likeness = appearance.likeness(image, kept, belongs=belongs) if kept.any() else 0.0
        sure = confidence.walked(
            confidence.edge_certainty(held, self.threshold),
            overlap(kept, before),
            likeness,
            float(np.count_nonzero(kept)) / int(np.count_nonzero(inside)),
        )
        return _RestrainedAnswer(held, window, kept, before, likeness, growth, sure)

    def _followed(self, anchor: Anchor, indices: range) -> Iterator[tuple[Patch, str]] | None:
        """Return the model's own walk from an anchor's mask, None if it has none to make."""
        if self.request.settings.method == "neighbour":
            return None
        mask = anchor.patch.mask(self.threshold)
        return follow(self.request, self.options, self.stretch.axis, (anchor.index, mask), indices)

    def _ask(self, index: int, neighbour: BoolArray, negatives: Sequence[Click] = ()) -> Patch:
        """Return the model's answer on a plane, from the mask of its neighbour."""
        request, plane = self.request, Plane(self.stretch.axis, index)
        prompts, initial = guidance(neighbour, request.model.traits)
        reach = request.settings.restraint.allowance_mm(neighbour, self.step_mm, self.spacing)
        beyond = beyond_reach(negatives, neighbour, reach, self.spacing)
        if initial is not None and "click" in request.model.traits.prompts:
            prompts = replace(prompts, clicks=(*prompts.clicks, *beyond))
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
        seen_px = partial(largest_view_px, request.model, shape, self.options)
        answer = within_memory(request.model, ask, store=request.prepared, seen_px=seen_px)
        self.note = str(answer.info.get("note", ""))
        return answer.patch

    def _prepare_next(self, index: int, indices: range, patch: Patch) -> None:
        """Have a device encode the next plane while the processor finishes this one.

        The view follows from the finished mask, but mostly it is the same by the mask as it was
        answered; where it is not, the plane is encoded once more.
        """
        request = self.request
        is_of_use = index in indices and getattr(request.model, "encodes_ahead", False)
        if not is_of_use or request.prepared is None or patch.box(self.threshold) is None:
            return
        prompts, initial = guidance(patch.mask(self.threshold), request.model.traits)
        if initial is None:
            return
        plane = Plane(self.stretch.axis, index)
        shape = request.volume.slice_shape(plane.axis)
        prepare = partial(
            prepare_slice,
            request.model,
            SliceReader(request.volume, plane, request.context),
            shape,
            self.options,
            asked=(prompts, initial),
            prepared=request.prepared,
            key=(request.key, plane),
        )
        seen_px = partial(largest_view_px, request.model, shape, self.options)
        within_memory(request.model, prepare, store=request.prepared, seen_px=seen_px)

    def _around(self, index: int, mask: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Return the image round a mask in grey, and the mask there."""
        window = _grown(box_of(mask), ring_reach(mask), mask.shape)
        return self._grey(index, window), mask[window]

    def _window(
        self,
        box: tuple[int, int, int, int],
        inside: BoolArray,
        at: Window,
        allowance_mm: float,
    ) -> Window:
        """Return a window that holds where a mask may be, and of a leak as much as is measured.

        Parameters
        ----------
        box : (int, int, int, int)
            Of the neighbour's mask.
        inside, at
            The mask of the answer, and where it lies on the slice.
        allowance_mm : float
            How far it may reach.
        """
        shape = self.request.volume.slice_shape(self.stretch.axis)
        side = max(box[1] - box[0], box[3] - box[2])
        reach = int(np.ceil(allowance_mm / min(self.spacing)))
        # half the object's size beyond it: a leak is measured against `max_growth`, and more of it
        # says no more
        far = _grown(box, max(reach, -(-side // 2)) + 1, shape)
        near = _grown(box, reach + _SMOOTHED_PX, shape)
        found = bounding_box(on_window(inside, at, far))
        if found is None:
            return near
        starts = [min(n.start, f.start + b) for n, f, b in zip(near, far, found[::2], strict=True)]
        stops = [max(n.stop, f.start + b) for n, f, b in zip(near, far, found[1::2], strict=True)]
        return slice(starts[0], stops[0]), slice(starts[1], stops[1])

    def _grey(self, index: int, window: Window) -> FloatArray:
        raw = self.request.volume.take(Plane(self.stretch.axis, index), *window)
        # the walk compares brightness only, so one channel is enough
        return self.options.intensity.to_grey(raw)

    def _met(self, index: int, patch: Patch, sure: float) -> tuple[Patch, float]:
        """Reconcile an answer of the second walk with that of the first, if there is one."""
        first, left, right = self.answers.get(index), self.stretch.left, self.stretch.right
        if first is None or left is None or right is None or index in self._kept:
            return patch, sure
        agreement = overlap(patch.mask(self.threshold), first.mask(self.threshold))
        # linear in the distance to the other anchor: each answer counts fully beside its own
        weight = (right.index - index) / (right.index - left.index)
        if self._comes_from_right:
            weight = 1 - weight
        return blend(first, patch, weight), confidence.met(self._sure[index], sure, agreement)

    def _filled(self, passed: int, *, lost: bool) -> Iterator[Answered]:
        """Interpolate what has no answer between two anchors, from the nearest masks."""
        left, right = self.stretch.left, self.stretch.right
        if left is None or right is None or not (left.is_start and right.is_start):
            return
        self.note = ""
        known = {left.index: left.patch, **self._kept, **self.answers, right.index: right.patch}
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
                    # planes that a model lost have been counted by its walk already
                    passed += not lost
                    yield self._take(index, patch, sure, passed)


def _grown(box: tuple[int, int, int, int], reach: int, shape: tuple[int, ...]) -> Window:
    """Return rows and columns of a box, so much larger on all sides, within the slice."""
    return (
        slice(max(0, box[0] - reach), min(shape[0], box[1] + reach)),
        slice(max(0, box[2] - reach), min(shape[1], box[3] + reach)),
    )
