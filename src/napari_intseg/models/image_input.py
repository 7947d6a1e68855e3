"""Images as networks take them: resized by OpenCV, cropped beyond their rim, with drawn guidance.

Positions are ``(row, col)`` in pixels; boxes ``(row0, col0, row1, col1)``, both ends inside.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    Array,
    FloatArray,
    Prepared,
    Query,
    Segmenter,
    logit,
)
from napari_intseg.errors import MissingExtraError, PromptError


def raw_logits(
    model: Segmenter, image: Any, points: Any, prev_mask: Any | None = None
) -> FloatArray:
    """Return the logits of a model that takes clicks, without zoom-in, flip or resampling.

    Parameters
    ----------
    model : Segmenter
        Takes clicks and, if `prev_mask` is given, the previous answer.
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    points : ndarray, shape (2n, 2) or (2n, 3)
        Rows ``(row, col)`` or ``(row, col, order)`` in pixels: n positive ones, then n negative.
        One whose row and column are both negative is absent.
    prev_mask : ndarray of number or bool, shape (H, W), optional
        The previous answer as probability in [0, 1], or a mask.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    PromptError
        If the points are not an even number of rows of 2 or 3 numbers.
    """
    rows = np.asarray(points, np.float64)
    if rows.ndim != 2 or rows.shape[1] not in (2, 3) or len(rows) % 2:
        raise PromptError(
            f"points do not fit: expected shape (2n, 2) or (2n, 3), got {rows.shape}. "
            "Give n positive ones, then n negative, and -1 for absent ones."
        )
    prev = None if prev_mask is None else logit(np.asarray(prev_mask, np.float32))
    prepared = model.prepare(np.asarray(image, np.float32) / np.float32(255))
    answer = model.predict(Query(prepared, Prompts(_clicks(rows)), prev))
    return answer.logits


def _clicks(rows: Array) -> tuple[Click, ...]:
    half = len(rows) // 2
    # a point is absent only where both numbers are negative, as RITM's tables have it
    given = [(tuple(row[2:]), k < half, row) for k, row in enumerate(rows) if max(row[:2]) >= 0]
    # stable: without an order, as they are
    given.sort(key=lambda click: click[0])
    return tuple(Click(float(row[0]), float(row[1]), positive) for _, positive, row in given)


def prepared_values(image: FloatArray) -> Prepared:
    """Return an image prepared for models without a network: its values, in one channel if grey.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, 3)
        In [0, 1]; the payload is a copy, (H, W, 1) where all three channels are alike.
    """
    # one channel is a third of the work for the classical models
    grey = bool((image[..., :1] == image[..., 1:]).all())
    kept = np.array(image[..., :1] if grey else image, np.float32)
    return Prepared((image.shape[0], image.shape[1]), kept, kept.nbytes)


def load_opencv() -> ModuleType:
    """Return the module `cv2`.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import cv2
    except ImportError as err:
        raise MissingExtraError(
            "OpenCV is not installed: expected the package cv2, got none. "
            "Install it with: pip install 'napari-intseg[zoo]'"
        ) from err
    module: ModuleType = cv2
    return module


def resize(
    image: Array, shape: tuple[int, int], how: Literal["bilinear", "bicubic", "lanczos", "nearest"]
) -> Array:
    """Return an image at another size, without antialiasing.

    Parameters
    ----------
    image : ndarray of uint8 or float, shape (H, W) or (H, W, C)
    shape : (int, int)
        New height and width.
    how : {"bilinear", "bicubic", "lanczos", "nearest"}
        Interpolation, pixel centres on pixel centres; "lanczos" spans eight pixels.
    """
    cv2 = load_opencv()
    flags = {
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
        "nearest": cv2.INTER_NEAREST,
    }
    return np.asarray(
        # OpenCV takes no views with steps; it wants width before height
        cv2.resize(np.ascontiguousarray(image), shape[::-1], interpolation=flags[how])
    )


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
    # of maps without a point both are 0
    return np.asarray(255 * (maps - low) / max(high - low, 1e-10), np.float32)


def empty_answer(shape: tuple[int, int], why: str) -> Answer:
    """Return the answer to prompts that are not complete yet: no object, and what is missing."""
    return Answer(np.full(shape, -LOGIT_LIMIT, np.float32), info={"waiting_for": why})


def answer_of(prob: FloatArray) -> Answer:
    """Return a probability (cut to [0, 1]) as an answer."""
    return Answer(logit(np.clip(prob, 0, 1)))
