"""What a model is asked away from the clicks: the next plane, planes across, or by its memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Box, Click, KnownPoint, Prompts
from napari_intseg.core.segmenter import (
    Array,
    BoolArray,
    FloatArray,
    MemorySegmenter,
    Traits,
    bounding_box,
    mask_to_logits,
)
from napari_intseg.core.volume import Plane
from napari_intseg.inference.intensity import Intensity, holds_hounsfield
from napari_intseg.inference.memory_ladder import memory_note, within_memory
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, largest_view_px, predict_slice
from napari_intseg.inference.slice_appearance import SliceAppearance
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.inference.view import View
from napari_intseg.propagation.ending import CrossSection, depth_in, distance_to, overlap
from napari_intseg.propagation.guard import is_flood
from napari_intseg.propagation.request import Walk, with_memory
from napari_intseg.propagation.restraint import has_gaps

# a model that takes no mask gets a click in each of so many parts, the largest ones
_MAX_PARTS = 3
# share of the largest part's area: smaller parts get no click
_SMALL_PART = 0.1
# negative clicks round a mask, one every 45 degrees
_AROUND = 8
# share of the radius: sections no farther apart are still much the same
_NEAR = 0.5
# share of the radius: a negative click no farther from the positive one is about the same place;
# other shares were not tried
_APART = 0.25
# negative clicks that are asked along on other planes: with the one on the mask, fewer than the
# four from which a view is drawn finer
_MOST_NEGATIVE = 2
# what is seen of a plane across, in both directions: so many times the object's extent on its own
# plane. An object as long as it is wide ends well within; a long one is walked on from there.
_SEEN = 2.0
# and at least so much, since a network needs some surroundings
_LEAST_SEEN_PX = 16
# with thicker planes what is seen across has steps and no shape
_MOST_UNEVEN = 3.0
# an answer that overlaps less with the mask on the plane they share is about something else
_SURE = 0.5


def guidance(mask: BoolArray, traits: Traits) -> tuple[Prompts, Patch | None]:
    """Turn the neighbour's mask into what a model understands.

    Models that take a mask get it, and a click at its deepest point, the pixel farthest from the
    outline, as people and the robot user of the benchmarks click [1]_. The others get a click in
    each large part. Models that take boxes get the mask's box, unless it would bind them while the
    object grows; those that take neither box nor mask get negative clicks around it. Models that
    need extreme points get those of the mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Of the neighbour; holds at least one pixel.
    traits : Traits
        Of the model.

    Returns
    -------
    Prompts
        In pixels of the slice.
    Patch or None
        The mask to start from, for models that take one.

    References
    ----------
    .. [1] Xu, N. et al. "Deep interactive object selection", CVPR 2016, arXiv:1603.04042.
    """
    if "extreme_points" in traits.needs:
        return Prompts(_extreme_points(mask)), None
    row0, row1, col0, col1 = box_of(mask)
    inside = mask[row0:row1, col0:col1]
    takes_mask = traits.uses_prev or "mask" in traits.prompts
    clicks: list[Click] = []
    if "click" in traits.prompts:
        parts = _parts(inside, 1 if takes_mask else _MAX_PARTS)
        clicks = [_shifted(deepest(part), row0, col0) for part in parts]
    box = None
    if "box" in traits.prompts - traits.enforced:
        box = Box(row0, col0, row1 - 1, col1 - 1)
    elif not takes_mask and "click" in traits.prompts:
        clicks += _around(mask)
    if not takes_mask:
        return Prompts(tuple(clicks), box), None
    shape = int(mask.shape[0]), int(mask.shape[1])
    return Prompts(tuple(clicks), box), Patch(row0, col0, mask_to_logits(inside), shape)


def beyond_reach(
    negatives: Sequence[Click], mask: BoolArray, reach_mm: float, spacing: tuple[float, float]
) -> tuple[Click, ...]:
    """Return the negative clicks to ask along on the next plane: where the object cannot come to.

    A model that floods from the next mask again is told so where the outline could not move to
    anyway, so nothing is lost where the object moves.

    Parameters
    ----------
    negatives : sequence of Click
        Of the clicked plane that a walk started from.
    mask : ndarray of bool, shape (H, W)
        Of the neighbour, not empty.
    reach_mm : float
        How far the outline may move from there.
    spacing : (float, float)
        Between rows and between columns, mm.
    """
    if not negatives:
        return ()
    rows, cols = np.nonzero(mask)
    away = [
        float(np.hypot((rows - one.row) * spacing[0], (cols - one.col) * spacing[1]).min())
        for one in negatives
    ]
    order = sorted(range(len(away)), key=lambda i: away[i])
    return tuple(negatives[i] for i in order if away[i] > reach_mm)[:_MOST_NEGATIVE]


def start_of(
    near: Mapping[int, BoolArray],
    index: int,
    click: Click,
    *,
    step_mm: float,
    spacing: tuple[float, float],
) -> Patch | None:
    """Return the mask that a first click on a plane starts from: that of a plane nearby, or None.

    Alone, a click on a slice may flood it, although the object is known on the next plane.

    Parameters
    ----------
    near : mapping of int to ndarray of bool, shape (H, W)
        The object's masks on other planes, by index.
    index : int
        Of the plane that was clicked on.
    click : Click
        On the object, within or beside what the mask can have become on the way.
    step_mm : float
        Between neighbouring planes.
    spacing : (float, float)
        Between rows and between columns, mm.
    """
    for other in sorted(near, key=lambda i: abs(i - index)):
        mask, away = near[other], abs(other - index) * step_mm
        radius = _radius_mm(mask, spacing)
        if not radius or is_flood(mask) or away > _NEAR * radius:
            continue
        # an outline is not known better than 1.5 pixels, as in `restraint`
        slack = 1.5 * (spacing[0] + spacing[1]) / 2
        if distance_to(mask, spacing)[pixel_of(click, mask.shape)] <= away + slack:
            return Patch.from_mask(mask)
    return None


def clicked_nearby(
    near: Mapping[int, Sequence[Click]],
    own: tuple[int, BoolArray],
    click: Click,
    *,
    step_mm: float,
    spacing: tuple[float, float],
) -> KnownPoint | None:
    """Return where a positive click nearby says that the object is, on a plane that was flooded.

    A negative click on the middle of a propagated mask may say that the object is absent, or that
    the mask is a flood with the object somewhere in it. It is the latter where the object, asked
    from that point, is as wide as it is far from the positive click.

    Parameters
    ----------
    near : mapping of int to sequence of Click
        What was clicked on other planes, by index.
    own : (int, ndarray of bool, shape (H, W))
        Index of the plane that was clicked on, and the mask there.
    click : Click
        On it, negative.
    step_mm : float
        Between neighbouring planes.
    spacing : (float, float)
        Between rows and between columns, mm.

    Returns
    -------
    KnownPoint or None
        From the nearest plane with a positive click on the mask, that which is farthest from the
        negative one; None if both are about the same place.
    """
    index, mask = own

    def away_mm(one: Click) -> float:
        return float(
            np.hypot(*((one.row - click.row) * spacing[0], (one.col - click.col) * spacing[1]))
        )

    for other in sorted(near, key=lambda i: abs(i - index)):
        points = [one for one in near[other] if one.positive and mask[pixel_of(one, mask.shape)]]
        if points:
            best, along_mm = max(points, key=away_mm), abs(other - index) * step_mm
            if away_mm(best) <= _APART * _radius_mm(mask, spacing):
                return None
            return KnownPoint(best, round(np.pi * along_mm**2 / (spacing[0] * spacing[1])))
    return None


def pixel_of(click: Click, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the pixel of a slice that a click is on, or the nearest one."""
    row, col = (
        int(np.clip(round(v), 0, n - 1)) for v, n in zip((click.row, click.col), shape, strict=True)
    )
    return row, col


