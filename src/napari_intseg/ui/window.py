"""Which values the model sees as black and white, given what is chosen and displayed."""

import numpy as np
from napari.layers import Image

from napari_intseg.inference.intensity import WindowChoice

AS_SHOWN = "as displayed"
"""The choice that follows the contrast limits of the image layer."""


def window_now(chosen: WindowChoice, image: Image | None, *, mixed: bool = False) -> WindowChoice:
    """Return the window to look through.

    Parameters
    ----------
    chosen : str or (low, high) or Window or None
        As `Session` takes it, or `AS_SHOWN`. None: 8-bit values as they are, others as displayed.
    image : Image or None
        What is looked at.
    mixed : bool, default False
        Whether other layers are mixed in, whose limits differ.
    """
    if chosen is None and image is not None and np.dtype(image.dtype).itemsize > 1:
        chosen = AS_SHOWN
    if chosen != AS_SHOWN:
        return chosen
    if image is None or image.rgb or mixed:
        return None
    low, high = (float(limit) for limit in image.contrast_limits)
    return (low, high) if low < high else None
