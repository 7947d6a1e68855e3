"""One plane at all time points, as a volume whose first axis is time."""

from collections.abc import Callable

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume


class Frames:
    """An array of a plane's slices, time first; a slice is read when it is indexed.

    Parameters
    ----------
    volume_at : callable
        Returns the volume at a time point; all have the same shape and dtype.
    n_times : int
        How many there are.
    plane : Plane
        Which slice of each.
    """

    def __init__(self, volume_at: Callable[[int], Volume], n_times: int, plane: Plane) -> None:
        first = volume_at(0)
        self._volume_at, self._plane = volume_at, plane
        tail = (first.n_channels,) if first.n_channels else ()
        self.shape = (n_times, *first.slice_shape(plane.axis), *tail)
        self.ndim = len(self.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> Array:
        """Read with basic indices: a time point, rows and columns; channels are read whole."""
        time, rows, cols = index
        assert isinstance(rows, slice)
        assert isinstance(cols, slice)
        if isinstance(time, slice):
            times = range(*time.indices(self.shape[0]))
            return np.stack([self._read(one, rows, cols) for one in times])
        return self._read(int(time), rows, cols)

    def _read(self, time: int, rows: slice, cols: slice) -> Array:
        return self._volume_at(time).take(self._plane, rows, cols)


def as_volume(volume_at: Callable[[int], Volume], n_times: int, plane: Plane) -> Volume:
    """Return a plane through time as a volume; the spacing along time is 1, within as it is."""
    first = volume_at(0)
    data = Frames(volume_at, n_times, plane)
    spacing = (1.0, *first.slice_spacing(plane.axis))
    return Volume(data, spacing=spacing, channels=bool(first.n_channels))