def _radius_mm(mask: BoolArray, spacing: tuple[float, float]) -> float:
    """Return the radius of a disc of a mask's area."""
    return float(np.sqrt(np.count_nonzero(mask) * spacing[0] * spacing[1] / np.pi))


def deepest(mask: BoolArray) -> tuple[int, int]:
    """Return the pixel of a mask that is farthest from its outline; the array's rim is outline."""
    depth = depth_in(mask)
    row, col = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return int(row), int(col)


def cross_sections(
    request: Walk, options: Options, axis: int, known: tuple[int, BoolArray]
) -> tuple[CrossSection, ...]:
    """Return what a model says on the two planes across through an object's deepest point.

    A click there tells the length of an object as well as one on its own plane tells its width.

    Parameters
    ----------
    request : Walk
        Model and data.
    options : Options
        How slices are shown.
    axis : int
        Of the planes that are walked through.
    known : (int, ndarray of bool, shape (H, W))
        Index of such a plane and the object's mask on it, not empty.

    Returns
    -------
    tuple of CrossSection
        Those that agree with the known mask on the line they share with it. None of a model that
        is not good at it, see `Traits.across`, where planes are far apart, and in Hounsfield units.
    """
    volume, traits = request.volume, request.model.traits
    step_mm, spacing = float(volume.spacing[axis]), volume.slice_spacing(axis)
    is_uneven = max(step_mm / s for s in spacing) > _MOST_UNEVEN
    # organs of CT are long and bent: of seven that were corrected, an aorta lost .14 at the second
    # click and a kidney .03, and none gained as much (docs/results.md)
    if is_uneven or not traits.across or holds_hounsfield(volume):
        return ()
    index, mask = known
    point = deepest(mask)
    row0, row1, col0, col1 = box_of(mask)
    reach_mm = _SEEN * max((row1 - row0) * spacing[0], (col1 - col0) * spacing[1])
    # no plane is read that is not to be answered
    first = min(index, *(stretch.first for stretch in request.stretches))
    last = max(index, *(stretch.last for stretch in request.stretches))
    planes = _seen(index, reach_mm, step_mm, (first, last + 1))
    found = []
    # narrower views, which find small objects, are of no use in a window round the object
    asked = replace(options, narrower=False)
    for side, across in enumerate(other for other in range(3) if other != axis):
        line = mask[point[0]] if side == 0 else mask[:, point[1]]
        at = point[1 - side]
        pixels = _seen(at, reach_mm, spacing[1 - side], (0, len(line)))
        answer = _answer_across(request, asked, Plane(across, point[side]), (axis, planes, pixels),
                                (index - planes.start, at - pixels.start))  # fmt: skip
        own, said = line[pixels], answer[index - planes.start]
        if overlap(said, own) >= _SURE:
            share = int(np.count_nonzero(own & said)) / int(np.count_nonzero(own))
            found.append(CrossSection(side, point[side], planes.start, pixels.start, answer, share))
    return tuple(found)


