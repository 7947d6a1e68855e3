"""Sessions by time point, the objects they share, and their planes that wait for the model.

Planes are handed to the inference thread one request at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.errors import RemoteCancelledError
from napari_intseg.inference.intensity import PerChannel, WindowChoice
from napari_intseg.session.document import OBJECT, TITLE_LINK, Change, HistoryEntry
from napari_intseg.session.journal.recorder import Journal
from napari_intseg.session.masks.canvas import PaintedKey
from napari_intseg.session.masks.plane_state import PlaneKey
from napari_intseg.session.predictor import Result, run
from napari_intseg.session.session import Session
from napari_intseg.ui.layers.image_axes import DisplayedSlice, ImageAxes
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.qt.worker_thread import Job, Outcome, Signals, Worker, sentence, told
from napari_intseg.ui.storage.disk_folders import EmbeddingFolder

RECORD = "napari-intseg seen"
"""Key of the labels' metadata: the model, and how it saw the image, as plain JSON."""


class SessionStore:
    """Makes a session for a time point when it is first needed.

    Labels are the same everywhere: an object that is in a session is known to all, and made in
    another one when something is given for it there.

    Parameters
    ----------
    image_axes : ImageAxes
        Gives the volumes.
    window, channels : optional
        How they are shown to a model; see `Session`.
    embedding_folder : EmbeddingFolder, optional
        Where embeddings are kept beyond the day.
    """

    def __init__(
        self,
        image_axes: ImageAxes,
        *,
        window: Callable[[], WindowChoice],
        channels: tuple[int, ...] | None = None,
        embedding_folder: EmbeddingFolder | None = None,
    ) -> None:
        self.image_axes = image_axes
        self.embedding_folder = embedding_folder or EmbeddingFolder()
        self.model: Segmenter | None = None
        self.object = 1
        # what *Accept* went on to: begun for nothing, unless something is given for it
        self.begun_by_accept = 0
        self._labels: set[int] = set()
        self._window = window
        self.channels = channels
        self._sessions: dict[int, Session] = {}
        self._shown: dict[str, Any] = {}
        self._looked: dict[int, WindowChoice] = {}
        self.journal = Journal()
        # what `has_more_changed` compares with
        self._told: tuple[object, ...] | None = None

    @property
    def labels(self) -> tuple[int, ...]:
        """All objects there are."""
        return tuple(sorted(self._labels))

    @property
    def sessions(self) -> dict[int, Session]:
        """Those that have been needed so far, by time point."""
        # a copy: sessions are made while others go through them
        return dict(self._sessions)

    def has_more_changed(self, time: int) -> bool:
        """Whether more than prompts, masks and what can be undone has changed since the last call.

        Parameters
        ----------
        time : int
            The time point in the window, which is compared as well.
        """
        sessions = {
            at: (s.setup, s.protection, s.detail_mm, s.document.objects)
            for at, s in self._sessions.items()
        }
        before, self._told = self._told, (time, self.labels, self.object, self.model, sessions)
        return self._told != before

    def session(self, time: int, label: int | None = None, *, make: bool = False) -> Session | None:
        """Return the session of a time point with an object selected; None while there is no model.

        Parameters
        ----------
        time : int
            0 if there is no time axis.
        label : int, optional
            The current object otherwise.
        make : bool, default False
            Make the object there if there is none; else whichever is selected stays so.
        """
        if self.model is None:
            return None
        if time not in self._sessions:
            self._sessions[time] = Session(
                self.model,
                self.image_axes.volume(time),
                window=self._seen(),
                channels=self.channels,
                others=preferences().other_objects,
            )
            # settings chosen before this time point was first visited
            if self._shown:
                self._sessions[time].change_setup(**self._shown)
            self._looked[time] = self._sessions[time].window
            detail = next((s.detail_mm for s in self._sessions.values()), 0.0)
            if detail:
                self._sessions[time].set_detail(detail)
            self._sessions[time].keep_embeddings(self.embedding_folder.files)
            # one journal of all time points, so that a replay makes all of them
            self._sessions[time].journal.join(self.journal, time)
        session = self._sessions[time]
        wanted = self.object if label is None else label
        if wanted in session.objects:
            # selecting counts as a change: not when it is selected already
            if session.object != wanted:
                session.select_object(wanted)
        elif make:
            self._labels.add(wanted)
            session.new_object(wanted)
        return session

    def set_model(self, model: Segmenter) -> None:
        """Use a model in all sessions from now on; one step of undo in each."""
        self.model = model
        for time in self._sessions:
            self._look(time, model)

    def set_window(self) -> None:
        """Set the chosen intensity window in all sessions, if it changed.

        One step of undo; a window restored by undo stays until another one is chosen.
        """
        for time, session in self._sessions.items():
            # compared with what was chosen last, not with the
            # session's: undo may have put an older one back
            if self._looked.get(time) != self._seen():
                self._look(time, session.model)

    def look(self, **changes: Any) -> None:
        """Change further fields of every session's `Setup`, here and at other time points."""
        for session in self._sessions.values():
            session.change_setup(**changes)
        self._shown.update(changes)

    def take(self, sessions: Mapping[int, Session], journal: Journal) -> None:
        """Replace all sessions by others, such as those of a replayed journal."""
        self._sessions, self.journal = dict(sessions), journal
        self._looked = {time: self._seen() for time in sessions}
        for time, session in self._sessions.items():
            session.keep_embeddings(self.embedding_folder.files)
            session.journal.journal, session.journal.time = journal, time
            self.model = session.model
            self.know(session.objects)
            self.object = session.object

    def went_back(self, session: Session, entry: HistoryEntry | None) -> None:
        """Take note of what undo or redo took or brought back; it may have been another model."""
        self.model = session.model
        keys = () if entry is None else entry.after
        if not all(key == OBJECT or isinstance(key, PlaneKey | PaintedKey) for key in keys):
            # a propagation, for instance, is more than the masks of its planes
            self._told = None

    def _seen(self) -> WindowChoice:
        """Return the chosen window; None if its ranges are for another number of channels."""
        window = self._window()
        if not isinstance(window, PerChannel):
            return window
        # ranges chosen for three channels mean nothing for two
        count = len(self.channels) if self.channels else min(3, self.image_axes.volume().n_channels)
        return window if len(window.windows) == max(1, count) else None

    def _look(self, time: int, model: Segmenter) -> None:
        session, window = self._sessions[time], self._seen()
        changes: dict[str, Any] = {}
        if model is not session.model:
            changes["model"] = model
        if window != self._looked.get(time):
            changes["window"] = window
        self._looked[time] = window
        if changes:
            session.change_setup(**changes)

    def new_label(self, least: int = 1) -> int:
        """Return an unused label, and make it the current object."""
        if self.is_begun_for_nothing(self.begun_by_accept):
            # no second empty object beside it
            self.object = self.begun_by_accept
            return self.object
        # one more than the largest: numbers of removed objects
        # are not used again while larger ones exist
        self.object = max([*self.labels, least - 1]) + 1
        self._labels.add(self.object)
        return self.object

    def is_begun_for_nothing(self, label: int) -> bool:
        """Whether an object is in the list, and nothing was ever given, painted or found of it."""
        canvases = [session.document.canvas for session in self._sessions.values()]
        return label in self._labels and not any(
            canvas.painted(label) or any(canvas.states(label)) for canvas in canvases
        )

    def know(self, labels: Iterable[int]) -> None:
        """Take note of objects that are in the layers."""
        self._labels.update(labels)

    def know_no_more(self, labels: Iterable[int]) -> None:
        """Forget objects that were never begun."""
        self._labels.difference_update(labels)

    def know_again(self, labels: Iterable[int]) -> None:
        """Take note of which objects there are still, at any time point, after undo."""
        there = {label for session in self._sessions.values() for label in session.objects}
        for label in labels:
            # undo may have taken back that an object was begun
            (self._labels.add if label in there else self._labels.discard)(label)

    def gone(self, action: str, time: int, change: Change) -> Iterator[tuple[int, Session, Change]]:
        """Yield what undo or redo changed, at the given time point last.

        Linking through time is one step: it is undone at all time points where it came last.
        """
        for other, session in self._sessions.items():
            is_link = change.title == TITLE_LINK == getattr(session, f"{action}_title")
            if other != time and is_link:
                further = session.undo() if action == "undo" else session.redo()
                if further is not None:
                    yield other, session, further
        yield time, self._sessions[time], change

    def mask(self, place: Place) -> BoolArray:
        """Return the mask of an object on a plane, bool (H, W)."""
        session = self._sessions[place.time]
        if place.object not in session.objects:
            return np.zeros(session.volume.slice_shape(place.plane.axis), bool)
        return session.mask_on(place.plane, place.object)

    def given(self, place: Place) -> Prompts:
        """Return the prompts that a session has for a place."""
        session = self.session(place.time, place.object)
        if session is None or place.object not in session.objects:
            return Prompts()
        return session.prompts(place.plane)

    def is_finished(self, label: int) -> bool:
        """Whether an object has been accepted, at any time point."""
        return any(
            (info := s.document.objects.get(label)) is not None and info.finished
            for s in self._sessions.values()
        )

    def set_finished(self, label: int, finished: bool) -> None:
        """Lock an object against further prompts at all time points, or unlock it."""
        for session in self._sessions.values():
            if label in session.objects and session.is_finished(label) != finished:
                if finished:
                    session.finish_object(label)
                else:
                    session.reopen_object(label)


class PredictionQueue:
    """Queue of planes to predict; one request at a time runs in the inference thread.

    A request is made when the thread is free, not when the click comes: it then holds every click
    made meanwhile.

    Parameters
    ----------
    session_store : SessionStore
        Makes requests and takes results.
    worker : Worker
        Where they are computed.
    signals : Signals
        Emits answers and errors.
    displayed_slice : callable
        Returns the slice in the window, whose answer comes first.
    is_wanted : callable
        Whether a place has prompts.
    on_answer : callable
        Given each place whose mask may have changed; True: it has just been answered.
    where_is : callable
        Returns a place in words.
    tell : callable
        Called when an answer has come, or why it has not.

    Attributes
    ----------
    failures : dict of int to str
        By object, why its last answer did not come.
    """

    def __init__(
        self,
        session_store: SessionStore,
        worker: Worker,
        signals: Signals,
        *,
        displayed_slice: Callable[[], DisplayedSlice | str],
        is_wanted: Callable[[Place], bool],
        on_answer: Callable[[Place, bool], None],
        where_is: Callable[[Place], str],
        tell: Callable[[], None],
    ) -> None:
        self._session_store, self._worker, self._signals = session_store, worker, signals
        self._displayed_slice, self._is_wanted, self._on_answer = (
            displayed_slice,
            is_wanted,
            on_answer,
        )
        self._where_is, self._tell = where_is, tell
        self.failures: dict[int, str] = {}
        self._open: dict[Place, None] = {}
        self._current: Place | None = None
        # of the current one, if it is about a volume
        self._in_volume: Job[Result] | None = None
        self._is_cancelled = False
        self._closed = False

    @property
    def is_waiting(self) -> bool:
        """Whether any answer is missing."""
        return self._current is not None or bool(self._open)

    @property
    def clicks_waiting(self) -> int:
        """How many clicks are not answered yet; what is drawn alone counts as one."""
        places = {*self._open, *([] if self._current is None else [self._current])}
        return sum(map(self._clicks_waiting_at, places))

    def _clicks_waiting_at(self, place: Place) -> int:
        session = self._session_store.sessions.get(place.time)
        if session is None or place.object not in session.objects:
            return 0
        asked = session.predictor.question(place.plane, place.object)
        answered = max(session.predictor.answers.course(asked), default=0)
        return max(1, len(asked.prompts.clicks) - answered)

    def add(self, places: Iterable[Place]) -> None:
        """Queue the places that have prompts; `ask` predicts them.

        An answer in 3-D for the same object that is still computed is overtaken, and stopped.
        """
        for place in places:
            # put in again, so that it is the newest
            self._open.pop(place, None)
            if self._is_wanted(place):
                self._open[place] = None
                # an answer in 3-D takes seconds, and the next one holds all prompts anyway
                if self._in_volume is not None and self._is_of_current(place):
                    self._in_volume.cancel()

    @property
    def is_in_volume(self) -> bool:
        """Whether an answer in 3-D is computed now."""
        return self._in_volume is not None

    def cancel(self) -> None:
        """Stop an answer in 3-D; the prompts stay, and the next one asks for all of them."""
        if self._in_volume is not None:
            self._is_cancelled = True
            self._in_volume.cancel()

    def ask(self) -> None:
        """Submit the next request, unless one is running."""
        while self._current is None and self._open and not self._closed:
            place = self._next()
            del self._open[place]
            self._session_store.set_window()
            session = self._session_store.session(place.time, place.object)
            # made now, not when the click came: it holds all clicks since
            request = None if session is None else session.request(place.plane)
            # reading another object's prompts selected that
            # object: the current one is selected again
            self._session_store.session(place.time)
            if request is None:
                self._on_answer(place, False)
            else:
                self._current = place
                # before propagation and everything else that waits
                job = self._worker.submit(partial(run, request), self._answered, first=True)
                if request.in_volume is not None:
                    self._in_volume, self._is_cancelled = job, False
                    # there is something to cancel
                    self._signals.changed.emit()

    def close(self) -> None:
        """Submit nothing from now on and forget the queue."""
        self._closed = True
        self._open.clear()

    def _next(self) -> Place:
        """Return a place on the displayed slice if one is queued, else the newest."""
        now = self._displayed_slice()
        if not isinstance(now, str):
            here = [p for p in self._open if (p.time, p.plane) == (now.time, now.plane)]
            if here:
                return here[-1]
        return next(reversed(self._open))

    def _is_of_current(self, place: Place) -> bool:
        now = self._current
        return now is not None and (now.time, now.object) == (place.time, place.object)

    def _answered(self, outcome: Outcome[Result]) -> None:
        place, job = self._current, self._in_volume
        self._current = self._in_volume = None
        if self._closed or place is None:
            return
        if isinstance(outcome.error, RemoteCancelledError):
            self.add([place])
            # the model that takes over asks for all that waits
            if getattr(self._session_store.model, "is_given_up", False):
                self._signals.changed.emit()
                return
        elif outcome.value is None:
            self.failures[place.object] = told(outcome.error)
            self._signals.failed.emit(self.failures[place.object])
        else:
            self.failures.pop(place.object, None)
            self._take(place, outcome.value)
        self.ask()
        # an answer in 3-D could be cancelled, and cannot any more
        (self._tell if job is None else self._signals.changed.emit)()

    def _take(self, place: Place, result: Result) -> None:
        session = self._session_store.session(place.time, place.object)
        if session is not None and session.accept(result):
            self._on_answer(place, True)
            for plane in session.predictor.changed:
                if plane != place.plane:
                    self._on_answer(replace(place, plane=plane), False)
            self._signals.answered.emit(self._where_is(place), result.seconds)
            note = result.info.get("note")
            stray = told_stray(result)
            if note or stray:
                words = [sentence(str(note))] if note else []
                self._signals.message.emit(joined([*words, stray]))
        elif self._is_cancelled:
            self._is_cancelled = False
            self._signals.message.emit(
                Message(
                    "Answer in 3-D cancelled; what was given stays. The next click asks for all "
                    "of it."
                )
            )
        else:
            # overtaken by newer prompts, which are then the next request
            self.add([place])
        self._session_store.session(place.time)


_LEAST_PX = 9
_LEAST_SHARE = 0.01
"""Pixels, and share of the whole answer: what is smaller than either is noise at a rim, which
*Clean up* removes (not tuned)."""

_MOST_PX = 1 << 19
"""Pixels of a mask that is looked at: numbering the parts of a larger one would hold the window
up."""


def stray_parts(result: Result) -> tuple[int, int]:
    """Return how many parts of an answer hold no positive click, and their pixels.

    None are told where anything was drawn, or a mask given to start from: those say where the
    object is as well.
    """
    asked, packed = result.question, result.packed
    prompts = asked.prompts
    if packed is None or prompts.has_drawn or asked.initial is not None:
        return 0, 0
    if packed.inside.size > _MOST_PX:
        return 0, 0
    numbered, count = ndimage.label(packed.inside, np.ones((3, 3)))
    if count < 2:
        return 0, 0
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    least = max(_LEAST_PX, _LEAST_SHARE * sizes[1:].sum())
    rows, cols = packed.patch.slices
    for click in prompts.clicks:
        row, col = round(click.row) - rows.start, round(click.col) - cols.start
        is_there = 0 <= row < numbered.shape[0] and 0 <= col < numbered.shape[1]
        if click.positive and is_there:
            # a part with a positive click is meant
            sizes[numbered[row, col]] = 0
    stray = sizes[1:][sizes[1:] >= least]
    return int(stray.size), int(stray.sum())


def told_stray(result: Result) -> str:
    """Return in a sentence where else an answer is; empty if it is where the clicks are."""
    count, size = stray_parts(result)
    if not count:
        return ""
    return counted(
        count,
        "Another part of the answer, {size:,} px, has no click: right-click on what is not meant.",
        "{n} other parts of the answer, {size:,} px, have no click: right-click on what is not "
        "meant.",
        size=size,
    )
