"""One comparison of two answers on a plane: all that it needs, done in the inference thread."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.compare.two_answers import (
    CurvePoint,
    Overlap,
    Window,
    agreement,
    curve_point,
    iou_with,
    overlap,
)
from napari_intseg.session.question import Question
from napari_intseg.ui.compare_layers import (
    Change,
    Drawn,
    Index,
    new_agreement,
    new_second,
)
from napari_intseg.ui.worker import ShouldStop

Course = dict[int, SliceAnswer]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """How the two answers on a plane compare.

    Parameters
    ----------
    overlap : Overlap
        Of the masks that are shown.
    moments : tuple of CurvePoint
        Click by click.
    truth : (float, float) or None
        IoU of each with the truth.
    drawn : Drawn
        Where they agree.
    """

    overlap: Overlap
    moments: tuple[CurvePoint, ...]
    truth: tuple[float, float] | None
    drawn: Drawn


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One comparison, all that it needs; done in the inference thread."""

    window: Window
    masks: tuple[BoolArray, BoolArray]
    questions: tuple[Question, Question]
    courses: tuple[Course, Course]
    thresholds: tuple[float, float]
    truth: Array | None
    where: Index
    seed: tuple[int, ...] | None
    old: Drawn
    currents: tuple[Array, Array]
    label: int
    known: dict[Any, CurvePoint] = field(default_factory=dict)

    def __call__(self, _stop: ShouldStop) -> tuple[Compared, Change, Change]:
        """Return how the two compare, and what to write into the layers."""
        truth = None if self.truth is None else _truth_on(self.truth, self.where, self.seed)
        told = None
        if truth is not None:
            size = int(np.count_nonzero(truth))
            one, other = (iou_with(mask, self.window, truth, size) for mask in self.masks)
            told = one, other
        drawn = Drawn(self.window, agreement(*self.masks))
        compared = Compared(overlap(*self.masks), tuple(self._moments(truth)), told, drawn)
        return (
            compared,
            new_second(self.currents[0], self.old, drawn, self.label),
            new_agreement(self.currents[1], self.old, drawn),
        )

    def _moments(self, truth: BoolArray | None) -> Iterator[CurvePoint]:
        one, other = self.courses
        for count in sorted(one.keys() & other.keys()):
            # equal questions have equal answers
            key = (*(question.after(count) for question in self.questions), self.seed)
            if key not in self.known:
                answers = one[count], other[count]
                self.known[key] = curve_point(count, answers, self.thresholds, truth)
            yield self.known[key]


def _truth_on(data: Array, where: Index, seed: tuple[int, ...] | None) -> BoolArray:
    """Return the truth on a slice: the label under the first click, or all labels."""
    value = 0 if seed is None else int(np.asarray(data[seed]))
    on_slice = np.asarray(data[where])
    return np.asarray(on_slice == value if value else on_slice > 0)
