"""From candidate objects to masks: boxes with masks, prototypes, stars, lists, peaks, distances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import BoolArray, FloatArray, sigmoid
from napari_intseg.models.automatic.start_model import RawFinding

Labels = NDArray[np.int32]
Ints = NDArray[np.int64]

# at most so many candidates get an outline, the surest ones: time grows with their number
_MOST_STARS = 20_000


def box_overlap(one: FloatArray, others: FloatArray) -> FloatArray:
    """Return intersection over union of a box with others, all ``x0 y0 x1 y1``."""
    low = np.maximum(one[:2], others[:, :2])
    high = np.minimum(one[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(np.clip(others[:, 2:] - others[:, :2], 0, None), axis=1)
    own = np.prod(np.clip(one[2:] - one[:2], 0, None))
    return np.asarray(shared / np.maximum(own + areas - shared, 1e-12))


def suppress(
    boxes: FloatArray, scores: FloatArray, kinds: Ints, *, overlap: float = 0.5, most: int = 100
) -> Ints:
    """Return which boxes stay: of one class, none overlaps a surer one that stays.

    Parameters
    ----------
    boxes : ndarray of float, shape (N, 4)
        ``x0 y0 x1 y1``.
    scores : ndarray of float, shape (N,)
    kinds : ndarray of int, shape (N,)
    overlap : float, default 0.5
        Intersection over union above which the less sure one goes.
    most : int, default 100

    Returns
    -------
    ndarray of int
        Indices, the surest first.
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        covered = box_overlap(boxes[best], boxes[left]) > overlap
        # of one class alone: objects of other classes may lie on each other
        left = left[~(covered & (kinds[left] == kinds[best]))]
    return np.array(kept, np.int64)


