"""From any thread to the GUI thread, by a queued Qt signal."""

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]


class Bridge(QObject):
    """Lets another thread have the GUI thread call something.

    Make it in the GUI thread; `post` may then be called from anywhere.
    """

    _arrived = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._arrived.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], None]) -> None:
        """Have the GUI thread call a function, in the order of posting."""
        self._arrived.emit(call)

    def _call(self, call: Callable[[], None]) -> None:
        call()
