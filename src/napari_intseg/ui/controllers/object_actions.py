"""What is done to objects, without Qt: locks, regions, overlaps, merging, new numbers.

It holds at all time points.
"""

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels, Layer

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError, IntSegError
from napari_intseg.io.annotations import ObjectName
from napari_intseg.io.hooks import KEY, TRACKED
from napari_intseg.session.document import Change
from napari_intseg.session.masks.plane_state import Shown
from napari_intseg.session.session import Session
from napari_intseg.session.validate_prompts import masks_by_plane
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.review import bring
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers import points_codec
from napari_intseg.ui.layers.image_axes import camera_of
from napari_intseg.ui.layers.points_codec import Place, on_grid
from napari_intseg.ui.layers.shapes import region_of
from napari_intseg.ui.messages import Message, counted, joined, to_translate
from napari_intseg.ui.panels.controls import PER_MM
from napari_intseg.ui.qt.worker_thread import sentence, told

NAMES = "napari-intseg objects"
"""Key of the labels' metadata: names and classes by label."""

_MOST_VOXELS = 1 << 24
"""Of a volume in which an object with planes of several axes is counted: 16 million take 10 ms."""

_counted: "WeakKeyDictionary[Shown, int]" = WeakKeyDictionary()


def called(image_controller: ImageController, label: int, what: str = "name") -> str:
    """Return an object's "name" or "class"; empty where none was given."""
    known = image_controller.labels.metadata.get(NAMES, {}).get(label, {})
    return str(known.get(what, ""))


def call(image_controller: ImageController, label: int, what: str, text: str) -> None:
    """Give an object a "name" or a "class"; an empty text takes it away."""
    known: dict[int, dict[str, Any]] = image_controller.labels.metadata.setdefault(NAMES, {})
    known.setdefault(label, {})[what] = text.strip()


def names_of(image_controller: ImageController) -> dict[int, ObjectName]:
    """Return what objects are called in a file: name and class of those that have one of them."""
    known = image_controller.labels.metadata.get(NAMES, {})
    found = {n: ObjectName(one.get("name", ""), one.get("class", "")) for n, one in known.items()}
    return {label: name for label, name in found.items() if name}


def size_px(image_controller: ImageController, label: int) -> int | None:
    """Return how many pixels an object has at the time point in view; None: too many to count."""
    session = image_controller.session_store.sessions.get(image_controller.time)
    if session is None or label not in session.objects:
        return 0
    canvas = session.document.canvas
    painted = canvas.painted(label)
    states = [(p, s.shown) for p, s in canvas.states(label) if s.shown is not None]
    # planes of one axis do not overlap: their counts add up
    if len({plane.axis for plane, _ in states}) < 2 and not painted:
        return sum(_count(shown) for _, shown in states)
    if int(np.prod(session.volume.shape)) > _MOST_VOXELS:
        return None
    return int(np.count_nonzero(canvas.mask(label)))


def _count(shown: Shown) -> int:
    """Return the pixels of a mask; masks never change, so each is counted once."""
    # weak keys: counts go with the masks
    found = _counted.get(shown)
    if found is None:
        found = _counted[shown] = int(np.count_nonzero(shown.inside))
    return found


def size_words(image_controller: ImageController, label: int) -> tuple[str, str]:
    """Return an object's size in the unit of the image, and in full."""
    count = size_px(image_controller, label)
    session = image_controller.session_store.sessions.get(image_controller.time)
    if count is None:
        return "–", Message("Too large to be counted while you work; Measure counts it.")
    unit, in_px = image_controller.image_axes.unit, f"{count:,} px"
    if unit == "px" or session is None or not count:
        # wide numbers do not fit the column
        return (in_px if count < 1e6 else f"{count / 1e6:.2f} Mpx"), in_px
    size = count * float(np.prod(session.volume.spacing))  # mm² or mm³
    is_volume = len(image_controller.image_axes.spatial) == 3
    if unit == "mm":
        # radiologists speak of millilitres
        words = f"{_short(size / 1000)} ml" if is_volume else f"{_short(size)} mm²"
    else:
        words = (
            f"{size * PER_MM[unit] ** (3 if is_volume else 2):.4g} µm{'³' if is_volume else '²'}"
        )
    return words, f"{words}, {in_px}"


