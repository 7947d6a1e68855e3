"""A chain of suggested clicks on the displayed plane, one after the other has been answered."""

from collections.abc import Callable

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.suggestions import MOST, ChainRequest, Suggestion, suggest
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.messages import Message, counted
from napari_intseg.ui.qt.signals import told
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop


class SuggestedClicks:
    """Adds the click that the model's doubts suggest, waits for its answer, and goes on.

    It ends where the model is unsure, when it is cancelled, or when a person does something else.
    Each click is one step of undo.

    Parameters
    ----------
    tools : Tools
        The worker that looks for them, and the signals that tell.
    current : callable
        Returns the work on the chosen image; None without one.
    """

    def __init__(self, tools: Tools, current: Callable[[], ImageController | None]) -> None:
        self._worker, self._signals = tools.worker, tools.signals
        self._current = current
        self._image_controller: ImageController | None = None
        self._time, self._plane, self._object = 0, Plane(0, 0), 0
        self._revision = self._count = 0
        self._waits = False
        self._signals.changed.connect(self._go_on)

    @property
    def is_running(self) -> bool:
        """Whether a chain is under way."""
        return self._image_controller is not None

    def start(self) -> None:
        """Begin for the current object on the displayed plane."""
        image_controller, signals = self._current(), self._signals
        if self.is_running:
            return
        if image_controller is None or isinstance(image_controller.displayed_slice, str):
            signals.failed.emit(
                Message("There is nothing to go by yet. Click on the object first.")
            )
            return
        now = image_controller.displayed_slice
        self._image_controller, self._time, self._plane = image_controller, now.time, now.plane
        self._object, self._count = image_controller.session_store.object, 0
        self._next()

    def cancel(self) -> None:
        """Stop; clicks that were made are kept."""
        if self.is_running:
            self._end(counted(self._count, "Stopped after {n} click.", "Stopped after {n} clicks."))

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        self._image_controller, self._waits = None, False

    def _next(self) -> None:
        try:
            request = self._request()
        except IntSegError as err:
            self._signals.failed.emit(told(err))
            self.close()
            return
        if request is None:
            self.close()
            return

        def work(_: ShouldStop) -> Suggestion | None:
            return suggest(request)

        self._worker.submit(work, self._found)

    def _request(self) -> ChainRequest | None:
        image_controller = self._image_controller
        assert image_controller is not None
        session = image_controller.session_store.session(self._time)
        if session is None:
            return None
        self._revision = session.revision
        return session.chain_request(self._plane)

    def _found(self, outcome: Outcome[Suggestion | None]) -> None:
        if not self.is_running:
            return
        if outcome.error is not None:
            self._signals.failed.emit(told(outcome.error))
            self.close()
        elif self._is_overtaken():
            self.close()
        elif outcome.value is None:
            self._end(
                counted(
                    self._count,
                    "{n} click suggested; the model is content, or unsure now. Undo takes back one "
                    "at a time.",
                    "{n} clicks suggested; the model is content, or unsure now. Undo takes back "
                    "one at a time.",
                )
            )
        else:
            self._take(outcome.value)

    def _take(self, found: Suggestion) -> None:
        image_controller = self._image_controller
        assert image_controller is not None
        self._count += 1
        self._waits = True
        image_controller.take_suggested(self._time, self._plane, found.click)
        self._signals.progressed.emit(self._count, MOST, "suggested clicks")

    def _go_on(self) -> None:
        """Ask for the next click once the last one has its answer."""
        image_controller = self._image_controller
        if image_controller is None or not self._waits or image_controller.is_waiting:
            return
        self._waits = False
        if self._count < MOST:
            self._next()
        else:
            self._end(
                counted(
                    self._count,
                    "{n} click suggested. Undo takes back one at a time.",
                    "{n} clicks suggested. Undo takes back one at a time.",
                )
            )

    def _is_overtaken(self) -> bool:
        image_controller = self._image_controller
        if (
            image_controller is None
            or image_controller.is_closed
            or self._current() is not image_controller
            or image_controller.session_store.object != self._object
        ):
            return True
        session = image_controller.session_store.session(self._time)
        return session is None or session.revision != self._revision

    def _end(self, text: str) -> None:
        self.close()
        self._signals.progressed.emit(0, 0, "")
        self._signals.message.emit(text)
        self._signals.changed.emit()
