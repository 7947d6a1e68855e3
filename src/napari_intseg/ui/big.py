"""Arrays on disk for grids that do not fit in memory; they take no room before they are written."""

import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_intseg.core.segmenter import Array

LARGE_BYTES = 4 << 30
_CHUNK_PX = 256


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Return zeros for labels: numpy, or a zarr array on disk beyond 4 GB.

    The folder of the zarr array is deleted when nobody holds the array any more; without zarr a
    sparse file takes its place.

    Parameters
    ----------
    shape : tuple of int
        Of the grid; the last two axes lie in a plane.
    dtype : dtype
        Any.
    """
    if _bytes(shape, dtype) <= LARGE_BYTES:
        return np.zeros(shape, dtype)
    try:
        import zarr
    except ImportError:
        return marks(shape, dtype)
    folder = tempfile.TemporaryDirectory(prefix="napari-intseg-labels-")
    chunks = tuple(1 for _ in shape[:-2]) + tuple(min(_CHUNK_PX, n) for n in shape[-2:])
    array = zarr.create_array(
        str(Path(folder.name) / "labels.zarr"), shape=shape, dtype=np.dtype(dtype), chunks=chunks
    )
    weakref.finalize(array, folder.cleanup)
    return array


def marks(shape: tuple[int, ...], dtype: DTypeLike = bool) -> Array:
    """Return zeros that can be indexed in any way: in memory, or in a sparse file beyond 4 GB."""
    if _bytes(shape, dtype) <= LARGE_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="napari-intseg-") as file:
        return np.memmap(file, np.dtype(dtype), "w+", shape=shape)


def window_of(data: Any, where: tuple[int | slice, ...]) -> Array:
    """Return a part of any array; of numpy a view, of others only what is asked for is read."""
    return np.asarray(data[where])


def _bytes(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    return int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
