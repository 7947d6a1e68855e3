"""What a model is asked and has answered: requests, results, and the answers that are kept."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Prompts, seed_points, shared
from napari_intseg.core.segmenter import BoolArray, FloatArray, Segmenter, missing, sigmoid
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import CompactAnswer, Patch
from napari_intseg.inference.predict import (
    SliceAnswer,
    largest_view_px,
    predict_slice,
)
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.propagation.guidance import clicked_nearby, start_of
from napari_intseg.session.document import SETUP, Change, Document
from napari_intseg.session.embeddings import (
    AnswerCache,
    EmbeddingFiles,
    LayeredCache,
    PreparedCache,
)
from napari_intseg.session.journal.recorder import Recorder
from napari_intseg.session.masks.plane_state import (
    ObjectInfo,
    ObjectKey,
    OtherObjects,
    Packed,
    PlaneKey,
    PlaneState,
    Shown,
    VolumeKey,
    pack,
    question,
    with_initial,
    with_prompts,
)
from napari_intseg.session.question import Question
from napari_intseg.session.validate_prompts import check_mask, check_prompts
from napari_intseg.session.volume_answers import (
    VolumeAnswer,
    VolumeAnswers,
    VolumeRequest,
    answer_in_volume,
)

CACHE_BYTES = 1 << 30
"""For what models prepare: 256 embeddings of SAM, which are 4 MiB each."""


# clicks up to which each is predicted in turn: more, after an early one was taken away, would hold
# up a person for seconds; eight take half a second with the bundled network
_ONE_BY_ONE = 8


# others this far from a first prompt are shown to a model that knows them: all of a slice of 2048
# pixels, and of a larger one no more than that costs
_NEAR_PX = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A prediction to compute: one plane of one object.

    The published predictors answer once a click, each answer guiding the next [1]_. So a request
    holds every click after the last answer that still holds, and the model is asked once for
    each, in order: the outcome is that of the sequence, however it came about.

    Parameters
    ----------
    revision : int
        Of the session when the request was made.
    object : int
        Label of the object.
    question : Question
        Model, data, plane and prompts.
    answered : int
        The number of clicks that `prev` answers; -1 if there is no answer to start from.
    prev : SliceAnswer or None
        The last answer that still holds.
    prepared : PreparedStore or None
        What the model prepared earlier.
    in_volume : VolumeRequest or None
        What is asked in 3-D, after the plane; None: the plane alone.
    asks_plane : bool
        Whether the plane itself is asked about.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """

    revision: int
    object: int
    question: Question
    answered: int = -1
    prev: SliceAnswer | None = None
    prepared: PreparedStore | None = None
    in_volume: VolumeRequest | None = None
    asks_plane: bool = True

    @property
    def plane(self) -> Plane:
        """Where."""
        return self.question.plane

    @property
    def prompts(self) -> Prompts:
        """All prompts on the plane."""
        return self.question.prompts

    @property
    def model(self) -> Segmenter:
        """Who answers."""
        return self.question.setup.model

    @property
    def volume(self) -> Volume:
        """What is looked at."""
        return self.question.setup.volume

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of clicks after which the model will be asked; its length is the work to do.

        Every one in order, but where a click was taken away, or moved, before many others, these
        are answered together: each of them is obeyed all the same.
        """
        counts = self.question.counts
        left = tuple(range(max(counts.start, self.answered + 1), counts.stop))
        # the first time all are asked one by one: the sequence is what the published rule defines
        if self.answered < 0 or len(left) <= _ONE_BY_ONE or not self.question.setup.obey:
            return left
        chosen = {count for count, _ in self.question.choices}
        # numbers after which a mask was chosen cannot be
        # skipped: what follows starts from that mask
        return tuple(n for n in left if n in chosen or n == left[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The outcome of a request.

    Parameters
    ----------
    revision : int
        Of the request.
    object : int
        Label of the object.
    question : Question
        As in the request.
    answers : tuple of (int, SliceAnswer)
        How many clicks each answers, in order; those of the request that were computed.
    is_complete : bool
        False if it was stopped before the last one.
    packed : Packed or None
        The last answer, ready to be kept; None: whoever keeps it packs it.
    in_volume : VolumeAnswer or None
        The answer in 3-D, if that was asked.
    """

    revision: int
    object: int
    question: Question
    answers: tuple[tuple[int, SliceAnswer], ...]
    is_complete: bool = True
    packed: Packed | None = None
    in_volume: VolumeAnswer | None = None

    @property
    def plane(self) -> Plane:
        """Where."""
        return self.question.plane

    @property
    def answer(self) -> SliceAnswer | None:
        """The last answer; None if it was stopped before any."""
        return self.answers[-1][1] if self.answers else None

    @property
    def info(self) -> Mapping[str, Any]:
        """What the model told with its last answer; ``"note"`` is for people.

        Without an answer the note says what the model still waits for.
        """
        if self.in_volume is not None:
            known = {} if self.answer is None else dict(self.answer.info)
            notes = filter(None, (known.get("note"), self.in_volume.note))
            return {**known, "note": "; ".join(map(str, notes))}
        if self.answer is not None:
            return self.answer.info
        wanted = missing(self.question.prompts, self.question.setup.model.traits)
        return {"note": f"waiting for {wanted}"} if wanted else {}

    @property
    def patch(self) -> Patch:
        """The last answer on the slice, empty if there is none. Other objects are not cut out."""
        shape = self.question.setup.volume.slice_shape(self.plane.axis)
        if self.answer is None and self.in_volume is not None:
            return self.in_volume.on(self.plane) or Patch.empty(shape)
        return self.answer.patch if self.answer else Patch.empty(shape)

    @property
    def seconds(self) -> float:
        """How long the model took."""
        in_volume = 0.0 if self.in_volume is None else self.in_volume.seconds
        return sum(answer.seconds for _, answer in self.answers) + in_volume


