"""Which file endings are known, and what reads or writes them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from napari_intseg.errors import FileError

Kind = Literal[
    "itk", "tiff", "picture", "npy", "dicom", "rtstruct", "zarr", "hdf5", "coco",
    "geojson", "video",
]  # fmt: skip

KINDS: dict[str, Kind] = {
    ".nii.gz": "itk",
    ".nii": "itk",
    ".nrrd": "itk",
    ".nhdr": "itk",
    ".mha": "itk",
    ".mhd": "itk",
    ".ome.tiff": "tiff",
    ".ome.tif": "tiff",
    ".tiff": "tiff",
    ".tif": "tiff",
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".npy": "npy",
    "rtstruct.dcm": "rtstruct",
    ".dcm": "dicom",
    ".zarr": "zarr",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".hdf": "hdf5",
    ".geojson": "geojson",
    ".json": "coco",
    ".mp4": "video",
    ".m4v": "video",
    ".mov": "video",
    ".avi": "video",
    ".mkv": "video",
    ".webm": "video",
}
"""By ending, longer ones first. DICOM is also known by its content, whatever the name.

napari itself hands over only files with the endings under `readers`, `writers` in `napari.yaml`."""

VIDEOS = tuple(e for e, k in KINDS.items() if k == "video")
"""Opened by name; a folder's are passed over, as a folder is one of images."""

READABLE = tuple(e for e, k in KINDS.items() if k not in ("coco", "geojson", "rtstruct", "video"))
WRITABLE = tuple(e for e, k in KINDS.items() if not e.startswith(".jp") and k != "video")


def ending_of(path: Path) -> str | None:
    """Return the known ending of a file name, in lower case; None if there is none.

    A name inside a ``.zarr`` folder or behind an HDF5 file has that one's ending.
    """
    name = path.name.lower()
    found = next((ending for ending in KINDS if name.endswith(ending)), None)
    if found is None or KINDS[found] not in ("zarr", "hdf5"):
        for parent in path.parents:
            outer = next((e for e in KINDS if parent.name.lower().endswith(e)), None)
            if outer is not None and KINDS[outer] == "zarr" and parent.is_dir():
                return outer
            if outer is not None and KINDS[outer] == "hdf5" and parent.is_file():
                return outer
    return found


def kind_of(path: Path) -> Kind:
    """Return what reads a file.

    Raises
    ------
    FileError
        If the ending is unknown.
    """
    ending = ending_of(path)
    if KINDS.get(ending or "") == "rtstruct" or (ending is None and _is_dicom(path)):
        return "dicom"
    if ending not in (*READABLE, *VIDEOS):
        raise FileError(
            "file type is unknown: expected a name ending in "
            f"{', '.join((*READABLE, *VIDEOS))}, or a folder with a DICOM series, got "
            f"{str(path)!r}. Convert the image first."
        )
    return KINDS[ending]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


_PACKAGE = __name__.partition(".")[0]


class FileWarning(UserWarning):
    """Something about a file that a person should know before trusting what is shown of it."""


def remark(path: Path, text: str) -> None:
    """Tell one thing about a file, as a warning at the line that asked this package for it."""
    frame = sys._getframe(1)
    # the warning shows the line outside this package that asked for the file
    level = 2
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(FileWarning(f"{path.name!r}: {text}"), stacklevel=level)


@contextmanager
def left_out(path: Path, what: str) -> Iterator[None]:
    """Tell that a part of an image is left out if it cannot be read."""
    try:
        yield
    except Exception as err:
        # libraries have many errors for what is damaged or gone; all mean the same to a person
        reason = " ".join(str(err).split())[:600] or type(err).__name__
        remark(path, f"{what} left out: {reason}")
