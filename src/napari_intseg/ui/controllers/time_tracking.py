"""Following an object through time from the window, a time point at a time."""

from collections.abc import Iterator
from itertools import chain

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step
from napari_intseg.session.tracking import tracking_request
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.signals import sentence, told
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop

Next = tuple[Plane, Step] | None


class TimeTracking:
    """Carries the current object from the time point in the window to the others.

    Time points where a person clicked stay as they are. At each other one it is one step of undo.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    """

    def __init__(self, controller: ViewerController) -> None:
        self._controller = controller
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
        self.is_running, self._token, self._times, self._note = True, object(), set(), ""
        self._steps = chain.from_iterable(one.steps() for one in found)
        signals.changed.emit()
        self._next()

    def cancel(self) -> None:
        """Stop before the next time point; what is done is kept."""
        self._steps = None

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
        if outcome.error is None:  # else the error stays to be read
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
