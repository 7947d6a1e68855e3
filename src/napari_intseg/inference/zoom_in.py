"""Which view a model gets, from the clicks and its previous answer: a pure function."""

from dataclasses import dataclass, replace

import numpy as np

from napari_intseg.core.prompts import Prompts, seed_points
from napari_intseg.core.segmenter import ZoomIn
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.view import View, longer_side

Box = tuple[int, int, int, int]

# a slice up to this side is seen whole: see `overview`
_MOST_PX = 4096
# the least side of a narrower view: fewer pixels show nothing round an object
_LEAST_PX = 32
# the least crop after a narrower first view, as a multiple of that view. With 1, small 16-bit
# nuclei and cell walls lost (IoU after three clicks .859 to .799, after five .755 to .710); without
# such a bound, organs (.858 to .790).
_LEAST_OF_VIEW = 1.5
TINY_PX = 58
"""Slices up to this side are enlarged less; see `ZoomIn.coarser`. Of those of 60 to 128 px some
gained and some lost (docs/results.md)."""

# an object that is known is enlarged until it has so many pixels of the view along a side, and so
# many times in any case. Measured with 64, 80 and 96 px on slices of 35 to 100 px; with 64 cords of
# 10 px lose (docs/results.md)
_KNOWN_PX, _ENLARGED = 96.0, 4.0
# sides of such views are multiples of it: the encoder's stride is 32
_STEP_PX = 64


@dataclass(frozen=True, slots=True)
class Look:
    """What to look at now, and which crop to remember.

    Parameters
    ----------
    seen : View
        What the model gets.
    kept : View or None
        The crop held from click to click; None while there is none yet.
    """

    seen: View
    kept: View | None


def look(
    zoom: ZoomIn,
    shape: tuple[int, int],
    prompts: Prompts,
    prev: Patch | None,
    kept: View | None,
) -> Look:
    """Choose the view of the next prediction by the rule of RITM [1]_.

    Parameters
    ----------
    zoom : ZoomIn
        The settings.
    shape : (int, int)
        ``(H, W)`` of the slice.
    prompts : Prompts
        On the slice, all that have been given. With none at all the previous answer alone
        says where to look, whatever `skip_clicks` is.
    prev : Patch or None
        The previous answer, or an initial mask.
    kept : View or None
        `Look.kept` of the previous choice.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """
    if 0 < len(prompts.clicks) <= zoom.skip_clicks:
        return Look(overview(shape, prompts, prev), kept)
    if zoom.narrower and kept is not None:
        # of a small slice, the least crop would be all of it again
        least = round(_LEAST_OF_VIEW * max(kept.box_shape))
        zoom = replace(zoom, min_crop_size=min(zoom.min_crop_size, least))
    box = propose(zoom, shape, prompts, prev)
    known = None if prev is None or zoom.coarser is None else prev.box(zoom.threshold)
    if known is not None:
        side = ((known[1] - known[0]) * (known[3] - known[2])) ** 0.5
        zoom = replace(zoom, coarser=max(_ENLARGED, _KNOWN_PX / side))
    if box is None:
        whole = overview(shape, prompts, prev)
        if zoom.skip_clicks >= 0:
            return Look(whole, kept)
        box = whole.box
    if kept is None or not zoom.keep_crop or _is_outdated(zoom, kept.box, box, prompts):
        kept = View(*box, target_shape(zoom, box, shape), shape)
    if zoom.fine_size is not None:
        if len(prompts.clicks) >= zoom.fine_clicks:
            zoom = replace(zoom, target_size=zoom.fine_size)
        # the same crop, seen larger or smaller: a finer view is no reason to lose it
        kept = View(*kept.box, target_shape(zoom, kept.box, shape), shape)
    return Look(kept, kept)


def first_views(
    zoom: ZoomIn, shape: tuple[int, int], prompts: Prompts, prev: Patch | None
) -> tuple[View, ...]:
    """Return the narrower views of a first question, widest first; see `ZoomIn.narrower`.

    None once there is an answer or a box, which say more of how large the object is, nor where a
    window would leave out something that is known to be the object.
    """
    if not zoom.narrower or propose(zoom, shape, prompts, prev) is not None:
        return ()
    known = _known(prompts, shape, None)
    if zoom.skip_clicks >= 0 or known is None:
        return ()
    row0, row1, col0, col1 = known
    whole = overview(shape, prompts, prev).box
    views = []
    for share in zoom.narrower:
        box = (
            *_part(share, (row0, row1), whole[:2]),
            *_part(share, (col0, col1), whole[2:]),
        )
        holds_rows = box[0] <= row0 and row1 <= box[1]
        if box != whole and holds_rows and box[2] <= col0 and col1 <= box[3]:
            views.append(View(*box, target_shape(zoom, box, shape), shape))
    return tuple(views)


def _part(share: float, known: tuple[int, int], span: tuple[int, int]) -> tuple[int, int]:
    """Return a share of a span round the middle of what is known, moved to lie inside it."""
    length = span[1] - span[0]
    size = min(length, max(_LEAST_PX, round(share * length)))
    start = round((known[0] + known[1] - 1) / 2 - size / 2)
    start = min(max(span[0], start), span[1] - size)
    return start, start + size


