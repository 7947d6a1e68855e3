"""A way to another port of this machine that can be cut, as a line or an SSH tunnel is."""

import socket
import threading
from contextlib import suppress


class Tunnel:
    """Passes bytes on to a port, until it is `cut`; `open` opens it again at the same port.

    Parameters
    ----------
    port : int
        Where it leads to; 0: nowhere, so that whoever connects waits.
    """

    def __init__(self, port: int) -> None:
        self._to, self.port = port, 0
        self._sockets: list[socket.socket] = []
        self.entered = threading.Event()
        self.open()

    @property
    def address(self) -> str:
        """Of its entrance."""
        return f"tcp://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Let through what comes."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._sockets = [listener]
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                self._sockets.append(here)
                self.entered.set()
                if self._to:
                    there = socket.create_connection(("127.0.0.1", self._to))
                    self._sockets.append(there)
                    for ends in ((here, there), (there, here)):
                        threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
