"""Answers by question, so that what was computed once comes back at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.question import Question

LIMIT_BYTES = 256 << 20
LIMIT_ANSWERS = 256


class Memory:
    """The latest answers of a session; models answer the same question alike.

    It lets a click be removed at the price of those after it. Beyond a limit the answers that were
    not asked for longest are forgotten, and computed again if need be; undo does not depend on
    them, since masks are kept elsewhere. So memory does not grow with the work.

    Parameters
    ----------
    limit_bytes : int
        For all answers together; the newest is kept whatever its size.
    limit_answers : int
        How many at most.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES, limit_answers: int = LIMIT_ANSWERS) -> None:
        self.limit_bytes, self.limit_answers = limit_bytes, limit_answers
        self.nbytes = 0
        self._answers: dict[Question, tuple[SliceAnswer, int]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def keep(self, question: Question, answers: Iterable[tuple[int, SliceAnswer]]) -> None:
        """Keep answers after numbers of clicks."""
        for count, answer in answers:
            key, size = question.after(count), size_of(answer)
            self._drop(key)
            self._answers[key] = answer, size
            self.nbytes += size
        while len(self._answers) > 1 and (
            self.nbytes > self.limit_bytes or len(self._answers) > self.limit_answers
        ):
            self._drop(next(iter(self._answers)))

    def get(self, question: Question) -> SliceAnswer | None:
        """Return the answer; None if it was never computed, or forgotten."""
        found = self._answers.pop(question, None)
        if found is None:
            return None
        self._answers[question] = found  # now the one asked for last
        return found[0]

    def before(self, question: Question) -> tuple[int, SliceAnswer | None]:
        """Return the last answer on the way to a question, and how many clicks it answers.

        Without one, ``(-1, None)``.
        """
        for count in reversed(question.counts):
            answer = self.get(question.after(count))
            if answer is not None:
                return count, answer
        return -1, None

    def course(self, question: Question) -> dict[int, SliceAnswer]:
        """Return the answers on the way to a question that are known, by number of clicks."""
        counts = range(question.start, len(question.prompts.clicks) + 1)
        found = {count: self.get(question.after(count)) for count in counts}
        return {count: answer for count, answer in found.items() if answer is not None}

    def _drop(self, question: Question) -> None:
        found = self._answers.pop(question, None)
        if found is not None:
            self.nbytes -= found[1]


def size_of(answer: SliceAnswer) -> int:
    """Return the bytes of an answer's arrays: masks, alternatives and the model's own memory."""
    patches = {id(p): p.logits.nbytes for p in (answer.patch, *answer.alternatives)}
    return sum(patches.values()) + _bytes(answer.state)


def _bytes(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(_bytes(one) for one in value.values())
    if isinstance(value, list | tuple):
        return sum(_bytes(one) for one in value)
    return int(getattr(value, "nbytes", 64))
