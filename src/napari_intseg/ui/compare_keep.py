"""What is kept of two masks, plane by plane, so that the window lives on."""

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import Any

from napari.utils import cancelable_progress

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.errors import IntSegError
from napari_intseg.session.compare.two_answers import Overlap
from napari_intseg.session.session import Session
from napari_intseg.ui.compare_pair import Pair
from napari_intseg.ui.compare_state import of_object
from napari_intseg.ui.layers import Place
from napari_intseg.ui.worker import Outcome, ShouldStop

KEEP: dict[str, Callable[[BoolArray, BoolArray], BoolArray]] = {
    "A": lambda a, _b: a,
    "B": lambda _a, b: b,
    "both": lambda a, b: a & b,
    "either": lambda a, b: a | b,
}
"""What can be kept of two masks."""

_TOKENS = count()


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """What to keep, and where.

    Parameters
    ----------
    which : str
        A key of `KEEP`.
    places : tuple of Place
        Of one object at one time point.
    """

    which: str
    places: tuple[Place, ...]

    @property
    def words(self) -> str:
        """What is kept."""
        return {"A": "A's mask", "B": "B's mask"}.get(self.which, f"what {self.which} say")


def wish_of(pair: Pair, place: Place, which: str, *, everywhere: bool) -> Wish | None:
    """Return what is to be kept of an object; None if nothing is left of the two masks.

    Parameters
    ----------
    pair : Pair
        Has compared.
    place : Place
        The object and plane.
    which : str
        A key of `KEEP`.
    everywhere : bool
        On all planes of the axis on which the two differ; elsewhere their masks are the same.
    """
    found = {p: compared.overlap for p, compared in of_object(pair, place)}
    places = [place]
    if everywhere:
        places = sorted(p for p, overlap in found.items() if overlap.disagreeing) or places
    if all(p not in found or _is_empty(which, found[p]) for p in places):
        return None
    return Wish(which, tuple(places))


def _is_empty(which: str, overlap: Overlap) -> bool:
    sizes = {
        "A": overlap.both + overlap.only_a,
        "B": overlap.both + overlap.only_b,
        "both": overlap.both,
        "either": overlap.both + overlap.disagreeing,
    }
    return not sizes[which]


class Keeping:
    """Goes on from what is kept of two masks: one plane in each turn of the event loop.

    All planes are one step of undo. Masks are joined in the inference thread. If anything else is
    done meanwhile, undo for instance, it ends there, and what is done is kept.

    Parameters
    ----------
    pair : Pair
        Has the masks.
    wish : Wish
        What to keep.
    on_end : callable
        Called once with what to tell, and whether it went wrong; not after `close`.
    """

    def __init__(self, pair: Pair, wish: Wish, *, on_end: Callable[[str, bool], None]) -> None:
        self._pair, self._wish, self._on_end = pair, wish, on_end
        self._voice = pair.binder.tools.voice
        self._token = f"keep {next(_TOKENS)}"
        self._done = 0
        self._mark: tuple[int, str | None] = (0, None)
        self._bar: Any = None
        self._cancelled = False
        self.is_running = False

    def start(self) -> None:
        """Begin with the first plane."""
        self.is_running = True
        session = self._session()
        if session is not None:
            self._mark = _mark(session)
        if len(self._wish.places) > 1:
            self._bar = cancelable_progress(
                total=len(self._wish.places),
                desc=f"Keeping {self._wish.words}",
                cancel_callback=self.cancel,
                file=StringIO(),  # the window shows it; nothing is printed
            )
            if not self.is_running:  # napari has let the window live, which may have been closed
                self._bar.close()
                return
            self._voice.progressed.emit(0, len(self._wish.places), "planes")
        self._next()

    def cancel(self) -> None:
        """Stop before the next plane; what is done is kept."""
        self._cancelled = True

    def close(self) -> None:
        """Stop at once, and tell nobody."""
        if self.is_running:
            self.is_running = False
            if self._bar is not None:
                self._bar.close()
                self._bar = None
                self._voice.progressed.emit(0, 0, "")

    def _next(self) -> None:
        if not self.is_running:
            return
        session = self._session()
        if session is None or self._pair.is_closed or self._pair.binder.is_closed:
            self._end("The comparison ended meanwhile.", wrong=True)
        elif self._done == len(self._wish.places):
            self._end(f"Kept {self._wish.words} on {self._on}. Clicks that follow correct it.")
        elif self._is_cancelled():
            self._end(f"Cancelled; {self._wish.words} kept on {self._on}.")
        elif _mark(session) != self._mark:
            self._end(
                f"Kept {self._wish.words} on {self._on} only: something else was done meanwhile. "
                "Press the button again for the rest.",
                wrong=True,
            )
        else:
            masks = self._pair.masks(self._wish.places[self._done])
            join = KEEP[self._wish.which]

            def work(_: ShouldStop) -> BoolArray:
                return join(*masks)

            self._pair.binder.tools.worker.submit(work, self._joined)

    def _joined(self, outcome: Outcome[BoolArray]) -> None:
        session, mask = self._session(), outcome.value
        if not self.is_running:
            return
        if mask is None or session is None or _mark(session) != self._mark:
            self._next()  # which says why it ends
            return
        place = self._wish.places[self._done]
        title = f"Keep {self._wish.which}"
        try:
            change = session.set_initial({place.plane: mask}, title, self._token)
        except IntSegError as err:
            self._end(str(err), wrong=True)
            return
        self._mark = _mark(session)
        self._done += 1
        self._pair.binder.draw(place.time, change)
        if len(self._wish.places) > 1:
            self._voice.progressed.emit(self._done, len(self._wish.places), "planes")
        else:
            self._voice.changed.emit()
        if self._bar is not None:  # last: napari lets the window live here, which may be closed
            self._bar.update(1)
        self._pair.binder.tools.post(self._next)

    @property
    def _on(self) -> str:
        if len(self._wish.places) == 1:
            return "this plane"
        return f"{self._done} plane{'' if self._done == 1 else 's'}"

    def _session(self) -> Session | None:
        place = self._wish.places[0]
        return self._pair.binder.drawer.session(place.time, place.object)

    def _is_cancelled(self) -> bool:
        return self._cancelled or (self._bar is not None and self._bar.is_canceled)

    def _end(self, text: str, *, wrong: bool = False) -> None:
        self.close()
        self._on_end(text, wrong)


def _mark(session: Session) -> tuple[int, str | None]:
    """Return what tells whether anything else was done: the steps of undo, and the last of them."""
    history = session.document.history
    return len(history), history.undo_title
