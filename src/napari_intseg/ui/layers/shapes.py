"""The Shapes layer for boxes, scribbles, lassos: made when first needed, watched from then on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes

from napari_intseg.core.prompts import Box, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.layer_registry import find_free, hold, lay, let_go, note_made
from napari_intseg.ui.layers.points_codec import (
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
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Post, Signals

BOXES = ("rectangle", "ellipse")
"""Shapes that count as their bounding box; polygons are lassos, lines and paths scribbles."""

Mark = Box | Scribble | Lasso
"""A prompt that is drawn."""

# a shape on a plane varies less than this across it: half a pixel is the next plane
_FLAT_PX = 0.5
# pixels by which a shape may differ from its prompt and still be it: rounding through the world
_FAR_PX = 0.01
_COLUMNS = ("object", "axis", "sign")
_SHAPES: dict[str, type] = {"rectangle": Box, "path": Scribble, "polygon": Lasso}


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """One shape of the layer, read: where it is, and the prompt that it means."""

    place: Place
    what: Mark
    row: int


def make_shapes(image_axes: ImageAxes, name: str) -> Shapes:
    """Return an empty Shapes layer on a frame's grid, ready to be drawn in."""
    features = pd.DataFrame(
        {
            "object": pd.Series([], dtype=np.int64),
            "axis": pd.Series([], dtype=np.int64),
            "sign": pd.Series([], dtype=object),
        }
    )
    size = max(image_axes.shape[axis] for axis in image_axes.spatial[-2:])
    return Shapes(
        ndim=len(image_axes.grid),
        name=name,
        features=features,
        feature_defaults={"object": 1, "axis": 0, "sign": POSITIVE},
        edge_color=COLOURS[True],
        face_color="transparent",
        # seen when the whole image is, and no wider than a pixel of a tiny one (not tuned)
        edge_width=max(size / 250, 0.2),
        opacity=1.0,
        **geometry(image_axes),
    )


def read_drawn(
    shapes: Shapes, image_axes: ImageAxes, labels: Labels
) -> tuple[list[DrawnMark], int]:
    """Return all shapes that lie on a plane of the data, and how many do not.

    A box and a lasso are cut to the image. Corners and vertices are pixels of the slice, the centre
    of the first is 0.
    """
    marks: list[DrawnMark] = []
    outside = 0
    table = shapes.features
    for row, (vertices, kind) in enumerate(zip(shapes.data, shapes.shape_type, strict=True)):
        found = _placed(on_grid(shapes, vertices, image_axes, labels), table.iloc[row], image_axes)
        if found is None:
            outside += 1
            continue
        place, points = found
        size = np.array(frame_slice(image_axes, place.plane))
        what: Mark | None
        positive = is_positive(table["sign"].iloc[row])
        if kind in BOXES:
            what = _box(points, size)
        elif kind == "polygon":
            what = _lasso(points, size, positive)
        else:
            what = _scribble(points, size, positive)
        if what is None:
            outside += 1
        else:
            marks.append(DrawnMark(place, what, row))
    return marks, outside


def with_drawn(
    clicked: Mapping[Place, Prompts], marks: Iterable[DrawnMark]
) -> dict[Place, Prompts]:
    """Return prompts with what is drawn added; of several boxes at a place the last."""
    merged = dict(clicked)
    for mark in marks:
        given = merged.get(mark.place, Prompts())
        if isinstance(mark.what, Box):
            merged[mark.place] = replace(given, box=mark.what)
        else:
            merged[mark.place] = given.added(mark.what)
    return merged


def superseded(marks: Sequence[DrawnMark]) -> list[int]:
    """Return the rows of boxes at whose place a newer one has been drawn."""
    # a model takes one box a plane: the newest is meant
    last = {mark.place: mark.row for mark in marks if isinstance(mark.what, Box)}
    return [m.row for m in marks if isinstance(m.what, Box) and last[m.place] != m.row]


