"""What lives on the worker: a model, and what it has prepared; and arrays as they travel to it.

Arrays are sent without loss: masks must not depend on where a model runs.
"""

import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Answer, Array, FloatArray, Frame, Prepared, Query, Traits
from napari_intseg.errors import DataError
from napari_intseg.models.registry import load_model

# values of an array at most: four times the pixels of a
# view of 16,384 by 16,384, far above any model's
_MOST_VALUES = 1 << 30
# level of Zstandard: higher ones save 2 % of logits and take several times as long
_LEVEL = 1


@dataclass(frozen=True, slots=True, eq=False)
class PackedArray:
    """An array as compressed bytes.

    Parameters
    ----------
    content : bytes
        Zstandard, of the values with their first bytes first, then their second bytes, and so on.
    shape : tuple of int
    dtype : str
    """

    content: bytes
    shape: tuple[int, ...]
    dtype: str


def pack(array: Array) -> PackedArray:
    """Return an array of numbers as compressed bytes."""
    from imagecodecs import zstd_encode

    array = np.ascontiguousarray(array)
    # first bytes together, then second ones: neighbouring logits share them, so they pack better
    planes = array.reshape(-1).view(np.uint8).reshape(-1, array.itemsize).T
    content = zstd_encode(np.ascontiguousarray(planes).tobytes(), level=_LEVEL)
    return PackedArray(bytes(content), array.shape, array.dtype.str)


def unpack(packed: PackedArray) -> Array:
    """Return the array of `pack`, bit by bit.

    Raises
    ------
    DataError
        If the bytes are not of an array of numbers of that shape and type.
    """
    from imagecodecs import zstd_decode

    try:
        kind = np.dtype(packed.dtype)
        count = math.prod(packed.shape)
        if kind.kind not in "buif" or min(packed.shape, default=1) < 0 or count > _MOST_VALUES:
            raise ValueError("no array of numbers")
        # no more is unpacked than there should be: a few bytes can claim to hold gigabytes
        planes = np.frombuffer(zstd_decode(packed.content, out=count * kind.itemsize + 1), np.uint8)
        planes = planes.reshape(kind.itemsize, count)
        return np.array(planes.T, order="C").reshape(-1).view(kind).reshape(packed.shape)
    except (ValueError, TypeError, RuntimeError, OverflowError) as err:
        raise DataError(
            f"message is damaged: expected an array of shape {packed.shape!r} and type "
            f"{packed.dtype!r}, got {len(packed.content)} bytes that hold none "
            f"({type(err).__name__}). Ask again."
        ) from err


def pack_image(image: FloatArray) -> PackedArray:
    """Return an image in [0, 1] as bytes: 8 bits a value where that is without loss."""
    bytes_ = np.rint(image * 255).astype(np.uint8)
    # images of 8 bits travel in a quarter of the bytes, and only if that is without loss
    exact = bool((unpack_levels(bytes_) == image).all())
    return pack(bytes_ if exact else image)


def unpack_image(packed: PackedArray) -> FloatArray:
    """Return the image of `pack_image`, bit by bit."""
    found = unpack(packed)
    return unpack_levels(found) if found.dtype == np.uint8 else found


def unpack_levels(levels: Any) -> FloatArray:
    """Return 8-bit values as float32 in [0, 1]."""
    return np.asarray(levels, np.float32) / np.float32(255)


# bytes of prepared images on the worker: 500 embeddings of SAM, 128 of SAM 2
_MOST_BYTES = 2 << 30


@dataclass(frozen=True, slots=True, eq=False)
class RemoteQuestion:
    """A `Query` as it is sent: the image by its name, the rest compressed."""

    image: str
    prompts: Prompts
    prev_logits: PackedArray | None
    state: bytes | None
    frame: Frame | None
    others: PackedArray | None = None


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
        # the image that was just prepared stays, whatever its size: it is asked about next
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
        others = None if question.others is None else unpack(question.others)
        query = Query(prepared, question.prompts, prev, state, question.frame, others)
        return _reply(self._model.predict(query))

    def _held(self) -> int:
        return sum(prepared.nbytes for prepared in self._prepared.values())


def _unpickled(state: bytes) -> Any:
    try:
        # safe as far as the address is: the state is made by this very worker and comes back as
        # bytes, and whoever reaches the worker can run programs there anyway
        return pickle.loads(state)
    except Exception as err:
        # whatever the bytes happen to say
        raise DataError(
            f"message is damaged: expected the state of a model, got {len(state)} bytes that are "
            f"none ({type(err).__name__}). Ask again."
        ) from err


def _reply(answer: Answer) -> Reply:
    return Reply(
        pack(answer.logits),
        # pickled here, so that the other side needs neither torch nor the model's classes
        None if answer.state is None else pickle.dumps(answer.state),
        tuple(pack(np.asarray(one)) for one in answer.alternatives),
        answer.scores,
        dict(answer.info),
        answer.keeps_rest,
    )
