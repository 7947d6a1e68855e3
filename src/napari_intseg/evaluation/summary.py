"""From scores to numbers: one row for each model and data set, and how curves cross."""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeVar

from napari_intseg.evaluation.jobs import Score
from napari_intseg.evaluation.metrics import failure_share, noc
from napari_intseg.evaluation.run import Protocol, carried

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the ends of a number over the seeds of random clicks."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """What one model reached on one data set; means are over objects and seeds.

    Parameters
    ----------
    model, dataset : str
        Names. A folder with several data sets has a row of its own, over all their objects.
    n_objects, n_seeds : int
        What was measured.
    noc : tuple of float
        Mean number of clicks to each target of the protocol.
    noc_spread : tuple of Spread
        Over the seeds, of that mean; empty with one seed.
    failures : tuple of float
        Share of objects that never reach each target, 0 to 1.
    iou, dice : tuple of float
        Mean after 1, 2, … clicks; where no further click was made, the last value stands.
    surface_mm, hd95_mm : float or None
        Median over objects after the last click, for volumes: mean surface distance and 95 %
        Hausdorff distance. The median, since an empty mask is infinitely far.
    seconds : float
        Median time of a click.
    first_seconds : float
        Median time of the first click, preparing the image included.
    """

    model: str
    dataset: str
    n_objects: int
    n_seeds: int
    noc: tuple[float, ...]
    noc_spread: tuple[Spread, ...]
    failures: tuple[float, ...]
    iou: tuple[float, ...]
    dice: tuple[float, ...]
    surface_mm: float | None
    hd95_mm: float | None
    seconds: float
    first_seconds: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where one model's curve overtakes another's.

    Parameters
    ----------
    click : int
        The first number of clicks after which `ahead` has the higher mean IoU.
    ahead, behind : str
        Names of the models from then on.
    """

    click: int
    ahead: str
    behind: str


def summarise(scores: Sequence[Score], protocol: Protocol) -> tuple[Row, ...]:
    """Return a row for each data set and model, in the order they were run."""
    rows = []
    for dataset in _with_groups(_unique(score.dataset for score in scores)):
        for model in _unique(score.model for score in scores):
            chosen = [
                score
                for score in scores
                if score.model == model and f"{score.dataset}/".startswith(f"{dataset}/")
            ]
            if chosen:
                rows.append(_row(model, dataset, chosen, protocol))
    return tuple(rows)


def crossings(one: Row, other: Row) -> tuple[Crossing, ...]:
    """Return every number of clicks at which the model with the higher mean IoU changes."""
    found: list[Crossing] = []
    leader = ""
    for click, (a, b) in enumerate(zip(one.iou, other.iou, strict=False), start=1):
        if math.isclose(a, b, abs_tol=1e-9):
            continue
        ahead, behind = (one.model, other.model) if a > b else (other.model, one.model)
        if leader and ahead != leader:
            found.append(Crossing(click, ahead, behind))
        leader = ahead
    return tuple(found)


def best_median_worst(scores: Sequence[Score], protocol: Protocol) -> tuple[Score, ...]:
    """Return up to three scores: the best, the median and the worst.

    By clicks to the highest target, then by the mean IoU over the clicks.
    """
    target, count = max(protocol.targets), protocol.max_clicks

    def rank(score: Score) -> tuple[int, float]:
        ious = score.course.ious
        return noc(ious, target=target, max_clicks=count), -fmean(carried(ious, count))

    ranked = sorted(scores, key=rank)
    places = dict.fromkeys((0, len(ranked) // 2, len(ranked) - 1)) if ranked else {}
    return tuple(ranked[i] for i in places)


def _row(model: str, dataset: str, scores: Sequence[Score], protocol: Protocol) -> Row:
    count, courses = protocol.max_clicks, [score.course for score in scores]
    ious = [course.ious for course in courses]
    seeds = _unique(score.seed for score in scores)
    by_seed = [[s.course.ious for s in scores if s.seed == seed] for seed in seeds]
    last = [course.surfaces[-1] for course in courses if course.surfaces]
    seconds = [t for course in courses for t in course.seconds]
    first = [course.seconds[0] for course in courses if course.seconds]

    def mean_noc(of: Sequence[Sequence[float]], target: float) -> float:
        return fmean(noc(one, target=target, max_clicks=count) for one in of)

    return Row(
        model=model,
        dataset=dataset,
        n_objects=len(scores) // len(seeds),
        n_seeds=len(seeds),
        noc=tuple(mean_noc(ious, target) for target in protocol.targets),
        noc_spread=tuple(
            _spread([mean_noc(of, target) for of in by_seed])
            for target in protocol.targets
            if len(seeds) > 1
        ),
        failures=tuple(
            failure_share(ious, target=target, max_clicks=count) for target in protocol.targets
        ),
        iou=_mean_curve([carried(one, count) for one in ious]),
        dice=_mean_curve([carried(course.dices, count) for course in courses]),
        surface_mm=median(s.mean_mm for s in last) if last else None,
        hd95_mm=median(s.hd95_mm for s in last) if last else None,
        seconds=_median(seconds),
        first_seconds=_median(first),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), median(values), max(values))


def _mean_curve(curves: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(fmean(column) for column in zip(*curves, strict=True))


def _median(values: Sequence[float]) -> float:
    return median(values) if values else 0.0


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _with_groups(names: Sequence[str]) -> list[str]:
    """Return the names, each folder that holds several of them after its last one."""
    out: list[str] = []
    for name in names:
        out.append(name)
        for depth in range(name.count("/"), 0, -1):
            folder = "/".join(name.split("/")[:depth])
            members = [n for n in names if n.startswith(f"{folder}/")]
            if len(members) > 1 and name == members[-1] and folder not in names:
                out.append(folder)
    return out
