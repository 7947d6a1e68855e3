"""What a model suggests besides its answer: other masks for the same prompts, and the next clicks.

A chain of clicks goes on until the model is unsure.

References
----------
.. [1] Song, G., Myeong, H., Lee, K. M. "SeedNet: automatic seed generation with deep reinforcement
       learning for robust interactive segmentation", CVPR 2018.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import FloatArray, bounding_box, sigmoid
from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import ENLARGED, Patch, raised
from napari_intseg.inference.predict import SliceAnswer, predict_slice
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.session.compare.two_answers import both_ways, deepest
from napari_intseg.session.document import Change, Document
from napari_intseg.session.masks.plane_state import PlaneKey, question
from napari_intseg.session.predictor import Predictor, Result
from napari_intseg.session.question import Question


@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """One of the masks that a model offers for the same prompts.

    Parameters
    ----------
    patch : Patch
        The mask, as logits on the slice.
    score : float
        The model's own estimate of its quality.
    is_chosen : bool
        Whether it is the one in place.
    """

    patch: Patch
    score: float
    is_chosen: bool


class Alternatives:
    """Lists the masks that the model offers for the same prompts, and puts another in place.

    Parameters
    ----------
    document : Document
        Is changed.
    predictor : Predictor
        Holds the answers.
    """

    def __init__(self, document: Document, predictor: Predictor) -> None:
        self.document, self.predictor = document, predictor

    def offered(self, plane: Plane, label: int) -> tuple[Alternative, ...]:
        """Return the masks offered for an object on a plane, best first; empty if only one."""
        answer = self.predictor.answer(plane, label)
        if answer is None:
            return ()
        chosen = _chosen(answer)
        return tuple(
            Alternative(answer.alternatives[i], answer.scores[i], i == chosen)
            for i in _order(answer)
        )

    def choose(self, number: int, plane: Plane | None) -> Change:
        """Put another of the offered masks in place, as one entry of the history.

        Clicks that follow go on from it.

        Parameters
        ----------
        number : int
            Index in `alternatives`: 0 is the best.
        plane : Plane, optional
            The plane last predicted by default.

        Raises
        ------
        PromptError
            If there is no such mask, or the object is finished.
        """
        document, predictor = self.document, self.predictor
        label = document.check_open()
        where = plane or predictor.last_plane
        answer = None if where is None else predictor.answer(where, label)
        count = 0 if answer is None else len(answer.alternatives)
        if where is None or answer is None or not 0 <= number < count:
            has = f"a number below {count}" if count else "an answer with several masks"
            raise PromptError(
                f"mask cannot be chosen: expected {has}, got {number!r}. "
                "See `alternatives` for what the model offers."
            )
        index = _order(answer)[number]
        state = document.state(label, where)
        clicks = len(predictor.question(where, label).prompts.clicks)
        # of two choices after the same click the last counts
        kept = tuple(choice for choice in state.choices if choice[0] != clicks)
        serial = document.next_serial()
        state = replace(state, choices=(*kept, (clicks, index)), serial=serial)
        asked = question(document.setup, where, state)
        # kept as the answer to the new question, so that the model is not asked again
        predictor.answers.keep(asked, [(clicks, asked.chosen(answer))])
        predictor.last_plane = where
        chosen = predictor.answered(state, asked)
        return document.do("Choose mask", {PlaneKey(label, where): chosen})


def _order(answer: SliceAnswer) -> list[int]:
    """Return the indices of the masks, the best-scored first."""
    return sorted(range(len(answer.alternatives)), key=lambda i: (-answer.scores[i], i))


def _chosen(answer: SliceAnswer) -> int:
    """Return the index of the mask in place, -1 if it is none of them."""
    at = (i for i, patch in enumerate(answer.alternatives) if patch is answer.patch)
    return next(at, -1)


SUGGESTED_TITLE = "Suggested click"

MOST = 4
"""Clicks of a chain: on photographs a fifth was right in fewer than a third of the cases."""

# depth as a share of the root of the mask's area, and how sure: chosen on 25 objects of GrabCut,
# where 0 to 0.2 and 0 to 0.8 were tried (docs/results.md)
_LEAST_DEPTH = 0.05
_LEAST_SURE = 0.1
# what a policy sees of the surroundings of a mask: shares of its sides, and pixels at least; it was
# taught with views of 1.2 to 2.2 times an object's size
_ROOM, _ROOM_PX = 0.35, 16


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A click that the model's own doubts suggest.

    Parameters
    ----------
    click : Click
        On a pixel of the slice.
    sure : float
        How much the answers are of one mind there, 0 to 1.
    depth_px : float
        Distance to the nearest pixel that is not to be changed.
    """

    click: Click
    sure: float
    depth_px: float


