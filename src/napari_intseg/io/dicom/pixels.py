"""Pixels of DICOM frames: decompressed, rescaled to real values, colour as RGB."""

import re
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io.dicom.decoder import (
    DEFLATED,
    RLE,
    DecoderProcess,
    frames_before_end,
    opened_data_set,
    read_data_set,
    read_up_to_pixels,
)
from napari_intseg.io.dicom.header import DicomFrame, Header, quiet

# modalities whose values mean something by themselves, so that they are never inverted
_PHYSICAL = {"CT", "PT"}

# bits of values that pydicom and numpy hold without unpacking
_SMALL = (8, 16)
# slope and intercept that change nothing
_SAME = (1.0, 0.0)
Ends = tuple[float, float]


def is_turned(header: Header) -> bool:
    """Return whether white and black are exchanged on reading."""
    return header.photometric == "MONOCHROME1" and header.modality not in _PHYSICAL


def windows_of(frame: DicomFrame) -> dict[str, tuple[float, float]]:
    """Return by name what the file wants shown black and white, in the values that are read."""
    if not is_turned(frame.header):
        return {window.name: window.limits for window in frame.windows}
    if frame.header.table is not None:
        both = float((1 << frame.header.table.bits) - 1)
    else:
        # turning over maps a value v to (least + largest - v), before slope and intercept
        both = frame.slope * sum(_range(frame.header)) + 2 * frame.intercept
    limits = {window.name: window.limits for window in frame.windows}
    return {name: (both - high, both - low) for name, (low, high) in limits.items()}


def rescaled(stored: Array, frames: Sequence[DicomFrame]) -> Array:
    """Return the real values of planes, in the smallest type that holds them.

    Parameters
    ----------
    stored : ndarray, shape (planes, rows, cols)
        As decompressed.
    frames : sequence of DicomFrame
        One a plane.

    Returns
    -------
    ndarray
        int16, int32 or float32; the stored type, or that of the tables, where nothing is computed.
    """
    ends = ((float(plane.min()), float(plane.max())) for plane in stored)
    kind = _type(frames, stored.dtype, ends)
    if kind == stored.dtype and all(_is_plain(frame) for frame in frames):
        return stored
    # plane by plane: computing on the whole stack would take several times its memory
    out = np.empty(stored.shape, kind)
    for plane, frame in enumerate(frames):
        out[plane] = real_plane(stored[plane], frame, kind)
    return out


def real_plane(stored: Array, frame: DicomFrame, kind: np.dtype[Any]) -> Array:
    """Return the real values of a plane in a type that holds them."""
    if frame.header.table is not None:
        turned = is_turned(frame.header)
        return np.asarray(frame.header.table.apply(stored, turned=turned).astype(kind))
    if _is_plain(frame):
        return stored.astype(kind, copy=False)
    slope, intercept = _line(frame)
    # in whole numbers, so that large values stay exact
    if kind.kind == "i":
        return np.asarray((stored.astype(np.int64) * int(slope) + int(intercept)).astype(kind))
    return np.asarray((stored.astype(np.float64) * slope + intercept).astype(kind))


def type_ahead(frames: Sequence[DicomFrame]) -> np.dtype[Any] | None:
    """Return a type that holds the real values of planes, from their headers alone.

    Nothing is lost in it; it is the type of `rescaled`, or a larger one where the pixels do not
    use the range that their bits allow. None where only the pixels tell.
    """
    headers = {id(frame.header): frame.header for frame in frames}.values()
    if not all(_is_simple(header) for header in headers):
        return None
    stored = np.result_type(*{stored_type(header) for header in headers})
    if frames[0].header.samples == 3:
        return stored if stored == np.uint8 else None
    kind = _type(frames, stored, (_range(frame.header) for frame in frames))
    # large numbers would be rounded in it, those of the pixels perhaps not
    is_rounded = kind == np.float32 and all(_is_whole(frame) for frame in frames)
    return None if is_rounded else kind


def stored_type(header: Header) -> np.dtype[Any]:
    """Return the type of stored values of 8 or 16 bits."""
    return np.dtype(f"{'i' if header.bits[1] else 'u'}{header.allocated // 8}")


def _is_simple(header: Header) -> bool:
    return (
        header.allocated in _SMALL
        and 1 <= header.bits[0] <= header.allocated
        and header.samples in (1, 3)
        and header.photometric != "PALETTE COLOR"
    )


def _range(header: Header) -> Ends:
    """Return the least and the largest value that can be stored."""
    stored, signed = header.bits
    return (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)


