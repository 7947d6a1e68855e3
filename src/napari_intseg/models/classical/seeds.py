"""Clicks and lines as seeds: the positions they cover, and discs round them."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import BoolArray

Point = tuple[float, float]


def seed_points(prompts: Prompts) -> list[tuple[Point, bool]]:
    """Return all positions with their sign: lines in steps of a pixel, then clicks in order."""
    points = [(p, s.positive) for s in prompts.scribbles for p in _along(s.points)]
    return points + [((c.row, c.col), c.positive) for c in prompts.clicks]


def is_inside(point: Point, shape: tuple[int, int]) -> bool:
    """Whether a position lies on a pixel of an image."""
    return all(-0.5 <= p < n - 0.5 for p, n in zip(point, shape, strict=True))


def discs(points: Iterable[Point], shape: tuple[int, int], radius: float) -> BoolArray:
    """Return the pixels no further from a position than a radius, bool (H, W)."""
    out = np.zeros(shape, bool)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    for row, col in points:
        out |= (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    return out


def _along(line: tuple[Point, ...]) -> list[Point]:
    points = list(line[:1])
    for (r0, c0), (r1, c1) in pairwise(line):
        steps = max(1, int(np.ceil(np.hypot(r1 - r0, c1 - c0))))
        points += [
            (r0 + (r1 - r0) * i / steps, c0 + (c1 - c0) * i / steps) for i in range(1, steps + 1)
        ]
    return points
