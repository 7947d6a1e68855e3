"""Journals on disk: a line is there as soon as its action is done, and trouble loses nothing."""

import importlib
import json
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from napari_intseg.errors import IntSegError
from napari_intseg.io.beside import SUFFIX
from napari_intseg.session.journal import Journal, Line
from napari_intseg.session.journal_read import Written, read_journal
from napari_intseg.session.signature import is_same_image

FOLDER_VARIABLE = "NAPARI_INTSEG_JOURNALS"
"""Environment variable with the folder for journals, instead of the user's data folder."""

KEPT = 50
"""Journals of finished work that stay in the folder; the oldest go first."""

_SYNC_S = 10.0
_RETRY_S = 5.0
_log = logging.getLogger(__name__)


def journals_folder() -> Path:
    """Return where journals are kept: the user's data folder, unless another is named."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(user_data_path("napari-intseg")) / "journals"


def as_text(line: Line) -> str:
    """Return a line as it stands in a file."""
    return json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n"


class JournalFile:
    """A file that every line is appended to.

    A line is given to the operating system before the next action can begin, so killing the
    process loses no action that was done; every ten seconds at most it is also forced to the disk,
    against a loss of power. If the disk is full, read-only or gone, lines wait in memory, and are
    written when it is back or when another place is chosen.

    Parameters
    ----------
    path : path
        Its folder is made.
    on_trouble : callable
        Told once when writing fails: what is wrong, and what to do.
    """

    def __init__(self, path: str | Path, on_trouble: Callable[[str], None]) -> None:
        self.path = Path(path)
        self.trouble: str | None = None
        self._on_trouble = on_trouble
        self._waiting: list[bytes] = []
        self._size = 0
        self._file: int | None = None
        self._has_begun = False
        self._tried = self._synced = -_SYNC_S

    @property
    def is_behind(self) -> bool:
        """Whether lines wait because they could not be written."""
        return self._has_begun and bool(self._waiting)

    def write(self, line: Line) -> None:
        """Append a line; if that cannot be done, keep it for later."""
        self._waiting.append(as_text(line).encode())
        self._has_begun = self._has_begun or line.get("do", "begin") != "begin"
        if not self._has_begun:  # no file as long as nothing was done
            return
        if self.trouble is None or time.monotonic() - self._tried > _RETRY_S:
            self.flush()

    def flush(self) -> bool:
        """Try to write what waits; return whether nothing does any more."""
        self._tried = time.monotonic()
        try:
            self._append()
        except OSError as err:
            self._failed(err)
            return False
        self.trouble = None
        return True

    def close(self) -> None:
        """Force everything to the disk, and let go of the file."""
        if self.is_behind:
            self.flush()
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as err:
                _log.warning("journal %s could not be forced to the disk: %s", self.path, err)
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Close it and take the file away."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            lock(self._file)
            self._size = os.fstat(self._file).st_size
        content = b"".join(self._waiting)
        os.ftruncate(self._file, self._size)  # what a write that failed left behind
        os.lseek(self._file, self._size, os.SEEK_SET)
        done = 0
        while done < len(content):
            done += os.write(self._file, content[done:])
        self._size += len(content)
        self._waiting.clear()
        if time.monotonic() - self._synced > _SYNC_S:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def _failed(self, err: OSError) -> None:
        told = (
            f"work cannot be saved: expected room in a folder that allows it, got "
            f"{err.strerror or err} in {str(self.path.parent)!r}. It goes on in memory; free some "
            "space, or choose another folder to save to."
        )
        is_new = self.trouble is None
        self.trouble = told
        if self._file is not None:
            try:
                os.close(self._file)
            except OSError as closing:
                _log.info("journal %s could not be closed: %s", self.path, closing)
            self._file = None
        if is_new:
            self._on_trouble(told)


def save_journal(journal: Journal, path: str | Path) -> None:
    """Write a whole journal; it appears whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(as_text(line) for line in journal.lines)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def new_path(folder: Path, signature: dict[str, Any]) -> Path:
    """Return a name for a journal: of the image's content and the time, not of its file."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return folder / f"{signature['sha256'][:12]}-{stamp}-{os.getpid()}-{_count()}{SUFFIX}"


def find_unfinished(folder: Path, signature: dict[str, Any]) -> list[tuple[Path, Written]]:
    """Return journals of an image whose work did not end in an orderly way, the newest first.

    Those that a living process writes to are left out, and those that cannot be read.
    """
    found = []
    for path in sorted(folder.glob(f"{signature['sha256'][:12]}-*{SUFFIX}"), reverse=True):
        if _is_held(path):
            continue
        try:
            written = read_journal(path)
        except IntSegError as err:
            _log.warning("journal %s was left out: %s", path.name, err)
            continue
        same = is_same_image(written.header.get("image", {}), signature)
        if same and not written.is_closed and written.count:
            found.append((path, written))
    return found


def prune(folder: Path, keep: int = KEPT) -> None:
    """Remove the oldest journals of work that ended in an orderly way, beyond some."""
    try:
        paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in paths[: max(0, len(paths) - keep)]:
            if not _is_held(path) and b'"do":"close"' in path.read_bytes()[-400:]:
                path.unlink()
    except OSError as err:
        _log.info("old journals could not be removed: %s", err)


def lock(file: int) -> bool:
    """Take a file for this process as long as it lives; False if another one has it."""
    try:
        fcntl: Any = importlib.import_module("fcntl")
    except ImportError:  # not on Windows; there every journal counts as free
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not lock(file)
    finally:
        os.close(file)


_made = [0]


def _count() -> int:
    _made[0] += 1
    return _made[0]
