"""DICOM-SEG, whoever wrote it, as labels on the grid of an image."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.dicom.header import looks_like_dicom, quiet
from napari_intseg.io.dicom.inflate import read_data_set
from napari_intseg.io.source import FileVolume

_BINARY, _LABELMAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
_OURS = "label "
_NEAR = 0.05  # of a step: a place is stated with few digits


def is_segmentation(path: Path) -> bool:
    """Return whether a file is a DICOM segmentation."""
    if not path.is_file() or not looks_like_dicom(path):
        return False
    try:
        with quiet():
            data = read_data_set(path, ["SOPClassUID"])
            return data.get("SOPClassUID") in (_BINARY, _LABELMAP)
    except Exception:
        # damaged: whoever reads it next will say so
        return False


def read_segmentation(path: Path, like: Volume) -> Array:
    """Return the segments of a file as labels.

    Segments that napari-intseg wrote get their labels back, others their numbers. Where segments
    overlap the higher number wins; of a fractional one, half and more counts.

    Parameters
    ----------
    path : Path
        A DICOM segmentation.
    like : Volume
        The image; frames are laid on its planes by their place in the patient.

    Returns
    -------
    ndarray of uint16, of `like`'s shape

    Raises
    ------
    FileError
        If the file is damaged.
    DataError
        If it is on another grid than the image.
    """
    try:
        with quiet():
            data = read_data_set(path, pixels=True)
            frames = np.asarray(data.pixel_array)
            frames = frames[np.newaxis] if frames.ndim == 2 else frames
            placed = [_placed(data, i) for i in range(len(frames))]
            labels = {int(item.SegmentNumber): _label(item) for item in data.SegmentSequence}
            half = (int(data.get("MaximumFractionalValue") or 1) + 1) // 2
            is_map = data.SOPClassUID == _LABELMAP
    except Exception as err:
        # pydicom has many errors for a damaged file; all mean the same to a person
        reason = " ".join(str(err).split())[-200:] or type(err).__name__
        raise FileError(
            f"segmentation cannot be read: expected DICOM-SEG, got {str(path)!r} ({reason}). "
            "Check that it is complete."
        ) from err
    if frames.shape[1:] != like.shape[-2:]:
        raise DataError(
            f"mask is on another grid: expected planes of {like.shape[-2:]}, got "
            f"{frames.shape[1:]} in {str(path)!r}. Resample it onto the image first."
        )
    out = np.zeros(like.shape if like.ndim == 3 else (1, *like.shape), np.uint16)
    corners = _corners(like)
    lost: set[int] = set()
    for (number, corner), frame in sorted(
        zip(placed, frames, strict=True), key=lambda one: one[0][0]
    ):
        plane = _nearest(corners, corner, like, path)
        if is_map:
            for value in np.unique(frame[frame > 0]):
                out[plane][frame == value] = labels.get(int(value), int(value))
        else:
            inside = frame >= half
            lost |= set(np.unique(out[plane][inside]).tolist())
            out[plane][inside] = labels.get(number, number)
    _tell_overlap(lost - {0}, path)
    return out.reshape(like.shape)


def _tell_overlap(labels: set[int], path: Path) -> None:
    if labels:
        warnings.warn(
            f"segments overlap in {str(path)!r}: where they do, labels hold one of them, and "
            f"{', '.join(map(str, sorted(labels)))} lost pixels to a segment with a higher number",
            stacklevel=3,
        )


def segment_names(path: Path) -> dict[int, str]:
    """Return what the segments of a file are called, by the labels that they are read as."""
    import pydicom

    try:
        with quiet():
            data = pydicom.dcmread(path, stop_before_pixels=True)
            told = {_label(item): str(item.get("SegmentLabel") or "") for item in
                    data.SegmentSequence}  # fmt: skip
    except Exception:  # damaged: whoever reads its pixels says so
        return {}
    return {label: name for label, name in told.items() if name}


def _label(segment: Any) -> int:
    told = str(segment.get("TrackingID") or "")
    number = told.removeprefix(_OURS)
    is_ours = told.startswith(_OURS) and number.isdigit()
    return int(number) if is_ours else int(segment.SegmentNumber)


def _placed(data: Any, frame: int) -> tuple[int, FloatMatrix | None]:
    """Return the segment of a frame, and three corners, (3, 3), LPS mm, row by row."""
    own = data.PerFrameFunctionalGroupsSequence[frame]
    shared = (data.get("SharedFunctionalGroupsSequence") or [{}])[0]
    name = "SegmentIdentificationSequence"
    segment = own.get(name) or shared.get(name)
    number = int(segment[0].ReferencedSegmentNumber) if segment else 0
    found = [
        own.get(name) or shared.get(name)
        for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    ]
    if not all(found):
        return number, None
    position = np.array(found[0][0].ImagePositionPatient, float)
    cosines = np.array(found[1][0].ImageOrientationPatient, float).reshape(2, 3)
    row_mm, col_mm = (float(mm) for mm in found[2][0].PixelSpacing)
    far_col = position + cosines[0] * col_mm * (data.Columns - 1)
    far_row = position + cosines[1] * row_mm * (data.Rows - 1)
    return number, np.stack([position, far_col, far_row])


def _corners(like: Volume) -> FloatMatrix:
    """Return three corners of each plane of the image, (planes, 3, 3), LPS mm."""
    rows, cols = like.shape[-2:]
    wanted = np.array([[0, 0, 1], [0, cols - 1, 1], [rows - 1, 0, 1]], float)
    origin = like.source.dicom if isinstance(like, FileVolume) else None
    count = like.shape[0] if like.ndim == 3 else 1
    out = []
    for plane in range(count):
        if origin is not None:
            to_lps = origin.plane_to_lps(plane, like.affine)
        else:
            to_lps = np.column_stack([like.affine[:3, 1:3], like.affine[:3] @ (plane, 0, 0, 1)])
        out.append(wanted @ to_lps.T)
    return np.stack(out)


def _nearest(corners: FloatMatrix, corner: FloatMatrix | None, like: Volume, path: Path) -> int:
    """Return the plane on which a frame lies."""
    if corner is None and len(corners) == 1:
        return 0
    if corner is not None:
        far = np.abs(corners - corner).max(axis=(1, 2))
        plane = int(np.argmin(far))
        if far[plane] <= _NEAR * max(like.spacing):
            return plane
    at = "nowhere" if corner is None else str(corner[0].round(2).tolist())
    raise DataError(
        f"mask is on another grid: expected frames on the planes of the image, got one at {at} in "
        f"{str(path)!r}. Resample it onto the image first."
    )
