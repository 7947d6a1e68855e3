"""Where FocalClick looks twice: the focus crop, a small window round the last change.

References
----------
.. [1] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574, section 3.2.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray, Frame

Window = tuple[int, int, int, int]
"""``(row0, row1, col0, col1)`` in pixels, half-open."""

_TOUCHING = np.ones((3, 3), bool)
_FEW_PX = 10
_REACH = 0.2


def focus_crop(
    now: BoolArray,
    before: BoolArray,
    click: Click | None,
    expansion: float = 1.4,
    *,
    frame: Frame | None = None,
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
    frame : tuple of float, optional
        Of the slice round the masks, see `Query`; by default they are all there is. Outside them
        there is no object, but a mask of a few pixels stands for the whole slice, and what lies
        outside has not changed.
    """
    around = frame or (0, now.shape[0], 0, now.shape[1])
    box = _box(now, around)
    if click is not None and before.any():
        changed = now ^ before
        under = _change_at(changed, click)
        change = _box(under, around, beyond=not (under & changed).any())
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


def _box(mask: BoolArray, frame: Frame, *, beyond: bool = False) -> Frame:
    """Return first and last row and column, as published: the slice itself for a few pixels.

    `beyond`: the mask goes on all over the slice outside its own rectangle.
    """
    row0, row1, col0, col1 = frame
    (height, width), count = mask.shape, np.count_nonzero(mask)
    if beyond:
        count += (row1 - row0) * (col1 - col0) - height * width
    if count < _FEW_PX:
        return frame
    used = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not beyond:
        return float(used[0][0]), float(used[0][-1]), float(used[1][0]), float(used[1][-1])
    on_rows, on_cols = row0 < 0 or row1 > height, col0 < 0 or col1 > width
    rows = _going_on(used[0], height, (row0, row1), across=on_cols)
    return *rows, *_going_on(used[1], width, (col0, col1), across=on_rows)


def _going_on(
    used: NDArray[np.intp], size: int, span: tuple[float, float], *, across: bool
) -> tuple[float, float]:
    """Return the first and last position of a mask that goes on outside its rectangle.

    `across`: it does so along the other axis, where it takes all positions of the span.
    """
    start, end = span
    places = [float(place) for place in used]
    places += [start, -1] * (start < 0) + [size, end - 1] * (end > size)
    places += [start, end - 1] * across
    return min(places), max(places)


def _length(box: Frame, axis: int) -> float:
    return box[2 * axis + 1] - box[2 * axis]


def _expand(start: float, end: float, factor: float, size: int) -> tuple[int, int]:
    centre, length = 0.5 * (start + end), factor * (end - start + 1)
    first, last = int(centre - 0.5 * length), int(centre + 0.5 * length)
    return max(0, first), min(size, last)
