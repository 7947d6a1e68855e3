"""How an image layer becomes volumes: which of its axes are planes, time and channels."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
from napari_intseg.inference.intensity import Displayed, DisplayedChannel
from napari_intseg.inference.slice_reader import Pyramid
from napari_intseg.io.hooks import AUTOMATIC
from napari_intseg.io.raster import Lazy
from napari_intseg.io.units import mm_per_unit
from napari_intseg.ui.messages import Message

AXES: dict[int, tuple[str, ...]] = {
    2: ("yx",),
    3: ("zyx", "tyx", "cyx"),
    4: ("tzyx", "czyx", "ctyx"),
    5: ("ctzyx",),
}
"""What the axes of a layer can mean, by their number; the first is what is supposed."""

CHANNEL_COLOURS = ("red", "green", "blue", "yellow", "magenta", "cyan")
"""Colormaps of napari: the first three are those in which models see channels by default."""

# a longer axis is taken for planes or time
_MOST_CHANNELS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ImageAxes:
    """What is segmented, and on which grid: that of the image less its channels.

    Parameters
    ----------
    image : Image
        The layer that was chosen; it is never changed.
    axes : str
        One letter an axis, out of "t", "c", "z", "y" and "x"; see `AXES`.
    others : tuple of Image
        Layers of the same shape whose values are mixed with it, one channel each.
    """

    image: Image
    axes: str
    others: tuple[Image, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the grid that labels and points lie on."""
        whole = level_0(self.image).shape
        return tuple(int(n) for n, a in zip(whole, self.axes, strict=False) if a != "c")

    @property
    def grid(self) -> str:
        """The axes of that grid."""
        return self.axes.replace("c", "")

    @property
    def spatial(self) -> tuple[int, ...]:
        """Axes of the grid along which a volume lies."""
        return tuple(i for i, a in enumerate(self.grid) if a in "zyx")

    @property
    def n_times(self) -> int | None:
        """Number of time points; None if there is no time axis."""
        return self.shape[self.grid.index("t")] if "t" in self.grid else None

    @property
    def unit(self) -> str:
        """What lengths are shown in: "mm", "µm" for what has micrometres or less, or "px"."""
        return _shown_in(self.image.units[-1])

    def volume(self, time: int = 0) -> Volume:
        """Return the volume at a time point, without copying or reading it."""
        parts = [source(layer) for layer in (self.image, *self.others)]
        fixed = {self.axes.index("t"): time} if "t" in self.axes else {}
        channel = self.axes.index("c") if "c" in self.axes else None
        whole = len(parts) == 1 and not fixed and channel is None
        # plain arrays stay plain: they are read without detours
        data = parts[0] if whole else Lazy(parts, fixed, channel)
        corners = _corners(self.image)
        steps = np.linalg.norm(corners[1:] - corners[0], axis=1)
        lengths = [
            float(step) * (mm_per_unit(unit) or 1.0)
            for step, unit, axis in zip(steps, self.image.units, self.axes, strict=True)
            if axis in "zyx"
        ]
        # a scale of 0 or without a number is no length
        spacing = tuple(mm if np.isfinite(mm) and mm > 0 else 1.0 for mm in lengths)
        has_channels = bool(self.image.rgb) or channel is not None or bool(self.others)
        return Volume(data, spacing=spacing, channels=has_channels)

    def index(self, time: int, plane: Plane) -> tuple[int | slice, ...]:
        """Return where a plane's slice is on the grid."""
        where: list[int | slice] = [slice(None)] * len(self.grid)
        if "t" in self.grid:
            where[self.grid.index("t")] = time
        if len(self.spatial) == 3:
            where[self.spatial[plane.axis]] = plane.index
        return tuple(where)


@cache
def _shown_in(unit: object) -> str:
    # kept: sizes of all objects in sight are told in it whenever they are drawn
    mm = mm_per_unit(unit)
    return "px" if mm is None else "µm" if mm < 1 else "mm"


def source(image: Image) -> Any:
    """Return what is read of a layer: of a multiscale image the level that suits."""
    return Pyramid(image.data) if image.multiscale else image.data


def level_0(image: Image) -> Any:
    """Return a layer's array, of a multiscale image the finest."""
    return image.data[0] if image.multiscale else image.data


def possible_axes(image: Image) -> tuple[str, ...]:
    """Return what an image's axes can mean, the likeliest first.

    Raises
    ------
    DataError
        If the image has too few or too many axes.
    """
    if image.ndim not in AXES:
        raise DataError(
            Message(
                "image cannot be segmented: expected 2 to 4 axes and channels, got {ndim} in "
                "{name!r}. Split the layer first (Layers › Split stack).",
                ndim=image.ndim,
                name=image.name,
            )
        )
    choices = [a for a in AXES[image.ndim] if not (image.rgb and "c" in a)]
    if not choices:
        raise DataError(
            Message(
                "image cannot be segmented: expected at most 4 axes of an RGB image, got "
                "{ndim} in {name!r}. Split the layer first (Layers › Split stack).",
                ndim=image.ndim,
                name=image.name,
            )
        )
    guess = _guess(image, choices)
    return (guess, *(a for a in choices if a != guess))


