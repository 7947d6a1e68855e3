"""Layouts of published data sets, read as they are unpacked."""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from napari_intseg.core.files import read_json
from napari_intseg.errors import DataError
from napari_intseg.evaluation.folders import (
    ImageMaskPair,
    Layout,
    Pairs,
    Split,
    files_in,
    first_with,
    folders_in,
    pair_up,
    stem_of,
    with_folders,
)
from napari_intseg.evaluation.label_files import (
    CROWD,
    LabelFile,
    annotators,
    class_numbers,
    picture_numbers,
    read_coco,
    read_table,
    table_columns,
)
from napari_intseg.evaluation.mask_codes import IGNORE, PALETTES, as_numbers, find_palette
from napari_intseg.evaluation.truth import IMAGE_SUFFIXES, VOLUME_SUFFIXES, MaskRules
from napari_intseg.io.file_checks import check_regular, data_file

_TIFF = (".tif", ".tiff")
# masks of which colours are looked at to tell what they mean, and patients' folders that are looked
# into: a layout has to be told within a moment
_LOOKED = 20

# Names of a folder that are looked at to tell what it holds
_SEEN = 2000


def _names_in(folder: Path) -> list[str]:
    return [path.name for path in islice(folder.iterdir(), _SEEN)]


def _splits(folder: Path, split: Split) -> list[Path]:
    """Return the chosen subfolder of a folder, or all, or itself if it has none."""
    below = folders_in(folder)
    chosen = split.choose(p.name for p in below)
    # without subfolders the files lie in the folder itself
    return [p for p in below if chosen in (None, p.name)] or [folder]


def _joined(pairs: Iterable[ImageMaskPair]) -> tuple[ImageMaskPair, ...]:
    return tuple(sorted(pairs, key=lambda pair: pair.name))


# Berkeley segmentation data set: every pixel belongs to a segment of each of several people
def _bsds_root(folder: Path) -> Path | None:
    below = ("data", "BSDS500/data", "BSR/BSDS500/data")
    return first_with("images", "groundTruth", below=below)(folder)


def _bsds_pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
    pairs = []
    for place in _splits(root / "groundTruth", split):
        inside = place.relative_to(root / "groundTruth")
        images = {stem_of(p): p for p in files_in(root / "images" / inside, IMAGE_SUFFIXES)}
        for path in files_in(place, (".mat",)):
            image = images.get(stem_of(path))
            if image is None:
                raise _lonely(path)
            for k in range(annotators(path)):
                source = LabelFile(path, "bsds", str(k))
                # people disagree: each one's segments are objects of an image of their own
                pairs.append(ImageMaskPair(f"{stem_of(path)}#{k + 1}", image, source))
    return _joined(pairs)


def _lonely(mask: Path) -> DataError:
    return DataError(
        f"mask has no image: expected an image for it, got none for {str(mask)!r}. "
        "Unpack the images of the set, too."
    )


def _crack_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    return pair_up(
        files_in(root / "image", IMAGE_SUFFIXES),
        files_in(root / "groundTruth", (".mat",)),
        read=lambda path: LabelFile(path, "crack-forest"),
    )


# ISBI 2012: membranes between cells are 0, cells 255
def _isbi_root(folder: Path) -> Path | None:
    return folder if _isbi_pairs(folder, Split()) else None


def _isbi_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    out = []
    for image in (root / f"train-volume{end}" for end in _TIFF):
        mask = root / f"train-labels{image.suffix}"
        if image.is_file() and mask.is_file():
            out.append(ImageMaskPair("train-volume", image, mask))
    return tuple(out)


# IDRiD: a folder a lesion, small lesions on top of large ones; so the largest comes first
_LESIONS = {
    "OD": (5, "optic disc"), "SE": (4, "soft exudate"), "EX": (3, "hard exudate"),
    "HE": (2, "haemorrhage"), "MA": (1, "microaneurysm"),
}  # fmt: skip
_IDRID = ("1. Original Images", "2. All Segmentation Groundtruths")


def _idrid_pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
    # the set's own names of its halves
    usual = {"val": "b. Testing Set", "train": "a. Training Set"}
    split = Split(usual.get(split.name or "", split.name), usual.get(split.usual, split.usual))
    pairs = []
    for place in _splits(root / _IDRID[1], split):
        masks = {p.stem: p for below in folders_in(place) for p in files_in(below, _TIFF)}
        for image in files_in(root / _IDRID[0] / place.name, IMAGE_SUFFIXES):
            found = [(_LESIONS[k][0], masks.get(f"{image.stem}_{k}")) for k in _LESIONS]
            there = [(number, path) for number, path in found if path is not None]
            # a photograph without any of the lesions has no mask
            if there:
                numbers = ",".join(str(number) for number, _ in there)
                first, *more = (path for _, path in there)
                source = LabelFile(first, "layers", numbers, tuple(more))
                pairs.append(ImageMaskPair(image.stem, image, source))
    return _joined(pairs)


