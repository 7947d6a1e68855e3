"""Points to clicks and back, through world coordinates; makes the points and labels layers.

Colours of labels are told apart from the image below them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from napari.layers import Image, Labels, Layer, Points
from napari.utils.colormaps import CyclicLabelColormap, label_colormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from skimage.color import rgb2lab

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane
from napari_intseg.session.document import LARGEST_LABEL
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.messages import Message, counted
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.storage.disk_folders import default_path, is_large, keep

_N_COLOURS = 49
"""Colours of a map: as many as napari's own has."""

_FIRST = 12
"""Labels whose colours are compared with the image: those of the objects a person begins with."""

_SEEDS = tuple(np.linspace(0.02, 0.98, 33))
"""Of napari's own colours, which a seed shifts; 33 choices leave little to gain."""

_SAFE = np.array(
    [
        [0, 0, 0, 0],
        [0.90, 0.62, 0.00, 1],
        [0.34, 0.71, 0.91, 1],
        [0.00, 0.62, 0.45, 1],
        [0.94, 0.89, 0.26, 1],
        [0.00, 0.45, 0.70, 1],
        [0.84, 0.37, 0.00, 1],
        [0.80, 0.47, 0.65, 1],
        [1.00, 1.00, 1.00, 1],
    ]
)
"""Told apart by colour-blind people: Okabe, M., Ito, K. "Color universal design", 2008; white in
the place of their black, which is not seen on a dark image."""

_SHARE = 10
"""Per cent of the pixels that may be closer to a colour than is counted: noise, a few cells."""


def colours_for(image: Image) -> CyclicLabelColormap:
    """Return colours for labels of which the first few lie far from those of an image.

    Distances are those of CIELAB, as the image is shown, from its thumbnail; napari's first colour
    is a dark brown, which is hardly seen on stained tissue. Who prefers safe colours gets those of
    Okabe and Ito instead, whatever the image.
    """
    if preferences().safe_colours:
        return CyclicLabelColormap(colors=_SAFE, background_value=0)
    # the thumbnail: as the image is shown, and small
    shown = np.asarray(image.thumbnail, float).reshape(-1, 4) / 255
    pixels = _lab(shown[shown[:, 3] > 0.5, :3])
    if not len(pixels):
        pixels = np.zeros((1, 3))  # black, as the canvas is
    return _colours(_SEEDS[int(np.argmax(_distances(_first_colours(), pixels)))])


def toggle_outlines(labels: Labels) -> bool:
    """Show labels as outlines, or filled again; return whether they are outlines now."""
    # two pixels: one is hardly seen on a screen of high density
    labels.contour = 0 if labels.contour else 2
    return bool(labels.contour)


def _colours(seed: float) -> CyclicLabelColormap:
    return label_colormap(_N_COLOURS, seed=float(seed), background_value=0)


@cache
def _first_colours() -> NDArray[np.float64]:
    """Return the first colours of each seed, which no image changes."""
    return np.array([_first(_colours(seed)) for seed in _SEEDS])


def _first(colours: CyclicLabelColormap) -> NDArray[np.float64]:
    """Return the first labels' colours in CIELAB, (labels, 3)."""
    return _lab(np.asarray(colours.map(np.arange(1, _FIRST + 1)))[:, :3])


