"""Masks kept small: a bit a pixel, deflated; and answers made ready to be kept."""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import ref

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.inference.patch import Patch, squeeze, trimmed

LIMIT_BYTES = 64 << 20
"""Of masks that are at hand unpacked, all sessions together."""


T = TypeVar("T")


class Bits:
    """A mask, packed.

    Parameters
    ----------
    mask : ndarray of bool
        Is copied.
    """

    __slots__ = ("__weakref__", "_packed", "shape")

    def __init__(self, mask: BoolArray) -> None:
        self.shape = mask.shape
        self._packed = zlib.compress(np.packbits(mask).tobytes(), 1)

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return len(self._packed)

    def unpacked(self) -> BoolArray:
        """Return the mask, read-only."""
        packed = np.frombuffer(zlib.decompress(self._packed), np.uint8)
        count = int(np.prod(self.shape))
        mask: BoolArray = np.unpackbits(packed, count=count).view(bool).reshape(self.shape)
        mask.flags.writeable = False
        return mask


class UnpackedCache:
    """Cache of the unpacked masks that were used last; safe with several threads.

    A mask goes with the last thing that holds it packed: a session that is closed leaves nothing.

    Parameters
    ----------
    limit_bytes : int
        For all together; the newest is kept whatever its size.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.nbytes = 0
        # garbage may be collected, and so masks forgotten, while this thread holds the lock
        self._lock = threading.RLock()
        self._masks: OrderedDict[ref[Bits], BoolArray] = OrderedDict()
        self._packed: dict[int, ref[Bits]] = {}

    def pack(self, mask: BoolArray) -> Bits:
        """Return a mask packed; one that came from here need not be packed again."""
        with self._lock:
            known = self._packed.get(id(mask))
            bits = None if known is None else known()
        return Bits(mask) if bits is None else bits

    def unpack(self, bits: Bits) -> BoolArray:
        """Return a mask, read-only; the same array as before as long as it is at hand."""
        key = ref(bits, self._forget)
        with self._lock:
            mask = self._masks.get(key)
            if mask is not None:
                self._masks.move_to_end(key)
                return mask
            mask = self._masks[key] = bits.unpacked()
            self._packed[id(mask)] = key
            self.nbytes += mask.nbytes
            while self.nbytes > self.limit_bytes and len(self._masks) > 1:
                self._forget(next(iter(self._masks)))
            return mask

    def _forget(self, key: "ref[Bits]") -> None:
        with self._lock:
            mask = self._masks.pop(key, None)
            if mask is not None:
                del self._packed[id(mask)]
                self.nbytes -= mask.nbytes


_unpacked = UnpackedCache()  # one for all: what is in it can be unpacked anew at any time


def packed(*names: str) -> Callable[[type[T]], type[T]]:
    """Have fields of a frozen dataclass take and give masks, and keep them packed.

    Parameters
    ----------
    *names : str
        Of the fields. The class must not have slots.
    """

    def changed(owner: type[T]) -> type[T]:
        for name in names:
            setattr(owner, name, _Field(name))
        return owner

    return changed


class _Field:
    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, one: Any, owner: type | None = None) -> BoolArray:
        return _unpacked.unpack(one.__dict__[self._name])

    def __set__(self, one: Any, mask: BoolArray) -> None:
        one.__dict__[self._name] = _unpacked.pack(mask)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """The part of an answer that the history keeps.

    Parameters
    ----------
    patch : Patch
        Its logits near the mask, packed.
    inside : ndarray of bool
        Its mask, on the patch's rectangle.
    """

    patch: Patch
    inside: BoolArray


def pack(patch: Patch, threshold: float) -> Packed:
    """Return what is kept of an answer, the same for the same answer; see `Traits.threshold`.

    It takes tens of milliseconds on a large slice, so a window has it done in another thread.
    """
    kept = squeeze(trimmed(patch, threshold), threshold)
    return Packed(kept, kept.inside(threshold))
