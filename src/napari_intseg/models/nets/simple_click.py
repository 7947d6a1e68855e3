"""SimpleClick [1]_: a plain vision transformer [2]_ that takes clicks as a second patch embedding.

Shapes follow the published checkpoints, so that they load unchanged.

References
----------
.. [1] Liu, Q. et al. "SimpleClick: interactive image segmentation with simple vision transformers",
       arXiv:2210.11006.
.. [2] Li, Y. et al. "Exploring plain vision transformer backbones for object detection",
       arXiv:2203.16527.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import NO_TAPS, ClickMaps, Taps, tap
from napari_intseg.models.nets.click_net import IMAGENET_MEAN, IMAGENET_STD, ClickInput, Logits

# of layer normalisation; as published, and not PyTorch's 1e-5
_NORM_EPS = 1e-6


class PatchEmbed(nn.Module):
    """Cut an image into patches and turn each into a token."""

    def __init__(self, patch_size: tuple[int, int], in_chans: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, image: Tensor) -> Tensor:
        """Return tokens on their grid, ``(B, h, w, dim)``."""
        tokens: Tensor = self.proj(image).permute(0, 2, 3, 1)
        return tokens


class Attention(nn.Module):
    """Multi-head self-attention over ``(B, tokens, dim)``."""

    def __init__(self, dim: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        b, n, dim = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, dim)
        out: Tensor = self.proj(mixed)
        return out


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, qkv_bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=_NORM_EPS)
        self.attn = Attention(dim, num_heads, qkv_bias)
        self.norm2 = nn.LayerNorm(dim, eps=_NORM_EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def to_windows(x: Tensor, side: int) -> Tensor:
    """Cut a grid of tokens ``(B, h, w, dim)`` into windows ``(B * windows, side², dim)``."""
    b, h, w, dim = x.shape
    cut = x.reshape(b, h // side, side, w // side, side, dim).permute(0, 1, 3, 2, 4, 5)
    return cut.reshape(-1, side * side, dim)


def from_windows(x: Tensor, side: int, h: int, w: int) -> Tensor:
    """Put windows back on the grid ``(B, h, w, dim)``; undoes `to_windows`."""
    dim = x.shape[-1]
    cut = x.reshape(-1, h // side, w // side, side, side, dim).permute(0, 1, 3, 2, 4, 5)
    return cut.reshape(-1, h, w, dim)


def global_blocks(depth: int) -> frozenset[int]:
    """Return which blocks (from 0) attend to the whole image; the others see windows."""
    # as in the published configurations: two for ViT-B, four for the deeper ones
    if depth == 12:
        return frozenset({5, 11})
    return frozenset(depth * quarter // 4 - 1 for quarter in range(1, 5))


class PlainViT(nn.Module):
    """ViT encoder of one fixed image size, without class token and final norm.

    Parameters
    ----------
    img_size, patch_size : (int, int)
        Pixels. The grid's sides must be multiples of 14 (16 for patches of 14 pixels) tokens.
    """

    def __init__(
        self,
        *,
        img_size: tuple[int, int],
        patch_size: tuple[int, int],
        in_chans: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        qkv_bias: bool,
    ) -> None:
        super().__init__()
        self.grid = (img_size[0] // patch_size[0], img_size[1] // patch_size[1])
        # windows of 224 pixels, the size at which these transformers were trained before
        self.window = 224 // patch_size[0]
        self.global_blocks = global_blocks(depth)
        # in the published files, and without a use here
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1] + 1, embed_dim))
        self.patch_embed = PatchEmbed(patch_size, in_chans, embed_dim)
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, mlp_ratio, qkv_bias) for _ in range(depth)
        )
        # the classifier that the published files carry; unused
        self.fc_norm = nn.LayerNorm(embed_dim, eps=_NORM_EPS)
        self.head = nn.Linear(embed_dim, 1000)

    def forward(self, image: Tensor, extra: Tensor) -> Tensor:
        """Return features ``(B, dim, h, w)``.

        Parameters
        ----------
        image : Tensor, shape (B, in_chans, H, W)
            Normalised.
        extra : Tensor, shape (B, h, w, dim)
            Tokens added to the image's, on the same grid.
        """
        h, w = self.grid
        # the first position is the class token's
        x = self.patch_embed(image) + extra + self.pos_embed[:, 1:].reshape(1, h, w, -1)
        x = to_windows(x, self.window)
        for i, block in enumerate(self.blocks):
            if i in self.global_blocks:
                whole = from_windows(x, self.window, h, w)
                whole = block(whole.reshape(whole.shape[0], h * w, -1)).reshape(whole.shape)
                x = to_windows(whole, self.window)
            else:
                x = block(x)
        return from_windows(x, self.window, h, w).permute(0, 3, 1, 2)


def _norm(channels: int) -> nn.GroupNorm:
    # one group: layer normalisation over channels and pixels, as published
    return nn.GroupNorm(1, channels)


class SimplePyramid(nn.Module):
    """Four scales (strides 4 to 32) from the one map of a plain ViT [2]_."""

    def __init__(self, in_dim: int, out_dims: list[int]) -> None:
        super().__init__()
        d4, d8, d16, d32 = out_dims
        # widths in between as in the published code
        mid4, mid8 = max(d4 * 2, in_dim // 2), max(d8, in_dim // 2)
        self.down_4 = nn.Sequential(
            nn.ConvTranspose2d(in_dim, mid4, 2, stride=2),
            _norm(mid4),
            nn.GELU(),
            nn.ConvTranspose2d(mid4, mid4 // 2, 2, stride=2),
            _norm(mid4 // 2),
            nn.Conv2d(mid4 // 2, d4, 1),
            _norm(d4),
            nn.GELU(),
        )
        self.down_8 = nn.Sequential(
            nn.ConvTranspose2d(in_dim, mid8, 2, stride=2),
            _norm(mid8),
            nn.Conv2d(mid8, d8, 1),
            _norm(d8),
            nn.GELU(),
        )
        self.down_16 = nn.Sequential(nn.Conv2d(in_dim, d16, 1), _norm(d16), nn.GELU())
        mid32 = max(d32, in_dim * 2)
        self.down_32 = nn.Sequential(
            nn.Conv2d(in_dim, mid32, 2, stride=2),
            _norm(mid32),
            nn.Conv2d(mid32, d32, 1),
            _norm(d32),
            nn.GELU(),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps at strides 4, 8, 16 and 32 (for patches of 16 pixels)."""
        return [self.down_4(x), self.down_8(x), self.down_16(x), self.down_32(x)]


