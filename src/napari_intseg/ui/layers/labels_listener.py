"""Strokes in the Labels layer become actions of a session, and napari's undo becomes ours."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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
from napari_intseg.ui.layers.labels_writer import LabelsWriter
from napari_intseg.ui.messages import counted
from napari_intseg.ui.qt.worker_thread import Post

Indices = tuple[NDArray[np.intp], ...]


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
    on_refused : callable
        Told why pixels were put back.

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
        on_refused: Callable[[str], None],
    ) -> None:
        self._labels, self._image_axes, self._session_store, self._labels_writer = (
            labels,
            image_axes,
            session_store,
            labels_writer,
        )
        self._on_change, self._on_refused = on_change, on_refused
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
                for label in np.unique(np.concatenate([part.new for part in there])):
                    self._paint(session, there, int(label))
            except IntSegError as err:
                self._on_refused(str(err))
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
        self._on_change(parts[0].time, change)

    def _meet(self, session: Session, parts: list[_PaintedPart], other: int, label: int) -> None:
        """Have a session know pixels of an object from before where they become another label."""
        met = []
        for part in parts:
            is_met = (part.old == other) & (part.new == label)
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
            self._post(self._put_back)
            self._on_refused(
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
        return session.labels_on(part.plane)[self._on_slice(part)]

    def _on_slice(self, part: _PaintedPart) -> Indices:
        return tuple(part.indices[axis] for axis in self._image_axes.spatial[-2:])

    def _mask(self, session: Session, part: _PaintedPart, chosen: BoolArray) -> BoolArray:
        mask = np.zeros(session.volume.slice_shape(0), bool)
        rows, cols = self._on_slice(part)
        mask[rows[chosen], cols[chosen]] = True
        return mask


def _pixels(atom: Any, shape: tuple[int, ...]) -> tuple[Indices, Array, Array]:
    """Return which pixels an entry of napari's history changes, what they were and become."""
    if not hasattr(atom, "slice_key"):  # indices, old values, new values
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
