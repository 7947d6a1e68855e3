"""What the stored values of DICOM stand for: slope and intercept, tables, white and black."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.io.dicom.header import DicomFrame, Header

_PHYSICAL = {"CT", "PT"}
"""Modalities whose values mean something by themselves, so that they are never inverted."""

_SMALL = (8, 16)
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
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= min(reached) and max(reached) <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.float32)
