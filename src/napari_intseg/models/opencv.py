"""OpenCV's resizes, for the networks that were trained with them; OpenCV is an extra."""

from types import ModuleType
from typing import Literal

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import MissingExtraError


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
