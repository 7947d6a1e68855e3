"""What of a Zarr store may be read: metadata and pieces are checked before they are decoded.

How large compressed bytes become is found out in bounded memory before they are unpacked.
"""

import bz2
import lzma
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.files import parse_json
from napari_intseg.errors import FileError
from napari_intseg.io.file_checks import data_file

# what may be unpacked without a look: 64 MB, of deflated bytes fewer than 64 kB
_HARMLESS_BYTES = 1 << 26

# the most that deflate makes of a byte, 1032 by its format, with room for headers
_DEFLATE_RATIO = 1040
# what is unpacked at a time, 1 MB, only to be counted; not tuned
_STEP_BYTES = 1 << 20
# memory for an LZMA dictionary: the highest preset takes 65 MB
_MEMORY_BYTES = 1 << 28

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
    # 47: zlib's head or gzip's
    return _streamed(lambda: zlib.decompressobj(47), packed, limit)


def _bz2(packed: memoryview, limit: int) -> int:
    return _streamed(bz2.BZ2Decompressor, packed, limit)


def _lzma(packed: memoryview, limit: int) -> int:
    return _streamed(lambda: lzma.LZMADecompressor(memlimit=_MEMORY_BYTES), packed, limit)


def _streamed(start: Callable[[], Any], packed: memoryview, limit: int) -> int:
    """Unpack step by step, keep nothing, stop behind the limit."""
    total, rest = 0, bytes(packed)
    while rest and total <= limit:
        # several streams may follow one another, as gzip and bz2 allow
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
    # RFC 8878, 3.1.1.1.4: a size of two bytes is stored less 256
    if width == 2 and stated is not None:
        stated += 256
    at += width
    size, is_last = 0, False
    while not is_last:
        head = int.from_bytes(packed[at : at + 3], "little")
        if at + 3 > len(packed):
            raise IndexError("cut off")
        is_last, kind, length = bool(head & 1), head >> 1 & 3, head >> 3
        # a compressed block (kind 2) does not state what it becomes; the format bounds it
        size += length if kind < 2 else _ZSTD_BLOCK
        at += 3 + (1 if kind == 1 else length)
    return stated, size, at + 4 * bool(about & 4)


# how many bytes a chunk would become, by its codec: stated in its
# header, or found by unpacking it in steps that are thrown away
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


CODECS = frozenset({
    # of bytes
    "blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma",
    # of numbers
    "delta", "fixedscaleoffset", "quantize", "packbits", "shuffle", "bitround", "astype",
    # checksums
    "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3",
    # order of bytes and axes, pieces in pieces
    "bytes", "endian", "transpose", "sharding_indexed",
    # texts, such as the tables beside an image
    "vlen-utf8", "vlen-bytes",
})  # fmt: skip
"""All that may be named: none of them runs code of the file. `pickle` does, `json2` and
`msgpack2` make objects; those of other packages are not known."""

MOST_LEVELS = 64
"""Resolutions of an image: each is half of the one before, and 2 to the 64th is no image."""

MOST_METADATA_BYTES = 1 << 26
"""Of one file: the metadata of a plate of 1,536 wells, consolidated, have 10 MB."""

LARGEST_CHUNK_BYTES = 1 << 31
"""Of a piece, unpacked: what Blosc can hold."""

# what a codec may add: headers and checksums
_SPARE_BYTES = 1 << 16
METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
_NUMBERS = "buif"
_INDEX_CODECS = {"bytes", "endian", "crc32c"}


def check_array_folder(path: Path) -> None:
    """Ask for an array whose metadata may be acted on, without opening it.

    Raises
    ------
    FileError
        If they ask for a codec that is not in `CODECS`, or for sizes that cannot be.
    """
    for name in (".zarray", "zarr.json"):
        file = path / name
        if file.is_file():
            data_file(path, name)
            check_metadata(name, file.read_bytes(), path)


