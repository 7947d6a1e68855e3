"""A folder of masks of one image, a file an object, as TotalSegmentator writes them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.io.paths import check_regular
from napari_intseg.io.read import read_mask

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".tif", ".tiff", ".png")

_MOST_MASKS = 4096
"""TotalSegmentator has some 120; a label image of more than this is no folder of organs."""


def mask_files(folder: Path) -> dict[str, Path]:
    """Return the masks of a folder by the names of their objects, sorted."""
    found = {}
    for path in sorted(folder.iterdir()):
        ending = next((end for end in _ENDINGS if path.name.lower().endswith(end)), None)
        if ending is not None and not path.name.startswith("."):
            found[path.name[: -len(ending)]] = path
    return found


def read_mask_folder(folder: str | Path, like: Volume) -> tuple[NDArray[np.int32], dict[int, str]]:
    """Read a folder of masks as one label image.

    Objects are numbered in the order of their names; masks that are empty get no number. Where
    masks overlap, the smaller object's pixels are its own: an organ's part lies on the organ.

    Parameters
    ----------
    folder : path
        ``liver.nii.gz``, ``spleen.nii.gz``, …: not 0 is the object.
    like : Volume
        The image; the masks must have its pixels.

    Returns
    -------
    labels : ndarray of int32
        Of the image's `shape`.
    names : dict of int to str

    Raises
    ------
    DataError
        If the folder holds no mask, too many, or one on another grid.
    FileError
        If one cannot be read.
    """
    folder = Path(folder)
    files = mask_files(folder) if folder.is_dir() else {}
    if not 1 <= len(files) <= _MOST_MASKS:
        raise DataError(
            f"folder holds no masks: expected 1 to {_MOST_MASKS} files such as liver.nii.gz, got "
            f"{len(files)} in {str(folder)!r}. Name the folder that TotalSegmentator wrote."
        )
    names: dict[int, str] = {}
    owner_size = np.zeros(like.shape, np.int64)  # of the object a pixel belongs to
    labels = np.zeros(like.shape, np.int32)
    for name, path in files.items():
        mask = read_mask(check_regular(path), like) != 0
        size = int(np.count_nonzero(mask))
        if not size:
            continue
        names[len(names) + 1] = name
        free = mask & ((owner_size == 0) | (owner_size > size))
        labels[free], owner_size[free] = len(names), size
    return labels, names
