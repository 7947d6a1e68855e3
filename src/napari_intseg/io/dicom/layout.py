"""Where the frames of a file lie that has no functional groups: classic files of many frames."""

from dataclasses import dataclass
from typing import Any

from napari_intseg.io.dicom.elements import Vector, numbers, several, text

TAGS = (
    "FrameIncrementPointer", "DetectorInformationSequence", "SliceVector", "SliceLocationVector",
    "GridFrameOffsetVector", "RRIntervalVector", "TimeSlotVector", "TimeSliceVector",
    "PhaseVector", "EnergyWindowVector",
)  # fmt: skip
"""What has to be read for it."""

_CINE = {"US", "IVUS", "XA", "RF", "ES", "GM", "XC", "OP", "OPT", "IVOCT", "DX", "CR", "MG", "IO"}
"""Modalities whose frames are moments, or views, of one place."""

_FRAME_TIMES = {0x00181063, 0x00181065}
_OTHER_VECTORS = TAGS[5:]


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Where frames lie.

    Parameters
    ----------
    position, cosines : tuple of float, optional
        Of the first plane: what "Image Position" and "Image Orientation (Patient)" say, of the file
        or of its detector.
    offsets : tuple of float
        How far along the normal each frame lies from it, in mm; empty: all at its place.
    order : tuple of tuple of float
        What tells frames at one place apart (heart beat, time slot, energy); empty: nothing.
    is_assumed : bool
        Whether the offsets are not told, only the distance of planes.
    """

    position: Vector | None = None
    cosines: Vector | None = None
    offsets: Vector = ()
    order: tuple[Vector, ...] = ()
    is_assumed: bool = False


def read_layout(data: Any, count: int, step_mm: float) -> FrameLayout:
    """Return where the frames of a file lie.

    Parameters
    ----------
    data : pydicom Dataset
        With `TAGS`, at least.
    count : int
        How many frames there are.
    step_mm : float
        Between planes; the sign counts in nuclear medicine (PS3.3 C.8.4.15). 0: not told.

    References
    ----------
    .. [1] DICOM PS3.3 C.8.4.8 (multi-frame nuclear medicine), C.8.4.11 (detectors), C.8.8.3.2
       (offsets of frames).
    """
    groups = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    if any(data.get(name) for name in groups):
        return FrameLayout()
    detectors = data.get("DetectorInformationSequence") or [{}]
    position, cosines = (
        numbers(data.get(name), length) or numbers(detectors[0].get(name), length)
        for name, length in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6))
    )
    slices = _vector(data, "SliceVector", count)
    told = _vector(data, "GridFrameOffsetVector", count)
    told = told or _vector(data, "SliceLocationVector", count)
    modality = text(data, "Modality")
    if slices:
        others = [v for v in (_vector(data, name, count) for name in _OTHER_VECTORS) if v]
        offsets = tuple((number - 1) * (step_mm or 1.0) for number in slices)
        return FrameLayout(position, cosines, offsets, tuple(zip(*others, strict=True)))
    if told:
        return FrameLayout(position, cosines, tuple(at - told[0] for at in told))
    if modality == "NM" and count > 1:  # projections and views from around the patient: no planes
        return FrameLayout()
    pointers = {int(tag) for tag in several(data.get("FrameIncrementPointer"))}
    if count == 1 or position is None or modality in _CINE or pointers & _FRAME_TIMES:
        return FrameLayout(position, cosines)
    offsets = tuple(number * (abs(step_mm) or 1.0) for number in range(count))
    return FrameLayout(position, cosines, offsets, is_assumed=True)


def _vector(data: Any, name: str, count: int) -> Vector:
    """Return numbers, one a frame; none if there are others than that."""
    return numbers(data.get(name), count) or ()
