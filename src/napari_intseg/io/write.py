"""Write labels with the geometry of the image that they belong to."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.coco import write_coco
from napari_intseg.io.dicom_reference import origin_of
from napari_intseg.io.dicom_seg import PRODUCT, write_dicom_seg
from napari_intseg.io.geojson import write_geojson
from napari_intseg.io.hdf5 import write_hdf5
from napari_intseg.io.itk import write_itk
from napari_intseg.io.ome_zarr_write import check_zarr, enlist, image_of, write_ome_zarr
from napari_intseg.io.rtstruct import write_rtstruct
from napari_intseg.io.suffixes import KINDS, WRITABLE, ending_of
from napari_intseg.io.tiff import write_tiff

_HEADERS = (".mhd", ".nhdr")
_PER_PLANE = re.compile(r"^[^%]*%0?\d*d[^%]*\.png$", re.IGNORECASE)


def check_target(path: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path if a file can be written there: to be asked before slow work.

    Raises
    ------
    FileError
        If the ending is unknown, the file exists and must not be replaced, or its folder is
        missing or read-only.
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
    with _told(path):
        if path.exists() and not overwrite:
            raise FileError(
                f"file exists: expected a new name, got {str(path)!r}. Choose another name, or "
                "allow it to be replaced with --overwrite (overwrite=True in Python)."
            )
        if not folder.is_dir():
            raise FileError(
                f"folder is missing: expected an existing folder, got {str(folder)!r}. "
                "Make it first."
            )
        with tempfile.TemporaryDirectory(dir=folder, prefix=".intseg-"):
            pass
    return path


def check_fits(path: str | Path, like: Volume) -> None:
    """Ask whether labels of an image can be written to a path: before slow work, like the above.

    Raises
    ------
    FileError
        If the path is for DICOM, and the image was not read from it.
    """
    if KINDS.get(ending_of(Path(path)) or "") in _DICOM:
        origin_of(like)


def write_labels(
    path: str | Path,
    labels: Array,
    like: Volume,
    *,
    overwrite: bool = False,
    ome_zarr: str | None = None,
    names: Mapping[int, str] | None = None,
    algorithm: str = PRODUCT,
    time_step_s: float = 0.0,
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
        name holds ``%03d``), COCO ``.json`` (2-D), QuPath's ``.geojson``; OME-Zarr as ``NAME.zarr``
        or, beside its image, as ``IMAGE.zarr/labels/NAME``. For images that were read from DICOM
        ``.dcm`` is DICOM-SEG, and RT-STRUCT if the name ends in ``rtstruct.dcm``.
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
        What the objects are called and what made them, for DICOM.
    time_step_s : float, default 0.0
        Seconds between the time points; 0 if it is not known.

    Raises
    ------
    FileError
        As for `check_target`, or if the format cannot hold the labels or several time points.
    DataError
        If the labels do not fit the image, or are not whole numbers from 0 on.
    """
    path = check_target(path, overwrite=overwrite)
    smallest = _smallest(labels, like)
    step = time_step_s if smallest.ndim > like.ndim else None
    _check_times(path, smallest, step)
    kind = KINDS[ending_of(path) or ""]
    image = image_of(path) if kind == "zarr" else None
    with _told(path), _listed(path, image), _place(path, overwrite=overwrite) as made:
        if kind == "zarr":
            write_ome_zarr(made, smallest, like, step, image=image, version=ome_zarr)
        elif kind in _DICOM:
            _DICOM[kind](made, smallest, like, names=names, algorithm=algorithm)
        else:
            _WRITERS[kind](made, smallest, like, step)


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
    with _told(path), _place(path, overwrite=overwrite) as made:
        _imwrite(made, picture)


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
    path = check_target(path, overwrite=overwrite)
    kind = KINDS[ending_of(path) or ""]
    if kind in ("picture", "coco", "geojson", *_DICOM):
        raise FileError(
            "pictures hold no probability: expected a volume format or .npy, got "
            f"{str(path)!r}. Choose another name."
        )
    with _told(path), _place(path, overwrite=overwrite) as made:
        if kind == "zarr":
            write_ome_zarr(made, array, like, time_step_s, is_labels=False)
        elif kind == "hdf5":
            write_hdf5(made, array, like, time_step_s, is_labels=False)
        else:
            _WRITERS[kind](made, array, like, time_step_s)


@contextmanager
def _listed(path: Path, image: Path | None) -> Iterator[None]:
    """Enter labels of an OME-Zarr image into its list, when they are there."""
    if image is not None:
        path.parent.mkdir(exist_ok=True)
    yield
    if image is not None:
        enlist(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into one clear error."""
    try:
        yield
    except FileError:
        raise
    except OSError as err:
        raise FileError(
            f"file cannot be written: expected a folder that allows it, got {str(path)!r} "
            f"({err.strerror or err}). Choose another folder, or change its permissions."
        ) from err


@contextmanager
def _place(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a place to write to; what was written there is moved to the path at the end."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".intseg-") as folder:
        yield Path(folder) / path.name
        _move(Path(folder), path, overwrite)


def _check_times(path: Path, labels: Array, time_step_s: float | None) -> None:
    if time_step_s is not None and KINDS[ending_of(path) or ""] in _ONE_TIME:
        raise FileError(
            f"file type holds one time point: expected labels of one, got {len(labels)} for "
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
    return np.ascontiguousarray(labels, kind)


def _write_png(path: Path, labels: Array, like: Volume, _step: None = None) -> None:
    if _PER_PLANE.search(path.name):
        for number, plane in enumerate(labels if labels.ndim == 3 else labels[np.newaxis]):
            _write_png(path.with_name(path.name % number), plane, like)
        return
    if labels.ndim != 2 or labels.dtype.itemsize > 2:
        raise FileError(
            "PNG cannot hold these labels: expected one plane with labels up to 65535, got shape "
            f"{labels.shape} up to {int(labels.max())!r}. Write .tif or .nii.gz instead, or a file "
            "for each plane with a name like labels_%03d.png."
        )
    _imwrite(path, labels)


def _imwrite(path: Path, picture: Array) -> None:
    import imageio.v3 as iio

    iio.imwrite(path, picture, plugin="pillow", extension=".png")


def _write_npy(path: Path, labels: Array, _like: Volume, _step: float | None = None) -> None:
    np.save(path, labels, allow_pickle=False)


def _write_coco(path: Path, labels: Array, like: Volume, _step: None = None) -> None:
    write_coco(path, labels, like)


def _move(folder: Path, path: Path, overwrite: bool) -> None:
    """Move what was written into place; a header that names its data comes last."""
    made = sorted(folder.iterdir(), key=lambda p: (p.suffix in _HEADERS, p.name))
    for one in made:
        target = path.with_name(one.name)
        if target.exists() and not overwrite:
            raise FileError(
                f"file exists: expected a new name, got {str(target)!r}, which belongs to the "
                "header. Choose another name, or allow it to be replaced with --overwrite."
            )
    for one in made:
        target = path.with_name(one.name)
        if target.is_dir():  # a folder does not take the place of another
            target.replace(folder / f"{one.name}.old")
        one.replace(target)


_DICOM: dict[str, Callable[..., None]] = {"dicom": write_dicom_seg, "rtstruct": write_rtstruct}

_ONE_TIME = ("picture", "coco", *_DICOM)

_WRITERS: dict[str, Callable[..., None]] = {
    "itk": write_itk,
    "tiff": write_tiff,
    "picture": _write_png,
    "npy": _write_npy,
    "hdf5": write_hdf5,
    "coco": _write_coco,
    "geojson": write_geojson,
}
