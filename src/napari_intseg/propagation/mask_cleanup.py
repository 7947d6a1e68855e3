"""Clean up a mask of a volume: holes, stray parts, and planes that do not fit each other."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.propagation.stretch import signed_mm

# within so many standard deviations a Gaussian holds 99.7 % of its weight
_FAR_SIGMAS = 3.0


def fill_holes(mask: BoolArray) -> BoolArray:
    """Return a mask with its holes filled, plane by plane of the first axis.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        A hole is background that cannot reach the rim of its plane through edge neighbours.
    """
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def largest_part(mask: BoolArray) -> BoolArray:
    """Return the largest part of a mask, connected through faces, edges and corners.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        May be empty.
    """
    # corners count, so that thin oblique structures are not cut apart
    numbered, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask.copy()
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return np.asarray(numbered == int(sizes.argmax()))


def smooth(
    mask: BoolArray,
    sigma_mm: float,
    spacing: tuple[float, float, float],
    fixed: Collection[int] = (),
) -> BoolArray:
    """Return a mask whose outline passes smoothly from plane to plane of the first axis.

    Signed distances to the outline, in mm, are averaged over planes with Gaussian weights, as
    shape-based interpolation does between two planes [1]_. Planes without a mask take no part and
    stay empty, so that ends are not rounded off.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        The object.
    sigma_mm : float
        Standard deviation of the weights along the first axis.
    spacing : (float, float, float)
        Between planes, rows and columns, mm.
    fixed : collection of int
        Planes that stay as they are; they take part.

    References
    ----------
    .. [1] Raya, S., Udupa, J. "Shape-based interpolation of multidimensional objects", IEEE TMI 9,
       1990, doi:10.1109/42.52980.
    """
    out = mask.copy()
    held = [i for i in range(len(mask)) if mask[i].any()]
    near = int(_FAR_SIGMAS * sigma_mm / spacing[0])
    signed: dict[int, NDArray[np.float64]] = {}
    for index in held:
        for other in held:
            # a moving window: no more distances in memory than it holds
            if abs(other - index) <= near and other not in signed:
                signed[other] = signed_mm(mask[other], spacing[1:])
        signed = {i: s for i, s in signed.items() if i >= index - near}
        if index not in fixed:
            weights = {
                i: float(np.exp(-0.5 * ((i - index) * spacing[0] / sigma_mm) ** 2)) for i in signed
            }
            mean = sum(weights[i] * s for i, s in signed.items()) / sum(weights.values())
            out[index] = np.asarray(mean) > 0
    return out
