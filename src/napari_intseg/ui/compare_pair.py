"""A second model beside the work on one image: it follows every click, and is compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_intseg.core.segmenter import Array, BoolArray, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.compare import (
    Moment,
    Overlap,
    Window,
    agreement,
    iou_with,
    joint_window,
    moment,
    overlap,
)
from napari_intseg.session.document import SETUP
from napari_intseg.session.follow import Follower
from napari_intseg.session.request import Result, run
from napari_intseg.session.session import Session
from napari_intseg.session.setup import Question, Setup
from napari_intseg.session.state import PlaneState, Shown
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.compare_layers import (
    NOTHING,
    Change,
    Drawn,
    Index,
    Writing,
    make_agreement,
    make_second,
    new_agreement,
    new_second,
)
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Job, Outcome, ShouldStop

Course = dict[int, SliceAnswer]

_States = tuple[PlaneState | None, PlaneState | None]
"""What the two sessions know of an object on a plane."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """How the two answers on a plane compare.

    Parameters
    ----------
    overlap : Overlap
        Of the masks that are shown.
    moments : tuple of Moment
        Click by click.
    truth : (float, float) or None
        IoU of each with the truth.
    drawn : Drawn
        Where they agree.
    """

    overlap: Overlap
    moments: tuple[Moment, ...]
    truth: tuple[float, float] | None
    drawn: Drawn


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One comparison, all that it needs; done in the inference thread."""

    window: Window
    masks: tuple[BoolArray, BoolArray]
    questions: tuple[Question, Question]
    courses: tuple[Course, Course]
    thresholds: tuple[float, float]
    truth: Array | None
    where: Index
    seed: tuple[int, ...] | None
    old: Drawn
    currents: tuple[Array, Array]
    label: int
    known: dict[Any, Moment] = field(default_factory=dict)

    def __call__(self, _stop: ShouldStop) -> tuple[Compared, Change, Change]:
        truth = None if self.truth is None else _truth_on(self.truth, self.where, self.seed)
        told = None
        if truth is not None:
            size = int(np.count_nonzero(truth))
            one, other = (iou_with(mask, self.window, truth, size) for mask in self.masks)
            told = one, other
        drawn = Drawn(self.window, agreement(*self.masks))
        compared = Compared(overlap(*self.masks), tuple(self._moments(truth)), told, drawn)
        return (
            compared,
            new_second(self.currents[0], self.old, drawn, self.label),
            new_agreement(self.currents[1], self.old, drawn),
        )

    def _moments(self, truth: BoolArray | None) -> Iterator[Moment]:
        one, other = self.courses
        for count in sorted(one.keys() & other.keys()):
            # equal questions have equal answers
            key = (*(question.after(count) for question in self.questions), self.seed)
            if key not in self.known:
                answers = one[count], other[count]
                self.known[key] = moment(count, answers, self.thresholds, truth)
            yield self.known[key]


