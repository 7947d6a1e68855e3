"""Values with undo and redo: every action is one entry, and going back puts old values in place."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

Belongs = Callable[[Hashable], bool]


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
    version : int
        Grows with every change of a value.
    """

    def __init__(self, values: Mapping[Hashable, Any]) -> None:
        self.values: dict[Hashable, Any] = dict(values)
        self.version = 0
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
        del self._entries[self._done :]
        before = dict(zip(changes, map(self.values.get, changes), strict=True))
        if token is not None and self._done and self._entries[-1].token == token:
            joined = self._entries[-1]  # it may be large: what joins it is added in place
            for key, value in before.items():
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
        at = self._last_with(key)
        for one, new in {key: value, **(others or {})}.items():
            last = self._last_with(one)
            if last is not None and (at is None or last >= at):
                self._entries[last].after[one] = new
            elif at is not None:
                self._entries[at].before.setdefault(one, self.values.get(one))
                self._entries[at].after[one] = new
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
        self.version += 1
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
