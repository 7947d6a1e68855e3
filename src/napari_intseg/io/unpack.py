"""How large compressed bytes become, found out in bounded memory before they are unpacked."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any

_HARMLESS_BYTES = 1 << 26
"""What may be unpacked without a look: 64 MB, of deflated bytes fewer than 64 kB."""

# the most that deflate makes of a byte, 1032 by its format, with room for headers
_DEFLATE_RATIO = 1040
_STEP_BYTES = 1 << 20
_MEMORY_BYTES = 1 << 28
"""Of an LZMA dictionary: the highest preset takes 65 MB."""

# RFC 8878, 3.1.1: how a frame begins, and the most that a block becomes
_ZSTD_MAGIC, _ZSTD_BLOCK = 0xFD2FB528, 1 << 17
# bytes of the content's size by the two bits of its flag (RFC 8878, 3.1.1.1.1)
_FCS_BYTES = {0: 0, 1: 2, 2: 4, 3: 8}
# bytes of the dictionary's number, by its two bits
_DICT_BYTES = (0, 1, 2, 4)


def unpacks_within(codec: str, packed: memoryview, limit: int) -> bool:
    """Return whether bytes unpack to no more than a limit; damaged ones do.

    Parameters
    ----------
    codec : str
        "blosc", "zlib", "gzip", "zstd", "lz4", "bz2" or "lzma"; of others, True.
    packed : memoryview of bytes
    limit : int
        In bytes.
    """
    count = _COUNTS.get(codec)
    return count is None or count(packed, limit) <= limit


def _stated(form: str, at: int) -> Callable[[memoryview, int], int]:
    """Return a function that reads the size at the head of packed bytes."""

    def count(packed: memoryview, _: int) -> int:
        size = struct.calcsize(form)
        return int(struct.unpack_from(form, packed, at)[0]) if len(packed) >= at + size else 0

    return count


def _deflated(packed: memoryview, limit: int) -> int:
    if len(packed) * _DEFLATE_RATIO <= max(limit, _HARMLESS_BYTES):
        return 0
    return _streamed(lambda: zlib.decompressobj(47), packed, limit)  # 47: zlib's head or gzip's


def _bz2(packed: memoryview, limit: int) -> int:
    return _streamed(bz2.BZ2Decompressor, packed, limit)


def _lzma(packed: memoryview, limit: int) -> int:
    return _streamed(lambda: lzma.LZMADecompressor(memlimit=_MEMORY_BYTES), packed, limit)


def _streamed(start: Callable[[], Any], packed: memoryview, limit: int) -> int:
    """Unpack step by step, keep nothing, stop behind the limit."""
    total, rest = 0, bytes(packed)
    while rest and total <= limit:
        decoder = start()
        try:
            while not decoder.eof and total <= limit:
                made = len(decoder.decompress(rest, _STEP_BYTES))
                rest = getattr(decoder, "unconsumed_tail", b"")
                total += made
                if not made and (not rest or getattr(decoder, "needs_input", False)):
                    return total  # cut off
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as err:
            # too much memory, or damaged: the codec itself says which bytes are
            return limit + 1 if "emory" in str(err) else total
        rest = decoder.unused_data
    return total


def _zstd(packed: memoryview, limit: int) -> int:
    """Add up the frames: what they state, or at most what their blocks can hold."""
    total, at = 0, 0
    try:
        while at + 5 <= len(packed) and total <= limit:
            (magic,) = struct.unpack_from("<I", packed, at)
            if magic & 0xFFFFFFF0 == 0x184D2A50:  # a frame to be skipped
                at += 8 + struct.unpack_from("<I", packed, at + 4)[0]
                continue
            if magic != _ZSTD_MAGIC:
                break
            stated, size, at = _zstd_frame(packed, at + 4)
            total += size if stated is None else stated
    except (struct.error, IndexError):
        pass  # cut off
    return total


def _zstd_frame(packed: memoryview, at: int) -> tuple[int | None, int, int]:
    """Return the stated size, the largest by its blocks, and where the frame ends."""
    about = packed[at]
    is_single = bool(about & 32)
    width = _FCS_BYTES[about >> 6] or int(is_single)
    at += 1 + (not is_single) + _DICT_BYTES[about & 3]
    stated = int.from_bytes(packed[at : at + width], "little") if width else None
    if width == 2 and stated is not None:
        stated += 256
    at += width
    size, is_last = 0, False
    while not is_last:
        head = int.from_bytes(packed[at : at + 3], "little")
        if at + 3 > len(packed):
            raise IndexError("cut off")
        is_last, kind, length = bool(head & 1), head >> 1 & 3, head >> 3
        size += length if kind < 2 else _ZSTD_BLOCK
        at += 3 + (1 if kind == 1 else length)
    return stated, size, at + 4 * bool(about & 4)


_COUNTS: dict[str, Callable[[memoryview, int], int]] = {
    "blosc": _stated("<I", 4),
    "lz4": _stated("<I", 0),
    "zlib": _deflated,
    "gzip": _deflated,
    "bz2": _bz2,
    "lzma": _lzma,
    "zstd": _zstd,
}

PACKERS = frozenset(_COUNTS)
"""Codecs that make bytes fewer."""
