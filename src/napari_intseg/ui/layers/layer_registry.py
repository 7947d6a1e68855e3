"""Which layers were made for which image, and what was done in them: known by the objects alone.

Names say nothing: the next person's image is often called as the last one's.
"""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points

from napari_intseg.session.journal.recorder import Journal
from napari_intseg.session.session import Session

L = TypeVar("L", bound=Layer)


@dataclass(slots=True, eq=False)
class _Made:
    image: "weakref.ref[Image]"
    data: Any  # of the image, when the layer was made for it
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


_made: "weakref.WeakKeyDictionary[Layer, _Made]" = weakref.WeakKeyDictionary()
_works: "weakref.WeakKeyDictionary[Labels, Work]" = weakref.WeakKeyDictionary()


def note_made(layer: L, image: Image, role: str) -> L:
    """Note that a layer was made for an image, and what it is there for; return the layer."""
    _made[layer] = _Made(weakref.ref(image), _weak(image.data), role)
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
    """Return what was done in these layers, on just this; None if that was other work."""
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
