"""The layers of an image: those that were made for it before, else new ones."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Points

from napari_intseg.io.hooks import KEY
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.layer_placement import lay
from napari_intseg.ui.layers.layer_registry import find_free, note_made
from napari_intseg.ui.layers.points_codec import make_labels, make_points
from napari_intseg.ui.storage.labels_on_disk import largest_label


def layers_for(viewer: ViewerModel, image_axes: ImageAxes) -> tuple[Points, Labels, int]:
    """Return a Points and a Labels layer for a frame, and a label that is free.

    Those that were made for this very layer before, and that nobody works in, are gone on with,
    whatever they are called now. What is missing is added to the viewer. The labels get to know
    the file of the image, so that napari saves them on its grid, and as DICOM if it came from
    there.
    """
    image = image_axes.image
    labels = find_free(viewer, image, "labels", Labels)
    if labels is None or tuple(labels.data.shape) != image_axes.shape:
        labels = note_made(make_labels(image_axes, f"{image.name} labels"), image, "labels")
        viewer.add_layer(labels)
        free = 1 if isinstance(labels.data, np.ndarray) else largest_label(labels.data) + 1
    else:
        lay(labels, image_axes)
        free = largest_label(labels.data) + 1
    if KEY in image.metadata:
        labels.metadata[KEY] = image.metadata[KEY]
    points = find_free(viewer, image, "points", Points)
    if points is None or points.ndim != len(image_axes.grid):
        points = note_made(make_points(image_axes, f"{image.name} clicks"), image, "points")
        viewer.add_layer(points)
    else:
        lay(points, image_axes)
    return points, labels, free
