"""Many objects, several models: every score, and what was kept when it was stopped.

A job is one image for one model; jobs run here, in processes, or on a cluster.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.workers import (
    check_address,
    futures_on_cluster,
    threads_of_children,
    warn_again,
    with_warnings,
)
from napari_intseg.errors import DataError, FileError, PromptError
from napari_intseg.evaluation.datasets import Dataset, DatasetEntry
from napari_intseg.evaluation.robot import OPENERS
from napari_intseg.evaluation.run import (
    Course,
    PreparedImages,
    Protocol,
    seed_of,
    segment_slice,
    segment_volume,
)
from napari_intseg.evaluation.truth import ObjectRef, read_image, read_labels, truth_of
from napari_intseg.models.registry import find_model, load_model


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model to evaluate, as `load_model` takes it."""

    name: str
    weights: Path | None = None
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """One image for one model with one seed; what a worker takes."""

    choice: ModelChoice
    entry: DatasetEntry
    protocol: Protocol
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """How one model did on one object with one seed.

    Parameters
    ----------
    model, dataset, entry : str
        Names.
    ref : ObjectRef
        Which object of the entry.
    seed : int
        0 for the deterministic rule.
    size_px : int
        Pixels, or voxels, of the object.
    course : Course
        Click by click.
    """

    model: str
    dataset: str
    entry: str
    ref: ObjectRef
    seed: int
    size_px: int
    course: Course


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that could not be evaluated, and why."""

    model: str
    dataset: str
    entry: str
    reason: str


Result = list[Score] | Skipped
Results = Generator[tuple[EvaluationJob, Result], None, None]
Stop = Callable[[], bool]


def run_job(job: EvaluationJob) -> Result:
    """Segment the objects of one image; files that cannot be used are reported, not raised.

    Raises
    ------
    WeightsError, MissingExtraError, DeviceError
        If the model cannot be loaded.
    """
    model = _loaded(job.choice)
    entry, shelf = job.entry, PreparedImages()
    try:
        labels = read_labels(entry.mask)
        volume = read_image(entry.image, labels.shape, entry.mask)
        scores = []
        for ref in entry.objects:
            truth = truth_of(labels, ref, entry.rules)
            # by names, so that an object gets the same clicks whatever is evaluated with it
            seed = seed_of(job.seed, entry.dataset, entry.name, ref.name)
            if truth.ndim == 3:
                course = segment_volume(
                    model, volume, truth, job.protocol, seed=seed,
                    live=entry.rules.volumes == "live", window=entry.rules.window,
                )  # fmt: skip
            else:
                course = segment_slice(
                    model, volume, truth, job.protocol, plane=ref.plane, seed=seed, shelf=shelf
                )
            # other objects and ignored pixels do not count
            size = int(np.count_nonzero(truth == 1))
            scores.append(
                Score(job.choice.name, entry.dataset, entry.name, ref, job.seed, size, course)
            )
    # anything else, such as weights that do not load, would fail for every image: it is raised
    except (DataError, FileError) as err:
        return _skipped(job, str(err))
    return scores


def _skipped(job: EvaluationJob, reason: str) -> Skipped:
    return Skipped(job.choice.name, job.entry.dataset, job.entry.name, reason)


# one only: jobs come model by model, and two large models might not fit into memory
@lru_cache(maxsize=1)
def _loaded(choice: ModelChoice) -> Segmenter:
    """Return a model, the one of the job before if it is the same."""
    model = load_model(
        choice.name, weights=choice.weights, device=choice.device, precision=choice.precision
    )
    # CUDA plans at the first answer of each shape; that is no time of a click
    if hasattr(model, "warm_up"):
        model.warm_up()
    return model


def run_here(jobs: Sequence[EvaluationJob], stop: Stop) -> Results:
    """Yield the jobs with their results, one after the other, until told to stop."""
    try:
        for job in jobs:
            if stop():
                break
            yield job, run_job(job)
    finally:
        # a caller that goes on keeps no model in memory
        _loaded.cache_clear()


def run_in_processes(jobs: Sequence[EvaluationJob], workers: int, stop: Stop) -> Results:
    """Yield the jobs with their results as they come from several processes.

    The cores are shared between the processes. When told to stop, jobs not begun are dropped and
    those under way still yielded.
    """
    # without it each process would start as many threads as there are cores
    threads = max(1, (os.cpu_count() or 1) // workers)
    with (
        threads_of_children(threads),
        # a forked child would inherit threads and locks of torch
        ProcessPoolExecutor(workers, get_context("spawn"), _ignore_interrupt) as pool,
    ):
        futures: dict[Future[tuple[Result, tuple[Warning, ...]]], EvaluationJob] = {
            pool.submit(with_warnings, run_job, job): job for job in jobs
        }
        try:
            for future in as_completed(futures):
                if stop():
                    for other in futures:
                        other.cancel()
                if future.cancelled():
                    continue
                try:
                    result, remarks = future.result()
                # a model that crashes its process costs its image, not the run
                except BrokenProcessPool as err:
                    yield futures[future], _skipped(futures[future], f"the process died ({err})")
                    continue
                warn_again(remarks)
                yield futures[future], result
        finally:
            # also when the caller stops listening
            pool.shutdown(wait=True, cancel_futures=True)


def run_on_cluster(
    jobs: Sequence[EvaluationJob], address: str, stop: Stop, *, insecure: bool = False
) -> Results:
    """Yield the jobs with their results as they come from an existing dask cluster.

    When told to stop, all that has not come back is dropped.

    Raises
    ------
    RemoteError
        If the address is not safe and that is not allowed as `insecure`; see `check_address`.
    MissingExtraError
        If dask's distributed is not installed.
    DataError
        If there is no cluster at the address.
    """
    for job, future in futures_on_cluster(run_job, jobs, address, stop, insecure=insecure):
        yield job, future.result()


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the parent, so that what a worker has begun is finished and kept."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkResult:
    """All that was measured.

    Parameters
    ----------
    scores : tuple of Score
        By model, data set, image, object, seed.
    skipped : tuple of Skipped
        Images that could not be used.
    cancelled : bool
        Whether it was stopped before all was done.
    seconds : float
        Wall-clock time.
    """

    scores: tuple[Score, ...]
    skipped: tuple[Skipped, ...] = ()
    cancelled: bool = False
    seconds: float = 0.0


@dataclass
class _Tally:
    """What has come back so far."""

    total: int
    on_progress: Callable[[int, int], None] | None
    scores: list[tuple[EvaluationJob, Score]] = field(default_factory=list)
    skipped: list[tuple[EvaluationJob, Skipped]] = field(default_factory=list)
    done: int = 0

    def take(self, job: EvaluationJob, result: Result) -> None:
        if isinstance(result, Skipped):
            self.skipped.append((job, result))
        else:
            self.scores.extend((job, score) for score in result)
        self.done += len(job.entry.objects)
        if self.on_progress:
            self.on_progress(self.done, self.total)

    def outcome(self, jobs: Sequence[EvaluationJob], seconds: float) -> BenchmarkResult:
        """Return all of it in the order of the jobs."""
        # jobs come back in any order; the table must not depend on the number of workers
        order = {id(job): i for i, job in enumerate(jobs)}
        scores = sorted(self.scores, key=lambda pair: order[id(pair[0])])
        skipped = sorted(self.skipped, key=lambda pair: order[id(pair[0])])
        return BenchmarkResult(
            tuple(score for _, score in scores),
            tuple(told for _, told in skipped),
            self.done < self.total,
            seconds,
        )


def evaluate(
    datasets: Sequence[Dataset],
    models: Sequence[ModelChoice],
    protocol: Protocol | None = None,
    *,
    workers: int = 1,
    dask: str | None = None,
    insecure: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> BenchmarkResult:
    """Let the robot user segment every object with every model.

    Parameters
    ----------
    datasets : sequence of Dataset
        From `open_datasets`.
    models : sequence of ModelChoice
        Their names are checked before anything runs.
    protocol : Protocol, optional
        The published one by default.
    workers : int, default 1
        Processes; images are spread over them, and the cores shared between them.
    dask : str, optional
        Address of a running dask cluster to use instead; its workers must see the files under
        the same paths and have napari-intseg installed.
    insecure : bool, default False
        Allow an address of another machine without TLS.
    on_progress : callable, optional
        ``on_progress(done, total)`` in objects.
    should_stop : callable, optional
        Asked between images; what is done and, in processes, what is under way is kept. On
        KeyboardInterrupt what is done is kept.

    Returns
    -------
    BenchmarkResult
        The same for any number of workers, seconds aside.

    Raises
    ------
    UnknownModelError
        If there is no such model.
    PromptError
        If a model takes neither clicks nor a box nor extreme points.
    WeightsError, MissingExtraError, DeviceError
        If a model cannot be loaded.
    RemoteError
        If the address is not safe.
    DataError
        If there are fewer than one worker, or no cluster at the address.
    """
    if dask:
        # before the images are searched, which may take long
        check_address(dask, insecure=insecure)
    jobs = _jobs(models, datasets, protocol or Protocol())
    tally = _Tally(sum(len(job.entry.objects) for job in jobs), on_progress)
    start = time.perf_counter()
    stop = should_stop or (lambda: False)
    if dask:
        results = run_on_cluster(jobs, dask, stop, insecure=insecure)
    else:
        results = _spread(jobs, workers, stop)
    try:
        for job, result in results:
            tally.take(job, result)
    # hours of work are not thrown away: the table of what is done is printed
    except KeyboardInterrupt:
        _logger.info("interrupted after %d of %d objects", tally.done, tally.total)
    finally:
        # ends the processes of a generator that was not read to its end
        results.close()
    return tally.outcome(jobs, time.perf_counter() - start)


def _jobs(
    models: Sequence[ModelChoice], datasets: Sequence[Dataset], protocol: Protocol
) -> list[EvaluationJob]:
    """Return what is to be done, in order; refuse models that the robot user cannot work with."""
    for choice in models:
        if not find_model(choice.name).prompts & OPENERS:
            raise PromptError(
                f"model takes nothing the robot user gives: expected one that takes "
                f"{', '.join(sorted(OPENERS))}, got {choice.name!r}. Choose another."
            )
    return [
        EvaluationJob(choice, entry, protocol, seed)
        for choice in models
        for dataset in datasets
        for entry in dataset.entries
        for seed in protocol.seed_range
    ]


def _spread(jobs: Sequence[EvaluationJob], workers: int, stop: Stop) -> Results:
    if workers < 1:
        raise DataError(
            f"number of workers is too small: expected at least 1, got {workers!r}. "
            "Leave it out for one."
        )
    return run_here(jobs, stop) if workers == 1 else run_in_processes(jobs, workers, stop)
