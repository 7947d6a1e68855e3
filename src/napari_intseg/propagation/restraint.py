"""Limits on how far a mask may differ from its neighbour's, so that leaks do not grow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, FloatArray, bounding_box
from napari_intseg.inference.blur import blurred
from napari_intseg.inference.patch import Patch, on_window
from napari_intseg.propagation.ending import depth_in, distance_to

# pixels; an outline is not known better than this
_SLACK_PX = 1.5
# relative; float32 distances are not known better, so a limit that is met counts as met
_EXACT = 1e-6
# rows; for a larger reach the distance transform is faster, measured on masks of 200 pixels
_FEW_ROWS = 24
# pixels less like the object than this are left out; 0 is like the surroundings, 1 like the object
_LIKE = 0.3


@dataclass(frozen=True, slots=True)
class Restraint:
    """How a mask is held to its neighbour's, in millimetres, so that a leak does not grow.

    Parameters
    ----------
    steepness : float, default 1.0
        The outline moves outwards by at most so many millimetres for each millimetre walked.
    motion_mm : float, default 0.0
        And at least by so many can it move from one plane to the next, however near: for objects
        that move through time.
    share : float, default 0.0
        The same as a share of the radius of a disc of the neighbour's area.
    cone : float, default 1.0
        From the clicked plane the walk started from, whatever lies between, it moves outwards by
        at most so many millimetres for each millimetre to it; 0: that is not asked. It is at least
        `steepness`, which alone adds its pixels of tolerance at every plane, by which a leak grows
        slowly.
    closing : float, default 3.0
        Towards a plane that a person emptied, its largest inner disc has a radius of at most so
        many millimetres for each millimetre to that plane; what is deepest stays. So the planes
        that one flood or one overshoot reached are mended with it. 0: that is not asked.
    trim : bool, default True
        Leave out pixels that look like the anchor's surroundings rather than like the object,
        where grey values tell one from the other.
    """

    steepness: float = 1.0
    motion_mm: float = 0.0
    share: float = 0.0
    trim: bool = True
    cone: float = 1.0
    closing: float = 3.0

    def allowance_mm(
        self, neighbour: BoolArray, step_mm: float, spacing: tuple[float, float]
    ) -> float:
        """Return how far outside the neighbour's outline a mask may reach.

        Parameters
        ----------
        neighbour : ndarray of bool, shape (H, W)
            The mask it starts from.
        step_mm : float
            Between the planes.
        spacing : (float, float)
            Between rows and between columns, mm.
        """
        radius = float(np.sqrt(np.count_nonzero(neighbour) * spacing[0] * spacing[1] / np.pi))
        moved = max(self.steepness * step_mm, self.motion_mm, self.share * radius)
        return moved + _SLACK_PX * (spacing[0] + spacing[1]) / 2

    def closed(
        self, mask: BoolArray, distance_mm: float, spacing: tuple[float, float]
    ) -> BoolArray:
        """Return what is left of a mask so far from a plane where the object is not.

        Parameters
        ----------
        mask : ndarray of bool, shape (h, w)
            What it would be.
        distance_mm : float
            To the plane.
        spacing : (float, float)
            Between rows and between columns, mm.
        """
        if not self.closing or not mask.any():
            return mask
        depth = depth_in(mask, spacing)
        reach = self.closing * distance_mm + _SLACK_PX * (spacing[0] + spacing[1]) / 2
        return np.asarray(mask & (depth > float(depth.max()) - reach))

    def apply(
        self,
        mask: BoolArray,
        neighbour: BoolArray,
        belongs: FloatArray | None,
        allowance_mm: float,
        spacing: tuple[float, float],
        *,
        within: BoolArray | None = None,
    ) -> tuple[BoolArray, float]:
        """Return what of a mask can be the object, and how far the rest has leaked.

        Parameters
        ----------
        mask, neighbour : ndarray of bool, shape (h, w)
            The answer and the mask it started from, in one window of the slice.
        belongs : ndarray of float32, shape (h, w), or None
            How like the object each pixel is, see `Appearance.belongs`; None: that cannot be told.
        allowance_mm : float
            From `allowance_mm`.
        spacing : (float, float)
            Between rows and between columns, mm.
        within : ndarray of bool, shape (h, w), optional
            Where the clicked planes let it be, see `Cones`.

        Returns
        -------
        mask : ndarray of bool, shape (h, w)
            Part of the one given.
        growth : float
            Area of the answer over the area that the outline can have reached; 1 if what is
            beyond does not look like the object.
        """
        near = reached(neighbour, allowance_mm, spacing)
        if within is not None:
            near &= within
        beyond = mask & ~near
        growth = 1.0
        # what is beyond the reach but looks like the surroundings is cut off, and is no sign of a
        # leak
        if beyond.any() and (belongs is None or float(belongs[beyond].mean()) > 0.5):
            growth = int(np.count_nonzero(mask)) / max(1, int(np.count_nonzero(near)))
        kept = mask & near
        if belongs is not None and self.trim:
            # smoothed, so that single noisy pixels neither stay nor go
            alike = kept & (blurred(belongs, 1.0, truncate=4.0) >= _LIKE)
            # what lies inside the object is its own
            kept = filled(alike) & kept
        return np.asarray(kept), growth


class Cones:
    """Where an object can be between clicked planes, see `Restraint.cone`.

    Parameters
    ----------
    masks : mapping of int to ndarray of bool, shape (H, W)
        Of the clicked planes beside a stretch, by index.
    cone : float
        Millimetres outwards for each millimetre along.
    step_mm : float
        Between neighbouring planes.
    spacing : (float, float)
        Between rows and between columns, mm.
    removed : mapping of int to ndarray of bool, shape (H, W), optional
        What a person took away on clicked planes: it stays away on those beside them, from its
        middle, as far as it is deep.
    """

    def __init__(
        self,
        masks: Mapping[int, BoolArray],
        cone: float,
        step_mm: float,
        spacing: tuple[float, float],
        removed: Mapping[int, BoolArray] | None = None,
    ) -> None:
        self._masks = {i: DistanceTo(m, spacing) for i, m in masks.items()} if cone else {}
        self._removed = {i: _Depth(m, spacing) for i, m in (removed or {}).items()} if cone else {}
        self._cone, self._step_mm, self._spacing = cone, step_mm, spacing

    def at(self, index: int, window: tuple[slice, slice]) -> BoolArray | None:
        """Return where it can be on a plane, in a window of the slice; None: anywhere."""
        within: BoolArray | None = None
        slack = _SLACK_PX * (self._spacing[0] + self._spacing[1]) / 2
        for known, far in self._masks.items():
            reach = self._cone * abs(index - known) * self._step_mm + slack
            near = far.on(window) <= reach
            within = near if within is None else within & near
        for known, deep in self._removed.items():
            away = self._cone * abs(index - known) * self._step_mm
            left = ~deep.exceeds(away, window)
            within = left if within is None else within & left
        return within


class DistanceTo:
    """How far pixels are from a mask, computed where it is asked for.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Is not changed meanwhile.
    spacing : (float, float)
        Between rows and between columns, mm.
    """

    def __init__(self, mask: BoolArray, spacing: tuple[float, float]) -> None:
        self._mask, self._spacing = mask, spacing
        self._box = bounding_box(mask)
        self._known: tuple[tuple[slice, slice], FloatArray] | None = None

    def on(self, window: tuple[slice, slice]) -> FloatArray:
        """Return the distance in mm on a window of the slice, float32; infinite without a mask."""
        if self._box is None:
            return np.full([w.stop - w.start for w in window], np.inf, np.float32)
        if self._known is None or not _lies_in(window, self._known[0]):
            # all of the mask is needed; half as much again, so that a walk asks but a few times
            rows, cols = (
                _hull((low, high), w, size)
                for low, high, w, size in zip(
                    self._box[::2], self._box[1::2], window, self._mask.shape, strict=True
                )
            )
            self._known = (rows, cols), distance_to(self._mask[rows, cols], self._spacing)
        at, distance = self._known
        rows, cols = (
            slice(w.start - a.start, w.stop - a.start) for w, a in zip(window, at, strict=True)
        )
        return distance[rows, cols]


class _Depth:
    """How deep pixels lie in a mask, computed on the mask's box; beyond the rim is outside."""

    def __init__(self, mask: BoolArray, spacing: tuple[float, float]) -> None:
        box = bounding_box(mask) or (0, 0, 0, 0)
        self._at = slice(box[0], box[1]), slice(box[2], box[3])
        self._depth = depth_in(mask[self._at], spacing) if mask.any() else np.zeros((0, 0))

    def exceeds(self, depth: float, window: tuple[slice, slice]) -> BoolArray:
        """Return where it is deeper, on a window of the slice."""
        return on_window(self._depth > depth, self._at, window)


