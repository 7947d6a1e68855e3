"""Parts of an answer that nobody clicked on, told in words."""

import numpy as np
from scipy import ndimage

from napari_intseg.session.predictor import Result

_LEAST_PX = 9
_LEAST_SHARE = 0.01
"""Of the whole: what is smaller than either is noise at a rim, which *Clean up* removes."""

_MOST_PX = 1 << 19
"""Of a mask that is looked at: numbering the parts of a larger one would hold the window up."""


def stray_parts(result: Result) -> tuple[int, int]:
    """Return how many parts of an answer hold no positive click, and their pixels.

    None are told where a box or a scribble was given, or a mask to start from: those say where the
    object is as well.
    """
    asked, packed = result.question, result.packed
    prompts = asked.prompts
    if packed is None or prompts.box is not None or prompts.scribbles or asked.initial is not None:
        return 0, 0
    if packed.inside.size > _MOST_PX:
        return 0, 0
    numbered, count = ndimage.label(packed.inside, np.ones((3, 3)))
    if count < 2:
        return 0, 0
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    least = max(_LEAST_PX, _LEAST_SHARE * sizes[1:].sum())
    rows, cols = packed.patch.slices
    for click in prompts.clicks:
        row, col = round(click.row) - rows.start, round(click.col) - cols.start
        is_there = 0 <= row < numbered.shape[0] and 0 <= col < numbered.shape[1]
        if click.positive and is_there:
            sizes[numbered[row, col]] = 0
    stray = sizes[1:][sizes[1:] >= least]
    return int(stray.size), int(stray.sum())


def told(result: Result) -> str:
    """Return in a sentence where else an answer is; empty if it is where the clicks are."""
    count, size = stray_parts(result)
    if not count:
        return ""
    what = "Another part" if count == 1 else f"{count} other parts"
    return f"{what} of the answer, {size:,} px, has no click: right-click on what is not meant."
