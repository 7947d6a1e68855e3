"""A session as a window uses it: nothing here runs a model, so nothing here takes long."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.settings import ZoomIn
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
from napari_intseg.inference.graph_cut import GraphCut
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.document import SETUP, Change
from napari_intseg.session.embeddings import EmbeddingFiles, LayeredCache, PreparedCache
from napari_intseg.session.journal.recorder import Seen, on_paper, recorded
from napari_intseg.session.masks.packed import Packed, pack
from napari_intseg.session.masks.plane_state import (
    PlaneKey,
    PlaneState,
    Shown,
    handed_over,
    question,
    still_chosen,
)
from napari_intseg.session.objects import Objects
from napari_intseg.session.question import Question, Setup
from napari_intseg.session.request import Request, Result
from napari_intseg.session.validate_prompts import added_clicks, check_plane, check_prompts

CACHE_BYTES = 1 << 30


class Desk(Objects):
    """One person's work on one volume, with answers computed elsewhere.

    Change it from one thread only. See `Session` for the same with answers at once.

    Parameters
    ----------
    model : Segmenter
        Who answers.
    volume : Volume
        2-D or 3-D; lazy data stays lazy.
    axis : int, default 0
        Clicks without a plane of their own, and propagation, use planes perpendicular to it.
    window, channels
        See `resolve_intensity`.
    zoom_in, flip, graph_cut
        See `Options`; "model" is what the model was published with.
    cache_bytes : int
        Memory for what models prepare.

    Raises
    ------
    DataError
        If the axis, the window or a channel does not exist.
    """

    def __init__(  # noqa: PLR0913 - one setting each
        self,
        model: Segmenter,
        volume: Volume,
        *,
        axis: int = 0,
        window: WindowChoice = None,
        channels: tuple[int, ...] | None = None,
        zoom_in: ZoomIn | Literal["model"] | None = "model",
        flip: bool | Literal["model"] = "model",
        graph_cut: GraphCut | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        setup = Setup(model, volume, window, channels, zoom_in, flip, graph_cut=graph_cut)
        super().__init__(setup, axis)
        self.cache: PreparedCache | LayeredCache = PreparedCache(cache_bytes)
        self.seen = Seen()
        self.recorder.note("begin", axis=self._axis, setup=setup.written())

    def keep_embeddings(self, files: EmbeddingFiles | None) -> None:
        """Keep what models prepare on disk as well, for another day; None: in memory only."""
        memory = self.cache.memory if isinstance(self.cache, LayeredCache) else self.cache
        self.cache = memory if files is None else LayeredCache(memory, files)

    def set_axis(self, axis: int) -> None:
        """Choose the planes that clicks and propagation use.

        Raises
        ------
        DataError
            If the axis does not exist.
        """
        self._axis = self.volume.check_plane(Plane(axis, 0)).axis

    @recorded
    def change_setup(self, **changes: Any) -> Change:
        """Change model, window, channels or another field of `Setup`, as one entry.

        Masks stay; planes with prompts are then `is_pending`, and are answered anew, from their
        first click on, when they are requested.

        Raises
        ------
        DataError
            If the window or a channel does not exist.
        """
        old = self.setup
        setup = old.changed(**changes)
        if setup.model is not old.model:
            self.cache.clear()
        return self.document.do(f"Change {' and '.join(changes)}", {SETUP: setup})

    @recorded
    def change_prompts(
        self, changes: Mapping[Plane, Prompts], title: str = "Change prompts"
    ) -> Change:
        """Replace everything given on several planes, as one entry; see `set_prompts`."""
        label = self._check_open()
        states: dict[Hashable, Any] = {}
        for plane, prompts in changes.items():
            state = self.document.state(label, plane)
            check_prompts(self.volume, plane, prompts, self.model.traits, state.prompts)
            state = handed_over(state, prompts, self.model.traits)
            new = _with_prompts(state, prompts, self.document.next_serial)
            states[PlaneKey(label, plane)] = self._answered(plane, new)
            self._last = plane
        return self.document.do(title, states)

    @recorded
    def set_initial(
        self,
        masks: Mapping[Plane, BoolArray],
        title: str = "Set initial mask",
        token: str | None = None,
    ) -> Change:
        """Start planes from given masks, shown at once; clicks that follow correct them.

        Parameters
        ----------
        masks : mapping of Plane to ndarray of bool, shape (H, W)
            On the slices' grids; of any other dtype, non-zero is the object.
        title : str
            What people read beside Undo.
        token : str, optional
            Calls with the same token, with nothing done between them, are one step of undo.

        Raises
        ------
        PromptError
            If a plane does not exist, or the object is finished.
        DataError
            If a mask is on another grid.
        """
        states = self._started(self._check_open(), masks)
        self._last = list(masks)[-1] if masks else self._last
        return self.document.do(title, states, token)

    def _started(self, label: int, masks: Mapping[Plane, BoolArray]) -> dict[Hashable, Any]:
        """Return the planes of an object as they start from masks."""
        states: dict[Hashable, Any] = {}
        for plane, mask in masks.items():
            shape = self.volume.slice_shape(check_plane(self.volume, plane).axis)
            if np.shape(mask) != shape:
                raise DataError(
                    f"mask is on another grid: expected shape {shape} on {plane!r}, "
                    f"got {np.shape(mask)!r}. Resample it onto the data's grid first."
                )
            old = self.document.state(label, plane)
            patch, start = Patch.from_mask(mask), len(old.prompts.clicks)
            drawn = (old.prompts.box, old.prompts.scribbles)
            new = replace(
                old, initial=patch, start=start, drawn=drawn, is_painted=True,
                serial=self.document.next_serial(),
            )  # fmt: skip
            states[PlaneKey(label, plane)] = self._answered(plane, new)
        return states

    def is_pending(self, plane: Plane) -> bool:
        """Whether the current object's prompts on a plane still wait for their answer."""
        if self._is_shut(self.object):
            return False
        state = self.document.state(self.object, plane)
        question = self._question(plane, state)
        if not question.is_answerable:
            return False
        return state.shown is None or state.shown.question != question

    def request(self, plane: Plane) -> Request | None:
        """Return what there is to compute on a plane; None if its answer is there.

        Ask when a thread is free to run it: it then holds every click made meanwhile.
        """
        if not self.is_pending(plane):
            return None
        question = self._question(plane, self.document.state(self.object, plane))
        answered, prev = self._memory.before(question)
        return Request(self.revision, self.object, question, answered, prev, self.cache)

    def asked(self, plane: Plane, label: int) -> Question:
        """Return what the model is asked about an object on a plane."""
        return self._question(plane, self.document.state(label, plane))

    def course(self, plane: Plane, label: int) -> dict[int, SliceAnswer]:
        """Return the model's answers to it that are still remembered, by number of clicks."""
        return self._memory.course(self.asked(plane, label))

    def accept(self, result: Result) -> bool:
        """Take over a result.

        Returns
        -------
        bool
            False if it was overtaken: its prompts, the model or the window have changed since, its
            object is gone or finished, or it was stopped. Nothing is drawn then; its answers are
            kept all the same, and the next request starts from the last that still holds.
        """
        self._memory.keep(result.question, result.answers)
        if not result.is_complete or self._is_shut(result.object):
            return False
        state = self.document.state(result.object, result.plane)
        if self._question(result.plane, state) != result.question:
            return False
        self._place(result.object, result.plane, result.packed)
        self._last = result.plane
        self.recorder.note(
            "answer",
            object=result.object,
            plane=on_paper(result.plane),
            **self.seen.once(self.setup),
        )
        return True

    def _place(self, label: int, plane: Plane, packed: Packed | None = None) -> bool:
        """Put a plane's answer in place if it is known and not there; say whether it was done."""
        state = self.document.state(label, plane)
        asked = self._question(plane, state)
        if not asked.is_answerable and not state.prompts.is_empty and state.initial is None:
            return False  # they are for another model, and the mask they led to stays
        answered = self._answered(plane, state, packed)
        if answered is None or answered is state:
            return False
        self.document.amend(PlaneKey(label, plane), answered)
        return True

    def _question(self, plane: Plane, state: PlaneState) -> Question:
        return question(self.setup, plane, state)

    def _answered(
        self, plane: Plane, state: PlaneState, packed: Packed | None = None
    ) -> PlaneState | None:
        """Return a state with the mask that belongs to it, if that is known without the model."""
        asked = self._question(plane, state)
        if asked.is_answerable:
            answer = self._memory.get(asked)
            if answer is None or (state.shown is not None and state.shown.question == asked):
                return state
            ready = packed or pack(answer.patch, self.model.traits.threshold)
            return replace(state, shown=_shown(ready, (True, state.serial), asked))
        if state.initial is not None:
            if state.shown is not None and state.shown.patch is state.initial:
                return state
            inside = state.initial.inside(self.model.traits.threshold)
            return replace(state, shown=Shown(state.initial, inside, (True, state.serial)))
        if not state.prompts.is_empty:  # they say too little, or are for another model
            return replace(state, shown=state.propagated)
        return (
            None
            if state.propagated is None
            else PlaneState(propagated=state.propagated, shown=state.propagated)
        )

    def _propagated(self, patch: Patch) -> Shown:
        """Return what is kept for ever of a propagated answer: its mask, and its logits near it."""
        packed = pack(patch, self.model.traits.threshold)
        return _shown(packed, (False, self.document.next_serial()))


