"""What is asked before a file is read: which files it may name, and whether it can hold its data.

Files are checked to be plain files before they are opened, and sizes before memory is taken.
"""

import errno
import os
import re
import stat
import struct
from importlib import import_module
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO

from napari_intseg.errors import FileError, MissingExtraError

VARIABLE = "NAPARI_INTSEG_DATA_FOLDERS"
"""Environment variable: further folders from which headers may take their data."""

MOST_FILES = 100_000
"""Names that one header may list: a plane each of the largest light-sheet series, and more."""

# the only pattern that is taken: one whole number of at most 99 digits
_NUMBERED = re.compile(r"[^%]*%(0?\d{1,2})?d[^%]*")

# what Windows takes for a device, whatever the folder
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_regular(path: Path) -> Path:
    """Ask for a plain file or a folder: a pipe or a device may never come to an end.

    Raises
    ------
    FileError
        If it is another thing, or the system takes no name as long. What is missing is left to
        those who read it.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:
        return path  # no file has a name with a null character
    except OSError as err:
        if err.errno != errno.ENAMETOOLONG:
            return path
        raise FileError(
            f"name is too long: expected one that the system takes, got {str(path)[:200]!r} and "
            "more. Check the path."
        ) from err
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileError(
            f"file cannot be read: expected a file, got a pipe, device or socket {str(path)!r}. "
            "Copy its content to a file first."
        )
    return path


def data_file(header: Path, name: str) -> Path:
    """Return the path of a file that another one names, if it may be read.

    The rule is the same for every format: it lies in the folder of the one that names it, or in a
    folder in that one, links followed; or in a folder that the person lists in the environment
    variable `VARIABLE`. What lies elsewhere is not even looked at.

    Parameters
    ----------
    header : Path
        The file (or Zarr folder) that names it.
    name : str
        As it stands there.

    Raises
    ------
    FileError
        If it lies elsewhere, or is no plain file.
    """
    folder = header if header.is_dir() else header.parent
    folders = [folder, *_allowed()]
    # links stay as they are
    # normpath, not resolve: nothing is looked up on the disk yet, and
    target = os.path.normpath(folder.absolute() / name)
    # compared as text first: a share of the network is asked for a password when it is looked at
    if "\0" in name or _is_foreign(name) or not any(_lies_in(target, one) for one in folders):
        raise _outside(header, name)
    real = os.path.realpath(target)
    # then by what links lead to: a link in the folder may point out of it
    if not any(_lies_in(real, Path(os.path.realpath(one))) for one in folders):
        raise _outside(header, name)
    return check_regular(Path(target))


def numbered_names(header: Path, pattern: str, first: int, last: int, step: int) -> list[str]:
    """Return the names that a printf pattern stands for, without printf.

    Raises
    ------
    FileError
        If it is more than one whole number in a name, or names too many files.
    """
    if not _NUMBERED.fullmatch(pattern) or step == 0 or (last - first) * step < 0:
        raise FileError(
            f"file cannot be read: expected a name or a pattern such as slice%03d.raw, got "
            f"{pattern[:80]!r} in {str(header)!r}. Check its header."
        )
    numbers = range(first, last + (1 if step > 0 else -1), step)
    check_count(header, len(numbers))
    return [pattern % number for number in numbers]


def check_count(header: Path, count: int) -> None:
    """Ask for a header that does not name more files than any real one.

    Raises
    ------
    FileError
        If it does.
    """
    if count > MOST_FILES:
        raise FileError(
            f"file cannot be read: expected at most {MOST_FILES} data files, got {count} in "
            f"{str(header)!r}. Check its header."
        )


def _allowed() -> list[Path]:
    return [Path(one) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]


def _is_foreign(name: str) -> bool:
    """Whether a name is of a network share, a drive or a device, by the rules of any system."""
    is_share = name.startswith(("\\\\", "//"))
    if os.name == "nt":
        return (is_share and not any(_lies_in(name, one) for one in _allowed())) or bool(
            _DEVICE.fullmatch(PureWindowsPath(name).name)
        )
    return is_share or PureWindowsPath(name).is_absolute()


def _lies_in(path: str, folder: Path) -> bool:
    """Whether a path is in a folder, by their names and by what links make of the folder's."""
    for whole in (os.path.normpath(folder.absolute()), os.path.realpath(folder)):
        try:
            if os.path.commonpath([whole, path]) == whole:
                return True
        except ValueError:  # on two drives
            continue
    return False


def _outside(header: Path, name: str) -> FileError:
    return FileError(
        f"data file lies elsewhere: expected one in the folder of {str(header)!r} or in a folder "
        f"in it, got {name[:200]!r}. Move it there, or allow its folder with the environment "
        f"variable {VARIABLE}."
    )


# of a header with its list of files; longer ones are refused
_HEADER_BYTES = 1 << 22

_DATA_FILE = re.compile(r"data ?file", re.IGNORECASE)
# nine digits: more would make a list of names without end
_NUMBER = re.compile(r"[+-]?\d{1,9}")
_LOCAL = ("local", "localdata")