def _short(value: float) -> str:
    """Return a number in three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def state_of(image_controller: ImageController, label: int) -> tuple[str, str]:
    """Return how an object stands, "open", "accepted", "locked" or "failed", and why."""
    if image_controller.session_store.is_finished(label):
        return to_translate("accepted"), Message("No click changes it. Untick it to go on with it.")
    failure = image_controller.failure_of(label)
    if failure:
        return to_translate("failed"), failure
    session: Session | None = image_controller.session_store.sessions.get(image_controller.time)
    if session is not None and label in session.objects and session.is_locked(label):
        return to_translate("locked"), Message("Nothing changes its pixels.")
    return to_translate("open"), Message("Clicks correct it.")


def given_words(image_controller: ImageController, label: int) -> str:
    """Return in words what was given for an object."""
    prompts = image_controller.given_for(label)
    if not prompts and image_controller.is_begun(label):
        return Message("mask")
    counts = {
        "click": sum(len(p.clicks) for p in prompts),
        "box": sum(p.box is not None for p in prompts),
        "scribble": sum(len(p.scribbles) for p in prompts),
        "lasso": sum(len(p.lassos) for p in prompts),
    }
    words = {
        "click": counted(counts["click"], "{n} click", "{n} clicks"),
        "box": counted(counts["box"], "{n} box", "{n} boxes"),
        "scribble": counted(counts["scribble"], "{n} scribble", "{n} scribbles"),
        "lasso": counted(counts["lasso"], "{n} lasso", "{n} lassos"),
    }
    shown = [kind for kind, count in counts.items() if count] or ["click"]
    return joined([words[kind] for kind in shown], ", ")


def show_object(controller: ViewerController, label: int) -> None:
    """Make an object the current one, and show a plane of it with its middle in the middle.

    The plane where most was given for it; of what was found or propagated that with most pixels.
    """
    controller.select_object(label)
    image_controller = controller.image_controller
    if image_controller is None or image_controller.is_closed:
        return
    found = _place(image_controller, label)
    if found is None:
        controller.signals.message.emit(
            Message("Object {label} is nowhere yet: click on it.", label=label)
        )
        return
    bring(image_controller, found.plane, found.time)
    mask = image_controller.session_store.mask(found)
    if not mask.any():
        return
    rows, cols = np.nonzero(mask)
    at = np.zeros(len(image_controller.image_axes.grid))
    where = image_controller.image_axes.index(found.time, found.plane)
    middle = iter((rows.mean(), cols.mean()))
    for axis, part in enumerate(where):
        at[axis] = next(middle) if isinstance(part, slice) else part
    world = np.asarray(image_controller.labels.data_to_world(at), float)
    viewer = controller.viewer
    offset = viewer.dims.ndim - len(at)
    shown = [axis - offset for axis in viewer.dims.displayed]
    # the zoom stays as the person has it
    camera_of(viewer).center = tuple(world[axis] for axis in shown)


def _place(image_controller: ImageController, label: int) -> Place | None:
    times = sorted(
        image_controller.session_store.sessions.items(),
        # the time point in view first
        key=lambda one: one[0] != image_controller.time,
    )
    for time, session in times:
        if label in session.objects:
            plane = _plane(session, label)
            if plane is not None:
                return Place(time, label, plane)
    return None


def _plane(session: Session, label: int) -> Plane | None:
    states = list(session.document.canvas.states(label))
    if states:
        plane, _ = max(
            states,
            key=lambda one: (
                len(one[1].prompts.clicks),
                0 if one[1].shown is None else int(np.count_nonzero(one[1].shown.inside)),
            ),
        )
        return plane
    painted = session.document.canvas.painted(label)
    return Plane(0, min(painted)) if painted else None


_TAKEN = "Take objects"
"""The one step of undo of all objects of a layer."""


def session_now(controller: ViewerController) -> Session | None:
    """Return the session of the displayed time point; None if there is none."""
    here = controller.image_controller
    return None if here is None else here.session_store.session(here.time)


def accept(controller: ViewerController) -> None:
    """Lock the current object, and go on to the next that is open; where none is, begin one."""
    image_controller = controller.image_controller
    label = 0 if image_controller is None else image_controller.session_store.object
    if image_controller is None or not _is_known(image_controller, label):
        controller.signals.failed.emit(
            Message("There is nothing to accept yet. Click on the object first.")
        )
        return
    # by number, and round from the first
    later = sorted(image_controller.session_store.labels, key=lambda one: (one <= label, one))
    is_next = (one for one in later if one != label and _is_open(image_controller, one))
    following = next(is_next, None)
    if following is None:
        controller.accept_object()
        return
    controller.set_finished(label, True)
    if _is_in_view(image_controller, following):
        controller.select_object(following)
    else:
        show_object(controller, following)
    controller.signals.message.emit(
        Message(
            "Object {label} is accepted. Next: object {object}, still open; New object begins "
            "another.",
            label=label,
            object=following,
        )
    )


def _is_known(image_controller: ImageController, label: int) -> bool:
    """Whether anything was given, painted or found of an object."""
    store = image_controller.session_store
    return label in store.labels and not store.is_begun_for_nothing(label)


def _is_open(image_controller: ImageController, label: int) -> bool:
    is_free = state_of(image_controller, label)[0] in ("open", "failed")
    return is_free and _is_known(image_controller, label)


def _is_in_view(image_controller: ImageController, label: int) -> bool:
    """Whether an object is on the plane in view, and all of it on the canvas."""
    here, labels = image_controller.displayed_slice, image_controller.labels
    if isinstance(here, str) or here.time not in image_controller.session_store.sessions:
        return False
    at = np.nonzero(image_controller.session_store.mask(Place(here.time, label, here.plane)))
    where = image_controller.image_axes.index(here.time, here.plane)
    free = [axis for axis, part in enumerate(where) if isinstance(part, slice)]
    first, last = np.asarray(labels.corner_pixels)[:, free]
    return bool(at[0].size) and all(
        low <= one.min() and one.max() <= high
        for one, low, high in zip(at, first, last, strict=True)
    )


def protect(controller: ViewerController, **rules: Any) -> bool:
    """Change rules of `Protection` at all time points; return whether that could be done."""
    image_controller = controller.image_controller
    if session_now(controller) is None or image_controller is None:
        controller.signals.failed.emit(
            Message("There is nothing to protect yet. Begin an object first.")
        )
        return False
    try:
        for session in image_controller.session_store.sessions.values():
            session.protect(**rules)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        controller.signals.changed.emit()
        return False
    controller.signals.changed.emit()
    return True


def protect_region(controller: ViewerController, layer: Layer | None) -> bool:
    """Let pixels change only inside a Shapes or Labels layer; None: everywhere."""
    image_controller = controller.image_controller
    if image_controller is None or layer is None:
        return protect(controller, region=None)
    try:
        return protect(controller, region=region_of(layer, image_controller.image_axes))
    except DataError as err:
        controller.signals.failed.emit(told(err))
        return False


def set_locked(controller: ViewerController, locked: bool) -> None:
    """Lock the current object's pixels, or unlock them, accepted or not."""
    image_controller, session = controller.image_controller, session_now(controller)
    if image_controller is None or session is None:
        return
    label = image_controller.session_store.object
    for one in image_controller.session_store.sessions.values():
        if label in one.objects and one.is_locked(label) != locked:
            (one.lock_object if locked else one.unlock_object)(label)
    controller.signals.changed.emit()


