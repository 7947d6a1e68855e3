"""EfficientSAM (arXiv:2312.00863): a small SAM without mask prompts, for a CPU.

Names of parameters are those of the published checkpoints.
"""

import math
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import SamMaskDecoderConfig
from transformers.models.sam.modeling_sam import (
    SamAttention,
    SamFeedForward,
    SamMaskDecoder,
    SamTwoWayAttentionBlock,
)

from napari_intseg.models.device import Precision
from napari_intseg.models.nets.mobile_encoders import ChannelNorm
from napari_intseg.models.sam.keys import Rules
from napari_intseg.models.sam.mask_decoder import (
    Asked,
    Embedding,
    corners_first,
    decoder_config,
    grid_code,
    load_into,
    places_first,
    read_weights,
    regroup,
    to_grid,
)
from napari_intseg.models.sam.sam import SamSegmenter
from napari_intseg.models.sam.square_frame import SIDE_PX, SquareFrame

# side of a patch, side of the grid that position codes were trained on, channels of the embedding
_PATCH_PX, _PRETRAINED_GRID, _EMBEDDING_DIM = 16, 14, 256
# SAM's labels of what is no click
_NO_POINT, _TOP_LEFT, _BOTTOM_RIGHT = -1, 2, 3


class TokenEmbed(nn.Module):
    """One token for each 16×16 pixels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, _PATCH_PX, stride=_PATCH_PX)


class TokenAttention(nn.Module):
    """Self-attention between all tokens."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n, dim) to the same shape."""
        batch, count, dim = x.shape
        qkv = self.qkv(x).view(batch, count, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        out = nn.functional.scaled_dot_product_attention(query, key, value)
        answer: Tensor = self.proj(out.transpose(1, 2).reshape(batch, count, dim))
        return answer


class TokenMlp(nn.Module):
    """A two-layer perceptron."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return out


class TokenBlock(nn.Module):
    """Attention, then a perceptron, each on normalised tokens and added to them."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn, self.mlp = TokenAttention(dim, heads), TokenMlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n, dim) to the same shape."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class SmallViT(nn.Module):
    """A plain vision transformer with SAM's neck.

    Parameters
    ----------
    dim, heads : int
        192 and 3 for "vitt", 384 and 6 for "vits".
    depth : int
        Number of blocks.
    """

    def __init__(self, dim: int, heads: int, depth: int = 12) -> None:
        super().__init__()
        # the first code belongs to the class token of the pre-training, which is not used
        self.pos_embed = nn.Parameter(torch.zeros(1, _PRETRAINED_GRID**2 + 1, dim))
        self.patch_embed = TokenEmbed(dim)
        self.blocks = nn.ModuleList(TokenBlock(dim, heads) for _ in range(depth))
        self.neck = nn.Sequential(
            nn.Conv2d(dim, _EMBEDDING_DIM, 1, bias=False),
            ChannelNorm(_EMBEDDING_DIM),
            nn.Conv2d(_EMBEDDING_DIM, _EMBEDDING_DIM, 3, padding=1, bias=False),
            ChannelNorm(_EMBEDDING_DIM),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, s, s) to the embedding (B, 256, s / 16, s / 16)."""
        x = self.patch_embed.proj(x)
        side = (_PRETRAINED_GRID, _PRETRAINED_GRID)
        code = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, *side)
        code = nn.functional.interpolate(code, x.shape[-2:], mode="bicubic", align_corners=False)
        tokens = (x + code).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.neck(tokens.transpose(1, 2).reshape(x.shape))
        return out


class PositionCode(nn.Module):
    """Random Fourier features of a position, as in SAM."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "positional_encoding_gaussian_matrix", torch.zeros(2, _EMBEDDING_DIM // 2)
        )

    def forward(self, at: Tensor) -> Tensor:
        """Map ``(x, y)`` in [0, 1], shape (..., 2), to codes (..., 256)."""
        angle = 2 * math.pi * ((2 * at - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class PointEncoder(nn.Module):
    """Codes of points; corners of a box are points, and negative points have no mark of their own.

    Parameters
    ----------
    side_px : int
        Side of the square that points are measured in.
    """

    def __init__(self, side_px: int) -> None:
        super().__init__()
        self.side_px = side_px
        self.pe_layer = PositionCode()
        self.invalid_points = nn.Embedding(1, _EMBEDDING_DIM)
        self.point_embeddings = nn.Embedding(1, _EMBEDDING_DIM)
        self.bbox_top_left_embeddings = nn.Embedding(1, _EMBEDDING_DIM)
        self.bbox_bottom_right_embeddings = nn.Embedding(1, _EMBEDDING_DIM)

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        """Map points (B, n, 2), labels (B, n) to codes (B, n, 256); label -1 is no point."""
        # half a pixel, since SAM measures positions from a pixel's corner
        codes: Tensor = self.pe_layer((points + 0.5) / self.side_px)
        marks = (
            (_NO_POINT, self.invalid_points),
            (1, self.point_embeddings),
            (_TOP_LEFT, self.bbox_top_left_embeddings),
            (_BOTTOM_RIGHT, self.bbox_bottom_right_embeddings),
        )
        for label, mark in marks:
            codes = codes + (labels[..., None] == label) * mark.weight
        return codes


SIZES: dict[str, tuple[int, int]] = {"vitt": (192, 3), "vits": (384, 6)}
"""Width and heads of the encoder."""
# points that the published model always sees at least; missing ones are marked as none
_POINTS = 6

_MLP = r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d|iou_prediction_head))"
RULES: Rules = (
    (_MLP + r"\.layers\.0\.0\.", r"\1.proj_in."),
    (_MLP + r"\.layers\.1\.0\.", r"\1.layers.0."),
    (_MLP + r"\.fc\.", r"\1.proj_out."),
    (r"(transformer\.layers\.\d\.mlp)\.layers\.0\.0\.", r"\1.lin1."),
    (r"(transformer\.layers\.\d\.mlp)\.fc\.", r"\1.lin2."),
    (r"^mask_decoder\.(.*)\.norm([1-4])\.", r"mask_decoder.\1.layer_norm\2."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.final_output_upscaling_layers\.0\.0\.", ".upscale_conv1."),
    (r"\.final_output_upscaling_layers\.0\.1\.", ".upscale_layer_norm."),
    (r"\.final_output_upscaling_layers\.1\.0\.", ".upscale_conv2."),
)
"""Names of the decoder, which is SAM's; the encoders keep theirs."""


class AddedAttention(SamAttention):
    """Attention between tokens that is added to them; SAM's first block replaces them by it."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (1, 1, n, 256) to the same shape; the second value is the library's."""
        out, weights = super().forward(query=query, key=key, value=value)
        return query + out, weights


class DecoderBlock(SamTwoWayAttentionBlock):
    """A block of EfficientSAM's decoder.

    Parameters
    ----------
    placed : bool
        Whether tokens get their position codes first, and keep them; SAM adds those for the
        attention alone.
    """

    def __init__(self, config: SamMaskDecoderConfig, *, placed: bool) -> None:
        super().__init__(config, skip_first_layer_pe=True)
        self.self_attn = AddedAttention(config, downsample_rate=1)
        self.placed = placed

    def forward(self, queries: Tensor, keys: Tensor, **codes: Any) -> tuple[Tensor, ...]:
        """Return tokens and image features after the block, and its last attention's output."""
        if self.placed:
            queries = queries + codes["query_point_embedding"]
        out: tuple[Tensor, ...] = super().forward(queries, keys, **codes)
        return out


class EfficientSamNet(nn.Module):
    """EfficientSAM: its own encoders, and SAM's decoder with small changes.

    Those are GELU everywhere, one group of channels instead of a norm over them, and
    `DecoderBlock`.

    Parameters
    ----------
    size : {"vitt", "vits"}
        Which of the published two.
    """

    frame = SquareFrame("stretch", up="bicubic")
    grid: Tensor

    def __init__(self, size: str) -> None:
        super().__init__()
        self.image_encoder = SmallViT(*SIZES[size])
        self.prompt_encoder = PointEncoder(SIDE_PX)
        config = decoder_config()
        config.hidden_act = "gelu"
        self.mask_decoder: Any = SamMaskDecoder(config)
        layers = (
            DecoderBlock(config, placed=index > 0) for index in range(config.num_hidden_layers)
        )
        self.mask_decoder.transformer.layers = nn.ModuleList(layers)
        regroup(self.mask_decoder)
        norm = nn.GroupNorm(1, config.hidden_size // 4)
        self.mask_decoder.upscale_layer_norm = norm
        for part in self.mask_decoder.modules():
            if isinstance(part, SamFeedForward):
                part.activation = nn.GELU()

    def finish(self) -> None:
        """Compute what follows from the weights, once they are loaded."""
        self.register_buffer("grid", grid_code(self.prompt_encoder.pe_layer), persistent=False)

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of an image in the square, see `SamNet`."""
        return {"image": to_grid(self.image_encoder(pixels))}

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks and scores, see `SamNet`.

        Beyond six points, corners included, all are used; the published code drops the last.
        """
        points, labels = corners_first(asked)
        missing = max(0, _POINTS - points.shape[1])
        points = nn.functional.pad(points, (0, 0, 0, missing), value=-1.0)
        labels = nn.functional.pad(labels, (0, missing), value=-1)
        image = places_first(embedding["image"]).expand(len(points), -1, -1, -1)
        masks, scores = self.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self.grid,
            sparse_prompt_embeddings=self.prompt_encoder(points, labels)[:, None],
            dense_prompt_embeddings=torch.zeros_like(image),
            multimask_output=multimask,
        )
        return masks[:, 0], scores[:, 0]


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    multimask: bool | Literal["auto"] = "auto",
) -> SamSegmenter:
    """Load EfficientSAM [1]_.

    Parameters
    ----------
    name : str
        A name of the registry that ends in the size.
    weights : Path
        The published file.
    device, precision : str
        As in `napari_intseg.models.registry.load_model`.
    multimask
        See `SamSegmenter`.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged or of another model.
    DeviceError
        If the device does not exist.

    References
    ----------
    .. [1] Xiong, Y. et al. "EfficientSAM: Leveraged Masked Image Pretraining for Efficient Segment
       Anything", arXiv:2312.00863.
    """
    state_dict, path = read_weights(name, weights, RULES)
    # without memory: all weights come from the file
    with torch.device("meta"):
        net = EfficientSamNet(name.rsplit("-", 1)[-1])
    load_into(net, state_dict, path)
    return SamSegmenter(
        net, name, device=device, precision=precision,
        prompts=frozenset({"click", "box"}), multimask=multimask,
    )  # fmt: skip
