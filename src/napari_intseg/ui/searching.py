"""Finding more objects like those on the plane in the window, off its thread."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.masks.plane_state import Window
from napari_intseg.session.session import Session
from napari_intseg.session.similar import LIMIT_PX, TITLE, SearchRequest, SearchStep, search
from napari_intseg.ui.big import window_of
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Outcome, ShouldStop

if TYPE_CHECKING:
    from napari_intseg.ui.workbench import Workbench


class Searching:
    """Looks at one place after another; each object that is found is drawn at once.

    Clicks go in between. All that is found is one step of undo, unless something else was done
    meanwhile.

    Parameters
    ----------
    bench : Workbench
        Whose work.
    """

    def __init__(self, bench: "Workbench") -> None:
        self._bench = bench
        self._binder: Binder | None = None
        self._steps: Iterator[SearchStep] | None = None
        self._time, self._plane = 0, Plane(0, 0)
        self._found: list[int] = []
        self._runs = 0
        self._cancelled = False

    @property
    def is_running(self) -> bool:
        """Whether a search is under way."""
        return self._binder is not None

    def start(self) -> None:
        """Begin on the plane in the window."""
        binder, voice = self._bench.binder, self._bench.voice
        if self.is_running:
            return
        if binder is None:
            voice.failed.emit("There is nothing to go by yet. Click on an object or two first.")
            return
        now, session = binder.viewed, binder.drawer.session(binder.time)
        if isinstance(now, str) or session is None:
            voice.failed.emit(now if isinstance(now, str) else "The model is not there yet.")
            return
        try:
            self._steps = search(self._request(binder, session, now.plane))
        except IntSegError as err:
            voice.failed.emit(str(err))
            return
        self._binder, self._time, self._plane = binder, now.time, now.plane
        self._found, self._cancelled, self._runs = [], False, self._runs + 1
        voice.changed.emit()
        self._next()

    def cancel(self) -> None:
        """Stop before the next place; what is found is kept."""
        self._cancelled = True

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        self._binder = self._steps = None

    def _request(self, binder: Binder, session: Session, plane: Plane) -> SearchRequest:
        """Return what to look for: like all that the Labels layer shows on the plane."""
        where = binder.frame.index(binder.time, plane)
        window = _window(binder.labels, where)
        labels = np.array(window_of(binder.labels.data, where)[window])
        return session.search_request(plane, window=window, labels=labels)

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> SearchStep | None:
            return None if steps is None else next(steps, None)

        self._bench.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[SearchStep | None]) -> None:
        binder, sought = self._binder, outcome.value
        if binder is None:
            return
        if binder.is_closed or self._bench.binder is not binder:
            self._end("")
        elif outcome.error is not None:
            self._bench.voice.failed.emit(told(outcome.error))
            self._end("")
        elif sought is None or self._cancelled:
            self._take(binder, sought)
            self._end(self._ended())
        else:
            self._take(binder, sought)
            self._bench.voice.progressed.emit(sought.done, max(1, sought.total), "places")
            self._next()

    def _take(self, binder: Binder, sought: SearchStep | None) -> None:
        session = binder.drawer.session(self._time)
        if sought is None or sought.found is None or session is None:
            return
        label = max(binder.drawer.labels, default=0) + 1
        token = f"{TITLE} {self._runs}"
        change = session.begin_with({self._plane: sought.found}, label, token=token)
        binder.drawer.know([label])
        binder.painter.paint(Place(self._time, label, self._plane))
        for other in set(change.objects) - {label}:
            binder.painter.paint(Place(self._time, other, self._plane))
        self._found.append(label)

    def _ended(self) -> str:
        count = len(self._found)
        if not count:
            return "No more objects like these were found here."
        more = f"{count} more object{'' if count == 1 else 's'} found"
        so_far = " so far" if self._cancelled else ""
        return f"{more}{so_far}. Click in one to correct it; Undo takes them all back."

    def _end(self, text: str) -> None:
        self.close()
        self._bench.voice.progressed.emit(0, 0, "")
        if text:
            self._bench.voice.message.emit(text)
        self._bench.voice.changed.emit()


def _window(labels: Labels, where: tuple[int | slice, ...]) -> Window:
    """Return the whole plane, or of a large one what the window shows."""
    free = [axis for axis, part in enumerate(where) if isinstance(part, slice)]
    shape = [labels.data.shape[axis] for axis in free]
    if shape[0] * shape[1] <= LIMIT_PX:
        return slice(0, shape[0]), slice(0, shape[1])
    first, last = np.asarray(labels.corner_pixels)
    rows, cols = (slice(int(first[axis]), int(last[axis]) + 1) for axis in free)
    return rows, cols
