"""How well a mask agrees with the truth, how many clicks that took, and how well readers agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.optimize import linear_sum_assignment

from napari_intseg.core.files import csv_text
from napari_intseg.core.segmenter import Array, BoolArray
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
            # before the first click there was nothing
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
    # distances depend on nothing outside the box of both, which saves most of a volume
    box = _box(mask | truth)
    one, other = _surface(mask[box]), _surface(truth[box])
    there = distance_transform_edt(~other, sampling=spacing)[one]
    back = distance_transform_edt(~one, sampling=spacing)[other]
    return SurfaceDistance(
        mean_mm=float(np.concatenate([there, back]).mean()),
        # the larger of two directed percentiles, not one over both: a small surface would drown
        hd95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _surface(mask: BoolArray) -> BoolArray:
    # without a pixel beyond the array: an object cut off by it ends there
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


# IoU below which two objects are not taken for the same one: touching cells share a rim of a few
# percent, and readers who mean the same object rarely share less than a tenth of it
_LEAST_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class ObjectAgreement:
    """One object, as two or more readers marked it.

    Parameters
    ----------
    label : int
        Its number.
    voxels : tuple of int
        By reader; 0 where a reader did not mark it.
    dice : float
        Mean over all pairs of readers; 0 for a pair of which one did not mark it.
    distance : SurfaceDistance
        Mean over all pairs, in mm; infinite if a reader did not mark it.
    """

    label: int
    voxels: tuple[int, ...]
    dice: float
    distance: SurfaceDistance


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well readers agree.

    Parameters
    ----------
    objects : tuple of ObjectAgreement
        In the order of their numbers.
    kappa : float
        Cohen's for two readers, Fleiss' for more; NaN if nothing is marked.
    """

    objects: tuple[ObjectAgreement, ...]
    kappa: float

    @property
    def mean_dice(self) -> float:
        """Mean over the objects; NaN without any."""
        return float(np.mean([one.dice for one in self.objects])) if self.objects else math.nan


def agreement(readers: Sequence[Array], spacing: tuple[float, ...]) -> Agreement:
    """Return how well readers agree, object by object and over all voxels.

    Parameters
    ----------
    readers : sequence of ndarray of int, shape (H, W) or (D, H, W) each
        Two or more, on one grid; 0 is background, and a number means the same object in each (see
        `matched`).
    spacing : tuple of float
        Millimetres between voxel centres in axis order.

    Raises
    ------
    DataError
        If there are fewer than two, or the grids differ.
    """
    _check(readers)
    objects = tuple(_compared(readers, label, spacing) for label in _numbers(readers))
    return Agreement(objects, kappa(readers))


def kappa(readers: Sequence[Array]) -> float:
    """Return the agreement of readers beyond chance [1]_ [2]_.

    Every voxel is one item and every number of an object one category. Counted is the smallest box
    that holds what anyone marked: voxels far from all objects would bring any figure near 1.

    Parameters
    ----------
    readers : sequence of ndarray of int
        As for `agreement`.

    Returns
    -------
    float
        1 if all agree, 0 if as by chance; NaN if nobody marked anything.

    Raises
    ------
    DataError
        If there are fewer than two, or the grids differ.

    References
    ----------
    .. [1] Cohen, J. "A coefficient of agreement for nominal scales", Educational and Psychological
       Measurement 20, 1960.
    .. [2] Fleiss, J. L. "Measuring nominal scale agreement among many raters", Psychological
       Bulletin 76, 1971.

    Examples
    --------
    >>> kappa([np.array([1, 1, 0, 2]), np.array([1, 1, 0, 2])])
    1.0
    """
    _check(readers)
    box = _box_of_marked(readers)
    if box is None:
        return math.nan
    inside = [np.asarray(one[box]).ravel() for one in readers]
    labels, codes = np.unique(np.concatenate(inside), return_inverse=True)
    votes = codes.reshape(len(inside), -1)
    shares = np.stack([np.bincount(row, minlength=labels.size) for row in votes]) / votes.shape[1]
    # Cohen's expects by each reader's own shares, Fleiss' by those of all
    if len(readers) == 2:
        observed = float((votes[0] == votes[1]).mean())
        expected = float((shares[0] * shares[1]).sum())
    else:
        counts = np.stack([(votes == k).sum(0) for k in range(labels.size)], dtype=np.float64)
        pairs = len(readers) * (len(readers) - 1)
        observed = float(((counts * (counts - 1)).sum(0) / pairs).mean())
        expected = float((shares.mean(0) ** 2).sum())
    # everybody named one object alone: chance agrees as well, and so do they
    return 1.0 if expected >= 1 else (observed - expected) / (1 - expected)


