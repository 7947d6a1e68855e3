"""Arrays on disk, read piece by piece when they are indexed."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError, IntSegError
from napari_intseg.io.checks import lazy_extra

# dask makes a task of each
_MOST_ALONG_AXIS = 1 << 20
_MOST_PIECES = 1 << 17
"""Of a dask array: its graph has an entry for each, and 10 million of them take a minute."""


class OnDisk:
    """An array whose damaged pieces are told in one clear error, whenever they are read.

    Parameters
    ----------
    array : zarr array or HDF5 dataset
    path : Path
        Where it is stored, for the message.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self._array, self._path = array, path
        self.shape: tuple[int, ...] = tuple(int(n) for n in array.shape)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks = array.chunks

    def __getitem__(self, index: Any) -> Array:
        """Read with basic indices.

        Raises
        ------
        FileError
            If a piece that is needed is damaged.
        """
        try:
            return np.asarray(self._array[index])
        except (IndexError, IntSegError):
            raise
        except Exception as err:
            # each codec has its own errors; all mean the same to a person
            reason = " ".join(str(err).split())[-300:] or type(err).__name__
            raise FileError(
                f"file cannot be read: expected pixels, got a damaged piece in {str(self._path)!r} "
                f"({reason}). Check that it is complete."
            ) from err

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it; called by numpy."""
        whole = self[()]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))


def in_pieces(array: Any, path: Path) -> Any:
    """Return a zarr array or HDF5 dataset as a dask array of the same pieces.

    Raises
    ------
    FileError
        If there are more pieces along an axis than any real image has: a size that lies.
    MissingExtraError
        If dask is not installed.
    """
    da = lazy_extra("dask.array")
    chunks = array.chunks
    if chunks is None:
        return da.from_array(OnDisk(array, path))
    counts = [n / max(1, size) for n, size in zip(array.shape, chunks, strict=True)]
    if max(counts) > _MOST_ALONG_AXIS:
        raise FileError(
            f"file cannot be read: expected an image, got shape {tuple(array.shape)} in pieces of "
            f"{tuple(chunks)} in {str(path)!r}. Check its metadata."
        )
    return da.from_array(OnDisk(array, path), chunks=_joined(array.shape, chunks))


def _joined(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Return pieces of several pieces each, columns and rows first, where there are too many."""
    sizes = [max(1, int(size)) for size in chunks]

    def counts() -> list[int]:
        return [-(-int(n) // size) for n, size in zip(shape, sizes, strict=True)]

    while math.prod(counts()) > _MOST_PIECES:
        divided = [axis for axis, count in enumerate(counts()) if count > 1]
        # rows and columns together: whoever looks at a plane needs all of them
        for axis in [a for a in divided if a >= len(sizes) - 2] or divided[-1:]:
            sizes[axis] *= 2
    return tuple(sizes)
