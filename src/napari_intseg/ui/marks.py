"""A Points layer is read again and again; points that are as they were are understood already."""

from dataclasses import replace

import numpy as np
from napari.layers import Labels, Points

from napari_intseg.core.segmenter import Array
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import NAMES, Mark, read_mark, to_grid


class MarkReader:
    """Understands the points of a layer, at the cost of those that are new or have changed.

    Parameters
    ----------
    points : Points
        With complete features.
    frame : Frame
        The grid.
    labels : Labels
        On the grid.
    """

    def __init__(self, points: Points, frame: Frame, labels: Labels) -> None:
        self._points, self._frame, self._labels = points, frame, labels
        self._seen: list[Array] = []
        self._marks: list[Mark | None] = []

    def read(self) -> tuple[list[Mark], int]:
        """Return all points that lie in the data, in order, and how many lie outside."""
        if not len(self._points.data):
            self._seen, self._marks = [], []
            return [], 0
        table = self._points.features
        now = [to_grid(self._points, self._frame, self._labels)]
        now += [table[name].to_numpy() for name in NAMES]
        same = self._same(now)
        del self._marks[same:]
        before = next((mark for mark in reversed(self._marks) if mark is not None), None)
        for row in range(same, len(table)):
            position, *given = (column[row] for column in now)
            mark = read_mark(self._frame, row, position, given)
            if mark is not None and before is not None and mark.place == before.place:
                mark = replace(mark, place=before.place)  # told apart at once, see `as_prompts`
            before = mark or before
            self._marks.append(mark)
        self._seen = [np.array(column) for column in now]  # features are written to in place
        marks = [mark for mark in self._marks if mark is not None]
        marks.sort(key=lambda mark: (mark.order, mark.row))
        return marks, len(table) - len(marks)

    def _same(self, now: list[Array]) -> int:
        """Return how many points, from the first on, are as they were."""
        if not self._seen:
            return 0
        count = min(len(self._seen[0]), len(now[0]))
        differs = np.zeros(count, bool)
        for old, new in zip(self._seen, now, strict=True):
            one = np.asarray(old[:count] != new[:count], bool)
            differs |= one.any(axis=1) if one.ndim == 2 else one
        return int(np.argmax(differs)) if differs.any() else count
