"""The state of one object on one plane: frozen, so that history can share it, and kept small.

A mask is a bit a pixel, deflated; answers are made ready to be kept.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar
from weakref import ref

import numpy as np

from napari_intseg.core.prompts import Click, KnownPoint, Prompts
from napari_intseg.core.segmenter import BoolArray, Traits, taken
from napari_intseg.core.volume import Plane
from napari_intseg.inference.patch import CompactAnswer, Patch, Window, on_window, trimmed
from napari_intseg.propagation.stretch import Stretch
from napari_intseg.session.question import Question, Setup
from napari_intseg.session.validate_prompts import added_clicks

LIMIT_BYTES = 64 << 20
"""Bytes of masks that are at hand unpacked, all sessions together: four slices of 4096 by 4096."""


T = TypeVar("T")


class Bits:
    """A mask, packed.

    Parameters
    ----------
    mask : ndarray of bool
        Is copied.
    """

    __slots__ = ("__weakref__", "_packed", "shape")

    def __init__(self, mask: BoolArray) -> None:
        self.shape = mask.shape
        # level 1: a made mask of 2048 by 2048 pixels takes 97 kB, 5 ms; at level 9 55 kB, 500 ms
        self._packed = zlib.compress(np.packbits(mask).tobytes(), 1)

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return len(self._packed)

    def unpacked(self) -> BoolArray:
        """Return the mask, a new array."""
        packed = np.frombuffer(zlib.decompress(self._packed), np.uint8)
        count = int(np.prod(self.shape))
        return np.unpackbits(packed, count=count).view(bool).reshape(self.shape)


class UnpackedCache:
    """Cache of the unpacked masks that were used last; safe with several threads.

    A mask goes with the last thing that holds it packed: a session that is closed leaves nothing.

    Parameters
    ----------
    limit_bytes : int
        For all together; the newest is kept whatever its size.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.nbytes = 0
        # garbage may be collected, and so masks forgotten, while this thread holds the lock
        self._lock = threading.RLock()
        self._masks: OrderedDict[ref[Bits], BoolArray] = OrderedDict()
        self._packed: dict[int, ref[Bits]] = {}

    def pack(self, mask: BoolArray) -> Bits:
        """Return a mask packed; one that came from here need not be packed again."""
        with self._lock:
            # by identity: an id is only known while its array is in the cache
            known = self._packed.get(id(mask))
            bits = None if known is None else known()
        if bits is None:
            bits = Bits(mask)
            # it is asked for at once, to be drawn; a copy, since the caller may go on with its own
            self.unpack(bits, mask.copy())
        return bits

    def unpack(self, bits: Bits, known: BoolArray | None = None) -> BoolArray:
        """Return a mask, read-only; the same array as before as long as it is at hand.

        What is `known` of it already, by who packed it, becomes that array.
        """
        # weak, so that masks of a session that is closed go with it
        key = ref(bits, self._forget)
        with self._lock:
            mask = self._masks.get(key)
            if mask is not None:
                self._masks.move_to_end(key)
                return mask
            mask = self._masks[key] = bits.unpacked() if known is None else known
            # one array is handed to everybody who asks
            mask.flags.writeable = False
            self._packed[id(mask)] = key
            self.nbytes += mask.nbytes
            while self.nbytes > self.limit_bytes and len(self._masks) > 1:
                self._forget(next(iter(self._masks)))
            return mask

    def _forget(self, key: "ref[Bits]") -> None:
        with self._lock:
            mask = self._masks.pop(key, None)
            if mask is not None:
                del self._packed[id(mask)]
                self.nbytes -= mask.nbytes


# one for all: what is in it can be unpacked anew at any time
_unpacked = UnpackedCache()


def packed(*names: str) -> Callable[[type[T]], type[T]]:
    """Have fields of a frozen dataclass take and give masks, and keep them packed.

    Parameters
    ----------
    *names : str
        Of the fields. The class must not have slots.
    """

    def changed(owner: type[T]) -> type[T]:
        for name in names:
            # descriptors instead of properties, so that dataclasses set them in `__init__`
            setattr(owner, name, _Field(name))
        return owner

    return changed


class _Field:
    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, one: Any, owner: type | None = None) -> BoolArray:
        return _unpacked.unpack(one.__dict__[self._name])

    def __set__(self, one: Any, mask: BoolArray) -> None:
        one.__dict__[self._name] = _unpacked.pack(mask)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """The part of an answer that the history keeps.

    Parameters
    ----------
    patch : Patch
        Its logits near the mask, packed.
    inside : ndarray of bool
        Its mask, on the patch's rectangle.
    """

    patch: Patch
    inside: BoolArray


