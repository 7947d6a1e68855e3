"""Which pixels an object may have: every mask is written by `settle`, which checks the rules.

Outlines are smoothed as masks are put in place; where objects compete, each pixel goes to the
surest.

References
----------
.. [1] Agustsson, E., Uijlings, J. R. R., Ferrari, V. "Interactive full image segmentation by
       considering all regions jointly", CVPR 2019, arXiv:1812.01888.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray, FloatArray, bounding_box
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.patch import CompactAnswer, Patch, Window, joint_window
from napari_intseg.session.masks.canvas import Canvas, Painted, PaintedKey
from napari_intseg.session.masks.plane_state import PlaneKey, PlaneState, Shown

# standard deviation for each millimetre of detail: a bar two thirds as wide then just goes
_SIGMAS = 0.5
# standard deviations after which a weight counts as 0: 1 % of the one in the middle
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
    # as many pixels as before: a threshold of one half would shrink convex outlines
    count = int(np.count_nonzero(mask))
    if not count or not any(sigma_px):
        return mask.copy()
    near = ndimage.gaussian_filter(
        mask.astype(np.float32), sigma_px, mode="constant", truncate=_FAR_SIGMAS
    )
    values = near.ravel()
    # what the last pixel to be taken has: sorting all of them takes three times as long
    least = np.partition(values, -count)[-count]
    out: BoolArray = values > least
    # of equal ones the first, so that the outcome is the same on every machine
    out[np.flatnonzero(values == least)[: count - np.count_nonzero(out)]] = True
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
    # the slice itself is the most that there is to smooth over
    sizes = zip(spacing, shown.patch.shape, strict=True)
    sigma = [min(_SIGMAS * detail_mm / step, float(size)) for step, size in sizes]
    window = []
    for at, (low, high) in enumerate((box[:2], box[2:])):
        start, size = shown.slices[at].start, shown.patch.shape[at]
        # the window is enlarged as far as weights reach, since the outline may move out
        far = int(np.ceil(_FAR_SIGMAS * sigma[at])) + 1
        window.append(slice(max(0, start + low - far), min(size, start + high + far)))
    rows, cols = window
    before = shown.window(rows, cols)
    after = smoothed(before, sigma)
    # 3 by 3 pixels: a click that smoothing would undo must stay obeyed
    for click in _inside(state.prompts.clicks, (rows, cols)):
        after[click] = before[click]
    return replace(state, shown=replace(shown, inside=after, at=(rows, cols), plain=shown))


def _inside(clicks: Iterable[Click], window: tuple[slice, slice]) -> Iterable[tuple[slice, slice]]:
    """Go through the 3 by 3 pixels round each click, as parts of a window."""
    for click in clicks:
        row, col = round(click.row) - window[0].start, round(click.col) - window[1].start
        yield slice(max(0, row - 1), max(0, row + 2)), slice(max(0, col - 1), max(0, col + 2))


def shares(patches: Mapping[int, Patch], held: BoolArray) -> dict[int, BoolArray]:
    """Return the pixels of each object: those of which it is the surest.

    Parameters
    ----------
    patches : mapping of int to Patch
        Answers by label, on one slice. Logits count from each model's threshold on.
    held : ndarray of bool, shape (H, W)
        Pixels that are none of theirs to share.

    Returns
    -------
    dict of int to ndarray of bool, shape (H, W)
        No pixel belongs to two; none to nobody that one of them claims and is not held. Of two that
        are equally sure, the one with the smaller label has it.
    """
    best = np.zeros(held.shape, np.float32)  # the background's
    owner = np.zeros(held.shape, np.int64)
    for label in sorted(patches):
        patch = patches[label]
        # above the threshold of each model: logits of two models are not on one scale otherwise
        over = _above_threshold(patch)
        wins = over > best[patch.slices]
        best[patch.slices][wins] = over[wins]
        owner[patch.slices][wins] = label
    owner[held] = 0
    return {label: owner == label for label in patches}


def softmax(patches: Mapping[int, Patch]) -> dict[int, FloatArray]:
    """Return the probability of each object on the slice, and of the background under 0.

    They add up to 1 at every pixel, float32 (H, W).
    """
    logits = {label: np.full(patch.shape, -np.inf, np.float32) for label, patch in patches.items()}
    for label, patch in patches.items():
        logits[label][patch.slices] = _above_threshold(patch)
    shape = next(iter(patches.values())).shape
    scores = np.stack([np.zeros(shape, np.float32), *logits.values()])
    # less the largest: exp of large logits overflows
    scores = np.exp(scores - scores.max(axis=0))
    scores /= scores.sum(axis=0)
    return dict(zip((0, *logits), scores, strict=True))


def _above_threshold(patch: Patch) -> FloatArray:
    """Return logits less that of the threshold, as far as the patch knows it."""
    middle = patch.middle if isinstance(patch, CompactAnswer) else np.float32(0)
    return np.asarray(patch.logits - middle, np.float32)


Policy = Literal["keep", "overwrite", "ask", "joint"]
POLICIES: tuple[Policy, ...] = ("keep", "overwrite", "ask", "joint")

PROTECTION: Literal["protection"] = "protection"
"""Where history keeps the `Protection`."""


@dataclass(frozen=True, slots=True, eq=False)
class Protection:
    """Rules that every write obeys.

    Parameters
    ----------
    policy : {"keep", "overwrite", "ask", "joint"}
        When an answer reaches into another object that is not locked: "keep": that object keeps
        its pixels. "overwrite": it loses them. "ask": it keeps them until `take_over`. "joint":
        each pixel goes to the object whose model is the surest of it, see `shares`.
    inside : int or None
        Pixels change only where this label is: they are taken from it, or from the current
        object.
    region : ndarray of bool, or None
        Of the data's shape; pixels outside it never change.
    locked, unlocked : frozenset of int
        Objects that are locked although they are not finished, and the other way round.
    """

    policy: Policy = "keep"
    inside: int | None = None
    region: BoolArray | None = None
    locked: frozenset[int] = frozenset()
    unlocked: frozenset[int] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether some pixels can be written by nobody, or not by the background."""
        return self.region is not None or self.inside is not None

    def region_on(self, volume: Volume, plane: Plane, window: Window) -> BoolArray | None:
        """Return the region on a window of a plane; None: everywhere."""
        if self.region is None:
            return None
        on_window: BoolArray = np.asarray(volume.of(self.region, plane)[window], bool)
        return on_window


