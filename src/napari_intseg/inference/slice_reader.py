"""What a model gets to see of a volume: one slice, or neighbouring slices as channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class SliceReader:
    """Reads windows of one slice, and no more of lazy data than these.

    Parameters
    ----------
    volume : Volume
        Whose.
    plane : Plane
        Which.
    context : int, default 0
        With 1 or more, planes so far before and behind become the first and the last of three
        channels ("2.5-D"); beyond an end the last plane stands in. 0: the slice alone.
    """

    volume: Volume
    plane: Plane
    context: int = 0

    @property
    def factors(self) -> tuple[int, ...]:
        """Steps at which there is a coarser level to read from; 1 first. See `Pyramid`."""
        return tuple(getattr(self.volume.data, "factors", (1,)))

    def __call__(self, rows: slice, cols: slice) -> Array:
        """Return a window, shape (h, w) or (h, w, C); the slices may have a step."""
        if not self.context:
            return self.volume.take(self.plane, rows, cols)
        axis, last = self.plane.axis, self.volume.shape[self.plane.axis] - 1
        at = [self.plane.index + shift for shift in (-self.context, 0, self.context)]
        planes = [Plane(axis, min(max(index, 0), last)) for index in at]
        return np.stack([self.volume.take(plane, rows, cols) for plane in planes], axis=-1)


def check_context(volume: Volume, context: int) -> None:
    """Refuse neighbouring planes where there are none, or channels already.

    Raises
    ------
    DataError
        If the context is negative, or above 0 for a 2-D image or one with channels.
    """
    if context < 0 or (context and (volume.ndim != 3 or volume.n_channels)):
        raise DataError(
            "neighbouring planes cannot be shown: expected 0, or more in a grey volume, got "
            f"{context!r} for data of shape {volume.shape} with {volume.n_channels} channels. "
            "Set context to 0."
        )


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
            # centres of pixels, so that levels lie on each other without a shift
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
                # sizes of levels are rounded, so a factor of 2 may come as 2.01
                ratio <= max(1, abs(at.step or 1)) * 1.01
                for at, ratio in zip(given, ratios, strict=True)
                if isinstance(at, slice)
            )
            if fits:
                best = number
        return best
