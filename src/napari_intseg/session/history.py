"""Values with undo and redo: every action is one entry, and going back puts old values in place."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One action.

    Parameters
    ----------
    title : str
        What people read beside Undo.
    before, after : dict
        The values it changed; None stands for absent.
    token : hashable or None
        Later changes with the same token join this entry.
    """

    title: str
    before: dict[Hashable, Any]
    after: dict[Hashable, Any]
    token: Hashable | None = None


class History:
    """A dictionary that remembers; values are immutable, hence shared and never copied.

    Attributes
    ----------
    values : dict
        What holds now. Change it through the methods only.
    """

    def __init__(self, values: Mapping[Hashable, Any]) -> None:
        self.values: dict[Hashable, Any] = dict(values)
        self._entries: list[Entry] = []
        self._done = 0

    @property
    def undo_title(self) -> str | None:
        """What undo would take back; None if there is nothing."""
        return self._entries[self._done - 1].title if self._done else None

    @property
    def redo_title(self) -> str | None:
        """What redo would bring back; None if there is nothing."""
        return self._entries[self._done].title if self._done < len(self._entries) else None

    def do(
        self, title: str, changes: Mapping[Hashable, Any], token: Hashable | None = None
    ) -> None:
        """Change values as one entry; what had been undone is forgotten."""
        del self._entries[self._done :]
        before = {key: self.values.get(key) for key in changes}
        if token is not None and self._done and self._entries[-1].token == token:
            joined = self._entries.pop()
            before = {**before, **joined.before}
            self._entries.append(Entry(title, before, {**joined.after, **changes}, token))
        else:
            self._entries.append(Entry(title, before, dict(changes), token))
        self._done = len(self._entries)
        self._put(changes)

    def undo(self) -> Entry | None:
        """Take back the last entry and return it; None if there is none."""
        if not self._done:
            return None
        self._done -= 1
        entry = self._entries[self._done]
        self._put(entry.before)
        return entry

    def redo(self) -> Entry | None:
        """Bring back the entry that was undone last and return it; None if there is none."""
        if self._done == len(self._entries):
            return None
        entry = self._entries[self._done]
        self._done += 1
        self._put(entry.after)
        return entry

    def amend(self, key: Hashable, value: Any) -> None:
        """Replace a value where it stands, as if the action that set it had set this one.

        An answer that arrives belongs to the click that asked for it, so it makes no entry.
        """
        for entry in reversed(self._entries[: self._done]):
            if key in entry.after:
                entry.after[key] = value
                break
        for entry in self._entries[self._done :]:
            if key in entry.before:
                entry.before[key] = value
                break
        self._put({key: value})

    def _put(self, changes: Mapping[Hashable, Any]) -> None:
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
