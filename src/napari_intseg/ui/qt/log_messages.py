"""Warnings that are logged, and what was saved, for who looks at the window and no console."""

import logging
from functools import partial

from napari_intseg.ui.qt.signals import Signals, sentence
from napari_intseg.ui.qt.worker_thread import Post

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
