"""Everything a session holds, in one place: objects, prompts, masks, and their history."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from napari_intseg.core.volume import Plane
from napari_intseg.session.canvas import Canvas
from napari_intseg.session.history import History
from napari_intseg.session.setup import Setup
from napari_intseg.session.state import ObjectInfo, ObjectKey, PlaneKey, PlaneState

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
    def objects(self) -> dict[int, ObjectInfo]:
        """All objects by label, in order."""
        infos = (v for v in self.history.values.values() if isinstance(v, ObjectInfo))
        return {info.label: info for info in sorted(infos, key=lambda info: info.label)}

    def next_serial(self) -> int:
        """Return a number larger than all before."""
        self._serial += 1
        return self._serial

    def state(self, label: int, plane: Plane) -> PlaneState:
        """Return what is known of an object on a plane; an empty state if nothing is."""
        return self.canvas.get(label, plane) or PlaneState()

    def do(
        self, title: str, changes: Mapping[Hashable, Any], token: Hashable | None = None
    ) -> Change:
        """Do something as one entry of the history.

        Parameters
        ----------
        title : str
            What people read beside Undo.
        changes : mapping
            New values by key; masks in them are clipped where other objects are.
        token : hashable, optional
            Changes with the same token, with nothing between them, are one entry.
        """
        clipped = self._settled(changes)
        self.history.do(title, clipped, token)
        self.revision += 1
        return _change(title, clipped)

    def amend(self, key: PlaneKey, state: PlaneState | None) -> None:
        """Put an answer where the action that asked for it was, without a new entry."""
        for one, value in self._settled({key: state}).items():
            self.history.amend(one, value)
        self.revision += 1

    def undo(self) -> Change | None:
        """Take back the last action; None if there is none."""
        entry = self.history.undo()
        return None if entry is None else self._restored(entry.title, entry.before)

    def redo(self) -> Change | None:
        """Bring back what was undone last; None if there is nothing."""
        entry = self.history.redo()
        return None if entry is None else self._restored(entry.title, entry.after)

    def _restored(self, title: str, values: Mapping[Hashable, Any]) -> Change:
        for key, value in self._settled(values).items():
            if value is not values.get(key):
                self.history.amend(key, value)
        self.revision += 1
        return _change(title, values)

    def _settled(self, changes: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring changes to the canvas; return them as they stand there."""
        settled = dict(changes)
        keys = [key for key in changes if isinstance(key, PlaneKey)]
        for key in keys:  # take away first, so that no old mask is in the way of a new one
            if changes[key] is None:
                self.canvas.put(key.label, key.plane, None)
        for key in keys:
            if changes[key] is not None:
                settled[key] = self._clipped(key, changes[key])
                self.canvas.put(key.label, key.plane, settled[key])
        if len(self.objects) > 1:
            for key, state in self._uncovered(keys):
                settled[key] = state
                self.canvas.put(key.label, key.plane, state)
        return settled

    def _clipped(self, key: PlaneKey, state: PlaneState) -> PlaneState:
        if state.shown is None:
            return state
        shown = self.canvas.clip(key.label, key.plane, state.shown)
        return state if shown is state.shown else replace(state, shown=shown)

    def _uncovered(self, keys: Iterable[PlaneKey]) -> Iterable[tuple[PlaneKey, PlaneState]]:
        """Masks of crossing planes that come to light again, less what others took meanwhile."""
        seen: set[PlaneKey] = set(keys)
        for key in keys:
            for plane, state in list(self.canvas.crossing(key.label, key.plane)):
                other = PlaneKey(key.label, plane)
                if other not in seen:
                    seen.add(other)
                    clipped = self._clipped(other, state)
                    if clipped is not state:
                        yield other, clipped


def _change(title: str, changes: Mapping[Hashable, Any]) -> Change:
    keys = [key for key in changes if isinstance(key, PlaneKey)]
    planes = tuple(sorted({key.plane for key in keys}))
    labels = {key.label for key in changes if isinstance(key, PlaneKey | ObjectKey)}
    return Change(title, planes, tuple(sorted(labels)))
