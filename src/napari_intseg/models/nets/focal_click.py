"""FocalClick's networks: a coarse answer on the target, and a finer one on the focus.

One of them is a SegFormer [1]_ with clicks at its side [2]_.

References
----------
.. [1] Xie, E. et al. "SegFormer: simple and efficient design for semantic segmentation with
       transformers", arXiv:2105.15203.
.. [2] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.core.segmenter import Array
from napari_intseg.models.nets.click_maps import ClickMaps, Scale, map_branch
from napari_intseg.models.nets.click_net import ClickInput, enlarge
from napari_intseg.models.nets.hrnet import HRNet

# of layer normalisation; as published, and not PyTorch's 1e-5
_EPS = 1e-6
# of the four stages: heads of attention, and by how much keys and values are coarser; then channels
# inside the mixed layers, as a multiple (arXiv:2105.15203)
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
            # after the first stage, as published: the clicks do not change the finest features
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
        # the coarsest first, the order of the published weights
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


FocusBox = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in pixels of the coarse network's input, end exclusive."""


class Refined(NamedTuple):
    """What the refiner answers on its window, each (B, 1, S, S)."""

    logits: Tensor
    trimap: Tensor
    coarse: Tensor


class Refiner(nn.Module):
    """Add detail to the coarse logits where the network finds that they need it.

    Parameters
    ----------
    features : int
        Channels of the coarse network's feature map.
    gate : bool, default False
        Whether the file holds a gate, which was never used (SegFormer).
    width : int, default 32
        Channels inside.
    """

    def __init__(self, features: int, *, gate: bool = False, width: int = 32) -> None:
        super().__init__()
        self.image_conv1 = _Conv(6, width, 3, 2)
        self.image_conv2 = _Separable(width)
        self.image_conv3 = _Separable(width)
        self.refine_fusion = _Conv(features, width, 1, 1)
        self.refine_fusion2 = _Separable(width)
        self.refine_fusion3 = _Separable(width)
        if gate:
            self.feature_gate = nn.Sequential(nn.Conv2d(width, 1, 1))
        self.refine_pred = nn.Conv2d(width, 1, 3, padding=1)
        self.refine_trimap = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, image: Tensor, maps: Tensor, features: Tensor, coarse: Tensor) -> Refined:
        """Return the refined logits.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, S, S)
            The window at full resolution, RGB in [0, 1], not normalised.
        maps : Tensor of float32, shape (B, 2, S, S)
            Its clicks.
        features : Tensor, shape (B, C, h, w)
            Of the coarse network, aligned to the window.
        coarse : Tensor of float32, shape (B, 1, S, S)
            Coarse logits, aligned to the window.
        """
        shape = (image.shape[-2], image.shape[-1])
        given = torch.cat([image, maps, coarse.sigmoid()], 1).to(features.dtype)
        detail = self.image_conv3(self.image_conv2(self.image_conv1(given)))
        around = self.refine_fusion(features)
        size = (detail.shape[-2], detail.shape[-1])
        around = F.interpolate(around, size, mode="bilinear", align_corners=True)
        mixed = self.refine_fusion3(self.refine_fusion2(around + detail))
        trimap = enlarge(self.refine_trimap(mixed), shape)
        share = trimap.sigmoid()
        fine = enlarge(self.refine_pred(mixed), shape)
        # where the trimap says so, the finer logits; elsewhere the coarse ones
        return Refined(fine * share + coarse * (1 - share), trimap, coarse)


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class _Separable(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv3x3 = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.conv1x1 = nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv1x1(self.conv3x3(x))))


def roi_align(x: Tensor, box: FocusBox | Tensor, scale: float = 1.0) -> Tensor:
    """Return a window of a map, pooled to the size of the whole map.

    This is RoIAlign [2]_ in its half-pixel-exact form, with as many samples a cell as it takes
    to leave out no pixel. Rows and columns are pooled one after the other, by a matrix each.

    Parameters
    ----------
    x : Tensor, shape (B, C, h, w)
        The map.
    box : FocusBox, or Tensor of shape (4,)
        The window; a tensor, which nobody waits for, is not larger than the map.
    scale : float, default 1
        From the box's pixels to those of the map.

    Returns
    -------
    Tensor of float32, shape (B, C, h, w)
    """
    height, width = x.shape[-2:]
    if isinstance(box, Tensor):
        x0, y0, x1, y1 = (box * scale).unbind()
        down, across = _one_sample(y0, y1, height), _one_sample(x0, x1, width)
        return torch.matmul(torch.matmul(down, x.float()), across.T)
    rows = torch.from_numpy(_pooling(box[1] * scale, box[3] * scale, height)).to(x.device)
    cols = torch.from_numpy(_pooling(box[0] * scale, box[2] * scale, width)).to(x.device)
    return torch.matmul(torch.matmul(rows, x.float()), cols.T)


def _one_sample(start: Tensor, end: Tensor, size: int) -> Tensor:
    """Return `_pooling` of a window not larger than the map: then a cell has one sample."""
    at = start - 0.5 + (torch.arange(size, device=start.device) + 0.5) * (end - start) / size
    # nowhere is it beyond the pixel outside the map: it begins at -0.5 at the least
    return interpolation(at.clamp(0, size - 1), size)


def interpolation(at: Tensor, size: int) -> Tensor:
    """Return what positions take of each pixel along an axis, linearly; float32 (n, size).

    Parameters
    ----------
    at : Tensor, shape (n,)
        From 0 to ``size - 1``.
    size : int
        Pixels.
    """
    away = (at[:, None] - torch.arange(size, device=at.device)).abs()
    return (1 - away).clamp_min(0).float()


