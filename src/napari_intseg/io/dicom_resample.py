"""Tilted or uneven stacks of slices onto one regular, perpendicular grid."""

import numpy as np
from scipy import ndimage

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.segmenter import Array
from napari_intseg.io.dicom_stack import Stack, heights
from napari_intseg.io.source import ItkGeometry


def resample(data: Array, stack: Stack) -> tuple[Array, FloatMatrix, ItkGeometry]:
    """Interpolate linearly onto planes that lie straight above each other at equal distances.

    Parameters
    ----------
    data : ndarray, shape (planes, rows, cols) or (planes, rows, cols, 3)
        As stacked.
    stack : Stack
        Where the planes lie.

    Returns
    -------
    data : ndarray
        Of the same type; widened by rows and columns so that a tilted stack is not cut, with the
        lowest value where nothing was imaged.
    affine : ndarray of float, shape (4, 4)
        Index ``(plane, row, col)`` to LPS millimetres.
    geometry : ItkGeometry
        The same in ITK's words.
    """
    frames = stack.frames
    first = frames[0]
    at = heights(frames)
    step = float(np.median(np.diff(at)))
    wanted = at[0] + step * np.arange(int(np.floor((at[-1] - at[0]) / step + 1e-6)) + 1)
    spacing = np.array(first.spacing or (1.0, 1.0))
    axes = np.array([first.rows or (0, 1, 0), first.cols or (1, 0, 0)], float)
    origin = np.array(first.position or (0, 0, 0), float)
    shifts = np.array([axes @ (np.array(f.position or origin) - origin) for f in frames]) / spacing
    before = np.floor(np.minimum(shifts.min(0), 0)).astype(int)
    after = np.ceil(np.maximum(shifts.max(0), 0)).astype(int)
    size = np.array(data.shape[1:3]) - before + after
    lowest = 0 if data.ndim == 4 else data.min()
    pairs = zip(data, shifts - before, strict=True)
    planes = [_moved(plane, shift, size, lowest) for plane, shift in pairs]
    out = np.empty((len(wanted), *planes[0].shape), data.dtype)
    for i, height in enumerate(wanted):
        low = min(int(np.searchsorted(at, height + 1e-6, "right")) - 1, len(at) - 2)
        part = float(np.clip((height - at[low]) / (at[low + 1] - at[low]), 0, 1))
        mixed = planes[low] * (1 - part) + planes[low + 1] * part
        out[i] = np.round(mixed) if data.dtype.kind in "iu" else mixed
    corner = origin + (before * spacing) @ axes
    geometry = ItkGeometry(
        (float(spacing[1]), float(spacing[0]), step),
        tuple(corner.tolist()),
        tuple(np.column_stack([axes[1], axes[0], first.normal]).ravel().tolist()),
    )
    return out, geometry.affine(), geometry


def _moved(plane: Array, shift: FloatMatrix, size: FloatMatrix, lowest: float) -> Array:
    """Return a plane on the wide grid, its first pixel at `shift` of it."""
    wide = np.full((*size.astype(int), *plane.shape[2:]), lowest, np.float32)
    wide[: plane.shape[0], : plane.shape[1]] = plane
    if not np.any(shift):
        return wide
    whole = (*shift, *([0.0] * (plane.ndim - 2)))
    return np.asarray(ndimage.shift(wide, whole, order=1, mode="constant", cval=float(lowest)))