def _line(frame: DicomFrame) -> tuple[float, float]:
    """Return slope and intercept, those of the inverse image where it is turned over."""
    if not is_turned(frame.header):
        return frame.slope, frame.intercept
    return -frame.slope, frame.slope * sum(_range(frame.header)) + frame.intercept


def _is_plain(frame: DicomFrame) -> bool:
    return frame.header.table is None and _line(frame) == _SAME


def _is_whole(frame: DicomFrame) -> bool:
    if frame.header.table is not None:
        return True
    return all(float(number).is_integer() for number in _line(frame))


def _type(
    frames: Sequence[DicomFrame], stored: np.dtype[Any], ends: Iterable[Ends]
) -> np.dtype[Any]:
    """Return the stored type or that of tables if that does, else int16, int32 or float32."""
    tables = [frame.header.table for frame in frames if frame.header.table is not None]
    if len(tables) == len(frames):
        return np.result_type(*{table.values.dtype for table in tables})
    if all(_is_plain(frame) for frame in frames):
        return stored
    if stored.kind == "f" or not all(_is_whole(frame) for frame in frames):
        return np.dtype(np.float32)
    reached: list[float] = []
    for frame, both in zip(frames, ends, strict=True):
        slope, intercept = _line(frame)
        if frame.header.table is not None:
            reached += (0, int(frame.header.table.values.max()))
        else:
            reached += (slope * end + intercept for end in both)
    # int16 holds Hounsfield units at half the memory of int32
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= min(reached) and max(reached) <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.float32)


def cut_frame(header: Header, number: int, tags: Sequence[str]) -> Any:
    """Return a data set as if the file held one of its frames alone.

    Parameters
    ----------
    header : Header
        Of a file of several frames of 8 or 16 bits.
    number : int
        From 0.
    tags : sequence of str
        What is wanted besides the pixels.

    Raises
    ------
    Exception
        Whatever pydicom raises for a damaged file.
    """
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    with opened_data_set(header.file) as file:
        data, kind, _ = read_up_to_pixels(file, tags)
        if UID(header.syntax).is_compressed:
            data.PixelData = encapsulate([_fragments(data, file, header, number)])
            data["PixelData"].is_undefined_length = True
        else:
            data.PixelData = _plain(file, header, number)
        data["PixelData"].VR = kind
    data.NumberOfFrames = 1
    return data


def _fragments(data: Any, file: BinaryIO, header: Header, number: int) -> bytes:
    from pydicom.encaps import get_frame

    # pydicom reads no further than to where it was cut off, and then nothing
    whole = frames_before_end(header.file, is_rle=header.syntax == RLE)
    if whole is not None:
        pieces = []
        for start, length in whole[number]:
            file.seek(start)
            pieces.append(file.read(length))
        return b"".join(pieces)
    tables = [data.get(f"ExtendedOffsetTable{what}") for what in ("", "Lengths")]
    offsets = (tables[0], tables[1]) if all(tables) else None
    found: bytes = get_frame(file, number, number_of_frames=header.frames, extended_offsets=offsets)
    return found