def paste(mask: FloatArray, box: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Return a box's mask on the image's grid, bilinear, 0 outside [1]_.

    Parameters
    ----------
    mask : ndarray of float, shape (m, n)
        Its pixels share the box evenly.
    box : ndarray of float, shape (4,)
        ``x0 y0 x1 y1`` in pixels from the image's edge: the first pixel is from 0 to 1.
    shape : (int, int)

    References
    ----------
    .. [1] He, K. et al. "Mask R-CNN", arXiv:1703.06870.
    """
    out = np.zeros(shape, np.float32)
    x0, y0, x1, y1 = (float(v) for v in box)
    first = max(0, int(np.floor(y0))), max(0, int(np.floor(x0)))
    end = min(shape[0], int(np.ceil(y1))), min(shape[1], int(np.ceil(x1)))
    if x1 <= x0 or y1 <= y0 or first[0] >= end[0] or first[1] >= end[1]:
        return out
    # the middles of the image's pixels, counted in pixels of the mask
    rows = (np.arange(first[0], end[0]) + 0.5 - y0) / (y1 - y0) * mask.shape[0] - 0.5
    cols = (np.arange(first[1], end[1]) + 0.5 - x0) / (x1 - x0) * mask.shape[1] - 0.5
    grid = np.meshgrid(rows, cols, indexing="ij")
    values = ndimage.map_coordinates(
        np.asarray(mask, np.float32), grid, order=1, mode="grid-constant"
    )
    out[first[0] : end[0], first[1] : end[1]] = values
    return out


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Numbers of `from_boxes`; the defaults are those of Mask R-CNN's published code.

    Parameters
    ----------
    threshold : float
        Least score.
    overlap, most
        As of `suppress`.
    mask_threshold : float
        Of the masks' probabilities.
    """

    threshold: float = 0.5
    overlap: float = 0.5
    most: int = 100
    mask_threshold: float = 0.5


def from_boxes(
    boxes: FloatArray,
    scores: FloatArray,
    kinds: Ints,
    masks: FloatArray,
    *,
    shape: tuple[int, int],
    rules: BoxRules | None = None,
) -> list[RawFinding]:
    """Return what detectors with masks found, the surest first.

    Parameters
    ----------
    boxes, scores, kinds
        As of `suppress`. For networks that score their masks (MS R-CNN), scores are multiplied
        by those before.
    masks : ndarray of float, shape (N, m, n) or (N, H, W)
        Probabilities, of each box, or of the whole image where it has the image's shape.
    shape : (int, int)
        Of the image.
    rules : BoxRules, optional
    """
    rules = rules or BoxRules()
    sure = np.flatnonzero(scores >= rules.threshold)
    found = []
    kept = suppress(boxes[sure], scores[sure], kinds[sure], overlap=rules.overlap, most=rules.most)
    for i in sure[kept]:
        whole = masks.shape[1:] == shape
        prob = masks[i] if whole else paste(masks[i], boxes[i], shape)
        mask = np.asarray(prob > rules.mask_threshold)
        if mask.any():
            found.append(RawFinding(int(kinds[i]), float(scores[i]), mask, _box(boxes[i])))
    return found


def _box(box: FloatArray) -> Box:
    x0, y0, x1, y1 = (float(v) for v in box)
    # from edges of pixels to their centres
    return Box(y0 - 0.5, x0 - 0.5, max(y1, y0) - 0.5, max(x1, x0) - 0.5)


def from_prototypes(prototypes: FloatArray, weights: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return masks as sums of prototypes, cropped to their boxes, as YOLACT does [1]_.

    Parameters
    ----------
    prototypes : ndarray of float, shape (K, H, W)
    weights : ndarray of float, shape (N, K)
    boxes : ndarray of float, shape (N, 4)
        In pixels of the prototypes.

    Returns
    -------
    ndarray of float, shape (N, H, W)
        Probabilities.

    References
    ----------
    .. [1] Bolya, D. et al. "YOLACT", arXiv:1904.02689.
    """
    masks = sigmoid(np.tensordot(weights, prototypes, axes=1).astype(np.float32))
    # a pixel more on each side, as in the published code
    low, high = boxes[:, :2, None] - 1, boxes[:, 2:, None] + 1
    rows, cols = (np.arange(n) for n in prototypes.shape[1:])
    in_rows = (rows >= low[:, 1]) & (rows < high[:, 1])
    in_cols = (cols >= low[:, 0]) & (cols < high[:, 0])
    return np.asarray(masks * (in_rows[:, :, None] & in_cols[:, None, :]), np.float32)


def from_proposal_embeddings(
    pixels: FloatArray, proposals: FloatArray, margins: FloatArray, boxes: FloatArray
) -> FloatArray:
    """Return how near each pixel's embedding is to that of a proposal, as EmbedMask [1]_ has it.

    Parameters
    ----------
    pixels : ndarray of float, shape (D, H, W)
    proposals : ndarray of float, shape (N, D)
    margins : ndarray of float, shape (N, D) or (N,)
        What squared differences are multiplied by, of each dimension or of all; the paper's
        1 / (2 σ²).
    boxes : ndarray of float, shape (N, 4)
        In pixels of the embedding.

    Returns
    -------
    ndarray of float32, shape (N, H, W)
        Logarithms of probabilities; -10 two pixels away from the box, as in the published code.

    References
    ----------
    .. [1] Ying, H. et al. "EmbedMask", arXiv:1912.01954.
    """
    size = np.array(pixels.shape[:0:-1])
    weights = np.reshape(margins, (len(proposals), -1, 1))
    out = np.full((len(proposals), *pixels.shape[1:]), -10.0, np.float32)
    for i, box in enumerate(boxes.astype(np.int64)):
        (left, top), (right, bottom) = np.maximum(box[:2] - 2, 0), np.minimum(box[2:] + 2, size)
        part = pixels[:, top:bottom, left:right]
        near = (part.reshape(len(pixels), -1) - proposals[i][:, None]) ** 2 * weights[i]
        out[i, top:bottom, left:right] = -near.sum(axis=0).reshape(part.shape[1:])
    return out


@dataclass(frozen=True, slots=True)
class ListRules:
    """Numbers of `from_list`.

    Parameters
    ----------
    threshold : float
        Least probability that there is one more object.
    mask_threshold : float
        Of the masks' probabilities.
    ends : bool
        Whether the list ends before the first below the threshold, as in the papers; otherwise
        such objects are passed over, as in RSIS's code.
    apart : bool
        Whether a pixel is that of the likeliest mask alone, as in rec-attend; otherwise masks may
        overlap, as in RSIS and RVOS.
    weighted : bool
        Whether masks count by how likely it is that there is one more object, as in rec-attend's
        code, which passes over none; `mask_threshold` is then of the product.
    least : float
        Smaller shares of the image are left out; RSIS's code has 0.001.
    """

    threshold: float = 0.5
    mask_threshold: float = 0.5
    ends: bool = True
    apart: bool = True
    weighted: bool = False
    least: float = 0.0


def from_list(
    masks: FloatArray,
    stop: FloatArray,
    kinds: Ints | None = None,
    *,
    scores: FloatArray | None = None,
    rules: ListRules | None = None,
) -> list[RawFinding]:
    """Return objects that a recurrent network tells one after the other [1]_ [2]_ [3]_.

    Parameters
    ----------
    masks : ndarray of float, shape (T, H, W)
        Probabilities.
    stop : ndarray of float, shape (T,)
        Probability that there is one more object.
    kinds : ndarray of int, shape (T,), optional
    scores : ndarray of float, shape (T,), optional
        Of the classes; multiplied by `stop`.
    rules : ListRules, optional

    References
    ----------
    .. [1] Salvador, A. et al. "Recurrent neural networks for semantic instance segmentation",
       arXiv:1712.00617.
    .. [2] Ren, M., Zemel, R. "End-to-end instance segmentation with recurrent attention",
       arXiv:1605.09410.
    .. [3] Ventura, C. et al. "RVOS: end-to-end recurrent network for video object segmentation",
       arXiv:1903.05612.
    """
    rules = rules or ListRules()
    masks = masks * stop[:, None, None] if rules.weighted else masks
    below = stop < rules.threshold
    listed = np.flatnonzero(~(np.maximum.accumulate(below) if rules.ends else below))
    owner = masks[listed].argmax(axis=0) if rules.apart and len(listed) else None
    found = []
    for place, t in enumerate(listed.tolist()):
        mask = np.asarray(masks[t] > rules.mask_threshold)
        mask = mask if owner is None else mask & (owner == place)
        if mask.any() and np.count_nonzero(mask) >= rules.least * mask.size:
            score = float(stop[t]) * (1.0 if scores is None else float(scores[t]))
            found.append(RawFinding(0 if kinds is None else int(kinds[t]), score, mask))
    return found


def find_peaks(response: FloatArray, *, count: int | None = None) -> Ints:
    """Return the peaks of a class's response map, (N, 2) rows and columns, the highest first.

    A peak is the highest of its 3 by 3 pixels and above the map's median, as in [1]_. With a count,
    as [2]_ predicts it from a density map, at most so many are kept.

    References
    ----------
    .. [1] Zhou, Y. et al. "Weakly supervised instance segmentation using class peak response",
       arXiv:1804.00880.
    .. [2] Cholakkal, H. et al. "Object counting and instance segmentation with image-level
       supervision", arXiv:1903.02494.
    """
    highest = ndimage.maximum_filter(response, 3, mode="constant", cval=-np.inf)
    top = (highest == response) & (response > np.median(response))
    order = np.argsort(-response[top], kind="stable")
    return np.asarray(np.argwhere(top)[order[:count]], np.int64)


# as in the authors' demonstrations [1, 2 of `choose_by_peak`]: weights of the response inside, of
# each pixel on the background, and of what is missed or too much of one object
_INSIDE, _ON_BACKGROUND, _MISCOUNTED = 0.8, 1e-5, 0.2
# background has less than this share of the mean response above the smallest
_BACKGROUND = 0.95


def choose_by_peak(
    peak: FloatArray,
    class_response: FloatArray,
    proposals: BoolArray,
    *,
    density: FloatArray | None = None,
) -> tuple[int, float]:
    """Return which proposal fits a peak response map best [1]_, and how well.

    A proposal scores by the response inside it and near its edge, less what of it lies on the
    class's background and, with a density, less what it misses of one object [2]_.

    Parameters
    ----------
    peak, class_response : ndarray of float, shape (H, W)
        Of one peak, made to sum to 1, and of its class.
    proposals : ndarray of bool, shape (N, H, W)
    density : ndarray of float, shape (h, w), optional
        Objects of the class in each place, 1 in all for each.

    Returns
    -------
    int
        -1 if all are too small or large.
    float
        The score as a share of what the best possible proposal has.

    References
    ----------
    .. [1] Zhou, Y. et al., arXiv:1804.00880, equation 5, with the numbers of the authors'
       demonstration.
    .. [2] Cholakkal, H. et al., arXiv:1903.02494, with the numbers of the authors' demonstration.
    """
    peak = np.asarray(peak, np.float64)
    peak = peak / max(float(peak.sum()), 1e-12)
    above = class_response - class_response.min()
    empty = above < _BACKGROUND * above.mean()
    square = np.ones((5, 5), bool)
    best, chosen = -np.inf, -1
    for i, mask in enumerate(proposals):
        # sizes as published: shares of the image
        if not 0.00002 * mask.size <= np.count_nonzero(mask) < 0.85 * mask.size:
            continue
        inner = ndimage.binary_erosion(mask, square, border_value=1)
        edge = ndimage.binary_dilation(mask, square) & ~inner
        score = _INSIDE * peak[mask].sum() + peak[edge].sum()
        score -= _ON_BACKGROUND * np.count_nonzero(empty & mask)
        if density is not None:
            score -= _MISCOUNTED * abs(1 - density[on_grid(mask, density.shape)].sum())
        if score > best:
            best, chosen = float(score), i
    return chosen, best / (_INSIDE + 1)


def on_grid(mask: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    """Return a mask (H, W) on a grid of another size over the same image: the nearest pixel."""
    rows, cols = (
        np.minimum(((np.arange(n) + 0.5) * size / n).astype(np.int64), size - 1)
        for n, size in zip(shape, mask.shape, strict=True)
    )
    return np.asarray(mask[rows[:, None], cols[None, :]])


def unlike(found: Sequence[RawFinding], overlap: float) -> list[RawFinding]:
    """Return findings, the surest first, that share less than `overlap` (IoU) with surer ones.

    Of whatever class: one peak of each of two classes may choose the same mask.
    """
    kept: list[RawFinding] = []
    for one in sorted(found, key=lambda one: -one.score):
        shares = (_shared(one.mask, other.mask) for other in kept)
        if all(share < overlap for share in shares):
            kept.append(one)
    return kept


def _shared(one: BoolArray | None, other: BoolArray | None) -> float:
    """Return intersection over union of two masks, 0 where one is not known."""
    if one is None or other is None:
        return 0.0
    shared, either = int(np.count_nonzero(one & other)), int(np.count_nonzero(one | other))
    return shared / max(1, either)


def from_stars(
    prob: FloatArray,
    distances: FloatArray,
    *,
    grid: int = 1,
    threshold: float = 0.5,
    overlap: float = 0.4,
    shape: tuple[int, int] | None = None,
) -> list[RawFinding]:
    """Return star-convex objects: distances along rays, the surest first [1]_.

    A candidate goes where its outline shares more than `overlap` of the smaller one with a surer
    object.

    Parameters
    ----------
    prob : ndarray of float, shape (h, w)
        Of being inside an object, far from its edge.
    distances : ndarray of float, shape (h, w, R)
        In pixels of the image, along R directions from right on, in steps of 2π / R.
    grid : int
        Pixels of the image a pixel of the maps stands for.
    threshold, overlap : float
        The defaults are those of the published code.
    shape : (int, int), optional
        Of the image.

    References
    ----------
    .. [1] Schmidt, U. et al. "Cell detection with star-convex polygons", arXiv:1806.03535.
    """
    # imported here, so that scikit-image is loaded only for networks that need it
    from skimage.draw import polygon

    height, width = shape or (prob.shape[0] * grid, prob.shape[1] * grid)
    angles = 2 * np.pi * np.arange(distances.shape[-1]) / distances.shape[-1]
    places = np.argwhere(prob > threshold)
    order = np.argsort(-prob[prob > threshold], kind="stable")[:_MOST_STARS]
    found: list[RawFinding] = []
    owner = np.zeros((height, width), np.int32)
    areas: list[int] = []
    for i in order:
        row, col = places[i]
        length = np.maximum(distances[row, col], 1e-3)
        rows, cols = polygon(  # type: ignore[no-untyped-call]
            row * grid + length * np.sin(angles), col * grid + length * np.cos(angles),
            (height, width),
        )  # fmt: skip
        if not len(rows):
            continue
        shared = np.bincount(owner[rows, cols], minlength=len(areas) + 1)[1:]
        # by the smaller one: a large object does not hide that a small one lies in it
        smaller = np.minimum(np.array(areas, np.int64), len(rows))
        if (shared > overlap * smaller).any():
            continue
        mask = np.zeros((height, width), bool)
        mask[rows, cols] = True
        found.append(RawFinding(0, float(prob[row, col]), mask))
        areas.append(len(rows))
        # a pixel stays with the surer object, which came first
        free = owner[rows, cols] == 0
        owner[rows[free], cols[free]] = len(areas)
    return found


def from_distance(
    distance: FloatArray, *, least: float = 0.5, window: int = 5, min_px: int = 1
) -> Labels:
    """Return objects of a predicted distance to the edge: a basin round each of its peaks.

    Parameters
    ----------
    distance : ndarray of float, shape (H, W)
        0 outside objects, rising to their middles.
    least : float
        Pixels with less are background.
    window : int
        Side of the square in which a peak must be the highest.
    min_px : int
        Smaller objects are left out.

    References
    ----------
    .. [1] Bai, M., Urtasun, R. "Deep watershed transform for instance segmentation",
       arXiv:1611.08303.
    """
    # imported here, so that scikit-image is loaded only for networks that need it
    from skimage.segmentation import watershed

    inside = distance > least
    highest = ndimage.maximum_filter(distance, window) == distance
    marks, _ = ndimage.label(highest & inside, np.ones((3, 3)))
    labels = np.asarray(
        watershed(-distance, marks, mask=inside),  # type: ignore[no-untyped-call]
        np.int32,
    )
    sizes = np.bincount(labels.ravel())
    labels[sizes[labels] < min_px] = 0
    return labels


def from_centre_and_edge(maps: FloatArray, *, smooth_px: float = 1.6, min_px: int = 1) -> Labels:
    """Return objects of distances to their middles and edges, as micro-sam [1]_ has them.

    Parameters
    ----------
    maps : ndarray of float32, shape (3, H, W)
        Probability of an object; distance to its middle, 0 there; and 1 less the distance to its
        edge. A pixel is an object's where the first is above 0.5, and a seed where the others are
        below 0.5 as well.
    smooth_px : float
        Standard deviation by which the distances are smoothed.
    min_px : int
        Smaller objects are left out.

    References
    ----------
    .. [1] Archit, A. et al. "Segment Anything for Microscopy", Nature Methods 22, 2025.
    """
    # imported here, so that scikit-image is loaded only for networks that need it
    from skimage.segmentation import watershed

    def smooth(values: FloatArray, sigma: float) -> FloatArray:
        # mirrored and cut at three deviations, as the authors' library does
        return np.asarray(ndimage.gaussian_filter(values, sigma, mode="mirror", truncate=3.0))

    # the first is smoothed by 1 pixel, the authors' number against checkerboards
    inside = smooth(maps[0], 1.0) > 0.5
    centre, edge = smooth(maps[1], smooth_px), smooth(maps[2], smooth_px)
    seeds, _ = ndimage.label((centre < 0.5) & (edge < 0.5) & inside, np.ones((3, 3)))
    labels = np.asarray(
        watershed(edge, seeds, mask=inside),  # type: ignore[no-untyped-call]
        np.int32,
    )
    sizes = np.bincount(labels.ravel())
    labels[sizes[labels] < min_px] = 0
    return labels


def follow_flows(flows: FloatArray, inside: BoolArray, *, min_px: int = 15) -> Labels:
    """Return objects whose pixels flow to one place, as Cellpose's [1]_.

    Parameters
    ----------
    flows : ndarray of float, shape (2, H, W)
        Along rows and columns, of length 1 inside objects.
    inside : ndarray of bool, shape (H, W)
    min_px : int
        Smaller objects are left out; 15 as in the published code.

    References
    ----------
    .. [1] Stringer, C. et al. "Cellpose: a generalist algorithm for cellular segmentation",
       Nature Methods 18, 2021.
    """
    out = np.zeros(inside.shape, np.int32)
    if not inside.any():
        return out
    most = np.array(inside.shape)[:, None] - 1.0
    at = np.stack(np.nonzero(inside)).astype(np.float64)
    # pixels outside do not move, so nothing flows out of an object
    field = np.asarray(flows * inside, np.float64)
    # steps of one pixel; published code takes 200
    for _ in range(200):
        moved = [ndimage.map_coordinates(one, at, order=1, mode="nearest") for one in field]
        at = np.clip(at + np.stack(moved), 0, most)
    ends = np.rint(at).astype(np.int64)
    heat = np.zeros(inside.shape, np.int64)
    np.add.at(heat, tuple(ends), 1)
    # ends of one object scatter over a few pixels: those that touch are one
    wells, _ = ndimage.label(
        ndimage.uniform_filter((heat > 0).astype(float), 3) > 0, np.ones((3, 3))
    )
    out[inside] = wells[tuple(ends)]
    sizes = np.bincount(out.ravel())
    out[sizes[out] < min_px] = 0
    return out


def labels_to_findings(
    labels: Labels, scores: Sequence[float] = (), kinds: Sequence[int] = ()
) -> list[RawFinding]:
    """Return each number of a label image as a finding; scores and classes by number, from 1."""
    found = []
    for number in np.unique(labels[labels > 0]).tolist():
        score = scores[number - 1] if scores else 1.0
        kind = kinds[number - 1] if kinds else 0
        found.append(RawFinding(int(kind), float(score), labels == number))
    return found
