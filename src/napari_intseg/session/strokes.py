"""What a person painted by hand: pixels that belong to an object, or do not, whatever a model says.

They are kept on planes of the first axis, so that a voxel has one place whichever way it was
painted, and are laid over the masks of all planes that pass through them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.session.bits import packed
from napari_intseg.session.state import Window


@dataclass(frozen=True, slots=True)
class PaintedKey:
    """Where history keeps a `Painted`: an object, and a plane of the first axis by its index."""

    label: int
    index: int


@packed("added", "removed")
@dataclass(frozen=True, eq=False)
class Painted:
    """Pixels that were painted, and erased, on one plane; no pixel is both.

    Parameters
    ----------
    row0, col0 : int
        The slice's pixel under the first of both masks.
    added, removed : ndarray of bool, shape (h, w)
        Belongs to the object; does not. Kept packed; read-only.
    """

    row0: int
    col0: int
    added: BoolArray
    removed: BoolArray

    @classmethod
    def joined(
        cls, old: "Painted | None", window: Window, added: BoolArray, removed: BoolArray
    ) -> "Painted | None":
        """Return what was painted before, and what is painted now on a window; the last counts.

        None if neither holds a pixel.
        """
        if not (added.any() or removed.any()):
            return old
        rows, cols = window
        if old is not None:
            before = old.slices
            rows = slice(min(rows.start, before[0].start), max(rows.stop, before[0].stop))
            cols = slice(min(cols.start, before[1].start), max(cols.stop, before[1].stop))
        shape = rows.stop - rows.start, cols.stop - cols.start
        both = np.zeros((2, *shape), bool)
        if old is not None:
            both[:, *_within(old.slices, rows, cols)] = old.added, old.removed
        part = both[:, *_within(window, rows, cols)]
        part[0] = (part[0] | added) & ~removed
        part[1] = (part[1] | removed) & ~added
        return cls(rows.start, cols.start, both[0], both[1])

    @property
    def slices(self) -> Window:
        """Rows and columns of the slice that the masks lie on."""
        height, width = self.added.shape
        return slice(self.row0, self.row0 + height), slice(self.col0, self.col0 + width)

    def lay_over(self, mask: BoolArray, window: Window) -> None:
        """Change a mask of a window of the slice, in place."""
        rows, cols = self.slices
        top, bottom = max(rows.start, window[0].start), min(rows.stop, window[0].stop)
        left, right = max(cols.start, window[1].start), min(cols.stop, window[1].stop)
        if top >= bottom or left >= right:
            return
        inner = (
            slice(top - rows.start, bottom - rows.start),
            slice(left - cols.start, right - cols.start),
        )
        part = mask[
            top - window[0].start : bottom - window[0].start,
            left - window[1].start : right - window[1].start,
        ]
        part |= self.added[inner]
        part &= ~self.removed[inner]

    def line(self, axis: int, index: int, along: slice) -> tuple[BoolArray, BoolArray]:
        """Return both masks where a plane of another axis crosses, for a stretch of that line.

        Parameters
        ----------
        axis : int
            1: the line is a row of this slice; 2: a column.
        index : int
            Which one.
        along : slice
            The part of it that is wanted.
        """
        size = along.stop - along.start
        added, removed = np.zeros((1, size), bool), np.zeros((1, size), bool)
        cut = slice(index, index + 1)
        window = (cut, along) if axis == 1 else (along, cut)
        shaped = added if axis == 1 else added.T
        self.lay_over(shaped, window)
        everything = ~removed
        self.lay_over(everything if axis == 1 else everything.T, window)
        return added[0], ~everything[0]


def _within(window: Window, rows: slice, cols: slice) -> Window:
    """Return a window of the slice as one of a larger window."""
    return (
        slice(window[0].start - rows.start, window[0].stop - rows.start),
        slice(window[1].start - cols.start, window[1].stop - cols.start),
    )


Painteds = Mapping[int, Painted]


def lay_all_over(mask: BoolArray, plane: Plane, window: Window, painted: Painteds) -> None:
    """Change a mask on a window of a plane of any axis by everything painted, in place."""
    if plane.axis == 0:
        here = painted.get(plane.index)
        if here is not None:
            here.lay_over(mask, window)
        return
    rows, cols = window
    for index, one in painted.items():
        if rows.start <= index < rows.stop:
            added, removed = one.line(plane.axis, plane.index, cols)
            line = mask[index - rows.start]
            line |= added
            line &= ~removed


def by_index(mask: BoolArray, plane: Plane, volume: Volume) -> Iterator[tuple[int, BoolArray]]:
    """Yield the pixels of a mask on a plane of any axis as masks on planes of the first axis."""
    if volume.ndim == 2 or plane.axis == 0:
        yield plane.index, mask
        return
    shape = volume.slice_shape(0)
    for index in np.flatnonzero(mask.any(axis=1)):
        out = np.zeros(shape, bool)
        if plane.axis == 1:
            out[plane.index] = mask[index]
        else:
            out[:, plane.index] = mask[index]
        yield int(index), out
