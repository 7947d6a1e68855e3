"""Propagation from the window: a plane at a time, so that clicks go in between."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from napari.utils import cancelable_progress

from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step, walk
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Outcome, ShouldStop


class Spread:
    """One propagation under way.

    Parameters
    ----------
    binder : Binder
        Whose current object spreads, at the time point in the window.
    planes : range or None
        Only to these; None: as far as the object goes.
    on_end : callable
        Called once, with what to tell.
    """

    def __init__(
        self, binder: Binder, planes: range | None, *, on_end: Callable[[str], None]
    ) -> None:
        self._binder = binder
        self._planes = planes
        self._on_end = on_end
        self._steps: Iterator[Step] = iter(())
        self._bar: Any = None
        self._cancelled = False
        self._done = 0
        self._total = 0
        self._label = binder.drawer.object
        now = binder.viewed
        self._time = 0 if isinstance(now, str) else now.time
        self.is_running = False

    def start(self) -> None:
        """Begin, or tell why not."""
        session = self._binder.drawer.session(self._time, self._label)
        if session is None:
            self._end("The model is still being loaded; propagate when it is there.")
            return
        now = self._binder.viewed
        if not isinstance(now, str):
            session.axis = now.plane.axis
        try:
            request = session.propagation_request(self._planes)
        except IntSegError as err:
            self._end(str(err))
            return
        self._total = len(request)
        if not self._total:
            self._end("Nothing to propagate: every plane between the clicks is up to date.")
            return
        self._steps = walk(request)
        self.is_running = True
        self._bar = cancelable_progress(
            total=self._total,
            desc=f"Propagating object {self._label}",
            cancel_callback=self.cancel,
            leave=False,
        )
        self._next()

    def cancel(self) -> None:
        """Stop before the next plane; what is done is kept."""
        self._cancelled = True

    def close(self) -> None:
        """Stop at once and tell nobody."""
        self._cancelled = True
        self.is_running = False
        self._close_bar()

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Step | None:
            return next(steps, None)

        self._binder.tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Step | None]) -> None:
        if not self.is_running:
            return
        step = outcome.value
        if outcome.error is not None:
            self._end(told(outcome.error))
        elif step is None:
            self._end(f"Object {self._label}: propagated to {self._done} planes.")
        elif self._binder.is_closed:
            self._end("Propagation ended because its layers were removed.")
        else:
            self._take(step)
            if self._is_cancelled():
                self._end(f"Propagation cancelled; {self._done} planes are done and kept.")
            else:
                self._next()

    def _take(self, step: Step) -> None:
        session = self._binder.drawer.session(self._time, self._label)
        if session is not None and session.accept_step(step):
            self._binder.painter.paint(Place(self._time, self._label, step.plane))
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        self._binder.tools.voice.progressed.emit(self._done, max(self._total, self._done), "planes")

    def _is_cancelled(self) -> bool:
        return self._cancelled or (self._bar is not None and self._bar.is_canceled)

    def _end(self, text: str) -> None:
        self.is_running = False
        with suppress(Exception):
            getattr(self._steps, "close", lambda: None)()
        self._close_bar()
        self._on_end(text)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