def run(request: Request, should_stop: Callable[[], bool] | None = None) -> Result:
    """Compute what a request asks for; depends on the request alone, and may run in any one thread.

    Parameters
    ----------
    request : Request
        From `Session.request`.
    should_stop : callable, optional
        Asked between two clicks, and often while a volume is answered; what has been computed by
        then is returned and not lost.
    """
    if request.in_volume is None:
        return _on_plane(request, should_stop)
    if request.asks_plane:
        result = _on_plane(request, should_stop)
    else:
        result = Result(request.revision, request.object, request.question, ())
    if not result.is_complete:
        return result
    planes = {} if result.packed is None else {request.plane: result.packed.patch}
    answer = answer_in_volume(request.in_volume, planes, should_stop)
    return replace(result, in_volume=answer, is_complete=answer is not None)


def _on_plane(request: Request, should_stop: Callable[[], bool] | None) -> Result:
    question, setup = request.question, request.question.setup
    model, options, prev = setup.model, setup.options, request.prev
    read = SliceReader(setup.volume, question.plane, setup.context)
    shape = setup.volume.slice_shape(question.plane.axis)
    answers: list[tuple[int, SliceAnswer]] = []
    for count in request.counts:
        if should_stop is not None and should_stop():
            return Result(request.revision, request.object, question, tuple(answers), False)
        asked = question.after(count)
        ask = partial(
            predict_slice,
            model,
            read,
            shape,
            asked.prompts,
            options,
            prev=prev,
            initial=question.initial,
            keeps=question.keeps,
            others=question.others,
            known=question.known,
            prepared=request.prepared,
            key=(setup, question.plane),
        )
        # with less memory smaller views are tried, from the size that is asked for now
        seen_px = partial(largest_view_px, model, shape, options)
        answer = within_memory(model, ask, store=request.prepared, seen_px=seen_px)
        prev = asked.chosen(answer) if asked.choices else answer
        answers.append((count, prev))
    # packed in this thread, since it takes tens of milliseconds on a large slice
    packed = pack(answers[-1][1].patch, model.traits.threshold) if answers else None
    return Result(request.revision, request.object, question, tuple(answers), packed=packed)


