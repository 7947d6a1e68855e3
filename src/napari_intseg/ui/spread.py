"""Propagation from the window: a plane at a time, so that clicks go in between."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from napari.utils import cancelable_progress

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step, WalkSettings, walk
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import sentence, told
from napari_intseg.ui.worker import Outcome, ShouldStop


class Spread:
    """One propagation, from the start to its end; a click on the way makes it begin again there.

    Parameters
    ----------
    binder : Binder
        Whose current object spreads, at the time point in the window.
    planes : range or None
        Only to these; None: as far as the object goes.
    settings : WalkSettings, optional
        How.
    on_end : callable
        Called once, with what to tell.

    Attributes
    ----------
    label : int
        Of the object that spreads.
    """

    def __init__(
        self,
        binder: Binder,
        planes: range | None,
        *,
        settings: WalkSettings | None = None,
        on_end: Callable[[str], None],
    ) -> None:
        self._binder = binder
        self._planes, self._settings = planes, settings
        self._on_end = on_end
        self.label = binder.drawer.object
        self._time = binder.time
        self._steps: Iterator[Step] | None = None
        self._bar: Any = None
        self._cancelled = False
        self._done: set[Plane] = set()
        self._note = ""
        self.is_running = False

    def start(self) -> None:
        """Begin as soon as all clicks are answered."""
        self.is_running = True
        self._binder.tools.voice.changed.connect(self._begin)
        self._begin()

    def cancel(self) -> None:
        """Stop before the next plane; what is done is kept."""
        self._cancelled = True
        if self._steps is None:
            self._begin()

    def close(self) -> None:
        """Stop at once and tell nobody."""
        self._cancelled = True
        self._stop()

    def _begin(self) -> None:
        if not self.is_running or self._steps is not None:
            return
        if self._is_cancelled():
            self._end(f"Propagation cancelled; {_planes(self._done)} done and kept.")
        elif self._binder.is_closed:
            self._end("Propagation ended because its layers were removed.")
        elif not self._binder.is_waiting:
            self._ask()

    def _ask(self) -> None:
        session = self._session()
        if session is None:
            return  # the model is being loaded, and `changed` will tell when it is there
        if self.label not in session.objects:
            self._end(f"Propagation ended because object {self.label} was removed.")
            return
        now = self._binder.viewed
        if not isinstance(now, str) and not self._done:
            session.axis = now.plane.axis
        try:
            request = session.propagation_request(self._planes, settings=self._settings)
        except IntSegError as err:
            self._binder.tools.voice.failed.emit(str(err))
            self._end("")
            return
        if not request.stretches:
            done = f"propagated to {_planes(self._done)}" if self._done else "is up to date"
            self._end(f"Object {self.label} {done}.")
            return
        self._steps = walk(request)
        self._close_bar()
        self._bar = cancelable_progress(
            total=max(1, request.total),
            desc=f"Propagating object {self.label}",
            cancel_callback=self.cancel,
            file=StringIO(),  # the window shows it; nothing is printed
        )
        if self.is_running:  # napari has let the window live, which may have been closed
            self._next()
        else:
            self._close_bar()

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Step | None:
            return None if steps is None else next(steps, None)

        self._binder.tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Step | None]) -> None:
        if not self.is_running:
            return
        step = outcome.value
        if outcome.error is not None:
            self._binder.tools.voice.failed.emit(told(outcome.error))
            self._end("")
        elif step is None or self._binder.is_closed or self._is_cancelled():
            self._steps = None
            if step is not None and not self._binder.is_closed:
                self._take(step)
            self._begin()
        elif self._take(step):
            if self.is_running:
                self._next()
        else:  # overtaken by a click: once that is answered, begin anew where it matters
            self._steps = None
            self._begin()

    def _take(self, step: Step) -> bool:
        session = self._session()
        if session is None:
            return False
        before = session.propagated_planes(step.stretch.axis) if step.plane is None else ()
        if not session.accept_step(step):
            return False
        if step.plane is not None:
            self._done.add(step.plane)
            self._paint(step.plane)
            self._tell(step.note)
        for plane in before:  # what an earlier propagation left beyond the object's end
            if plane.index in step.stretch and plane.index not in step.answered:
                self._paint(plane)
        self._binder.tools.voice.progressed.emit(step.done, max(1, step.total), "planes")
        if self._bar is not None:  # last: napari lets the window live here, which may be closed
            self._bar.update(step.done - self._bar.n)
        return True

    def _tell(self, note: str) -> None:
        """Tell what an answer says of itself, once; at the end it is told again."""
        if note and note != self._note:
            self._note = note
            self._binder.tools.voice.message.emit(sentence(note))

    def _paint(self, plane: Plane) -> None:
        self._binder.painter.paint(Place(self._time, self.label, plane))

    def _session(self) -> Session | None:
        return self._binder.drawer.session(self._time, self.label)

    def _is_cancelled(self) -> bool:
        return self._cancelled or (self._bar is not None and self._bar.is_canceled)

    def _end(self, text: str) -> None:
        self._stop()
        self._on_end(f"{text} {sentence(self._note)}" if text and self._note else text)

    def _stop(self) -> None:
        if self.is_running:
            self.is_running = False
            self._binder.tools.voice.changed.disconnect(self._begin)
        self._steps = None
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _planes(done: set[Plane]) -> str:
    return f"{len(done)} plane{'' if len(done) == 1 else 's'}"
