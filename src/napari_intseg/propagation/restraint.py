"""What a mask can be, given its neighbour's: an outline does not jump."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray
from napari_intseg.inference.patch import Patch, bounding_box
from napari_intseg.propagation.distance import distance_to

_SLACK_PX = 1.5  # an outline is not known better than this
_LIKE = 0.3  # less like the object than this, on a scale from surroundings to object, is not it


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
    trim : bool, default True
        Leave out pixels that look like the anchor's surroundings rather than like the object,
        where grey values tell one from the other.
    """

    steepness: float = 1.0
    motion_mm: float = 0.0
    share: float = 0.0
    trim: bool = True

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

    def apply(
        self,
        mask: BoolArray,
        neighbour: BoolArray,
        belongs: NDArray[np.float64] | None,
        allowance_mm: float,
        spacing: tuple[float, float],
    ) -> tuple[BoolArray, float]:
        """Return what of a mask can be the object, and how far the rest has leaked.

        Parameters
        ----------
        mask, neighbour : ndarray of bool, shape (h, w)
            The answer and the mask it started from, in one window of the slice.
        belongs : ndarray of float, shape (h, w), or None
            How like the object each pixel is, see `Appearance.belongs`; None: that cannot be told.
        allowance_mm : float
            From `allowance_mm`.
        spacing : (float, float)
            Between rows and between columns, mm.

        Returns
        -------
        mask : ndarray of bool, shape (h, w)
            Part of the one given.
        growth : float
            Area of the answer over the area that the outline can have reached; 1 if what is
            beyond does not look like the object.
        """
        near = distance_to(neighbour, spacing) <= allowance_mm
        beyond = mask & ~near
        growth = 1.0
        if beyond.any() and (belongs is None or float(belongs[beyond].mean()) > 0.5):
            growth = int(np.count_nonzero(mask)) / max(1, int(np.count_nonzero(near)))
        kept = mask & near
        if belongs is not None and self.trim:
            alike = kept & (ndimage.gaussian_filter(belongs, 1.0) >= _LIKE)
            kept = filled(alike) & kept  # what lies inside the object is its own
        return np.asarray(kept), growth


def filled(mask: BoolArray) -> BoolArray:
    """Return a mask with its holes filled: background that edge neighbours do not join to the rim.

    The same as `scipy.ndimage.binary_fill_holes`, which grows the background pixel by pixel.
    """
    box = bounding_box(mask)
    if box is None:
        return mask
    window = slice(box[0], box[1]), slice(box[2], box[3])
    parts, count = ndimage.label(np.pad(~mask[window], 1, constant_values=True))
    if count < 2:
        return mask
    out = mask.copy()
    out[window] = (parts != parts[0, 0])[1:-1, 1:-1]
    return out


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
    stays = _within(kept, window, patch.slices)
    gone &= ~stays
    if not gone.any():
        return patch
    logits = np.where(gone, np.float32(-LOGIT_LIMIT), patch.logits)
    return Patch(patch.row0, patch.col0, logits, patch.shape)


def _within(mask: BoolArray, at: tuple[slice, slice], wanted: tuple[slice, slice]) -> BoolArray:
    """Return a mask that lies at a window of the slice on another window."""
    out = np.zeros([w.stop - w.start for w in wanted], bool)
    common = [
        slice(max(a.start, w.start), min(a.stop, w.stop)) for a, w in zip(at, wanted, strict=True)
    ]
    if all(c.start < c.stop for c in common):
        there = tuple(
            slice(c.start - w.start, c.stop - w.start) for c, w in zip(common, wanted, strict=True)
        )
        here = tuple(
            slice(c.start - a.start, c.stop - a.start) for c, a in zip(common, at, strict=True)
        )
        out[there] = mask[here]
    return out
