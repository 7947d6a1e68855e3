"""Everything a session holds, in one place: objects, prompts, masks, and their history."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from napari_intseg.core.volume import Plane
from napari_intseg.session.history import Entry, History
from napari_intseg.session.masks.canvas import Canvas, PaintedKey
from napari_intseg.session.masks.plane_state import (
    ObjectInfo,
    ObjectKey,
    PlaneKey,
    PlaneState,
    WalkKey,
)
from napari_intseg.session.masks.settle import PROTECTION, Protection, Rules, settle
from napari_intseg.session.question import Setup

SETUP: Literal["setup"] = "setup"
OBJECT: Literal["object"] = "object"


@dataclass(frozen=True, slots=True)
class Change:
    """What an action changed, for whoever draws it.

    Parameters
    ----------
    title : str
        What people read, e.g. beside Undo.
    planes : tuple of Plane
        Only voxels on these have changed.
    objects : tuple of int
        Only these objects have changed.
    """

    title: str
    planes: tuple[Plane, ...] = ()
    objects: tuple[int, ...] = ()


class Document:
    """Objects, prompts and masks with their history; all masks are written here.

    Parameters
    ----------
    setup : Setup
        What answers depend on, at the start.
    """

    def __init__(self, setup: Setup) -> None:
        self.history = History({ObjectKey(1): ObjectInfo(1), SETUP: setup, OBJECT: 1})
        self.canvas = Canvas(setup.volume)
        self.revision = 0
        self._serial = 0
        self._objects: tuple[int, Mapping[int, ObjectInfo]] = (-1, {})

    @property
    def setup(self) -> Setup:
        """What answers depend on, now."""
        setup: Setup = self.history.values[SETUP]
        return setup

    @property
    def object(self) -> int:
        """Label of the current object."""
        label: int = self.history.values[OBJECT]
        return label

    @object.setter
    def object(self, label: int) -> None:
        self.history.amend(OBJECT, label)

    @property
    def objects(self) -> Mapping[int, ObjectInfo]:
        """All objects by label, in order."""
        version = self.history.version
        if self._objects[0] != version:  # there may be thousands, and they are asked for often
            infos = [v for v in self.history.values.values() if isinstance(v, ObjectInfo)]
            infos.sort(key=lambda info: info.label)
            self._objects = version, {info.label: info for info in infos}
        return self._objects[1]

    def next_serial(self) -> int:
        """Return a number larger than all before."""
        self._serial += 1
        return self._serial

    def state(self, label: int, plane: Plane) -> PlaneState:
        """Return what is known of an object on a plane; an empty state if nothing is."""
        return self.canvas.get(label, plane) or PlaneState()

    @property
    def protection(self) -> Protection:
        """Where may be written."""
        found: Protection = self.history.values.get(PROTECTION) or Protection()
        return found

    def is_locked(self, label: int) -> bool:
        """Whether an object's pixels stay as they are: it is finished, or was locked."""
        protection, info = self.protection, self.history.values.get(ObjectKey(label))
        if label in protection.locked:
            return True
        return info is not None and info.finished and label not in protection.unlocked

    def rules(self, *, exact: bool = False) -> Rules:
        """Return what holds for the next write; `exact`: of values from the history."""
        return Rules(self.protection, self.is_locked, exact)

    def do(
        self,
        title: str,
        changes: Mapping[Hashable, Any],
        token: Hashable | None = None,
        reverts: Entry | None = None,
        *,
        overwrite: bool = False,
    ) -> Change:
        """Do something as one entry of the history.

        Parameters
        ----------
        title : str
            What people read beside Undo.
        changes : mapping
            New values by key; masks in them are clipped where they may not be, see `settle`.
        token : hashable, optional
            Changes with the same token, with nothing between them, are one entry.
        reverts : Entry, optional
            What it takes back for one object alone.
        overwrite : bool, default False
            Objects that are not locked give way, whatever the policy.
        """
        rules = self.rules()
        if overwrite:
            rules = replace(rules, protection=replace(rules.protection, policy="overwrite"))
        clipped = settle(self.canvas, changes, rules)
        self.history.do(title, clipped, token, reverts)
        self.revision += 1
        return _change(title, clipped)

    def amend(self, key: PlaneKey, state: PlaneState | None) -> Change:
        """Put an answer where the action that asked for it was, without a new entry."""
        settled = settle(self.canvas, {key: state}, self.rules())
        value = settled.pop(key)
        self.history.amend(key, value, settled)
        self.revision += 1
        return _change("", {key: value, **settled})

    def undo(self) -> Change | None:
        """Take back the last action; None if there is none."""
        entry = self.history.undo()
        return None if entry is None else self._restored(entry.title, entry.before)

    def redo(self) -> Change | None:
        """Bring back what was undone last; None if there is nothing."""
        entry = self.history.redo()
        return None if entry is None else self._restored(entry.title, entry.after)

    def last_of(self, label: int) -> Entry | None:
        """Return what `revert` would take back; None if there is nothing."""
        entry = self.history.last_of(_belongs_to(label))
        is_begin = entry is not None and entry.before.get(ObjectKey(label), entry) is None
        return None if is_begin else entry

    def last_reverted(self, label: int) -> Entry | None:
        """Return the entry that `bring_back` would take back in turn; None if there is none."""
        return self.history.last_reverted(_belongs_to(label))

    def revert(self, label: int) -> Change | None:
        """Take back the last action for one object alone, as an action of its own.

        None if there is none; that the object was begun is not taken back.
        """
        entry = self.last_of(label)
        if entry is None:
            return None
        return self._reverted(f"Undo {entry.title} of object {label}", entry, label)

    def bring_back(self, label: int) -> Change | None:
        """Bring back what `revert` took back last; None if something was done since."""
        entry = self.last_reverted(label)
        if entry is None or entry.reverts is None:
            return None
        return self._reverted(f"Redo {entry.reverts.title} of object {label}", entry, label)

    def _reverted(self, title: str, entry: Entry, label: int) -> Change:
        belongs = _belongs_to(label)
        changes = {key: value for key, value in entry.before.items() if belongs(key)}
        return self.do(title, changes, reverts=entry)

    def _restored(self, title: str, values: Mapping[Hashable, Any]) -> Change:
        for key, value in settle(self.canvas, values, self.rules(exact=True)).items():
            if value is not values.get(key):
                self.history.amend(key, value)
        self.revision += 1
        return _change(title, values)


def _belongs_to(label: int) -> Callable[[Hashable], bool]:
    kinds = (ObjectKey, PlaneKey, PaintedKey, WalkKey)
    return lambda key: isinstance(key, kinds) and key.label == label


def _change(title: str, changes: Mapping[Hashable, Any]) -> Change:
    planes = {key.plane for key in changes if isinstance(key, PlaneKey)}
    planes |= {Plane(0, key.index) for key in changes if isinstance(key, PaintedKey)}
    kinds = (PlaneKey, ObjectKey, PaintedKey)
    labels = {key.label for key in changes if isinstance(key, kinds)}
    return Change(title, tuple(sorted(planes)), tuple(sorted(labels)))