Runner = Callable[[Request], Result | None]
"""Computes a request at once, or returns None and has its result accepted later."""


class Predictor:
    """Asks the model of a document, and puts its answers in place.

    Change it from one thread only; `run` alone may go to another.

    Parameters
    ----------
    document : Document
        What is asked about, and where answers go.
    journal : Recorder
        Where it is noted that an answer was taken over.
    runner : callable
        See `Runner`; `run` computes at once.
    cache_bytes : int
        Memory for what models prepare.

    Attributes
    ----------
    answers : AnswerCache
        What was answered.
    prepared : PreparedCache or LayeredCache
        What models prepared.
    last_plane : Plane or None
        Where something was last given or answered.
    volumes : VolumeAnswers
        What a model that answers in 3-D is asked.
    changed : tuple of Plane
        Where the last answer that was taken over has changed masks.
    """

    def __init__(
        self,
        document: Document,
        journal: Recorder,
        *,
        runner: Runner = run,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.document, self.journal, self.runner = document, journal, runner
        self.answers = AnswerCache()
        self.prepared: PreparedCache | LayeredCache = PreparedCache(cache_bytes)
        self.last_plane: Plane | None = None
        self.volumes = VolumeAnswers(document)
        self.changed: tuple[Plane, ...] = ()

    def keep_embeddings(self, files: EmbeddingFiles | None) -> None:
        """Keep what models prepare on disk as well; None: in memory only."""
        # what is in memory stays when the folder is changed
        kept = self.prepared
        memory = kept.memory if isinstance(kept, LayeredCache) else kept
        self.prepared = memory if files is None else LayeredCache(memory, files)

    def question(self, plane: Plane, label: int) -> Question:
        """Return what the model is asked about an object on a plane."""
        return question(self.document.setup, plane, self.document.state(label, plane))

    def answer(self, plane: Plane, label: int) -> SliceAnswer | None:
        """Return the answer in place, in full; None if there is none, or it was forgotten."""
        shown = self.document.state(label, plane).shown
        if shown is None or shown.question is None:
            return None
        return self.answers.get(shown.question)

    def probability_on(self, plane: Plane, label: int) -> FloatArray:
        """Return an object's probability on a plane, float32 (H, W); 0 if unanswered."""
        out = np.zeros(self.document.volume.slice_shape(plane.axis), np.float32)
        shown = self.document.state(label, plane).shown
        if shown is not None:
            answer = self.answer(plane, label) if isinstance(shown.patch, CompactAnswer) else None
            patch = shown.patch if answer is None else answer.patch
            out[patch.slices] = sigmoid(patch.logits)
        return out

    def is_pending(self, plane: Plane, label: int) -> bool:
        """Whether an object's prompts on a plane still wait for their answer."""
        if self._open_question(plane, label) is not None:
            return True
        return not self.document.state(label, plane).prompts.is_empty and self.volumes.is_pending(
            label
        )

    def request(self, plane: Plane, label: int) -> Request | None:
        """Return what there is to compute on a plane; None if its answer is there."""
        asked = self._open_question(plane, label)
        in_volume, asks_plane = None, asked is not None
        model = self.document.setup.volume_model
        if model is not None and (asks_plane or self.volumes.is_pending(label)):
            in_volume = self.volumes.request(label, plane)
            asks_plane = asks_plane and model.answers_planes
            asked = asked or self.question(plane, label)
        if asked is None or (in_volume is None and not asks_plane):
            return None
        # answers on the way that are still known need not be computed again
        answered, prev = self.answers.before(asked)
        return Request(
            self.document.revision, label, asked, answered, prev, self.prepared, in_volume,
            asks_plane,
        )  # fmt: skip

    def accept(self, result: Result) -> bool:
        """Take over a result.

        Returns
        -------
        bool
            False if it was overtaken: its prompts, the model or the window have changed since, its
            object is gone or finished, or it was stopped. Nothing is drawn then; its answers are
            kept all the same, and the next request starts from the last that still holds.
        """
        # kept whether or not it is overtaken: undo may come back to it
        self.answers.keep(result.question, result.answers)
        if not result.is_complete or self.document.is_shut(result.object):
            return False
        label, plane = result.object, result.question.plane
        setup, state = self.document.setup, self.document.state(label, plane)
        # the whole question is compared: a change of model or window overtakes it as well
        if question(setup, plane, state) != result.question:
            return False
        if result.in_volume is None:
            answered = self.answered(state, result.question, result.packed)
            if answered is not None and answered is not state:
                self.document.amend(PlaneKey(label, plane), answered)
            self.changed = (plane,)
        elif not self._place_in_volume(label, result.in_volume, result):
            return False
        self.last_plane = plane
        self.journal.answered(label, plane, setup)
        return True

    def predict(self, plane: Plane, label: int) -> Result | None:
        """Compute, by the runner, the missing answer to an object's prompts on a plane.

        None if that is nothing, or the runner computes it elsewhere.
        """
        request = self.request(plane, label)
        result = None if request is None else self.runner(request)
        if result is not None:
            self.accept(result)
        return result

    def predict_or_recall(self, plane: Plane, label: int) -> Result:
        """Predict a plane; return the known answer if none is due, or it is computed elsewhere."""
        result = self.predict(plane, label)
        if result is not None:
            return result
        asked, is_pending = self.question(plane, label), self.is_pending(plane, label)
        answer = None if is_pending else self.answer(plane, label)
        count = len(self.document.state(label, plane).prompts.clicks)
        answers = () if answer is None else ((count, answer),)
        revision = self.document.revision
        return Result(revision, label, asked, answers, is_complete=not is_pending)

    def place(self, label: int, plane: Plane) -> bool:
        """Put a plane's answer in place if it is known and not there; say whether it was done."""
        state = self.document.state(label, plane)
        asked = question(self.document.setup, plane, state)
        if not asked.is_answerable and not state.prompts.is_empty and state.initial is None:
            # they are for another model, and the mask they led to stays
            return False
        answered = self.answered(state, asked)
        if answered is None or answered is state:
            return False
        self.document.amend(PlaneKey(label, plane), answered)
        return True

    def _place_in_volume(self, label: int, answer: VolumeAnswer, result: Result) -> bool:
        """Put an answer in 3-D in place; False if it was overtaken."""
        if not self.volumes.holds(label, answer.request):
            return False
        state, own = self.document.state(label, result.plane), None
        if result.answers:
            own = self.answered(state, result.question, result.packed)
        self.changed = self.volumes.place(label, result.plane, own, answer).planes
        return True

    def answered(
        self, state: PlaneState, asked: Question, packed: Packed | None = None
    ) -> PlaneState | None:
        """Return a state with the mask that belongs to it, if that is known without the model.

        Parameters
        ----------
        state : PlaneState
            With what was given.
        asked : Question
            What the model is asked by it.
        packed : Packed, optional
            The answer, ready to be kept.
        """
        threshold = asked.setup.model.traits.threshold
        if asked.is_answerable:
            answer = self.answers.get(asked)
            if answer is None or (state.shown is not None and state.shown.question == asked):
                return state
            ready = packed or pack(answer.patch, threshold)
            shown = Shown(ready.patch, ready.inside, (True, state.serial), asked)
            return replace(state, shown=shown)
        if state.initial is not None:
            if state.shown is None or state.shown.patch is not state.initial:
                inside = state.initial.inside(threshold)
                given = Shown(state.initial, inside, (True, state.serial))
                state = replace(state, shown=given)
            return state
        # they say too little, or are for another model
        if not state.prompts.is_empty:
            return replace(state, shown=state.propagated)
        left = PlaneState(propagated=state.propagated, shown=state.propagated)
        return None if state.propagated is None else left

    def give(self, changes: Mapping[int, Mapping[Plane, Prompts]], title: str) -> Change:
        """Replace everything given for objects on several planes, as one entry.

        Planes are answered as far as that is known without the model. That the objects are not
        finished is for the caller to check, see `Document.check_open`.

        Raises
        ------
        PromptError
            See `check_prompts`.
        """
        document, setup = self.document, self.document.setup
        traits = setup.model.traits
        states: dict[Hashable, Any] = {}
        for label, on_planes in changes.items():
            for plane, prompts in on_planes.items():
                state = document.state(label, plane)
                check_prompts(document.volume, plane, prompts, traits, state.prompts)
                if state.prompts.is_empty:
                    state = self._guided(label, plane, replace(state, known=None), prompts)
                    state = replace(state, others=self._others(label, plane, prompts))
                state = with_prompts(state, prompts, traits, document.serials)
                states[PlaneKey(label, plane)] = self.answered(state, question(setup, plane, state))
                self.last_plane = plane
            if VolumeKey(label) in document.history.values:
                # without prompts the object's mask in the volume goes in the same step of undo
                states |= self.volumes.cleared(label, states)
        return document.do(title, states)

    def share(self, plane: Plane) -> Change:
        """Give the objects of a plane each other's positive clicks and lines as negative ones.

        Of objects that have prompts there and are not finished, as one entry; then all of them are
        to be answered anew. See `core.prompts.shared`.

        Raises
        ------
        PromptError
            If there is nothing to share that they do not have yet.
        """
        document = self.document
        given = {n: document.state(n, plane).prompts for n in document.objects}
        given = {n: p for n, p in given.items() if not (p.is_empty or document.is_shut(n))}
        new = {label: {plane: prompts} for label, prompts in shared(given).items()}
        if not new:
            raise PromptError(
                f"nothing to share: expected two objects or more with clicks on {plane!r} that the "
                f"others do not have yet, got {len(given)} with any. Click on another object."
            )
        return self.give(new, "Share corrections")

    def start(self, label: int, masks: Mapping[Plane, BoolArray]) -> dict[Hashable, Any]:
        """Return the planes of an object as they start from masks; clicks that follow correct them.

        Parameters
        ----------
        label : int
            Of the object.
        masks : mapping of Plane to ndarray of bool, shape (H, W)
            On the slices' grids; of any other dtype, non-zero is the object.

        Raises
        ------
        PromptError
            If a plane does not exist.
        DataError
            If a mask is on another grid.
        """
        document = self.document
        states: dict[Hashable, Any] = {}
        for plane, mask in masks.items():
            check_mask(document.volume, plane, mask)
            state = with_initial(document.state(label, plane), mask, document.next_serial())
            asked = question(document.setup, plane, state)
            states[PlaneKey(label, plane)] = self.answered(state, asked)
        return states

    def begin(
        self, label: int | None, masks: Mapping[Plane, BoolArray], title: str, token: str | None
    ) -> Change:
        """Begin an object with masks, as one entry; the current object stays the current one.

        `label` is as in `Document.new_label`; masks are as in `start`.
        """
        chosen = self.document.new_label(label)
        changes: dict[Hashable, Any] = {ObjectKey(chosen): ObjectInfo(chosen)}
        return self.document.do(title, {**changes, **self.start(chosen, masks)}, token)

    def start_from(self, masks: Mapping[Plane, BoolArray], title: str, token: str | None) -> Change:
        """Start the current object's planes from masks, as one entry; see `start`."""
        states = self.start(self.document.check_open(), masks)
        for plane in masks:
            self.last_plane = plane
        return self.document.do(title, states, token)

    def change_setup(self, changes: Mapping[str, Any]) -> Change:
        """Change model, window, channels or another field of `Setup`, as one entry.

        Masks stay; planes with prompts are then `is_pending`, and answered anew when requested.
        """
        old = self.document.setup
        setup = old.changed(**changes)
        # another model cannot use what was prepared, and its memory is needed
        if setup.model is not old.model:
            self.prepared.clear()
        return self.document.do(f"Change {' and '.join(changes)}", {SETUP: setup})

    def undo(self, label: int | None) -> Change | None:
        """Take back the last action, at once and without the model; None if there is none.

        Of one object alone if it is named, see `Document.revert`.
        """
        document = self.document
        return self.refresh(document.undo() if label is None else document.revert(label))

    def redo(self, label: int | None) -> Change | None:
        """Bring back the action undone last; of one object alone, see `Document.bring_back`."""
        document = self.document
        return self.refresh(document.redo() if label is None else document.bring_back(label))

    def answered_planes(self, change: Change) -> list[tuple[int, Plane]]:
        """Return the objects and planes of a change whose prompts have their answer in place."""
        found = []
        for label in change.objects:
            for plane in change.planes:
                state = self.document.state(label, plane)
                asked = None if state.shown is None else state.shown.question
                if asked is not None and asked == question(self.document.setup, plane, state):
                    found.append((label, plane))
        return found

    def refresh(self, change: Change | None) -> Change | None:
        """Put cached answers in place that came after their prompts had been undone.

        Parameters
        ----------
        change : Change or None
            What undo or redo changed.
        """
        if change is None:
            return None
        label = self.document.object
        # answers that came late belong to objects that may still change
        planes = [] if self.document.is_shut(label) else self.document.given_planes(label)
        placed = [plane for plane in planes if self.place(label, plane)]
        if len(change.planes) == 1:
            self.last_plane = change.planes[0]
        if not placed:
            return change
        objects = tuple(sorted({*change.objects, label}))
        return replace(change, objects=objects, planes=tuple(sorted({*change.planes, *placed})))

    def _guided(self, label: int, plane: Plane, state: PlaneState, given: Prompts) -> PlaneState:
        """Start a plane's first click from what is known of the object on planes nearby."""
        document, volume = self.document, self.document.volume
        traits = document.setup.model.traits
        takes_mask = traits.uses_prev or "mask" in traits.prompts
        follows = document.setup.follow_neighbours and volume.ndim > 2
        # what is drawn says more of the object's size than a mask beside it does
        if not (takes_mask and follows) or len(given.clicks) != 1 or given.has_drawn:
            return state
        (click,) = given.clicks
        spacing, step_mm = volume.slice_spacing(plane.axis), float(volume.spacing[plane.axis])
        states = [one for one in document.canvas.states(label, plane.axis) if one[0] != plane]
        if state.initial is None and state.propagated is None and click.positive:
            masks = {
                other.index: document.canvas.mask_on(label, other)
                for other, at in states
                if at.shown is not None
            }
            start = start_of(masks, plane.index, click, step_mm=step_mm, spacing=spacing)
            return state if start is None else replace(state, initial=start)
        if state.propagated is None or click.positive:
            return state
        near = {other.index: at.prompts.clicks for other, at in states}
        own = plane.index, document.canvas.mask_on(label, plane)
        known = clicked_nearby(near, own, click, step_mm=step_mm, spacing=spacing)
        return replace(state, known=known)

    def _others(self, label: int, plane: Plane, given: Prompts) -> OtherObjects | None:
        """Return which pixels other objects have near a plane's first prompts; None if none."""
        setup, canvas = self.document.setup, self.document.canvas
        if not (setup.others and setup.model.traits.others):
            return None
        points = [point for point, _ in seed_points(given)]
        boxes = [lasso.box for lasso in given.lassos]
        for box in boxes if given.box is None else [*boxes, given.box]:
            points += [(box.row0, box.col0), (box.row1, box.col1)]
        if not points:
            return None
        spots = np.array(points)
        rows, cols = (
            slice(max(0, int(low) - _NEAR_PX), min(size, int(high) + _NEAR_PX))
            for low, high, size in zip(
                spots.min(0), spots.max(0), canvas.volume.slice_shape(plane.axis), strict=True
            )
        )
        inside = canvas.labels_on(plane, (rows, cols), without=label) > 0
        return OtherObjects(inside, (rows, cols)) if inside.any() else None

    def _open_question(self, plane: Plane, label: int) -> Question | None:
        """Return what the model is to be asked; None if that is nothing, or answered."""
        if self.document.is_shut(label):
            return None
        state = self.document.state(label, plane)
        asked = question(self.document.setup, plane, state)
        if not asked.is_answerable or (state.shown is not None and state.shown.question == asked):
            return None
        return asked
