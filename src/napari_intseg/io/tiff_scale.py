"""Resolution, units, channels and time steps as TIFF, ImageJ and OME state them."""

import math
import re
import struct
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from napari_intseg.errors import FileError
from napari_intseg.io.checks import DEFLATE_RATIO, check_size
from napari_intseg.io.child_process import check_in_child
from napari_intseg.io.paths import check_count, data_file
from napari_intseg.io.raster import Channel
from napari_intseg.io.source import TiffScale
from napari_intseg.io.units import PIXEL, factors_mm, seconds_per_unit

_TIFF_UNITS = {2: "inch", 3: "cm"}
_NOT_CALIBRATED = 72
"""Dots an inch that programs state where nothing is known; ImageJ takes them for that, too
(ij.io.TiffDecoder)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a file tells beyond its pixels.

    Parameters
    ----------
    scale : TiffScale
        In the file's own words.
    spacing : (float, float, float)
        Millimetres ``(z, y, x)``, or pixels.
    unit : str
        "mm", "µm" or "pixel".
    channels, time_step_s
        As `Raster` has them.
    """

    scale: TiffScale
    spacing: tuple[float, float, float]
    unit: str
    channels: tuple[Channel, ...] = ()
    time_step_s: float = 0.0


def read_scale(file: tifffile.TiffFile, path: Path, image: int = 0) -> Told:
    """Return what a file tells; OME counts first, then ImageJ, then the plain tags.

    Parameters
    ----------
    file : TiffFile
        Open.
    path : Path
        Its name.
    image : int, default 0
        Which of OME's images is meant, where there are several.

    Warns
    -----
    FileWarning
        If a unit is not known.
    """
    tags = file.pages.first.tags
    x, y = (tuple(tags[n].value) if n in tags else (1, 1) for n in ("XResolution", "YResolution"))
    unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    about = dict(file.imagej_metadata or {})
    imagej = {k: v for k, v in about.items() if k in ("spacing", "unit", "yunit", "zunit")}
    pixels = None
    if file.is_ome and file.ome_metadata:
        every = ET.fromstring(file.ome_metadata).findall(".//{*}Image/{*}Pixels")
        pixels = every[min(image, len(every) - 1)] if every else None
    if pixels is None:
        scale = TiffScale((x, y), unit, imagej)
        spacing, word = _by_tags(scale, path)
        step = _length(about.get("finterval")) * (seconds_per_unit(about.get("tunit")) or 1.0)
        return Told(scale, spacing, word, _imagej_channels(about), step)
    ome = {
        key: value if key.endswith("Unit") else float(value)
        for key, value in pixels.attrib.items()
        if key.startswith("PhysicalSize")
    }
    scale = TiffScale((x, y), unit, imagej, ome)
    # a size without a unit is in micrometres, a step in seconds: so says the schema of OME
    step = _length(pixels.get("TimeIncrement"))
    step *= seconds_per_unit(pixels.get("TimeIncrementUnit", "s"))
    spacing, word = _by_ome(scale, path)
    return Told(scale, spacing, word, _ome_channels(pixels), step)


Spacing = tuple[float, float, float]


def _by_ome(scale: TiffScale, path: Path) -> tuple[Spacing, str]:
    """Return millimetres ``(z, y, x)``, and the unit."""
    sizes = [_length(scale.ome.get(f"PhysicalSize{a}")) for a in "ZYX"]
    if not any(sizes):
        return (1.0, 1.0, 1.0), PIXEL
    # an axis of no size has that of the columns, so that voxels are not drawn out
    sizes = [size or sizes[2] or 1.0 for size in sizes]
    words = [
        scale.ome.get(f"PhysicalSize{a}Unit", "µm" if f"PhysicalSize{a}" in scale.ome else None)
        for a in "ZYX"
    ]
    words = [words[2] if word is None else word for word in words]
    (z, y, x), word = factors_mm(words, path)
    return (z * sizes[0], y * sizes[1], x * sizes[2]), word


