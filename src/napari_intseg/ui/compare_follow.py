"""The second model is given what the first was, a few planes in each turn of the event loop."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.errors import IntSegError
from napari_intseg.session.alternatives import Alternative
from napari_intseg.session.compare.mirror_session import MirrorSession
from napari_intseg.session.document import SETUP
from napari_intseg.session.masks.plane_state import PlaneState, Shown
from napari_intseg.session.predictor import Result, run
from napari_intseg.session.question import Setup
from napari_intseg.session.session import Session
from napari_intseg.ui.binder import Binder
from napari_intseg.ui.layers import Place
from napari_intseg.ui.voice import told
from napari_intseg.ui.worker import Job, Outcome

_States = tuple[PlaneState | None, PlaneState | None]
"""What the two sessions know of an object on a plane."""

_PLANES = 2
"""So many changed planes are followed in a turn of the event loop."""


class Following:
    """The part of a pair that has the second model answer.

    Parameters
    ----------
    binder : Binder
        Is not changed.
    model : Segmenter
        The second model.
    name : str
        Its name.
    on_change : callable
        Called when there is something new to show.
    """

    def __init__(
        self, binder: Binder, model: Segmenter, name: str, on_change: Callable[[], None]
    ) -> None:
        self.binder, self.model, self.name = binder, model, name
        self.is_closed = False
        self._on_change = on_change
        self._mirrors: dict[int, MirrorSession] = {}
        self._open: dict[Place, None] = {}
        self._dirty: dict[Place, None] = {}
        self._seen: dict[tuple[int, int], dict[Plane, _States]] = {}
        self._current: Place | None = None
        self._job: Job[Result] | None = None
        self._has_more = False

    @property
    def is_waiting(self) -> bool:
        """Whether the second model has still to answer."""
        return self._current is not None or bool(self._open)

    def follower(self, time: int) -> Session | None:
        """Return the second model's session of a time point; None while there is no first."""
        mirror = self._mirror(time)
        return None if mirror is None else mirror.session

    def _mirror(self, time: int) -> MirrorSession | None:
        """Return what keeps that session like the first one."""
        session = self.binder.drawer.sessions.get(time)
        if session is None:
            return None
        if time not in self._mirrors:
            setup = replace(session.setup, model=self.model)
            made = MirrorSession(self.model, setup.volume, axis=session.axis)
            made.document.history.amend(SETUP, setup)
            self._mirrors[time] = made
        found = self._mirrors[time]
        if _looks(found.document.setup) != _looks(session.setup):
            found.document.history.amend(SETUP, replace(session.setup, model=self.model))
        return found

    def follow(self) -> None:
        """Give the second model what has been given since, and compare what has changed.

        Of many planes some are followed at once, and the others in turns that come.
        """
        if self.is_closed or self.binder.is_closed:
            return
        left = _PLANES
        for time, session in self.binder.drawer.sessions.items():
            mirror = self._mirror(time)
            if mirror is not None:
                mirror.follow_protection(session)
                for label in {*session.objects, *mirror.session.objects}:
                    left -= self._follow_object(time, session, mirror, label, left)
        if left < 0 and not self._has_more:
            self._has_more = True
            self.binder.tools.post(self._follow_more)
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

    def _compare(self) -> None:
        """Compare what has changed."""

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
                continue  # states are compared by identity: nothing has changed
            count += 1
            if count > most:
                return max(1, most + 1)
            place = Place(time, label, plane)
            if mirror.follow(session, label, plane):
                self._open.pop(place, None)
                self._open[place] = None
                if place == self._current and self._job is not None:
                    self._job.cancel()
            now = states.get(plane), mirror.document.canvas.get(label, plane)
            if _shown(seen.get(plane)) != _shown(now):
                self._dirty[place] = None
            seen[plane] = now
            if now == (None, None):
                del seen[plane]
        if mirror.follow_strokes(session, label):
            self._dirty.update((Place(time, label, plane), None) for plane in seen)
        return count

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


def _looks(setup: Setup) -> list[object]:
    """Return all settings of a setup but the model: those that both models share."""
    return [getattr(setup, f.name) for f in fields(setup) if f.name not in ("model", "_intensity")]
