"""TIFF, ImageJ, OME-TIFF: pixels, resolution, units, channels, time steps."""

import io
import logging
import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_intseg.core.affine import from_spacing, spacing_of
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io.child_process import check_in_child
from napari_intseg.io.file_checks import (
    DEFLATE_RATIO,
    check_count,
    check_pages_end,
    check_size,
    data_file,
    lazy_extra,
)
from napari_intseg.io.geo_tags import geo_tags
from napari_intseg.io.pictures import ORIENTATION, tell_turned
from napari_intseg.io.raster import (
    LABELS,
    MARK,
    Channel,
    Raster,
    are_labels,
    in_pieces,
    known_axes,
    ordered,
)
from napari_intseg.io.source import FileVolume, Source, TiffScale, check_perpendicular
from napari_intseg.io.suffixes import remark
from napari_intseg.io.units import (
    PIXEL,
    factors_mm,
    length,
    resolution,
    seconds_per_unit,
    sizes_of_makers,
)

# ResolutionUnit of TIFF 6.0, and two that others have added
_TIFF_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}
# of ImageJ's functions from stored to shown values
_STRAIGHT_LINE, _NO_FUNCTION = 0, 20
# dots per inch that programs state where nothing is known; ImageJ takes them for that, too
# (ij.io.TiffDecoder)
_NOT_CALIBRATED = 72


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
    channels, time_step_s, is_labels
        As `Raster` has them.
    """

    scale: TiffScale
    spacing: tuple[float, float, float]
    unit: str
    channels: tuple[Channel, ...] = ()
    time_step_s: float = 0.0
    is_labels: bool = False


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
    # what is written again with labels; the rest of ImageJ's words is about the image
    imagej = {k: v for k, v in about.items() if k in ("spacing", "unit", "yunit", "zunit")}
    pixels, described = None, None
    if file.is_ome and file.ome_metadata:
        images = ET.fromstring(file.ome_metadata).findall(".//{*}Image[{*}Pixels]")
        if images:
            pixels = images[min(image, len(images) - 1)].find("{*}Pixels")
            described = images[min(image, len(images) - 1)].findtext("{*}Description")
    if pixels is None:
        scale = TiffScale((x, y), unit, imagej)
        spacing, word = _by_tags(scale, path)
        # dots per inch are mostly those of a screen, where the maker tells a size as well
        if (word == PIXEL or "unit" not in imagej) and (sizes := sizes_of_makers(file)):
            # in words in which labels can tell it again
            depth = {"spacing": sizes[0]} if sizes[0] else {}
            words = {**imagej, "unit": "um", **depth}
            scale = TiffScale((resolution(sizes[2]), resolution(sizes[1])), 1, words)
            spacing, word = _by_tags(scale, path)
        if word != PIXEL and length(about.get("slices")) > 1 and not length(imagej.get("spacing")):
            remark(path, "its planes have no distance; the size of its columns is taken")
        # or images a second, for films
        step = length(about.get("finterval")) or 1.0 / (length(about.get("fps")) or math.inf)
        step *= seconds_per_unit(about.get("tunit")) or 1.0
        marked = are_labels(MARK, about.get(MARK))
        return Told(scale, spacing, word, _imagej_channels(about), step, marked)
    ome = {
        key: value if key.endswith("Unit") else length(value)
        for key, value in pixels.attrib.items()
        if key.startswith("PhysicalSize") and (key.endswith("Unit") or length(value))
    }
    scale = TiffScale((x, y), unit, imagej, ome)
    # a size without a unit is in micrometres, a step in seconds: so says the schema of OME
    step = length(pixels.get("TimeIncrement"))
    step *= seconds_per_unit(pixels.get("TimeIncrementUnit", "s"))
    spacing, word = _by_ome(scale, path)
    if word != PIXEL and length(pixels.get("SizeZ")) > 1 and not length(ome.get("PhysicalSizeZ")):
        remark(path, "its planes have no distance; the size of its columns is taken")
    if word != PIXEL and not all(length(ome.get(f"PhysicalSize{axis}")) for axis in "XY"):
        remark(path, "its rows or columns tell no size; that of the others is taken")
    marked = are_labels(*(described or "").partition("=")[::2])
    return Told(scale, spacing, word, _ome_channels(pixels), step, marked)


Spacing = tuple[float, float, float]


def _by_ome(scale: TiffScale, path: Path) -> tuple[Spacing, str]:
    """Return millimetres ``(z, y, x)``, and the unit."""
    sizes = [length(scale.ome.get(f"PhysicalSize{a}")) for a in "ZYX"]
    if not any(sizes):
        return (1.0, 1.0, 1.0), PIXEL
    # an axis of no size has that of the columns, so that voxels are not drawn out
    sizes = [size or sizes[2] or sizes[1] or 1.0 for size in sizes]
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
    # a pixel of 1/72 inch is no size that anyone measured, and neither is one of no resolution
    is_told = all(above and below for above, below in scale.resolution)
    is_told = is_told and not (scale.unit == 2 and round(1 / x, 3) == _NOT_CALIBRATED)
    if word is None and not is_told:
        tag, x, y = None, 1.0, 1.0
    word = tag if word is None else word
    if word is None:
        # a resolution without a unit tells the shape of pixels alone
        x, y = 1.0, y / x
    words = [scale.imagej.get("zunit", word), scale.imagej.get("yunit", word), word]
    (z_mm, y_mm, x_mm), name = factors_mm(words, path)
    depth = length(scale.imagej.get("spacing"))
    z = depth * z_mm if depth else x * x_mm
    return (z, y * y_mm, x * x_mm), name


def _real(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _ome_channels(pixels: ET.Element) -> tuple[Channel, ...]:
    found = []
    for channel in pixels.findall("{*}Channel"):
        colour = ""
        if re.fullmatch(r"-?\d+", channel.get("Color", "")):
            # OME keeps RGBA in one signed number, opacity last
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


_INDEX = "NDTiff.index"
# how many times smaller pixels may be: LZW (4,096 bytes by a code of 9 bits or more), Deflate,
# PackBits (128 by two bytes). Of the other kinds no limit is known that says something.
_RATIOS = {5: 4096, 8: DEFLATE_RATIO, 32773: 128, 32946: DEFLATE_RATIO, 50013: DEFLATE_RATIO}

# pieces of noise grow when they are packed, by far less than this for each
_SPARE_BYTES = 1 << 16


def check_tiff(path: Path) -> None:
    """Ask for pages that do not follow each other in a circle, and members that may be read.

    Raises
    ------
    FileError
        If the pages never end, a file that is named lies elsewhere, or the reader hangs over it.
    """
    # before tifffile opens it: it would follow a circle of pages for ever
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


# 512 MiB: smaller files are read at once, which is quicker for planes in every direction
LAZY_BYTES = 2**29
# ImageJ's kind of TIFF has offsets of 32 bits; up to 2 GiB they are safe with a sign, too
_IMAGEJ_LIMIT_BYTES = 2**31
# cyan, magenta, yellow, black
_INKS = 4
# of TIFF 6.0 and its supplements; tifffile gives their numbers as they are stored
_OTHER_COLOURS = {
    tifffile.PHOTOMETRIC.YCBCR: "YCbCr",
    tifffile.PHOTOMETRIC.CIELAB: "CIELab",
    tifffile.PHOTOMETRIC.ICCLAB: "ICCLab",
    tifffile.PHOTOMETRIC.ITULAB: "ITULab",
    tifffile.PHOTOMETRIC.LOGL: "LogL",
    tifffile.PHOTOMETRIC.LOGLUV: "LogLuv",
}
# JPEG and its kin as cameras and microscopes write them, and WebP: TIFF's numbers of compressions
_JPEGS = (6, 7, 22610, 33003, 33004, 33005, 33007, 34712, 34892, 34934, 50001, 50002)
# names that a message lists
_LISTED = 3


def read_tiff(path: Path) -> Raster:
    """Read the largest image of a file; one of more than `LAZY_BYTES` when it is indexed.

    Colours by four inks (CMYK) become red, green and blue. The numbers of a palette are values, and
    so are those where 0 is shown white (MinIsWhite): they are read as they are stored.

    Warns
    -----
    FileWarning
        If there are other images in the file, pages are missing, or a unit is not known.

    Raises
    ------
    FileError
        If it has axes of unknown meaning, or is too short for what it declares, or its colours are
        neither red, green and blue nor inks.
    MissingExtraError
        If what unpacks its pixels is not installed.
    """
    check_tiff(path)
    with _strict(), tifffile.TiffFile(path) as file:
        number = _chosen(file, path)
        series = file.series[number]
        keep = [i for i, a in enumerate(series.axes) if a in "TCZYXS" or series.shape[i] > 1]
        axes = known_axes([series.axes[i] for i in keep], series.shape, path)
        _check_pages(series, path)
        told = read_scale(file, path, number)
        _tell_unused(file, path)
        if series.keyframe.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            remark(path, "it is to be shown with 0 as white; its values are taken as stored")
        turned = series.keyframe.tags.get(ORIENTATION)
        tell_turned(path, None if turned is None else int(turned.value))
        arrays = _arrays(series) if series.nbytes <= LAZY_BYTES else _lazy(path, number)
        arrays = _coloured(arrays, series)
        if not told.is_labels:
            arrays = _calibrated(arrays, dict(file.imagej_metadata or {}), path)
    where = tuple(slice(None) if i in keep else 0 for i in range(len(series.axes)))
    levels = [ordered(array[where], axes) for array in arrays]
    return Raster(
        tuple(level for level, _ in levels),
        levels[0][1],
        Source(path, tiff=told.scale, unit=told.unit),
        affine=from_spacing(told.spacing if "z" in axes else told.spacing[1:]),
        channels=told.channels,
        time_step_s=told.time_step_s,
        is_labels=told.is_labels,
    )


def write_tiff(
    path: Path,
    labels: Array,
    like: Volume,
    time_step_s: float | None = None,
    *,
    is_labels: bool = True,
) -> None:
    """Write labels, or an image, with the resolution of `like`: ImageJ's kind of TIFF, or OME's.

    OME is taken for a name ending in ``.ome.tif`` and for what ImageJ's kind cannot hold (more
    than 16 bits, more than 2 GiB). A last axis that `like` does not have holds colours, the first
    one is time if a step is given, 0 if it is not known.

    Raises
    ------
    FileError
        If the axes of `like` are not perpendicular.
    """
    check_perpendicular(like.affine, like.ndim)
    scale = like.source.tiff if isinstance(like, FileVolume) else None
    timed = time_step_s is not None
    colours = labels.ndim - timed > like.ndim
    axes = "T" * timed + "ZYX"[-like.ndim :] + "S" * colours
    is_ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    placed = geo_tags(like.source.path) if isinstance(like, FileVolume) and like.ndim == 2 else ()
    # numpy does not tell of the last bytes that do not reach a full disk
    content = io.BytesIO()
    small = labels.dtype in (np.uint8, np.uint16) and labels.nbytes < _IMAGEJ_LIMIT_BYTES
    if is_ome or not small or (colours and labels.dtype != np.uint8):
        sizes = dict(scale.ome) if scale and scale.ome else _ome_sizes(like)
        if time_step_s:
            sizes |= {"TimeIncrement": time_step_s, "TimeIncrementUnit": "s"}
        if is_labels:
            sizes["Description"] = f"{MARK}={LABELS}"
        tifffile.imwrite(
            content, labels, ome=True, photometric="rgb" if colours else "minisblack",
            metadata={"axes": axes, **sizes}, extratags=placed,
        )  # fmt: skip
        path.write_bytes(content.getbuffer())
        return
    told, metadata = _imagej(like, scale)
    if time_step_s:
        metadata["finterval"] = time_step_s
    if is_labels:
        # a line of the description: ImageJ passes over those that it does not know
        metadata[MARK] = LABELS
    if colours:
        told["photometric"] = "rgb"
    tifffile.imwrite(
        content, labels, imagej=True, metadata={"axes": axes, **metadata}, extratags=placed, **told
    )
    path.write_bytes(content.getbuffer())


def _imagej(like: Volume, scale: TiffScale | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tags and the words of ImageJ that tell sizes: those of the file if it has some."""
    if scale and not scale.ome:
        words = {name: _escaped(value) for name, value in scale.imagej.items()}
        return {"resolution": scale.resolution, "resolutionunit": scale.unit}, words
    unit, (z, y, x) = _in_unit(like, spacing_of(like.affine))
    depth = {"spacing": z} if like.ndim == 3 else {}
    return {"resolution": (1 / x, 1 / y)}, {"unit": unit, **depth}


