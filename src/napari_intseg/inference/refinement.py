"""Refining an answer's outline: a graph cut, a level set, and changes near the last click alone.

Each is an option of every model, and looks only near the outline or the click: elsewhere an answer
stays as it is. The first deep click model [1]_ let a minimal cut [2]_ have the last word; in deep
extreme level set evolution [3]_ the network says where an outline starts and where it is to go.

References
----------
.. [1] Xu, N. et al. "Deep interactive object selection", CVPR 2016, arXiv:1603.04042.
.. [2] Boykov, Y., Jolly, M.-P. "Interactive graph cuts for optimal boundary and region
   segmentation of objects in N-D images", ICCV 2001.
.. [3] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
   2019.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from napari_intseg.core import contour_evolution as level_set
from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, FloatArray, bounding_box, logit
from napari_intseg.inference.patch import Patch, Window, joint_window

Counts = NDArray[np.intp]

# from a pixel to half of its eight neighbours; the other half are steps of theirs
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
# the solver counts in 32 bits, up to 2.1e9; what is left is for links
_LARGEST_FLOW = 1.5e9
# the band of a contour in a slice of 1024 x 1024 takes SciPy half a second; only contours of
# several thousand pixels have more, and leave the answer as it is (docs/decisions/0004)
_MOST_NODES = 250_000
# logits of a pixel that changed sides lie at least this far from the threshold, so that no rounding
# turns it back
_MARGIN = 1e-3
# logits at which a pixel pulls with three quarters of the force (tanh 1): probabilities of .12 and
# .88
_SURE = 2.0
# of a window, whose evolution takes some seconds; answers with a larger one stay as they are
_MOST_PX = 4_000_000


@dataclass(frozen=True, slots=True)
class GraphCut:
    """Settings of `cut`.

    Parameters
    ----------
    strength : float, default 2
        Weight of the contrast term; 0 leaves the answer as it is.
    band_px : float, default 8
        Pixels further from the contour, in pixels of the slice, are left alone.
    """

    # chosen on nuclei, livers in CT and photographs: docs/decisions/0004-flow-by-scipy.md
    strength: float = 2.0
    band_px: float = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Which of two sides each node of a graph belongs to, as an energy to be minimal.

    ``E(x) = sum(odds[~x] where positive) - sum(odds[x] where negative) + sum of the weights of
    the links whose ends differ``; it is 0 when every node is on its own side and no link is cut.

    Parameters
    ----------
    odds : ndarray of float64, shape (n,)
        Log odds that a node is object; infinite where that is certain.
    first, second : ndarray of intp, shape (m,)
        The ends of each link.
    weights : ndarray of float64, shape (m,)
        What it costs to cut a link, at least 0.
    """

    odds: NDArray[np.float64]
    first: Counts
    second: Counts
    weights: NDArray[np.float64]

    def energy(self, side: BoolArray) -> float:
        """Return the energy of a choice of sides, bool (n,)."""
        alone = np.where(side, np.maximum(-self.odds, 0), np.maximum(self.odds, 0)).sum()
        return float(alone + self.weights[side[self.first] != side[self.second]].sum())

    def solve(self) -> BoolArray:
        """Return the sides of least energy, bool (n,), up to the rounding of weights to integers.

        The choice ``odds > 0`` is returned where rounding would make the result worse than that.
        """
        count = len(self.odds)
        own = self.odds > 0
        if not count:
            return own
        # no node needs to be surer of its side than all its links together
        total = np.bincount(self.first, self.weights, count)
        total += np.bincount(self.second, self.weights, count)
        odds = np.clip(self.odds, -total - 1, total + 1)
        # as fine as 32 bits allow: costs are rounded to integers
        scale = min(1e6, _LARGEST_FLOW / max(1.0, float(np.abs(odds).sum())))
        source, sink, nodes = count, count + 1, np.arange(count)
        rows = np.concatenate([self.first, self.second, np.full(count, source), nodes])
        cols = np.concatenate([self.second, self.first, nodes, np.full(count, sink)])
        costs = np.concatenate([self.weights, self.weights, np.maximum(odds, 0), -odds.clip(max=0)])
        rounded = np.rint(costs * scale).astype(np.int32)
        kept = rounded > 0
        graph = csr_array((rounded[kept], (rows[kept], cols[kept])), shape=(count + 2, count + 2))
        left = graph - maximum_flow(graph, source, sink, method="dinic").flow
        # what is no longer positive has no room left, and must not count as a way
        left.data[left.data < 0] = 0
        left.eliminate_zeros()
        reached = np.zeros(count + 2, bool)
        reached[breadth_first_order(left, source, return_predecessors=False)] = True
        side = reached[:count]
        # rounding may cost more than the cut has gained
        return side if self.energy(side) <= self.energy(own) else own


