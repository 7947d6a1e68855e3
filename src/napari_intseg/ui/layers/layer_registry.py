"""Which layers were made for which image, what was done in them, and where they lie: on its grid.

Layers are recognised as objects and not by their names: two images often have the same name.
"""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points

from napari_intseg.io.hooks import KEY
from napari_intseg.session.journal.recorder import Journal
from napari_intseg.session.session import Session
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.layers.points_codec import geometry, make_labels, make_points
from napari_intseg.ui.storage.disk_folders import largest_label

L = TypeVar("L", bound=Layer)


@dataclass(slots=True, eq=False)
class _Made:
    image: "weakref.ref[Image]"
    # of the image, when the layer was made for it
    data: Any
    role: str
    user: "weakref.ref[Any] | None" = None  # whoever works in it now
    laid: dict[str, Any] | None = None  # where it was put last


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Work on an image that is kept with its Points and Labels layers, to be resumed.

    Parameters
    ----------
    sessions : dict
        By time point.
    journal : Journal
        Of all of them.
    seen : tuple
        What it was done on: axes, channels and the arrays. Work on anything else is other work.
    points : weakref.ref
        The Points layer.
    from_before : list
        What strokes met of objects from before, see `LabelsListener`.
    """

    sessions: dict[int, Session]
    journal: Journal
    seen: tuple[Any, ...]
    points: "weakref.ref[Points]" = field(repr=False)
    from_before: list[Any] = field(default_factory=list, repr=False)


# weak: layers that are removed take what is known of them along
_made: "weakref.WeakKeyDictionary[Layer, _Made]" = weakref.WeakKeyDictionary()
_works: "weakref.WeakKeyDictionary[Labels, Work]" = weakref.WeakKeyDictionary()


def note_made(layer: L, image: Image, role: str) -> L:
    """Note that a layer was made for an image, and what it is there for; return the layer."""
    _made[layer] = _Made(weakref.ref(image), _weak(image.data), role)
    return layer


def add_aside(viewer: ViewerModel, layer: L, image: Image, role: str, at: int | None = None) -> L:
    """Add a layer that was made for an image, on top or at an index; return the layer.

    The active layer stays the active one, or the person's next click would be lost.
    """
    active = viewer.layers.selection.active
    viewer.layers.insert(len(viewer.layers) if at is None else at, note_made(layer, image, role))
    # napari selects what is added
    viewer.layers.selection.active = active
    return layer


def image_of(layer: Layer) -> Image | None:
    """Return the image that a layer was made for; None if it was not made here."""
    made = _made.get(layer)
    return None if made is None else made.image()


def layers_of(viewer: ViewerModel, image: Image) -> list[Layer]:
    """Return the layers of a viewer that were made for an image."""
    return [layer for layer in viewer.layers if image_of(layer) is image]


def find_free(viewer: ViewerModel, image: Image, role: str, kind: type[L]) -> L | None:
    """Return a layer that was made for an image and that nobody works in; None if there is none.

    What was made for data that the image layer held before is not for the data that it holds now.
    """
    for layer in layers_of(viewer, image):
        made = _made[layer]
        is_for = made.role == role and made.data() is image.data
        if isinstance(layer, kind) and is_for and _user(made) is None:
            return layer
    return None


def is_in_use(viewer: ViewerModel, image: Image) -> bool:
    """Whether somebody works in layers of an image."""
    return any(_user(_made[layer]) is not None for layer in layers_of(viewer, image))


def where_laid(layer: Layer) -> dict[str, Any] | None:
    """Return where a layer was put last, as attributes of it; None if that is not known."""
    made = _made.get(layer)
    return None if made is None else made.laid


def note_laid(layer: Layer, where: dict[str, Any]) -> None:
    """Note where a layer is put."""
    if layer in _made:
        _made[layer].laid = where


def hold(layers: Iterable[Layer], user: object) -> None:
    """Note that somebody works in layers from now on."""
    for layer in layers:
        if layer in _made:
            _made[layer].user = weakref.ref(user)


def let_go(user: object) -> None:
    """Note that a user works in none of its layers any more."""
    for made in list(_made.values()):
        if _user(made) is user:
            made.user = None


def put_aside(labels: Labels, work: Work) -> None:
    """Keep what was done as long as the Labels layer is there."""
    _works[labels] = work


def take_up(labels: Labels, points: Points, seen: tuple[Any, ...]) -> Work | None:
    """Return the work done in these layers on these very data; None if there is none."""
    # taken out, so that two panels do not go on with the same sessions
    work = _works.pop(labels, None)
    if work is None or work.points() is not points or not _same(work.seen, seen):
        return None
    return work


def _weak(data: Any) -> Any:
    """Return a reference to an array that does not keep it, where that is possible."""
    try:
        return weakref.ref(data)
    except TypeError:
        return lambda: data


def _user(made: _Made) -> Any:
    return None if made.user is None else made.user()


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two descriptions agree; arrays are compared by what they are, not by their values."""
    if len(one) != len(other):
        return False
    plain = (str, tuple, type(None))
    return all(
        (a == b if isinstance(a, plain) and isinstance(b, plain) else a is b)
        for a, b in zip(one, other, strict=True)
    )


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
    # a person moved it by hand: labels must lie on the image, points need not
    elif not isinstance(layer, Labels) and not _lies(layer, before):
        return False
    if _lies(layer, where):
        return False
    for name, value in where.items():
        # only what differs is set: each setting is an event of napari
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
        # shear: the upper triangle of a matrix
        if one.shape != wanted.shape and one.ndim == 1:
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
            # as a default argument: a closure would see the last name only
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
        # the move is ours
        if self._is_laying:
            return
        if not isinstance(layer, Labels):
            self._on_read_anew()
        elif self._lay(layer):
            self._on_put_back(layer, name)

    def _lay(self, layer: Layer) -> bool:
        image_axes = self._image_axes
        if image_axes.image.ndim != len(image_axes.axes) or layer.ndim != len(image_axes.grid):
            # the image was given other data, and work on it is about to end
            return False
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
        # labels on disk may hold objects of another day
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