def _escaped(value: Any) -> Any:
    """Return a word in the letters that a TIFF's description can have, as ImageJ writes others."""
    if not isinstance(value, str):
        return value
    return "".join(c if c.isascii() else f"\\u{ord(c):04X}" for c in value)


def read_series(path: Path) -> Array:
    """Read the largest image of a file as it is stored, with the axes in the file's order.

    Raises
    ------
    FileError, MissingExtraError
        As for `read_tiff`; axes may be of any meaning.
    ValueError
        If tifffile finds the file damaged.
    """
    check_tiff(path)
    with _strict(), tifffile.TiffFile(path) as file:
        series = file.series[_chosen(file, path)]
        _check_pages(series, path)
        return np.asarray(_coloured(_arrays(series), series)[0])


def _check_colours(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Refuse colours that would be taken for red, green and blue."""
    kind, page = series.keyframe.photometric, series.keyframe
    # what is packed as JPEG comes out of the decoder as red, green and blue
    is_decoded = kind == tifffile.PHOTOMETRIC.YCBCR and int(page.compression) in _JPEGS
    if kind in _OTHER_COLOURS and not is_decoded:
        raise FileError(
            f"colours cannot be read: expected grey, RGB, CMYK, a palette or JPEG's own, got "
            f"{_OTHER_COLOURS[tifffile.PHOTOMETRIC(kind)]} in {str(path)!r}. Save it as RGB."
        )


def _coloured(arrays: list[Any], series: tifffile.TiffPageSeries) -> list[Any]:
    """Return the levels of an image with red, green and blue for inks."""
    if series.keyframe.photometric != tifffile.PHOTOMETRIC.SEPARATED or "S" not in series.axes:
        return arrays
    return [without_inks(array, series.axes.index("S")) for array in arrays]


def _calibrated(arrays: list[Any], about: Mapping[str, Any], path: Path) -> list[Any]:
    """Return the values that ImageJ shows for those that it stores.

    So it keeps 16 bits with a sign, such as Hounsfield units (`ij.measure.Calibration`).
    """
    function = about.get("cf", _NO_FUNCTION)
    if function == _NO_FUNCTION or arrays[0].dtype.kind != "u":
        return arrays
    first, by = (_real(about.get(name)) for name in ("c0", "c1"))
    if function != _STRAIGHT_LINE or not (math.isfinite(first) and by and math.isfinite(by)):
        remark(path, "ImageJ's calibration of its values is no straight line; they are as stored")
        return arrays
    ends = first, first + by * float(np.iinfo(arrays[0].dtype).max)
    kind: np.dtype[Any] = np.dtype(np.float32)
    if first.is_integer() and by.is_integer():
        for one in (np.int32, np.int16):
            if np.iinfo(one).min <= min(ends) and max(ends) <= np.iinfo(one).max:
                kind = np.dtype(one)
    return [(array.astype(np.float64) * by + first).astype(kind) for array in arrays]


def without_inks(array: Any, axis: int) -> Any:
    """Return red, green and blue of cyan, magenta, yellow and black; what is not inks as it is."""
    if array.shape[axis] < _INKS or array.dtype.kind != "u":
        return array
    most = float(np.iinfo(array.dtype).max)
    inks = np.moveaxis(array, axis, -1)[..., :_INKS].astype(np.float32) / most
    # the plain conversion without a colour profile
    light = (1.0 - inks[..., :3]) * (1.0 - inks[..., 3:])
    return np.moveaxis(np.round(light * most).astype(array.dtype), -1, axis)


def _chosen(file: tifffile.TiffFile, path: Path) -> int:
    """Return which image of a file is read: the largest, the first of several alike."""
    sizes = [math.prod(series.shape) for series in file.series]
    number = max(range(len(sizes)), key=lambda i: (sizes[i], -i))
    others = [series.shape for i, series in enumerate(file.series) if i != number]
    if others:
        shapes = ", ".join("x".join(map(str, shape)) for shape in others[:_LISTED])
        more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        remark(
            path,
            f"file holds {len(sizes)} images: number {number + 1}, the largest, is read, not those "
            f"of {shapes}{more}. Save them to files of their own to read them",
        )
    return number


def _arrays(series: tifffile.TiffPageSeries) -> list[Array]:
    try:
        return [np.asarray(level.asarray()) for level in series.levels]
    except (ValueError, ImportError) as err:
        if "imagecodecs" not in str(err):
            raise
        raise MissingExtraError(
            f"compressed TIFF needs imagecodecs: expected it to be installed, got {err}. Install "
            "it: pip install imagecodecs"
        ) from err


def _check_pages(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Ask for files that are as long as their first pages say, and tell of pages without pixels."""
    _check_colours(series, path)
    pages = [page for page in series.pages if page is not None]
    # a file that was cut off lacks its last page; to look at all of them is slow
    for page in (pages[0], pages[-1]):
        kept: Any = page.keyframe
        size = page.parent.filehandle.size
        if math.prod(kept.chunked) > len(page.dataoffsets):
            raise FileError(
                f"file cannot be read: expected a place for each of {math.prod(kept.chunked)} "
                f"pieces, got {len(page.dataoffsets)} in {str(path)!r}. Check that it is complete."
            )
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > size:
            check_size(path, max(ends), present=size)
        check_packed(kept, path)
        if kept.compression == 1 and any(page.dataoffsets):
            # several values may share a byte: masks of 1 bit, cameras of 12
            check_size(path, max(1, int(kept.size) * _bits(kept) // 8), present=size)
    if series.dataoffset is not None:
        bits = int(series.size) * _bits(series.keyframe)
        check_size(path, int(series.dataoffset) + bits // 8)
        return
    _check_count(series, pages, path)


def _bits(page: Any) -> int:
    """Return the bits of a value, the fewest where they differ."""
    bits = page.bitspersample
    return int(min(bits)) if isinstance(bits, tuple) else int(bits)


def _check_count(series: tifffile.TiffPageSeries, pages: list[Any], path: Path) -> None:
    wanted = math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1)
    if len(series.pages) < wanted:
        raise FileError(
            f"file cannot be read: expected {wanted} pages, got {len(series.pages)} in "
            f"{str(path)!r}. Check that it is complete."
        )
    lost = [number for number, page in enumerate(series.pages) if page is None]
    if lost:
        files = ", ".join(_absent(pages[0].parent, path)[:_LISTED])
        remark(
            path,
            f"{len(lost)} of {wanted} pages are missing and read as 0, the first is number "
            f"{lost[0]}{': there is no ' + files if files else ''}",
        )
    empty = sum(1 for page in pages if 0 in page.databytecounts)
    if empty:
        remark(path, f"{empty} of {wanted} pages lack pixels, which are read as 0")


def _tell_unused(file: tifffile.TiffFile, path: Path) -> None:
    """Tell of pages that belong to no image, by what ImageJ or OME say of them."""
    unused = len(file.pages) - sum(len(series.pages) for series in file.series)
    if unused > 0 and (file.is_imagej or file.is_ome):
        remark(path, f"{unused} of {len(file.pages)} pages belong to no image by its description")


def _absent(file: Any, path: Path) -> list[str]:
    """Return the files that OME's description names and that are not beside this one."""
    if not file.ome_metadata:
        return []
    found = re.findall(r'FileName="([^"]+)"', file.ome_metadata)
    return [name for name in dict.fromkeys(found) if not (path.parent / Path(name).name).exists()]


def _lazy(path: Path, number: int) -> list[Any]:
    """Return dask arrays, one a level, whose pieces are decoded when they are needed."""
    zarr = lazy_extra("zarr")
    series = tifffile.TiffFile(path).series[number]
    levels = range(len(series.levels))
    return [in_pieces(zarr.open_array(series.aszarr(level=n), mode="r"), path) for n in levels]


@contextmanager
def _strict() -> Iterator[None]:
    """Raise what tifffile only logs: a file that is cut off loses planes in silence otherwise."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger = logging.getLogger("tifffile")
    listener, propagate = Listener(logging.ERROR), logger.propagate
    logger.addHandler(listener)
    # what tifffile logs is raised below, once
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate
    if told:
        raise ValueError("; ".join(told))


def _in_unit(like: Volume, lengths_mm: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """Return the unit that an image is spoken of in, in ImageJ's words, and the lengths in it."""
    unit = like.source.unit if isinstance(like, FileVolume) else "mm"
    if unit == "µm":
        return "um", tuple(size * 1e3 for size in lengths_mm)
    return unit, lengths_mm


def _ome_sizes(like: Volume) -> dict[str, Any]:
    unit, lengths = _in_unit(like, like.spacing)
    sizes: dict[str, Any] = {}
    for axis, size in zip("ZYX"[-like.ndim :], lengths, strict=True):
        sizes[f"PhysicalSize{axis}"] = size
        sizes[f"PhysicalSize{axis}Unit"] = {"um": "µm"}.get(unit, unit)
    return sizes
