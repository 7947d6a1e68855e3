"""How threads of the libraries below wait for each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user's environment says otherwise.

    By default they spin. On a laptop that does something else besides, each then takes the
    processor from the thread it waits for, and a click of 40 ms was seen to take seconds. Only
    works before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


_alone = RLock()  # the number may be the process's or a thread's own, as BLAS was built


@contextmanager
def one_thread_of_blas() -> Iterator[None]:
    """Compute with one thread of BLAS inside, for many small vectors.

    Its threads spin between them: with two, equations of 25,000 unknowns took twice as long as with
    one, and several times as long on a machine that did something else besides. One thread of ours
    at a time is inside, so that each puts back what it found.
    """
    with _alone, _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> Any:
    """Return what holds the libraries' threads; they are looked for once, when all are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
