"""One long-lived thread for all work that would block the window; signals of what was done there.

Plans of cuDNN and warmed-up kernels belong to a thread, so there is exactly one. The thread itself
knows nothing of Qt: what brings an outcome back to the GUI thread is given as `post`.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from psygnal import Signal, SignalInstance
from qtpy.QtCore import QObject, Qt, QThread, QTimer
from qtpy.QtCore import Signal as QtSignal  # type: ignore[attr-defined, unused-ignore]

from napari_intseg.core.segmenter import is_out_of_memory
from napari_intseg.errors import IntSegError
from napari_intseg.ui.messages import Message

T = TypeVar("T")
ShouldStop = Callable[[], bool]


class Post(Protocol):
    """Calls a function in the GUI thread: soon and in order, or after a delay."""

    def __call__(self, call: Callable[[], None], delay_ms: int = 0, /) -> None:
        """May be called from any thread; a delay only from the GUI thread."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(Generic[T]):
    """The outcome of a job: its value, or the error that it raised."""

    value: T | None = None
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """A function to run in the thread, and the callback for its outcome."""

    work: Callable[[ShouldStop], T]
    done: Callable[[Outcome[T]], None]
    key: Hashable = None
    # an event, which can be set in one thread and read in another without a lock
    stop: threading.Event = field(default_factory=threading.Event)
    dropped: bool = False

    def cancel(self) -> None:
        """Ask it to stop early; the outcome still arrives if it had begun."""
        self.stop.set()


class Stopped(Exception):
    """What work raises that ends because a person asked for it; nothing is wrong."""


class Worker:
    """Runs jobs one after the other in its thread, and hands their outcomes to the GUI thread.

    Parameters
    ----------
    post : callable
        Takes a function and has the GUI thread call it, soon and in order.
    name : str
        Of the thread.
    """

    def __init__(self, post: Post, *, name: str = "napari-intseg inference") -> None:
        self._post = post
        self._name = name
        # guards everything below; the thread sleeps on it while there is nothing to do
        self._wake = threading.Condition()
        self._waiting: deque[Job[Any]] = deque()
        self._idle: deque[Job[Any]] = deque()
        self._running: Job[Any] | None = None
        self._closed = False
        # made with the first job: many windows of tests never ask for anything
        self._thread: threading.Thread | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        with self._wake:
            return self._running is None and not self._waiting and not self._idle

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed

    def submit(
        self,
        work: Callable[[ShouldStop], T],
        done: Callable[[Outcome[T]], None],
        *,
        key: Hashable = None,
        first: bool = False,
        idle: bool = False,
    ) -> Job[T]:
        """Queue a function to run in the thread.

        Parameters
        ----------
        work : callable
            Called there with a function that says whether to stop early.
        done : callable
            Called with the outcome in the GUI thread; never after `close`.
        key : hashable, optional
            A waiting job of the same key is dropped: the newest wins. An idle job drops idle ones
            only: what a person asked for is not replaced by what the program asks of itself.
        first : bool, default False
            Go before everything that waits.
        idle : bool, default False
            Go after everything else, whenever it comes: only while nothing else waits.
        """
        job = Job(work, done, key)
        with self._wake:
            if self._closed:
                job.dropped = True
                return job
            queue = self._idle if idle else self._waiting
            if key is not None:
                for other in (self._idle,) if idle else (self._waiting, self._idle):
                    _drop(other, key)
            if first:
                queue.appendleft(job)
            else:
                queue.append(job)
            if self._thread is None:
                # a daemon: a library that hangs must not keep the program from ending
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()
        return job

    # not for ever: a model that hangs must not keep the window from closing. 30 s is not tuned
    def close(self, timeout_s: float = 30.0) -> None:
        """Drop what waits, ask what runs to stop, and wait for the thread to end."""
        with self._wake:
            self._closed = True
            self._waiting.clear()
            self._idle.clear()
            if self._running is not None:
                self._running.cancel()
            self._wake.notify()
        thread = self._thread
        # a thread that waits for itself waits for ever
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
        self._thread = None

    def _run(self) -> None:
        while (job := self._next()) is not None:
            outcome = _attempt(job)
            with self._wake:
                self._running = None
                closed = self._closed
            if not closed:
                self._post(partial(self._deliver, job, outcome))
            # nothing large stays alive while the thread sleeps
            del job, outcome

    def _next(self) -> Job[Any] | None:
        with self._wake:
            while not self._waiting and not self._idle and not self._closed:
                self._wake.wait()
            if self._closed:
                return None
            # idle jobs only while nothing waits: what a person asked for always goes first
            self._running = (self._waiting or self._idle).popleft()
            return self._running

    def _deliver(self, job: Job[Any], outcome: Outcome[Any]) -> None:
        # asked again here: it may have been closed while the outcome waited for the GUI thread
        if not self._closed and not job.dropped:
            job.done(outcome)


def _drop(queue: deque[Job[Any]], key: Hashable) -> None:
    for old in [job for job in queue if job.key == key]:
        old.dropped = True
        queue.remove(old)


