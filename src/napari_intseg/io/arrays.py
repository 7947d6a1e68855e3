"""Bare arrays, ``.npy``: no geometry, and axes that are guessed from their number."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.errors import DataError
from napari_intseg.io.checks import check_size
from napari_intseg.io.raster import Raster
from napari_intseg.io.source import Source

MAPPED_BYTES = 2**29


def read_npy(path: Path, *, timed: bool = False) -> Raster:
    """Read an array; one of more than `MAPPED_BYTES` is mapped, not read.

    Parameters
    ----------
    path : Path
        An ``.npy`` file, without pickled objects.
    timed : bool, default False
        Whether the first of three axes is time.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        headers: Any = np.lib.format
        read = headers.read_array_header_1_0 if version == (1, 0) else headers.read_array_header_2_0
        shape, _, dtype = read(file)
    if not dtype.hasobject:
        check_size(path, max(1, math.prod(shape) * dtype.itemsize))
        large = math.prod(shape) * dtype.itemsize > MAPPED_BYTES
    data = np.load(path, mmap_mode="r" if not dtype.hasobject and large else None)
    return Raster((data,), guessed_axes(data, timed=timed), Source(path, unit="pixel"))


def guessed_axes(data: Any, *, timed: bool = False) -> str:
    """Return what the axes of an array without names are: planes last of the unknown ones.

    Raises
    ------
    DataError
        If there are too few or too many.
    """
    shape = tuple(int(n) for n in data.shape)
    coloured = _is_coloured(shape)
    inner = len(shape) - coloured
    if inner not in (2, 3, 4, 5):
        raise DataError(
            "data cannot be an image: expected 2 to 5 axes (time, channel, plane, row, column), "
            f"got shape {shape}. Choose a part of it first."
        )
    axes = "tyx" if timed and inner == 3 else "tczyx" if inner == 5 else "tzyx"[-inner:]
    return axes + "s" * coloured


def _is_coloured(shape: tuple[int, ...]) -> bool:
    """Whether the last axis holds colours, as `Volume` supposes it."""
    if len(shape) < 3 or shape[-1] not in (3, 4):
        return False
    return len(shape) > 3 or min(shape[:-1]) > shape[-1]
