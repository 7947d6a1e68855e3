"""One frame out of a file of many, without reading the others."""

from collections.abc import Sequence
from typing import Any, BinaryIO

from napari_intseg.io.dicom_header import Header

_LONG_FORM, _SHORT_FORM = 12, 8  # bytes before the value, with and without the kind of value


def cut_frame(header: Header, number: int, tags: Sequence[str]) -> Any:
    """Return a data set as if the file held one of its frames alone.

    Parameters
    ----------
    header : Header
        Of a file of several frames of 8 or 16 bits, not deflated as a whole.
    number : int
        From 0.
    tags : sequence of str
        What is wanted besides the pixels.

    Raises
    ------
    Exception
        Whatever pydicom raises for a damaged file.
    """
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    with header.file.open("rb") as file:
        data = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=[*tags])
        is_implicit = bool(data.original_encoding[0])
        start = file.read(_SHORT_FORM if is_implicit else _LONG_FORM)
        if UID(header.syntax).is_compressed:
            data.PixelData = encapsulate([_fragments(data, file, header, number)])
            data["PixelData"].is_undefined_length = True
        else:
            data.PixelData = _plain(file, header, number)
        data["PixelData"].VR = "OW" if is_implicit else start[4:6].decode("ascii", "replace")
    data.NumberOfFrames = 1
    return data


def _fragments(data: Any, file: BinaryIO, header: Header, number: int) -> bytes:
    from pydicom.encaps import get_frame

    tables = [data.get(f"ExtendedOffsetTable{what}") for what in ("", "Lengths")]
    offsets = (tables[0], tables[1]) if all(tables) else None
    found: bytes = get_frame(file, number, number_of_frames=header.frames, extended_offsets=offsets)
    return found


def _plain(file: BinaryIO, header: Header, number: int) -> bytes:
    bits = header.shape[0] * header.shape[1] * max(header.samples, 1) * header.allocated
    if header.photometric.endswith("_422"):
        bits = bits * 2 // 3  # two pixels share a colour
    file.seek(number * (bits // 8), 1)
    found = file.read(bits // 8)
    return found + b"\0" * (len(found) % 2)
