"""Residual networks, as backbones of stride 8.

Names of parameters are those of torchvision's and GluonCV's files, so that these load.

References
----------
.. [1] He, K., Zhang, X., Ren, S., Sun, J. "Deep residual learning", arXiv:1512.03385.
.. [2] He, T. et al. "Bag of tricks", arXiv:1812.01187 (the deep stem, GluonCV's "v1s").
.. [3] Zhao, H. et al. "Pyramid scene parsing network", arXiv:1612.01105.
"""

from collections.abc import Sequence
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


class StridedBottleneck(nn.Module):
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
    folded : StridedBottleneck
        With a shortcut of stride 1 and batch normalisation folded; its layers are shared.
    """

    def __init__(self, folded: StridedBottleneck) -> None:
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
    block: type[BasicBlock] | type[StridedBottleneck],
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
    # as in GluonCV, whose weights these are
    first = (max(1, dilation // 2), dilation)
    blocks: list[nn.Module] = [block(inputs, width, stride=stride, dilations=first)]
    for _ in range(1, count):
        blocks.append(block(width * block.expansion, width, dilations=(dilation, dilation)))
    return nn.Sequential(*blocks)


# blocks of the four stages (arXiv:1512.03385)
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
        block: type[BasicBlock] | type[StridedBottleneck] = BasicBlock
        stem = 64
        self.conv1: nn.Module = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        if name != "resnet34":
            block, stem = StridedBottleneck, 128
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
        # dilation in place of the last two strides, so that the stride stays 8
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
            # the deep stem has 128 channels, RITM's clicks have 64
            x = x + F.pad(extra, (0, 0, 0, 0, 0, x.shape[1] - extra.shape[1]))
        low = self.layer1(self.maxpool(x))
        return low, self.layer4(self.layer3(self.layer2(low)))


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
    """Context from four pooled sizes, joined with the map itself [3]_."""

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


class PspHead(PyramidPooling):
    """Pyramid pooling and one logit a position."""

    def __init__(self) -> None:
        super().__init__(2048, 512)
        self.final = nn.Conv2d(512, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, 1, h, w)``."""
        logits: Tensor = self.final(super().forward(x))
        return logits


class PspResNet(nn.Module):
    """RGB and one guidance channel, all in 0..255, to logits at an eighth of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = bottleneck_layer(64, 64, [1] * 3, stride_first=True)
        self.layer2 = bottleneck_layer(256, 128, [1] * 4, stride=2, stride_first=True)
        self.layer3 = bottleneck_layer(512, 256, [2] * 23, stride_first=True)
        self.layer4 = bottleneck_layer(1024, 512, [4] * 3, stride_first=True)
        self.layer5 = PspHead()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, 1, h, w)`` for input ``(B, 4, H, W)``."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4, self.layer5):
            x = layer(x)
        return x
