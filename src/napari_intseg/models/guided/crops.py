"""What DEXTR, IOG and DeepGrabCut share: crops that may leave the image, and drawn guidance.

Positions are ``(row, col)`` in pixels; boxes ``(row0, col0, row1, col1)``, both ends inside.
"""

from collections.abc import Sequence

import numpy as np

from napari_intseg.core.segmenter import LOGIT_LIMIT, Answer, Array, FloatArray, logit

Extent = tuple[int, int, int, int]
"""``(row0, col0, row1, col1)``, both ends inside; it may leave the image."""

SIGMA_PX = 10.0
"""Full width at half maximum of a drawn point, in pixels of the network's input."""


def cut(image: Array, extent: Extent) -> Array:
    """Return a crop, zero where it leaves the image.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
    extent : (int, int, int, int)
        See `Extent`.
    """
    row0, col0, row1, col1 = extent
    out = np.zeros((row1 - row0 + 1, col1 - col0 + 1, *image.shape[2:]), image.dtype)
    inside = image[max(row0, 0) : row1 + 1, max(col0, 0) : col1 + 1]
    top, left = max(-row0, 0), max(-col0, 0)
    out[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return out


def paste(crop: FloatArray, extent: Extent, shape: tuple[int, int]) -> FloatArray:
    """Return an image of zeros with the crop at its place; what lies outside is dropped."""
    row0, col0, row1, col1 = extent
    out = np.zeros(shape, np.float32)
    r0, c0, r1, c1 = max(row0, 0), max(col0, 0), min(row1, shape[0] - 1), min(col1, shape[1] - 1)
    if r0 <= r1 and c0 <= c1:
        out[r0 : r1 + 1, c0 : c1 + 1] = crop[r0 - row0 : r1 - row0 + 1, c0 - col0 : c1 - col0 + 1]
    return out


def bumps(points: Sequence[tuple[float, float]], shape: tuple[int, int]) -> FloatArray:
    """Return the maximum over Gaussians at the points, 1 at each.

    Parameters
    ----------
    points : sequence of (row, col)
        At least one; they may lie outside.
    shape : (int, int)
        Height and width.
    """
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    nearest = np.full(shape, np.inf)
    for row, col in points:
        nearest = np.minimum(nearest, (rows - row) ** 2 + (cols - col) ** 2)
    return np.asarray(np.exp(-4 * np.log(2) * nearest / SIGMA_PX**2), np.float32)


def to_bytes_range(maps: FloatArray) -> FloatArray:
    """Return maps stretched jointly to 0..255."""
    low, high = float(maps.min()), float(maps.max())
    return np.asarray(255 * (maps - low) / max(high - low, 1e-10), np.float32)


def empty_answer(shape: tuple[int, int], why: str) -> Answer:
    """Return the answer to prompts that are not complete yet: no object, and what is missing."""
    return Answer(np.full(shape, -LOGIT_LIMIT, np.float32), info={"waiting_for": why})


def answer(prob: FloatArray) -> Answer:
    """Return a probability (cut to [0, 1]) as an answer."""
    return Answer(logit(np.clip(prob, 0, 1)))
