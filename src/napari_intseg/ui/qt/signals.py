"""Signals of the controllers, and errors as messages."""

import logging
from functools import partial

from psygnal import Signal

from napari_intseg.core.segmenter import is_out_of_memory
from napari_intseg.errors import IntSegError
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Post


class Signals:
    """Signals, all emitted in the GUI thread."""

    message = Signal(str)
    """A message for the status line."""

    failed = Signal(str)
    """What went wrong, and what to do."""

    changed = Signal()
    """Objects, clicks, or what can be done has changed."""

    given = Signal()
    """Prompts have been given, moved or taken back by a person."""

    answered = Signal(str, float)
    """An answer is there: where, and the seconds it took."""

    drawn = Signal(str)
    """The mouse has drawn a "box" or a "scribble"."""

    progressed = Signal(int, int, str)
    """Planes or bytes done, in all (0: unknown), and of what; done equals all at the end."""

    lost = Signal(str)
    """A layer was removed and work on the image has ended; says what to do."""


def sentence(note: str) -> str:
    """Return a note as a sentence."""
    if isinstance(note, Message):
        return note  # it is one, and stays translatable
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
        super().__init__(logging.INFO)
        _SAVED.setLevel(logging.INFO)
        self._signals, self._post = signals, post
        _LOG.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; called by `logging`."""
        if record.levelno < logging.WARNING and record.name != _SAVED.name:
            return
        text = record.getMessage().rstrip(".")
        self._post(partial(self._signals.message.emit, sentence(text)))

    def stop(self) -> None:
        """Show nothing any more."""
        _LOG.removeHandler(self)
