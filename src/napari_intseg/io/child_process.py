"""A process of its own in which files are opened first: one that hangs or crashes ends there.

SimpleITK, tifffile and HDF5 were each made to hang or crash by files of a few kilobytes. Before
this process reads a file, the child opens it and, if it is small, reads its pixels, within limits
of time and memory. Run as a module it is that child: it reads a kind, a limit of memory and a path,
a line each, and answers a line.
"""

import atexit
import contextlib
import logging
import math
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_intseg.errors import FileError

COMMAND = (sys.executable, "-X", "utf8", "-m", "napari_intseg.io.child_process")
READY, DONE, MEMORY = "ready", "done", "memory"

START_S = 120.0
"""Until the child is there: it imports numpy and a library, on a machine that may be busy."""

LIMIT_S = 10.0
"""For a small file; those that hang take for ever, the others of the tests below 0.2 s."""

BYTES_A_SECOND = 5_000_000
"""Time that is added for larger files: 100,000 pages on a slow network share."""

SPARE_BYTES = 1 << 30
"""Memory beyond twice the file: for headers and for `SMALL_BYTES` of pixels."""

SMALL_BYTES = 1 << 24
"""Pixels that the child reads too, so that a crash over them ends there."""

_log = logging.getLogger(__name__)
_lock = threading.Lock()


class _Child:
    """The process, with the thread that hears its answers."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            # names of files need not be UTF-8; in a session of
            # its own it does not hear Ctrl-C in the terminal
            text=True, encoding="utf-8", errors="surrogateescape", start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._hear, daemon=True, name="intseg-child").start()
        if self.answer(START_S) != READY:
            self.close()
            raise OSError("the process that opens files first did not start")

    def _hear(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in self._process.stdout:
                # what a library prints is passed over
                if line.strip() in (READY, DONE, MEMORY):
                    self._answers.put(line.strip())
        # the end of the process is an answer too, so that nobody waits for the limit of time
        self._answers.put("")

    def answer(self, limit_s: float) -> str | None:
        """Return the next answer: "" if the process has ended, None if none came in time."""
        try:
            return self._answers.get(timeout=limit_s)
        except queue.Empty:
            return None

    def ask(self, kind: str, memory: int, path: Path, limit_s: float) -> str | None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{kind}\t{memory}\t{path}\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return ""
        return self.answer(limit_s)

    def close(self) -> None:
        """End the process; one that belongs to another process is left to it."""
        if os.getpid() == self.owner:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError, ValueError):
                    if pipe is not None:
                        pipe.close()


class _First:
    """The one child of this process, started when it is needed."""

    def __init__(self) -> None:
        self.child: _Child | None = None
        self.is_unavailable = False

    def started(self) -> _Child | None:
        """Return the child; None where no process can be started."""
        if self.child is not None and self.child.owner != os.getpid():
            # this process is a fork: the child answers the other one
            self.child = None
        if self.child is None and not self.is_unavailable:
            try:
                self.child = _Child()
            except OSError as err:
                self.is_unavailable = True
                _log.warning("files are not opened in a process of their own first: %s", err)
        return self.child

    def close(self) -> None:
        """End the child; it is started anew when a file is to be opened."""
        if self.child is not None:
            self.child.close()
            self.child = None


_first = _First()
atexit.register(_first.close)


def check_in_child(kind: str, path: Path) -> None:
    """Open a file in the child first.

    What is merely wrong with a file is left to the reader, which says it better. Where no process
    can be started, nothing is checked.

    Parameters
    ----------
    kind : str
        "itk", "tiff", "hdf5" or "video".
    path : Path
        The file.

    Raises
    ------
    FileError
        If the library crashed over it, took far more memory than the file has room for, or did
        not come to an end.
    """
    name = str(path)
    # the protocol has one task a line, its fields parted by
    # tabs: such a name goes to the reader unchecked
    if "\n" in name or "\r" in name or "\t" in name:
        return
    size = path.stat().st_size
    limit_s = LIMIT_S + size / BYTES_A_SECOND
    # one child answers one question at a time
    with _lock:
        # started inside the lock, so that two threads do not start two
        child = _first.started()
        if child is None:
            return
        answer = child.ask(kind, 2 * size + SPARE_BYTES, path.absolute(), limit_s)
        if answer not in (DONE, MEMORY):
            _first.close()
    if answer != DONE:
        what = {None: f"it was not open after {limit_s:.0f} s", MEMORY: "it asks for much memory"}
        raise FileError(
            f"file cannot be read: expected an image, got {str(path)!r}, over which its reader "
            f"ended ({what.get(answer, 'the reader crashed')}). Do not open it elsewhere before "
            "you know where it comes from."
        )


def serve() -> None:
    """Open the files that are named on the standard input."""
    # a copy of the pipe is kept for answers, and standard output is sent to standard error:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    # what libraries print is no answer
    os.dup2(2, 1)
    answers.write(READY + "\n")
    answers.flush()
    # names of files need not be UTF-8
    questions = os.fdopen(0, encoding="utf-8", errors="surrogateescape", newline="\n")
    for line in questions:
        kind, memory, name = line.rstrip("\n").split("\t", 2)
        # from what is taken now: the libraries that are imported do not count
        limit_memory(int(memory))
        answer = DONE
        try:
            OPENERS[kind](Path(name))
        except MemoryError:
            answer = MEMORY
        except Exception as err:
            # every other fault is left to the reader, which reports it to the person
            answer = MEMORY if "bad_alloc" in str(err) or "allocate" in str(err) else DONE
        limit_memory(None)
        answers.write(answer + "\n")
        answers.flush()


def limit_memory(more: int | None) -> None:
    """Allow so many bytes more than are taken now; None: as many as there are.

    Only Linux counts them; elsewhere time alone is limited.
    """
    try:
        import resource
    except ImportError:
        return
    kind, (_, hard) = resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)
    limit = hard
    if more is not None:
        status = Path("/proc/self/statm")
        if not status.exists():
            return
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        limit = taken + more if hard == resource.RLIM_INFINITY else min(hard, taken + more)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (limit, hard))


def _open_itk(path: Path) -> None:
    import SimpleITK

    sitk: Any = SimpleITK
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    # the pixels are read only if they are few: a crash over a header is found without them
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    found = re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    values = math.prod(reader.GetSize()) * int(reader.GetNumberOfComponents())
    if values * (int(found[1]) if found else 8) // 8 <= SMALL_BYTES:
        reader.Execute()


def _open_tiff(path: Path) -> None:
    import tifffile

    # tifffile logs what it finds odd; the reader checks and reports that itself
    logging.getLogger("tifffile").disabled = True
    with tifffile.TiffFile(path) as file:
        # only the first is ever read, see `io.tiff`
        for series in file.series[:1]:
            if series.nbytes <= SMALL_BYTES:
                series.asarray()


def _open_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "r") as file:

        def visit(_: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                is_own = not item.is_virtual and not item.external
                if is_own and item.dtype.kind in "buifc" and item.nbytes <= SMALL_BYTES:
                    item[()]
                dict(item.attrs)

        file.visititems(visit)


def _open_video(path: Path) -> None:
    from napari_intseg.io.pictures import VideoFrames

    VideoFrames(path)


OPENERS: dict[str, Callable[[Path], None]] = {
    "itk": _open_itk,
    "tiff": _open_tiff,
    "hdf5": _open_hdf5,
    "video": _open_video,
}


if __name__ == "__main__":
    serve()
