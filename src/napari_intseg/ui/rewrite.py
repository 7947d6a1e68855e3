"""Points are made to hold what a session holds, after undo or a refused click."""

from collections.abc import Mapping

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from napari.layers import Labels, Points

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import NEGATIVE, POSITIVE, Mark, Place, from_grid, read_marks

_FAR_PX = 0.01


def rewrite_points(
    points: Points, frame: Frame, labels: Labels, held: Mapping[Place, Prompts]
) -> None:
    """Remove points that are not held, and add those that are missing; all others stay.

    Parameters
    ----------
    points : Points
        Its data and features are replaced.
    frame : Frame
        The grid.
    labels : Labels
        On the grid.
    held : mapping
        What there shall be at these places.
    """
    marks, _ = read_marks(points, frame, labels)
    at: dict[Place, list[Mark]] = {}
    for mark in marks:
        at.setdefault(mark.place, []).append(mark)
    drop: set[int] = set()
    missing: list[tuple[Place, Click]] = []
    for place, prompts in held.items():
        here = at.get(place, [])
        same = _matching(here, prompts.clicks)
        drop.update(mark.row for mark in here[same:])
        missing.extend((place, click) for click in prompts.clicks[same:])
    if not drop and not missing:
        return
    keep = [row for row in range(len(points.data)) if row not in drop]
    table = points.features.iloc[keep]
    first = int(table["order"].max()) + 1 if len(table) else 1
    rows = [
        (POSITIVE if c.positive else NEGATIVE, p.object, first + i, p.plane.axis)
        for i, (p, c) in enumerate(missing)
    ]
    added = pd.DataFrame(rows, columns=["sign", "object", "order", "axis"])
    positions = [from_grid(points, frame, labels, _position(p, c, frame)) for p, c in missing]
    data = np.asarray(points.data)[keep]
    points.selected_data = set()
    points.data = np.vstack([data, *(np.atleast_2d(p) for p in positions)])
    both = pd.concat([table, added], ignore_index=True) if len(table) else added
    points.features = both[["sign", "object", "order", "axis"]]


def _matching(marks: list[Mark], clicks: tuple[Click, ...]) -> int:
    """Return how many marks, from the first on, are the clicks."""
    for i, (mark, click) in enumerate(zip(marks, clicks, strict=False)):
        apart = max(abs(mark.click.row - click.row), abs(mark.click.col - click.col))
        if apart > _FAR_PX or mark.click.positive != click.positive:
            return i
    return min(len(marks), len(clicks))


def _position(place: Place, click: Click, frame: Frame) -> list[float]:
    position = [0.0] * len(frame.grid)
    if frame.n_times is not None:
        position[frame.grid.index("t")] = float(place.time)
    if len(frame.spatial) == 2:
        position[-2:] = [click.row, click.col]
        return position
    for axis, value in zip(frame.spatial, place.plane.position(click.row, click.col), strict=True):
        position[axis] = value
    return position
