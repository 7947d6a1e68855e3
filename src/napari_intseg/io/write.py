"""Write labels with the geometry of the image that they belong to."""

import errno
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

import numpy as np

from napari_intseg.core import files
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.annotations import MAP, write_coco, write_geojson, write_map
from napari_intseg.io.dicom.reference import origin_of
from napari_intseg.io.dicom.rtstruct import write_rtstruct
from napari_intseg.io.dicom.seg import PRODUCT, write_dicom_seg
from napari_intseg.io.hdf5 import write_hdf5
from napari_intseg.io.itk import check_name, write_itk
from napari_intseg.io.ome_zarr import (
    check_directions,
    check_zarr,
    create_tiled,
    enlist,
    finish_tiled,
    image_of,
    write_ome_zarr,
)
from napari_intseg.io.output_files import SUFFIX, check_apart, files_of
from napari_intseg.io.pictures import write_png
from napari_intseg.io.source import FileVolume, check_perpendicular
from napari_intseg.io.suffixes import KINDS, WRITABLE, ending_of
from napari_intseg.io.tiff import write_tiff
from napari_intseg.io.units import MICROMETRE, MILLIMETRE

# how ITK ends the name of a header's data, compressed or not
_DATA = {".mhd": (".zraw", ".raw"), ".nhdr": (".raw.gz", ".raw")}

_NO_DATA_NAME = re.compile(r"[%\x00-\x1f\\]|^~")
_NUMBER = re.compile(r"(%0?\d*d)")
_PER_PLANE = re.compile(r"^[^%]*%0?\d*d[^%]*\.png$", re.IGNORECASE)


def check_target(path: str | Path, *inputs: str | Path | None, overwrite: bool = False) -> Path:
    """Return the path if a file can be written there: to be asked before slow work.

    Parameters
    ----------
    path : path
        To be written.
    inputs : path or None
        What is read, or written as well: it is never replaced.
    overwrite : bool, default False
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        If the ending is unknown, the file is one of the inputs, exists and must not be replaced,
        or its folder is missing or read-only.
    """
    path = Path(path)
    if ending_of(path) not in WRITABLE:
        raise FileError(
            f"file type cannot hold labels: expected a name ending in {', '.join(WRITABLE)}, got "
            f"{str(path)!r}. Choose another name."
        )
    is_zarr = KINDS[ending_of(path) or ""] == "zarr"
    if is_zarr:
        check_zarr(path)
    folder = (image_of(path) if is_zarr else None) or path.parent
    if "\0" in str(path):
        raise FileError(
            f"name cannot be used: expected one without a zero byte, got {str(path)!r}. Choose "
            "another name."
        )
    if KINDS[ending_of(path) or ""] == "itk":
        check_name(path, writing=True)
    with told(path):
        if path.exists() and not overwrite:
            raise FileError(
                f"file exists: expected a new name, got {str(path)!r}. Choose another name, or "
                "allow it to be replaced with --overwrite (overwrite=True in Python)."
            )
        check_apart(path, *inputs)
        files.check_unprotected(path)
        if not folder.is_dir():
            raise FileError(
                f"folder is missing: expected an existing folder, got {str(folder)!r}. "
                "Make it first."
            )
        # made and removed again: that tells more surely than permissions do
        with files.hidden_folder(folder):
            pass
    return path


def check_fits(path: str | Path, like: Volume) -> None:
    """Refuse a path to which an image's labels cannot be written; see `check_target`.

    Raises
    ------
    FileError
        If the path is for DICOM, and the image was not read from it; or it is one of the image's
        own files.
    """
    check_apart(path, *files_of(like))
    if KINDS.get(ending_of(Path(path)) or "") in _DICOM:
        origin_of(like)


def holds_directions(ending: str, like: Volume) -> bool:
    """Whether `write_labels` finds room in a format for how an image's axes lie.

    Parameters
    ----------
    ending : str
        One of `WRITABLE`.
    like : Volume
        The image; its values are not read.
    """
    kind = KINDS[ending]
    try:
        if kind == "zarr":
            check_directions(like)
        elif kind == "tiff":
            check_perpendicular(like.affine, like.ndim)
    except FileError:
        return False
    return True