class Pair:
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
        self.binder, self.model, self.name = binder, model, name
        self.compared: dict[Place, Compared] = {}
        self.truth: Labels | None = None
        self.is_closed = False
        self._on_change = on_change
        self._followers: dict[int, Follower] = {}
        self._open: dict[Place, None] = {}
        self._dirty: dict[Place, None] = {}
        self._seen: dict[tuple[int, int], dict[Plane, _States]] = {}
        self._known: dict[Any, Moment] = {}
        self._current: Place | None = None
        self._job: Job[Result] | None = None
        self._comparing = False
        self.labels, self.agreement = make_second(binder.frame, name), make_agreement(binder.frame)
        layers, active = binder.tools.viewer.layers, binder.tools.viewer.layers.selection.active
        for layer in (self.labels, self.agreement):
            layers.insert(layers.index(binder.labels) + 1, layer)
        layers.selection.active = active

    @property
    def is_idle(self) -> bool:
        """Whether the second model has answered all, and all is compared."""
        return not (self.is_waiting or self._dirty or self._comparing)

    @property
    def is_waiting(self) -> bool:
        """Whether the second model has still to answer."""
        return self._current is not None or bool(self._open)

    def follower(self, time: int) -> Follower | None:
        """Return the second model's session of a time point; None while there is no first."""
        session = self.binder.drawer.sessions.get(time)
        if session is None:
            return None
        if time not in self._followers:
            setup = replace(session.setup, model=self.model)
            made = Follower(self.model, setup.volume, axis=session.axis)
            made.document.history.amend(SETUP, setup)
            self._followers[time] = made
        found = self._followers[time]
        if _looks(found.setup) != _looks(session.setup):
            found.document.history.amend(SETUP, replace(session.setup, model=self.model))
        return found

    def follow(self) -> None:
        """Give the second model what has been given since, and compare what has changed."""
        if self.is_closed or self.binder.is_closed:
            return
        for time, session in self.binder.drawer.sessions.items():
            follower = self.follower(time)
            if follower is not None:
                for label in {*session.objects, *follower.objects}:
                    self._follow_object(time, session, follower, label)
        self._ask()
        self._compare()

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

    def _follow_object(self, time: int, session: Session, follower: Follower, label: int) -> None:
        states = dict(session.document.canvas.states(label))
        if all(state.is_given for state in states.values()):
            follower.forget_propagated(label)
        own = dict(follower.document.canvas.states(label))
        seen = self._seen.setdefault((time, label), {})
        for plane in {*states, *own, *seen}:
            if seen.get(plane) == (states.get(plane), own.get(plane)):
                continue  # states are compared by identity: nothing has changed
            place = Place(time, label, plane)
            if follower.follow(session, label, plane):
                self._open.pop(place, None)
                self._open[place] = None
                if place == self._current and self._job is not None:
                    self._job.cancel()
            now = states.get(plane), follower.document.canvas.get(label, plane)
            if _shown(seen.get(plane)) != _shown(now):
                self._dirty[place] = None
            seen[plane] = now
            if now == (None, None):
                del seen[plane]
        if follower.follow_strokes(session, label):
            self._dirty.update((Place(time, label, plane), None) for plane in seen)

    def _ask(self) -> None:
        """Have the next answer computed: after the first model's, which goes before all."""
        while self._current is None and self._open and not self.binder.is_waiting:
            place = self._pick(self._open)
            del self._open[place]
            follower = self.follower(place.time)
            if follower is None or place.object not in follower.objects:
                continue
            follower.select_object(place.object)
            try:
                request = follower.request(place.plane)
            except IntSegError as err:
                self.binder.tools.voice.failed.emit(str(err))
                continue
            if request is not None:
                self._current = place
                self._job = self.binder.tools.worker.submit(partial(run, request), self._answered)

    def _answered(self, outcome: Outcome[Result]) -> None:
        place, self._current, self._job = self._current, None, None
        if self.is_closed or place is None:
            return
        follower = self.follower(place.time)
        if outcome.value is None:
            self.binder.tools.voice.failed.emit(f"{self.name}: {told(outcome.error)}")
        elif follower is not None:
            if place.object in follower.objects:
                follower.select_object(place.object)
            if not follower.accept(outcome.value):
                self._open[place] = None  # overtaken: what has come meanwhile is asked next
        self.follow()
        self._on_change()

    def _compare(self) -> None:
        if self._comparing or not self._dirty or self.is_closed:
            return
        place = self._pick(self._dirty)
        del self._dirty[place]
        self._comparing = True
        self.binder.tools.worker.submit(self._work(place), partial(self._found, place))

    def _work(self, place: Place) -> _Work:
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
        return _Work(
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

    def _pick(self, places: dict[Place, None]) -> Place:
        """Return what is in the window, else the newest."""
        now = self.binder.viewed
        if not isinstance(now, str):
            here = [p for p in places if (p.time, p.plane) == (now.time, now.plane)]
            if here:
                return here[-1]
        return next(reversed(places))


def _shown(states: _States | None) -> tuple[Shown | None, ...]:
    return tuple(None if state is None else state.shown for state in states or (None, None))


def grid_voxel(binder: Binder, time: int, plane: Plane, row: float, col: float) -> tuple[int, ...]:
    """Return the voxel of the labels' grid at a position on a slice."""
    where, free = binder.frame.index(time, plane), iter((row, col))
    return tuple(
        min(max(int(np.floor(next(free) + 0.5)), 0), n - 1) if isinstance(w, slice) else w
        for w, n in zip(where, binder.frame.shape, strict=True)
    )


def _truth_on(data: Array, where: Index, seed: tuple[int, ...] | None) -> BoolArray:
    """Return the truth on a slice: the label under the first click, or all labels."""
    value = 0 if seed is None else int(np.asarray(data[seed]))
    on_slice = np.asarray(data[where])
    return np.asarray(on_slice == value if value else on_slice > 0)


def _looks(setup: Setup) -> list[object]:
    """Return all settings of a setup but the model: those that both models share."""
    return [getattr(setup, f.name) for f in fields(setup) if f.name not in ("model", "_intensity")]