def _plain(file: BinaryIO, header: Header, number: int) -> bytes:
    bits = header.shape[0] * header.shape[1] * max(header.samples, 1) * header.allocated
    if header.photometric.endswith("_422"):
        # two pixels share a colour
        bits = bits * 2 // 3
    file.seek(number * (bits // 8), 1)
    found = file.read(bits // 8)
    # values of DICOM have an even length (PS3.5 7.1.1)
    return found + b"\0" * (len(found) % 2)


# of an image beyond 256 MiB the file must hold one byte in 5,000 at least, or it is refused before
# memory is asked for; smaller ones are decoded whatever they claim
_LARGE_BYTES, _RATIO = 1 << 28, 5_000
# padding behind pixels: 1 % of them, or the two bytes that
# an even length asks for; more is another image's
_SPARE = 0.01
_SPARE_BYTES = 2
_JPEG = "1.2.840.10008.1.2.4."
_J2K_SIZE = b"\xff\x4f\xff\x51"
_TOO_LONG = re.compile(r"RLE segment .* (\d+) vs\. (\d+) bytes")
# DHT, JPG and DAC of ITU T.81: they lie among the markers of frames and are none
_NO_FRAME_MARKERS = {0xC4, 0xC8, 0xCC}


def check_size(data: Any, header: Header) -> None:
    """Compare what a header promises with the pixels in the file.

    Raises
    ------
    ValueError
        If they do not fit, by more than a little padding.
    """
    pixels = data.get("PixelData") or data.get("FloatPixelData") or b""
    held = len(pixels)
    bits = int(data.get("BitsAllocated") or 8)
    wanted = header.frames * header.shape[0] * header.shape[1] * max(header.samples, 1) * bits // 8
    if not held and "DoubleFloatPixelData" not in data:
        raise ValueError("no pixels")
    if wanted > _LARGE_BYTES and wanted > _RATIO * held:
        raise ValueError(f"{held} bytes for {wanted}")
    if header.syntax == RLE or header.syntax.startswith(_JPEG):
        _check_codestream(pixels, header)
    elif held and not header.photometric.endswith("_422"):
        _check_spare(held, wanted)


def check_remarks(remarks: Sequence[Any]) -> None:
    """Refuse what pydicom only remarks on: run lengths that hold more than the image.

    Raises
    ------
    ValueError
        If they do, by more than a little padding.
    """
    for remark in remarks:
        found = _TOO_LONG.search(str(remark.message))
        if found:
            _check_spare(int(found[1]), int(found[2]))


def _check_spare(held: int, wanted: int) -> None:
    if held - wanted > max(_SPARE_BYTES, _SPARE * wanted):
        raise ValueError(f"{held} bytes for {wanted}")


def _check_codestream(pixels: bytes, header: Header) -> None:
    """Compare the size that the first compressed image states itself."""
    from pydicom.encaps import generate_frames

    first = next(generate_frames(pixels, number_of_frames=header.frames))
    found = jpeg_shape(first) or _j2k_shape(first)
    if header.syntax != RLE and found is not None and found != header.shape:
        raise ValueError(f"compressed image of {found[0]}x{found[1]}")


def _j2k_shape(stream: bytes) -> tuple[int, int] | None:
    # the size marker is the first of a codestream; boxes before it are short
    at = stream[:512].find(_J2K_SIZE)
    if at < 0 or len(stream) < at + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, at + 8)
    return bottom - top, right - left


def jpeg_shape(stream: bytes) -> tuple[int, int] | None:
    """Return rows and columns of the frame header, by way of the segments before it."""
    at = 2
    while stream[:2] == b"\xff\xd8" and at + 9 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        is_frame = 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_MARKERS
        # the last is that of JPEG-LS
        if is_frame or marker == 0xF7:
            rows, cols = struct.unpack_from(">2H", stream, at + 5)
            return (rows, cols) if rows else None
        at += 2 + int.from_bytes(stream[at + 2 : at + 4])
    return None


_DICOM, _JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.4."
_BY_PYDICOM = {"", _DICOM, *(f"{_DICOM}.{n}" for n in ("1", "1.99", "2", "5"))}
# PS3.5: JPEG 50 to 70, JPEG-LS 80 and 81, JPEG 2000 90 to 93
_BY_GDCM = {f"{_JPEG}{n}" for n in (*range(50, 67), 70, 80, 81, 90, 91, 92, 93)}
_HTJ2K = {f"{_JPEG}{n}" for n in (201, 202, 203)}
# pydicom decodes High-Throughput JPEG 2000 by these two, see the extra "dicom"
_HTJ2K_MODULES = ("pylibjpeg", "openjpeg")


def name_of(syntax: str) -> str:
    """Return what the standard calls a transfer syntax; its uid if that is not known."""
    from pydicom.uid import UID

    return UID(syntax).name or "no named transfer syntax"


def is_for_decoder(header: Header) -> bool:
    """Whether the pixels are decompressed by a library that damaged ones can bring down."""
    return header.syntax in _BY_GDCM | _HTJ2K


def is_htj2k(syntax: str) -> bool:
    """Whether images are compressed by High-Throughput JPEG 2000, which GDCM does not read."""
    return syntax in _HTJ2K


def check_syntax(header: Header) -> None:
    """Ask for pixels that can be decompressed.

    Raises
    ------
    FileError
        If nothing here decompresses them: video, JPIP, JPEG XL, or what the standard does not know.
    MissingExtraError
        If the library that does is not installed.
    """
    syntax = header.syntax
    if syntax not in _BY_PYDICOM | _BY_GDCM | _HTJ2K:
        raise FileError(
            "pixels cannot be decoded: expected still images, plain, deflated or compressed by "
            "RLE, JPEG, JPEG-LS, JPEG 2000 or High-Throughput JPEG 2000, got "
            f"{name_of(syntax)!r} in {str(header.file)!r}. Export the series again, uncompressed."
        )
    if is_htj2k(syntax) and any(find_spec(name) is None for name in _HTJ2K_MODULES):
        raise MissingExtraError(
            f"{name_of(syntax)} needs pylibjpeg-openjpeg: expected it to be installed, got nothing "
            'of that name. Install it with: pip install "napari-intseg[dicom]".'
        )


_NOT_INVERTED = "MONOCHROME2"
# secondary capture, of which little is required
_WRAPPER = "1.2.840.10008.5.1.4.1.1.7"
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
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
]


def read_pixels(
    frames: Sequence[DicomFrame],
    on_progress: Callable[[int, int], None] | None = None,
    failed: dict[DicomFrame, FileError] | None = None,
) -> Array:
    """Return the values of frames on one grid.

    Parameters
    ----------
    frames : sequence of DicomFrame
        In the order in which planes are wanted; of any number of files.
    on_progress : callable, optional
        Told how many of how many frames are read.
    failed : dict of DicomFrame to FileError, optional
        Frames that are damaged are put here and have no plane, if others are whole.

    Returns
    -------
    ndarray, shape (planes, rows, cols) or (planes, rows, cols, 3)
        Slope and intercept, or the table that is there instead, applied: integers where all are
        whole numbers (int16 if that holds them), else float32. Colour is RGB, uint8 as a rule.
        MONOCHROME1 is turned over so that high is bright, except for CT and PET, whose values are
        quantities.

    Raises
    ------
    FileError
        If a file's pixels are damaged, fewer than its header says, or compressed in a way that
        is not known.
    """
    places: dict[Path, list[int]] = {}
    for plane, frame in enumerate(frames):
        places.setdefault(frame.header.file, []).append(plane)
    # made when the first image has shown its type
    stored: Array | None = None
    done = 0
    with DecoderProcess() as decoder:
        for planes in places.values():
            header = frames[planes[0]].header
            numbers = [frames[plane].number for plane in planes]
            errors = None if failed is None else dict[int, FileError]()
            images = _images(header, decoder, numbers, errors)
            for plane, number in zip(planes, numbers, strict=True):
                if number in images:
                    stored = _room(stored, images[number], header, len(frames))
                    stored[plane] = images[number]
                elif failed is not None and errors is not None:
                    failed[frames[plane]] = errors[number]
            done += len(planes)
            if on_progress:
                on_progress(done, len(frames))
    if failed:
        if stored is None:
            raise next(iter(failed.values()))
        stored = stored[[frame not in failed for frame in frames]]
        frames = [frame for frame in frames if frame not in failed]
    assert stored is not None
    return stored if stored.ndim == 4 else rescaled(stored, frames)


def _images(
    header: Header,
    decoder: DecoderProcess,
    numbers: Sequence[int],
    errors: dict[int, FileError] | None,
) -> dict[int, Array]:
    """Return frames of a file by number; those that are damaged into `errors`, if it is given."""
    if not header.missing:
        try:
            whole = decode(header, decoder)
            return {number: whole[number] for number in numbers}
        except FileError as err:
            if errors is None:
                raise
            # one by one only where each says where it ends: others would be read from a wrong place
            one_by_one = header.syntax == DEFLATED or _has_all_frames(header)
            if header.frames == 1 or not one_by_one:
                errors.update(dict.fromkeys(numbers, err))
                return {}
    found = {}
    for number in numbers:
        try:
            found[number] = decode(header, decoder, number, f"frame {number}; ")[0]
        except FileError as err:
            if errors is None:
                raise
            errors[number] = err
    return found


def _has_all_frames(header: Header) -> bool:
    """Whether a file holds as many frames as it says, each compressed on its own."""
    if not (is_for_decoder(header) or header.syntax == RLE):
        return False
    try:
        cut_frame(header, header.frames - 1, _IMAGE_TAGS)
    except Exception:
        # cut off, or no such frame: pydicom has many errors for it
        return False
    return True


def decode(
    header: Header, decoder: DecoderProcess, number: int | None = None, where: str = ""
) -> Array:
    """Return stored values, ``(frames, rows, cols)``, or RGB with channels last.

    Parameters
    ----------
    header : Header
        Of the file.
    decoder : DecoderProcess
        Decompresses what pydicom does not.
    number : int, optional
        The only frame to read, from 0; by default all are.
    where : str
        What the file is for, to be said if it is damaged.

    Raises
    ------
    FileError
        As for `read_pixels`.
    MissingExtraError
        If the library for its compression is not installed.
    """
    check_syntax(header)
    one = number is not None and header.frames > 1
    wanted = replace(header, frames=1) if one else header
    try:
        with quiet(), warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            # only the one frame is read from the disk: a file may hold thousands
            if one:
                data = cut_frame(header, number or 0, _IMAGE_TAGS)
            else:
                data = read_data_set(header.file, _IMAGE_TAGS, pixels=True)
            check_size(data, wanted)
            if is_for_decoder(header):
                image = _by_decoder(data, wanted, decoder)
            else:
                image = _by_pydicom(data, wanted)
            check_remarks(remarks)
    except Exception as err:
        # pydicom and GDCM have many errors for a damaged file; all mean the same to a person
        reason = " ".join(str(err).split())[-200:] or type(err).__name__
        raise damaged(wanted, where + reason) from err
    expected = (wanted.frames, *header.shape, *((3,) if header.samples == 3 else ()))
    # the machine's own byte order: torch takes no other
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.shape == (*expected, 3):  # a palette became colour
        return image
    if image.shape != expected:
        raise damaged(wanted, f"{where}an image of shape {image.shape}")
    return _without_spare_bits(image, header)


def damaged(header: Header, reason: str) -> FileError:
    """Return the error for pixels that cannot be had."""
    rows, cols = header.shape
    return FileError(
        f"pixels cannot be decoded: expected {header.frames} of {rows}x{cols} in "
        f"{name_of(header.syntax)}, got {str(header.file)!r} ({reason}). Export the series again."
    )


def _room(stored: Array | None, image: Array, header: Header, count: int) -> Array:
    """Return an array that can take a plane beside those that it has."""
    if stored is None:
        return np.empty((count, *image.shape), image.dtype)
    if image.shape != stored.shape[1:]:
        raise damaged(header, f"an image of shape {image.shape}")
    return stored.astype(np.result_type(stored, image), copy=False)


def _by_pydicom(data: Any, header: Header) -> Array:
    from pydicom.pixels.processing import apply_color_lut, convert_color_space
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    # a file from before there was a preamble
    # pydicom decodes nothing without a transfer syntax:
    if not data.file_meta.get("TransferSyntaxUID"):
        is_implicit, _ = data.original_encoding
        syntax = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
        data.file_meta.TransferSyntaxUID = syntax
    # raw: pydicom converts no colours; those that need it are converted below
    # and left to us where spare bits lie below the value too
    image = pixel_array(data, raw=True, correct_unused_bits=not header.below)
    colours = str(data.PhotometricInterpretation)
    if colours.startswith("YBR_FULL"):
        image = convert_color_space(image, "YBR_FULL", "RGB", per_frame=True)
    elif colours == "PALETTE COLOR":
        image = _to_8_bits(apply_color_lut(image, data))
    several = int(data.get("NumberOfFrames") or 1) > 1
    return np.asarray(image if several else image[np.newaxis])


def _by_decoder(data: Any, header: Header, decoder: DecoderProcess) -> Array:
    """Decompress in the decoder's process, which is given pixels alone, without a person."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    bare = Dataset()
    for element in data:
        bare.add(element)
    # GDCM would exchange white and black of MONOCHROME1, which is done here for all decoders alike
    if header.samples == 1 and header.photometric != "PALETTE COLOR":
        bare.PhotometricInterpretation = _NOT_INVERTED
    bare.SOPClassUID, bare.SOPInstanceUID = _WRAPPER, "1.2.3"
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = UID(header.syntax)
    with tempfile.TemporaryDirectory(prefix="intseg-") as folder:
        path = Path(folder) / "pixels.dcm"
        bare.save_as(path, enforce_file_format=True)
        array = decoder.decode(path, by_pydicom=is_htj2k(header.syntax))
    colour = header.samples == 3 or header.photometric == "PALETTE COLOR"
    return array if array.ndim == 3 + colour else array[np.newaxis]


def _to_8_bits(image: Array) -> Array:
    # palettes have 16 bits an entry, of which screens and napari's colours show 8
    return (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image


def _without_spare_bits(image: Array, header: Header) -> Array:
    """Clear the bits beside those stored, where old scanners kept overlays; spread the sign."""
    stored, signed = header.bits
    spare = image.dtype.itemsize * 8 - stored
    # decoders put the value into the lowest bits themselves
    below = 0 if is_for_decoder(header) else header.below
    if below and (image & ((1 << below) - 1)).any() and not (image >> stored).any():
        # a header that is wrong: values are where they mostly are
        below = 0
    if image.dtype.kind not in "iu" or spare <= 0 or stored < 1 or image.ndim == 4:
        return image
    kind = np.dtype(f"{'i' if signed else 'u'}{image.dtype.itemsize}")
    # left and right again: the right shift of a signed type repeats the sign
    shifted = (image.astype(kind, copy=False) << (spare - below)).astype(kind, copy=False)
    return shifted >> spare
