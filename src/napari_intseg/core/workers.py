"""Where many jobs run: in processes of this machine, or on a dask cluster.

A process that dies is replaced, and its job is done again: `concurrent.futures` gives up all jobs
when one process dies, and does not tell whose job it was.
"""

import ipaddress
import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar
from urllib.parse import urlsplit

from napari_intseg.errors import DataError, MissingExtraError, RemoteError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

ATTEMPTS = 3
"""A job whose process died is begun so often in all: once may be chance (the system ended the
largest process), three times is the job. dask's `allowed-failures` is 3 as well."""


CONNECT_S = 10
"""How long a scheduler is waited for: dask's own time, 30 s, is long for a mistyped address, and a
scheduler that is there answers within a second."""

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
    # of the job that it does
    number: int | None = None


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
    # shared out: processes that each take all processors get in each other's way
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
                            # at once, since it is the oldest job
                            waiting.appendleft(number)
                            continue
                        yield jobs[number], outcome
                        continue
                    result, remarks = outcome
                    warn_again(remarks)
                    yield jobs[number], result
        finally:
            for worker in crew:
                _end(worker)


def _start(function: Callable[[Any], Any]) -> _Worker:
    # spawned, not forked: a fork copies locks of threads that do not exist in the child
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function), daemon=True)
    process.start()
    # so that the end of the process is the end of the pipe
    theirs.close()
    return _Worker(process, ours)


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Do job after job, until the pipe ends, as it does when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        # Ctrl-C is for the parent: what is under way is finished and kept
        os.setpgrp()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(with_warnings(function, pipe.recv()))


def with_warnings(
    function: Callable[[Job], Result], job: Job
) -> tuple[Result, tuple[Warning, ...]]:
    """Return the result of a job, and what was warned of on the way.

    In a process of its own Python would print warnings in its form; handed back, they come in the
    form of who asked for the jobs; see `warn_again`.
    """
    with warnings.catch_warnings(record=True) as kept:
        result = function(job)
    told = (one.message for one in kept)
    return result, tuple(one for one in told if isinstance(one, Warning))


def warn_again(remarks: Sequence[Warning]) -> None:
    """Warn here of what a job in another process warned of."""
    for one in remarks:
        warnings.warn(one, stacklevel=3)


def _give(worker: _Worker, waiting: deque[int], tries: list[int], jobs: Sequence[Any]) -> None:
    number = waiting.popleft()
    worker.number = number
    tries[number] += 1
    with suppress(OSError):
        # it died while it had nothing to do: its end is seen next
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
    if worker.number is not None:
        # left in the middle, by an error or a second Ctrl-C
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


def check_address(address: str, *, insecure: bool) -> None:
    """Refuse what is no address, and one without TLS that leaves this machine.

    Raises
    ------
    RemoteError
        If it is refused.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:  # a port that is no number, or too large a one; half a bracket
        host = None
    if not host or parts.scheme not in ("tls", "tcp"):
        raise RemoteError(
            f"address is not understood: expected tls://HOST:PORT or tcp://127.0.0.1:PORT, got "
            f"{address!r}. Correct it."
        )
    if parts.scheme == "tcp" and not insecure and not is_loopback(host):
        raise RemoteError(
            f"address is not safe: expected tls://, or tcp:// on this machine, got {address!r}. "
            "Use certificates or an SSH tunnel; insecure=True (--insecure) allows it."
        )


def is_safe(address: str, *, insecure: bool = False) -> bool:
    """Whether `check_address` takes an address."""
    try:
        check_address(address, insecure=insecure)
    except RemoteError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone; nobody is asked."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def import_distributed(what: str = "a dask cluster") -> Any:
    """Return dask's distributed; `what` needs it, for the message.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError as err:
        raise MissingExtraError(
            f"{what} needs a package that is not installed: expected distributed. "
            "Install it with: pip install 'napari-intseg[cluster]'"
        ) from err


def futures_on_cluster(
    function: Callable[[Job], Any],
    jobs: Sequence[Job],
    address: str,
    stop: Callable[[], bool],
    *,
    insecure: bool = False,
) -> Generator[tuple[Job, Any], None, None]:
    """Yield the jobs with dask's futures of their results, as they come from a running cluster.

    dask itself does a job again, at another worker, when its worker dies. What has not come back
    when it is told to stop is dropped.

    Parameters
    ----------
    function : callable
        Of one job; its workers import it by its name.
    jobs : sequence
        To be done.
    address : str
        Of the scheduler.
    stop : callable
        Asked after each job.
    insecure : bool, default False
        Allow an address of another machine without TLS.

    Raises
    ------
    RemoteError
        If the address is not safe; see `check_address`.
    MissingExtraError
        If dask's distributed is not installed.
    DataError
        If there is no cluster at the address.
    """
    check_address(address, insecure=insecure)
    distributed = import_distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except (OSError, ValueError, TypeError, RuntimeError) as err:
        raise DataError(
            f"dask cluster does not answer: expected the address of a scheduler, got {address!r} "
            f"({err}). Start one with `dask scheduler`."
        ) from err
    with client:
        # otherwise dask takes equal jobs for one and gives an earlier result
        futures = client.map(function, jobs, pure=False)
        by_key = {future.key: job for future, job in zip(futures, jobs, strict=True)}
        try:
            for future in distributed.as_completed(futures):
                yield by_key[future.key], future
                if stop():
                    break
        finally:
            client.cancel(futures)
