"""Where published data sets keep their images and masks."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_intseg.errors import DataError
from napari_intseg.evaluation.truth import (
    IMAGE_SUFFIXES,
    MASK_SUFFIXES,
    VOLUME_SUFFIXES,
    MaskRules,
)

VOC_BORDER = (224 * 65536 + 224 * 256 + 192, 255)
"""Pascal VOC's border as a colour and as the index of its palette."""

PLAIN_FOLDERS = (("images", "masks"), ("images", "labels"), ("imagesTr", "labelsTr"))
_MASK_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_seg")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image file and its mask file; `name` is unique within the set."""

    name: str
    image: Path
    mask: Path


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
    """

    title: str
    root: Callable[[Path], Path | None]
    pairs: Callable[[Path, str | None], tuple[Pair, ...]]
    rules: MaskRules


def detect(folder: Path) -> str | None:
    """Return the name of the first layout that a folder has, None if it has none."""
    return next((name for name, layout in LAYOUTS.items() if layout.root(folder)), None)


def pair_up(images: Iterable[Path], masks: Iterable[Path]) -> tuple[Pair, ...]:
    """Return each mask with the image of the same stem, sorted by name.

    A mask's stem may have an ending such as ``_mask`` or ``#2`` (several masks on one photograph)
    that the image's lacks.

    Raises
    ------
    DataError
        If a mask has no image.
    """
    by_stem = {stem_of(path): path for path in images}
    pairs = []
    for mask in sorted(masks, key=lambda path: path.name):
        stem = stem_of(mask)
        found = next((by_stem[s] for s in _image_stems(stem) if s in by_stem), None)
        if found is None:
            raise DataError(
                f"mask has no image: expected an image named {stem!r}, got none beside "
                f"{str(mask)!r}. Give image and mask the same name."
            )
        pairs.append(Pair(stem, found, mask))
    return tuple(pairs)


def stem_of(path: Path) -> str:
    """Return a file's name without its ending, ``.nii.gz`` counted as one."""
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def _image_stems(stem: str) -> list[str]:
    endings = [stem.removesuffix(end) for end in _MASK_ENDINGS if stem.endswith(end)]
    return [stem, re.sub(r"#\d+$", "", stem), *endings]


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files with one of the endings, sorted, hidden ones left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(suffixes) and not path.name.startswith(".")
    )


def _has(folder: Path, *names: str) -> Path | None:
    return folder if all((folder / name).is_dir() for name in names) else None


def _two_folders(images: str, masks: str) -> Callable[[Path, str | None], tuple[Pair, ...]]:
    def pairs(root: Path, _: str | None) -> tuple[Pair, ...]:
        return pair_up(
            files_in(root / images, IMAGE_SUFFIXES + VOLUME_SUFFIXES),
            files_in(root / masks, MASK_SUFFIXES + VOLUME_SUFFIXES),
        )

    return pairs


def _is_berkeley(folder: Path) -> Path | None:
    if _has(folder, "images", "masks") is None:
        return None
    named = "berkeley" in folder.name.lower()
    return folder if named or any("#" in p.name for p in (folder / "masks").iterdir()) else None


def _plain_names(folder: Path) -> tuple[str, str] | None:
    return next((names for names in PLAIN_FOLDERS if _has(folder, *names)), None)


def _plain_pairs(root: Path, split: str | None) -> tuple[Pair, ...]:
    names = _plain_names(root)
    assert names is not None
    return _two_folders(*names)(root, split)


def _first_with(*names: str, below: tuple[str, ...]) -> Callable[[Path], Path | None]:
    def root(folder: Path) -> Path | None:
        places = (folder, *(folder / name for name in below))
        return next((place for place in places if _has(place, *names)), None)

    return root


def _sbd_pairs(root: Path, split: str | None) -> tuple[Pair, ...]:
    """Return the images of a list, ``val.txt`` by default, or all if there are no lists."""
    masks = files_in(root / "inst", (".mat",))
    masks = _listed(masks, root, split)
    return pair_up(files_in(root / "img", IMAGE_SUFFIXES), masks)


def _voc_pairs(root: Path, split: str | None) -> tuple[Pair, ...]:
    masks = files_in(root / "SegmentationObject", (".png",))
    masks = _listed(masks, root / "ImageSets" / "Segmentation", split)
    return pair_up(files_in(root / "JPEGImages", IMAGE_SUFFIXES), masks)


def _listed(masks: list[Path], folder: Path, split: str | None) -> list[Path]:
    path = folder / f"{split or 'val'}.txt"
    if not path.is_file():
        if split is None:
            return masks
        there = sorted(p.stem for p in folder.glob("*.txt")) if folder.is_dir() else []
        raise DataError(
            f"split does not exist: expected one of {', '.join(there) or 'none, leave it out'}, "
            f"got {split!r}. Choose a list that lies in the data set."
        )
    names = set(path.read_text(encoding="utf-8").split())
    return [mask for mask in masks if mask.stem in names]


_GRABCUT = MaskRules("binary", ignore=(128,), above=128)

LAYOUTS: dict[str, Layout] = {
    "grabcut": Layout(
        "GrabCut", lambda f: _has(f, "data_GT", "boundary_GT"),
        _two_folders("data_GT", "boundary_GT"), _GRABCUT,
    ),
    "berkeley": Layout("Berkeley", _is_berkeley, _two_folders("images", "masks"), _GRABCUT),
    "davis": Layout(
        "DAVIS, COCO_MVal", lambda f: _has(f, "img", "gt"),
        _two_folders("img", "gt"), MaskRules("binary"),
    ),
    "sbd": Layout(
        "SBD", _first_with("img", "inst", below=("dataset", "benchmark_RELEASE/dataset")),
        _sbd_pairs, MaskRules("instances"),
    ),
    "pascal-voc": Layout(
        "Pascal VOC",
        _first_with(
            "JPEGImages", "SegmentationObject", below=("VOC2012", "VOCdevkit/VOC2012")
        ),
        _voc_pairs, MaskRules("instances", ignore=VOC_BORDER),
    ),
    "plain": Layout(
        "images/ and masks/", lambda f: f if _plain_names(f) else None,
        _plain_pairs, MaskRules("auto", min_px=100, max_objects=10),
    ),
}  # fmt: skip
"""Every layout by name; the first that fits a folder is taken."""

ALIASES = {
    "coco_mval": "davis",
    "coco-mval": "davis",
    "voc": "pascal-voc",
    "pascal_voc": "pascal-voc",
}