def _attempt(job: Job[T]) -> Outcome[T]:
    try:
        return Outcome(job.work(job.stop.is_set))
    except Exception as err:
        # handed to the callback, which shows it in the GUI thread
        return Outcome(error=err)


class GuiThread(QObject):
    """Lets any thread have the GUI thread call something.

    Make it in the GUI thread; `post` may then be called from anywhere.
    """

    _arrived = QtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._is_closed = False
        # queued: the call is made by the event loop, never within `emit`
        self._arrived.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], None], delay_ms: int = 0, /) -> None:
        """Have the GUI thread call a function: after other events, in the order of posting.

        What the GUI thread posts to itself goes by a timer. Qt delivers signals that are queued
        while it delivers signals without a pause; a timer lets mouse and drawing come between.
        """
        if QThread.currentThread() is self.thread():
            QTimer.singleShot(delay_ms, partial(self._call, call))
        else:
            self._arrived.emit(call)

    def close(self) -> None:
        """Call nothing any more, what has been posted included: its widgets may be gone by then."""
        self._is_closed = True

    def _call(self, call: Callable[[], None]) -> None:
        if not self._is_closed:
            call()


class Signals:
    """Signals, all emitted in the GUI thread.

    A click changes prompts, masks and what can be undone: who shows none of these connects to
    `changed`, and is not called by clicks; who does connects to `edited`.
    """

    message = Signal(str)
    """A message for the status line."""

    failed = Signal(str)
    """What went wrong, and what to do."""

    changed = Signal()
    """The image, the model, objects, settings or work that runs has changed; `edited` follows."""

    edited = Signal()
    """Prompts, masks and what can be undone have changed, as by a click; emitted on its own where
    nothing else has."""

    given = Signal()
    """Prompts have been given, moved or taken back by a person."""

    answered = Signal(str, float)
    """An answer is there: where, and the seconds it took."""

    drawn = Signal(str)
    """The mouse has drawn a "box", a "scribble" or a "lasso"."""

    progressed = Signal(int, int, str)
    """Planes or bytes done, in all (0: unknown), and of what; done equals all at the end."""

    lost = Signal(str)
    """A layer was removed and work on the image has ended; says what to do."""

    def __init__(self) -> None:
        self.changed.connect(self._also_edited)

    def follow(self, call: Callable[[], object], *, edits: bool) -> None:
        """Call a function from now on when something has changed.

        Parameters
        ----------
        call : callable
            Held weakly if it is a method, and called once for each change.
        edits : bool
            Also when prompts or masks alone have changed; may be chosen anew at any time.
        """
        told, other = (self.edited, self.changed) if edits else (self.changed, self.edited)
        listen(other, call, False)
        listen(told, call, True)

    def leave(self, call: Callable[[], object]) -> None:
        """Call a function that was given to `follow` no more."""
        listen(self.changed, call, False)
        listen(self.edited, call, False)

    def _also_edited(self) -> None:
        self.edited.emit()


def listen(signal: SignalInstance, call: Callable[..., object], wanted: bool) -> None:
    """Connect a function to a signal only while it has something to do, or disconnect it."""
    if wanted:
        signal.connect(call, unique=True)
    else:
        signal.disconnect(call)


def sentence(note: str) -> str:
    """Return a note as a sentence."""
    if isinstance(note, Message):
        # it is one, and stays translatable
        return note
    return f"{note[:1].upper()}{note[1:]}."


def told(error: Exception | None) -> str:
    """Return an error as a message that says what to do."""
    if isinstance(error, IntSegError):
        message = error.args[0] if error.args else ""
        return message if isinstance(message, Message) else str(error)
    if error is not None and is_out_of_memory(error):
        return Message(
            "Memory ran out: {error}. Close other programs, or choose a smaller model or image.",
            error=str(error) or type(error).__name__,
        )
    # an error that no code here foresaw: it is shown as it is, for the report
    return Message(
        "The model failed: {kind}: {error}. Choose another model or device; if it persists, "
        "please report it with this text.",
        kind=type(error).__name__,
        error=error,
    )


_LOG = logging.getLogger("napari_intseg")

_SAVED = logging.getLogger("napari_intseg.io.hooks")
"""Tells what napari's own *Save Selected Layers* has written, which napari does not."""


class LogMessages(logging.Handler):
    """Emits what is logged as a message; `stop` it with the window.

    Parameters
    ----------
    signals : Signals
        Told in the GUI thread.
    post : callable
        Brings it there from whichever thread has logged.
    """

    def __init__(self, signals: Signals, post: Post) -> None:
        # not WARNING: the message that a file was saved is information
        super().__init__(logging.INFO)
        _SAVED.setLevel(logging.INFO)
        self._signals, self._post = signals, post
        _LOG.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; called by `logging`."""
        # what is only informative stays out of the status line, but for files that were saved
        if record.levelno < logging.WARNING and record.name != _SAVED.name:
            return
        text = record.getMessage().rstrip(".")
        self._post(partial(self._signals.message.emit, sentence(text)))

    def stop(self) -> None:
        """Show nothing any more."""
        _LOG.removeHandler(self)
