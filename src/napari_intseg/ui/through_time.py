"""Following an object through time from the window, a time point at a time."""

from collections.abc import Iterator
from itertools import chain

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step
from napari_intseg.session.tracking import tracking_request
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import sentence, told
from napari_intseg.ui.workbench import Workbench
from napari_intseg.ui.worker import Outcome, ShouldStop

Next = tuple[Plane, Step] | None


class ThroughTime:
    """Carries the current object from the time point in the window to the others.

    Time points where a person clicked stay as they are. At each other one it is one step of undo.

    Parameters
    ----------
    bench : Workbench
        Whose work.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._steps: Iterator[tuple[Plane, Step]] | None = None
        self._token: object = None
        self._label = 0
        self._times: set[int] = set()
        self._note = ""
        self.is_running = False

    @property
    def is_possible(self) -> bool:
        """Whether the image has several time points."""
        binder = self._bench.binder
        return binder is not None and (binder.frame.n_times or 1) > 1

    def start(self) -> None:
        """Begin from the time point in the window."""
        binder, voice = self._bench.binder, self._bench.voice
        if self.is_running:
            return
        session = None if binder is None else binder.drawer.session(binder.time)
        if binder is None or session is None or not self.is_possible:
            voice.failed.emit("There is nothing to follow: click on an object in a time series.")
            return
        frame, self._label = binder.frame, binder.drawer.object
        try:
            found = tracking_request(
                binder.drawer.sessions, session, self._label, frame.n_times or 1, frame.volume
            )
        except IntSegError as err:
            voice.failed.emit(str(err))
            return
        self.is_running, self._token, self._times, self._note = True, object(), set(), ""
        self._steps = chain.from_iterable(one.steps() for one in found)
        voice.changed.emit()
        self._next()

    def cancel(self) -> None:
        """Stop before the next time point; what is done is kept."""
        self._steps = None

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Next:
            return None if steps is None else next(steps, None)

        self._bench.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Next]) -> None:
        binder, found = self._bench.binder, outcome.value
        if outcome.error is not None:
            self._bench.voice.failed.emit(told(outcome.error))
        elif found is not None and binder is not None and self._can_go_on(binder):
            self._take(*found)
            if self._steps is not None:
                self._next()
                return
        self.is_running, self._steps = False, None
        self._bench.voice.progressed.emit(0, 0, "")
        if outcome.error is None:  # else the error stays to be read
            self._bench.voice.message.emit(self._ended())
        self._bench.voice.changed.emit()

    def _can_go_on(self, binder: Binder) -> bool:
        return not binder.is_closed and self._label in binder.drawer.labels

    def _ended(self) -> str:
        count = len(self._times)
        ended = f"Object {self._label} followed to {count} time point{'' if count == 1 else 's'}."
        return f"{ended} {sentence(self._note)}" if self._note else ended

    def _take(self, plane: Plane, step: Step) -> None:
        binder = self._bench.binder
        assert binder is not None
        assert step.plane is not None
        time = step.plane.index
        self._bench.voice.progressed.emit(step.done, max(1, step.total), "planes")
        session = binder.drawer.session(time, self._label, make=True)
        if session is not None and session.accept_followed(self._label, plane, step, self._token):
            self._times.add(time)
            self._note = step.note or self._note
            binder.painter.paint(Place(time, self._label, plane))
