"""The second doorway: drawn shapes become boxes and scribbles, and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from napari.layers import Labels, Shapes

from napari_intseg.core.prompts import Box, Prompts, Scribble
from napari_intseg.core.volume import Plane
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import (
    COLOURS,
    NEGATIVE,
    POSITIVE,
    FloatMatrix,
    Place,
    from_grid,
    geometry,
    is_positive,
    on_grid,
)

CLOSED = ("rectangle", "ellipse", "polygon")
"""Shapes that count as their bounding box; lines and paths are scribbles."""

_FLAT_PX = 0.5  # a shape on a plane varies less than this across it
_FAR_PX = 0.01
_COLUMNS = ("object", "axis", "sign")


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """One shape of the layer, understood."""

    place: Place
    what: Box | Scribble
    row: int


def make_shapes(frame: Frame, name: str) -> Shapes:
    """Return an empty Shapes layer on a frame's grid, ready for boxes and scribbles."""
    features = pd.DataFrame(
        {
            "object": pd.Series([], dtype=np.int64),
            "axis": pd.Series([], dtype=np.int64),
            "sign": pd.Series([], dtype=object),
        }
    )
    size = max(frame.shape[axis] for axis in frame.spatial[-2:])
    return Shapes(
        ndim=len(frame.grid),
        name=name,
        features=features,
        feature_defaults={"object": 1, "axis": 0, "sign": POSITIVE},
        edge_color=COLOURS[True],
        face_color="transparent",
        edge_width=max(size / 250, 0.2),
        opacity=1.0,
        **geometry(frame),
    )


def read_drawn(shapes: Shapes, frame: Frame, labels: Labels) -> tuple[list[DrawnMark], int]:
    """Return all shapes that lie on a plane of the data, and how many do not.

    A box is cut to the image. Corners and vertices are pixels of the slice, the centre of the
    first is 0.
    """
    marks: list[DrawnMark] = []
    outside = 0
    table = shapes.features
    for row, (vertices, kind) in enumerate(zip(shapes.data, shapes.shape_type, strict=True)):
        found = _placed(on_grid(shapes, vertices, frame, labels), table.iloc[row], frame)
        if found is None:
            outside += 1
            continue
        place, points = found
        size = np.array(frame_slice(frame, place.plane))
        what: Box | Scribble | None
        if kind in CLOSED:
            what = _box(points, size)
        else:
            what = _scribble(points, size, is_positive(table["sign"].iloc[row]))
        if what is None:
            outside += 1
        else:
            marks.append(DrawnMark(place, what, row))
    return marks, outside


def with_drawn(
    clicked: Mapping[Place, Prompts], marks: Iterable[DrawnMark]
) -> dict[Place, Prompts]:
    """Return prompts with boxes and scribbles added; of several boxes at a place the last."""
    merged = dict(clicked)
    for mark in marks:
        given = merged.get(mark.place, Prompts())
        if isinstance(mark.what, Box):
            merged[mark.place] = replace(given, box=mark.what)
        else:
            merged[mark.place] = replace(given, scribbles=(*given.scribbles, mark.what))
    return merged


def superseded(marks: Sequence[DrawnMark]) -> list[int]:
    """Return the rows of boxes at whose place a newer one has been drawn."""
    last = {mark.place: mark.row for mark in marks if isinstance(mark.what, Box)}
    return [m.row for m in marks if isinstance(m.what, Box) and last[m.place] != m.row]


def rewrite_shapes(
    shapes: Shapes, frame: Frame, labels: Labels, held: Mapping[Place, Prompts]
) -> None:
    """Remove shapes that are not held, and add those that are missing; all others stay.

    Parameters
    ----------
    shapes : Shapes
        Its data and features are changed.
    frame : Frame
        The grid.
    labels : Labels
        On the grid.
    held : mapping
        What there shall be at these places.
    """
    marks, _ = read_drawn(shapes, frame, labels)
    drop: list[int] = []
    missing: list[tuple[Place, Box | Scribble]] = []
    for place, prompts in held.items():
        wanted: list[Box | Scribble] = list(prompts.scribbles)
        wanted += [] if prompts.box is None else [prompts.box]
        for mark in marks:
            if mark.place == place:
                same = next((w for w in wanted if _alike(w, mark.what)), None)
                if same is None:
                    drop.append(mark.row)
                else:
                    wanted.remove(same)
        missing.extend((place, what) for what in wanted)
    if drop:
        shapes.selected_data = set()
        shapes.remove(drop)
    for place, what in missing:
        _add(shapes, frame, labels, place, what)


