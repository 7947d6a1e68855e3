"""A vertex of an outline that a person moved predicts where its neighbours belong.

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

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_intseg.core.segmenter import FloatArray

Points = NDArray[np.float64]

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
