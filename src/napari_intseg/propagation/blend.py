"""Where two walks meet: their answers reconciled, and masks in between without any."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, logit, sigmoid
from napari_intseg.inference.patch import Patch

Indices = NDArray[np.intp]


def blend(near: Patch, far: Patch, weight: float) -> Patch:
    """Return the weighted mean of two answers' probabilities.

    Parameters
    ----------
    near, far : Patch
        Of the same plane.
    weight : float
        Of `near`, 0 to 1: the nearer its anchor, the more it counts.
    """
    rows, cols = _joined(near, far)
    prob = weight * sigmoid(near.at(rows, cols)) + (1 - weight) * sigmoid(far.at(rows, cols))
    logits = logit(np.asarray(prob, np.float32))
    return Patch(int(rows[0]), int(cols[0]), logits, near.shape) if logits.size else near


def between(left: BoolArray, right: BoolArray, weight: float) -> Patch:
    """Return the mask between two masks, by their signed distances to the outline [1]_.

    Parameters
    ----------
    left, right : ndarray of bool, shape (H, W)
        Masks of two planes.
    weight : float
        Of `left`, 0 to 1.

    References
    ----------
    .. [1] Raya, S., Udupa, J. "Shape-based interpolation of multidimensional objects", IEEE TMI 9,
       1990, doi:10.1109/42.52980.
    """
    found = np.flatnonzero((left | right).any(axis=1)), np.flatnonzero((left | right).any(axis=0))
    shape = left.shape[0], left.shape[1]
    if found[0].size == 0:
        return Patch.empty(shape)
    rows, cols = (slice(int(f[0]), int(f[-1]) + 1) for f in found)
    signed = weight * _signed(left[rows, cols]) + (1 - weight) * _signed(right[rows, cols])
    return Patch(
        rows.start,
        cols.start,
        np.asarray(np.clip(signed, -LOGIT_LIMIT, LOGIT_LIMIT), np.float32),
        shape,
    )


def trimmed(patch: Patch, threshold: float, margin: int = 8) -> Patch:
    """Return a patch without what lies far from the mask, so that many planes fit in memory."""
    box = patch.box(threshold)
    if box is None:
        return Patch.empty(patch.shape)
    own = patch.slices
    rows = slice(max(own[0].start, box[0] - margin), min(own[0].stop, box[1] + margin))
    cols = slice(max(own[1].start, box[2] - margin), min(own[1].stop, box[3] + margin))
    inside = patch.logits[
        rows.start - own[0].start : rows.stop - own[0].start,
        cols.start - own[1].start : cols.stop - own[1].start,
    ]
    return Patch(rows.start, cols.start, np.array(inside), patch.shape)


def _signed(mask: BoolArray) -> NDArray[np.float64]:
    """Return the distance to the outline in pixels, positive inside."""
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded)
    if not mask.any():
        return np.full(mask.shape, -float(max(mask.shape)))
    outside = ndimage.distance_transform_edt(~padded)
    return np.asarray((inside - outside)[1:-1, 1:-1])


def _joined(one: Patch, other: Patch) -> tuple[Indices, Indices]:
    """Return the rows and columns of the smallest rectangle that holds both patches."""
    spans = [p.slices for p in (one, other) if p.logits.size]
    if not spans:
        return np.arange(0), np.arange(0)
    rows = np.arange(min(s[0].start for s in spans), max(s[0].stop for s in spans))
    cols = np.arange(min(s[1].start for s in spans), max(s[1].stop for s in spans))
    return rows, cols
