"""Prompts: what a person gives a model on one slice, in pixels of that slice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

PromptKind = Literal["click", "box", "scribble", "extreme_points", "mask"]


@dataclass(frozen=True, slots=True)
class Click:
    """One point with a sign.

    Parameters
    ----------
    row, col : float
        Pixels of the slice; the centre of the first pixel is 0.
    positive : bool, default True
        Whether the point lies on the object.
    """

    row: float
    col: float
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle round the object, in pixels; both corners lie inside it.

    Parameters
    ----------
    row0, col0, row1, col1 : float
        First and last row and column, as pixel centres, ``row0 <= row1`` and ``col0 <= col1``.
    """

    row0: float
    col0: float
    row1: float
    col1: float


@dataclass(frozen=True, slots=True)
class Scribble:
    """A drawn line with a sign.

    Parameters
    ----------
    points : tuple of (row, col)
        Its vertices in drawing order, in pixels.
    positive : bool, default True
        Whether the line lies on the object.
    """

    points: tuple[tuple[float, float], ...]
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Prompts:
    """Everything given for one object on one slice, clicks in the order they were made."""

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    scribbles: tuple[Scribble, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all has been given."""
        return not self.clicks and self.box is None and not self.scribbles

    @property
    def has_positive(self) -> bool:
        """Whether anything says where the object is."""
        return (
            self.box is not None
            or any(c.positive for c in self.clicks)
            or any(s.positive for s in self.scribbles)
        )

    def moved(self, move: Callable[[float, float], tuple[float, float]]) -> "Prompts":
        """Return the same prompts in other coordinates.

        Parameters
        ----------
        move : callable
            ``(row, col) -> (row, col)``; corners of a box are sorted again afterwards, so that
            a mirror is allowed.
        """
        clicks = []
        for click in self.clicks:
            row, col = move(click.row, click.col)
            clicks.append(replace(click, row=row, col=col))
        box = self.box
        if box is not None:
            (r0, c0), (r1, c1) = move(box.row0, box.col0), move(box.row1, box.col1)
            box = Box(min(r0, r1), min(c0, c1), max(r0, r1), max(c0, c1))
        scribbles = tuple(
            replace(s, points=tuple(move(*point) for point in s.points)) for s in self.scribbles
        )
        return Prompts(tuple(clicks), box, scribbles)
