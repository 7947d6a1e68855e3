"""Propagation from the window: a plane at a time, so that clicks go in between."""

from collections.abc import Callable, Collection, Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from napari.utils import cancelable_progress

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError, RemoteCancelledError
from napari_intseg.propagation.guard import Stop, warnings
from napari_intseg.propagation.stretch import Stretch
from napari_intseg.propagation.walk import Step, Walk, WalkSettings, walk, walk_all
from napari_intseg.session.session import Session
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, listen, sentence, told

if TYPE_CHECKING:
    pass

# objects named in a status line that broke out; the others are counted
_NAMED = 3


class PropagationRun:
    """One propagation, from the start to its end; a click on the way makes it begin again there.

    Parameters
    ----------
    image_controller : ImageController
        Whose objects are propagated, at the displayed time point.
    labels : sequence of int
        Of the objects; they take turns, so that a plane is encoded once for all.
    planes : range or None
        Only to these; None: as far as the objects go.
    settings : WalkSettings, optional
        How.
    together, near : optional
        As in `Session.propagation_request`.
    on_end : callable
        Called once, with a message for the status line.

    Attributes
    ----------
    labels : tuple of int
        As given.
    near : Plane or None
        As given.
    """

    def __init__(
        self,
        image_controller: ImageController,
        labels: Sequence[int],
        planes: range | None,
        *,
        settings: WalkSettings | None = None,
        together: str | None = None,
        near: Plane | None = None,
        on_end: Callable[[str], None],
    ) -> None:
        self._image_controller = image_controller
        self.labels = tuple(labels)
        # the last stretch of each object
        self._left: list[tuple[int, Stretch]] = []
        self.near = near
        self._planes, self._settings, self._together = planes, settings, together
        self._on_end = on_end
        self._time, self._axis = image_controller.time, _axis(image_controller)
        if near is not None:
            # the plane of the click, even if the person shows another axis meanwhile
            self._axis = near.axis
        self._steps: Iterator[Step] | None = None
        self._bar: Any = None
        self._cancelled = False
        self._done: set[tuple[int, Plane]] = set()
        self._note = ""
        self._stops: list[tuple[int, Stop]] = []
        self.is_running = False

    @property
    def _is_of_many(self) -> bool:
        return len(self.labels) > 1

    def start(self) -> None:
        """Begin as soon as all clicks are answered."""
        self.is_running = True
        # answers to clicks come by this signal
        self._image_controller.tools.signals.edited.connect(self._begin)
        self._begin()

    def cancel(self) -> None:
        """Stop before the next plane; what is done is kept."""
        self._cancelled = True
        if self._steps is None:
            self._begin()

    def close(self) -> None:
        """Stop at once, without a message."""
        self._cancelled = True
        self._stop()

    def _begin(self) -> None:
        if not self.is_running or self._steps is not None:
            return
        if self._is_cancelled():
            self._end(
                Message(
                    "Propagation cancelled; {planes} done and kept.", planes=_planes(self._done)
                )
            )
        elif self._image_controller.is_closed:
            self._end(Message("Propagation ended because its layers were removed."))
        elif not self._image_controller.is_waiting:
            self._ask()

    def _ask(self) -> None:
        session = self._session()
        if session is None:
            # the model is loading; `changed` is emitted when it is ready
            return
        if self._axis is not None:
            session.axis = self._axis
        try:
            requests = self._requests(session)
        except IntSegError as err:
            self._image_controller.tools.signals.failed.emit(told(err))
            self._end("")
            return
        if requests:
            self._walk(requests)
        elif self.labels[-1] not in session.objects and not self._is_of_many:
            self._end(
                Message(
                    "Propagation ended because object {label} was removed.", label=self.labels[-1]
                )
            )
        else:
            self._end(self._told())

    def _requests(self, session: Session) -> list[Walk]:
        """Return what is left to do for each object."""
        chosen = [
            label
            for label in self.labels
            if (session.can_propagate(label) if self._is_of_many else label in session.objects)
        ]
        near = None if self.near is None else self.near.index
        requests = [
            session.propagation_request(
                self._planes,
                settings=self._settings,
                label=label,
                together=self._together,
                near=near,
            )
            for label in chosen
        ]
        return [request for request in requests if request.stretches]

    def _told(self) -> str:
        """Return a message that says what was done."""
        if not self._is_of_many:
            label, planes = self.labels[0], _planes(self._done)
            if self.near is not None:
                return Message(
                    "Object {label} answered in 3-D, {planes} beside plane {number}.",
                    label=label,
                    planes=planes,
                    number=self._number(),
                )
            if not self._done:
                return Message("Object {label} is up to date.", label=label)
            return Message("Object {label} propagated to {planes}.", label=label, planes=planes)
        if not self._done:
            return Message("All {count} objects are up to date.", count=len(self.labels))
        return Message(
            "{some} of {count} objects propagated, {planes} in all.",
            some=len({label for label, _ in self._done}),
            count=len(self.labels),
            planes=_planes(self._done),
        )

    def _number(self) -> int:
        assert self.near is not None
        return self._image_controller.plane_number(self.near)

    def _walk(self, requests: Sequence[Walk]) -> None:
        first = requests[0]
        self._steps = walk_all(requests) if self._is_of_many else walk(first)
        self._left = [(request.label, request.stretches[-1]) for request in requests]
        # answers in 3-D have no bar: one for every click would flash
        if self.near is None and (self._bar is None or not self._is_of_many):
            self._close_bar()
            many = f"{len(self.labels)} objects" if self._is_of_many else f"object {first.label}"
            self._bar = cancelable_progress(
                total=len(self.labels) if self._is_of_many else max(1, first.total),
                desc=f"Propagating {many}",
                cancel_callback=self.cancel,
                # the window shows it; nothing is printed
                file=StringIO(),
            )
        # napari has let the window live, which may have been closed
        if self.is_running:
            self._next()
        else:
            self._close_bar()

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Step | None:
            return None if steps is None else next(steps, None)

        self._image_controller.tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Step | None]) -> None:
        if not self.is_running:
            return
        step = outcome.value
        # the model is about to change
        if isinstance(outcome.error, RemoteCancelledError):
            self._cancelled = True
        elif outcome.error is not None:
            self._image_controller.tools.signals.failed.emit(told(outcome.error))
            self._end("")
            return
        if step is None or self._image_controller.is_closed or self._is_cancelled():
            self._steps = None
            if step is not None and not self._image_controller.is_closed:
                self._take(step)
            self._begin()
        elif self._take(step):
            if self.is_running:
                self._next()
        else:
            # overtaken by a click: once that is answered, begin anew where it matters
            self._steps = None
            self._begin()

    def _take(self, step: Step) -> bool:
        session = self._session()
        if session is None:
            return False
        label = step.walk.label
        # asked first: accepting the end of a stretch takes stale planes away
        before = session.propagated_planes(step.stretch.axis, label) if step.plane is None else ()
        if not session.accept_step(step):
            return False
        if step.plane is not None:
            self._done.add((label, step.plane))
            self._paint(label, step.plane)
            self._tell(step.note)
        # what an earlier propagation left beyond the object's end
        for plane in before:
            if plane.index in step.stretch and plane.index not in step.answered:
                self._paint(label, plane)
        self._stops += [(label, stop) for stop in step.stops]
        done, total, of = step.done, max(1, step.total), "planes"
        if self._is_of_many:
            if step.plane is None and (label, step.stretch) in self._left:
                self._left.remove((label, step.stretch))
            # objects are counted, since planes of all of them would be a number that says little
            done, total, of = len(self.labels) - len(self._left), len(self.labels), "objects"
        self._image_controller.tools.signals.progressed.emit(done, total, of)
        # last: napari lets the window live here, which may be closed
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        return True

    def _tell(self, note: str) -> None:
        """Show the note of an answer once; `_end` repeats it."""
        if note and note != self._note:
            self._note = note
            self._image_controller.tools.signals.message.emit(sentence(note))

    def _paint(self, label: int, plane: Plane) -> None:
        self._image_controller.labels_writer.paint(Place(self._time, label, plane))

    def _session(self) -> Session | None:
        return self._image_controller.session_store.session(self._time)

    def _is_cancelled(self) -> bool:
        return self._cancelled or (self._bar is not None and self._bar.is_canceled)

    def _end(self, text: str) -> None:
        self._stop()
        broke_out = [sentence(warning) for warning in warnings(self._stops)]
        if len(broke_out) > _NAMED:
            broke_out[_NAMED:] = [Message("And {n} more objects.", n=len(broke_out) - _NAMED)]
        more = [*([sentence(self._note)] if self._note else []), *broke_out]
        self._on_end(joined([text, *more]) if text else text)

    def _stop(self) -> None:
        if self.is_running:
            self.is_running = False
            self._image_controller.tools.signals.edited.disconnect(self._begin)
        self._steps = None
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class AnswersIn3d:
    """Carries each click to the neighbouring planes as soon as it is answered; without Qt.

    The planes nearest to the click come first, in the background; the next click overtakes it.

    Parameters
    ----------
    tools : Tools
        Whose signals tell of clicks and answers.
    current : callable
        Returns the work on the chosen image; None before there is any.
    begin : callable
        Carries the current object from a plane on; False if something else is under way.
    overtake : callable
        Stops what `begin` began.
    """

    def __init__(
        self,
        tools: Tools,
        current: Callable[[], ImageController | None],
        *,
        begin: Callable[[Plane], bool],
        overtake: Callable[[], None],
    ) -> None:
        self._signals, self._current = tools.signals, current
        self._begin, self._overtake = begin, overtake
        self._is_on = self._is_due = False

    @property
    def is_on(self) -> bool:
        """Whether it does so; settable."""
        return self._is_on

    @is_on.setter
    def is_on(self, on: bool) -> None:
        self._is_on, self._is_due = on, self._is_due and on
        # `given` comes before the click is answered, `edited` after it
        listen(self._signals.given, self._clicked, on)
        listen(self._signals.edited, self._look, on)

    def close(self) -> None:
        """Listen no longer."""
        self.is_on = False

    def _clicked(self) -> None:
        self._is_due = True
        self._overtake()

    def _look(self) -> None:
        """Begin once the click is answered."""
        image_controller = self._current() if self._is_due else None
        if image_controller is None or image_controller.is_closed or image_controller.is_waiting:
            return
        store = image_controller.session_store
        session = store.session(image_controller.time)
        plane = None if session is None else session.predictor.last_plane
        if session is None or plane is None or session.volume.ndim < 3:
            return
        # the click's own axis
        session.axis = plane.axis
        if session.can_propagate(store.object) and self._begin(plane):
            self._is_due = False


def _axis(image_controller: ImageController) -> int | None:
    """Return the axis perpendicular to the displayed slice; None in a 3-D view."""
    now = image_controller.displayed_slice
    return None if isinstance(now, str) else now.plane.axis


def _planes(done: Collection[object]) -> Message:
    return counted(len(done), "{n} plane", "{n} planes")
