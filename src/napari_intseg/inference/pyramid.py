"""An image at several resolutions, read at the level that suits what is asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError


class Pyramid:
    """Looks like its finest level; what is read with a step comes from a coarser one.

    Parameters
    ----------
    levels : sequence of array-like
        The finest first; numpy, dask, zarr or alike, with the same axes. None is read before it
        is indexed.

    Attributes
    ----------
    shape, dtype, ndim
        Of the finest level.
    factors : tuple of int
        For each level, how many pixels of the finest lie along one of its own, 1 first.

    Raises
    ------
    DataError
        If there is no level, or one has other axes or is larger than the one before.
    """

    def __init__(self, levels: Sequence[Any]) -> None:
        if not levels or any(len(level.shape) != len(levels[0].shape) for level in levels):
            raise DataError(
                "levels do not fit each other: expected at least one, all with the same axes, got "
                f"shapes {[tuple(level.shape) for level in levels]!r}. Give the finest first."
            )
        self.levels = tuple(levels)
        self.shape = tuple(int(n) for n in levels[0].shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(levels[0].dtype)
        self._ratios = [
            tuple(n / max(1, int(m)) for n, m in zip(self.shape, level.shape, strict=True))
            for level in levels
        ]
        self.factors = tuple(max(1, round(max(ratios))) for ratios in self._ratios)
        sizes = [float(np.prod(ratios)) for ratios in self._ratios]
        if sizes != sorted(sizes):
            raise DataError(
                "levels are not in order: expected the finest first, got shapes "
                f"{[tuple(level.shape) for level in levels]!r}. Sort them by size."
            )

    def __getitem__(self, index: int | slice | tuple[int | slice, ...]) -> Array:
        """Read with basic indices, of the finest level; axes left out are read whole."""
        given = list(index) if isinstance(index, tuple) else [index]
        given += [slice(None)] * (self.ndim - len(given))
        level = self._level(given)
        if level == 0:
            return np.asarray(self.levels[0][tuple(given)])
        outer: list[int | slice] = []
        inner: list[Array] = []
        for at, size, ratio, length in zip(
            given, self.shape, self._ratios[level], self.levels[level].shape, strict=True
        ):
            if not isinstance(at, slice):
                outer.append(min(int((at + 0.5) / ratio), int(length) - 1))
                continue
            wanted = (np.arange(*at.indices(size)) + 0.5) / ratio
            places = np.minimum(wanted.astype(np.intp), int(length) - 1)
            first = int(places[0]) if places.size else 0
            outer.append(slice(first, int(places[-1]) + 1 if places.size else 0))
            inner.append(places - first)
        return np.asarray(self.levels[level][tuple(outer)])[np.ix_(*inner)]

    def _level(self, given: Sequence[int | slice]) -> int:
        """Return the coarsest level that has a pixel of its own for each that is asked for."""
        best = 0
        for number, ratios in enumerate(self._ratios):
            fits = all(
                ratio <= max(1, abs(at.step or 1)) * 1.01
                for at, ratio in zip(given, ratios, strict=True)
                if isinstance(at, slice)
            )
            if fits:
                best = number
        return best
