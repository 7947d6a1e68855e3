"""From a vector at each pixel to objects: embeddings, bandwidths, centres and offsets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from napari_intseg.core.segmenter import Array, BoolArray, FloatArray

Labels = NDArray[np.int32]

# rounds of one mean shift at most; a flat kernel on real embeddings settles in fewer than twenty
_ROUNDS = 100


def mean_shift(
    embedding: FloatArray,
    foreground: BoolArray,
    *,
    bandwidth: float,
    min_px: int = 1,
    on_sphere: bool = False,
) -> Labels:
    """Return objects as clusters of the pixels' embeddings, int32 (H, W).

    As in [1]_: from a pixel without an object, the mean of all pixels within the bandwidth is
    moved until it stays; what is then within the bandwidth is one object. On the sphere, as in
    [2]_, embeddings have length 1 and the bandwidth is 1 less their cosine.

    Parameters
    ----------
    embedding : ndarray of float, shape (D, H, W)
    foreground : ndarray of bool, shape (H, W)
        Other pixels stay 0.
    bandwidth : float
        Greatest distance from a cluster's mean; of [1]_ the margin within which pixels of one
        object were pulled, or up to that by which means were pushed apart.
    min_px : int, default 1
        Smaller clusters are left out.
    on_sphere : bool, default False

    References
    ----------
    .. [1] De Brabandere, B. et al. "Semantic instance segmentation with a discriminative loss
       function", arXiv:1708.02551.
    .. [2] Kong, S., Fowlkes, C. "Recurrent pixel embedding for instance grouping",
       arXiv:1712.08273.
    """
    points = np.asarray(embedding, np.float64)[:, foreground].T
    radius = bandwidth
    if on_sphere:
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
        # the chord of that angle
        radius = float(np.sqrt(2 * bandwidth))
    owner = np.zeros(len(points), np.int32)
    free = np.ones(len(points), bool)
    count = 0
    while free.any():
        seed = int(np.argmax(free))
        near = _settled(points, points[seed], radius, on_sphere=on_sphere) & free
        # the mean may have left it behind
        near[seed] = True
        # too small a cluster is dropped, but its pixels are not asked about again
        if np.count_nonzero(near) >= min_px:
            count += 1
            owner[near] = count
        free &= ~near
    out = np.zeros(foreground.shape, np.int32)
    out[foreground] = owner
    return out


def _settled(points: Array, mean: Array, radius: float, *, on_sphere: bool) -> BoolArray:
    near = np.linalg.norm(points - mean, axis=1) <= radius
    for _ in range(_ROUNDS):
        if not near.any():
            break
        mean = points[near].mean(axis=0)
        if on_sphere:
            mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
        moved = np.linalg.norm(points - mean, axis=1) <= radius
        if np.array_equal(moved, near):
            break
        near = moved
    return np.asarray(near)


def grow_metric_seeds(
    embedding: FloatArray,
    seediness: FloatArray,
    *,
    count: int = 100,
    diversity: float = 0.3,
    similarity: float = 0.5,
    least: float = 0.1,
) -> tuple[Labels, tuple[float, ...]]:
    """Return objects grown from seeds that are sure and far from each other [1]_.

    Two pixels are alike by ``2 / (1 + exp(distance²))``. The next seed has the largest
    ``log(seediness) + diversity · log(1 - likeness to the seeds before)``.

    Parameters
    ----------
    embedding : ndarray of float, shape (D, H, W)
    seediness : ndarray of float, shape (H, W)
        How well a mask grown from a pixel would do, 0 to 1.
    count : int
        At most so many seeds.
    diversity, similarity, least : float
        Weight of the distance to other seeds; least likeness of an object's pixels to its seed;
        least seediness. The first two are the paper's.

    Returns
    -------
    labels : ndarray of int32, shape (H, W)
        Pixels that two seeds claim belong to the surer one.
    scores : tuple of float
        Seediness by object, the surest first.

    References
    ----------
    .. [1] Fathi, A. et al. "Semantic instance segmentation via deep metric learning",
       arXiv:1703.10277.
    """
    points = np.asarray(embedding, np.float64).reshape(embedding.shape[0], -1).T
    worth = np.log(np.clip(np.asarray(seediness, np.float64).ravel(), 1e-12, 1))
    # 1 less the likeness to the nearest seed
    other = np.ones(len(points))
    masks: list[tuple[float, BoolArray]] = []
    for _ in range(count):
        seed = int(np.argmax(worth + diversity * np.log(np.maximum(other, 1e-12))))
        score = float(np.exp(worth[seed]))
        # the next best seed lies in an object that has been grown already
        if score < least or other[seed] < 1 - similarity:
            break
        squared = ((points - points[seed]) ** 2).sum(axis=1)
        # exp(710) is infinite in float64
        alike = 2 / (1 + np.exp(np.minimum(squared, 700)))
        masks.append((score, alike >= similarity))
        other = np.minimum(other, 1 - alike)
    masks.sort(key=lambda one: -one[0])
    out = np.zeros(len(points), np.int32)
    for number, (_, mask) in enumerate(masks, 1):
        out[mask & (out == 0)] = number
    return out.reshape(seediness.shape), tuple(score for score, _ in masks)


@dataclass(frozen=True, slots=True)
class SpatialRules:
    """Numbers of `spatial_embeddings`; the defaults are those of the published code.

    Parameters
    ----------
    step : float, optional
        Of the coordinate map, from pixel to pixel; by default the published ones.
    least_seed : float
        A seed below it ends the search.
    foreground : float
        Pixels with less are background.
    min_px, min_left : int
        Of an object; of pixels without one, to go on.
    """

    step: float | None = None
    least_seed: float = 0.9
    foreground: float = 0.5
    min_px: int = 128
    min_left: int = 128


def spatial_embeddings(
    offsets: FloatArray,
    sigma: FloatArray,
    seeds: FloatArray,
    rules: SpatialRules | None = None,
) -> tuple[Labels, tuple[float, ...]]:
    """Return objects whose pixels point at a centre, each with a bandwidth of its own [1]_.

    The surest pixel that is free is a centre; pixels that point near enough to it, by its own
    bandwidth, are its object, unless more than half of them are taken.

    Parameters
    ----------
    offsets : ndarray of float, shape (2, H, W)
        Along x and y, before the hyperbolic tangent.
    sigma : ndarray of float, shape (1 or 2, H, W)
        A tenth of the logarithm of the inverse bandwidth.
    seeds : ndarray of float, shape (H, W)
        Probability of being a centre.
    rules : SpatialRules, optional

    Returns
    -------
    labels : ndarray of int32, shape (H, W)
    scores : tuple of float
        Of the seeds, in the order of the labels.

    References
    ----------
    .. [1] Neven, D. et al. "Instance segmentation by jointly optimizing spatial embeddings and
       clustering bandwidth", arXiv:1906.11109.
    """
    rules = rules or SpatialRules()
    # the published map of 1024 by 2048 pixels runs from 0 to 1, and from 0 to 2
    steps = (1 / 1023, 2 / 2047) if rules.step is None else (rules.step, rules.step)
    rows, cols = (at * step for at, step in zip(np.indices(seeds.shape), steps, strict=True))
    mask = seeds > rules.foreground
    place = (np.tanh(np.asarray(offsets, np.float64)) + np.stack([cols, rows]))[:, mask]
    width = np.exp(10 * np.asarray(sigma, np.float64)[:, mask])
    sure = np.asarray(seeds, np.float64)[mask]
    free = np.ones(len(sure), bool)
    owner = np.zeros(len(sure), np.int32)
    scores: list[float] = []
    while np.count_nonzero(free) > rules.min_left:
        seed = int(np.argmax(sure * free))
        if sure[seed] * free[seed] < rules.least_seed:
            break
        free[seed] = False
        squared = ((place - place[:, seed, None]) ** 2 * width[:, seed, None]).sum(axis=0)
        # the Gaussian of that bandwidth falls to one half at the edge of an object
        near = np.exp(-squared) > 0.5
        size = np.count_nonzero(near)
        if size > rules.min_px and np.count_nonzero(near & free) > 0.5 * size:
            scores.append(float(sure[seed]))
            owner[near] = len(scores)
        free &= ~near
    out = np.zeros(seeds.shape, np.int32)
    out[mask] = owner
    return out, tuple(scores)


@dataclass(frozen=True, slots=True)
class PanopticRules:
    """Numbers of `panoptic`; the defaults are those of Panoptic-DeepLab.

    Parameters
    ----------
    least : float
        Of the heat at a centre.
    window : int
        Side of the square in which a centre must be the hottest; odd.
    most : int
        So many centres at most.
    min_stuff_px : int
        Smaller areas of classes that are no things are left out.
    """

    least: float = 0.1
    window: int = 7
    most: int = 200
    min_stuff_px: int = 2048


def find_centres(heat: FloatArray, rules: PanopticRules | None = None) -> NDArray[np.int64]:
    """Return rows and columns of the centres in a heat map, (N, 2), the hottest first."""
    rules = rules or PanopticRules()
    top = (maximum_filter(heat, rules.window, mode="constant", cval=-np.inf) == heat) & (
        heat > rules.least
    )
    found = np.argwhere(top)
    # centres that are equally hot stay in the order of rows, so the answer is always the same
    order = np.argsort(-heat[top], kind="stable")[: rules.most]
    return np.asarray(found[order], np.int64)


def group_by_centres(centres: NDArray[np.int64], offsets: FloatArray, things: BoolArray) -> Labels:
    """Return to which centre, from 1, each pixel of things points nearest.

    Parameters
    ----------
    centres : ndarray of int, shape (N, 2)
        As of `find_centres`.
    offsets : ndarray of float, shape (2, H, W)
        Along rows and columns, in pixels, from a pixel to its centre.
    things : ndarray of bool, shape (H, W)
        Other pixels stay 0.
    """
    out = np.zeros(things.shape, np.int32)
    if len(centres) and things.any():
        pointed = (np.indices(things.shape) + offsets)[:, things].T
        out[things] = cKDTree(centres).query(pointed)[1] + 1
    return out


def panoptic(
    classes: NDArray[np.int64],
    heat: FloatArray,
    offsets: FloatArray,
    things: frozenset[int],
    rules: PanopticRules | None = None,
) -> tuple[Labels, dict[int, tuple[int, float]]]:
    """Merge classes with centres and offsets [1]_.

    Pixels of things belong to the centre they point at; all of an object get the class that most
    of its pixels have. Other classes are one segment each, where they are large enough.

    Parameters
    ----------
    classes : ndarray of int, shape (H, W)
        The likeliest class of each pixel.
    heat : ndarray of float, shape (H, W)
        Of being a centre, 0 to 1.
    offsets : ndarray of float, shape (2, H, W)
        See `group_by_centres`.
    things : frozenset of int
        Classes whose objects are counted.
    rules : PanopticRules, optional

    Returns
    -------
    labels : ndarray of int32, shape (H, W)
        Segments, from 1; 0: none.
    segments : dict of int to (int, float)
        Class and score of each; of things the heat at the centre, else 1.

    References
    ----------
    .. [1] Cheng, B. et al. "Panoptic-DeepLab", arXiv:1911.10194.
    """
    rules = rules or PanopticRules()
    is_thing = np.isin(classes, list(things))
    centres = find_centres(heat, rules)
    grouped = group_by_centres(centres, offsets, is_thing)
    out = np.zeros(classes.shape, np.int32)
    segments: dict[int, tuple[int, float]] = {}
    for number in np.unique(grouped[grouped > 0]).tolist():
        mask = grouped == number
        voted = int(np.bincount(classes[mask]).argmax())
        label = len(segments) + 1
        out[mask] = label
        segments[label] = voted, float(heat[tuple(centres[number - 1])])
    for kind in np.unique(classes[~is_thing]).tolist():
        mask = (classes == kind) & ~is_thing
        if np.count_nonzero(mask) >= rules.min_stuff_px:
            label = len(segments) + 1
            out[mask] = label
            segments[label] = int(kind), 1.0
    return out, segments
