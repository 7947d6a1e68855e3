"""Where FocalClick looks twice: the focus crop, a small window round the last change.

References
----------
.. [1] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574, section 3.2.
"""

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray

Window = tuple[int, int, int, int]
"""``(row0, row1, col0, col1)`` in pixels, half-open."""

_TOUCHING = np.ones((3, 3), bool)
_FEW_PX = 10
_REACH = 0.2


def focus_crop(
    now: BoolArray, before: BoolArray, click: Click | None, expansion: float = 1.4
) -> Window:
    """Return the window that the refiner looks at, never empty.

    Without a mask before it is the object's. Otherwise it is that of the change under the click,
    or, if that is lower or narrower than a third of the object, a square round the click.

    Parameters
    ----------
    now, before : ndarray of bool, shape (H, W)
        The coarse mask and the previous one.
    click : Click or None
        The last one, in pixels of the masks; it may lie outside.
    expansion : float, default 1.4
        The window is enlarged by this factor.
    """
    box = _box(now)
    if click is not None and before.any():
        change = _box(_change_at(now ^ before, click))
        if any(_length(change, axis) < _length(box, axis) / 3 for axis in (0, 1)):
            reach = _REACH * max(_length(box, 0), _length(box, 1))
            box = (click.row - reach, click.row + reach, click.col - reach, click.col + reach)
        else:
            box = change
    row0, row1 = _expand(box[0], box[1], expansion, now.shape[0])
    col0, col1 = _expand(box[2], box[3], expansion, now.shape[1])
    if row1 <= row0 or col1 <= col0:  # round a click far outside
        return 0, now.shape[0], 0, now.shape[1]
    return row0, row1, col0, col1


def progressive_merge(now: BoolArray, before: BoolArray, click: Click) -> BoolArray:
    """Return the mask before with the one change under the click taken over, as published.

    The published evaluation from an initial mask does this after each click: the change goes
    away where the click lies on the object before, and joins it elsewhere. Where the click lies
    on no change, the unchanged rest is taken for it, so that an object goes away that is clicked
    where it already was. Use this to repeat published numbers; for work, the engine's option
    ``local`` takes over what the model answered there, and leaves all as it was in that case.

    Parameters
    ----------
    now, before : ndarray of bool, shape (H, W)
        The new mask and the one before.
    click : Click
        The last one, in pixels of the masks, inside them.
    """
    change = _change_at(now ^ before, click)
    was_object = bool(before[round(click.row), round(click.col)])
    taken: BoolArray = before & ~change if was_object else before | change
    return taken


def _change_at(changed: BoolArray, click: Click) -> BoolArray:
    """Return the region of change that holds the click; where there is none, all the rest."""
    regions, _ = ndimage.label(changed, _TOUCHING)
    row, col = round(click.row), round(click.col)
    inside = 0 <= row < changed.shape[0] and 0 <= col < changed.shape[1]
    found: BoolArray = regions == (regions[row, col] if inside else 0)
    return found


def _box(mask: BoolArray) -> tuple[float, float, float, float]:
    """Return first and last row and column, as published: the shape itself for a few pixels."""
    if np.count_nonzero(mask) < _FEW_PX:
        return 0, mask.shape[0], 0, mask.shape[1]
    rows, cols = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]), int(cols[0]), int(cols[-1])


def _length(box: tuple[float, float, float, float], axis: int) -> float:
    return box[2 * axis + 1] - box[2 * axis]


def _expand(start: float, end: float, factor: float, size: int) -> tuple[int, int]:
    centre, length = 0.5 * (start + end), factor * (end - start + 1)
    first, last = int(centre - 0.5 * length), int(centre + 0.5 * length)
    return max(0, first), min(size, last)
