"""Masks as closed contours without holes, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray

Ring = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Loop:
    points: Ring
    is_hole: bool

    @property
    def rightmost(self) -> int:
        return int(np.argmax(self.points[:, 1]))


def closed_contours(mask: BoolArray) -> list[Ring]:
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


def _loop(points: Ring) -> _Loop:
    row, col = points.T
    area = np.sum(col * np.roll(row, -1) - np.roll(col, -1) * row)
    return _Loop(points, bool(area < 0))


def _join(rings: list[Ring], hole: _Loop) -> None:
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


def _without_straight(ring: Ring) -> Ring:
    """Leave out points on straight lines; turns back by half a circle stay."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    forward = np.sum(before * after, axis=1) > 0
    return np.asarray(ring[~((cross == 0) & forward)])
