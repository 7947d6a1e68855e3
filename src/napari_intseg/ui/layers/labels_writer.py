"""Masks become label pixels: what changed is found off the GUI thread, and written in small pieces.

A pixel of a label that no session knows is never touched.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Outcome, Post, ShouldStop, Worker
from napari_intseg.ui.storage.labels_on_disk import marks

PIECE_PX = 1 << 16
"""So many pixels are written before the window may do something else: a few milliseconds."""

# compared and written at once, so that the window stays fluent
_BAND_PX = 1 << 18

Indices = tuple[NDArray[np.intp], ...]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Pixels to change: they hold `expected` now and shall hold `values`."""

    indices: Indices
    expected: Array
    values: Array


def find_changes(
    current: Array, ours: BoolArray, masks: Mapping[int, BoolArray]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]]:
    """Yield what has to change on a slice, a band of rows at a time.

    The slice may be written to meanwhile: each band is looked at once.

    Parameters
    ----------
    current : ndarray of int, shape (H, W)
        The labels now.
    ours : ndarray of bool, shape (H, W)
        Pixels that were written here before, or painted by a person; only those are taken back.
    masks : mapping of int to ndarray of bool, shape (H, W)
        Objects by label; no two hold the same pixel.

    Yields
    ------
    rows, cols : ndarray of int
        Pixels of background, or of these objects, to become something else.
    expected : ndarray of int
        What they were when they were looked at.
    values : ndarray of int
        What they shall be.
    """
    height, width = current.shape
    band = max(1, _BAND_PX // max(1, width))
    labels = list(masks)
    for start in range(0, height, band):
        part = slice(start, start + band)
        now = current[part].copy()
        wanted = np.zeros(now.shape, now.dtype)
        for label, mask in masks.items():
            wanted[mask[part]] = label
        known = now == labels[0] if len(labels) == 1 else np.isin(now, labels)
        rows, cols = np.nonzero(((now == 0) | (ours[part] & known)) & (now != wanted))
        if rows.size:
            yield rows + start, cols, now[rows, cols], wanted[rows, cols]


def find_pieces(
    current: Array,
    ours: BoolArray,
    masks: Mapping[int, BoolArray],
    where: tuple[int | slice, ...],
) -> list[Piece]:
    """Return what has to change on a slice of the labels, in pieces of at most `PIECE_PX`."""
    pieces = []
    for rows, cols, expected, values in find_changes(current, ours, masks):
        for start in range(0, rows.size, PIECE_PX):
            part = slice(start, start + PIECE_PX)
            indices = _whole(rows[part], cols[part], where)
            pieces.append(Piece(indices, expected[part], values[part]))
    return pieces


def find_barred(current: Array, masks: Mapping[int, BoolArray]) -> set[int]:
    """Return the objects that cannot be written whole, because others hold pixels of theirs."""
    others = (current != 0) & ~np.isin(current, list(masks))
    return {label for label, mask in masks.items() if (others & mask).any()}


def _whole(
    rows: NDArray[np.intp], cols: NDArray[np.intp], where: tuple[int | slice, ...]
) -> Indices:
    """Return indices into the whole array of pixels on one of its slices."""
    free = iter((rows, cols))
    return tuple(next(free) if isinstance(w, slice) else np.full(rows.size, w) for w in where)


class LabelsWriter:
    """Writes masks into a Labels layer without blocking the window.

    Parameters
    ----------
    image_axes : ImageAxes
        Gives the grid.
    labels : Labels
        The layer.
    worker : Worker
        Finds what changed.
    post : callable
        Brings the next piece to the GUI thread, after it has done other things.
    mask_of : callable
        Returns the mask of a place now; asked as late as possible, so the newest is written.
    on_failed : callable, optional
        Told what could not be written, in a sentence; what waits is written all the same.

    Attributes
    ----------
    on_direct : callable or None
        Given the indices of pixels that are written past `Labels.data_setitem`.
    """

    def __init__(
        self,
        image_axes: ImageAxes,
        labels: Labels,
        worker: Worker,
        post: Post,
        mask_of: Callable[[Place], BoolArray],
        *,
        on_failed: Callable[[str], None] = _log.error,
    ) -> None:
        self._image_axes = image_axes
        self._labels = labels
        self._worker = worker
        self._post = post
        self._mask_of = mask_of
        self._on_failed = on_failed
        self.on_direct: Callable[[Indices], None] | None = None
        self._ours = marks(image_axes.shape)
        self._wanted: dict[Place, set[int]] = {}
        self._barred: dict[Place, set[int]] = {}  # written again when pixels become free
        self._looked_at: tuple[Place, set[int]] | None = None
        self._busy = False
        self._closed = False
        self.is_writing = False

    @property
    def is_idle(self) -> bool:
        """Whether everything wanted is in the layer."""
        return not self._busy and not self._wanted

    def paint(self, place: Place, *, first: bool = False) -> None:
        """Queue the mask of a place for writing; `first`: before all others.

        Objects that wait on the same plane are written together, so that a pixel that passes from
        one to the other does so at once.
        """
        plane = replace(place, object=0)
        labels = self._wanted.pop(plane, set()) | {place.object}
        if first:
            self._wanted = {plane: labels, **self._wanted}
        else:
            self._wanted[plane] = labels
        if not self._busy:
            self._busy = True
            self._post(self._next)

    def own(self, indices: Indices) -> None:
        """Count pixels as written here, because a person painted them for a session."""
        self._ours[indices] = True

    def owns(self, indices: Indices) -> BoolArray:
        """Whether pixels were written here, or painted by a person for a session."""
        held: BoolArray = self._ours[indices]
        return held

    def disown(self, indices: Indices) -> None:
        """Count pixels as another's, not to be taken back."""
        self._ours[indices] = False

    def recall(self, place: Place) -> None:
        """Count the pixels of a place as written here, where they are in the layer already."""
        where = self._image_axes.index(place.time, place.plane)
        current = np.asarray(self._labels.data[where])
        self._ours[where] |= self._mask_of(place) & (current == place.object)

    def put_back(self, indices: Indices, held: Array, old: Array) -> None:
        """Write pixels that a person painted where nothing may be painted.

        Parameters
        ----------
        indices : tuple of ndarray
            Which.
        held : ndarray of int
            What the sessions hold there now; 0 if nothing.
        old : ndarray of int
            What was there before; that of pixels that were written here may be out of date.
        """
        before = np.where(self._ours[indices], 0, old)
        values = np.where(held > 0, held, before).astype(self._labels.data.dtype)
        self._set(indices, values, refresh=True)
        self._ours[indices] |= held > 0
        self._write_barred()
        if self._looked_at is not None:  # and may have been seen as they were painted
            plane, labels = self._looked_at
            for label in labels:
                self.paint(replace(plane, object=label))

    def close(self) -> None:
        """Write nothing from now on."""
        self._closed = True
        self._wanted.clear()
        self._barred.clear()

    def _next(self) -> None:
        if self._closed or not self._wanted:
            self._busy = False
            return
        place = next(iter(self._wanted))
        labels = self._wanted.pop(place)
        where = self._image_axes.index(place.time, place.plane)
        # a view: nothing is copied, and each pixel is looked at again before it is written
        current, ours = np.asarray(self._labels.data[where]), self._ours[where]
        masks = {label: self._mask_of(replace(place, object=label)) for label in sorted(labels)}

        def work(_: ShouldStop) -> tuple[list[Piece], set[int]]:
            return find_pieces(current, ours, masks, where), find_barred(current, masks)

        self._looked_at = place, labels
        self._worker.submit(work, partial(self._found, place, labels), first=True)

    def _found(
        self, place: Place, labels: set[int], outcome: Outcome[tuple[list[Piece], set[int]]]
    ) -> None:
        self._looked_at = None
        if outcome.error is not None:
            self._fail(outcome.error)
            return
        pieces, barred = outcome.value or ([], set())
        left = (self._barred.pop(place, set()) - labels) | barred
        if left:
            self._barred[place] = left
        if pieces:
            self._write(pieces, 0)
        else:
            self._next()

    def _fail(self, error: Exception) -> None:
        """Tell what could not be written, and go on with what waits."""
        _log.error("labels could not be written", exc_info=error)
        self._on_failed(
            Message(
                "An answer could not be drawn in {name!r}: {kind}: {error}. Undo and redo draw it "
                "again; if it persists, please report this text.",
                name=self._labels.name,
                kind=type(error).__name__,
                error=error,
            )
        )
        self._next()

    def _write(self, pieces: list[Piece], number: int) -> None:
        if self._closed:
            return
        try:
            self._write_piece(pieces[number], is_last=number + 1 == len(pieces))
        except Exception as err:  # whatever napari cannot do, the next answer is drawn all the same
            self._fail(err)
            return
        if number + 1 == len(pieces):
            self._next()
        else:
            self._post(partial(self._write, pieces, number + 1))

    def _write_piece(self, piece: Piece, *, is_last: bool) -> None:
        # someone may have painted since it was looked at
        still = np.asarray(self._labels.data[piece.indices]) == piece.expected
        if still.all():
            indices, values = piece.indices, piece.values
        else:
            indices, values = tuple(i[still] for i in piece.indices), piece.values[still]
        if values.size:
            self._set(indices, values, refresh=is_last)
            self._ours[indices] = True
            if self._barred and not values.all():
                self._write_barred()
        elif is_last:
            self._labels.refresh()

    def _write_barred(self) -> None:
        """Have what could not be written tried again, since pixels became free."""
        barred, self._barred = self._barred, {}
        for plane, labels in barred.items():
            for label in labels:
                self.paint(replace(plane, object=label))

    def _set(self, indices: Indices, values: Array, *, refresh: bool) -> None:
        self.is_writing = True
        try:
            if self._labels.visible:
                self._labels.data_setitem(indices, values, refresh=refresh)
            else:
                self._set_directly(indices, values)
        except (IndexError, ValueError):  # the slice napari draws is of another plane or shape
            self._set_directly(indices, values)
        finally:
            self.is_writing = False

    def _set_directly(self, indices: Indices, values: Array) -> None:
        """Write to the data alone: napari takes no slice of a hidden layer, so it has none to edit.

        It is drawn from the data when the layer is shown again.
        """
        self._labels.data[indices] = values
        if self.on_direct is not None:
            self.on_direct(indices)
        self._labels.refresh()