def check_policy(policy: str) -> Policy:
    """Return the policy of a name.

    Raises
    ------
    PromptError
        If there is none.
    """
    for one in POLICIES:
        if one == policy:
            return one
    raise PromptError(
        f"overlap policy is unknown: expected one of {', '.join(POLICIES)}, got {policy!r}. "
        "Choose one of these."
    )


def check_region(region: BoolArray | None, volume: Volume) -> BoolArray | None:
    """Return a region as a mask of the data's shape; a slice's holds on all planes of axis 0.

    Raises
    ------
    DataError
        If it has another shape.
    """
    if region is None:
        return None
    given: BoolArray = np.asarray(region) != 0
    if given.shape == volume.shape:
        return given.copy()
    if given.shape == volume.slice_shape(0):
        return np.broadcast_to(given, volume.shape).copy()
    raise DataError(
        f"region is on another grid: expected shape {volume.shape} or {volume.slice_shape(0)}, "
        f"got {given.shape}. Resample it onto the data's grid first."
    )


Changes = dict[Hashable, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The rules of one write.

    Parameters
    ----------
    protection : Protection
        Regions and policy; the default one, which limits nothing, if `exact`.
    is_locked : callable
        Whether an object's pixels must stay as they are.
    exact : bool
        Values come from the history and were settled when they were new: other objects are asked
        again.
    detail_mm : float
        See `with_detail`; of masks that are put in place.
    is_detail_new : bool
        Masks come as they were before they were smoothed, and all of them before any is.
    """

    protection: Protection
    is_locked: Callable[[int], bool]
    exact: bool = False
    detail_mm: float = 0.0
    is_detail_new: bool = False

    def may_take(self, other: int, by_hand: bool = False) -> bool:
        """Whether an object has to give up its pixels."""
        # what comes back from the history was settled when it was new: nobody gives way again
        if self.exact or self.is_locked(other):
            return False
        wins = by_hand or self.protection.policy == "overwrite"
        return wins or other == self.protection.inside


@dataclass(frozen=True, slots=True, eq=False)
class FreeWindow:
    """A window of a plane: which of its pixels one object may take.

    Parameters
    ----------
    free : ndarray of bool
        Pixels that may become the object's or stop being it.
    taken : mapping of int to ndarray of bool
        Masks of objects that would have to give way.
    is_all : bool, default False
        Known without a look at the pixels: all are free, and nothing is taken.
    """

    free: BoolArray
    taken: dict[int, BoolArray] = field(default_factory=dict)
    is_all: bool = False


def find_free(
    canvas: Canvas,
    label: int,
    plane: Plane,
    window: Window,
    rules: Rules,
    *,
    wanted: BoolArray | None = None,
    by_hand: bool = False,
) -> FreeWindow:
    """Return where an object may be written.

    Parameters
    ----------
    canvas : Canvas
        Who owns what now.
    label : int
        The object; 0: what is painted away by hand.
    plane, window
        Where.
    rules : Rules
        What holds.
    wanted : ndarray of bool, optional
        Of the window: the answer holds for these pixels alone, which spares going through objects
        that have none of them.
    by_hand : bool, default False
        A person painted it: objects that are not locked give way.
    """
    shape = window[0].stop - window[0].start, window[1].stop - window[1].start
    others = list(canvas.others(label, plane, window, wanted))
    if not others and not rules.protection.is_limited:
        # as mostly: a large mask is not gone over for nothing
        return FreeWindow(np.broadcast_to(np.True_, shape), is_all=True)
    free, taken = np.ones(shape, bool), {}
    for other, at, mask in others:
        if rules.may_take(other, by_hand):
            taken[other] = np.zeros(shape, bool)
            taken[other][at] = mask
        else:
            free[at] &= ~mask
    if rules.protection.is_limited:
        region = rules.protection.region_on(canvas.volume, plane, window)
        if region is not None:
            free &= region
        if rules.protection.inside is not None:
            inside = canvas.mask_on(rules.protection.inside, plane, window)
            free &= inside | canvas.mask_on(label, plane, window) if label else inside
    return FreeWindow(free, taken)


def settle(canvas: Canvas, changes: Mapping[Hashable, Any], rules: Rules) -> Changes:
    """Bring changes to the canvas, and return them as they stand there.

    Parameters
    ----------
    canvas : Canvas
        Is changed.
    changes : mapping
        New values by key; None stands for absent. Keys of other kinds are passed on.
    rules : Rules
        What holds.

    Returns
    -------
    dict
        The changes, masks clipped, and what other objects and crossing planes lose by them.
    """
    settled: Changes = dict(changes)
    # values that come back together were settled together
    limits = rules.protection
    is_afresh = rules.exact or (rules.is_detail_new and not limits.is_limited)
    by_kind: defaultdict[type, list[Any]] = defaultdict(list)
    for key in changes:
        by_kind[type(key)].append(key)
        if is_afresh:
            # what comes back was settled together: no newer mask of it may be in the way
            _put(canvas, key, None)
    keys: list[PlaneKey] = by_kind[PlaneKey]
    painted: list[PaintedKey] = by_kind[PaintedKey]
    if painted:
        _paint(canvas, painted, settled)
    _take_away(canvas, keys, rules, settled)
    # all masks unsmoothed first: a smoothed neighbour must not take what another one had
    passes = [replace(rules, detail_mm=0.0), rules] if rules.is_detail_new else [rules]
    for each, key in product(passes, keys):
        if settled[key] is not None:
            _write(canvas, key, each, settled)
    # after all are in place: shares depend on every object of the plane
    if limits.policy == "joint" and not limits.is_limited:
        for plane in dict.fromkeys(key.plane for key in keys):
            settled |= _shared_out(canvas, plane, rules)
    for one, uncovered in _uncovered(canvas, {*keys, *painted}):
        settled[one] = uncovered
        canvas.put(one.label, one.plane, uncovered)
    return settled


def _paint(canvas: Canvas, painted: list[PaintedKey], settled: Changes) -> None:
    """Put strokes in place, less what others hold."""
    for stroke in painted:
        canvas.put_painted(stroke.label, stroke.index, settled[stroke])
    for stroke in painted:
        # only when all strokes are in place: one stroke may free pixels for another
        if settled[stroke] is not None:
            settled[stroke] = _only_free(canvas, stroke, settled[stroke])
            canvas.put_painted(stroke.label, stroke.index, settled[stroke])


def _take_away(canvas: Canvas, keys: list[PlaneKey], rules: Rules, settled: Changes) -> None:
    """Take old masks away first, so that none is in the way of a new one."""
    for key in keys:
        state = settled[key]
        if rules.protection.is_limited and (state is None or state.shown is None):
            settled[key] = _kept(canvas, key, state, rules)
        if settled[key] is None:
            canvas.put(key.label, key.plane, None)


def _shared_out(canvas: Canvas, plane: Plane, rules: Rules) -> Changes:
    """Give each pixel of a plane to the object that is the surest of it; return what changed."""
    states = {
        label: (state, state.shown)
        for label, state in canvas.states_on(plane)
        if state.shown is not None and not rules.is_locked(label)
    }
    if len(states) < 2:
        return {}
    whole = canvas.whole(plane)
    held = np.zeros(canvas.volume.slice_shape(plane.axis), bool)
    for label, at, mask in canvas.others(0, plane, whole):
        # what is locked, painted or comes from crossing planes stays
        held[at] |= mask & ~states[label][1].window(*at) if label in states else mask
    found = shares({label: shown.patch for label, (_, shown) in states.items()}, held)
    changed: Changes = {}
    for label, (state, shown) in states.items():
        window = shown.patch.slices
        inside = found[label][window]
        if not np.array_equal(inside, shown.window(*window)):
            moved = replace(shown, inside=inside, at=window)
            changed[PlaneKey(label, plane)] = replace(state, shown=moved)
            canvas.put(label, plane, changed[PlaneKey(label, plane)])
    return changed


def contested(canvas: Canvas, key: PlaneKey, inside: BoolArray, rules: Rules) -> dict[int, int]:
    """Return how many pixels of an answer other objects hold that are not locked."""
    state = canvas.get(key.label, key.plane)
    if state is None or state.shown is None:
        return {}
    found = {}
    for other, at, mask in canvas.others(key.label, key.plane, state.shown.patch.slices, inside):
        count = int(np.count_nonzero(mask & inside[at]))
        if count and not rules.is_locked(other):
            found[other] = count
    return found


def _write(canvas: Canvas, key: PlaneKey, rules: Rules, settled: Changes) -> None:
    """Put one state in place, less what it may not have; others give way where they must."""
    full: PlaneState = settled[key]
    state = full
    if rules.detail_mm and not rules.exact:
        state = with_detail(full, rules.detail_mm, canvas.volume.slice_spacing(key.plane.axis))
    if state.shown is not None:
        shown, taken = _clipped(canvas, key, state.shown, rules)
        if state is not full and full.shown is not None and not shown.inside.any():
            # a sliver between others: smoothed, it lies where they are, and would vanish
            state = full
            shown, taken = _clipped(canvas, key, full.shown, rules)
        settled[key] = state if shown is state.shown else replace(state, shown=shown)
        for other, mask in taken.items():
            for one, value in _cut(canvas, other, key.plane, mask, shown.slices):
                settled[one] = value
                _put(canvas, one, value)
    canvas.put(key.label, key.plane, settled[key])


def _clipped(
    canvas: Canvas, key: PlaneKey, shown: Shown, rules: Rules
) -> tuple[Shown, dict[int, BoolArray]]:
    """Return a mask without the pixels it may not have, and what it takes from others."""
    window, answer, current = shown.slices, shown.inside, None
    if rules.protection.is_limited:
        whole = canvas.whole(key.plane)
        current = canvas.mask_on(key.label, key.plane)
        found = find_free(canvas, key.label, key.plane, whole, rules)
        wanted = np.where(found.free, shown.window(*whole), current)
        window = _joined(window, wanted)
        taken = {other: mask[window] for other, mask in found.taken.items()}
        inside = wanted[window]
    else:
        found = find_free(canvas, key.label, key.plane, window, rules, wanted=answer)
        if found.is_all:
            return shown, {}
        taken, inside = found.taken, answer & found.free
    lost = {}
    for other, mask in taken.items():
        if (mask & inside).any():
            lost[other] = mask & inside
    if window == shown.slices and np.array_equal(inside, answer):
        return shown, lost
    return replace(shown, inside=inside, at=window), lost


def _kept(
    canvas: Canvas, key: PlaneKey, state: PlaneState | None, rules: Rules
) -> PlaneState | None:
    """Return what stays of a state that is taken away: the pixels that must not change."""
    whole = canvas.whole(key.plane)
    free = find_free(canvas, key.label, key.plane, whole, rules).free
    kept = canvas.mask_on(key.label, key.plane) & ~free
    box = bounding_box(kept)
    if box is None:
        return state
    window = slice(box[0], box[1]), slice(box[2], box[3])
    old = canvas.get(key.label, key.plane)
    rank = (False, 0) if old is None or old.shown is None else old.shown.rank
    # no logits: it is a rest that must stay, not an answer
    shown = Shown(Patch.empty(kept.shape), kept[window].copy(), rank, at=window)
    return replace(state or PlaneState(), shown=shown)


def _only_free(canvas: Canvas, key: PaintedKey, painted: Painted) -> Painted:
    """Return what was painted without the pixels that others hold meanwhile."""
    added = painted.added
    for _, at, mask in canvas.others(key.label, Plane(0, key.index), painted.slices, added):
        if (added[at] & mask).any():
            added = added.copy()
            added[at] &= ~mask
    return painted if added is painted.added else replace(painted, added=added)


def _uncovered(
    canvas: Canvas, keys: set[PlaneKey | PaintedKey]
) -> Iterator[tuple[PlaneKey, PlaneState]]:
    """Masks that come to light again, less what others took meanwhile."""
    # each mask once: several changes may uncover the same one
    seen: set[PlaneKey | PaintedKey] = set(keys)
    for key in keys:
        plane = key.plane if isinstance(key, PlaneKey) else Plane(0, key.index)
        under = list(canvas.crossing(key.label, plane))
        here = canvas.get(key.label, plane)
        if isinstance(key, PaintedKey) and here is not None and here.shown is not None:
            under.append((plane, here))
        for other, state in under:
            one = PlaneKey(key.label, other)
            if one not in seen:
                seen.add(one)
                assert state.shown is not None
                inside = state.shown.inside
                for _, at, mask in canvas.others(one.label, one.plane, state.shown.slices, inside):
                    if (inside[at] & mask).any():
                        inside = inside.copy()
                        inside[at] &= ~mask
                if inside is not state.shown.inside:
                    shown = replace(state.shown, inside=inside, at=state.shown.slices)
                    yield one, replace(state, shown=shown)


def _cut(
    canvas: Canvas, label: int, plane: Plane, mask: BoolArray, window: Window
) -> list[tuple[Hashable, Any]]:
    """Return the values of an object without some pixels of a plane."""
    found: list[tuple[Hashable, Any]] = []
    whole = np.zeros(canvas.volume.slice_shape(plane.axis), bool)
    whole[window] = mask
    here = canvas.get(label, plane)
    states = list(canvas.crossing(label, plane))
    if here is not None and here.shown is not None:
        states.append((plane, here))
    for one, state in states:
        assert state.shown is not None
        gone = whole if one == plane else _seen_from(canvas, whole, plane, one)
        inside = state.shown.inside & ~gone[state.shown.slices]
        if not np.array_equal(inside, state.shown.inside):
            shown = replace(state.shown, inside=inside, at=state.shown.slices)
            found.append((PlaneKey(label, one), replace(state, shown=shown)))
    for index, painted in canvas.painted(label).items():
        one = Plane(0, index)
        gone = whole if one == plane else _seen_from(canvas, whole, plane, one)
        # what a person painted gives way as well, or the voxel would have two owners
        added = painted.added & ~gone[painted.slices]
        if not np.array_equal(added, painted.added):
            found.append((PaintedKey(label, index), replace(painted, added=added)))
    return found


def _seen_from(canvas: Canvas, mask: BoolArray, plane: Plane, other: Plane) -> BoolArray:
    """Return the pixels of a plane's mask that lie on another plane, on that one's slice."""
    out = np.zeros(canvas.volume.slice_shape(other.axis), bool)
    if plane.axis == other.axis:
        return out
    rows, cols = np.nonzero(mask)
    voxels = [rows, cols]
    voxels.insert(plane.axis, np.full(rows.size, plane.index))
    on = voxels[other.axis] == other.index
    del voxels[other.axis]
    out[voxels[0][on], voxels[1][on]] = True
    return out


def _joined(window: Window, mask: BoolArray) -> Window:
    """Return a window enlarged so that it holds all of a mask of the whole slice."""
    box = bounding_box(mask)
    if box is None:
        return window
    return joint_window(window, (slice(box[0], box[1]), slice(box[2], box[3])))


def _put(canvas: Canvas, key: Hashable, value: Any) -> None:
    if isinstance(key, PlaneKey):
        canvas.put(key.label, key.plane, value)
    elif isinstance(key, PaintedKey):
        canvas.put_painted(key.label, key.index, value)
