"""Read images and volumes with their geometry."""

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.files import finish
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError, IntSegError
from napari_intseg.io.child_process import check_in_child
from napari_intseg.io.dicom import rtstruct, seg
from napari_intseg.io.dicom.reference import class_of
from napari_intseg.io.dicom.series_reader import (
    Series,
    choose_series,
    lazy_slices,
    read_dicom,
    read_series,
)
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.hdf5 import read_hdf5, split_path
from napari_intseg.io.itk import read_itk
from napari_intseg.io.ome_zarr import is_zarr, read_ome_zarr
from napari_intseg.io.pictures import read_picture, read_video
from napari_intseg.io.raster import Raster, raster_of, read_npy
from napari_intseg.io.source import FileVolume
from napari_intseg.io.suffixes import Kind, kind_of, remark
from napari_intseg.io.tiff import read_tiff
from napari_intseg.io.units import PIXEL

TOLERANCE_PX = 1e-2
"""Pixels by which corners of two grids that are the same may differ: rounding in headers."""

# voxels by which labels may lie beside their image without a word, in formats that other programs
# write without care: half of one is what nobody sees (not tuned)
_TOLD_PX = 0.5


def reorient(
    data: Array, affine: FloatMatrix, onto: FloatMatrix, shape: tuple[int, ...]
) -> Array | None:
    """Return an array in the order of axes of a grid with the same pixels, or None.

    Programs that write NIfTI often mirror rows or exchange axes, and say so in the affine.

    Parameters
    ----------
    data : ndarray of 2 or 3 axes
    affine, onto : ndarray of float64, shape (4, 4)
        From (plane, row, col) to the world, of the array and of the grid.
    shape : tuple of int
        Of the grid, with as many axes.

    Returns
    -------
    ndarray or None
        A view of shape `shape`; None if the grids do not have the same pixels.
    """
    deep = data.reshape((1,) * (3 - data.ndim) + data.shape)
    wanted = (1,) * (3 - len(shape)) + tuple(shape)
    # from the array's indices to the grid's: flips and exchanged axes are whole numbers in it
    there = np.linalg.solve(onto, affine)
    turn = np.rint(there[:3, :3])
    if not (np.abs(turn).sum(0) == 1).all() or not (np.abs(turn).sum(1) == 1).all():
        return None
    order = np.abs(turn).argmax(1)
    if tuple(deep.shape[axis] for axis in order) != wanted:
        return None
    flips = tuple(int(row) for row in np.flatnonzero(turn.sum(1) < 0))
    start = np.where(turn.sum(1) < 0, np.array(wanted) - 1, 0)
    # corners, since a small error of direction grows with the size of the volume
    corners = np.array(list(itertools.product(*((0, size - 1) for size in deep.shape))))
    off = corners @ (there[:3, :3] - turn).T + there[:3, 3] - start
    if np.abs(off).max() > TOLERANCE_PX:
        return None
    return np.asarray(np.flip(np.transpose(deep, order), flips).reshape(shape))


T = TypeVar("T")


def read_volume(
    path: str | Path,
    *,
    time: int | None = None,
    series: int | str | None = None,
    resample: bool = False,
    anonymous: bool = True,
) -> FileVolume:
    """Read an image or a volume.

    Parameters
    ----------
    path : path
        NIfTI (``.nii``, ``.nii.gz``), NRRD, MetaImage, TIFF (ImageJ and OME included), PNG, JPEG,
        ``.npy``, one DICOM file, a folder with one DICOM series, OME-Zarr 0.4 and 0.5 (labels as
        ``image.zarr/labels/NAME``), HDF5 (of several datasets one as ``file.h5/NAME``) or a video,
        whose frames are time points.
    time : int, optional
        Which time point of a series to read; needed when there are several.
    series : int or str, optional
        Which DICOM series to read, by its number in the list or its uid; needed when there are
        several besides localizers.
    resample, anonymous : bool
        For DICOM, as for `read_series`.

    Returns
    -------
    FileVolume
        A `Volume`, indexed ``(plane, row, col)`` with channels last, whose affine gives LPS
        millimetres. It remembers the file's own geometry for `write_labels`.

    Raises
    ------
    FileError
        If the file is missing, damaged, of an unknown type, or holds several time points and
        none is chosen.
    DataError
        If what it holds is no image that can be segmented.
    """
    path = Path(path)
    # a read-only folder: it is read as it is
    with suppress(OSError):
        finish(path.parent)
    if _holds_dicom(path):
        if drawn := dicom_labels(path):
            return _told(path, lambda: drawn.open(path).volume(time))
        return _told(
            path,
            lambda: read_dicom(path, time, series=series, resample=resample, anonymous=anonymous),
        )
    return _told(path, lambda: _open(path, timed=time is not None).volume(time))


