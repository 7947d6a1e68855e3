"""Prepare planes near the displayed one while the inference thread is idle."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from napari_intseg.core.volume import Plane
from napari_intseg.session.prefetch import PrepareRequest, prepare, to_prepare
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.controllers.model_loader import Loader
from napari_intseg.ui.layers.image_axes import DisplayedSlice
from napari_intseg.ui.qt.worker_thread import Job, Outcome, ShouldStop

REACH = (0, 1, -1, 2, -2)
"""Which planes, counted from the one in view, in this order."""

REST_MS = 300
"""So long a plane must be in view: those that are scrolled past are not prepared."""

_log = logging.getLogger(__name__)


class Prefetch:
    """Prepares, in the idle inference thread, what the next click will need.

    Only for models whose preparation is the slow part (`Traits.embeds`), only near the plane in
    view, and one plane at a time: a click that comes meanwhile waits for one plane at most.

    Parameters
    ----------
    tools : Tools
        The viewer, the inference thread and the signals.
    loader : Loader
        Which model.
    current : callable
        Returns the work on the chosen image; None before there is any.
    is_busy : callable
        Whether a propagation needs the thread.
    """

    def __init__(
        self,
        tools: Tools,
        loader: Loader,
        *,
        current: Callable[[], ImageController | None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._tools, self._post, self._loader = tools, tools.post, loader
        self._current, self._is_busy = current, is_busy
        self._tried: set[tuple[int, Plane]] = set()
        self._near: DisplayedSlice | None = None
        self._looks = 0
        self._job: Job[None] | None = None
        self._is_held = self._closed = False
        dims = tools.viewer.dims.events
        dims.point.connect(self._go_to)
        dims.order.connect(self._go_to)
        tools.signals.changed.connect(self._look_soon)
        tools.signals.given.connect(self.go_on)

    def close(self) -> None:
        """Prepare nothing any more."""
        self._closed = True
        dims = self._tools.viewer.dims.events
        dims.point.disconnect(self._go_to)
        dims.order.disconnect(self._go_to)
        self._tools.signals.changed.disconnect(self._look_soon)
        self._tools.signals.given.disconnect(self.go_on)

    def hold(self) -> None:
        """Prepare nothing until a prompt is given, or another plane, image or model is chosen.

        So what a person clears stays clear until something new is asked for.
        """
        self._is_held, self._near = True, None
        if self._job is not None:
            self._job.cancel()

    def go_on(self) -> None:
        """Prepare planes again: something new was asked for."""
        self._is_held = False

    def _go_to(self, _event: Any = None) -> None:
        self.go_on()
        self._look_soon()

    def _look_soon(self, _event: Any = None) -> None:
        model = self._loader.model
        if model is not None and model.traits.embeds and not self._closed:
            self._looks += 1
            self._post(partial(self._look, self._looks), REST_MS)

    def _look(self, number: int) -> None:
        if number == self._looks and self._job is None and not self._closed:
            self._prepare_next()

    def _prepare_next(self) -> None:
        ahead = None if self._is_held else self._next()
        if ahead is None:
            return

        def work(should_stop: ShouldStop) -> None:
            if not should_stop():
                prepare(ahead)

        self._job = self._tools.worker.submit(work, self._done, idle=True)

    def _done(self, outcome: Outcome[None]) -> None:
        self._job = None
        if outcome.error is not None:  # a click there will tell, if it fails again
            _log.info("a plane could not be prepared ahead: %s", outcome.error)
        if not self._closed:
            self._prepare_next()

    def _next(self) -> PrepareRequest | None:
        """Return the next plane to prepare; None if there is none, or others need the thread."""
        image_controller = self._current()
        if (
            image_controller is None
            or image_controller.is_closed
            or self._is_busy()
            or image_controller.is_waiting
        ):
            return None
        now = image_controller.displayed_slice
        if isinstance(now, str):
            return None
        if now != self._near:
            self._near, self._tried = now, set()
        image_controller.session_store.set_window()
        session = image_controller.session_store.session(now.time)
        if session is None:
            return None
        for step in REACH if session.volume.ndim == 3 else REACH[:1]:
            plane = Plane(now.plane.axis, now.plane.index + step)
            ahead = to_prepare(session, plane)
            if ahead is not None and (id(ahead.setup), plane) not in self._tried:
                self._tried.add((id(ahead.setup), plane))
                return ahead
        return None