def write_labels(  # noqa: PLR0913 - what a file of labels is to say, in one call
    path: str | Path,
    labels: Array,
    like: Volume,
    *,
    overwrite: bool = False,
    ome_zarr: str | None = None,
    names: Mapping[int, str] | None = None,
    algorithm: str = PRODUCT,
    time_step_s: float = 0.0,
    check: Callable[[], None] = files.go_on,
) -> None:
    """Write labels, or a mask, onto the grid of an image.

    The file appears whole or not at all. Spacing, origin and direction are those of the file that
    `like` was read from, bit for bit, as far as the format holds them: PNG, ``.npy``, COCO and
    GeoJSON hold none, NIfTI holds 32-bit numbers, TIFF spacing alone, OME-Zarr no turned axes.
    What changes distances between voxels (TIFF) or places (OME-Zarr) is refused.

    Parameters
    ----------
    path : path
        By its ending: NIfTI, NRRD, MetaImage, TIFF, ``.npy``, HDF5, PNG (2-D; one a plane if the
        name holds ``%03d``), COCO ``.json`` (2-D), QuPath's ``.geojson``, or of a GeoTIFF
        ``.map.geojson`` in the coordinates of its map; OME-Zarr as ``NAME.zarr`` or, beside its
        image, as ``IMAGE.zarr/labels/NAME``. For images that were read from DICOM ``.dcm`` is
        DICOM-SEG, and RT-STRUCT if the name ends in ``rtstruct.dcm``.
    labels : ndarray of integers or bool
        Of `like`'s shape, or with several time points before it; not negative. The smallest
        unsigned type that holds them is written.
    like : Volume
        The image, or one time point of it.
    overwrite : bool, default False
        Whether an existing file may be replaced.
    ome_zarr : "0.4" or "0.5", optional
        Version of OME-Zarr; by default that of the image, else 0.4.
    names, algorithm
        What the objects are called, for DICOM, COCO and GeoJSON, and what made them, for DICOM.
    time_step_s : float, default 0.0
        Seconds between the time points; 0 if it is not known.
    check : callable
        Called between steps, for the last time before the file appears. What it raises ends the
        writing, and what was there before stays.

    Raises
    ------
    FileError
        As for `check_target`, or if the format cannot hold the labels or several time points, or
        `path` is a file that `like` was read from.
    DataError
        If the labels do not fit the image, or are not whole numbers from 0 on.
    """
    path = check_target(path, *files_of(like), overwrite=overwrite)
    smallest = _smallest(labels, like)
    step = time_step_s if smallest.ndim > like.ndim else None
    if step is not None:
        check_times(path, len(smallest))
    kind = KINDS[ending_of(path) or ""]
    image = image_of(path) if kind == "zarr" else None
    with told(path), _listed(path, image), _place(path, overwrite=overwrite) as made:
        check()
        if kind == "zarr":
            write_ome_zarr(made, smallest, like, step, image=image, version=ome_zarr)
        elif kind in _DICOM:
            _DICOM[kind](made, smallest, like, names=names, algorithm=algorithm, check=check)
        elif kind == "coco":
            write_coco(made, smallest, like, names=names, check=check)
        elif path.name.lower().endswith(MAP):
            write_map(made, smallest, like, names=names, check=check)
        elif kind == "geojson":
            write_geojson(made, smallest, like, step, names=names, check=check)
        elif kind == "itk":
            write_itk(made, smallest, like, step, check=check)
        else:
            _WRITERS[kind](made, smallest, like, step, is_labels=True)
        check()


@contextmanager
def tiled_labels(
    path: str | Path, like: Volume, *, highest: int, tile_px: int, overwrite: bool = False
) -> Iterator[Path]:
    """Give a place to `put_tile` labels to; they appear whole at the end, or not at all.

    Parameters
    ----------
    path : path
        Ending in ``.zarr``.
    like : Volume
        The image; its values are not read.
    highest : int
        Of the labels.
    tile_px : int
        Side of the tiles, a power of two from 64 on.
    overwrite : bool, default False
        Whether an existing one may be replaced.

    Raises
    ------
    FileError
        As for `write_labels`.
    """
    path = check_target(path, *files_of(like), overwrite=overwrite)
    image, kind = image_of(path), np.min_scalar_type(highest)
    with told(path), _listed(path, image), _place(path, overwrite=overwrite) as made:
        create_tiled(made, like, kind, tile_px, image=image)
        yield made
        finish_tiled(made, tile_px)


def write_picture(path: str | Path, picture: Array, *, overwrite: bool = False) -> None:
    """Write an RGB or grey picture as PNG, whole or not at all.

    Parameters
    ----------
    path : path
        Ending in ``.png``.
    picture : ndarray of uint8, shape (H, W) or (H, W, 3)
        As it is.
    overwrite : bool, default False
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        As for `check_target`.
    """
    path = check_target(path, overwrite=overwrite)
    with told(path), _place(path, overwrite=overwrite) as made:
        write_png(made, picture)


