"""SAM 2.1 for images and, with its memory, for planes that follow each other."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig, Sam2VisionConfig
from transformers.models.sam2_video.configuration_sam2_video import Sam2VideoConfig
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoModel

from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_strict
from napari_intseg.models.device import Precision, choose_device, choose_precision
from napari_intseg.models.sam.adapter import SamSegmenter
from napari_intseg.models.sam.keys import library_names
from napari_intseg.models.sam.mask_decoder import (
    GRID,
    Asked,
    Embedding,
    corners_first,
    places_first,
    regroup,
    to_grid,
)
from napari_intseg.models.sam.square_frame import SquareFrame
from napari_intseg.models.sam.weight_files import read_weights

Size = Literal["tiny", "small", "base-plus", "large"]

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 96, "blocks": [1, 2, 7, 2], "whole": [5, 7, 9]},
    "small": {"width": 96, "blocks": [1, 2, 11, 2], "whole": [7, 10, 13]},
    "base-plus": {"width": 112, "heads": 2, "blocks": [2, 3, 16, 3], "whole": [12, 16, 20],
                  "ground": [14, 14]},
    "large": {"width": 144, "heads": 2, "blocks": [2, 6, 36, 4], "whole": [23, 33, 43],
              "windows": [8, 4, 16, 8]},
}  # fmt: skip
"""Published sizes of the Hiera encoder (arXiv:2306.00989) in SAM 2.1."""
LIMIT = 32.0
"""Low-resolution logits are cut at plus and minus this."""


def sam2_config(size: Size) -> Sam2VideoConfig:
    """Return the library's configuration of a published size."""
    chosen = SIZES[size]
    width, heads = chosen["width"], chosen.get("heads", 1)
    widths = [width * 2**stage for stage in range(4)]
    trunk = Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads,
        blocks_per_stage=chosen["blocks"],
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[heads * 2**stage for stage in range(4)],
        window_size_per_stage=chosen.get("windows", [8, 4, 14, 7]),
        global_attention_blocks=chosen["whole"],
        window_positional_embedding_background_size=chosen.get("ground", [7, 7]),
    )
    vision = Sam2VisionConfig(backbone_config=trunk, backbone_channel_list=widths[::-1])
    return Sam2VideoConfig(vision_config=vision)


class Sam2Net(nn.Module):
    """SAM 2.1 as one of the family.

    Parameters
    ----------
    size : str
        One of `SIZES`.
    """

    frame = SquareFrame("stretch", antialias=True)
    grid: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.body = Sam2VideoModel(sam2_config(size))
        regroup(self.body.mask_decoder)

    def finish(self) -> None:
        """Compute what follows from the weights, once they are loaded."""
        grid = self.body.get_image_wide_positional_embeddings()
        self.register_buffer("grid", places_first(grid.detach()), persistent=False)

    def features(self, pixels: Tensor) -> Embedding:
        """Return what the encoder sees, on the grids of the full square.

        Returns
        -------
        dict
            "image" (1, 256, 64, 64), "high0" (1, 32, 256, 256), "high1" (1, 64, 128, 128).
        """
        return self.maps(pixels)[0]

    def maps(self, pixels: Tensor) -> tuple[Embedding, Tensor]:
        """Return `features`, and the position code (4096, 1, 256) of the coarse ones."""
        out = self.body.vision_encoder(pixels)
        fine, middle, coarse = out.fpn_hidden_states
        decoder = self.body.mask_decoder
        features = {
            "image": to_grid(coarse),
            "high0": to_grid(decoder.conv_s0(fine), 4 * GRID),
            "high1": to_grid(decoder.conv_s1(middle), 2 * GRID),
        }
        # of the full square, whatever the side of the image is
        whole: Any = self.body.vision_encoder.neck.position_encoding
        place = whole(features["image"].shape, coarse.device, torch.float32)
        return features, place.flatten(2).permute(2, 0, 1)

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of a single image: one without memory."""
        features = self.features(pixels)
        none = self.body.no_memory_embedding.reshape(1, -1, 1, 1)
        return {**features, "image": features["image"] + none}

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks and scores, see `SamNet`; a single unstable mask gives way to the best."""
        masks, scores, _, _ = self.heads(embedding, asked, multimask=multimask)
        return masks.clamp(-LIMIT, LIMIT), scores

    def heads(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return masks (n, 256, 256), scores (n,), their tokens (n, 256) and the object's score.

        The object's score (1,) is negative when the object is thought to be out of sight.
        """
        points, labels = corners_first(asked)
        sparse, dense = self.body.prompt_encoder(
            points[None, None], labels[None, None], None, asked.mask
        )
        masks, scores, tokens, seen = self.body.mask_decoder(
            image_embeddings=places_first(embedding["image"]),
            image_positional_embeddings=self.grid,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=[embedding["high0"], embedding["high1"]],
        )
        return masks[0, 0], scores[0, 0], tokens[0, 0], seen[0, 0]


def find_size(state_dict: dict[str, Any]) -> Size | None:
    """Return the size of SAM 2 that a state dict in the library's names has, None if of none."""
    code = state_dict.get("vision_encoder.backbone.pos_embed")
    blocks = {name.split(".")[3] for name in state_dict if ".backbone.blocks." in name}
    for size, values in SIZES.items():
        fits = code is not None and code.shape[1] == values["width"]
        if fits and len(blocks) == sum(values["blocks"]):
            return size
    return None


def load_net(name: str, weights: Path | None) -> Sam2Net:
    """Return the network of a registered name with its weights, on the CPU.

    Raises
    ------
    WeightsError
        If they are missing, damaged, of another model or another size.
    """
    raw, path = read_weights(name, weights, ())
    state_dict = library_names(raw)
    size, wanted = find_size(state_dict), name.removeprefix("sam2.1-")
    if size != wanted:
        raise WeightsError(
            f"weights are of another SAM 2 size: expected {wanted} for {name!r}, got "
            f"{size or 'no SAM 2.1 at all'} in {str(path)!r}. "
            + (f"Load it as 'sam2.1-{size}'." if size else "Choose the model it belongs to.")
        )
    net = Sam2Net(size)
    load_strict(net, {f"body.{key}": value for key, value in state_dict.items()}, path)
    net.eval().requires_grad_(False)
    net.finish()
    return net


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    multimask: bool | Literal["auto"] = "auto",
    feed_back: bool = True,
) -> SamSegmenter:
    """Load SAM 2.1 [1]_, as a `Sam2Segmenter`.

    Parameters
    ----------
    name : str
        A name of the registry, "sam2.1-" and the size.
    weights : Path
        An original ``.pt`` file, a ``.safetensors`` file, or a Hugging Face folder.
    device, precision : str
        As in `napari_intseg.models.registry.load_model`.
    multimask, feed_back
        See `SamSegmenter`.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged, or of another model or size.
    DeviceError
        If the device does not exist.

    References
    ----------
    .. [1] Ravi, N. et al. "SAM 2: Segment Anything in Images and Videos", arXiv:2408.00714.
    """
    from napari_intseg.models.sam.sam2_memory import Sam2Segmenter

    chosen = choose_device(device)
    dtype = choose_precision(precision, chosen)
    return Sam2Segmenter(
        load_net(name, weights), name,
        device=chosen, dtype=dtype, multimask=multimask, feed_back=feed_back,
    )  # fmt: skip
