"""What follows a first mask, without Qt: times, review of planes, clean-up, detail of outlines."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, count
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Tracks
from numpy.typing import NDArray

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.io.cell_tracking import Event
from napari_intseg.io.cell_tracking import Tracks as Found
from napari_intseg.propagation.request import Method
from napari_intseg.propagation.walk import Step
from napari_intseg.session.mask_edits import DETAIL_TITLE
from napari_intseg.session.session import Session
from napari_intseg.session.tracking import Linker, tracking_request
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import Place, geometry
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, sentence, told

Next = tuple[Plane, Step] | None


class TimeTracking:
    """Carries the current object from the time point in the window to the others.

    Time points where a person clicked stay as they are. At each other one it is one step of undo.

    Parameters
    ----------
    controller : ViewerController
        Whose work.

    Attributes
    ----------
    linking : TimeLinking
        Links all objects at once.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self.linking = TimeLinking(controller)
        self._steps: Iterator[tuple[Plane, Step]] | None = None
        self._token: object = None
        self._label = 0
        self._times: set[int] = set()
        self._note = ""
        self.is_running = False

    @property
    def is_possible(self) -> bool:
        """Whether the image has several time points."""
        image_controller = self._controller.image_controller
        return image_controller is not None and (image_controller.image_axes.n_times or 1) > 1

    def start(self) -> None:
        """Begin from the time point in the window."""
        image_controller, signals = self._controller.image_controller, self._controller.signals
        if self.is_running:
            return
        session = (
            None
            if image_controller is None
            else image_controller.session_store.session(image_controller.time)
        )
        if image_controller is None or session is None or not self.is_possible:
            signals.failed.emit(
                Message("There is nothing to follow: click on an object in a time series.")
            )
            return
        image_axes, self._label = image_controller.image_axes, image_controller.session_store.object
        try:
            found = tracking_request(
                image_controller.session_store.sessions,
                session,
                self._label,
                image_axes.n_times or 1,
                image_axes.volume,
            )
        except IntSegError as err:
            signals.failed.emit(told(err))
            return
        # a new object as token: all its steps are one entry of undo
        self.is_running, self._token, self._times, self._note = True, object(), set(), ""
        # generators: each step asks the model only when the thread comes to it
        self._steps = chain.from_iterable(one.steps() for one in found)
        signals.changed.emit()
        self._next()

    def cancel(self) -> None:
        """Stop before the next time point; what is done is kept. Linking stops as well."""
        self._steps = None
        self.linking.cancel()

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Next:
            return None if steps is None else next(steps, None)

        self._controller.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Next]) -> None:
        image_controller, found = self._controller.image_controller, outcome.value
        if outcome.error is not None:
            self._controller.signals.failed.emit(told(outcome.error))
        elif (
            found is not None and image_controller is not None and self._can_go_on(image_controller)
        ):
            self._take(*found)
            if self._steps is not None:
                self._next()
                return
        self.is_running, self._steps = False, None
        self._controller.signals.progressed.emit(0, 0, "")
        # else the error stays to be read
        if outcome.error is None:
            self._controller.signals.message.emit(self._ended())
        self._controller.signals.changed.emit()

    def _can_go_on(self, image_controller: ImageController) -> bool:
        return (
            not image_controller.is_closed and self._label in image_controller.session_store.labels
        )

    def _ended(self) -> str:
        count = len(self._times)
        ended = counted(
            count,
            "Object {label} followed to {n} time point.",
            "Object {label} followed to {n} time points.",
            label=self._label,
        )
        return joined([ended, sentence(self._note)]) if self._note else ended

    def _take(self, plane: Plane, step: Step) -> None:
        image_controller = self._controller.image_controller
        assert image_controller is not None
        assert step.plane is not None
        time = step.plane.index
        self._controller.signals.progressed.emit(step.done, max(1, step.total), "planes")
        session = image_controller.session_store.session(time, self._label, make=True)
        if session is not None and session.accept_followed(self._label, plane, step, self._token):
            self._times.add(time)
            self._note = step.note or self._note
            image_controller.labels_writer.paint(Place(time, self._label, plane))


TRACKS = "napari-intseg tracks"
"""Key of a Labels layer's metadata: the tracks that its objects were linked to last."""


