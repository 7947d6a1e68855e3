"""Edits of masks, each one entry of the history: by hand, clean-up, and the detail of outlines.

Painting by hand outranks what models say; locks, regions and overlaps say whose a pixel may become.
Clean-up fills holes, leaves out stray parts, and has planes fit each other; it writes over nothing
that others hold. Under smoothed outlines the masks themselves are kept.
"""

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, bounding_box
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch, Window, joint_window
from napari_intseg.propagation.stretch import signed_mm
from napari_intseg.session.document import DETAIL, LARGEST_LABEL, Change, Document
from napari_intseg.session.masks.canvas import Painted, PaintedKey, by_index
from napari_intseg.session.masks.plane_state import ObjectInfo, ObjectKey, PlaneKey, PlaneState
from napari_intseg.session.masks.settle import (
    PROTECTION,
    check_policy,
    check_region,
    contested,
    find_free,
    plain,
)
from napari_intseg.session.validate_prompts import check_mask, fits

Changes = dict[Hashable, Any]
"""What an edit puts in place, by key of the document."""

# within so many standard deviations a Gaussian holds 99.7 % of its weight
_FAR_SIGMAS = 3.0
# voxels from which the way to a device is worth while: SciPy takes 30 ms for so many
_LARGE = 1 << 20


def fill_holes(mask: BoolArray) -> BoolArray:
    """Return a mask with its holes filled, plane by plane of the first axis.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        A hole is background that cannot reach the rim of its plane through edge neighbours.
    """
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def largest_part(mask: BoolArray) -> BoolArray:
    """Return the largest part of a mask, connected through faces, edges and corners.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        May be empty.
    """
    # corners count, so that thin oblique structures are not cut apart
    numbered, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask.copy()
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return np.asarray(numbered == int(sizes.argmax()))


def smooth(
    mask: BoolArray,
    sigma_mm: float,
    spacing: tuple[float, float, float],
    fixed: Collection[int] = (),
) -> BoolArray:
    """Return a mask whose outline passes smoothly from plane to plane of the first axis.

    Signed distances to the outline, in mm, are averaged over planes with Gaussian weights, as
    shape-based interpolation does between two planes [1]_. Planes without a mask take no part and
    stay empty, so that ends are not rounded off.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        The object.
    sigma_mm : float
        Standard deviation of the weights along the first axis.
    spacing : (float, float, float)
        Between planes, rows and columns, mm.
    fixed : collection of int
        Planes that stay as they are; they take part.

    References
    ----------
    .. [1] Raya, S., Udupa, J. "Shape-based interpolation of multidimensional objects", IEEE TMI 9,
       1990, doi:10.1109/42.52980.
    """
    out = mask.copy()
    held = [i for i in range(len(mask)) if mask[i].any()]
    near = int(_FAR_SIGMAS * sigma_mm / spacing[0])
    signed: dict[int, NDArray[np.float64]] = {}
    for index in held:
        for other in held:
            # a moving window: no more distances in memory than it holds
            if abs(other - index) <= near and other not in signed:
                signed[other] = signed_mm(mask[other], spacing[1:])
        signed = {i: s for i, s in signed.items() if i >= index - near}
        if index not in fixed:
            weights = {
                i: float(np.exp(-0.5 * ((i - index) * spacing[0] / sigma_mm) ** 2)) for i in signed
            }
            mean = sum(weights[i] * s for i, s in signed.items()) / sum(weights.values())
            out[index] = np.asarray(mean) > 0
    return out


