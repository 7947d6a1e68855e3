"""From any thread to the GUI thread, by a queued Qt signal."""

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject, Qt, QThread, QTimer, Signal  # type: ignore[attr-defined]


class Bridge(QObject):
    """Lets any thread have the GUI thread call something.

    Make it in the GUI thread; `post` may then be called from anywhere.
    """

    _arrived = Signal(object)

    def __init__(self) -> None:
        super().__init__()
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

    def _call(self, call: Callable[[], None]) -> None:
        call()
