"""Whole objects of volumes, interaction by interaction: what is told of `--volumes live`."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from napari_intseg.evaluation.jobs import Score
from napari_intseg.evaluation.run import carried

STEPS = (1, 3, 5, 10)
"""Interactions after which the Dice is told."""
_UNCHANGED = 0.95  # of what is reachable: people accept such an object as it is
_LEAST_REACHABLE = 0.9  # else an object that no correction mends would be accepted at once
_FALL = 0.02  # of Dice, from one interaction to the next: less is noise
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
            rows.append([model, dataset, *_row(chosen)])
    return rows


def _row(scores: Sequence[Score]) -> list[str]:
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
