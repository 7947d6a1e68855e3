"""Resolution, units, channels and time steps as TIFF, ImageJ and OME state them."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile

from napari_intseg.io.raster import Channel
from napari_intseg.io.source import TiffScale

_MM = {
    "nm": 1e-6, "µm": 1e-3, "μm": 1e-3, "um": 1e-3, "micron": 1e-3, "microns": 1e-3,
    "\\u00b5m": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3, "inch": 25.4, "in": 25.4,
}  # fmt: skip
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "µs": 1e-6}
_TIFF_UNITS = {2: 25.4, 3: 10.0}


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


def read_scale(file: tifffile.TiffFile) -> Told:
    """Return what a file tells; OME counts first, then ImageJ, then the plain tags."""
    tags = file.pages.first.tags
    x, y = (tuple(tags[n].value) if n in tags else (1, 1) for n in ("XResolution", "YResolution"))
    unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    about = dict(file.imagej_metadata or {})
    imagej = {k: v for k, v in about.items() if k in ("spacing", "unit")}
    pixels = None
    if file.is_ome and file.ome_metadata:
        pixels = ET.fromstring(file.ome_metadata).find(".//{*}Pixels")
    if pixels is None:
        scale = TiffScale((x, y), unit, imagej)
        step = _positive(about.get("finterval"))
        return Told(scale, _spacing(scale), _unit(scale), _imagej_channels(about), step)
    ome = {
        key: value if key.endswith("Unit") else float(value)
        for key, value in pixels.attrib.items()
        if key.startswith("PhysicalSize")
    }
    scale = TiffScale((x, y), unit, imagej, ome)
    step = _positive(pixels.get("TimeIncrement")) * _SECONDS.get(
        pixels.get("TimeIncrementUnit", "s"), 1.0
    )
    return Told(scale, _spacing(scale), _unit(scale), _ome_channels(pixels), step)


def _spacing(scale: TiffScale) -> tuple[float, float, float]:
    """Return millimetres ``(z, y, x)``; pixels without a known unit count as 1 mm."""
    if scale.ome:
        z, y, x = (
            (_positive(scale.ome.get(f"PhysicalSize{a}", 1.0)) or 1.0)
            * _MM.get(str(scale.ome.get(f"PhysicalSize{a}Unit", "µm")), 1.0)
            for a in "ZYX"
        )
        return z, y, x
    unit = _MM.get(str(scale.imagej.get("unit", "")), _TIFF_UNITS.get(scale.unit, 1.0))
    x, y = (unit * below / above if above and below else 1.0 for above, below in scale.resolution)
    z = _positive(scale.imagej.get("spacing")) * unit
    return z if z > 0 else x, y, x


def _unit(scale: TiffScale) -> str:
    """Return in which unit lengths are spoken of."""
    if scale.ome:
        mm = _MM.get(str(scale.ome.get("PhysicalSizeXUnit", "µm")))
    else:
        mm = _MM.get(str(scale.imagej.get("unit", "")), _TIFF_UNITS.get(scale.unit))
    if mm is None:
        return "pixel"
    return "µm" if mm < 1.0 else "mm"


def _positive(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


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
