"""Which file endings are known, and what reads or writes them."""

from pathlib import Path
from typing import Literal

from napari_intseg.errors import FileError

Kind = Literal["itk", "tiff", "picture", "npy", "dicom"]

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
    ".dcm": "dicom",
}
"""By ending, longer ones first. DICOM is also known by its content, whatever the name."""

WRITABLE = tuple(e for e, k in KINDS.items() if k != "dicom" and not e.startswith(".jp"))


def ending_of(path: Path) -> str | None:
    """Return the known ending of a file name, in lower case; None if there is none."""
    name = path.name.lower()
    return next((ending for ending in KINDS if name.endswith(ending)), None)


def kind_of(path: Path) -> Kind:
    """Return what reads a file.

    Raises
    ------
    FileError
        If the ending is unknown.
    """
    ending = ending_of(path)
    if ending is None and _is_dicom(path):
        return "dicom"
    if ending is None:
        raise FileError(
            f"file type is unknown: expected a name ending in {', '.join(KINDS)}, or a folder with "
            f"a DICOM series, got {str(path)!r}. Convert the image first."
        )
    return KINDS[ending]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
