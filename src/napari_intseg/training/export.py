"""Write weights as one file that says what it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from napari_intseg.core.files import write_bytes
from napari_intseg.models.own import ARCHITECTURE


def write_weights(
    path: Path,
    state_dict: Mapping[str, Tensor],
    *,
    traits: Mapping[str, Any] | None = None,
    card: str = "",
) -> Path:
    """Write a network's weights in half precision, with metadata that make the file a model.

    Parameters
    ----------
    path : Path
        Ends in ``.safetensors``; its stem becomes the model's name. Replaced if it is there.
    state_dict : mapping of str to Tensor
        Of a `ClickPyramid`.
    traits : mapping, optional
        Settings other than the network's own, see `models.bundled.read_traits`.
    card : str
        What it was trained on, for people.
    """
    values = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in state_dict.items()
    }
    metadata = {
        "architecture": ARCHITECTURE,
        "traits": json.dumps(dict(traits or {}), sort_keys=True),
        "card": card,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(values, metadata))  # its own writer makes files only their owner reads
    return path
