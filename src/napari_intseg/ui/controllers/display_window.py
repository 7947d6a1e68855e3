"""Which values the model sees as black and white, given what is chosen and displayed."""

import numpy as np
from napari.layers import Image

from napari_intseg.core.volume import Volume
from napari_intseg.inference.intensity import WindowChoice, automatic_limits
from napari_intseg.io.hooks import AUTOMATIC

AS_SHOWN = "as displayed"
"""The choice that follows the contrast limits of the image layer."""


def window_now(chosen: WindowChoice, image: Image | None, *, mixed: bool = False) -> WindowChoice:
    """Return the window to look through.

    Parameters
    ----------
    chosen : str or (low, high) or Window or None
        As `Session` takes it, or `AS_SHOWN`. None: 8-bit values as they are, others as displayed
        if a person has set the limits, else automatic.
    image : Image or None
        What is looked at.
    mixed : bool, default False
        Whether other layers are mixed in, whose limits differ.
    """
    if chosen is None and image is not None and np.dtype(image.dtype).itemsize > 1:
        chosen = None if is_automatic(image) else AS_SHOWN
    if chosen != AS_SHOWN:
        return chosen
    if image is None or image.rgb or mixed:
        return None
    low, high = (float(limit) for limit in image.contrast_limits)
    return (low, high) if low < high else None


def is_automatic(image: Image) -> bool:
    """Whether nobody has set the contrast limits since they were found automatically."""
    limits = image.metadata.get(AUTOMATIC)
    return limits is not None and tuple(limits) == tuple(image.contrast_limits)


def show_automatic(image: Image, axes: str) -> None:
    """Show an image through the window that the model sees it through, unless limits were set.

    Limits that napari chose are those of the values themselves. Lazy data is left alone.
    """
    data = image.data
    if not isinstance(data, np.ndarray) or image.rgb or image.multiscale:
        return
    is_plain = axes in ("yx", "zyx") and data.dtype.kind in "iuf" and data.dtype.itemsize > 1
    if not is_plain or not data.size or is_automatic(image):
        return
    limits = tuple(float(limit) for limit in image.contrast_limits)
    if limits != (float(np.nanmin(data)), float(np.nanmax(data))):
        return
    low, high, _ = automatic_limits(Volume(data, channels=False))
    image.contrast_limits = low, high
    image.metadata[AUTOMATIC] = tuple(image.contrast_limits)
