"""The layers of an image: those that were made for it before, else new ones."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points

from napari_intseg.ui.frame import Frame
from napari_intseg.ui.layers import make_labels, make_points

MADE_FOR = "napari-intseg"
"""Key of a layer's metadata: the name of the image it was made for."""


def layers_for(viewer: ViewerModel, frame: Frame) -> tuple[Points, Labels, int]:
    """Return a Points and a Labels layer for a frame, and a label that is free.

    What is missing is added to the viewer.
    """
    free = 1
    labels = next((x for x in viewer.layers if isinstance(x, Labels) and _is_for(x, frame)), None)
    if labels is None or tuple(labels.data.shape) != frame.shape:
        labels = make_labels(frame, f"{frame.image.name} labels")
        labels.metadata[MADE_FOR] = frame.image.name
        viewer.add_layer(labels)
    else:
        free = _free_label(labels)
    points = next((x for x in viewer.layers if isinstance(x, Points) and _is_for(x, frame)), None)
    if points is None:
        points = make_points(frame, f"{frame.image.name} clicks")
        points.metadata[MADE_FOR] = frame.image.name
        viewer.add_layer(points)
    return points, labels, free


def _free_label(labels: Labels) -> int:
    """Return a label that is not in a layer; of one that is not in memory the chosen one."""
    if isinstance(labels.data, np.ndarray):
        return int(labels.data.max()) + 1
    return int(labels.selected_label) + 1


def _is_for(layer: Layer, frame: Frame) -> bool:
    made_for = layer.metadata.get(MADE_FOR)
    return bool(made_for == frame.image.name and layer.ndim == len(frame.grid))