_CHANGED = Message("Objects were changed while they were linked. Link them again.")


class TimeLinking:
    """Links the objects of all time points to tracks, and shows these with their parents.

    What is one object gets one number, which is one step of undo at all time points. What is
    accepted or locked keeps its number.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._jobs: Iterator[Callable[[], object]] = iter(())
        self._at: ImageController | None = None
        self._linker: Linker | None = None
        self._layer: ref[Tracks] | None = None
        self._seen: dict[int, int] = {}
        self.is_running = False

    @property
    def events(self) -> tuple[Event, ...]:
        """What happens to the objects of the chosen image, as they were linked last."""
        image_controller = self._controller.image_controller
        known = None if image_controller is None else image_controller.labels.metadata.get(TRACKS)
        return () if known is None else known.events

    def start(self) -> None:
        """Link what there is now; what is computed is computed in the background."""
        image_controller, signals = self._controller.image_controller, self._controller.signals
        if self.is_running:
            return
        if image_controller is None or (image_controller.image_axes.n_times or 1) < 2:
            signals.failed.emit(
                Message("Linking needs an image with several time points; see Axes.")
            )
            return
        self._at, self._linker, self.is_running = image_controller, None, True
        self._jobs, self._seen = self._work(image_controller), {}
        signals.changed.emit()
        self._next()

    def cancel(self) -> None:
        """Stop before the next time point; nothing is changed."""
        self._jobs, self._linker = iter(()), None

    def _work(self, image_controller: ImageController) -> Iterator[Callable[[], object]]:
        """Yield what is to be computed; each time point is looked at when its turn comes."""
        store, n_times = image_controller.session_store, image_controller.image_axes.n_times or 1
        volume = image_controller.image_axes.volume()
        yield partial(Linker, volume.spacing)  # which imports the library
        for time in range(n_times):
            session = store.sessions.get(time)
            labels, kept = np.zeros(volume.shape, np.int32), set[int]()
            if session is not None and session.objects:
                self._seen[time] = session.revision
                labels = session.labels
                kept = {o for o in session.objects if store.is_finished(o) or session.is_locked(o)}
            if self._linker is not None:
                yield partial(self._linker.add, labels, kept)
            self._controller.signals.progressed.emit(time + 1, n_times, "time points")
        if self._linker is not None:
            yield partial(self._linker.tracks, max(store.labels, default=0))

    def _next(self) -> None:
        job = next(self._jobs, None)
        if job is None:
            self._end(Message("Linking cancelled; nothing is changed."))
        else:
            self._controller.worker.submit(lambda _: job(), self._stepped)

    def _stepped(self, outcome: Outcome[object]) -> None:
        at, value = self._at, outcome.value
        if outcome.error is not None or at is None or at.is_closed:
            if outcome.error is not None:
                self._controller.signals.failed.emit(told(outcome.error))
            self._end("")
        elif isinstance(value, Found) and self._linker is not None:
            self._take(at, value, self._linker.centres)
        else:
            if isinstance(value, Linker):
                self._linker = value
            self._next()

    def _end(self, text: str) -> None:
        self.is_running, self._jobs, self._at, self._linker = False, iter(()), None, None
        self._controller.signals.progressed.emit(0, 0, "")
        if text:
            self._controller.signals.message.emit(text)
        self._controller.signals.changed.emit()

    def _take(
        self, at: ImageController, tracks: Found, centres: list[dict[int, tuple[float, ...]]]
    ) -> None:
        """Give all objects the numbers of their tracks, and show those."""
        store, largest = at.session_store, max(tracks.spans, default=0)
        refusal = ""
        if {time: s.revision for time, s in store.sessions.items() if s.objects} != self._seen:
            refusal = _CHANGED
        elif not largest:
            refusal = Message("There is nothing to link yet: no object has a pixel.")
        elif not at.has_room(largest):
            refusal = at.too_large(largest)
        if refusal:
            self._refuse(refusal)
            return
        known = [tracks.numbers[at.time], *tracks.numbers]
        current = next((one[store.object] for one in known if store.object in one), store.object)
        fresh = count(max([*tracks.spans, *store.labels]) + 1)
        times = sorted(store.sessions, key=lambda time: time == at.time)

        def step(left: Iterator[int]) -> None:
            """Renumber a time point, and let the window do other things before the next."""
            time = next(left, None)
            if at.is_closed:
                self._end("")
            elif time is None:
                at.labels.metadata[TRACKS] = tracks
                store.know([current, *(o for s in store.sessions.values() for o in s.objects)])
                at.select_object(current)
                self._show(at, tracks.points(centres), tracks.graph)
                self._end(_summary(tracks))
            elif self._renumber(at, time, tracks.numbers[time], fresh):
                self._controller.post(partial(step, left))
            else:
                self._refuse(_CHANGED)

        step(iter(times))

    def _refuse(self, why: str) -> None:
        self._controller.signals.failed.emit(why)
        self._end("")

    def _renumber(
        self, at: ImageController, time: int, tracks: Mapping[int, int], fresh: Iterator[int]
    ) -> bool:
        """Give the objects of a time point their numbers; False if they were changed meanwhile."""
        session, numbers = at.session_store.sessions[time], dict(tracks)
        if session.objects and session.revision != self._seen.get(time):
            return False
        states = session.document.canvas.states
        for label in set(tracks.values()).intersection(session.objects) - numbers.keys():
            # it was given something, but has no pixel
            if any(True for _ in states(label)):
                numbers[label] = next(fresh)
        at.show_change(time, session, session.renumber_objects(numbers))
        return True

    def _show(
        self, at: ImageController, rows: NDArray[np.float64], graph: dict[int, list[int]]
    ) -> None:
        viewer, layer = self._controller.viewer, None if self._layer is None else self._layer()
        if layer is None or layer not in viewer.layers or layer.ndim != rows.shape[1] - 1:
            where = geometry(at.image_axes)
            layer = Tracks(rows, name=f"{at.image_axes.image.name} tracks", **where)
            viewer.add_layer(layer)
            self._layer = ref(layer)
        layer.graph = {}
        layer.data = rows
        layer.graph = graph
        if self._controller.image_controller is at:  # clicks go to the image again
            self._controller.select_object(at.session_store.object)


def _summary(tracks: Found) -> str:
    """Return in a sentence what was found."""
    kinds = [event.kind for event in tracks.events]
    return Message(
        "{tracks} tracks. Divisions: {divisions}, merges: {merges}, appear: {new}, end: {ended}. "
        "The tip of the button lists them.",
        tracks=len(tracks.spans),
        divisions=kinds.count("division"),
        merges=kinds.count("merge"),
        new=kinds.count("appears"),
        ended=kinds.count("ends"),
    )


def told_event(event: Event) -> str:
    """Return an event in words that can be translated."""
    words = {
        "time": event.time,
        "before": ", ".join(map(str, event.tracks)),
        "after": ", ".join(map(str, event.into)),
    }
    told_as = {
        "division": Message("time {time}: {before} divides into {after}", **words),
        "merge": Message("time {time}: {before} merge into {after}", **words),
        "continues": Message("time {time}: {before} goes on as {after}", **words),
        "appears": Message("time {time}: {after} appears", **words),
        "ends": Message("time {time}: {before} ends", **words),
    }
    return told_as[event.kind]


Seen = tuple[int, int, Plane, float]


class Review:
    """The least sure planes of the current object, and clean-up of its masks.

    Parameters
    ----------
    controller : ViewerController
        Whose work.

    Attributes
    ----------
    shown : Plane or None
        Where `next` or `show` went last.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._seen: set[Seen] = set()
        self.shown: Plane | None = None

    @property
    def planes(self) -> tuple[tuple[Plane, float], ...]:
        """Planes that were propagated to, the least sure first, and how sure they are, 0 to 1."""
        session = self._session()
        return () if session is None else _planes_to_check(session, session.object)

    def next(self) -> Plane | None:
        """Show the least sure plane that has not been shown yet.

        After the last of the current object comes that of another which is not accepted, the least
        sure first; after the last of all, it begins again.
        """
        image_controller, session = self._controller.image_controller, self._session()
        if image_controller is not None and len(image_controller.image_axes.spatial) < 3:
            self._controller.signals.message.emit(
                Message("A flat image has no planes to check; this key is for volumes.")
            )
            return None
        if image_controller is None or session is None:
            self._controller.signals.failed.emit(
                Message("There is no plane to check yet. Propagate first.")
            )
            return None
        # marks hold time, object, plane and confidence: a plane that was propagated again is unseen
        objects = {
            label: self._marks(image_controller.time, label) for label in self._objects(session)
        }
        if not any(objects.values()):
            self._controller.signals.failed.emit(
                Message("There is no plane to check yet. Propagate first.")
            )
            return None
        left = {
            label: [mark for mark in marks if mark not in self._seen]
            for label, marks in objects.items()
        }
        if not any(left.values()):
            left = objects
            self._seen.difference_update(mark for marks in objects.values() for mark in marks)
        # the current object first, so that the view does not jump between objects
        first = left[session.object] or min((m for m in left.values() if m), key=_sureness)
        _, label, plane, _ = first[0]
        if label != session.object:
            self._controller.select_object(label)
        self.show(plane)
        return plane

    def _objects(self, session: Session) -> list[int]:
        """Return the current object, and those that are not accepted."""
        current = session.object
        others = (label for label in session.objects if not session.is_finished(label))
        return [current, *(label for label in others if label != current)]

    def _marks(self, time: int, label: int) -> list[Seen]:
        session = self._session()
        return (
            []
            if session is None
            else [(time, label, *row) for row in _planes_to_check(session, label)]
        )

    def show(self, plane: Plane) -> None:
        """Move the sliders to a plane."""
        image_controller, session = self._controller.image_controller, self._session()
        if image_controller is None or session is None:
            return
        bring(image_controller, plane)
        self.shown = plane
        sure = session.confidences.get(plane)
        if sure is not None:
            self._seen.add((image_controller.time, session.object, plane, sure))
            axis = image_controller.image_axes.grid[image_controller.image_axes.spatial[plane.axis]]
            number = image_controller.plane_number(plane)
            left = sum(
                (image_controller.time, session.object, *r) not in self._seen for r in self.planes
            )
            self._controller.signals.message.emit(
                Message(
                    "Object {object}, plane {axis} = {number}, {sure:.0f} % sure; {left} more to "
                    "check. Click to correct it, then propagate again.",
                    object=session.object,
                    axis=axis,
                    number=number,
                    sure=100 * sure,
                    left=left,
                )
            )
        self._controller.signals.changed.emit()

    def clean_up(self, **options: Any) -> None:
        """Clean up the current object at the displayed time point, see `Session.clean_up`."""
        image_controller, session = self._controller.image_controller, self._session()
        if (
            image_controller is None
            or session is None
            or not image_controller.is_begun(session.object)
        ):
            self._controller.signals.failed.emit(
                Message("There is nothing to tidy yet. Click on the object first.")
            )
            return
        now = image_controller.displayed_slice
        if not isinstance(now, str):
            session.axis = now.plane.axis
        try:
            change = session.clean_up(**options)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return
        image_controller.draw(image_controller.time, change)
        count = len(change.planes)
        done = Message("Object {label} was tidy already.", label=session.object)
        if count:
            done = counted(
                count,
                "Object {label}: {n} plane tidied.",
                "Object {label}: {n} planes tidied.",
                label=session.object,
            )
        self._controller.signals.message.emit(done)
        self._controller.signals.changed.emit()

    @property
    def reach_mm(self) -> float | None:
        """How far from a clicked plane propagation goes at most; settable, None: no limit."""
        return self._controller.settings.ending.reach_mm

    @reach_mm.setter
    def reach_mm(self, reach_mm: float | None) -> None:
        settings = self._controller.settings
        ending = replace(settings.ending, reach_mm=reach_mm)
        self._controller.settings = replace(settings, ending=ending)

    @property
    def is_interpolating(self) -> bool:
        """Whether shapes are interpolated between clicked planes without the model; settable."""
        return self._controller.settings.method == "interpolate"

    @is_interpolating.setter
    def is_interpolating(self, on: bool) -> None:
        method: Method = "interpolate" if on else "neighbour"
        self._controller.settings = replace(self._controller.settings, method=method)

    def _session(self) -> Session | None:
        """Return the displayed session with the current object selected; None if it has none."""
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.is_closed:
            return None
        session = image_controller.session_store.session(image_controller.time)
        label = image_controller.session_store.object
        return session if session is not None and label in session.objects else None


