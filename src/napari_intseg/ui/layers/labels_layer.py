"""Masks become label pixels, strokes in the layer become actions, and napari's undo becomes ours.

What changed is found off the GUI thread, and written in small pieces. A pixel of a label that no
session knows is never touched.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.document import Change, HistoryEntry
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.session_store import SessionStore
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, Post, ShouldStop, Signals, Worker
from napari_intseg.ui.storage.disk_folders import marks

PIECE_PX = 1 << 16
"""Pixels that are written before the window may do something else: a few milliseconds' work."""

# pixels that are compared at once: memory for a band of rows instead of a huge slice
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
        # a copy, since the GUI thread may write while this one compares
        now = current[part].copy()
        wanted = np.zeros(now.shape, now.dtype)
        for label, mask in masks.items():
            wanted[mask[part]] = label
        # one object is by far the commonest case, and many times quicker than `isin`
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
        # written again when pixels become free
        self._barred: dict[Place, set[int]] = {}
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
        # objects of a plane are written in one go: a pixel may pass from one to another
        plane = replace(place, object=0)
        labels = self._wanted.pop(plane, set()) | {place.object}
        if first:
            self._wanted = {plane: labels, **self._wanted}
        else:
            self._wanted[plane] = labels
        # one plane at a time: two writers would not know of each other's pixels
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
        # only where the layer still shows the object: a person may have painted over it
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
        # our own pixels are redrawn from the session, so what napari remembers of them may be stale
        before = np.where(self._ours[indices], 0, old)
        values = np.where(held > 0, held, before).astype(self._labels.data.dtype)
        self._set(indices, values, refresh=True)
        self._ours[indices] |= held > 0
        self._write_barred()
        # and may have been seen as they were painted
        if self._looked_at is not None:
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
        # read only now: the newest mask is written, and masks overtaken meanwhile never are
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
        # objects that were not written this time still wait
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
        except Exception as err:
            # whatever napari cannot do, the next answer is drawn all the same
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
            # pixels became background: they may be what another object waits for
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
        except (IndexError, ValueError):
            # the slice napari draws is of another plane or shape
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


