"""A file that bytes are appended to, which tells when it is no longer the file that it was."""

import errno
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREAD = "napari-intseg journal"
"""Name of the thread that writes."""

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
        os.ftruncate(file, self._size)
        os.lseek(file, self._size, os.SEEK_SET)
        done = 0
        while done < len(content):
            done += os.write(file, content[done:])
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
        self._began = -every_s
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None
        self.is_due = False  # whether bytes were appended since it was forced last

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
        if self.is_due and is_time and (wait or not self._is_busy):
            self._join()
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
        fcntl: Any = importlib.import_module("fcntl")
    except ImportError:  # not on Windows; there every journal counts as free
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