class CleanUp:
    """Cleans up masks of a document.

    Parameters
    ----------
    document : Document
        Is changed.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def apply(
        self, axis: int, label: int | None, *, holes: bool, largest: bool, smooth_mm: float
    ) -> Change:
        """Clean up an object on the planes of `axis`, as one entry of the history.

        Pixels of other objects, and of planes without a mask, stay as they are. Only as much
        memory is used as the object's box holds.

        Parameters
        ----------
        holes : bool, default False
            Fill holes, plane by plane.
        largest : bool, default False
            Keep the largest connected part of the volume only.
        smooth_mm : float, default 0.0
            Let the outline pass smoothly across planes, by so many millimetres; planes that a
            person worked on stay as they are. 0: not.
        label : int, optional
            Of the object; the current one by default.

        Returns
        -------
        Change
            Without planes if there was nothing to tidy; then there is no entry either.

        Raises
        ------
        PromptError
            If the object is finished, nothing is chosen, or the millimetres are below 0.
        """
        chosen = self.document.check_open(label)
        if not (holes or largest or smooth_mm) or not 0 <= smooth_mm < math.inf:
            raise PromptError(
                "nothing to clean up by: expected holes, largest or smooth_mm above 0, got "
                f"{holes!r}, {largest!r} and {smooth_mm!r}. Choose at least one."
            )
        found = self.document.canvas.states(chosen, axis)
        states = [(plane, state) for plane, state in found if state.shown is not None]
        changes = self._tidied(chosen, states, holes=holes, largest=largest, smooth_mm=smooth_mm)
        if not changes:
            return Change("Clean up", (), (chosen,))
        return self.document.do("Clean up", changes)

    def _tidied(
        self,
        label: int,
        states: list[tuple[Plane, PlaneState]],
        *,
        holes: bool,
        largest: bool,
        smooth_mm: float,
    ) -> Changes:
        """Return the states of the planes that clean-up changes."""
        window = self._window_of(label, [plane for plane, _ in states])
        if window is None:
            return {}
        first = states[0][0].index
        # planes in between without a state are empty, so that distances across planes are true
        before = self._stacked(label, states, window)
        after = self._by(largest_part, before) if largest else before
        after = self._by(fill_holes, after) if holes else after
        if smooth_mm:
            # smoothing across planes keeps to what a person saw and accepted
            given = {plane.index - first for plane, state in states if state.is_given}
            after = smooth(
                after, smooth_mm, _spacing(self.document.volume, states[0][0].axis), given
            )
        return {
            PlaneKey(label, plane): self._cleaned(state, before[at], after[at], window)
            for plane, state in states
            if (after[at := plane.index - first] != before[at]).any()
        }

    def _by(self, clean: Callable[[BoolArray], BoolArray], mask: BoolArray) -> BoolArray:
        """Clean a large mask on the model's device if it computes there, else here."""
        model = self.document.setup.model
        device = getattr(model, "device", None)
        # CUDA alone: others lack the number formats
        if getattr(device, "type", "") != "cuda" or mask.size < _LARGE:
            return clean(mask)
        from napari_intseg.models import regions

        found: BoolArray | None = getattr(regions, clean.__name__)(mask, device)
        return clean(mask) if found is None else found

    def _stacked(
        self, label: int, states: list[tuple[Plane, PlaneState]], window: Window
    ) -> BoolArray:
        """Return an object's masks in a window, from the first plane with a state to the last."""
        first, last = states[0][0].index, states[-1][0].index
        out = np.zeros((last - first + 1, *_size(window)), bool)
        for plane, _ in states:
            out[plane.index - first] = self.document.canvas.mask_on(label, plane, window)
        return out

    def _window_of(self, label: int, planes: list[Plane]) -> Window | None:
        """Return rows and columns that hold an object on planes; None if it has no pixel there."""
        boxes = [bounding_box(self.document.canvas.mask_on(label, plane)) for plane in planes]
        found = np.array([box for box in boxes if box is not None])
        if not found.size:
            return None
        low, high = found.min(axis=0), found.max(axis=0)
        return slice(int(low[0]), int(high[1])), slice(int(low[2]), int(high[3]))

    def _cleaned(
        self, state: PlaneState, before: BoolArray, after: BoolArray, window: Window
    ) -> PlaneState:
        """Return a state whose mask is `after` in a window; what was asked and given stays."""
        old = state.shown
        assert old is not None
        rows, cols = joint_window(window, old.patch.slices)
        logits = old.patch.on((rows, cols))
        where = (
            slice(window[0].start - rows.start, window[0].stop - rows.start),
            slice(window[1].start - cols.start, window[1].stop - cols.start),
        )
        # only pixels that changed get new logits: the others keep how sure the model was
        limit = np.where(after, np.float32(LOGIT_LIMIT), np.float32(-LOGIT_LIMIT))
        logits[where] = np.where(after != before, limit, logits[where])
        patch = Patch(rows.start, cols.start, logits, old.patch.shape)
        inside = old.window(rows, cols)
        inside[where] = after
        # the latest: where planes of other axes cross, the cleaned mask decides
        rank = (old.rank[0], self.document.next_serial())
        shown = replace(old, patch=patch, inside=inside, rank=rank, at=None, plain=None)
        is_propagated = state.propagated is not None and not state.is_given
        return replace(
            state,
            shown=shown,
            initial=patch if old.patch is state.initial else state.initial,
            propagated=shown if is_propagated else state.propagated,
        )


def _size(window: Window) -> tuple[int, int]:
    return window[0].stop - window[0].start, window[1].stop - window[1].start


def _spacing(volume: Volume, axis: int) -> tuple[float, float, float]:
    """Return mm between planes, rows and columns of an axis."""
    if volume.ndim == 2:
        return 1.0, *volume.slice_spacing(0)
    return volume.spacing[axis], *volume.slice_spacing(axis)