def frame_slice(frame: Frame, plane: Plane) -> tuple[int, int]:
    """Return the shape of a plane's slice, (H, W)."""
    spatial = [frame.shape[axis] for axis in frame.spatial]
    sizes = spatial if len(spatial) == 2 else plane.on_slice(spatial)
    return int(sizes[0]), int(sizes[1])


def vertices_on(
    shapes: Shapes, frame: Frame, labels: Labels, place: Place, points: FloatMatrix
) -> FloatMatrix:
    """Return the data coordinates of points given as (row, col) on a plane's slice."""
    whole = np.zeros((len(points), len(frame.grid)))
    if frame.n_times is not None:
        whole[:, frame.grid.index("t")] = place.time
    free = list(frame.spatial)
    if len(free) == 3:
        whole[:, free.pop(place.plane.axis)] = place.plane.index
    whole[:, free] = points
    return np.array([from_grid(shapes, frame, labels, list(one)) for one in whole])


def slice_points(
    shapes: Shapes, frame: Frame, labels: Labels, plane: Plane, vertices: Any
) -> FloatMatrix:
    """Return where vertices lie on a plane's slice, (N, 2); see `vertices_on` for the way back."""
    positions = on_grid(shapes, vertices, frame, labels)
    free = list(frame.spatial)
    if len(free) == 3:
        free.pop(plane.axis)
    return np.asarray(positions[:, free])


def _placed(
    positions: FloatMatrix, features: Any, frame: Frame
) -> tuple[Place, FloatMatrix] | None:
    """Return where a shape is, and its vertices as (row, col) on the slice."""
    if not np.isfinite(positions).all():
        return None
    time, middle = 0, np.floor(positions.mean(axis=0) + 0.5).astype(int)
    if frame.n_times is not None:
        time = int(middle[frame.grid.index("t")])
        if not 0 <= time < frame.n_times:
            return None
    free, plane = list(frame.spatial), Plane(0, 0)
    if len(free) == 3:
        flat = [i for i in range(3) if np.ptp(positions[:, free[i]]) < _FLAT_PX]
        if not flat:
            return None
        axis = int(features["axis"]) if features["axis"] in flat else flat[0]
        across = free.pop(axis)
        if not 0 <= middle[across] < frame.shape[across]:
            return None
        plane = Plane(axis, int(middle[across]))
    return Place(time, int(features["object"]), plane), positions[:, free]


def _box(points: FloatMatrix, size: Any) -> Box | None:
    low, high = points.min(axis=0), points.max(axis=0)
    if (high < -0.5).any() or (low > size - 0.5).any():
        return None
    low, high = np.clip(low, 0, size - 1), np.clip(high, 0, size - 1)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _scribble(points: FloatMatrix, size: Any, positive: bool) -> Scribble | None:
    inside = points[((points >= -0.5) & (points < size - 0.5)).all(axis=1)]
    if not len(inside):
        return None
    return Scribble(tuple((float(row), float(col)) for row, col in inside), positive)


def _alike(one: Box | Scribble, other: Box | Scribble) -> bool:
    if isinstance(one, Box) and isinstance(other, Box):
        return _near(_corners(one), _corners(other))
    if isinstance(one, Scribble) and isinstance(other, Scribble):
        is_same_kind = one.positive == other.positive and len(one.points) == len(other.points)
        return is_same_kind and _near(np.array(one.points), np.array(other.points))
    return False


def _near(some: FloatMatrix, others: FloatMatrix) -> bool:
    return bool(np.abs(some - others).max() < _FAR_PX)


def _corners(box: Box) -> FloatMatrix:
    r0, c0, r1, c1 = box.row0, box.col0, box.row1, box.col1
    return np.array([[r0, c0], [r0, c1], [r1, c1], [r1, c0]])


def _add(shapes: Shapes, frame: Frame, labels: Labels, place: Place, what: Box | Scribble) -> None:
    is_box = isinstance(what, Box)
    points = _corners(what) if isinstance(what, Box) else np.array(what.points, float)
    if len(points) == 1:
        points = np.vstack([points, points])  # napari draws no path of one point
    positive = isinstance(what, Box) or what.positive
    shapes.add(
        vertices_on(shapes, frame, labels, place, points),
        shape_type="rectangle" if is_box else "path",
        edge_color=COLOURS[positive],
    )
    table = shapes.features
    values = (place.object, place.plane.axis, POSITIVE if positive else NEGATIVE)
    for name, value in zip(_COLUMNS, values, strict=True):
        table.iat[len(table) - 1, table.columns.get_loc(name)] = value
