"""A second model beside the work on one image: it follows every click, and is compared.

It propagates after the first: the same object, planes and way.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_intseg.core.segmenter import BoolArray, MemorySegmenter, Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.propagation.walk import Step, WalkSettings, walk
from napari_intseg.session.compare.side_by_side import MirrorSession
from napari_intseg.session.compare.two_answers import (
    CurvePoint,
    Window,
    joint_window,
)
from napari_intseg.session.document import SETUP
from napari_intseg.session.masks.plane_state import PlaneState, Shown
from napari_intseg.session.predictor import Result, run
from napari_intseg.session.question import Setup
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import Alternative
from napari_intseg.ui.compare.layers import (
    NOTHING,
    Compared,
    ComparisonJob,
    SlicePixels,
    Writing,
    make_agreement,
    make_second,
)
from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.points_codec import Place
from napari_intseg.ui.messages import Message
from napari_intseg.ui.qt.worker_thread import Job, Outcome, ShouldStop, sentence, told

_States = tuple[PlaneState | None, PlaneState | None]
"""What the two sessions know of an object on a plane."""

_PLANES = 2
"""Changed planes that are followed in a turn of the event loop, so that the window lives on."""


def _shown(states: _States | None) -> tuple[Shown | None, ...]:
    return tuple(None if state is None else state.shown for state in states or (None, None))


def _looks(setup: Setup) -> list[object]:
    """Return all settings of a setup but the model: those that both models share."""
    return [getattr(setup, f.name) for f in fields(setup) if f.name not in ("model", "_intensity")]


class MirroredModel:
    """The prompts of an image controller, mirrored to a second model.

    Parameters
    ----------
    image_controller : ImageController
        Is not changed.
    model : Segmenter
        The second model.
    name : str
        Its name; its layer is called after it.
    on_change : callable
        Called when there is something new to show.
    """

    def __init__(
        self,
        image_controller: ImageController,
        model: Segmenter,
        name: str,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self.image_controller, self.model, self.name = image_controller, model, name
        self.is_closed = False
        self._on_change = on_change
        self._mirrors: dict[int, MirrorSession] = {}
        self._open: dict[Place, None] = {}
        self._dirty: dict[Place, None] = {}
        self._seen: dict[tuple[int, int], dict[Plane, _States]] = {}
        self._current: Place | None = None
        self._job: Job[Result] | None = None
        self._has_more = False
        self.compared: dict[Place, Compared] = {}
        self.truth: Labels | None = None
        self._known: dict[Any, CurvePoint] = {}
        self._comparing = False
        self.labels, self.agreement = (
            make_second(image_controller.image_axes, name),
            make_agreement(image_controller.image_axes),
        )
        layers, active = (
            image_controller.tools.viewer.layers,
            image_controller.tools.viewer.layers.selection.active,
        )
        for layer in (self.labels, self.agreement):
            # right above the first model's labels
            layers.insert(layers.index(image_controller.labels) + 1, layer)
        layers.selection.active = active

    @property
    def is_waiting(self) -> bool:
        """Whether the second model has still to answer."""
        return self._current is not None or bool(self._open)

    def follower(self, time: int) -> Session | None:
        """Return the second model's session of a time point; None while there is no first."""
        mirror = self._mirror(time)
        return None if mirror is None else mirror.session

    def follow(self) -> None:
        """Mirror new prompts to the second model, and compare what has changed.

        Of many planes a few are mirrored at once, the others in later turns of the event loop.
        """
        if self.is_closed or self.image_controller.is_closed:
            return
        # of all objects together
        left = _PLANES
        for time, session in self.image_controller.session_store.sessions.items():
            mirror = self._mirror(time)
            if mirror is not None:
                # before any prompt: answers obey locks and regions from the start
                mirror.follow_protection(session)
                for label in {*session.objects, *mirror.session.objects}:
                    left -= self._follow_object(time, session, mirror, label, left)
        if left < 0 and not self._has_more:
            self._has_more = True
            self.image_controller.tools.post(self._follow_more)
        self._ask()
        self._compare()

    def offered(self, place: Place) -> tuple[Alternative, ...]:
        """Return the masks that the second model offers on a plane, the best first."""
        follower = self.follower(place.time)
        if follower is None or place.object not in follower.objects:
            return ()
        if follower.object != place.object:
            follower.select_object(place.object)
        return follower.alternatives_on(place.plane)

    def step(self, place: Place, by: int) -> bool:
        """Put the second model's next mask in place; say whether there was another."""
        offered, follower = self.offered(place), self.follower(place.time)
        if not offered or follower is None:
            return False
        now = next((i for i, one in enumerate(offered) if one.is_chosen), -1)
        follower.choose_alternative((now + by) % len(offered), place.plane)
        self.follow()
        self._on_change()
        return True

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
        own = self.image_controller.session_store.mask(place)
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
        layers = self.image_controller.tools.viewer.layers
        for layer in (self.labels, self.agreement):
            if remove and layer in layers:
                layers.remove(layer)

    def _mirror(self, time: int) -> MirrorSession | None:
        """Return what keeps that session like the first one."""
        session = self.image_controller.session_store.sessions.get(time)
        if session is None:
            return None
        if time not in self._mirrors:
            setup = replace(session.setup, model=self.model)
            made = MirrorSession(self.model, setup.volume, axis=session.axis)
            # all settings of the first but its model: the two are compared on the same view
            made.document.history.amend(SETUP, setup)
            self._mirrors[time] = made
        found = self._mirrors[time]
        if _looks(found.document.setup) != _looks(session.setup):
            found.document.history.amend(SETUP, replace(session.setup, model=self.model))
        return found

    def _follow_more(self) -> None:
        self._has_more = False
        self.follow()
        self._on_change()

    def _follow_object(
        self, time: int, session: Session, mirror: MirrorSession, label: int, most: int
    ) -> int:
        """Follow at most so many planes of an object; return how many, one more if any are left."""
        states = dict(session.document.canvas.states(label))
        if all(state.is_given for state in states.values()):
            mirror.forget_propagated(label)
        own = dict(mirror.document.canvas.states(label))
        seen, count = self._seen.setdefault((time, label), {}), 0
        for plane in sorted({*states, *own, *seen}):
            if seen.get(plane) == (states.get(plane), own.get(plane)):
                # states are compared by identity: nothing has changed
                continue
            count += 1
            if count > most:
                return max(1, most + 1)
            place = Place(time, label, plane)
            if mirror.follow(session, label, plane):
                # put in again, so that it is the newest: `_pick` asks for those first
                self._open.pop(place, None)
                self._open[place] = None
                if place == self._current and self._job is not None:
                    self._job.cancel()
            now = states.get(plane), mirror.document.canvas.get(label, plane)
            # compared anew only where a mask is another one
            if _shown(seen.get(plane)) != _shown(now):
                self._dirty[place] = None
            seen[plane] = now
            if now == (None, None):
                del seen[plane]
        if mirror.follow_strokes(session, label):
            self._dirty.update((Place(time, label, plane), None) for plane in seen)
        return count

    def _ask(self) -> None:
        """Submit the next request; those of the first model go before it."""
        # the first model goes first: nobody waits longer for an answer because of the comparison
        while self._current is None and self._open and not self.image_controller.is_waiting:
            place = self._pick(self._open)
            del self._open[place]
            follower = self.follower(place.time)
            if follower is None or place.object not in follower.objects:
                continue
            follower.select_object(place.object)
            try:
                request = follower.request(place.plane)
            except IntSegError as err:
                self.image_controller.tools.signals.failed.emit(told(err))
                continue
            if request is not None:
                self._current = place
                self._job = self.image_controller.tools.worker.submit(
                    partial(run, request), self._answered
                )

    def _answered(self, outcome: Outcome[Result]) -> None:
        place, self._current, self._job = self._current, None, None
        if self.is_closed or place is None:
            return
        follower = self.follower(place.time)
        if outcome.value is None:
            self.image_controller.tools.signals.failed.emit(
                Message("{name}: {error}", name=self.name, error=told(outcome.error))
            )
        elif follower is not None:
            if place.object in follower.objects:
                follower.select_object(place.object)
            if not follower.accept(outcome.value):
                # overtaken: what has come meanwhile is asked next
                self._open[place] = None
        self.follow()
        self._on_change()

    def _pick(self, places: dict[Place, None]) -> Place:
        """Return a place on the displayed slice if one is queued, else the newest."""
        now = self.image_controller.displayed_slice
        if not isinstance(now, str):
            here = [p for p in places if (p.time, p.plane) == (now.time, now.plane)]
            if here:
                return here[-1]
        return next(reversed(places))

    def _compare(self) -> None:
        if self._comparing or not self._dirty or self.is_closed:
            return
        place = self._pick(self._dirty)
        del self._dirty[place]
        self._comparing = True
        self.image_controller.tools.worker.submit(self._work(place), partial(self._found, place))

    def _work(self, place: Place) -> ComparisonJob:
        session = self.image_controller.session_store.sessions[place.time]
        follower = self.follower(place.time)
        assert follower is not None
        label, plane = place.object, place.plane
        both = session, follower
        shown = [one.document.state(label, plane).shown for one in both]
        # a slice may be huge: only where one of them has a pixel
        window = self._window(both, shown, place)
        one, other = (s.document.canvas.mask_on(label, plane, window) for s in both)
        where = self.image_controller.image_axes.index(place.time, plane)
        old = self.compared.get(place)
        return ComparisonJob(
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
                    return grid_voxel(
                        self.image_controller, place.time, plane, click.row, click.col
                    )
        return None

    def _found(
        self, place: Place, outcome: Outcome[tuple[Compared, SlicePixels, SlicePixels]]
    ) -> None:
        self._comparing = False
        if self.is_closed:
            return
        if outcome.value is None:
            self.image_controller.tools.signals.failed.emit(told(outcome.error))
        else:
            compared, second, agree = outcome.value
            self.compared[place] = compared
            if place.plane not in self._seen.get((place.time, place.object), {}):
                # nothing is given there any more
                del self.compared[place]
            where, post = (
                self.image_controller.image_axes.index(place.time, place.plane),
                self.image_controller.tools.post,
            )
            for layer, change in ((self.labels, second), (self.agreement, agree)):
                if change.values.size:
                    Writing(layer, where, change, post, lambda: not self.is_closed)()
        self._compare()
        self._on_change()


def grid_voxel(
    image_controller: ImageController, time: int, plane: Plane, row: float, col: float
) -> tuple[int, ...]:
    """Return the voxel of the labels' grid at a position on a slice."""
    where, free = image_controller.image_axes.index(time, plane), iter((row, col))
    return tuple(
        min(max(int(np.floor(next(free) + 0.5)), 0), n - 1) if isinstance(w, slice) else w
        for w, n in zip(where, image_controller.image_axes.shape, strict=True)
    )


class MirroredPropagation:
    """One propagation of the second model, a plane at a time so that clicks go in between.

    Parameters
    ----------
    pair : MirroredModel
        Whose second model propagates.
    place : Place
        The object, its time point, and a plane of the axis.
    on_end : callable
        Called once, unless it is closed before.
    """

    def __init__(self, pair: MirroredModel, place: Place, *, on_end: Callable[[], None]) -> None:
        self._pair, self._place = pair, place
        self._on_end = on_end
        self._steps: Iterator[Step] | None = None
        self.is_running = False

    def start(self, planes: range | None, settings: WalkSettings | None) -> None:
        """Propagate as the first model has done, as far as there is anything new to do.

        Parameters
        ----------
        planes : range or None
            Only to these; None: as far as the object goes.
        settings : WalkSettings or None
            How; by memory only if the second model has one.
        """
        follower, label = self._pair.follower(self._place.time), self._place.object
        if follower is None or label not in follower.objects:
            self._on_end()
            return
        if settings is not None and settings.method == "memory":
            # the second model may lack what the first propagates by
            has_memory = isinstance(follower.model, MemorySegmenter)
            settings = settings if has_memory else replace(settings, method="neighbour")
        self.is_running = True
        try:
            follower.set_axis(self._place.plane.axis)
            request = follower.propagation_request(planes, settings=settings, label=label)
            self._steps = walk(request)
        except IntSegError:
            # it has no mask to start from; the panel shows that it has none
            self._end()
            return
        self._next()

    def close(self) -> None:
        """Stop, and tell nobody."""
        self.is_running, self._steps = False, None

    def _next(self) -> None:
        steps = self._steps

        def work(_: ShouldStop) -> Step | None:
            return None if steps is None else next(steps, None)

        self._pair.image_controller.tools.worker.submit(work, self._stepped)

    def _stepped(self, outcome: Outcome[Step | None]) -> None:
        if not self.is_running or self._pair.is_closed:
            return
        if outcome.error is not None:
            signals = self._pair.image_controller.tools.signals
            signals.failed.emit(
                Message("{name}: {error}", name=self._pair.name, error=told(outcome.error))
            )
        follower, step = self._pair.follower(self._place.time), outcome.value
        if step is None or follower is None or not follower.accept_step(step):
            # done, or overtaken by a click
            self._end()
            return
        if step.note:
            told_by = Message("{name}: {error}", name=self._pair.name, error=sentence(step.note))
            self._pair.image_controller.tools.signals.message.emit(told_by)
        self._pair.follow()
        self._next()

    def _end(self) -> None:
        self.close()
        self._pair.follow()
        self._on_end()


class MirroredPropagations:
    """Has the second model propagate whenever the first has done so.

    Parameters
    ----------
    on_end : callable
        Called at the end of each propagation of the second model.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._heard: Place | None = None
        self._echo: MirroredPropagation | None = None

    @property
    def is_running(self) -> bool:
        """Whether the second model propagates."""
        return self._echo is not None and self._echo.is_running

    def listen(
        self, controller: ViewerController, pair: MirroredModel | None, place: Place | None
    ) -> None:
        """Remember a propagation of the first model, and repeat it once that has ended.

        Parameters
        ----------
        controller : ViewerController
            Where the first model works.
        pair : MirroredModel or None
            The second model.
        place : Place or None
            The object, and the plane in the window.
        """
        if controller.is_propagating:
            # the place at the beginning: the person may look at another object by its end
            self._heard = self._heard or place
            return
        heard, self._heard = self._heard, None
        if heard is not None and pair is not None:
            self.close()
            self._echo = MirroredPropagation(pair, heard, on_end=self._on_end)
            self._echo.start(controller.planes, controller.settings)

    def close(self) -> None:
        """Stop, and tell nobody."""
        echo, self._echo = self._echo, None
        if echo is not None:
            echo.close()
