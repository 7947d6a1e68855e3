"""Units of length and time as files and viewers write them, and sizes in tags of makers."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.io.suffixes import remark

# those of the SI between femto and giga, short and long: images have no others
_PREFIXES = {
    "": 1.0, "k": 1e3, "h": 1e2, "da": 1e1, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6,
    "n": 1e-9, "p": 1e-12, "f": 1e-15, "M": 1e6, "G": 1e9,
}  # fmt: skip
_LONG_PREFIXES = {
    "": 1.0, "kilo": 1e3, "hecto": 1e2, "deca": 1e1, "deci": 1e-1, "centi": 1e-2, "milli": 1e-3,
    "micro": 1e-6, "nano": 1e-9, "pico": 1e-12, "femto": 1e-15, "mega": 1e6, "giga": 1e9,
}  # fmt: skip
# symbols in millimetres, those that OME lists included; case counts, since "Mm" is not "mm"
_SYMBOLS = {
    **{f"{prefix}m": 1e3 * size for prefix, size in _PREFIXES.items()},
    "Å": 1e-7, "in": 25.4, '"': 25.4, "ft": 304.8, "yd": 914.4, "mi": 1609344.0, "li": 25.4 / 12,
    "thou": 0.0254, "mil": 0.0254, "pt": 25.4 / 72,
}  # fmt: skip

# names in millimetres. A plural "s" is taken off before: "inche" is what is left of "inches".
_WORDS = {
    **{f"{p}{stem}": 1e3 * s for p, s in _LONG_PREFIXES.items() for stem in ("meter", "metre")},
    "micron": 1e-3, "mu": 1e-3, "u": 1e-3, "angstrom": 1e-7, "ångström": 1e-7, "angström": 1e-7,
    "inch": 25.4, "inche": 25.4, "foot": 304.8, "feet": 304.8, "yard": 914.4, "mile": 1609344.0,
    "point": 25.4 / 72,
}  # fmt: skip
# words by which a file says that it tells no length
_NONE = {
    "", "pixel", "pixels", "px", "pix", "voxel", "voxels", "reference frame", "arbitrary", "a.u.",
    "au", "none", "null", "unknown", "unitless", "dimensionless", "?", "???",
}  # fmt: skip

# names of times in seconds
_SECONDS = {
    "d": 86400.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "min": 60.0, "mins": 60.0, "s": 1.0,
    "sec": 1.0, "secs": 1.0, "msec": 1e-3, "usec": 1e-6, "ms": 1e-3, "us": 1e-6, "ns": 1e-9,
    "ps": 1e-12, "day": 86400.0, "hour": 3600.0, "minute": 60.0,
    **{f"{prefix}second": size for prefix, size in _LONG_PREFIXES.items()},
}  # fmt: skip
MICROMETRE, MILLIMETRE, PIXEL = "µm", "mm", "pixel"


def mm_per_unit(word: object) -> float | None:
    r"""Return how many millimetres a unit of length is; None if it is none, or not known.

    Parameters
    ----------
    word : object
        Symbols (``µm``, ``um``, ``Å``) and names, British or American, one or several
        (``micrometers``); also as ImageJ escapes them (``\u00B5m``). None counts as "".
    """
    text = _plain(word)
    name = text.casefold()
    for table, key in (
        # as written first, since case counts among symbols; then any case, then the plural
        (_SYMBOLS, text), (_SYMBOLS, name), (_WORDS, name), (_WORDS, name.removesuffix("s")),
    ):  # fmt: skip
        if key in table:
            return table[key]
    return None


def seconds_per_unit(word: object) -> float:
    """Return how many seconds a unit of time is; 0 if it is none, or not known."""
    name = _plain(word).casefold()
    return _SECONDS.get(name, _SECONDS.get(name.removesuffix("s"), 0.0))


def unit_of(mm: float | None) -> str:
    """Return in which unit lengths are spoken of that a file states in one of so many mm."""
    if mm is None:
        return PIXEL
    # sizes are spoken of in µm or mm alone: 2e-07 mm³ or 400,000 nm are hard to read
    return MICROMETRE if mm < 1.0 else MILLIMETRE


def factors_mm(words: Sequence[object], path: Path) -> tuple[tuple[float, ...], str]:
    """Return millimetres a unit for each axis, and the unit that lengths are spoken of in.

    An axis without a unit has that of the others; where none has one, lengths are pixels. Words
    that are not known, and units that are taken from other axes, are told.

    Parameters
    ----------
    words : sequence of object
        One an axis, as the file writes them; the last is that of columns.
    path : Path
        The file, for what is told.
    """
    found = [mm_per_unit(word) for word in words]
    known = [mm for mm in found if mm is not None]
    strange = sorted({str(w) for w, mm in zip(words, found, strict=True) if mm is None and _is(w)})
    taken = f"as {unit_of(known[-1])}" if known else "as pixels: the file tells no size that counts"
    if strange:
        quoted = ", ".join(map(repr, strange))
        remark(path, f"unit of length is not known: got {quoted}; lengths are taken {taken}")
    elif known and None in found:
        remark(path, f"some axes have no unit of length; their lengths are taken {taken}")
    if not known:
        return (1.0,) * len(found), PIXEL
    return tuple(known[-1] if mm is None else mm for mm in found), unit_of(known[-1])


def _is(word: object) -> bool:
    """Whether a word is there, and means more than that nothing is known."""
    return _plain(word).casefold() not in _NONE


def _plain(word: object) -> str:
    """Return a word in one spelling: any micro sign as "u", escapes and quotes undone."""
    text = "" if word is None else str(word).replace("\0", "")
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    # "Âµ" is the sign in UTF-8, read as Latin-1
    text = text.replace("Âµ", "µ").replace("Ã…", "Å").replace("&micro;", "µ")
    # of two micro signs and two of Ångström this makes one each
    text = unicodedata.normalize("NFKC", text).replace("μ", "u")
    bare = text.strip().strip("'\"").strip()
    return bare if bare else text.strip()


# how far the end of a text header is looked for: a header of NRRD or MetaImage has some kB, and
# files that have none must not be read whole. Not tuned.
HEADER_BYTES = 1 << 22
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUANTISED = re.compile(rb"(?im)^old ?(min|max):\s*(\S+)")
_DISTANCE = re.compile(rb"(?im)^\s*DistanceUnits\s*=\s*(\S+)")


@dataclass(frozen=True, slots=True)
class SpaceUnits:
    """Words for units, as they stand in the file.

    Parameters
    ----------
    space : tuple of str
        "space units": one for each direction of space (x, y, z).
    axes : tuple of str
        "units": one for each axis of the data (columns, rows, planes, time).
    """

    space: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "SpaceUnits":
        """Return the words of a ``.nrrd`` or ``.nhdr``; none where it tells none."""
        found: dict[str, tuple[str, ...]] = {}
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES).replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        for line in head.split(b"\n"):
            name, _, value = line.partition(b":")
            words = _WORD.findall(value.decode("utf-8", "replace"))
            found[name.strip().lower().decode("latin-1")] = tuple(words)
        return cls(found.get("space units", ()), found.get("units", ()))

    @property
    def step_s(self) -> float:
        """Seconds in the unit of a fourth axis; 0 if it is none or not told."""
        return seconds_per_unit(self.axes[3]) if len(self.axes) > 3 else 0.0


def scaled(
    affine: FloatMatrix, units: SpaceUnits, ndim: int, path: Path
) -> tuple[FloatMatrix, str] | None:
    """Return an affine in millimetres, and the unit; None where the file tells no unit.

    Parameters
    ----------
    affine : ndarray of float, shape (4, 4)
        Index ``(plane, row, col)`` to places in the file's own units.
    units : SpaceUnits
    ndim : int
        How many axes are spatial.
    path : Path
        The file, for what is told.
    """
    words: Sequence[str] = units.space or units.axes[:ndim]
    if len(words) < ndim or not any(word.strip() for word in words):
        return None
    # the last axis of the data, columns, lies along x
    factors, unit = factors_mm(tuple(words[:ndim])[::-1], path)
    out = affine.copy()
    out[:ndim] *= np.array(factors)[::-1, np.newaxis]
    return out, unit


def quantised(path: Path) -> str:
    """Return in words that the values of an NRRD stand for others; nothing if they do not."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES).replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    ends = {kind.lower(): value.decode("latin-1") for kind, value in _QUANTISED.findall(head)}
    if len(ends) < 2:
        return ""
    return (
        f"its values were {ends[b'min']} to {ends[b'max']} before they were made whole numbers, "
        "which is not undone, as by ITK; values are those that are stored"
    )


