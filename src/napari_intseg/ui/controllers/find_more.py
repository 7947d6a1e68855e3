"""What the model finds by itself, in the inference thread: next clicks, and similar objects."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.patch import Window
from napari_intseg.session.session import Session
from napari_intseg.session.similar import LIMIT_PX, TITLE, SearchRequest, SearchStep, search
from napari_intseg.session.suggestions import MOST, ChainRequest, Suggestion, suggest
from napari_intseg.ui.controllers.image_controller import ImageController, Tools
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message, counted, joined
from napari_intseg.ui.preferences import preferences
from napari_intseg.ui.qt.worker_thread import Outcome, ShouldStop, listen, told

if TYPE_CHECKING:
    from napari_intseg.inference.candidates import LikenessNetwork
    from napari_intseg.models.click_policy import ClickPolicy


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
        # answers come by this signal
        listen(self._signals.edited, self._go_on, True)
        self._next()

    def cancel(self) -> None:
        """Stop; clicks that were made are kept."""
        if self.is_running:
            self._end(counted(self._count, "Stopped after {n} click.", "Stopped after {n} clicks."))

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        self._image_controller, self._waits = None, False
        listen(self._signals.edited, self._go_on, False)

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

        name = preferences().click_policy

        def work(_: ShouldStop) -> Suggestion | None:
            # read in the thread that waits for answers, once
            return suggest(replace(request, policy=_policy(name)) if name else request)

        self._worker.submit(work, self._found)

    def _request(self) -> ChainRequest | None:
        image_controller = self._image_controller
        assert image_controller is not None
        session = image_controller.session_store.session(self._time)
        if session is None:
            return None
        # anything that is done after this makes the suggestion one for another answer
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
        # each search has a token of its own, so that two are two steps of undo
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
        # the layer, not the session: it also shows objects that are from before
        labels = np.array(np.asarray(image_controller.labels.data[where])[window])
        name = preferences().guided_network
        request = session.search_request(plane, window=window, labels=labels)
        return replace(request, network=partial(_guided, name)) if name else request

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
        # what was under way when it was cancelled has been computed: it is kept
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
        # objects that gave up pixels to the new one
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


@cache
def _guided(name: str) -> "LikenessNetwork":
    from napari_intseg.models.guided.guided_network import load_guided

    return load_guided(name)


@cache
def _policy(name: str) -> "ClickPolicy":
    from napari_intseg.models.click_policy import load_policy

    return load_policy(name)


def _window(labels: Labels, where: tuple[int | slice, ...]) -> Window:
    """Return the area to search: the whole plane, or the visible part of a large one."""
    free = [axis for axis, part in enumerate(where) if isinstance(part, slice)]
    shape = [labels.data.shape[axis] for axis in free]
    if shape[0] * shape[1] <= LIMIT_PX:
        return slice(0, shape[0]), slice(0, shape[1])
    # what napari shows now of a plane that is too large to be searched at once
    first, last = np.asarray(labels.corner_pixels)
    rows, cols = (slice(int(first[axis]), int(last[axis]) + 1) for axis in free)
    return rows, cols
