"""The layers of an image: those that were made for it before, else new ones."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Points

from napari_intseg.io.layer_grid import KEY
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.kept import largest_label
from napari_intseg.ui.layers import make_labels, make_points
from napari_intseg.ui.lying import lay
from napari_intseg.ui.made import find_free, note_made


def layers_for(viewer: ViewerModel, frame: Frame) -> tuple[Points, Labels, int]:
    """Return a Points and a Labels layer for a frame, and a label that is free.

    Those that were made for this very layer before, and that nobody works in, are gone on with,
    whatever they are called now. What is missing is added to the viewer. The labels get to know
    the file of the image, so that napari saves them on its grid, and as DICOM if it came from
    there.
    """
    image = frame.image
    labels = find_free(viewer, image, "labels", Labels)
    if labels is None or tuple(labels.data.shape) != frame.shape:
        labels = note_made(make_labels(frame, f"{image.name} labels"), image, "labels")
        viewer.add_layer(labels)
        free = 1 if isinstance(labels.data, np.ndarray) else largest_label(labels.data) + 1
    else:
        lay(labels, frame)
        free = largest_label(labels.data) + 1
    if KEY in image.metadata:
        labels.metadata[KEY] = image.metadata[KEY]
    points = find_free(viewer, image, "points", Points)
    if points is None or points.ndim != len(frame.grid):
        points = note_made(make_points(frame, f"{image.name} clicks"), image, "points")
        viewer.add_layer(points)
    else:
        lay(points, frame)
    return points, labels, free
