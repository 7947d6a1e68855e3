"""A mark where a click would say most; it is no prompt, and goes when it has served."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Points

from napari_intseg.core.prompts import Prompts
from napari_intseg.inference.seeing import PreparedStore
from napari_intseg.session.both_ways import both_ways, differing
from napari_intseg.session.compare import Spot, deepest
from napari_intseg.session.setup import Question
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.compare_pair import Pair, grid_voxel
from napari_intseg.ui.layers import Place, geometry
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Outcome, ShouldStop

NAME = "suggested click"
COLOUR = "#ffe14d"


class Hint:
    """Suggests a click in one viewer, and shows where.

    Parameters
    ----------
    on_change : callable
        Called when the mark has come or gone.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._mark: Points | None = None
        self._binder: Binder | None = None
        self._place: Place | None = None
        self._given: Prompts | None = None
        self._asked = 0

    @property
    def mark(self) -> Points | None:
        """The layer with the mark; None while there is none."""
        return self._mark

    def suggest(self, binder: Binder, pair: Pair | None) -> None:
        """Mark where two models disagree most deeply on the plane in the window.

        Without a second model it is where the answers on the slice and on its mirror image do.
        """
        now = binder.viewed
        if isinstance(now, str):
            binder.tools.voice.failed.emit(now)
            return
        place = Place(now.time, binder.drawer.object, now.plane)
        session = binder.drawer.sessions.get(now.time)
        shown = None if session is None else session.document.state(place.object, now.plane).shown
        self._asked += 1
        if pair is not None:
            one, other = pair.masks(place)
            binder.tools.worker.submit(
                lambda _: deepest(one ^ other), partial(self._found, binder, place, self._asked)
            )
        elif session is None or shown is None or shown.question is None:
            binder.tools.voice.failed.emit("There is no answer to doubt yet. Click first.")
        else:
            question, store = shown.question, session.cache

            def work(_: ShouldStop) -> Spot | None:
                return _doubt(question, store)

            binder.tools.worker.submit(work, partial(self._found, binder, place, self._asked))

    def check(self) -> None:
        """Take the mark away once something else has been given at its place."""
        if self._binder is None or self._place is None:
            return
        is_old = self._binder.is_closed or self._prompts(self._binder, self._place) != self._given
        if self._mark is not None and (is_old or self._mark not in self._layers()):
            self.clear()

    def clear(self) -> None:
        """Take the mark away."""
        self._asked += 1
        mark, self._mark = self._mark, None
        if mark is not None and mark in self._layers():
            self._layers().remove(mark)
        self._binder = self._place = self._given = None
        self._on_change()

    def _found(
        self, binder: Binder, place: Place, number: int, outcome: Outcome[Spot | None]
    ) -> None:
        if number != self._asked or binder.is_closed:
            return
        voice = binder.tools.voice
        if outcome.error is not None:
            voice.failed.emit(told(outcome.error))
        elif outcome.value is None:
            self.clear()
            voice.message.emit("There is no disagreement on this plane, hence no click to suggest.")
        else:
            self._show(binder, place, outcome.value)
            voice.message.emit(
                "Suggested: click at the yellow ring, left if it belongs to the object and right "
                "if it does not."
            )

    def _show(self, binder: Binder, place: Place, spot: Spot) -> None:
        self.clear()
        voxel = grid_voxel(binder, place.time, place.plane, spot.row, spot.col)
        self._binder, self._place = binder, place
        self._given = self._prompts(binder, place)
        self._mark = Points(
            np.array([voxel], float),
            name=NAME,
            symbol="disc",
            face_color="transparent",
            border_color=COLOUR,
            border_width=0.12,
            size=float(np.max(binder.points.current_size)) * 1.6,
            canvas_size_limits=(14, 40),
            **geometry(binder.frame),
        )
        self._mark.editable = False
        layers = self._layers()
        active = layers.selection.active
        layers.append(self._mark)
        layers.selection.active = active
        self._on_change()

    def _layers(self) -> Any:
        return [] if self._binder is None else self._binder.tools.viewer.layers

    def _prompts(self, binder: Binder, place: Place) -> Prompts:
        session = binder.drawer.sessions.get(place.time)
        if session is None:
            return Prompts()
        return session.document.state(place.object, place.plane).prompts


def _doubt(question: Question, store: PreparedStore) -> Spot | None:
    """Return where the plain and the mirrored answer differ most deeply."""
    differs, (row0, col0) = differing(question, both_ways(question, store))
    spot = deepest(differs)
    return None if spot is None else Spot(spot.row + row0, spot.col + col0, spot.depth_px)
