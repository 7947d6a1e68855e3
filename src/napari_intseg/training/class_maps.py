"""Pictures with a class for every pixel, decoded once and kept in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.evaluation.datasets import Choices, ClassSet, ImageMaskPair, open_classes
from napari_intseg.evaluation.truth import Kind, MaskRules, read_image, read_labels
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.training.sources import SLICES_A_VOLUME

IGNORED = 255
"""Class of pixels that are not learnt from; so there are at most 255 classes."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """One picture.

    Parameters
    ----------
    group : str
        The file it comes from; pictures of one file are held out together.
    image : ndarray of uint8, shape (H, W, 3)
    classes : ndarray of uint8, shape (H, W)
        Numbers of the classes, 0 the background; `IGNORED`.
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
    choices = Choices(usual_split="train", masks=masks or {}, min_px=1)
    names = ["background"]
    pictures: list[ClassMap] = []
    weights: list[float] = []
    apart = True
    for folder, weight in folders:
        before = len(pictures)
        for found in open_classes(folder, choices):
            table = _numbers(found, names)
            apart = apart and found.rules.kind != "classes"
            for pair in found.pairs:
                pictures += _read_pair(pair, found.rules, table)
        count = len(pictures) - before
        weights += [weight / max(1, count)] * count
    if not pictures or len(names) < 2 or len(names) > IGNORED:
        raise DataError(
            f"folder has no classes to learn: expected 1 to {IGNORED - 1} beside the background, "
            f"got {len(names) - 1} in {', '.join(str(f) for f, _ in folders)}. Say what the "
            "numbers of its masks are with --masks binary, instances or classes."
        )
    return ClassSource(tuple(pictures), tuple(names), apart, tuple(weights))


def _numbers(found: ClassSet, names: list[str]) -> dict[int, int]:
    """Return the class of each number of a set's masks, and add new names."""
    if found.rules.kind != "classes":
        values = [0]
        told = {0: found.names.get(1, "object")}
    else:
        values = sorted(_values(found))
        told = {value: found.names.get(value, str(value)) for value in values}
    table = {}
    for value in values:
        if told[value] not in names:
            names.append(told[value])
        table[value] = names.index(told[value])
    return table


def _values(found: ClassSet) -> set[int]:
    """Return the numbers that stand for classes in a set; all masks are read for it."""
    rules, values = found.rules, set(found.names)
    if not values:
        for pair in found.pairs:
            values.update(np.unique(read_labels(pair.mask)).tolist())
    return {v for v in values if v > rules.above and v not in rules.ignore}


def _read_pair(
    pair: ImageMaskPair, rules: MaskRules, table: Mapping[int, int]
) -> Iterator[ClassMap]:
    labels = read_labels(pair.mask)
    volume = read_image(pair.image, labels.shape)
    intensity = resolve_intensity(volume)
    classes = _classes(labels, replace(rules, min_px=1), table)
    for plane in _planes(volume):
        flat = classes if volume.ndim == 2 else classes[plane.index]
        image = np.rint(intensity.to_rgb(volume.take(plane)) * 255).astype(np.uint8)
        yield ClassMap(pair.name, np.ascontiguousarray(image), np.ascontiguousarray(flat))


def _planes(volume: Volume) -> list[Any]:
    planes = volume.planes(0)
    count = min(len(planes), SLICES_A_VOLUME)
    return [planes[i * len(planes) // count] for i in range(count)]


def _classes(labels: Array, rules: MaskRules, table: Mapping[int, int]) -> NDArray[np.uint8]:
    out = np.zeros(labels.shape, np.uint8)
    if rules.kind != "classes":
        out[labels > rules.above] = table[0]
    else:
        # a number that the set does not name is not learnt from
        out[labels > rules.above] = IGNORED
        for value, number in table.items():
            out[labels == value] = number
    out[np.isin(labels, rules.ignore)] = IGNORED
    return out
