"""What a model gets to see of a volume: one slice, or neighbouring slices as channels."""

from dataclasses import dataclass

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
