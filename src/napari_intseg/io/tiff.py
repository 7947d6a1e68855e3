"""TIFF, with the resolution that ImageJ, OME and plain files state."""

import io
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_intseg.core.affine import from_spacing, spacing_of
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.extra import lazy_extra
from napari_intseg.io.pieces import in_pieces
from napari_intseg.io.raster import Raster, known_axes, ordered
from napari_intseg.io.sizes import check_size
from napari_intseg.io.source import FileVolume, Source, TiffScale, check_perpendicular
from napari_intseg.io.tiff_scale import read_scale

LAZY_BYTES = 2**29
_IMAGEJ_LIMIT_BYTES = 2**31


def read_tiff(path: Path) -> Raster:
    """Read the first series of a file; one of more than `LAZY_BYTES` when it is indexed.

    Raises
    ------
    FileError
        If it has axes of unknown meaning, or is too short for what it declares.
    """
    with _strict(), tifffile.TiffFile(path) as file:
        series = file.series[0]
        keep = [i for i, a in enumerate(series.axes) if a in "TCZYXS" or series.shape[i] > 1]
        axes = known_axes([series.axes[i] for i in keep], series.shape, path)
        _check_pages(series, path)
        told = read_scale(file)
        if series.nbytes <= LAZY_BYTES:
            arrays = [np.asarray(level.asarray()) for level in series.levels]
        else:
            arrays = _lazy(path)
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
    content = io.BytesIO()  # numpy does not tell of the last bytes that do not reach a full disk
    small = labels.dtype in (np.uint8, np.uint16) and labels.nbytes < _IMAGEJ_LIMIT_BYTES
    if is_ome or not small or (colours and labels.dtype != np.uint8):
        sizes = dict(scale.ome) if scale and scale.ome else _ome_sizes(like)
        if time_step_s:
            sizes |= {"TimeIncrement": time_step_s, "TimeIncrementUnit": "s"}
        tifffile.imwrite(
            content, labels, ome=True, photometric="rgb" if colours else "minisblack",
            metadata={"axes": axes, **sizes},
        )  # fmt: skip
        path.write_bytes(content.getbuffer())
        return
    told, metadata = _imagej(like, scale)
    if time_step_s:
        metadata["finterval"] = time_step_s
    if colours:
        told["photometric"] = "rgb"
    tifffile.imwrite(content, labels, imagej=True, metadata={"axes": axes, **metadata}, **told)
    path.write_bytes(content.getbuffer())


def _imagej(like: Volume, scale: TiffScale | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tags and the words of ImageJ that tell sizes: those of the file if it has some."""
    if scale and not scale.ome:
        return {
            "resolution": scale.resolution, "resolutionunit": scale.unit,
        }, dict(scale.imagej)  # fmt: skip
    unit, (z, y, x) = _in_unit(like, spacing_of(like.affine))
    depth = {"spacing": z} if like.ndim == 3 else {}
    return {"resolution": (1 / x, 1 / y)}, {"unit": unit, **depth}


def _check_pages(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Ask for files that are as long as their first pages say."""
    size = path.stat().st_size
    for page in (p for p in (series.pages[0], series.pages[-1]) if p is not None):
        kept: Any = page.keyframe
        if math.prod(kept.chunked) > len(page.dataoffsets):
            raise FileError(
                f"file cannot be read: expected a place for each of {math.prod(kept.chunked)} "
                f"pieces, got {len(page.dataoffsets)} in {str(path)!r}. Check that it is complete."
            )
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > size:
            check_size(path, max(ends))
        if kept.compression == 1 and any(page.dataoffsets):
            check_size(path, int(kept.nbytes))
    if series.dataoffset is not None:
        check_size(path, int(series.dataoffset) + int(series.nbytes))


def _lazy(path: Path) -> list[Any]:
    """Return dask arrays, one a level, whose pieces are decoded when they are needed."""
    zarr = lazy_extra("zarr")
    series = tifffile.TiffFile(path).series[0]
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
