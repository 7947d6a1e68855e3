"""What the robot user gives before it clicks, to models that need more than a click."""

from dataclasses import dataclass

import numpy as np

from napari_intseg.core.prompts import Box, Click
from napari_intseg.core.segmenter import BoolArray, Traits

OPENERS = frozenset({"click", "box", "extreme_points"})
"""Kinds of prompt that the robot user can begin with; one of them is enough."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Prompts that come before the robot's own clicks.

    Parameters
    ----------
    clicks : tuple of Click
        Extreme points; else none.
    box : Box or None
        Round the object, tight.
    marks : tuple of Click
        What it costs, one click each: the extreme points, or two corners of the box, which lie on
        the background as often as not and are noted as negative.
    goes_on : bool
        Whether the model takes the robot's clicks afterwards.
    is_enough : bool
        Whether the model answers these alone.
    """

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    marks: tuple[Click, ...] = ()
    goes_on: bool = True
    is_enough: bool = False


def opening(wanted: BoolArray, traits: Traits) -> Opening:
    """Return what a model is given before the first click.

    Parameters
    ----------
    wanted : ndarray of bool, shape (H, W)
        The object.
    traits : Traits
        Of the model. One that takes clicks and needs nothing else gets an empty opening.
    """
    goes_on = "click" in traits.prompts
    kinds = (traits.needs | (frozenset() if goes_on else traits.prompts)) - {"click"}
    rows, cols = np.nonzero(wanted)
    if not rows.size or not kinds & OPENERS:
        return Opening(goes_on=goes_on)
    if "extreme_points" in kinds:
        ends = (rows.argmin(), rows.argmax(), cols.argmin(), cols.argmax())
        points = tuple(Click(float(rows[i]), float(cols[i])) for i in ends)
        return Opening(points, None, points, goes_on, True)
    box = Box(float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max()))
    corners = Click(box.row0, box.col0, False), Click(box.row1, box.col1, False)
    return Opening((), box, corners, goes_on, "click" not in traits.needs)
