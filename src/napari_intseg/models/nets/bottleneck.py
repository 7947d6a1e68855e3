"""Dilated ResNets of bottleneck blocks and pyramid pooling, for DEXTR, IOG and FCANet.

References
----------
.. [1] He, K. et al. "Deep residual learning for image recognition", arXiv:1512.03385.
.. [2] Zhao, H. et al. "Pyramid scene parsing network", arXiv:1612.01105.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly, corners on corners."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1
) -> list[nn.Module]:
    """Return a convolution without bias, batch norm and ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut.

    Parameters
    ----------
    stride_first : bool
        Whether the first 1x1 convolution carries the stride (as in the original Caffe
        networks) or the 3x3 one (as in PyTorch's).
    project : bool
        Whether the shortcut has a convolution of its own.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        project: bool = False,
        stride_first: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride=second, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if project
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with `out_channels`, smaller by the stride."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def bottleneck_layer(
    in_channels: int,
    width: int,
    dilations: Sequence[int],
    *,
    stride: int = 1,
    stride_first: bool = False,
) -> nn.Sequential:
    """Return one stage of a ResNet: a block for each dilation, the first with the stride."""
    out = width * 4
    blocks = [
        Bottleneck(
            in_channels if i == 0 else out,
            width,
            out,
            stride=stride if i == 0 else 1,
            dilation=dilation,
            project=i == 0,
            stride_first=stride_first,
        )
        for i, dilation in enumerate(dilations)
    ]
    return nn.Sequential(*blocks)


class PyramidPooling(nn.Module):
    """Context from four pooled sizes, joined with the map itself [2]_."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), *conv_norm(in_channels, in_channels // 4))
            for size in (1, 2, 3, 6)
        )
        self.bottleneck = nn.Sequential(*conv_norm(in_channels * 2, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same size."""
        context = [resize(stage(x), x.shape[2:]) for stage in self.stages]
        out: Tensor = self.bottleneck(torch.cat([*context, x], dim=1))
        return out
