"""Arrays on disk as dask arrays, piece by piece."""

from pathlib import Path
from typing import Any

from napari_intseg.errors import FileError
from napari_intseg.io.extra import lazy_extra

_MOST_ALONG_AXIS = 1 << 20


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
        return da.from_array(array)
    counts = [n / max(1, size) for n, size in zip(array.shape, chunks, strict=True)]
    if max(counts) > _MOST_ALONG_AXIS:
        raise FileError(
            f"file cannot be read: expected an image, got shape {tuple(array.shape)} in pieces of "
            f"{tuple(chunks)} in {str(path)!r}. Check its metadata."
        )
    return da.from_array(array, chunks=chunks)
