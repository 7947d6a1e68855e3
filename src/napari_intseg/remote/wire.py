"""Arrays as bytes to be sent, without loss: masks must not depend on where a model runs."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array, FloatArray
from napari_intseg.errors import DataError

_MOST_VALUES = 1 << 30  # four times the pixels of a view of 16,384, far above any model's
_LEVEL = 1  # of Zstandard: higher ones save 2 % of logits and take several times as long


@dataclass(frozen=True, slots=True, eq=False)
class PackedArray:
    """An array as compressed bytes.

    Parameters
    ----------
    content : bytes
        Zstandard, of the values with their first bytes first, then their second bytes, and so on.
    shape : tuple of int
    dtype : str
    """

    content: bytes
    shape: tuple[int, ...]
    dtype: str


def pack(array: Array) -> PackedArray:
    """Return an array of numbers as compressed bytes."""
    from imagecodecs import zstd_encode

    array = np.ascontiguousarray(array)
    planes = array.reshape(-1).view(np.uint8).reshape(-1, array.itemsize).T
    content = zstd_encode(np.ascontiguousarray(planes).tobytes(), level=_LEVEL)
    return PackedArray(bytes(content), array.shape, array.dtype.str)


def unpack(packed: PackedArray) -> Array:
    """Return the array of `pack`, bit by bit.

    Raises
    ------
    DataError
        If the bytes are not of an array of numbers of that shape and type.
    """
    from imagecodecs import zstd_decode

    try:
        kind = np.dtype(packed.dtype)
        count = math.prod(packed.shape)
        if kind.kind not in "buif" or min(packed.shape, default=1) < 0 or count > _MOST_VALUES:
            raise ValueError("no array of numbers")
        # no more is unpacked than there should be: a few bytes can claim to hold gigabytes
        planes = np.frombuffer(zstd_decode(packed.content, out=count * kind.itemsize + 1), np.uint8)
        planes = planes.reshape(kind.itemsize, count)
        return np.array(planes.T, order="C").reshape(-1).view(kind).reshape(packed.shape)
    except (ValueError, TypeError, RuntimeError, OverflowError) as err:
        raise DataError(
            f"message is damaged: expected an array of shape {packed.shape!r} and type "
            f"{packed.dtype!r}, got {len(packed.content)} bytes that hold none "
            f"({type(err).__name__}). Ask again."
        ) from err


def pack_image(image: FloatArray) -> PackedArray:
    """Return an image in [0, 1] as bytes: 8 bits a value where that is without loss."""
    bytes_ = np.rint(image * 255).astype(np.uint8)
    exact = bool((unpack_levels(bytes_) == image).all())
    return pack(bytes_ if exact else image)


def unpack_image(packed: PackedArray) -> FloatArray:
    """Return the image of `pack_image`, bit by bit."""
    found = unpack(packed)
    return unpack_levels(found) if found.dtype == np.uint8 else found


def unpack_levels(levels: Any) -> FloatArray:
    """Return 8-bit values as float32 in [0, 1]."""
    return np.asarray(levels, np.float32) / np.float32(255)
