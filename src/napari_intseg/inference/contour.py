"""A mask as polygons with few vertices, and back; the neighbours of a moved vertex follow it.

Polygon-RNN [1]_ predicts the vertices that follow a corrected one anew; Curve-GCN [2]_ moves the
neighbours of a corrected one and keeps the others. Without a network the neighbours are carried
along, less with every step along the outline, and then drawn to the steepest edge nearby, of the
kind of edge that the corrected vertex lies on.

References
----------
.. [1] Acuna, D. et al. "Efficient interactive annotation of segmentation datasets with
   Polygon-RNN++", CVPR 2018, arXiv:1803.09693.
.. [2] Ling, H. et al. "Fast interactive object annotation with Curve-GCN", CVPR 2019,
   arXiv:1903.06874.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage.draw import polygon2mask
from skimage.measure import find_contours

from napari_intseg.core.segmenter import BoolArray, FloatArray
from napari_intseg.errors import DataError

Points = NDArray[np.float64]

TOLERANCE_PX = 1.0
# vertices of a polygon that holds an area
_LEAST = 3
# a polygon that would keep less of its area than this is traced more closely
_WORTH_KEEPING = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A closed line round a part of an object, or round a hole in it.

    Parameters
    ----------
    points : ndarray of float, shape (N, 2)
        Its vertices as (row, col) in pixels, at least three; the last is joined to the first.
    is_hole : bool
        Whether the object lies outside.
    """

    points: Points
    is_hole: bool = False


def outline(mask: BoolArray, tolerance_px: float = TOLERANCE_PX) -> tuple[Polygon, ...]:
    """Return polygons round the parts of a mask and round its holes.

    Exact outlines run halfway between pixels [1]_ and are thinned so that none of their points
    is farther than the tolerance from the polygon [2]_. Where that would swallow a small part,
    it is traced more closely. Correcting such polygons is how Polygon-RNN and Curve-GCN let
    people work [3]_.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Any; an empty one has no polygons.
    tolerance_px : float, default 1.0
        0 keeps every corner, so that `filled` gives the same mask again.

    Returns
    -------
    tuple of Polygon
        The larger ones first.

    Raises
    ------
    DataError
        If the mask is not 2-D, or the tolerance is negative or not a number.

    References
    ----------
    .. [1] Lorensen, W., Cline, H. "Marching cubes", SIGGRAPH 1987.
    .. [2] Douglas, D., Peucker, T. "Algorithms for the reduction of the number of points required
       to represent a digitized line or its caricature", The Canadian Cartographer 10, 1973.
    .. [3] Ling, H. et al. "Fast interactive object annotation with Curve-GCN", arXiv:1903.06874.
    """
    if np.ndim(mask) != 2:
        raise DataError(
            f"mask is not on a slice: expected shape (H, W), got {np.shape(mask)!r}. "
            "Give one slice of it."
        )
    if not (np.isfinite(tolerance_px) and tolerance_px >= 0):
        raise DataError(
            f"tolerance cannot be used: expected pixels, 0 or more, got {tolerance_px!r}. "
            "1 suits most outlines."
        )
    # an object at the slice's edge gets a closed outline, too
    padded = np.pad(np.asarray(mask, bool), 1).astype(np.float32)
    found = find_contours(padded, 0.5)  # type: ignore[no-untyped-call]
    lines = [line - 1 for line in found]
    lines.sort(key=lambda line: -abs(_area(line)))
    return tuple(Polygon(_thinned(line, tolerance_px), _area(line) < 0) for line in lines)


def filled(polygons: Sequence[Points | Polygon], shape: tuple[int, int]) -> BoolArray:
    """Return the mask inside polygons, bool of `shape`.

    Parameters
    ----------
    polygons : sequence of Polygon or of ndarray, shape (N, 2)
        Vertices as (row, col) in pixels. What lies inside two of them is outside again: so holes,
        and islands in holes, come out right in any order. Those of fewer than three vertices hold
        nothing. They may leave the slice.
    shape : (int, int)
        ``(H, W)`` of the slice.
    """
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        points = polygon.points if isinstance(polygon, Polygon) else np.asarray(polygon, float)
        if len(points) >= _LEAST:
            mask ^= polygon2mask(shape, points)  # type: ignore[no-untyped-call]
    return mask


