"""The source instances as DICOM that is made of a volume refers to them."""

import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.annotations import class_name_of
from napari_intseg.io.dicom.decoder import read_data_set
from napari_intseg.io.dicom.header import PATIENT, DicomOrigin, looks_like_dicom, quiet
from napari_intseg.io.file_checks import check_regular
from napari_intseg.io.source import FileVolume

_KEPT = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate",
    "StudyTime", "SeriesNumber", "InstanceNumber", "Modality", "ImageType", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "Rows", "Columns", "NumberOfFrames", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "DimensionOrganizationSequence", "DimensionIndexSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_EMPTY = (*PATIENT, "StudyDate", "StudyTime", "ReferringPhysicianName")

NEAR = 0.05
"""Part of a voxel by which a place may lie off: positions are written with few digits (not
tuned)."""


def class_of(path: Path) -> str:
    """Return the SOP class of a DICOM file, which says what it holds; nothing of other files."""
    if not check_regular(path).is_file() or not looks_like_dicom(path):
        return ""
    try:
        with quiet():
            return str(read_data_set(path, ["SOPClassUID"]).get("SOPClassUID", ""))
    except Exception:
        # damaged: the reader that is tried next reports it
        return ""


def planes_to_lps(like: Volume) -> FloatMatrix:
    """Return index ``(row, col, 1)`` on each plane to LPS millimetres, (planes, 3, 3)."""
    origin = like.source.dicom if isinstance(like, FileVolume) else None
    count = like.shape[0] if like.ndim == 3 else 1
    if origin is not None:
        return np.stack([origin.plane_to_lps(plane, like.affine) for plane in range(count)])
    return np.stack([
        np.column_stack([like.affine[:3, 1:3], like.affine[:3] @ (plane, 0, 0, 1)])
        for plane in range(count)
    ])  # fmt: skip


def tell_overlap(labels: set[int], path: Path) -> None:
    """Warn that objects of a file overlap, of which labels hold one at each place."""
    if labels:
        warnings.warn(
            f"segments overlap in {str(path)!r}: where they do, labels hold one of them, and "
            f"{', '.join(map(str, sorted(labels)))} lost pixels to a segment with a higher number",
            stacklevel=3,
        )


def origin_of(like: Volume) -> DicomOrigin:
    """Return the frames that a volume was read from.

    Raises
    ------
    FileError
        If it was not read from DICOM.
    """
    origin = like.source.dicom if isinstance(like, FileVolume) else None
    if origin is None:
        raise FileError(
            "labels cannot be written as DICOM: expected an image that was read from DICOM, got "
            "one of another format, or labels that do not say which image or time point they are "
            "for. Draw on the labels that the widget made, or write .nii.gz or .nrrd instead."
        )
    return origin


def check_labels(labels: Array) -> tuple[int, ...]:
    """Return the labels that occur, in ascending order.

    Raises
    ------
    DataError
        If there are none, for which DICOM has no place.
    """
    found = tuple(int(label) for label in np.unique(labels) if label)
    if not found:
        raise DataError(
            "labels are empty: expected at least one object, since DICOM has no empty "
            "segmentation, got 0 everywhere. Segment something first."
        )
    return found


def read_sources(origin: DicomOrigin) -> list[Any]:
    """Read the header of each source file, without whatever is private.

    Returns
    -------
    list of pydicom Dataset
        One for each file, in the order of planes, with what is needed to refer to it and to place
        planes. Missing UIDs are made up, always the same ones.

    Raises
    ------
    FileError
        If a file is no longer there, or not the one that was read.
    """
    files = {frame.header.file: frame.header for frame in origin.frames}
    first = origin.frames[0].header
    made_up = {
        "StudyInstanceUID": _made_up("study", first.uid),
        "SeriesInstanceUID": _made_up("series", first.uid),
        "FrameOfReferenceUID": _made_up("frame of reference", first.uid),
    }
    out = []
    for file, header in files.items():
        data = _read(file)
        data.SOPClassUID, data.SOPInstanceUID = header.sop_class, header.uid
        for name, uid in made_up.items():
            # a frame of reference without positions would claim a place that nobody knows
            if not data.get(name) and (name[0] != "F" or origin.frames[0].position is not None):
                setattr(data, name, uid)
        for name in _EMPTY:
            setattr(data, name, origin.patient.get(name, data.get(name, "")))
        # UTF-8: names of objects are written beside what the source says
        data.SpecificCharacterSet = "ISO_IR 192"
        out.append(data)
    if not first.study:
        warnings.warn(
            "the source series has no study UID (it was removed?); one was made up, so an archive "
            "will not find the study that these labels belong to",
            stacklevel=2,
        )
    return out


def names_of(labels: tuple[int, ...], names: Mapping[int, str] | None) -> list[str]:
    """Return what each object is called, as DICOM can hold it; "object 3" by default."""
    return [long_string((names or {}).get(label, "")) or f"object {label}" for label in labels]


def classes_of(labels: tuple[int, ...], names: Mapping[int, str] | None) -> list[str]:
    """Return the class of each object, as DICOM can hold it; empty where nothing is known."""
    return [long_string(class_name_of((names or {}).get(label, ""))) for label in labels]


def long_string(text: str) -> str:
    """Return a text as one value of 64 bytes at most (VR LO, PS3.5 6.2).

    The standard allows 64 characters; dciodvfy and archives count bytes. A backslash would begin a
    second value, and characters that steer a terminal are not allowed.
    """
    plain = text.replace("\\", "/").encode("utf-8", "replace").decode()
    words = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return words.encode()[:64].decode("utf-8", "ignore").rstrip()


def colour_of(label: int) -> tuple[int, int, int]:
    """Return a colour for a label, RGB up to 255; neighbours differ by the golden angle."""
    import colorsys

    # 0.381966: the golden angle as a part of the circle, so that neighbours' hues lie far apart
    red, green, blue = colorsys.hsv_to_rgb((label - 1) * 0.381966 % 1.0, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _read(file: Path) -> Any:
    from pydicom.dataset import Dataset

    try:
        with quiet():
            given = read_data_set(file, _KEPT)
            data = Dataset()
            for element in given:
                data.add(element)
    except Exception as err:
        # gone, replaced or damaged since it was read: one remedy for all
        raise FileError(
            f"source slice is not there any more: expected the file that was read, got "
            f"{str(file)!r} ({type(err).__name__}). Read the series again."
        ) from err
    return data


def _made_up(what: str, uid: str) -> str:
    # 2.25 is the root for uids made of a UUID (PS3.5 B.2); uuid5 gives the same one each time
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{what} of {uid}').int}"