# ISPRS: images and colours in folders of several names
_ISPRS_IMAGES = ("top", "2_Ortho_RGB", "3_Ortho_IRRG", "1_DSM")
_ISPRS_MASKS = (
    "gts_for_participants", "gts_eroded_for_participants",
    "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE", "5_Labels_all",
    "5_Labels_for_participants",
)  # fmt: skip
_ISPRS_ENDINGS = re.compile(r"(_RGBIR|_RGB|_IRRG|_label_noBoundary|_label|_noBoundary)$")


def _isprs_folders(folder: Path) -> tuple[Path, Path] | None:
    images = next((folder / n for n in _ISPRS_IMAGES if (folder / n).is_dir()), None)
    masks = next((folder / n for n in _ISPRS_MASKS if (folder / n).is_dir()), None)
    return (images, masks) if images is not None and masks is not None else None


def _isprs_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    found = _isprs_folders(root)
    assert found is not None
    by_area = {_ISPRS_ENDINGS.sub("", p.stem): p for p in files_in(found[0], _TIFF)}
    pairs = []
    for mask in files_in(found[1], (*_TIFF, ".png")):
        image = by_area.get(_ISPRS_ENDINGS.sub("", mask.stem))
        if image is None:
            raise _lonely(mask)
        pairs.append(ImageMaskPair(mask.stem, image, LabelFile(mask, "colours", "isprs")))
    return _joined(pairs)


# DeepGlobe: NUMBER_sat.jpg and NUMBER_mask.png side by side, of land cover or of roads
def _deepglobe_masks(folder: Path) -> list[Path]:
    return [p for p in files_in(folder, ("_mask.png",)) if _deepglobe_image(p).is_file()]


def _deepglobe_image(mask: Path) -> Path:
    return mask.with_name(mask.name.removesuffix("_mask.png") + "_sat.jpg")


def _is_deepglobe(folder: Path, *, land: bool) -> Path | None:
    if not any(name.endswith("_sat.jpg") for name in _names_in(folder)):
        return None
    masks = _deepglobe_masks(folder)
    # both sets have these names: land cover is in colours, roads are white
    return folder if masks and _has_colours(masks) == land else None


def _has_colours(masks: list[Path]) -> bool:
    return any(c not in (0, 0xFFFFFF) for c in _colours_of(masks) if _is_no_grey(c))


def _is_no_grey(colour: int) -> bool:
    return len({colour >> 16 & 255, colour >> 8 & 255, colour & 255}) > 1


