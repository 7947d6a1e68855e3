"""Many objects, several models: every score, and what was kept when it was stopped."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from napari_intseg.core.addresses import check_address
from napari_intseg.errors import DataError, PromptError
from napari_intseg.evaluation.datasets import Dataset
from napari_intseg.evaluation.jobs import (
    EvaluationJob,
    ModelChoice,
    Result,
    Results,
    Score,
    Skipped,
    Stop,
    run_here,
    run_in_processes,
    run_on_cluster,
)
from napari_intseg.evaluation.robot import OPENERS
from napari_intseg.evaluation.run import Protocol
from napari_intseg.models.registry import find_model

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
    Outcome
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
    except KeyboardInterrupt:
        _logger.info("interrupted after %d of %d objects", tally.done, tally.total)
    finally:
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
