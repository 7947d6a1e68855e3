"""Whole objects of volumes, interaction by interaction: what is told of `--volumes live`."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from napari_intseg.evaluation.jobs import Score
from napari_intseg.evaluation.run import carried

STEPS = (1, 3, 5, 10)
"""Interactions after which the Dice is told."""
_UNCHANGED = 0.95  # Dice from which on people accept an object as it is
_FALL = 0.02  # of Dice, from one interaction to the next: less is noise
_USABLE = 0.5


def live_table(scores: Sequence[Score]) -> list[list[str]]:
    """Return how whole objects did, a row for each data set and model, the header first.

    "accepted" is the share of objects that reach a Dice of 0.95 at any interaction, "falls" how
    many lose more than 0.02 from one interaction to the next, "lost" how many end below 0.5, and
    "CPU s" the mean processor time of an interaction.
    """
    header = ["model", "data", "objects", *(f"Dice@{n}" for n in STEPS)]
    rows = [[*header, "accepted", "falls", "lost", "CPU s"]]
    for model, dataset in dict.fromkeys((score.model, score.dataset) for score in scores):
        chosen = [s for s in scores if (s.model, s.dataset) == (model, dataset) and s.course.dices]
        if chosen:
            rows.append([model, dataset, *_row(chosen)])
    return rows


def _row(scores: Sequence[Score]) -> list[str]:
    dices = [score.course.dices for score in scores]
    means = [fmean(carried(one, max(STEPS))[n - 1] for one in dices) for n in STEPS]
    falls = sum(any(a - b > _FALL for a, b in pairwise(d)) for d in dices)
    seconds = [t for score in scores for t in score.course.cpu_seconds]
    return [
        str(len(scores)),
        *(f"{mean:.3f}" for mean in means),
        f"{fmean(max(one) >= _UNCHANGED for one in dices):.0%}",
        str(falls),
        str(sum(one[-1] < _USABLE for one in dices)),
        f"{fmean(seconds):.2f}" if seconds else "",
    ]