def rewrite_shapes(
    shapes: Shapes, image_axes: ImageAxes, labels: Labels, held: Mapping[Place, Prompts]
) -> None:
    """Remove shapes that are not held, and add those that are missing; all others stay.

    Parameters
    ----------
    shapes : Shapes
        Its data and features are changed.
    image_axes : ImageAxes
        The grid.
    labels : Labels
        On the grid.
    held : mapping
        What there shall be at these places.
    """
    marks, _ = read_drawn(shapes, image_axes, labels)
    drop: list[int] = []
    missing: list[tuple[Place, Mark]] = []
    for place, prompts in held.items():
        wanted: list[Mark] = [*prompts.scribbles, *prompts.lassos]
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
        _add(shapes, image_axes, labels, place, what)


def frame_slice(image_axes: ImageAxes, plane: Plane) -> tuple[int, int]:
    """Return the shape of a plane's slice, (H, W)."""
    spatial = [image_axes.shape[axis] for axis in image_axes.spatial]
    sizes = spatial if len(spatial) == 2 else plane.on_slice(spatial)
    return int(sizes[0]), int(sizes[1])


def vertices_on(
    shapes: Shapes, image_axes: ImageAxes, labels: Labels, place: Place, points: FloatMatrix
) -> FloatMatrix:
    """Return the data coordinates of points given as (row, col) on a plane's slice."""
    whole = np.zeros((len(points), len(image_axes.grid)))
    if image_axes.n_times is not None:
        whole[:, image_axes.grid.index("t")] = place.time
    free = list(image_axes.spatial)
    if len(free) == 3:
        whole[:, free.pop(place.plane.axis)] = place.plane.index
    whole[:, free] = points
    return np.array([from_grid(shapes, image_axes, labels, list(one)) for one in whole])


def slice_points(
    shapes: Shapes, image_axes: ImageAxes, labels: Labels, plane: Plane, vertices: Any
) -> FloatMatrix:
    """Return where vertices lie on a plane's slice, (N, 2); see `vertices_on` for the way back."""
    positions = on_grid(shapes, vertices, image_axes, labels)
    free = list(image_axes.spatial)
    if len(free) == 3:
        free.pop(plane.axis)
    return np.asarray(positions[:, free])


def region_of(layer: Layer, image_axes: ImageAxes) -> BoolArray:
    """Return where a layer has shapes or labels, on the grid of a volume.

    Raises
    ------
    DataError
        If the layer is of another kind or on another grid.
    """
    shape = tuple(image_axes.shape[axis] for axis in image_axes.spatial)
    if isinstance(layer, Labels) and layer.data.shape in (shape, shape[-2:]):
        drawn: BoolArray = np.asarray(layer.data) != 0
        return drawn
    if isinstance(layer, Shapes) and len(layer.data) and layer.ndim in (2, len(image_axes.grid)):
        flat = shape[-2:]
        inside = np.zeros(flat, bool)
        # seen from above: a shape holds on all planes
        for vertices in layer.data:
            one = Shapes([np.asarray(vertices)[:, -2:]], shape_type="polygon")
            inside |= one.to_masks(mask_shape=flat).any(axis=0)
        return inside
    raise DataError(
        Message(
            "layer is no region: expected shapes, or labels of shape {shape}, got "
            "{name!r}. Draw shapes over the image, or choose another layer.",
            shape=shape,
            name=layer.name,
        )
    )


