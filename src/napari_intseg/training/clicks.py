"""Clicks as a person would make them, on views of known truth."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray, FloatArray

MAX_CLICKS = 24
"""Rows of a click table; the rest of it is zero, which means no click."""

Truth = NDArray[np.uint8]


def depth(region: BoolArray) -> FloatArray:
    """Return the distance to the outside of a region (H, W); beyond the view is outside."""
    padded = np.pad(region.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)


def _pick(where: BoolArray, rng: Generator) -> tuple[int, int] | None:
    at = np.flatnonzero(where)
    if not at.size:
        return None
    row, col = divmod(int(at[rng.integers(at.size)]), where.shape[1])
    return row, col


def first_clicks(truth: Truth, rng: Generator) -> FloatArray:
    """Return a table (24, 3) of row, column, sign with the clicks a view starts with.

    Most views start with one click well inside the object. Every fourth starts with several of
    both signs, as in the middle of a person's work.
    """
    table = np.zeros((MAX_CLICKS, 3), np.float32)
    inside = depth(truth == 1)
    deepest = inside.max()
    found = []
    share = 0.8 if rng.random() < 0.7 else 0.25
    found.append((_pick((inside >= share * deepest) & (inside > 0), rng), 1.0))
    if rng.random() < 0.25:
        far = cv2.distanceTransform((truth != 1).astype(np.uint8), cv2.DIST_L2, 3)
        ring = (truth == 0) & (far > 3) & (far < 3 + 0.5 * deepest + 10)
        well = (inside >= 0.2 * deepest) & (inside > 0)
        found += [(_pick(well, rng), 1.0) for _ in range(rng.integers(0, 5))]
        for _ in range(rng.integers(0, 5)):
            found.append((_pick(ring if rng.random() < 0.7 else truth == 0, rng), -1.0))
    rows = [(*at, sign) for at, sign in found if at is not None]
    if rows:
        table[: len(rows)] = rows
    return table


def next_click(prob: FloatArray, truth: Truth, rng: Generator) -> tuple[int, int, float] | None:
    """Return a click on the deepest error of an answer, somewhat off its centre, or None.

    Parameters
    ----------
    prob : ndarray of float32, shape (H, W)
        The answer's probability.
    truth : ndarray of uint8, shape (H, W)
        1 object, 0 background, 255 ignored.
    rng : Generator
        Chooses among the pixels at least half as deep as the deepest.
    """
    mask = prob > 0.5
    missed, extra = depth((truth == 1) & ~mask), depth((truth == 0) & mask)
    positive = bool(missed.max() > extra.max())
    depths = missed if positive else extra
    deepest = float(depths.max())
    if deepest <= 0:
        return None
    share = 0.5 if rng.random() < 0.5 else 0.9
    at = _pick(depths >= share * deepest, rng)
    assert at is not None
    return (*at, 1.0 if positive else -1.0)


def add_clicks(table: FloatArray, prob: FloatArray, truth: Truth, rng: Generator) -> FloatArray:
    """Return the click tables (B, 24, 3) with one more click each; a full table stays.

    `prob` and `truth` have shape (B, H, W).
    """
    out = table.copy()
    for one, answer, right in zip(out, prob, truth, strict=True):
        free = np.flatnonzero(one[:, 2] == 0)
        click = next_click(answer, right, rng)
        if click is not None and free.size:
            one[free[0]] = click
    return out


def rough_mask(truth: Truth, rng: Generator) -> FloatArray:
    """Return a damaged copy of the object (H, W), as a neighbouring slice gives it."""
    mask = (truth == 1).astype(np.uint8)
    reach = max(1, round(float(np.sqrt(mask.sum())) * rng.uniform(0.02, 0.15)))
    shift = rng.integers(-reach, reach + 1, size=2)
    mask = np.roll(mask, tuple(shift), (0, 1))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = cv2.dilate(mask, kernel) if rng.random() < 0.5 else cv2.erode(mask, kernel)
    if rng.random() < 0.5:
        row, col = (int(rng.integers(0, n)) for n in mask.shape)
        cv2.circle(mask, (col, row), 2 * reach + 3, int(rng.integers(0, 2)), -1)
    return mask.astype(np.float32)
