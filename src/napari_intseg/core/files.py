"""Files written whole or not at all, and texts of others read within bounds.

A kill or a power cut leaves the old file or the new one, never a mixture.
"""

import csv
import ctypes
import errno
import io
import json
import math
import os
import re
import shutil
import socket
import stat
import struct
import sys
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from napari_intseg.errors import FileError

HIDDEN = ".intseg-"
"""How names begin of all that is written beside its place before it is moved there."""

# a fixed name, so that whichever process comes next finds the interrupted move and ends it
_MOVING = f"{HIDDEN}moving"
# a list of the names to be removed, kept with the files: an interrupted move knows them as well
_GONE = ".gone"
# of this machine: in a shared folder the process numbers of other machines mean nothing
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_OURS = re.compile(rf"{re.escape(HIDDEN)}([0-9a-f]{{8}})-(\d+)-.*")
# unfinished journals of versions that wrote them beside the labels themselves
_OLD_JOURNAL = re.compile(r"\..+\.journal\.jsonl\.\d+\.part")
# a day: no save takes as long; used only where the process that wrote cannot be asked
_STALE_S = 86_400.0


def go_on() -> None:
    """Do nothing: what writers call between their steps unless they are given something to ask.

    What is called may raise to end them; then what was there before stays.
    """


@contextmanager
def hidden_folder(folder: Path) -> Iterator[Path]:
    """Give an empty hidden folder inside a folder, to write in; it is removed at the end.

    What saves that were killed left in the folder is removed, or brought to its end, first.
    """
    finish(folder)
    tidy(folder)
    made = _hidden(folder)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def put(made: Path, target: Path) -> None:
    """Move a file or a folder to its place in one step, on the disk when this returns.

    A file that takes the place of another one gets its permissions.

    Parameters
    ----------
    made : Path
        On the same file system. Takes the place of a file or folder at `target`; an old folder
        may then be found at `made`.
    target : Path
        Where to.

    Raises
    ------
    PermissionError
        If what is there is write-protected; see `check_unprotected`.
    """
    _keep_rights(made, target)
    # content first: a name that points to unwritten blocks is an empty file after a power cut
    sync(made)
    if made.is_dir() and target.is_dir():
        # a folder that holds something cannot be replaced by a rename
        if not exchange(made, target):
            parts = _hidden(target.parent)
            made.rename(parts / target.name)
            put_all(parts, target.parent)
    else:
        made.replace(target)
    # the new name is on the disk only once its folder is
    _sync_one(target.parent)


def check_unprotected(target: Path) -> None:
    """Refuse to replace what its owner has write-protected: a rename would not ask.

    Raises
    ------
    PermissionError
        If nobody may write to it, which on Windows the system itself says.
    """
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        # nothing is there, or nothing that a name leads to
        return
    if os.name == "posix" and not mode & 0o222:
        raise PermissionError(errno.EACCES, "it is write-protected", str(target))


def _keep_rights(made: Path, target: Path) -> None:
    check_unprotected(target)
    if made.is_file() and target.is_file():
        # others who share the folder write to it as they did
        shutil.copymode(target, made)


