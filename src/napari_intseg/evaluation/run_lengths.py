"""Masks written as text: run lengths of Kaggle and COCO, outlines of COCO."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.errors import DataError

MOST_PIXELS = 1 << 28
"""Of an image that a text file declares: twice those of the largest published photographs."""

_FINER = 5  # outlines are walked on a grid five times finer, as COCO's own rule has it

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
            ((first >= 0) & (length >= 0) & (length <= size) & (first <= size - length)).all()
        )
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        raise DataError(
            f"run lengths do not fit: expected pairs of start and length inside {shape}, got "
            f"{text[:40]!r}. Check that the image is the one they were made for."
        )
    steps = np.zeros(size + 1, np.int64)
    np.add.at(steps, first, 1)
    np.add.at(steps, first + length, -1)
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
            letter = ord(text[at]) - 48
            if not 0 <= letter < 64 or shift > 60:
                raise ValueError(text)
            value |= (letter & 31) << shift
            goes_on, at, shift = bool(letter & 32), at + 1, shift + 5
            if not goes_on and letter & 16:
                value -= 1 << shift
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
        If they are no such numbers.

    References
    ----------
    .. [1] Lin, T.-Y. et al. "Microsoft COCO: Common Objects in Context", arXiv:1405.0312.
    """
    height, width = shape
    try:
        given = np.asarray(points, np.float64)
        fits = given.ndim == 1 and len(given) >= 6 and len(given) % 2 == 0
        fits = fits and bool(np.isfinite(given).all()) and float(np.abs(given).max()) < 1e6
    except (ValueError, TypeError):
        fits = False
    if not fits:
        raise DataError(
            f"outline is none: expected at least three corners as x y x y …, got "
            f"{str(points)[:40]!r}. Check the file."
        )
    x, y = (np.trunc(_FINER * given[i::2] + 0.5).astype(np.int64) for i in (0, 1))
    u, v = _walk(x, y)
    step = np.flatnonzero(u[1:] != u[:-1]) + 1
    column = (np.minimum(u[step], u[step - 1]) + 0.5) / _FINER - 0.5
    row = (np.minimum(v[step], v[step - 1]) + 0.5) / _FINER - 0.5
    kept = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    rows = np.ceil(np.clip(row[kept], 0, height)).astype(np.int64)
    places = column[kept].astype(np.int64) * height + rows
    changes = np.bincount(places, minlength=height * width + 1)[: height * width]
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
        mask = np.zeros(shape, bool)
        for outline in given:
            if isinstance(outline, list) and len(outline) < 6:
                continue  # published files hold outlines of two corners: they cover nothing
            mask |= from_outline(outline, shape)
        return mask
    raise DataError(
        f"segmentation is of no known kind: expected outlines or run lengths, got "
        f"{str(given)[:40]!r}. Check the file."
    )
