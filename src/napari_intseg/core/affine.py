"""4x4 affines: the one place for axis orders and coordinate systems.

Everywhere in the engine an affine maps an array index ``(plane, row, col, 1)`` to millimetres
``(x, y, z, 1)`` in **LPS** (x to the patient's left, y to the back, z to the head), the system of
DICOM and ITK. NIfTI files speak RAS; napari's world is in array order, ``(z, y, x)``.
"""

import numpy as np
from numpy.typing import NDArray

from napari_intseg.errors import DataError

FloatMatrix = NDArray[np.float64]

# both axes that point left and to the back are turned round; feet to head stays
_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# swaps (plane, row, col) and (x, y, z), which differ by their order alone
_REVERSE = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)


def from_spacing(spacing: tuple[float, ...]) -> FloatMatrix:
    """Return the axis-aligned LPS affine of a spacing in mm, ``(z, y, x)`` or ``(y, x)``.

    The first voxel's centre is at the origin.
    """
    z, y, x = (1.0, *spacing)[-3:]
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0], affine[3, 3] = x, y, z, 1.0
    return affine


def spacing_of(affine: FloatMatrix) -> tuple[float, float, float]:
    """Return the distance in mm between neighbours along (plane, row, col)."""
    z, y, x = np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0)
    return float(z), float(y), float(x)


def voxel_size(affine: FloatMatrix, ndim: int = 3) -> float:
    """Return the volume of a voxel in mm³, or for 2 axes the area of a pixel in mm².

    The root of Gram's determinant: of sheared axes (gantry tilt) it is less than the product of the
    spacings.
    """
    axes = np.asarray(affine, float)[:3, 3 - ndim : 3]
    return float(np.sqrt(np.linalg.det(axes.T @ axes)))


def lps_to_ras(affine: FloatMatrix) -> FloatMatrix:
    """Return the affine with its millimetres in RAS instead of LPS; its own inverse."""
    return np.asarray(_LPS_RAS @ affine)


def index_reversed(affine: FloatMatrix) -> FloatMatrix:
    """Return the affine for indices in ``(col, row, plane)`` order instead, or back."""
    return np.asarray(np.asarray(affine, float) @ _REVERSE)


def to_napari(affine: FloatMatrix) -> FloatMatrix:
    """Return the affine that napari takes: index ``(plane, row, col)`` to world ``(z, y, x)``."""
    return np.asarray(_REVERSE @ np.asarray(affine, float))


def from_napari(affine: FloatMatrix) -> FloatMatrix:
    """Return the LPS affine of a napari world affine, 3x3 (2-D) or 4x4 (3-D), millimetres."""
    given = np.asarray(affine, float)
    if given.shape == (3, 3):
        full = np.eye(4)
        full[1:, 1:] = given
        given = full
    return np.asarray(_REVERSE @ check_affine(given))


def check_affine(affine: FloatMatrix) -> FloatMatrix:
    """Return a copy as float64 if it is an invertible 4x4 affine.

    Raises
    ------
    DataError
        If the shape is wrong, a value is not finite, the last row is not ``0 0 0 1`` or the matrix
        cannot be inverted.
    """
    given = np.array(affine, float)
    if given.shape != (4, 4) or not np.isfinite(given).all():
        raise DataError(
            f"affine is not a matrix of finite numbers: expected shape (4, 4), got {given.shape}. "
            "Give voxel index (plane, row, col) to LPS millimetres."
        )
    if not np.allclose(given[3], (0, 0, 0, 1)):
        raise DataError(
            f"affine is projective: expected last row (0, 0, 0, 1), got {given[3].tolist()!r}. "
            "Give voxel index (plane, row, col) to LPS millimetres."
        )
    if not np.linalg.matrix_rank(given[:3, :3]) == 3:
        raise DataError(
            f"affine is singular: expected three independent axes, got {given[:3, :3].tolist()!r}. "
            "Check the spacing and directions of the file."
        )
    return given
