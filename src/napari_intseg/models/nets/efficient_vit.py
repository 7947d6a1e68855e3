"""EfficientSAM's image encoder and prompt encoder (arXiv:2312.00863).

Names of parameters are those of the published checkpoints.
"""

import math

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.tiny_vit import ChannelNorm

_PATCH_PX, _PRETRAINED_GRID, _EMBEDDING_DIM = 16, 14, 256
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
        """Map points (n, 2) with labels (n,) to codes (n, 256); label -1 is no point."""
        codes: Tensor = self.pe_layer((points + 0.5) / self.side_px)
        marks = (
            (_NO_POINT, self.invalid_points),
            (1, self.point_embeddings),
            (_TOP_LEFT, self.bbox_top_left_embeddings),
            (_BOTTOM_RIGHT, self.bbox_bottom_right_embeddings),
        )
        for label, mark in marks:
            codes = codes + (labels[:, None] == label) * mark.weight
        return codes
