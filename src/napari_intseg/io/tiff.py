"""TIFF, with the resolution that ImageJ, OME and plain files state."""

import io
import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_intseg.core.affine import from_spacing, spacing_of
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError, MissingExtraError
from napari_intseg.io.checks import check_size, lazy_extra
from napari_intseg.io.geo_tiff import geo_tags
from napari_intseg.io.pieces import in_pieces
from napari_intseg.io.raster import Raster, known_axes, ordered
from napari_intseg.io.source import FileVolume, Source, TiffScale, check_perpendicular
from napari_intseg.io.suffixes import remark
from napari_intseg.io.tiff_scale import check_packed, check_tiff, read_scale

LAZY_BYTES = 2**29
_IMAGEJ_LIMIT_BYTES = 2**31
_INKS = 4
_LISTED = 3
"""So many names are listed in what is told."""


def read_tiff(path: Path) -> Raster:
    """Read the largest image of a file; one of more than `LAZY_BYTES` when it is indexed.

    Colours by four inks (CMYK) become red, green and blue. The numbers of a palette are values.

    Warns
    -----
    FileWarning
        If there are other images in the file, pages are missing, or a unit is not known.

    Raises
    ------
    FileError
        If it has axes of unknown meaning, or is too short for what it declares.
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
        arrays = _arrays(series) if series.nbytes <= LAZY_BYTES else _lazy(path, number)
        arrays = _coloured(arrays, series)
    where = tuple(slice(None) if i in keep else 0 for i in range(len(series.axes)))
    levels = [ordered(array[where], axes) for array in arrays]
    return Raster(
        tuple(level for level, _ in levels),
        levels[0][1],
        Source(path, tiff=told.scale, unit=told.unit),
        affine=from_spacing(told.spacing if "z" in axes else told.spacing[1:]),
        channels=told.channels,
        time_step_s=told.time_step_s,
    )


def write_tiff(path: Path, labels: Array, like: Volume, time_step_s: float | None = None) -> None:
    """Write labels with the resolution of `like`: ImageJ's kind of TIFF, or OME's.

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
    content = io.BytesIO()  # numpy does not tell of the last bytes that do not reach a full disk
    small = labels.dtype in (np.uint8, np.uint16) and labels.nbytes < _IMAGEJ_LIMIT_BYTES
    if is_ome or not small or (colours and labels.dtype != np.uint8):
        sizes = dict(scale.ome) if scale and scale.ome else _ome_sizes(like)
        if time_step_s:
            sizes |= {"TimeIncrement": time_step_s, "TimeIncrementUnit": "s"}
        tifffile.imwrite(
            content, labels, ome=True, photometric="rgb" if colours else "minisblack",
            metadata={"axes": axes, **sizes}, extratags=placed,
        )  # fmt: skip
        path.write_bytes(content.getbuffer())
        return
    told, metadata = _imagej(like, scale)
    if time_step_s:
        metadata["finterval"] = time_step_s
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


def _coloured(arrays: list[Any], series: tifffile.TiffPageSeries) -> list[Any]:
    """Return the levels of an image with red, green and blue for inks."""
    if series.keyframe.photometric != tifffile.PHOTOMETRIC.SEPARATED or "S" not in series.axes:
        return arrays
    return [without_inks(array, series.axes.index("S")) for array in arrays]


def without_inks(array: Any, axis: int) -> Any:
    """Return red, green and blue of cyan, magenta, yellow and black; what is not inks as it is."""
    if array.shape[axis] < _INKS or array.dtype.kind != "u":
        return array
    most = float(np.iinfo(array.dtype).max)
    inks = np.moveaxis(array, axis, -1)[..., :_INKS].astype(np.float32) / most
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
    pages = [page for page in series.pages if page is not None]
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
        return "um", tuple(length * 1e3 for length in lengths_mm)
    return unit, lengths_mm


def _ome_sizes(like: Volume) -> dict[str, Any]:
    unit, lengths = _in_unit(like, like.spacing)
    sizes: dict[str, Any] = {}
    for axis, length in zip("ZYX"[-like.ndim :], lengths, strict=True):
        sizes[f"PhysicalSize{axis}"] = length
        sizes[f"PhysicalSize{axis}Unit"] = {"um": "µm"}.get(unit, unit)
    return sizes
