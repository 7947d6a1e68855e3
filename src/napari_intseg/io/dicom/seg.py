"""DICOM-SEG, read and written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import napari_intseg
from napari_intseg.core.affine import FloatMatrix, from_spacing
from napari_intseg.core.files import go_on
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError, IntSegError, MissingExtraError
from napari_intseg.io.dicom.decoder import numbers, read_data_set, several
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
from napari_intseg.io.source import FileVolume, Source, geometry_of

PRODUCT = "napari-intseg"
# added to the number of the image's series: segments are a series of their own
_SERIES_STEP = 1000
# what highdicom asks for whatever the image is; a serial number has no meaning for software
_ALWAYS = {
    "segmentation_type": "BINARY", "instance_number": 1, "manufacturer": PRODUCT,
    "manufacturer_model_name": PRODUCT, "device_serial_number": "1",
    "content_label": "SEGMENTATION", "content_description": "Objects segmented by clicks",
    "series_description": "Segmentation",
}  # fmt: skip
_ORGANS = frozenset(
    # names as SNOMED CT's keywords in pydicom: a name outside
    # the list becomes "Tissue" rather than a wrong code
    """adrenal_gland aorta artery bladder bone brain breast clavicle colon duodenum esophagus eye
    femur gallbladder heart hippocampus inferior_vena_cava kidney larynx liver lung lymph_node
    muscle pancreas portal_vein prostate rectum rib scapula skin skull spinal_cord spleen sternum
    stomach thyroid tooth trachea uterus vein ventricle vertebra""".split()  # noqa: SIM905
)
_FINDINGS = frozenset(["cyst", "edema", "hematoma", "hemorrhage", "lesion", "mass", "neoplasm"])
_SPOKEN = {"oesophagus": "esophagus", "tumor": "neoplasm", "tumour": "neoplasm"}


def write_dicom_seg(
    path: Path,
    labels: Array,
    like: Volume,
    *,
    names: Mapping[int, str] | None = None,
    algorithm: str = PRODUCT,
    check: Callable[[], None] = go_on,
) -> None:
    """Write labels as a DICOM segmentation of binary segments.

    Each object becomes a segment with its name, a colour, the type of algorithm and, where the
    name is that of a common organ, its SNOMED CT code; each frame refers to the source slice that
    it was drawn on. The patient is named only if the image was read so (``anonymous=False``).

    Parameters
    ----------
    path : Path
        To be made.
    labels : ndarray of unsigned integers
        Of `like`'s shape; 0 is background. Segments are numbered from 1 in ascending order.
    like : Volume
        Read from DICOM; oblique, tilted, uneven and resampled series too.
    names : mapping of int to str, optional
        What the objects are called; "object 3" by default.
    algorithm : str
        What made them, with a person's clicks.
    check : callable
        Called before the frames are made, which highdicom does without a pause, and before they
        are written; it may raise.

    Raises
    ------
    FileError
        If the image was not read from DICOM, or its slices are not there any more.
    DataError
        If there are no objects.
    MissingExtraError
        If highdicom is not installed.

    References
    ----------
    .. [1] Bridge, C. P. et al. "Highdicom: a Python library for standardized encoding of image
       annotations", J Digit Imaging 35, 2022.
    .. [2] DICOM PS3.3 A.51, Segmentation IOD.
    """
    origin = origin_of(like)
    found = check_labels(labels)
    highdicom = _highdicom()
    # highdicom asks for segments numbered 1, 2, 3 … without gaps; `tracking_id` keeps the label
    numbered = np.searchsorted(np.array([0, *found]), labels).astype(np.uint16)
    numbered = numbered[np.newaxis] if numbered.ndim == 2 else numbered
    placed = _place(read_sources(origin), origin, like)
    check()
    with quiet():
        made = highdicom.seg.Segmentation(
            source_images=placed.sources,
            pixel_array=numbered,
            segment_descriptions=_segments(
                found, names_of(found, names), classes_of(found, names), algorithm
            ),
            **_identity(highdicom, placed.sources[0]),
            **_ALWAYS,
            **placed.measures,
        )
        if placed.by_frame:
            _refer_to_frames(made, origin)
        check()
        made.save_as(path)


@dataclass(frozen=True, slots=True)
class _Placed:
    """What a segmentation refers to, and where its planes lie if not on the frames of that."""

    sources: list[Any]
    measures: dict[str, Any]
    by_frame: bool


def _place(sources: list[Any], origin: DicomOrigin, like: Volume) -> _Placed:
    is_multi = "PerFrameFunctionalGroupsSequence" in sources[0]
    # frames of a classic file have no places of their own for highdicom to go by
    is_classic = not is_multi and any(frame.header.frames > 1 for frame in origin.frames)
    first = origin.frames[0]
    if is_classic and first.position and first.cols and first.rows:
        # in nuclear medicine they stand with the detector, where highdicom does not look
        sources[0].ImagePositionPatient = list(first.position)
        sources[0].ImageOrientationPatient = [*first.cols, *first.rows]
    for source in sources if not is_multi else ():
        if not source.get("SliceThickness"):
            # highdicom copies it; where none is told, the distance of planes stands for it
            source.SliceThickness = like.spacing[0]
    if origin.is_resampled or is_classic or (is_multi and len(sources) > 1):
        return _Placed(sources[:1] if is_multi else sources, _placing(origin, like), False)
    if is_multi:
        sources = [_selected(sources[0], origin)]
    return _Placed(sources, {}, is_multi)


def _highdicom() -> Any:
    try:
        import highdicom
    except ImportError as err:
        raise MissingExtraError(
            f"DICOM-SEG needs highdicom: expected it to be installed, got {err!r}. "
            'Install it with: pip install "napari-intseg[dicom]".'
        ) from err
    return highdicom


def _identity(highdicom: Any, source: Any) -> dict[str, Any]:
    """Return what tells the series and the object from all others."""
    return {
        "series_instance_uid": highdicom.UID(),
        "series_number": int(source.get("SeriesNumber") or 0) + _SERIES_STEP,
        "sop_instance_uid": highdicom.UID(),
        "software_versions": napari_intseg.__version__,
    }


def _segments(
    labels: Iterable[int], names: Iterable[str], classes: Iterable[str], algorithm: str
) -> list[Any]:
    numbered = zip(count(1), labels, names, classes, strict=False)
    return [_segment(*one, algorithm) for one in numbered]


def _segment(number: int, label: int, name: str, class_name: str, algorithm: str) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    # the name may say more than the class: "left kidney", an organ
    category, kind = _codes(name)
    if kind == codes.SCT.Tissue:
        category, kind = _codes(class_name)
    made = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=long_string(algorithm),
            family=codes.cid7162.ArtificialIntelligence,
            version=napari_intseg.__version__,
        ),
        tracking_uid=highdicom.UID(),
        # read back by `_label`, so that an object keeps its number
        tracking_id=f"label {label}",
        display_color=highdicom.color.CIELabColor.from_rgb(*colour_of(label)),
    )
    if class_name not in ("", name):
        made.SegmentDescription = class_name
    return made


def _codes(name: str) -> tuple[Any, Any]:
    """Return SNOMED CT codes for the category and the type of what a name says."""
    from pydicom.sr.codedict import codes

    words = [w for w in name.lower().replace("_", " ").split() if w not in ("left", "right")]
    word = "_".join(words)
    word = _SPOKEN.get(word, word)
    keyword = word.title().replace("_", "")
    if word in _ORGANS:
        return codes.SCT.AnatomicalStructure, getattr(codes.SCT, keyword)
    if word in _FINDINGS:
        return codes.SCT.MorphologicallyAbnormalStructure, getattr(codes.SCT, keyword)
    return codes.SCT.Tissue, codes.SCT.Tissue


def _selected(source: Any, origin: DicomOrigin) -> Any:
    """Return a multi-frame source as if it held the volume's planes alone, in their order."""
    from pydicom.sequence import Sequence

    groups = source.PerFrameFunctionalGroupsSequence
    source.PerFrameFunctionalGroupsSequence = Sequence([groups[f.number] for f in origin.frames])
    source.NumberOfFrames = len(origin.frames)
    return source


