"""Folders of images with known masks become objects to segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from napari_intseg.errors import DataError
from napari_intseg.evaluation.folders import (
    ImageMaskPair,
    Layout,
    Pairs,
    Split,
    files_in,
    first_with,
    listed,
    pair_up,
    stem_of,
    with_folders,
)
from napari_intseg.evaluation.label_files import LabelFile
from napari_intseg.evaluation.mask_codes import VOC_NAMES
from napari_intseg.evaluation.published import PUBLISHED, dataset_json_names
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

__all__ = [
    "ALIASES", "LAYOUTS", "PLAIN_FOLDERS", "VOC_BORDER", "Choices", "ClassSet", "Dataset",
    "DatasetEntry", "ImageMaskPair", "Layout", "Split", "detect", "files_in", "open_classes",
    "open_datasets", "pair_up", "stem_of",
]  # fmt: skip

VOC_BORDER = (224 * 65536 + 224 * 256 + 192, 255)
"""Pascal VOC's border as a colour and as the index of its palette."""

PLAIN_FOLDERS = (("images", "masks"), ("images", "labels"), ("imagesTr", "labelsTr"))


def detect(folder: Path) -> str | None:
    """Return the name of the first layout that a folder has, None if it has none."""
    return next((name for name, layout in LAYOUTS.items() if layout.root(folder)), None)


def _two_folders(images: str, masks: str) -> Pairs:
    def pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
        return pair_up(
            files_in(root / images, IMAGE_SUFFIXES + VOLUME_SUFFIXES),
            files_in(root / masks, MASK_SUFFIXES + VOLUME_SUFFIXES),
        )

    return pairs


def _is_berkeley(folder: Path) -> Path | None:
    if with_folders(folder, "images", "masks") is None:
        return None
    # Berkeley's folders are those of any plain set; its masks of one photograph end in #1, #2
    named = "berkeley" in folder.name.lower()
    return folder if named or any("#" in p.name for p in (folder / "masks").iterdir()) else None


def _plain_names(folder: Path) -> tuple[str, str] | None:
    return next((names for names in PLAIN_FOLDERS if with_folders(folder, *names)), None)


def _plain_pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
    names = _plain_names(root)
    assert names is not None
    return _two_folders(*names)(root, split)


def _sbd_pairs(folder: str, reader: str) -> Pairs:
    def pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
        """Return the images of a list, ``val.txt`` by default, or all if there are no lists."""
        masks = listed(files_in(root / folder, (".mat",)), root, split)
        images = files_in(root / "img", IMAGE_SUFFIXES)
        return pair_up(images, masks, read=lambda path: LabelFile(path, reader))

    return pairs


def _voc_pairs(folder: str) -> Pairs:
    def pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
        masks = listed(
            files_in(root / folder, (".png",)), root / "ImageSets" / "Segmentation", split
        )
        return pair_up(files_in(root / "JPEGImages", IMAGE_SUFFIXES), masks)

    return pairs


# 128 is the band along the outline that the set's authors left undecided; 255 is the object
_GRABCUT = MaskRules("binary", ignore=(128,), above=128)

LAYOUTS: dict[str, Layout] = {
    "grabcut": Layout(
        "GrabCut", lambda f: with_folders(f, "data_GT", "boundary_GT"),
        _two_folders("data_GT", "boundary_GT"), _GRABCUT,
    ),
    "berkeley": Layout("Berkeley", _is_berkeley, _two_folders("images", "masks"), _GRABCUT),
    "davis": Layout(
        "DAVIS, COCO_MVal", lambda f: with_folders(f, "img", "gt"),
        _two_folders("img", "gt"), MaskRules("binary"),
    ),
    "sbd": Layout(
        "SBD", first_with("img", "inst", below=("dataset", "benchmark_RELEASE/dataset")),
        _sbd_pairs("inst", "sbd-instances"), MaskRules("instances"), lambda _: VOC_NAMES,
        _sbd_pairs("cls", "sbd-classes"),
    ),
    "pascal-voc": Layout(
        "Pascal VOC",
        first_with(
            "JPEGImages", "SegmentationObject", below=("VOC2012", "VOCdevkit/VOC2012")
        ),
        _voc_pairs("SegmentationObject"), MaskRules("instances", ignore=VOC_BORDER),
        lambda _: VOC_NAMES, _voc_pairs("SegmentationClass"),
    ),
    **PUBLISHED,
    "plain": Layout(
        "images/ and masks/", lambda f: f if _plain_names(f) else None,
        _plain_pairs, MaskRules("auto", min_px=100, max_objects=10), dataset_json_names,
    ),
}  # fmt: skip
"""Every layout by name; the first that fits a folder is taken."""

ALIASES = {
    "coco_mval": "davis",
    "coco-mval": "davis",
    "voc": "pascal-voc",
    "pascal_voc": "pascal-voc",
    "davis-2016": "video",
    "davis-2017": "video",
    "youtube-vos": "video",
    "lvis": "coco",
    "bsds500": "bsds",
    "crackforest": "crack-forest",
    "vaihingen": "isprs",
    "potsdam": "isprs",
    "kaggle-clouds": "run-lengths",
    "tgs-salt": "run-lengths",
    "decathlon": "plain",
    "ctc": "cell-tracking",
}


