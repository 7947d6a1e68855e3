"""Answers kept small: a byte a pixel, deflated, with the mask exact to the pixel."""

import zlib

import numpy as np

from napari_intseg.core.segmenter import FloatArray, logit
from napari_intseg.inference.patch import Patch

_STEP = 0.125  # of logits; a probability is then right to 0.04 at worst
_MOST = 127


class Squeezed(Patch):
    """A patch whose logits are unpacked when they are asked for.

    They are rounded to eighths and cut at about 16; which pixels belong to the object is exact.

    Parameters
    ----------
    row0, col0, logits, shape
        As in `Patch`.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    """

    __slots__ = ("_middle", "_packed", "_size")

    _packed: bytes
    _size: tuple[int, int]
    _middle: np.float32

    def __init__(
        self,
        row0: int,
        col0: int,
        logits: FloatArray,
        shape: tuple[int, int],
        threshold: float = 0.5,
    ) -> None:
        middle = np.float32(logit(np.array(threshold, np.float32)))
        steps = np.clip(np.rint((logits - middle) / _STEP), -_MOST, _MOST)
        steps = np.where(logits > middle, np.maximum(steps, 1), np.minimum(steps, -1))
        packed = zlib.compress(steps.astype(np.int8).tobytes(), 1)
        size = int(logits.shape[0]), int(logits.shape[1])
        values = {"row0": row0, "col0": col0, "shape": shape}
        for name, value in {**values, "_packed": packed, "_size": size, "_middle": middle}.items():
            object.__setattr__(self, name, value)

    @property
    def logits(self) -> FloatArray:
        """Unpacked anew at each call, float32 (h, w)."""
        steps = np.frombuffer(zlib.decompress(self._packed), np.int8).reshape(self._size)
        return np.asarray(steps * np.float32(_STEP) + self._middle, np.float32)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the slice that the logits lie on; nothing is unpacked."""
        height, width = self._size
        return slice(self.row0, self.row0 + height), slice(self.col0, self.col0 + width)

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return len(self._packed)


def squeeze(patch: Patch, threshold: float = 0.5) -> Squeezed:
    """Return a patch packed."""
    if isinstance(patch, Squeezed):
        return patch
    return Squeezed(patch.row0, patch.col0, patch.logits, patch.shape, threshold)
