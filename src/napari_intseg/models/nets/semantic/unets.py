"""U-Net, UNet++ and UNeXt: encoder and decoder with bridges between equal sizes."""

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.semantic.parts import fit, scaled, step


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Return two convolutions of 3x3."""
    return nn.Sequential(step(inputs, outputs), step(outputs, outputs))


class UNet(nn.Module):
    """U-Net [1]_, padded and with batch normalisation: 23 convolutions.

    References
    ----------
    .. [1] Ronneberger, O. et al. "U-Net", arXiv:1505.04597.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        sizes = [scaled(64 * 2**i, width) for i in range(5)]
        pairs = list(zip([3, *sizes[:-1]], sizes, strict=True))
        self.down = nn.ModuleList(double(a, b) for a, b in pairs)
        rising = list(zip(sizes[:0:-1], sizes[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in rising)
        self.join = nn.ModuleList(double(2 * b, b) for _, b in rising)
        self.last = nn.Conv2d(sizes[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept: list[Tensor] = []
        for i, part in enumerate(self.down):
            x = part(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for up, join, bridge in zip(self.up, self.join, kept[-2::-1], strict=True):
            x = join(torch.cat([bridge, fit(up(x), bridge)], 1))
        return cast(Tensor, self.last(x))


class UNetPlusPlus(nn.Module):
    """UNet++ [1]_: bridges that are nets themselves; the mean of its four outputs.

    References
    ----------
    .. [1] Zhou, Z. et al. "UNet++: a nested U-Net architecture", arXiv:1807.10165.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        sizes = [scaled(32 * 2**i, width) for i in range(5)]
        self.depth = len(sizes)
        self.nodes, self.ups = nn.ModuleDict(), nn.ModuleDict()
        for i, size in enumerate(sizes):
            self.nodes[f"{i}_0"] = double(sizes[i - 1] if i else 3, size)
            for j in range(1, len(sizes) - i):
                self.ups[f"{i}_{j}"] = nn.ConvTranspose2d(sizes[i + 1], size, 2, 2)
                self.nodes[f"{i}_{j}"] = double((j + 1) * size, size)
        self.last = nn.ModuleList(nn.Conv2d(sizes[0], classes, 1) for _ in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        done: dict[tuple[int, int], Tensor] = {}
        for i in range(self.depth):
            x = self.nodes[f"{i}_0"](F.max_pool2d(x, 2) if i else x)
            done[i, 0] = x
        for j in range(1, self.depth):
            for i in range(self.depth - j):
                up = fit(self.ups[f"{i}_{j}"](done[i + 1, j - 1]), done[i, 0])
                row = [done[i, k] for k in range(j)]
                done[i, j] = self.nodes[f"{i}_{j}"](torch.cat([*row, up], 1))
        outs = [head(done[0, j]) for j, head in enumerate(self.last, 1)]
        return torch.stack(outs).mean(dim=0)


class ShiftedMlp(nn.Module):
    """A tokenised block of UNeXt: features shifted along the height, then the width, and mixed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.first = nn.Linear(channels, channels)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.second = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        y = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.first(_shifted(y, 2).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = F.gelu(self.depthwise(y))
        return x + cast(Tensor, self.second(_shifted(y, 3).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def _shifted(x: Tensor, axis: int, reach: int = 2) -> Tensor:
    """Return groups of channels moved by -2 to 2 pixels along an axis, zeros coming in."""
    pad = [0, 0, reach, reach] if axis == 2 else [reach, reach, 0, 0]
    padded = F.pad(x, pad)
    groups = padded.chunk(2 * reach + 1, 1)
    moved = [g.narrow(axis, i, x.shape[axis]) for i, g in enumerate(groups)]
    return torch.cat(moved, 1)


class UNeXt(nn.Module):
    """UNeXt [1]_: three stages of convolutions, two of shifted multi-layer perceptrons.

    References
    ----------
    .. [1] Valanarasu, J., Patel, V. "UNeXt: MLP-based rapid medical image segmentation network",
       arXiv:2203.04967.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        sizes = [scaled(c, width) for c in (16, 32, 128, 160, 256)]
        self.down = nn.ModuleList(
            step(a, b) for a, b in zip([3, *sizes[:2]], sizes[:3], strict=True)
        )
        pairs = list(pairwise(sizes[2:]))
        self.embed = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs)
        self.mix = nn.ModuleList(ShiftedMlp(b) for _, b in pairs)
        rising = list(zip(sizes[::-1], [*sizes[-2::-1], sizes[0]], strict=True))
        self.up = nn.ModuleList(step(a, b) for a, b in rising)
        self.mix_up = nn.ModuleList(ShiftedMlp(b) for _, b in rising[:2])
        self.last = nn.Conv2d(sizes[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        size, kept = x, []
        for part in self.down:
            x = F.max_pool2d(part(x), 2)
            kept.append(x)
        for embed, mix in zip(self.embed, self.mix, strict=True):
            x = mix(embed(x))
            kept.append(x)
        for i, (part, bridge) in enumerate(zip(self.up, [*kept[-2::-1], size], strict=True)):
            x = fit(part(x), bridge)
            x = x + bridge if i < 4 else x
            x = self.mix_up[i](x) if i < 2 else x
        return cast(Tensor, self.last(x))
