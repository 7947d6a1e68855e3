"""The same pixels in another order of axes: turned and mirrored, never resampled."""

import itertools

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.segmenter import Array

TOLERANCE_PX = 1e-2
"""So far may a corner of one grid lie from the corner of the other it is taken for."""


def reorient(
    data: Array, affine: FloatMatrix, onto: FloatMatrix, shape: tuple[int, ...]
) -> Array | None:
    """Return an array in the order of axes of a grid with the same pixels, or None.

    Programs that write NIfTI often mirror rows or exchange axes, and say so in the affine.

    Parameters
    ----------
    data : ndarray of 2 or 3 axes
    affine, onto : ndarray of float64, shape (4, 4)
        From (plane, row, col) to the world, of the array and of the grid.
    shape : tuple of int
        Of the grid, with as many axes.

    Returns
    -------
    ndarray or None
        A view of shape `shape`; None if the grids do not have the same pixels.
    """
    deep = data.reshape((1,) * (3 - data.ndim) + data.shape)
    wanted = (1,) * (3 - len(shape)) + tuple(shape)
    there = np.linalg.solve(onto, affine)
    turn = np.rint(there[:3, :3])
    if not (np.abs(turn).sum(0) == 1).all() or not (np.abs(turn).sum(1) == 1).all():
        return None
    order = np.abs(turn).argmax(1)
    if tuple(deep.shape[axis] for axis in order) != wanted:
        return None
    flips = tuple(int(row) for row in np.flatnonzero(turn.sum(1) < 0))
    start = np.where(turn.sum(1) < 0, np.array(wanted) - 1, 0)
    corners = np.array(list(itertools.product(*((0, size - 1) for size in deep.shape))))
    off = corners @ (there[:3, :3] - turn).T + there[:3, 3] - start
    if np.abs(off).max() > TOLERANCE_PX:
        return None
    return np.asarray(np.flip(np.transpose(deep, order), flips).reshape(shape))
