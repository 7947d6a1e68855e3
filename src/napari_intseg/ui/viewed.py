"""What the window shows: a time point and a plane, whatever the order of the dims."""

from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

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
