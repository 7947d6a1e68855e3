"""Bilinear interpolation, corners on corners, as RITM's own (numpy alone, and quick)."""

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, FloatArray

Indices = NDArray[np.intp]
Plan = tuple[Indices, Indices, FloatArray]
"""What `taps` returns."""


def taps(size: int, out_size: int) -> Plan:
    """Return for each output position its two neighbours and the weight of the second.

    The first and last sample of both grids coincide. Positions are computed in float32, as
    torch's ``interpolate(..., align_corners=True)`` does, so that both agree to rounding.

    Parameters
    ----------
    size, out_size : int
        Samples along the axis before and after, both at least 1.
    """
    scale = np.float32(size - 1) / np.float32(out_size - 1) if out_size > 1 else np.float32(0)
    position = np.arange(out_size, dtype=np.float32) * scale
    low = np.minimum(position.astype(np.intp), size - 1)
    high = np.minimum(low + 1, size - 1)
    return low, high, (position - low).astype(np.float32)


def resize(image: Array, out_shape: tuple[int, int]) -> FloatArray:
    """Interpolate an image bilinearly, corners on corners, without antialiasing.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Finite numbers; it is not changed.
    out_shape : (int, int)
        Rows and columns wanted.

    Returns
    -------
    ndarray of float32, shape (h, w) or (h, w, C)
        A new array, even when the shape is already the one wanted.
    """
    rows, cols = image.shape[:2]
    if (rows, cols) == out_shape:
        return np.array(image, np.float32)
    # the axis that shrinks most first: fewer numbers for the other one
    order = (0, 1) if out_shape[0] * cols <= rows * out_shape[1] else (1, 0)
    result = image
    for axis in order:
        result = interpolate(result, axis, taps(image.shape[axis], out_shape[axis]))
    return result


def interpolate(image: Array, axis: int, plan: Plan) -> FloatArray:
    """Interpolate along one axis at the positions of `taps`; float32."""
    low, high, weight = plan
    if len(low) > image.shape[axis]:
        step = np.diff(image.astype(np.float32, copy=False), axis=axis)
        pad = [(0, 0)] * image.ndim
        pad[axis] = (0, 1)
        slope = np.take(np.pad(step, pad), low, axis)
    else:
        slope = np.take(image, high, axis).astype(np.float32, copy=False)
        slope -= np.take(image, low, axis)
    slope *= weight.reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    slope += np.take(image, low, axis)
    return slope
