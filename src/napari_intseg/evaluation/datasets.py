"""Folders of images with known masks become objects to segment."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from napari_intseg.errors import DataError
from napari_intseg.evaluation.truth import (
    IMAGE_SUFFIXES,
    KINDS,
    MASK_SUFFIXES,
    VOLUME_SUFFIXES,
    Kind,
    MaskRules,
    ObjectRef,
    Volumes,
    find_objects,
    guess_kind,
    read_labels,
)

VOC_BORDER = (224 * 65536 + 224 * 256 + 192, 255)
"""Pascal VOC's border as a colour and as the index of its palette."""

PLAIN_FOLDERS = (("images", "masks"), ("images", "labels"), ("imagesTr", "labelsTr"))
_MASK_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_seg")


@dataclass(frozen=True, slots=True)
class ImageMaskPair:
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
    pairs: Callable[[Path, str | None], tuple[ImageMaskPair, ...]]
    rules: MaskRules


def detect(folder: Path) -> str | None:
    """Return the name of the first layout that a folder has, None if it has none."""
    return next((name for name, layout in LAYOUTS.items() if layout.root(folder)), None)


def pair_up(images: Iterable[Path], masks: Iterable[Path]) -> tuple[ImageMaskPair, ...]:
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
        pairs.append(ImageMaskPair(stem, found, mask))
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


def _two_folders(
    images: str, masks: str
) -> Callable[[Path, str | None], tuple[ImageMaskPair, ...]]:
    def pairs(root: Path, _: str | None) -> tuple[ImageMaskPair, ...]:
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


def _plain_pairs(root: Path, split: str | None) -> tuple[ImageMaskPair, ...]:
    names = _plain_names(root)
    assert names is not None
    return _two_folders(*names)(root, split)


def _first_with(*names: str, below: tuple[str, ...]) -> Callable[[Path], Path | None]:
    def root(folder: Path) -> Path | None:
        places = (folder, *(folder / name for name in below))
        return next((place for place in places if _has(place, *names)), None)

    return root


def _sbd_pairs(root: Path, split: str | None) -> tuple[ImageMaskPair, ...]:
    """Return the images of a list, ``val.txt`` by default, or all if there are no lists."""
    masks = files_in(root / "inst", (".mat",))
    masks = _listed(masks, root, split)
    return pair_up(files_in(root / "img", IMAGE_SUFFIXES), masks)


def _voc_pairs(root: Path, split: str | None) -> tuple[ImageMaskPair, ...]:
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


_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose about data sets; by default all is found out.

    Parameters
    ----------
    layout : str
        One of `LAYOUTS`, or "auto".
    split : str or None
        The list of images in SBD and Pascal VOC; None: "val", or all if there is no such list.
    masks : mapping of str to str
        Kind of the masks, by a part of the data set's name; the key "" is for all others.
    ignore : tuple of int or None
        Numbers in the masks that are ignored; None: the layout's own.
    min_px : int or None
        Smaller objects are left out; None: the layout's own (100 in plain folders, 1 where a 2-D
        mask is one object).
    max_objects : int or None
        At most so many objects a file; None: the layout's own (10 in plain folders, else all);
        0: all.
    seed : int
        Of the draw of `max_objects`.
    limit : int or None
        At most so many objects a data set, evenly spread over it.
    volumes : {"slices", "whole", "live"}
        How the objects of volumes are evaluated, see `MaskRules`.
    window : str or None
        Name of a CT window that whole volumes are shown in; None: as a session chooses.
    """

    layout: str = "auto"
    split: str | None = None
    masks: Mapping[str, Kind] = field(default_factory=dict)
    ignore: tuple[int, ...] | None = None
    min_px: int | None = None
    max_objects: int | None = None
    seed: int = 0
    limit: int | None = None
    volumes: Volumes = "slices"
    window: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """One image file with the objects in it that are evaluated."""

    dataset: str
    name: str
    image: Path
    mask: Path
    rules: MaskRules
    objects: tuple[ObjectRef, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of images with known masks.

    Parameters
    ----------
    name : str
        The folder's name, below that of the folder asked for if that held several.
    layout : str
        Name of its layout.
    entries : tuple of DatasetEntry
        Sorted by name.
    """

    name: str
    layout: str
    entries: tuple[DatasetEntry, ...]

    @property
    def n_objects(self) -> int:
        """How many objects are evaluated."""
        return sum(len(entry.objects) for entry in self.entries)


