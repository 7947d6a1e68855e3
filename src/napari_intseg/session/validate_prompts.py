"""Positions in the data to clicks on a plane, and checks of prompts and masks."""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_intseg.core.prompts import Click, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import Array, BoolArray, Traits, refused
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError

_LEAST_VERTICES = 3
"""Of a lasso: fewer hold no area."""


def place(volume: Volume, axis: int, position: Sequence[float]) -> tuple[Plane, float, float]:
    """Return the plane through a position, and where on it the position lies.

    Parameters
    ----------
    volume : Volume
        The data.
    axis : int
        The plane is perpendicular to it.
    position : sequence of float
        In the order of the data's axes: ``(plane, row, col)``, or ``(row, col)`` in 2-D. Pixels;
        the centre of the first is 0, so it reaches from -0.5 to 0.5.

    Raises
    ------
    PromptError
        If it has another number of coordinates, holds NaN, or lies outside the data.
    """
    given = tuple(map(float, position))
    if len(given) != volume.ndim:
        names = "(row, col)" if volume.ndim == 2 else "(plane, row, col)"
        raise PromptError(
            f"position has {len(given)} coordinates: expected {names} in data of shape "
            f"{volume.shape}, got {given!r}. Give one number for each axis."
        )
    _check_inside(given, volume.shape)
    if volume.ndim == 2:
        return Plane(0, 0), given[0], given[1]
    # half up, as pixels reach from -0.5 to 0.5; `round` goes to even numbers
    plane = Plane(axis, math.floor(given[axis] + 0.5))
    return plane, *plane.on_slice(given)


def check_prompts(
    volume: Volume, plane: Plane, prompts: Prompts, traits: Traits, held: Prompts | None = None
) -> None:
    """Refuse prompts that do not fit the plane or the model.

    Parameters
    ----------
    volume, plane
        Where.
    prompts : Prompts
        What is given now.
    traits : Traits
        Of the model.
    held : Prompts, optional
        What was given before, perhaps to another model; it may stay, and was looked at then.

    Raises
    ------
    PromptError
        If the plane does not exist, a coordinate is NaN or outside, or the model does not take
        that kind of prompt.
    """
    check_plane(volume, plane)
    shape = volume.slice_shape(plane.axis)
    old = held.clicks if held is not None else ()
    # only the new ones: a plane may hold hundreds, and the others were looked at then
    for click in added_clicks(old, prompts.clicks) or prompts.clicks:
        _check_inside((click.row, click.col), shape)
    if prompts.box is not None:
        _check_inside((prompts.box.row0, prompts.box.col0), shape)
        _check_inside((prompts.box.row1, prompts.box.col1), shape)
    lines: tuple[Scribble | Lasso, ...] = (*prompts.scribbles, *prompts.lassos)
    for line in lines:
        for point in line.points:
            _check_inside(point, shape)
    for lasso in prompts.lassos:
        if len(set(lasso.points)) < _LEAST_VERTICES:
            raise PromptError(
                f"lasso holds no area: expected at least {_LEAST_VERTICES} different vertices, got "
                f"{len(set(lasso.points))}. Draw it round the object."
            )
    kind = refused(prompts, traits, held)
    if kind:
        raise PromptError(
            f"{traits.name} takes no {kind}: expected {', '.join(sorted(traits.prompts))}, "
            f"got {kind!r}. Choose a model that does, or another kind of prompt."
        )


def check_plane(volume: Volume, plane: Plane) -> Plane:
    """Return the plane if it exists.

    Raises
    ------
    PromptError
        If the axis or index does not exist.
    """
    axes = volume.ndim if volume.ndim == 3 else 1
    is_there = 0 <= plane.axis < axes
    if not is_there or not 0 <= plane.index < (volume.shape[plane.axis] if axes == 3 else 1):
        raise PromptError(
            f"plane does not exist: expected an axis below {axes} and an index inside data "
            f"of shape {volume.shape}, got {plane!r}. Choose a plane inside the data."
        )
    return plane


def check_mask(volume: Volume, plane: Plane, mask: Array) -> None:
    """Refuse a mask that is not on the grid of a plane's slice.

    Raises
    ------
    PromptError
        If the plane does not exist.
    DataError
        If the mask has another shape.
    """
    shape = volume.slice_shape(check_plane(volume, plane).axis)
    if np.shape(mask) != shape:
        raise DataError(
            f"mask is on another grid: expected shape {shape} on {plane!r}, "
            f"got {np.shape(mask)!r}. Resample it onto the data's grid first."
        )