def read_raster(path: str | Path) -> Raster:
    """Open an image with all its time points, channels and levels.

    Parameters
    ----------
    path : path
        As for `read_volume`.

    Returns
    -------
    Raster
        Whose arrays are read when they are indexed where the format and the size ask for it.

    Raises
    ------
    FileError, DataError
        As for `read_volume`.
    """
    path = Path(path)
    if _holds_dicom(path):
        if drawn := dicom_labels(path):
            return _told(path, lambda: drawn.open(path))
        return _told(path, lambda: series_raster(choose_series(path)))
    return _told(path, lambda: _open(path))


class DicomLabels(NamedTuple):
    """What reads a kind of DICOM file that holds labels.

    Parameters
    ----------
    open : callable
        Returns them on their image's grid, or on one of their own.
    read : callable
        Returns them on the grid of a given image.
    names : callable
        Returns what they are called.
    """

    open: Callable[[Path], Raster]
    read: Callable[[Path, Volume], Array]
    names: Callable[[Path], dict[int, str]]


_SEG = DicomLabels(seg.open_segmentation, seg.read_segmentation, seg.segment_names)
_DICOM_LABELS = {
    **dict.fromkeys(seg.CLASSES, _SEG),
    rtstruct.CLASS: DicomLabels(
        rtstruct.open_structures, rtstruct.read_structures, rtstruct.structure_names
    ),
}


def dicom_labels(path: Path) -> DicomLabels | None:
    """Return what reads the labels of a DICOM-SEG or RT-STRUCT file; None of other files."""
    return _DICOM_LABELS.get(class_of(path))


def series_raster(
    series: Series,
    *,
    resample: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Raster:
    """Return a DICOM series with all its time points.

    Parameters
    ----------
    series : Series
        As listed.
    resample : bool, default False
        See `read_series` of DICOM.
    on_progress : callable, optional
        Told how many of how many slices of all time points are read; what it raises ends the
        reading.

    Raises
    ------
    FileError
        As for `read_series` of DICOM.
    """

    def told(time: int) -> Callable[[int, int], None] | None:
        if on_progress is None:
            return None
        return lambda done, total: on_progress(time * total + done, series.times * total)

    is_resampled = resample and not series.stack.is_regular
    # one array over all time points, so that memory and decoder are shared
    lazy = None if is_resampled or series.times == 1 else lazy_slices(series.stack.times)
    if lazy is not None:
        volumes = [read_series(series, time=0, lazy=True)]
        if on_progress is not None:
            on_progress(1, 1)
    else:
        volumes = [
            read_series(series, resample=resample, time=t, on_progress=told(t))
            for t in range(series.times)
        ]
    one = raster_of(volumes[0])
    if series.times == 1:
        return one
    origin = one.source.dicom
    assert origin is not None
    origins = tuple(replace(origin, frames=frames) for frames in series.stack.times)
    return replace(
        one,
        levels=(np.stack([volume.data for volume in volumes]) if lazy is None else lazy,),
        axes="t" + one.axes,
        source=replace(one.source, dicom=None, dicom_times=origins),
    )


def _holds_dicom(path: Path) -> bool:
    """Whether a path is for DICOM: any folder but a zarr, a name or content that says so."""
    if not check_regular(path).exists():
        if split_path(path)[1]:
            return False
        raise FileError(f"file is missing: expected an image, got {str(path)!r}. Check the path.")
    return not is_zarr(path) if path.is_dir() else kind_of(path) == "dicom"


def _open(path: Path, *, timed: bool = False) -> Raster:
    if is_zarr(path):
        return read_ome_zarr(path)
    kind = kind_of(path)
    if kind == "video":
        # here, as the child itself opens videos by `io.pictures`
        check_in_child(kind, path)
    return read_npy(path, timed=timed) if kind == "npy" else _READERS[kind](path)


def _told(path: Path, read: Callable[[], T]) -> T:
    """Read, and turn whatever a library says of a damaged file into one clear error."""
    try:
        return read()
    except IntSegError:
        raise
    except Exception as err:
        # each library has its own errors for a damaged file; all mean the same to a person
        reason = _by_itk(" ".join(str(err).split()))[-300:] or type(err).__name__
        raise FileError(
            f"file cannot be read: expected an image, got {str(path)!r} ({reason}). "
            "Check that it is complete and of the type that its name says."
        ) from err


def _by_itk(reason: str) -> str:
    """Return the last of ITK's messages, without the lines and addresses of its own code."""
    last = re.split(r"(?:itk::|sitk::|ITK )ERROR: ", reason)[-1]
    return re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", last)


def read_mask(path: str | Path, like: Volume) -> Array:
    """Read a mask or labels drawn on an image.

    Parameters
    ----------
    path : path
        Any file that `read_volume` reads; DICOM-SEG and RT-STRUCT included.
    like : Volume
        The image; the mask must have its pixels, if in another order of axes.

    Returns
    -------
    ndarray of integers or bool
        Of the image's `shape`; 0 is background.

    Raises
    ------
    FileError
        As for `read_volume`.
    DataError
        If it holds no labels, or is on another grid than the image.
    """
    if drawn := dicom_labels(Path(path)):
        return drawn.read(Path(path), like)
    mask = _read_indexed(Path(path))
    data = mask.data
    if mask.n_channels or data.dtype.kind not in "bui":
        what = f"{mask.n_channels} channels of" if mask.n_channels else "values of type"
        raise DataError(
            f"mask does not hold labels: expected one integer a pixel, got {what} {data.dtype} in "
            f"{str(path)!r}. Save it as integers, 0 for the background."
        )
    # once: it may be on a disk
    data = np.asarray(data)
    if data.dtype.kind == "i" and data.min(initial=0) < 0:
        raise DataError(
            "labels are not counted from 0: expected 0 for the background and numbers above it, "
            f"got {int(data.min())} in {str(path)!r}. Renumber them."
        )
    placed = isinstance(like, FileVolume) and like.source.itk is not None and mask.source.itk
    if placed and len(mask.shape) == len(like.shape):
        found = reorient(data, mask.affine, like.affine, like.shape)
        if found is None:
            raise DataError(
                f"mask is on another grid: expected shape {like.shape} with the image's spacing, "
                f"origin and direction {like.affine.round(4).tolist()!r}, got {mask.shape} with "
                f"{mask.affine.round(4).tolist()!r} in {str(path)!r}. Resample it onto the image "
                "first."
            )
        return found
    if mask.shape != like.shape:
        raise DataError(
            f"mask is on another grid: expected shape {like.shape}, got {mask.shape} in "
            f"{str(path)!r}. Resample it onto the image first."
        )
    if isinstance(like, FileVolume) and PIXEL not in (like.source.unit, mask.source.unit):
        corners = np.array(list(itertools.product(*((0, n - 1) for n in (1, *like.shape)[-3:]))))
        off = corners @ (mask.affine - like.affine)[:3, :3].T + (mask.affine - like.affine)[:3, 3]
        if np.abs(off).max() > _TOLD_PX * min(like.spacing):
            remark(
                Path(path), "its voxels are elsewhere than the image's; one is laid on the other"
            )
    return data


def _read_indexed(path: Path) -> FileVolume:
    """Read a file of labels: of a picture with a palette the numbers, not their colours."""
    if not path.is_file() or kind_of(path) != "picture":
        return read_volume(path)
    return _told(path, lambda: read_picture(path, indices=True).volume())


_READERS: dict[Kind, Callable[[Path], Raster]] = {
    "itk": read_itk,
    "tiff": read_tiff,
    "picture": read_picture,
    "hdf5": read_hdf5,
    "zarr": read_ome_zarr,
    "video": read_video,
}


_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".tif", ".tiff", ".png")

