"""Objects put together, divided and given another number, each as one entry of the history.

One mask becomes two where it is cut at its neck, or half-way between two clicks where it has none.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.session.document import OBJECT, TITLE_LINK, Change, Document
from napari_intseg.session.masks.canvas import PaintedKey
from napari_intseg.session.masks.plane_state import (
    ObjectInfo,
    ObjectKey,
    PlaneKey,
    PlaneState,
    Shown,
    WalkKey,
    question,
    with_initial,
)
from napari_intseg.session.masks.settle import PROTECTION, kept
from napari_intseg.session.predictor import Predictor
from napari_intseg.session.validate_prompts import place

# a larger mask is divided on a coarser grid: half a million voxels take 0.6 s, and a person waits
_MOST_VOXELS = 1 << 19

# standard deviation of the blur of distances: ragged outlines
# give tops of a pixel or two that are no lobe of their own
_SMOOTH_PX = 1.0

Index = tuple[int, ...]


def divide(
    mask: BoolArray, first: Sequence[int], second: Sequence[int], spacing: Sequence[float]
) -> BoolArray:
    """Return the part of a mask that goes with the second of two of its pixels.

    Where the two lie in different lobes, the cut is at the neck between them: the watershed of the
    distance to the outline, as touching nuclei are divided [1]_. Where they lie in one lobe, each
    pixel goes with the nearer of the two, measured inside the mask. Parts that are not connected
    with either go with the nearest that is.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W) or (D, H, W)
        Holds both pixels. A large one is divided on a coarser grid, exact to a few pixels.
    first, second : sequence of int
        Indices of two different pixels.
    spacing : sequence of float
        Millimetres between pixels along each axis.

    Returns
    -------
    ndarray of bool
        Of the mask's shape; it holds the second pixel and not the first.

    Raises
    ------
    PromptError
        If a pixel is outside the mask, or both are the same.

    References
    ----------
    .. [1] Vincent, L., Soille, P. "Watersheds in digital spaces", IEEE TPAMI 13, 1991,
       doi:10.1109/34.87344.

    Examples
    --------
    >>> divide(np.ones((1, 4), bool), (0, 0), (0, 3), (1.0, 1.0)).astype(int)
    array([[0, 0, 1, 1]])
    """
    seeds = tuple(int(i) for i in first), tuple(int(i) for i in second)
    for seed in seeds:
        if not mask[seed]:
            raise PromptError(
                f"click is not in the object: expected one of its pixels, got {seed!r}. "
                "Click inside the object, once in each part."
            )
    if seeds[0] == seeds[1]:
        raise PromptError(
            f"both clicks are in one place: expected two pixels, got {seeds[0]!r} twice. "
            "Click once in each part."
        )
    window = ndimage.find_objects(mask.astype(np.int8))[0]
    inside = mask[window]
    moved = [tuple(i - w.start for i, w in zip(s, window, strict=True)) for s in seeds]
    out = np.zeros(mask.shape, bool)
    out[window] = _divided(inside, moved, np.asarray(spacing, float)) == 2
    # on the coarse grid a seed may have fallen to the other part
    out[seeds[0]], out[seeds[1]] = False, True
    return out


def _divided(
    mask: BoolArray, seeds: Sequence[Index], spacing: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return 1 and 2 for the parts of a mask, 0 outside it."""
    step = max(1, math.ceil((mask.size / _MOST_VOXELS) ** (1 / mask.ndim)))
    # never so coarse that both pixels become one
    apart = max(abs(a - b) for a, b in zip(*seeds, strict=True))
    step = min(step, max(1, apart // 2))
    coarse = mask[(slice(None, None, step),) * mask.ndim].copy()
    at = [
        tuple(min(round(i / step), n - 1) for i, n in zip(s, coarse.shape, strict=True))
        for s in seeds
    ]
    # a thin part may fall between the pixels of the coarse grid
    for seed in at:
        coarse[seed] = True
    parts = _two_parts(coarse, at, spacing * step)
    if step > 1:
        index = np.ix_(*(np.minimum(np.arange(n) // step, c - 1) for n, c in zip(
            mask.shape, coarse.shape, strict=True)))  # fmt: skip
        parts = np.where(mask, parts[index], 0)
    return _spread(parts, mask, spacing)


def _two_parts(
    mask: BoolArray, seeds: Sequence[Index], spacing: NDArray[np.float64]
) -> NDArray[np.int32]:
    # what touches the rim of the window has its outline there
    padded = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    depth = ndimage.gaussian_filter(depth, _SMOOTH_PX)[(slice(1, -1),) * mask.ndim]
    ways = [_climb(depth, mask, seed) for seed in seeds]
    # both climb to the same top: there is no neck between them
    if ways[0][-1] == ways[1][-1]:
        return _nearer(mask, seeds, spacing)
    markers = np.zeros(mask.shape, np.int32)
    for number, way in enumerate(ways, 1):
        for index in way:
            # the whole way is marked, so that the cut is never between a click and its top
            markers[index] = number
    # slow to import, and rarely needed
    from skimage.segmentation import watershed

    around = np.ones((3,) * mask.ndim)
    found: NDArray[np.int32] = watershed(  # type: ignore[no-untyped-call]
        -depth, markers, mask=mask, connectivity=around
    )
    return found


def _climb(depth: NDArray[np.floating], mask: BoolArray, start: Index) -> list[Index]:
    """Return the way of steepest ascent from a pixel to the top of its lobe."""
    way = [start]
    while True:
        here = way[-1]
        low = tuple(max(0, i - 1) for i in here)
        around = tuple(slice(a, i + 2) for a, i in zip(low, here, strict=True))
        near = np.where(mask[around], depth[around], -1.0)
        best = np.unravel_index(int(near.argmax()), near.shape)
        there = tuple(int(a + b) for a, b in zip(low, best, strict=True))
        if depth[there] <= depth[here]:
            return way
        way.append(there)


def _nearer(
    mask: BoolArray, seeds: Sequence[Index], spacing: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return 1 and 2 for pixels nearer to one or the other inside a mask, 0 where neither leads."""
    from skimage.graph import MCP_Geometric

    costs = np.where(mask, 1.0, -1.0)
    ways = [MCP_Geometric(costs, sampling=tuple(spacing)).find_costs([seed])[0] for seed in seeds]
    # parts that are not connected with either click are given away by `_spread`
    reached = mask & (np.isfinite(ways[0]) | np.isfinite(ways[1]))
    return np.where(reached, np.where(ways[1] < ways[0], 2, 1), 0).astype(np.int32)


def _spread(
    parts: NDArray[np.int32], mask: BoolArray, spacing: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return parts with the rest of the mask given to the nearest of them."""
    if not (mask & (parts == 0)).any():
        return parts
    nearest = ndimage.distance_transform_edt(
        parts == 0, sampling=spacing, return_distances=False, return_indices=True
    )
    return np.where(mask, parts[tuple(nearest)], 0)


Changes = dict[Hashable, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _ObjectPart:
    """What an object shall hold on a plane.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        All of it.
    state : PlaneState
        What is known there; prompts that stay are in it.
    is_given : bool
        Whether a person worked there.
    confidence : float or None
        Of propagation, where nobody did.
    """

    mask: BoolArray
    state: PlaneState
    is_given: bool
    confidence: float | None


class Regroup:
    """Merges, splits and renumbers objects of a document.

    Masks stay as they are to the pixel; what was painted by hand becomes part of them, and clicks
    that follow correct them as they correct a mask a person gave.

    Parameters
    ----------
    document : Document
        Is changed.
    predictor : Predictor
        Says what is shown where a mask is started from.
    """

    def __init__(self, document: Document, predictor: Predictor) -> None:
        self.document = document
        self.predictor = predictor

    def merge(self, labels: Sequence[int]) -> Change:
        """Make one object of several, as one entry; the first keeps its number and its prompts.

        Not a pixel changes but its label. What the others were given goes with them; clicks that
        follow correct the whole.

        Parameters
        ----------
        labels : sequence of int
            Two or more.

        Raises
        ------
        PromptError
            If there are fewer, one does not exist or is locked, or pixels outside a region stay.
        """
        chosen = tuple(dict.fromkeys(int(label) for label in labels))
        if len(chosen) < 2:
            raise PromptError(
                f"nothing to merge: expected at least 2 objects, got {tuple(labels)!r}. "
                "Choose several."
            )
        for label in chosen:
            self.document.check_free(self.document.check_object(label))
        into, axis = chosen[0], self._axis_of(chosen)
        # collected before anything is emptied: `_parts` reads the canvas
        parts = self._parts(into, axis)
        for label in chosen[1:]:
            for plane, part in self._parts(label, axis).items():
                parts[plane] = _joined(parts.get(plane), part)
        changes = self._emptied(chosen) | self._without_pixels(into, axis)
        for label in chosen[1:]:
            changes[ObjectKey(label)] = None
        for plane, part in parts.items():
            changes[PlaneKey(into, plane)] = self._state(part, plane)
        if self.document.object in chosen[1:]:
            changes[OBJECT] = into
        return self.document.do("Merge objects", changes)

    def split(
        self,
        axis: int,
        first: Sequence[float],
        second: Sequence[float],
        label: int | None,
        new: int | None,
    ) -> Change:
        """Make two objects of one by a click inside each, as one entry; see `divide`.

        The part with the first click keeps number and prompts; positive clicks in the other go.

        Parameters
        ----------
        axis : int
            Of the planes that positions without one are on.
        first, second : sequence of float
            As in `Session.click`.
        label : int or None
            Of the object; None: the current one.
        new : int or None
            Number of the other part; None: one more than the largest.

        Raises
        ------
        PromptError
            If a click is not in the object, both are in one place, the object is locked, or the
            number cannot be used.
        """
        document = self.document
        chosen = document.check_object(label)
        document.check_free(chosen)
        begun = document.new_label(new)
        mask = document.canvas.mask(chosen)
        taken = divide(
            mask, self._voxel(axis, first), self._voxel(axis, second), document.volume.spacing
        )
        own = self._axis_of([chosen])
        changes = self._emptied([chosen]) | self._without_pixels(chosen, own)
        changes[ObjectKey(begun)] = ObjectInfo(begun)
        for plane, part in self._parts(chosen, own).items():
            gone = document.volume.of(taken, plane)
            for one, held, state in (
                (chosen, part.mask & ~gone, _without(part.state, gone)),
                (begun, part.mask & gone, PlaneState()),
            ):
                if held.any():
                    changes[PlaneKey(one, plane)] = self._state(
                        replace(part, mask=held, state=state), plane
                    )
        return document.do("Split object", changes)

    def relabel(self, label: int, number: int) -> Change:
        """Give an object another number, as one entry; all else of it stays.

        Raises
        ------
        PromptError
            If it does not exist or is locked, or the number is in use or cannot be one.
        """
        old = self.document.check_object(label)
        self.document.check_free(old)
        return self._renumbered({old: self.document.new_label(number)}, "Renumber object")

    def renumber(self, numbers: Mapping[int, int]) -> Change:
        """Give several objects other numbers, as one entry; they may exchange theirs.

        Parameters
        ----------
        numbers : mapping of int to int
            By their numbers those that they get; who keeps its own may be left out. One of which
            nothing is known but its number gives it up.

        Raises
        ------
        PromptError
            If one does not exist or is locked, or two objects would have one number.
        """
        document = self.document
        changed = {int(old): int(new) for old, new in numbers.items() if old != new}
        for old in changed:
            if document.is_locked(document.check_object(old)):
                document.check_free(old)
        stay = [
            label
            for label in document.objects
            if label not in changed and (self._is_begun(label) or document.is_locked(label))
        ]
        taken = [*stay, *changed.values()]
        twice = next((new for new in changed.values() if taken.count(new) > 1), None)
        if twice is not None:
            raise PromptError(
                f"number is in use: expected one object of each, got {twice!r} for two. Give each "
                "a number of its own."
            )
        for new in changed.values():
            if new not in document.objects:
                document.new_label(new)
        return self._renumbered(changed, TITLE_LINK, exact=True)

    def _is_begun(self, label: int) -> bool:
        canvas = self.document.canvas
        return bool(canvas.painted(label)) or any(True for _ in canvas.states(label))

    def _renumbered(self, numbers: Mapping[int, int], title: str, *, exact: bool = False) -> Change:
        """Move all that is known of objects to other numbers."""
        document = self.document
        changes = self._emptied(numbers)
        changes |= {ObjectKey(old): None for old in numbers}
        for old, new in numbers.items():
            changes[ObjectKey(new)] = replace(document.objects[old], label=new)
            for plane, state in document.canvas.states(old):
                changes[PlaneKey(new, plane)] = state
            for index, painted in document.canvas.painted(old).items():
                changes[PaintedKey(new, index)] = painted
        for key, value in document.history.values.items():
            # what was propagated counts as done for the new number as well
            if isinstance(key, WalkKey) and key.label in numbers:
                changes[replace(key, label=numbers[key.label])] = value
        if document.object in numbers:
            changes[OBJECT] = numbers[document.object]
        rules = document.protection
        if rules.unlocked & numbers.keys():
            unlocked = frozenset(numbers.get(label, label) for label in rules.unlocked)
            changes[PROTECTION] = replace(rules, unlocked=unlocked)
        return document.do(title, changes, exact=exact)

    def _voxel(self, axis: int, position: Sequence[float]) -> tuple[int, ...]:
        """Return the index in the data of a position as clicks have it."""
        # refuses what is not in the data
        place(self.document.volume, axis, position)
        # half up, not to even as `round` does: pixels reach from -0.5 to 0.5
        return tuple(math.floor(float(p) + 0.5) for p in position)

    def _axis_of(self, labels: Iterable[int]) -> int:
        """Return the axis on whose planes all masks of some objects are, else the first."""
        canvas = self.document.canvas
        axes = {plane.axis for label in labels for plane, _ in canvas.states(label)}
        # masks on planes of several axes are rewritten on the first
        return axes.pop() if len(axes) == 1 else 0

    def _emptied(self, labels: Iterable[int]) -> Changes:
        """Return all that is known of objects as absent."""
        changes: Changes = {}
        for label in labels:
            changes |= {PlaneKey(label, p): None for p, _ in self.document.canvas.states(label)}
            painted = self.document.canvas.painted(label)
            changes |= {PaintedKey(label, index): None for index in painted}
        chosen = set(labels)
        walked = [k for k in self.document.history.values if isinstance(k, WalkKey)]
        return changes | {key: None for key in walked if key.label in chosen}

    def _parts(self, label: int, axis: int) -> dict[Plane, _ObjectPart]:
        """Return what an object holds on the planes of an axis, those with a pixel."""
        canvas, volume = self.document.canvas, self.document.volume
        painted = self._painted(label, axis)
        planes = {plane for plane, _ in canvas.states(label, axis)} | painted
        if any(plane.axis != axis for plane, _ in canvas.states(label)):
            mask = canvas.mask(label)
            planes |= {one for one in volume.planes(axis) if volume.of(mask, one).any()}
        parts = {}
        for plane in sorted(planes):
            held = canvas.mask_on(label, plane)
            if held.any():
                state = self.document.state(label, plane)
                is_given = state.is_given or plane in painted or state.shown is None
                sure = None if state.shown is None else state.shown.confidence
                parts[plane] = _ObjectPart(held, state, is_given, sure)
        return parts

    def _painted(self, label: int, axis: int) -> set[Plane]:
        """Return the planes of an axis on which an object was painted by hand."""
        found = set()
        for index, one in self.document.canvas.painted(label).items():
            touched = one.added | one.removed
            if axis == 0 and touched.any():
                found.add(Plane(0, index))
            elif axis:
                first = (one.row0, one.col0)[axis - 1]
                lines = np.flatnonzero(touched.any(axis=2 - axis))
                found |= {Plane(axis, first + int(line)) for line in lines}
        return found

    def _without_pixels(self, label: int, axis: int) -> Changes:
        """Return the states of planes where a person gave an object something, and it is not."""
        canvas = self.document.canvas
        return {
            PlaneKey(label, plane): state
            for plane, state in canvas.states(label, axis)
            if state.is_given and not canvas.mask_on(label, plane).any()
        }

    def _state(self, part: _ObjectPart, plane: Plane) -> PlaneState | None:
        """Return the state of a plane that shows a mask."""
        serial = self.document.next_serial()
        if part.is_given:
            state = with_initial(part.state, part.mask, serial)
            asked = question(self.document.setup, plane, state)
            # `kept`: what is regrouped stays to the pixel, also where outlines are smoothed
            return kept(self.predictor.answered(state, asked))
        patch = Patch.from_mask(part.mask)
        shown = Shown(patch, patch.inside(), (False, serial), confidence=part.confidence)
        return kept(PlaneState(propagated=shown, shown=shown))


def _joined(one: _ObjectPart | None, other: _ObjectPart) -> _ObjectPart:
    """Return the two parts of a plane as one; prompts are those of the first."""
    if one is None:
        return replace(other, state=PlaneState())
    sure = [p.confidence for p in (one, other) if p.confidence is not None]
    return _ObjectPart(
        one.mask | other.mask,
        one.state,
        one.is_given or other.is_given,
        # the less sure part decides whether the plane is worth a look
        min(sure) if sure else None,
    )


def _without(state: PlaneState, gone: BoolArray) -> PlaneState:
    """Return a state without the positive clicks on what another object has now."""
    kept = [
        number
        for number, click in enumerate(state.prompts.clicks)
        if not (click.positive and gone[round(click.row), round(click.col)])
    ]
    clicks = tuple(state.prompts.clicks[number] for number in kept)
    serials = tuple(state.serials[number] for number in kept)
    prompts = replace(state.prompts, clicks=clicks)
    return replace(state, prompts=prompts, serials=serials, choices=())
