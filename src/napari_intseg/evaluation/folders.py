"""Folders of published data sets: which files lie where, and which mask belongs to which image."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_intseg.errors import DataError
from napari_intseg.evaluation.label_files import LabelFile
from napari_intseg.evaluation.truth import MaskRules

_MASK_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_seg")


@dataclass(frozen=True, slots=True)
class ImageMaskPair:
    """An image file and where its labels are; `name` is unique within the set."""

    name: str
    image: Path
    mask: Path | LabelFile


@dataclass(frozen=True, slots=True)
class Split:
    """Which of a set's lists or subfolders is read.

    Parameters
    ----------
    name : str or None
        As a person named it: it must be there.
    usual : str
        Taken where nobody named one and it is there; otherwise all is read.
    """

    name: str | None = None
    usual: str = "val"

    def choose(self, there: Iterable[str]) -> str | None:
        """Return which of the names that are there is read, None for all.

        Raises
        ------
        DataError
            If the one named is not there.
        """
        names = sorted(there)
        if self.name is None:
            # sets without the usual list are read whole; a name that somebody gave must be there
            return self.usual if self.usual in names else None
        if self.name not in names:
            raise DataError(
                f"split does not exist: expected one of {', '.join(names) or 'none, leave it out'},"
                f" got {self.name!r}. Choose a list that lies in the data set."
            )
        return self.name


Pairs = Callable[[Path, Split], tuple[ImageMaskPair, ...]]


def no_names(_: Path) -> Mapping[int, str]:
    """Return the names of the numbers of a set that gives none."""
    return {}


@dataclass(frozen=True, slots=True)
class Layout:
    """How one published data set is laid out.

    Parameters
    ----------
    title : str
        What people know it by.
    root : callable
        ``root(folder)`` returns where the set lies, the folder itself or one below it, or None.
    pairs : callable
        ``pairs(root, split)`` returns its images with their masks, sorted by name.
    rules : MaskRules
        How its masks are read.
    names : callable
        ``names(root)`` returns what the numbers of its classes mean, as far as that is known.
    classes : callable or None
        As `pairs`, with classes for numbers, where those of `pairs` only tell objects apart.
    """

    title: str
    root: Callable[[Path], Path | None]
    pairs: Pairs
    rules: MaskRules
    names: Callable[[Path], Mapping[int, str]] = no_names
    classes: Pairs | None = None


def pair_up(
    images: Iterable[Path],
    masks: Iterable[Path],
    *,
    read: Callable[[Path], LabelFile] | None = None,
) -> tuple[ImageMaskPair, ...]:
    """Return each mask with the image of the same stem, sorted by name.

    A mask's stem may have an ending such as ``_mask`` or ``#2`` (several masks on one photograph)
    that the image's lacks.

    Parameters
    ----------
    images, masks : iterable of Path
    read : callable, optional
        Returns how a mask file is read, where it is not simply its numbers.

    Raises
    ------
    DataError
        If a mask has no image.
    """
    by_stem = {stem_of(path): path for path in images}
    pairs = []
    for mask in sorted(masks, key=lambda path: path.name):
        stem = stem_of(mask)
        # the full name first: an image may be called cell_mask itself
        found = next((by_stem[s] for s in _image_stems(stem) if s in by_stem), None)
        if found is None:
            raise DataError(
                f"mask has no image: expected an image named {stem!r}, got none beside "
                f"{str(mask)!r}. Give image and mask the same name."
            )
        pairs.append(ImageMaskPair(stem, found, mask if read is None else read(mask)))
    return tuple(pairs)


def stem_of(path: Path) -> str:
    """Return a file's name without its ending, ``.nii.gz`` counted as one."""
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def _image_stems(stem: str) -> list[str]:
    endings = [stem.removesuffix(end) for end in _MASK_ENDINGS if stem.endswith(end)]
    # #2 is the second mask of one photograph, in Berkeley's set and here
    return [stem, re.sub(r"#\d+$", "", stem), *endings]


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files with one of the endings, sorted, hidden ones left out."""
    return sorted(
        path
        for path in folder.iterdir()
        # hidden files of macOS lie beside each file that it copies to other disks
        if path.name.lower().endswith(suffixes) and not path.name.startswith(".")
    )


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, hidden ones left out."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def with_folders(folder: Path, *names: str) -> Path | None:
    """Return a folder if it has subfolders of these names."""
    return folder if all((folder / name).is_dir() for name in names) else None


def first_with(*names: str, below: tuple[str, ...]) -> Callable[[Path], Path | None]:
    """Return a search for subfolders of these names: in a folder, and in some folders below."""

    def root(folder: Path) -> Path | None:
        places = (folder, *(folder / name for name in below))
        return next((place for place in places if with_folders(place, *names)), None)

    return root


def listed(masks: list[Path], folder: Path, split: Split) -> list[Path]:
    """Return the masks whose stems stand in the list of a split, ``SPLIT.txt`` in a folder."""
    there = [p.stem for p in folder.glob("*.txt") if p.is_file()] if folder.is_dir() else []
    chosen = split.choose(there)
    if chosen is None:
        return masks
    names = set((folder / f"{chosen}.txt").read_text(encoding="utf-8").split())
    return [mask for mask in masks if mask.stem in names]
