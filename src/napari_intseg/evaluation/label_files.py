"""Labels as published: MATLAB files, colours, JSON, tables of run lengths, a mask a class."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.files import read_json, read_matlab
from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError, IntSegError
from napari_intseg.evaluation.mask_codes import (
    IGNORE,
    PALETTES,
    check_shape,
    from_pairs,
    read_segmentation,
)
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.pictures import opened_picture, picture_of
from napari_intseg.io.tiff import read_series

Labels = NDArray[np.int64]

# bytes of an annotation file: LVIS's, the largest that is published, has 1.1 GB
_MOST_JSON = 1 << 31

# bytes of a table of run lengths; the largest that is published has 200 MB
_MOST_TABLE = 1 << 29

# bytes of a MATLAB file's content; published masks of one image have a few MB
_MOST_MATLAB = 1 << 28


@dataclass(frozen=True, slots=True)
class LabelFile:
    """Labels of one image that are more than the numbers of one file.

    Parameters
    ----------
    path : Path
        The file, or the first of them.
    reader : str
        One of `READERS`.
    part : str
        Which part of the file, in words of the reader.
    more : tuple of Path
        Further files that are read.
    """

    path: Path
    reader: str
    part: str = ""
    more: tuple[Path, ...] = ()

    def read(self) -> Labels:
        """Return labels, (H, W) or (D, H, W).

        Raises
        ------
        FileError
            If a file cannot be read, or is not what the layout says.
        DataError
            If what it holds does not fit the image.
        """
        for path in (self.path, *self.more):
            check_regular(path)
        try:
            return np.asarray(READERS[self.reader](self), np.int64)
        except IntSegError:
            raise
        except Exception as err:
            # every reader has its own kinds of error
            raise FileError(
                f"file cannot be read: expected masks of the kind {self.reader!r}, got "
                f"{str(self.path)!r} ({err}). Check that it is complete."
            ) from err


def picture_numbers(path: Path) -> Array:
    """Return the pixels of a PNG, BMP, GIF or TIFF, of one with a palette its numbers."""
    # Pillow does not read all kinds of TIFF
    if path.suffix.lower() in (".tif", ".tiff"):
        return read_series(path)
    return picture_of(path, indices=True)


def size_of(path: Path) -> tuple[int, int]:
    """Return height and width of a picture without decoding it."""
    with opened_picture(path) as picture:
        return picture.height, picture.width


def load_matlab(path: Path) -> dict[str, Any]:
    """Read a MATLAB file of version 5 to 7, after asking how large its content is.

    Raises
    ------
    FileError
        If it is of another version, damaged or too large.
    """
    check_regular(path)
    return read_matlab(path, _MOST_MATLAB)


def annotators(path: Path) -> int:
    """Return by how many people an image of the Berkeley set was segmented."""
    return int(load_matlab(path)["groundTruth"].size)


def _sbd(name: str) -> Callable[[LabelFile], Array]:
    def read(source: LabelFile) -> Array:
        # MATLAB's structs are arrays of one row and column
        return np.asarray(load_matlab(source.path)[name]["Segmentation"][0, 0])

    return read


def _bsds(source: LabelFile) -> Array:
    everyone = load_matlab(source.path)["groundTruth"].ravel()
    return np.asarray(everyone[int(source.part)]["Segmentation"][0, 0])


def _crack_forest(source: LabelFile) -> Array:
    found = np.asarray(load_matlab(source.path)["groundTruth"]["Segmentation"][0, 0])
    # 1 is the road, 2 the crack
    return np.asarray(found == 2)


def _colours(source: LabelFile) -> Array:
    return PALETTES[source.part].numbers(picture_numbers(source.path), source.path)


def _bright(source: LabelFile) -> Array:
    """Read one mask whose edge was blurred by compression: above half is object."""
    pixels = picture_numbers(source.path)
    pixels = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=-1)
    return pixels > 127


def _layers(source: LabelFile) -> Array:
    """Read one mask a class; `part` names the numbers, and later ones lie on top."""
    numbers = [int(word) for word in source.part.split(",")]
    out: Labels | None = None
    for number, path in zip(numbers, (source.path, *source.more), strict=True):
        pixels = picture_numbers(path)
        mask = (pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=-1)) > 0
        out = np.zeros(mask.shape, np.int64) if out is None else out
        if mask.shape != out.shape:
            raise FileError(
                f"masks of one image are on different grids: expected {out.shape}, got "
                f"{mask.shape} in {str(path)!r}. Fetch the set again."
            )
        out[mask] = number
    assert out is not None
    return out


def _shifted(source: LabelFile) -> Array:
    """Read numbers of which 0 has no meaning, as ADE20K's: it is ignored."""
    numbers = picture_numbers(source.path).astype(np.int64)
    # ADE20K counts its 150 classes from 1, and 0 is what none of them fits
    return np.where(numbers == 0, IGNORE, numbers)


