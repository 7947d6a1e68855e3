"""One mask becomes two: cut at its neck, or half-way between two clicks where it has none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.errors import PromptError

_MOST_VOXELS = 1 << 19
"""A larger mask is divided on a coarser grid: half a million voxels take 0.6 s, and a person
waits."""

_SMOOTH_PX = 1.0
"""Of the distances: ragged outlines give tops of a pixel or two that are no lobe of their own."""

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
    padded = np.pad(mask, 1)  # what touches the rim of the window has its outline there
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    depth = ndimage.gaussian_filter(depth, _SMOOTH_PX)[(slice(1, -1),) * mask.ndim]
    ways = [_climb(depth, mask, seed) for seed in seeds]
    if ways[0][-1] == ways[1][-1]:
        return _nearer(mask, seeds, spacing)
    markers = np.zeros(mask.shape, np.int32)
    for number, way in enumerate(ways, 1):
        for index in way:
            markers[index] = number
    from skimage.segmentation import watershed  # slow to import, and rarely needed

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