def _placed(
    positions: FloatMatrix, features: Any, image_axes: ImageAxes
) -> tuple[Place, FloatMatrix] | None:
    """Return where a shape is, and its vertices as (row, col) on the slice."""
    if not np.isfinite(positions).all():
        return None
    time, middle = 0, np.floor(positions.mean(axis=0) + 0.5).astype(int)
    if image_axes.n_times is not None:
        time = int(middle[image_axes.grid.index("t")])
        if not 0 <= time < image_axes.n_times:
            return None
    free, plane = list(image_axes.spatial), Plane(0, 0)
    if len(free) == 3:
        flat = [i for i in range(3) if np.ptp(positions[:, free[i]]) < _FLAT_PX]
        if not flat:
            return None
        # a line lies on planes of two axes: the feature says which was in view
        axis = int(features["axis"]) if features["axis"] in flat else flat[0]
        across = free.pop(axis)
        if not 0 <= middle[across] < image_axes.shape[across]:
            return None
        plane = Plane(axis, int(middle[across]))
    return Place(time, int(features["object"]), plane), positions[:, free]


def _box(points: FloatMatrix, size: Any) -> Box | None:
    low, high = points.min(axis=0), points.max(axis=0)
    if (high < -0.5).any() or (low > size - 0.5).any():
        return None
    # a box that is drawn beyond the image means all up to its border
    low, high = np.clip(low, 0, size - 1), np.clip(high, 0, size - 1)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _lasso(points: FloatMatrix, size: Any, positive: bool) -> Lasso | None:
    box = _box(points, size)
    if box is None or box.row0 == box.row1 or box.col0 == box.col1:
        return None
    # vertices beyond the image go to its border: what is drawn round an object there stays closed
    inside = np.clip(points, 0, size - 1)
    return Lasso(tuple((float(row), float(col)) for row, col in inside), positive)


def _scribble(points: FloatMatrix, size: Any, positive: bool) -> Scribble | None:
    inside = points[((points >= -0.5) & (points < size - 0.5)).all(axis=1)]
    if not len(inside):
        return None
    return Scribble(tuple((float(row), float(col)) for row, col in inside), positive)


def _alike(one: Mark, other: Mark) -> bool:
    if isinstance(one, Box) and isinstance(other, Box):
        return _near(_corners(one), _corners(other))
    if isinstance(one, Box) or isinstance(other, Box) or type(one) is not type(other):
        return False
    is_same_kind = one.positive == other.positive and len(one.points) == len(other.points)
    return is_same_kind and _near(np.array(one.points), np.array(other.points))


def _near(some: FloatMatrix, others: FloatMatrix) -> bool:
    return bool(np.abs(some - others).max() < _FAR_PX)


def _corners(box: Box) -> FloatMatrix:
    r0, c0, r1, c1 = box.row0, box.col0, box.row1, box.col1
    return np.array([[r0, c0], [r0, c1], [r1, c1], [r1, c0]])


def _add(shapes: Shapes, image_axes: ImageAxes, labels: Labels, place: Place, what: Mark) -> None:
    kind = next(name for name, drawn in _SHAPES.items() if isinstance(what, drawn))
    points = _corners(what) if isinstance(what, Box) else np.array(what.points, float)
    if kind == "path" and len(points) == 1:
        # napari draws no path of one point
        points = np.vstack([points, points])
    positive = isinstance(what, Box) or what.positive
    shapes.add(
        vertices_on(shapes, image_axes, labels, place, points),
        shape_type=kind,
        edge_color=COLOURS[positive],
    )
    table = shapes.features
    values = (place.object, place.plane.axis, POSITIVE if positive else NEGATIVE)
    for name, value in zip(_COLUMNS, values, strict=True):
        table.iat[len(table) - 1, table.columns.get_loc(name)] = value


Drawing = Literal["box", "scribble", "lasso"]

MODES: dict[Drawing, str] = {
    "box": "add_rectangle",
    "scribble": "add_path",
    "lasso": "add_polygon_lasso",
}
_KINDS: dict[str, Drawing] = {"path": "scribble", "line": "scribble", "polygon": "lasso"}
_DONE = ("added", "removed", "changed")
_MODIFIER = "Shift"
# milliseconds until shapes are tidied, as in `points_listener`: what was drawn is shown first
_TIDY_MS = 40


