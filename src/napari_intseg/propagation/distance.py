"""Distances within a slice, on as small a window as can be."""

import edt
import numpy as np

from napari_intseg.core.segmenter import BoolArray, FloatArray


def distance_to(mask: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> FloatArray:
    """Return how far each pixel is from a mask, float32 (H, W); 0 on it, infinite without one.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        May be empty.
    spacing : (float, float)
        Between rows and between columns; the distance has their unit.
    """
    # one thread: propagation has the cores for itself, and so has whoever works beside it
    return np.asarray(edt.edt(~mask, anisotropy=spacing, parallel=1), np.float32)


def depth_in(mask: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> FloatArray:
    """Return how deep each pixel lies in a mask, float32 (H, W); beyond the rim is outside."""
    return np.asarray(edt.edt(mask, anisotropy=spacing, black_border=True, parallel=1), np.float32)
