"""Local refinement: a click changes only the region it is about."""

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import FloatArray, logit
from napari_intseg.inference.patch import Patch

_TOUCHING = np.ones((3, 3), bool)


def keep_elsewhere(new: Patch, before: Patch, click: Click, threshold: float = 0.5) -> Patch:
    """Take over a new answer only where the click is, as FocalClick's progressive merge [1]_.

    The masks of both answers differ in regions, 8-connected; that under the click is taken from
    the new answer. Everywhere else the logits stay bit-equal to those before, so that a painted
    or imported mask is safe. A click that lies on no difference changes nothing.

    Parameters
    ----------
    new, before : Patch
        Answers on the same slice.
    click : Click
        The one that was made last, in pixels of the slice.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.

    References
    ----------
    .. [1] Chen, X. et al. "FocalClick: towards practical interactive image segmentation",
       CVPR 2022, arXiv:2204.02574.
    """
    rows, cols = (_joint(a, b) for a, b in zip(new.slices, before.slices, strict=True))
    row, col = round(click.row) - int(rows[0]), round(click.col) - int(cols[0])
    if not (0 <= row < len(rows) and 0 <= col < len(cols)):
        return before
    old, asked = before.at(rows, cols), new.at(rows, cols)
    limit: FloatArray = logit(np.array(threshold, np.float32))
    regions, _ = ndimage.label((old > limit) ^ (asked > limit), _TOUCHING)
    if regions[row, col] == 0:
        return before
    merged = np.where(regions == regions[row, col], asked, old)
    return Patch(int(rows[0]), int(cols[0]), merged, new.shape)


def _joint(first: slice, second: slice) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the positions from the first to the last of two spans; one may be empty."""
    spans = [span for span in (first, second) if span.stop > span.start] or [slice(0, 1)]
    return np.arange(min(s.start for s in spans), max(s.stop for s in spans), dtype=np.intp)
