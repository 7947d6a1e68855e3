"""What a person does by hand, and what they protect."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.patch import bounding_box
from napari_intseg.session.document import Change
from napari_intseg.session.journal.recorder import recorded
from napari_intseg.session.masks.canvas import Painted, PaintedKey, by_index
from napari_intseg.session.masks.plane_state import ObjectInfo, ObjectKey, PlaneKey, Window
from napari_intseg.session.masks.settle import (
    PROTECTION,
    Protection,
    check_policy,
    check_region,
    contested,
    find_free,
)
from napari_intseg.session.validate_prompts import check_plane
from napari_intseg.session.views import Views

Changes = dict[Hashable, Any]


class Painting(Views):
    """Brush strokes, locks, regions and overlaps."""

    @property
    def protection(self) -> Protection:
        """Where may be written; change it with `protect`, `lock_object` and `unlock_object`."""
        return self.document.protection

    def is_locked(self, label: int) -> bool:
        """Whether an object's pixels stay as they are."""
        return self.document.is_locked(label)

    @recorded
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
        if label < 0 or self.is_locked(label):
            raise PromptError(
                f"object cannot be painted: expected 0 or one that is not locked, got {label!r}. "
                "Unlock it, or paint with another label."
            )
        changes: Changes = {}
        if label and label not in self.objects:
            changes[ObjectKey(label)] = ObjectInfo(label)
        for index, mask in self._by_index(strokes):
            self._paint(index, mask, label, changes)
        return self.document.do("Paint" if label else "Erase", changes)

    @recorded
    def clear_painted(self, label: int | None = None, plane: Plane | None = None) -> Change | None:
        """Drop what was painted and erased for an object; models' answers count again.

        Parameters
        ----------
        label : int, optional
            The current object by default.
        plane : Plane, optional
            Only on this plane of axis 0; everywhere by default.

        Returns
        -------
        Change or None
            None if nothing was painted there.

        Raises
        ------
        PromptError
            If the object is locked.
        """
        chosen = self._unlocked(self.object if label is None else label)
        painted = self.document.canvas.painted(chosen)
        gone = [i for i in painted if plane is None or i == plane.index]
        if not gone:
            return None
        changes: Changes = {PaintedKey(chosen, index): None for index in gone}
        return self.document.do("Drop painted pixels", changes)

    @recorded
    def protect(self, **rules: Any) -> Change:
        """Change policy, inside or region of `Protection`, as one entry; the others stay.

        Parameters
        ----------
        policy : {"keep", "overwrite", "ask"}
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
        now = self.protection
        inside = rules.get("inside", now.inside)
        if "inside" in rules and inside is not None:
            self._unlocked(inside)
        changed = replace(
            now,
            policy=check_policy(rules.get("policy", now.policy)),
            inside=inside,
            region=check_region(rules["region"], self.volume) if "region" in rules else now.region,
        )
        return self.document.do("Change protection", {PROTECTION: changed})

    @recorded
    def lock_object(self, label: int) -> Change:
        """Keep an object's pixels as they are, whatever is done to it or to others.

        Raises
        ------
        PromptError
            If there is none of that label.
        """
        return self._set_locked(label, True)

    @recorded
    def unlock_object(self, label: int) -> Change:
        """Let an object's pixels change again, finished or not; see `lock_object`."""
        return self._set_locked(label, False)

    def contested_on(self, plane: Plane, label: int | None = None) -> dict[int, int]:
        """Return how many pixels of an object's answer on a plane others hold that might give way.

        Parameters
        ----------
        plane : Plane
            Where.
        label : int, optional
            The current object by default.

        Returns
        -------
        dict of int to int
            Number of pixels by label.
        """
        chosen = self.object if label is None else label
        state = self.document.state(chosen, plane)
        if state.shown is None:
            return {}
        inside = state.shown.patch.inside(self.model.traits.threshold)
        key = PlaneKey(chosen, plane)
        return contested(self.document.canvas, key, inside, self.document.rules())

    @recorded
    def take_over(self, plane: Plane, label: int | None = None) -> Change | None:
        """Give an object the pixels of its answer on a plane that others hold, as one entry.

        Locked objects keep theirs, and regions hold.

        Parameters
        ----------
        plane : Plane
            Where.
        label : int, optional
            The current object by default.

        Returns
        -------
        Change or None
            None if there is no answer.

        Raises
        ------
        PromptError
            If the object is locked.
        """
        chosen = self._unlocked(self.object if label is None else label)
        state = self.document.state(chosen, plane)
        if state.shown is None:
            return None
        inside = state.shown.patch.inside(self.model.traits.threshold)
        shown = replace(state.shown, inside=inside, at=None)
        changes: Changes = {PlaneKey(chosen, plane): replace(state, shown=shown)}
        return self.document.do("Take over pixels", changes, overwrite=True)

    def _set_locked(self, label: int, locked: bool) -> Change:
        if label not in self.objects:
            raise PromptError(
                f"object does not exist: expected one of {self.objects}, got {label!r}. "
                "Begin it with new_object."
            )
        now = self.protection
        changed = replace(
            now,
            locked=now.locked | {label} if locked else now.locked - {label},
            unlocked=now.unlocked - {label} if locked else now.unlocked | {label},
        )
        title = f"{'Lock' if locked else 'Unlock'} object"
        return self.document.do(title, {PROTECTION: changed})

    def _is_shut(self, label: int) -> bool:
        """Whether an object takes no answers: it is finished, locked or gone."""
        return self.is_finished(label) or self.is_locked(label)

    def _check_free(self, label: int) -> None:
        """Refuse what would change all of an object while some of it must stay as it is."""
        if self.is_locked(label) or self.protection.is_limited:
            why = "is locked" if self.is_locked(label) else "may reach outside the region"
            raise PromptError(
                f"object {why}: expected one that may change everywhere, got {label!r}. "
                "Unlock it, or switch the limits off first."
            )

    def _unlocked(self, label: int) -> int:
        if label not in self.objects or self.is_locked(label):
            raise PromptError(
                f"object cannot be changed: expected one of {self.objects} that is not locked, "
                f"got {label!r}. Unlock it, or choose another."
            )
        return label

    def _by_index(self, strokes: Mapping[Plane, BoolArray]) -> Iterable[tuple[int, BoolArray]]:
        """Return strokes on planes of any axis as masks on planes of the first."""
        found: dict[int, BoolArray] = {}
        for plane, mask in strokes.items():
            shape = self.volume.slice_shape(check_plane(self.volume, plane).axis)
            if np.shape(mask) != shape:
                raise DataError(
                    f"mask is on another grid: expected shape {shape} on {plane!r}, "
                    f"got {np.shape(mask)!r}. Resample it onto the data's grid first."
                )
            for index, part in by_index(np.asarray(mask) != 0, plane, self.volume):
                found[index] = found[index] | part if index in found else part
        return found.items()

    def _paint(self, index: int, mask: BoolArray, label: int, changes: Changes) -> None:
        """Collect what a stroke on a plane of the first axis changes."""
        box, plane = bounding_box(mask), Plane(0, index)
        if box is None:
            return
        window = slice(box[0], box[1]), slice(box[2], box[3])
        canvas, rules = self.document.canvas, self.document.rules()
        found = find_free(canvas, label, plane, window, rules, by_hand=True)
        wanted = mask[window] & found.free
        if label:
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
