"""How published masks are written: colours and what they mean, run lengths, outlines of COCO."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, BoolArray
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
        # a dictionary for a few colours, and not for each pixel
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


MOST_PIXELS = 1 << 28
"""Of an image that a text file declares: twice those of the largest published photographs."""

# outlines are walked on a grid five times finer, as COCO's own rule has it
_FINER = 5
# steps on that grid round all outlines of an object: 1.7 million pixels of border. A text of 1 MB
# can ask for a thousand times that, each step some bytes of memory (not tuned)
_MOST_STEPS = 1 << 23

Ints = NDArray[np.int64]


def check_shape(shape: tuple[int, int], where: object) -> tuple[int, int]:
    """Return height and width as they are, if such an image can be.

    Raises
    ------
    DataError
        If a side is not positive or the image is too large.
    """
    height, width = shape
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise DataError(
            f"image cannot have this size: expected 1 to {MOST_PIXELS} pixels, got {shape} in "
            f"{str(where)!r}. Check the file."
        )
    return height, width


def from_pairs(text: str, shape: tuple[int, int]) -> BoolArray:
    """Read Kaggle's run lengths: ``start length start length …``, from 1, down the columns.

    Parameters
    ----------
    text : str
        Whole numbers with spaces between them; empty: no object.
    shape : (int, int)
        Of the image.

    Raises
    ------
    DataError
        If they are no such numbers, or lie outside.
    """
    size = shape[0] * shape[1]
    try:
        numbers = np.array([int(word) for word in text.split()], np.int64)
        first, length = numbers[::2] - 1, numbers[1::2]
        fits = len(first) == len(length) and bool(
            # both, since start + length could overflow where a length is huge
            ((first >= 0) & (length >= 0) & (length <= size) & (first <= size - length)).all()
        )
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        raise DataError(
            f"run lengths do not fit: expected pairs of start and length inside {shape}, got "
            f"{text[:40]!r}. Check that the image is the one they were made for."
        )
    # ends and starts are added up, so that runs may overlap
    steps = np.zeros(size + 1, np.int64)
    np.add.at(steps, first, 1)
    np.add.at(steps, first + length, -1)
    # down the columns, which is Fortran's order
    return np.asarray((np.cumsum(steps[:-1]) > 0).reshape(shape, order="F"))


def from_counts(counts: Sequence[int] | str, shape: tuple[int, int]) -> BoolArray:
    """Read COCO's run lengths: so many zeros, so many ones, …, down the columns.

    Parameters
    ----------
    counts : sequence of int or str
        Numbers, or COCO's compressed text of them.
    shape : (int, int)
        Of the image.

    Raises
    ------
    DataError
        If they do not add up to the image.
    """
    try:
        numbers = np.array(_unpacked(counts) if isinstance(counts, str) else counts, np.int64)
        fits = numbers.ndim == 1 and bool((numbers >= 0).all())
        # Python's sum does not overflow, as numpy's could with numbers made to
        fits = fits and sum(numbers.tolist()) == shape[0] * shape[1]
    except (ValueError, TypeError, OverflowError, IndexError):
        fits = False
    if not fits:
        raise DataError(
            f"run lengths do not fit: expected counts that add up to {shape}, got "
            f"{str(counts)[:40]!r}. Check the file."
        )
    ones = np.arange(len(numbers)) % 2 == 1
    return np.asarray(np.repeat(ones, numbers).reshape(shape, order="F"))


def _unpacked(text: str) -> list[int]:
    """Return COCO's compressed counts: five bits a letter; from the third on differences."""
    out: list[int] = []
    at = 0
    while at < len(text):
        value, shift, goes_on = 0, 0, True
        while goes_on:
            # letters begin at "0"; 32 says that more follows, 16 of the last one is the sign
            letter = ord(text[at]) - 48
            if not 0 <= letter < 64 or shift > 60:
                raise ValueError(text)
            value |= (letter & 31) << shift
            goes_on, at, shift = bool(letter & 32), at + 1, shift + 5
            if not goes_on and letter & 16:
                value -= 1 << shift
        # COCO writes runs from the third on as the difference to the one two before, which is
        # shorter
        out.append(value + out[-2] if len(out) > 2 else value)
    return out


