"""SegFormer: a transformer of four falling resolutions with a light head, and clicks at its side.

References
----------
.. [1] Xie, E. et al. "SegFormer: simple and efficient design for semantic segmentation with
       transformers", arXiv:2105.15203.
.. [2] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# as published, and not PyTorch's 1e-5
_EPS = 1e-6
# of the four stages (arXiv:2105.15203)
_HEADS = (1, 2, 5, 8)
_REDUCTIONS = (8, 4, 2, 1)
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class SegFormerSize:
    """Channels and blocks of the four stages, and channels of the head."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head: int


SIZES = {
    "b0": SegFormerSize((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b3": SegFormerSize((64, 128, 320, 512), (3, 4, 18, 3), 512),
}
"""Those that FocalClick was published with."""


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _grid(tokens: Tensor, shape: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *shape)


class Patches(nn.Module):
    """Overlapping patches as normalised tokens, (B, h w, width)."""

    def __init__(self, inputs: int, width: int, size: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, width, size, stride, size // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens and the height and width of their grid."""
        x = self.proj(x)
        return self.norm(_tokens(x)), (x.shape[-2], x.shape[-1])


class ReducedAttention(nn.Module):
    """Self-attention whose keys and values come from a coarser grid."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.sr: nn.Conv2d | None = None
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return tokens of the same shape, (B, h w, width)."""
        coarse = x
        if self.sr is not None:
            coarse = self.norm(_tokens(self.sr(_grid(x, shape))))
        query = self._split(self.q(x))
        key, value = (self._split(part) for part in self.kv(coarse).chunk(2, -1))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.proj(mixed.transpose(1, 2).flatten(2)))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of each channel for itself, on tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return tokens of the same shape."""
        return _tokens(self.dwconv(_grid(x, shape)))


class MixedLayers(nn.Module):
    """Two linear layers; the convolution between them tells where a token is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, _GROWTH * width)
        self.dwconv = DepthwiseConv(_GROWTH * width)
        self.fc2 = nn.Linear(_GROWTH * width, width)

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return tokens of the same shape."""
        return cast(Tensor, self.fc2(F.gelu(self.dwconv(self.fc1(x), shape))))


class MixedBlock(nn.Module):
    """Attention, then the two layers, each added to what came in."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = ReducedAttention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = MixedLayers(width)

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return tokens of the same shape."""
        x = x + self.attn(self.norm1(x), shape)
        return x + cast(Tensor, self.mlp(self.norm2(x), shape))


class MixedTransformer(nn.Module):
    """The encoder: features at a quarter, an eighth, a 16th and a 32nd of the size.

    Parameters
    ----------
    size : SegFormerSize
        Which one.
    side : int, default 3
        Channels of the maps that are added after the first stage, through patches of their own.
    """

    def __init__(self, size: SegFormerSize, side: int = 3) -> None:
        super().__init__()
        inputs = (3, *size.widths[:-1])
        self.patch_embed_side1 = Patches(side, size.widths[0], 7, 4)
        for k, (width, depth) in enumerate(zip(size.widths, size.depths, strict=True)):
            patch = (7, 4) if k == 0 else (3, 2)
            blocks = (MixedBlock(width, _HEADS[k], _REDUCTIONS[k]) for _ in range(depth))
            self.add_module(f"patch_embed{k + 1}", Patches(inputs[k], width, *patch))
            self.add_module(f"block{k + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{k + 1}", nn.LayerNorm(width, eps=_EPS))

    def forward(self, x: Tensor, maps: Tensor) -> list[Tensor]:
        """Return the four features, finest first, each (B, width, h, w).

        Parameters
        ----------
        x : Tensor, shape (B, 3, H, W)
            Normalised RGB.
        maps : Tensor, shape (B, side, H, W)
            Previous mask and clicks. The finest feature that is returned is without them.
        """
        found = []
        for k in range(len(_HEADS)):
            tokens, shape = self.get_submodule(f"patch_embed{k + 1}")(x)
            for block in cast(nn.ModuleList, self.get_submodule(f"block{k + 1}")):
                tokens = block(tokens, shape)
            x = _grid(self.get_submodule(f"norm{k + 1}")(tokens), shape)
            found.append(x)
            if k == 0:
                added, shape = self.patch_embed_side1(maps)
                x = x + _grid(added, shape)
        return found


class Projection(nn.Module):
    """A linear layer on each pixel, (B, inputs, h, w) to (B, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the projected pixels."""
        return _grid(self.proj(_tokens(x)), (x.shape[-2], x.shape[-1]))


class Fusion(nn.Module):
    """A 1x1 convolution with batch normalisation and activation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fused features."""
        return F.relu(self.bn(self.conv(x)))


class SegFormerHead(nn.Module):
    """The decoder: all features at the finest resolution, joined and fused."""

    def __init__(self, size: SegFormerSize) -> None:
        super().__init__()
        for k, width in enumerate(size.widths):
            self.add_module(f"linear_c{k + 1}", Projection(width, size.head))
        self.linear_fuse = Fusion(len(size.widths) * size.head, size.head)
        self.linear_pred = nn.Conv2d(size.head, 1, 1)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits (B, 1, h, w) and the fused features (B, head, h, w)."""
        shape = (features[0].shape[-2], features[0].shape[-1])
        same = []
        for k, feature in enumerate(features):
            x = self.get_submodule(f"linear_c{k + 1}")(feature)
            same.append(F.interpolate(x, shape, mode="bilinear") if k else x)
        fused = self.linear_fuse(torch.cat(same[::-1], 1))
        return self.linear_pred(fused), fused


class SegFormer(nn.Module):
    """Encoder and decoder, under the names of FocalClick's published files.

    Parameters
    ----------
    size : SegFormerSize
        See `SIZES`.
    """

    def __init__(self, size: SegFormerSize) -> None:
        super().__init__()
        self.backbone = MixedTransformer(size)
        self.decode_head = SegFormerHead(size)

    def forward(self, x: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, 1, H / 4, W / 4) and the fused features (B, head, H / 4, W / 4)."""
        logits, fused = self.decode_head(self.backbone(x, maps))
        return logits, fused
