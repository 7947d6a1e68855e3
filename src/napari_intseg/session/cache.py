"""A bounded store of what models prepared."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from napari_intseg.core.segmenter import Prepared


class PreparedCache:
    """Keeps what was used last, up to a number of bytes; safe with several threads.

    Parameters
    ----------
    limit_bytes : int
        What it may hold; something larger than all of it is not kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """What it holds now."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if it is not there any more."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something, and forget what was not used for longest if there is no room."""
        with self._lock:
            self._forget(key)
            if prepared.nbytes > self.limit_bytes:
                return
            self._kept[key] = prepared
            self._nbytes += prepared.nbytes
            while self._nbytes > self.limit_bytes:
                self._forget(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget everything, so that the memory goes back."""
        with self._lock:
            self._kept.clear()
            self._nbytes = 0

    def _forget(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._nbytes -= old.nbytes
