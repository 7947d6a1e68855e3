"""What NRRD and MetaImage headers say of units, which ITK passes over."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.io.units import factors_mm, seconds_per_unit

HEADER_BYTES = 1 << 22
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
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


def metaimage_units(path: Path) -> SpaceUnits:
    """Return the word of a MetaImage's DistanceUnits; none where it tells none."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES).partition(b"ElementDataFile")[0]
    found = _DISTANCE.search(head)
    word = found[1].decode("latin-1") if found else "?"
    return SpaceUnits() if word == "?" else SpaceUnits((word,) * 3)
