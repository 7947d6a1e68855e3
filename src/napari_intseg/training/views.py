"""One training view: an object, a window round it, warped and changed."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray, FloatArray
from napari_intseg.models.bundled import spread_narrow
from napari_intseg.training.augment import change_intensity
from napari_intseg.training.clicks import Truth, first_clicks, rough_mask
from napari_intseg.training.loss import IGNORED
from napari_intseg.training.sources import IGNORED_LABEL, Picture, Source

PASTED_SHARE = 0.2
"""Share of colour views that are put together from two pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingView:
    """What one example is.

    Parameters
    ----------
    image : ndarray of uint8, shape (size, size, 3)
    truth : ndarray of uint8, shape (size, size)
        1 object, 0 background, 255 ignored.
    clicks : ndarray of float32, shape (24, 3)
        Row, column, sign.
    prev : ndarray of float32, shape (size, size)
        Probability to start from, zero in nine of ten views.
    """

    image: NDArray[np.uint8]
    truth: Truth
    clicks: FloatArray
    prev: FloatArray


def draw_view(sources: list[Source], seed: int, index: int, size: int) -> TrainingView:
    """Return view number `index`, a pure function of the arguments.

    This is why training resumes exactly, with any number of workers: no generator's state has
    to survive.
    """
    rng = np.random.default_rng((seed, index))
    weights = np.array([source.weight for source in sources])
    source = sources[rng.choice(len(sources), p=weights / weights.sum())]
    for _ in range(4):
        image, truth = _draw_object(source, rng, size)
        if np.count_nonzero(truth == 1) >= 12:
            break
    if rng.random() < PASTED_SHARE and _is_colour(image):
        image, truth = _paste(image, truth, *_draw_object(source, rng, size), rng)
    values = change_intensity(spread_narrow(image), rng)
    prev = rough_mask(truth, rng) if rng.random() < 0.1 else np.zeros(truth.shape, np.float32)
    return TrainingView(
        np.asarray(np.rint(values * 255), np.uint8), truth, first_clicks(truth, rng), prev
    )


def _draw_object(source: Source, rng: Generator, size: int) -> tuple[FloatArray, Truth]:
    """Return an object of some picture in its surroundings, and its truth."""
    picture = source.pictures[rng.integers(len(source.pictures))]
    return _warp(picture, _choose_object(picture, rng), rng, size)


def _is_colour(image: FloatArray) -> bool:
    return not np.array_equal(image[..., 0], image[..., 1])


def _paste(
    image: FloatArray, truth: Truth, other: FloatArray, others: Truth, rng: Generator
) -> tuple[FloatArray, Truth]:
    """Return the object on the ground of another picture, or behind the other's object.

    Outlines drawn by people are coarse; that of a pasted object lies exactly where the image
    changes (Ghiasi et al., CVPR 2021, arXiv:2012.07177).
    """
    in_front = np.asarray(others == 1) if rng.random() < 0.4 else np.asarray(truth != 1)
    behind = np.where(in_front, 0, truth)
    if int((behind == 1).sum()) < max(12, int((truth == 1).sum()) // 4):
        return image, truth
    alpha = cv2.GaussianBlur(in_front.astype(np.float32), (0, 0), rng.uniform(0.4, 1.0))[..., None]
    return np.asarray(image * (1 - alpha) + other * alpha, np.float32), np.asarray(behind, np.uint8)


def _choose_object(picture: Picture, rng: Generator) -> BoolArray:
    share = np.sqrt(picture.areas)
    count = 1
    if len(picture.objects) > 1 and rng.random() < 0.08:
        count = int(rng.integers(2, min(4, len(picture.objects)) + 1))
    chosen = rng.choice(picture.objects, size=count, replace=False, p=share / share.sum())
    return np.asarray(np.isin(picture.labels, chosen), np.bool_)


def _window(mask: BoolArray, rng: Generator) -> tuple[float, float, float]:
    """Return centre row, centre column and side, between tight and the whole picture."""
    h, w = mask.shape
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    extent = max(rows[-1] - rows[0], cols[-1] - cols[0]) + 1.0
    tight, whole = max(1.3 * extent, 64.0), max(h, w) * 1.0
    kind = rng.random()
    if kind < 0.25 or tight >= whole:
        side = whole * rng.uniform(0.95, 1.1)
    elif kind < 0.3:
        side = max(extent * rng.uniform(0.6, 1.0), 48.0)
    else:
        side = float(np.exp(rng.uniform(np.log(tight), np.log(whole))))
    centre = []
    for first, last, n in ((rows[0], rows[-1], h), (cols[0], cols[-1], w)):
        room = max(side - (last - first + 1), 0) / 2
        at = (first + last) / 2 + rng.uniform(-room, room)
        low, high = side / 2 - 0.5, n - side / 2 - 0.5
        centre.append(float(np.clip(at, low, high)) if low < high else (n - 1) / 2)
    return centre[0], centre[1], side


def _warp(picture: Picture, mask: BoolArray, rng: Generator, size: int) -> tuple[FloatArray, Truth]:
    row, col, side = _window(mask, rng)
    angle = np.deg2rad(rng.uniform(-25, 25)) if rng.random() < 0.3 else 0.0
    angle += np.pi / 2 * rng.integers(4) if rng.random() < 0.25 else 0.0
    aspect = np.exp(rng.uniform(-0.15, 0.15, 2)) * np.array([1, 1 if rng.random() < 0.5 else -1])
    scale = size / side
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag(aspect[::-1]) @ turn * scale
    there = np.column_stack((matrix, (size - 1) / 2 - matrix @ np.array([col, row])))
    source = picture.image
    if scale < 0.6:  # the warp does not average: blur before shrinking
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5 / scale - 0.3), np.uint8)
    grey = float(source.mean()) if source.ndim == 2 else 127.0
    image = cv2.warpAffine(source, there, (size, size), borderValue=(grey,) * 3)
    target = mask.astype(np.uint8)
    target[picture.labels == IGNORED_LABEL] = IGNORED
    truth = cv2.warpAffine(
        target, there, (size, size), flags=cv2.INTER_NEAREST, borderValue=IGNORED
    )
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    return image.astype(np.float32) / np.float32(255), np.asarray(truth, np.uint8)
