"""A volume with its geometry, read slice by slice and window by window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_intseg.core.affine import FloatMatrix, check_affine, from_spacing, spacing_of
from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError

# RGB, and RGB with transparency
_COLOUR_SIZES = (3, 4)


@dataclass(frozen=True, slots=True, order=True)
class Plane:
    """Where a slice is in a volume.

    Parameters
    ----------
    axis : int
        The spatial axis the plane is perpendicular to: 0, 1 or 2.
    index : int
        Position along that axis.
    """

    axis: int
    index: int

    def position(self, row: float, col: float) -> tuple[float, float, float]:
        """Return ``(plane, row, col)`` of the volume for a position on the slice."""
        rest = [row, col]
        rest.insert(self.axis, float(self.index))
        return rest[0], rest[1], rest[2]

    def on_slice(self, position: Sequence[float]) -> tuple[float, float]:
        """Return ``(row, col)`` on the slice of a position in the volume, dropping the axis."""
        rest = list(map(float, position))
        del rest[self.axis]
        return rest[0], rest[1]


class Volume:
    """An image or volume with its geometry; the array is never changed and stays lazy.

    Parameters
    ----------
    data : array-like
        2-D ``(row, col)``, 3-D ``(plane, row, col)``, or either with channels last. numpy, dask,
        zarr, or anything with `shape`, `dtype` and slicing. bool, integer or float.
    spacing : tuple of float, optional
        Millimetres between voxel centres, ``(z, y, x)`` or ``(y, x)``; 1 by default.
    affine : ndarray of float, shape (4, 4), optional
        Index ``(plane, row, col)`` to LPS millimetres; instead of `spacing`. For 2-D data the
        plane index is 0.
    channels : bool or "auto", default "auto"
        Whether the last axis holds channels. "auto": when it has 3 or 4 entries, is not the only
        axis too many, and is shorter than the others.

    Attributes
    ----------
    shape : tuple of int
        Of the spatial axes: ``(row, col)`` or ``(plane, row, col)``. Masks have this shape.
    ndim : int
        2 or 3, channels not counted.
    n_channels : int
        0 when there is no channel axis.

    Raises
    ------
    DataError
        If the array is empty, is not 2-D or 3-D (plus channels), holds complex numbers or text, or
        the spacing or affine does not fit.
    """

    def __init__(
        self,
        data: Any,
        *,
        spacing: tuple[float, ...] | None = None,
        affine: FloatMatrix | None = None,
        channels: bool | Literal["auto"] = "auto",
    ) -> None:
        if not hasattr(data, "shape") or not hasattr(data, "dtype"):
            # lists and tuples; arrays that say shape and dtype stay as they are, so that lazy ones
            # stay lazy
            data = np.asarray(data)
        shape = tuple(int(n) for n in data.shape)
        has_channels = _has_channels(shape) if channels == "auto" else bool(channels)
        self.data = data
        self.shape: tuple[int, ...] = shape[:-1] if has_channels else shape
        self.ndim = len(self.shape)
        self.n_channels: int = shape[-1] if has_channels else 0
        _check(shape, self.shape, np.dtype(data.dtype))
        if affine is not None:
            if spacing is not None:
                raise DataError(
                    "spacing and affine are both given: expected one, got both. "
                    "Leave out spacing; the affine holds it."
                )
            self.affine = check_affine(affine)
        else:
            self.affine = from_spacing(_check_spacing(spacing, len(self.shape)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    @property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres between voxel centres, one number an axis."""
        return spacing_of(self.affine)[-self.ndim :]

    def planes(self, axis: int) -> tuple[Plane, ...]:
        """Return all planes perpendicular to an axis; a 2-D image has one, on axis 0."""
        return tuple(Plane(axis, i) for i in range(self._length(axis)))

    def check_plane(self, plane: Plane) -> Plane:
        """Return the plane if it exists.

        Raises
        ------
        DataError
            If the axis or the index does not exist.
        """
        if plane.axis not in range(3 if self.ndim == 3 else 1):
            raise DataError(
                f"axis does not exist: expected 0{' to 2' if self.ndim == 3 else ''} for data of "
                f"shape {self.shape}, got {plane.axis!r}. Choose another axis."
            )
        # a rest: half a plane is none
        if not 0 <= plane.index < self._length(plane.axis) or plane.index % 1:
            raise DataError(
                f"plane does not exist: expected 0 to {self._length(plane.axis) - 1} on axis "
                f"{plane.axis} of data of shape {self.shape}, got {plane.index!r}. "
                "Choose a plane inside the data."
            )
        return plane

    def slice_shape(self, axis: int) -> tuple[int, int]:
        """Return ``(H, W)`` of the slices perpendicular to an axis."""
        if self.ndim == 2:
            return self.shape[0], self.shape[1]
        rest = list(self.shape)
        del rest[axis]
        return rest[0], rest[1]

    def slice_spacing(self, axis: int) -> tuple[float, float]:
        """Return millimetres between rows and between columns on slices of an axis."""
        if self.ndim == 2:
            return self.spacing[0], self.spacing[1]
        rest = [s for i, s in enumerate(self.spacing) if i != axis]
        return rest[0], rest[1]

    def take(
        self, plane: Plane, rows: slice = slice(None), cols: slice = slice(None), step: int = 1
    ) -> Array:
        """Read one slice, or a window of it.

        Parameters
        ----------
        plane : Plane
            Must exist.
        rows, cols : slice
            The window, in pixels of the slice; only it is read from lazy data. A step is obeyed.
        step : int, default 1
            Read every so many pixels (for statistics and overviews).

        Returns
        -------
        ndarray, shape (H, W) or (H, W, C)
            A copy, in the data's dtype.
        """
        index = self._index(
            self.check_plane(plane),
            slice(rows.start, rows.stop, (rows.step or 1) * step),
            slice(cols.start, cols.stop, (cols.step or 1) * step),
        )
        # a copy: whoever changes it does not change the volume, and lazy data is computed here
        return np.array(self.data[index])

    def put(self, target: Array, plane: Plane, image: Array) -> None:
        """Write a slice into an array of the volume's `shape`, in place."""
        target[self._index(self.check_plane(plane), slice(None), slice(None))] = image

    def of(self, array: Array, plane: Plane) -> Array:
        """Return the slice of another array of the volume's `shape`, as a view."""
        return array[self._index(self.check_plane(plane), slice(None), slice(None))]

    def _length(self, axis: int) -> int:
        return self.shape[axis] if self.ndim == 3 else 1

    def _index(self, plane: Plane, rows: slice, cols: slice) -> tuple[int | slice, ...]:
        index: list[int | slice] = [rows, cols]
        if self.ndim == 3:
            index.insert(plane.axis, plane.index)
        return tuple(index)