def reached(mask: BoolArray, reach_mm: float, spacing: tuple[float, float]) -> BoolArray:
    """Return which pixels are at most so far from a mask: it, grown by a disc.

    The same as a limit on `distance_to`, in a fraction of the time for the few pixels that an
    outline moves from plane to plane: the disc's rows, the short ones at its ends first.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        May be empty.
    reach_mm : float
        Limit, included.
    spacing : (float, float)
        Between rows and between columns, mm.
    """
    high = int(reach_mm / spacing[0] * (1 + _EXACT))
    if high > _FEW_ROWS:
        return np.asarray(distance_to(mask, spacing) <= reach_mm)
    near, wide, half = mask.copy(), mask, 0
    for shift in range(min(high, mask.shape[0] - 1), -1, -1):
        left_mm = max(0.0, reach_mm**2 - (shift * spacing[0]) ** 2) ** 0.5
        left = min(int(left_mm / spacing[1] * (1 + _EXACT)), mask.shape[1])
        for _ in range(left - half):
            wide = _widened(wide)
        half = left
        near[shift:] |= wide[: len(near) - shift]
        near[: len(near) - shift] |= wide[shift:]
    return near


def _widened(mask: BoolArray) -> BoolArray:
    """Return a mask grown by a pixel to the left and to the right."""
    out = mask.copy()
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def _lies_in(one: tuple[slice, slice], other: tuple[slice, slice]) -> bool:
    return all(o.start <= w.start and w.stop <= o.stop for w, o in zip(one, other, strict=True))


