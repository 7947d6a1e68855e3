"""Whether a file can hold what its header declares: asked before memory is."""

import re
from pathlib import Path

from napari_intseg.errors import FileError
from napari_intseg.io.detached import named_files

DEFLATE_RATIO = 1040
"""What deflate makes of zeros: 1032 times less, by its format."""

_BZIP2_RATIO = 1 << 17
_TEXT_RATIO = 8
"""A digit and a space may stand for a number of 16 bytes."""

_HEADER_BYTES = 1 << 22


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
