"""Objects put together, divided and given another number, each as one entry of the history."""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.session.document import OBJECT, Change, Document
from napari_intseg.session.masks.canvas import PaintedKey
from napari_intseg.session.masks.divide import divide
from napari_intseg.session.masks.plane_state import (
    ObjectInfo,
    ObjectKey,
    PlaneKey,
    PlaneState,
    Shown,
    WalkKey,
    question,
    with_initial,
)
from napari_intseg.session.masks.settle import PROTECTION
from napari_intseg.session.masks.smooth_outline import kept
from napari_intseg.session.predictor import Predictor
from napari_intseg.session.validate_prompts import place

Changes = dict[Hashable, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _ObjectPart:
    """What an object shall hold on a plane.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        All of it.
    state : PlaneState
        What is known there; prompts that stay are in it.
    is_given : bool
        Whether a person worked there.
    confidence : float or None
        Of propagation, where nobody did.
    """

    mask: BoolArray
    state: PlaneState
    is_given: bool
    confidence: float | None


class Regroup:
    """Merges, splits and renumbers objects of a document.

    Masks stay as they are to the pixel; what was painted by hand becomes part of them, and clicks
    that follow correct them as they correct a mask a person gave.

    Parameters
    ----------
    document : Document
        Is changed.
    predictor : Predictor
        Says what is shown where a mask is started from.
    """

    def __init__(self, document: Document, predictor: Predictor) -> None:
        self.document = document
        self.predictor = predictor

    def merge(self, labels: Sequence[int]) -> Change:
        """Make one object of several; see `Session.merge_objects`."""
        chosen = tuple(dict.fromkeys(int(label) for label in labels))
        if len(chosen) < 2:
            raise PromptError(
                f"nothing to merge: expected at least 2 objects, got {tuple(labels)!r}. "
                "Choose several."
            )
        for label in chosen:
            self.document.check_free(self.document.check_object(label))
        into, axis = chosen[0], self._axis_of(chosen)
        parts = self._parts(into, axis)
        for label in chosen[1:]:
            for plane, part in self._parts(label, axis).items():
                parts[plane] = _joined(parts.get(plane), part)
        changes = self._emptied(chosen) | self._without_pixels(into, axis)
        for label in chosen[1:]:
            changes[ObjectKey(label)] = None
        for plane, part in parts.items():
            changes[PlaneKey(into, plane)] = self._state(part, plane)
        if self.document.object in chosen[1:]:
            changes[OBJECT] = into
        return self.document.do("Merge objects", changes)

    def split(
        self,
        axis: int,
        first: Sequence[float],
        second: Sequence[float],
        label: int | None,
        new: int | None,
    ) -> Change:
        """Make two objects of one; see `Session.split_object`."""
        document = self.document
        chosen = document.check_object(label)
        document.check_free(chosen)
        begun = document.new_label(new)
        mask = document.canvas.mask(chosen)
        taken = divide(
            mask, self._voxel(axis, first), self._voxel(axis, second), document.volume.spacing
        )
        own = self._axis_of([chosen])
        changes = self._emptied([chosen]) | self._without_pixels(chosen, own)
        changes[ObjectKey(begun)] = ObjectInfo(begun)
        for plane, part in self._parts(chosen, own).items():
            gone = document.volume.of(taken, plane)
            for one, held, state in (
                (chosen, part.mask & ~gone, _without(part.state, gone)),
                (begun, part.mask & gone, PlaneState()),
            ):
                if held.any():
                    changes[PlaneKey(one, plane)] = self._state(
                        replace(part, mask=held, state=state), plane
                    )
        return document.do("Split object", changes)

    def relabel(self, label: int, number: int) -> Change:
        """Give an object another number; see `Session.relabel_object`."""
        document = self.document
        old = document.check_object(label)
        document.check_free(old)
        new = document.new_label(number)
        changes = self._emptied([old])
        changes[ObjectKey(old)] = None
        changes[ObjectKey(new)] = replace(document.objects[old], label=new)
        for plane, state in document.canvas.states(old):
            changes[PlaneKey(new, plane)] = state
        for index, painted in document.canvas.painted(old).items():
            changes[PaintedKey(new, index)] = painted
        for key, value in document.history.values.items():
            if isinstance(key, WalkKey) and key.label == old:
                changes[replace(key, label=new)] = value
        if document.object == old:
            changes[OBJECT] = new
        rules = document.protection
        if old in rules.unlocked:
            unlocked = (rules.unlocked - {old}) | {new}
            changes[PROTECTION] = replace(rules, unlocked=unlocked)
        return document.do("Renumber object", changes)

    def _voxel(self, axis: int, position: Sequence[float]) -> tuple[int, ...]:
        """Return the index in the data of a position as clicks have it."""
        place(self.document.volume, axis, position)  # refuses what is not in the data
        return tuple(math.floor(float(p) + 0.5) for p in position)

    def _axis_of(self, labels: Iterable[int]) -> int:
        """Return the axis on whose planes all masks of some objects are, else the first."""
        canvas = self.document.canvas
        axes = {plane.axis for label in labels for plane, _ in canvas.states(label)}
        return axes.pop() if len(axes) == 1 else 0

    def _emptied(self, labels: Iterable[int]) -> Changes:
        """Return all that is known of objects as absent."""
        changes: Changes = {}
        for label in labels:
            changes |= {PlaneKey(label, p): None for p, _ in self.document.canvas.states(label)}
            painted = self.document.canvas.painted(label)
            changes |= {PaintedKey(label, index): None for index in painted}
        chosen = set(labels)
        walked = [k for k in self.document.history.values if isinstance(k, WalkKey)]
        return changes | {key: None for key in walked if key.label in chosen}

    def _parts(self, label: int, axis: int) -> dict[Plane, _ObjectPart]:
        """Return what an object holds on the planes of an axis, those with a pixel."""
        canvas, volume = self.document.canvas, self.document.volume
        painted = self._painted(label, axis)
        planes = {plane for plane, _ in canvas.states(label, axis)} | painted
        if any(plane.axis != axis for plane, _ in canvas.states(label)):
            mask = canvas.mask(label)
            planes |= {one for one in volume.planes(axis) if volume.of(mask, one).any()}
        parts = {}
        for plane in sorted(planes):
            held = canvas.mask_on(label, plane)
            if held.any():
                state = self.document.state(label, plane)
                is_given = state.is_given or plane in painted or state.shown is None
                sure = None if state.shown is None else state.shown.confidence
                parts[plane] = _ObjectPart(held, state, is_given, sure)
        return parts

    def _painted(self, label: int, axis: int) -> set[Plane]:
        """Return the planes of an axis on which an object was painted by hand."""
        found = set()
        for index, one in self.document.canvas.painted(label).items():
            touched = one.added | one.removed
            if axis == 0 and touched.any():
                found.add(Plane(0, index))
            elif axis:
                first = (one.row0, one.col0)[axis - 1]
                lines = np.flatnonzero(touched.any(axis=2 - axis))
                found |= {Plane(axis, first + int(line)) for line in lines}
        return found

    def _without_pixels(self, label: int, axis: int) -> Changes:
        """Return the states of planes where a person gave an object something, and it is not."""
        canvas = self.document.canvas
        return {
            PlaneKey(label, plane): state
            for plane, state in canvas.states(label, axis)
            if state.is_given and not canvas.mask_on(label, plane).any()
        }

    def _state(self, part: _ObjectPart, plane: Plane) -> PlaneState | None:
        """Return the state of a plane that shows a mask."""
        serial = self.document.next_serial()
        if part.is_given:
            state = with_initial(part.state, part.mask, serial)
            asked = question(self.document.setup, plane, state)
            return kept(self.predictor.answered(state, asked))
        patch = Patch.from_mask(part.mask)
        shown = Shown(patch, patch.inside(), (False, serial), confidence=part.confidence)
        return kept(PlaneState(propagated=shown, shown=shown))


def _joined(one: _ObjectPart | None, other: _ObjectPart) -> _ObjectPart:
    """Return the two parts of a plane as one; prompts are those of the first."""
    if one is None:
        return replace(other, state=PlaneState())
    sure = [p.confidence for p in (one, other) if p.confidence is not None]
    return _ObjectPart(
        one.mask | other.mask,
        one.state,
        one.is_given or other.is_given,
        min(sure) if sure else None,
    )


def _without(state: PlaneState, gone: BoolArray) -> PlaneState:
    """Return a state without the positive clicks on what another object has now."""
    kept = [
        number
        for number, click in enumerate(state.prompts.clicks)
        if not (click.positive and gone[round(click.row), round(click.col)])
    ]
    clicks = tuple(state.prompts.clicks[number] for number in kept)
    serials = tuple(state.serials[number] for number in kept)
    prompts = replace(state.prompts, clicks=clicks)
    return replace(state, prompts=prompts, serials=serials, choices=())
