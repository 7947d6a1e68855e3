"""A process of its own in which files are opened first: one that hangs or crashes ends there.

SimpleITK, tifffile and HDF5 were each made to hang or crash by files of a few kilobytes. Before
this process reads a file, the child opens it and, if it is small, reads its pixels, within limits
of time and memory. Run as a module it is that child: it reads a kind, a limit of memory and a path,
a line each, and answers a line.
"""

import atexit
import contextlib
import logging
import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path

from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.header import looks_like_dicom, quiet
from napari_intseg.io.source import FileVolume

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
                if line.strip() in (READY, DONE, MEMORY):  # what a library prints is passed over
                    self._answers.put(line.strip())
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
            self.child = None  # this process is a fork: the child answers the other one
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
        "itk", "tiff" or "hdf5".
    path : Path
        The file.

    Raises
    ------
    FileError
        If the library crashed over it, took far more memory than the file has room for, or did
        not come to an end.
    """
    name = str(path)
    if "\n" in name or "\r" in name or "\t" in name:
        return
    size = path.stat().st_size
    limit_s = LIMIT_S + size / BYTES_A_SECOND
    with _lock:
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
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # what libraries print is no answer
    from napari_intseg.io.child_reader import OPENERS, limit_memory

    answers.write(READY + "\n")
    answers.flush()
    for line in sys.stdin:
        kind, memory, name = line.rstrip("\n").split("\t", 2)
        limit_memory(int(memory))
        answer = DONE
        try:
            OPENERS[kind](Path(name))
        except MemoryError:
            answer = MEMORY
        except Exception as err:
            # whatever else is wrong with it, the reader says it to the person
            answer = MEMORY if "bad_alloc" in str(err) or "allocate" in str(err) else DONE
        limit_memory(None)
        answers.write(answer + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()


_RESULTS = ("SEG", "RTSTRUCT")
_HEADER_BYTES = 1 << 20
_HEADERS = (".mhd", ".nhdr")
_NUMBER = re.compile(r"%0?\d*d")


def check_apart(target: str | Path, *inputs: str | Path | None) -> None:
    """Ask whether writing to a path leaves inputs as they are.

    They are told by what they are and not by their names: links, other spellings and files that
    belong to an input (data of a header, planes of a DICOM folder) count.

    Parameters
    ----------
    target : path
        To be written or replaced.
    inputs : path or None
        What was read or will be: files, folders, or datasets in a file; None is passed over.

    Raises
    ------
    FileError
        If it would replace one of them.
    """
    target = Path(target)
    for given in inputs:
        if given is not None and _touches(target, _on_disk(Path(given))):
            raise FileError(
                f"output is an input: expected another file than those that are read, got "
                f"{str(target)!r}, which is or belongs to {str(given)!r}. Choose another name; "
                "what is read is never replaced."
            )


def files_of(like: Volume) -> tuple[Path, ...]:
    """Return the files that a volume was read from; none if it was not read from files."""
    if not isinstance(like, FileVolume):
        return ()
    source = like.source
    origins = source.dicom_times or (() if source.dicom is None else (source.dicom,))
    frames = (frame.header.file for origin in origins for frame in origin.frames)
    named = (source.path,) if source.path.name else ()
    return (*named, *dict.fromkeys(frames))


def _on_disk(given: Path) -> Path:
    """Return the file of ``scan.h5/volumes/raw``, and other paths as they are."""
    whole = (path for path in (given, *given.parents) if path.is_file() or path == given)
    return next((path for path in whole if path.exists()), given)


def _touches(target: Path, given: Path) -> bool:
    if _is_same(target, given) or _is_plane_of(given, target):
        return True
    real, read = target.resolve(), given.resolve()
    if target.is_dir():
        return read.is_relative_to(real)
    if not target.exists():
        return False
    if given.is_dir():
        return real.is_relative_to(read) and not _is_result(target)
    return real.parent == read.parent and real.name in _named_in(read)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)  # links of both kinds, and letters where case does not count
    except OSError:
        return one.resolve() == other.resolve()


def _is_plane_of(given: Path, series: Path) -> bool:
    """Tell whether a file is one of those that a name with ``%03d`` stands for."""
    if not _NUMBER.search(series.name) or not _is_same(given.parent, series.parent):
        return False
    start, end = _NUMBER.split(series.name, maxsplit=1)
    return re.fullmatch(rf"{re.escape(start)}\d+{re.escape(end)}", given.name, re.I) is not None


def _is_result(path: Path) -> bool:
    """Tell whether a file in a folder of images is no image: labels that were written there."""
    if not looks_like_dicom(path):
        return _in_zarr(path) is None
    import pydicom

    try:
        with quiet():
            data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"])
    except Exception:  # damaged: it may be an image
        return False
    return str(data.get("Modality")) in _RESULTS


def _in_zarr(path: Path) -> Path | None:
    return next((p for p in path.resolve().parents if p.suffix.lower() == ".zarr"), None)


def _named_in(header: Path) -> str:
    """Return the part of a file in which it names others that belong to it."""
    try:
        with header.open("rb") as file:
            start = file.read(_HEADER_BYTES)
    except OSError:
        return ""
    is_ome = b"<OME" in start or b"FileName=" in start
    if header.suffix.lower() in _HEADERS or is_ome:
        return start.decode("utf-8", errors="replace")
    return ""
