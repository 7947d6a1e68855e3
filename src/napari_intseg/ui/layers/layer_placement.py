"""Keeps the layers made for an image on its grid when the image is scaled or moved."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points

from napari_intseg.io.hooks import KEY
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.layer_registry import (
    find_free,
    image_of,
    layers_of,
    note_laid,
    note_made,
    where_laid,
)
from napari_intseg.ui.layers.points_codec import geometry, make_labels, make_points
from napari_intseg.ui.storage.labels_on_disk import largest_label

GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What says where a layer lies, each an attribute and an event of napari's."""


def lay(layer: Layer, image_axes: ImageAxes) -> bool:
    """Put a layer where a frame's grid lies; return whether it lay elsewhere.

    Points and shapes that a person has put elsewhere by hand stay there: what they mean is found
    through the world.
    """
    where, before = geometry(image_axes), where_laid(layer)
    if before is None:
        note_laid(layer, where)
    elif not isinstance(layer, Labels) and not _lies(layer, before):
        return False
    if _lies(layer, where):
        return False
    for name, value in where.items():
        if not _alike(getattr(layer, name), value):
            setattr(layer, name, value)
    note_laid(layer, where)
    return True


def _lies(layer: Layer, where: dict[str, Any]) -> bool:
    return all(_alike(getattr(layer, name), value) for name, value in where.items())


def _alike(one: Any, other: Any) -> bool:
    matrix = getattr(one, "affine_matrix", None)
    if matrix is not None:
        one = matrix
    if isinstance(one, np.ndarray):
        wanted = np.asarray(other)
        if one.shape != wanted.shape and one.ndim == 1:  # shear: the upper triangle of a matrix
            wanted = wanted[np.triu_indices(len(wanted), 1)]
        return one.shape == wanted.shape and bool(np.allclose(one, wanted))
    return [str(a) for a in one] == [str(a) for a in other]


class LayerPlacement:
    """Moves layers with the image that they were made for.

    Parameters
    ----------
    viewer : ViewerModel
        All its layers that were made for the image follow, also those that are added later.
    image_axes : ImageAxes
        The image and its grid.
    on_moved : callable
        Called when the image lies elsewhere, with what was set; the layers have followed.
    on_put_back : callable
        Called when labels were moved by themselves and put back, with the layer and what was set.
    on_read_anew : callable
        Called when points or shapes were moved by themselves, and so mean other pixels.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image_axes: ImageAxes,
        *,
        on_moved: Callable[[str], None],
        on_put_back: Callable[[Layer, str], None],
        on_read_anew: Callable[[], None],
    ) -> None:
        self._viewer, self._image_axes = viewer, image_axes
        self._on_moved, self._on_put_back = on_moved, on_put_back
        self._on_read_anew = on_read_anew
        self._watched: list[tuple[Layer, str, Any]] = []
        self._is_laying = False
        self._watch(image_axes.image, self._image_moved)
        for layer in layers_of(viewer, image_axes.image):
            self._begin(layer)
        viewer.layers.events.inserted.connect(self._inserted)

    def close(self) -> None:
        """Let go of all layers."""
        self._viewer.layers.events.inserted.disconnect(self._inserted)
        for layer, name, called in self._watched:
            getattr(layer.events, name).disconnect(called)
        self._watched.clear()

    def _watch(self, layer: Layer, then: Callable[[str], None]) -> None:
        for name in GEOMETRY:

            def called(_event: Any = None, name: str = name) -> None:
                then(name)

            getattr(layer.events, name).connect(called)
            self._watched.append((layer, name, called))

    def _inserted(self, event: Any) -> None:
        layer = event.value
        if image_of(layer) is self._image_axes.image:
            self._begin(layer)

    def _begin(self, layer: Layer) -> None:
        if where_laid(layer) is None:
            note_laid(layer, geometry(self._image_axes))
        self._watch(layer, partial(self._moved, layer))

    def _image_moved(self, name: str) -> None:
        moved = [self._lay(x) for x in layers_of(self._viewer, self._image_axes.image)]
        if any(moved):
            self._on_moved(name)

    def _moved(self, layer: Layer, name: str) -> None:
        if self._is_laying:
            return
        if not isinstance(layer, Labels):
            self._on_read_anew()
        elif self._lay(layer):
            self._on_put_back(layer, name)

    def _lay(self, layer: Layer) -> bool:
        image_axes = self._image_axes
        if image_axes.image.ndim != len(image_axes.axes) or layer.ndim != len(image_axes.grid):
            return False  # the image was given other data, and work on it is about to end
        before, self._is_laying = self._is_laying, True
        try:
            return lay(layer, image_axes)
        finally:
            self._is_laying = before


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