def _planes_to_check(session: Session, label: int) -> tuple[tuple[Plane, float], ...]:
    found = session.confidences_of(label)
    return tuple((plane, found[plane]) for plane in session.to_check(label=label))


def _sureness(marks: list[Seen]) -> float:
    return marks[0][3]


def bring(image_controller: ImageController, plane: Plane, time: int | None = None) -> None:
    """Move the sliders to a plane, whatever the order of the dims.

    Parameters
    ----------
    image_controller : ImageController
        Whose image it is of.
    plane : Plane
        Of any axis; that axis leaves the display if need be.
    time : int, optional
        The time point; that in the window by default.
    """
    dims, image_axes, labels = (
        image_controller.tools.viewer.dims,
        image_controller.image_axes,
        image_controller.labels,
    )
    offset = dims.ndim - len(image_axes.grid)
    here = np.array(labels.world_to_data(dims.point), float)[-len(image_axes.grid) :]
    if len(image_axes.spatial) == 3:
        axis = image_axes.spatial[plane.axis]
        here[axis] = plane.index
        # the slider of an axis that is displayed does not exist: it is taken out of the display
        if axis + offset in dims.displayed:
            rest = [
                a for a in range(dims.ndim) if a not in {s + offset for s in image_axes.spatial}
            ]
            others = [s + offset for s in image_axes.spatial if s != axis]
            dims.order = (*rest, axis + offset, *others)
    if time is not None and "t" in image_axes.grid:
        here[image_axes.grid.index("t")] = time
    world = np.asarray(labels.data_to_world(here), float)
    # only axes that are not displayed have a slider to move
    hidden = [a for a in dims.order[: dims.ndim - dims.ndisplay] if a >= offset]
    for one in hidden:
        dims.set_point(one, float(world[one - offset]))


