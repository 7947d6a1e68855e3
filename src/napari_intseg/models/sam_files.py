"""Read the weights of the SAM family: original checkpoints, single files, Hugging Face folders."""

from pathlib import Path
from typing import Any

from torch import nn

from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.sam_keys import Rules, renamed, tied, unwrapped

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
