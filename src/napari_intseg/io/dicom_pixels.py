"""Pixels of DICOM frames: decompressed, rescaled to real values, colour as RGB."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError
from napari_intseg.io.dicom_decoder import Decoder
from napari_intseg.io.dicom_header import Frame, Header, quiet
from napari_intseg.io.dicom_sizes import check_remarks, check_size

_PHYSICAL = {"CT", "PT"}
"""Modalities whose values mean something by themselves, so that they are never inverted."""

_BY_GDCM = "1.2.840.10008.1.2.4."  # the JPEG family; pydicom itself reads the rest
_NOT_INVERTED = "MONOCHROME2"
_WRAPPER = "1.2.840.10008.5.1.4.1.1.7"  # secondary capture, of which little is required
_IMAGE_TAGS = [
    "TransferSyntaxUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
]


def read_pixels(
    frames: Sequence[Frame], on_progress: Callable[[int, int], None] | None = None
) -> Array:
    """Return the values of frames on one grid.

    Parameters
    ----------
    frames : sequence of Frame
        In the order in which planes are wanted; of any number of files.
    on_progress : callable, optional
        Told how many of how many frames are read.

    Returns
    -------
    ndarray, shape (planes, rows, cols) or (planes, rows, cols, 3)
        Slope and intercept applied: integers where all are whole numbers (int16 if that holds
        them), else float32. Colour is RGB, uint8 as a rule. MONOCHROME1 is turned over so that
        high is bright, except for CT and PET, whose values are quantities.

    Raises
    ------
    FileError
        If a file's pixels are damaged, fewer than its header says, or compressed in a way that
        is not known.
    """
    places: dict[Path, list[int]] = {}
    for plane, frame in enumerate(frames):
        places.setdefault(frame.header.file, []).append(plane)
    stored: Array | None = None
    done = 0
    with Decoder() as decoder:
        for planes in places.values():
            header = frames[planes[0]].header
            image = _decode(header, decoder)
            stored = _room(stored, image, header, len(frames))
            for plane in planes:
                stored[plane] = image[frames[plane].number]
            done += len(planes)
            if on_progress:
                on_progress(done, len(frames))
    assert stored is not None
    return stored if stored.ndim == 4 else _rescaled(stored, frames)


def _room(stored: Array | None, image: Array, header: Header, count: int) -> Array:
    """Return an array that can take the image's planes beside those that it has."""
    if stored is None:
        return np.empty((count, *image.shape[1:]), image.dtype)
    if image.shape[1:] != stored.shape[1:]:
        raise _damaged(header, f"an image of shape {image.shape[1:]}")
    return stored.astype(np.result_type(stored, image), copy=False)


def limits_of(frame: Frame) -> tuple[float, float] | None:
    """Return the values that the file wants shown black and white, as `read_pixels` gives them."""
    if frame.window is None:
        return None
    centre, width = frame.window
    if is_turned(frame.header):
        low, high = _range(frame.header)
        centre = frame.slope * (low + high) + 2 * frame.intercept - centre
    return centre - width / 2, centre + width / 2


def is_turned(header: Header) -> bool:
    """Return whether white and black are exchanged on reading."""
    return header.photometric == "MONOCHROME1" and header.modality not in _PHYSICAL


def _decode(header: Header, decoder: Decoder) -> Array:
    """Return stored values, ``(frames, rows, cols)``, or RGB with channels last."""
    import pydicom

    try:
        with quiet(), warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            data = pydicom.dcmread(header.file, force=True, specific_tags=_IMAGE_TAGS)
            check_size(data, header)
            if header.syntax.startswith(_BY_GDCM):
                image = _by_gdcm(data, header, decoder)
            else:
                image = _by_pydicom(data)
            check_remarks(remarks)
    except Exception as err:
        # pydicom and GDCM have many errors for a damaged file; all mean the same to a person
        reason = " ".join(str(err).split())[-200:] or type(err).__name__
        raise _damaged(header, reason) from err
    expected = (header.frames, *header.shape, *((3,) if header.samples == 3 else ()))
    if image.shape == (*expected, 3):  # a palette became colour
        return image
    if image.shape != expected:
        raise _damaged(header, f"an image of shape {image.shape}")
    return _without_spare_bits(image, header)


