"""Arrays as bytes to be sent, without loss: masks must not depend on where a model runs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array, FloatArray

_LEVEL = 1  # of Zstandard: higher ones save 2 % of logits and take several times as long


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
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


def pack(array: Array) -> Packed:
    """Return an array of numbers as compressed bytes."""
    from imagecodecs import zstd_encode

    array = np.ascontiguousarray(array)
    planes = array.reshape(-1).view(np.uint8).reshape(-1, array.itemsize).T
    content = zstd_encode(np.ascontiguousarray(planes).tobytes(), level=_LEVEL)
    return Packed(bytes(content), array.shape, array.dtype.str)


def unpack(packed: Packed) -> Array:
    """Return the array of `pack`, bit by bit."""
    from imagecodecs import zstd_decode

    kind = np.dtype(packed.dtype)
    planes = np.frombuffer(zstd_decode(packed.content), np.uint8).reshape(kind.itemsize, -1)
    return np.array(planes.T, order="C").reshape(-1).view(kind).reshape(packed.shape)


def pack_image(image: FloatArray) -> Packed:
    """Return an image in [0, 1] as bytes: 8 bits a value where that is without loss."""
    bytes_ = np.rint(image * 255).astype(np.uint8)
    exact = bool((unpack_levels(bytes_) == image).all())
    return pack(bytes_ if exact else image)


def unpack_image(packed: Packed) -> FloatArray:
    """Return the image of `pack_image`, bit by bit."""
    found = unpack(packed)
    return unpack_levels(found) if found.dtype == np.uint8 else found


def unpack_levels(levels: Any) -> FloatArray:
    """Return 8-bit values as float32 in [0, 1]."""
    return np.asarray(levels, np.float32) / np.float32(255)