def _cityscapes_instances(source: LabelFile) -> Array:
    """Read Cityscapes' numbers: class · 1000 + which one; below 1000 they are no objects."""
    numbers = picture_numbers(source.path).astype(np.int64)
    return np.where(numbers < 1000, 0, numbers)


CITYSCAPES_TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Numbers of the 19 classes that are trained and measured, in the order of Cityscapes' palette."""


def _cityscapes_classes(source: LabelFile) -> Array:
    numbers = picture_numbers(source.path).astype(np.int64)
    # classes that are not trained are ignored, as the benchmark does
    table = np.full(256, IGNORE, np.int64)
    table[list(CITYSCAPES_TRAINED)] = np.arange(1, 20)
    return table[np.clip(numbers, 0, 255)]


def _slice_of_volume(source: LabelFile) -> Array:
    """Read one slice of the Cell Tracking Challenge; `part` is its plane, `more` the volume."""
    # the other slices are empty: nobody annotated them, and they hold no object to evaluate
    shape = read_series(source.more[0]).shape
    out = np.zeros(shape, np.int64)
    out[int(source.part)] = picture_numbers(source.path)
    return out


def _run_lengths(source: LabelFile, *, classes: bool) -> Array:
    # a table of run lengths does not say how large an image is
    shape = check_shape(size_of(source.more[0]), source.more[0])
    image, _, kind = source.part.partition("\n")
    out = np.zeros(shape, np.int64)
    for number, (name, text) in enumerate(read_table(source.path).get(image, ()), 1):
        if not kind or name == kind:
            # rows without a class are objects of the same one
            alone = 1 if classes else number
            here = class_numbers(source.path)[name] if name else alone
            out[from_pairs(text, shape)] = here
    return out


Table = Mapping[str, tuple[tuple[str, str], ...]]
# the first two hold IMAGE_CLASS in one name
_IMAGE_COLUMNS = ("image_label", "imageid_classid", "imageid", "image_id", "id", "image", "img")
_RUN_COLUMNS = ("encodedpixels", "rle_mask", "rle", "encoding")


def read_table(path: Path) -> Table:
    """Return by image the class and the run lengths of each of its rows; no class: ``""``.

    Images are named ``IMAGE`` or ``IMAGE_CLASS`` in a column of either name; a column ``ClassId``
    is read, too.

    Raises
    ------
    FileError
        If it is no such table.
    """
    status = check_regular(path).stat()
    # with time and size as key, a file that changes is read again
    return _table(path, status.st_mtime_ns, status.st_size)


# every image asks for its rows; the table of two sets stays read
@lru_cache(maxsize=2)
def _table(path: Path, _: int, size: int) -> Table:
    columns = table_columns(path)
    if columns is None or size > _MOST_TABLE:
        raise FileError(
            f"table cannot be read: expected columns {_IMAGE_COLUMNS[0]} or {_IMAGE_COLUMNS[2]}, "
            f"and {_RUN_COLUMNS[0]}, in at most {_MOST_TABLE} bytes, got {str(path)!r}. "
            "Check the file."
        )
    image_at, kind_at, run_at, joined = columns
    out: dict[str, list[tuple[str, str]]] = {}
    # tables that were saved by Excel begin with a mark of byte order
    with path.open(encoding="utf-8-sig") as file:
        next(file)
        for line in file:
            # by hand, as run lengths hold neither commas nor quotes, and the csv module refuses
            # long cells
            cells = [cell.strip().strip('"') for cell in line.rstrip("\r\n").split(",")]
            if len(cells) <= max(image_at, run_at, kind_at or 0):
                continue
            image, name = cells[image_at], "" if kind_at is None else cells[kind_at]
            if joined:
                image, name = image.rpartition("_")[::2]
            rows = out.setdefault(image, [])
            if cells[run_at] and cells[run_at] != "-1":
                # empty or -1 is how sets say that there is none
                rows.append((name, cells[run_at]))
    return {image: tuple(rows) for image, rows in out.items()}


def table_columns(path: Path) -> tuple[int, int | None, int, bool] | None:
    """Return where image, class and run lengths stand, and whether a name holds both; or None."""
    try:
        with check_regular(path).open(encoding="utf-8-sig") as file:
            # no more: a file without line ends may be of any size
            head = [cell.strip().strip('"').lower() for cell in file.readline(1000).split(",")]
    except (OSError, UnicodeDecodeError):
        return None
    image = next((name for name in _IMAGE_COLUMNS if name in head), None)
    run = next((name for name in _RUN_COLUMNS if name in head), None)
    if image is None or run is None:
        return None
    kind = head.index("classid") if "classid" in head else None
    return head.index(image), kind, head.index(run), image in _IMAGE_COLUMNS[:2]


