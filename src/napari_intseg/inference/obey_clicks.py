"""Make an answer agree with the prompts: clicked pixels get their sign, whatever the model says."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click, KnownPoint, Lasso, Prompts, seed_points
from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, FloatArray, logit_of
from napari_intseg.inference.patch import Patch, on_window

REACH_PX = 8.0
"""A correction reaches so many pixels of the view from the click, at least 3 of the slice."""

# pixels of the slice: of a click's reach where the view is finer, and of the margin of a small box
_LEAST_PX = 3.0
# a disc of so many pixels changes in any case, also where the model's answer is flat
_DOT_PX = 1.5
# a probability of 98 %: sure, so that the model is guided by it next time, and yet correctable
_SURE = 4.0
# a click at this share of the mask's greatest depth, or deeper, is on its middle. With .9 two falls
# of 12 went, on 37 objects, and half of a mask stayed where an object ended: after ten clicks a
# nucleus had .87 for .92 (docs/results/volumes.md)
_MIDDLE = 0.75
# of a box's side: as far as a hand misses the object's edge
_BOX_SHARE = 0.05
# of a mask that was clicked away: what a network leaves of one is noise, and kept the planes behind
# it from being emptied; no other share was tried (docs/results/volumes.md, "Negative clicks on
# planes that a flood reached")
_REMNANT = 0.05
_TOUCHING = np.ones((3, 3), bool)


def obeyed(
    patch: Patch, clicks: Sequence[Click], threshold: float = 0.5, *, reach_px: float = REACH_PX
) -> Patch:
    """Return an answer in which the pixel under each positive click is object, each negative not.

    An answer that obeys is returned as it is. Otherwise the mask changes near the click alone: it
    grows, or shrinks, to where the model was as sure as at the click, connected with it, no farther
    than `reach_px` and not nearer to a click of the other sign. Of clicks on one pixel the last
    one counts.

    Parameters
    ----------
    patch : Patch
        A model's answer.
    clicks : sequence of Click
        In pixels of the slice, in the order they were made.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    reach_px : float
        Pixels of the slice.
    """
    wanted = _wanted(clicks, patch.shape)
    limit = logit_of(threshold)
    wrong = []
    for at, sign in wanted.items():
        if (patch.value(*at) > limit) != sign:
            wrong.append(at)
    if not wrong:
        return patch
    reach = max(_LEAST_PX, reach_px)
    # only round the patch and the wrong clicks: a whole slice may be huge
    rows, cols = _around(patch, wrong, int(np.ceil(reach)))
    logits = patch.on((rows, cols))
    origin = np.array([rows.start, cols.start])
    points = {tuple(np.array(at) - origin): sign for at, sign in wanted.items()}
    for at in wrong:
        _correct(logits, tuple(np.array(at) - origin), points, limit, reach)
    return Patch(rows.start, cols.start, logits, patch.shape)


def without_growth(patch: Patch, before: Patch, click: Click, threshold: float = 0.5) -> Patch:
    """Return an answer that holds nothing new, if a negative click was made on the background.

    It says no more than what the mask said already, and must not make it grow elsewhere. After any
    other click the answer is returned as it is.

    Parameters
    ----------
    patch, before : Patch
        The answers after and before the click, on the same slice.
    click : Click
        The last one.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    """
    limit = logit_of(threshold)
    at = next(iter(_wanted([click], patch.shape)))
    if click.positive or before.value(*at) > limit or not patch.logits.size:
        return patch
    old = before.on(patch.slices)
    grown = (patch.logits > limit) & (old <= limit)
    if not grown.any():
        return patch
    # old logits, not the limit: what was certain background stays so
    return Patch(patch.row0, patch.col0, np.where(grown, old, patch.logits), patch.shape)


def within_box(patch: Patch, prompts: Prompts, threshold: float = 0.5) -> Patch:
    """Return an answer without what lies outside the box round the object.

    The box gives way to a positive click or scribble outside it: then the answer is returned as it
    is, as it is without a box.

    Parameters
    ----------
    patch : Patch
        A model's answer.
    prompts : Prompts
        In pixels of the slice. A margin round the box of `_BOX_SHARE` of its sides, at least
        `_LEAST_PX`, is left, since boxes are drawn by hand.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    """
    box = prompts.box
    if box is None or not patch.logits.size:
        return patch
    spans = []
    for first, last in ((box.row0, box.row1), (box.col0, box.col1)):
        margin = max(_LEAST_PX, _BOX_SHARE * (last - first))
        spans.append((first - margin, last + margin))
    for (row, col), positive in seed_points(prompts):
        inside = spans[0][0] <= row <= spans[0][1] and spans[1][0] <= col <= spans[1][1]
        if positive and not inside:
            return patch
    rows, cols = (np.arange(span.start, span.stop) for span in patch.slices)
    outside = (rows < spans[0][0]) | (rows > spans[0][1])
    outside = outside[:, None] | ((cols < spans[1][0]) | (cols > spans[1][1]))
    wrong = outside & patch.inside(threshold)
    if not wrong.any():
        return patch
    # as sure as a click that is obeyed, so that the next answer is guided by it
    off = np.float32(logit_of(threshold) - _SURE)
    return Patch(patch.row0, patch.col0, np.where(wrong, off, patch.logits), patch.shape)


def begun_by_lassos(
    prompts: Prompts, initial: Patch | None, shape: tuple[int, int]
) -> tuple[Prompts, Patch | None]:
    """Return a question with each lasso as a click where it is deepest, and a mask to begin with.

    On GrabCut's objects, lassoed with a gap, this reaches IoU .926, the box round the lasso .850
    (docs/results.md).

    Parameters
    ----------
    prompts : Prompts
        In pixels of the slice.
    initial : Patch or None
        The mask before; the inside of positive lassos comes to it, that of negative ones goes.
    shape : (int, int)
        ``(H, W)`` of the slice.
    """
    clicks = []
    for lasso in prompts.lassos:
        rows, cols, inside = _filled(lasso, shape)
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        row, col = np.unravel_index(int(depth.argmax()), inside.shape)
        clicks.append(Click(float(rows.start + row), float(cols.start + col), lasso.positive))
        if initial is None and not lasso.positive:
            # there is nothing yet that it could take away
            continue
        begun = initial or Patch.empty(shape)
        logits = begun.on((rows, cols))
        logits[inside] = LOGIT_LIMIT if lasso.positive else -LOGIT_LIMIT
        initial = Patch(rows.start, cols.start, logits, shape).over(begun)
    # clicks are the latest word
    return replace(prompts, clicks=(*clicks, *prompts.clicks)), initial


def without_lassoed(patch: Patch, prompts: Prompts, threshold: float = 0.5) -> Patch:
    """Return an answer without what lies in a negative lasso, as far as no positive one is newer.

    A negative lasso gives way to a positive click or scribble in it: then it is left out.
    """
    positive = [point for point, sign in seed_points(prompts) if sign]
    for number, lasso in enumerate(prompts.lassos):
        if lasso.positive or not patch.logits.size:
            continue
        rows, cols, inside = _filled(lasso, patch.shape)
        pixels = [(round(row) - rows.start, round(col) - cols.start) for row, col in positive]
        height, width = inside.shape
        if any(0 <= r < height and 0 <= c < width and inside[r, c] for r, c in pixels):
            continue
        wrong = on_window(inside, (rows, cols), patch.slices, False)
        for newer in prompts.lassos[number + 1 :]:
            if newer.positive:
                *window, kept = _filled(newer, patch.shape)
                wrong &= ~on_window(kept, (window[0], window[1]), patch.slices, False)
        wrong &= patch.inside(threshold)
        if wrong.any():
            off = np.float32(logit_of(threshold) - _SURE)
            patch = replace(patch, logits=np.where(wrong, off, patch.logits))
    return patch


def _filled(lasso: Lasso, shape: tuple[int, int]) -> tuple[slice, slice, BoolArray]:
    """Return rows and columns of a slice round a lasso, and which of these pixels are inside."""
    # slow to import, and few draw lassos
    from skimage.draw import polygon

    low, high = np.min(lasso.points, axis=0), np.max(lasso.points, axis=0)
    first = np.clip(np.floor(low), 0, np.subtract(shape, 1)).astype(int)
    stop = np.clip(np.ceil(high), first, np.subtract(shape, 1)).astype(int) + 1
    inside = np.zeros(stop - first, bool)
    rows, cols = (np.array(lasso.points) - first).T
    inside[polygon(rows, cols, inside.shape)] = True  # type: ignore[no-untyped-call]
    if not inside.any():
        # it is thinner than a pixel
        inside[tuple(np.rint([rows.mean(), cols.mean()]).astype(int))] = True
    return slice(first[0], stop[0]), slice(first[1], stop[1]), inside


def steady_point(prompts: Prompts, before: Patch, threshold: float = 0.5) -> Click | None:
    """Return a positive click on what stays of a mask when a part of it is clicked away.

    Whoever means that all of a mask is wrong clicks on its middle; a negative click nearer to its
    outline is about a part. The point is that of the mask which is farthest from both its outline
    and the negative clicks.

    Parameters
    ----------
    prompts : Prompts
        All that was given on the slice; the last click counts as the new one.
    before : Patch
        The answer before it.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.

    Returns
    -------
    Click or None
        None if something else says where the object is, or the last click is not about a part.
    """
    clicks = prompts.clicks
    if not clicks or prompts.has_positive:
        return None
    # the edge of the patch counts as outline, too
    mask = np.pad(before.inside(threshold), 1)
    if not mask.any():
        return None
    row, col = next(iter(_wanted(clicks[-1:], before.shape)))
    at = row - before.row0 + 1, col - before.col0 + 1
    if not all(0 <= a < n for a, n in zip(at, mask.shape, strict=True)) or not mask[at]:
        return None
    depth = ndimage.distance_transform_edt(mask)
    if depth[at] > _MIDDLE * depth.max():
        return None
    grid = np.ogrid[: mask.shape[0], : mask.shape[1]]
    for r, c in _wanted(clicks, before.shape):
        away = np.hypot(grid[0] - (r - before.row0 + 1), grid[1] - (c - before.col0 + 1))
        depth = np.minimum(depth, away)
    best = np.unravel_index(int(depth.argmax()), depth.shape)
    return Click(int(best[0]) + before.row0 - 1, int(best[1]) + before.col0 - 1)


def known_point(
    known: KnownPoint | None, prompts: Prompts, before: Patch, threshold: float
) -> Click | None:
    """Return where the object is said to be by a click nearby, if all of a mask is clicked away.

    Parameters
    ----------
    known : KnownPoint or None
        From `guidance.clicked_nearby`.
    prompts : Prompts
        All that was given on the slice. A second click that takes away the rest means it.
    before : Patch
        The answer before the last click. It has to hold the point.
    threshold : float
        Probability above which a pixel belongs to the object.
    """
    if known is None or len(prompts.clicks) != 1:
        return None
    at = next(iter(_wanted([known.click], before.shape)))
    return known.click if before.value(*at) > logit_of(threshold) else None


def without_remnant(
    patch: Patch, before: Patch, threshold: float, known: KnownPoint | None = None
) -> Patch:
    """Return an answer without the few pixels that are left of a mask that was clicked away.

    Those of an object that is `known` on another plane are few for one that goes on to here.
    """
    left, old = (np.count_nonzero(one.inside(threshold)) for one in (patch, before))
    least = max(_REMNANT * old, 0 if known is None else known.least_px)
    return Patch.empty(patch.shape) if left < least else patch


def without_part(before: Patch, point: Click, clicks: Sequence[Click], threshold: float) -> Patch:
    """Return a mask less what lies nearer to a negative click than to a point that stays.

    For a model that knows no such mask itself, see `steady_point`: a part that is clicked away
    must not cost the rest.

    Parameters
    ----------
    before : Patch
        The mask.
    point : Click
        On what stays.
    clicks : sequence of Click
        All negative.
    threshold : float
        Probability above which a pixel belongs to the object.
    """
    rows, cols = (np.arange(s.start, s.stop) for s in before.slices)
    row, col = rows[:, None], cols[None, :]
    own = np.hypot(row - point.row, col - point.col)
    gone = np.zeros(before.logits.shape, bool)
    for click in clicks:
        gone |= np.hypot(row - click.row, col - click.col) < own
    logits = before.logits
    gone &= logits > logit_of(threshold)
    return Patch(before.row0, before.col0, np.where(gone, np.float32(-_SURE), logits), before.shape)


def _wanted(clicks: Sequence[Click], shape: tuple[int, int]) -> dict[tuple[int, int], bool]:
    """Return the sign that each clicked pixel has; the last click on it counts."""
    signs = {}
    for click in clicks:
        row = min(max(round(click.row), 0), shape[0] - 1)
        signs[row, min(max(round(click.col), 0), shape[1] - 1)] = click.positive
    return signs


def _around(patch: Patch, points: list[tuple[int, int]], reach: int) -> tuple[slice, slice]:
    """Return the rows and columns of a patch and of what lies round some points."""
    found = []
    for axis, (size, span) in enumerate(zip(patch.shape, patch.slices, strict=True)):
        first = min(point[axis] for point in points) - reach
        last = max(point[axis] for point in points) + reach + 1
        if patch.logits.size:
            first, last = min(first, span.start), max(last, span.stop)
        found.append(slice(max(0, first), min(size, last)))
    return found[0], found[1]


def _correct(
    logits: FloatArray,
    at: tuple[int, ...],
    points: dict[tuple[int, ...], bool],
    limit: float,
    reach: float,
) -> None:
    """Change the sign of the logits at a point and near it, in place."""
    sign = points[at]
    whole = int(np.ceil(reach))
    window = tuple(
        slice(max(0, a - whole), min(n, a + whole + 1))
        for a, n in zip(at, logits.shape, strict=True)
    )
    part = logits[window]
    grid = np.ogrid[window]
    away = np.hypot(*(g - a for g, a in zip(grid, at, strict=True)))
    own = away <= reach
    for other, its_sign in points.items():
        if its_sign != sign and np.hypot(*np.subtract(other, at)) <= 2 * reach:
            # half way to a click of the other sign, so that neither undoes the other
            own &= away < np.hypot(*(g - a for g, a in zip(grid, other, strict=True)))
    here = float(logits[at])
    alike = part > here if sign else part < here
    alike |= away <= _DOT_PX
    regions, _ = ndimage.label(alike & own, _TOUCHING)
    # connected with the click: what is alike elsewhere is not meant by it
    inside = regions == regions[tuple(a - w.start for a, w in zip(at, window, strict=True))]
    is_wrong = inside & ((part > limit) != sign)
    part[is_wrong] = limit + (_SURE if sign else -_SURE)
