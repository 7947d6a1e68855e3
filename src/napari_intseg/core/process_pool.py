"""Processes that each do many jobs; one that dies is replaced, and its job is done again.

`concurrent.futures` gives up all jobs when one process dies, and does not tell whose job it was.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

ATTEMPTS = 3
"""A job whose process died is begun so often in all: once may be chance (the system ended the
largest process), three times is the job. dask's `allowed-failures` is 3 as well."""


Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Died:
    """What comes of a job whose process died at every attempt.

    Parameters
    ----------
    exit_code : int or None
        Of the last process; negative: the signal that ended it.
    """

    exit_code: int | None

    def __str__(self) -> str:
        """Return it in words."""
        return f"its process died {ATTEMPTS} times, the last time with exit code {self.exit_code}"


@dataclass(slots=True, eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    number: int | None = None  # of the job that it does


def run_in_workers(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Job, Result | Died], None, None]:
    """Yield the jobs with their results as they come.

    Parameters
    ----------
    function : callable
        Of one job, with a name that can be imported; it raises nothing.
    jobs : sequence
        Each is sent to a process once that is free.
    workers : int
        Processes; the processors are shared out between them. Each starts one Python and does job
        after job, so what `function` keeps (a model) stays.
    should_stop : callable, optional
        Asked before a job is begun; then those under way are finished, and no more are begun.

    Yields
    ------
    job, result
        `Died` if the job's process died `ATTEMPTS` times.
    """
    waiting = deque(range(len(jobs)))
    tries = [0] * len(jobs)
    crew: list[_Worker] = []
    with threads_of_children(max(1, (os.cpu_count() or 1) // workers)):
        try:
            crew.extend(_start(function) for _ in range(min(workers, len(jobs))))
            while True:
                for worker in crew:
                    if worker.number is None and waiting and not should_stop():
                        _give(worker, waiting, tries, jobs)
                busy = {worker.pipe: worker for worker in crew if worker.number is not None}
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    worker = busy[pipe]  # type: ignore[index]  # only pipes were given
                    number = worker.number
                    assert number is not None
                    outcome = _outcome(worker)
                    if isinstance(outcome, Died):
                        crew[crew.index(worker)] = _start(function)
                        if tries[number] < ATTEMPTS:
                            waiting.appendleft(number)
                            continue
                    yield jobs[number], outcome
        finally:
            for worker in crew:
                _end(worker)


def _start(function: Callable[[Any], Any]) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    return _Worker(process, ours)


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Do job after job, until the pipe ends, as it does when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # Ctrl-C is for the parent: what is under way is finished and kept
    with suppress(EOFError, OSError):
        while True:
            pipe.send(function(pipe.recv()))


def _give(worker: _Worker, waiting: deque[int], tries: list[int], jobs: Sequence[Any]) -> None:
    number = waiting.popleft()
    worker.number = number
    tries[number] += 1
    with suppress(OSError):  # it died while it had nothing to do: its end is seen next
        worker.pipe.send(jobs[number])


def _outcome(worker: _Worker) -> Any:
    """Return what a worker sends, `Died` if it sends nothing any more."""
    try:
        outcome = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        worker.pipe.close()
        return Died(worker.process.exitcode)
    worker.number = None
    return outcome


def _end(worker: _Worker) -> None:
    """End a process: by itself if it has nothing to do."""
    worker.pipe.close()
    if worker.number is not None:  # left in the middle, by an error or a second Ctrl-C
        worker.process.terminate()
    worker.process.join()


@contextmanager
def threads_of_children(threads: int) -> Iterator[None]:
    """Set how many threads libraries take in processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