def class_numbers(path: Path) -> dict[str, int]:
    """Return the numbers of a table's classes, from 1, sorted by name."""
    kinds = {kind for rows in read_table(path).values() for kind, _ in rows if kind}
    return {kind: number for number, kind in enumerate(sorted(kinds), 1)}


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """What a COCO or LVIS annotation file says.

    Parameters
    ----------
    images : mapping of int to mapping
        By their ids.
    annotations : mapping of int to list of mapping
        By the ids of their images.
    numbers : mapping of int to int
        Numbers of the categories, from 1, by their ids.
    names : mapping of int to str
        Names of the categories by their numbers.
    """

    images: Mapping[int, Mapping[str, Any]]
    annotations: Mapping[int, list[Mapping[str, Any]]]
    numbers: Mapping[int, int]
    names: Mapping[int, str]


def read_coco(path: Path) -> CocoFile:
    """Read an annotation file; it is kept until another one is read.

    Raises
    ------
    FileError
        If it is no such file.
    """
    status = check_regular(path).stat()
    return _coco(path, status.st_mtime_ns, status.st_size)


# annotations of a whole set take gigabytes once they are read: one at a time
@lru_cache(maxsize=1)
def _coco(path: Path, *_: int) -> CocoFile:
    try:
        # some tools write areas and scores that are no numbers
        told = read_json(path, _MOST_JSON, any_number=True)
        images = {int(one["id"]): one for one in told["images"]}
        by_image: dict[int, list[Mapping[str, Any]]] = {}
        for one in told["annotations"]:
            by_image.setdefault(int(one["image_id"]), []).append(one)
        # categories are numbered with gaps (COCO's 80 up to 90); numbers from 1 need a fixed order
        kinds = sorted(told["categories"], key=lambda one: int(one["id"]))
    except (ValueError, LookupError, TypeError) as err:
        raise FileError(
            f"annotations cannot be read: expected JSON with images, annotations and categories, "
            f"got {str(path)!r} ({err}). Check that it is complete."
        ) from err
    return CocoFile(
        images,
        by_image,
        {int(one["id"]): number for number, one in enumerate(kinds, 1)},
        {number: str(one.get("name", number)) for number, one in enumerate(kinds, 1)},
    )


def _area_px(annotation: Mapping[str, Any], shape: tuple[int, int]) -> float:
    """Return the area that an annotation tells, or that of its outline where it tells none."""
    told = float(annotation.get("area", math.nan))
    if annotation.get("iscrowd"):
        return 0.0  # they are not painted in this order
    if math.isfinite(told):
        return told
    return float(np.count_nonzero(read_segmentation(annotation["segmentation"], shape)))


def _coco_labels(source: LabelFile, *, classes: bool) -> Labels:
    """Paint an image's annotations, the largest first, so that what lies on it stays visible."""
    told = read_coco(source.path)
    image = told.images[int(source.part)]
    shape = check_shape((int(image["height"]), int(image["width"])), source.path)
    out = np.zeros(shape, np.int64)
    found = told.annotations.get(int(source.part), [])
    order = sorted(enumerate(found, 1), key=lambda one: -_area_px(one[1], shape))
    for number, one in order:
        # many objects in one outline, which nobody could be asked to segment
        if one.get("iscrowd"):
            continue
        kind = told.numbers.get(int(one["category_id"]), IGNORE)
        out[read_segmentation(one["segmentation"], shape)] = kind if classes else number
    for one in found:
        # crowds are neither object nor background, where no object lies
        if one.get("iscrowd"):
            out[(out == 0) & read_segmentation(one["segmentation"], shape)] = CROWD
    return out


CROWD = 65535
"""Pixels of crowds; more objects or categories than that are in no image."""

READERS: dict[str, Callable[[LabelFile], Array]] = {
    "sbd-instances": _sbd("GTinst"),
    "sbd-classes": _sbd("GTcls"),
    "bsds": _bsds,
    "crack-forest": _crack_forest,
    "colours": _colours,
    "bright": _bright,
    "layers": _layers,
    "shifted": _shifted,
    "cityscapes-instances": _cityscapes_instances,
    "cityscapes-classes": _cityscapes_classes,
    "slice": _slice_of_volume,
    "run-lengths": lambda source: _run_lengths(source, classes=False),
    "run-length-classes": lambda source: _run_lengths(source, classes=True),
    "coco": lambda source: _coco_labels(source, classes=False),
    "coco-classes": lambda source: _coco_labels(source, classes=True),
}
"""How labels are read, by the name in a `LabelFile`."""
