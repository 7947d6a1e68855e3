"""The same clicks for several models, each with a session of its own.

Headless, clicks are given to all; beside a person's session, a mirror session follows it.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.session.compare.two_answers import Overlap, SuggestedClick, deepest, overlap
from napari_intseg.session.document import DETAIL
from napari_intseg.session.masks.canvas import Painted, PaintedKey
from napari_intseg.session.masks.plane_state import (
    ObjectInfo,
    ObjectKey,
    PlaneKey,
    PlaneState,
    question,
    still_chosen,
)
from napari_intseg.session.masks.settle import PROTECTION, Protection, settle
from napari_intseg.session.session import Session

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of one click, for all models.

    Parameters
    ----------
    clicks : int
        For the object so far.
    plane : Plane
        Where the click is.
    seconds : dict of str to float
        What each model took.
    overlaps : dict of (str, str) to Overlap
        Of every two models, over all planes with clicks.
    truth : dict of str to Overlap
        Of each model with the truth, likewise; empty without one.
    """

    clicks: int
    plane: Plane
    seconds: dict[str, float]
    overlaps: dict[Pair, Overlap]
    truth: dict[str, Overlap]


class SideBySide:
    """Several sessions, one for each model, with the same prompts.

    Parameters
    ----------
    sessions : mapping of str to Session
        By the models' names; on the same data, along the same axis.

    Raises
    ------
    DataError
        If they look at different data or along different axes.
    PromptError
        If there are fewer than two.

    Examples
    --------
    >>> both = SideBySide.of({"a": one, "b": other}, volume)  # doctest: +SKIP
    >>> both.click((40, 120, 200)).overlaps["a", "b"].iou  # doctest: +SKIP
    """

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        _check(sessions)
        self.sessions = dict(sessions)

    @classmethod
    def of(
        cls,
        models: Mapping[str, Segmenter],
        volume: Volume,
        *,
        axis: int = 0,
        window: WindowChoice = None,
        channels: tuple[int, ...] | None = None,
    ) -> "SideBySide":
        """Begin a session for each model; see `Session`."""
        return cls(
            {
                name: Session(model, volume, axis=axis, window=window, channels=channels)
                for name, model in models.items()
            }
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in order."""
        return tuple(self.sessions)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two models."""
        return tuple(combinations(self.names, 2))

    @property
    def first(self) -> Session:
        """One of the sessions, for what is the same in all."""
        return next(iter(self.sessions.values()))

    def select(self, label: int) -> None:
        """Go on with an object, or begin it."""
        for session in self.sessions.values():
            if label not in session.objects:
                session.new_object(label)
            session.select_object(label)

    def click(
        self, position: Sequence[float], positive: bool = True, truth: BoolArray | None = None
    ) -> Round:
        """Give all models a click for the current object.

        Parameters
        ----------
        position, positive
            See `Session.click`.
        truth : ndarray of bool, optional
            Of the data's shape, to compare with.

        Raises
        ------
        PromptError
            See `Session.click`.
        """
        seconds, plane = {}, Plane(0, 0)
        for name, session in self.sessions.items():
            # all models answer in turn, not at once: their seconds are to be compared
            result = session.click(position, positive)
            seconds[name], plane = result.seconds, result.plane
        planes = self.first.clicked_planes(self.first.axis)
        return Round(
            len(self.first.clicks),
            plane,
            seconds,
            {pair: self.overlap(*pair, planes) for pair in self.pairs},
            {} if truth is None else {n: self.overlap_with(n, truth, planes) for n in self.names},
        )

    def propagate(
        self,
        planes: range | None = None,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """Have every model carry the current object through the volume; see `Session`."""
        for session in self.sessions.values():
            session.propagate(planes, on_progress=on_progress, should_stop=should_stop)

    def planes(self) -> tuple[Plane, ...]:
        """Return the planes of the axis on which any model has a mask of the current object."""
        found: set[Plane] = set()
        for session in self.sessions.values():
            found.update(session.clicked_planes(session.axis))
            found.update(session.propagated_planes(session.axis))
        return tuple(sorted(found))

    def overlap(self, a: str, b: str, planes: Iterable[Plane] | None = None) -> Overlap:
        """Return how two models' masks lie on each other; on all planes by default."""
        total = Overlap()
        for plane in self.planes() if planes is None else planes:
            total += overlap(self.sessions[a].mask_on(plane), self.sessions[b].mask_on(plane))
        return total

    def overlap_with(
        self, name: str, truth: BoolArray, planes: Iterable[Plane] | None = None
    ) -> Overlap:
        """Return how a model's mask lies on the truth, of the data's shape, bool."""
        session = self.sessions[name]
        if planes is None:
            return overlap(session.mask, truth)
        total = Overlap()
        for plane in planes:
            total += overlap(session.mask_on(plane), session.volume.of(truth, plane))
        return total

    def suggest(self, a: str, b: str) -> tuple[Plane, SuggestedClick] | None:
        """Return where two models disagree most deeply; None if they agree everywhere."""
        best: tuple[Plane, SuggestedClick] | None = None
        for plane in self.planes():
            differs = self.sessions[a].mask_on(plane) ^ self.sessions[b].mask_on(plane)
            spot = deepest(differs)
            if spot is not None and (best is None or spot.depth_px > best[1].depth_px):
                best = plane, spot
        return best


def _check(sessions: Mapping[str, Session]) -> None:
    if len(sessions) < 2:
        raise PromptError(
            f"nothing to compare with: expected two models or more, got {tuple(sessions)!r}. "
            "Name another model."
        )
    (one, first), *others = sessions.items()
    for name, session in others:
        if session.axis != first.axis:
            raise DataError(
                f"two models with different axes: expected planes of one axis for all, got axis "
                f"{first.axis!r} for {one} and {session.axis!r} for {name}. "
                "Give both the same axis."
            )
        if session.volume.shape != first.volume.shape:
            raise DataError(
                f"two models look at different data: expected one grid for all, got shape "
                f"{first.volume.shape!r} for {one} and {session.volume.shape!r} for {name}. "
                "Give both the same image."
            )


class MirrorSession:
    """Keeps a session that a person does not change; it follows another one, undo included.

    It has no history of its own. Clicks after propagation start from its own propagated mask, a
    painted mask is that of the session it follows.

    Parameters
    ----------
    model : Segmenter
        The second model.
    volume : Volume
        On the grid of the session that is followed.
    axis : int, default 0
        See `Session`.

    Attributes
    ----------
    session : Session
        With the second model's answers. Read it, but let this class alone change it.
    """

    def __init__(self, model: Segmenter, volume: Volume, *, axis: int = 0) -> None:
        self.session = Session(model, volume, axis=axis)
        self.document = self.session.document
        # the objects may be finished or locked by the time the second model answers
        self.document.is_mirror = True
        self._strokes: dict[int, dict[int, Painted]] = {}

    def follow(self, other: Session, label: int, plane: Plane) -> bool:
        """Take over what an object was given on a plane.

        Parameters
        ----------
        other : Session
            On the same grid.
        label : int
            Made here if it is not there.
        plane : Plane
            Any.

        Returns
        -------
        bool
            Whether anything has changed here; `request` then says what there is to answer.

        Raises
        ------
        DataError
            If the two sessions do not share a grid.
        """
        if other.volume.shape != self.document.volume.shape:
            raise DataError(
                f"the two models look at different data: expected one grid, got shapes "
                f"{other.volume.shape!r} and {self.document.volume.shape!r}. "
                "Give both the same image."
            )
        self.follow_protection(other)
        if label not in self.session.objects:
            # `amend`, not `do`: undo belongs to the session that
            # is followed, and brings its own changes
            self.document.history.amend(ObjectKey(label), ObjectInfo(label))
        if self.session.object != label:
            self.session.select_object(label)
        old, given = self.document.state(label, plane), other.document.state(label, plane)
        if not given.is_given:
            if old.is_given:
                # its own propagated mask stays when the last prompt of the plane is taken away
                left = PlaneState(propagated=old.propagated, shown=old.propagated)
                self.document.amend(PlaneKey(label, plane), left if old.propagated else None)
            return old.is_given
        new = _following(old, given)
        if _given(new) == _given(old):
            return False
        # what was asked before may be answered already: then the mask is there at once
        asked = question(self.document.setup, plane, new)
        answered = self.session.predictor.answered(new, asked)
        self.document.amend(PlaneKey(label, plane), answered)
        return True

    def follow_protection(self, other: Session) -> None:
        """Keep to the rules of another session from now on: overlaps, regions and locks.

        What is locked there is locked here against other objects; its own prompts from before the
        lock are still answered.
        """
        theirs, now = other.document.protection, self.document.protection
        locked = frozenset(label for label in other.objects if other.document.is_locked(label))
        rules = replace(theirs, locked=locked, unlocked=frozenset())
        if _rules(rules) != _rules(now):
            self.document.history.amend(PROTECTION, rules)
        if self.document.detail_mm != other.document.detail_mm:
            self.document.history.amend(DETAIL, other.document.detail_mm or None)

    def follow_strokes(self, other: Session, label: int) -> bool:
        """Take over what was painted for an object; say whether that was anything new."""
        theirs, taken = other.document.canvas.painted(label), self._strokes.setdefault(label, {})
        # strokes are compared by identity: they are frozen, and a new one is another object
        changed = {i: theirs.get(i) for i in {*theirs, *taken} if theirs.get(i) is not taken.get(i)}
        if changed:
            strokes: dict[Hashable, Painted | None]
            strokes = {PaintedKey(label, index): one for index, one in changed.items()}
            # exact: they were settled where they were painted
            settle(self.document.canvas, strokes, self.document.rules(exact=True))
            self._strokes[label] = dict(theirs)
        return bool(changed)

    def forget_propagated(self, label: int) -> bool:
        """Take propagated masks of an object away; say whether there were any."""
        found = [
            (plane, state)
            for plane, state in self.document.canvas.states(label)
            if not state.is_given
        ]
        for plane, _ in found:
            self.document.amend(PlaneKey(label, plane), None)
        return bool(found)


def _following(old: PlaneState, given: PlaneState) -> PlaneState:
    """Return a state with what was given elsewhere; masks start from one's own propagation."""
    # a painted mask is the person's and holds for both models; a propagated one is each model's own
    initial = given.initial
    if not given.is_painted and old.propagated is not None:
        initial = old.propagated.patch
    return replace(
        old,
        prompts=given.prompts,
        serials=given.serials,
        initial=initial,
        start=given.start,
        drawn=given.drawn,
        choices=still_chosen(old, given.prompts),
        is_painted=given.is_painted,
    )


def _given(state: PlaneState) -> tuple[object, ...]:
    # by identity: to compare pixels of whole masks would cost more than asking
    return state.prompts, id(state.initial), state.start, state.drawn, state.is_painted


def _rules(protection: Protection) -> tuple[object, ...]:
    return protection.policy, protection.inside, id(protection.region), protection.locked