def write_array(
    path: str | Path,
    array: Array,
    like: Volume,
    *,
    overwrite: bool = False,
    time_step_s: float | None = None,
) -> None:
    """Write an array of numbers of any type, for instance a probability, like `write_labels`.

    Parameters
    ----------
    path, like, overwrite
        As for `write_labels`.
    array : ndarray
        Of `like`'s shape, or with time before it or channels behind it.
    time_step_s : float, optional
        That the first axis is time, and its step; 0 if it is not known.

    Raises
    ------
    FileError
        As for `check_target`, or if the type is one for pictures.
    """
    path = check_target(path, *files_of(like), overwrite=overwrite)
    kind = KINDS[ending_of(path) or ""]
    if kind in ("picture", "coco", "geojson", *_DICOM):
        raise FileError(
            "pictures hold no probability: expected a volume format or .npy, got "
            f"{str(path)!r}. Choose another name."
        )
    with told(path), _place(path, overwrite=overwrite) as made:
        write = write_ome_zarr if kind == "zarr" else _WRITERS[kind]
        write(made, array, like, time_step_s, is_labels=False)


@contextmanager
def _listed(path: Path, image: Path | None) -> Iterator[None]:
    """Enter labels of an OME-Zarr image into its list, when they are there."""
    if image is not None:
        # asked before: labels that are in no list are found by nobody
        enlist(path, dry=True)
        path.parent.mkdir(exist_ok=True)
    yield
    if image is not None:
        enlist(path)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into one clear error."""
    try:
        yield
    except FileError:
        raise
    except OSError as raised:
        err = _refusal(raised)
        full = err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        rule = "room for it" if full else "a folder that allows it"
        raise FileError(
            f"file cannot be written: expected {rule}, got {str(path)!r} ({err.strerror or err}). "
            f"{'Free some space' if full else 'Change its permissions'}, or choose another folder. "
            "What was there before is there still."
        ) from raised


def _refusal(err: OSError) -> OSError:
    """Return what the operating system said: pydicom repeats it in words of its own."""
    inner = err.__cause__ or err.__context__
    return _refusal(inner) if err.errno is None and isinstance(inner, OSError) else err


@contextmanager
def _place(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a place to write to; what was written there is moved to the path at the end."""
    with files.hidden_folder(path.parent) as folder:
        yield folder / _name_beside(path, overwrite)
        _move(folder, path, overwrite)


def _name_beside(path: Path, overwrite: bool) -> str:
    """Return the name to write under; a header's data gets one that no file has."""
    if path.suffix.lower() not in _DATA:
        return path.name
    ends = _DATA[path.suffix.lower()]
    if not overwrite:
        for taken in filter(Path.exists, (path.with_name(_data_stem(path) + e) for e in ends)):
            raise FileError(
                f"file exists: expected a new name, got {str(taken)!r}, which belongs to the "
                "header. Choose another name, or allow it to be replaced with --overwrite."
            )
    stem = _data_stem(path)
    stems = chain([stem], (f"{stem}.data{n}" for n in count(1)))
    free = (s for s in stems if not any((path.parent / f"{s}{end}").exists() for end in ends))
    return next(free) + path.suffix


def _data_stem(path: Path) -> str:
    """Return what the data of a header are called, without ending: as the header if it can be.

    MetaIO gives the name to printf, which ends the process over "%s", takes a backslash for a
    folder and "~" for a person's own; NRRD takes "LIST" at its beginning for a list of files.
    """
    stem = _NO_DATA_NAME.sub("_", path.stem)
    return f"_{stem}" if stem.startswith("LIST") else stem


def check_times(path: Path, count: int) -> None:
    """Refuse a path to which a time series cannot be written; before what it holds is made.

    Raises
    ------
    FileError
        If its type has no axis for time.
    """
    if KINDS[ending_of(path) or ""] in _ONE_TIME:
        raise FileError(
            f"file type holds one time point: expected labels of one, got {count} for "
            f"{str(path)!r}. Write a file for each, or all of them as .nii.gz, .nrrd, .mha, .tif, "
            ".zarr or .h5."
        )


def _smallest(labels: Array, like: Volume) -> Array:
    labels = np.asarray(labels)
    if like.shape not in (labels.shape, labels.shape[1:]):
        raise DataError(
            f"labels are on another grid: expected shape {like.shape}, or time points of it, got "
            f"{labels.shape}. Give labels of the image's shape."
        )
    if labels.dtype.kind not in "bui" or (labels.size and labels.min() < 0):
        raise DataError(
            f"labels are not counted from 0: expected integers, 0 for the background, got "
            f"{labels.dtype} from {labels.min()!r}. Renumber them."
        )
    highest = int(labels.max()) if labels.size else 0
    kind = next((t for t in (np.uint8, np.uint16, np.uint32) if highest <= np.iinfo(t).max), None)
    if kind is None:
        raise DataError(
            f"labels are too large: expected at most {np.iinfo(np.uint32).max}, got {highest!r}. "
            "Renumber them."
        )
    # the smallest type: files are smaller, and PNG and ImageJ's TIFF take no more than 16 bits
    return np.ascontiguousarray(labels, kind)