def _colours_of(masks: list[Path]) -> set[int]:
    """Return the colours of some masks, evenly spread over a set."""
    # evenly spread: neighbours often show the same classes
    step = max(1, len(masks) // _LOOKED)
    found: set[int] = set()
    for path in masks[::step][:_LOOKED]:
        found.update(np.unique(as_numbers(picture_numbers(path))).tolist())
    return found


def _deepglobe_pairs(reader: str, part: str = "") -> Pairs:
    def pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
        return _joined(
            ImageMaskPair(
                p.name.removesuffix("_mask.png"), _deepglobe_image(p), LabelFile(p, reader, part)
            )
            for p in _deepglobe_masks(root)
        )

    return pairs


# Kaggle: a table of run lengths beside a folder of images
_TABLE_NAMES = ("train.csv", "stage1_train_labels.csv", "train_ship_segmentations_v2.csv")
_TABLE_IMAGES = ("train_images", "train/images", "images", "train_v2", "train")


def _table_of(folder: Path) -> tuple[Path, Path] | None:
    for name in _TABLE_NAMES:
        path = folder / name
        if path.is_file() and table_columns(path) is not None:
            images = next((folder / n for n in _TABLE_IMAGES if (folder / n).is_dir()), None)
            if images is not None:
                return path, images
    return None


def _table_image(images: Path, name: str) -> Path | None:
    """Return the image of a row; names come with and without their endings."""
    # a name from a table must not lead out of the folder
    if not re.fullmatch(r"[\w.\- ]+", name):
        return None
    # the nuclei of 2018 have a folder an image
    places = (images, images / name / "images")
    names = (name, *(f"{name}{end}" for end in (".png", ".jpg", ".tif")))
    return next((p / n for p in places for n in names if (p / n).is_file()), None)


def _table_pairs(*, classes: bool) -> Pairs:
    def pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
        found = _table_of(root)
        assert found is not None
        path, images = found
        out = []
        for name, rows in read_table(path).items():
            image = _table_image(images, name)
            # images of tests are in tables, too, but have no rows
            if image is None or not rows:
                continue
            # classes may overlap: as objects each is measured by itself
            kinds = [""] if classes else sorted({kind for kind, _ in rows})
            for kind in kinds:
                reader = "run-length-classes" if classes else "run-lengths"
                # a line break, as it is in no name
                source = LabelFile(path, reader, f"{name}\n{kind}", (image,))
                out.append(ImageMaskPair("_".join(filter(None, (name, kind))), image, source))
        return _joined(out)

    return pairs


def _table_names(root: Path) -> Mapping[int, str]:
    found = _table_of(root)
    assert found is not None
    return {number: name for name, number in class_numbers(found[0]).items()}


# COCO, LVIS, and what annotation tools write in their form
def _coco_files(folder: Path) -> list[Path]:
    places = (folder / "annotations", folder)
    return [
        path
        for place in places
        if place.is_dir()
        for path in files_in(place, (".json",))
        # captions, key points and panoptic files have other names
        if re.match(r"instances_|lvis_v\d|_annotations\.coco", path.name)
        # those of tests tell of images alone
        and "image_info" not in path.name
    ]


def _coco_pairs(reader: str) -> Pairs:
    def pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
        files = _coco_files(root)
        by_split = {_coco_split(path): path for path in files}
        chosen = split.choose(by_split)
        out: list[ImageMaskPair] = []
        for path in files if chosen is None else [by_split[chosen]]:
            told = read_coco(path)
            for number, image in told.images.items():
                place = _coco_image(root, path, image) if number in told.annotations else None
                if place is not None:
                    source = LabelFile(path, reader, str(number))
                    # as COCO names its images
                    out.append(ImageMaskPair(f"{number:012d}", place, source))
        if not out:
            raise DataError(
                f"annotations have no images: expected their files in {str(root)!r}, got none of "
                f"those in {', '.join(p.name for p in files)}. Unpack the images of the set, too."
            )
        return _joined(out)

    return pairs


def _coco_split(path: Path) -> str:
    """Return ``val`` of ``instances_val2017.json`` and ``lvis_v1_val.json``."""
    stem = re.sub(r"^(instances_|lvis_v\d(\.\d)?_)|_annotations\.coco", "", path.stem)
    return re.sub(r"(19|20)\d\d$", "", stem)


def _coco_image(root: Path, path: Path, image: Mapping[str, object]) -> Path | None:
    """Return an image's file: below the set's folder, never outside."""
    told = str(image.get("file_name") or image.get("coco_url") or "")
    # LVIS names an image by its address at COCO; the last two parts are its folder and file
    name = "/".join(told.split("/")[-2:]) if "://" in told else told
    short = name.rpartition("/")[2]
    split = re.sub(r"^instances_", "", path.stem)
    for guess in (name, f"{split}/{short}", f"images/{name}", f"images/{split}/{short}"):
        # refuses what leads out of the set's folder
        place = data_file(root, guess)
        if place.is_file():
            return place
    return None


def _coco_names(root: Path) -> Mapping[int, str]:
    return read_coco(_coco_files(root)[0]).names


# DAVIS, YouTube-VOS: a folder of frames a video
def _video_root(folder: Path) -> Path | None:
    found = first_with("JPEGImages", "Annotations", below=("DAVIS",))(folder)
    if found is None or (found / "SegmentationObject").is_dir():
        # Pascal VOC has folders of these names, too
        return None
    return found if _video_folders(found) else None


def _video_folders(root: Path) -> list[Path]:
    """Return the folders of annotations, one a video."""
    below = root / "Annotations"
    # the smallest first: 480p is what the benchmark of DAVIS is measured on
    below = next((below / n for n in ("480p", "1080p", "Full-Resolution") if (below / n).is_dir()),
                 below)  # fmt: skip
    return folders_in(below)


def _video_lists(root: Path) -> dict[str, set[str]]:
    """Return the videos of each list; of 2017's if both years are there."""
    lists: dict[str, set[str]] = {}
    # the first list of a name counts, so 2017's where both are there
    for year in ("2017", "2016", "480p"):
        for path in sorted((root / "ImageSets" / year).glob("*.txt")):
            lines = check_regular(path).read_text("utf-8").splitlines()
            # 2016 lists frames, /JPEGImages/480p/bear/00000.jpg, 2017 names of videos
            videos = {line.split()[0].split("/")[-2] if "/" in line else line.strip()
                      for line in lines if line.strip()}  # fmt: skip
            lists.setdefault(path.stem, videos)
    return lists


def _video_pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
    lists = _video_lists(root)
    chosen = split.choose(lists)
    out = []
    for folder in _video_folders(root):
        if chosen is not None and folder.name not in lists[chosen]:
            continue
        frames = root / "JPEGImages" / folder.relative_to(root / "Annotations")
        if not frames.is_dir():
            raise _lonely(folder)
        images = {p.stem: p for p in files_in(frames, IMAGE_SUFFIXES)}
        for mask in files_in(folder, (".png",)):
            if mask.stem in images:
                # later frames are often annotated only now and then
                out.append(ImageMaskPair(f"{folder.name}/{mask.stem}", images[mask.stem], mask))
    return _joined(out)


# Cell Tracking Challenge: 01, 01_GT/SEG; masks of whole images, or of single slices of volumes
_TRACKED = re.compile(r"man_seg_?(\d+)(?:_(\d+))?$")


def _tracked_folders(folder: Path) -> list[tuple[Path, Path]]:
    out = []
    for images in folders_in(folder):
        for kind in ("GT", "ST"):
            # people's annotations, else the best of the machines'
            masks = folder / f"{images.name}_{kind}" / "SEG"
            if re.fullmatch(r"\d\d", images.name) and masks.is_dir() and any(masks.iterdir()):
                out.append((images, masks))
                break
    return out


def _tracked_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    out = []
    for images, masks in _tracked_folders(root):
        # images and masks pad their numbers to different lengths
        by_time = {re.sub(r"\D", "", p.stem).lstrip("0") or "0": p for p in files_in(images, _TIFF)}
        for mask in files_in(masks, _TIFF):
            found = _TRACKED.match(mask.stem)
            if found is None:
                continue
            image = by_time.get(found[1].lstrip("0") or "0")
            if image is None:
                raise _lonely(mask)
            source: Path | LabelFile = mask
            if found[2] is not None:
                source = LabelFile(mask, "slice", found[2], (image,))
            out.append(ImageMaskPair(f"{images.name}/{mask.stem}", image, source))
    return _joined(out)


# Cellpose: NAME_img.png or NAME.tif with NAME_masks beside it
def _cellpose_root(folder: Path) -> Path | None:
    return folder if any(_cellpose_mask(name) for name in _names_in(folder)) else None


def _cellpose_mask(name: str) -> str | None:
    found = re.fullmatch(r"(.+)_(cp_)?masks\.(png|tif|tiff)", name)
    return None if found is None or name.startswith(".") else found[1]


def _cellpose_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    images = {stem_of(p): p for p in files_in(root, IMAGE_SUFFIXES)}
    out = []
    for mask in files_in(root, (".png", *_TIFF)):
        stem = _cellpose_mask(mask.name)
        if stem is not None:
            # Cellpose's own set adds _img; what its window saves beside an image does not
            image = images.get(f"{stem}_img", images.get(stem))
            if image is None:
                raise _lonely(mask)
            out.append(ImageMaskPair(stem, image, mask))
    return _joined(out)


# nnU-Net: CASE_0000 is the first channel of CASE
_CHANNEL = re.compile(r"_0000$")


def _nnunet_root(folder: Path) -> Path | None:
    if with_folders(folder, "imagesTr", "labelsTr") is None:
        return None
    # without channels in the names it is a plain folder, as of the Decathlon: same two folders
    names = _names_in(folder / "imagesTr")
    return folder if any(_CHANNEL.search(stem_of(Path(name))) for name in names) else None


def _nnunet_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    every = files_in(root / "imagesTr", IMAGE_SUFFIXES + VOLUME_SUFFIXES)
    images = {_CHANNEL.sub("", stem_of(p)): p for p in every if _CHANNEL.search(stem_of(p))}
    out = []
    for mask in files_in(root / "labelsTr", (".png", *_TIFF, *VOLUME_SUFFIXES)):
        image = images.get(stem_of(mask))
        if image is None:
            raise _lonely(mask)
        out.append(ImageMaskPair(stem_of(mask), image, mask))
    return _joined(out)


def dataset_json_names(root: Path) -> Mapping[int, str]:
    """Return the names in ``dataset.json`` of the Decathlon (number: name) or nnU-Net (name: number)."""  # noqa: E501
    path = root / "dataset.json"
    if not path.is_file():
        return {}
    try:
        told = read_json(path).get("labels", {})
        pairs = [(str(a), str(b)) for a, b in told.items()]
    except (OSError, ValueError, AttributeError):
        return {}
    named = [(int(a), b) for a, b in pairs if a.isdigit()]
    named += [(int(b), a) for a, b in pairs if b.isdigit() and not a.isdigit()]
    # 0 is the background
    return {number: name for number, name in named if number}


# BraTS: a folder a patient, a file a sequence; FLAIR shows all of the tumour
_FLAIR = re.compile(r"[_-](flair|t2f)$", re.IGNORECASE)
_TUMOUR = re.compile(r"[_-]seg$", re.IGNORECASE)


def _brats_root(folder: Path) -> Path | None:
    below = islice(folders_in(folder), _LOOKED)
    return folder if any(_brats_case(place) for place in below) else None


def _brats_case(folder: Path) -> tuple[Path, Path] | None:
    files = files_in(folder, VOLUME_SUFFIXES)
    image = next((p for p in files if _FLAIR.search(stem_of(p))), None)
    mask = next((p for p in files if _TUMOUR.search(stem_of(p))), None)
    return (image, mask) if image is not None and mask is not None else None


def _brats_pairs(root: Path, _: Split) -> tuple[ImageMaskPair, ...]:
    found = ((folder.name, _brats_case(folder)) for folder in folders_in(root))
    return _joined(ImageMaskPair(name, *case) for name, case in found if case is not None)


# mmsegmentation and its kin: numbers or colours in folders of the same shape
def _same_tree(images: str, masks: str, read: Callable[[list[Path]], str | None]) -> Pairs:
    """Return pairs of two folders with equal subfolders; `read` says how masks are read."""

    def pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
        out = []
        for place in _splits(root / masks, split):
            inside = place.relative_to(root / masks)
            # subfolders may go deeper, as a folder a city
            found = [p for p in sorted(place.rglob("*")) if p.suffix.lower() in (".png", *_TIFF)]
            reader = read(found)
            by_stem = {
                _bare(p): p for p in (root / images / inside).rglob("*")
                if p.suffix.lower() in IMAGE_SUFFIXES
            }  # fmt: skip
            for mask in found:
                image = by_stem.get(_bare(mask))
                if image is None:
                    raise _lonely(mask)
                kind, _, part = (reader or "").partition(":")
                source = LabelFile(mask, kind, part) if kind else mask
                out.append(ImageMaskPair(_bare(mask), image, source))
        return _joined(out)

    return pairs


def _bare(path: Path) -> str:
    # what Cityscapes and others put behind an image's name
    return re.sub(r"(_gtFine)?_(labelTrainIds|instanceIds|labelIds|leftImg8bit|mask|L)$", "",
                  path.stem)  # fmt: skip


def _by_palette(masks: list[Path]) -> str | None:
    """Return how masks of colours are read, None where they are numbers."""
    # palettes are read as their numbers, so that these are classes
    if not masks or all(picture_numbers(p).ndim == 2 for p in masks[:_LOOKED]):
        return None
    found = find_palette(_colours_of(masks))
    if found is None:
        raise DataError(
            f"colours have no meaning: expected those of one of {', '.join(PALETTES)}, got others "
            f"in {str(masks[0])!r}. Save numbers of classes."
        )
    return f"colours:{found}"


def _mmseg_names(root: Path) -> Mapping[int, str]:
    masks = [p for p in sorted((root / "ann_dir").rglob("*.png"))[:_LOOKED]]
    reader = _by_palette(masks)
    return {} if reader is None else PALETTES[reader.partition(":")[2]].names


def _ade_root(folder: Path) -> Path | None:
    found = first_with("images", "annotations", below=("ADEChallengeData2016",))(folder)
    masks = None if found is None else found / "annotations" / "validation"
    return found if masks is not None and masks.is_dir() else None


def _ade_pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
    usual = {"val": "validation", "train": "training"}
    split = Split(usual.get(split.name or "", split.name), usual.get(split.usual, split.usual))
    return _same_tree("images", "annotations", lambda _: "shifted")(root, split)


def _cityscapes_pairs(ending: str, reader: str) -> Pairs:
    def pairs(root: Path, split: Split) -> tuple[ImageMaskPair, ...]:
        out = []
        for place in _splits(root / "gtFine", split):
            for mask in sorted(place.rglob(f"*{ending}.png")):
                inside = mask.parent.relative_to(root / "gtFine")
                image = root / "leftImg8bit" / inside / f"{_bare(mask)}_leftImg8bit.png"
                if not image.is_file():
                    raise _lonely(mask)
                out.append(ImageMaskPair(_bare(mask), image, LabelFile(mask, reader)))
        return _joined(out)

    return pairs


# 255 is what mmsegmentation and its kin leave undecided
_DIRECT = MaskRules("classes", ignore=(IGNORE,))

PUBLISHED: dict[str, Layout] = {
    "bsds": Layout("BSDS500", _bsds_root, _bsds_pairs, MaskRules("instances")),
    "crack-forest": Layout(
        "CrackForest", lambda f: with_folders(f, "image", "groundTruth"), _crack_pairs,
        MaskRules("binary"), lambda _: {1: "crack"},
    ),
    "isbi-em": Layout(
        "ISBI 2012 EM", _isbi_root, _isbi_pairs, MaskRules("classes"), lambda _: {255: "cell"}
    ),
    "idrid": Layout(
        "IDRiD", first_with(*_IDRID, below=("A. Segmentation",)), _idrid_pairs,
        MaskRules("classes"), lambda _: dict(_LESIONS.values()),
    ),
    "isprs": Layout(
        "ISPRS Vaihingen, Potsdam", lambda f: f if _isprs_folders(f) else None, _isprs_pairs,
        _DIRECT, lambda _: PALETTES["isprs"].names,
    ),
    "deepglobe-land": Layout(
        "DeepGlobe land cover", lambda f: _is_deepglobe(f, land=True),
        _deepglobe_pairs("colours", "deepglobe-land"), _DIRECT,
        lambda _: PALETTES["deepglobe-land"].names,
    ),
    "deepglobe-road": Layout(
        "DeepGlobe roads", lambda f: _is_deepglobe(f, land=False), _deepglobe_pairs("bright"),
        MaskRules("binary"), lambda _: {1: "road"},
    ),
    "run-lengths": Layout(
        "Kaggle clouds, TGS salt and other tables of run lengths",
        lambda f: f if _table_of(f) else None, _table_pairs(classes=False),
        MaskRules("instances"), _table_names, _table_pairs(classes=True),
    ),
    "coco": Layout(
        "COCO, LVIS", lambda f: f if _coco_files(f) else None, _coco_pairs("coco"),
        MaskRules("instances", ignore=(CROWD,)), _coco_names, _coco_pairs("coco-classes"),
    ),
    "cityscapes": Layout(
        "Cityscapes", lambda f: with_folders(f, "leftImg8bit", "gtFine"),
        _cityscapes_pairs("_instanceIds", "cityscapes-instances"), MaskRules("instances"),
        lambda _: dict(enumerate(PALETTES["cityscapes"].classes.values(), 1)),
        _cityscapes_pairs("_labelIds", "cityscapes-classes"),
    ),
    "video": Layout(
        "DAVIS 2016, 2017, YouTube-VOS", _video_root, _video_pairs, MaskRules("instances")
    ),
    "cell-tracking": Layout(
        "Cell Tracking Challenge", lambda f: f if _tracked_folders(f) else None, _tracked_pairs,
        MaskRules("instances"),
    ),
    "nnunet": Layout(
        "nnU-Net", _nnunet_root, _nnunet_pairs, MaskRules("auto", min_px=100, max_objects=10),
        dataset_json_names,
    ),
    "brats": Layout(
        "BraTS", _brats_root, _brats_pairs, MaskRules("instances", min_px=100),
        lambda _: {1: "necrotic core", 2: "oedema", 3: "enhancing tumour", 4: "enhancing tumour"},
    ),
    "ade20k": Layout("ADE20K", _ade_root, _ade_pairs, _DIRECT),
    "mmseg": Layout(
        "mmsegmentation's img_dir and ann_dir", lambda f: with_folders(f, "img_dir", "ann_dir"),
        _same_tree("img_dir", "ann_dir", _by_palette), _DIRECT, _mmseg_names,
    ),
    "cellpose": Layout(
        "Cellpose", _cellpose_root, _cellpose_pairs, MaskRules("auto", min_px=1)
    ),
}  # fmt: skip
"""By name, in the order in which they are looked for."""