def _thinned(line: Points, tolerance_px: float) -> Points:
    """Return the vertices to keep of a closed line, whose last point is its first."""
    # here: with it comes scipy.signal, for which a window would wait before its first polygon
    from skimage.measure import approximate_polygon

    exact = _corners(line[:-1])
    start = int(np.argmax(((exact - exact.mean(axis=0)) ** 2).sum(axis=1)))
    # the point farthest out is a corner of every polygon, so thinning may begin and end there
    ring = np.roll(exact, -start, axis=0)
    closed = np.vstack([ring, ring[:1]])
    tolerance, whole = tolerance_px, abs(_area(closed))
    # halved until the area holds; below a tenth of a pixel thinning would take away nothing
    while tolerance > 0.1:
        few: Points = approximate_polygon(closed, tolerance)  # type: ignore[no-untyped-call]
        if len(few) > _LEAST and abs(_area(few)) > _WORTH_KEEPING * whole:
            return few[:-1]
        tolerance /= 2
    return ring


def _corners(ring: Points) -> Points:
    """Return the points of a ring at which it turns."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    # vertices are multiples of half a pixel, so any real turn is far above a rounding
    return ring[np.abs(turns) > 1e-9]


def _area(line: Points) -> float:
    """Return the signed area inside a line: positive with the object inside."""
    rows, cols = line[:, 0], line[:, 1]
    return float(np.sum(cols * np.roll(rows, -1) - rows * np.roll(cols, -1)) / 2)


REACH = 2
"""Neighbours on either side that follow, as in the interactive Curve-GCN."""

# an edge is looked for no farther than this share of the correction's length
_SEARCH = 0.5
# places on the normal that are looked at; odd, so that the vertex itself is one
_STEPS = 17
# Gaussian width before the gradient, so that noise of single pixels is no edge
_EDGE_PX = 1.0


class VertexPredictor(Protocol):
    """Says where the neighbours of a moved vertex belong; a network may be one."""

    def __call__(self, image: FloatArray, before: Points, after: Points, index: int) -> Points:
        """Return the ring with the neighbours moved; see `follow`."""
        ...


def moved_vertex(before: Points, after: Points) -> int | None:
    """Return the one vertex that differs between two rings; None if it is not one."""
    if before.shape != after.shape:
        return None
    moved = np.flatnonzero(np.abs(before - after).max(axis=1) > 1e-6)
    return int(moved[0]) if len(moved) == 1 else None


def follow(
    image: FloatArray, before: Points, after: Points, index: int, *, reach: int = REACH
) -> Points:
    """Return an outline whose vertices near a corrected one have followed it.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, C)
        The slice, or the part of it that holds the outline.
    before, after : ndarray of float, shape (N, 2)
        Vertices as (row, col) in pixels of the image, before and after the correction.
    index : int
        Which one was moved. It stays where it was put.
    reach : int, default 2
        Neighbours on either side that follow; fewer where the outline has few vertices.

    Returns
    -------
    ndarray of float, shape (N, 2)
        Vertices out of reach are as they were.
    """
    out = np.array(after, float)
    shift = out[index] - before[index]
    # of a small ring no vertex is moved from both sides
    count = min(reach, (len(out) - 1) // 2)
    steep = _steepness(image)
    for step in range(1, count + 1):
        share = 1 - step / (count + 1)
        for at in ((index - step) % len(out), (index + step) % len(out)):
            out[at] = _on_edge(steep, after, at, after[at] + share * shift, np.hypot(*shift))
    return out


def _steepness(image: FloatArray) -> FloatArray:
    """Return the length of the gradient of an image's mean over channels, float32 (H, W)."""
    grey = gaussian_filter(np.asarray(image, np.float32).mean(axis=2), _EDGE_PX)
    rows, cols = np.gradient(grey)
    return np.asarray(np.hypot(rows, cols), np.float32)


def _on_edge(steep: FloatArray, ring: Points, at: int, place: Points, length: float) -> Points:
    """Return the place on the outline's normal where the image is steepest, near a place."""
    along = ring[(at + 1) % len(ring)] - ring[at - 1]
    size = float(np.hypot(*along))
    if size == 0 or length == 0:
        return place
    normal = np.array([-along[1], along[0]]) / size
    away = np.linspace(-1, 1, _STEPS) * _SEARCH * length
    places = place + away[:, None] * normal
    found = map_coordinates(steep, places.T, order=1, mode="constant")
    # nearer edges are better than farther ones that are hardly steeper
    worth = found * (1 - 0.5 * np.abs(away) / max(1e-9, np.abs(away).max()))
    best = int(np.argmax(worth))
    # only a place clearly steeper than the image's usual one is an edge
    return places[best] if found[best] > 2 * float(np.median(steep)) + 1e-6 else place