def put_all(parts: Path, folder: Path, *, gone: Collection[str] = ()) -> None:
    """Move all that is in a hidden folder to the folder round it; after a kill, `finish` goes on.

    Parameters
    ----------
    parts : Path
        Of `hidden_folder(folder)`, or made like that.
    folder : Path
        Where to, under the same names.
    gone : collection of str
        Names of files in `folder` that do not belong to it any more.
    """
    finish(folder)
    for made in parts.iterdir():
        _keep_rights(made, folder / made.name)
    if gone:
        (parts / _GONE).write_text("\n".join(gone), "utf-8", "surrogateescape")
    sync(parts)
    # from here on it counts as done
    parts.rename(folder / _MOVING)
    _sync_one(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Bring to its end what a kill has interrupted in `put_all`; mostly there is nothing to do."""
    moving = folder / _MOVING
    if not moving.is_dir() or moving.is_symlink():
        return
    # read before anything moves: removal comes last, when the new files are in place
    told = moving / _GONE
    gone = told.read_text("utf-8", "surrogateescape").splitlines() if told.is_file() else []
    for made in sorted(moving.iterdir()):
        with suppress(FileNotFoundError):
            # another process finishes it as well
            if made.name != _GONE and not made.name.startswith(HIDDEN):
                _take_place(made, folder / made.name)
    for name in gone:
        # the list comes from a file, which must not reach beyond this folder
        if Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
    _sync_one(folder)
    shutil.rmtree(moving, ignore_errors=True)
    tidy(folder)


def put_series(parts: Path, folder: Path, gone: Collection[str], others: Collection[str]) -> None:
    """Move files to a folder; in one step where the folder holds nothing but their kind.

    Parameters
    ----------
    parts : Path
        A hidden folder in `folder` that holds the files.
    folder : Path
        Where to.
    gone : collection of str
        Names in `folder` that the new files replace or leave no place for.
    others : collection of str
        Names of files in `folder` that go with them and stay.
    """
    for made in parts.iterdir():
        _keep_rights(made, folder / made.name)
    here = {path.name for path in folder.iterdir() if path != parts}
    # only where nothing else lives in the folder can another folder take its place
    if here <= {*gone, *others} and _put_as_folder(parts, folder, here & {*others}):
        return
    new = {path.name for path in parts.iterdir()}
    put_all(parts, folder, gone=sorted({*gone} - new))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; it appears whole, on the disk, or not at all."""
    with hidden_folder(path.parent) as folder:
        made = folder / path.name
        made.write_bytes(content)
        put(made, path)


def write_text(path: Path, text: str) -> None:
    r"""Write a text file in UTF-8; it appears whole, on the disk, or not at all.

    Bytes of names that are not UTF-8 are told by their numbers (``\udcff``).
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


# values in values: GeoJSON and OME-Zarr need about 10; Python itself gives up near 1,000
_MOST_NESTED = 64
# a configuration, description or record has some kB; lists of annotations ask for more
_MOST_TEXT_BYTES = 64 << 20
# of a whole number: identifiers are hashes of 64 bits at most
_MOST_BITS = 64


# with which a formula begins (OWASP, "CSV injection")
_FORMULA = ("=", "+", "-", "@", "\t")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV, in which no text is a formula to a spreadsheet.

    Names come from files of anyone: a text that a spreadsheet would compute, or run, gets an
    apostrophe before it, which spreadsheets do not show. Numbers stay numbers.
    """
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\n")
    table.writerows([_no_formula(cell) for cell in row] for row in rows)
    return out.getvalue()


def _no_formula(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    # csv does not quote it where lines end otherwise
    cell = cell.replace("\r", " ")
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def read_text(path: Path, most_bytes: int = _MOST_TEXT_BYTES) -> str:
    """Read a text in UTF-8 (or 16 or 32, by its first bytes) that somebody else has written.

    Raises
    ------
    ValueError
        If it is no plain file, larger than `most_bytes`, or no text.
    OSError
        If it cannot be read.
    """
    status = path.stat()
    # a pipe or a device would be waited for, or read without end
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no plain file")
    if status.st_size > most_bytes:
        raise ValueError(f"{status.st_size} bytes are more than {most_bytes}")
    return _decoded(path.read_bytes())


def read_json(
    path: Path,
    most_bytes: int = _MOST_TEXT_BYTES,
    *,
    ours: bool = False,
    any_number: bool = False,
) -> Any:
    """Read a JSON file that somebody may have changed; see `read_text` and `parse_json`."""
    return parse_json(read_text(path, most_bytes), ours=ours, any_number=any_number)


def parse_json(text: str | bytes, *, ours: bool = False, any_number: bool = False) -> Any:
    """Return what a JSON text says, if every reader would take it for the same.

    Parameters
    ----------
    text : str or bytes
    ours, any_number : bool, default False
        See `check_values`.

    Raises
    ------
    ValueError
        If it is no JSON, names a thing twice, or is refused by `check_values`.
    """
    if isinstance(text, bytes):
        text = _decoded(text)
    try:
        told = json.loads(text, object_pairs_hook=named_once)
    except RecursionError:
        raise _nested() from None
    check_values(told, len(text), ours=ours, any_number=any_number)
    return told


def named_once(pairs: Collection[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return names and values as a dict.

    Raises
    ------
    ValueError
        If a name comes twice: readers differ in which of the two they take.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[Any]()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{str(name)[:80]!r} is there twice")
            seen.add(name)
    return found


def check_values(told: Any, most: int, *, ours: bool = False, any_number: bool = False) -> None:
    """Ask for values that the code after can hold: of JSON, YAML or TOML.

    Parameters
    ----------
    told : object
        Dicts and lists of values, as the parser gives them.
    most : int
        Values that there can be: characters of the text. YAML can name one value again and again.
    ours : bool, default False
        The text is a record of this program: it may hold names of files that are not UTF-8.
    any_number : bool, default False
        Infinity and numbers that are none count: they are written into Zarr's attributes and COCO's
        scores and areas.

    Raises
    ------
    ValueError
        If they are nested deeply, too many, not finite, larger than 64 bits, or text with halves of
        letters, which can be neither printed nor saved.
    """
    level: list[Any] = [told]
    for _ in range(_MOST_NESTED):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one
                inner += one.values()
            elif isinstance(one, (list, tuple, set)):
                inner += one
            else:
                _check_value(one, ours, any_number)
            if len(inner) > 2 * most:
                raise ValueError("values are repeated without end")
        if not inner:
            return
        level = inner
    raise _nested()


def check_numbers(told: Any, most: int) -> None:
    """Ask for whole numbers that are no larger than `most`: sizes of what a file describes.

    Parameters
    ----------
    told : object
        As `check_values` lets it pass.
    most : int

    Raises
    ------
    ValueError
        If one is larger, or smaller than ``-most``.
    """
    if isinstance(told, int) and abs(told) > most:
        raise ValueError(f"the number {told} is larger than {most}")
    inner = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    for one in inner:
        check_numbers(one, most)


def _check_value(one: Any, ours: bool, any_number: bool) -> None:
    if isinstance(one, str):
        # fails where half of a surrogate pair stands alone; an error of kind ValueError
        one.encode("utf-8", "surrogateescape" if ours else "strict")
    elif isinstance(one, float):
        if not math.isfinite(one) and not any_number:
            raise ValueError(f"{one} is no number that counts")
    elif isinstance(one, int) and one.bit_length() > _MOST_BITS:
        raise ValueError(f"a whole number has {one.bit_length()} bits")


def _nested() -> ValueError:
    return ValueError(f"values are nested more than {_MOST_NESTED} deep")


def _decoded(content: bytes) -> str:
    # the module's own guess among UTF-8, 16 and 32, with or without the mark of byte order;
    # `json.loads` itself lets bytes pass that are halves of letters
    return content.decode(json.detect_encoding(content))


def read_matlab(path: Path, most_bytes: int) -> dict[str, Any]:
    """Read a MATLAB file of version 5 to 7, after asking how large its content is.

    Raises
    ------
    FileError
        If it is of another version, damaged, or its content has more than `most_bytes`.
    """
    from scipy.io import loadmat

    # before it is unpacked: a small file can claim any size
    _check_matlab(path, most_bytes)
    return dict(loadmat(str(path)))


def _check_matlab(path: Path, most_bytes: int) -> None:
    """Count the bytes that a file's compressed elements become, without keeping them."""
    left = most_bytes
    with path.open("rb") as file:
        head = file.read(128)
        # the header's last two bytes read IM or MI, by the byte order of the machine that wrote it
        order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
        while order is not None and len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{order}II", tag)
            # kind 15 is a compressed element
            if kind != 15:
                # not compressed: as long as it is
                left -= length
                file.seek(length, 1)
            else:
                unpack = zlib.decompressobj()
                chunk = file.read(min(length, most_bytes))
                while chunk and left >= 0 and not unpack.eof:
                    # at most a megabyte at a time, which is counted and thrown away
                    left -= len(unpack.decompress(chunk, 1 << 20))
                    chunk = unpack.unconsumed_tail
            if left < 0:
                break
    if order is None or left < 0:
        raise FileError(
            f"file cannot be read: expected a MATLAB file (version 5 to 7) of at most "
            f"{most_bytes} bytes, got {str(path)!r}. Save it with `save -v7`."
        )


def tidy(folder: Path) -> None:
    """Remove what saves left in a folder that were killed; what is being written stays."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if _is_left(path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    with suppress(OSError):
                        path.unlink()


def sync(path: Path) -> None:
    """Force a file, or a folder and all in it, to the disk."""
    if path.is_dir() and not path.is_symlink():
        for part in path.iterdir():
            sync(part)
    if not path.is_symlink():
        _sync_one(path)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where the system or the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    names = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            return libc is not None and libc.renamex_np(*names, ctypes.c_uint(_SWAP)) == 0
        if libc is None:
            return False
        at = ctypes.c_int(_AT_CWD)
        return bool(libc.renameat2(at, names[0], at, names[1], ctypes.c_uint(_SWAP)) == 0)
    except AttributeError:
        # a C library from before 2018, or another than glibc
        return False


# RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS, which are the same number
_SWAP = 2
# AT_FDCWD of Linux: paths are relative to the working directory, as for any other call
_AT_CWD = -100


def _put_as_folder(parts: Path, folder: Path, others: Collection[str]) -> bool:
    """Exchange a folder for a new one with the parts and links to the others; False if not."""
    real = folder.resolve()
    if Path.cwd().is_relative_to(real) or real.is_mount():
        # whoever works in it would work in a folder that is no more
        return False
    twin: Path | None = None
    try:
        twin = _hidden(real.parent)
        # permissions and times of the folder stay what its owner set
        shutil.copystat(real, twin)
        # a folder of another owner cannot be imitated; the files are moved one by one then
        if _owner(real) != _owner(twin):
            return False
        for path in parts.iterdir():
            # links, since they need no room and the files can still be moved one by one if this
            # fails
            os.link(path, twin / path.name)
        for name in others:
            os.link(real / name, twin / name)
        sync(twin)
        done = exchange(twin, real)
        _sync_one(real.parent)
        return done
    except OSError:
        # no links or no room there: the files are moved one by one
        return False
    finally:
        if twin is not None:
            shutil.rmtree(twin, ignore_errors=True)


def _owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def _take_place(made: Path, target: Path) -> None:
    if made.is_dir() and target.is_dir():
        if exchange(made, target):
            return
        target.rename(made.parent / f"{HIDDEN}{made.name}")
    made.replace(target)


def _hidden(folder: Path) -> Path:
    return Path(mkdtemp(prefix=f"{HIDDEN}{_HOST}-{os.getpid()}-", dir=folder))


def _is_left(path: Path) -> bool:
    if _OLD_JOURNAL.fullmatch(path.name):
        return _is_stale(path)
    if not path.name.startswith(HIDDEN) or path.name == _MOVING:
        return False
    known = _OURS.fullmatch(path.name)
    # on Windows os.kill ends a process or sends it Ctrl-C, and elsewhere's numbers say nothing
    if known is None or known[1] != _HOST or os.name != "posix":
        return _is_stale(path)
    try:
        os.kill(int(known[2]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        # another user's: it lives
        pass
    # it lives, but after a day its number may have been given to another process
    return int(known[2]) != os.getpid() and _is_stale(path)


def _is_stale(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > _STALE_S
    except OSError:
        return False


def _sync_one(path: Path) -> None:
    is_folder = path.is_dir()
    if is_folder and os.name != "posix":
        # Windows writes folders on its own
        return
    # Windows forces only what was opened for writing
    file = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(file)
    except OSError:
        if not is_folder:
            # some network file systems cannot force folders
            raise
    finally:
        os.close(file)
