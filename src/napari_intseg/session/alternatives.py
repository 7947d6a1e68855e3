"""Several masks for the same prompts: list them, and choose one."""

from dataclasses import dataclass, replace

from napari_intseg.core.volume import Plane
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.session.document import Change, Document
from napari_intseg.session.masks.plane_state import PlaneKey, question
from napari_intseg.session.predictor import Predictor


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
        """Return the masks offered for an object on a plane, the best first; none if but one."""
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
        kept = tuple(choice for choice in state.choices if choice[0] != clicks)
        serial = document.next_serial()
        state = replace(state, choices=(*kept, (clicks, index)), serial=serial)
        asked = question(document.setup, where, state)
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