def _by_tags(scale: TiffScale, path: Path) -> tuple[Spacing, str]:
    """Return millimetres ``(z, y, x)``, and the unit; pixels without a known one count as 1 mm.

    ImageJ's word counts before the tag's; what it says of rows and planes counts for these alone.
    """
    tag = _TIFF_UNITS.get(scale.unit)
    word = scale.imagej.get("unit")
    x, y = (below / above if above and below else 1.0 for above, below in scale.resolution)
    if word is None and scale.unit == 2 and round(1 / x, 3) == _NOT_CALIBRATED:
        tag, x, y = None, 1.0, 1.0
    word = tag if word is None else word
    words = [scale.imagej.get("zunit", word), scale.imagej.get("yunit", word), word]
    (z_mm, y_mm, x_mm), name = factors_mm(words, path)
    depth = _length(scale.imagej.get("spacing"))
    z = depth * z_mm if depth else x * x_mm
    return (z, y * y_mm, x * x_mm), name


def _length(value: Any) -> float:
    """Return a length without its sign, as ImageJ takes it; 0 where there is none."""
    try:
        number = abs(float(value))
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _ome_channels(pixels: ET.Element) -> tuple[Channel, ...]:
    found = []
    for channel in pixels.findall("{*}Channel"):
        colour = ""
        if re.fullmatch(r"-?\d+", channel.get("Color", "")):
            colour = f"#{(int(channel.get('Color', '0')) >> 8) & 0xFFFFFF:06x}"
        found.append(Channel(channel.get("Name", ""), colour))
    return tuple(found)


def _imagej_channels(about: dict[str, Any]) -> tuple[Channel, ...]:
    """Return the limits and the brightest colours of ImageJ's channels."""
    ranges = tuple(about.get("Ranges") or ())
    pairs = list(zip(ranges[::2], ranges[1::2], strict=False))
    tables = [np.asarray(table) for table in about.get("LUTs") or ()]
    found = []
    for i in range(max(len(pairs), len(tables))):
        colour = ""
        if i < len(tables) and tables[i].shape == (3, 256):
            r, g, b = (int(n) for n in tables[i][:, -1])
            colour = f"#{r:02x}{g:02x}{b:02x}"
        low, high = pairs[i] if i < len(pairs) else (0, 0)
        found.append(Channel("", colour, (float(low), float(high)) if low < high else None))
    return tuple(found)


_MOST_TAGS = 4096
_SUB_IFDS = 330
_POINTER_BYTES = {4: 4, 13: 4, 16: 8, 18: 8}
_INDEX = "NDTiff.index"
_RATIOS = {5: 4096, 8: DEFLATE_RATIO, 32773: 128, 32946: DEFLATE_RATIO, 50013: DEFLATE_RATIO}
"""How many times smaller pixels may be: LZW (4,096 bytes by a code of 9 bits or more), Deflate,
PackBits (128 by two bytes). Of the other kinds no limit is known that says something."""

_SPARE_BYTES = 1 << 16
"""Pieces of noise grow when they are packed, by far less than this for each."""


def check_tiff(path: Path) -> None:
    """Ask for pages that do not follow each other in a circle, and members that may be read.

    Raises
    ------
    FileError
        If the pages never end, a file that is named lies elsewhere, or the reader hangs over it.
    """
    check_pages_end(path)
    with tifffile.TiffFile(path) as file:
        first: Any = file.pages.first
        if int(first.compression) == 1 and any(first.dataoffsets):
            check_size(path, packed_bytes(first))
        check_packed(first, path)
        for member in _members(file, path):
            if member.is_file() and member.name != path.name:
                check_pages_end(member)
    check_in_child("tiff", path)