def overlap(controller: ViewerController) -> dict[int, int]:
    """Count pixels of the answer that other objects hold; empty unless the policy is to ask."""
    image_controller, session = controller.image_controller, session_now(controller)
    if image_controller is None or session is None or session.protection.policy != "ask":
        return {}
    here, label = image_controller.displayed_slice, image_controller.session_store.object
    if isinstance(here, str) or label not in session.objects:
        return {}
    return session.contested_on(here.plane, label)


def take_over(controller: ViewerController) -> None:
    """Give the current object the pixels of its answer that others hold."""
    image_controller, session = controller.image_controller, session_now(controller)
    if image_controller is None or session is None:
        return
    here, label = image_controller.displayed_slice, image_controller.session_store.object
    if not isinstance(here, str):
        _draw(controller, image_controller, lambda: session.take_over(here.plane, label))


def drop_painted(controller: ViewerController) -> None:
    """Remove paint from the current object, so that the model's answer shows there again."""
    image_controller, session = controller.image_controller, session_now(controller)
    if image_controller is not None and session is not None:
        _draw(
            controller,
            image_controller,
            lambda: session.clear_painted(image_controller.session_store.object),
        )


def _draw(controller: ViewerController, image_controller: ImageController, act: Any) -> None:
    try:
        change: Change | None = act()
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return
    if change is None:
        controller.signals.message.emit(Message("There is nothing of that kind here."))
        return
    image_controller.draw(image_controller.time, change)
    controller.signals.changed.emit()


