"""Propagation as part of a session: makes requests and takes over their steps."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import LOGIT_LIMIT
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.guard import doubted
from napari_intseg.propagation.stretch import Anchor, Earlier, Stretch, stretches
from napari_intseg.propagation.walk import Step, Walk, WalkSettings, walk, walk_all, with_memory
from napari_intseg.session.document import Change, Document
from napari_intseg.session.embeddings import WalkCache
from napari_intseg.session.journal.recorder import Recorder
from napari_intseg.session.masks.canvas import Painted
from napari_intseg.session.masks.plane_state import PlaneKey, PlaneState, Shown, WalkKey, pack
from napari_intseg.session.predictor import Predictor
from napari_intseg.session.question import Setup
from napari_intseg.session.validate_prompts import len_along

Progress = Callable[[int, int], None]

TITLE = "Propagate"
TITLE_ALL = "Propagate all"
SETTLING_CLICKS = 3
"""Clicks on a plane after which its mask counts as meant, and is not doubted by the guard."""


class Propagator:
    """Propagates masks of a document along an axis, computed elsewhere.

    Parameters
    ----------
    document : Document
        Whose masks are propagated, and where those that come of it go.
    predictor : Predictor
        Answers what waits before masks are propagated, and holds what the model prepared.
    journal : Recorder
        Where propagations and their steps are noted.
    """

    def __init__(self, document: Document, predictor: Predictor, journal: Recorder) -> None:
        self.document, self.predictor, self.journal = document, predictor, journal
        self._cache = WalkCache(predictor.prepared)

    def request(
        self,
        axis: int,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        label: int | None = None,
        together: str | None = None,
        near: int | None = None,
    ) -> Walk:
        """Return what there is to propagate, from every plane of an axis a person worked on.

        Stretches between such planes that were propagated before, and that nothing has changed,
        are left out.

        Parameters
        ----------
        axis : int
            Planes are perpendicular to it.
        planes : range, optional
            Only these are changed; all by default.
        settings : WalkSettings, optional
            When to stop.
        label : int, optional
            Of the object; the current one by default.
        together : str, optional
            Propagations with the same word, with nothing done between them, are one step of undo.
        near : int, optional
            Index of a plane: those nearest to it are answered first.

        Raises
        ------
        PromptError
            If the data has no further planes, the range is not inside it, no plane of `axis` has a
            mask to start from, the object is finished, or the model has no memory to propagate by.
        """
        document, setup = self.document, self.document.setup
        chosen = document.check_open(label)
        # asked first, before slow work: it raises where the model has no memory
        if settings is not None and settings.method == "memory":
            with_memory(setup.model)
        wanted = self._checked_range(axis, planes)
        anchors = self._anchors(chosen, axis)
        if all(anchor.is_empty for anchor in anchors):
            raise PromptError(
                f"nothing to propagate from: expected a mask on a plane of axis {axis} that a "
                f"person worked on, got none for object {chosen}. Click on the object first."
            )
        how = settings or WalkSettings()
        volume = document.volume
        anchors = doubted(
            anchors,
            threshold=self._threshold,
            step_mm=float(volume.spacing[axis]),
            spacing=volume.slice_spacing(axis),
            max_spread=how.ending.max_spread,
        )
        todo = [
            self._with_earlier(chosen, stretch, how)
            for stretch in ([] if self._is_whole else stretches(axis, anchors, wanted))
            if not self._is_done(chosen, stretch, how)
        ]
        request = Walk(
            chosen,
            setup.model,
            document.volume,
            # a function: limits of an automatic window are read
            # from the data in the inference thread
            lambda: setup.options,
            tuple(todo),
            how,
            self._prepared(),
            setup,
            setup.context,
            together,
            self._areas(chosen, axis, anchors),
            near,
        )
        # a propagation with nothing to do is not written down
        if todo:
            self.journal.began(request, axis, planes)
        return request

    def propagate(
        self,
        axis: int,
        planes: range | None,
        settings: WalkSettings | None,
        *,
        near: int | None = None,
        on_progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Change:
        """Carry the current object's masks from the clicked planes of an axis to their neighbours.

        Planes a person worked on stay as they are. It stops where the object ends, see `Ending`.
        What an earlier call did and nothing has changed is not done again.

        Parameters
        ----------
        axis, planes, settings, near
            See `request`.
        on_progress : callable, optional
            Called with planes done and planes in all.
        should_stop : callable, optional
            Asked between two planes; what has been done by then stays.

        Raises
        ------
        PromptError
            See `request`.
        """
        self._answer_all(self.document.object, axis)
        request = self.request(axis, planes, settings=settings, near=near)
        return self._walk(request, on_progress, should_stop)

    def propagate_all(
        self,
        axis: int,
        planes: range | None,
        settings: WalkSettings | None,
        *,
        on_progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Change:
        """Carry every object that is not finished to its neighbouring planes; one step of undo.

        Objects take turns, so that planes are encoded once for all of them; where two would
        overlap, the overlap rule decides, so by default the first to come has the pixel.

        Parameters
        ----------
        axis, planes, settings, should_stop
            As in `propagate`.
        on_progress : callable, optional
            Called with objects done and objects in all.

        Raises
        ------
        PromptError
            If no object can be propagated, see `can_propagate` and `request`.
        """
        for label in self.document.objects:
            self._answer_all(label, axis)
        if self._is_whole:
            return Change(TITLE_ALL)
        chosen = [label for label in self.document.objects if self.can_propagate(label, axis)]
        if not chosen:
            raise PromptError(
                f"nothing to propagate: expected an object that is not finished, with a mask on a "
                f"plane of axis {axis} that a person worked on, got none. Click on one first."
            )
        # one token for all, so that one undo takes everything back
        together = self.document.token(TITLE_ALL)
        # all are made before the first is walked: what one
        # object gains must not change the others' start
        requests = [
            self.request(axis, planes, settings=settings, label=label, together=together)
            for label in chosen
        ]
        ends = [(request.label, request.stretches[-1]) for request in requests if request.stretches]
        done = len(requests) - len(ends)

        def told(step: Step) -> None:
            nonlocal done
            if step.plane is None and (step.walk.label, step.stretch) in ends:
                done += 1
                if on_progress is not None:
                    on_progress(done, len(requests))

        if done and on_progress is not None:
            on_progress(done, len(requests))
        change = self._take_all(walk_all(requests), told, should_stop)
        return replace(change, title=TITLE_ALL, objects=tuple(chosen))

    def can_propagate(self, label: int, axis: int) -> bool:
        """Whether an object is not finished, and has a mask on a plane to start from.

        Not with a model that answers in 3-D: it has nothing left to propagate.
        """
        if self.document.is_finished(label) or self._is_whole:
            return False
        return any(self._has_mask(label, p) for p in self.document.worked_planes(label, axis))

    def confidence(self, label: int, plane: Plane) -> float | None:
        """Return how sure propagation was of an object on a plane; None if it did not answer."""
        shown = self.document.state(label, plane).shown
        return None if shown is None else shown.confidence

    def confidences_of(self, label: int, axis: int) -> dict[Plane, float]:
        """Return how sure propagation was of an object on each plane it answered, 0 to 1."""
        return {
            plane: state.shown.confidence
            for plane, state in self.document.canvas.states(label, axis)
            if not state.is_given and state.shown is not None and state.shown.confidence is not None
        }

    def to_check(self, below: float, label: int, axis: int) -> tuple[Plane, ...]:
        """Return the planes of an object whose confidence is at most so much, the least first."""
        ranked = sorted(
            self.confidences_of(label, axis).items(), key=lambda pair: (pair[1], pair[0])
        )
        return tuple(plane for plane, sure in ranked if sure <= below)

    def accept_step(self, step: Step) -> bool:
        """Take over one step of a walk; all steps of a walk are one entry of the history.

        Returns
        -------
        bool
            False if it was overtaken: a person has given something between its anchors meanwhile,
            an anchor, the model or the window has changed, or the object is gone or finished.
        """
        document, label, stretch = self.document, step.walk.label, step.stretch
        if document.is_shut(label) or step.walk.key is not document.setup:
            return False
        if not self._holds(label, stretch):
            return False
        # a step without a plane says that a stretch is done
        changes = self._finished(step) if step.plane is None else self._stepped(step, step.plane)
        together = step.walk.together
        title, token = (TITLE, step.walk) if together is None else (TITLE_ALL, together)
        # the walk itself is the token: its steps join one entry as long as nothing comes between
        document.do(title, changes, token=token)
        self.journal.stepped(step, document.setup)
        return True

    def _answer_all(self, label: int, axis: int) -> None:
        """Predict an object on every plane of an axis that has unanswered prompts."""
        for plane in self.document.given_planes(label, axis):
            self.predictor.predict(plane, label)

    def _walk(
        self,
        request: Walk,
        on_progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Change:
        def told(step: Step) -> None:
            if on_progress is not None:
                on_progress(step.done, step.total)

        change = self._take_all(walk(request), told, should_stop)
        return replace(change, objects=(request.label,))

    def _take_all(
        self,
        steps: Iterator[Step],
        told: Callable[[Step], None],
        should_stop: Callable[[], bool] | None,
    ) -> Change:
        """Take over the steps of a propagation as they come."""
        changed, stops = set(), []
        if should_stop is not None and should_stop():
            return Change(TITLE)
        for step in steps:
            self.accept_step(step)
            stops += [(step.walk.label, stop) for stop in step.stops]
            if step.plane is not None:
                changed.add(step.plane)
            told(step)
            if should_stop is not None and should_stop():
                break
        return Change(TITLE, tuple(sorted(changed)), stops=tuple(stops))

    def _prepared(self) -> WalkCache:
        """Return where walks keep what models prepare."""
        # the predictor may keep embeddings elsewhere since
        if self._cache.cache is not self.predictor.prepared:
            self._cache = WalkCache(self.predictor.prepared)
        return self._cache

    @property
    def _is_whole(self) -> bool:
        """Whether clicks are answered in the volume, so that there is nothing to propagate."""
        return self.document.setup.volume_model is not None

    @property
    def _threshold(self) -> float:
        return self.document.setup.model.traits.threshold

    def _stepped(self, step: Step, plane: Plane) -> dict[Hashable, Any]:
        # nor is what it replaced kept alive
        # history keeps the stretch: what it replaced would stay in memory with it
        stretch = replace(step.stretch, earlier=None)
        shown = replace(propagated(self.document, step), stretch=stretch)
        own: dict[Hashable, Any] = {
            PlaneKey(step.walk.label, plane): PlaneState(propagated=shown, shown=shown)
        }
        # those that give way come first, so that their pixels are free
        return {**self._outdone(step.walk.label, plane, shown), **own}

    def _outdone(self, label: int, plane: Plane, shown: Shown) -> dict[Hashable, Any]:
        """Return what other propagated objects lose where they are less probable than this one.

        What a person gave, finished and locked objects lose nothing.
        """
        document = self.document
        lost: dict[Hashable, Any] = {}
        # regions are about pixels, not objects: what is outside must stay whoever is surer
        if not document.setup.compete or document.protection.is_limited:
            return lost
        for other in document.objects:
            state = document.state(other, plane)
            theirs = state.shown
            if other == label or theirs is None or state.is_given or document.is_locked(other):
                continue
            rows, cols = (np.arange(span.start, span.stop) for span in theirs.slices)
            taken = theirs.inside & shown.window(*theirs.slices)
            if taken.any():
                # logits of one model are comparable; a tie stays with the one that had it
                taken &= shown.patch.at(rows, cols) > theirs.patch.at(rows, cols)
                less = replace(theirs, inside=theirs.inside & ~taken, at=theirs.slices)
                lost[PlaneKey(other, plane)] = replace(state, propagated=less, shown=less)
        return lost

    def _finished(self, step: Step) -> dict[Hashable, Any]:
        """Remember a stretch as done; what an earlier walk left beyond the object's end goes."""
        label, stretch = step.walk.label, step.stretch
        changes: dict[Hashable, Any] = {}
        for plane, state in self.document.canvas.states(label, stretch.axis):
            # an earlier walk went further than this one: what it left there is no longer answered
            stale = plane.index in stretch and plane.index not in step.answered
            if stale and not state.is_given:
                changes[PlaneKey(label, plane)] = None
        for key, (old, _, _) in self._walked(label, stretch.axis):
            # stretches that overlap the new one are no longer done
            if old.first <= stretch.last and stretch.first <= old.last:
                changes[key] = None
        left, right = stretch.left, stretch.right
        done = WalkKey(
            label,
            stretch.axis,
            None if left is None else left.index,
            None if right is None else right.index,
        )
        kept = replace(stretch, earlier=None)
        changes[done] = (kept, self.document.setup, step.walk.settings)
        return changes

    def _with_earlier(self, label: int, stretch: Stretch, settings: WalkSettings) -> Stretch:
        """Return a stretch with what was answered on it before a person changed something."""
        old = [
            one
            for _, (one, setup, how) in self._walked(label, stretch.axis)
            if one.first <= stretch.last
            and stretch.first <= one.last
            # another window or model: what was answered under it is no basis for a correction
            and setup is self.document.setup
            and how == settings
        ]
        is_covered = any(one.first <= stretch.first and stretch.last <= one.last for one in old)
        # interpolation has no answers of a model that could be kept
        is_kept = self.document.setup.keep_answers and settings.method != "interpolate"
        if not (is_covered and is_kept):
            return stretch
        before = {a.index: a for one in old for a in (one.left, one.right) if a is not None}
        sides = [s for s in (stretch.left, stretch.right) if s is not None]
        known = frozenset(
            s.index for s in sides if s.index in before and _source(before[s.index]) == _source(s)
        )
        left, right = (
            self._corrected(label, stretch.axis, s, before) for s in (stretch.left, stretch.right)
        )
        # masks in place, also those that came of other corrections
        here = {
            plane.index: state.shown
            for plane, state in self.document.canvas.states(label, stretch.axis)
            if plane.index in stretch and not state.is_given and state.shown is not None
        }
        sources = _source(stretch.left), _source(stretch.right)
        earlier = Earlier(
            {i: one.patch for i, one in here.items()},
            {i: one.confidence or 0.0 for i, one in here.items()},
            known,
            frozenset(
                i
                for i, one in here.items()
                if one.stretch is not None
                and (_source(one.stretch.left), _source(one.stretch.right)) == sources
            ),
        )
        return replace(stretch, left=left, right=right, earlier=earlier)

    def _corrected(
        self, label: int, axis: int, anchor: Anchor | None, before: Mapping[int, Anchor]
    ) -> Anchor | None:
        """Return an anchor that knows what was in place there before."""
        if anchor is None:
            return None
        if anchor.index in before:
            was = before[anchor.index]
            # a second click on the plane that ends the object moves its end no more than the first
            return replace(anchor, before=was.patch, is_correction=was.is_correction)
        old = self.document.state(label, Plane(axis, anchor.index)).propagated
        if old is None:
            return anchor
        return replace(anchor, before=old.patch, is_correction=bool(old.inside.any()))

    def _is_done(self, label: int, stretch: Stretch, settings: WalkSettings) -> bool:
        sources = _source(stretch.left), _source(stretch.right)
        return any(
            (_source(old.left), _source(old.right)) == sources
            and old.first <= stretch.first
            and stretch.last <= old.last
            and setup is self.document.setup
            and how == settings
            for _, (old, setup, how) in self._walked(label, stretch.axis)
        )

    def _walked(
        self, label: int, axis: int
    ) -> list[tuple[WalkKey, tuple[Stretch, Setup, WalkSettings]]]:
        """Return which stretches of an object are remembered as done, and how."""
        return [
            (key, value)
            for key, value in self.document.history.values.items()
            if isinstance(key, WalkKey) and (key.label, key.axis) == (label, axis)
        ]

    def _holds(self, label: int, stretch: Stretch) -> bool:
        """Whether a stretch's anchors are what they were, with none between them."""
        given = [p.index for p in self.document.worked_planes(label, stretch.axis)]
        low = -1 if stretch.left is None else stretch.left.index
        high = (
            len_along(self.document.volume, stretch.axis)
            if stretch.right is None
            else stretch.right.index
        )
        # a person worked between the anchors since: the stretch is two now
        if any(low < index < high for index in given):
            return False
        return all(
            anchor is None
            or self._source(label, Plane(stretch.axis, anchor.index)) == anchor.source
            for anchor in (stretch.left, stretch.right)
        )

    def _anchors(self, label: int, axis: int) -> list[Anchor]:
        found = []
        for plane in self.document.worked_planes(label, axis):
            source = self._source(label, plane)
            if source != (None, None):
                patch = self._own(label, plane)
                is_empty = not patch.inside(self._threshold).any()
                state = self.document.state(label, plane)
                # a person who painted or clicked so often means the mask that is there
                settled = state.is_painted or len(state.prompts.clicks) >= SETTLING_CLICKS
                found.append(
                    Anchor(
                        plane.index, patch, is_empty, source,
                        is_settled=settled, removed=self._removed(state, patch),
                        is_remnant=_is_remnant(state), negatives=self._negatives(state),
                    )
                )  # fmt: skip
        return found

    def _areas(self, label: int, axis: int, anchors: Sequence[Anchor]) -> dict[int, int]:
        """Return the pixels of an object on the planes where it is, but for doubtful ones."""
        if not self.document.setup.keep_answers:
            return {}
        found = {
            plane.index: int(np.count_nonzero(state.shown.inside))
            for plane, state in self.document.canvas.states(label, axis)
            if state.shown is not None and not state.is_given
        }
        sound = [anchor for anchor in anchors if not anchor.doubt]
        return found | {
            a.index: int(np.count_nonzero(a.patch.inside(self._threshold))) for a in sound
        }

    def _removed(self, state: PlaneState, patch: Patch) -> Patch | None:
        """Return the pixels that negative clicks removed from a propagated mask on a plane."""
        # only what was propagated here can have been taken away by clicks
        if state.initial is None or state.is_painted or not self.document.setup.follow_neighbours:
            return None
        if all(click.positive for click in state.prompts.clicks):
            return None
        return Patch.from_mask(state.initial.mask(self._threshold) & ~patch.mask(self._threshold))

    def _negatives(self, state: PlaneState) -> tuple[Click, ...]:
        """Return what was clicked as not the object, where that is kept away on planes beside."""
        if not self.document.setup.follow_neighbours:
            return ()
        return tuple(click for click in state.prompts.clicks if not click.positive)

    def _source(self, label: int, plane: Plane) -> tuple[Patch | None, Painted | None]:
        """Return the state from which an object's mask on a plane is computed."""
        shown = self.document.state(label, plane).shown
        painted = self.document.canvas.painted(label).get(plane.index)
        return None if shown is None else shown.patch, painted if plane.axis == 0 else None

    def _has_mask(self, label: int, plane: Plane) -> bool:
        shown, (_, painted) = self.document.state(label, plane).shown, self._source(label, plane)
        if painted is not None:
            return bool(self._own(label, plane).inside(self._threshold).any())
        return shown is not None and bool(shown.inside.any())

    def _own(self, label: int, plane: Plane) -> Patch:
        """Return an answer as it is in place: less what others hold, and with what was painted."""
        shown, (_, painted) = self.document.state(label, plane).shown, self._source(label, plane)
        mask = np.zeros(self.document.volume.slice_shape(plane.axis), bool)
        if shown is not None:
            mask[shown.slices] = shown.inside
        if painted is not None:
            painted.lay_over(mask, self.document.canvas.whole(plane))
        if shown is None:
            return Patch.from_mask(mask)
        inside = shown.patch.mask(self._threshold)
        if np.array_equal(mask, inside):
            return shown.patch
        logits = shown.patch.full()
        # as sure as can be: what is in place counts more than what the model said
        logits[inside & ~mask] = -LOGIT_LIMIT
        logits[mask & ~inside] = LOGIT_LIMIT
        return Patch(0, 0, logits, shown.patch.shape)

    def _checked_range(self, axis: int, planes: range | None) -> range:
        count = len_along(self.document.volume, axis)
        wanted = range(count) if planes is None else planes
        if count == 1 or not wanted or wanted.step != 1 or wanted[0] < 0 or wanted[-1] >= count:
            raise PromptError(
                f"planes cannot be propagated to: expected a range within 0 to {count - 1} on axis "
                f"{axis}, in a volume of more than one plane, got {wanted!r}. "
                "Choose planes inside the data."
            )
        return wanted


def propagated(document: Document, step: Step) -> Shown:
    """Return the part of a propagated answer that is kept: its mask, and the logits near it."""
    assert step.patch is not None
    kept = pack(step.patch, document.setup.model.traits.threshold)
    rank = (False, document.next_serial())
    return Shown(kept.patch, kept.inside, rank, confidence=step.confidence)


def _is_remnant(state: PlaneState) -> bool:
    """Whether negative clicks alone were given: what is left was never said to be the object."""
    clicks = state.prompts.clicks
    return bool(clicks) and not any(c.positive for c in clicks) and not state.is_painted


def _source(anchor: Anchor | None) -> object:
    return None if anchor is None else (anchor.source, anchor.doubt)
