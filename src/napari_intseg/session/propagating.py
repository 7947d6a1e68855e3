"""Propagation as part of a session: what there is to do, and taking over what was done."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import LOGIT_LIMIT
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.guard import doubted
from napari_intseg.propagation.stretch import Anchor, Stretch, stretches
from napari_intseg.propagation.walk import Step, Walk, WalkSettings, with_memory
from napari_intseg.session.going_back import GoingBack
from napari_intseg.session.positions import len_along
from napari_intseg.session.setup import Setup
from napari_intseg.session.state import ObjectInfo, ObjectKey, PlaneKey, PlaneState, WalkKey
from napari_intseg.session.strokes import Painted

TITLE = "Propagate"
SETTLING_CLICKS = 3  # whoever clicks so often on a plane means the mask that is there
TITLE_ALL = "Propagate all"


class Propagating(GoingBack):
    """A session that propagates masks along its axis, computed elsewhere."""

    def propagation_request(
        self,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        label: int | None = None,
        together: str | None = None,
    ) -> Walk:
        """Return what there is to propagate, from every plane of `axis` a person worked on.

        Stretches between such planes that were propagated before, and that nothing has changed,
        are left out.

        Parameters
        ----------
        planes : range, optional
            Only these are changed; all by default.
        settings : WalkSettings, optional
            When to stop.
        label : int, optional
            Of the object; the current one by default.
        together : str, optional
            Propagations with the same word, with nothing done between them, are one step of undo.

        Raises
        ------
        PromptError
            If the data has no further planes, the range is not inside it, no plane of `axis` has a
            mask to start from, the object is finished, or the model has no memory to propagate by.
        """
        chosen = self._check_open(label)
        if settings is not None and settings.method == "memory":
            with_memory(self.model)
        wanted = self._checked_range(planes)
        anchors = self._anchors(chosen)
        if all(anchor.is_empty for anchor in anchors):
            raise PromptError(
                f"nothing to propagate from: expected a mask on a plane of axis {self.axis} that a "
                f"person worked on, got none for object {chosen}. Click on the object first."
            )
        how = settings or WalkSettings()
        anchors = doubted(
            anchors,
            threshold=self.model.traits.threshold,
            step_mm=float(self.volume.spacing[self.axis]),
            spacing=self.volume.slice_spacing(self.axis),
            max_spread=how.ending.max_spread,
        )
        todo = [
            s for s in stretches(self.axis, anchors, wanted) if not self._is_done(chosen, s, how)
        ]
        setup = self.setup
        request = Walk(
            chosen,
            setup.model,
            self.volume,
            lambda: setup.options,
            tuple(todo),
            how,
            self.cache,
            setup,
            setup.context,
            together,
        )
        if todo:
            self.recorder.began(request, self.axis, planes)
        return request

    def can_propagate(self, label: int) -> bool:
        """Whether an object is not finished, and has a mask on a plane of `axis` to start from.

        Only planes a person worked on count, as in `propagation_request`.
        """
        if label not in self.objects or self.is_finished(label):
            return False
        return any(self._has_mask(label, plane) for plane in self._given(self.axis, label))

    @property
    def confidences(self) -> dict[Plane, float]:
        """How sure propagation was of the current object, 0 to 1, on each plane of `axis`.

        Planes a person worked on are not among them. See `propagation.confidence`.
        """
        return self.confidences_of(self.object)

    def confidences_of(self, label: int) -> dict[Plane, float]:
        """Return the same of any object."""
        planes = self.propagated_planes(self.axis, label)
        found = ((plane, self.confidence(plane, label)) for plane in planes)
        return {plane: sure for plane, sure in found if sure is not None}

    def to_check(self, below: float = 1.0, *, label: int | None = None) -> tuple[Plane, ...]:
        """Return the planes a person should look at, the least sure first.

        Parameters
        ----------
        below : float, default 1.0
            Only planes whose confidence is at most this.
        label : int, optional
            Of the object; the current one by default.
        """
        found = self.confidences_of(self.object if label is None else label)
        ranked = sorted(found.items(), key=lambda pair: (pair[1], pair[0]))
        return tuple(plane for plane, sure in ranked if sure <= below)

    def accept_step(self, step: Step) -> bool:
        """Take over one step of a walk; all steps of a walk are one entry of the history.

        Returns
        -------
        bool
            False if it was overtaken: a person has given something between its anchors meanwhile,
            an anchor, the model or the window has changed, or the object is gone or finished.
        """
        label, stretch = step.walk.label, step.stretch
        if self._is_shut(label) or step.walk.key is not self.setup:
            return False
        if not self._holds(label, stretch):
            return False
        changes = self._finished(step) if step.plane is None else self._stepped(step, step.plane)
        together = step.walk.together
        title, token = (TITLE, step.walk) if together is None else (TITLE_ALL, together)
        self.document.do(title, changes, token=token)
        self.recorder.stepped(step, **self.seen.once(self.setup))
        return True

    def accept_followed(self, label: int, plane: Plane, step: Step, token: Hashable = None) -> bool:
        """Take over a mask that was followed here from another time point.

        Parameters
        ----------
        label : int
            Of the object; it is begun if need be.
        plane : Plane
            Of this session's volume.
        step : Step
            From `Follow.steps`.
        token : hashable, optional
            Steps with the same token are one entry of the history.

        Returns
        -------
        bool
            False where a person has given something, or the object is finished.
        """
        state = self.document.state(label, plane)
        is_new = label not in self.objects
        if step.patch is None or state.is_given or (not is_new and self.is_finished(label)):
            return False
        shown = replace(self._propagated(step.patch), confidence=step.confidence)
        changes: dict[Hashable, Any] = {
            PlaneKey(label, plane): PlaneState(propagated=shown, shown=shown)
        }
        if is_new:
            changes[ObjectKey(label)] = ObjectInfo(label)
        self.document.do("Follow through time", changes, token=token)
        return True

    def _stepped(self, step: Step, plane: Plane) -> dict[Hashable, Any]:
        assert step.patch is not None
        shown = self._propagated(step.patch)
        shown = replace(shown, confidence=step.confidence, stretch=step.stretch)
        return {PlaneKey(step.walk.label, plane): PlaneState(propagated=shown, shown=shown)}

    def _finished(self, step: Step) -> dict[Hashable, Any]:
        """Remember a stretch as done; what an earlier walk left beyond the object's end goes."""
        label, stretch = step.walk.label, step.stretch
        changes: dict[Hashable, Any] = {}
        for plane, state in self.document.canvas.states(label, stretch.axis):
            stale = plane.index in stretch and plane.index not in step.answered
            if stale and not state.is_given:
                changes[PlaneKey(label, plane)] = None
        for key, (old, _, _) in self._walked(label, stretch.axis):
            if old.first <= stretch.last and stretch.first <= old.last:
                changes[key] = None
        left, right = stretch.left, stretch.right
        done = WalkKey(
            label,
            stretch.axis,
            None if left is None else left.index,
            None if right is None else right.index,
        )
        changes[done] = (stretch, self.setup, step.walk.settings)
        return changes

    def _is_done(self, label: int, stretch: Stretch, settings: WalkSettings) -> bool:
        sources = _source(stretch.left), _source(stretch.right)
        return any(
            (_source(old.left), _source(old.right)) == sources
            and old.first <= stretch.first
            and stretch.last <= old.last
            and setup is self.setup
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
        given = [p.index for p in self._given(stretch.axis, label)]
        low = -1 if stretch.left is None else stretch.left.index
        high = (
            len_along(self.volume, stretch.axis) if stretch.right is None else stretch.right.index
        )
        if any(low < index < high for index in given):
            return False
        return all(
            anchor is None
            or self._source(label, Plane(stretch.axis, anchor.index)) == anchor.source
            for anchor in (stretch.left, stretch.right)
        )

    def _anchors(self, label: int) -> list[Anchor]:
        found = []
        for plane in self._given(self.axis, label):
            source = self._source(label, plane)
            if source != (None, None):
                patch = self._own(label, plane)
                is_empty = not patch.inside(self.model.traits.threshold).any()
                state = self.document.state(label, plane)
                settled = state.is_painted or len(state.prompts.clicks) >= SETTLING_CLICKS
                found.append(
                    Anchor(
                        plane.index, patch, is_empty, source,
                        is_settled=settled, removed=self._removed(state, patch),
                        is_remnant=_is_remnant(state),
                    )
                )  # fmt: skip
        return found

    def _removed(self, state: PlaneState, patch: Patch) -> Patch | None:
        """Return what negative clicks took away of what propagation had said on a plane."""
        if state.initial is None or state.is_painted:
            return None
        if all(click.positive for click in state.prompts.clicks):
            return None
        threshold = self.model.traits.threshold
        return Patch.from_mask(state.initial.mask(threshold) & ~patch.mask(threshold))

    def _source(self, label: int, plane: Plane) -> tuple[Patch | None, Painted | None]:
        """Return what an object's mask on a plane is made of."""
        shown = self.document.state(label, plane).shown
        painted = self.document.canvas.painted(label).get(plane.index)
        return None if shown is None else shown.patch, painted if plane.axis == 0 else None

    def _has_mask(self, label: int, plane: Plane) -> bool:
        shown, (_, painted) = self.document.state(label, plane).shown, self._source(label, plane)
        if painted is not None:
            return bool(self._own(label, plane).inside(self.model.traits.threshold).any())
        return shown is not None and bool(shown.inside.any())

    def _own(self, label: int, plane: Plane) -> Patch:
        """Return an answer as it is in place: less what others hold, and with what was painted."""
        shown, (_, painted) = self.document.state(label, plane).shown, self._source(label, plane)
        mask = np.zeros(self.volume.slice_shape(plane.axis), bool)
        if shown is not None:
            mask[shown.slices] = shown.inside
        if painted is not None:
            painted.lay_over(mask, self.document.canvas.whole(plane))
        if shown is None:
            return Patch.from_mask(mask)
        inside = shown.patch.mask(self.model.traits.threshold)
        if np.array_equal(mask, inside):
            return shown.patch
        logits = shown.patch.full()
        logits[inside & ~mask] = -LOGIT_LIMIT
        logits[mask & ~inside] = LOGIT_LIMIT
        return Patch(0, 0, logits, shown.patch.shape)

    def _checked_range(self, planes: range | None) -> range:
        count = len_along(self.volume, self.axis)
        wanted = range(count) if planes is None else planes
        if count == 1 or not wanted or wanted.step != 1 or wanted[0] < 0 or wanted[-1] >= count:
            raise PromptError(
                f"planes cannot be propagated to: expected a range within 0 to {count - 1} on axis "
                f"{self.axis}, in a volume of more than one plane, got {wanted!r}. "
                "Choose planes inside the data."
            )
        return wanted


def _is_remnant(state: PlaneState) -> bool:
    clicks = state.prompts.clicks
    return bool(clicks) and not any(c.positive for c in clicks) and not state.is_painted


def _source(anchor: Anchor | None) -> object:
    return None if anchor is None else (anchor.source, anchor.doubt)
