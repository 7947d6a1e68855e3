"""Warnings that are logged, shown to whoever looks at the window and not at a console."""

import logging
from functools import partial

from napari_intseg.ui.qt.signals import Signals, sentence
from napari_intseg.ui.qt.worker_thread import Post

_LOG = logging.getLogger("napari_intseg")


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
        super().__init__(logging.WARNING)
        self._signals, self._post = signals, post
        _LOG.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; called by `logging`."""
        text = record.getMessage().rstrip(".")
        self._post(partial(self._signals.message.emit, sentence(text)))

    def stop(self) -> None:
        """Show nothing any more."""
        _LOG.removeHandler(self)