def has_pieces(folder: Path) -> bool:
    """Whether any piece of an array is stored in its folder."""
    names = (name for _, _, files in os.walk(folder) for name in files)
    return any(name not in METADATA for name in names)


def check_metadata(key: str, content: bytes, path: Path) -> dict[str, Any] | None:
    """Return what a metadata file says of an array, if it may be acted on; None of others.

    Parameters
    ----------
    key : str
        Of the file in its store, such as "0/.zarray".
    content : bytes
    path : Path
        Of the store, for the message.

    Raises
    ------
    FileError
        If it is of an array that may not be read, or too large.
    """
    if len(content) > MOST_METADATA_BYTES:
        raise wrong(path, f"metadata of at most {MOST_METADATA_BYTES} bytes", f"{len(content)}")
    name = key.rpartition("/")[2]
    try:
        # attributes of other programs may hold numbers that are none, bare
        told = parse_json(content, any_number=True)
    except ValueError as err:
        # zarr might take for something what we could not check
        raise wrong(path, "metadata in JSON", str(err)[:80]) from err
    is_array = name == ".zarray" or (
        name == "zarr.json" and isinstance(told, dict) and told.get("node_type") == "array"
    )
    if not is_array:
        return None
    try:
        _check_array(told, path)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as err:
        if isinstance(err, FileError):
            raise
        raise wrong(path, "metadata of an array", repr(err)[:80]) from err
    return dict(told)


def _check_array(about: Mapping[str, Any], path: Path) -> None:
    """Ask for known codecs, and for pieces of a size that can be."""
    _check_codecs(about, path)
    shape, chunks = [int(n) for n in about["shape"]], chunk_shape(about)
    if chunks is None:
        raise wrong(path, "a regular grid of pieces", str(about.get("chunk_grid"))[:80])
    if len(chunks) != len(shape) or min(chunks, default=1) < 1 or min(shape, default=1) < 0:
        raise wrong(path, "pieces of at least one value along each axis", str(chunks)[:80])
    size = math.prod(chunks) * item_bytes(about)
    # an array that is one piece may be large; a piece far larger than its array is a lie
    if size > LARGEST_CHUNK_BYTES and math.prod(shape) * item_bytes(about) < size // 2:
        raise wrong(path, f"pieces of at most {LARGEST_CHUNK_BYTES} bytes", f"{size}")


def _check_codecs(about: Mapping[str, Any], path: Path) -> None:
    named = list(_codecs(about))
    # packed twice, a piece could unpack to the product of both ratios
    if sum(name in PACKERS for name, _ in named) > 1:
        raise wrong(path, "bytes that are packed once", ", ".join(name for name, _ in named))
    for name, settings in named:
        if name not in CODECS:
            raise wrong(path, f"codecs that are known ({', '.join(sorted(CODECS))})", name)
        for key in ("dtype", "astype", "encode_dtype", "decode_dtype"):
            if settings.get(key) is not None and np.dtype(settings[key]).kind not in _NUMBERS:
                raise wrong(path, f"numbers for {key} of codec {name}", str(settings[key]))
        if name == "sharding_indexed":
            index = {_name(one) for one in settings.get("index_codecs", ())}
            if not index <= _INDEX_CODECS:
                raise wrong(path, f"an index of {sorted(_INDEX_CODECS)}", str(sorted(index)))


def chunk_shape(about: Mapping[str, Any]) -> list[int] | None:
    """Return the shape of the pieces of an array, None if they are not all of one."""
    if "chunks" in about:
        return [int(n) for n in about["chunks"]]
    grid = about["chunk_grid"]
    if grid["name"] != "regular":
        return None
    return [int(n) for n in grid["configuration"]["chunk_shape"]]


def _is_number(about: Mapping[str, Any]) -> bool:
    try:
        return np.dtype(str(about.get("dtype", about.get("data_type")))).kind in _NUMBERS
    except TypeError:
        return False