def _has_channels(shape: tuple[int, ...]) -> bool:
    if len(shape) not in (3, 4) or shape[-1] not in _COLOUR_SIZES:
        return False
    # of three axes, a stack of 3 or 4 narrow slices is not taken for colours
    return len(shape) == 4 or min(shape[:-1]) > shape[-1]


def _check(shape: tuple[int, ...], spatial: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(spatial) not in (2, 3):
        raise DataError(
            f"data has {len(shape)} axes: expected 2-D (row, col), 3-D (plane, row, col), or "
            f"either with channels last, got shape {shape}. Choose one time point or channel first."
        )
    if 0 in shape:
        raise DataError(
            f"data is empty: expected at least one pixel along each axis, got shape {shape}. "
            "Open another image."
        )
    if dtype.kind not in "buif":
        raise DataError(
            f"data is not numeric: expected bool, integer or float, got {dtype}. Convert it first."
        )


def _check_spacing(spacing: tuple[float, ...] | None, ndim: int) -> tuple[float, ...]:
    if spacing is None:
        return (1.0,) * ndim
    numbers = tuple(float(s) for s in spacing)
    if len(numbers) != ndim or not all(math.isfinite(s) and s > 0 for s in numbers):
        raise DataError(
            f"spacing does not fit: expected {ndim} positive numbers in mm in axis order, "
            f"got {spacing!r}. Give one for each axis of the data."
        )
    return numbers