def pack(patch: Patch, threshold: float) -> Packed:
    """Return what is kept of an answer, the same for the same answer; see `Traits.threshold`.

    It takes tens of milliseconds on a large slice, so a window has it done in another thread.
    """
    # logits far from the outline say nothing that anyone asks for again
    near = trimmed(patch, threshold)
    # packing keeps each pixel's side of the threshold: the mask need not be unpacked for
    small = CompactAnswer(near.row0, near.col0, near.logits, near.shape, threshold)
    return Packed(small, near.inside(threshold))


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """Where history keeps an `ObjectInfo`."""

    label: int


@dataclass(frozen=True, slots=True)
class PlaneKey:
    """Where history keeps a `PlaneState`."""

    label: int
    plane: Plane


@dataclass(frozen=True, slots=True)
class WalkKey:
    """Where history keeps that a stretch has been propagated."""

    label: int
    axis: int
    left: int | None
    right: int | None


@dataclass(frozen=True, slots=True)
class VolumeKey:
    """Where history keeps what an object's mask in the volume answers, see `VolumeAnswers`."""

    label: int


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as a whole; a finished one takes no further prompts."""

    label: int
    finished: bool = False


@dataclass(frozen=True, slots=True)
class PlacedClick:
    """A click with its plane and its number among the clicks there."""

    plane: Plane
    number: int
    click: Click


@packed("inside")
@dataclass(frozen=True, eq=False)
class Shown:
    """A mask in place.

    Parameters
    ----------
    patch : Patch
        The answer near its mask, packed; as it came where it was given.
    inside : ndarray of bool
        The object's own pixels: the answer less what other objects hold or protection forbids.
        Kept packed; read-only.
    rank : (bool, int)
        Where planes of different axes cross, the higher rank decides: a person's answer outranks
        a propagated one; of two answers that of the plane where something was given later, however
        late they came, and of two propagated ones the later.
    question : Question or None
        What the answer answers; None if it was propagated or given.
    confidence : float or None
        Of a propagated answer.
    stretch : Stretch or None
        Where it was propagated from.
    at : (slice, slice) or None
        Where `inside` lies on the slice; None: where the patch does.
    plain : Shown or None
        The mask before its outline was smoothed; None: it was not.
    """

    patch: Patch
    inside: BoolArray
    rank: tuple[bool, int]
    question: Question | None = None
    confidence: float | None = None
    stretch: Stretch | None = None
    at: Window | None = None
    plain: "Shown | None" = None

    @property
    def slices(self) -> Window:
        """Rows and columns of the slice that `inside` lies on."""
        return self.at or self.patch.slices

    def window(self, rows: slice, cols: slice) -> BoolArray:
        """Return the object's own pixels in a window of the slice, bool; start and stop given."""
        return on_window(self.inside, self.slices, (rows, cols))


@packed("inside")
@dataclass(frozen=True, eq=False)
class OtherObjects:
    """Pixels of a plane that other objects have.

    Parameters
    ----------
    inside : ndarray of bool, shape (h, w)
        Kept packed; read-only.
    at : (slice, slice)
        Where it lies on the slice; nothing is known of what is beyond.
    """

    inside: BoolArray
    at: Window

    def window(self, rows: slice, cols: slice) -> BoolArray:
        """Return their pixels in a window of the slice, bool; start and stop given."""
        return on_window(self.inside, self.at, (rows, cols))


@dataclass(frozen=True, slots=True, eq=False)
class PlaneState:
    """Prompts of an object on a plane, and the mask that is shown for it.

    Parameters
    ----------
    prompts : Prompts
        Given there so far.
    serials : tuple of int
        For each click, when it was made among all of the session.
    initial : Patch or None
        The mask that clicks start from: given by a person, or propagated before the first click.
    start : int
        The number of clicks that had been made when `initial` came.
    drawn : Prompts
        What had been drawn when `initial` came.
    choices : tuple of (int, int)
        See `Question`.
    is_painted : bool
        Whether a person gave `initial`.
    serial : int
        When something was last given or chosen there, among all of the session.
    propagated : Shown or None
        What propagation said; clicks start from it, and it comes back when all are removed.
    shown : Shown or None
        The mask in place; while a new answer is computed, still the old one.
    others : OtherObjects or None
        Those of the plane when the first prompt was given. Answers to later prompts go on from
        that to the first, and must not change because another object does.
    known : KnownPoint or None
        See `Question`; as it was when the first prompt was given.
    """

    prompts: Prompts = field(default_factory=Prompts)
    serials: tuple[int, ...] = ()
    initial: Patch | None = None
    start: int = 0
    drawn: Prompts = field(default_factory=Prompts)
    choices: tuple[tuple[int, int], ...] = ()
    is_painted: bool = False
    serial: int = 0
    propagated: Shown | None = None
    shown: Shown | None = None
    others: OtherObjects | None = None
    known: KnownPoint | None = None

    @property
    def is_given(self) -> bool:
        """Whether a person set prompts or a mask here; propagation leaves such planes alone."""
        return self.is_painted or not self.prompts.is_empty


