"""Which device and number format a network runs with."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from napari_intseg.core.segmenter import LOGIT_LIMIT, Array, FloatArray, is_out_of_memory
from napari_intseg.errors import DeviceError

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def choose_device(device: str = "auto") -> torch.device:
    """Return a device that exists here.

    Parameters
    ----------
    device : str, default "auto"
        "auto" takes CUDA, then MPS, then CPU; otherwise a torch name such as "cpu" or "cuda:1".

    Raises
    ------
    DeviceError
        If the name is unknown or there is no such device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
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
    mps = ("mps",) if torch.backends.mps.is_available() else ()
    return ("auto", *cuda, *mps, "cpu")


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
    if device.type == "cuda":
        # a copy goes on beside the computation only from pinned memory
        return here.pin_memory().to(device, non_blocking=True)
    return here.to(device)


def download(logits: Tensor, *, exact: bool = False) -> FloatArray:
    """Return logits in main memory as float32, by the one read of a click that waits.

    From a device they travel in half precision, cut at ``±LOGIT_LIMIT``, unless they are to be
    `exact`; on a processor nothing travels and nothing is rounded.
    """
    if logits.device.type != "cpu" and not exact:
        logits = logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT).half()
    found: FloatArray = logits.cpu().float().numpy()
    return found


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
        if device.type == "cuda":
            # what PyTorch keeps for itself is given back, so that a smaller attempt finds room
            torch.cuda.empty_cache()
        raise DeviceError(
            f"device is out of memory: expected room for one answer, got none left on "
            f"{str(device)!r}. Close other programs that use it, limit the view's size, or choose "
            "device='cpu'."
        ) from err