def _seen(middle: int, reach_mm: float, spacing: float, limits: tuple[int, int]) -> slice:
    reach = max(_LEAST_SEEN_PX, int(np.ceil(reach_mm / spacing)))
    return slice(max(limits[0], middle - reach), min(limits[1], middle + reach + 1))


def _answer_across(
    request: Walk,
    options: Options,
    plane: Plane,
    window: tuple[int, slice, slice],
    click: tuple[int, int],
) -> BoolArray:
    """Return the answer to a click in a window of a plane across, (planes, pixels)."""
    axis, planes, pixels = window
    # in the order of the axes of the slice
    is_first = axis < 3 - axis - plane.axis
    rows, cols = (planes, pixels) if is_first else (pixels, planes)
    shape = rows.stop - rows.start, cols.stop - cols.start

    def read(of_rows: slice, of_cols: slice) -> Array:
        return reader(_within(of_rows, rows), _within(of_cols, cols))

    reader = SliceReader(request.volume, plane, request.context)
    ask = partial(
        predict_slice, request.model, read, shape,
        Prompts((Click(*(click if is_first else click[::-1])),)), options,
    )  # fmt: skip
    seen_px = partial(largest_view_px, request.model, shape, options)
    answer = within_memory(request.model, ask, store=request.prepared, seen_px=seen_px)
    mask = answer.patch.mask(request.model.traits.threshold)
    return mask if is_first else mask.T


def _within(part: slice, whole: slice) -> slice:
    # as with an array, what lies beyond its end is left out
    return slice(whole.start + part.start, min(whole.start + part.stop, whole.stop), part.step)


