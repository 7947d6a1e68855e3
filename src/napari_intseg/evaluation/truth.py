"""Mask files: what in them is an object, what is ignored, which objects are evaluated."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.evaluation.label_files import LabelFile
from napari_intseg.evaluation.robot import Truth
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.pictures import has_deep_colours, opened_picture, picture_of
from napari_intseg.io.raster import read_npy
from napari_intseg.io.read import read_volume, reorient
from napari_intseg.io.source import FileVolume
from napari_intseg.io.suffixes import remark
from napari_intseg.io.tiff import read_series

Labels = NDArray[np.int64]
Kind = Literal["auto", "binary", "instances", "classes"]
KINDS: tuple[Kind, ...] = ("auto", "binary", "instances", "classes")
Volumes = Literal["slices", "whole", "live"]

MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff", ".mat", ".npy")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".npy")
VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_TIFF_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class MaskRules:
    """How the numbers in a mask file are read.

    Parameters
    ----------
    kind : {"binary", "instances", "classes"}
        "binary": all that is not background is one object. "instances": one number, one object.
        "classes": a connected piece of one number is one object.
    ignore : tuple of int
        Numbers that are neither object nor background.
    above : int, default 0
        Numbers up to this are background.
    min_px : int, default 1
        Smaller objects are left out; voxels for whole volumes.
    max_objects : int or None
        At most so many objects are drawn from one file; None: all.
    seed : int, default 0
        Of that draw; what is drawn from a file depends on the seed and the file's name alone.
    volumes : {"slices", "whole", "live"}
        Whether an object of a volume is evaluated slice by slice (axis 0) or as a whole; "live":
        as a whole, each click where the largest connected error of any plane is deepest.
    window : str or None
        Name of a CT window that whole volumes are shown in; None: as a session chooses.
    """

    kind: Kind = "instances"
    ignore: tuple[int, ...] = ()
    above: int = 0
    min_px: int = 1
    max_objects: int | None = None
    seed: int = 0
    volumes: Volumes = "slices"
    window: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Which object of a mask file.

    Parameters
    ----------
    value : int
        Its number; 0 for everything that is object.
    piece : int
        Which connected piece of it, from 1; 0 for all.
    plane : Plane or None
        The slice of a volume; None for an image, and for a volume as a whole.
    """

    value: int
    piece: int = 0
    plane: Plane | None = None

    @property
    def name(self) -> str:
        """Short and unique within its file, empty if it is the only one."""
        value = "" if self.value == 0 else str(self.value)
        piece = f".{self.piece}" if self.piece else ""
        plane = f"@{self.plane.index}" if self.plane else ""
        return value + piece + plane


def read_labels(path: Path | LabelFile) -> Labels:
    """Read a mask file as integers, (H, W) or (D, H, W).

    Palette images give their indices. Colours become one number, ``red·65536 + green·256 + blue``,
    unless all channels are equal; alpha is left out.

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If it holds fractions, or is neither a slice nor a volume.
    """
    if isinstance(path, LabelFile):
        return path.read()
    raw = _read(path, palette=True)
    # a volume of three columns in more than 8 bits is no colour image
    if raw.ndim > 2 and raw.shape[-1] in (3, 4) and raw.dtype == np.uint8:
        raw = _colours_to_numbers(raw)
    # whole numbers stored as fractions are labels; many tools save them so
    if raw.dtype.kind == "f" and not np.array_equal(raw, np.round(raw)):
        raise DataError(
            f"mask holds fractions: expected whole numbers, got {str(path)!r}. "
            "Save labels, not probabilities."
        )
    if raw.ndim not in (2, 3) or raw.dtype.kind not in "buif":
        raise DataError(
            f"mask is neither a slice nor a volume: expected 2 or 3 axes of whole numbers, got "
            f"shape {raw.shape} of {raw.dtype} in {str(path)!r}. Save labels."
        )
    return raw.astype(np.int64)