DETAIL_TITLE = "Change detail"


class OutlineDetail:
    """Changes how much detail the outlines of a document show.

    Parameters
    ----------
    document : Document
        Is changed.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def set(
        self,
        mm: float,
        planes: Collection[Plane] | None,
        labels: Collection[int] | None,
        token: Hashable,
    ) -> Change:
        """Smooth and simplify outlines, those there are and those to come; 0 brings all back.

        Masks keep their size; what is narrower than about two thirds of the detail goes. Locked
        objects, and what was painted by hand, stay as they are, and so do pixels under clicks.

        Parameters
        ----------
        mm : float
            In the plane; pixels where the spacing is 1.
        planes : collection of Plane or None
            Of masks there are, only those here change now; None: all.
        token : hashable
            Changes with the same token, with nothing between them, are one entry.
        labels : collection of int or None
            Of objects there are, only these change now; None: all.

        Raises
        ------
        PromptError
            If it is negative or not a number.
        """
        if not 0 <= mm < math.inf:
            raise PromptError(
                f"detail cannot be used: expected millimetres, 0 or more, got {mm!r}. "
                "0 shows outlines as the model gave them."
            )
        if not fits(planes or (), Sequence[Plane]) or not fits(labels or (), Sequence[int]):
            raise PromptError(
                f"detail cannot be used: expected planes and numbers of objects, got "
                f"{shortened(planes)} and {shortened(labels)}. Leave them out for all."
            )
        document = self.document
        # 0 is kept as absent, as in a document that never had it
        changes: Changes = {DETAIL: float(mm) or None}
        for label in document.objects:
            if document.is_locked(label) or (labels is not None and label not in labels):
                continue
            for plane, state in document.canvas.states(label):
                if state.shown is None or (planes is not None and plane not in planes):
                    continue
                if mm or state.shown.plain is not None:
                    # always from the mask before smoothing:
                    # smoothing twice would smooth twice as much
                    changes[PlaneKey(label, plane)] = plain(state)
        return document.do(DETAIL_TITLE, changes, token)


class Painter:
    """Brush strokes, locks, regions and overlaps in a document.

    Parameters
    ----------
    document : Document
        Is changed.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def paint(self, strokes: Mapping[Plane, BoolArray], label: int) -> Change:
        """Paint pixels by hand, or erase them, as one entry; what models say leaves them alone.

        Objects that are not locked give up the pixels; locked ones and pixels outside a region
        stay as they are, and are left out.

        Parameters
        ----------
        strokes : mapping of Plane to ndarray of bool, shape (H, W)
            Pixels, on planes of any axis.
        label : int
            Whose they become; an object that is not there begins with it. 0: nobody's, whoever
            held them.

        Raises
        ------
        PromptError
            If a plane does not exist, the label is negative or that object is locked.
        DataError
            If a mask is on another grid.
        """
        if not 0 <= label <= LARGEST_LABEL or self.document.is_locked(label):
            raise PromptError(
                f"object cannot be painted: expected 0 or one that is not locked, at most "
                f"{LARGEST_LABEL}, got {label!r}. "
                "Unlock it, or paint with another label."
            )
        changes: Changes = {}
        if label and label not in self.document.objects:
            changes[ObjectKey(label)] = ObjectInfo(label)
        for index, mask in self._by_index(strokes):
            self._paint(index, mask, label, changes)
        return self.document.do("Paint" if label else "Erase", changes)

    def clear(self, label: int | None, plane: Plane | None) -> Change | None:
        """Remove all paint and erasing of an object, so that model answers show again.

        None if nothing was painted there.

        Parameters
        ----------
        label : int, optional
            The current object by default.
        plane : Plane, optional
            Only on this plane of axis 0; everywhere by default.

        Raises
        ------
        PromptError
            If the object is locked.
        """
        chosen = self.document.check_unlocked(label)
        painted = self.document.canvas.painted(chosen)
        gone = [i for i in painted if plane is None or i == plane.index]
        if not gone:
            return None
        changes: Changes = {PaintedKey(chosen, index): None for index in gone}
        return self.document.do("Drop painted pixels", changes)

    def protect(self, rules: Mapping[str, Any]) -> Change:
        """Change policy, inside or region of `Protection`, as one entry; the others stay.

        Parameters
        ----------
        policy : {"keep", "overwrite", "ask", "joint"}
            See `Protection`.
        inside : int or None
            Pixels change only where this label is.
        region : ndarray of bool, or None
            Of the data's shape, or of a slice's of axis 0 for all of them.

        Raises
        ------
        PromptError
            If the policy is unknown, or there is no such object, or it is locked.
        DataError
            If the region is on another grid.
        """
        unknown = set(rules) - {"policy", "inside", "region"}
        if unknown:
            raise PromptError(
                f"rule is unknown: expected policy, inside or region, got {sorted(unknown)!r}. "
                "Choose one of these."
            )
        for name, hint in (("policy", str), ("inside", int | None)):
            if name in rules and not fits(rules[name], hint):
                raise PromptError(
                    f"rule is of another type: expected {name} as documented, got {rules[name]!r}. "
                    "Choose one that there is."
                )
        now, volume = self.document.protection, self.document.volume
        inside = rules.get("inside", now.inside)
        if "inside" in rules and inside is not None:
            self.document.check_unlocked(inside)
        changed = replace(
            now,
            policy=check_policy(rules.get("policy", now.policy)),
            inside=inside,
            region=check_region(rules["region"], volume) if "region" in rules else now.region,
        )
        return self.document.do("Change protection", {PROTECTION: changed})

    def set_locked(self, label: int, locked: bool) -> Change:
        """Keep an object's pixels as they are, or let them change again.

        Raises
        ------
        PromptError
            If there is none of that label.
        """
        self.document.check_object(label)
        now = self.document.protection
        changed = replace(
            now,
            locked=now.locked | {label} if locked else now.locked - {label},
            unlocked=now.unlocked - {label} if locked else now.unlocked | {label},
        )
        title = f"{'Lock' if locked else 'Unlock'} object"
        return self.document.do(title, {PROTECTION: changed})

    def contested_on(self, plane: Plane, label: int) -> dict[int, int]:
        """Return how many pixels of an object's answer others hold that might give way."""
        inside = self._answer_inside(plane, label)
        if inside is None:
            return {}
        document = self.document
        return contested(document.canvas, PlaneKey(label, plane), inside, document.rules())

    def take_over(self, plane: Plane, label: int | None) -> Change | None:
        """Give an object the pixels of its answer on a plane that others hold, as one entry.

        Locked objects keep theirs, and regions hold. None if there is no answer; the current
        object by default.

        Raises
        ------
        PromptError
            If the object is locked.
        """
        chosen = self.document.check_unlocked(label)
        inside = self._answer_inside(plane, chosen)
        if inside is None:
            return None
        state = self.document.state(chosen, plane)
        assert state.shown is not None
        # the whole answer: `overwrite` lets the others give way once
        shown = replace(state.shown, inside=inside, at=None, plain=None)
        changes: Changes = {PlaneKey(chosen, plane): replace(state, shown=shown)}
        return self.document.do("Take over pixels", changes, overwrite=True)

    def _answer_inside(self, plane: Plane, label: int) -> BoolArray | None:
        """Return the mask of an object's answer, other objects not cut out; None without one."""
        shown = self.document.state(label, plane).shown
        threshold = self.document.setup.model.traits.threshold
        return None if shown is None else shown.patch.inside(threshold)

    def _by_index(self, strokes: Mapping[Plane, BoolArray]) -> Iterable[tuple[int, BoolArray]]:
        """Return strokes on planes of any axis as masks on planes of the first."""
        volume = self.document.volume
        found: dict[int, BoolArray] = {}
        for plane, mask in strokes.items():
            check_mask(volume, plane, mask)
            given = np.asarray(mask)
            # comparing all of a large slice takes longer than the stroke itself
            hit = given if given.dtype == bool else given != 0
            for index, part in by_index(hit, plane, volume):
                found[index] = found[index] | part if index in found else part
        return found.items()

    def _paint(self, index: int, mask: BoolArray, label: int, changes: Changes) -> None:
        """Collect what a stroke on a plane of the first axis changes."""
        box, plane = bounding_box(mask), Plane(0, index)
        if box is None:
            return
        window = slice(box[0], box[1]), slice(box[2], box[3])
        canvas, rules = self.document.canvas, self.document.rules()
        # by hand: a person saw what is there, so objects that are not locked give way
        stroke = mask[window]
        found = find_free(canvas, label, plane, window, rules, wanted=stroke, by_hand=True)
        wanted = stroke & found.free
        if label:
            # paint of an object adds; what it takes from others is erased from theirs below
            self._note(changes, PaintedKey(label, index), window, wanted, ~wanted & False)
        for other, held in found.taken.items():
            hit = wanted & held
            if hit.any():
                self._note(changes, PaintedKey(other, index), window, ~hit & False, hit)

    def _note(
        self,
        changes: Changes,
        key: PaintedKey,
        window: Window,
        added: BoolArray,
        removed: BoolArray,
    ) -> None:
        old = self.document.canvas.painted(key.label).get(key.index)
        new = Painted.joined(old, window, added, removed)
        if new is not None:
            changes[key] = new
