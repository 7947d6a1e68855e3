"""What lives on the worker: a model, and what it has prepared."""

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Answer, Frame, Prepared, Query, Traits
from napari_intseg.errors import DataError
from napari_intseg.models.registry import load_model
from napari_intseg.remote.wire import PackedArray, pack, unpack, unpack_image

_MOST_BYTES = 2 << 30  # of prepared images: 500 embeddings of SAM, 128 of SAM 2


@dataclass(frozen=True, slots=True, eq=False)
class RemoteQuestion:
    """A `Query` as it is sent: the image by its name, the rest compressed."""

    image: str
    prompts: Prompts
    prev_logits: PackedArray | None
    state: bytes | None
    frame: Frame | None


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """An `Answer` as it is sent; `state` is for the model alone, and stays bytes."""

    logits: PackedArray
    state: bytes | None
    alternatives: tuple[PackedArray, ...]
    scores: tuple[float, ...]
    info: dict[str, Any]
    keeps_rest: bool


class ModelActor:
    """A model on a dask worker, with the images that it has prepared.

    Parameters
    ----------
    name : str
        As `load_model` takes it.
    options : dict
        Its further arguments; a path of weights is one of the worker's machine.
    most_bytes : int
        Of prepared images; beyond it those not used for longest go.

    Raises
    ------
    IntSegError
        As `load_model` raises it.
    """

    def __init__(self, name: str, options: dict[str, Any], most_bytes: int = _MOST_BYTES) -> None:
        self._model = load_model(name, **options)
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._most_bytes = most_bytes

    def traits(self) -> Traits:
        """Return how the model wants to be used."""
        return self._model.traits

    def prepare(self, image: str, packed: PackedArray) -> None:
        """Prepare an image, and keep it under a name."""
        if image not in self._prepared:
            self._prepared[image] = self._model.prepare(unpack_image(packed))
        self._prepared.move_to_end(image)
        while len(self._prepared) > 1 and self._held() > self._most_bytes:
            self._prepared.popitem(last=False)

    def predict(self, question: RemoteQuestion) -> Reply | None:
        """Answer a question; None if its image is not here (any more).

        Raises
        ------
        DataError
            If the question came damaged; the next one is answered all the same.
        """
        prepared = self._prepared.get(question.image)
        if prepared is None:
            return None
        self._prepared.move_to_end(question.image)
        state = None if question.state is None else _unpickled(question.state)
        prev = None if question.prev_logits is None else unpack(question.prev_logits)
        return _reply(
            self._model.predict(Query(prepared, question.prompts, prev, state, question.frame))
        )

    def _held(self) -> int:
        return sum(prepared.nbytes for prepared in self._prepared.values())


def _unpickled(state: bytes) -> Any:
    try:
        return pickle.loads(state)
    except Exception as err:  # whatever the bytes happen to say
        raise DataError(
            f"message is damaged: expected the state of a model, got {len(state)} bytes that are "
            f"none ({type(err).__name__}). Ask again."
        ) from err


def _reply(answer: Answer) -> Reply:
    return Reply(
        pack(answer.logits),
        None if answer.state is None else pickle.dumps(answer.state),
        tuple(pack(np.asarray(one)) for one in answer.alternatives),
        answer.scores,
        dict(answer.info),
        answer.keeps_rest,
    )
