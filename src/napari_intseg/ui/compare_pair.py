"""A second model beside the work on one image: it follows every click, and is compared."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.session.compare.two_answers import (
    CurvePoint,
    Window,
    joint_window,
)
from napari_intseg.session.masks.plane_state import Shown
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.compare_follow import Following
from napari_intseg.ui.compare_layers import (
    NOTHING,
    Change,
    Writing,
    make_agreement,
    make_second,
)
from napari_intseg.ui.compare_work import Compared, Work
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Outcome


class Pair(Following):
    """The work of a binder, followed by another model.

    Parameters
    ----------
    binder : Binder
        Is not changed.
    model : Segmenter
        The second model.
    name : str
        Its name; its layer is called after it.
    on_change : callable
        Called when there is something new to show.
    """

    def __init__(
        self, binder: Binder, model: Segmenter, name: str, *, on_change: Callable[[], None]
    ) -> None:
        super().__init__(binder, model, name, on_change)
        self.compared: dict[Place, Compared] = {}
        self.truth: Labels | None = None
        self._known: dict[Any, CurvePoint] = {}
        self._comparing = False
        self.labels, self.agreement = make_second(binder.frame, name), make_agreement(binder.frame)
        layers, active = binder.tools.viewer.layers, binder.tools.viewer.layers.selection.active
        for layer in (self.labels, self.agreement):
            layers.insert(layers.index(binder.labels) + 1, layer)
        layers.selection.active = active

    @property
    def is_idle(self) -> bool:
        """Whether the second model has answered all, and all is compared."""
        return not (self.is_waiting or self._dirty or self._comparing or self._has_more)

    def set_truth(self, truth: Labels | None) -> None:
        """Measure by a layer on the grid of the labels, or by none."""
        if truth is not self.truth:
            self.truth = truth
            self._known.clear()
            for (time, label), planes in self._seen.items():
                self._dirty.update((Place(time, label, plane), None) for plane in planes)
            self._compare()

    def masks(self, place: Place) -> tuple[BoolArray, BoolArray]:
        """Return both models' masks on a plane, bool (H, W)."""
        follower = self.follower(place.time)
        own = self.binder.drawer.mask(place)
        if follower is None or place.object not in follower.objects:
            return own, np.zeros_like(own)
        return own, follower.mask_on(place.plane, place.object)

    def close(self, *, remove: bool = True) -> None:
        """Ask for nothing any more; take the layers away, or leave them as they are."""
        if self.is_closed:
            return
        self.is_closed = True
        self._open.clear()
        self._dirty.clear()
        if self._job is not None:
            self._job.cancel()
        layers = self.binder.tools.viewer.layers
        for layer in (self.labels, self.agreement):
            if remove and layer in layers:
                layers.remove(layer)

    def _compare(self) -> None:
        if self._comparing or not self._dirty or self.is_closed:
            return
        place = self._pick(self._dirty)
        del self._dirty[place]
        self._comparing = True
        self.binder.tools.worker.submit(self._work(place), partial(self._found, place))

    def _work(self, place: Place) -> Work:
        session = self.binder.drawer.sessions[place.time]
        follower = self.follower(place.time)
        assert follower is not None
        label, plane = place.object, place.plane
        both = session, follower
        shown = [one.document.state(label, plane).shown for one in both]
        window = self._window(both, shown, place)
        one, other = (s.document.canvas.mask_on(label, plane, window) for s in both)
        where = self.binder.frame.index(place.time, plane)
        old = self.compared.get(place)
        return Work(
            window,
            (one, other),
            (session.asked(plane, label), follower.asked(plane, label)),
            (session.course(plane, label), follower.course(plane, label)),
            (session.model.traits.threshold, follower.model.traits.threshold),
            None if self.truth is None else self.truth.data,
            where,
            self._seed(session, place),
            NOTHING if old is None else old.drawn,
            (np.asarray(self.labels.data)[where], np.asarray(self.agreement.data)[where]),
            label,
            self._known,
        )

    def _window(
        self, both: tuple[Session, Session], shown: list[Shown | None], place: Place
    ) -> Window:
        """Return the part of the slice outside which neither mask has a pixel."""
        for session in both:
            canvas = session.document.canvas
            crossing = any(True for _ in canvas.crossing(place.object, place.plane))
            if crossing or canvas.painted(place.object):
                return canvas.whole(place.plane)
        return joint_window(*(one.slices for one in shown if one is not None))

    def _seed(self, session: Session, place: Place) -> tuple[int, ...] | None:
        """Return the voxel of the object's first positive click: the truth there is meant."""
        for plane, state in session.document.canvas.states(place.object):
            for click in state.prompts.clicks:
                if click.positive:
                    return grid_voxel(self.binder, place.time, plane, click.row, click.col)
        return None

    def _found(self, place: Place, outcome: Outcome[tuple[Compared, Change, Change]]) -> None:
        self._comparing = False
        if self.is_closed:
            return
        if outcome.value is None:
            self.binder.tools.voice.failed.emit(told(outcome.error))
        else:
            compared, second, agree = outcome.value
            self.compared[place] = compared
            if place.plane not in self._seen.get((place.time, place.object), {}):
                del self.compared[place]  # nothing is given there any more
            where, post = self.binder.frame.index(place.time, place.plane), self.binder.tools.post
            for layer, change in ((self.labels, second), (self.agreement, agree)):
                if change.values.size:
                    Writing(layer, where, change, post, lambda: not self.is_closed)()
        self._compare()
        self._on_change()


def grid_voxel(binder: Binder, time: int, plane: Plane, row: float, col: float) -> tuple[int, ...]:
    """Return the voxel of the labels' grid at a position on a slice."""
    where, free = binder.frame.index(time, plane), iter((row, col))
    return tuple(
        min(max(int(np.floor(next(free) + 0.5)), 0), n - 1) if isinstance(w, slice) else w
        for w, n in zip(where, binder.frame.shape, strict=True)
    )
