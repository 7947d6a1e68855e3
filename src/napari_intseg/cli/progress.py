"""Progress on the standard error, and a first Ctrl-C that stops in good order."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tqdm import tqdm


@contextmanager
def progress_bar(
    title: str, unit: str, *, quiet: bool = False, **options: Any
) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for slow work.

    Parameters
    ----------
    title, unit : str
        What is done, and what is counted.
    quiet : bool, default False
        Show nothing.
    **options
        Of tqdm, e.g. ``unit_scale=True``.

    Yields
    ------
    callable
        To be called with how much is done and how much there is (0: not known).
    """
    # a log wants few lines, a person a bar that moves
    often_s = 0.1 if sys.stderr.isatty() else 10
    with tqdm(
        desc=title, unit=unit, disable=quiet, file=sys.stderr, mininterval=often_s, **options
    ) as bar:

        def show(done: int, total: int) -> None:
            if total and bar.total != total:
                bar.total = total
            bar.update(done - bar.n)

        yield show


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C ask for a stop instead of ending the program; a second one ends it.

    Yields
    ------
    callable
        Returns whether Ctrl-C was pressed.
    """
    stopped = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # signals reach the main thread only
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)