def _pooling(start: float, end: float, size: int) -> Array:
    """Return what each of `size` cells between start and end takes of each pixel, (cell, pixel)."""
    length = end - start
    # as many as keep any pixel from being left out, torchvision's "adaptive" number
    samples = max(1, int(np.ceil(length / size)))
    inside = (np.arange(samples) + 0.5) / samples
    at = (start - 0.5 + (np.arange(size)[:, None] + inside) * length / size).ravel()
    # beyond a pixel outside the map nothing is there; nearer, the rim stands for it (RoIAlign)
    weight = np.where((at < -1) | (at > size), 0.0, 1 / samples)
    at = np.clip(at, 0, size - 1)
    low = np.minimum(at.astype(np.intp), size - 1)
    high = np.minimum(low + 1, size - 1)
    taken = np.zeros((size, size))
    cell = np.repeat(np.arange(size), samples)
    np.add.at(taken, (cell, low), weight * (1 - (at - low)))
    np.add.at(taken, (cell, high), weight * (at - low))
    return taken.astype(np.float32)


class Coarse(NamedTuple):
    """Logits and auxiliary logits (B, 1, S, S), and the features (B, C, h, w) under them."""

    logits: Tensor
    aux: Tensor | None
    features: Tensor


class FocalClickNet(nn.Module, ABC):
    """The part that both kinds share; a subclass adds `respond`.

    Parameters
    ----------
    clicks : ClickInput
        Normalisation, and whether the previous mask is binary. Its radius is not used.
    radius : float
        Of the disks that the coarse network sees, in pixels of its input.
    halved : bool
        Whether image and maps are halved after the maps were drawn (S1).
    """

    refiner: nn.Module

    def __init__(self, clicks: ClickInput, *, radius: float, halved: bool) -> None:
        super().__init__()
        self.clicks = clicks
        self.halved = halved
        self.coarse_maps = ClickMaps(radius)
        # as published; the coarse network's radius depends on its input's size
        self.focus_maps = ClickMaps(5.0)
        for name, values in (("mean", clicks.mean), ("std", clicks.std)):
            channels = torch.tensor(values, dtype=torch.float32)[None, :, None, None]
            self.register_buffer(name, channels, persistent=False)

    def forward(self, image: Tensor, points: Tensor, prev: Tensor) -> Coarse:
        """Return the coarse answer.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, S, S)
            The target crop, RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 3)
            See `ClickMaps`.
        prev : Tensor of float32, shape (B, 1, S, S)
            The previous probability.
        """
        shape = (image.shape[-2], image.shape[-1])
        if self.clicks.binary_prev:
            prev = (prev > 0.5).float()
        maps = torch.cat([prev, self.coarse_maps(points, shape)], 1)
        colours = (image - self.get_buffer("mean")) / self.get_buffer("std")
        if self.halved:
            half = (shape[0] // 2, shape[1] // 2)
            maps, colours = enlarge(maps, half), enlarge(colours, half)
        dtype = next(self.parameters()).dtype
        logits, aux, features = self.respond(colours.to(dtype), maps.to(dtype))
        return Coarse(enlarge(logits, shape), enlarge(aux, shape), features)

    def refine(
        self,
        image: Tensor,
        points: Tensor,
        features: Tensor,
        logits: Tensor,
        box: FocusBox | Tensor,
    ) -> Refined:
        """Return the finer answer on the focus crop.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, S, S)
            The focus crop, RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 3)
            The clicks in its pixels; they may lie outside.
        features, logits : Tensor
            Of the coarse answer.
        box : FocusBox, or Tensor of shape (4,)
            The focus crop in the coarse network's input.
        """
        dtype = next(self.parameters()).dtype
        around = roi_align(features, box, features.shape[-1] / image.shape[-1]).to(dtype)
        coarse = roi_align(logits, box)
        maps = self.focus_maps(points, (image.shape[-2], image.shape[-1]))
        refined: Refined = self.refiner(image, maps, around, coarse)
        return refined

    @abstractmethod
    def respond(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, auxiliary logits and features at the network's own resolution."""


class FocalHRNet(FocalClickNet):
    """On HRNet with OCR: the published HRNet-18s and HRNet-32."""

    def __init__(
        self, clicks: ClickInput, *, width: int, ocr_width: int, small: bool, halved: bool
    ) -> None:
        # both radii as in the published configurations
        super().__init__(clicks, radius=2.0 if halved else 5.0, halved=halved)
        self.maps_transform = map_branch(3, leaky=clicks.leaky)
        self.feature_extractor = HRNet(width, ocr_width, small=small)
        self.refiner = Refiner(2 * ocr_width)

    def respond(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, auxiliary logits and what enters the last convolution."""
        seen: dict[str, Tensor] = {}

        def keep(x: Tensor) -> Tensor:
            seen["head"] = x
            return x

        logits, aux = self.feature_extractor(image, self.maps_transform(maps), {"head": keep})
        return logits, aux, seen["head"]


class FocalSegFormer(FocalClickNet):
    """On SegFormer: the published B0 and B3."""

    def __init__(self, clicks: ClickInput, *, size: str, halved: bool) -> None:
        super().__init__(clicks, radius=3.0 if halved else 5.0, halved=halved)
        # in the published files, and without a use; kept so that they load strictly
        self.maps_transform = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 3, 2, 1), Scale()
        )
        self.feature_extractor = SegFormer(SIZES[size])
        self.refiner = Refiner(SIZES[size].head, gate=True)

    def respond(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, the same again, and the decoder's features."""
        logits, features = self.feature_extractor(image, maps)
        return logits, logits, features
