"""A click's journey as two values: a request that goes to the model, a result that comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.taking import missing
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import SliceAnswer, largest_view_px, predict_slice
from napari_intseg.inference.reading import SliceReader
from napari_intseg.inference.seeing import PreparedStore
from napari_intseg.session.packing import Packed, pack
from napari_intseg.session.setup import Question

_ONE_BY_ONE = 8
"""So many clicks are asked one after the other, however quickly they come: half a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What there is to compute on one plane of one object.

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
        left = tuple(n for n in self.question.counts if n > self.answered)
        if self.answered < 0 or len(left) <= _ONE_BY_ONE or not self.question.setup.obey:
            return left
        chosen = {count for count, _ in self.question.choices}
        return tuple(n for n in left if n in chosen or n == left[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of a request.

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
    """

    revision: int
    object: int
    question: Question
    answers: tuple[tuple[int, SliceAnswer], ...]
    is_complete: bool = True
    packed: Packed | None = None

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
        if self.answer is not None:
            return self.answer.info
        wanted = missing(self.question.prompts, self.question.setup.model.traits)
        return {"note": f"waiting for {wanted}"} if wanted else {}

    @property
    def patch(self) -> Patch:
        """The last answer on the slice, empty if there is none. Other objects are not cut out."""
        shape = self.question.setup.volume.slice_shape(self.plane.axis)
        return self.answer.patch if self.answer else Patch.empty(shape)

    @property
    def seconds(self) -> float:
        """How long the model took."""
        return sum(answer.seconds for _, answer in self.answers)


def run(request: Request, should_stop: Callable[[], bool] | None = None) -> Result:
    """Compute what a request asks for; depends on the request alone, and may run in any one thread.

    Parameters
    ----------
    request : Request
        From `Session.request`.
    should_stop : callable, optional
        Asked between two clicks; what has been computed by then is returned and not lost.
    """
    question, volume = request.question, request.volume

    read = SliceReader(volume, question.plane, question.setup.context)
    options, prev = question.setup.options, request.prev
    shape = volume.slice_shape(question.plane.axis)
    seen_px = largest_view_px(request.model, shape, options)
    answers: list[tuple[int, SliceAnswer]] = []
    for count in request.counts:
        if should_stop is not None and should_stop():
            return Result(request.revision, request.object, question, tuple(answers), False)
        asked = question.after(count)
        ask = partial(
            predict_slice,
            request.model,
            read,
            shape,
            asked.prompts,
            options,
            prev=prev,
            initial=question.initial,
            prepared=request.prepared,
            key=(question.setup, question.plane),
        )
        answer = within_memory(request.model, ask, store=request.prepared, seen_px=seen_px)
        prev = asked.chosen(answer)
        answers.append((count, prev))
    packed = pack(answers[-1][1].patch, request.model.traits.threshold) if answers else None
    return Result(request.revision, request.object, question, tuple(answers), packed=packed)
