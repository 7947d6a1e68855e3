"""Arrays that are read only when they are indexed, with axes fixed, moved or stacked."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array


class Lazy:
    """An array seen with some axes fixed, moved, or several arrays stacked; read when indexed.

    Parameters
    ----------
    parts : sequence of array-like
        numpy, dask, zarr or alike, all of one shape.
    fixed : dict of int to int
        Position along axes that are not seen.
    channel : int or None
        The axis that is seen last; with several parts they are the last axis instead.
    """

    def __init__(
        self, parts: Sequence[Any], fixed: dict[int, int] | None = None, channel: int | None = None
    ) -> None:
        self._parts = tuple(parts)
        self._fixed = dict(fixed or {})
        self._channel = channel
        whole = tuple(int(n) for n in parts[0].shape)
        self._seen = [a for a in range(len(whole)) if a not in self._fixed and a != channel]
        last = (len(parts),) if len(parts) > 1 else () if channel is None else (whole[channel],)
        self.shape = (*(whole[a] for a in self._seen), *last)
        self.ndim = len(self.shape)
        self.dtype = np.result_type(*(p.dtype for p in parts))

    @property
    def factors(self) -> tuple[int, ...]:
        """Steps at which the parts have a coarser level to read from; 1 first."""
        return tuple(getattr(self._parts[0], "factors", (1,)))

    def __getitem__(self, index: int | slice | tuple[int | slice, ...]) -> Array:
        """Read with basic indices; axes left out are read whole."""
        given = list(index) if isinstance(index, tuple) else [index]
        given += [slice(None)] * (self.ndim - len(given))
        outer: list[int | slice] = [slice(None)] * (len(self._seen) + len(self._fixed))
        if self._channel is not None:
            outer.append(slice(None))
            outer[self._channel] = given[-1]
        for axis, position in self._fixed.items():
            outer[axis] = position
        for axis, at in zip(self._seen, given, strict=False):
            outer[axis] = at
        if len(self._parts) > 1:
            chosen = np.arange(len(self._parts))[given[-1]]
            read = [np.asarray(self._parts[i][tuple(outer)]) for i in np.atleast_1d(chosen)]
            return read[0] if np.ndim(chosen) == 0 else np.stack(read, axis=-1)
        out = np.asarray(self._parts[0][tuple(outer)])
        if self._channel is None or not isinstance(outer[self._channel], slice):
            return out
        before = sum(isinstance(outer[a], slice) for a in range(self._channel))
        return np.moveaxis(out, before, -1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it; called by numpy."""
        whole = self[()]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))
