"""How threads of the libraries below wait for each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user's environment says otherwise.

    By default they spin. On a laptop that does something else besides, each then takes the
    processor from the thread it waits for, and a click of 40 ms was seen to take seconds. Only
    works before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


class _OneThread:
    """The limit of one thread of BLAS, and how many threads of ours are inside it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limit: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = _blas().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


_one_thread = _OneThread()  # the number of BLAS's threads is the process's, so there is one


@contextmanager
def one_thread_of_blas() -> Iterator[None]:
    """Compute with one thread of BLAS inside, for many small vectors.

    Its threads spin between them: with two, equations of 25,000 unknowns took twice as long as with
    one, and several times as long on a machine that did something else besides. Several threads of
    ours may be inside; the last to leave puts back what the first one found.
    """
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()


@cache
def _blas() -> Any:
    """Return what holds the libraries' threads; they are looked for once, when all are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