def _guess(image: Image, choices: list[str]) -> str:
    named = "".join(label[:1].lower() for label in image.axis_labels)
    if named in choices:
        return named
    shape = level_0(image).shape[: image.ndim]
    # few and much shorter than rows and columns: planes of a volume are rarely that few
    if image.ndim > 2 and 1 < shape[0] <= _MOST_CHANNELS and min(shape[-2:]) > 4 * shape[0]:
        return next((a for a in choices if a[0] == "c"), choices[0])
    return choices[0]


def can_mix(image: Image, other: Image) -> bool:
    """Whether another layer can be a further channel: same grid, in the same place."""
    return (
        other is not image
        and not (image.rgb or other.rgb)
        and level_0(other).shape == level_0(image).shape
        and np.allclose(_corners(image), _corners(other))
    )


def channels_beside(viewer: ViewerModel, image: Image) -> tuple[Image, ...]:
    """Return the layers that are displayed mixed with an image: in sight, added up, on its grid."""
    if str(image.blending) != "additive":
        return ()
    return tuple(
        layer
        for layer in viewer.layers
        if isinstance(layer, Image)
        and layer.visible
        and str(layer.blending) == "additive"
        and can_mix(image, layer)
    )


def channel_layers(image: Image, axes: str) -> tuple[Image, ...]:
    """Return a layer for each channel of one that holds several, in the same place, in colour.

    Parameters
    ----------
    image : Image
        It is not changed; nothing is copied or read but for the contrast limits.
    axes : str
        What its axes mean, one of them "c".
    """
    at = axes.index("c")
    levels = image.data if image.multiscale else [image.data]
    corners = _corners(image)
    place = np.eye(image.ndim + 1)
    place[:-1, :-1], place[:-1, -1] = (corners[1:] - corners[0]).T, corners[0]
    # napari's own *Split stack* loses the affine, the names and the units of the axes
    place = np.delete(np.delete(place, at, axis=0), at, axis=1)
    labels, units = list(image.axis_labels), list(image.units)
    del labels[at], units[at]
    # limits of all channels together are those of none
    metadata = {key: value for key, value in image.metadata.items() if key != AUTOMATIC}
    cut = (*(slice(None),) * at,)
    count = int(levels[0].shape[at])
    colours = CHANNEL_COLOURS if count > 1 else ("gray",)
    return tuple(
        Image(
            [level[(*cut, i)] for level in levels] if image.multiscale else levels[0][(*cut, i)],
            multiscale=image.multiscale,
            name=f"{image.name} channel {i}",
            colormap=colours[i % len(colours)],
            blending="additive",
            affine=place,
            axis_labels=labels,
            units=units,
            metadata=metadata,
        )
        for i in range(count)
    )


def displayed_mix(viewer: ViewerModel, channels: tuple[Image, ...]) -> Displayed:
    """Return how a viewer displays layers, each of which is a channel of what is segmented.

    Parameters
    ----------
    viewer : ViewerModel
        Knows which lies above which.
    channels : tuple of Image
        In the order of the channels. Those that are hidden are not in the mix, unless all are; one
        that is left alone is grey, see `grey_channel`.
    """
    number = {id(layer): i for i, layer in enumerate(channels)}
    here = [layer for layer in viewer.layers if id(layer) in number]
    drawn = [layer for layer in here if layer.visible] or here
    draw = grey_channel if len(drawn) == 1 else _drawn_channel
    return Displayed(tuple(draw(layer, number[id(layer)]) for layer in drawn))


def grey_channel(layer: Image, channel: int = 0) -> DisplayedChannel:
    """Return how a layer is drawn, but grey.

    The colours of a single layer say no more than grey does, and networks know grey images better:
    the bundled one loses 0.11 to 0.23 of IoU on nuclei in green, red or blue (docs/results.md).
    """
    low, high = (float(limit) for limit in layer.contrast_limits)
    return DisplayedChannel(channel, (low, high), gamma=float(layer.gamma))


def _drawn_channel(layer: Image, channel: int) -> DisplayedChannel:
    low, high = (float(limit) for limit in layer.contrast_limits)
    blending: Any = str(layer.blending).removesuffix("_no_depth")
    colours = _colours(layer.colormap)
    return DisplayedChannel(
        channel, (low, high), colours, float(layer.gamma), float(layer.opacity), blending
    )


def _colours(colormap: Any) -> tuple[tuple[float, float, float], ...]:
    """Return evenly spaced colours: the two ends of a ramp, else as many as 8 bits tell apart."""
    is_ramp = len(colormap.colors) == 2 and str(colormap.interpolation) == "linear"
    is_plain = is_ramp and colormap.low_color is None and colormap.high_color is None
    table = colormap.map(np.linspace(0.0, 1.0, 2 if is_plain else 256))
    return tuple((float(r), float(g), float(b)) for r, g, b in np.round(table[:, :3], 4))


