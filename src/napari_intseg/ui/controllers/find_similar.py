"""Search for more objects like those on the displayed plane, in the inference thread."""

from collections.abc import Callable, Iterator

import numpy as np
from napari.layers import Labels

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.masks.plane_state import Window
from napari_intseg.session.session import Session
from napari_intseg.session.similar import LIMIT_PX, TITLE, SearchRequest, SearchStep, search
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.qt.signals import told
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop


class FindSimilar:
    """Looks at one place after another; each object that is found is drawn at once.

    Clicks go in between. All that is found is one step of undo, unless something else was done
    meanwhile.

    Parameters
    ----------
    tools : Tools
        The inference thread and the signals.
    current : callable
        Returns the work on the chosen image; None before there is any.
    """

    def __init__(self, tools: Tools, current: Callable[[], ImageController | None]) -> None:
        self._tools, self._current = tools, current
        self._image_controller: ImageController | None = None
        self._steps: Iterator[SearchStep] | None = None
        self._time, self._plane = 0, Plane(0, 0)
        self._found: list[int] = []
        self._runs = 0
        self._cancelled = False

    @property
    def is_running(self) -> bool:
        """Whether a search is under way."""
        return self._image_controller is not None

    def start(self) -> None:
        """Begin on the displayed plane."""
        image_controller, signals = self._current(), self._tools.signals
        if self.is_running:
            return
        if image_controller is None:
            signals.failed.emit(
                Message("There is nothing to go by yet. Click on an object or two first.")
            )
            return
        now, session = (
            image_controller.displayed_slice,
            image_controller.session_store.session(image_controller.time),
        )
        if isinstance(now, str) or session is None:
            signals.failed.emit(
                now if isinstance(now, str) else Message("The model is not there yet.")
            )
            return
        try:
            self._steps = search(self._request(image_controller, session, now.plane))
        except IntSegError as err:
            signals.failed.emit(told(err))
            return
        self._image_controller, self._time, self._plane = image_controller, now.time, now.plane
        self._found, self._cancelled, self._runs = [], False, self._runs + 1
        signals.changed.emit()
        self._next()

    def cancel(self) -> None:
        """Stop before the next place; what is found is kept."""
        self._cancelled = True

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        self._image_controller = self._steps = None

    def _request(
        self, image_controller: ImageController, session: Session, plane: Plane
    ) -> SearchRequest:
        """Return the request: objects like all those that the labels show on the plane."""
        where = image_controller.image_axes.index(image_controller.time, plane)
        window = _window(image_controller.labels, where)
        labels = np.array(np.asarray(image_controller.labels.data[where])[window])
        return session.search_request(plane, window=window, labels=labels)

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> SearchStep | None:
            return None if steps is None else next(steps, None)

        self._tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[SearchStep | None]) -> None:
        image_controller, sought = self._image_controller, outcome.value
        if image_controller is None:
            return
        if image_controller.is_closed or self._current() is not image_controller:
            self._end("")
        elif outcome.error is not None:
            self._tools.signals.failed.emit(told(outcome.error))
            self._end("")
        elif sought is None or self._cancelled:
            self._take(image_controller, sought)
            self._end(self._ended())
        else:
            self._take(image_controller, sought)
            self._tools.signals.progressed.emit(sought.done, max(1, sought.total), "places")
            self._next()

    def _take(self, image_controller: ImageController, sought: SearchStep | None) -> None:
        session = image_controller.session_store.session(self._time)
        if sought is None or sought.found is None or session is None:
            return
        label = max(image_controller.session_store.labels, default=0) + 1
        token = f"{TITLE} {self._runs}"
        change = session.begin_with({self._plane: sought.found}, label, token=token)
        image_controller.session_store.know([label])
        image_controller.labels_writer.paint(Place(self._time, label, self._plane))
        for other in set(change.objects) - {label}:
            image_controller.labels_writer.paint(Place(self._time, other, self._plane))
        self._found.append(label)

    def _ended(self) -> str:
        count = len(self._found)
        if not count and self._cancelled:
            return Message("Search cancelled; nothing was found so far.")
        if not count:
            return Message("No more objects like these were found here.")
        found = counted(count, "{n} more object found.", "{n} more objects found.")
        if self._cancelled:
            found = counted(
                count, "{n} more object found so far.", "{n} more objects found so far."
            )
        then = Message("Click in one to correct it; Undo takes them all back.")
        return joined([found, then])

    def _end(self, text: str) -> None:
        self.close()
        self._tools.signals.progressed.emit(0, 0, "")
        if text:
            self._tools.signals.message.emit(text)
        self._tools.signals.changed.emit()


def _window(labels: Labels, where: tuple[int | slice, ...]) -> Window:
    """Return the area to search: the whole plane, or the visible part of a large one."""
    free = [axis for axis, part in enumerate(where) if isinstance(part, slice)]
    shape = [labels.data.shape[axis] for axis in free]
    if shape[0] * shape[1] <= LIMIT_PX:
        return slice(0, shape[0]), slice(0, shape[1])
    first, last = np.asarray(labels.corner_pixels)
    rows, cols = (slice(int(first[axis]), int(last[axis]) + 1) for axis in free)
    return rows, cols
