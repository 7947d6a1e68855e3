"""The layers of a comparison: the second model's labels, and where the two agree."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.compare.two_answers import (
    BOTH,
    ONLY_A,
    ONLY_B,
    Agreement,
    CurvePoint,
    Overlap,
    Window,
    agreement,
    curve_point,
    iou_with,
    overlap,
)
from napari_intseg.session.question import Question
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.layer_registry import note_made
from napari_intseg.ui.layers.points_codec import LABEL_DTYPE, geometry
from napari_intseg.ui.qt.worker_thread import Post, ShouldStop

if TYPE_CHECKING:
    pass

COLOURS = {BOTH: "#00b487", ONLY_A: "#56b4e9", ONLY_B: "#f0a202"}
"""Green, blue and orange that the colour-blind can tell apart, too (after Okabe and Ito, 2008)."""

OUTLINE = "white"
"""Of the second model's mask: none of the colours above, which fill."""

# pixels written in a turn of the event loop: 2 million bytes or 8 million are written in some ms
_BAND_PX = 1 << 21

Index = tuple[int | slice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """An agreement map in a window of a slice; 0 everywhere else."""

    window: Window
    values: Agreement

    @property
    def second(self) -> BoolArray:
        """The second model's mask in the window."""
        return np.isin(self.values, (BOTH, ONLY_B))


# what is drawn where the models are not compared
NOTHING = Drawn((slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class SlicePixels:
    """New pixels of a window of a slice."""

    window: Window
    values: Array


def make_second(image_axes: ImageAxes, name: str) -> Labels:
    """Return an empty layer for the answers of a second model, which are outlined."""
    layer = Labels(
        np.zeros(image_axes.shape, LABEL_DTYPE),
        name=f"{image_axes.image.name} {name}",
        # an outline has to stand out (not tuned)
        opacity=0.9,
        colormap=DirectLabelColormap(color_dict={None: OUTLINE, 0: "transparent"}),
        **geometry(image_axes),
    )
    # one pixel wide, so that the first model's fill is seen beside it
    layer.contour = 1
    # what is painted there would belong to no session
    layer.editable = False
    return note_made(layer, image_axes.image, "second")


def make_agreement(image_axes: ImageAxes) -> Labels:
    """Return an empty layer that shows in three colours where two models agree."""
    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    for value, colour in COLOURS.items():
        colours[value] = colour
    layer = Labels(
        np.zeros(image_axes.shape, np.uint8),
        name=f"{image_axes.image.name} agreement",
        # the image should be seen through the areas (not tuned)
        opacity=0.6,
        colormap=DirectLabelColormap(color_dict=colours),
        **geometry(image_axes),
    )
    layer.editable = False
    return note_made(layer, image_axes.image, "agreement")


def new_agreement(current: Array, old: Drawn, new: Drawn) -> SlicePixels:
    """Return what the agreement layer has to hold on a slice, where anything changes.

    Parameters
    ----------
    current : ndarray of uint8, shape (H, W)
        The layer's slice; maps of other objects in it stay.
    old, new : Drawn
        What was drawn for the object there, and what shall be.
    """
    window, values = _copied(current, old, new)
    _part(values, window, old.window)[old.values > 0] = 0
    inside = new.values > 0
    _part(values, window, new.window)[inside] = new.values[inside]
    return SlicePixels(window, values)


def new_second(current: Array, old: Drawn, new: Drawn, label: int) -> SlicePixels:
    """Return what the second model's layer has to hold on a slice; see `new_agreement`."""
    window, values = _copied(current, old, new)
    before = _part(values, window, old.window)
    # only pixels that are still this object's: others may have been drawn over it
    before[old.second & (before == label)] = 0
    _part(values, window, new.window)[new.second] = label
    return SlicePixels(window, values)


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """Puts new pixels into a layer, some at a time so that the window lives on; call it to begin.

    Parameters
    ----------
    layer : Labels
        Written to without a step of its undo: nobody edits it.
    where : tuple
        The slice.
    change : SlicePixels
        Its pixels.
    post : callable
        Brings the next piece.
    is_wanted : callable
        Asked before each piece.
    """

    layer: Labels
    where: Index
    change: SlicePixels
    post: Post
    is_wanted: Callable[[], bool]

    def __call__(self, start: int = 0) -> None:
        """Write from a row of the window on."""
        if not self.is_wanted():
            return
        rows, cols = self.change.window
        height, width = self.change.values.shape
        stop = min(height, start + max(1, _BAND_PX // max(1, width)))
        # not by `data_setitem`: each band would become a step of napari's undo
        target = self.layer.data[self.where][rows.start + start : rows.start + stop, cols]
        target[...] = self.change.values[start:stop]
        if stop < height:
            self.post(partial(self, stop))
        else:
            self.layer.refresh()


def _copied(current: Array, old: Drawn, new: Drawn) -> tuple[Window, Array]:
    """Return the window that holds both, and a copy of what is there."""
    found = [d.window for d in (old, new) if d.values.size]
    if not found:
        return NOTHING.window, np.zeros((0, 0), current.dtype)
    rows, cols = zip(*found, strict=True)
    window = (
        slice(min(s.start for s in rows), max(s.stop for s in rows)),
        slice(min(s.start for s in cols), max(s.stop for s in cols)),
    )
    # a copy, since this runs in the inference thread while the layer is drawn
    return window, current[window].copy()


def _part(values: Array, window: Window, inner: Window) -> Array:
    """Return the part of a window's values that lies in a window inside it."""
    (rows, cols), (own_rows, own_cols) = window, inner
    return values[
        own_rows.start - rows.start : own_rows.stop - rows.start,
        own_cols.start - cols.start : own_cols.stop - cols.start,
    ]


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
class ComparisonJob:
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

    def __call__(self, _stop: ShouldStop) -> tuple[Compared, SlicePixels, SlicePixels]:
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
    # a truth with many objects means the one that the first click is in
    value = 0 if seed is None else int(np.asarray(data[seed]))
    on_slice = np.asarray(data[where])
    return np.asarray(on_slice == value if value else on_slice > 0)