def named_files(path: Path) -> tuple[Path, ...]:
    """Return the files in which a header says that its pixels are; none if they follow it.

    Parameters
    ----------
    path : Path
        ``.mhd``, ``.mha``, ``.nhdr`` or ``.nrrd``.

    Raises
    ------
    FileError
        If one lies elsewhere, is named by a pattern that only printf understands, or is a pipe or
        device.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    is_nrrd = path.name.lower().endswith((".nrrd", ".nhdr"))
    names = _nrrd_names(path, head) if is_nrrd else _meta_names(path, head)
    for name in names:
        # MetaIO takes it for a whole path, and looks in the folder that the program was started in
        if name.startswith("~") and not is_nrrd:
            raise _outside(path, name)
    return tuple(data_file(path, name) for name in names)


def _meta_names(path: Path, head: bytes) -> list[str]:
    lines = head.split(b"\n")
    for at, line in enumerate(lines):
        name, _, value = line.partition(b"=")
        if b"elementdatafile" not in name.lower():
            continue
        if name.strip() != b"ElementDataFile":
            # MetaIO takes other signs and spellings for it, that we would read another way
            raise _wrong(path, "a line ElementDataFile = NAME", line)
        text = _text(value)
        if text.lower() in _LOCAL:
            return []
        if text.split()[:1] == ["LIST"]:
            return _listed(path, lines[at + 1 :], len(head))
        return _names(path, text)
    raise _wrong(path, "a line ElementDataFile = NAME", lines[0])


def _nrrd_names(path: Path, head: bytes) -> list[str]:
    lines = head.split(b"\n")
    found: list[str] = []
    for at, line in enumerate(lines):
        if not line.strip(b"\r"):
            return found
        field, sign, value = line.partition(b":")
        if line.startswith(b"#") or not sign or not _DATA_FILE.fullmatch(_text(field)):
            continue
        if found:
            raise _wrong(path, "one data file", line)
        text = _text(value)
        if text.split()[:1] == ["LIST"]:
            return _listed(path, lines[at + 1 :], len(head))
        found = _names(path, text)
    if len(head) == _HEADER_BYTES:
        raise _wrong(path, "a header that ends", lines[0])
    return found


def _names(path: Path, text: str) -> list[str]:
    """Return the name in a field, or those that a pattern with its numbers stands for."""
    if "%" not in text:
        return [text]
    parts = text.split()
    numbers = [int(part) for part in parts[1:] if _NUMBER.fullmatch(part)]
    if len(numbers) != len(parts) - 1 or len(numbers) not in (3, 4):
        raise _wrong(path, "a name, or a pattern with its first, last and step", text.encode())
    return numbered_names(path, parts[0], *numbers[:3])


def _listed(path: Path, lines: list[bytes], held: int) -> list[str]:
    if held == _HEADER_BYTES:
        raise _wrong(path, f"a list of files of less than {_HEADER_BYTES} bytes", lines[0])
    names = [name for name in (_text(line) for line in lines) if name]
    check_count(path, len(names))
    for name in names:
        if "%" in name:
            raise _wrong(path, "a list of names", name.encode())
    return names


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="surrogateescape").strip()


def _wrong(path: Path, rule: str, got: bytes) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule}, got {got[:80].decode('latin-1')!r} in "
        f"{str(path)!r}. Check its header."
    )


DEFLATE_RATIO = 1040
"""Bytes that deflate makes of one at most: 1032 by its format, and some for its header."""

# bzip2 can pack equal bytes still better; a file that claims more than this is refused
_BZIP2_RATIO = 1 << 17
# a digit and a space may stand for a number of 16 bytes
_TEXT_RATIO = 8


def check_size(path: Path, declared: int, ratio: int = 1, present: int | None = None) -> None:
    """Ask for a file that is long enough.

    Parameters
    ----------
    path : Path
        The file.
    declared : int
        Bytes that its voxels take, by its header.
    ratio : int, default 1
        How many times smaller they may be in the file.
    present : int, optional
        Bytes that there are; by default those of the file.

    Raises
    ------
    FileError
        If it is too short.
    """
    present = path.stat().st_size if present is None else present
    # asked before memory is: a header of 100 bytes can declare terabytes
    if declared > present * ratio or declared <= 0:
        raise FileError(
            f"file cannot be read: expected an image, got {str(path)!r}, whose header declares "
            f"{declared} bytes where there are {present}. Check that it is complete."
        )


def itk_ratio(path: Path) -> int:
    """Return how many times smaller than its voxels a NIfTI, NRRD or MetaImage file can be."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return DEFLATE_RATIO
    if name.endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        if re.search(rb"(?im)^encoding:\s*(bz2|bzip2)", head):
            return _BZIP2_RATIO
        if re.search(rb"(?im)^(encoding:\s*(gz|gzip)|compresseddata\s*=\s*true)", head):
            return DEFLATE_RATIO
        if re.search(rb"(?im)^encoding:\s*(text|txt|ascii)", head):
            return _TEXT_RATIO
    return 1


def all_bytes(path: Path) -> int:
    """Return how many bytes there are of a file and of those that it names for its pixels."""
    if path.name.lower().endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
        named = named_files(path)
        return path.stat().st_size + sum(p.stat().st_size for p in named if p.is_file())
    return path.stat().st_size


