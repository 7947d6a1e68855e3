"""PNG and JPEG: colours as red, green and blue; of masks with a palette the numbers themselves."""

from pathlib import Path

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.io.picture_check import opened_picture
from napari_intseg.io.raster import Raster
from napari_intseg.io.source import Source

_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTH_AT, _KIND_AT = 24, 25
_COLOURS = (2, 4, 6)  # of the kinds of PNG: RGB, grey with opacity, RGB with opacity


def read_picture(path: Path, *, indices: bool = False) -> Raster:
    """Read the first picture of a file.

    Parameters
    ----------
    path : Path
    indices : bool, default False
        Whether a picture with a palette is the numbers in it, as masks are stored (PASCAL VOC,
        DAVIS), not their colours.
    """
    data = picture_of(path, indices=indices)
    return Raster((data,), "yxs"[: data.ndim], Source(path, unit="pixel"))


def picture_of(path: Path, *, indices: bool = False) -> Array:
    """Return the pixels of the first picture of a file, ``(H, W)`` or ``(H, W, 3 or 4)``."""
    with opened_picture(path) as picture:
        if has_deep_colours(path):
            import imagecodecs

            # Pillow cuts colours of 16 bits to 8
            data = np.asarray(imagecodecs.png_decode(path.read_bytes()))
            return data[..., 0] if data.shape[-1] == 2 else data
        mode = picture.mode
        plain = {"LA": "L", "La": "L", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}
        if mode in ("P", "PA") and not indices:
            plain[mode] = "RGBA" if mode == "PA" or "transparency" in picture.info else "RGB"
        elif mode == "PA":
            return np.asarray(picture)[..., 0]
        return np.asarray(picture.convert(plain[mode]) if mode in plain else picture)


def has_deep_colours(path: Path) -> bool:
    """Return whether a file is a PNG of colours, or grey with opacity, of 16 bits each."""
    with path.open("rb") as file:
        head = file.read(_KIND_AT + 1)
    return head.startswith(_PNG) and head[_DEPTH_AT] == 16 and head[_KIND_AT] in _COLOURS