def metaimage_units(path: Path) -> SpaceUnits:
    """Return the word of a MetaImage's DistanceUnits; none where it tells none."""
    with path.open("rb") as file:
        # the name of the data is the last line of a header: pixels may follow it
        head = file.read(HEADER_BYTES).partition(b"ElementDataFile")[0]
    found = _DISTANCE.search(head)
    word = found[1].decode("latin-1") if found else "?"
    return SpaceUnits() if word == "?" else SpaceUnits((word,) * 3)


# tag of Micro-Manager, and its word for micrometres a pixel; those of Aperio's slide scanners
_CAMERA, _CAMERA_UM, _SCANNER_UM = 51123, "PixelSizeUm", re.compile(r"\bMPP\s*=\s*([\d.]+)")
_METRE_UM, _MM_UM = 1e6, 1e3
# whole numbers of TIFF have 32 bits
_LARGEST = 4_000_000_000


def sizes_of_makers(file: Any) -> tuple[float, float, float] | None:
    """Return micrometres ``(z, y, x)`` as makers of microscopes tell them in tags of their own.

    Parameters
    ----------
    file : tifffile.TiffFile
        Of Micro-Manager, Aperio, Zeiss (LSM, SEM), FEI, Olympus or TVIPS.

    Returns
    -------
    tuple of float or None
        0 where the distance of planes is not told; None where nothing is, or in an unknown unit.
    """
    page = file.pages.first
    camera = page.tags[_CAMERA].value if _CAMERA in page.tags else None
    found: Sequence[Any] = (0, 0, 0)
    if isinstance(camera, dict) and length(camera.get(_CAMERA_UM)):
        found = 0, camera[_CAMERA_UM], camera[_CAMERA_UM]
    elif file.is_svs and (words := _SCANNER_UM.search(page.description)):
        found = 0, words[1], words[1]
    elif file.is_lsm or file.is_fei or file.is_sis:
        found = [length(size) * _METRE_UM for size in _in_metres(file)]
    elif file.is_sem:
        named = (file.sem_metadata or {}).get("ap_image_pixel_size") or (0, 0, "")
        size = length(named[1]) * _MM_UM * (mm_per_unit(named[2]) or 0) if len(named) > 2 else 0
        found = 0, size, size
    elif file.is_tvips:
        # nanometres
        told = file.tvips_metadata or {}
        found = [0, *(length(told.get(f"PixelSize{axis}")) / _MM_UM for axis in "YX")]
    z, y, x = (length(size) for size in found)
    return (z, y, x) if x and y else None