def cut(
    patch: Patch,
    read: Callable[[slice, slice], FloatArray],
    clicks: Sequence[Click],
    *,
    threshold: float = 0.5,
    settings: GraphCut | None = None,
) -> Patch:
    """Return an answer whose contour follows the image's edges nearby.

    Parameters
    ----------
    patch : Patch
        The answer.
    read : callable
        ``read(rows, cols)`` gives a window of the slice as RGB in [0, 1], float32 (h, w, 3).
    clicks : sequence of Click
        In pixels of the slice. The pixel under each is on the side its click says; of two on one
        pixel the last counts.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    settings : GraphCut, optional
        Strength of the contrast term and width of the band.

    Returns
    -------
    Patch
        Logits differ from those given only in the band and under clicks, and only where a pixel
        has changed sides: there they are mirrored at the threshold. The patch is returned as it
        came if the band has more than 250,000 pixels, more than a click can wait for.
    """
    how = settings or GraphCut()
    limit = float(logit(np.array(threshold, np.float32)))
    window = _window(patch, clicks, limit, how.band_px)
    if window is None or how.strength <= 0:
        return patch
    rows, cols = window
    logits = patch.on(window)
    signs = _signs(clicks, rows, cols)
    band = _band(logits > limit, how.band_px) | (signs != 0)
    if np.count_nonzero(band) > _MOST_NODES:
        return patch
    side = logits > limit
    side[band] = problem(logits - limit, read(rows, cols), band, signs, how.strength).solve()
    return _with_sides(patch, window, logits, side, limit)


def problem(
    odds: FloatArray, image: FloatArray, band: BoolArray, signs: NDArray[np.int8], strength: float
) -> Problem:
    """Return what there is to minimise in a band of an image.

    Parameters
    ----------
    odds : ndarray of float32, shape (H, W)
        Log odds that a pixel is object. Outside the band a pixel stays on its side.
    image : ndarray of float32, shape (H, W, C)
        Links weigh ``strength * exp(-d² / 2 mean(d²)) / distance`` where the colours of two
        neighbours (of 8) differ by d, the mean being that over the band's links.
    band : ndarray of bool, shape (H, W)
        The pixels to decide on, the nodes in row-major order.
    signs : ndarray of int8, shape (H, W)
        1 where a pixel must be object, -1 where it must not, else 0.
    strength : float
        See `GraphCut`.
    """
    shape = band.shape
    number = np.full(shape, -1, np.intp)
    number[band] = np.arange(np.count_nonzero(band))
    own = odds[band].astype(np.float64)
    own[signs[band] > 0], own[signs[band] < 0] = np.inf, -np.inf
    firsts, seconds, squares, lengths, fixed = [], [], [], [], []
    for step in _STEPS:
        here, there = _neighbours(shape, step)
        wanted = band[here] | band[there]
        firsts.append(number[here][wanted])
        seconds.append(number[there][wanted])
        # what lies outside the band votes by its side
        fixed.append(np.where(odds[here] > 0, 1, -1)[wanted] * (firsts[-1] < 0))
        fixed[-1] += np.where(odds[there] > 0, 1, -1)[wanted] * (seconds[-1] < 0)
        squares.append(((image[here] - image[there])[wanted] ** 2).sum(axis=-1))
        lengths.append(np.full(len(firsts[-1]), np.hypot(*step)))
    first, second, vote = (np.concatenate(parts) for parts in (firsts, seconds, fixed))
    square = np.concatenate(squares).astype(np.float64)
    mean = float(square.mean()) if square.size else 0.0
    # by the mean of this band, so that the same strength suits faint and strong edges
    fall = np.exp(-square / (2 * mean)) if mean > 0 else np.ones_like(square)
    weights = strength * fall / np.concatenate(lengths)
    inside = vote == 0
    votes = np.bincount(
        np.maximum(first, second)[~inside], (vote * weights)[~inside], minlength=len(own)
    )
    return Problem(own + votes, first[inside], second[inside], weights[inside])