def read_image(path: Path, shape: tuple[int, ...], mask: Path | LabelFile | None = None) -> Volume:
    """Read the image that belongs to a mask of a shape.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Of the mask, as `read_labels` gives it.
    mask : Path or LabelFile, optional
        The mask's file: where both tell where they lie, the image comes with its axes in the order
        of the mask's. Programs that write NIfTI often mirror rows, and say so in the header.

    Warns
    -----
    FileWarning
        If both tell where they lie, and no order of axes lays one on the other.

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If the image is on another grid than the mask.
    """
    suffix = _suffix(path)
    volume: Volume | None = None
    if suffix in VOLUME_SUFFIXES:
        # of several sequences the first: FLAIR of the Decathlon's brains, T2 of its prostates
        volume = _laid_on(read_volume(path, time=0), mask)
    elif suffix in _TIFF_SUFFIXES:
        volume = read_volume(path)
    if volume is None or (volume.shape != shape and suffix in _TIFF_SUFFIXES):
        # a TIFF need not say what its axes mean; the mask does
        volume = _arranged(_read(path), shape)
    if volume.shape != shape:
        raise DataError(
            f"image and mask are on different grids: expected {shape}, as the mask, got "
            f"{volume.shape} in {str(path)!r}. Resample one onto the other's grid first."
        )
    return volume


def _laid_on(image: FileVolume, mask: Path | LabelFile | None) -> Volume:
    """Return an image with its axes in the order of its mask's, as far as files tell."""
    if not isinstance(mask, Path) or _suffix(mask) not in VOLUME_SUFFIXES:
        return image
    placed = read_volume(mask)
    # channels go along: planes, rows and columns are before them
    data = np.asarray(image.data)
    parts = np.moveaxis(data, -1, 0) if image.n_channels else data[np.newaxis]
    found = [reorient(one, image.affine, placed.affine, placed.shape) for one in parts]
    laid = [one for one in found if one is not None]
    if len(laid) < len(found):
        if image.shape == placed.shape:
            remark(
                image.source.path,
                f"it lies elsewhere than its mask {mask.name!r} by their headers; they are laid on "
                "each other voxel by voxel",
            )
        return image
    whole = np.stack(laid, axis=-1) if image.n_channels else laid[0]
    return FileVolume(whole, image.source, affine=placed.affine, channels=image.n_channels > 0)


def _arranged(raw: Array, shape: tuple[int, ...]) -> Volume:
    """Return an array as an image of a shape: with channels last, first, or none."""
    # channels in front, unless the last axis fits as well
    if raw.shape[1:] == shape and raw.shape[:-1] != shape:
        raw = np.moveaxis(raw, 0, -1)
    return Volume(raw, channels=raw.ndim == len(shape) + 1)


def find_objects(labels: Labels, rules: MaskRules, name: str) -> tuple[ObjectRef, ...]:
    """Return the objects of a mask that are evaluated, in order.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W) or (D, H, W)
        As read.
    rules : MaskRules
        Its kind is not "auto".
    name : str
        Of the file, for the seeded draw.
    """
    by_slice = labels.ndim == 3 and rules.volumes == "slices"
    planes: list[Plane | None] = [Plane(0, i) for i in range(len(labels))] if by_slice else [None]
    found = [
        ObjectRef(value, piece, plane)
        for plane in planes
        for value, piece in _objects_of(labels if plane is None else labels[plane.index], rules)
    ]
    if rules.max_objects is None or len(found) <= rules.max_objects:
        return tuple(found)
    # by the file's name, so that adding a file changes no other's draw
    rng = np.random.default_rng([rules.seed, crc32(name.encode("utf-8", "surrogateescape"))])
    # in the order of the file, whatever was drawn first
    chosen = np.sort(rng.choice(len(found), rules.max_objects, replace=False))
    return tuple(found[i] for i in chosen)


