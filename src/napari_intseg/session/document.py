"""Everything a session holds, in one place: objects, prompts, masks, and their history."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.propagation.guard import Stop
from napari_intseg.session.masks.canvas import Canvas, PaintedKey
from napari_intseg.session.masks.plane_state import (
    ObjectInfo,
    ObjectKey,
    PlacedClick,
    PlaneKey,
    PlaneState,
    VolumeKey,
    WalkKey,
)
from napari_intseg.session.masks.settle import PROTECTION, Protection, Rules, settle
from napari_intseg.session.question import Setup
from napari_intseg.session.validate_prompts import place

Belongs = Callable[[Hashable], bool]

# one object: rules are compared by identity, and a panel fills its lists when they differ
_UNPROTECTED = Protection()


@dataclass(frozen=True, slots=True, eq=False)
class HistoryEntry:
    """One action.

    Parameters
    ----------
    title : str
        What people read beside Undo.
    before, after : dict
        The values it changed; None stands for absent.
    token : hashable or None
        Later changes with the same token join this entry.
    reverts : HistoryEntry or None
        What it took back for one object alone, see `History.last_of`.
    """

    title: str
    before: dict[Hashable, Any]
    after: dict[Hashable, Any]
    token: Hashable | None = None
    reverts: "HistoryEntry | None" = field(default=None)


class History:
    """A dictionary that remembers; values are immutable, hence shared and never copied.

    Attributes
    ----------
    values : dict
        What holds now. Change it through the methods only.
    versions : Counter of type
        How often values have changed, by the type of their keys.
    """

    def __init__(self, values: Mapping[Hashable, Any]) -> None:
        self.values: dict[Hashable, Any] = dict(values)
        self.versions: Counter[type] = Counter()
        self._entries: list[HistoryEntry] = []
        self._done = 0

    def __len__(self) -> int:
        return self._done

    @property
    def last(self) -> HistoryEntry | None:
        """What undo would take back; None if there is nothing."""
        return self._entries[self._done - 1] if self._done else None

    @property
    def undo_title(self) -> str | None:
        """What undo would take back; None if there is nothing."""
        return self._entries[self._done - 1].title if self._done else None

    @property
    def redo_title(self) -> str | None:
        """What redo would bring back; None if there is nothing."""
        return self._entries[self._done].title if self._done < len(self._entries) else None

    def do(
        self,
        title: str,
        changes: Mapping[Hashable, Any],
        token: Hashable | None = None,
        reverts: HistoryEntry | None = None,
    ) -> None:
        """Change values as one entry; what had been undone is forgotten."""
        # a new action ends the way forward, as in every editor
        del self._entries[self._done :]
        before = dict(zip(changes, map(self.values.get, changes), strict=True))
        if token is not None and self._done and self._entries[-1].token == token:
            # it may be large: what joins it is added in place
            joined = self._entries[-1]
            for key, value in before.items():
                # the oldest value counts: undo goes back to before the whole entry
                joined.before.setdefault(key, value)
            joined.after.update(changes)
        else:
            self._entries.append(HistoryEntry(title, before, dict(changes), token, reverts))
        self._done = len(self._entries)
        self._put(changes)

    def undo(self) -> HistoryEntry | None:
        """Take back the last entry and return it; None if there is none."""
        if not self._done:
            return None
        self._done -= 1
        entry = self._entries[self._done]
        self._put(entry.before)
        return entry

    def redo(self) -> HistoryEntry | None:
        """Bring back the entry that was undone last and return it; None if there is none."""
        if self._done == len(self._entries):
            return None
        entry = self._entries[self._done]
        self._done += 1
        self._put(entry.after)
        return entry

    def last_of(self, belongs: Belongs) -> HistoryEntry | None:
        """Return the last entry that changed some values and has not been taken back for them.

        Parameters
        ----------
        belongs : callable
            Whether a key is one of those values.
        """
        # what was taken back for this object alone is passed over together with what took it back
        skipped: set[int] = set()
        for entry in reversed(self._entries[: self._done]):
            if id(entry) in skipped or not any(belongs(key) for key in entry.after):
                continue
            if entry.reverts is None:
                return entry
            skipped.add(id(entry.reverts))
        return None

    def last_reverted(self, belongs: Belongs) -> HistoryEntry | None:
        """Return the entry taken back last for some values, if nothing was done to them since."""
        brought_back: set[int] = set()
        for entry in reversed(self._entries[: self._done]):
            if not any(belongs(key) for key in entry.after):
                continue
            if entry.reverts is None:
                return None
            # a redo of an undo: the undo that it took back no longer counts
            if entry.reverts.reverts is not None:
                brought_back.add(id(entry.reverts))
            elif id(entry) not in brought_back:
                return entry
        return None

    def amend(
        self, key: Hashable, value: Any, others: Mapping[Hashable, Any] | None = None
    ) -> None:
        """Replace a value where it stands, as if the action that set it had set this one.

        An answer that arrives belongs to the click that asked for it, so it makes no entry.

        Parameters
        ----------
        key, value
            What is replaced.
        others : mapping, optional
            What changes along with it; taken back together with that action.
        """
        # the answer belongs to the last entry that asked on this plane, not to the newest one
        at = self._last_with(key)
        for one, new in {key: value, **(others or {})}.items():
            last = self._last_with(one)
            if last is not None and (at is None or last >= at):
                self._entries[last].after[one] = new
            elif at is not None:
                self._entries[at].before.setdefault(one, self.values.get(one))
                self._entries[at].after[one] = new
            # entries that were undone must lead back to the new value, too
            for entry in self._entries[self._done :]:
                if one in entry.before:
                    entry.before[one] = new
                    break
            self._put({one: new})

    def _last_with(self, key: Hashable) -> int | None:
        for number in range(self._done - 1, -1, -1):
            if key in self._entries[number].after:
                return number
        return None

    def _put(self, changes: Mapping[Hashable, Any]) -> None:
        # who keeps something made of the values compares versions
        self.versions.update(map(type, changes))
        for key, value in changes.items():
            # absent keys take no memory: there is one for every plane of every object
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value


LARGEST_LABEL = 2**31 - 1
"""Labels are put together as int32: signed, which SimpleITK and napari take, and half of int64."""

TITLE_LINK = "Link through time"
"""The step of undo that gives the objects of a time point the numbers of their tracks."""

SETUP: Literal["setup"] = "setup"
OBJECT: Literal["object"] = "object"
DETAIL: Literal["detail"] = "detail"
"""Where history keeps how much detail outlines show, in millimetres."""


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
    stops : tuple of (int, Stop)
        Of a propagation: which object ended where, and why.
    """

    title: str
    planes: tuple[Plane, ...] = ()
    objects: tuple[int, ...] = ()
    stops: tuple[tuple[int, Stop], ...] = ()


