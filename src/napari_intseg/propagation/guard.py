"""Masks that must not be propagated, and where and why propagation ended, in words.

A click on noise, or in a window that shows too much, may flood its slice. Propagation then carried
the flood through the volume, and ten corrections did not bring it back. So a plane that a person
clicked on is first held against the slice and against the other clicked planes; where it covers
too much, nothing starts from it until it is corrected, and the reason is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.propagation.stretch import Anchor

# chosen on the volumes of docs/results/volumes.md, where a click on noise floods its slice; one
# organ of the CT still floods from its first click.
# Share of the slice that a flood covers, beside touching most of its sides: see `is_flood`.
_COVERED = 0.25
# set by eye, see `is_flood`: an object may well be cut off at two sides, in a corner
_SIDES = 3
# an outline is not known better than this, as in `restraint`
_SLACK_PX = 1.5

# ends of ordinary objects, which need no warning
_NORMAL = frozenset({"faded", "another", "unlike"})

# what a person is told of each reason, those of `Ending.reason` included
_REASON_TEXTS = {
    "faded": "it faded",
    "leaked": "it grew {amount} beyond what its outline can have reached",
    "grew": "it grew {amount}",
    "another": "something else that touches it begins",
    "jumped": "the answer jumped to something else",
    "unlike": "its brightness changed",
    "flooded": "the mask there covers the slice",
    "contradicts": "the mask there does not fit those of the other clicked planes",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """Where propagation of an object ended, and why.

    Parameters
    ----------
    plane : Plane
        The first one that was left as it was, or the clicked one that nothing was started from.
    reason : str
        "faded", "leaked", "grew", "another", "jumped", "unlike", "flooded" or "contradicts".
    times : float
        For "leaked" and "grew": so many times the area it could have had.
    """

    plane: Plane
    reason: str
    times: float = 1.0

    @property
    def is_normal(self) -> bool:
        """Whether this is how ordinary objects end."""
        return self.reason in _NORMAL

    @property
    def is_doubt(self) -> bool:
        """Whether it is a clicked plane from which no walk was started."""
        return self.reason in ("flooded", "contradicts")

    def __str__(self) -> str:
        why = _REASON_TEXTS[self.reason].format(amount=_times(self.times))
        where = "not started from" if self.is_doubt else "stopped at"
        return f"{where} plane {self.plane.index}: {why}"


def warnings(stops: Iterable[tuple[int, Stop]]) -> list[str]:
    """Return what to tell people of a propagation: a line for each object that broke out.

    Parameters
    ----------
    stops : iterable of (int, Stop)
        Labels of objects, and where they ended.
    """
    found: dict[int, dict[str, None]] = {}
    for label, stop in stops:
        if not stop.is_normal:
            found.setdefault(label, {})[str(stop)] = None
    return [f"object {label}: {', '.join(texts)}" for label, texts in found.items()]


def is_flood(mask: BoolArray) -> bool:
    """Whether a mask, (H, W), runs into three sides of its slice and covers a quarter of it.

    The figures were set by eye on first clicks on nuclei, cells and CT organs: none of the objects
    themselves is like that. A liver that fills the window would be; painted or given masks, and
    planes with three clicks, are never called floods.
    """
    sides = mask[0], mask[-1], mask[:, 0], mask[:, -1]
    return sum(bool(side.any()) for side in sides) >= _SIDES and float(mask.mean()) > _COVERED


def doubted(
    anchors: Sequence[Anchor],
    *,
    threshold: float,
    step_mm: float,
    spacing: tuple[float, float],
    max_spread: float,
) -> list[Anchor]:
    """Return clicked planes, those that break out marked as not to be started from.

    Parameters
    ----------
    anchors : sequence of Anchor
        Of one object.
    threshold : float
        Probability above which a pixel belongs to the object.
    step_mm : float
        Between neighbouring planes.
    spacing : (float, float)
        Between rows and between columns, mm.
    max_spread : float
        A mask may have so many times the area that the outline of another one can have reached at
        one mm for each mm between the planes; 0: whatever it is.
    """
    if not max_spread:
        return list(anchors)
    masks = [anchor.patch.mask(threshold) for anchor in anchors]
    doubts = [
        "flooded" if is_flood(mask) and not anchor.is_settled else ""
        for anchor, mask in zip(anchors, masks, strict=True)
    ]
    areas = [int(np.count_nonzero(mask)) * spacing[0] * spacing[1] for mask in masks]
    slack = _SLACK_PX * (spacing[0] + spacing[1]) / 2

    def contradict(one: int, other: int) -> bool:
        small, large = sorted((areas[one], areas[other]))
        away = abs(anchors[one].index - anchors[other].index) * step_mm
        reach = np.pi * (np.sqrt(small / np.pi) + away + slack) ** 2
        return bool(large > max_spread * reach)

    # one at a time: without the worst, the others may agree with each other
    while True:
        left = [i for i, anchor in enumerate(anchors) if not anchor.is_empty and not doubts[i]]
        against = {i: sum(contradict(i, j) for j in left if j != i) for i in left}
        # the one that most others speak against; of two that at which nobody pointed, else the
        # larger, since floods are the usual case
        open_ = [i for i in left if not anchors[i].is_settled]
        worst = max(
            open_, key=lambda i: (against[i], anchors[i].is_remnant, areas[i]), default=None
        )
        if worst is None or not against[worst]:
            break
        doubts[worst] = "contradicts"
    return [replace(a, doubt=why) if why else a for a, why in zip(anchors, doubts, strict=True)]


def _times(times: float) -> str:
    words = {2: "twofold", 3: "threefold", 4: "fourfold", 5: "fivefold"}
    return words.get(round(times), f"{times:.1f} times" if times < 10 else f"{times:.0f} times")