def _refer_to_frames(made: Any, origin: DicomOrigin) -> None:
    """Refer to frames by their numbers in the file, in place of those of the volume's planes."""
    for group in made.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence", []):
            for image in derivation.SourceImageSequence:
                plane = int(image.ReferencedFrameNumber) - 1
                image.ReferencedFrameNumber = origin.frames[plane].number + 1


def _placing(origin: DicomOrigin, like: Volume) -> dict[str, Any]:
    import highdicom

    planes = [origin.plane_to_lps(i, like.affine) for i in range(like.shape[0])]
    z_mm, row_mm, col_mm = like.spacing
    cols, rows = planes[0][:, 1] / col_mm, planes[0][:, 0] / row_mm
    return {
        "pixel_measures": highdicom.PixelMeasuresSequence(
            pixel_spacing=(row_mm, col_mm), slice_thickness=z_mm, spacing_between_slices=z_mm
        ),
        "plane_orientation": highdicom.PlaneOrientationSequence(
            "PATIENT", image_orientation=[*cols.tolist(), *rows.tolist()]
        ),
        "plane_positions": [
            highdicom.PlanePositionSequence("PATIENT", image_position=plane[:, 2].tolist())
            for plane in planes
        ],
    }


_LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", _LABELMAP)
"""SOP classes of segmentations: binary and fractional ones, and label maps."""

