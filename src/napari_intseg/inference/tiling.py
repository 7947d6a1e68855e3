"""Objects larger than a model's view: overlapping tiles at full resolution, blended.

The first answer sees the whole object, but shrunk. It then guides the same model through tiles of
its outline, each as large as the model likes, and their answers fade into each other and into the
first one, so that no seam can be seen.

Likewise `in_region` looks a second time at the region that a correction is about, as in RIS-Net
[1]_: there every click makes a region with the nearest click of the other sign, the outline running
somewhere between the two; a branch of the network answers on that region alone, and its answer is
fused with that on the whole. Here any model is the branch.

References
----------
.. [1] Liew, J. H. et al. "Regional interactive image segmentation networks", ICCV 2017.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import BoolArray, FloatArray, logit, sigmoid
from napari_intseg.errors import DataError
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.view import View, longer_side

AskTile = Callable[[View, Prompts, Patch], Patch]
"""Answers on a view, given prompts and an answer to start from, both of the slice."""

# a view that shrinks the slice less than this loses no detail worth a second look
_SHRUNK = 1.5


@dataclass(frozen=True, slots=True)
class Tiles:
    """How an object that does not fit into a model's view is done.

    Parameters
    ----------
    size_px : int, default 512
        Side of a tile, pixels of the slice.
    overlap_px : int, default 128
        Shared by neighbouring tiles, and by which they reach beyond the object's box.
    most_px : int, default 67,108,864
        Objects whose box holds more pixels stay as they are: they would not fit in memory.

    Raises
    ------
    DataError
        If the overlap is not between 1 and half of the size.
    """

    size_px: int = 512
    overlap_px: int = 128
    most_px: int = 1 << 26

    def __post_init__(self) -> None:
        """Refuse tiles that do not overlap, or overlap more than twice."""
        if not 0 < 2 * self.overlap_px <= self.size_px:
            raise DataError(
                "tiles do not fit each other: expected an overlap from 1 to half of the size, got "
                f"{self.overlap_px!r} of {self.size_px!r}. Choose a smaller overlap."
            )


def in_tiles(
    ask: AskTile,
    coarse: Patch,
    seen: View,
    prompts: Prompts,
    tiles: Tiles,
    *,
    threshold: float,
) -> Patch:
    """Return an answer with its outline drawn at full resolution.

    Parameters
    ----------
    ask : callable
        The model.
    coarse : Patch
        Its answer on the whole object.
    seen : View
        What it saw for that; if it was hardly shrunk, the answer is returned as it is.
    prompts : Prompts
        Of the slice. A tile gets the clicks in it; one without a positive click gets one at the
        deepest point of the object in it.
    tiles : Tiles
        The settings.
    threshold : float
        Probability above which a pixel belongs to the object.
    """
    shrunk = max(b / o for b, o in zip(seen.box_shape, seen.out_shape, strict=True))
    box = coarse.box(threshold)
    if shrunk < _SHRUNK or box is None:
        return coarse
    area = _area(box, coarse.shape, tiles.overlap_px)
    if (area[0].stop - area[0].start) * (area[1].stop - area[1].start) > tiles.most_px:
        return coarse
    rows, cols = (np.arange(side.start, side.stop) for side in area)
    first = sigmoid(coarse.at(rows, cols))
    total = np.zeros(first.shape, np.float32)
    weights = np.zeros(first.shape, np.float32)
    for place in places(area, tiles):
        own = tuple(
            slice(p.start - a.start, p.stop - a.start) for p, a in zip(place, area, strict=True)
        )
        inside = first[own[0], own[1]] > threshold
        # only tiles with an outline are asked: the rest of a mask is not in doubt
        if not inside.any() or inside.all():
            continue
        shape = (place[0].stop - place[0].start, place[1].stop - place[1].start)
        view = View(
            place[0].start, place[0].stop, place[1].start, place[1].stop, shape, coarse.shape
        )
        answer = ask(view, prompts_in(place, prompts, inside), coarse)
        weight = fade(place, area, tiles.overlap_px)
        total[own] += weight * sigmoid(answer.at(rows[own[0]], cols[own[1]]))
        weights[own] += weight
    # where tiles fade, and where none was asked, the first answer fills up to a weight of 1
    left = np.maximum(0, 1 - weights)
    prob = np.asarray((total + left * first) / np.maximum(1, weights), np.float32)
    return Patch(area[0].start, area[1].start, logit(prob), coarse.shape)


def places(area: tuple[slice, slice], tiles: Tiles) -> Iterator[tuple[slice, slice]]:
    """Go through the tiles that cover an area; each overlaps its neighbours by at least so much."""
    sides = []
    for side in area:
        length = side.stop - side.start
        size = min(tiles.size_px, length)
        count = max(1, -(-(length - tiles.overlap_px) // (tiles.size_px - tiles.overlap_px)))
        # rounded starts may fall together
        starts = np.unique(np.linspace(0, length - size, count).round().astype(int))
        sides.append([slice(side.start + int(s), side.start + int(s) + size) for s in starts])
    for row in sides[0]:
        for col in sides[1]:
            yield row, col


def fade(place: tuple[slice, slice], area: tuple[slice, slice], overlap_px: int) -> FloatArray:
    """Return how much each pixel of a tile counts: 1, falling to 0 towards its sides.

    Sides that lie on the area's own do not fall.
    """
    ramps: list[NDArray[np.float32]] = []
    for own, whole in zip(place, area, strict=True):
        length = own.stop - own.start
        ramp = np.ones(length, np.float32)
        # half a pixel, so that no pixel weighs nothing
        rise = np.clip((np.arange(length) + 0.5) / overlap_px, 0, 1).astype(np.float32)
        if own.start > whole.start:
            ramp *= rise
        if own.stop < whole.stop:
            ramp *= rise[::-1]
        ramps.append(ramp)
    return np.asarray(np.outer(*ramps), np.float32)


def prompts_in(place: tuple[slice, slice], prompts: Prompts, inside: BoolArray) -> Prompts:
    """Return the prompts in a tile; without any, a click at the object's deepest point."""
    clicks = tuple(
        c
        for c in prompts.clicks
        if place[0].start <= c.row < place[0].stop and place[1].start <= c.col < place[1].stop
    )
    if not any(click.positive for click in clicks):
        # the tile's sides count as outline, so the click stays away from them
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        row, col = np.unravel_index(int(np.argmax(depth)), inside.shape)
        clicks = (*clicks, Click(int(row) + place[0].start, int(col) + place[1].start))
    # the box is that of the whole object, and would mislead on a part
    return replace(prompts, clicks=clicks, box=None)


def _area(
    box: tuple[int, int, int, int], shape: tuple[int, int], reach: int
) -> tuple[slice, slice]:
    return (
        slice(max(0, box[0] - reach), min(shape[0], box[1] + reach)),
        slice(max(0, box[2] - reach), min(shape[1], box[3] + reach)),
    )


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
