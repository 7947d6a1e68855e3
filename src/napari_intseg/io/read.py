"""Read images and volumes with their geometry."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError, IntSegError
from napari_intseg.io.dicom import read_dicom
from napari_intseg.io.itk import read_itk
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.suffixes import Kind, kind_of
from napari_intseg.io.tiff import read_tiff
from napari_intseg.io.times import check_time

_ALPHA_PAIR = 2


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
        ``.npy``, one DICOM file, or a folder with one DICOM series.
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
    if not path.exists():
        raise FileError(f"file is missing: expected an image, got {str(path)!r}. Check the path.")
    kind = "dicom" if path.is_dir() else kind_of(path)
    try:
        if kind == "dicom":
            return read_dicom(path, time, series=series, resample=resample, anonymous=anonymous)
        return _READERS[kind](path, time)
    except IntSegError:
        raise
    except Exception as err:
        # each library has its own errors for a damaged file; all mean the same to a person
        reason = " ".join(str(err).split())[-300:] or type(err).__name__
        raise FileError(
            f"file cannot be read: expected an image, got {str(path)!r} ({reason}). "
            "Check that it is complete and of the type that its name says."
        ) from err


def read_mask(path: str | Path, like: Volume) -> Array:
    """Read a mask or labels drawn on an image.

    Parameters
    ----------
    path : path
        Any file that `read_volume` reads.
    like : Volume
        The image; the mask must be on its grid.

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
    mask = read_volume(path)
    data = mask.data
    if mask.n_channels or data.dtype.kind not in "bui":
        what = f"{mask.n_channels} channels of" if mask.n_channels else "values of type"
        raise DataError(
            f"mask does not hold labels: expected one integer a pixel, got {what} {data.dtype} in "
            f"{str(path)!r}. Save it as integers, 0 for the background."
        )
    if mask.shape != like.shape:
        raise DataError(
            f"mask is on another grid: expected shape {like.shape}, got {mask.shape} in "
            f"{str(path)!r}. Resample it onto the image first."
        )
    placed = isinstance(like, FileVolume) and like.source.itk is not None
    tolerance_mm = 1e-2 * min(like.spacing)
    if placed and mask.source.itk and abs(mask.affine - like.affine).max() > tolerance_mm:
        raise DataError(
            "mask is on another grid: expected the image's spacing, origin and direction "
            f"{like.affine.round(4).tolist()!r}, got {mask.affine.round(4).tolist()!r} in "
            f"{str(path)!r}. Resample it onto the image first."
        )
    return np.asarray(data)


def _read_picture(path: Path, time: int | None) -> FileVolume:
    import imageio.v3 as iio

    data = np.asarray(iio.imread(path, plugin="pillow", index=time or 0))
    if data.ndim == 3 and data.shape[-1] == _ALPHA_PAIR:
        data = data[..., 0]
    return FileVolume(data, Source(path), affine=None, channels=data.ndim == 3)


def _read_npy(path: Path, time: int | None) -> FileVolume:
    data = np.load(path, allow_pickle=False)
    if time is not None:
        data = data[check_time(time, len(data), path)]
    return FileVolume(data, Source(path), affine=None, channels=Volume(data).n_channels > 0)


_READERS: dict[Kind, Callable[[Path, int | None], FileVolume]] = {
    "itk": read_itk,
    "tiff": read_tiff,
    "picture": _read_picture,
    "npy": _read_npy,
}