class Policy(Protocol):
    """Says where an answer is wrong, as `models.click_policy.ClickPolicy` has learnt it."""

    def depths(self, image: FloatArray, prob: FloatArray, clicks: Sequence[Click]) -> FloatArray:
        """Return the depth of the error at each pixel, in shares of the root of the mask's area.

        Of an image (H, W, 3) in [0, 1], a probability (H, W), and clicks in their pixels; above 0
        where object is missing, below where there is too much.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ChainRequest:
    """All that the next suggestion depends on; may be computed in any one thread.

    With a policy this says where to click; else the doubts of the model that answers do.
    """

    question: Question
    answer: SliceAnswer
    prepared: PreparedStore | None = None
    policy: Policy | None = None


class ClickChain:
    """Says what there is to suggest for an object on a plane.

    Parameters
    ----------
    predictor : Predictor
        Holds the answers.

    Attributes
    ----------
    policy : Policy or None
        Says where to click; None: the doubts of the model that answers do.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.policy: Policy | None = None

    def request(self, plane: Plane, label: int) -> ChainRequest:
        """Return the request of a suggestion; see `suggest`.

        Raises
        ------
        PromptError
            If the model takes no clicks, or has not answered for the object on the plane.
        """
        question = self.predictor.question(plane, label)
        traits = question.setup.model.traits
        if "click" not in traits.prompts:
            raise PromptError(
                "no click can be suggested: expected a model that takes clicks of both signs, got "
                f"{traits.name!r}. Choose another model."
            )
        answer = self.predictor.answers.get(question)
        if answer is None or answer.patch.box(traits.threshold) is None:
            raise PromptError(
                "no click can be suggested: expected an object that the model has answered for, "
                f"got none on plane {plane.index}. Click on it first."
            )
        return ChainRequest(question, answer, self.predictor.prepared, self.policy)

    @staticmethod
    def extend(
        suggested: Callable[[], Suggestion | None],
        take: Callable[[Click], object],
        predict: Callable[[], Result | None],
        *,
        most: int,
        on_progress: Callable[[int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> int:
        """Take suggested clicks, one after another, until there is none; return how many.

        Each is one step of undo.

        Parameters
        ----------
        suggested : callable
            Returns the next suggestion.
        take : callable
            Takes its click.
        predict : callable
            Answers it; where that is left to another thread, the chain ends.
        most : int
            Clicks at most.
        on_progress : callable or None
            Called with clicks made and the most there may be.
        should_stop : callable or None
            Asked before each.
        """
        for count in range(most):
            if should_stop is not None and should_stop():
                return count
            found = suggested()
            if found is None:
                return count
            take(found.click)
            if predict() is None:
                # the runner answers later
                return count + 1
            if on_progress is not None:
                on_progress(count + 1, most)
        return most


def suggest(request: ChainRequest) -> Suggestion | None:
    """Return the next click; None where the model is content, or unsure."""
    if request.policy is not None:
        return _by_policy(request, request.policy)
    threshold = request.question.setup.model.traits.threshold
    answers = _answers(request)
    votes = np.mean([sigmoid(patch.full()) for patch in answers], axis=0)
    mask = request.answer.patch.mask(threshold)
    spot = deepest((votes > threshold) != mask)
    if spot is None or spot.depth_px < _LEAST_DEPTH * np.sqrt(np.count_nonzero(mask)):
        return None
    vote = float(votes[spot.row, spot.col])
    # 1 where the vote is as far from the threshold as it can be
    sure = abs(vote - threshold) / max(threshold, 1 - threshold)
    click = Click(float(spot.row), float(spot.col), vote > threshold)
    # the same click twice would say nothing new, and the chain would not end
    at = {(round(one.row), round(one.col)) for one in request.question.prompts.clicks}
    if sure < _LEAST_SURE or (spot.row, spot.col) in at:
        return None
    return Suggestion(click, sure, spot.depth_px)


def _by_policy(request: ChainRequest, policy: Policy) -> Suggestion | None:
    """Return the click where a policy sees the deepest error that the mask can have."""
    question, patch = request.question, request.answer.patch
    setup = question.setup
    threshold = setup.model.traits.threshold
    mask = patch.mask(threshold)
    box = bounding_box(mask)
    if box is None:
        return None
    rows, cols = (
        slice(max(0, first - reach), min(size, last + reach))
        for first, last, size in ((*box[:2], mask.shape[0]), (*box[2:], mask.shape[1]))
        for reach in (max(_ROOM_PX, round(_ROOM * (last - first))),)
    )
    seen = SliceReader(setup.volume, question.plane, setup.context)(rows, cols)
    image = setup.options.intensity.to_rgb(seen)
    clicks = question.prompts.clicks
    moved = [replace(c, row=c.row - rows.start, col=c.col - cols.start) for c in clicks]
    depths = policy.depths(image, sigmoid(patch.full()[rows, cols]), moved)
    # only what the mask has can be too much, and only what it has not can be missing
    errors = np.where(mask[rows, cols], -depths, depths)
    row, col = np.unravel_index(int(errors.argmax()), errors.shape)
    depth = float(errors[row, col])
    found = Click(float(row) + rows.start, float(col) + cols.start, not mask[rows, cols][row, col])
    at = {(round(one.row), round(one.col)) for one in clicks}
    if depth < _LEAST_DEPTH or (round(found.row), round(found.col)) in at:
        return None
    return Suggestion(found, min(1.0, depth), depth * float(np.sqrt(np.count_nonzero(mask))))


def _answers(request: ChainRequest) -> list[Patch]:
    """Return what the model would answer next without a click."""
    question, answer = request.question, request.answer
    # a model without memory of its answer would give the same one again: it is mirrored instead
    if not question.setup.model.traits.uses_prev:
        return list(both_ways(question, request.prepared))
    return [_led(request, raised(answer.patch, step)) for step in ENLARGED]


def _led(request: ChainRequest, patch: Patch) -> Patch:
    """Ask once more with the same prompts, led by another answer."""
    question = request.question
    setup, plane = question.setup, question.plane
    ask = partial(
        predict_slice,
        setup.model,
        SliceReader(setup.volume, plane, setup.context),
        setup.volume.slice_shape(plane.axis),
        question.prompts,
        # ways of asking that make several answers of one are off: one answer a step is compared
        replace(setup.options, several=False, local=False, regional=False),
        prev=replace(request.answer, patch=patch),
        prepared=request.prepared,
        key=(setup, plane),
    )
    return within_memory(setup.model, ask, store=request.prepared).patch
