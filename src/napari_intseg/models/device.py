"""Which device and number format a network runs with, and what is recorded there to be replayed."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Array,
    FloatArray,
    PictureView,
    is_out_of_memory,
)
from napari_intseg.errors import DeviceError

Precision = Literal["auto", "float32", "bfloat16", "float16"]

# a recording costs about three runs: shapes that come once or twice are not worth it
_RUNS_FIRST = 2
# the bundled network's views have 54 padded shapes in all, of which a piece of work has few; a
# recording of one at 384 pixels holds 4 MB
_MOST_RECORDED = 64
# how far a replay may be from the run itself: as far as half precision is from float32 (2e-2 of
# probabilities), since other algorithms may be chosen while it is recorded
_STRAYS = 2e-2

# the least of so many runs is what others on the machine disturb least
_TRIES = 3
# fewer threads are as quick if they take at most so much longer: the others are free for the window
_AS_QUICK = 1.05

_log = logging.getLogger(__name__)


def choose_device(device: str = "auto") -> torch.device:
    """Return a device that exists here.

    Parameters
    ----------
    device : str, default "auto"
        "auto" takes CUDA, then XPU (Intel's), then MPS (Apple's), then the CPU; otherwise a torch
        name such as "cpu" or "cuda:1".

    Raises
    ------
    DeviceError
        If the name is unknown or there is no such device.
    """
    if device == "auto":
        cuda = ("cuda",) if torch.cuda.is_available() else ()
        return torch.device((*cuda, *_other_devices(), "cpu")[0])
    try:
        chosen = torch.device(device)
        # a name may be known to PyTorch and the device not be there: only using it tells
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as err:
        raise DeviceError(
            f"device cannot be used: expected one of {', '.join(list_devices())}, got {device!r}. "
            "Choose another, or leave it at 'auto'."
        ) from err
    return chosen


def list_devices() -> tuple[str, ...]:
    """Return the names that `choose_device` takes here, "auto" first."""
    cuda = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    return ("auto", *cuda, *_other_devices(), "cpu")


def _other_devices() -> tuple[str, ...]:
    """Return the kinds that are there besides CUDA and the CPU."""
    there = {"xpu": torch.xpu.is_available(), "mps": torch.backends.mps.is_available()}
    return tuple(kind for kind, is_there in there.items() if is_there)


def give_back(device: torch.device) -> None:
    """Give back what PyTorch keeps of a device's memory for itself."""
    if device.type in ("cuda", "xpu", "mps"):
        getattr(torch, device.type).empty_cache()


def choose_precision(
    precision: Precision, device: torch.device, *, half_on_cpu: bool = False
) -> torch.dtype:
    """Return the dtype to compute in: what the device is fast in, unless one is asked for.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto" is bfloat16 on CUDA from Ampere on, float16 on Volta and Turing, and float32 on
        what came before, which computes in half precision more slowly.
    device : torch.device
        Where.
    half_on_cpu : bool, default False
        Whether "auto" is bfloat16 on processors that have instructions for it; for networks whose
        masks were seen to stay the same.

    Raises
    ------
    DeviceError
        If the name is unknown.
    """
    if precision == "auto":
        if device.type == "cuda":
            return _fast_on_cuda(torch.cuda.get_device_capability(device))
        half = half_on_cpu and device.type == "cpu" and has_bfloat16()
        return torch.bfloat16 if half else torch.float32
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if precision not in dtypes:
        raise DeviceError(
            f"precision is unknown: expected 'auto' or one of {', '.join(dtypes)}, "
            f"got {precision!r}. Leave it at 'auto'."
        )
    return dtypes[precision]


def _fast_on_cuda(capability: tuple[int, int]) -> torch.dtype:
    # compute capability 8 is Ampere, the first with bfloat16; 7 is Volta, the first quick in
    # float16
    if capability >= (8, 0):
        return torch.bfloat16
    return torch.float16 if capability >= (7, 0) else torch.float32


@cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16 (AVX-512 BF16 or AMX), and PyTorch knows."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # private names, since there are no public ones so far
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    # `bool()` is False: a version without the name does not know
    return any(getattr(torch.cpu, name, bool)() for name in asked)


def set_threads(threads: int | Literal["measure"], work: Callable[[], object]) -> int:
    """Have PyTorch compute with so many threads on a processor, or with as many as are quickest.

    More are not quicker everywhere: on two processors that others use too, a click took .2 s with
    one thread and 2 s with two, which wait for each other.

    Parameters
    ----------
    threads : int or "measure"
        "measure": 1, 2, 4 and so on up to as many as PyTorch would take are tried.
    work : callable
        What is to be quick; done a few times for each number.

    Returns
    -------
    int
        The number that was set, for the whole process.

    Raises
    ------
    DeviceError
        If the number is none.
    """
    if threads != "measure":
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise DeviceError(
                f"threads cannot be used: expected a number from 1 on or 'measure', got "
                f"{threads!r}. Leave it out."
            )
        torch.set_num_threads(threads)
        return threads
    most = torch.get_num_threads()
    took: dict[int, float] = {}
    try:
        for count in sorted({*(1 << i for i in range(most.bit_length())), most} - {0}):
            torch.set_num_threads(count)
            # the first time, what is kept for a number of threads is made
            work()
            took[count] = min(_timed(work) for _ in range(_TRIES))
    finally:
        best = min(took.values(), default=0.0)
        chosen = min((n for n in took if took[n] <= best * _AS_QUICK), default=most)
        torch.set_num_threads(chosen)
    _log.info("%d of %d threads are taken, by measuring", chosen, most)
    return chosen


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def upload(values: Array, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return an array on a device, without waiting for the copy where the device allows that.

    Parameters
    ----------
    values : ndarray
        Of any type that PyTorch knows; it is not changed.
    device : torch.device
        Where.
    dtype : torch.dtype, optional
        Converted before it travels.
    """
    here = torch.from_numpy(np.ascontiguousarray(values))
    if dtype is not None:
        here = here.to(dtype)
    if device.type in ("cuda", "xpu"):
        # a copy goes on beside the computation only from pinned memory
        return here.pin_memory().to(device, non_blocking=True)
    return here.to(device)


def upload_picture(picture: FloatArray, device: torch.device, *, exact: bool = False) -> Tensor:
    """Return a picture on a device, float32; as bytes it takes a quarter of the way.

    Parameters
    ----------
    picture : ndarray of float32, any shape
        In [0, 1]; it is not changed.
    device : torch.device
        Where. On a processor nothing travels, and nothing is rounded.
    exact : bool, default False
        Whether it must not be rounded; 8-bit images that are shown as they are never lose anything.
    """
    if device.type == "cpu" or exact:
        return upload(picture, device)
    shown = np.clip(np.rint(picture * np.float32(255)), 0, 255).astype(np.uint8)
    return upload(shown, device).float() / 255


def cut_out(there: Tensor, view: PictureView) -> Tensor:
    """Return a view of a picture where the picture is.

    Parameters
    ----------
    there : Tensor of uint8, shape (H, W) or (H, W, 3)
        The picture, on a device.
    view : PictureView
        Of it.

    Returns
    -------
    Tensor of float32, shape (1, 3, h, w)
        In [0, 1]; what `inference.view.View.read` gives of bytes, to rounding.
    """
    row0, row1, col0, col1 = view.box
    part = there[row0:row1, col0:col1].float() / 255
    planes = part[None] if part.ndim == 2 else part.permute(2, 0, 1)
    found = interpolate(planes[None], view.shape, mode="bilinear", align_corners=True)
    return (found.flip(3) if view.mirrored else found).expand(-1, 3, -1, -1)


def download(logits: Tensor, *, exact: bool = False) -> FloatArray:
    """Return logits in main memory as float32, by the one read of a click that waits.

    From a device they travel in half precision, cut at ``±LOGIT_LIMIT``, unless they are to be
    `exact`; on a processor nothing travels and nothing is rounded.
    """
    return download_all((logits, exact))[0]


def download_all(*wanted: tuple[Tensor, bool]) -> list[FloatArray]:
    """Return several tensors as `download` does, by one read for all of them.

    Parameters
    ----------
    *wanted : (Tensor, bool)
        What is wanted, and whether exactly.
    """
    sent = [_in_format(one, exact) for one, exact in wanted]
    if len(sent) <= 1 or sent[0].device.type == "cpu":
        return [one.cpu().float().numpy() for one in sent]
    return unpacked(packed(sent).cpu().numpy(), sent)


def _in_format(logits: Tensor, exact: bool) -> Tensor:
    """Return logits as they travel."""
    if logits.device.type == "cpu":
        return logits
    return logits.float() if exact else logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT).half()


def packed(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors one after the other as bytes, since their formats may differ."""
    return torch.cat([one.contiguous().view(-1).view(torch.uint8) for one in tensors])


def unpacked(packed: Array, like: Sequence[Tensor]) -> list[FloatArray]:
    """Return what was packed, as float32; the tensors it was made of say shapes and formats."""
    found, start = [], 0
    for one in like:
        stop = start + one.numel() * one.element_size()
        kind = np.float16 if one.dtype == torch.float16 else np.float32
        values = packed[start:stop].view(kind).astype(np.float32)
        found.append(values.reshape(tuple(one.shape)))
        start = stop
    return found


class DeviceArrays(dict[str, Array]):
    """Arrays by name that are on a device, and come down when they are read.

    So an embedding that is only asked about costs no way down, and is computed while the processor
    goes on.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        There.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(dict.fromkeys(tensors, np.empty(0)))
        self.tensors: Mapping[str, Tensor] | None = tensors

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; `dict` copies what there is of no class with its own iterator."""
        return super().__iter__()

    def __getitem__(self, name: str) -> Array:
        """Return one of them."""
        there = self.tensors
        return super().__getitem__(name) if there is None else there[name].cpu().numpy()

    def items(self) -> Any:
        """Return the names with the arrays, all brought down."""
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        """Return the arrays, all brought down."""
        return [self[name] for name in self]

    def leave(self) -> None:
        """Bring them down for good: the device's memory is wanted."""
        self.update(self.items())
        self.tensors = None

    def __reduce__(self) -> Any:
        """Pickle the arrays."""
        return dict, (dict(self.items()),)


@contextmanager
def convolutions(*, tf32: bool) -> Iterator[None]:
    """Let cuDNN compute convolutions with or without TF32, and leave all else as it was set.

    ``torch.backends.cudnn.flags`` turns off what it is not told: cuDNN itself among others.
    """
    now = torch.backends.cudnn
    with now.flags(
        enabled=now.enabled,
        benchmark=now.benchmark,
        deterministic=now.deterministic,
        allow_tf32=tf32,
    ):
        yield


@contextmanager
def memory_guard(device: torch.device) -> Iterator[None]:
    """Turn the device running out of memory into an error that says what to do.

    Raises
    ------
    DeviceError
        If the work inside does not fit.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as err:
        if isinstance(err, DeviceError) or not is_out_of_memory(err):
            raise
        # so that a smaller attempt finds room
        give_back(device)
        raise DeviceError(
            f"device is out of memory: expected room for one answer, got none left on "
            f"{str(device)!r}. Close other programs that use it, limit the view's size, or choose "
            "device='cpu'."
        ) from err


Work = Callable[..., Sequence[Tensor]]
"""Takes tensors and returns tensors, all on one device, and reads none of their values."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Work on tensors at fixed places, to be done again with what is copied there.

    Parameters
    ----------
    inputs, outputs : tuple of Tensor
        The places.
    replay : callable
        Does the work.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    replay: Callable[[], None]


class CudaGraphs:
    """Replays what a network does where shapes come again: one launch in place of hundreds [1]_.

    Work is run as it is at first, recorded at the third time with inputs of the same shapes, and
    replayed from then on. A recording that fails, or that does not give what the work itself gives,
    is not used. Off CUDA the work is run.

    Parameters
    ----------
    record : callable, optional
        Makes a recording of work on inputs; a CUDA graph by default.
    kind : str, default "cuda"
        The type of device on which work is recorded.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def __init__(
        self,
        record: Callable[[Work, Sequence[Tensor]], Recording] | None = None,
        *,
        kind: str = "cuda",
    ) -> None:
        self._record, self.kind = record or _CudaRecorder(), kind
        self._runs: OrderedDict[Hashable, int] = OrderedDict()
        # None: it could not be recorded
        self._kept: OrderedDict[Hashable, Recording | None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many recordings are held."""
        return sum(one is not None for one in self._kept.values())

    def __call__(self, name: str, work: Work, *inputs: Tensor) -> list[Tensor]:
        """Return what ``work(*inputs)`` returns; `name` tells it from other work."""
        if inputs[0].device.type != self.kind:
            return list(work(*inputs))
        key = name, tuple((one.shape, one.dtype) for one in inputs)
        recording = self._kept.get(key)
        if recording is not None:
            self._kept.move_to_end(key)
            for place, one in zip(recording.inputs, inputs, strict=True):
                place.copy_(one)
            recording.replay()
            # copied, since the next replay writes to the same places
            return [one.clone() for one in recording.outputs]
        found = list(work(*inputs))
        runs = self._runs[key] = self._runs.pop(key, 0) + 1
        if runs > _RUNS_FIRST and key not in self._kept:
            self._keep(key, self._recorded(name, work, inputs, found))
        return found

    def clear(self) -> None:
        """Forget all recordings: the network's weights are about to move, or memory is short."""
        self._kept.clear()
        self._runs.clear()

    def _keep(self, key: Hashable, recording: Recording | None) -> None:
        self._kept[key] = recording
        for kept in (self._kept, self._runs):
            while len(kept) > _MOST_RECORDED:
                kept.popitem(last=False)

    def _recorded(
        self, name: str, work: Work, inputs: Sequence[Tensor], found: Sequence[Tensor]
    ) -> Recording | None:
        """Return a recording that gives what was found, None if none can be made."""
        try:
            recording = self._record(work, inputs)
            recording.replay()
            pairs = zip(recording.outputs, found, strict=True)
            is_same = all(_agrees(one, other) for one, other in pairs)
        except RuntimeError as err:
            if is_out_of_memory(err):
                # room for answers comes first
                self.clear()
            _log.warning("%s is not recorded, and runs as it is: %s", name, err)
            return None
        if not is_same:
            _log.warning("%s is not replayed: a recording gave other numbers", name)
        return recording if is_same else None


def _agrees(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.float(), other.float(), rtol=_STRAYS, atol=_STRAYS, equal_nan=True)


class _CudaRecorder:
    """Records CUDA graphs, whose memory for what lies between inputs and outputs is shared."""

    def __init__(self) -> None:
        self._pool: Any = None
        self._beside: Any = None

    def __call__(self, work: Work, inputs: Sequence[Tensor]) -> Recording:
        # one after the other is replayed, and outputs are held: so nothing that is shared is needed
        # beyond a replay. Memory is shared in one stream.
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        self._beside = self._beside or torch.cuda.Stream()  # type: ignore[no-untyped-call]
        places = tuple(one.clone() for one in inputs)
        self._beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._beside):
            # libraries get ready where nothing but the network may be asked for then
            work(*places)
        torch.cuda.current_stream().wait_stream(self._beside)
        graph = torch.cuda.CUDAGraph()
        # the window's other threads may use the device meanwhile
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._beside, capture_error_mode="thread_local"
        ):
            outputs = tuple(work(*places))
        return Recording(places, outputs, graph.replay)
