"""How much detail outlines show: masks smoothed as they are put in place, and as they were."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray
from napari_intseg.inference.patch import bounding_box
from napari_intseg.session.masks.plane_state import PlaneState

_SIGMAS = 0.5
"""Of the smoothing, for each millimetre of detail: a bar two thirds as wide then just goes."""

_FAR_SIGMAS = 3.0


def smoothed(mask: BoolArray, sigma_px: Sequence[float]) -> BoolArray:
    """Return a mask with a smoother outline that holds as many pixels.

    Where a Gaussian-weighted mean of the mask is largest is object, as many pixels as there were:
    so objects neither shrink, as in motion by curvature [1]_, nor vanish.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Not at the rim of the array, or it is smoothed as if it ended there.
    sigma_px : sequence of float
        Standard deviation of the weights along rows and columns; 0: not at all.

    Returns
    -------
    ndarray of bool
        Where two pixels are equally good, the first in reading order is taken.

    References
    ----------
    .. [1] Merriman, B., Bence, J., Osher, S. "Motion of multiple junctions: a level set approach",
       Journal of Computational Physics 112, 1994, doi:10.1006/jcph.1994.1105.
    """
    count = int(np.count_nonzero(mask))
    if not count or not any(sigma_px):
        return mask.copy()
    near = ndimage.gaussian_filter(
        mask.astype(np.float32), sigma_px, mode="constant", truncate=_FAR_SIGMAS
    )
    order = np.argsort(-near, axis=None, kind="stable")[:count]
    out = np.zeros(mask.size, bool)
    out[order] = True
    return out.reshape(mask.shape)


def plain(state: PlaneState) -> PlaneState:
    """Return a state with its mask as it was before it was smoothed."""
    shown = state.shown
    if shown is None or shown.plain is None:
        return state
    return replace(state, shown=shown.plain)


def kept(state: PlaneState | None) -> PlaneState | None:
    """Return a state whose mask shall not be smoothed again as it is put in place."""
    if state is None or state.shown is None:
        return state
    return replace(state, shown=replace(state.shown, plain=state.shown))


def with_detail(state: PlaneState, detail_mm: float, spacing: Sequence[float]) -> PlaneState:
    """Return a state whose mask is smoothed, unless it is already.

    What lies under a click stays as it is, so that a click is obeyed.

    Parameters
    ----------
    state : PlaneState
        Any.
    detail_mm : float
        0 or less: as it is.
    spacing : sequence of float
        Millimetres between rows and columns.
    """
    shown = state.shown
    if shown is None or shown.plain is not None or detail_mm <= 0:
        return state
    box = bounding_box(shown.inside)
    if box is None:
        return state
    sigma = [_SIGMAS * detail_mm / step for step in spacing]
    window = []
    for at, (low, high) in enumerate((box[:2], box[2:])):
        start, size = shown.slices[at].start, shown.patch.shape[at]
        far = int(np.ceil(_FAR_SIGMAS * sigma[at])) + 1
        window.append(slice(max(0, start + low - far), min(size, start + high + far)))
    rows, cols = window
    before = shown.window(rows, cols)
    after = smoothed(before, sigma)
    for click in _inside(state.prompts.clicks, (rows, cols)):
        after[click] = before[click]
    return replace(state, shown=replace(shown, inside=after, at=(rows, cols), plain=shown))


def _inside(clicks: Iterable[Click], window: tuple[slice, slice]) -> Iterable[tuple[slice, slice]]:
    """Go through the 3 by 3 pixels round each click, as parts of a window."""
    for click in clicks:
        row, col = round(click.row) - window[0].start, round(click.col) - window[1].start
        yield slice(max(0, row - 1), max(0, row + 2)), slice(max(0, col - 1), max(0, col + 2))
