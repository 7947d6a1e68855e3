"""A second look at the region that a correction is about, as in RIS-Net [1]_.

There every click makes a region with the nearest click of the other sign, the outline running
somewhere between the two; a branch of the network answers on that region alone, and its answer is
fused with that on the whole. Here any model is the branch: it is asked on a view of the region, led
by its own answer, and the two fade into each other at the region's sides.

References
----------
.. [1] Liew, J. H. et al. "Regional interactive image segmentation networks", ICCV 2017.
"""

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import logit, sigmoid
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.tiling import AskTile, fade
from napari_intseg.inference.view import View, longer_side

# of a side: fewer pixels show a network nothing round an outline
_LEAST_PX = 64
# the region is a square of so many times the clicks' distance: the outline between them then lies
# in its middle half
_ROUND = 2.0
# of a side; the answer on the region fades into that on the whole over so much of it
_FADE = 0.15
# longer side of the view: regions are smaller than views, and are shown larger
_SEEN_PX = 256


def click_region(prompts: Prompts, shape: tuple[int, int]) -> tuple[slice, slice] | None:
    """Return the region of the last click and the nearest one of the other sign.

    Parameters
    ----------
    prompts : Prompts
        Of the slice.
    shape : (int, int)
        Of the slice; the region lies inside.

    Returns
    -------
    (slice, slice) or None
        Rows and columns; None without clicks of both signs, or where it would be the whole slice.
    """
    if not prompts.clicks:
        return None
    last = prompts.clicks[-1]
    others = [click for click in prompts.clicks if click.positive != last.positive]
    if not others:
        return None
    other = min(others, key=lambda click: _apart(click, last))
    side = max(_LEAST_PX, round(_ROUND * _apart(other, last)))
    middle = (other.row + last.row) / 2, (other.col + last.col) / 2
    spans = []
    for at, length in zip(middle, shape, strict=True):
        size = min(side, length)
        start = min(max(0, round(at - size / 2)), length - size)
        spans.append(slice(start, start + size))
    rows, cols = spans
    is_whole = (rows.stop - rows.start, cols.stop - cols.start) == tuple(shape)
    return None if is_whole else (rows, cols)


def in_region(ask: AskTile, patch: Patch, prompts: Prompts) -> Patch:
    """Return an answer that was asked for again in the region of the last click.

    Parameters
    ----------
    ask : callable
        The model; see `AskTile`.
    patch : Patch
        Its answer, as it is where there is no such region.
    prompts : Prompts
        Of the slice.
    """
    place = click_region(prompts, patch.shape)
    if place is None:
        return patch
    size = (place[0].stop - place[0].start, place[1].stop - place[1].start)
    view = View(
        place[0].start, place[0].stop, place[1].start, place[1].stop,
        # never shown smaller than it is: the second look is for detail
        longer_side(size, max(_SEEN_PX, *size)), patch.shape,
    )  # fmt: skip
    answer = ask(view, prompts, patch)
    rows, cols = (np.arange(span.start, span.stop) for span in place)
    whole = slice(0, patch.shape[0]), slice(0, patch.shape[1])
    weight = fade(place, whole, max(1, round(_FADE * min(size))))
    prob = weight * sigmoid(answer.at(rows, cols)) + (1 - weight) * sigmoid(patch.at(rows, cols))
    return Patch(int(rows[0]), int(cols[0]), logit(prob), patch.shape).over(patch)


def _apart(first: Click, second: Click) -> float:
    return float(np.hypot(first.row - second.row, first.col - second.col))