def _distances(first: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each seed how far the worst of its first colours is from the image."""
    apart = cdist(first.reshape(-1, 3), pixels)
    # the worst of the first colours decides: each of them must be seen
    worst: NDArray[np.float64] = np.percentile(apart, _SHARE, axis=1).reshape(len(first), -1).min(1)
    return worst


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    lab: NDArray[np.float64] = rgb2lab(rgb[None])[0] if len(rgb) else np.zeros((0, 3))
    return lab


POSITIVE, NEGATIVE = "positive", "negative"
SYMBOLS = {True: "cross", False: "hbar"}
"""A plus and a minus: the sign can be told without colours."""

COLOURS = {True: "#27d17f", False: "#ff4d4d"}
# as napari keeps colours, so that they can be compared without being parsed each time
_RGBA = {sign: transform_color(colour)[0] for sign, colour in COLOURS.items()}
LABEL_DTYPE = np.uint16
NAMES = ("sign", "object", "order", "axis")

# there and back through the world leaves a trace in the last digits
_DECIMALS = 6

_POSITIVE_WORDS = ("positive", "+", "1", "1.0", "true", "foreground")
_NEGATIVE_WORDS = ("negative", "-", "−", "-1", "-1.0", "0", "0.0", "false", "background")

FloatMatrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where prompts belong: an object, on a plane, at a time point."""

    time: int
    object: int
    plane: Plane


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of the Points layer, read: place, click and number."""

    place: Place
    order: int
    click: Click
    row: int


def make_points(image_axes: ImageAxes, name: str) -> Points:
    """Return an empty Points layer on a frame's grid, ready for clicks."""
    features = pd.DataFrame(
        {
            "sign": pd.Series([], dtype=object),
            "object": pd.Series([], dtype=np.int64),
            "order": pd.Series([], dtype=np.int64),
            "axis": pd.Series([], dtype=np.int64),
        }
    )
    return Points(
        np.empty((0, len(image_axes.grid))),
        ndim=len(image_axes.grid),
        name=name,
        features=features,
        feature_defaults={"sign": POSITIVE, "object": 1, "order": 0, "axis": 0},
        symbol=SYMBOLS[True],
        face_color=COLOURS[True],
        border_color="black",
        # a thin rim, which sets points off bright and dark tissue alike (not tuned)
        border_width=0.04,
        size=_point_size(image_axes),
        # in pixels of the screen: 26 hid a whole nucleus and its mask in a field of 171, so that
        # the first click seemed to do nothing. A lower limit above 0 makes rims as thick as half
        # of it
        canvas_size_limits=(0, 16),
        opacity=1.0,
        **geometry(image_axes),
    )


def _point_size(image_axes: ImageAxes) -> float:
    """Return a size that is easily seen when the whole image is, in the units napari takes."""
    low, high = np.asarray(image_axes.image.extent.world)[:, -2:]
    scale = abs(float(image_axes.image.scale[-1])) or 1.0
    # a twenty-fifth of the longer side (not tuned); the layer's size is in its own pixels
    return float(max(np.max(high - low), 1e-6)) / (25 * scale)


def make_labels(image_axes: ImageAxes, name: str) -> Labels:
    """Return a Labels layer on a frame's grid; if it does not fit in memory it lives on disk.

    It is empty, or holds what was kept on disk before.

    Raises
    ------
    FileError
        If it has to live on disk and no place for it can be written to.
    """
    data = (
        keep(image_axes, LABEL_DTYPE, default_path(image_axes, LABEL_DTYPE)).array
        if is_large(image_axes.shape, LABEL_DTYPE)
        else np.zeros(image_axes.shape, LABEL_DTYPE)
    )
    colours = colours_for(image_axes.image)
    return Labels(data, name=name, opacity=0.5, colormap=colours, **geometry(image_axes))


def make_room(labels: Labels, label: int) -> bool:
    """Return whether a layer can hold a label; one in memory is given a larger type if need be."""
    if label <= np.iinfo(labels.data.dtype).max:
        return True
    if label > LARGEST_LABEL or not is_in_memory(labels):
        return False
    # signed 32 bits, as sessions put labels together
    labels.data = labels.data.astype(np.int32)
    # napari slices hidden layers later, but draws their
    # colours at once, by the type that it last sliced
    if not labels.visible:
        labels.set_view_slice()
    return True


def is_in_memory(labels: Labels) -> bool:
    """Whether a layer's labels are in memory, and not in a file."""
    return isinstance(labels.data, np.ndarray) and not isinstance(labels.data, np.memmap)


def geometry(image_axes: ImageAxes) -> dict[str, Any]:
    """Return where a frame's grid lies, as arguments for a new layer: that of the image."""
    image = image_axes.image
    keep = [i for i, axis in enumerate(image_axes.axes) if axis != "c"]
    grid = np.ix_(keep, keep)
    ndim = len(image_axes.axes)
    affine = np.asarray(image.affine.affine_matrix)
    with_offset = [*keep, ndim]
    return {
        "scale": np.asarray(image.scale)[keep],
        "translate": np.asarray(image.translate)[keep],
        "rotate": np.asarray(image.rotate)[grid],
        "shear": _shear_matrix(np.asarray(image.shear), ndim)[grid],
        "affine": affine[np.ix_(with_offset, with_offset)],
        "units": [image.units[i] for i in keep],
        "axis_labels": [image.axis_labels[i] for i in keep],
    }


def _shear_matrix(shear: FloatMatrix, ndim: int) -> FloatMatrix:
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = shear
    return matrix


def to_grid(points: Points, image_axes: ImageAxes, labels: Labels) -> FloatMatrix:
    """Return the points' positions on the grid, through the world, in pixels, (N, D)."""
    return on_grid(points, points.data, image_axes, labels)


def on_grid(layer: Layer, data: Any, image_axes: ImageAxes, labels: Labels) -> FloatMatrix:
    """Return positions (N, D) of a layer's data on the grid, through the world, in pixels.

    The map is affine, so it is probed once and applied to all points together. Of a channel stack
    the labels stand for the image, which has an axis more.
    """
    target: Image | Labels = labels if "c" in image_axes.axes else image_axes.image
    ndim = layer.ndim
    probes = np.vstack([np.zeros(ndim), np.eye(ndim)])
    seen = np.array([target.world_to_data(layer.data_to_world(p)) for p in probes], float)
    linear = (seen[1:] - seen[0]).T
    # a point at no place, or at infinity, lies outside; that is told, not numpy's remark on it
    with np.errstate(invalid="ignore"):
        moved = np.asarray(data, float) @ linear.T + seen[0]
    return np.asarray(np.round(moved, _DECIMALS))


def from_grid(
    layer: Layer, image_axes: ImageAxes, labels: Labels, position: Sequence[float]
) -> Any:
    """Return a layer's data coordinates of a position on the grid."""
    target: Image | Labels = labels if "c" in image_axes.axes else image_axes.image
    return layer.world_to_data(target.data_to_world(position))


def read_marks(points: Points, image_axes: ImageAxes, labels: Labels) -> tuple[list[Mark], int]:
    """Return all points that lie in the data, in order, and how many lie outside."""
    if not len(points.data):
        return [], 0
    features = points.features
    columns = (features[name] for name in NAMES)
    rows = zip(to_grid(points, image_axes, labels), *columns, strict=True)
    found = (
        read_mark(image_axes, row, position, given) for row, (position, *given) in enumerate(rows)
    )
    marks = [mark for mark in found if mark is not None]
    marks.sort(key=lambda mark: (mark.order, mark.row))
    return marks, len(points.data) - len(marks)


def read_mark(
    image_axes: ImageAxes, row: int, position: FloatMatrix, given: Sequence[Any]
) -> Mark | None:
    """Return a point understood; None if it lies outside the data.

    Parameters
    ----------
    image_axes : ImageAxes
        The grid.
    row : int
        Of the point in its layer.
    position : ndarray, shape (D,)
        On the grid, in pixels.
    given : sequence
        Its features, in the order of `NAMES`.
    """
    sign, label, order, axis = given
    place = _place(position, image_axes, int(label), int(axis))
    if place is None:
        return None
    spatial = [float(position[axis]) for axis in image_axes.spatial]
    flat = len(spatial) == 2
    on_slice = (spatial[0], spatial[1]) if flat else place.plane.on_slice(spatial)
    return Mark(place, int(order), Click(*on_slice, is_positive(sign)), row)


def _place(position: FloatMatrix, image_axes: ImageAxes, label: int, axis: int) -> Place | None:
    shape = np.array(image_axes.shape)
    if not (np.isfinite(position).all() and (position >= -0.5).all()):
        return None
    if not (position < shape - 0.5).all():
        return None
    whole = np.floor(position + 0.5).astype(int)
    time = int(whole[image_axes.grid.index("t")]) if "t" in image_axes.grid else 0
    if len(image_axes.spatial) == 2:
        return Place(time, label, Plane(0, 0))
    axis = axis if 0 <= axis < 3 else 0
    return Place(time, label, Plane(axis, int(whole[image_axes.spatial[axis]])))


def as_prompts(marks: Iterable[Mark]) -> dict[Place, Prompts]:
    """Return the prompts at each place; clicks in their order."""
    clicks: dict[Place, list[Click]] = {}
    last: Place | None = None
    here: list[Click] = []
    for mark in marks:
        if mark.place is not last:
            last, here = mark.place, clicks.setdefault(mark.place, [])
        here.append(mark.click)
    return {place: Prompts(tuple(given)) for place, given in clicks.items()}


def is_positive(sign: object) -> bool:
    """Whether a value of the feature "sign" means positive; what cannot be read does."""
    return str(sign).strip().lower() not in _NEGATIVE_WORDS


def is_sign(value: object) -> bool:
    """Whether a value of the feature "sign" can be read."""
    return str(value).strip().lower() in (*_POSITIVE_WORDS, *_NEGATIVE_WORDS)


def number_new(
    points: Points,
    defaults: Mapping[str, Any],
    rows: Iterable[int],
    sign: str | None = None,
    label: int | None = None,
) -> None:
    """Make new points ready to be read: in place, quickly, and without an event.

    Parameters
    ----------
    points : Points
        Its table of features is written to where it stands.
    defaults : mapping
        Of "sign", "object" and "axis"; the axis is that of the view, whatever the layer had in
        store for new points.
    rows : iterable of int
        The new points: they get the next numbers in the order.
    sign : str, optional
        Their sign, likewise.
    label : int, optional
        Their object, likewise.
    """
    table = points.features
    if any(name not in table for name in NAMES):
        complete_features(points, defaults)
        table = points.features
    new = sorted({row % len(table) for row in rows})
    at = {name: table.columns.get_loc(name) for name in NAMES}
    old = table["order"].to_numpy()[[i for i in range(len(table)) if i not in set(new)]]
    order = int(np.max(pd.to_numeric(old, errors="coerce"), initial=0)) if len(old) else 0
    for number, row in enumerate(new, order + 1):
        given = table.iat[row, at["sign"]] if sign is None else sign
        given = given if is_sign(given) else defaults["sign"]
        table.iat[row, at["sign"]] = POSITIVE if is_positive(given) else NEGATIVE
        table.iat[row, at["order"]] = number
        # the axis of the view now: napari's own defaults are those of the point before
        table.iat[row, at["axis"]] = int(defaults["axis"])
        asked = table.iat[row, at["object"]] if label is None else label
        (table.iat[row, at["object"]],) = _whole([asked], 1, int(defaults["object"]))


def complete_features(points: Points, defaults: Mapping[str, Any]) -> None:
    """Fill in what points lack, and put what cannot be read right; `features` are replaced."""
    table = points.features.copy()
    count = len(table)
    for name in NAMES:
        if name not in table:
            table[name] = [defaults.get(name, 0)] * count
    signs = [s if is_sign(s) else defaults["sign"] for s in table["sign"]]
    table["sign"] = np.array([POSITIVE if is_positive(s) else NEGATIVE for s in signs], object)
    table["object"] = _whole(table["object"], 1, int(defaults["object"]))
    table["order"] = _whole(table["order"], 0, 0)
    table["axis"] = _whole(table["axis"], 0, int(defaults["axis"]))
    points.features = table


def _whole(values: Iterable[Any], least: int, otherwise: int) -> list[int]:
    numbers = pd.to_numeric(pd.Series(list(values), dtype=object), errors="coerce")
    return [int(n) if np.isfinite(n) and n >= least else otherwise for n in numbers]


def show_signs(points: Points) -> None:
    """Show each point's sign by symbol and colour."""
    if len(points.data):
        # napari slices hidden layers later, but draws new colours at once, of points that it
        # remembers to be in view and that may be gone by now
        if not points.visible:
            points.set_view_slice()
        positive = [is_positive(sign) for sign in points.features["sign"]]
        symbols = [SYMBOLS[p] for p in positive]
        # only if they differ: napari redraws all points each time
        if [symbol.value for symbol in points.symbol] != symbols:
            points.symbol = symbols
        wanted = np.where(np.array(positive)[:, None], _RGBA[True], _RGBA[False])
        if not np.allclose(points.face_color, wanted):
            points.face_color = wanted


def show_next(points: Points, positive: bool) -> None:
    """Have the next point look like its sign from the start."""
    # else the selected points would change their looks as well
    with points.block_update_properties():
        if points.current_symbol != SYMBOLS[positive]:
            points.current_symbol = SYMBOLS[positive]
            points.current_face_color = COLOURS[positive]


class MarkReader:
    """Understands the points of a layer, at the cost of those that are new or have changed.

    Parameters
    ----------
    points : Points
        With complete features.
    image_axes : ImageAxes
        The grid.
    labels : Labels
        On the grid.
    """

    def __init__(self, points: Points, image_axes: ImageAxes, labels: Labels) -> None:
        self._points, self._image_axes, self._labels = points, image_axes, labels
        self._seen: list[Array] = []
        self._marks: list[Mark | None] = []

    def read(self) -> tuple[list[Mark], int]:
        """Return all points that lie in the data, in order, and how many lie outside."""
        if not len(self._points.data):
            self._seen, self._marks = [], []
            return [], 0
        table = self._points.features
        now = [to_grid(self._points, self._image_axes, self._labels)]
        now += [table[name].to_numpy() for name in NAMES]
        # points before the first change are not understood again: a click costs what is new
        same = self._same(now)
        del self._marks[same:]
        before = next((mark for mark in reversed(self._marks) if mark is not None), None)
        for row in range(same, len(table)):
            position, *given = (column[row] for column in now)
            mark = read_mark(self._image_axes, row, position, given)
            if mark is not None and before is not None and mark.place == before.place:
                # told apart at once, see `as_prompts`
                mark = replace(mark, place=before.place)
            before = mark or before
            self._marks.append(mark)
        # features are written to in place
        self._seen = [np.array(column) for column in now]
        marks = [mark for mark in self._marks if mark is not None]
        marks.sort(key=lambda mark: (mark.order, mark.row))
        return marks, len(table) - len(marks)

    def _same(self, now: list[Array]) -> int:
        """Return how many points, from the first on, are as they were."""
        if not self._seen:
            return 0
        count = min(len(self._seen[0]), len(now[0]))
        differs = np.zeros(count, bool)
        for old, new in zip(self._seen, now, strict=True):
            one = np.asarray(old[:count] != new[:count], bool)
            differs |= one.any(axis=1) if one.ndim == 2 else one
        return int(np.argmax(differs)) if differs.any() else count


# pixels by which a point may differ from its click and still be it: rounding through the world
_FAR_PX = 0.01


def rewrite_points(
    points: Points,
    image_axes: ImageAxes,
    labels: Labels,
    held: Mapping[Place, Prompts],
    marks: Iterable[Mark] | None = None,
) -> None:
    """Remove points that are not held, and add those that are missing; all others stay.

    Parameters
    ----------
    points : Points
        Its data and features are changed.
    image_axes : ImageAxes
        The grid.
    labels : Labels
        On the grid.
    held : mapping
        What there shall be at these places.
    marks : iterable of Mark, optional
        The points as they are; read by default.
    """
    if marks is None:
        marks, _ = read_marks(points, image_axes, labels)
    at: dict[Place, list[Mark]] = {}
    for mark in marks:
        at.setdefault(mark.place, []).append(mark)
    drop: set[int] = set()
    missing: list[tuple[Place, Click]] = []
    for place, prompts in held.items():
        here = at.get(place, [])
        same = _matching(here, prompts.clicks)
        drop.update(mark.row for mark in here[same:])
        missing.extend((place, click) for click in prompts.clicks[same:])
    if not drop and not missing:
        return
    # napari keeps row numbers of selected points, which are about to change
    points.selected_data = set()
    # in place: for new data and features napari makes colours, sizes and their tables anew. Rows
    # that stay keep their order, so that `MarkReader` need not read them again
    if drop:
        points.remove(sorted(drop))
    if missing:
        _append(points, image_axes, labels, missing)


def _append(
    points: Points, image_axes: ImageAxes, labels: Labels, missing: Sequence[tuple[Place, Click]]
) -> None:
    """Add points for clicks behind all others; none of them is selected."""
    count = len(points.data)
    first = int(points.features["order"].max()) + 1 if count else 1
    places = (position_on_grid(place, click, image_axes) for place, click in missing)
    positions = [from_grid(points, image_axes, labels, at) for at in places]
    points.add(np.array(positions, float))
    # napari selects what is added
    points.selected_data = set()
    table = points.features
    at = {name: table.columns.get_loc(name) for name in NAMES}
    for row, (place, click) in enumerate(missing, count):
        table.iat[row, at["sign"]] = POSITIVE if click.positive else NEGATIVE
        table.iat[row, at["object"]] = place.object
        table.iat[row, at["order"]] = first + row - count
        table.iat[row, at["axis"]] = place.plane.axis


def _matching(marks: list[Mark], clicks: tuple[Click, ...]) -> int:
    """Return how many marks, from the first on, are the clicks."""
    for i, (mark, click) in enumerate(zip(marks, clicks, strict=False)):
        apart = max(abs(mark.click.row - click.row), abs(mark.click.col - click.col))
        if apart > _FAR_PX or mark.click.positive != click.positive:
            return i
    return min(len(marks), len(clicks))


def position_on_grid(place: Place, click: Click, image_axes: ImageAxes) -> list[float]:
    """Return where a click lies on the grid, in pixels."""
    position = [0.0] * len(image_axes.grid)
    if image_axes.n_times is not None:
        position[image_axes.grid.index("t")] = float(place.time)
    if len(image_axes.spatial) == 2:
        position[-2:] = [click.row, click.col]
        return position
    for axis, value in zip(
        image_axes.spatial, place.plane.position(click.row, click.col), strict=True
    ):
        position[axis] = value
    return position


def told_outside(count: int, what: str) -> Message:
    """Return a message that points or shapes cannot be used."""
    if what == "point":
        return counted(
            count,
            "{n} point lies outside the image and cannot be used. Move or delete it.",
            "{n} points lie outside the image and cannot be used. Move or delete them.",
        )
    return counted(
        count,
        "{n} shape lies outside the image and cannot be used. Move or delete it.",
        "{n} shapes lie outside the image and cannot be used. Move or delete them.",
    )