def truth_of(labels: Labels, ref: ObjectRef, rules: MaskRules) -> Truth:
    """Return one object as 1, background and other objects as 0, ignored pixels as -1.

    Returns
    -------
    ndarray of int8
        (H, W), or (D, H, W) for a volume as a whole.
    """
    here = labels if ref.plane is None else labels[ref.plane.index]
    ignored = np.isin(here, rules.ignore)
    mask = ((here > rules.above) if ref.value == 0 else (here == ref.value)) & ~ignored
    if ref.piece:
        # numbered as when the objects were found: the same rule on the same mask
        mask = _pieces(mask)[0] == ref.piece
    return np.where(ignored, np.int8(-1), mask.astype(np.int8))


def guess_kind(values: set[int], *, eight_bit: bool) -> tuple[Kind, tuple[int, ...]]:
    """Return kind and ignored numbers of a set of masks, from all numbers that occur in them.

    One number beside 0: binary. 0, 128, 255: binary, 128 ignored. 0, 1, 255: binary, 255 ignored.
    Otherwise instances; in 8-bit masks 255 is ignored if there is no 254: it is then no count.
    """
    objects = values - {0}
    if len(objects) <= 1:
        return "binary", ()
    if objects == {128, 255}:
        return "binary", (128,)
    if objects == {1, 255}:
        return "binary", (255,)
    return "instances", (255,) if eight_bit and 255 in objects and 254 not in objects else ()


def _objects_of(labels: Labels, rules: MaskRules) -> Iterator[tuple[int, int]]:
    if rules.kind == "binary":
        count = np.count_nonzero((labels > rules.above) & ~np.isin(labels, rules.ignore))
        if count >= max(rules.min_px, 1):
            yield 0, 0
        return
    values, counts = np.unique(labels, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value <= rules.above or value in rules.ignore or count < rules.min_px:
            continue
        if rules.kind == "instances":
            yield value, 0
            continue
        pieces, n = _pieces(labels == value)
        sizes = np.bincount(pieces.ravel(), minlength=n + 1)
        yield from ((value, i) for i in range(1, n + 1) if sizes[i] >= rules.min_px)


def _pieces(mask: Array) -> tuple[Array, int]:
    """Return the connected pieces of a mask, numbered from 1, and how many; corners connect."""
    # corners connect, as thin lines of pixels run diagonally
    numbered, n = label(mask, np.ones((3,) * mask.ndim))
    return np.asarray(numbered), int(n)


def _colours_to_numbers(raw: Array) -> Array:
    colours = raw[..., :3].astype(np.int64)
    # grey masks saved as colour keep their numbers
    if (colours == colours[..., :1]).all():
        return np.asarray(colours[..., 0])
    return np.asarray(colours @ np.array([65536, 256, 1]))


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def _read(path: Path, *, palette: bool = False) -> Array:
    suffix = _suffix(check_regular(path))
    try:
        if suffix in VOLUME_SUFFIXES:
            return np.asarray(read_volume(path).data)
        # Pillow would make 8 bits of 16
        if has_deep_colours(path):
            return picture_of(path)
        return _READERS.get(suffix, _read_picture)(path, palette)
    except FileError:
        raise
    except Exception as err:
        # every reader has its own kinds of error
        raise FileError(
            f"file cannot be read: expected an image or mask, got {str(path)!r} ({err}). "
            "Check that it is complete."
        ) from err


def _read_picture(path: Path, palette: bool) -> Array:
    with opened_picture(path) as picture:
        # modes without a meaning as numbers become plain ones; a palette's indices are labels
        plain = {"P": None if palette else "RGB", "1": "L", "LA": "L", "CMYK": "RGB"}
        mode = plain.get(picture.mode)
        return np.asarray(picture.convert(mode) if mode else picture)


def _read_tiff(path: Path, _: bool) -> Array:
    return read_series(path)


def _read_numpy(path: Path, _: bool) -> Array:
    return np.asarray(read_npy(path).levels[0])


def _read_matlab(path: Path, _: bool) -> Array:
    """Read the instances of a file of the Semantic Boundaries Dataset."""
    return LabelFile(path, "sbd-instances").read()


_READERS = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".npy": _read_numpy,
    ".mat": _read_matlab,
}
