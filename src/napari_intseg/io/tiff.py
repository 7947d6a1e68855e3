"""TIFF, with the resolution that ImageJ, OME and plain files state."""

import logging
import xml.etree.ElementTree as ET
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
from napari_intseg.io.source import FileVolume, Source, TiffScale
from napari_intseg.io.times import check_time

_MM = {
    "nm": 1e-6, "µm": 1e-3, "μm": 1e-3, "um": 1e-3, "micron": 1e-3, "microns": 1e-3,
    "\\u00b5m": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3, "inch": 25.4, "in": 25.4,
}  # fmt: skip
_TIFF_UNITS = {2: 25.4, 3: 10.0}
_IMAGEJ_LIMIT_BYTES = 2**31


def read_tiff(path: Path, time: int | None) -> FileVolume:
    """Read the first series of a file, ``(plane, row, col)`` with channels last.

    Raises
    ------
    FileError
        If it has several time points and none is chosen, or more axes than a volume.
    """
    with _strict(), tifffile.TiffFile(path) as file:
        series = file.series[0]
        data, axes = np.asarray(series.asarray()), str(series.axes)
        scale = _read_scale(file)
        spacing = _spacing(scale)
    if "T" in axes:
        at = axes.index("T")
        data = data.take(check_time(time, data.shape[at], path), axis=at)
        axes = axes.replace("T", "")
    elif time is not None:
        check_time(time, 1, path)
    data, channels = _arrange(data, axes, path)
    ndim = data.ndim - channels
    affine = from_spacing(spacing if ndim == 3 else spacing[1:])
    return FileVolume(data, Source(path, tiff=scale), affine=affine, channels=channels)


def write_tiff(path: Path, labels: Array, like: Volume) -> None:
    """Write labels with the resolution of `like`: ImageJ's kind of TIFF, or OME's.

    OME is taken for a name ending in ``.ome.tif`` and for labels that ImageJ's kind cannot hold
    (more than 16 bits, more than 2 GiB).
    """
    scale = like.source.tiff if isinstance(like, FileVolume) else None
    axes = "ZYX"[-labels.ndim :]
    is_ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    if is_ome or labels.dtype.itemsize > 2 or labels.nbytes >= _IMAGEJ_LIMIT_BYTES:
        sizes = dict(scale.ome) if scale and scale.ome else _ome_sizes(like)
        tifffile.imwrite(path, labels, ome=True, metadata={"axes": axes, **sizes})
        return
    if scale and not scale.ome:
        metadata = {"axes": axes, **scale.imagej}
        tifffile.imwrite(
            path, labels, imagej=True, resolution=scale.resolution,
            resolutionunit=scale.unit, metadata=metadata,
        )  # fmt: skip
        return
    z, y, x = spacing_of(like.affine)
    tifffile.imwrite(
        path, labels, imagej=True, resolution=(1 / x, 1 / y),
        metadata={"axes": axes, "unit": "mm", **({"spacing": z} if labels.ndim == 3 else {})},
    )  # fmt: skip


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


def _arrange(data: Array, axes: str, path: Path) -> tuple[Array, bool]:
    """Return the data with channels last, and whether it has any."""
    for axis in "CS":
        if axis in axes and data.shape[axes.index(axis)] == 1:
            data, axes = data.squeeze(axes.index(axis)), axes.replace(axis, "")
    extra = [a for a in axes if a not in "YXCS"]
    alone = [a for a in extra if data.shape[axes.index(a)] == 1 and a != "Z"]
    for axis in alone:
        data, axes = data.squeeze(axes.index(axis)), axes.replace(axis, "")
    extra = [a for a in extra if a not in alone]
    colours = [a for a in axes if a in "CS"]
    if len(extra) > 1 or len(colours) > 1:
        raise FileError(
            "file has more axes than a volume: expected planes, rows, columns and channels, got "
            f"axes {axes} of shape {data.shape} in {str(path)!r}. Save one volume to its own file."
        )
    if colours:
        data = np.moveaxis(data, axes.index(colours[0]), -1)
    return data, bool(colours)


def _read_scale(file: tifffile.TiffFile) -> TiffScale:
    tags = file.pages.first.tags
    x, y = (tuple(tags[n].value) if n in tags else (1, 1) for n in ("XResolution", "YResolution"))
    unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    imagej = {k: v for k, v in (file.imagej_metadata or {}).items() if k in ("spacing", "unit")}
    ome: dict[str, Any] = {}
    if file.is_ome and file.ome_metadata:
        pixels = ET.fromstring(file.ome_metadata).find(".//{*}Pixels")
        ome = {
            key: value if key.endswith("Unit") else float(value)
            for key, value in (pixels.attrib if pixels is not None else {}).items()
            if key.startswith("PhysicalSize")
        }
    return TiffScale((x, y), unit, imagej, ome)


def _spacing(scale: TiffScale) -> tuple[float, float, float]:
    """Return millimetres ``(z, y, x)``; pixels without a known unit count as 1 mm."""
    if scale.ome:
        z, y, x = (
            float(scale.ome.get(f"PhysicalSize{a}", 1.0))
            * _MM.get(str(scale.ome.get(f"PhysicalSize{a}Unit", "µm")), 1.0)
            for a in "ZYX"
        )
        return z, y, x
    unit = _MM.get(str(scale.imagej.get("unit", "")), _TIFF_UNITS.get(scale.unit, 1.0))
    x, y = (unit * below / above if above else 1.0 for above, below in scale.resolution)
    z = float(scale.imagej.get("spacing", 0)) * unit
    return z if z > 0 else x, y, x


def _ome_sizes(like: Volume) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for axis, mm in zip("ZYX"[-like.ndim :], like.spacing, strict=True):
        sizes[f"PhysicalSize{axis}"] = mm
        sizes[f"PhysicalSize{axis}Unit"] = "mm"
    return sizes