# TotalSegmentator has some 120; a label image of more than this is no folder of organs
_MOST_MASKS = 4096


def mask_files(folder: Path) -> dict[str, Path]:
    """Return the masks of a folder by the names of their objects, sorted."""
    found = {}
    for path in sorted(folder.iterdir()):
        ending = next((end for end in _ENDINGS if path.name.lower().endswith(end)), None)
        if ending is not None and not path.name.startswith("."):
            found[path.name[: -len(ending)]] = path
    return found


def read_mask_folder(folder: str | Path, like: Volume) -> tuple[NDArray[np.int32], dict[int, str]]:
    """Read a folder of masks as one label image.

    Objects are numbered in the order of their names; masks that are empty get no number. Where
    masks overlap, the smaller object's pixels are its own: an organ's part lies on the organ.

    Parameters
    ----------
    folder : path
        ``liver.nii.gz``, ``spleen.nii.gz``, …: not 0 is the object.
    like : Volume
        The image; the masks must have its pixels.

    Returns
    -------
    labels : ndarray of int32
        Of the image's `shape`.
    names : dict of int to str

    Raises
    ------
    DataError
        If the folder holds no mask, too many, or one on another grid.
    FileError
        If none can be read.

    Warns
    -----
    FileWarning
        For each that cannot, and is left out.
    """
    folder = Path(folder)
    files = mask_files(folder) if folder.is_dir() else {}
    if not 1 <= len(files) <= _MOST_MASKS:
        raise DataError(
            f"folder holds no masks: expected 1 to {_MOST_MASKS} files such as liver.nii.gz, got "
            f"{len(files)} in {str(folder)!r}. Name the folder that TotalSegmentator wrote."
        )
    names: dict[int, str] = {}
    # of the object a pixel belongs to
    owner_size = np.zeros(like.shape, np.int64)
    labels = np.zeros(like.shape, np.int32)
    failed: list[IntSegError] = []
    for name, path in files.items():
        try:
            mask = read_mask(check_regular(path), like) != 0
        except FileError as err:
            # one damaged file does not take the others along; one on another grid is a mistake
            failed.append(err)
            remark(path, f"object {name!r} is left out: {err}")
            continue
        size = int(np.count_nonzero(mask))
        if not size:
            continue
        names[len(names) + 1] = name
        # by size, not by name: the order of files must not decide what lies on what
        free = mask & ((owner_size == 0) | (owner_size > size))
        labels[free], owner_size[free] = len(names), size
    if len(failed) == len(files):
        raise failed[0]
    return labels, names
