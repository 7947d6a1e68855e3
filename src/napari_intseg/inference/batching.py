"""Several pieces of work with one model: what they ask it at the same time is asked in one pass.

A device answers eight small questions nearly as fast as one. The engine is written as one question
after the other, so each piece of work has a thread, of which one runs at a time, up to its next
question. When all of them wait, their questions go to the model, in the caller's thread: libraries
keep their plans by thread. So the outcome depends on no timing.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from napari_intseg.core.segmenter import (
    Answer,
    BatchSegmenter,
    FloatArray,
    Prepared,
    Query,
    Saving,
    Segmenter,
    Traits,
    is_out_of_memory,
)

# views of 384 pixels in one pass: 16 of the bundled network's take .4 GB
_MOST = 16

T = TypeVar("T")


def gains_by_batches(model: Segmenter) -> bool:
    """Whether a model answers several questions nearly as fast as one: in batches, on a device."""
    return isinstance(model, BatchSegmenter) and bool(getattr(model, "is_asynchronous", False))


class _Piece:
    """A piece of work in its thread, and what it waits for."""

    def __init__(self, work: Callable[[], Any], back: threading.Semaphore) -> None:
        self.go, self.back = threading.Semaphore(0), back
        self.kind: Literal["prepare", "predict"] | None = None
        self.asked: Any = None
        self.reply: Any = None
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.refused: BaseException | None = None
        # of the model's savings that the last reply was given with
        self.savings = 0
        self.is_given_up = False
        self._work = work
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.go.acquire()
        try:
            if not self.is_given_up:
                self.outcome = self._work()
        except BaseException as err:  # raised again where the work was given
            self.error = err
        self.back.release()

    def resume(self) -> None:
        """Have it run until it asks again, or ends."""
        self.kind = None
        self.go.release()
        self.back.acquire()

    def ask(self, kind: Literal["prepare", "predict"], asked: Any) -> Any:
        """Wait for a reply, in the piece's own thread."""
        self.kind, self.asked = kind, asked
        if not self.is_given_up:
            self.back.release()
            self.go.acquire()
        if self.is_given_up:
            raise InterruptedError("the work was given up")
        if self.refused is not None:
            refused, self.refused = self.refused, None
            raise refused
        return self.reply


class BatchedModel:
    """A model as pieces of work see it that go on side by side.

    Parameters
    ----------
    model : Segmenter
        For which `gains_by_batches` holds.

    Attributes
    ----------
    traits : Traits
        The model's.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.traits: Traits = model.traits
        self._current: _Piece | None = None
        # how often the model has given something up, and when each image was prepared
        self._savings = 0
        self._made: WeakKeyDictionary[Prepared, int] = WeakKeyDictionary()

    def __getattr__(self, name: str) -> Any:
        """Return what else the model has."""
        return getattr(self.model, name)

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What the model can give up."""
        return tuple(self.model.savings)

    @property
    def saving(self) -> Saving:
        """What the model gives up now."""
        found: Saving = self.model.saving
        return found

    def save_memory(self, saving: Saving) -> None:
        """Give something up, unless another piece of work has since the asker's last reply.

        One shortage is told to all of them, and each would take a further step.
        """
        piece = self._current
        if piece is None or piece.savings == self._savings:
            self._savings += 1
            self.model.save_memory(saving)

    def prepare(self, image: FloatArray) -> Prepared:
        """Prepare an image, with those of other pieces of work."""
        if self._current is None:
            prepared: Prepared = self.model.prepare(image)
        else:
            prepared = self._current.ask("prepare", image)
        self._made[prepared] = self._savings
        return prepared

    def predict(self, query: Query) -> Answer:
        """Answer one query, with those of other pieces of work."""
        return self.predict_batch([query])[0]

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer queries on images of one size, with those of other pieces of work."""
        piece = self._current
        if piece is None:
            own: list[Answer] = self.model.predict_batch(queries)
            return own
        if any(self._made.get(query.prepared, 0) != self._savings for query in queries):
            # as if memory had run out: whoever asks begins again, with what is given up now
            piece.savings = -1
            raise MemoryError("what was prepared is of another precision or size by now")
        found: list[Answer] = piece.ask("predict", queries)
        return found

    def run(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Return what pieces of work return that ask this model, in their order.

        Raises
        ------
        BaseException
            What the first of them that failed has raised; the others have ended by then.
        """
        back = threading.Semaphore(0)
        pieces = [_Piece(work, back) for work in works]
        for piece in pieces:
            piece.savings = self._savings
            piece.thread.start()
        waiting = pieces
        try:
            while True:
                for piece in waiting:
                    self._current = piece
                    piece.resume()
                self._current = None
                waiting = [piece for piece in pieces if piece.kind is not None]
                if not waiting:
                    break
                self._answer(waiting)
        except BaseException:
            # Ctrl-C: no thread is left waiting
            for piece in pieces:
                piece.is_given_up = True
                piece.go.release()
            raise
        for piece in pieces:
            piece.thread.join()
        failed = next((piece.error for piece in pieces if piece.error is not None), None)
        if failed is not None:
            raise failed
        return [piece.outcome for piece in pieces]

    def _answer(self, waiting: Sequence[_Piece]) -> None:
        """Answer what is waited for, in as few passes as sizes allow."""
        groups: dict[Any, list[_Piece]] = {}
        # models that fill up views say to what size; others take views of one size at a time
        shared = getattr(self.model, "batch_shape", tuple)
        for piece in waiting:
            is_image = piece.kind == "prepare"
            size = piece.asked.shape[:2] if is_image else piece.asked[0].prepared.shape
            groups.setdefault((piece.kind, shared(size)), []).append(piece)
        for (kind, _), group in groups.items():
            for start in range(0, len(group), _MOST):
                part = group[start : start + _MOST]
                try:
                    self._pass(kind, part)
                except Exception as err:
                    if is_out_of_memory(err):
                        # all begin again: what some hold is of no use once something is given up
                        for piece in waiting:
                            piece.refused, piece.savings = err, self._savings
                        return
                    self._one_by_one(kind, part)
        for piece in waiting:
            piece.savings = self._savings

    def _pass(self, kind: str, part: Sequence[_Piece]) -> None:
        if kind == "predict":
            answers = iter(self.model.predict_batch([q for piece in part for q in piece.asked]))
            for piece in part:
                piece.reply = [next(answers) for _ in piece.asked]
        elif hasattr(self.model, "prepare_batch"):
            made = self.model.prepare_batch([piece.asked for piece in part])
            for piece, one in zip(part, made, strict=True):
                piece.reply = one
        else:
            for piece in part:
                piece.reply = self.model.prepare(piece.asked)

    def _one_by_one(self, kind: str, part: Sequence[_Piece]) -> None:
        """Ask again by themselves, so that one that cannot be answered spoils no other."""
        for piece in part:
            try:
                self._pass(kind, [piece])
            except Exception as err:
                piece.refused = err
