"""Whether a NIfTI header makes sense, checked before ITK reads it: some never come to an end."""

import gzip
import math
import struct
from pathlib import Path
from typing import Any

from napari_intseg.errors import FileError

_BYTES_1, _BYTES_2 = 348, 540
_SINGLE = {_BYTES_1: (b"n+1\0", 344, "f", 108), _BYTES_2: (b"n+2\0", 4, "q", 168)}
"""By size of header: the mark of a file that holds its voxels, where it and their place stand."""

_MOST_EXTENSIONS = 1 << 24
"""Bytes before the voxels: real extensions (AFNI's, DICOM's) have some kilobytes."""


def check_nifti(path: Path) -> None:
    """Ask for sizes, a place of voxels and extensions that a reader can follow.

    Files that are no NIfTI-1 or -2 by their first bytes are left to the reader.

    Raises
    ------
    FileError
        If something is wrong.
    """
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = file.read(_BYTES_2)
        found = [
            (order, size)
            for order in "<>"
            for size in _SINGLE
            if head[:4] == struct.pack(order + "i", size) and len(head) >= size
        ]
        if not found:
            return
        order, size = found[0]
        mark, mark_at, form, start_at = _SINGLE[size]
        start = struct.unpack_from(order + form, head, start_at)[0]
        if head[mark_at : mark_at + 4] != mark and head[mark_at : mark_at + 2] == b"ni":
            raise _wrong(path, "voxels in the same file", head[mark_at : mark_at + 3])
        if not math.isfinite(start) or not (start == 0 or size <= start <= _MOST_EXTENSIONS):
            raise _wrong(path, f"voxels that begin at {size + 4} or a little later", start)
        file.seek(size)
        rest = file.read(int(max(start - size, 0)))
    _check_sizes(path, head, order, size)
    _check_extensions(path, rest, order)


def _check_sizes(path: Path, head: bytes, order: str, size: int) -> None:
    form, at = ("8h", 40) if size == _BYTES_1 else ("8q", 16)
    dims = struct.unpack_from(order + form, head, at)
    if not 1 <= dims[0] <= 7 or min(dims[1 : 1 + dims[0]]) < 1:
        raise _wrong(path, "1 to 7 axes of at least one voxel", dims)


def _check_extensions(path: Path, rest: bytes, order: str) -> None:
    """Follow the extensions, each of which states its length, a multiple of 16."""
    if rest[:1] in (b"", b"\0"):
        return
    at = 4
    while at + 8 <= len(rest):
        length = struct.unpack_from(order + "i", rest, at)[0]
        if length < 16 or length % 16 or at + length > len(rest):
            raise _wrong(path, "an extension of 16 bytes or a multiple", length)
        at += length


def _wrong(path: Path, rule: str, got: object) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule}, got {got!r} in {str(path)!r}. Check that it is "
        "complete and NIfTI."
    )
