"""Answers by question, so that what was computed once comes back at once."""

from collections.abc import Iterable

from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.setup import Question


class Memory:
    """Every answer of a session; models answer the same question alike, so none is asked twice.

    It makes undo and redo instant, and lets a click be removed at the price of those after it.
    """

    def __init__(self) -> None:
        self._answers: dict[Question, SliceAnswer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def keep(self, question: Question, answers: Iterable[tuple[int, SliceAnswer]]) -> None:
        """Keep answers after numbers of clicks."""
        for count, answer in answers:
            self._answers[question.after(count)] = answer

    def get(self, question: Question) -> SliceAnswer | None:
        """Return the answer; None if it was never computed."""
        return self._answers.get(question)

    def before(self, question: Question) -> tuple[int, SliceAnswer | None]:
        """Return the last answer on the way to a question, and how many clicks it answers.

        Without one, ``(-1, None)``.
        """
        for count in reversed(question.counts):
            answer = self._answers.get(question.after(count))
            if answer is not None:
                return count, answer
        return -1, None

    def course(self, question: Question) -> dict[int, SliceAnswer]:
        """Return the answers on the way to a question that are known, by number of clicks."""
        counts = range(question.start, len(question.prompts.clicks) + 1)
        found = {count: self._answers.get(question.after(count)) for count in counts}
        return {count: answer for count, answer in found.items() if answer is not None}
