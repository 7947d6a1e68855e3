"""What the headers of DICOM files say of their frames, and where a volume's planes came from.

Nothing that names a person is looked at unless it is asked for.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.io.dicom.decoder import (
    DEFLATED,
    RLE,
    RealWindow,
    ValueTable,
    Vector,
    find,
    frames_before_end,
    numbers,
    place_of_pixels,
    read_data_set,
    read_table,
    read_windows,
    real,
    several,
    text,
    unit,
    whole,
)

LAYOUT_TAGS = (
    "FrameIncrementPointer", "DetectorInformationSequence", "SliceVector", "SliceLocationVector",
    "GridFrameOffsetVector", "RRIntervalVector", "TimeSlotVector", "TimeSliceVector",
    "PhaseVector", "EnergyWindowVector",
)  # fmt: skip
"""Elements that `read_layout` needs."""

# modalities whose frames are moments, or views, of one place
_CINE = {"US", "IVUS", "XA", "RF", "ES", "GM", "XC", "OP", "OPT", "IVOCT", "DX", "CR", "MG", "IO"}

# Frame Time and Frame Time Vector: frames that such a pointer counts are moments, not planes
_FRAME_TIMES = {0x00181063, 0x00181065}
# what frames may be counted by besides planes: heart beats, times, phases, energies
_OTHER_VECTORS = LAYOUT_TAGS[5:]


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


def read_layout(data: Any, count: int, step_mm: float, held: int) -> FrameLayout:
    """Return where the frames of a file lie.

    Parameters
    ----------
    data : pydicom Dataset
        With `LAYOUT_TAGS`, at least.
    count : int
        How many frames there are.
    step_mm : float
        Between planes; the sign counts in nuclear medicine (PS3.3 C.8.4.15). 0: not told.
    held : int
        How many frames lie in the file: a header may promise any number.

    References
    ----------
    .. [1] DICOM PS3.3 C.8.4.8 (multi-frame nuclear medicine), C.8.4.11 (detectors), C.8.8.3.2
       (offsets of frames).
    """
    groups = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    # enhanced files tell each frame's place in its functional group
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
        # numbers count from 1; without a distance planes are 1
        # mm apart, so that their order at least is kept
        offsets = tuple((number - 1) * (step_mm or 1.0) for number in slices)
        return FrameLayout(position, cosines, offsets, tuple(zip(*others, strict=True)))
    if told:
        return FrameLayout(position, cosines, tuple(at - told[0] for at in told))
    # and where nothing says that frames are planes, times and views must not become a volume:
    # projections and views from around the patient: no planes
    if modality == "NM" and count > 1:
        return FrameLayout()
    pointers = {int(tag) for tag in several(data.get("FrameIncrementPointer"))}
    if count == 1 or position is None or modality in _CINE or pointers & _FRAME_TIMES:
        return FrameLayout(position, cosines)
    offsets = tuple(number * (abs(step_mm) or 1.0) for number in range(held))
    return FrameLayout(position, cosines, offsets, is_assumed=True)


def _vector(data: Any, name: str, count: int) -> Vector:
    """Return numbers, one a frame; none if there are others than that."""
    return numbers(data.get(name), count) or ()


# DICOM PS3.10: the word follows a preamble of 128 bytes
_MAGIC_AT, _MAGIC = 128, b"DICM"
_NO_IMAGES = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}  # segmentations
_NO_GRIDS = {"RTDOSE", "SEG"}
# one of these is in all that holds pixels; reports, plans and raw data have none
_IMAGE = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
_PLAIN = {"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"}
# an item of a compressed frame has a tag and a length of 4 bytes each (PS3.5 A.4):
# the least that a compressed frame takes
_FRAGMENT_BYTES = 8
# tag, kind and length of pixels, and a byte that makes their length even; in both orders
_BEFORE_BYTES = 13
_ORDERS: tuple[tuple[Literal["little", "big"], slice], ...] = (
    ("little", slice(4)),
    ("big", slice(4, 8)),
)
_PIXEL_TAGS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
# the code for centimetres in "Physical Units X Direction", and Y (PS3.3 C.8.5.5)
_CENTIMETRES = 3

_TAGS = [
    "TransferSyntaxUID",
    "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "SeriesDescription",
    "SeriesNumber",
    "InstanceNumber",
    "AcquisitionNumber",
    "ImageType",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "PixelAspectRatio",
    "SliceLocation",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SequenceOfUltrasoundRegions",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "ModalityLUTSequence",
    "RealWorldValueMappingSequence",
    "TotalPixelMatrixColumns",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "EchoTime",
    "DiffusionBValue",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    *LAYOUT_TAGS,
]


@dataclass(frozen=True, slots=True)
class DicomFrame:
    """One image of a file, and where it lies in the patient.

    Parameters
    ----------
    number : int
        Of the frame in its file, from 0.
    position : tuple of float, optional
        LPS millimetres of the centre of the first pixel.
    rows, cols : tuple of float, optional
        Unit vectors along which rows, and columns, follow each other.
    spacing : tuple of float, optional
        Millimetres between rows and between columns.
    slope, intercept : float
        Stored values become real ones by ``slope * value + intercept``.
    is_rescaled : bool
        Whether the file tells slope or intercept.
    remarks : tuple of str
        What a person should know of sizes and values.
    along_mm : float, optional
        What "Slice Location" says: where the slice lies along an axis that is not told.
    windows : tuple of RealWindow
        What the file wants shown black and white; the first one counts.
    order : tuple of float
        What tells frames at the same place apart: time, echo, b-value, number.
    """

    header: "Header"
    number: int = 0
    position: Vector | None = None
    rows: Vector | None = None
    cols: Vector | None = None
    spacing: tuple[float, float] | None = None
    slope: float = 1.0
    intercept: float = 0.0
    is_rescaled: bool = True
    remarks: tuple[str, ...] = ()
    along_mm: float | None = None
    windows: tuple[RealWindow, ...] = ()
    order: Vector = ()

    @property
    def normal(self) -> FloatMatrix:
        """The direction in which planes follow each other, head on."""
        return np.cross(self.cols or (1, 0, 0), self.rows or (0, 1, 0))

    def to_lps(self) -> FloatMatrix:
        """Return index ``(row, col, 1)`` on this frame to LPS millimetres, 3x3."""
        row_mm, col_mm = self.spacing or (1.0, 1.0)
        rows, cols = np.array(self.rows or (0, 1, 0)), np.array(self.cols or (1, 0, 0))
        return np.stack([rows * row_mm, cols * col_mm, self.position or (0, 0, 0)], axis=1)


@dataclass(frozen=True, slots=True)
class Header:
    """What one file says of all its frames.

    Parameters
    ----------
    uid, sop_class : str
        Of the instance; from the file's meta information where the data set has none.
    shape : tuple of int
        Rows and columns.
    bits : (int, bool)
        How many are stored, and whether values have a sign.
    allocated : int
        Bits that a stored value takes.
    below : int
        Bits of those below the value: in files from before 1993 it may begin at the highest bit.
    step_mm : float
        Between planes, as told; 0 where nothing is told.
    table : ValueTable, optional
        What stored values stand for, where the file tells no slope.
    is_assumed : bool
        Whether frames are taken for planes though the file tells one position for all of them.
    missing : int
        Frames that the file ends before, or within.
    """

    file: Path = field(repr=False)
    uid: str
    sop_class: str
    study: str
    series: str
    reference: str
    modality: str
    description: str
    number: int
    kinds: tuple[str, ...]
    shape: tuple[int, int]
    frames: int
    samples: int
    photometric: str
    bits: tuple[int, bool]
    allocated: int
    syntax: str
    step_mm: float
    table: ValueTable | None = None
    is_assumed: bool = False
    below: int = 0
    missing: int = 0

    @property
    def is_localizer(self) -> bool:
        """Whether this is an overview on which slices were planned."""
        return "LOCALIZER" in self.kinds


def looks_like_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM does, with or without the preamble."""
    try:
        # to open a pipe is to wait for someone who writes into it
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(_MAGIC_AT + 4)
    except OSError:
        return False
    return start[_MAGIC_AT:] == _MAGIC or start[:2] in (b"\x08\x00", b"\x02\x00")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's remarks, which may quote a header, from being shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_frames(path: Path) -> tuple[DicomFrame, ...]:
    """Return the frames of a file; none if it holds something else than images.

    Raises
    ------
    Exception
        Whatever pydicom raises for a damaged header.
    """
    with quiet():
        data = read_data_set(path, _TAGS)
        header = _header(data, path)
        if header is None:
            return ()
        held = header.frames - header.missing
        layout = read_layout(data, header.frames, _step_mm(data), held)
        header = replace(header, is_assumed=layout.is_assumed)
        return tuple(_frame(data, header, i, layout) for i in range(held))