def _corners(layer: Image) -> Array:
    # origin and one step along each axis say all of an affine
    corners = np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)])
    return np.array([layer.data_to_world(c) for c in corners])


@dataclass(frozen=True, slots=True)
class DisplayedSlice:
    """A slice in the window."""

    time: int
    plane: Plane


def displayed_slice(
    viewer: ViewerModel, image_axes: ImageAxes, labels: Labels
) -> DisplayedSlice | str:
    """Return the slice that is displayed, or what to do to see one.

    Parameters
    ----------
    viewer : ViewerModel
        Its dims say which axes are displayed, in any order.
    image_axes : ImageAxes
        What the axes of the grid mean.
    labels : Labels
        Lies on the grid.
    """
    # work on it ends once it has its new data
    if image_axes.image.ndim != len(image_axes.axes):
        return Message("The image is given data of other axes. Press New object to start on that.")
    dims = viewer.dims
    if dims.ndisplay == 3:
        return Message(
            "Clicks need a 2-D view: press Ctrl+Y, or the button with the cube, to leave 3-D."
        )
    offset = dims.ndim - len(image_axes.grid)
    displayed = {axis - offset for axis in dims.displayed}
    hidden = [i for i, axis in enumerate(image_axes.spatial) if axis not in displayed]
    if len(hidden) != len(image_axes.spatial) - 2:
        first, second = (image_axes.grid[a] for a in image_axes.spatial[-2:])
        return Message(
            "Clicks need a view of two spatial axes: roll the axes until {first} and {second} are "
            "shown.",
            first=first,
            second=second,
        )
    if not hidden and "t" not in image_axes.grid:
        # asked often, and there is but one
        return DisplayedSlice(0, Plane(0, 0))
    # half up: pixels reach from -0.5 to 0.5
    here = np.floor(np.asarray(labels.world_to_data(dims.point), float) + 0.5).astype(int)
    # the slider also runs over other layers, which may be larger
    here = np.clip(here, 0, np.array(image_axes.shape) - 1)
    time = int(here[image_axes.grid.index("t")]) if "t" in image_axes.grid else 0
    if not hidden:
        return DisplayedSlice(time, Plane(0, 0))
    return DisplayedSlice(time, Plane(hidden[0], int(here[image_axes.spatial[hidden[0]]])))


def number_on_slider(
    viewer: ViewerModel, image_axes: ImageAxes, labels: Labels, axis: int, index: int
) -> int:
    """Return the number at which a slider shows an index; the two differ where an axis is turned.

    Parameters
    ----------
    viewer : ViewerModel
        Its sliders count steps of the world.
    image_axes : ImageAxes
        The grid.
    labels : Labels
        Lies on the grid.
    axis : int
        Of the grid.
    index : int
        On the grid.
    """
    first, step = _steps(viewer, image_axes, labels, axis)
    return round(first + step * index)


def index_on_grid(
    viewer: ViewerModel, image_axes: ImageAxes, labels: Labels, axis: int, number: int
) -> int:
    """Return the index on the grid that a slider shows at a number; see `number_on_slider`."""
    first, step = _steps(viewer, image_axes, labels, axis)
    return int(np.clip(round((number - first) / step), 0, image_axes.shape[axis] - 1))


def as_displayed(
    viewer: ViewerModel, image_axes: ImageAxes, labels: Labels, picture: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return a slice, (H, W, 3) in the order of the grid, turned and mirrored as the canvas is."""
    offset = viewer.dims.ndim - len(image_axes.grid)
    rows, cols = (axis - offset for axis in viewer.dims.displayed[-2:])
    if rows > cols:
        picture = picture.transpose(1, 0, 2)
    up_or_down, left_or_right = camera_of(viewer).orientation2d
    for at, (axis, turned) in enumerate(
        ((rows, up_or_down == "up"), (cols, left_or_right == "left"))
    ):
        if (_steps(viewer, image_axes, labels, axis)[1] < 0) != turned:
            picture = np.flip(picture, at)
    return picture


def _steps(
    viewer: ViewerModel, image_axes: ImageAxes, labels: Labels, axis: int
) -> tuple[float, float]:
    """Return the step of a slider that shows index 0, and by how many the next index differs."""
    dims = viewer.dims
    here = np.array(labels.world_to_data(dims.point), float)
    # a layer that is placed by a singular matrix gives no finite positions
    here = np.where(np.isfinite(here), here, 0.0)
    at = np.array([here, here])
    at[:, axis] = 0, 1
    first, second = (float(labels.data_to_world(position)[axis]) for position in at)
    start, _, step = dims.range[dims.ndim - len(image_axes.grid) + axis]
    step = float(step) or 1.0
    # negative where the axis of the data runs against that of the world
    slope = (second - first) / step
    return (first - float(start)) / step, slope if slope else 1.0


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera of a viewer, where napari has it: in its scene since 0.9."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera
