"""A model's bare logits on one image, to compare an implementation with another."""

from types import ModuleType
from typing import Any, Literal

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Array, FloatArray, Query, Segmenter, logit
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
    given = [(tuple(row[2:]), k < half, row) for k, row in enumerate(rows) if max(row[:2]) >= 0]
    given.sort(key=lambda click: click[0])  # stable: without an order, as they are
    return tuple(Click(float(row[0]), float(row[1]), positive) for _, positive, row in given)


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
        cv2.resize(np.ascontiguousarray(image), shape[::-1], interpolation=flags[how])
    )