def _extreme_points(mask: BoolArray) -> tuple[Click, ...]:
    """Return the topmost, bottommost, leftmost and rightmost pixel, the middle one of several."""
    rows, cols = np.nonzero(mask)
    found = []
    for along, across in ((rows, cols), (cols, rows)):
        for end in (along.min(), along.max()):
            ties = np.flatnonzero(along == end)
            # the middle one, since ends of a straight edge are corners and belong to two sides
            at = ties[np.argsort(across[ties])[len(ties) // 2]]
            found.append(Click(int(rows[at]), int(cols[at])))
    return tuple(found)


def _parts(mask: BoolArray, most: int) -> list[BoolArray]:
    """Return so many connected parts, the largest first, without the small ones."""
    if _is_column(mask):
        return [mask]
    numbered, count = ndimage.label(mask, np.ones((3, 3)))
    if count == 1:
        return [mask]
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    # the same order on every machine where parts are equally large
    order = np.argsort(-sizes, kind="stable")[:most]
    return [numbered == i + 1 for i in order if sizes[i] >= _SMALL_PART * sizes.max()]


def _is_column(mask: BoolArray) -> bool:
    """Whether each row is one run that touches the next one: then there is one part."""
    if not mask.any(axis=1).all() or has_gaps(mask):
        return False
    first, last = mask.argmax(axis=1), mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return bool(((first[1:] <= last[:-1] + 1) & (last[1:] >= first[:-1] - 1)).all())


def _around(mask: BoolArray) -> list[Click]:
    """Return negative clicks in all directions, well outside the mask but near it."""
    row0, row1, col0, col1 = box_of(mask)
    centre = (row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2
    # a few pixels for small objects, a share of the side for large ones
    margin = 4 + 0.15 * max(row1 - row0, col1 - col0)
    # half a side times the root of 2: the ellipse then goes round the corners of the box
    radii = (row1 - row0) / np.sqrt(2) + margin, (col1 - col0) / np.sqrt(2) + margin
    clicks = []
    for angle in np.arange(_AROUND) * 2 * np.pi / _AROUND:
        row = round(centre[0] + radii[0] * float(np.sin(angle)))
        col = round(centre[1] + radii[1] * float(np.cos(angle)))
        if 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1] and not mask[row, col]:
            clicks.append(Click(row, col, positive=False))
    return clicks


def box_of(mask: BoolArray) -> tuple[int, int, int, int]:
    """Return the box of a mask that is not empty, half-open: first and last row, then column."""
    box = bounding_box(mask)
    assert box is not None
    return box


def _shifted(point: tuple[int, int], row0: int, col0: int) -> Click:
    return Click(point[0] + row0, point[1] + col0)


def follow(
    request: Walk,
    options: Options,
    axis: int,
    known: tuple[int, BoolArray],
    indices: Sequence[int],
) -> Iterator[tuple[Patch, str]]:
    """Yield a model's answers on planes in their order, and what to tell people of each.

    Where memory runs out, the model gives something up and goes on after its last answer, which
    together with the known mask is then what it remembers.

    Parameters
    ----------
    request : Walk
        Model and data.
    options : Options
        How slices become grey.
    axis : int
        Of the planes.
    known : (int, ndarray of bool, shape (H, W))
        Index of a plane and the object's mask on it.
    indices : sequence of int
        Planes in walking order, beginning next to the known one.

    Raises
    ------
    PromptError
        If the model has no memory to follow by.
    DeviceError
        If there is no room for a plane whatever is given up.
    """
    model, shape = with_memory(request.model), request.volume.slice_shape(axis)
    threshold = request.model.traits.threshold

    def seeing(index: int, intensity: Intensity) -> SliceAppearance:
        reader = SliceReader(request.volume, Plane(axis, index), request.context)
        return SliceAppearance(reader, shape, intensity, options.denoise)

    # the window for the tissue is found once, on the known plane: a model that compares planes by
    # memory needs them shown alike
    seen = seeing(known[0], options.intensity).shown(guide=Patch.from_mask(known[1]))

    def read(index: int) -> FloatArray:
        own = seeing(index, options.intensity)
        shown = own.shown() if options.intensity.adapts == "slice" else seen
        return own.view(View.whole(shape), shown)

    masks, left = dict([known]), list(indices)
    walked: Iterator[tuple[int, FloatArray]] | None = None

    def step() -> FloatArray:
        nonlocal walked
        try:
            # begun anew after an error, since a generator that raised is at its end
            if walked is None:
                walked = _begun(model, read, masks, left)
            return next(walked)[1]
        except BaseException:
            # it has ended with the error
            walked = None
            raise

    while left:
        logits = within_memory(request.model, step)
        patch = Patch(0, 0, logits, shape)
        # the known mask and the last answer are what a walk that begins anew remembers
        masks = {**dict([known]), left.pop(0): patch.mask(threshold)}
        yield patch, memory_note(request.model)


def _begun(
    model: MemorySegmenter,
    read: Callable[[int], FloatArray],
    masks: Mapping[int, BoolArray],
    left: Sequence[int],
) -> Iterator[tuple[int, FloatArray]]:
    """Return a model's walk through the planes that are left."""
    if len(masks) == 1:
        return model.follow(read, tuple(left), masks=masks)
    last = list(masks)[-1]
    walked = model.follow(read, [last, *left], masks=masks)
    # the last answer, which goes along for the direction
    next(walked)
    return walked
