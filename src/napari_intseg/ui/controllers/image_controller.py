"""Work on one image: prompts from its layers to sessions, masks from sessions to its labels."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points

from napari_intseg._moved import renamed
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.io.output_files import METADATA
from napari_intseg.session.document import LARGEST_LABEL, Change, HistoryEntry
from napari_intseg.session.question import Setup
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.session_store import RECORD, PredictionQueue, SessionStore
from napari_intseg.ui.layers.image_axes import (
    DisplayedSlice,
    ImageAxes,
    displayed_slice,
    index_on_grid,
    number_on_slider,
)
from napari_intseg.ui.layers.labels_layer import LabelsListener, LabelsWriter
from napari_intseg.ui.layers.layer_registry import (
    LayerPlacement,
    Work,
    hold,
    let_go,
    put_aside,
    take_up,
)
from napari_intseg.ui.layers.points_codec import (
    MarkReader,
    Place,
    as_prompts,
    is_in_memory,
    make_room,
    rewrite_points,
    told_outside,
)
from napari_intseg.ui.layers.points_listener import PointsListener
from napari_intseg.ui.layers.shapes import ShapesListener
from napari_intseg.ui.messages import Message, joined
from napari_intseg.ui.qt.worker_thread import Post, Signals, Worker, told
from napari_intseg.ui.storage.disk_folders import EmbeddingFolder, place_of

_MEASURING = ("walk", "clean_up")
"""Lines of a journal about what depends on the spacing."""


@dataclass(frozen=True, slots=True, eq=False)
class Tools:
    """What every image controller of a viewer shares."""

    viewer: ViewerModel
    worker: Worker
    post: Post
    signals: Signals
    embedding_folder: EmbeddingFolder = field(default_factory=EmbeddingFolder)


class ImageController:
    """Work on one image: keep it as long as the layers are in use, then `close` it.

    Parameters
    ----------
    tools : Tools
        The viewer, the inference thread and the signals.
    image_axes : ImageAxes
        The image.
    points : Points
        On the grid of `image_axes`; points that are there already count as clicks.
    labels : Labels
        On the grid of `image_axes`; a numpy array.
    window : callable
        Returns how values are shown to a model; asked before each request.
    channels : tuple of int, optional
        Which are shown.
    first_label : int, default 1
        Of the object to begin with, if there are no points.
    each_begins : callable
        Whether a click of the mouse outside of all objects begins one. One inside an object always
        belongs to that.
    """

    drawer = renamed("session_store")
    frame = renamed("image_axes")
    viewed = renamed("displayed_slice")

    def __init__(
        self,
        tools: Tools,
        image_axes: ImageAxes,
        points: Points,
        labels: Labels,
        *,
        window: Callable[[], WindowChoice] = lambda: None,
        channels: tuple[int, ...] | None = None,
        first_label: int = 1,
        each_begins: Callable[[], bool] = lambda: False,
    ) -> None:
        self._given: dict[Place, Prompts] = {}
        self.tools, self.image_axes, self.points, self.labels = tools, image_axes, points, labels
        self.session_store = SessionStore(
            image_axes, window=window, channels=channels, embedding_folder=tools.embedding_folder
        )
        # as it is now: when one of these is replaced, work on it ends, and is not work on the other
        self._images_data = tuple(image.data for image in (image_axes.image, *image_axes.others))
        self._labels_data = labels.data
        earlier = take_up(labels, points, self._seen())
        if earlier is not None:
            self.session_store.take(earlier.sessions, earlier.journal)
            self._measure()
        self.goes_on = earlier is not None
        self._recorded: Setup | None = None  # of the last answer
        labels.metadata[METADATA] = self.session_store.journal.lines  # grows as things are done
        hold([points, labels], self)
        self.labels_writer = LabelsWriter(
            image_axes,
            labels,
            tools.worker,
            tools.post,
            self.session_store.mask,
            on_failed=tools.signals.failed.emit,
        )
        self.clicking = PointsListener(
            points,
            post=tools.post,
            on_change=self.sync,
            on_tidied=self.tell,
            can_click=lambda: now if isinstance(now := self.displayed_slice, str) else None,
            on_refused=tools.signals.failed.emit,
            aim=self._aim,
        )
        self.is_closed = self._was_adding = False
        self.is_new_asked = False  # by a person, who has not clicked since
        self._each_begins = each_begins
        self._marks = MarkReader(points, image_axes, labels)
        self.queue = PredictionQueue(
            self.session_store,
            tools.worker,
            tools.signals,
            displayed_slice=lambda: displayed_slice(tools.viewer, image_axes, labels),
            is_wanted=self._given.__contains__,
            on_answer=self._paint,
            where_is=self.where_is,
            tell=self.tell,
        )
        self._changes: list[tuple[int, Change]] = []
        self.brush = LabelsListener(
            labels,
            image_axes,
            self.session_store,
            self.labels_writer,
            post=tools.post,
            go=self.go,
            on_change=self._was_painted,
            signals=tools.signals,
        )
        if earlier is not None:
            self.brush.from_before = earlier.from_before
        self.clicking.complete()
        self.boxes = ShapesListener(
            tools.viewer,
            image_axes,
            labels,
            post=tools.post,
            signals=tools.signals,
            defaults=lambda: self.clicking.defaults,
            on_change=self.sync,
        )
        self._placement = LayerPlacement(
            tools.viewer,
            image_axes,
            on_moved=self._image_moved,
            on_put_back=self._layer_put_back,
            on_read_anew=self.sync,
        )
        self._watch()
        self._view_changed()
        if self.goes_on:
            self.recall()
            self.select_object(self.session_store.object)
            return
        used = [int(label) for label in points.features["object"]]
        used = [label for label in used if self.has_room(label)] or [first_label]
        self.session_store.know(used)
        self.select_object(max(used))

    @property
    def is_idle(self) -> bool:
        """Whether all prompts are answered and all answers are written to the labels."""
        idle = self.labels_writer.is_idle and self.brush.is_idle
        return idle and not (self.is_waiting or self._changes)

    @property
    def has_earlier(self) -> bool:
        """Whether the current object is taken, so that *New object* has to begin another one.

        It is when it was given or accepted before this work began, in the same layers.
        """
        label = self.session_store.object
        given = label in self.points.features["object"].tolist()
        return given or self.is_begun(label) or self.session_store.is_finished(label)

    @property
    def displayed_slice(self) -> DisplayedSlice | str:
        """The slice in the window, or what to do to see one."""
        return displayed_slice(self.tools.viewer, self.image_axes, self.labels)

    @property
    def time(self) -> int:
        """The time point in the window; 0 if there is no time axis."""
        now = self.displayed_slice if self.image_axes.n_times else ""  # slow, asked often
        return 0 if isinstance(now, str) else now.time

    def plane_number(self, plane: Plane) -> int:
        """Return the number of a plane on the slider, which is what a person reads."""
        axis = self.image_axes.spatial[plane.axis]
        return number_on_slider(self.tools.viewer, self.image_axes, self.labels, axis, plane.index)

    def plane_at(self, axis: int, number: int) -> Plane:
        """Return the plane of a spatial axis that the slider shows at a number."""
        on_grid = self.image_axes.spatial[axis]
        index = index_on_grid(self.tools.viewer, self.image_axes, self.labels, on_grid, number)
        return Plane(axis, index)

    def where_is(self, place: Place) -> str:
        """Return a place in words, counted as the sliders do."""
        words = [Message("object {label}", label=place.object)]
        if len(self.image_axes.spatial) == 3:
            axis = self.image_axes.grid[self.image_axes.spatial[place.plane.axis]]
            number = self.plane_number(place.plane)
            words.append(Message("plane {axis} = {number}", axis=axis, number=number))
        if self.image_axes.n_times is not None:
            at, viewer = self.image_axes.grid.index("t"), self.tools.viewer
            time = number_on_slider(viewer, self.image_axes, self.labels, at, place.time)
            words.append(Message("time {time}", time=time))
        return joined(words, ", ")

    def set_model(self, model: Segmenter) -> None:
        """Answer with a model from now on; the plane in the window is answered anew."""
        self.session_store.set_model(model)
        self.sync()
        self.brush.hand_over_early()
        self.tools.signals.changed.emit()
        now = self.displayed_slice
        if not isinstance(now, str):
            self.queue.add([Place(now.time, self.session_store.object, now.plane)])
        self.queue.ask()

    def select_object(self, label: int) -> None:
        """Make an object the one that new points belong to, if its number can be held."""
        if not self.has_room(label):
            self.tools.signals.failed.emit(self.too_large(label))
            return
        self._select(label)
        self.tell()

    def _select(self, label: int) -> None:
        self.session_store.object = label
        self.clicking.set_defaults(object=label)
        self.boxes.set_defaults()
        self.labels.selected_label = label

    def tell(self) -> None:
        """Emit that prompts or masks have changed, or, where more has, that anything may have."""
        has_more = self.session_store.has_more_changed(self.time)
        (self.tools.signals.changed if has_more else self.tools.signals.edited).emit()

    def sync(self) -> None:
        """Hand every change of the points to the sessions, and queue what is not answered."""
        if self.is_closed:
            return
        marks, outside = self._marks.read()
        wanted, shapes_outside = as_prompts(marks), 0
        if self.boxes.layer is not None:
            wanted, shapes_outside = self.boxes.with_drawn(wanted)
        beyond = [place for place in wanted if not self.has_room(place.object)]
        for place in beyond:
            del wanted[place]
        self.session_store.set_window()
        changes = [] if self.session_store.model is None else self._adopt(wanted)
        if changes:
            self.tools.signals.given.emit()
        self.queue.ask()
        if changes:
            self._changes.extend(changes)
            self.tools.post(self._draw_changes)
        if beyond:
            self.clicking.set_defaults()  # napari takes over what a table says last
            self.tools.signals.failed.emit(self.too_large(beyond[-1].object))
        for count, what in ((outside, "point"), (shapes_outside, "shape")):
            if count:
                self.tools.signals.failed.emit(told_outside(count, what))

    def new_object(self) -> int:
        """Begin an object; return its label."""
        before = self.session_store.object
        label = self.session_store.new_label()
        if not self.has_room(label):
            self.session_store.know_no_more([label])
            self.session_store.object = before
            self.tools.signals.failed.emit(self.too_large(label))
            return before
        self.session_store.session(self.time, label, make=True)
        self.select_object(label)
        return label

    def take_suggested(self, time: int, plane: Plane, click: Click) -> None:
        """Add a suggested click for the current object, and queue its answer."""
        session = self.session_store.session(time)
        if session is not None:
            self.show_change(time, session, session.take_suggested(plane, click))

    def remove_object(self, label: int) -> bool:
        """Remove an object at all time points, and make another the current one.

        Returns
        -------
        bool
            Whether it was there.

        Raises
        ------
        PromptError
            If it is locked.
        """
        there = [(t, s) for t, s in self.session_store.sessions.items() if label in s.objects]
        for time, session in there:
            self.show_change(time, session, session.remove_object(label))
        return bool(there)

    def go(self, action: str, label: int | None = None) -> str | None:
        """Undo or redo; points and labels follow. Return what it was, None if there is nothing.

        Parameters
        ----------
        action : {"undo", "redo"}
        label : int, optional
            Of this object alone.

        Raises
        ------
        PromptError
            If that object is locked.
        """
        time = self.time
        session = self.session_store.session(time)
        if session is None:
            return None
        before, last = session.setup, session.document.history.last
        change = session.undo(label) if action == "undo" else session.redo(label)
        if change is None:
            return None
        if label is None:  # else it is an action of its own, and nothing before it is undone
            self._follow_painted(action, session, last)
        if session.setup is not before:  # what was clicked is answered as it was then
            change = replace(change, objects=tuple(sorted({*change.objects, session.object})))
            self.queue.add(list(self._given))
        now = session.document.history.last
        self.session_store.went_back(session, last if action == "undo" and label is None else now)
        for at, one, changed in self.session_store.gone(action, time, change):
            self.show_change(at, one, changed)
        return str(change.title)

    @property
    def is_waiting(self) -> bool:
        """Whether a click still waits for its answer."""
        return self.queue.is_waiting

    @property
    def is_in_volume(self) -> bool:
        """Whether an answer in 3-D is computed now; `cancel_answer` stops it."""
        return self.queue.is_in_volume

    def cancel_answer(self) -> None:
        """Stop an answer in 3-D; see `PredictionQueue.cancel`."""
        self.queue.cancel()

    def answer_again(self) -> None:
        """Queue all prompts whose answers a change of window or channels made invalid."""
        self.session_store.set_window()
        self.queue.add(list(self._given))
        self.queue.ask()

    def clicks_of(self, label: int) -> int:
        """Return how many clicks an object has."""
        return sum(len(prompts.clicks) for prompts in self.given_for(label))

    def given_for(self, label: int) -> list[Prompts]:
        """Return all prompts of an object, plane by plane."""
        return [prompts for place, prompts in self._given.items() if place.object == label]

    def failure_of(self, label: int) -> str:
        """Return why the last answer for an object did not come; empty if it did."""
        return self.queue.failures.get(label, "")

    def is_begun(self, label: int) -> bool:
        """Whether an object has prompts, a mask to start from, or painted pixels."""
        sessions = self.session_store.sessions.values()
        states = (s for one in sessions for _, s in one.document.canvas.states(label))
        return bool(self.given_for(label)) or any(state.is_given for state in states)

    def can(self, action: str, label: int | None = None) -> bool:
        """Whether there is something to "undo" or "redo" at the time point; of one object alone."""
        session = self.session_store.session(self.time)
        if session is None or label is None:
            return session is not None and bool(getattr(session, f"can_{action}"))
        return session.can_go(action, label)

    def draw(self, time: int, change: Change) -> None:
        """Draw what an action of a session changed."""
        for label in change.objects:
            for plane in change.planes:
                self.labels_writer.paint(Place(time, label, plane))

    def show_all(self) -> None:
        """Have points, shapes and labels show all that the sessions hold."""
        places = self._held()
        self._follow(places)
        for place in places:
            self.labels_writer.paint(place)
        self.queue.ask()

    def recall(self) -> None:
        """Resume sessions whose answers are in the layers already; queue what is not answered."""
        for place in self._held():
            self._note(place, self.session_store.given(place))
            self.labels_writer.recall(place)
        self.queue.add(list(self._given))

    def _follow_painted(self, action: str, session: Session, last: HistoryEntry | None) -> None:
        now = session.document.history.last
        if action == "undo" and last is not None:
            self.brush.follow_undo(session, last)
        elif action == "redo" and now is not None:
            self.brush.follow_redo(now)

    def show_change(self, time: int, session: Session, change: Change) -> None:
        """Bring points, labels and the list of objects up to date after a session's action."""
        current = session.object
        self.session_store.know_again({*change.objects, current})
        places = [Place(time, o, p) for o in change.objects for p in change.planes]
        self._follow(places)
        self.draw(time, change)
        self.queue.add(places)
        self._select(current)
        self.queue.ask()
        self.tell()

    def close(self) -> None:
        """Let go of the viewer and all layers."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.session_store.sessions:
            work = Work(
                self.session_store.sessions,
                self.session_store.journal,
                self._seen(),
                weakref.ref(self.points),
                self.brush.from_before,
            )
            put_aside(self.labels, work)
        let_go(self)
        self._placement.close()
        self.queue.close()
        self.clicking.close()
        self.boxes.close()
        self.brush.close()
        self.labels_writer.close()
        dims = self.tools.viewer.dims.events
        dims.order.disconnect(self._view_changed)
        dims.ndisplay.disconnect(self._view_changed)
        self.tools.viewer.layers.events.removed.disconnect(self._layer_removed)
        for image in (self.image_axes.image, *self.image_axes.others):
            image.events.data.disconnect(self._image_changed)
        self.labels.events.data.disconnect(self._labels_changed)

    def _watch(self) -> None:
        dims = self.tools.viewer.dims.events
        dims.order.connect(self._view_changed)
        dims.ndisplay.connect(self._view_changed)
        self.tools.viewer.layers.events.removed.connect(self._layer_removed)
        for image in (self.image_axes.image, *self.image_axes.others):
            image.events.data.connect(self._image_changed)
        self.labels.events.data.connect(self._labels_changed)

    def _seen(self) -> tuple[Any, ...]:
        """Return the arrays that work is tied to, see `Work`."""
        axes, channels = self.image_axes.axes, self.session_store.channels
        return (axes, channels, *self._images_data, self._labels_data)

    def has_room(self, label: int) -> bool:
        """Whether the Labels layer can hold a label; its type grows where that is possible."""
        return make_room(self.labels, label)

    def too_large(self, label: int) -> str:
        """Return why an object's number cannot be drawn, in a sentence."""
        kind = np.dtype(self.labels.data.dtype)
        most = LARGEST_LABEL if is_in_memory(self.labels) else np.iinfo(kind).max
        return Message(
            "object {label} cannot be drawn: expected a number of at most {most}, which is what "
            "{name!r} can hold. Give it a smaller number.",
            label=label,
            most=most,
            name=self.labels.name,
        )

    def _aim(self, index: tuple[int, ...], positive: bool) -> None:
        """Give a click to the object it lies in, or begin an object if each click begins one."""
        shape = self.labels.data.shape
        asked, self.is_new_asked = self.is_new_asked, False
        inside = all(0 <= i < size for i, size in zip(index, shape, strict=True))
        if not inside:
            return
        store = self.session_store
        current = store.object
        # who has just asked for a new object clicks for that one, whatever lies there
        is_for_new = asked and positive and not self.is_begun(current)
        found = int(self.labels.data[index])
        if found:
            if found in store.labels and found != current and not is_for_new:
                self.select_object(found)
        elif positive and (
            store.is_finished(current) or (self._each_begins() and self.is_begun(current))
        ):
            self.new_object()

    def _adopt(self, wanted: dict[Place, Prompts]) -> list[tuple[int, Change]]:
        """Pass changed prompts to the sessions, one step of undo for each."""
        changes = []
        places = [p for p in {**self._given, **wanted} if self._given.get(p) != wanted.get(p)]
        groups: dict[tuple[int, int], list[Place]] = {}
        for place in places:
            groups.setdefault((place.time, place.object), []).append(place)
        for (time, label), group in groups.items():
            session = self.session_store.session(time, label, make=True)
            if session is None:
                continue
            given = {place.plane: wanted.get(place, Prompts()) for place in group}
            try:
                change = session.give(given)
            except IntSegError as err:
                self._follow(group)
                self.tools.signals.failed.emit(told(err))
                continue
            for place in group:
                self._note(place, wanted.get(place, Prompts()))
            self.queue.add(group)
            if session.setup.volume_model and session.predictor.volumes.is_pending(label):
                self.queue.add([p for p in self._given if (p.time, p.object) == (time, label)])
            changes.append((time, change))
            self.session_store.session(time)
        return changes

    def _was_painted(self, time: int, change: Change) -> None:
        self.draw(time, change)
        self.tell()

    def _draw_changes(self) -> None:
        changes, self._changes = self._changes, []
        for time, change in changes:
            self.draw(time, change)

    def _paint(self, place: Place, is_new: bool) -> None:
        setup = self.session_store.sessions[place.time].setup
        if is_new and setup is not self._recorded:
            self._recorded = setup
            self.labels.metadata[RECORD] = setup.seen()
        self.labels_writer.paint(place, first=is_new)

    def _view_changed(self, _event: Any = None) -> None:
        if self.image_axes.image.ndim != len(self.image_axes.axes):
            return  # the image is given data of other axes: work on it ends as soon as it has them
        now = self.displayed_slice
        if isinstance(now, str):
            self._was_adding = self._was_adding or self.points.mode == "add"
            self.points.mode = "pan_zoom"
            self.tools.signals.message.emit(now)
            return
        self.clicking.set_defaults(axis=now.plane.axis)
        self.boxes.set_defaults()
        if self._was_adding:
            self._was_adding = False
            self.points.mode = "add"
        self.tools.signals.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        name = event.value.name
        whys = {
            self.image_axes.image: Message("The image layer {name!r} was removed", name=name),
            self.points: Message("The points layer {name!r} was removed", name=name),
            self.labels: Message("The labels layer {name!r} was removed", name=name),
        }
        if event.value in whys:
            self._lose(whys[event.value])

    def _image_changed(self, event: Any) -> None:
        self._lose(Message("The data of {name!r} was replaced", name=event.source.name))

    def _labels_changed(self, _event: Any = None) -> None:
        """Go on where the same labels lie in another array, as after a change of type."""
        old, new = self._labels_data, self.labels.data
        same = old is new or place_of(new) is not None
        if same or (old.shape == new.shape and np.array_equal(old, new)):
            self._labels_data = new
        else:
            self._lose(Message("The data of {name!r} was replaced", name=self.labels.name))

    def _image_moved(self, what: str) -> None:
        name = self.image_axes.image.name
        words = [
            Message(
                "New {what} of {name!r}: labels and clicks follow.",
                what=what.replace("_", " "),
                name=name,
            )
        ]
        if not self._measure():
            words.append(
                Message(
                    "Propagation and smoothing keep the spacing with which they were begun here; "
                    "remove the Labels layer to begin anew with the new one."
                )
            )
        self.tools.signals.message.emit(joined(words))
        self.tools.signals.changed.emit()

    def _layer_put_back(self, layer: Layer, what: str) -> None:
        self.tools.signals.message.emit(
            Message(
                "New {what} of {name!r} taken back: it lies where {name2!r} does. Set that "
                "of the image, and all its layers follow.",
                what=what.replace("_", " "),
                name=layer.name,
                name2=self.image_axes.image.name,
            )
        )

    def _measure(self) -> bool:
        """Set the image's current spacing in all sessions; return whether that was possible.

        What was computed with another spacing could not be done again from the journal, so it is
        kept from the first propagation or smoothing on.
        """
        sessions = self.session_store.sessions
        new = {time: self.image_axes.volume(time) for time in sessions}
        if all(np.allclose(s.volume.spacing, new[t].spacing) for t, s in sessions.items()):
            return True
        if any(line.get("do") in _MEASURING for line in self.session_store.journal.lines):
            return False
        for time, session in sessions.items():
            session.volume.affine = new[time].affine
            known = self.session_store.journal.lines[0].get("image")
            if known is not None:
                spacing = [float(mm) for mm in new[time].spacing]
                self.session_store.journal.describe(image={**known, "spacing": spacing})
        return True

    def _lose(self, why: str) -> None:
        self.close()
        self.tools.signals.lost.emit(
            Message("{why}, so work on it has ended. Press New object to start again.", why=why)
        )

    def _held(self) -> list[Place]:
        """Return every place for which a session has prompts, a mask or paint."""
        places = []
        for time, session in self.session_store.sessions.items():
            canvas = session.document.canvas
            for label in session.objects:
                planes = {plane for plane, _ in canvas.states(label)}
                planes |= {Plane(0, index) for index in canvas.painted(label)}
                places += [Place(time, label, plane) for plane in sorted(planes)]
        return places

    def _note(self, place: Place, prompts: Prompts) -> None:
        if prompts.is_empty:
            self._given.pop(place, None)
        else:
            self._given[place] = prompts

    def _follow(self, places: list[Place]) -> None:
        held = {place: self.session_store.given(place) for place in places}
        with self.clicking.quiet():
            rewrite_points(self.points, self.image_axes, self.labels, held, self._marks.read()[0])
        self.boxes.follow(held)
        for place, prompts in held.items():
            self._note(place, prompts)
        self.queue.add(held)