@dataclass(frozen=True, slots=True, eq=False)
class _PaintedPart:
    """Pixels of one time point and plane: where on the grid, what they were and what they become.

    napari tells of a stroke before or after it is in the layer's data, so that is not looked at.
    """

    time: int
    plane: Plane
    indices: Indices
    old: Array
    new: Array

    def where(self, chosen: BoolArray) -> "_PaintedPart":
        """Return some of the pixels."""
        indices = tuple(i[chosen] for i in self.indices)
        return replace(self, indices=indices, old=self.old[chosen], new=self.new[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class FromBefore:
    """Pixels of an object that was in the layer before, which a stroke met; `part.old` says whose.

    They are the session's from then on, unless that entry of its history is undone.
    """

    part: _PaintedPart
    entry: HistoryEntry


class LabelsListener:
    """Hands what a person paints, fills and erases to the sessions, one entry of history a stroke.

    What may not be painted is put back at once. Ctrl+Z in the Labels layer, and `labels.undo()`,
    are our undo, so that there is one history and not two that contradict each other.

    Parameters
    ----------
    labels : Labels
        The layer.
    image_axes : ImageAxes
        Gives the grid.
    session_store : SessionStore
        Holds the sessions.
    labels_writer : LabelsWriter
        Writes to the same layer; what it writes is not a stroke.
    post : callable
        Has the GUI thread put pixels back, when napari has written them.
    go : callable
        Does "undo" or "redo".
    on_change : callable
        Given the time point and what a stroke changed.
    signals : Signals
        Say what was done by hand, and why pixels were put back.

    Attributes
    ----------
    from_before : list of FromBefore
        What strokes met; handed on with the sessions, so that undo can leave it as it was.
    """

    def __init__(
        self,
        labels: Labels,
        image_axes: ImageAxes,
        session_store: SessionStore,
        labels_writer: LabelsWriter,
        *,
        post: Post,
        go: Callable[[str], object],
        on_change: Callable[[int, Change], None],
        signals: Signals,
    ) -> None:
        self._labels, self._image_axes, self._session_store, self._labels_writer = (
            labels,
            image_axes,
            session_store,
            labels_writer,
        )
        self._on_change, self._signals = on_change, signals
        self._post = post
        self._early: list[list[Any]] = []
        self._backs: list[_PaintedPart] = []
        self.from_before: list[FromBefore] = []
        labels.events.paint.connect(self._painted)
        # the layer's own keys and buttons call these by name
        labels.undo = lambda: go("undo")
        labels.redo = lambda: go("redo")

    @property
    def is_idle(self) -> bool:
        """Whether everything that was refused has been put back."""
        return not self._backs

    def close(self) -> None:
        """Let go of the layer; its own undo is as it was."""
        self._labels.events.paint.disconnect(self._painted)
        for name in ("undo", "redo"):
            # the class's own methods show again beneath
            vars(self._labels).pop(name, None)
        self._put_back()

    def follow_undo(self, session: Session, entry: HistoryEntry) -> None:
        """Leave objects from before as they were, when undo took back that a stroke met them.

        Parameters
        ----------
        session : Session
            As it is after undo; not drawn yet.
        entry : HistoryEntry
            What was taken back.
        """
        for part in (met.part for met in self.from_before if met.entry is entry):
            self._labels_writer.disown(part.indices)
            self._labels_writer.put_back(part.indices, self._held(session, part), part.old)

    def follow_redo(self, entry: HistoryEntry) -> None:
        """Count pixels from before as the session's again, when it was done again."""
        for part in (met.part for met in self.from_before if met.entry is entry):
            self._labels_writer.own(part.indices)

    def hand_over_early(self) -> None:
        """Hand over strokes that came before there was a model, hence a session."""
        early, self._early = self._early, []
        for atoms in early:
            self._take(atoms)

    def _painted(self, event: Any) -> None:
        # the event is of what we write ourselves
        if self._labels_writer.is_writing:
            return
        if self._session_store.model is None:
            self._early.append(event.value)
        else:
            self._take(event.value)

    def _take(self, atoms: Iterable[Any]) -> None:
        parts = self._parts(atoms)
        for time in sorted({part.time for part in parts}):
            session, there = self._session_store.session(time), [p for p in parts if p.time == time]
            if session is None:
                continue
            try:
                # one stroke may paint several labels: undo in napari, or a fill
                for label in np.unique(np.concatenate([part.new for part in there])):
                    self._paint(session, there, int(label))
            except IntSegError as err:
                self._signals.failed.emit(str(err))
            self._settle(session, there)

    def _paint(self, session: Session, parts: list[_PaintedPart], label: int) -> None:
        """Hand the pixels that became one label to a session, as one entry of history."""
        olds = np.unique(np.concatenate([part.old[part.new == label] for part in parts]))
        for other in (int(old) for old in olds):
            if other and other != label and not session.document.is_locked(other):
                self._meet(session, parts, other, label)
        strokes = {part.plane: self._mask(session, part, part.new == label) for part in parts}
        change = session.paint(strokes, label)
        if label:
            self._session_store.know([label])
        title = joined([change.title])
        self._signals.message.emit(Message("{title}: done by hand.", title=title))
        self._on_change(parts[0].time, change)

    def _meet(self, session: Session, parts: list[_PaintedPart], other: int, label: int) -> None:
        """Have a session know pixels of an object from before where they become another label."""
        met = []
        for part in parts:
            is_met = (part.old == other) & (part.new == label)
            # pixels that no session knows: they belong to an object from before
            is_met &= ~self._labels_writer.owns(part.indices) & (self._held(session, part) != other)
            if is_met.any():
                met.append(part.where(is_met))
        if not met:
            return
        self._session_store.know([other])
        session.paint({p.plane: self._mask(session, p, p.old == other) for p in met}, other)
        entry = session.document.history.last
        if entry is not None:
            self.from_before += [FromBefore(part, entry) for part in met]

    def _settle(self, session: Session, parts: list[_PaintedPart]) -> None:
        """Put back pixels that the session refused, and count the others as written by us."""
        refused = 0
        for part in parts:
            taken = self._held(session, part) == part.new
            self._labels_writer.own(tuple(i[taken] for i in part.indices))
            refused += int(np.count_nonzero(~taken))
            if not taken.all():
                self._backs.append(part.where(~taken))
        if refused:
            # later: napari writes the stroke only after this event
            self._post(self._put_back)
            self._signals.failed.emit(
                counted(
                    refused,
                    "{n} pixel is protected and put back: locked objects keep theirs, and nothing "
                    "is written outside a region. Unlock the object, or switch the limit off.",
                    "{n} pixels are protected and put back: locked objects keep theirs, and "
                    "nothing is written outside a region. Unlock the object, or switch the limit "
                    "off.",
                )
            )

    def _put_back(self) -> None:
        """Have refused pixels show what the sessions hold by now."""
        backs, self._backs = self._backs, []
        for part in backs:
            session = self._session_store.session(part.time)
            if session is not None:
                self._labels_writer.put_back(part.indices, self._held(session, part), part.old)

    def _parts(self, atoms: Iterable[Any]) -> list[_PaintedPart]:
        """Return the pixels that changed, by time point and plane of the first axis."""
        shape = self._labels.data.shape
        seen = [pixels for pixels in (_pixels(atom, shape) for atom in atoms) if pixels[1].size]
        if not seen:
            return []
        # single numbers instead of tuples, so that `unique` finds pixels that occur twice
        flat = np.concatenate([np.ravel_multi_index(i, shape) for i, _, _ in seen])
        olds, news = (np.concatenate([one[n] for one in seen]) for n in (1, 2))
        # a pixel may be painted over several times: before the first, and after the last, counts
        pixels, first = np.unique(flat, return_index=True)
        last = flat.size - 1 - np.unique(flat[::-1], return_index=True)[1]
        changed = olds[first] != news[last]
        indices = np.unravel_index(pixels[changed], shape)
        old, new = olds[first][changed], news[last][changed]
        times, planes = self._keys(indices)
        found = []
        for time, plane in sorted(set(zip(times.tolist(), planes.tolist(), strict=True))):
            on = (times == time) & (planes == plane)
            where = tuple(i[on] for i in indices)
            found.append(_PaintedPart(time, Plane(0, plane), where, old[on], new[on]))
        return found

    def _keys(self, indices: Indices) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        nothing = np.zeros(indices[0].size, np.intp)
        time = (
            indices[self._image_axes.grid.index("t")] if "t" in self._image_axes.grid else nothing
        )
        flat = len(self._image_axes.spatial) == 2
        return time, nothing if flat else indices[self._image_axes.spatial[0]]

    def _held(self, session: Session, part: _PaintedPart) -> Array:
        rows, cols = self._on_slice(part)
        top, left = rows.min(), cols.min()
        # a stroke is small: the whole plane would cost as much as everything else of it
        window = slice(top, rows.max() + 1), slice(left, cols.max() + 1)
        held: Array = session.labels_on(part.plane, window)[rows - top, cols - left]
        return held

    def _on_slice(self, part: _PaintedPart) -> Indices:
        return tuple(part.indices[axis] for axis in self._image_axes.spatial[-2:])

    def _mask(self, session: Session, part: _PaintedPart, chosen: BoolArray) -> BoolArray:
        mask = np.zeros(session.volume.slice_shape(0), bool)
        rows, cols = self._on_slice(part)
        mask[rows[chosen], cols[chosen]] = True
        return mask


def _pixels(atom: Any, shape: tuple[int, ...]) -> tuple[Indices, Array, Array]:
    """Return which pixels an entry of napari's history changes, what they were and become."""
    # indices, old values, new values
    if not hasattr(atom, "slice_key"):
        indices = tuple(i.ravel() for i in np.broadcast_arrays(*map(np.asarray, atom[0])))
        old = np.asarray(atom[1]).ravel()
        return indices, old, np.broadcast_to(np.asarray(atom[2], old.dtype).ravel(), old.shape)
    bounds = [part.indices(size) for part, size in zip(atom.slice_key, shape, strict=True)]
    box = tuple(stop - start for start, stop, _ in bounds)
    mask = np.ones(box, bool) if atom.mask is None else np.broadcast_to(atom.mask, box)
    within = np.nonzero(mask)
    kept = np.asarray(atom.old_values)
    old = kept.reshape(box)[within] if atom.mask is None else kept.ravel()
    new = np.full(old.shape, atom.new_value, old.dtype)
    return tuple(i + b[0] for i, b in zip(within, bounds, strict=True)), old, new
