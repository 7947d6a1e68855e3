"""The layers of a comparison: the second model's labels, and where the two agree."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.session.compare.two_answers import BOTH, ONLY_A, ONLY_B, Agreement, Window
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import LABEL_DTYPE, geometry
from napari_intseg.ui.made import note_made
from napari_intseg.ui.worker import Post

COLOURS = {BOTH: "#00b487", ONLY_A: "#56b4e9", ONLY_B: "#f0a202"}
"""Green, blue and orange that the colour-blind can tell apart, too (after Okabe and Ito, 2008)."""

OUTLINE = "white"
"""Of the second model's mask: none of the colours above, which fill."""

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


NOTHING = Drawn((slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """New pixels of a window of a slice."""

    window: Window
    values: Array


def make_second(frame: Frame, name: str) -> Labels:
    """Return an empty layer for the answers of a second model, which are outlined."""
    layer = Labels(
        np.zeros(frame.shape, LABEL_DTYPE),
        name=f"{frame.image.name} {name}",
        opacity=0.9,
        colormap=DirectLabelColormap(color_dict={None: OUTLINE, 0: "transparent"}),
        **geometry(frame),
    )
    layer.contour = 1
    layer.editable = False
    return note_made(layer, frame.image, "second")


def make_agreement(frame: Frame) -> Labels:
    """Return an empty layer that shows in three colours where two models agree."""
    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    for value, colour in COLOURS.items():
        colours[value] = colour
    layer = Labels(
        np.zeros(frame.shape, np.uint8),
        name=f"{frame.image.name} agreement",
        opacity=0.6,
        colormap=DirectLabelColormap(color_dict=colours),
        **geometry(frame),
    )
    layer.editable = False
    return note_made(layer, frame.image, "agreement")


def new_agreement(current: Array, old: Drawn, new: Drawn) -> Change:
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
    return Change(window, values)


def new_second(current: Array, old: Drawn, new: Drawn, label: int) -> Change:
    """Return what the second model's layer has to hold on a slice; see `new_agreement`."""
    window, values = _copied(current, old, new)
    before = _part(values, window, old.window)
    before[old.second & (before == label)] = 0
    _part(values, window, new.window)[new.second] = label
    return Change(window, values)


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """Puts new pixels into a layer, some at a time so that the window lives on; call it to begin.

    Parameters
    ----------
    layer : Labels
        Written to without a step of its undo: nobody edits it.
    where : tuple
        The slice.
    change : Change
        Its pixels.
    post : callable
        Brings the next piece.
    is_wanted : callable
        Asked before each piece.
    """

    layer: Labels
    where: Index
    change: Change
    post: Post
    is_wanted: Callable[[], bool]

    def __call__(self, start: int = 0) -> None:
        """Write from a row of the window on."""
        if not self.is_wanted():
            return
        rows, cols = self.change.window
        height, width = self.change.values.shape
        stop = min(height, start + max(1, _BAND_PX // max(1, width)))
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
    return window, current[window].copy()


def _part(values: Array, window: Window, inner: Window) -> Array:
    """Return the part of a window's values that lies in a window inside it."""
    (rows, cols), (own_rows, own_cols) = window, inner
    return values[
        own_rows.start - rows.start : own_rows.stop - rows.start,
        own_cols.start - cols.start : own_cols.stop - cols.start,
    ]
