"""The layers of an image: those that were made for it before, else new ones."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points

from napari_intseg.io.layer_grid import KEY
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.kept import largest_label
from napari_intseg.ui.layers import make_labels, make_points

MADE_FOR = "napari-intseg"
"""Key of a layer's metadata: the name of the image it was made for."""


def layers_for(viewer: ViewerModel, frame: Frame) -> tuple[Points, Labels, int]:
    """Return a Points and a Labels layer for a frame, and a label that is free.

    What is missing is added to the viewer. The labels get to know the file of the image, so that
    napari saves them on its grid, and as DICOM if it came from there.
    """
    labels = next((x for x in viewer.layers if isinstance(x, Labels) and _is_for(x, frame)), None)
    if labels is None or tuple(labels.data.shape) != frame.shape:
        labels = make_labels(frame, f"{frame.image.name} labels")
        labels.metadata[MADE_FOR] = frame.image.name
        viewer.add_layer(labels)
        free = 1 if isinstance(labels.data, np.ndarray) else largest_label(labels.data) + 1
    else:
        free = largest_label(labels.data) + 1
    if KEY in frame.image.metadata:
        labels.metadata[KEY] = frame.image.metadata[KEY]
    points = next((x for x in viewer.layers if isinstance(x, Points) and _is_for(x, frame)), None)
    if points is None:
        points = make_points(frame, f"{frame.image.name} clicks")
        points.metadata[MADE_FOR] = frame.image.name
        viewer.add_layer(points)
    return points, labels, free


def _is_for(layer: Layer, frame: Frame) -> bool:
    made_for = layer.metadata.get(MADE_FOR)
    return bool(made_for == frame.image.name and layer.ndim == len(frame.grid))
