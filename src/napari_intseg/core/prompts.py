"""Prompts: what a person gives a model on one slice, in pixels of that slice; what they cover."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""``(row, col)``."""

PromptKind = Literal["click", "box", "scribble", "lasso", "extreme_points", "mask"]


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
class KnownPoint:
    """Where a click on another plane says that the object is.

    Parameters
    ----------
    click : Click
        Positive.
    least_px : int
        With fewer pixels of the slice the object does not go on as far as from there.
    """

    click: Click
    least_px: int


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
class Lasso:
    """A closed line round what belongs to the object, or round what does not.

    Parameters
    ----------
    points : tuple of (row, col)
        Its vertices in drawing order, in pixels; the last is joined to the first.
    positive : bool, default True
        Whether the object is inside.
    """

    points: tuple[tuple[float, float], ...]
    positive: bool = True

    @property
    def box(self) -> Box:
        """The smallest box that holds it."""
        rows, cols = zip(*self.points, strict=True)
        return Box(min(rows), min(cols), max(rows), max(cols))


@dataclass(frozen=True, slots=True)
class Prompts:
    """Everything given for one object on one slice, clicks in the order they were made."""

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    scribbles: tuple[Scribble, ...] = ()
    lassos: tuple[Lasso, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all has been given."""
        return not self.clicks and not self.has_drawn

    @property
    def has_drawn(self) -> bool:
        """Whether there is anything but clicks."""
        return self.box is not None or bool(self.scribbles or self.lassos)

    @property
    def drawn(self) -> "Prompts":
        """The same without the clicks."""
        return Prompts((), self.box, self.scribbles, self.lassos)

    @property
    def has_positive(self) -> bool:
        """Whether anything says where the object is."""
        given = (*self.clicks, *self.scribbles, *self.lassos)
        return self.box is not None or any(map(attrgetter("positive"), given))

    def added(self, line: Scribble | Lasso) -> "Prompts":
        """Return the same prompts and one line more."""
        if isinstance(line, Lasso):
            return replace(self, lassos=(*self.lassos, line))
        return replace(self, scribbles=(*self.scribbles, line))

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
            # a mirror exchanges the corners
            box = Box(min(r0, r1), min(c0, c1), max(r0, r1), max(c0, c1))
        scribbles, lassos = [], []
        for line in self.scribbles:
            scribbles.append(replace(line, points=tuple(move(*point) for point in line.points)))
        for ring in self.lassos:
            lassos.append(replace(ring, points=tuple(move(*point) for point in ring.points)))
        return Prompts(tuple(clicks), box, tuple(scribbles), tuple(lassos))


def seed_points(prompts: Prompts, shape: tuple[int, int] | None = None) -> list[tuple[Point, bool]]:
    """Return all positions with their sign: lines in steps of a pixel, then clicks in order.

    With a shape, only those that lie on a pixel of an image of that shape.
    """
    # a pixel reaches half a pixel to each side of its centre
    rows, cols = (np.inf, np.inf) if shape is None else (shape[0] - 0.5, shape[1] - 0.5)
    least = -np.inf if shape is None else -0.5
    points: list[tuple[Point, bool]] = []
    given: tuple[Scribble | Click, ...] = (*prompts.scribbles, *prompts.clicks)
    for one in given:
        along = _along(one.points) if isinstance(one, Scribble) else [(one.row, one.col)]
        for point in along:
            if least <= point[0] < rows and least <= point[1] < cols:
                points.append((point, one.positive))
    return points


def along_scribbles(prompts: Prompts, shape: tuple[int, int], step_px: float) -> tuple[Click, ...]:
    """Return clicks along all scribbles, in drawing order, both ends of each included.

    Parameters
    ----------
    prompts : Prompts
        Their clicks and box are left out.
    shape : (int, int)
        ``(H, W)`` of the image; what lies beyond it is left out.
    step_px : float
        Between two clicks along a scribble, in pixels of the image.
    """
    clicks: list[Click] = []
    for scribble in prompts.scribbles:
        points = seed_points(Prompts(scribbles=(scribble,)), shape)
        if points:
            # both ends are kept, however short the line
            count = 1 + round((len(points) - 1) / max(1.0, step_px))
            chosen = np.rint(np.linspace(0, len(points) - 1, max(count, min(2, len(points)))))
            clicks += [Click(*points[int(i)][0], scribble.positive) for i in chosen]
    return tuple(clicks)


def discs(points: Iterable[Point], shape: tuple[int, int], radius: float) -> NDArray[np.bool_]:
    """Return the pixels no further from a position than a radius, bool (H, W)."""
    out = np.zeros(shape, bool)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    for row, col in points:
        out |= (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    return out


def _along(line: tuple[Point, ...]) -> list[Point]:
    points = list(line[:1])
    for (r0, c0), (r1, c1) in pairwise(line):
        # at most one pixel apart, so that no pixel of the line is jumped over
        steps = max(1, int(np.ceil(np.hypot(r1 - r0, c1 - c0))))
        points += [
            (r0 + (r1 - r0) * i / steps, c0 + (c1 - c0) * i / steps) for i in range(1, steps + 1)
        ]
    return points


def shared(given: Mapping[int, Prompts]) -> dict[int, Prompts]:
    """Return what objects of a plane have once the others' positive clicks and lines are negative.

    Where objects meet, a correction of one is a correction of its neighbours [1]_.

    Parameters
    ----------
    given : mapping of int to Prompts
        What each object has on the plane.

    Returns
    -------
    dict of int to Prompts
        Of the objects alone that get something new; it comes after what they have.

    References
    ----------
    .. [1] Agustsson, E. et al. "Interactive full image segmentation by considering all regions
       jointly", CVPR 2019, arXiv:1812.01888.
    """
    out = {}
    for label, own in given.items():
        others = [prompts for other, prompts in given.items() if other != label]
        clicks = [replace(c, positive=False) for p in others for c in p.clicks if c.positive]
        lines = [replace(s, positive=False) for p in others for s in p.scribbles if s.positive]
        more = replace(
            own,
            clicks=(*own.clicks, *(c for c in clicks if c not in own.clicks)),
            scribbles=(*own.scribbles, *(s for s in lines if s not in own.scribbles)),
        )
        if more != own:
            out[label] = more
    return out
