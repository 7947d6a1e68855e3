"""The published sizes of SAM, and how a checkpoint tells its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from napari_intseg.errors import WeightsError

Size = Literal["vit-b", "vit-l", "vit-h"]

SIZES: dict[Size, dict[str, Any]] = {
    "vit-b": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "global_attn_indexes": [2, 5, 8, 11],
    },
    "vit-l": {
        "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
        "global_attn_indexes": [5, 11, 17, 23],
    },
    "vit-h": {
        "hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16,
        "global_attn_indexes": [7, 15, 23, 31],
    },
}  # fmt: skip
_BY_WIDTH: dict[int, Size] = {values["hidden_size"]: size for size, values in SIZES.items()}


def find_size(state_dict: Mapping[str, Any]) -> Size | None:
    """Return the size of SAM that a state dict in the library's names has, None if of none."""
    code = state_dict.get("vision_encoder.pos_embed")
    return None if code is None or code.ndim != 4 else _BY_WIDTH.get(code.shape[-1])


def check_size(name: str, wanted: Size | None, state_dict: Mapping[str, Any], path: Path) -> Size:
    """Return the size to build.

    Raises
    ------
    WeightsError
        If the checkpoint is no SAM, or one of another size; names which.
    """
    size = find_size(state_dict)
    if size is None:
        expected = wanted or "one of " + ", ".join(SIZES)
        raise WeightsError(
            f"weights are of another model: expected a SAM {expected} for {name!r}, got "
            f"{str(path)!r} without its image encoder. Choose the model this file belongs to."
        )
    if wanted not in (None, size):
        raise WeightsError(
            f"weights are of another SAM size: expected {wanted} for {name!r}, got {size} in "
            f"{str(path)!r}. Load it as 'sam-{size}', or as 'sam-finetuned' if it is not the "
            "published one."
        )
    return size
