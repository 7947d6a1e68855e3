"""A time series of labels in which one object divides, two merge, one leaves and one comes."""

import numpy as np
from numpy.typing import NDArray

SHAPE = (48, 72)
TIMES = 6

EVENTS = ("m divides into d1 and d2", "a and b merge into ab", "left ends", "new appears")
"""What happens: at times 3, 2, 4 and 2."""


def discs(time: int) -> dict[str, tuple[float, float, float]]:
    """Return who is there at a time point: row, column and radius."""
    found: dict[str, tuple[float, float, float]] = {}
    if time < 3:
        found["m"] = (14, 14 + time, 7)
    else:
        found["d1"] = (10 - (time - 3), 16 + time, 4.5)
        found["d2"] = (20 + (time - 3), 16 + time, 4.5)
    if time < 2:
        found["a"], found["b"] = (36, 16 + 2 * time, 5), (36, 31 - 2 * time, 5)
    else:
        found["ab"] = (36, 24, 8)
    if time < 4:
        found["left"] = (24, 56 + 4 * time, 4)
    if time >= 2:
        found["new"] = (8, 52, 4)
    return found


def series(seed: int = 3) -> tuple[NDArray[np.int32], list[dict[str, int]]]:
    """Return labels, (T, 48, 72), and for each time point the number of each object.

    Numbers are drawn anew at every time point: they say nothing of who is who.
    """
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(SHAPE)
    labels = np.zeros((TIMES, *SHAPE), np.int32)
    numbers: list[dict[str, int]] = []
    for time in range(TIMES):
        there = discs(time)
        order = rng.permutation(len(there)) + 1
        numbers.append(dict(zip(there, map(int, order), strict=True)))
        for name, (row, col, radius) in there.items():
            inside = np.hypot(rows - row, cols - col) <= radius
            labels[time][inside] = numbers[-1][name]
    return labels, numbers