def lazy_extra(name: str) -> Any:
    """Import what the extra "lazy" installs: dask and zarr.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _imported(name, "lazy", "OME-Zarr and files larger than memory need")


def hdf5_extra() -> Any:
    """Import h5py, which the extra "hdf5" installs.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _imported("h5py", "hdf5", "HDF5 needs")


def video_extra() -> Any:
    """Import PyAV, which the extra "video" installs.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _imported("av", "video", "videos need")


def tracking_extra() -> Any:
    """Import LapTrack, which the extra "tracking" installs.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _imported("laptrack", "tracking", "linking through time needs")


def _imported(name: str, extra: str, what: str) -> Any:
    try:
        return import_module(name)
    except ImportError as err:
        raise MissingExtraError(
            f"{what} {name.partition('.')[0]}: expected it to be installed, got {err!r}. "
            f'Install it with: pip install "napari-intseg[{extra}]".'
        ) from err


def check_time(time: int | None, count: int, path: Path) -> int:
    """Return which time point to read; 0 if there is only one.

    Raises
    ------
    FileError
        If there are several and none is chosen, or the chosen one does not exist.
    """
    if time is None:
        if count == 1:
            return 0
        raise FileError(
            f"file holds a series: expected one time point, got {count} in {str(path)!r}. "
            "Choose one with --time (time= in Python), 0 for the first."
        )
    if not 0 <= time < count:
        raise FileError(
            f"time point does not exist: expected 0 to {count - 1} for {str(path)!r}, got "
            f"{time!r}. Choose another."
        )
    return time


# tags of a page that are read: the bound keeps a damaged count from being followed
_MOST_TAGS = 4096
# the tag of a page's smaller copies
_SUB_IFDS = 330
# pages in pages in pages: the levels of a pyramid are one deep
_DEEPEST = 64
# LONG, IFD, LONG8 and IFD8: kinds of numbers that may point to a page
_POINTER_BYTES = {4: 4, 13: 4, 16: 8, 18: 8}


def check_pages_end(path: Path) -> None:
    """Follow the pages, and the pages in pages, none of which may lead back to itself.

    Raises
    ------
    FileError
        If one does.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return
        version = struct.unpack_from(order + "H", head, 2)[0]
        if version not in (42, 43) or (version == 43 and len(head) < 16):
            return
        # BigTIFF: all addresses and counts have eight bytes in place of four
        is_big = version == 43
        first = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]
        # where a row of pages begins, and the pages that it lies in
        waiting, seen = [(first, frozenset[int]())], set[int]()
        while waiting:
            at, outer = waiting.pop()
            row = set[int]()
            while at:
                if at in row or at in outer or len(outer) > _DEEPEST:
                    raise FileError(
                        "file cannot be read: expected pages one after another, got a circle of "
                        f"{len(seen)} or more in {str(path)!r}. Check that it is complete."
                    )
                if at in seen:
                    # the levels of a pyramid are listed by their page, and follow one another too
                    break
                seen.add(at)
                row.add(at)
                page, (at, inner) = at, _page(file, at, order, is_big=is_big)
                waiting += [(one, outer | {page}) for one in inner]


def _page(file: BinaryIO, at: int, order: str, *, is_big: bool) -> tuple[int, list[int]]:
    """Return where the next page is, 0 if none can be, and where the pages in this one are."""
    # TIFF 6.0, and the BigTIFF proposal: a tag is code, type, count, and value or address
    count_form, pointer = ("Q", "Q") if is_big else ("H", "I")
    tag_size = 20 if is_big else 12
    try:
        file.seek(at)
        (count,) = struct.unpack(order + count_form, file.read(struct.calcsize(order + count_form)))
        if count > _MOST_TAGS:
            return 0, []
        tags = file.read(count * tag_size)
        (after,) = struct.unpack(order + pointer, file.read(struct.calcsize(order + pointer)))
        inner: list[int] = []
        for i in range(0, count * tag_size, tag_size):
            code, kind = struct.unpack_from(order + "HH", tags, i)
            if code == _SUB_IFDS:
                inner = _pointers(file, tags[i : i + tag_size], kind, order, is_big=is_big)
    except (struct.error, OSError, OverflowError, ValueError):
        # cut off: tifffile says so
        return 0, []
    return after, inner


def _pointers(file: BinaryIO, tag: bytes, kind: int, order: str, *, is_big: bool) -> list[int]:
    size = _POINTER_BYTES.get(kind, 0)
    (count,) = struct.unpack_from(order + ("Q" if is_big else "I"), tag, 4)
    if not size or count > _MOST_TAGS:
        return []
    value_at = 12 if is_big else 8
    raw = tag[value_at:]
    if count * size > len(raw):
        file.seek(struct.unpack_from(order + ("Q" if is_big else "I"), tag, value_at)[0])
        raw = file.read(count * size)
    form = f"{order}{count}{'Q' if size == 8 else 'I'}"
    return [at for at in struct.unpack_from(form, raw) if at >= 8]