class Document:
    """Objects, prompts and masks with their history; all masks are written here.

    Parameters
    ----------
    setup : Setup
        What answers depend on, at the start.

    Attributes
    ----------
    volume : Volume
        What is segmented.
    serials : iterator of int
        Each number is larger than all before; `next_serial` returns the next one.
    is_mirror : bool
        Whether it takes over what another document was given while its objects were open: then
        answers are taken even where an object is finished or locked by now.
    """

    def __init__(self, setup: Setup) -> None:
        self.history = History({ObjectKey(1): ObjectInfo(1), SETUP: setup, OBJECT: 1})
        self.volume, self.is_mirror = setup.volume, False
        self.canvas = Canvas(setup.volume)
        self.revision = 0
        self.serials = count(1)
        self.next_serial: Callable[[], int] = self.serials.__next__
        # version and objects: made again when an object has changed as a whole
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
        version = self.history.versions[ObjectKey]
        # there may be thousands, and they are asked for often
        if self._objects[0] != version:
            found = {}
            for value in self.history.values.values():
                if isinstance(value, ObjectInfo):
                    found[value.label] = value
            self._objects = version, dict(sorted(found.items()))
        return self._objects[1]

    def token(self, title: str) -> str:
        """Return a token for `do` that the last entry cannot have, not even one of a replay."""
        return f"{title} after {len(self.history)}"

    def state(self, label: int, plane: Plane) -> PlaneState:
        """Return what is known of an object on a plane; an empty state if nothing is."""
        return self.canvas.get(label, plane) or PlaneState()

    @property
    def protection(self) -> Protection:
        """Where may be written."""
        found: Protection = self.history.values.get(PROTECTION) or _UNPROTECTED
        return found

    @property
    def detail_mm(self) -> float:
        """How much detail outlines show; 0: all of it."""
        return float(self.history.values.get(DETAIL) or 0.0)

    def is_locked(self, label: int) -> bool:
        """Whether an object's pixels stay as they are: it is finished, or was locked."""
        protection, info = self.protection, self.history.values.get(ObjectKey(label))
        # what a person said of the lock counts before whether the object is finished
        if label in protection.locked:
            return True
        return info is not None and info.finished and label not in protection.unlocked

    def is_finished(self, label: int) -> bool:
        """Whether an object takes no further prompts; one that does not exist takes none."""
        # without `objects`: of thousands of planes, one value is looked up
        info: ObjectInfo | None = self.history.values.get(ObjectKey(label))
        return info is None or info.finished

    def is_shut(self, label: int) -> bool:
        """Whether an object takes no answers: it is finished, locked or gone."""
        if self.is_mirror:
            return False
        return self.is_finished(label) or self.is_locked(label)

    def check_object(self, label: int | None) -> int:
        """Return the label of an object that exists, the current one by default.

        Raises
        ------
        PromptError
            If there is none of that label.
        """
        chosen = self.object if label is None else label
        if chosen not in self.objects:
            raise PromptError(
                f"object does not exist: expected one of {tuple(self.objects)}, got {label!r}. "
                "Begin it with new_object."
            )
        return chosen

    def check_open(self, label: int | None = None) -> int:
        """Return the label of an object that takes prompts, the current one by default.

        Raises
        ------
        PromptError
            If there is none of that label, or it is finished or locked.
        """
        chosen = self.object if label is None else self.check_object(label)
        is_finished = self.is_finished(chosen)
        if is_finished or self.is_locked(chosen):
            raise PromptError(
                f"object is {'finished' if is_finished else 'locked'}: expected one that takes "
                f"prompts, got {chosen!r}. Reopen or unlock it, or begin a new object."
            )
        return chosen

    def check_unlocked(self, label: int | None) -> int:
        """Return the label of an object whose pixels may change, the current one by default.

        Raises
        ------
        PromptError
            If there is none of that label, or it is locked.
        """
        chosen = self.object if label is None else label
        if chosen not in self.objects or self.is_locked(chosen):
            raise PromptError(
                f"object cannot be changed: expected one of {tuple(self.objects)} that is not "
                f"locked, got {chosen!r}. Unlock it, or choose another."
            )
        return chosen

    def check_free(self, label: int) -> None:
        """Refuse what would change all of an object while some of it must stay as it is.

        Raises
        ------
        PromptError
            If the object is locked, or pixels outside a region must stay as they are.
        """
        if self.is_locked(label) or self.protection.is_limited:
            why = "is locked" if self.is_locked(label) else "may reach outside the region"
            raise PromptError(
                f"object {why}: expected one that may change everywhere, got {label!r}. "
                "Unlock it, or switch the limits off first."
            )

    def new_label(self, label: int | None) -> int:
        """Return the label of an object to begin, one more than the largest by default.

        Raises
        ------
        PromptError
            If the label is in use, below 1 or above 2147483647.
        """
        # one more than the largest, not the first free number:
        # labels of removed objects stay unused
        largest = max(self.objects, default=0)
        chosen = largest + 1 if label is None else int(label)
        if chosen > LARGEST_LABEL:
            raise PromptError(
                f"label is too large: expected at most {LARGEST_LABEL}, got {chosen!r}. "
                "Choose a smaller number for the object."
            )
        if chosen < 1 or chosen in self.objects:
            raise PromptError(
                f"label cannot be used: expected at least 1 and none of {tuple(self.objects)}, "
                f"got {label!r}. Leave it out for {largest + 1}."
            )
        return chosen

    def begin(self, label: int | None) -> int:
        """Begin an object, make it the current one, and return its label; see `new_label`."""
        chosen = self.new_label(label)
        self.do("New object", {ObjectKey(chosen): ObjectInfo(chosen), OBJECT: chosen})
        return chosen

    def set_finished(self, label: int | None, finished: bool) -> Change:
        """Finish an object, which then takes no prompts, or reopen it; None: the current one."""
        chosen = self.check_object(label)
        title = "Finish object" if finished else "Reopen object"
        return self.do(title, {ObjectKey(chosen): ObjectInfo(chosen, finished)})

    def remove_object(self, label: int | None) -> Change:
        """Remove an object with its prompts and mask; the current one by default.

        Another becomes the current one; without any other, label 1 begins anew.

        Raises
        ------
        PromptError
            If there is none of that label, it is locked, or pixels outside a region must stay.
        """
        gone = self.check_object(label)
        self.check_free(gone)
        changes: dict[Hashable, Any] = {ObjectKey(gone): None}
        if VolumeKey(gone) in self.history.values:
            changes[VolumeKey(gone)] = None
        for plane, _ in self.canvas.states(gone):
            # keys are made absent one by one, so that undo brings back exactly these
            changes[PlaneKey(gone, plane)] = None
        for index in self.canvas.painted(gone):
            changes[PaintedKey(gone, index)] = None
        left = [one for one in self.objects if one != gone]
        if not left:
            changes[ObjectKey(1)] = ObjectInfo(1)
        if gone == self.object:
            changes[OBJECT] = left[-1] if left else 1
        return self.do("Remove object", changes)

    def clicks(self, label: int) -> tuple[PlacedClick, ...]:
        """Return all clicks for an object, with their planes, in the order they were made."""
        found = [
            (serial, PlacedClick(plane, number, click))
            for plane, state in self.canvas.states(label)
            for number, (serial, click) in enumerate(
                zip(state.serials, state.prompts.clicks, strict=True)
            )
        ]
        # by when they were made: planes are stored by index
        return tuple(placed for _, placed in sorted(found, key=lambda pair: pair[0]))

    def find_click(self, number: int) -> tuple[Plane, tuple[Click, ...], int]:
        """Return the plane of one of the current object's clicks, the clicks there, and its index.

        Parameters
        ----------
        number : int
            Index in `clicks`; negative counts from the end.

        Raises
        ------
        PromptError
            If there is no such click.
        """
        clicks = self.clicks(self.object)
        if not -len(clicks) <= number < len(clicks):
            raise PromptError(
                f"click does not exist: expected a number below {len(clicks)}, got {number!r}. "
                "See `clicks` for those of the current object."
            )
        placed = clicks[number]
        given = self.state(self.object, placed.plane).prompts.clicks
        return placed.plane, given, placed.number

    def with_clicks(self, clicks: Mapping[Plane, tuple[Click, ...]]) -> dict[Plane, Prompts]:
        """Return the current object's prompts on planes with clicks after those there are."""
        found = {}
        for plane, new in clicks.items():
            given = self.state(self.object, plane).prompts
            found[plane] = replace(given, clicks=(*given.clicks, *new))
        return found

    def without_click(self, number: int) -> dict[Plane, Prompts]:
        """Return the prompts of a click's plane without it; see `find_click`."""
        plane, clicks, at = self.find_click(number)
        given = self.state(self.object, plane).prompts
        return {plane: replace(given, clicks=clicks[:at] + clicks[at + 1 :])}

    def with_moved_click(self, number: int, position: Sequence[float]) -> dict[Plane, Prompts]:
        """Return the prompts of the planes that a click leaves and comes to; see `find_click`."""
        plane, clicks, at = self.find_click(number)
        target, row, col = place(self.volume, plane.axis, position)
        moved = Click(row, col, clicks[at].positive)
        if target != plane:
            return self.without_click(number) | self.with_clicks({target: (moved,)})
        given = self.state(self.object, plane).prompts
        return {plane: replace(given, clicks=(*clicks[:at], moved, *clicks[at + 1 :]))}

    def given_planes(self, label: int, axis: int | None = None) -> tuple[Plane, ...]:
        """Return the planes on which a person set prompts or a mask for an object."""
        return self.canvas.given(label, axis)

    def propagated_planes(self, label: int, axis: int | None = None) -> tuple[Plane, ...]:
        """Return the planes whose mask of an object came from propagation."""
        return tuple(p for p, state in self.canvas.states(label, axis) if not state.is_given)

    def worked_planes(self, label: int, axis: int) -> list[Plane]:
        """Return the planes of an axis on which a person gave an object something, or painted."""
        given = set(self.given_planes(label, axis))
        if axis == 0:
            painted = self.canvas.painted(label)
            # erasing alone starts no propagation: there is no mask to start from
            given |= {Plane(0, index) for index, one in painted.items() if one.added.any()}
        return sorted(given)

    def rules(self, *, exact: bool = False) -> Rules:
        """Return the rules of the next write; `exact`: values are put back as they were."""
        # what comes back was limited, and smoothed, when it was new
        if exact:
            return Rules(_UNPROTECTED, self.is_locked, exact)
        return Rules(self.protection, self.is_locked, False, self.history.values.get(DETAIL) or 0.0)

    def do(
        self,
        title: str,
        changes: Mapping[Hashable, Any],
        token: Hashable | None = None,
        reverts: HistoryEntry | None = None,
        *,
        overwrite: bool = False,
        exact: bool = False,
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
        reverts : HistoryEntry, optional
            What it takes back for one object alone.
        overwrite : bool, default False
            Objects that are not locked give way, whatever the policy.
        exact : bool, default False
            Masks are those that there are, under other numbers: nothing is clipped or smoothed.
        """
        rules = self.rules(exact=exact)
        if DETAIL in changes:
            rules = replace(rules, detail_mm=changes[DETAIL] or 0.0, is_detail_new=True)
        if overwrite:
            rules = replace(rules, protection=replace(rules.protection, policy="overwrite"))
        clipped = settle(self.canvas, changes, rules)
        self.history.do(title, clipped, token, reverts)
        self.revision += 1
        return _change(title, clipped)

    def amend(
        self,
        key: PlaneKey,
        state: PlaneState | None,
        others: Mapping[Hashable, Any] | None = None,
    ) -> Change:
        """Add an answer to the history entry that asked for it, without a new entry.

        Parameters
        ----------
        key, state
            Where something was asked, and what it is there now.
        others : mapping, optional
            What the answer changes elsewhere; taken back together with it.
        """
        # pixels are settled when the answer comes: others may have taken some since it was asked
        settled = settle(self.canvas, {key: state, **(others or {})}, self.rules())
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

    def last_of(self, label: int) -> HistoryEntry | None:
        """Return what `revert` would take back; None if there is nothing."""
        entry = self.history.last_of(_belongs_to(label))
        # that an object was begun stays: `remove_object` takes it away as a whole
        is_begin = entry is not None and entry.before.get(ObjectKey(label), entry) is None
        # of one object alone it would leave two with one mask
        is_link = entry is not None and entry.title == TITLE_LINK
        return None if is_begin or is_link else entry

    def last_reverted(self, label: int) -> HistoryEntry | None:
        """Return the entry that `bring_back` would take back in turn; None if there is none."""
        return self.history.last_reverted(_belongs_to(label))

    def can_go(self, action: str, label: int) -> bool:
        """Whether there is an action to "undo" or "redo" for one object alone."""
        found = self.last_of(label) if action == "undo" else self.last_reverted(label)
        return label in self.objects and found is not None

    def revert(self, label: int) -> Change | None:
        """Take back the last action for one object alone, whatever was done to others since.

        It is an action of its own, so `undo` takes it back in turn. Nothing else changes: what
        others took meanwhile stays theirs, and what this one had taken from them does not go back.
        That the object was begun is not taken back. None if there is nothing.

        Raises
        ------
        PromptError
            See `check_free`; what was last done to a finished object is finishing it, and may be
            taken back.
        """
        self._check_may_go_back(label)
        entry = self.last_of(label)
        if entry is None:
            return None
        return self._reverted(f"Undo {entry.title} of object {label}", entry, label)

    def bring_back(self, label: int) -> Change | None:
        """Bring back what `revert` took back last; None if something was done since."""
        self._check_may_go_back(label)
        entry = self.last_reverted(label)
        if entry is None or entry.reverts is None:
            return None
        return self._reverted(f"Redo {entry.reverts.title} of object {label}", entry, label)

    def _check_may_go_back(self, label: int) -> None:
        if not self.is_finished(label) or label in self.protection.locked:
            self.check_free(label)

    def _reverted(self, title: str, entry: HistoryEntry, label: int) -> Change:
        belongs = _belongs_to(label)
        changes = {key: value for key, value in entry.before.items() if belongs(key)}
        return self.do(title, changes, reverts=entry)

    def _restored(self, title: str, values: Mapping[Hashable, Any]) -> Change:
        # other objects may hold pixels now that were free then: the clipped value is noted
        for key, value in settle(self.canvas, values, self.rules(exact=True)).items():
            if value is not values.get(key):
                self.history.amend(key, value)
        self.revision += 1
        return _change(title, values)


def _belongs_to(label: int) -> Callable[[Hashable], bool]:
    # keys that belong to one object; setup and protection are of all
    kinds = (ObjectKey, PlaneKey, PaintedKey, WalkKey, VolumeKey)
    return lambda key: isinstance(key, kinds) and key.label == label


def _change(title: str, changes: Mapping[Hashable, Any]) -> Change:
    planes, labels = set(), set()
    for key in changes:
        if isinstance(key, PlaneKey | ObjectKey | PaintedKey):
            labels.add(key.label)
        if isinstance(key, PlaneKey):
            planes.add(key.plane)
        elif isinstance(key, PaintedKey):
            planes.add(Plane(0, key.index))
    return Change(title, tuple(sorted(planes)), tuple(sorted(labels)))