def can(controller: ViewerController, action: str) -> bool:
    """Whether there is something to "undo" or "redo" of the current object, at this time point."""
    here = controller.image_controller
    return here is not None and here.can(action, here.session_store.object)


def step(controller: ViewerController, action: str) -> None:
    """Take back the last action for the current object, or bring it back; that is one action."""
    image_controller, title = controller.image_controller, None
    label = 1 if image_controller is None else image_controller.session_store.object
    if image_controller is not None and session_now(controller) is not None:
        try:
            title = image_controller.go(action, label)
        except IntSegError as err:
            controller.signals.failed.emit(told(err))
            return
    nothing = {
        "undo": Message("There is nothing to undo of object {label}.", label=label),
        "redo": Message("There is nothing to redo of object {label}.", label=label),
    }
    controller.signals.message.emit(sentence(title) if title else nothing[action])


def toggle_outlines(controller: ViewerController) -> None:
    """Show the labels as outlines, or filled again."""
    image_controller = controller.image_controller
    if image_controller is None:
        text = Message("There is no object yet. Press New object, then click.")
        controller.signals.failed.emit(text)
        return
    filled, outlined = Message("Labels are shown filled."), Message("Labels are shown as outlines.")
    is_outline = points_codec.toggle_outlines(image_controller.labels)
    controller.signals.message.emit(outlined if is_outline else filled)


def remove(controller: ViewerController) -> None:
    """Remove the current object at all time points; one step of undo at each."""
    image_controller = controller.image_controller
    if image_controller is None:
        controller.signals.failed.emit(Message("There is no object to remove yet."))
        return
    label = image_controller.session_store.object
    # a propagation of the object must not draw what is gone
    controller.let_go(label)
    try:
        is_gone = image_controller.remove_object(label)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return
    controller.signals.message.emit(
        Message("Object {label} is removed. Undo brings it back.", label=label)
        if is_gone
        else Message("Object {label} has not been begun.", label=label)
    )


def candidates(controller: ViewerController) -> list[Labels]:
    """Return the Labels layers that objects can be taken from: all but the one worked on."""
    own = None if controller.image_controller is None else controller.image_controller.labels
    return [x for x in controller.viewer.layers if isinstance(x, Labels) and x is not own]