def _damaged(header: Header, reason: str) -> FileError:
    rows, cols = header.shape
    return FileError(
        f"pixels cannot be decoded: expected {header.frames} of {rows}x{cols} in {_syntax(header)},"
        f" got {str(header.file)!r} ({reason}). Export the series again."
    )


def _syntax(header: Header) -> str:
    from pydicom.uid import UID

    return UID(header.syntax).name or "no named transfer syntax"


def _by_pydicom(data: Any) -> Array:
    from pydicom.pixels.processing import apply_color_lut, convert_color_space
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not data.file_meta.get("TransferSyntaxUID"):  # a file from before there was a preamble
        is_implicit, _ = data.original_encoding
        syntax = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
        data.file_meta.TransferSyntaxUID = syntax
    image = pixel_array(data, raw=True)
    colours = str(data.PhotometricInterpretation)
    if colours.startswith("YBR_FULL"):
        image = convert_color_space(image, "YBR_FULL", "RGB", per_frame=True)
    elif colours == "PALETTE COLOR":
        image = _to_8_bits(apply_color_lut(image, data))
    several = int(data.get("NumberOfFrames") or 1) > 1
    return np.asarray(image if several else image[np.newaxis])


def _by_gdcm(data: Any, header: Header, decoder: Decoder) -> Array:
    """Decompress by GDCM, which knows all JPEGs; it is given pixels alone, without a person."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    bare = Dataset()
    for element in data:
        bare.add(element)
    if header.samples == 1 and header.photometric != "PALETTE COLOR":
        bare.PhotometricInterpretation = _NOT_INVERTED
    bare.SOPClassUID, bare.SOPInstanceUID = _WRAPPER, "1.2.3"
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = UID(header.syntax)
    with tempfile.TemporaryDirectory(prefix="intseg-") as folder:
        path = Path(folder) / "pixels.dcm"
        bare.save_as(path, enforce_file_format=True)
        array = decoder.decode(path)
    colour = header.samples == 3 or header.photometric == "PALETTE COLOR"
    return array if array.ndim == 3 + colour else array[np.newaxis]


def _to_8_bits(image: Array) -> Array:
    return (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image


def _without_spare_bits(image: Array, header: Header) -> Array:
    """Clear the bits above those stored, where old scanners kept overlays; spread the sign."""
    stored, signed = header.bits
    spare = image.dtype.itemsize * 8 - stored
    if image.dtype.kind not in "iu" or spare <= 0 or stored < 1 or image.ndim == 4:
        return image
    kind = np.dtype(f"{'i' if signed else 'u'}{image.dtype.itemsize}")
    shifted = (image.astype(kind, copy=False) << spare).astype(kind, copy=False)
    return shifted >> spare


def _range(header: Header) -> tuple[int, int]:
    """Return the least and the largest value that can be stored."""
    stored, signed = header.bits
    return (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)


def _rescaled(stored: Array, frames: Sequence[Frame]) -> Array:
    lines = [_line(frame) for frame in frames]
    if all(line == (1.0, 0.0) for line in lines):
        return stored
    kind = _type_for(stored, lines)
    whole = kind.kind == "i"
    out = np.empty(stored.shape, kind)
    for plane, (slope, intercept) in enumerate(lines):
        value: NDArray[Any] = stored[plane].astype(np.int64 if whole else np.float64)
        out[plane] = value * (int(slope) if whole else slope) + (
            int(intercept) if whole else intercept
        )
    return out


def _line(frame: Frame) -> tuple[float, float]:
    """Return slope and intercept, those of the inverse image where it is turned over."""
    if not is_turned(frame.header):
        return frame.slope, frame.intercept
    low, high = _range(frame.header)
    return -frame.slope, frame.slope * (low + high) + frame.intercept


def _type_for(stored: Array, lines: Sequence[tuple[float, float]]) -> np.dtype[Any]:
    """Return the smallest of int16, int32 and float32 that holds all values."""
    whole = all(float(number).is_integer() for line in lines for number in line)
    if stored.dtype.kind == "f" or not whole:
        return np.dtype(np.float32)
    ends = [
        slope * float(value) + intercept
        for plane, (slope, intercept) in zip(stored, lines, strict=True)
        for value in (plane.min(), plane.max())
    ]
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= min(ends) and max(ends) <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.float32)
