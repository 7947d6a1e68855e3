"""Read journals of every version there has been, damaged ends included."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_intseg.errors import FileError, JournalError
from napari_intseg.io.output_files import SUFFIX, journal_texts
from napari_intseg.session.journal.recorder import FORMAT, VERSION, Line


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What a journal says.

    Parameters
    ----------
    header : dict
        The first line.
    actions : tuple of dict
        All others, in order.
    torn : int
        Lines at the end that could not be read and were left out: what was being written when the
        process was killed is one.
    """

    header: Line
    actions: tuple[Line, ...]
    torn: int = 0

    @property
    def lines(self) -> list[Line]:
        """All of it, the header first."""
        return [self.header, *self.actions]

    @property
    def times(self) -> tuple[int, ...]:
        """Time points that were worked on; the one that labels were written of comes last."""
        begun = [line.get("time", 0) for line in self.actions if line["do"] == "begin"]
        written = [line.get("time", 0) for line in self.actions if line["do"] == "labels"]
        return tuple(dict.fromkeys(reversed([*begun, *written])))[::-1]

    @property
    def is_closed(self) -> bool:
        """Whether work ended in an orderly way."""
        return bool(self.actions) and self.actions[-1].get("do") == "close"

    @property
    def count(self) -> int:
        """Actions of a person, answers and steps not counted."""
        return sum(line.get("do") not in _NOT_ACTIONS for line in self.actions)


_NOT_ACTIONS = ("begin", "answer", "step", "close", "labels", "go on")


def read_journal(path: str | Path) -> Written:
    """Read a journal file.

    Parameters
    ----------
    path : path
        JSON lines, UTF-8.

    Raises
    ------
    FileError
        If the file cannot be read.
    JournalError
        If it is no journal, of a later version, or damaged before its end.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as err:
        raise FileError(
            f"journal cannot be read: expected a readable file, got {str(path)!r} "
            f"({err.strerror or err}). Check the path."
        ) from err
    return parse_journal(content.decode("utf-8", errors="replace").splitlines())


def read_journal_of(labels: str | Path) -> Written:
    """Read the journal that stays with a file of labels; see `write_beside`.

    Raises
    ------
    FileError
        If there is none, or it cannot be read.
    JournalError
        As for `read_journal`.
    """
    return parse_journal(journal_texts(labels))


def parse_journal(texts: Iterable[str]) -> Written:
    """Return what lines of text say; see `read_journal`."""
    given = [text for text in texts if text.strip()]
    parsed = [_parsed(text) for text in given]
    first = parsed[0] if parsed else None
    if first is None or first.get("journal") != FORMAT:
        shown = given[0][:60] if given else ""
        raise JournalError(
            f'file is no journal: expected a first line with "journal": {FORMAT!r}, got '
            f"{shown!r}. Choose a file that ends in {SUFFIX}."
        )
    version = first.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise JournalError(
            f"journal is of another version: expected 1 to {VERSION}, got {version!r}. "
            "Install a newer napari-intseg."
        )
    actions = parsed[1:]
    torn = 0
    while actions and not _is_whole(actions[-1]):
        actions.pop()
        torn += 1
    for number, line in enumerate(actions, 2):
        if not _is_whole(line):
            raise JournalError(
                f"journal is damaged: expected an action on line {number}, got "
                f"{given[number - 1][:60]!r}. Remove that line and those after it."
            )
    return Written(first, tuple(_of_now(line, version) for line in actions if line), torn)


def _parsed(text: str) -> Line | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _is_whole(line: Line | None) -> bool:
    if line is None or not isinstance(line.get("do"), str):
        return False
    return isinstance(line.get("time", 0), int)


def _of_now(line: Any, _version: int) -> Line:
    """Return a line of an older version as this one would write it; version 1 is the first."""
    translated: Line = line
    return translated
