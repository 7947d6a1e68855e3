"""Masks as closed contours without holes, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import BoolArray

RingArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Loop:
    points: RingArray
    is_hole: bool

    @property
    def rightmost(self) -> int:
        return int(np.argmax(self.points[:, 1]))


def closed_contours(mask: BoolArray) -> list[RingArray]:
    """Return the contours of a mask, halfway between the pixels inside and outside.

    A hole is joined to the contour round it by a channel of no width, along a row, so that every
    reader fills the same pixels whatever it thinks of nested contours (the "keyhole" that DICOM
    asks for).

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)

    Returns
    -------
    list of ndarray of float, shape (n, 2)
        ``(row, col)``; the first point is not repeated at the end. The centres of exactly the
        mask's pixels lie inside, or on a channel.

    References
    ----------
    .. [1] DICOM PS3.3 C.8.8.6.3, "Representing inner and outer contours".
    """
    from skimage import measure

    contour: Any = measure.find_contours  # not annotated
    found = contour(np.pad(mask, 1).astype(np.float32), 0.5, fully_connected="low")
    loops = [_loop(points[:-1] - 1) for points in found]
    rings = [loop.points for loop in loops if not loop.is_hole]
    holes = [loop for loop in loops if loop.is_hole]
    # from the right on: what is hit to the right of a hole has then been joined already
    for hole in sorted(holes, key=lambda h: -h.points[h.rightmost, 1]):
        _join(rings, hole)
    return [_without_straight(ring) for ring in rings]


def _loop(points: RingArray) -> _Loop:
    row, col = points.T
    area = np.sum(col * np.roll(row, -1) - np.roll(col, -1) * row)
    return _Loop(points, bool(area < 0))


def _join(rings: list[RingArray], hole: _Loop) -> None:
    """Join a hole to the ring that lies to the right of its rightmost point, in place.

    Contours between pixel centres cross the rows of pixels at points of their own only, so the
    channel along a row ends at such a point.
    """
    start = hole.rightmost
    row, col = hole.points[start]
    best: tuple[float, int, int] | None = None
    for number, ring in enumerate(rings):
        at = np.flatnonzero((ring[:, 0] == row) & (ring[:, 1] > col))
        if at.size:
            nearest = int(at[np.argmin(ring[at, 1])])
            if best is None or ring[nearest, 1] < best[0]:
                best = float(ring[nearest, 1]), number, nearest
    assert best is not None, "a hole has a contour round it"
    _, number, end = best
    round_trip = np.concatenate([hole.points[start:], hole.points[: start + 1]])
    ring = rings[number]
    rings[number] = np.concatenate([ring[: end + 1], round_trip, ring[end:]])


def _without_straight(ring: RingArray) -> RingArray:
    """Leave out points on straight lines; turns back by half a circle stay."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    forward = np.sum(before * after, axis=1) > 0
    return np.asarray(ring[~((cross == 0) & forward)])


Point = tuple[int, int]
Ring = list[Point]

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Right, down, left, up as (x, y): each is a right turn from the one before."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One connected part of a mask.

    Parameters
    ----------
    outer : list of (x, y)
        Corners of pixels, clockwise on the screen, the first not repeated; the top left corner of
        the first pixel is (0, 0).
    holes : list of list of (x, y)
        Likewise, anticlockwise.
    """

    outer: Ring
    holes: list[Ring]


def outlines(mask: BoolArray) -> list[Outline]:
    """Return the outlines of a mask, one for each part that hangs together by pixel edges.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)

    Returns
    -------
    list of Outline
        No ring touches itself.
    """
    parts, _ = ndimage.label(mask)
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        row, col = box[0].start, box[1].start
        rings = [[(x + col, y + row) for x, y in ring] for ring in _rings(parts[box] == number)]
        outer = max(rings, key=lambda ring: abs(twice_area(ring)))
        found.append(Outline(outer, [ring for ring in rings if ring is not outer]))
    return found


def twice_area(ring: Ring) -> int:
    """Return twice the area inside a ring; negative if it runs anticlockwise on the screen."""
    x, y = np.array(ring).T
    return int(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _rings(mask: BoolArray) -> list[Ring]:
    """Walk along all edges with the mask on the right hand."""
    edges = _edges(mask)
    rings: list[Ring] = []
    while edges:
        at = start = next(iter(edges))
        heading = edges[at][0]
        path: list[Point] = []
        while not path or at != start:
            path.append(at)
            choices = edges[at]
            # where two parts of a mask meet at a corner, keep to the same pixel: turn right
            right = (heading + 1) % 4
            heading = right if right in choices and len(path) > 1 else choices[0]
            choices.remove(heading)
            if not choices:
                del edges[at]
            at = (at[0] + _STEPS[heading][0], at[1] + _STEPS[heading][1])
        rings.extend(_corners(part) for part in _simple(path))
    return rings


def _edges(mask: BoolArray) -> dict[Point, list[int]]:
    """Return for each corner in which directions edges leave it."""
    padded = np.pad(mask, 1)
    here = padded[1:-1, 1:-1]
    beside = {
        0: (here & ~padded[:-2, 1:-1], (0, 0)),
        1: (here & ~padded[1:-1, 2:], (1, 0)),
        2: (here & ~padded[2:, 1:-1], (1, 1)),
        3: (here & ~padded[1:-1, :-2], (0, 1)),
    }
    edges: dict[Point, list[int]] = {}
    for heading, (where, (right, down)) in beside.items():
        for row, col in np.argwhere(where).tolist():
            edges.setdefault((col + right, row + down), []).append(heading)
    return edges


def _simple(path: list[Point]) -> list[Ring]:
    """Cut a closed path where it comes to a corner for the second time."""
    rings: list[Ring] = []
    places: dict[Point, int] = {}
    stack: list[Point] = []
    for point in path:
        if point in places:
            first = places[point]
            loop = stack[first:]
            for gone in loop[1:]:
                del places[gone]
            del stack[first + 1 :]
            rings.append(loop)
            continue
        places[point] = len(stack)
        stack.append(point)
    return [*rings, stack]


def _corners(ring: Ring) -> Ring:
    """Leave out points on straight lines."""
    points = np.array(ring)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return [(int(x), int(y)) for x, y in points[turns]]