def _write_png(
    path: Path, labels: Array, like: Volume, _step: None = None, *, is_labels: bool = True
) -> None:
    if _PER_PLANE.search(path.name):
        for number, plane in enumerate(labels if labels.ndim == 3 else labels[np.newaxis]):
            _write_png(path.with_name(path.name % number), plane, like, is_labels=is_labels)
        return
    if labels.ndim != 2 or labels.dtype.itemsize > 2:
        raise FileError(
            "PNG cannot hold these labels: expected one plane with labels up to 65535, got shape "
            f"{labels.shape} up to {int(labels.max())!r}. Write .tif or .nii.gz instead, or a file "
            "for each plane with a name like labels_%03d.png."
        )
    unit = like.source.unit if isinstance(like, FileVolume) else MILLIMETRE
    # a size in millimetres would be read as that of a print
    rows, cols = like.spacing[-2:]
    size = (rows, cols) if unit == MICROMETRE else None
    write_png(path, labels, is_labels=is_labels, size=size)


def _write_npy(
    path: Path, labels: Array, _like: Volume, _step: float | None = None, **_: object
) -> None:
    # numpy does not tell of the last bytes that do not reach a full disk
    content = io.BytesIO()
    np.save(content, labels, allow_pickle=False)
    path.write_bytes(content.getbuffer())


def _move(folder: Path, path: Path, overwrite: bool) -> None:
    """Move what was written into place, in one step whatever it consists of."""
    if path.suffix.lower() in _DATA:
        _move_header(folder, path)
    elif _PER_PLANE.search(path.name):
        _move_series(folder, path, overwrite)
    else:
        files.put(folder / path.name, path)


def _move_header(folder: Path, path: Path) -> None:
    """Move the data, under a name that no file had, and then the header: that is the one step."""
    before = path.read_bytes() if path.is_file() else b""
    # the header last: until it is moved, the old header still names the old data
    made = sorted(folder.iterdir(), key=lambda p: p.suffix.lower() in _DATA)
    for one in made[:-1]:
        files.put(one, path.with_name(one.name))
    files.put(made[-1], path)
    _remove_old_data(path, before)


def _remove_old_data(path: Path, before: bytes) -> None:
    """Remove the data of the header that was there, and what a kill left without a header."""
    ends = "|".join(map(re.escape, _DATA[path.suffix.lower()]))
    stem = _data_stem(path)
    ours = re.compile(rf"{re.escape(stem)}(\.data\d+)?({ends})")
    starts = (stem, path.stem)
    beside = [p for p in path.parent.iterdir() if p.name.startswith(starts) and p.is_file()]
    named = b"".join(p.read_bytes() for p in beside if p.suffix.lower() in _DATA)
    for one in beside:
        found = ours.fullmatch(one.name)
        is_old = found is not None and (found[1] is not None or one.name.encode() in before)
        if is_old and one.name.encode() not in named:
            one.unlink()


def _move_series(folder: Path, path: Path, overwrite: bool) -> None:
    """Move a picture for each plane; those of more planes that were there before go."""
    start, number, end = _NUMBER.split(path.name, maxsplit=1)
    digits = r"\d+" if number in ("%d", "%0d") else rf"\d{{{int(number[1:-1])},}}"
    kind = re.compile(rf"{re.escape(start)}{digits}{re.escape(end)}", re.IGNORECASE)
    old = [p.name for p in path.parent.iterdir() if kind.fullmatch(p.name) and p.is_file()]
    new = {p.name for p in folder.iterdir()}
    if not overwrite:
        for name in sorted(new.intersection(old)):
            raise FileError(
                f"file exists: expected a new name, got {str(path.with_name(name))!r}, a plane of "
                "others. Choose another name, or allow it to be replaced with --overwrite."
            )
        # without leave to replace, planes of other numbers are another series and stay
        old = []
    others = [path.name + SUFFIX, path.name % 0 + SUFFIX]
    files.put_series(folder, path.parent, old, others)


_DICOM: dict[str, Callable[..., None]] = {"dicom": write_dicom_seg, "rtstruct": write_rtstruct}

# formats without an axis for time
_ONE_TIME = ("picture", "coco", *_DICOM)

_WRITERS: dict[str, Callable[..., None]] = {
    "itk": write_itk,
    "tiff": write_tiff,
    "picture": _write_png,
    "npy": _write_npy,
    "hdf5": write_hdf5,
}
