"""From scores to numbers: one row for each model and data set, and how curves cross."""

import datetime
import math
import os
import platform
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any, TypeVar

from napari_intseg import __version__
from napari_intseg.evaluation.benchmark import BenchmarkResult, Score
from napari_intseg.evaluation.metrics import failure_share, noc, recoveries, worst_tenth
from napari_intseg.evaluation.run import Protocol, carried

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class SeedSpread:
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
    noc_spread : tuple of SeedSpread
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
    worst : tuple of float
        Mean number of clicks to each target of the worst tenth, objects and seeds together.
    wrong_clicks : int
        How many clicks said of their pixel what is not true.
    recovery : float or None
        Mean number of clicks until a wrong one was made good, see `recoveries`; None: there was
        none.
    """

    model: str
    dataset: str
    n_objects: int
    n_seeds: int
    noc: tuple[float, ...]
    noc_spread: tuple[SeedSpread, ...]
    failures: tuple[float, ...]
    iou: tuple[float, ...]
    dice: tuple[float, ...]
    surface_mm: float | None
    hd95_mm: float | None
    seconds: float
    first_seconds: float
    worst: tuple[float, ...] = ()
    wrong_clicks: int = 0
    recovery: float | None = None


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
                # a folder's row takes the sets below it; the slash keeps "cells2" out of "cells"
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
        # equal curves touch, and nobody leads
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
        # of equal counts, the one that was better on the way
        return noc(ious, target=target, max_clicks=count), -fmean(carried(ious, count))

    ranked = sorted(scores, key=rank)
    # one or two objects are named once
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
    recovered = [n for c in courses for n in recoveries(c.ious, c.wrong, max_clicks=count)]

    def nocs(of: Sequence[Sequence[float]], target: float) -> list[int]:
        return [noc(one, target=target, max_clicks=count) for one in of]

    def mean_noc(of: Sequence[Sequence[float]], target: float) -> float:
        return fmean(nocs(of, target))

    return Row(
        model=model,
        dataset=dataset,
        # every object was segmented once a seed
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
        # where an object was left early its last value stands for later clicks
        iou=_mean_curve([carried(one, count) for one in ious]),
        dice=_mean_curve([carried(course.dices, count) for course in courses]),
        # an empty mask is infinitely far, which no mean survives
        surface_mm=median(s.mean_mm for s in last) if last else None,
        hd95_mm=median(s.hd95_mm for s in last) if last else None,
        # a first click prepares the image, and others wait for the machine: means would tell of
        # these
        seconds=_median(seconds),
        first_seconds=_median(first),
        worst=tuple(worst_tenth(nocs(ious, target)) for target in protocol.targets),
        wrong_clicks=len(recovered),
        recovery=fmean(recovered) if recovered else None,
    )


def _spread(values: Sequence[float]) -> SeedSpread:
    return SeedSpread(min(values), median(values), max(values))


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
            # a folder with one set needs no row of its own
            if len(members) > 1 and name == members[-1] and folder not in names:
                out.append(folder)
    return out


# the number changes when readers of older files would misunderstand newer ones
FORMAT = "napari-intseg evaluation 1"
# few enough for a line on a terminal; every click is in the JSON
SHOWN_CLICKS = (1, 3, 5, 10)


def table(rows: Sequence[Row], protocol: Protocol) -> list[list[str]]:
    """Return head and lines of the table, as text; columns that nothing fills are left out."""
    shown = [k for k in SHOWN_CLICKS if k <= protocol.max_clicks]
    head = ["set", "model", "objects"]
    head += [f"NoC@{percent(target)}" for target in protocol.targets]
    head += [f"failed@{percent(target)}" for target in protocol.targets]
    head += [f"IoU@{k}" for k in shown] + [f"Dice@{k}" for k in shown[-1:]]
    by_hand = protocol.rule == "human"
    if by_hand:
        head += [f"worst 10 %@{percent(target)}" for target in protocol.targets]
        head += ["wrong", "recovery"]
    in_mm = any(row.surface_mm is not None for row in rows)
    head += (["surface mm", "HD95 mm"] if in_mm else []) + ["s/click"]
    lines = [head]
    for row in rows:
        spreads: tuple[SeedSpread | None, ...] = row.noc_spread or (None,) * len(row.noc)
        line = [row.dataset, row.model, str(row.n_objects)]
        line += [_noc(value, s) for value, s in zip(row.noc, spreads, strict=True)]
        line += [f"{100 * share:.1f} %" for share in row.failures]
        line += [f"{row.iou[k - 1]:.3f}" for k in shown]
        line += [f"{row.dice[k - 1]:.3f}" for k in shown[-1:]]
        if by_hand:
            line += [f"{value:.2f}" for value in row.worst] + [str(row.wrong_clicks)]
            line += ["" if row.recovery is None else f"{row.recovery:.2f}"]
        line += [_mm(row.surface_mm), _mm(row.hd95_mm)] if in_mm else []
        lines.append([*line, f"{row.seconds:.3f}"])
    return lines


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns; the first two are text, the others numbers."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = [
        [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    rule = ["-" * width for width in widths]
    return "\n".join("  ".join(line).rstrip() for line in [padded[0], rule, *padded[1:]])


def as_json(
    outcome: BenchmarkResult, rows: Sequence[Row], protocol: Protocol, command: Sequence[str] = ()
) -> dict[str, Any]:
    """Return all that was measured as plain values; infinite and undefined numbers are null.

    The keys are described in the reference, under "Evaluation".
    """
    return {
        "format": FORMAT,
        "version": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "machine": machine(),
        "cancelled": outcome.cancelled,
        "seconds": round(outcome.seconds, 2),
        "protocol": {
            "max_clicks": protocol.max_clicks,
            "targets": list(protocol.targets),
            "rule": protocol.rule,
            "seeds": protocol.seeds,
            "stop_early": protocol.stop_early,
        },
        "rows": [_table_row(row, protocol) for row in rows],
        "crossings": [
            {"dataset": one.dataset, "click": c.click, "ahead": c.ahead, "behind": c.behind}
            for one, other in pairs_of(rows)
            for c in crossings(one, other)
        ],
        "objects": [_score(score) for score in outcome.scores],
        "skipped": [
            {"model": s.model, "dataset": s.dataset, "image": s.entry, "reason": s.reason}
            for s in outcome.skipped
        ],
    }


def pairs_of(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return every two rows on the same data set."""
    return [
        (one, other)
        for i, one in enumerate(rows)
        for other in rows[i + 1 :]
        if one.dataset == other.dataset
    ]


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def percent(share: float) -> str:
    """Return 0.9 as "90", 0.925 as "92.5"."""
    return f"{100 * share:.4g}"


