"""How an image is recognised: by its shape and values, not by its name."""

import hashlib
from typing import Any

import numpy as np

from napari_intseg.core.volume import Volume

_PLANES = 16
_PLANE_SIDE = 256


def image_signature(volume: Volume) -> dict[str, Any]:
    """Return what tells an image from others, as plain JSON.

    Of large data a sample is read, spread over all of it: at most 16 planes, and of each about
    256 by 256 pixels. So two images that differ only between the pixels of the sample look alike.

    Parameters
    ----------
    volume : Volume
        Lazy data is sampled too.

    Returns
    -------
    dict
        ``shape``, ``channels``, ``dtype``, ``spacing`` in mm, and ``sha256`` of the sample.
    """
    digest = hashlib.sha256()
    planes = volume.planes(0)
    chosen = np.unique(np.linspace(0, len(planes) - 1, _PLANES).round().astype(int))
    step = max(1, max(volume.slice_shape(0)) // _PLANE_SIDE)
    little = volume.dtype.newbyteorder("<")
    for index in chosen:
        values = volume.take(planes[index], step=step)
        digest.update(np.ascontiguousarray(values, little).tobytes())
    return {
        "shape": list(volume.shape),
        "channels": volume.n_channels,
        "dtype": volume.dtype.name,
        "spacing": [float(s) for s in volume.spacing],
        "sha256": digest.hexdigest(),
    }


def is_same_image(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two signatures are of the same values; spacing may differ."""
    names = ("shape", "channels", "dtype", "sha256")
    return all(one.get(name) == other.get(name) for name in names)
