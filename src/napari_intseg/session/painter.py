"""Painting by hand, locks, regions and overlaps."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import BoolArray, bounding_box
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Window
from napari_intseg.session.document import LARGEST_LABEL, Change, Document
from napari_intseg.session.masks.canvas import Painted, PaintedKey, by_index
from napari_intseg.session.masks.plane_state import ObjectInfo, ObjectKey, PlaneKey
from napari_intseg.session.masks.settle import (
    PROTECTION,
    check_policy,
    check_region,
    contested,
    find_free,
)
from napari_intseg.session.validate_prompts import check_mask, fits

Changes = dict[Hashable, Any]


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
