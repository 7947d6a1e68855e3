"""Whether a file can hold what its header declares: asked before memory is."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io.paths import named_files

DEFLATE_RATIO = 1040
"""What deflate makes of zeros: 1032 times less, by its format."""

_BZIP2_RATIO = 1 << 17
_TEXT_RATIO = 8
"""A digit and a space may stand for a number of 16 bytes."""

# of a packed file, to see what its compression can make of it
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