class ConvUnit(nn.Module):
    """1x1 convolution and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same size."""
        return F.relu(self.conv(x))


def _doubler(channels: int) -> nn.Sequential:
    half = channels // 2
    return nn.Sequential(
        nn.ConvTranspose2d(channels, half, 2, stride=2),
        _norm(half),
        nn.Conv2d(half, half, 1),
        _norm(half),
        nn.GELU(),
    )


class AllMlpHead(nn.Module):
    """All scales to one, fused by 1x1 convolutions; optionally doubled in size once or twice."""

    def __init__(self, in_channels: list[int], channels: int, upsample: str) -> None:
        super().__init__()
        self.times = {"x1": 0, "x2": 1, "x4": 2}[upsample]
        self.conv_seg = nn.Conv2d(channels // 2**self.times, 1, 1)
        self.convs = nn.ModuleList(ConvUnit(c, channels) for c in in_channels)
        self.fusion_conv = ConvUnit(channels * len(in_channels), channels)
        self.up_conv1 = _doubler(channels)
        self.up_conv2 = _doubler(channels // 2)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return logits ``(B, 1, h, w)`` at the first map's size (times 2 or 4)."""
        size = maps[0].shape[2:]
        same = [
            F.interpolate(conv(x), size=size, mode="bilinear", align_corners=False)
            for conv, x in zip(self.convs, maps, strict=True)
        ]
        x = self.fusion_conv(torch.cat(same, dim=1))
        for double in (self.up_conv1, self.up_conv2)[: self.times]:
            x = double(x)
        logits: Tensor = self.conv_seg(x)
        return logits


@dataclass(frozen=True, slots=True)
class SimpleClickSizes:
    """What distinguishes the published sizes.

    Parameters
    ----------
    side_px : int
        The only image side that the network takes.
    patch_px : int
        Side of a patch.
    dim, depth, heads, mlp_ratio, qkv_bias : int, int, int, float, bool
        Of the transformer.
    pyramid : tuple of int
        Channels of the four scales.
    channels : int
        Of the head.
    upsample : {"x1", "x2", "x4"}
        How often the head doubles its map.
    """

    side_px: int
    patch_px: int
    dim: int
    depth: int
    heads: int
    mlp_ratio: float
    qkv_bias: bool
    pyramid: tuple[int, ...]
    channels: int
    upsample: str


class SimpleClickNet(nn.Module):
    """Image, clicks and previous answer in, logits out; called like a `ClickNet`.

    Notes
    -----
    Taps: "image", the normalised colours; "maps", the click maps.
    """

    def __init__(self, sizes: SimpleClickSizes) -> None:
        super().__init__()
        self.clicks = ClickInput(with_prev=True)
        self.click_maps = ClickMaps(self.clicks.radius, self.clicks.maps)
        patch = (sizes.patch_px, sizes.patch_px)
        self.patch_embed_coords = PatchEmbed(patch, 3, sizes.dim)
        self.backbone = PlainViT(
            img_size=(sizes.side_px, sizes.side_px),
            patch_size=patch,
            in_chans=3,
            embed_dim=sizes.dim,
            depth=sizes.depth,
            num_heads=sizes.heads,
            mlp_ratio=sizes.mlp_ratio,
            qkv_bias=sizes.qkv_bias,
        )
        self.neck = SimplePyramid(sizes.dim, list(sizes.pyramid))
        self.head = AllMlpHead(list(sizes.pyramid), sizes.channels, sizes.upsample)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[None, :, None, None], persistent=False)

    def forward(
        self, image: Tensor, points: Tensor, prev: Tensor | None = None, taps: Taps = NO_TAPS
    ) -> Logits:
        """Return logits at the image's size.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, side, side)
            RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 2 or 3)
            See `ClickMaps`.
        prev : Tensor of float32, shape (B, 1, side, side), optional
            The previous probability; zeros if it is left out.
        taps : mapping, optional
            Places where the caller changes what flows by.
        """
        shape = (image.shape[-2], image.shape[-1])
        maps = tap(taps, "maps", self.click_maps(points, shape))
        before = torch.zeros_like(maps[:, :1]) if prev is None else prev
        colours = (image - self.get_buffer("mean")) / self.get_buffer("std")
        colours = tap(taps, "image", colours)
        dtype = self.patch_embed_coords.proj.weight.dtype
        extra = self.patch_embed_coords(torch.cat([before, maps], dim=1).to(dtype))
        logits = self.head(self.neck(self.backbone(colours.to(dtype), extra)))
        # corners on corners, as the reference resizes its last map
        full = F.interpolate(logits.float(), shape, mode="bilinear", align_corners=True)
        return Logits(full, None)
