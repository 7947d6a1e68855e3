"""DICOM RT-STRUCT, read and written: closed contours on slices, in patient millimetres."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import napari_intseg
from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.files import go_on
from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError, IntSegError
from napari_intseg.io.annotations import closed_contours
from napari_intseg.io.dicom.decoder import read_data_set, several
from napari_intseg.io.dicom.header import DicomOrigin, quiet
from napari_intseg.io.dicom.reference import (
    NEAR,
    check_labels,
    classes_of,
    colour_of,
    long_string,
    names_of,
    origin_of,
    planes_to_lps,
    read_sources,
    tell_overlap,
)
from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.raster import Raster, hex_colour
from napari_intseg.io.source import FileVolume
from napari_intseg.io.suffixes import remark

PRODUCT = "napari-intseg"
CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
"""SOP class of structure sets."""

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
    check: Callable[[], None] = go_on,
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
    check : callable
        Called before each contour; it may raise.

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
        called = zip(found, names_of(found, names), classes_of(found, names), strict=True)
        for number, name, class_name in called:
            _add(data, number, name, class_name, algorithm)
            data.ROIContourSequence.append(_region(number, stack == number, origin, like, check))
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
    data.SOPClassUID, data.SOPInstanceUID = CLASS, generate_uid(prefix=None)
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


def _add(data: Any, number: int, name: str, class_name: str, algorithm: str) -> None:
    from pydicom.dataset import Dataset

    region = Dataset()
    region.ROINumber = number
    region.ReferencedFrameOfReferenceUID = data.FrameOfReferenceUID
    # a long string (VR LO) holds 64 characters
    region.ROIName = name
    if class_name not in ("", name):
        region.ROIDescription = class_name
    region.ROIGenerationAlgorithm = "SEMIAUTOMATIC"
    region.ROIGenerationDescription = long_string(algorithm)
    data.StructureSetROISequence.append(region)
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = ""
    observation.ROIInterpreter = ""
    data.RTROIObservationsSequence.append(observation)


def _region(
    number: int, mask: Array, origin: DicomOrigin, like: Volume, check: Callable[[], None]
) -> Any:
    from pydicom.dataset import Dataset

    region = Dataset()
    region.ROIDisplayColor = list(colour_of(number))
    region.ReferencedROINumber = number
    region.ContourSequence = []
    for contour in _contours(mask, origin, like):
        check()
        region.ContourSequence.append(contour)
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


# the largest label that we write: 32 bits without a sign
_LARGEST = (1 << 32) - 1
# of any place from the scanner's centre: a kilometre, that arithmetic may not overflow
_FARTHEST_MM = 1e6
# rows that edges of contours cross, over all of a file: a whole body drawn by 100 organs has a few
# million, and each takes some 60 bytes while a region is filled
_MOST_CROSSINGS = 1 << 25
# how many times regions may cover the image, and pixels that they may cover of a small one: 100
# organs cover a CT about four times by their boxes (not tuned)
_MOST_COVERS, _FREE_PX = 16, 1 << 27


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """A region of interest: its rings are (n, 3), LPS mm."""

    label: int
    name: str
    colour: str
    rings: tuple[FloatMatrix, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Structures:
    """The regions of a file, the instances that they were drawn on, and what is left out."""

    path: Path
    regions: tuple[_Region, ...]
    instances: frozenset[str]
    left_out: int

    @classmethod
    def read(cls, path: Path) -> "_Structures":
        """Read a file.

        Raises
        ------
        FileError
            If it is damaged.
        """
        try:
            with quiet():
                data = read_data_set(path, pixels=True)
                if "RTROIObservationsSequence" not in data:
                    # the standard asks for it, and it comes behind the contours
                    raise ValueError("it is cut off")
                labels = _labels(data)
                colours = dict.fromkeys(labels, "")
                contours: dict[int, list[Any]] = {number: [] for number in labels}
                for region in data.ROIContourSequence:
                    number = int(region.ReferencedROINumber)
                    contours[number] += region.get("ContourSequence") or ()
                    colours[number] = hex_colour(several(region.get("ROIDisplayColor")), 255.0)
                flat = {n: [one for one in every if _is_filled(one)]
                        for n, every in contours.items()}  # fmt: skip
                regions = tuple(
                    _Region(label, name, colours[n], tuple(_ring(one) for one in flat[n]))
                    for n, (label, name) in labels.items()
                )
                left_out = sum(len(contours[n]) - len(flat[n]) for n in labels)
                return cls(path, regions, _instances(data, flat), left_out)
        except Exception as err:
            # pydicom has many errors for a damaged file; all mean the same to a person
            reason = " ".join(str(err).split())[-200:] or type(err).__name__
            raise FileError(
                f"structure set cannot be read: expected RT-STRUCT, got {str(path)!r} ({reason}). "
                "Check that it is complete."
            ) from err


def structure_names(path: Path) -> dict[int, str]:
    """Return what the regions of a file are called, by the labels that they are read as."""
    try:
        with quiet():
            data = read_data_set(path, ["StructureSetROISequence"])
            return {label: name for label, name in _labels(data).values() if name}
    except Exception:
        # damaged: whoever reads its contours says so
        return {}


def _labels(data: Any) -> dict[int, tuple[int, str]]:
    """Return the label and the name of each region by its number, which need be no label."""
    items = {int(one.ROINumber): str(one.get("ROIName") or "").strip()
             for one in data.StructureSetROISequence}  # fmt: skip
    if len(items) != len(data.StructureSetROISequence):
        raise ValueError("two regions have one number")
    are_labels = all(1 <= number <= _LARGEST for number in items)
    return {
        number: (number if are_labels else at, items[number])
        for at, number in enumerate(sorted(items), 1)
    }


def _is_filled(contour: Any) -> bool:
    """Whether a contour encloses something: points and open lines do not."""
    return str(contour.get("ContourGeometricType", "")) in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def _ring(contour: Any) -> FloatMatrix:
    found = contour.get_item("ContourData").value
    # as text: pydicom makes an object of a hundred bytes of each number
    parts = found.strip(b"\0 ").split(b"\\") if isinstance(found, bytes) else several(found)
    points = np.array(parts, dtype=np.float64).reshape(-1, 3)
    told = contour.get("NumberOfContourPoints")
    # not a number is not less either
    if not (np.abs(points) < _FARTHEST_MM).all() or int(told or 0) not in (0, len(points)):
        raise ValueError(f"a contour of {told} points has {len(points)}")
    return points


def _instances(data: Any, contours: Mapping[int, list[Any]]) -> frozenset[str]:
    """Return the instances that a file says it was drawn on: of all its contours, or else all."""
    images = [
        image for every in contours.values() for one in every
        for image in one.get("ContourImageSequence") or ()
    ] or [
        image for reference in data.get("ReferencedFrameOfReferenceSequence") or ()
        for study in reference.get("RTReferencedStudySequence") or ()
        for series in study.get("RTReferencedSeriesSequence") or ()
        for image in series.get("ContourImageSequence") or ()
    ]  # fmt: skip
    return frozenset(str(image.ReferencedSOPInstanceUID) for image in images)


def open_structures(path: Path) -> Raster:
    """Return the regions of a file as labels on the grid of their image, which lies in its folder.

    Raises
    ------
    FileError
        If the file is damaged, or its image is not there: contours have no grid of their own.
    """
    found = _Structures.read(path)
    like = _image_beside(found)
    if like is None:
        raise FileError(
            "structure set has no grid of its own: expected the slices that it was drawn on in "
            f"the folder of {str(path)!r}, got none, or several series of them. Put it into their "
            "folder, or start from it on the image (--init)."
        )
    data = _laid(found, like)
    # the grid is the image's, the file is not
    source = replace(like.source, path=path, windows={})
    return Raster(
        (data,), "zyx"[-data.ndim :], source, like.affine, is_labels=True,
        names={one.label: one.name for one in found.regions},
        colours={one.label: one.colour for one in found.regions if one.colour},
    )  # fmt: skip


def _image_beside(found: _Structures) -> FileVolume | None:
    """Return the time point of a series that holds all instances; pixels are not read."""
    try:
        with quiet():
            every = [
                (series, time)
                for series in (list_series(found.path.parent) if found.instances else ())
                for time, frames in enumerate(series.stack.times)
                if found.instances <= {frame.header.uid for frame in frames}
            ]
            ((series, time),) = every
            return read_series(series, lazy=True, time=time)
    except (IntSegError, ValueError):
        return None


def read_structures(path: Path, like: Volume) -> Array:
    """Return the regions of a file as labels: their numbers, if these can be labels.

    A pixel belongs to a region if its centre lies inside an odd number of the region's contours,
    so that a contour in another one is a hole. Where regions overlap the higher number wins.

    Parameters
    ----------
    path : Path
        A DICOM structure set.
    like : Volume
        The image; contours must lie on its planes.

    Returns
    -------
    ndarray of uint16, or uint32 where a label is larger, of `like`'s shape

    Raises
    ------
    FileError
        If the file is damaged, or asks for more work than any real one.
    DataError
        If contours lie on no plane of the image.
    """
    return _laid(_Structures.read(path), like)


def _laid(found: _Structures, like: Volume) -> Array:
    shape = like.shape if like.ndim == 3 else (1, *like.shape)
    largest = max((one.label for one in found.regions), default=0)
    out = np.zeros(shape, np.uint16 if largest < 1 << 16 else np.uint32)
    planes, lost, is_outside = _Planes(like, found.path), set[int](), False
    left = _Budget(found.path, _MOST_COVERS * out.size + _FREE_PX, _MOST_CROSSINGS)
    for region in sorted(found.regions, key=lambda one: one.label):
        on: dict[int, list[FloatMatrix]] = {}
        for ring in region.rings:
            plane, inside = planes.place(ring)
            on.setdefault(plane, []).append(inside)
            is_outside |= bool((inside < -1).any() or (inside > shape[1:]).any())
        for plane, rings in on.items():
            box, mask = _filled(rings, shape[1:], left)
            here = out[plane][box]
            taken = here[mask]
            lost |= set(np.unique(taken[taken > 0]).tolist())
            here[mask] = region.label
    tell_overlap(lost, found.path)
    if found.left_out:
        remark(found.path, f"{found.left_out} of its contours are points or open lines, left out")
    if is_outside:
        remark(found.path, "some contours lie partly outside the image, and are cut there")
    return out.reshape(like.shape)


class _Planes:
    """The planes of an image, on which contours are to lie."""

    def __init__(self, like: Volume, path: Path) -> None:
        to_lps = planes_to_lps(like)
        normals = np.cross(to_lps[:, :, 1], to_lps[:, :, 0])
        self._normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        self._to_lps, self._path = to_lps, path
        self._heights = np.einsum("pi,pi->p", self._normals, to_lps[:, :, 2])
        self._near_mm = NEAR * max(like.spacing)

    def place(self, ring: FloatMatrix) -> tuple[int, FloatMatrix]:
        """Return the plane of a contour, and its points as (row, col), (n, 2)."""
        plane = int(np.argmin(np.abs(self._normals @ ring.mean(axis=0) - self._heights)))
        matrix = self._to_lps[plane]
        axes = np.column_stack([matrix[:, 0], matrix[:, 1], self._normals[plane]])
        at = np.linalg.solve(axes, (ring - matrix[:, 2]).T).T
        if not np.abs(at[:, 2]).max() <= self._near_mm:
            raise DataError(
                "contours are on another grid: expected them on the planes of the image, got one "
                f"at {ring[0].round(2).tolist()} in {str(self._path)!r}. Start from it on the "
                "image that it was drawn on."
            )
        return plane, at[:, :2]


@dataclass(slots=True)
class _Budget:
    """How much work a file may still ask for: a small one could ask for hours."""

    path: Path
    pixels: int
    crossings: int

    def take(self, *, pixels: int = 0, crossings: int = 0) -> None:
        """Take some.

        Raises
        ------
        FileError
            If there is none left.
        """
        self.pixels -= pixels
        self.crossings -= crossings
        if min(self.pixels, self.crossings) < 0:
            raise FileError(
                f"structure set cannot be read: expected contours of organs, got such that cover "
                f"the image some {_MOST_COVERS} times or wind without end in {str(self.path)!r}. "
                "Check that it is complete."
            )


def _filled(
    rings: list[FloatMatrix], shape: tuple[int, ...], left: _Budget
) -> tuple[tuple[slice, slice], BoolArray]:
    """Return the pixels whose centres lie inside an odd number of rings, and the box they are of.

    Along a row of centres, each edge that crosses it turns inside into outside from there on. Edges
    along a row cross nothing, so that the channels to holes are inside.
    """
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    rows, cols = shape
    low, high = np.minimum(start, end), np.maximum(start, end)
    first, last = (
        np.clip(np.ceil(edge[:, 0]), 0, rows).astype(np.int64) for edge in (low, high)
    )  # fmt: skip
    spans = last - first
    left.take(crossings=int(spans.sum()))
    which = np.repeat(np.arange(len(spans)), spans)
    if not which.size:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
    row = np.arange(len(which)) - np.repeat(np.cumsum(spans) - spans, spans) + first[which]
    there, way = start[which], (end - start)[which]
    col = there[:, 1] + (row - there[:, 0]) * way[:, 1] / way[:, 0]
    col = np.clip(np.ceil(col), 0, cols).astype(np.int64)
    box = slice(int(row.min()), int(row.max()) + 1), slice(int(col.min()), int(col.max()))
    left.take(pixels=(box[0].stop - box[0].start) * (box[1].stop - box[1].start))
    turns = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start + 1), np.uint8)
    np.add.at(turns, (row - box[0].start, col - box[1].start), 1)
    return box, np.bitwise_xor.accumulate(turns & 1, axis=1)[:, :-1].astype(bool)
