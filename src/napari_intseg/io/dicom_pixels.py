"""Pixels of DICOM frames: decompressed, rescaled to real values, colour as RGB."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError
from napari_intseg.io.dicom_decoder import Decoder
from napari_intseg.io.dicom_frame import cut_frame
from napari_intseg.io.dicom_header import Frame, Header, quiet
from napari_intseg.io.dicom_inflate import read_data_set
from napari_intseg.io.dicom_sizes import check_remarks, check_size
from napari_intseg.io.dicom_syntax import check_syntax, is_for_decoder, is_htj2k, name_of
from napari_intseg.io.dicom_values import rescaled

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
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
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
    stored: Array | None = None
    done = 0
    with Decoder() as decoder:
        for planes in places.values():
            header = frames[planes[0]].header
            image = decode(header, decoder)
            stored = _room(stored, image, header, len(frames))
            for plane in planes:
                stored[plane] = image[frames[plane].number]
            done += len(planes)
            if on_progress:
                on_progress(done, len(frames))
    assert stored is not None
    return stored if stored.ndim == 4 else rescaled(stored, frames)


def decode(header: Header, decoder: Decoder, number: int | None = None, where: str = "") -> Array:
    """Return stored values, ``(frames, rows, cols)``, or RGB with channels last.

    Parameters
    ----------
    header : Header
        Of the file.
    decoder : Decoder
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
            if one:
                data = cut_frame(header, number or 0, _IMAGE_TAGS)
            else:
                data = read_data_set(header.file, _IMAGE_TAGS, pixels=True)
            check_size(data, wanted)
            if is_for_decoder(header):
                image = _by_decoder(data, wanted, decoder)
            else:
                image = _by_pydicom(data)
            check_remarks(remarks)
    except Exception as err:
        # pydicom and GDCM have many errors for a damaged file; all mean the same to a person
        reason = " ".join(str(err).split())[-200:] or type(err).__name__
        raise damaged(wanted, where + reason) from err
    expected = (wanted.frames, *header.shape, *((3,) if header.samples == 3 else ()))
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
    """Return an array that can take the image's planes beside those that it has."""
    if stored is None:
        return np.empty((count, *image.shape[1:]), image.dtype)
    if image.shape[1:] != stored.shape[1:]:
        raise damaged(header, f"an image of shape {image.shape[1:]}")
    return stored.astype(np.result_type(stored, image), copy=False)


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


def _by_decoder(data: Any, header: Header, decoder: Decoder) -> Array:
    """Decompress in the decoder's process, which is given pixels alone, without a person."""
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
        array = decoder.decode(path, by_pydicom=is_htj2k(header.syntax))
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
