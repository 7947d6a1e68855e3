"""What the window shows: a time point and a plane, whatever the order of the dims."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from numpy.typing import NDArray

from napari_intseg.core.volume import Plane
from napari_intseg.ui.frame import Frame


@dataclass(frozen=True, slots=True)
class Viewed:
    """A slice in the window."""

    time: int
    plane: Plane


def viewed(viewer: ViewerModel, frame: Frame, labels: Labels) -> Viewed | str:
    """Return the slice that is displayed, or what to do to see one.

    Parameters
    ----------
    viewer : ViewerModel
        Its dims say which axes are displayed, in any order.
    frame : Frame
        What the axes of the grid mean.
    labels : Labels
        Lies on the grid.
    """
    dims = viewer.dims
    if dims.ndisplay == 3:
        return "Clicks need a 2-D view: press Ctrl+Y, or the button with the cube, to leave 3-D."
    offset = dims.ndim - len(frame.grid)
    displayed = {axis - offset for axis in dims.displayed}
    hidden = [i for i, axis in enumerate(frame.spatial) if axis not in displayed]
    if len(hidden) != len(frame.spatial) - 2:
        names = " and ".join(f"{frame.grid[a]}" for a in frame.spatial[-2:])
        return f"Clicks need a view of two spatial axes: roll the axes until {names} are shown."
    here = np.floor(np.asarray(labels.world_to_data(dims.point), float) + 0.5).astype(int)
    here = np.clip(here, 0, np.array(frame.shape) - 1)
    time = int(here[frame.grid.index("t")]) if "t" in frame.grid else 0
    if not hidden:
        return Viewed(time, Plane(0, 0))
    return Viewed(time, Plane(hidden[0], int(here[frame.spatial[hidden[0]]])))


def number_on_slider(
    viewer: ViewerModel, frame: Frame, labels: Labels, axis: int, index: int
) -> int:
    """Return the number at which a slider shows an index; the two differ where an axis is turned.

    Parameters
    ----------
    viewer : ViewerModel
        Its sliders count steps of the world.
    frame : Frame
        The grid.
    labels : Labels
        Lies on the grid.
    axis : int
        Of the grid.
    index : int
        On the grid.
    """
    first, step = _steps(viewer, frame, labels, axis)
    return round(first + step * index)


def index_on_grid(viewer: ViewerModel, frame: Frame, labels: Labels, axis: int, number: int) -> int:
    """Return the index on the grid that a slider shows at a number; see `number_on_slider`."""
    first, step = _steps(viewer, frame, labels, axis)
    return int(np.clip(round((number - first) / step), 0, frame.shape[axis] - 1))


def as_displayed(
    viewer: ViewerModel, frame: Frame, labels: Labels, picture: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return a slice, (H, W, 3) in the order of the grid, turned and mirrored as the canvas is."""
    offset = viewer.dims.ndim - len(frame.grid)
    rows, cols = (axis - offset for axis in viewer.dims.displayed[-2:])
    if rows > cols:
        picture = picture.transpose(1, 0, 2)
    up_or_down, left_or_right = camera_of(viewer).orientation2d
    for at, (axis, turned) in enumerate(
        ((rows, up_or_down == "up"), (cols, left_or_right == "left"))
    ):
        if (_steps(viewer, frame, labels, axis)[1] < 0) != turned:
            picture = np.flip(picture, at)
    return picture


def _steps(viewer: ViewerModel, frame: Frame, labels: Labels, axis: int) -> tuple[float, float]:
    """Return the step of a slider that shows index 0, and by how many the next index differs."""
    dims = viewer.dims
    here = np.array(labels.world_to_data(dims.point), float)
    here = np.where(np.isfinite(here), here, 0.0)
    at = np.array([here, here])
    at[:, axis] = 0, 1
    first, second = (float(labels.data_to_world(position)[axis]) for position in at)
    start, _, step = dims.range[dims.ndim - len(frame.grid) + axis]
    step = float(step) or 1.0
    slope = (second - first) / step
    return (first - float(start)) / step, slope if slope else 1.0


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera of a viewer, where napari has it: in its scene since 0.9."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera
