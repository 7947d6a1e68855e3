"""Planes that wait for the model, handed to the inference thread one request at a time."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import ndimage

from napari_intseg.session.predictor import Result, run
from napari_intseg.ui.controllers.session_store import SessionStore
from napari_intseg.ui.layers.image_axes import DisplayedSlice
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.signals import Signals, sentence, told
from napari_intseg.ui.qt.worker_thread import Job, Outcome, Worker


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
    ) -> None:
        self._session_store, self._worker, self._signals = session_store, worker, signals
        self._displayed_slice, self._is_wanted, self._on_answer = (
            displayed_slice,
            is_wanted,
            on_answer,
        )
        self._where_is = where_is
        self.failures: dict[int, str] = {}
        self._open: dict[Place, None] = {}
        self._current: Place | None = None
        self._in_volume: Job[Result] | None = None  # of the current one, if it is about a volume
        self._is_cancelled = False
        self._closed = False

    @property
    def is_waiting(self) -> bool:
        """Whether any answer is missing."""
        return self._current is not None or bool(self._open)

    def add(self, places: Iterable[Place]) -> None:
        """Queue the places that have prompts; `ask` predicts them.

        An answer in 3-D for the same object that is still computed is overtaken, and stopped.
        """
        for place in places:
            self._open.pop(place, None)
            if self._is_wanted(place):
                self._open[place] = None
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
            request = None if session is None else session.request(place.plane)
            self._session_store.session(place.time)
            if request is None:
                self._on_answer(place, False)
            else:
                self._current = place
                job = self._worker.submit(partial(run, request), self._answered, first=True)
                if request.in_volume is not None:
                    self._in_volume, self._is_cancelled = job, False
                    self._signals.changed.emit()  # there is something to cancel

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
        place, self._current, self._in_volume = self._current, None, None
        if self._closed or place is None:
            return
        if outcome.value is None:
            self.failures[place.object] = told(outcome.error)
            self._signals.failed.emit(self.failures[place.object])
        else:
            self.failures.pop(place.object, None)
            self._take(place, outcome.value)
        self.ask()
        self._signals.changed.emit()

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
            self.add([place])  # overtaken by newer prompts, which are then the next request
        self._session_store.session(place.time)


_LEAST_PX = 9
_LEAST_SHARE = 0.01
"""Of the whole: what is smaller than either is noise at a rim, which *Clean up* removes."""

_MOST_PX = 1 << 19
"""Of a mask that is looked at: numbering the parts of a larger one would hold the window up."""


def stray_parts(result: Result) -> tuple[int, int]:
    """Return how many parts of an answer hold no positive click, and their pixels.

    None are told where a box or a scribble was given, or a mask to start from: those say where the
    object is as well.
    """
    asked, packed = result.question, result.packed
    prompts = asked.prompts
    if packed is None or prompts.box is not None or prompts.scribbles or asked.initial is not None:
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
