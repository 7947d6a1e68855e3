"""Begin from what is there already: objects of any Labels layer become masks to correct."""

import numpy as np
from napari.layers import Labels

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError, IntSegError
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import on_grid
from napari_intseg.ui.workbench import Workbench


def candidates(bench: Workbench) -> list[Labels]:
    """Return the Labels layers that objects can be taken from: all but the one worked on."""
    own = None if bench.binder is None else bench.binder.labels
    return [x for x in bench.viewer.layers if isinstance(x, Labels) and x is not own]


def take(bench: Workbench, layer: Labels, label: int) -> int | None:
    """Take an object of a layer as the mask that clicks go on from.

    It becomes the current object if that has not been begun, else a new one; at the time point in
    the window, if there is a time axis. What cannot be taken is told through the voice.

    Parameters
    ----------
    bench : Workbench
        With an image chosen.
    layer : Labels
        On the image's grid. It stays as it is.
    label : int
        Of the object in the layer.

    Returns
    -------
    int or None
        The object's label in the layer worked on; None if nothing was taken.
    """
    try:
        binder = _binder(bench)
        data = _data(binder, layer)
        return _take(binder, layer, data == label, label)
    except IntSegError as err:
        bench.voice.failed.emit(str(err))
        return None


def take_all(bench: Workbench, layer: Labels) -> int:
    """Take every object of a layer, each as one of its own; see `take`. Return how many."""
    try:
        binder = _binder(bench)
        data = _data(binder, layer)
        labels = [int(label) for label in np.unique(data) if label > 0]
        if not labels:
            raise DataError(
                f"layer is empty: expected labels above 0, got none in {layer.name!r}. "
                "Choose another layer."
            )
        for label in labels:
            _take(binder, layer, data == label, label)
    except IntSegError as err:
        bench.voice.failed.emit(str(err))
        return 0
    bench.voice.message.emit(f"{len(labels)} objects taken from {layer.name}. Click to correct.")
    return len(labels)


def _binder(bench: Workbench) -> Binder:
    """Return the work on the chosen image, begun if it was not."""
    if bench.binder is None:
        bench.new_object()
    if bench.binder is None:
        raise DataError(
            "no image is worked on: expected one that is chosen, got none. Choose an image first."
        )
    if bench.binder.drawer.model is None:
        raise DataError(
            "model is not there yet: expected one that is loaded, got none. "
            "Wait until it is, then take the object again."
        )
    return bench.binder


def _data(binder: Binder, layer: Labels) -> Array:
    """Return a layer's labels at the time point in the window, on the volume's grid.

    Raises
    ------
    DataError
        If the layer is on another grid than the image.
    """
    frame = binder.frame
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    if shape != frame.shape or not _lies_alike(binder, layer):
        raise DataError(
            f"layer is on another grid: expected that of {frame.image.name!r}, shape "
            f"{frame.shape}, got shape {shape} of {layer.name!r}. Resample it onto the image first."
        )
    where = tuple(binder.time if axis == "t" else slice(None) for axis in frame.grid)
    return np.asarray(data[where])


def _lies_alike(binder: Binder, layer: Labels) -> bool:
    corners = np.vstack([np.zeros(layer.ndim), np.diag(np.array(layer.data.shape) - 1.0)])
    return bool(
        np.allclose(on_grid(layer, corners, binder.frame, binder.labels), corners, atol=0.1)
    )


def _take(binder: Binder, layer: Labels, mask: Array, label: int) -> int:
    if not mask.any():
        raise DataError(
            f"object is not there: expected a label of {layer.name!r} at this time point, got "
            f"{label!r}. Hover over the object to see its label."
        )
    drawer = binder.drawer
    if binder.is_begun(drawer.object) or drawer.is_finished(drawer.object):
        binder.new_object()
    own = drawer.object
    session = drawer.session(binder.time, own, make=True)
    assert session is not None  # there is a model
    change = session.set_initial_mask(mask)
    binder.draw(binder.time, change)
    binder.tools.voice.message.emit(
        f"Object {own} is object {label} of {layer.name}. Click to correct it."
    )
    binder.tools.voice.changed.emit()
    return own
