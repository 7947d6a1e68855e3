"""How well a mask agrees with the truth, and how many clicks that took."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.errors import DataError


def iou(mask: BoolArray, truth: BoolArray, *, empty: float = 1.0) -> float:
    """Return intersection over union of two masks.

    Parameters
    ----------
    mask, truth : ndarray of bool, any shape
        Both on the same grid. Pixels to ignore are left out by the caller, ``mask[valid]``.
    empty : float, default 1.0
        Value when neither holds a pixel: two empty masks agree.

    Returns
    -------
    float
        Between 0 and 1, without unit.

    Raises
    ------
    DataError
        If the shapes differ.

    References
    ----------
    .. [1] Jaccard, P. "The distribution of the flora in the alpine zone",
       New Phytologist 11, 1912.

    Examples
    --------
    >>> iou(np.array([True, True, False]), np.array([True, False, False]))
    0.5
    """
    _check_grid(mask, truth)
    union = np.count_nonzero(mask | truth)
    return float(np.count_nonzero(mask & truth) / union) if union else empty


def dice(mask: BoolArray, truth: BoolArray, *, empty: float = 1.0) -> float:
    """Return twice the intersection over the sum of two masks' sizes.

    Parameters
    ----------
    mask, truth : ndarray of bool, any shape
        Both on the same grid.
    empty : float, default 1.0
        Value when neither holds a pixel.

    Returns
    -------
    float
        Between 0 and 1, without unit.

    Raises
    ------
    DataError
        If the shapes differ.

    References
    ----------
    .. [1] Dice, L. R. "Measures of the amount of ecologic association between species",
       Ecology 26, 1945.

    Examples
    --------
    >>> round(dice(np.array([True, True, False]), np.array([True, False, False])), 3)
    0.667
    """
    _check_grid(mask, truth)
    total = np.count_nonzero(mask) + np.count_nonzero(truth)
    return float(2 * np.count_nonzero(mask & truth) / total) if total else empty


def noc(ious: Sequence[float], *, target: float = 0.90, max_clicks: int = 20) -> int:
    """Return the number of clicks until the IoU reaches a target.

    Parameters
    ----------
    ious : sequence of float
        IoU after the first click, the second, and so on.
    target : float, default 0.90
        Reached when ``iou >= target``.
    max_clicks : int, default 20
        What an object counts that never reaches it, and what no object exceeds.

    References
    ----------
    .. [1] Xu, N. et al. "Deep interactive object selection", arXiv:1603.04042.
    """
    reached = (k for k, value in enumerate(ious[:max_clicks], start=1) if value >= target)
    return next(reached, max_clicks)


def failure_share(
    ious: Sequence[Sequence[float]], *, target: float = 0.90, max_clicks: int = 20
) -> float:
    """Return the share of objects that never reach a target, 0 to 1; NaN without objects."""
    if not ious:
        return float("nan")
    failed = sum(not any(value >= target for value in one[:max_clicks]) for one in ious)
    return failed / len(ious)


def worst_tenth(clicks: Sequence[int]) -> float:
    """Return the mean of the tenth of the numbers that are highest, of one at least.

    Examples
    --------
    >>> worst_tenth([1, 2, 9, 4])
    9.0
    """
    count = max(1, round(len(clicks) / 10))
    return sum(sorted(clicks)[-count:]) / count


def recoveries(
    ious: Sequence[float], wrong: Sequence[bool], *, max_clicks: int = 20
) -> tuple[int, ...]:
    """Return for each wrong click how many more it took to be where one was before it.

    Parameters
    ----------
    ious : sequence of float
        IoU after each click.
    wrong : sequence of bool
        Of each click whether it was a wrong one.
    max_clicks : int, default 20
        One that is never made good counts the clicks that were left, or could have been made.

    Returns
    -------
    tuple of int
        0 where the mask became no worse. Clicks that are wrong themselves count like all others.

    Examples
    --------
    >>> recoveries([0.6, 0.2, 0.5, 0.7], [False, True, False, False])
    (2,)
    """
    found = []
    for k, is_wrong in enumerate(wrong):
        if is_wrong:
            before = ious[k - 1] if k else 0.0
            later = (n for n, value in enumerate(ious[k:]) if value >= before)
            found.append(next(later, max_clicks - k - 1))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SurfaceDistance:
    """How far two surfaces are apart, in millimetres.

    Parameters
    ----------
    mean_mm : float
        Mean over the voxels of both surfaces of the distance to the other surface.
    hd95_mm : float
        The larger of the two directed 95th percentiles of that distance.
    """

    mean_mm: float
    hd95_mm: float


def surface_distance(
    mask: BoolArray, truth: BoolArray, spacing: tuple[float, ...]
) -> SurfaceDistance:
    """Return the mean symmetric surface distance and the 95 % Hausdorff distance [1]_.

    A surface is the voxels of a mask with a face neighbour outside it; beyond the array is
    outside. Distances go from voxel centre to voxel centre.

    Parameters
    ----------
    mask, truth : ndarray of bool, shape (H, W) or (D, H, W)
        Both on the same grid.
    spacing : tuple of float
        Millimetres between voxel centres in axis order, one number an axis.

    Returns
    -------
    SurfaceDistance
        Both zero when both masks are empty, both infinite when only one is: there is no surface
        to measure to.

    Raises
    ------
    DataError
        If the shapes differ or the spacing has another number of axes.

    References
    ----------
    .. [1] Taha, A. A., Hanbury, A. "Metrics for evaluating 3D medical image segmentation",
       BMC Medical Imaging 15, 2015.
    """
    _check_grid(mask, truth)
    if len(spacing) != mask.ndim:
        raise DataError(
            f"spacing does not fit: expected {mask.ndim} numbers in mm, got {spacing!r}. "
            "Give one for each axis of the mask."
        )
    if not mask.any() or not truth.any():
        value = 0.0 if mask.any() == truth.any() else float("inf")
        return SurfaceDistance(value, value)
    box = _box(mask | truth)
    one, other = _surface(mask[box]), _surface(truth[box])
    there = distance_transform_edt(~other, sampling=spacing)[one]
    back = distance_transform_edt(~one, sampling=spacing)[other]
    return SurfaceDistance(
        mean_mm=float(np.concatenate([there, back]).mean()),
        hd95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _surface(mask: BoolArray) -> BoolArray:
    return np.asarray(mask & ~binary_erosion(mask))


def _box(mask: BoolArray) -> tuple[slice, ...]:
    """Return the smallest box that holds every pixel of a mask that is not empty."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(i for i in range(mask.ndim) if i != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)


def _check_grid(mask: BoolArray, truth: BoolArray) -> None:
    if mask.shape != truth.shape:
        raise DataError(
            f"mask is on another grid: expected {truth.shape}, got {mask.shape}. "
            "Resample one onto the other's grid first."
        )
