"""Colours that published masks are painted in, and what they mean."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError

Colour = tuple[int, int, int]
IGNORE = 255
"""What pixels without a meaning become, as in the masks of mmsegmentation and its kin."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Classes by colour.

    Parameters
    ----------
    title : str
        Of the data set.
    classes : mapping of colour to str
        In the order of their numbers, from 1; a class called "background" is 0.
    ignored : tuple of colour
        Become `IGNORE`.
    """

    title: str
    classes: Mapping[Colour, str]
    ignored: tuple[Colour, ...] = ()

    @property
    def names(self) -> dict[int, str]:
        """Names of the numbers, background left out."""
        return {i: n for i, n in zip(self._numbers(), self.classes.values(), strict=True) if i}

    def _numbers(self) -> list[int]:
        has_background = "background" in self.classes.values()
        return [
            0 if name == "background" else i + (not has_background)
            for i, name in enumerate(self.classes.values())
        ]

    def numbers(self, colours: Array, where: object) -> NDArray[np.int64]:
        """Return the number of the class of each pixel.

        Parameters
        ----------
        colours : ndarray of uint8, shape (H, W, 3) or more
            Red, green, blue; opacity is left out.
        where : object
            The file, for the message.

        Raises
        ------
        DataError
            If a colour has no meaning.
        """
        keys = as_numbers(colours)
        table = dict(zip(map(number_of, self.classes), self._numbers(), strict=True))
        table |= {number_of(colour): IGNORE for colour in self.ignored}
        found, inverse = np.unique(keys, return_inverse=True)
        unknown = [key for key in found.tolist() if key not in table]
        if unknown:
            told = tuple(unknown[0] >> shift & 255 for shift in (16, 8, 0))
            raise DataError(
                f"colour has no meaning: expected those of {self.title}, got {told} in "
                f"{str(where)!r}. Save the mask without smoothing or compression that loses."
            )
        values = np.array([table[key] for key in found.tolist()], np.int64)
        return values[inverse].reshape(keys.shape)


def number_of(colour: Colour) -> int:
    """Return a colour as one number."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def as_numbers(colours: Array) -> NDArray[np.int64]:
    """Return colours (…, 3 or 4) as one number a pixel; grey (H, W) counts as equal parts."""
    if colours.ndim == 2:
        colours = np.repeat(colours[..., None], 3, axis=2)
    return np.asarray(colours[..., :3].astype(np.int64) @ np.array([65536, 256, 1]))


def find_palette(colours: Iterable[int]) -> str | None:
    """Return the first palette that has all of some colours, each as one number."""
    wanted = set(colours)
    for name, palette in PALETTES.items():
        known = {number_of(c) for c in (*palette.classes, *palette.ignored)}
        if wanted <= known:
            return name
    return None


def _voc(count: int) -> list[Colour]:
    """Return Pascal VOC's colours: bits of the number, spread over the channels from the top."""
    out = []
    for number in range(count):
        parts = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                parts[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        out.append((parts[0], parts[1], parts[2]))
    return out


_VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
VOC_NAMES = dict(enumerate(_VOC_NAMES))
"""Pascal VOC's classes by their numbers."""

PALETTES: dict[str, Palette] = {
    "isprs": Palette("ISPRS Vaihingen and Potsdam", {
        (255, 255, 255): "impervious surface", (0, 0, 255): "building",
        (0, 255, 255): "low vegetation", (0, 255, 0): "tree", (255, 255, 0): "car",
        (255, 0, 0): "clutter",
    }, ((0, 0, 0),)),
    "deepglobe-land": Palette("DeepGlobe land cover", {
        (0, 255, 255): "urban", (255, 255, 0): "agriculture", (255, 0, 255): "rangeland",
        (0, 255, 0): "forest", (0, 0, 255): "water", (255, 255, 255): "barren",
    }, ((0, 0, 0),)),
    "loveda": Palette("LoveDA", {
        (255, 255, 255): "ground", (255, 0, 0): "building", (255, 255, 0): "road",
        (0, 0, 255): "water", (159, 129, 183): "barren", (0, 255, 0): "forest",
        (255, 195, 128): "agricultural",
    }, ((0, 0, 0),)),
    "voc": Palette("Pascal VOC", dict(zip(_voc(21), _VOC_NAMES, strict=True)),
                   ((224, 224, 192),)),
    "cityscapes": Palette("Cityscapes", {
        (128, 64, 128): "road", (244, 35, 232): "sidewalk", (70, 70, 70): "building",
        (102, 102, 156): "wall", (190, 153, 153): "fence", (153, 153, 153): "pole",
        (250, 170, 30): "traffic light", (220, 220, 0): "traffic sign",
        (107, 142, 35): "vegetation", (152, 251, 152): "terrain", (70, 130, 180): "sky",
        (220, 20, 60): "person", (255, 0, 0): "rider", (0, 0, 142): "car", (0, 0, 70): "truck",
        (0, 60, 100): "bus", (0, 80, 100): "train", (0, 0, 230): "motorcycle",
        (119, 11, 32): "bicycle",
    }, ((0, 0, 0), (111, 74, 0), (81, 0, 81), (250, 170, 160), (230, 150, 140), (180, 165, 180),
        (150, 100, 100), (150, 120, 90), (0, 0, 90), (0, 0, 110))),
    "camvid": Palette("CamVid", {
        (128, 128, 128): "sky", (128, 0, 0): "building", (192, 192, 128): "pole",
        (128, 64, 128): "road", (60, 40, 222): "pavement", (128, 128, 0): "tree",
        (192, 128, 128): "sign", (64, 64, 128): "fence", (64, 0, 128): "car",
        (64, 64, 0): "pedestrian", (0, 128, 192): "bicyclist",
    }, ((0, 0, 0),)),
}  # fmt: skip
"""By name. Where masks do not say which they are of, the first that has all colours is taken."""
