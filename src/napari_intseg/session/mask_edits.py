"""Edits of whole masks, each one entry of the history: clean-up, and the detail of outlines.

Clean-up fills holes, leaves out stray parts, and has planes fit each other. Neither writes over
what others hold. Under smoothed outlines the masks themselves are kept.
"""

import math
from collections.abc import Callable, Collection, Hashable, Sequence
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
from napari_intseg.session.document import DETAIL, Change, Document
from napari_intseg.session.masks.plane_state import PlaneKey, PlaneState
from napari_intseg.session.masks.settle import plain
from napari_intseg.session.validate_prompts import fits

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
    ) -> dict[Hashable, Any]:
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
        changes: dict[Hashable, Any] = {DETAIL: float(mm) or None}
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