def open_datasets(folder: str | Path, choices: Choices | None = None) -> tuple[Dataset, ...]:
    """Return the data set in a folder, or those in the folders below it.

    Parameters
    ----------
    folder : path
        With one of the known layouts, or with folders that have one.
    choices : Choices, optional
        By default all is found out.

    Returns
    -------
    tuple of Dataset
        At least one, each with at least one object; the same every time.

    Raises
    ------
    DataError
        If the folder does not exist, has none of the layouts, a mask has no image, or no object
        is left.
    FileError
        If a mask cannot be read.
    """
    folder, choices = Path(folder), choices or Choices()
    layout = _check(folder, choices)
    found = _search(folder, layout, _DEPTH)
    if not found:
        known = "; ".join(f"{name} ({layout.title})" for name, layout in LAYOUTS.items())
        raise DataError(
            f"folder has none of the known layouts: expected one of {known}, got "
            f"{str(folder)!r}. Put images in images/ and masks of the same name in masks/."
        )
    base = folder.resolve()
    return tuple(
        _open(place, name, "/".join((base.name, *place.resolve().relative_to(base).parts)), choices)
        for place, name in found
    )


def _check(folder: Path, choices: Choices) -> str:
    layout = ALIASES.get(choices.layout.lower(), choices.layout.lower())
    if layout != "auto" and layout not in LAYOUTS:
        raise DataError(
            f"layout is unknown: expected auto or one of {', '.join(LAYOUTS)}, got "
            f"{choices.layout!r}. Choose one of them."
        )
    wrong = [kind for kind in choices.masks.values() if kind not in KINDS]
    if wrong:
        raise DataError(
            f"kind of masks is unknown: expected one of {', '.join(KINDS)}, got {wrong[0]!r}. "
            "Choose one of them."
        )
    if not folder.is_dir():
        raise DataError(
            f"data set is missing: expected a folder, got {str(folder)!r}. Check the path."
        )
    return layout


def _search(folder: Path, layout: str, depth: int) -> list[tuple[Path, str]]:
    """Return folders with their layouts: this one, or all below it that have one."""
    here = detect(folder) if layout == "auto" else layout
    if here is not None and LAYOUTS[here].root(folder):
        return [(folder, here)]
    if depth == 0:
        return []
    below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [found for place in below for found in _search(place, layout, depth - 1)]


def _open(folder: Path, layout_name: str, name: str, choices: Choices) -> Dataset:
    layout = LAYOUTS[layout_name]
    root = layout.root(folder)
    assert root is not None
    pairs = layout.pairs(root, choices.split)
    rules = _resolve(_chosen(layout.rules, name, choices), pairs, choices)
    entries = [_entry(name, pair, rules) for pair in pairs]
    entries = _limited([entry for entry in entries if entry.objects], choices.limit)
    if not entries:
        raise DataError(
            f"data set holds no object: expected masks with objects of at least {rules.min_px} "
            f"pixels, got {len(pairs)} masks in {str(folder)!r}. Choose a smaller size or another "
            "kind of masks."
        )
    return Dataset(name, layout_name, tuple(entries))


def _chosen(rules: MaskRules, name: str, choices: Choices) -> MaskRules:
    kinds = [kind for part, kind in choices.masks.items() if part and part in name]
    most = rules.max_objects if choices.max_objects is None else choices.max_objects
    return replace(
        rules,
        kind=kinds[0] if kinds else choices.masks.get("", rules.kind),
        ignore=rules.ignore if choices.ignore is None else choices.ignore,
        min_px=rules.min_px if choices.min_px is None else choices.min_px,
        max_objects=most or None,
        seed=choices.seed,
        volumes=choices.volumes,
        window=choices.window,
    )


def _resolve(rules: MaskRules, pairs: Sequence[ImageMaskPair], choices: Choices) -> MaskRules:
    """Replace what the rules leave open by what the masks of a plain folder say."""
    if rules.kind == "auto":
        values: set[int] = set()
        for pair in pairs:
            values.update(np.unique(read_labels(pair.mask)).tolist())
        kind, ignore = guess_kind(values, eight_bit=max(values, default=0) <= 255)
        ignore = ignore if choices.ignore is None else choices.ignore
        rules = replace(rules, kind=kind, ignore=ignore)
    if choices.min_px is None and rules.kind == "binary" and pairs:
        # the only object of an image is what it was taken for, however small
        rules = replace(rules, min_px=1 if read_labels(pairs[0].mask).ndim == 2 else rules.min_px)
    return rules


def _entry(dataset: str, pair: ImageMaskPair, rules: MaskRules) -> DatasetEntry:
    objects = find_objects(read_labels(pair.mask), rules, pair.name)
    return DatasetEntry(dataset, pair.name, pair.image, pair.mask, rules, objects)


def _limited(entries: list[DatasetEntry], limit: int | None) -> list[DatasetEntry]:
    """Keep at most so many objects, evenly spread."""
    every = [(i, ref) for i, entry in enumerate(entries) for ref in entry.objects]
    if limit is None or len(every) <= limit:
        return entries
    kept = {every[i] for i in (np.arange(limit) * len(every) // limit).tolist()}
    shorter = [
        replace(entry, objects=tuple(ref for ref in entry.objects if (i, ref) in kept))
        for i, entry in enumerate(entries)
    ]
    return [entry for entry in shorter if entry.objects]