_OURS = "label "
# the largest label that we write: 32 bits without a sign
_LARGEST = (1 << 32) - 1
# planes of a grid that few frames lie on: a whole body has some 2,000
_MOST_PLANES = 1 << 13


@dataclass(frozen=True, slots=True, eq=False)
class _Segments:
    """The frames of a file, in the order in which they are laid on each other."""

    path: Path
    frames: Array
    numbers: tuple[int, ...]
    corners: tuple[FloatMatrix | None, ...]
    labels: Mapping[int, int]
    names: Mapping[int, str]
    colours: Mapping[int, str]
    apart_mm: float
    thick_mm: float
    series: str
    is_map: bool

    @classmethod
    def read(cls, path: Path) -> "_Segments":
        """Read a file.

        Raises
        ------
        FileError
            If it is damaged.
        """
        try:
            with quiet():
                data = read_data_set(path, pixels=True)
                is_map = data.SOPClassUID == _LABELMAP
                frames = np.asarray(data.pixel_array)
                frames = frames[np.newaxis] if frames.ndim == 2 else frames
                placed = [_placed(data, i) for i in range(len(frames))]
                # by segment, so that where some overlap the higher number
                # is written last, whatever order the file has
                order = sorted(range(len(frames)), key=lambda i: placed[i][0])
                # binary segments have no maximum: 1 makes every pixel that is set count
                half = (int(data.get("MaximumFractionalValue") or 1) + 1) // 2
                items = data.SegmentSequence
                return cls(
                    path,
                    frames[order] if is_map else frames[order] >= half,
                    tuple(placed[i][0] for i in order),
                    tuple(placed[i][1] for i in order),
                    {int(item.SegmentNumber): _label(item) for item in items},
                    {_label(item): _name(item) for item in items},
                    {_label(item): colour for item in items if (colour := _colour(item))},
                    _measure(data, "SpacingBetweenSlices"),
                    _measure(data, "SliceThickness"),
                    str((data.get("ReferencedSeriesSequence") or [{}])[0].get(
                        "SeriesInstanceUID", "")),
                    is_map,
                )  # fmt: skip
        except Exception as err:
            # pydicom has many errors for a damaged file; all mean the same to a person
            reason = " ".join(str(err).split())[-200:] or type(err).__name__
            raise FileError(
                f"segmentation cannot be read: expected DICOM-SEG, got {str(path)!r} ({reason}). "
                "Check that it is complete."
            ) from err

    def on(self, planes: Iterable[int], shape: tuple[int, ...]) -> Array:
        """Return the frames as labels of a shape, each on its plane."""
        # numbers of segments that no item describes are labels themselves
        known = max(self.labels.values(), default=0)
        bare = int(self.frames.max(initial=0)) if self.is_map else max(self.numbers, default=0)
        out = np.zeros(shape, np.uint16 if max(known, bare) < 1 << 16 else np.uint32)
        lost: set[int] = set()
        for plane, number, frame in zip(planes, self.numbers, self.frames, strict=True):
            if self.is_map:
                for value in np.unique(frame[frame > 0]):
                    out[plane][frame == value] = self.labels.get(int(value), int(value))
                continue
            lost |= set(np.unique(out[plane][frame]).tolist())
            out[plane][frame] = self.labels.get(number, number)
        tell_overlap(lost - {0}, self.path)
        return out


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
    ndarray of uint16, or uint32 where a label is larger, of `like`'s shape

    Raises
    ------
    FileError
        If the file is damaged.
    DataError
        If it is on another grid than the image.
    """
    return _laid(_Segments.read(path), like)


def _laid(segments: _Segments, like: Volume) -> Array:
    """Return segments as labels of an image."""
    path = segments.path
    if segments.frames.shape[1:] != like.shape[-2:]:
        raise DataError(
            f"mask is on another grid: expected planes of {like.shape[-2:]}, got "
            f"{segments.frames.shape[1:]} in {str(path)!r}. Resample it onto the image first."
        )
    corners = _corners(like)
    planes = [_nearest(corners, corner, like, path) for corner in segments.corners]
    shape = like.shape if like.ndim == 3 else (1, *like.shape)
    return segments.on(planes, shape).reshape(like.shape)


def open_segmentation(path: Path) -> Raster:
    """Return the segments of a file as labels on their image's grid, or on one of their own.

    The image is known if its series lies in the same folder. The grid of the file's own frames
    begins with the first plane that holds something, and ends with the last.

    Raises
    ------
    FileError
        If the file is damaged, or its frames are on no regular grid and the image is not there.
    """
    segments = _Segments.read(path)
    told: dict[str, Any] = {
        "is_labels": True, "names": segments.names, "colours": segments.colours,
    }  # fmt: skip
    like = _image_beside(segments)
    if like is not None:
        # the grid is the image's, the file is not
        source = replace(like.source, path=path, windows={})
        data = _laid(segments, like)
        return Raster((data,), "zyx"[-data.ndim :], source, like.affine, **told)
    planes, affine = _own_grid(segments)
    if affine is None:
        source = Source(path, unit="pixel")
        return Raster((segments.on(planes, (1, *segments.frames.shape[1:]))[0],), "yx", source,
                      from_spacing((1.0, 1.0)), **told)  # fmt: skip
    data = segments.on(planes, (max(planes) + 1, *segments.frames.shape[1:]))
    # ITK has no words for planes that are shifted against each other
    itk = geometry_of(affine, 3)
    source = Source(path, itk=itk if itk.is_orthogonal() else None)
    return Raster((data,), "zyx", source, affine, **told)


def _image_beside(segments: _Segments) -> FileVolume | None:
    """Return the image of segments if its series lies in their folder; pixels are not read."""
    if not segments.series:
        return None
    try:
        with quiet():
            every = list_series(segments.path.parent)
            # a series of several stacks or times does not tell which of them is meant
            (one,) = (s for s in every if s.uid.partition("#")[0] == segments.series)
            like = read_series(one, lazy=True)
            corners = _corners(like)
            for corner in segments.corners:
                _nearest(corners, corner, like, segments.path)
    except (IntSegError, ValueError):
        return None
    return like if like.shape[-2:] == segments.frames.shape[1:] else None


def _own_grid(segments: _Segments) -> tuple[list[int], FloatMatrix | None]:
    """Return the plane of each frame, and the affine of the planes; None if nothing is told.

    Raises
    ------
    FileError
        If the frames do not lie on planes above each other at equal distances.
    """
    path, corners = segments.path, segments.corners
    if all(corner is None for corner in corners):
        # a map has one frame a plane, other files one for each segment on it
        each = len(set(segments.numbers)) if not segments.is_map else 1
        if each == len(corners):
            return [0] * len(corners), None
        raise _no_grid(path, "nothing that tells their places")
    found = np.stack([np.full((3, 3), np.nan) if c is None else c for c in corners])
    rows, cols = (max(1, n - 1) for n in segments.frames.shape[1:])
    along_col, along_row = (found[0][1] - found[0][0]) / cols, (found[0][2] - found[0][0]) / rows
    normal = np.cross(along_col, along_row)
    if not np.isfinite(found).all() or not normal.any():
        raise _no_grid(path, "places that are missing or not of planes")
    normal /= np.linalg.norm(normal)
    heights = found[:, 0] @ normal
    first, heights = found[np.argmin(heights)], heights - heights.min()
    near = NEAR * float(max(np.linalg.norm(along_col), np.linalg.norm(along_row)))
    step = _step_mm(heights, near, segments)
    planes = np.rint(heights / step).astype(int)
    last = int(planes.max())
    if last >= max(_MOST_PLANES, 2 * len(planes)):
        raise _no_grid(path, f"{last} planes for {len(planes)} frames")
    far = found[int(np.argmax(planes))]
    along_plane = (far[0] - first[0]) / last if last else normal * step
    off = found - (first + (planes[:, np.newaxis] * along_plane)[:, np.newaxis])
    if np.abs(off).max() > max(near, NEAR * step):
        raise _no_grid(path, "planes that are turned, shifted or at unequal distances")
    affine = np.eye(4)
    affine[:3] = np.column_stack([along_plane, along_row, along_col, first[0]])
    return planes.tolist(), affine


def _step_mm(heights: FloatMatrix, near: float, segments: _Segments) -> float:
    """Return the distance of planes, of which some may be left out since they are empty."""
    gaps = np.diff(np.sort(heights))
    gaps = gaps[gaps > near]
    if not gaps.size:
        return segments.apart_mm or segments.thick_mm or 1.0
    # the smallest distance is that of neighbours, the mean of all that of rounded numbers
    step = float(gaps.sum() / np.rint(gaps / gaps.min()).sum())
    # every second plane may be empty: the file knows
    parts = step / segments.apart_mm if segments.apart_mm else 1.0
    near_whole = parts > 1 and abs(parts - round(parts)) < NEAR
    return step / round(parts) if near_whole else step


def _no_grid(path: Path, got: str) -> FileError:
    return FileError(
        f"segmentation has no grid of its own: expected planes at equal distances, got {got} in "
        f"{str(path)!r}. Put it into the folder of its image, or start from it on that (--init)."
    )


def segment_names(path: Path) -> dict[int, str]:
    """Return what the segments of a file are called, by the labels that they are read as."""
    try:
        with quiet():
            data = read_data_set(path, ["SegmentSequence"])
            told = {_label(item): _name(item) for item in data.SegmentSequence}
    except Exception:
        # damaged: whoever reads its pixels says so
        return {}
    return {label: name for label, name in told.items() if name}


def _name(segment: Any) -> str:
    # a backslash parts values in DICOM: a name that holds one comes as several
    return "\\".join(str(part) for part in several(segment.get("SegmentLabel"))).strip()


def _colour(segment: Any) -> str:
    """Return the colour that a segment is to be shown in; nothing if it tells none."""
    told = numbers(segment.get("RecommendedDisplayCIELabValue"), 3)
    if told is None:
        return ""
    from skimage.color import lab2rgb

    # DICOM PS3.3 C.10.7.1.1: 16 bits each, a and b from -128. The standard means the light D50;
    # highdicom, and with it what we write, takes D65
    lab = np.array(told) / 65535 * (100, 255, 255) - (0, 128, 128)
    return hex_colour(np.clip(lab2rgb(lab, illuminant="D65"), 0, 1).tolist(), 1.0)


def _measure(data: Any, name: str) -> float:
    """Return a length as the file tells it for all frames; 0 if it does not."""
    shared = (data.get("SharedFunctionalGroupsSequence") or [{}])[0]
    measures = (shared.get("PixelMeasuresSequence") or [{}])[0]
    found = numbers(measures.get(name), 1)
    return found[0] if found and found[0] > 0 else 0.0


def _label(segment: Any) -> int:
    told = str(segment.get("TrackingID") or "")
    number = told.removeprefix(_OURS)
    is_ours = told.startswith(_OURS) and number.isdecimal() and int(number) <= _LARGEST
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
    return np.stack([wanted @ to_lps.T for to_lps in planes_to_lps(like)])


def _nearest(corners: FloatMatrix, corner: FloatMatrix | None, like: Volume, path: Path) -> int:
    """Return the plane on which a frame lies."""
    if corner is None and len(corners) == 1:
        return 0
    if corner is not None:
        # three corners are compared, not one: a turned or
        # mirrored frame shares one corner with the plane
        far = np.abs(corners - corner).max(axis=(1, 2))
        plane = int(np.argmin(far))
        if far[plane] <= NEAR * max(like.spacing):
            return plane
    at = "nowhere" if corner is None else str(corner[0].round(2).tolist())
    raise DataError(
        f"mask is on another grid: expected frames on the planes of the image, got one at {at} in "
        f"{str(path)!r}. Resample it onto the image first."
    )