def _noc(value: float, spread: SeedSpread | None) -> str:
    if spread is None:
        return f"{value:.2f}"
    return f"{spread.median:.2f} [{spread.low:.2f}–{spread.high:.2f}]"


def _mm(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if math.isfinite(value) else "∞"


def _number(value: float | None, digits: int = 5) -> float | None:
    # JSON knows neither infinity nor NaN
    return round(value, digits) if value is not None and math.isfinite(value) else None


def _table_row(row: Row, protocol: Protocol) -> dict[str, Any]:
    names = [percent(target) for target in protocol.targets]
    return {
        "model": row.model,
        "dataset": row.dataset,
        "objects": row.n_objects,
        "seeds": row.n_seeds,
        "noc": dict(zip(names, map(_number, row.noc), strict=True)),
        "noc_over_seeds": {
            name: {"low": s.low, "median": s.median, "high": s.high}
            for name, s in zip(names, row.noc_spread, strict=False)
        },
        "failed": dict(zip(names, map(_number, row.failures), strict=True)),
        "iou": [_number(value) for value in row.iou],
        "dice": [_number(value) for value in row.dice],
        "surface_mm": _number(row.surface_mm),
        "hd95_mm": _number(row.hd95_mm),
        "seconds": _number(row.seconds),
        "first_seconds": _number(row.first_seconds),
        "worst_tenth": dict(zip(names, map(_number, row.worst), strict=True)),
        "wrong_clicks": row.wrong_clicks,
        "recovery": _number(row.recovery),
    }


def _score(score: Score) -> dict[str, Any]:
    course = score.course
    out: dict[str, Any] = {
        "model": score.model,
        "dataset": score.dataset,
        "image": score.entry,
        "object": score.ref.name,
        "seed": score.seed,
        "size_px": score.size_px,
        "clicks": [
            {"plane": plane, "row": c.row, "col": c.col, "positive": c.positive}
            for plane, c in course.clicks
        ],
        "iou": [_number(value) for value in course.ious],
        "dice": [_number(value) for value in course.dices],
        "seconds": [_number(value) for value in course.seconds],
    }
    if course.surfaces:
        out["surface_mm"] = [_number(s.mean_mm) for s in course.surfaces]
        out["hd95_mm"] = [_number(s.hd95_mm) for s in course.surfaces]
    return out


STEPS = (1, 3, 5, 10)
"""Interactions after which the Dice is told."""
# of what is reachable: people accept such an object as it is
_UNCHANGED = 0.95
# without this an object that no correction mends would be accepted at once
_LEAST_REACHABLE = 0.9
# of Dice, from one interaction to the next: less is noise
_FALL = 0.02
# below, an object counts as lost
_USABLE = 0.5


def live_table(scores: Sequence[Score]) -> list[list[str]]:
    """Return how whole objects did, a row for each data set and model, the header first.

    "accepted" is the share of objects that would be accepted unchanged: after the first
    interaction their Dice is at least 0.95 of the best that all interactions reach, which counts
    as 0.9 at least. "worst" is the largest loss of any object from one interaction to the next,
    "falls" how many lose more than 0.02, "lost" how many end below 0.5, and "CPU s" the mean
    processor time of an interaction.
    """
    header = ["model", "data", "objects", *(f"Dice@{n}" for n in STEPS)]
    rows = [[*header, "accepted", "worst", "falls", "lost", "CPU s"]]
    for model, dataset in dict.fromkeys((score.model, score.dataset) for score in scores):
        chosen = [s for s in scores if (s.model, s.dataset) == (model, dataset) and s.course.dices]
        if chosen:
            rows.append([model, dataset, *_live_row(chosen)])
    return rows


def _live_row(scores: Sequence[Score]) -> list[str]:
    dices = [score.course.dices for score in scores]
    means = [fmean(carried(one, max(STEPS))[n - 1] for one in dices) for n in STEPS]
    worst = [max((a - b for a, b in pairwise(d)), default=0.0) for d in dices]
    seconds = [t for score in scores for t in score.course.cpu_seconds]
    return [
        str(len(scores)),
        *(f"{mean:.3f}" for mean in means),
        f"{fmean(is_accepted(one) for one in dices):.0%}",
        f"{max(0.0, *worst):.3f}",
        str(sum(one > _FALL for one in worst)),
        str(sum(one[-1] < _USABLE for one in dices)),
        f"{fmean(seconds):.2f}" if seconds else "",
    ]


def is_accepted(dices: Sequence[float]) -> bool:
    """Whether people would leave an object as the first interaction made it.

    Parameters
    ----------
    dices : sequence of float
        After each interaction; the best of them stands for what is reachable.
    """
    return dices[0] >= _UNCHANGED * max(_LEAST_REACHABLE, *dices)
