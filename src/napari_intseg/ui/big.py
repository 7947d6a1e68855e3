"""Arrays for grids that do not fit in memory; on disk they take no room before they are written."""

import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_intseg.core.segmenter import Array

LARGE_BYTES = 4 << 30


def is_large(shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Whether an array has more than 4 GB, too much to be held in memory."""
    return int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize > LARGE_BYTES


def marks(shape: tuple[int, ...], dtype: DTypeLike = bool) -> Array:
    """Return zeros that can be indexed in any way: in memory, or in a sparse file beyond 4 GB.

    The file is temporary: it is gone with the array.
    """
    if not is_large(shape, dtype):
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="napari-intseg-") as file:
        return np.memmap(file, np.dtype(dtype), "w+", shape=shape)


def window_of(data: Any, where: tuple[int | slice, ...]) -> Array:
    """Return a part of any array; of numpy a view, of others only what is asked for is read."""
    return np.asarray(data[where])