def _in_metres(file: Any) -> tuple[Any, Any, Any]:
    if file.is_lsm:
        told = file.lsm_metadata or {}
        return told.get("VoxelSizeZ"), told.get("VoxelSizeY"), told.get("VoxelSizeX")
    if file.is_sis:
        told = file.sis_metadata or {}
        return 0, told.get("pixelsizey"), told.get("pixelsizex")
    # a section for each beam that can have scanned it
    parts = [(file.fei_metadata or {}).get(name) for name in ("Scan", "EScan", "IScan")]
    known = [part for part in parts if isinstance(part, dict) and length(part.get("PixelWidth"))]
    if not known:
        return 0, 0, 0
    return 0, known[0].get("PixelHeight", known[0]["PixelWidth"]), known[0]["PixelWidth"]


def length(value: Any) -> float:
    """Return a length without its sign, as ImageJ takes it; 0 where there is none."""
    try:
        number = abs(float(value))
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


_INCH_MM = 25.4
# pixels of microscopes are smaller, those of printers and scanners of paper larger: 1,270 an inch
_MOST_UM = 20.0
# what screens, cameras and printers write where nobody has measured anything goes up to this
_USUAL_DOTS = 300.0


def picture_size(dots: Any, path: Path) -> tuple[float, float] | None:
    """Return millimetres ``(y, x)`` a pixel of a picture that tells dots an inch.

    Parameters
    ----------
    dots : object
        Columns and rows an inch, as Pillow tells them of PNG, JPEG and BMP; anything else counts as
        nothing told.
    path : Path
        The file, for what is told.

    Returns
    -------
    (float, float) or None
        None where nothing is told, or the size of a print: programs state one where they know none.
    """
    x, y = map(length, dots) if isinstance(dots, tuple) and len(dots) == 2 else (0.0, 0.0)
    if not x or not y:
        return None
    size = _INCH_MM / y, _INCH_MM / x
    if max(size) <= _MOST_UM / _MM_UM:
        return size
    if max(x, y) > _USUAL_DOTS:
        remark(path, f"it tells {x:.6g} dots an inch, the size of a print; lengths are in pixels")
    return None


def resolution(um: float) -> tuple[int, int]:
    """Return pixels a micrometre as TIFF writes them, as two whole numbers."""
    size = Fraction(um).limit_denominator(max(1, int(min(_LARGEST, _LARGEST / um))))
    return size.denominator, size.numerator or 1