def question(setup: Setup, plane: Plane, state: PlaneState) -> Question:
    """Return the question to a model on a plane: the prompts there, of the kinds that it takes."""
    # prompts of another model stay in the state but are not asked
    prompts, start = taken(state.prompts, setup.model.traits), state.start
    # of those that are asked, so many came
    if len(prompts.clicks) != len(state.prompts.clicks):
        start = sum(click in prompts.clicks for click in state.prompts.clicks[:start])
    # a mask propagated to this plane is the model's own and right but for the click
    keeps = setup.keep_answers and state.propagated is not None and not state.is_painted
    sees = state.others is not None and setup.others and setup.model.traits.others
    return Question(
        setup, plane, prompts, state.initial, start, state.drawn, state.choices, keeps,
        state.others.window if state.others is not None and sees else None, state.known,
    )  # fmt: skip


def handed_over(state: PlaneState, prompts: Prompts, traits: Traits) -> PlaneState:
    """Return a state whose mask another model made as one to start from.

    If prompts on the plane were for a model that takes other kinds, the new model cannot answer
    them; it goes on from the mask they led to.

    Parameters
    ----------
    state : PlaneState
        As it is.
    prompts : Prompts
        What is given now.
    traits : Traits
        Of the model that is to answer.
    """
    old, shown = state.prompts, state.shown
    if (
        shown is None
        or prompts.is_empty
        or taken(old, traits) == old
        or "mask" not in traits.prompts
    ):
        return state
    return replace(
        state,
        initial=shown.patch,
        start=len(old.clicks),
        drawn=old.drawn,
        is_painted=True,
    )


def still_chosen(state: PlaneState, prompts: Prompts) -> tuple[tuple[int, int], ...]:
    """Return the choices among masks that other prompts leave valid: nothing before has changed."""
    old = state.prompts
    if old.drawn != prompts.drawn:
        return ()
    same = 0
    for before, after in zip(old.clicks, prompts.clicks, strict=False):
        if before != after:
            break
        same += 1
    return tuple(choice for choice in state.choices if choice[0] <= same)


def with_prompts(
    state: PlaneState, prompts: Prompts, traits: Traits, serials: Iterator[int]
) -> PlaneState:
    """Return a state with other prompts; clicks that were there keep their number in the order.

    Parameters
    ----------
    state : PlaneState
        As it is.
    prompts : Prompts
        All that is given now.
    traits : Traits
        Of the model that is to answer.
    serials : iterator of int
        Each number is larger than all before.
    """
    state = handed_over(state, prompts, traits)
    old, new = state.prompts.clicks, prompts.clicks
    initial, start = state.initial, 0
    if state.is_painted:
        # clicks from before the mask count only if they are still there, in their order
        for click in old[: state.start]:
            start += start < len(new) and new[start] == click
    elif prompts.is_empty:
        initial = None
    elif initial is None and state.propagated is not None:
        initial = state.propagated.patch
    numbers = state.serials
    # one click more is by far the commonest change, and needs no dictionary of all others
    if added := added_clicks(old, new):
        numbers = (*numbers, *islice(serials, len(added)))
    elif len(old) != len(new):
        known = dict(zip(old, numbers, strict=True))
        numbers = tuple([known.pop(click, 0) or next(serials) for click in new])
    return replace(
        state,
        choices=state.choices and still_chosen(state, prompts),
        prompts=prompts,
        serials=numbers,
        initial=initial,
        start=start,
        serial=next(serials),
    )


def with_initial(state: PlaneState, mask: BoolArray, serial: int) -> PlaneState:
    """Return a state that starts from a mask a person gave; prompts there stay, unasked."""
    return replace(
        state,
        initial=Patch.from_mask(mask),
        start=len(state.prompts.clicks),
        drawn=state.prompts.drawn,
        is_painted=True,
        serial=serial,
    )