def packed_bytes(page: Any) -> int:
    """Return the bytes of a page that is not compressed; values of 1 or 12 bits share some."""
    bits = page.bitspersample
    fewest = int(min(bits)) if isinstance(bits, tuple) else int(bits)
    return max(1, int(page.size) * fewest // 8)


def check_packed(page: Any, path: Path) -> None:
    """Ask for pieces that are neither too short nor too long for the pixels that they declare.

    Parameters
    ----------
    page : tifffile page
        The first of a series.
    path : Path

    Raises
    ------
    FileError
        If they are.
    """
    ratio = _RATIOS.get(int(page.compression))
    if ratio is None or not page.databytecounts:
        return
    check_size(path, packed_bytes(page), ratio, sum(page.databytecounts))
    piece = math.prod(page.chunks) * np.dtype(page.dtype or np.uint8).itemsize
    whole = max(piece, int(page.nbytes) // len(page.databytecounts))
    longest = max(page.databytecounts)
    if longest > 2 * whole + _SPARE_BYTES:
        raise FileError(
            f"file cannot be read: expected pieces of {whole} bytes, packed, got one of {longest} "
            f"in {str(path)!r}. Check that it is complete."
        )


def check_pages_end(path: Path) -> None:
    """Follow the pages, and the pages in pages, each of which may come once.

    Raises
    ------
    FileError
        If one comes twice.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return
        version = struct.unpack_from(order + "H", head, 2)[0]
        if version not in (42, 43) or (version == 43 and len(head) < 16):
            return
        is_big = version == 43
        first = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]
        waiting, seen = [first], set[int]()
        while waiting:
            at = waiting.pop()
            while at:
                if at in seen:
                    raise FileError(
                        "file cannot be read: expected pages one after another, got a circle of "
                        f"{len(seen)} in {str(path)!r}. Check that it is complete."
                    )
                seen.add(at)
                at, inner = _page(file, at, order, is_big=is_big)
                waiting += inner


def _page(file: BinaryIO, at: int, order: str, *, is_big: bool) -> tuple[int, list[int]]:
    """Return where the next page is, 0 if none can be, and where the pages in this one are."""
    count_form, pointer = ("Q", "Q") if is_big else ("H", "I")
    tag_size = 20 if is_big else 12
    try:
        file.seek(at)
        (count,) = struct.unpack(order + count_form, file.read(struct.calcsize(order + count_form)))
        if count > _MOST_TAGS:
            return 0, []
        tags = file.read(count * tag_size)
        (after,) = struct.unpack(order + pointer, file.read(struct.calcsize(order + pointer)))
        inner: list[int] = []
        for i in range(0, count * tag_size, tag_size):
            code, kind = struct.unpack_from(order + "HH", tags, i)
            if code == _SUB_IFDS:
                inner = _pointers(file, tags[i : i + tag_size], kind, order, is_big=is_big)
    except (struct.error, OSError, OverflowError, ValueError):
        return 0, []  # cut off: tifffile says so
    return after, inner


def _pointers(file: BinaryIO, tag: bytes, kind: int, order: str, *, is_big: bool) -> list[int]:
    size = _POINTER_BYTES.get(kind, 0)
    (count,) = struct.unpack_from(order + ("Q" if is_big else "I"), tag, 4)
    if not size or count > _MOST_TAGS:
        return []
    value_at = 12 if is_big else 8
    raw = tag[value_at:]
    if count * size > len(raw):
        file.seek(struct.unpack_from(order + ("Q" if is_big else "I"), tag, value_at)[0])
        raw = file.read(count * size)
    form = f"{order}{count}{'Q' if size == 8 else 'I'}"
    return [at for at in struct.unpack_from(form, raw) if at >= 8]


def _members(file: tifffile.TiffFile, path: Path) -> list[Path]:
    """Return the files from which tifffile would take pages of this one's series."""
    names: Counter[str] = Counter()
    if file.is_ome and file.ome_metadata:
        for element in ET.fromstring(file.ome_metadata).iter():
            names.update(
                element.attrib[k] for k in ("FileName", "MetadataFile") if k in element.attrib
            )
    if (path.parent / _INDEX).exists():
        index = data_file(path, _INDEX)
        names.update(str(entry[1]) for entry in tifffile.read_ndtiff_index(index))
    if "_MMStack" in path.name:
        names.update(p.name for p in path.parent.glob("*_MMStack*.tif"))
    check_count(path, len(names))
    return [data_file(path, name) for name in names]