def from_outline(points: Sequence[float], shape: tuple[int, int]) -> BoolArray:
    """Fill an outline by COCO's rule [1]_.

    The outline is walked in steps of a fifth of a pixel. Where it passes from one column to the
    next, what is below changes between outside and inside.

    Parameters
    ----------
    points : sequence of float
        ``x y x y …`` in pixels, the first corner not repeated; 0 is the image's edge.
    shape : (int, int)
        Of the image.

    Raises
    ------
    DataError
        If they are no such numbers, or wind on without end.

    References
    ----------
    .. [1] Lin, T.-Y. et al. "Microsoft COCO: Common Objects in Context", arXiv:1405.0312.
    """
    corners = _corners(points)
    _check_length([corners])
    return _filled(*corners, shape)


def _corners(points: Sequence[float]) -> tuple[Ints, Ints]:
    """Return the corners of an outline on the finer grid."""
    try:
        given = np.asarray(points, np.float64)
        fits = given.ndim == 1 and len(given) >= 6 and len(given) % 2 == 0
        # farther out the walk along an edge would take any amount of memory
        fits = fits and bool(np.isfinite(given).all()) and float(np.abs(given).max()) < 1e6
    except (ValueError, TypeError):
        fits = False
    if not fits:
        raise DataError(
            f"outline is none: expected at least three corners as x y x y …, got "
            f"{str(points)[:40]!r}. Check the file."
        )
    # rounds as C does when it casts to whole numbers, half away from zero for positive ones
    x, y = (np.trunc(_FINER * given[i::2] + 0.5).astype(np.int64) for i in (0, 1))
    return x, y


def _check_length(corners: Sequence[tuple[Ints, Ints]]) -> None:
    """Refuse outlines that are longer together than any object's."""
    steps = sum(
        int(np.maximum(*(np.abs(way - np.roll(way, -1)) + 1 for way in outline)).sum())
        for outline in corners
    )
    if steps > _MOST_STEPS:
        raise DataError(
            f"outlines are too long: expected at most {_MOST_STEPS // _FINER} pixels for an "
            f"object, got {steps // _FINER}. Check the file."
        )


def _filled(x: Ints, y: Ints, shape: tuple[int, int]) -> BoolArray:
    height, width = shape
    u, v = _walk(x, y)
    step = np.flatnonzero(u[1:] != u[:-1]) + 1
    column = (np.minimum(u[step], u[step - 1]) + 0.5) / _FINER - 0.5
    row = (np.minimum(v[step], v[step - 1]) + 0.5) / _FINER - 0.5
    # only crossings in the middle of a pixel's column count
    kept = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    rows = np.ceil(np.clip(row[kept], 0, height)).astype(np.int64)
    places = column[kept].astype(np.int64) * height + rows
    # one place more for crossings below the last row of the last column
    changes = np.bincount(places, minlength=height * width + 1)[: height * width]
    # an odd number of crossings above a pixel: inside
    return np.asarray((np.cumsum(changes) % 2 == 1).reshape(shape, order="F"))


def _walk(x: Ints, y: Ints) -> tuple[Ints, Ints]:
    """Return the points of a closed outline on the finer grid, edge after edge."""
    columns, rows = [], []
    for x0, y0, x1, y1 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        across, down = abs(x1 - x0), abs(y1 - y0)
        # the same edge gives the same points whichever way it is walked
        flip = (across >= down and x0 > x1) or (across < down and y0 > y1)
        (xs, ys), (xe, ye) = ((x1, y1), (x0, y0)) if flip else ((x0, y0), (x1, y1))
        t = np.arange(max(across, down) + 1)
        t = t[::-1] if flip else t
        if across >= down:
            slope = (ye - ys) / across if across else 0.0
            columns.append(t + xs)
            rows.append(np.trunc(ys + slope * t + 0.5).astype(np.int64))
        else:
            slope = (xe - xs) / down
            rows.append(t + ys)
            columns.append(np.trunc(xs + slope * t + 0.5).astype(np.int64))
    return np.concatenate(columns), np.concatenate(rows)


def read_segmentation(given: Any, shape: tuple[int, int]) -> BoolArray:
    """Read what stands under ``segmentation`` in a COCO annotation: outlines or run lengths.

    Raises
    ------
    DataError
        If it is neither.
    """
    if isinstance(given, dict) and "counts" in given:
        return from_counts(given["counts"], shape)
    if isinstance(given, list):
        # published files hold outlines of two corners: they cover nothing
        outlines = [one for one in given if not (isinstance(one, list) and len(one) < 6)]
        corners = [_corners(outline) for outline in outlines]
        _check_length(corners)
        mask = np.zeros(shape, bool)
        for x, y in corners:
            mask |= _filled(x, y, shape)
        return mask
    raise DataError(
        f"segmentation is of no known kind: expected outlines or run lengths, got "
        f"{str(given)[:40]!r}. Check the file."
    )
