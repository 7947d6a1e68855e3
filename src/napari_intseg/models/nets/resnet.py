"""Residual networks, as backbones of stride 8.

Names of parameters are those of torchvision's and GluonCV's files, so that these load.

References
----------
.. [1] He, K., Zhang, X., Ren, S., Sun, J. "Deep residual learning", arXiv:1512.03385.
.. [2] He, T. et al. "Bag of tricks", arXiv:1812.01187 (the deep stem, GluonCV's "v1s").
"""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Backbone = Literal["resnet34", "resnet50", "resnet101", "resnet152"]


def conv(inputs: int, outputs: int, size: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a convolution without bias that keeps the size, up to the stride."""
    padding = dilation * (size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; the two may be dilated differently."""

    expansion = 1

    def __init__(
        self, inputs: int, width: int, *, stride: int = 1, dilations: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.conv1 = conv(inputs, width, 3, stride=stride, dilation=dilations[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, dilation=dilations[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `width` channels."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return cast(Tensor, self.relu(y))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the stride is in the middle one."""

    expansion = 4

    def __init__(
        self, inputs: int, width: int, *, stride: int = 1, dilations: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.conv1 = conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride=stride, dilation=dilations[0])
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, width * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of ``4 * width`` channels."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return cast(Tensor, self.relu(y))


class JoinedBottleneck(nn.Module):
    """A folded bottleneck whose last convolution and shortcut are one, at inference.

    Their sum is one convolution of both inputs: a large result is written once, not thrice.

    Parameters
    ----------
    folded : Bottleneck
        With a shortcut of stride 1 and batch normalisation folded; its layers are shared.
    """

    def __init__(self, folded: Bottleneck) -> None:
        super().__init__()
        assert folded.downsample is not None
        last, side = folded.conv3, cast(nn.Conv2d, folded.downsample[0])
        assert last.bias is not None
        assert side.bias is not None
        self.conv1, self.conv2, self.relu = folded.conv1, folded.conv2, folded.relu
        self.join = nn.Conv2d(last.in_channels + side.in_channels, last.out_channels, 1)
        weight = torch.cat([last.weight.detach(), side.weight.detach()], 1)
        self.join.weight = nn.Parameter(weight, requires_grad=False)
        self.join.bias = nn.Parameter((last.bias + side.bias).detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of ``4 * width`` channels."""
        y = self.relu(self.conv2(self.relu(self.conv1(x))))
        return cast(Tensor, self.relu(self.join(torch.cat([y, x], 1))))


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Return the projection on the shortcut, or None where sizes agree already."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(conv(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs))


def layer(
    block: type[BasicBlock] | type[Bottleneck],
    inputs: int,
    width: int,
    count: int,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Return `count` blocks; the first one changes stride and number of channels.

    A dilated layer begins with a convolution of half its dilation.
    """
    first = (max(1, dilation // 2), dilation)
    blocks: list[nn.Module] = [block(inputs, width, stride=stride, dilations=first)]
    for _ in range(1, count):
        blocks.append(block(width * block.expansion, width, dilations=(dilation, dilation)))
    return nn.Sequential(*blocks)


_COUNTS: dict[Backbone, tuple[int, int, int, int]] = {
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
BACKBONES: tuple[str, ...] = tuple(_COUNTS)


class ResNet(nn.Module):
    """The backbone: ResNet-34, or one of the deeper ones with a deep stem of three convolutions.

    Parameters
    ----------
    name : str
        One of `BACKBONES`.
    """

    def __init__(self, name: Backbone = "resnet34") -> None:
        super().__init__()
        counts = _COUNTS[name]
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock
        stem = 64
        self.conv1: nn.Module = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        if name != "resnet34":
            block, stem = Bottleneck, 128
            self.conv1 = nn.Sequential(
                conv(3, 64, 3, stride=2), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
                conv(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
                conv(64, stem, 3),
            )  # fmt: skip
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        grow = block.expansion
        self.layer1 = layer(block, stem, 64, counts[0])
        self.layer2 = layer(block, 64 * grow, 128, counts[1], stride=2)
        self.layer3 = layer(block, 128 * grow, 256, counts[2], dilation=2)
        self.layer4 = layer(block, 256 * grow, 512, counts[3], dilation=4)
        self.channels = (64 * grow, 512 * grow)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return features after the first layer (stride 4) and the last (stride 8).

        Parameters
        ----------
        x : Tensor, shape (B, 3, H, W)
            Normalised RGB.
        extra : Tensor, shape (B, 64, H / 2, W / 2), optional
            Added to the first channels after the stem.
        """
        x = self.relu(self.bn1(self.conv1(x)))
        if extra is not None:
            x = x + F.pad(extra, (0, 0, 0, 0, 0, x.shape[1] - extra.shape[1]))
        low = self.layer1(self.maxpool(x))
        return low, self.layer4(self.layer3(self.layer2(low)))