def take(controller: ViewerController, layer: Labels, label: int) -> int | None:
    """Take an object of a layer as the mask that clicks go on from.

    It becomes the current object if that has not been begun, else a new one; at the time point in
    the window, if there is a time axis. What cannot be taken is reported by `signals.failed`.

    Parameters
    ----------
    controller : ViewerController
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
        image_controller = _image_controller(controller)
        data = _data(image_controller, layer, image_controller.time)
        return _take(image_controller, layer, data == label, label)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return None


def take_all(controller: ViewerController, layer: Labels) -> int:
    """Take every object of a layer, each as one of its own, in one step of undo.

    Of tracks that were read from a file, those of all time points, and one step of undo at each.
    Return how many; see `take`.
    """
    named: dict[int, int] = {}
    try:
        image_controller = _image_controller(controller)
        times = [image_controller.time]
        if layer.metadata.get(KEY, {}).get(TRACKED):
            times = list(range(image_controller.image_axes.n_times or 1))
        for time in times:
            _take_together(image_controller, _data(image_controller, layer, time), time, named)
        if not named:
            raise DataError(
                Message(
                    "layer is empty: expected labels above 0, got none in {name!r}. Choose another "
                    "layer.",
                    name=layer.name,
                )
            )
        image_controller.tools.signals.changed.emit()
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return 0
    controller.signals.message.emit(
        Message(
            "{count} objects taken from {name}. Click to correct.",
            count=len(named),
            name=layer.name,
        )
    )
    return len(named)


def _image_controller(controller: ViewerController) -> ImageController:
    """Return the controller of the chosen image; makes its layers if there are none."""
    if controller.image_controller is None:
        controller.new_object()
    if controller.image_controller is None:
        raise DataError(
            Message(
                "no image is worked on: expected one that is chosen, got none. Choose an image "
                "first."
            )
        )
    if controller.image_controller.session_store.model is None:
        raise DataError(
            Message(
                "model is not there yet: expected one that is loaded, got none. Wait until it "
                "is, then take the object again."
            )
        )
    return controller.image_controller


def _data(image_controller: ImageController, layer: Labels, time: int) -> Array:
    """Return a layer's labels at a time point, on the volume's grid.

    Raises
    ------
    DataError
        If the layer is on another grid than the image.
    """
    image_axes = image_controller.image_axes
    # the finest level of a pyramid
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    if shape != image_axes.shape or not _lies_alike(image_controller, layer):
        raise DataError(
            Message(
                "layer is on another grid: expected that of {name!r}, shape {shape}, got shape "
                "{shape2} of {name2!r}. Resample it onto the image first.",
                name=image_axes.image.name,
                shape=image_axes.shape,
                shape2=shape,
                name2=layer.name,
            )
        )
    where = tuple(time if axis == "t" else slice(None) for axis in image_axes.grid)
    return np.asarray(data[where])


def _lies_alike(image_controller: ImageController, layer: Labels) -> bool:
    corners = np.vstack([np.zeros(layer.ndim), np.diag(np.array(layer.data.shape) - 1.0)])
    return bool(
        np.allclose(
            on_grid(layer, corners, image_controller.image_axes, image_controller.labels),
            corners,
            # a tenth of a pixel: two affines that mean the same differ by rounding
            atol=0.1,
        )
    )


def _take_together(
    image_controller: ImageController, data: Array, time: int, named: dict[int, int]
) -> None:
    """Begin an object for each label, or go on with it; an empty current one becomes the first."""
    store = image_controller.session_store
    labels = [int(label) for label in np.unique(data) if label > 0]
    if labels and not named:
        if image_controller.is_begun(store.object) or store.is_finished(store.object):
            image_controller.new_object()
        named[labels[0]] = store.object
    for label in labels:
        own = named.setdefault(label, max(store.labels, default=0) + 1)
        is_first = own == store.object
        session = store.session(time, own, make=is_first)
        assert session is not None  # there is a model
        if label == labels[0]:
            token = session.document.token(_TAKEN)
        # planes without a pixel are left out: each would become a state of its own
        masks = masks_by_plane(session.volume, data == label, None, 0, ())
        if own in session.objects:
            change = session.set_initial(masks, _TAKEN, token)
        else:
            change = session.begin_with(masks, own, _TAKEN, token)
        store.know([own])
        image_controller.draw(time, change)


def _take(image_controller: ImageController, layer: Labels, mask: Array, label: int) -> int:
    if not mask.any():
        raise DataError(
            Message(
                "object is not there: expected a label of {name!r} at this time point, got "
                "{label!r}. Hover over the object to see its label.",
                name=layer.name,
                label=label,
            )
        )
    session_store = image_controller.session_store
    if image_controller.is_begun(session_store.object) or session_store.is_finished(
        session_store.object
    ):
        image_controller.new_object()
    own = session_store.object
    session = session_store.session(image_controller.time, own, make=True)
    assert session is not None  # there is a model
    change = session.set_initial_mask(mask)
    image_controller.draw(image_controller.time, change)
    image_controller.tools.signals.message.emit(
        Message(
            "Object {own} is object {label} of {name}. Click to correct it.",
            own=own,
            label=label,
            name=layer.name,
        )
    )
    image_controller.tools.signals.changed.emit()
    return own


def merge(controller: ViewerController, labels: Iterable[int]) -> None:
    """Make one object of several, with the smallest of their numbers; one undo a time point."""
    chosen = sorted(set(labels))
    if len(chosen) < 2:
        controller.signals.failed.emit(
            Message(
                "Choose two or more objects in the table first: hold Ctrl and click on their rows."
            )
        )
        return
    into = chosen[0]

    def act(session: Session) -> Change | None:
        # at some time points only some of them may exist
        there = [label for label in chosen if label in session.objects]
        if len(there) > 1:
            change = session.merge_objects(there)
            if there[0] == into:
                return change
        return _renumbered(session, there[0], into) if there and there[0] != into else None

    if _at_all_times(controller, chosen, act):
        others = ", ".join(str(label) for label in chosen[1:])
        controller.signals.message.emit(
            counted(
                len(chosen) - 1,
                "Object {others} is part of object {into} now.",
                "Objects {others} are part of object {into} now.",
                others=others,
                into=into,
            )
        )


def relabel(controller: ViewerController, label: int, number: int) -> None:
    """Give an object another number; name and class go with it."""
    image_controller = controller.image_controller
    if image_controller is None or label == number:
        return
    if number in image_controller.session_store.labels:
        controller.signals.failed.emit(
            Message(
                "There is an object {number} already. Choose another number, or select both "
                "rows and merge them.",
                number=number,
            )
        )
        return
    if not image_controller.has_room(number):
        controller.signals.failed.emit(image_controller.too_large(number))
        return
    if _at_all_times(controller, [label], lambda session: _renumbered(session, label, number)):
        known = image_controller.labels.metadata.get(NAMES, {})
        if label in known:
            # it stays for the old one too: undo goes back there
            known[number] = dict(known[label])
        controller.signals.message.emit(
            Message("Object {label} is object {number} now.", label=label, number=number)
        )
        controller.signals.changed.emit()


def _renumbered(session: Session, label: int, number: int) -> Change | None:
    return session.relabel_object(label, number) if label in session.objects else None


def _at_all_times(
    controller: ViewerController, labels: Iterable[int], act: Callable[[Session], Change | None]
) -> bool:
    """Do something in every session, if all of them may; return whether that was so."""
    image_controller = controller.image_controller
    if image_controller is None:
        return False
    sessions = image_controller.session_store.sessions
    for label in labels:
        controller.let_go(label)
    try:
        # asked of all before the first is changed
        for session in sessions.values():
            for label in labels:
                if label in session.objects:
                    session.document.check_free(label)
        for time, session in sessions.items():
            change = act(session)
            if change is not None:
                image_controller.show_change(time, session, change)
    except IntSegError as err:
        controller.signals.failed.emit(told(err))
        return False
    return True
