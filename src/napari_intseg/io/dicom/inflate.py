"""DICOM data sets read within bounds: deflated ones unpack to what they need and no more."""

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_intseg.io.paths import check_regular

DEFLATED = "1.2.840.10008.1.2.1.99"
_LOOK_BYTES = 1 << 16
"""The transfer syntax is one of the first elements of a file."""

_HEADER_BYTES = 1 << 26
"""Unpacked, before the pixels: functional groups of 10,000 frames take some 20 MB."""

_STEP_BYTES = 1 << 20


def read_data_set(path: Path, tags: Sequence[str] | None = None, *, pixels: bool = False) -> Any:
    """Return a data set as pydicom's `dcmread` does, forced, also if it is no larger than it says.

    Parameters
    ----------
    path : Path
    tags : sequence of str, optional
        The elements that are wanted; all by default.
    pixels : bool, default False
        Whether to read on to the pixels and behind them.

    Raises
    ------
    ValueError
        If a deflated file unpacks to more than its rows, columns and frames take.
    Exception
        Whatever pydicom raises for a damaged file.
    """
    import pydicom

    check_regular(path)
    wanted = None if tags is None else [*tags]
    if not _is_deflated(path):
        return pydicom.dcmread(
            path, stop_before_pixels=not pixels, force=True, specific_tags=wanted
        )
    limit = _HEADER_BYTES
    if pixels:
        limit += _pixel_bytes(_inflated(path, None, limit, pixels=False))
    return _inflated(path, wanted, limit, pixels=pixels)


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as file:
        return DEFLATED.encode() in file.read(_LOOK_BYTES)


def _inflated(path: Path, tags: list[str] | None, limit: int, *, pixels: bool) -> Any:
    """Return the data set of a deflated file, of which so many bytes are unpacked."""
    from pydicom import filereader
    from pydicom.dataset import FileDataset
    from pydicom.tag import BaseTag, Tag

    with path.open("rb") as file:
        preamble = filereader.read_preamble(file, True)
        meta = filereader._read_file_meta_info(file)
        if str(meta.get("TransferSyntaxUID")) != DEFLATED:
            return filereader.dcmread(
                path, stop_before_pixels=not pixels, force=True, specific_tags=tags
            )
        content = _unpacked(file, limit, whole=pixels)
    stop = None if pixels else _at_pixels
    keep: list[BaseTag | int] | None = None if tags is None else [Tag(tag) for tag in tags]
    data = filereader.read_dataset(
        io.BytesIO(content), False, True, stop_when=stop, specific_tags=keep
    )
    return FileDataset(str(path), data, preamble, meta, False, True)


def _unpacked(file: Any, limit: int, *, whole: bool) -> bytes:
    decoder, made = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    while not decoder.eof and len(made) < limit:
        packed = decoder.unconsumed_tail or file.read(_STEP_BYTES)
        if not packed:
            break
        made += decoder.decompress(packed, min(_STEP_BYTES, limit - len(made)))
    if whole and not decoder.eof and len(made) >= limit:
        raise ValueError(f"it unpacks to more than the {limit} bytes that its header declares")
    return bytes(made)


def _at_pixels(tag: Any, _vr: Any, _length: Any) -> bool:
    return int(tag) in (0x7FE00008, 0x7FE00009, 0x7FE00010) or int(tag) > 0x7FE00010


def _pixel_bytes(data: Any) -> int:
    sizes = [
        max(1, int(data.get(name) or 1))
        for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")
    ]
    total = 1
    for size in sizes:
        total *= size
    return total // 8