# folders below the one that is named, in which a data set is looked for
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose about data sets; by default all is found out.

    Parameters
    ----------
    layout : str
        One of `LAYOUTS`, or "auto".
    split : str or None
        The list of images or the subfolder, in sets that have them; None: `usual_split`, or all
        if there is no such list.
    usual_split : str
        Of a set that has several, which one is read where nobody named one.
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
    usual_split: str = "val"
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
    mask: Path | LabelFile
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
    names : mapping of int to str
        What the numbers of its classes mean, as far as the set says.
    """

    name: str
    layout: str
    entries: tuple[DatasetEntry, ...]
    names: Mapping[int, str] = field(default_factory=dict, compare=False)

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
    found = _found(folder, layout)
    # names say where a set lies below the folder that was asked for, as two may be called alike
    base = folder.resolve()
    return tuple(
        _open(place, name, "/".join((base.name, *place.resolve().relative_to(base).parts)), choices)
        for place, name in found
    )


@dataclass(frozen=True, slots=True)
class ClassSet:
    """A folder of images with a class for every pixel.

    Parameters
    ----------
    name : str
        The folder's.
    pairs : tuple of ImageMaskPair
        Sorted by name.
    rules : MaskRules
        "classes": numbers are classes; otherwise all that is object is one class.
    names : mapping of int to str
        Of the classes, as far as the set says.
    """

    name: str
    pairs: tuple[ImageMaskPair, ...]
    rules: MaskRules
    names: Mapping[int, str]


def open_classes(folder: str | Path, choices: Choices | None = None) -> tuple[ClassSet, ...]:
    """Return the data sets in a folder with the classes of their pixels.

    Where a set names its numbers they are classes; where it only tells objects apart, all objects
    are one class.

    Parameters
    ----------
    folder, choices
        As of `open_datasets`; ``masks={"": "classes"}`` says that numbers are classes.

    Raises
    ------
    DataError, FileError
        As for `open_datasets`.
    """
    folder, choices = Path(folder), choices or Choices()
    layout = _check(folder, choices)
    return tuple(_classes_of(place, name, choices) for place, name in _found(folder, layout))


def _classes_of(folder: Path, layout_name: str, choices: Choices) -> ClassSet:
    layout = LAYOUTS[layout_name]
    root = layout.root(folder)
    assert root is not None
    split = Split(choices.split, choices.usual_split)
    pairs = (layout.classes or layout.pairs)(root, split)
    rules = _resolve(_chosen(layout.rules, folder.name, choices), pairs, choices)
    names = dict(layout.names(root))
    # instances whose numbers have names are classes
    if layout.classes is not None or (names and rules.kind == "instances"):
        rules = replace(rules, kind="classes")
    return ClassSet(folder.name, pairs, rules, names)


def _found(folder: Path, layout: str) -> list[tuple[Path, str]]:
    found = _search(folder, layout, _DEPTH)
    if not found:
        known = "; ".join(f"{name} ({layout.title})" for name, layout in LAYOUTS.items())
        raise DataError(
            f"folder has none of the known layouts: expected one of {known}, got "
            f"{str(folder)!r}. Put images in images/ and masks of the same name in masks/."
        )
    return found


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
    # hidden folders hold caches and thumbnails
    below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [found for place in below for found in _search(place, layout, depth - 1)]


def _open(folder: Path, layout_name: str, name: str, choices: Choices) -> Dataset:
    layout = LAYOUTS[layout_name]
    root = layout.root(folder)
    assert root is not None
    pairs = layout.pairs(root, Split(choices.split, choices.usual_split))
    rules = _resolve(_chosen(layout.rules, name, choices), pairs, choices)
    entries = [_entry(name, pair, rules) for pair in pairs]
    entries = _limited([entry for entry in entries if entry.objects], choices.limit)
    if not entries:
        raise DataError(
            f"data set holds no object: expected masks with objects of at least {rules.min_px} "
            f"pixels, got {len(pairs)} masks in {str(folder)!r}. Choose a smaller size or another "
            "kind of masks."
        )
    return Dataset(name, layout_name, tuple(entries), dict(layout.names(root)))


def _chosen(rules: MaskRules, name: str, choices: Choices) -> MaskRules:
    # a key that is empty is in every name; it is meant for all others
    kinds = [kind for part, kind in choices.masks.items() if part and part in name]
    most = rules.max_objects if choices.max_objects is None else choices.max_objects
    return replace(
        rules,
        kind=kinds[0] if kinds else choices.masks.get("", rules.kind),
        ignore=rules.ignore if choices.ignore is None else choices.ignore,
        min_px=rules.min_px if choices.min_px is None else choices.min_px,
        # 0 means all, as None does here
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
        # all masks are asked, since one image may lack a number that others have
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
    # evenly spread: the first of a sorted set are often alike
    kept = {every[i] for i in (np.arange(limit) * len(every) // limit).tolist()}
    shorter = [
        replace(entry, objects=tuple(ref for ref in entry.objects if (i, ref) in kept))
        for i, entry in enumerate(entries)
    ]
    return [entry for entry in shorter if entry.objects]
