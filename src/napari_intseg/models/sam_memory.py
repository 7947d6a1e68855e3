"""Embed an image although memory is short: half precision, a smaller square, then the CPU."""

import logging
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import DeviceError
from napari_intseg.models.sam_decoder import Embedding, SamNet
from napari_intseg.models.sam_frame import SIDE_PX

_SMALLER_PX = (768, 512)
_log = logging.getLogger(__name__)

Rung = tuple[torch.device, torch.dtype, int]


def embed(
    net: SamNet, image: FloatArray, device: torch.device, dtype: torch.dtype
) -> tuple[Embedding, str]:
    """Return an image's embedding in float32 on the CPU, and a note on what was given up for it.

    Parameters
    ----------
    net : SamNet
        On `device`, and left there.
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    device : torch.device
        Where to compute, while there is room.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    embedding : dict of Tensor
        As if the square had its full size, whatever was used.
    note : str
        Empty when nothing was given up.

    Raises
    ------
    DeviceError
        If there is no room even at the end.
    """
    first, *others = _rungs(device, dtype)
    failed: BaseException
    try:
        return _try(net, image, first, device), ""
    except (RuntimeError, MemoryError) as err:
        if not is_memory_error(err):
            raise
        failed = err
    for rung in others:
        _free(device)
        try:
            embedding = _try(net, image, rung, device)
        except (RuntimeError, MemoryError) as err:
            if not is_memory_error(err):
                raise
            failed = err
            continue
        note = f"memory ran out on {device}; the image was embedded {_told(rung)} instead"
        _log.warning(note)
        return embedding, note
    raise DeviceError(
        f"memory is too small to embed an image: expected room on {device}, got none even "
        f"{_told(others[-1])}. Close other programs, or choose a smaller model."
    ) from failed


def is_memory_error(err: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on whichever device."""
    if isinstance(err, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(err).lower()
    return "out of memory" in said or "can't allocate memory" in said


def _rungs(device: torch.device, dtype: torch.dtype) -> Iterator[Rung]:
    yield device, dtype, SIDE_PX
    half = dtype
    if dtype == torch.float32:
        half = torch.float16 if device.type != "cpu" else torch.bfloat16
        yield device, half, SIDE_PX
    for side in _SMALLER_PX:
        yield device, half, side
    if device.type != "cpu":
        cpu = torch.device("cpu")
        yield cpu, torch.float32, SIDE_PX
        yield cpu, torch.bfloat16, _SMALLER_PX[-1]


def _told(rung: Rung) -> str:
    device, dtype, side = rung
    return f"in {str(dtype).removeprefix('torch.')} at {side} px on {device}"


def _try(net: SamNet, image: FloatArray, rung: Rung, home: torch.device) -> Embedding:
    device, dtype, side = rung
    module = net if isinstance(net, nn.Module) else None
    try:
        if module is not None and device != home:
            module.to(device)
        pixels = net.frame.pixels(image, side).to(device)
        half = dtype != torch.float32
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=half):
            embedding = net.encode(pixels)
        return {name: _kept(value) for name, value in embedding.items()}
    finally:
        if module is not None and device != home:
            module.to(home)


def _kept(value: Tensor) -> Tensor:
    return value.float().cpu().contiguous()


def _free(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
