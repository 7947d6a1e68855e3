"""Masks become label pixels: what changed is found off the GUI thread, and written in small pieces.

One mask is one step of napari's undo. A pixel of another label is never touched, nor one that a
person painted.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import Place
from napari_intseg.ui.worker import Outcome, Post, ShouldStop, Worker

PIECE_PX = 1 << 16
"""So many pixels are written before the window may do something else: a few milliseconds."""

_BAND_PX = 1 << 18

Indices = tuple[NDArray[np.intp], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Pixels to change: they hold `expected` now and shall hold `values`."""

    indices: Indices
    expected: Array
    values: Array


def find_changes(
    current: Array, ours: BoolArray, mask: BoolArray, label: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], BoolArray]]:
    """Yield what has to change on a slice, a band of rows at a time.

    Parameters
    ----------
    current : ndarray of int, shape (H, W)
        The labels now.
    ours : ndarray of bool, shape (H, W)
        Pixels that were written here before; only those are taken back.
    mask : ndarray of bool, shape (H, W)
        The object.
    label : int
        Its label.

    Yields
    ------
    rows, cols : ndarray of int
        Pixels of background to become the object, and of the object to become background.
    added : ndarray of bool
        Which of the two.
    """
    height, width = mask.shape
    band = max(1, _BAND_PX // max(1, width))
    for start in range(0, height, band):
        part = slice(start, start + band)
        now = current[part]
        added = mask[part] & (now == 0)
        removed = ours[part] & ~mask[part] & (now == label)
        rows, cols = np.nonzero(added | removed)
        if rows.size:
            yield rows + start, cols, added[rows, cols]


def find_pieces(
    current: Array, ours: BoolArray, mask: BoolArray, label: int, where: tuple[int | slice, ...]
) -> list[Piece]:
    """Return what has to change on a slice of the labels, in pieces of at most `PIECE_PX`."""
    pieces = []
    for rows, cols, added in find_changes(current, ours, mask, label):
        for start in range(0, rows.size, PIECE_PX):
            part = slice(start, start + PIECE_PX)
            values = np.where(added[part], current.dtype.type(label), current.dtype.type(0))
            expected = np.where(added[part], current.dtype.type(0), current.dtype.type(label))
            pieces.append(Piece(_whole(rows[part], cols[part], where), expected, values))
    return pieces


def _whole(
    rows: NDArray[np.intp], cols: NDArray[np.intp], where: tuple[int | slice, ...]
) -> Indices:
    """Return indices into the whole array of pixels on one of its slices."""
    free = iter((rows, cols))
    return tuple(next(free) if isinstance(w, slice) else np.full(rows.size, w) for w in where)


class Painter:
    """Writes masks into a Labels layer without holding up the window.

    Parameters
    ----------
    frame : Frame
        Gives the grid.
    labels : Labels
        The layer.
    worker : Worker
        Finds what changed.
    post : callable
        Brings the next piece to the GUI thread, after it has done other things.
    mask_of : callable
        Returns the mask of a place now; asked as late as possible, so the newest is written.
    """

    def __init__(
        self,
        frame: Frame,
        labels: Labels,
        worker: Worker,
        post: Post,
        mask_of: Callable[[Place], BoolArray],
    ) -> None:
        self._frame = frame
        self._labels = labels
        self._worker = worker
        self._post = post
        self._mask_of = mask_of
        self._ours = np.zeros(frame.shape, bool)
        self._wanted: dict[Place, None] = {}
        self._busy = False
        self._closed = False
        self._step: ExitStack | None = None
        self._pixels = 0

    @property
    def is_idle(self) -> bool:
        """Whether everything wanted is in the layer."""
        return not self._busy and not self._wanted

    def paint(self, place: Place, *, first: bool = False) -> None:
        """Have the mask of a place written; `first`: before all that waits."""
        self._wanted.pop(place, None)
        self._wanted = {place: None, **self._wanted} if first else {**self._wanted, place: None}
        self._next()

    def close(self) -> None:
        """Write nothing any more."""
        self._closed = True
        self._wanted.clear()
        self._end_step()

    def _next(self) -> None:
        if self._busy or self._closed or not self._wanted:
            return
        place = next(iter(self._wanted))
        del self._wanted[place]
        self._busy = True
        where = self._frame.index(place.time, place.plane)
        # a view: nothing is copied, and each pixel is looked at again before it is written
        current, ours = np.asarray(self._labels.data)[where], self._ours[where]
        mask = self._mask_of(place)

        def work(_: ShouldStop) -> list[Piece]:
            return find_pieces(current, ours, mask, place.object, where)

        self._worker.submit(work, self._found, first=True)

    def _found(self, outcome: Outcome[list[Piece]]) -> None:
        if outcome.error is not None:
            self._busy = False
            raise outcome.error
        pieces = outcome.value or []
        if not pieces:
            self._busy = False
            self._next()
            return
        self._step = ExitStack()
        if len(pieces) > 1:
            self._step.enter_context(self._labels.block_history())
        self._write(pieces, 0)

    def _write(self, pieces: list[Piece], number: int) -> None:
        if self._closed:
            return
        piece = pieces[number]
        is_last = number + 1 == len(pieces)
        # someone may have painted since it was looked at
        still = np.asarray(self._labels.data[piece.indices]) == piece.expected
        if still.all():
            indices, values = piece.indices, piece.values
        else:
            indices, values = tuple(i[still] for i in piece.indices), piece.values[still]
        if values.size:
            self._labels.data_setitem(indices, values, refresh=is_last)
            self._ours[indices] = True
        elif is_last:
            self._labels.refresh()
        if is_last:
            self._end_step()
            self._busy = False
            self._next()
        else:
            self._post(partial(self._write, pieces, number + 1))

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.close()
            self._step = None