def plane_or_only(volume: Volume, plane: Plane | None) -> Plane:
    """Return a plane, which may be left out in 2-D.

    Raises
    ------
    PromptError
        If it was left out in a volume.
    """
    if plane is None and volume.ndim == 3:
        raise PromptError(
            "plane is missing: expected a Plane in a volume, got None. "
            "Say on which plane, e.g. Plane(0, 40)."
        )
    return plane or Plane(0, 0)


def masks_by_plane(
    volume: Volume, mask: Array, plane: Plane | None, axis: int, clicked: Container[Plane]
) -> dict[Plane, BoolArray]:
    """Return the planes that a mask is for, each with its slice.

    Parameters
    ----------
    volume : Volume
        The data.
    mask : ndarray of bool
        Of a slice's shape (H, W) with `plane`, or of the data's shape; of any other dtype,
        non-zero is the object.
    plane : Plane or None
        May be left out in 2-D.
    axis : int
        In 3-D without `plane`, planes of this axis take over their slice if they hold a pixel.
    clicked : container of Plane
        Planes that a person worked on; they take over theirs, pixels or not.

    Raises
    ------
    DataError
        If the mask is on another grid.
    """
    if plane is not None or volume.ndim == 2:
        return {plane or Plane(0, 0): mask}
    if np.shape(mask) != volume.shape:
        raise DataError(
            f"mask is on another grid: expected the data's shape {volume.shape}, got "
            f"{np.shape(mask)!r}. Give a plane with a 2-D mask, or resample it first."
        )
    slices = {one: volume.of(np.asarray(mask), one) for one in volume.planes(axis)}
    return {one: part for one, part in slices.items() if one in clicked or part.any()}


def added_clicks(old: tuple[Click, ...], new: tuple[Click, ...]) -> tuple[Click, ...]:
    """Return the clicks that came after the old ones; none if those are not all there before."""
    return new[len(old) :] if new[: len(old)] == old else ()


def only_added(
    changes: Mapping[Plane, tuple[Prompts, Prompts]],
) -> dict[Plane, tuple[Click, ...]] | None:
    """Return the clicks that are new on each plane; None if anything else changed on one of them.

    Parameters
    ----------
    changes : mapping of Plane to (Prompts, Prompts)
        Before and after.
    """
    added = {plane: added_clicks(old.clicks, new.clicks) for plane, (old, new) in changes.items()}
    for plane, (old, new) in changes.items():
        if not added[plane] or replace(new, clicks=old.clicks) != old:
            return None
    return added


def change_words(changes: Sequence[tuple[Prompts, Prompts]]) -> str:
    """Return in words what was done to prompts, for people to read beside Undo.

    Parameters
    ----------
    changes : sequence of (Prompts, Prompts)
        Before and after, plane by plane.
    """
    found = {_words(old, new) for old, new in changes if old != new}
    return found.pop() if len(found) == 1 else "Change prompts"


def _words(old: Prompts, new: Prompts) -> str:
    if replace(old, clicks=new.clicks) == new:
        return _click_words(old.clicks, new.clicks)
    if replace(old, box=new.box) == new:
        return "Remove box" if new.box is None else "Set box"
    if replace(old, scribbles=new.scribbles) == new:
        return "Add scribble" if len(new.scribbles) > len(old.scribbles) else "Change scribble"
    if replace(old, lassos=new.lassos) == new:
        return "Add lasso" if len(new.lassos) > len(old.lassos) else "Change lasso"
    return "Change prompts"


def _click_words(old: tuple[Click, ...], new: tuple[Click, ...]) -> str:
    added = added_clicks(old, new)
    if len(added) == 1:
        return "Positive click" if added[0].positive else "Negative click"
    if added:
        return "Add clicks"
    if len(new) < len(old):
        return "Remove click" if len(old) - len(new) == 1 else "Remove clicks"
    return "Move click"


def len_along(volume: Volume, axis: int) -> int:
    """Return the number of planes perpendicular to an axis; 1 in 2-D."""
    return volume.shape[axis] if volume.ndim == 3 else 1


def _check_inside(position: Sequence[float], shape: Sequence[int]) -> None:
    if not all(map(math.isfinite, position)):
        raise PromptError(
            f"position is not a number: expected finite coordinates, got {tuple(position)!r}. "
            "Remove that point."
        )
    for at, size in zip(position, shape, strict=True):
        # the centre of the first pixel is 0
        if not -0.5 <= at < size - 0.5:
            raise PromptError(
                f"position lies outside the data: expected {tuple(shape)} pixels counted from 0, "
                f"got {tuple(position)!r}. Click inside the image."
            )
