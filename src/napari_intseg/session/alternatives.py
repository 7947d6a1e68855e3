"""Several masks for one question: look through them, and choose."""

from dataclasses import dataclass, replace

from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.document import Change
from napari_intseg.session.journal.recorder import recorded
from napari_intseg.session.masks.plane_state import PlaneKey
from napari_intseg.session.propagating import Propagating


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


class Alternatives(Propagating):
    """A session in which a person can take another of the masks that the model offers."""

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """Masks offered for the current object on the plane last predicted, the best first.

        Empty when there is but one.
        """
        return () if self._last is None else self.alternatives_on(self._last)

    def alternatives_on(self, plane: Plane) -> tuple[Alternative, ...]:
        """Return the masks offered for the current object on a plane; see `alternatives`."""
        answer = self.answer(plane)
        if answer is None:
            return ()
        chosen = _chosen(answer)
        return tuple(
            Alternative(answer.alternatives[i], answer.scores[i], i == chosen)
            for i in _order(answer)
        )

    @recorded
    def choose_alternative(self, number: int, plane: Plane | None = None) -> Change:
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
        label = self._check_open()
        where = plane or self._last
        answer = None if where is None else self.answer(where)
        count = 0 if answer is None else len(answer.alternatives)
        if where is None or answer is None or not 0 <= number < count:
            has = f"a number below {count}" if count else "an answer with several masks"
            raise PromptError(
                f"mask cannot be chosen: expected {has}, got {number!r}. "
                "See `alternatives` for what the model offers."
            )
        index = _order(answer)[number]
        state = self.document.state(label, where)
        clicks = len(self._question(where, state).prompts.clicks)
        kept = tuple(choice for choice in state.choices if choice[0] != clicks)
        serial = self.document.next_serial()
        state = replace(state, choices=(*kept, (clicks, index)), serial=serial)
        asked = self._question(where, state)
        self._memory.keep(asked, [(clicks, asked.chosen(answer))])
        self._last = where
        return self.document.do(
            "Choose mask", {PlaneKey(label, where): self._answered(where, state)}
        )


def _order(answer: SliceAnswer) -> list[int]:
    """Return the indices of the masks, the best-scored first."""
    return sorted(range(len(answer.alternatives)), key=lambda i: (-answer.scores[i], i))


def _chosen(answer: SliceAnswer) -> int:
    """Return the index of the mask in place, -1 if it is none of them."""
    at = (i for i, patch in enumerate(answer.alternatives) if patch is answer.patch)
    return next(at, -1)
