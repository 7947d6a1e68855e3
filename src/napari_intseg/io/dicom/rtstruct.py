"""Labels as DICOM RT-STRUCT: closed contours on the source slices, in patient millimetres."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import napari_intseg
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.annotations import closed_contours
from napari_intseg.io.dicom.header import DicomOrigin, quiet
from napari_intseg.io.dicom.reference import (
    check_labels,
    colour_of,
    long_string,
    names_of,
    origin_of,
    read_sources,
)

PRODUCT = "napari-intseg"
_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
# retired, yet what the standard still asks for here
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
# added to the number of the image's series: outlines are a series of their own
_SERIES_STEP = 2000
# decimals of a millimetre: a decimal string (VR DS) holds 16 characters, sign and point included
_DIGITS = 4
_COPIED = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "PatientName", "PatientID", "PatientBirthDate",
    "PatientSex", "AccessionNumber", "StudyID", "ReferringPhysicianName", "SpecificCharacterSet",
    "FrameOfReferenceUID", "PositionReferenceIndicator",
)  # fmt: skip


def write_rtstruct(
    path: Path,
    labels: Array,
    like: Volume,
    *,
    names: Mapping[int, str] | None = None,
    algorithm: str = PRODUCT,
) -> None:
    """Write labels as a DICOM structure set.

    Each object becomes a region of interest with its name and a colour. Its contours run halfway
    between pixels inside and outside; holes are joined to the contour round them. The patient is
    named only if the image was read so (``anonymous=False``).

    Parameters
    ----------
    path : Path
        To be made.
    labels : ndarray of unsigned integers
        Of `like`'s shape; 0 is background. The numbers of regions are the labels.
    like : Volume
        Read from DICOM slices that know where they lie, and not resampled.
    names : mapping of int to str, optional
        What the objects are called; "object 3" by default.
    algorithm : str
        What made them, with a person's clicks.

    Raises
    ------
    FileError
        If the image was not read from DICOM, was resampled, has no place in the patient, or its
        slices are not there any more.
    DataError
        If there are no objects.

    References
    ----------
    .. [1] DICOM PS3.3 A.19, RT Structure Set IOD.
    """
    origin = origin_of(like)
    if origin.is_resampled or origin.frames[0].position is None:
        raise FileError(
            "contours cannot be placed: expected slices as they were scanned, with positions, got "
            f"{'resampled ones' if origin.is_resampled else 'none'}. Read without resampling, or "
            "write .nii.gz."
        )
    found = check_labels(labels)
    sources = read_sources(origin)
    with quiet():
        data = _shell(sources)
        data.ReferencedFrameOfReferenceSequence = [_reference(sources, origin)]
        data.StructureSetROISequence = []
        data.ROIContourSequence = []
        data.RTROIObservationsSequence = []
        stack = labels[np.newaxis] if labels.ndim == 2 else labels
        for number, name in zip(found, names_of(found, names), strict=True):
            _add(data, number, name, algorithm)
            data.ROIContourSequence.append(_region(number, stack == number, origin, like))
        data.save_as(path, enforce_file_format=True)


def _shell(sources: list[Any]) -> Any:
    """Return the structure set but for its regions."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    first, now = sources[0], datetime.now()
    data = Dataset()
    for name in _COPIED:
        if name in first or name == "PositionReferenceIndicator":
            setattr(data, name, first.get(name, ""))
    data.SOPClassUID, data.SOPInstanceUID = _CLASS, generate_uid(prefix=None)
    data.SeriesInstanceUID = generate_uid(prefix=None)
    data.Modality = "RTSTRUCT"
    data.SeriesNumber = int(first.get("SeriesNumber") or 0) + _SERIES_STEP
    data.SeriesDescription = "Segmentation"
    data.InstanceNumber = 1
    data.OperatorsName = ""
    data.Manufacturer = data.ManufacturerModelName = PRODUCT
    data.SoftwareVersions = napari_intseg.__version__
    data.DeviceSerialNumber = "1"
    data.StructureSetLabel = "SEGMENTATION"
    data.StructureSetDate = data.InstanceCreationDate = now.strftime("%Y%m%d")
    data.StructureSetTime = data.InstanceCreationTime = now.strftime("%H%M%S")
    # nobody has approved what a program has just written
    data.ApprovalStatus = "UNAPPROVED"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data


def _reference(sources: list[Any], origin: DicomOrigin) -> Any:
    from pydicom.dataset import Dataset

    series = Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ContourImageSequence = [_image(frame) for frame in origin.frames]
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_CLASS
    study.ReferencedSOPInstanceUID = sources[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    reference = Dataset()
    reference.FrameOfReferenceUID = sources[0].FrameOfReferenceUID
    reference.RTReferencedStudySequence = [study]
    return reference


def _image(frame: Any) -> Any:
    from pydicom.dataset import Dataset

    image = Dataset()
    image.ReferencedSOPClassUID = frame.header.sop_class
    image.ReferencedSOPInstanceUID = frame.header.uid
    if frame.header.frames > 1:
        image.ReferencedFrameNumber = frame.number + 1
    return image


def _add(data: Any, number: int, name: str, algorithm: str) -> None:
    from pydicom.dataset import Dataset

    region = Dataset()
    region.ROINumber = number
    region.ReferencedFrameOfReferenceUID = data.FrameOfReferenceUID
    # a long string (VR LO) holds 64 characters
    region.ROIName = name
    region.ROIGenerationAlgorithm = "SEMIAUTOMATIC"
    region.ROIGenerationDescription = long_string(algorithm)
    data.StructureSetROISequence.append(region)
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = ""
    observation.ROIInterpreter = ""
    data.RTROIObservationsSequence.append(observation)


def _region(number: int, mask: Array, origin: DicomOrigin, like: Volume) -> Any:
    from pydicom.dataset import Dataset

    region = Dataset()
    region.ROIDisplayColor = list(colour_of(number))
    region.ReferencedROINumber = number
    region.ContourSequence = list(_contours(mask, origin, like))
    return region


def _contours(mask: Array, origin: DicomOrigin, like: Volume) -> Iterator[Any]:
    from pydicom.dataset import Dataset

    count = 0
    for plane in np.flatnonzero(mask.any(axis=(1, 2))):
        to_lps = origin.plane_to_lps(int(plane), like.affine)
        for ring in closed_contours(mask[plane]):
            points = to_lps @ np.column_stack([ring, np.ones(len(ring))]).T
            count += 1
            contour = Dataset()
            contour.ContourImageSequence = [_image(origin.frames[plane])]
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(ring)
            contour.ContourNumber = count
            contour.ContourData = [f"{v:.{_DIGITS}f}" for v in points.T.ravel()]
            yield contour
