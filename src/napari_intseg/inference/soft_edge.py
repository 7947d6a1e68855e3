"""An object cut out of its image, with an edge as soft as the object's own.

At hair, fur and out-of-focus edges a pixel shows object and ground at once. Closed-form matting
[1]_ finds how much of each, in a band round the outline, and the object's own colour there [2]_.

References
----------
.. [1] Levin, A., Lischinski, D., Weiss, Y. "A closed-form solution to natural image matting", IEEE
   TPAMI 30, 2008.
.. [2] Germer, T. et al. "Fast multi-level foreground estimation", ICPR 2020, arXiv:2006.14970.
"""

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_intseg.core.segmenter import BoolArray, FloatArray, bounding_box
from napari_intseg.errors import DataError, MissingExtraError

# so many pixels beyond the band: matting needs pixels that are surely ground
_MARGIN_PX = 2
# of the window; matting of so many takes about a minute and 4 GB
_MOST_PX = 4_000_000


def cut_out(image: FloatArray, mask: BoolArray, *, soft_px: float = 0.0) -> FloatArray:
    """Return an object as RGBA, cropped to its box and a margin.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    mask : ndarray of bool, shape (H, W)
        The object.
    soft_px : float, default 0
        Half the width of the band round the outline in which the edge may be soft; 0: the mask is
        the edge.

    Returns
    -------
    ndarray of float32, shape (h, w, 4)
        RGBA in [0, 1], colours not multiplied by alpha.

    Raises
    ------
    DataError
        If the mask is empty, on another grid, or too large for matting.
    MissingExtraError
        If a soft edge is asked for and pymatting is not installed.
    """
    if mask.shape != image.shape[:2]:
        raise DataError(
            f"mask is on another grid: expected {image.shape[:2]}, got {mask.shape}. "
            "Resample one onto the other's grid first."
        )
    box = bounding_box(mask)
    if box is None:
        raise DataError(
            "nothing to cut out: expected an object with a pixel, got an empty mask. "
            "Choose another label."
        )
    reach = int(np.ceil(soft_px)) + (_MARGIN_PX if soft_px > 0 else 0)
    rows = slice(max(0, box[0] - reach), box[1] + reach)
    cols = slice(max(0, box[2] - reach), box[3] + reach)
    seen, inside = np.asarray(image[rows, cols], np.float32), mask[rows, cols]
    if soft_px <= 0:
        return np.concatenate((seen, inside[..., None]), axis=2, dtype=np.float32)
    if inside.size > _MOST_PX:
        raise DataError(
            f"object is too large for a soft edge: expected at most {_MOST_PX} pixels, got "
            f"{inside.size}. Cut it out of a smaller copy."
        )
    colours, alpha = _matted(seen, trimap(inside, soft_px))
    return np.concatenate((colours, alpha[..., None]), axis=2, dtype=np.float32)


def trimap(mask: BoolArray, soft_px: float) -> FloatArray:
    """Return 1 surely inside a mask (H, W), 0 surely outside and 0.5 near the outline."""
    if mask.all() or not mask.any():
        return mask.astype(np.float32)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    out = np.where(inside > soft_px, 1.0, np.where(outside > soft_px, 0.0, 0.5))
    if not (out == 1).any():
        # a thin object: its deepest pixels are sure
        out[inside >= inside.max()] = 1.0
    return out.astype(np.float32)


def _matted(image: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray]:
    try:
        from pymatting import estimate_alpha_cf, estimate_foreground_ml
    except ImportError as err:
        raise MissingExtraError(
            "soft edges need a package that is not installed: expected pymatting. "
            "Install it with: pip install 'napari-intseg[matting]'"
        ) from err
    seen = image.astype(np.float64)
    alpha = estimate_alpha_cf(seen, known.astype(np.float64))
    colours = estimate_foreground_ml(seen, alpha)
    return np.clip(colours, 0, 1).astype(np.float32), np.clip(alpha, 0, 1).astype(np.float32)