def _hull(span: tuple[int, int], window: slice, size: int) -> slice:
    """Return what holds two spans of an axis, and a quarter of it on either side."""
    first, last = min(span[0], window.start), max(span[1], window.stop)
    margin = (last - first) // 4
    return slice(max(0, first - margin), min(size, last + margin))


def filled(mask: BoolArray) -> BoolArray:
    """Return a mask with its holes filled: background that edge neighbours do not join to the rim.

    The same as `scipy.ndimage.binary_fill_holes`, which grows the background pixel by pixel.
    """
    box = bounding_box(mask)
    if box is None:
        return mask
    window = slice(box[0], box[1]), slice(box[2], box[3])
    if not has_gaps(mask[window]):
        return mask
    # background round the box, so that all of the outside is one part
    parts, count = ndimage.label(np.pad(~mask[window], 1, constant_values=True))
    if count < 2:
        return mask
    out = mask.copy()
    out[window] = (parts != parts[0, 0])[1:-1, 1:-1]
    return out


def has_gaps(mask: BoolArray) -> bool:
    """Whether a row of a mask is interrupted; a mask without such a row has no hole."""
    starts = np.count_nonzero(mask[:, 1:] > mask[:, :-1], axis=1) + mask[:, 0]
    return bool((starts > 1).any())


def cut(patch: Patch, kept: BoolArray, window: tuple[slice, slice], threshold: float) -> Patch:
    """Return an answer without the pixels of its mask that are not kept.

    Parameters
    ----------
    patch : Patch
        The answer.
    kept : ndarray of bool, shape of `window`
        What of its mask stays.
    window : (slice, slice)
        Rows and columns of the slice that hold the whole mask.
    threshold : float
        Probability above which a pixel belongs to the object.
    """
    gone = patch.inside(threshold)
    stays = on_window(kept, window, patch.slices)
    gone &= ~stays
    if not gone.any():
        return patch
    # certainly not the object: the next plane must not be led back there
    logits = np.where(gone, np.float32(-LOGIT_LIMIT), patch.logits)
    return Patch(patch.row0, patch.col0, logits, patch.shape)
