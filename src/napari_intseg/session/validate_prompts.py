"""Positions in the data to clicks on a plane, and checks of prompts, masks and other arguments."""

import inspect
import math
import re
import types
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from reprlib import repr as shortened
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from napari_intseg.core.prompts import Click, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import Array, BoolArray, Traits, refused
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, IntSegError, PromptError

_LEAST_VERTICES = 3
"""Of a lasso: fewer hold no area."""

_NUMBERS: dict[Any, tuple[type, ...]] = {
    bool: (bool, np.bool_, int, np.integer),
    int: (int, np.integer),
    float: (int, float, np.integer, np.floating),
}
"""What passes for a number of each type. Texts do not: "5" may be a name as well."""

NOT_TOLD = (TypeError, ValueError, AttributeError, LookupError, OverflowError)
"""What Python and numpy raise somewhere inside of an argument that is of another type."""


def kinds_of(method: Callable[..., Any]) -> dict[str, tuple[type, ...]]:
    """Return which classes each argument of a method may have, by its types; `self` left out.

    Arguments that may be anything are left out, and so is what containers hold: see `check_given`.
    """
    hints = get_type_hints(method)
    shape = inspect.signature(method).parameters
    named = [n for n, one in shape.items() if n in hints and one.kind is not one.VAR_KEYWORD]
    found = {name: _classes(hints[name]) for name in named}
    return {name: kinds for name, kinds in found.items() if object not in kinds}


def wrong_argument(method: Callable[..., Any], name: str, value: object) -> PromptError:
    """Return the error of an argument that is of another type than a method takes."""
    hint = get_type_hints(method)[name]
    told = inspect.formatannotation(hint)
    # without what numpy says of shapes, and without modules
    told = re.sub(r"numpy\.ndarray\[.*?\]\]", "ndarray", told)
    told = re.sub(r"(\w+\.)+(?=\w)", "", told)
    return PromptError(
        f"{name} of {method.__name__} is of another type: expected {told}, got "
        f"{shortened(value)}. Give one of that type."
    )


def check_given(method: Callable[..., Any], given: Mapping[str, Any], err: Exception) -> None:
    """Say which argument was to blame for an error, if one is of another type, deep inside or not.

    Parameters
    ----------
    method : callable
        What was called; its types are looked at.
    given : mapping of str
        Its arguments by name.
    err : Exception
        What it raised. What this package raised on purpose says enough.

    Raises
    ------
    PromptError
        If an argument does not fit its type.
    """
    if isinstance(err, IntSegError):
        return
    hints = get_type_hints(method)
    for name, value in given.items():
        if name in hints and not fits(value, hints[name]):
            raise wrong_argument(method, name, value) from err


def _classes(hint: Any) -> tuple[type, ...]:
    """Return the classes of a type; (object,) where anything may do."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return tuple(kind for one in get_args(hint) for kind in _classes(one))
    if hint in _NUMBERS:
        return _NUMBERS[hint]
    kind = origin or hint
    if hint is Any:
        return (object,)
    # masks and models are whatever can be taken for one; a sequence may be an array or a set
    if not isinstance(kind, type) or kind is np.ndarray or getattr(kind, "_is_protocol", False):
        return (object,)
    return (Iterable,) if kind in (Sequence, tuple) else (kind,)


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type, and so is what it holds; protocols are taken on trust."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    return isinstance(value, _classes(hint)) and _holds(value, origin, args)


def _holds(value: Any, origin: Any, args: tuple[Any, ...]) -> bool:
    """Whether what a value holds is of the types of a container, or of its own fields."""
    if origin is Mapping:
        return all(fits(k, args[0]) and fits(v, args[1]) for k, v in value.items())
    if origin is np.ndarray:
        return _is_mask(value)
    if origin in (Sequence, tuple):
        others = (str, bytes, Mapping) if origin is Sequence else (str, bytes, Mapping, np.ndarray)
        return not isinstance(value, others) and all(fits(one, args[0]) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        own = get_type_hints(type(value))
        return all(fits(getattr(value, one.name), own[one.name]) for one in fields(value))
    return True


def _is_mask(value: object) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        # rows of different lengths
        return False


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
    try:
        given = tuple(map(float, position))
    except (TypeError, ValueError, OverflowError) as err:
        raise PromptError(
            f"position is not one: expected a number for each of {volume.ndim} axes, got "
            f"{shortened(position)}. Give them in the order of the data's axes."
        ) from err
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
    # a rest: half a plane is none
    most = volume.shape[plane.axis] if is_there and axes == 3 else 1
    if not is_there or not 0 <= plane.index < most or plane.index % 1:
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
