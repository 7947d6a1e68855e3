"""DICOM slices that are read when they are asked for."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.io.dicom.decoder import DecoderProcess
from napari_intseg.io.dicom.header import DicomFrame
from napari_intseg.io.dicom.pixels import damaged, decode
from napari_intseg.io.dicom.stored_values import real_plane, stored_type, type_ahead

LAZY_BYTES = 2**29
"""Series of more are read slice by slice; smaller ones at once, for every direction at hand."""

CACHE_BYTES = 2**28
_DEFLATED = "1.2.840.10008.1.2.1.99"


class LazySlices:
    """Real values of frames on one grid, as `read_pixels` gives them, read when they are indexed.

    Slices that were read last are kept, up to a limit. Several threads may read at once.

    Parameters
    ----------
    frames : sequence of DicomFrame
        In the order in which planes are wanted; those of several time points one after another.
    dtype : numpy dtype
        Of `type_ahead`.
    times : int, default 0
        How many time points there are; 0: there is no such axis.
    cache_bytes : int, optional
        How much is kept; `CACHE_BYTES` by default.
    """

    def __init__(
        self,
        frames: Sequence[DicomFrame],
        dtype: np.dtype[Any],
        *,
        times: int = 0,
        cache_bytes: int | None = None,
    ) -> None:
        self._frames = tuple(frames)
        header = self._frames[0].header
        self._plane_shape = (*header.shape, *((3,) if header.samples == 3 else ()))
        outer = (times, len(frames) // times) if times else (len(frames),)
        self._numbers = np.arange(len(frames)).reshape(outer)
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._cache_bytes = CACHE_BYTES if cache_bytes is None else cache_bytes
        self._lock = threading.Lock()
        self._decoder = DecoderProcess()
        weakref.finalize(self, self._decoder.close)
        self.shape: tuple[int, ...] = (*outer, *self._plane_shape)
        self.ndim = len(self.shape)
        self.dtype = dtype
        self.chunks = (*(1 for _ in outer), *self._plane_shape)

    def __getitem__(self, index: Any) -> Array:
        """Read with basic indices.

        Raises
        ------
        FileError
            If a slice that is needed is damaged or gone: the file and its place are named.
        """
        given = index if isinstance(index, tuple) else (index,)
        outer = self._numbers.ndim
        numbers = self._numbers[given[:outer]]
        inner = given[outer:]
        if numbers.ndim == 0:
            return np.array(self._plane(int(numbers))[inner])
        shape = np.broadcast_to(np.zeros((), self.dtype), self._plane_shape)[inner].shape
        out = np.empty((numbers.size, *shape), self.dtype)
        for i, number in enumerate(numbers.ravel()):
            out[i] = self._plane(int(number))[inner]
        return out.reshape((*numbers.shape, *shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it; called by numpy."""
        whole = self[()]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))

    def _plane(self, number: int) -> Array:
        with self._lock:
            if number not in self._kept:
                self._kept[number] = self._read(number)
            self._kept.move_to_end(number)
            plane = self._kept[number]
            while len(self._kept) > 1 and len(self._kept) * plane.nbytes > self._cache_bytes:
                self._kept.popitem(last=False)
        return plane

    def _read(self, number: int) -> Array:
        frame = self._frames[number]
        where = _place(frame, number % self._numbers.shape[-1])
        image = decode(frame.header, self._decoder, frame.number, where)
        plane = image[0 if len(image) == 1 else frame.number]
        fits = np.can_cast(plane.dtype, stored_type(frame.header))
        if plane.shape != self._plane_shape or not fits:
            raise damaged(frame.header, f"{where}an image of shape {plane.shape}, {plane.dtype}")
        return plane if plane.ndim == 3 else real_plane(plane, frame, self.dtype)


def lazy_slices(
    times: Sequence[Sequence[DicomFrame]], *, lazy: bool | None = None
) -> LazySlices | None:
    """Return planes that are read when they are asked for; None if they are to be read at once.

    Parameters
    ----------
    times : sequence of sequence of DicomFrame
        The planes of each time point; if there are several, the first axis is time.
    lazy : bool, optional
        By default, whether they take more than `LAZY_BYTES`. Where only the pixels tell what type
        they are of, they are read at once whatever is asked for: palettes, more than 16 bits.
    """
    frames = [frame for planes in times for frame in planes]
    header = frames[0].header
    size = len(frames) * header.shape[0] * header.shape[1] * header.samples * header.allocated // 8
    if not (size > LAZY_BYTES if lazy is None else lazy):
        return None
    several = {frame.header.syntax for frame in frames if frame.header.frames > 1}
    kind = None if several & {_DEFLATED, ""} else type_ahead(frames)
    count = len(times) if len(times) > 1 else 0
    return None if kind is None else LazySlices(frames, kind, times=count)


def _place(frame: DicomFrame, plane: int) -> str:
    if frame.position is None:
        return f"plane {plane}; "
    return f"plane {plane}, at {np.dot(frame.position, frame.normal):.2f} mm; "
