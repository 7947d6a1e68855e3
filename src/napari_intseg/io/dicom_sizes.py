"""Whether pixels are as many as their header says, asked before memory is."""

import re
import struct
from collections.abc import Sequence
from typing import Any

from napari_intseg.io.dicom_header import Header

_LARGE_BYTES, _RATIO = 1 << 28, 5_000
_SPARE = 0.01
_SPARE_BYTES = 2
_RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
_J2K_SIZE = b"\xff\x4f\xff\x51"
_TOO_LONG = re.compile(r"RLE segment .* (\d+) vs\. (\d+) bytes")
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
    if header.syntax == _RLE or header.syntax.startswith(_JPEG):
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
    if header.syntax != _RLE and found is not None and found != header.shape:
        raise ValueError(f"compressed image of {found[0]}x{found[1]}")


def _j2k_shape(stream: bytes) -> tuple[int, int] | None:
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
        if is_frame or marker == 0xF7:  # the last is that of JPEG-LS
            rows, cols = struct.unpack_from(">2H", stream, at + 5)
            return (rows, cols) if rows else None
        at += 2 + int.from_bytes(stream[at + 2 : at + 4])
    return None
