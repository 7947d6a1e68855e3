"""Embed an image in the number format and at the side that memory has room for."""

import torch
from torch import Tensor

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.models.sam_decoder import Embedding, SamNet
from napari_intseg.models.sam_frame import SIDE_PX

SMALLER_PX = (768, 512)
"""Sides of a smaller square, in the order to be tried."""


def side_for(view_px: int | None) -> int:
    """Return the side of the square for views limited to so many pixels; None: not limited."""
    if view_px is None:
        return SIDE_PX
    return next((side for side in SMALLER_PX if side <= view_px), SMALLER_PX[-1])


def embed(
    net: SamNet, image: FloatArray, device: torch.device, dtype: torch.dtype, side_px: int
) -> Embedding:
    """Return an image's embedding in float32 on the CPU.

    Parameters
    ----------
    net : SamNet
        On `device`.
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    device, dtype : torch.device, torch.dtype
        Where and in what to compute.
    side_px : int
        Of the square that the encoder sees; the embedding is as if it had its full size.

    Raises
    ------
    RuntimeError
        If there is no room for it.
    """
    pixels = net.frame.pixels(image, side_px).to(device)
    with torch.inference_mode(), computing_in(dtype, device):
        embedding = net.encode(pixels)
    return {name: _kept(value) for name, value in embedding.items()}


def computing_in(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return a context in which layers compute in a number format; weights stay as they are."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def _kept(value: Tensor) -> Tensor:
    return value.float().cpu().contiguous()