# retired by DICOM (PS3.3 C.7.6.3.1.2), or without a conversion here: not to be taken for RGB
_OTHER_COLOURS = ("HSV", "ARGB", "CMYK", "YBR_PARTIAL")


def _header(data: Any, path: Path) -> Header | None:
    meta = data.file_meta
    sop_class = text(data, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    modality = text(data, "Modality")
    shape = whole(data, "Rows"), whole(data, "Columns")
    if sop_class in _NO_IMAGES or modality in _NO_GRIDS or not any(n in data for n in _IMAGE):
        return None
    if "Rows" not in data:
        raise ValueError("no number of rows")
    per_frame = len(data.get("PerFrameFunctionalGroupsSequence") or ())
    count = whole(data, "NumberOfFrames", 1)
    if min(shape) < 1 or count < 1 or (per_frame and per_frame != count):
        raise ValueError(f"{count} frames of {shape[0]}x{shape[1]} pixels, {per_frame} described")
    missing = _missing_frames(data, text(meta, "TransferSyntaxUID"), shape, count, path)
    colours = text(data, "PhotometricInterpretation")
    if colours.startswith(_OTHER_COLOURS):
        raise ValueError(f"colours are {colours}, not grey, RGB, YBR_FULL or a palette")
    return Header(
        file=path,
        uid=text(data, "SOPInstanceUID") or text(meta, "MediaStorageSOPInstanceUID"),
        sop_class=sop_class,
        study=text(data, "StudyInstanceUID"),
        series=text(data, "SeriesInstanceUID"),
        reference=text(data, "FrameOfReferenceUID"),
        modality=modality,
        description=text(data, "SeriesDescription"),
        number=whole(data, "SeriesNumber"),
        kinds=tuple(str(kind) for kind in several(data.get("ImageType"))),
        shape=shape,
        frames=count,
        samples=whole(data, "SamplesPerPixel", 1),
        photometric=text(data, "PhotometricInterpretation"),
        bits=(
            whole(data, "BitsStored", whole(data, "BitsAllocated", 16)),
            whole(data, "PixelRepresentation", 0) == 1,
        ),
        allocated=whole(data, "BitsAllocated", 16),
        syntax=text(meta, "TransferSyntaxUID"),
        step_mm=abs(_step_mm(data)),
        table=read_table(data),
        below=_bits_below(data),
        missing=missing,
    )


def _bits_below(data: Any) -> int:
    allocated = whole(data, "BitsAllocated", 16)
    stored = whole(data, "BitsStored", allocated)
    high = whole(data, "HighBit", stored - 1)
    # what cannot be is a damaged element
    return high + 1 - stored if stored <= high + 1 <= allocated else 0


def _missing_frames(data: Any, syntax: str, shape: tuple[int, int], count: int, path: Path) -> int:
    """Return how many frames a file that was cut off has lost; refuse other lengths that lie."""
    if count > 1 and syntax not in _PLAIN and syntax != DEFLATED:
        frames = frames_before_end(path, is_rle=syntax == RLE)
        if frames and len(frames) < count:
            return count - len(frames)
    # of a compressed frame only the smallest size is known before it is decoded
    bits = 8 * _FRAGMENT_BYTES
    if syntax in _PLAIN:
        samples = max(whole(data, "SamplesPerPixel", 1), 1)
        bits = shape[0] * shape[1] * samples * whole(data, "BitsAllocated", 8)
        if text(data, "PhotometricInterpretation").endswith("_422"):
            # two pixels share a colour
            bits = bits * 2 // 3
    wanted, held = count * bits // 8, path.stat().st_size
    # frames of whole bytes alone: only of these is it known where each begins
    is_known = syntax in _PLAIN and count > 1 and bits and bits % 8 == 0
    if is_known and not _ends_with_pixels(path, wanted):
        start, length = place_of_pixels(path)
        # where the length is another, rows or columns may be wrong, and each frame beside its place
        if 0 <= length - wanted <= 1 and start + wanted > held:
            found = max(held - start, 0) // (bits // 8)
            if found:
                return count - found
    if wanted > held:
        raise ValueError(f"{held} bytes for {count} frames of {shape[0]}x{shape[1]} pixels")
    return 0


def _ends_with_pixels(path: Path, count: int) -> bool:
    """Whether so many bytes of pixels, and no others, are the end of a file: it is whole then."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - count - _BEFORE_BYTES, 0))
        head = file.read(_BEFORE_BYTES)
    # the length is even (PS3.5 7.1.1), so that a byte may follow the pixels
    spare = count % 2
    at = _BEFORE_BYTES - spare
    lengths = [(count + spare).to_bytes(8, order)[cut] for order, cut in _ORDERS]
    tags = head[at - 12 : at - 8], head[at - 8 : at - 4]
    return head[at - 4 : at] in lengths and any(tag in _PIXEL_TAGS for tag in tags)


def _frame(data: Any, header: Header, number: int, layout: FrameLayout) -> DicomFrame:
    groups = [data]
    for name, at in (("SharedFunctionalGroups", 0), ("PerFrameFunctionalGroups", number)):
        sequence = data.get(f"{name}Sequence")
        if sequence and at < len(sequence):
            # `find` takes the first group that has an element:
            # what is said of one frame comes first
            groups.insert(0, sequence[at])
    cols_rows = numbers(find(groups, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    cols_rows = cols_rows or layout.cosines
    spacing, size_remark = _spacing(data, groups)
    values = "PixelValueTransformationSequence"
    slope, intercept = (
        numbers(find(groups, values, name), 1) for name in ("RescaleSlope", "RescaleIntercept")
    )
    cols, rows = unit(cols_rows[:3] if cols_rows else None), unit(cols_rows and cols_rows[3:])
    # rows and columns must be at right angles, to the same 1 % of rounding as their lengths
    directed = cols and rows and abs(np.dot(cols, rows)) < 1e-2
    position = numbers(find(groups, "PlanePositionSequence", "ImagePositionPatient"), 3)
    position = position or layout.position
    location = numbers(data.get("SliceLocation"), 1)
    if not directed:
        rows, cols = None, None
    if position and layout.offsets:
        normal = np.cross(cols or (1, 0, 0), rows or (0, 1, 0))
        position = tuple((position + normal * layout.offsets[number]).tolist())
    return DicomFrame(
        header,
        number,
        position=position,
        rows=rows,
        cols=cols,
        spacing=spacing,
        remarks=tuple(filter(None, (size_remark, *_other_remarks(data, groups, header)))),
        along_mm=location[0] if location else None,
        # a slope of 0 would make all values equal: it is taken for one that is not told
        slope=(slope[0] if slope else 1.0) or 1.0,
        intercept=intercept[0] if intercept else 0.0,
        is_rescaled=bool(slope or intercept or header.table),
        windows=read_windows(groups),
        order=_order(groups, layout.order[number] if layout.order else (), number),
    )


# time first, then what an MR sequence varies; the numbers of images break ties
_ORDER = (
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("", "TemporalPositionIdentifier"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("", "TriggerTime"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("", "EchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("", "AcquisitionNumber"),
    ("", "InstanceNumber"),
)


def _order(groups: list[Any], further: Vector, number: int) -> Vector:
    found = [numbers(find(groups, sequence, name), 1) for sequence, name in _ORDER]
    return (*(value[0] if value else 0.0 for value in found), *further, float(number))


def _step_mm(data: Any) -> float:
    """Return the distance of planes with its sign; 0 where nothing is told."""
    shared = data.get("SharedFunctionalGroupsSequence") or []
    groups = [*shared[:1], *(data.get("PerFrameFunctionalGroupsSequence") or [])[:1], data]
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        found = numbers(find(groups, "PixelMeasuresSequence", name), 1)
        if found and found[0] != 0:
            return found[0]
    return 0.0


_AT_DETECTOR = "sizes of pixels are those at the detector; in the patient they are smaller"


def _spacing(data: Any, groups: list[Any]) -> tuple[tuple[float, float] | None, str]:
    """Return millimetres between rows and between columns, and what they are not.

    References
    ----------
    .. [1] DICOM PS3.3 10.7.1.3 (pixel spacing, calibrated or at the detector).
    """
    own = _sizes(find(groups, "PixelMeasuresSequence", "PixelSpacing"))
    imager = _sizes(data.get("ImagerPixelSpacing"))
    factor = numbers(data.get("EstimatedRadiographicMagnificationFactor"), 1)
    by = f", by {factor[0]:.4g}" if factor and factor[0] > 1 else ""
    if own:
        return own, f"{_AT_DETECTOR}{by}" if own == imager else ""
    if imager:
        return imager, f"{_AT_DETECTOR}{by}"
    if scanned := _sizes(data.get("NominalScannedPixelSpacing")):
        return scanned, "sizes of pixels are those on the film that was scanned"
    regions = [_region_size(one) for one in data.get("SequenceOfUltrasoundRegions") or ()]
    if known := [one for one in regions if one]:
        others = len({*regions}) - 1
        is_first = "regions have other scales than the first that has one, which is taken"
        return known[0], f"{others} {is_first}" if others else ""
    if shape := _sizes(data.get("PixelAspectRatio")):
        return (shape[0] / shape[1], 1.0), "pixels have a shape and no size; 1 mm across is taken"
    return None, ""


def _other_remarks(data: Any, groups: list[Any], header: Header) -> Iterator[str]:
    """Yield what is not done with parametric maps and whole slides (PS3.3 C.8.32, C.8.12)."""
    mapping = find(groups, "RealWorldValueMappingSequence", "RealWorldValueSlope")
    rescaled = find(groups, "PixelValueTransformationSequence", "RescaleSlope")
    if mapping is not None and rescaled is None and real(mapping) != 1.0:
        yield f"values are as stored; real ones are {real(mapping):.4g} times them, by the file"
    if header.frames > 1 and whole(data, "TotalPixelMatrixColumns") > header.shape[1]:
        yield "frames are tiles of one picture, which are shown one behind the other"


def _sizes(value: Any) -> tuple[float, float] | None:
    found = numbers(value, 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def _region_size(region: Any) -> tuple[float, float] | None:
    """Return the sizes of a region of an ultrasound image; None if it is a curve or has none."""
    if any(whole(region, f"PhysicalUnits{axis}Direction") != _CENTIMETRES for axis in "XY"):
        return None
    cm = [abs(real(region.get(f"PhysicalDelta{axis}"))) for axis in "YX"]
    return (cm[0] * 10, cm[1] * 10) if min(cm) > 0 else None


PATIENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
)
"""What tells whose images these are; read and written only when asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class DicomOrigin:
    """The frames of a volume.

    Parameters
    ----------
    frames : tuple of DicomFrame
        One a plane, unless the volume was resampled.
    is_resampled : bool
        Whether planes were interpolated between frames.
    patient : mapping of str to str
        The elements of `PATIENT`; empty unless asked for. Never shown.
    """

    frames: tuple[DicomFrame, ...] = field(repr=False)
    is_resampled: bool = False
    patient: Mapping[str, str] = field(default_factory=dict, repr=False)

    def plane_to_lps(self, plane: int, affine: FloatMatrix) -> FloatMatrix:
        """Return index ``(row, col, 1)`` on a plane to LPS millimetres, 3x3.

        It is the frame's own place, also where planes are uneven and the volume's `affine` holds
        their mean distance.
        """
        if not self.is_resampled and self.frames[plane].position is not None:
            return self.frames[plane].to_lps()
        return np.column_stack([affine[:3, 1:3], affine[:3] @ (plane, 0, 0, 1)])


def read_patient(file: Path) -> dict[str, str]:
    """Return who is imaged, as far as the file tells."""
    with quiet():
        data = read_data_set(file, PATIENT)
        return {name: str(data[name].value) for name in PATIENT if data.get(name)}
