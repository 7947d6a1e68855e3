"""SAM's prompt encoder and mask decoder round any image encoder, from the transformers library."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import (
    SamConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from transformers.models.sam.modeling_sam import (
    SamMaskDecoder,
    SamPositionalEmbedding,
    SamPromptEncoder,
)

from napari_intseg.models.sam_attention import regroup
from napari_intseg.models.sam_frame import SIDE_PX, Frame
from napari_intseg.models.sam_hq import HighQualityDecoder

Embedding = dict[str, Tensor]
"""What a network keeps of an image, each tensor with a batch of 1."""
GRID = 64
"""Side of SAM's image embedding."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Prompts in the square of `sam_frame`.

    Parameters
    ----------
    points : Tensor of float32, shape (n, 2)
        ``(x, y)`` of the clicks.
    labels : Tensor of int64, shape (n,)
        1 for a positive click, else 0.
    box : Tensor of float32, shape (4,), or None
        ``(x0, y0, x1, y1)``.
    mask : Tensor of float32, shape (1, 1, 256, 256), or None
        Low-resolution logits to start from.
    """

    points: Tensor
    labels: Tensor
    box: Tensor | None = None
    mask: Tensor | None = None


class SamNet(Protocol):
    """A network of the family, whatever its parts."""

    @property
    def frame(self) -> Frame:
        """How images lie in its square."""
        ...

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of (1, 3, side, side), any side that is a multiple of 64."""
        ...

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return low-resolution logits (n, 256, 256) and the estimated IoU of each (n,)."""
        ...


class Encoder(Protocol):
    """An image encoder for `PromptedNet`."""

    def embed(self, pixels: Tensor) -> Embedding:
        """Return "image" (1, 256, g, g), and for SAM-HQ "early" (1, g, g, C)."""
        ...


def decoder_config() -> SamMaskDecoderConfig:
    """Return SAM's decoder, with the 1e-5 that its authors' layer norms have."""
    config = SamMaskDecoderConfig(layer_norm_eps=1e-5)
    config._attn_implementation = "sdpa"
    return config


class PromptedNet(nn.Module):
    """An image encoder under SAM's prompt encoder and decoder (arXiv:2304.02643).

    Parameters
    ----------
    encoder : nn.Module with `embed`
        Gives the image embedding.
    early_dim : int or None
        Channels of the encoder's early feature: then the decoder is that of SAM-HQ
        (arXiv:2306.01567).
    hq_only : bool
        SAM-HQ's own mask alone, instead of its sum with SAM's.
    """

    frame = Frame("pad")
    grid: Tensor

    def __init__(
        self, encoder: nn.Module, *, early_dim: int | None = None, hq_only: bool = False
    ) -> None:
        super().__init__()
        vision = SamVisionConfig(num_pos_feats=128)
        prompts = SamPromptEncoderConfig()
        self.vision_encoder = encoder
        self.shared_image_embedding = SamPositionalEmbedding(vision)  # type: ignore[no-untyped-call]
        self.prompt_encoder = SamPromptEncoder(
            SamConfig(vision_config=vision, prompt_encoder_config=prompts)
        )
        self.hq_only = hq_only
        self.mask_decoder: nn.Module
        if early_dim is None:
            self.mask_decoder = SamMaskDecoder(decoder_config())
        else:
            self.mask_decoder = HighQualityDecoder(early_dim)
        regroup(self.mask_decoder)

    def finish(self) -> None:
        """Compute what follows from the weights, once they are loaded."""
        self.register_buffer("grid", grid_code(self.shared_image_embedding), persistent=False)

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of an image in the square, see `SamNet`."""
        encoder: Encoder = self.vision_encoder  # type: ignore[assignment]
        embedding = encoder.embed(pixels)
        if isinstance(self.mask_decoder, HighQualityDecoder):
            fine = self.mask_decoder.fine(embedding["image"], embedding.pop("early"))
            embedding["fine"] = fine
        return embedding

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks and scores, see `SamNet`; those of SAM-HQ best first."""
        has_points = len(asked.points) > 0
        sparse, dense = self.prompt_encoder(
            asked.points[None, None] if has_points else None,
            asked.labels[None, None] if has_points else None,
            asked.box[None, None] if asked.box is not None else None,
            asked.mask,
        )
        image = places_first(embedding["image"])
        if isinstance(self.mask_decoder, HighQualityDecoder):
            if sparse is None:
                sparse = image.new_zeros(1, 1, 0, image.shape[1])
            parts = self.mask_decoder(image + dense, self.grid, sparse, embedding["fine"])
            return self.mask_decoder.answer(parts, multimask=multimask, hq_only=self.hq_only)
        masks, scores = self.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self.grid,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )
        return masks[0, 0], scores[0, 0]


def corners_first(asked: Asked) -> tuple[Tensor, Tensor]:
    """Return points and labels, a box as two points (labels 2 and 3) before the clicks.

    Without any prompt they are one point that is none (label -1).
    """
    points, labels = asked.points, asked.labels
    if asked.box is not None:
        points = torch.cat([asked.box.reshape(2, 2), points])
        labels = torch.cat([labels.new_tensor([2, 3]), labels])
    if len(points) == 0:
        return points.new_zeros(1, 2), labels.new_full((1,), -1)
    return points, labels


def grid_code(code: nn.Module) -> Tensor:
    """Return the position code of every cell of the embedding, shape (1, 256, 64, 64)."""
    device = next(iter(code.state_dict().values())).device
    centres = (torch.arange(GRID, device=device, dtype=torch.float32) + 0.5) / GRID
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    with torch.no_grad():
        coded: Tensor = code(torch.stack([x, y], dim=-1))
    return places_first(coded.permute(2, 0, 1)[None])


def places_first(features: Tensor) -> Tensor:
    """Return features (1, C, h, w) laid out place by place, as the decoder reads them fastest."""
    return features.contiguous(memory_format=torch.channels_last)


def to_grid(features: Tensor, side: int = GRID) -> Tensor:
    """Return features (1, C, g, g) of a smaller image on the grid that the decoder knows."""
    if features.shape[-1] == side:
        return features
    return nn.functional.interpolate(features.float(), (side, side), mode="bilinear")


__all__ = [
    "GRID",
    "SIDE_PX",
    "Asked",
    "Embedding",
    "Encoder",
    "PromptedNet",
    "SamNet",
    "corners_first",
    "decoder_config",
    "grid_code",
    "places_first",
    "to_grid",
]