def matched(reader: Array, first: Array) -> Array:
    """Renumber a reader's objects to those of the first reader that they overlap most.

    Pairs are chosen one to one so that the sum of their IoU is largest [1]_. An object without a
    partner of at least a tenth gets a number that neither reader uses.

    Parameters
    ----------
    reader, first : ndarray of int
        On one grid.

    Returns
    -------
    ndarray of int32
        `reader` with other numbers.

    Raises
    ------
    DataError
        If the grids differ.

    References
    ----------
    .. [1] Kuhn, H. W. "The Hungarian method for the assignment problem", Naval Research Logistics
       Quarterly 2, 1955.
    """
    _check((first, reader))
    ours, our_codes = np.unique(reader, return_inverse=True)
    theirs, their_codes = np.unique(first, return_inverse=True)
    # each pair of numbers as one, so that all overlaps are counted in one pass
    pairs = our_codes.ravel().astype(np.int64) * theirs.size + their_codes.ravel()
    shared = np.bincount(pairs, minlength=ours.size * theirs.size).reshape(ours.size, theirs.size)
    union = shared.sum(1)[:, None] + shared.sum(0)[None] - shared
    overlap = shared / union
    # background is no object that could be matched
    overlap[ours == 0] = overlap[:, theirs == 0] = 0
    numbers = np.zeros(ours.size, np.int32)
    rows, cols = linear_sum_assignment(overlap, maximize=True)
    for row, col in zip(rows, cols, strict=True):
        if overlap[row, col] >= _LEAST_OVERLAP:
            numbers[row] = theirs[col]
    # above both, so that it is mistaken for no object of either
    free = int(max(ours.max(initial=0), theirs.max(initial=0))) + 1
    for row in np.flatnonzero((numbers == 0) & (ours != 0)):
        numbers[row] = free
        free += 1
    return np.asarray(numbers[our_codes].reshape(reader.shape), np.int32)


def majority(readers: Sequence[Array]) -> Array:
    """Return what more than half of the readers say of each voxel; where none do, background.

    Of two readers that is what both say.

    Parameters
    ----------
    readers : sequence of ndarray of int
        As for `agreement`.

    Returns
    -------
    ndarray of int32, shape of each

    Raises
    ------
    DataError
        If there are fewer than two, or the grids differ.
    """
    _check(readers)
    out = np.zeros(readers[0].shape, np.int32)
    for label in _numbers(readers):
        votes = np.sum([one == label for one in readers], axis=0)
        out[2 * votes > len(readers)] = label
    return out


def disagreement(readers: Sequence[Array]) -> Array:
    """Return how many readers do not say of a voxel what most of them say.

    Parameters
    ----------
    readers : sequence of ndarray of int
        As for `agreement`.

    Returns
    -------
    ndarray of int32, shape of each
        0 where all agree; of two readers 1 where they differ.

    Raises
    ------
    DataError
        If there are fewer than two, or the grids differ.
    """
    _check(readers)
    most = np.zeros(readers[0].shape, np.int32)
    # background is something that readers say as well
    for label in (0, *_numbers(readers)):
        most = np.maximum(most, np.sum([one == label for one in readers], axis=0))
    return np.asarray(len(readers) - most, np.int32)


def agreement_csv(found: Agreement, names: Sequence[str]) -> str:
    """Return a table of an agreement, one row an object; see `agreement`.

    Parameters
    ----------
    found : Agreement
        What to tell.
    names : sequence of str
        Of the readers, in their order.
    """
    rows: list[list[object]] = [
        ["object", *(f"voxels {n}" for n in names), "dice", "mean_mm", "hd95_mm"]
    ]
    for one in found.objects:
        lengths = (f"{mm:.3f}" for mm in (one.distance.mean_mm, one.distance.hd95_mm))
        rows.append([one.label, *one.voxels, f"{one.dice:.4f}", *lengths])
    return csv_text(rows)


def _compared(readers: Sequence[Array], label: int, spacing: tuple[float, ...]) -> ObjectAgreement:
    box = _box_of_marked([one == label for one in readers])
    assert box is not None
    masks = [np.asarray(one[box] == label) for one in readers]
    pairs = [(a, b) for i, a in enumerate(masks) for b in masks[i + 1 :]]
    apart = [surface_distance(a, b, spacing) for a, b in pairs]
    return ObjectAgreement(
        label,
        tuple(int(mask.sum()) for mask in masks),
        float(np.mean([dice(a, b) for a, b in pairs])),
        SurfaceDistance(
            float(np.mean([one.mean_mm for one in apart])),
            float(np.mean([one.hd95_mm for one in apart])),
        ),
    )


def _box_of_marked(arrays: Sequence[Array] | Sequence[BoolArray]) -> tuple[slice, ...] | None:
    """Return the smallest box that holds all that is not 0 in any array; None if nothing is."""
    marked = np.any([np.asarray(one) != 0 for one in arrays], axis=0)
    found = ndimage.find_objects(marked.astype(np.uint8))
    return found[0] if found else None


def _numbers(readers: Sequence[Array]) -> list[int]:
    """Return the numbers of the objects that any reader marked, in order."""
    return sorted(set().union(*(np.unique(one).tolist() for one in readers)) - {0})


def _check(readers: Sequence[Array]) -> None:
    if len(readers) < 2:
        raise DataError(
            f"readers are too few: expected two or more, got {len(readers)}. Give another's labels."
        )
    shapes = {tuple(one.shape) for one in readers}
    if len(shapes) > 1:
        raise DataError(
            f"readers are on other grids: expected one shape, got {sorted(shapes)}. "
            "Resample the labels onto one image first."
        )
