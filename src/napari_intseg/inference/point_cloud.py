"""Clicks on point clouds: which points belong to the object.

The network for point clouds [1]_ gets two channels beside the coordinates and colours: 1 in a cube
round every click of either sign. `click_channels` makes them. Without such a network, `segment`
asks whose clicks are nearer along the cloud [2]_: points are linked to their nearest neighbours,
and a link is long where colour or the surface's direction changes.

References
----------
.. [1] Kontogianni, T. et al. "Interactive object segmentation in 3D point clouds", ICRA 2023,
   arXiv:2204.07183.
.. [2] Bai, X., Sapiro, G. "A geodesic framework for fast interactive image and video segmentation
   and matting", ICCV 2007.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import PromptError

Points = NDArray[np.float64]

CUBE = 0.05
"""Edge of the cube round a click, in the cloud's unit: metres in the paper."""

# links of each point; with fewer, sparse scans fall apart, with more, objects are joined
_NEAREST = 12
# a link counts so many times its length where the surface turns by 90 degrees, or a colour changes
# by .15 in one of RGB; chosen on made scenes: a ball on a table, a plane of two colours
_TURN, _COLOUR = 30.0, 30.0
_STEP = 0.15**2


@dataclass(frozen=True, slots=True)
class PointClick:
    """A click in space.

    Parameters
    ----------
    at : tuple of float
        Position, in the cloud's unit and order of coordinates.
    positive : bool, default True
        Whether it lies on the object.
    """

    at: tuple[float, float, float]
    positive: bool = True


def click_channels(
    points: Points, clicks: Sequence[PointClick], *, edge: float = CUBE
) -> FloatArray:
    """Return 1 where points lie in the cube of a click, float32 (N, 2): positive, negative.

    Parameters
    ----------
    points : ndarray of float, shape (N, 3)
    clicks : sequence of PointClick
    edge : float
        Of the cubes.
    """
    out = np.zeros((len(points), 2), np.float32)
    for click in clicks:
        inside = (np.abs(points - np.array(click.at)) <= edge / 2).all(axis=1)
        out[inside, 0 if click.positive else 1] = 1
    return out


def segment(
    points: Points,
    clicks: Sequence[PointClick],
    *,
    colours: FloatArray | None = None,
    edge: float = CUBE,
) -> FloatArray:
    """Return how likely each point belongs to the object, float32 (N,) in [0, 1].

    Parameters
    ----------
    points : ndarray of float, shape (N, 3)
        Any order.
    clicks : sequence of PointClick
        Of at least one positive. Without a negative one, the cloud's points that are farthest from
        the positive ones, a hundredth of them, stand for the rest.
    colours : ndarray of float32, shape (N, 3), optional
        RGB in [0, 1].
    edge : float
        Points in a click's cube are of its sign; if none is, the nearest is.

    Raises
    ------
    PromptError
        If there is no positive click, or the cloud has fewer than two points.
    """
    if len(points) < 2 or not any(click.positive for click in clicks):
        raise PromptError(
            f"nothing to go by: expected a positive click and two points or more, got "
            f"{len(clicks)} clicks and {len(points)} points. Click on the object."
        )
    tree = cKDTree(points)
    seeds = _seeds(points, tree, clicks, edge)
    links = _links(points, tree, colours)
    own, other = (
        dijkstra(links, directed=False, indices=np.flatnonzero(seeds == sign), min_only=True)
        for sign in (1, 0)
    )
    # a part that no link leads to from either side is not the object's
    both = np.where(np.isfinite(own) & np.isinf(other), 1.0, 0.0)
    linked = np.isfinite(own) & np.isfinite(other)
    both[linked] = other[linked] / np.maximum(own[linked] + other[linked], 1e-12)
    return np.asarray(np.where(seeds < 0, both, seeds), np.float32)


def label_points(
    points: Points,
    clicks: Sequence[tuple[int, PointClick]],
    *,
    colours: FloatArray | None = None,
    edge: float = CUBE,
    by: Callable[..., FloatArray] = segment,
) -> NDArray[np.int32]:
    """Return the object of each point, int32 (N,); 0 of those that belong to none.

    A point belongs to the object that is the surest of it, if that is likelier than not.

    Parameters
    ----------
    points : ndarray of float, shape (N, 3)
    clicks : sequence of (int, PointClick)
        Each with the object it is for. Positive clicks of other objects are negative for an
        object; their negative ones say nothing.
    colours, edge
        See `segment`.
    by : callable
        `segment`, or that of a network.

    Raises
    ------
    PromptError
        As `by` does.
    """
    best, labels = np.full(len(points), 0.5, np.float32), np.zeros(len(points), np.int32)
    for label in dict.fromkeys(number for number, _ in clicks):
        given = [
            PointClick(one.at, one.positive and number == label)
            for number, one in clicks
            if one.positive or number == label
        ]
        sure = by(points, given, colours=colours, edge=edge)
        labels[sure > best] = label
        best = np.maximum(best, sure)
    return labels


def _seeds(
    points: Points, tree: cKDTree, clicks: Sequence[PointClick], edge: float
) -> NDArray[np.float64]:
    """Return 1 for points of the object, 0 for others and -1 where it is not known."""
    seeds = np.full(len(points), -1.0)
    for click in clicks:
        # the later one counts
        near = np.flatnonzero(click_channels(points, [click], edge=edge).any(axis=1))
        at = near if near.size else [int(tree.query(click.at)[1])]
        seeds[at] = float(click.positive)
    if not (seeds == 0).any():
        away = cKDTree(points[seeds == 1]).query(points)[0]
        # a hundredth of the cloud stands for the rest
        count = max(1, len(points) // 100)
        far = np.argsort(away)[-count:]
        seeds[far[seeds[far] < 0]] = 0
    return seeds


def _links(points: Points, tree: cKDTree, colours: FloatArray | None) -> csr_array:
    """Return the lengths of the links between neighbours, (N, N)."""
    count = min(_NEAREST, len(points) - 1)
    away, near = tree.query(points, count + 1)
    away, near = away[:, 1:], near[:, 1:]
    # the sign of a surface's direction is arbitrary
    turned = 1 - np.abs(np.einsum("ni,nki->nk", *_directions(points, near)))
    factor = 1 + _TURN * turned
    if colours is not None:
        factor += _COLOUR * ((colours[:, None] - colours[near]) ** 2).sum(axis=2) / _STEP
    rows = np.repeat(np.arange(len(points)), count)
    # points on one another are linked, too
    lengths = np.maximum(away * factor, 1e-9).ravel()
    return coo_array((lengths, (rows, near.ravel())), shape=(len(points),) * 2).tocsr()


def _directions(points: Points, near: NDArray[np.intp]) -> tuple[Points, Points]:
    """Return each point's surface direction, (N, 3), and those of its neighbours, (N, k, 3)."""
    around = points[near] - points[near].mean(axis=1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", around, around)
    # the direction in which neighbours spread least is that of the surface's normal
    direction: Points = np.linalg.eigh(spread)[1][:, :, 0]
    return direction, direction[near]
