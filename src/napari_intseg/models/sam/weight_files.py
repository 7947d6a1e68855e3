"""Read the weights of the SAM family: original checkpoints, single files, Hugging Face folders."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.sam.keys import Rules, renamed, tied, unwrapped
from napari_intseg.models.sam.mask_decoder import Embedding, SamNet
from napari_intseg.models.sam.square_frame import SIDE_PX

_IN_FOLDER = ("model.safetensors", "pytorch_model.bin")


def read_weights(name: str, weights: Path | None, rules: Rules) -> tuple[dict[str, Any], Path]:
    """Return a state dict in the library's names, and the file it came from.

    Parameters
    ----------
    name : str
        The model they are for.
    weights : Path or None
        A file, or a folder as the Hugging Face hub has them.
    rules : Rules
        How original names become the library's.

    Raises
    ------
    WeightsError
        If there are none, the folder has none in it, or the file is damaged, unsafe or holds no
        tensors by name.
    """
    if weights is None:
        raise WeightsError(
            f"weights are missing: expected a file or folder for {name!r}, got None. Name one."
        )
    path = file_in(weights) if weights.is_dir() else weights
    state_dict = unwrapped(load_checkpoint(path))
    if not isinstance(state_dict, dict) or not all(
        hasattr(v, "shape") for v in state_dict.values()
    ):
        raise WeightsError(
            f"weights hold no state dict: expected tensors by name, got "
            f"{type(state_dict).__name__} in {str(path)!r}. Choose another file."
        )
    return tied(renamed(state_dict, rules)), path


def file_in(folder: Path) -> Path:
    """Return the weight file of a Hugging Face folder.

    Raises
    ------
    WeightsError
        If there is none in it.
    """
    for file in _IN_FOLDER:
        if (folder / file).is_file():
            return folder / file
    found = ", ".join(sorted(p.name for p in folder.iterdir())) or "an empty folder"
    raise WeightsError(
        f"folder has no weights: expected {' or '.join(_IN_FOLDER)} in {str(folder)!r}, got "
        f"{found}. Fetch the whole repository, large files included."
    )


def load_into(net: nn.Module, state_dict: dict[str, Any], path: Path) -> None:
    """Load a state dict strictly into a network made on the meta device, and finish it.

    Raises
    ------
    WeightsError
        If a name is missing or too many, or a shape differs.
    """
    net.to_empty(device="cpu")
    load_strict(net, state_dict, path)
    net.float().eval().requires_grad_(False)
    finish = getattr(net, "finish", None)
    if callable(finish):
        finish()


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
    """Return an image's embedding in float32, on the device.

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
    pixels = net.frame.pixels(image, side_px, device)
    with torch.inference_mode(), computing_in(dtype, device):
        embedding = net.encode(pixels)
    return {name: _kept(value) for name, value in embedding.items()}


def computing_in(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return a context in which layers compute in a number format; weights stay as they are."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def _kept(value: Tensor) -> Tensor:
    return value.float().contiguous()
