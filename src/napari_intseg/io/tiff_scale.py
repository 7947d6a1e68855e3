"""Resolution, units, channels and time steps as TIFF, ImageJ and OME state them."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

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