def _shown(packed: Packed, rank: tuple[bool, int], question: Question | None = None) -> Shown:
    return Shown(packed.patch, packed.inside, rank, question)


def _with_prompts(
    state: PlaneState, prompts: Prompts, next_serial: Callable[[], int]
) -> PlaneState:
    """Return a state with other prompts; clicks that were there keep their number in the order."""
    old, new = state.prompts.clicks, prompts.clicks
    initial, start = state.initial, 0
    if state.is_painted:
        for click in old[: state.start]:
            start += start < len(new) and new[start] == click
    elif prompts.is_empty:
        initial = None
    elif initial is None and state.propagated is not None:
        initial = state.propagated.patch
    serials = state.serials
    if added := added_clicks(old, new):
        serials = (*state.serials, *(next_serial() for _ in added))
    elif len(old) != len(new):
        serials = _serials(dict(zip(old, state.serials, strict=True)), new, next_serial)
    state = replace(state, choices=still_chosen(state, prompts))
    return replace(
        state, prompts=prompts, serials=serials, initial=initial, start=start,
        serial=next_serial(),
    )  # fmt: skip


def _serials(
    known: dict[Click, int], clicks: tuple[Click, ...], next_serial: Callable[[], int]
) -> tuple[int, ...]:
    return tuple(known.pop(click, 0) or next_serial() for click in clicks)