def overview(shape: tuple[int, int], prompts: Prompts, prev: Patch | None) -> View:
    """Return the view of a whole slice, or of a window of one too large to be seen as a whole.

    Slices up to 4096 pixels a side are seen whole. Of a larger one nobody could tell what a click
    is about from a picture of some hundred pixels, and all of it would have to be read: so the view
    is a window of 4096 round what is known of the object, or larger if that is. It moves by
    quarters, so that clicks near each other share it.
    """
    if is_seen_whole(shape):
        return View.whole(shape)
    known = _known(prompts, shape, None if prev is None else prev.box())
    if known is None:
        return View.whole(shape)
    box = (*_window(known[:2], shape[0]), *_window(known[2:], shape[1]))
    return View(*box, (box[1] - box[0], box[3] - box[2]), shape)


def is_seen_whole(shape: tuple[int, int]) -> bool:
    """Whether a slice is small enough to be seen as a whole; see `overview`."""
    return max(shape) <= _MOST_PX


def _window(known: tuple[int, int], length: int) -> tuple[int, int]:
    first, stop = known
    # as much larger than the object as RITM's crops (`ZoomIn.expansion`)
    size = min(length, max(_MOST_PX, round(1.4 * (stop - first))))
    # quarters: a click beside the last one finds the window, and what was prepared of it, again
    quarter = _MOST_PX // 4
    start = round(((first + stop - 1) / 2 - size / 2) / quarter) * quarter
    start = min(max(0, start), length - size)
    return start, start + size


def is_too_small(zoom: ZoomIn, patch: Patch) -> bool:
    """Return whether a first answer on the whole slice is so small that zooming in pays."""
    if zoom.skip_clicks > 0:
        return False
    box = propose(zoom, patch.shape, Prompts(), patch)
    # one half is RITM's own constant, whatever `recompute_iou` is
    return box is not None and interval_iou(box, overview(patch.shape, Prompts(), patch).box) < 0.5


def propose(
    zoom: ZoomIn, shape: tuple[int, int], prompts: Prompts, prev: Patch | None
) -> Box | None:
    """Return the crop round the previous answer and all positive prompts, half-open.

    None when there is neither a previous answer with a pixel in it nor a box.
    """
    found = None if prev is None else prev.box(zoom.threshold)
    if found is None and prompts.box is None:
        return None
    known = _known(prompts, shape, found)
    assert known is not None
    return (*_expand(zoom, known[:2], shape[0]), *_expand(zoom, known[2:], shape[1]))


def target_shape(zoom: ZoomIn, box: Box, of: tuple[int, int]) -> tuple[int, int]:
    """Return the size in which a crop of a slice, ``(H, W)`` as `of`, is given to the model."""
    shape = box[1] - box[0], box[3] - box[2]
    if zoom.target_size is None:
        return shape
    if isinstance(zoom.target_size, int):
        size = zoom.target_size
        if zoom.coarser is not None and max(of) <= TINY_PX:
            # more is nothing but blur, and a small object fills the view as few did in training; in
            # steps, so that an object that grows a little finds its view prepared
            size = min(size, max(1, round(zoom.coarser * max(shape) / _STEP_PX)) * _STEP_PX)
        return longer_side(shape, size)
    return zoom.target_size


def interval_iou(first: Box, second: Box) -> float:
    """Return the product of the overlaps of rows and of columns: common over joint length."""
    product = 1.0
    for a, b in ((0, 1), (2, 3)):
        common = min(first[b], second[b]) - max(first[a], second[a])
        joint = max(first[b], second[b]) - min(first[a], second[a])
        product *= max(0, common) / joint
    return product


def _expand(zoom: ZoomIn, known: tuple[int, int], length: int) -> tuple[int, int]:
    first, stop = known
    size = max(zoom.expansion * (stop - first), zoom.min_crop_size)
    centre = (first + stop - 1) / 2
    # rounded as in the published code, so that crops equal its crops
    start, end = round(centre - size / 2), round(centre + size / 2)
    return max(0, start), min(length - 1, end) + 1


def _is_outdated(zoom: ZoomIn, kept: Box, box: Box, prompts: Prompts) -> bool:
    row0, row1, col0, col1 = kept
    for click in prompts.clicks:
        # the last row and column count as outside, as published
        if click.positive and not (row0 <= click.row < row1 - 1 and col0 <= click.col < col1 - 1):
            return True
    return interval_iou(box, kept) < zoom.recompute_iou


def _known(prompts: Prompts, shape: tuple[int, int], found: Box | None) -> Box | None:
    """Return the box round all that is known of the object, half-open; None if nothing is.

    That is the box of a mask, and the pixels of the slice at or nearest to positive prompts.
    """
    points = []
    for point, is_positive in seed_points(prompts):
        if is_positive:
            points.append(point)
    if prompts.box is not None:
        box = prompts.box
        points += [(box.row0, box.col0), (box.row1, box.col1)]
    if not points:
        return found
    pixels = np.clip(points, 0, np.subtract(shape, 1)).astype(int)
    (row0, col0), (row1, col1) = pixels.min(axis=0).tolist(), (pixels.max(axis=0) + 1).tolist()
    if found is None:
        return row0, row1, col0, col1
    return min(row0, found[0]), max(row1, found[1]), min(col0, found[2]), max(col1, found[3])
