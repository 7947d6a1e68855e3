"""NIfTI, NRRD, MetaImage and DICOM through SimpleITK."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.source import (
    FileVolume,
    ItkGeometry,
    NiftiFrame,
    NrrdFrame,
    Source,
    geometry_of,
)
from napari_intseg.io.times import check_time

sitk: Any = SimpleITK  # most of it has no annotations
_NIFTI_ENDINGS = (".nii", ".nii.gz")
_NRRD_ENDINGS = (".nrrd", ".nhdr")


def read_itk(path: Path, time: int | None) -> FileVolume:
    """Read one file; a fourth axis is time."""
    with _quiet():
        image = sitk.ReadImage(str(path))
    return _volume(image, path, time)


def read_series(path: Path, time: int | None) -> FileVolume:
    """Read a folder that holds one DICOM series, its slices in order of position.

    Raises
    ------
    FileError
        If the folder holds no series, or more than one.
    """
    with _quiet():
        series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(path))
        if len(series) != 1:
            raise FileError(
                f"folder does not hold one image: expected one DICOM series, got {len(series)} in "
                f"{str(path)!r}. Name a folder with one series, or a file."
            )
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path), series[0]))
        image = reader.Execute()
    return _volume(image, path, time)


def write_itk(path: Path, labels: Array, like: Volume) -> None:
    """Write labels on the grid of `like`, the geometry bit for bit that of its file."""
    source = like.source if isinstance(like, FileVolume) else None
    geometry = (source and source.itk) or geometry_of(like.affine, like.ndim)
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    if not path.name.lower().endswith(_NIFTI_ENDINGS):
        with _quiet():
            sitk.WriteImage(image, str(path), useCompression=True)
        if source and source.nrrd and path.name.lower().endswith(_NRRD_ENDINGS):
            source.nrrd.put(path)
        return
    plain = path.with_name("plain.nii")
    with _quiet():
        sitk.WriteImage(image, str(plain))
    content = bytearray(plain.read_bytes())
    plain.unlink()
    if source and source.nifti:
        source.nifti.put(content)
    if path.name.lower().endswith(".gz"):
        # without a time stamp, so that the same labels make the same file
        path.write_bytes(gzip.compress(content, compresslevel=6, mtime=0))
    else:
        path.write_bytes(content)


def _volume(image: Any, path: Path, time: int | None) -> FileVolume:
    if image.GetDimension() == 4:
        chosen = check_time(time, image.GetSize()[3], path)
        image = image[:, :, :, chosen]
    elif time is not None:
        check_time(time, 1, path)
    geometry = ItkGeometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    name = path.name.lower()
    nifti = NiftiFrame.read(path) if name.endswith(_NIFTI_ENDINGS) else None
    nrrd = NrrdFrame.read(path, len(geometry.spacing)) if name.endswith(_NRRD_ENDINGS) else None
    return FileVolume(
        np.asarray(sitk.GetArrayFromImage(image)),
        Source(path, itk=geometry, nifti=nifti, nrrd=nrrd),
        affine=geometry.affine(),
        channels=image.GetNumberOfComponentsPerPixel() > 1,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ITK from printing warnings; what matters comes as an exception."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