_MANY = 50
"""With more objects than this only the current one follows the slider: this many take 0.1 s."""


class OutlineDetailController:
    """Changes the detail at all time points; what belongs to one move of a slider is one undo.

    Parameters
    ----------
    controller : ViewerController
        Whose objects.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
        self._tokens: dict[int, str] = {}

    @property
    def mm(self) -> float:
        """The detail at the time point in the window, in millimetres; 0: all of it is shown."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return 0.0
        session = image_controller.session_store.sessions.get(image_controller.time)
        return 0.0 if session is None else session.detail_mm

    @property
    def pixel_mm(self) -> float:
        """The length of a pixel in the plane in view, in millimetres."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return 1.0
        now = image_controller.displayed_slice
        axis = 0 if isinstance(now, str) else now.plane.axis
        session = image_controller.session_store.sessions.get(image_controller.time)
        return 1.0 if session is None else float(np.mean(session.volume.slice_spacing(axis)))

    def preview(self, mm: float) -> None:
        """Show another detail in view; `choose` follows for all the rest."""
        image_controller = self._controller.image_controller
        now = "" if image_controller is None else image_controller.displayed_slice
        if image_controller is None or isinstance(now, str):
            return
        store = image_controller.session_store
        # the others follow when the slider is let go, see `choose`
        only = (store.object,) if len(store.labels) > _MANY else None
        self._set(image_controller, now.time, mm, (now.plane,), only)

    def choose(self, mm: float) -> None:
        """Show another detail everywhere."""
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        if not image_controller.session_store.sessions:
            self._controller.signals.failed.emit(
                Message("There are no outlines yet. Click on an object.")
            )
        for time in image_controller.session_store.sessions:
            self._set(image_controller, time, mm, None, None)
        self._tokens = {}
        self._controller.signals.changed.emit()

    def _set(
        self,
        image_controller: ImageController,
        time: int,
        mm: float,
        planes: tuple[Plane, ...] | None,
        labels: tuple[int, ...] | None,
    ) -> None:
        session = image_controller.session_store.sessions.get(time)
        if session is None:
            return
        # one token for one move of the slider, at each time point
        token = self._tokens.setdefault(time, session.document.token(DETAIL_TITLE))
        try:
            change = session.set_detail(mm, planes, token, labels)
        except IntSegError as err:
            self._controller.signals.failed.emit(told(err))
            return
        image_controller.draw(time, change)