def item_bytes(about: Mapping[str, Any]) -> int:
    """Return the bytes of a value; 16, a pointer and a length, where it is no number."""
    kind = about.get("dtype", about.get("data_type"))
    try:
        return int(np.dtype(str(kind)).itemsize)
    except TypeError:
        return 16


def _codecs(about: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and settings of all codecs, those inside of others too."""
    old = [about.get("compressor"), *(about.get("filters") or ())]
    for one in (*old, *(about.get("codecs") or ())):
        if one is None:
            continue
        settings = {} if isinstance(one, str) else one.get("configuration") or one
        yield _name(one), settings
        if "codecs" in settings:
            yield from _codecs({"codecs": settings["codecs"]})
        if "index_codecs" in settings:
            yield from _codecs({"codecs": settings["index_codecs"]})


def _name(codec: Any) -> str:
    name = codec if isinstance(codec, str) else codec.get("id") or codec.get("name")
    return str(name).removeprefix("numcodecs.")


def check_piece(about: Mapping[str, Any], content: Any, asked: Any, path: Path) -> None:
    """Ask for a piece of an array that unpacks to what the metadata say, before it is unpacked.

    Parameters
    ----------
    about : mapping
        The metadata of the array.
    content : buffer
        The bytes of the piece, or of a part of it.
    asked : object, optional
        Which part: zarr's `ByteRequest`; None for all.
    path : Path
        For the message.

    Raises
    ------
    FileError
        If it unpacks to far more.
    """
    if not _is_number(about):
        # texts: nothing that is shown
        return
    codecs, shape = list(about.get("codecs") or ()), chunk_shape(about) or []
    if "codecs" not in about:
        codecs = [*(about.get("filters") or ()), about.get("compressor")]
    raw = memoryview(content).cast("B")
    parts = [raw]
    shard = next((one for one in codecs if one and _name(one) == "sharding_indexed"), None)
    if shard is not None:
        settings = shard["configuration"]
        inner = [int(n) for n in settings["chunk_shape"]]
        count = math.prod(-(-a // max(1, b)) for a, b in zip(shape, inner, strict=True))
        parts = _parts_of_shard(raw, count, settings, asked)
        codecs, shape = list(settings["codecs"]), inner
    names = [_name(one) for one in codecs if one]
    packer = next((name for name in names if name in PACKERS), None)
    # filters make values of other types, four or eight times as wide at most
    limit = math.prod(shape) * item_bytes(about) * (2 if len(names) < 3 else 16) + _SPARE_BYTES
    for part in parts:
        if packer is not None and not unpacks_within(packer, part, limit):
            raise FileError(
                f"file cannot be read: expected pixels, got a damaged piece in {str(path)!r} (it "
                f"unpacks to more than {limit} bytes). Check that it is complete."
            )


def _parts_of_shard(
    raw: memoryview, count: int, settings: Mapping[str, Any], asked: Any
) -> list[memoryview]:
    """Return the packed pieces in what was read of a shard; none of its index."""
    has_sum = any(_name(one) == "crc32c" for one in settings["index_codecs"])
    size = 16 * count + 4 * has_sum
    if asked is not None:
        return [] if len(raw) == size else [raw]
    is_first = settings.get("index_location", "end") == "start"
    index = raw[:size] if is_first else raw[max(0, len(raw) - size) :]
    if len(index) < 16 * count:
        # cut off: zarr says so
        return []
    places = np.frombuffer(index[: 16 * count], "<u8").reshape(-1, 2)
    inside = places[(places[:, 0] < len(raw)) & (places[:, 1] <= len(raw))]
    return [raw[int(at) : int(at) + int(n)] for at, n in inside]


def wrong(path: Path, rule: str, got: str) -> FileError:
    """Return the error of a store that is not as it should be."""
    return FileError(
        f"file cannot be read: expected {rule}, got {got!r} in {str(path)!r}. Write the image "
        "again with such."
    )
