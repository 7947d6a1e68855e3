"""A session for a second model: the same prompts as another session, its own answers."""

from collections.abc import Hashable
from dataclasses import replace

from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
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


class MirrorSession:
    """Keeps a session that a person does not change; it follows another one, undo included.

    It has no history of its own. Clicks after propagation start from its own propagated mask, a
    painted mask is that of the session it follows.

    Parameters
    ----------
    model : Segmenter
        Who answers.
    volume : Volume
        On the grid of the session that is followed.
    axis : int, default 0
        See `Session`.

    Attributes
    ----------
    session : Session
        With the second model's answers. Ask it, read it, and leave changing it to this class.
    """

    def __init__(self, model: Segmenter, volume: Volume, *, axis: int = 0) -> None:
        self.session = Session(model, volume, axis=axis)
        self.document = self.session.document
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
            self.document.history.amend(ObjectKey(label), ObjectInfo(label))
        if self.session.object != label:
            self.session.select_object(label)
        old, given = self.document.state(label, plane), other.document.state(label, plane)
        if not given.is_given:
            if old.is_given:
                left = PlaneState(propagated=old.propagated, shown=old.propagated)
                self.document.amend(PlaneKey(label, plane), left if old.propagated else None)
            return old.is_given
        new = _following(old, given)
        if _given(new) == _given(old):
            return False
        asked = question(self.document.setup, plane, new)
        answered = self.session.predictor.answered(new, asked)
        self.document.amend(PlaneKey(label, plane), answered)
        return True

    def follow_protection(self, other: Session) -> None:
        """Keep to the rules of another session from now on: overlaps, regions and locks.

        What is locked there is locked here against other objects. What was asked about it before
        is still answered.
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
        changed = {i: theirs.get(i) for i in {*theirs, *taken} if theirs.get(i) is not taken.get(i)}
        if changed:
            strokes: dict[Hashable, Painted | None]
            strokes = {PaintedKey(label, index): one for index, one in changed.items()}
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
    return state.prompts, id(state.initial), state.start, state.drawn, state.is_painted


def _rules(protection: Protection) -> tuple[object, ...]:
    return protection.policy, protection.inside, id(protection.region), protection.locked