def _neighbours(
    shape: tuple[int, ...], step: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where two pixels lie that are a step apart."""
    down, right = step
    rows = slice(0, shape[0] - down), slice(down, shape[0])
    if right >= 0:
        cols = slice(0, shape[1] - right), slice(right, shape[1])
    else:
        cols = slice(-right, shape[1]), slice(0, shape[1] + right)
    return (rows[0], cols[0]), (rows[1], cols[1])


def _band(mask: BoolArray, width_px: float) -> BoolArray:
    """Return the pixels no further from the other side than a width."""
    if mask.all() or not mask.any():
        return np.zeros_like(mask)
    away = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    return np.asarray(away <= width_px)


def _window(
    patch: Patch, clicks: Sequence[Click], limit: float, width_px: float
) -> tuple[slice, slice] | None:
    """Return the rectangle of the slice that holds the band, the clicks and their neighbours."""
    boxes = [(round(c.row), round(c.row) + 1, round(c.col), round(c.col) + 1) for c in clicks]
    found = bounding_box(patch.logits > limit)
    if found is not None:
        rows, cols = found[:2], found[2:]
        boxes.append((*(r + patch.row0 for r in rows), *(c + patch.col0 for c in cols)))  # type: ignore[arg-type]
    if not boxes:
        return None
    # one pixel more than the band, whose neighbours vote
    reach = int(np.ceil(width_px)) + 1
    low, high = np.min(boxes, axis=0) - reach, np.max(boxes, axis=0) + reach
    spans = [
        slice(int(max(0, low[2 * a])), int(min(n, high[2 * a + 1])))
        for a, n in enumerate(patch.shape)
    ]
    return None if any(s.stop <= s.start for s in spans) else (spans[0], spans[1])


def _signs(clicks: Sequence[Click], rows: slice, cols: slice) -> NDArray[np.int8]:
    """Return 1 and -1 under the clicks inside a window, 0 elsewhere."""
    out = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.int8)
    for click in clicks:
        row, col = round(click.row) - rows.start, round(click.col) - cols.start
        if 0 <= row < out.shape[0] and 0 <= col < out.shape[1]:
            out[row, col] = 1 if click.positive else -1
    return out


@dataclass(frozen=True, slots=True)
class LevelSet:
    """Settings of `evolve`.

    Parameters
    ----------
    steps, force, curvature, attraction
        See `core.contour_evolution.Motion`.
    reach_px : float, default 8
        Pixels further from the answer's outline stay as they are.
    """

    steps: int = 40
    force: float = 1.0
    curvature: float = 0.2
    attraction: float = 0.5
    reach_px: float = 8.0


def evolve(
    patch: Patch,
    read: Callable[[slice, slice], FloatArray],
    *,
    threshold: float = 0.5,
    settings: LevelSet | None = None,
) -> Patch:
    """Return an answer whose outline has evolved.

    Parameters
    ----------
    patch : Patch
        The answer.
    read : callable
        ``read(rows, cols)`` gives a window of the slice as RGB in [0, 1], float32 (h, w, 3).
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    settings : LevelSet, optional
        Weights, and how far the outline may go.

    Returns
    -------
    Patch
        Logits differ only where a pixel has changed sides: there they are mirrored at the
        threshold. It is returned as it came if there is no outline, or its window is too large.
    """
    how = settings or LevelSet()
    box = patch.box(threshold)
    if box is None or how.steps < 1:
        return patch
    # two pixels more than the outline may move, for gradients beside it
    reach = int(np.ceil(how.reach_px)) + 2
    rows = slice(max(0, box[0] - reach), min(patch.shape[0], box[1] + reach))
    cols = slice(max(0, box[2] - reach), min(patch.shape[1], box[3] + reach))
    if (rows.stop - rows.start) * (cols.stop - cols.start) > _MOST_PX:
        return patch
    limit = float(logit(np.array(threshold, np.float32)))
    logits = patch.on((rows, cols))
    start = logits > limit
    moved = level_set.evolve(
        start,
        np.tanh((logits - np.float32(limit)) / np.float32(_SURE)),
        level_set.stop_at_edges(read(rows, cols)),
        level_set.Motion(how.steps, how.force, how.curvature, how.attraction),
        free=abs(level_set.signed_distance(start)) <= how.reach_px,
    )
    return _with_sides(patch, (rows, cols), logits, moved, limit)


def _with_sides(
    patch: Patch, window: Window, logits: FloatArray, side: BoolArray, limit: float
) -> Patch:
    """Return a patch whose pixels lie on given sides of the threshold's logit in a window.

    Logits of pixels that change sides are mirrored, not set: a pixel that was unsure stays so.
    """
    changed = side != (logits > limit)
    if not changed.any():
        return patch
    away = np.maximum(np.abs(logits - limit), _MARGIN)
    mirrored = np.clip(np.where(side, limit + away, limit - away), -LOGIT_LIMIT, LOGIT_LIMIT)
    refined = np.asarray(np.where(changed, mirrored, logits), np.float32)
    return Patch(window[0].start, window[1].start, refined, patch.shape).over(patch)


# parts that touch at a corner are one
_TOUCHING = np.ones((3, 3), bool)


def keep_elsewhere(new: Patch, before: Patch, click: Click, threshold: float = 0.5) -> Patch:
    """Take over a new answer only where the click is, as FocalClick's progressive merge [1]_.

    The masks of both answers differ in regions, 8-connected; that under the click is taken from
    the new answer. Everywhere else the logits stay bit-equal to those before, so that a painted
    or imported mask is safe. A click that lies on no difference changes nothing.

    Parameters
    ----------
    new, before : Patch
        Answers on the same slice.
    click : Click
        The one that was made last, in pixels of the slice.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.

    References
    ----------
    .. [1] Chen, X. et al. "FocalClick: towards practical interactive image segmentation",
       CVPR 2022, arXiv:2204.02574.
    """
    rows, cols = window = joint_window(new.slices, before.slices)
    old, asked = before.on(window), new.on(window)
    row, col = round(click.row) - rows.start, round(click.col) - cols.start
    if not (0 <= row < old.shape[0] and 0 <= col < old.shape[1]):
        return before
    limit: FloatArray = logit(np.array(threshold, np.float32))
    regions, _ = ndimage.label((old > limit) ^ (asked > limit), _TOUCHING)
    if regions[row, col] == 0:
        return before
    merged = np.where(regions == regions[row, col], asked, old)
    return Patch(rows.start, cols.start, merged, new.shape)
