"""Journals on disk: a line is there as soon as its action is done, and trouble loses nothing."""

import errno
import hashlib
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_data_path

from napari_intseg.core.volume import Volume
from napari_intseg.errors import IntSegError
from napari_intseg.io.output_files import SUFFIX, as_json
from napari_intseg.session.journal.recorder import Line, Written, read_journal

THREAD = "napari-intseg journal"
"""Name of the thread that writes."""

# seconds between two forcings at least, so that the thread does not spin on a slow clock
_LEAST_S = 0.5
_log = logging.getLogger(__name__)


class Appended:
    """A file that is open as long as all goes well; used by one thread.

    Parameters
    ----------
    path : path
        Its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether it has been opened and not closed since."""
        return self._file is not None

    def append(self, content: bytes) -> None:
        """Give bytes to the operating system; from then on they outlive this process.

        Raises
        ------
        OSError
            If that cannot be done, or somebody has moved or removed the file. What a write that
            failed left behind is cut off by the next.
        """
        file = self._opened()
        # cuts off what a failed write left: a half line would
        # make the journal damaged in its middle
        os.ftruncate(file, self._size)
        os.lseek(file, self._size, os.SEEK_SET)
        done = 0
        # the operating system may take less than all
        while done < len(content):
            done += os.write(file, content[done:])
        # a file that was removed still takes bytes, which nobody will ever find
        if not os.path.samestat(os.fstat(file), self.path.stat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._size += len(content)

    def twin(self) -> int:
        """Return a second descriptor of the file, for whoever forces it to the disk."""
        return os.dup(self._opened())

    def close(self) -> None:
        """Let go of the file; the next `append` opens it again."""
        file, self._file = self._file, None
        if file is not None:
            try:
                os.close(file)
            except OSError as err:
                _log.info("journal %s could not be closed: %s", self.path, err)

    def is_there(self) -> bool:
        """Whether the file holds what was appended, as far as its size tells."""
        try:
            return self.path.stat().st_size >= self._size
        except OSError:
            return False

    def begin_again(self) -> None:
        """Count the file as empty: all is going to be appended anew."""
        self.close()
        self._size = 0

    def _opened(self) -> int:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # readable by its owner alone (0o600): work may be about patients' images
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            lock(self._file)
        return self._file


class Forced:
    """Has a file forced to the disk now and then, in a thread of its own: that can take long.

    Parameters
    ----------
    every_s : float
        So long after bytes were appended they are forced, at the latest.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        # so that the first line is forced at once
        self._began = -every_s
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None
        # whether bytes were appended since it was forced last
        self.is_due = False

    def pause(self) -> float | None:
        """Return in how many seconds `force` should be called again; None: there is no need."""
        if not self.is_due:
            return None
        return max(_LEAST_S, self._began + self._every_s - time.monotonic())

    def force(self, twin: Callable[[], int], *, urgent: bool = False, wait: bool = False) -> None:
        """Force what was appended to the disk, if it is time.

        Parameters
        ----------
        twin : callable
            Returns a descriptor of the file, which is closed afterwards.
        urgent : bool, default False
            It is time now.
        wait : bool, default False
            Until it is done, and now.

        Raises
        ------
        OSError
            If it could not be done the last time.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        is_time = urgent or wait or time.monotonic() >= self._began + self._every_s
        # one at a time: a disk that hangs must not gather threads
        if self.is_due and is_time and (wait or not self._is_busy):
            self._join()
            # a descriptor of its own: the file may be closed meanwhile
            file, name = twin(), f"{THREAD} to disk"
            self.is_due, self._began = False, time.monotonic()
            self._thread = threading.Thread(
                target=self._force, args=(file,), name=name, daemon=True
            )
            self._thread.start()
        if wait:
            self._join()

    @property
    def _is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _join(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _force(self, file: int) -> None:
        try:
            os.fsync(file)
        except OSError as err:
            self._failure, self.is_due = err, True
        finally:
            os.close(file)


def lock(file: int) -> bool:
    """Take a file for this process as long as it lives; False if another one has it."""
    try:
        # by name and as Any: on Windows there is no such module to check types of
        fcntl: Any = importlib.import_module("fcntl")
    except ImportError:
        # not on Windows; there every journal counts as free
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# an image is recognised by so many planes, spread evenly, and samples along a side of each
_PLANES = 16
_PLANE_SIDE = 256


def image_signature(volume: Volume) -> dict[str, Any]:
    """Return what tells an image from others, as plain JSON.

    Of large data a sample is read, spread over all of it: at most 16 planes, and of each about
    256 by 256 pixels. So two images that differ only between the pixels of the sample look alike.

    Parameters
    ----------
    volume : Volume
        Lazy data is sampled too.

    Returns
    -------
    dict
        ``shape``, ``channels``, ``dtype``, ``spacing`` in mm, and ``sha256`` of the sample.
    """
    digest = hashlib.sha256()
    planes = volume.planes(0)
    # spread evenly, the first and the last plane included
    chosen = np.unique(np.linspace(0, len(planes) - 1, _PLANES).round().astype(int))
    step = max(1, max(volume.slice_shape(0)) // _PLANE_SIDE)
    # the same signature on machines of either byte order
    little = volume.dtype.newbyteorder("<")
    for index in chosen:
        values = volume.take(planes[index], step=step)
        digest.update(np.ascontiguousarray(values, little).tobytes())
    return {
        "shape": list(volume.shape),
        "channels": volume.n_channels,
        "dtype": volume.dtype.name,
        "spacing": [float(s) for s in volume.spacing],
        "sha256": digest.hexdigest(),
    }


def is_same_image(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two signatures are of the same values; spacing may differ."""
    # spacing may be corrected by a person without making it another image
    names = ("shape", "channels", "dtype", "sha256")
    return all(one.get(name) == other.get(name) for name in names)


FOLDER_VARIABLE = "NAPARI_INTSEG_JOURNALS"
"""Environment variable with the folder for journals, instead of the user's data folder."""

KEPT = 50
"""Journals of finished work that stay in the folder; the oldest go first."""

SYNC_S = 10.0
"""Seconds after it was written at which a line is forced to the disk, at the latest."""

PATIENCE_S = 0.25
"""Seconds an action waits for a disk that does not answer; only once."""

# seconds until a disk that could not be written is tried again (not tuned)
_RETRY_S = 5.0
# a window that closes waits for the last lines no longer than this
_CLOSE_S = 10.0
_log = logging.getLogger(__name__)


def journals_folder() -> Path:
    """Return where journals are kept: the user's data folder, unless another is named."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(user_data_path("napari-intseg")) / "journals"


class JournalFile:
    """A file that every line of a journal is appended to, by a thread of its own.

    Whoever adds a line waits until the operating system has it, a few tenths of a millisecond, so
    that killing the process loses no action that was done. A disk that takes longer than
    `patience_s` is not waited for again until it has caught up: the thread reads from the lines
    that the journal keeps in memory anyway. Another thread forces them to the disk against a loss
    of power: ten seconds after a line at the latest, and at once when an object is accepted.

    If the disk is full, read-only or gone, lines wait in memory, and are written when it is back
    or when another place is chosen; if the file was taken away, all of them are.

    Parameters
    ----------
    path : path
        Its folder is made.
    on_trouble : callable
        Told once when writing fails, in the file's thread: what is wrong, and what to do.
    patience_s : float
        How long an action may wait for the disk.
    """

    def __init__(
        self,
        path: str | Path,
        on_trouble: Callable[[str], None],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.path = Path(path)
        self.trouble: str | None = None
        self._on_trouble, self._patience_s = on_trouble, patience_s
        self._disk, self._power = Appended(self.path), Forced(SYNC_S)
        self._change = threading.Condition()
        self._lines: Sequence[Line] = ()
        self._last: Line | None = None
        self._written = 0
        self._is_late = self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_behind(self) -> bool:
        """Whether lines wait because they could not be written."""
        return self._thread is not None and self._written < len(self._lines)

    def follow(self, lines: Sequence[Line]) -> None:
        """Write these lines, and those that are added to them: `added` tells of each."""
        self._lines = lines
        if any(_is_work(line) for line in lines):
            self._wait_for(len(lines))

    def added(self) -> None:
        """Have the line that was added last written."""
        if self._thread is not None or _is_work(self._lines[-1]):
            self._wait_for(len(self._lines))

    def close(self, last: Line | None = None) -> None:
        """Write what waits, and one more line; force all to the disk, and let go of the file."""
        thread = self._thread
        with self._change:
            self._is_closed, self._last = True, last
            self._change.notify_all()
        if thread is not None:
            thread.join(_CLOSE_S)
            if thread.is_alive():
                _log.warning("journal %s was left to a disk that does not answer", self.path)
        self._thread = None

    def _wait_for(self, count: int) -> None:
        """Wait until so many lines are with the operating system, or that takes too long."""
        with self._change:
            if self._is_closed:
                return
            # there is no file as long as nothing was done
            if self._thread is None:
                # daemon: a disk that hangs must not keep the program from ending
                self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
                self._thread.start()
            self._change.notify_all()
            # after one wait that was too long nobody waits again until the disk has caught up
            if self.trouble is None and not self._is_late and _is_waited_for(self._lines[-1]):
                self._is_late = not self._change.wait_for(
                    lambda: self._written >= count or self.trouble is not None, self._patience_s
                )

    def _run(self) -> None:
        while not self._is_closed:
            self._write()
            with self._change:
                self._change.wait_for(self._is_wanted, self._pause())
        # once more: lines may have come between the last write and the end
        self._write()
        self._disk.close()

    def _is_wanted(self) -> bool:
        return self._is_closed or (self.trouble is None and self._written < len(self._lines))

    def _pause(self) -> float | None:
        """Return how long there is nothing to do; None: until there is."""
        return _RETRY_S if self.trouble is not None else self._power.pause()

    def _write(self) -> None:
        """Append what is missing, and have it forced to the disk when it is time."""
        closing = self._is_closed
        try:
            lines = self._append(closing)
            self._power.force(self._disk.twin, urgent=any(map(_is_urgent, lines)), wait=closing)
        except OSError as err:
            self._disk.close()
            self._failed(err)
            return
        with self._change:
            self._is_late, self.trouble = False, None
            self._change.notify_all()

    def _append(self, closing: bool) -> Sequence[Line]:
        # the file was taken away: all lines are written anew
        if not (self._disk.is_open or self._disk.is_there()):
            self._disk.begin_again()
            self._written = 0
        lines = self._lines[self._written :]
        last = [self._last] if closing and self._last is not None else []
        if lines or last:
            self._disk.append("".join([f"{as_json(line)}\n" for line in (*lines, *last)]).encode())
            self._power.is_due = True
        with self._change:
            self._written += len(lines)
            self._change.notify_all()
        return lines

    def _failed(self, err: OSError) -> None:
        told = (
            f"work cannot be saved: expected room in a folder that allows it, got "
            f"{err.strerror or err} in {str(self.path.parent)!r}. It goes on in memory; free some "
            "space, or choose another folder to save to."
        )
        with self._change:
            is_new = self.trouble is None
            self.trouble = told
            self._change.notify_all()
        if is_new:
            # told once, not at every line and every try
            self._on_trouble(told)


def _is_work(line: Line) -> bool:
    # a header and "begin" alone are no work: opening an image leaves no file
    return bool(line.get("do", "begin") != "begin")


def _is_waited_for(line: Line) -> bool:
    # of a propagation, which is the action under way
    return bool(line.get("do") != "step")


def _is_urgent(line: Line) -> bool:
    return line.get("do") in ("finish_object", "close")


def new_path(folder: Path, signature: dict[str, Any]) -> Path:
    """Return a name for a journal: of the image's content and the time, not of its file."""
    # the image's hash first, so that journals of an image are found by name without being read
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
            # the last line is enough, and a journal may be large
            if not _is_held(path) and b'"do":"close"' in path.read_bytes()[-400:]:
                path.unlink()
    except OSError as err:
        _log.info("old journals could not be removed: %s", err)


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not lock(file)
    finally:
        os.close(file)


# journals of one process within one second would otherwise have the same name
_made = [0]


def _count() -> int:
    _made[0] += 1
    return _made[0]