class ShapesListener:
    """Watches shapes and says when what they mean has changed.

    Parameters
    ----------
    viewer : ViewerModel
        The layer is added to it.
    image_axes : ImageAxes
        The grid.
    labels : Labels
        On the grid.
    post : callable
        Has the GUI thread tidy the shapes soon.
    signals : Signals
        Where to speak.
    defaults : callable
        Returns "object", "axis" and "sign" of a shape that is drawn now.
    on_change : callable
        Called when shapes were added, moved, deleted or given other features.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image_axes: ImageAxes,
        labels: Labels,
        *,
        post: Post,
        signals: Signals,
        defaults: Callable[[], Mapping[str, Any]],
        on_change: Callable[[], None],
    ) -> None:
        self.layer: Shapes | None = None
        self._viewer, self._image_axes, self._labels = viewer, image_axes, labels
        self._post, self._signals = post, signals
        self._defaults, self._on_change = defaults, on_change
        self._quiet = self._closed = self._untidy = False
        self._pressed: str | None = None
        self._dragged = self._was_drawn = False
        self._seen: Any = None
        self._held: dict[Place, Prompts] = {}
        viewer.layers.events.removed.connect(self._layer_removed)
        found = find_free(viewer, image_axes.image, "boxes", Shapes)
        if found is not None and found.ndim == len(image_axes.grid):
            lay(found, image_axes)
            hold([found], self)
            self._watch(found)

    def shown(self) -> Shapes:
        """Return the layer, made if there is none."""
        if self.layer is None:
            image = self._image_axes.image
            layer = note_made(make_shapes(self._image_axes, f"{image.name} boxes"), image, "boxes")
            hold([layer], self)
            active = self._viewer.layers.selection.active
            self._viewer.add_layer(layer)
            # napari selects what is added: whoever asked for the layer chooses what is active
            self._viewer.layers.selection.active = active
            self._watch(layer)
        assert self.layer is not None
        return self.layer

    def with_drawn(self, clicked: dict[Place, Prompts]) -> tuple[dict[Place, Prompts], int]:
        """Return prompts with what is drawn added, and how many shapes lie outside the image."""
        assert self.layer is not None
        self._complete()
        marks, outside = read_drawn(self.layer, self._image_axes, self._labels)
        return with_drawn(clicked, marks), outside

    def follow(self, held: Mapping[Place, Prompts]) -> None:
        """Make the shapes match the session, after undo or a refused shape."""
        self._held.update(held)
        if self._pressed is None:
            self._follow()
        else:
            # napari is drawing: its shape can be taken away after that
            self._tidy_soon()

    def close(self) -> None:
        """Let go of the layer."""
        self._closed = True
        let_go(self)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._unwatch()

    def _watch(self, layer: Shapes) -> None:
        self.layer = layer
        self._complete()
        layer.events.data.connect(self._data_changed)
        layer.events.features.connect(self._features_changed)
        layer.events.mode.connect(self._stay_last)
        layer.mouse_drag_callbacks.append(self._press)
        self.set_defaults()

    def _unwatch(self) -> None:
        layer, self.layer = self.layer, None
        if layer is None:
            return
        layer.events.data.disconnect(self._data_changed)
        layer.events.features.disconnect(self._features_changed)
        layer.events.mode.disconnect(self._stay_last)
        if self._press in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._press)

    def set_defaults(self) -> None:
        """Have the next shape belong to the current object, and look like its sign."""
        layer, values = self.layer, self._defaults()
        if layer is None:
            return
        with self._silent():
            layer.feature_defaults = dict(values)
            # setting the colour would recolour what is selected
            if not layer.selected_data:
                layer.current_edge_color = COLOURS[is_positive(values["sign"])]

    def _press(self, layer: Shapes, event: Any) -> Iterator[None]:
        """From press to release, know the sign; what finishes the shape runs before or after."""
        positive = is_positive(self._defaults()["sign"])
        # boxes have no sign
        turned = _MODIFIER in event.modifiers and layer.mode != MODES["box"]
        self._pressed = POSITIVE if positive != turned else NEGATIVE
        self._dragged = False
        yield
        while event.type == "mouse_move":
            self._dragged = True
            yield
        self._tidy_soon()  # it forgets the press

    def _stay_last(self, _event: Any = None) -> None:
        """Release after napari's own callback, which is replaced when the mode changes."""
        callbacks = [] if self.layer is None else self.layer.mouse_drag_callbacks
        if self._press in callbacks and callbacks[-1] != self._press:
            callbacks.remove(self._press)
            callbacks.append(self._press)

    def _data_changed(self, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        layer = self.layer
        if self._quiet or action not in _DONE or layer is None:
            return
        if action == "added" and self._pressed is not None and len(layer.data):
            # napari makes a shape of a press without a drag, which has no size
            if not self._dragged:
                self._take_back(layer)
                return
            self._was_drawn = True
            values = {**self._defaults(), "sign": self._pressed}
            self._complete()
            table = layer.features
            for name, value in values.items():
                table.iat[len(table) - 1, table.columns.get_loc(name)] = value
        self._on_change()
        self._tidy_soon()

    def _take_back(self, layer: Shapes) -> None:
        """Remove what a press without a drag has made."""
        with self._silent():
            layer.selected_data = set()
            layer.remove([len(layer.data) - 1])
        self._signals.failed.emit(
            Message("Hold the mouse button down and drag from corner to corner.")
        )

    def _features_changed(self, _event: Any = None) -> None:
        layer = self.layer
        if self._quiet or layer is None or layer.features.equals(self._seen):
            return
        if len(layer.features) == len(layer.data):
            self._on_change()
            self._tidy_soon()

    def _complete(self) -> None:
        """Give every shape the features it lacks; napari forgets to drop those of removed ones."""
        layer = self.layer
        if layer is None:
            return
        table, values = layer.features, self._defaults()
        if len(table) > len(layer.data):
            # in place: a new table would emit another event
            table.drop(index=table.index[len(layer.data) :], inplace=True)
        lacking = [name for name in values if name not in table]
        if lacking:
            full = table.copy()
            for name in lacking:
                full[name] = [values[name]] * len(full)
            with self._silent():
                layer.features = full

    def _tidy_soon(self) -> None:
        if not self._untidy:
            self._untidy = True
            self._post(self._tidy, _TIDY_MS)

    def _tidy(self) -> None:
        self._untidy = False
        self._pressed = None
        layer = self.layer
        if self._closed or layer is None:
            return
        self._follow()
        drawn, self._was_drawn = self._was_drawn, False
        with self._silent():
            marks, _ = read_drawn(layer, self._image_axes, self._labels)
            rows = superseded(marks)
            if rows:
                layer.selected_data = set()
                layer.remove(rows)
            _show_signs(layer)
        self._seen = layer.features.copy()
        self.set_defaults()
        if drawn and len(layer.data):
            self._signals.drawn.emit(_KINDS.get(layer.shape_type[-1], "box"))

    def _follow(self) -> None:
        held, self._held = self._held, {}
        has_drawn = any(prompts.has_drawn for prompts in held.values())
        if not held or (self.layer is None and not has_drawn):
            return
        layer = self.shown()
        with self._silent():
            rewrite_shapes(layer, self._image_axes, self._labels, held)
            _show_signs(layer)
        self._seen = layer.features.copy()

    def _layer_removed(self, event: Any) -> None:
        if self.layer is not None and event.value == self.layer:
            self._unwatch()
            self._on_change()

    @contextmanager
    def _silent(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _show_signs(layer: Shapes) -> None:
    """Show each shape's sign by its colour."""
    if len(layer.data) and len(layer.features) == len(layer.data):
        layer.edge_color = [COLOURS[is_positive(sign)] for sign in layer.features["sign"]]
