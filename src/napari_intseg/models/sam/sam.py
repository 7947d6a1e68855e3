"""SAM and SAM-HQ with a plain vision transformer, and models fine-tuned from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers.models.sam.configuration_sam import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder
from transformers.models.sam_hq.configuration_sam_hq import SamHQVisionConfig
from transformers.models.sam_hq.modeling_sam_hq import SamHQVisionEncoder

from napari_intseg.errors import WeightsError
from napari_intseg.models.device import Precision, choose_device, choose_precision
from napari_intseg.models.sam.adapter import SamSegmenter
from napari_intseg.models.sam.keys import SAM_RULES
from napari_intseg.models.sam.mask_decoder import SIDE_PX, Embedding, PromptedNet, to_grid
from napari_intseg.models.sam.weight_files import load_into, read_weights

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


NAMED: dict[str, Size | None] = {
    "sam-vit-b": "vit-b", "sam-vit-l": "vit-l", "sam-vit-h": "vit-h", "medsam": "vit-b",
    "sam-hq-vit-b": "vit-b", "sam-finetuned": None,
}  # fmt: skip
"""The size that a registered name stands for; None: told from the weights."""


class ViT(nn.Module):
    """SAM's image encoder, for any side of the square (arXiv:2304.02643).

    Parameters
    ----------
    size : {"vit-b", "vit-l", "vit-h"}
        Which of the published three.
    hq : bool
        Whether the feature after the first global block is kept, for SAM-HQ.
    """

    def __init__(self, size: Size, *, hq: bool = False) -> None:
        super().__init__()
        self.hq = hq
        self.body: Any
        if hq:
            self.body = SamHQVisionEncoder(SamHQVisionConfig(**SIZES[size]))
        else:
            self.body = SamVisionEncoder(SamVisionConfig(**SIZES[size]))

    def embed(self, pixels: Tensor) -> Embedding:
        """Return the embedding on SAM's grid, and for SAM-HQ the early feature."""
        side = pixels.shape[-1]
        replaced: dict[str, Tensor] = {}
        if side != SIDE_PX:
            code = self.body.pos_embed.permute(0, 3, 1, 2)
            small = nn.functional.interpolate(code, (side // 16, side // 16), mode="bicubic")
            replaced["pos_embed"] = small.permute(0, 2, 3, 1)
        patches = self.body.patch_embed
        patches.image_size = (side, side)
        out = functional_call(self.body, replaced, (pixels,))
        embedding = {"image": to_grid(out.last_hidden_state)}
        if self.hq:
            early = out.intermediate_embeddings[0]
            embedding["early"] = to_grid(early.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return embedding


def make_net(size: Size, *, hq: bool = False, hq_only: bool = False) -> PromptedNet:
    """Return a SAM, or SAM-HQ, whose weights are still to be loaded with `load_into`."""
    with torch.device("meta"):
        early = SIZES[size]["hidden_size"] if hq else None
        return PromptedNet(ViT(size, hq=hq), early_dim=early, hq_only=hq_only)


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    multimask: bool | Literal["auto"] = "auto",
    feed_back: bool = True,
    hq_only: bool = False,
) -> SamSegmenter:
    """Load SAM, SAM-HQ or a model fine-tuned from SAM.

    Parameters
    ----------
    name : str
        A name of the registry; "sam-finetuned" takes any size.
    weights : Path
        An original ``.pth`` file, a ``.safetensors`` file, or a Hugging Face folder.
    device, precision : str
        As in `napari_intseg.models.registry.load_model`.
    multimask, feed_back
        See `SamSegmenter`.
    hq_only : bool
        SAM-HQ's own mask alone.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged, or of another model or size.
    DeviceError
        If the device does not exist.
    """
    chosen = choose_device(device)
    dtype = choose_precision(precision, chosen)
    net = load_net(name, weights, hq_only=hq_only)
    return SamSegmenter(
        net, name, device=chosen, dtype=dtype, multimask=multimask, feed_back=feed_back
    )


def load_net(name: str, weights: Path | None, *, hq_only: bool = False) -> PromptedNet:
    """Return the network of a registered name with its weights, on the CPU."""
    state_dict, path = read_weights(name, weights, SAM_RULES)
    size = check_size(name, NAMED[name], state_dict, path)
    is_hq = any("hq_token" in key for key in state_dict)
    net = make_net(size, hq=name.startswith("sam-hq") or is_hq, hq_only=hq_only)
    load_into(net, in_body(state_dict), path)
    return net


def in_body(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Return a state dict with the encoder's names as `ViT` has them."""
    old, new = "vision_encoder.", "vision_encoder.body."
    return {n.replace(old, new, 1) if n.startswith(old) else n: v for n, v in state_dict.items()}
