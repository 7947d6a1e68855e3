"""What semantic networks share: convolutions, encoders, context heads."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_net import IMAGENET_MEAN, IMAGENET_STD
from napari_intseg.models.nets.resnet import BasicBlock, StridedBottleneck, conv, layer


def scaled(channels: int, width: float) -> int:
    """Return a share of some channels, a multiple of 8."""
    # multiples of 8 suit processors and GPUs, and no layer is left without channels
    return max(8, round(channels * width / 8) * 8)


def step(
    inputs: int,
    outputs: int,
    size: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Sequential:
    """Return a convolution that keeps the size up to the stride, batch normalisation and ReLU."""
    padding = dilation * (size // 2)
    inner = nn.Conv2d(inputs, outputs, size, stride, padding, dilation, groups, bias=bias)
    return nn.Sequential(inner, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def separable(inputs: int, outputs: int, dilation: int = 1, *, relu: bool = False) -> nn.Sequential:
    """Return a convolution a channel and one a pixel, both normalised; `relu` between them too."""
    inner = nn.Conv2d(
        inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False
    )
    between = [nn.ReLU(inplace=True)] if relu else []
    return nn.Sequential(inner, nn.BatchNorm2d(inputs), *between, step(inputs, outputs, 1))


def fit(x: Tensor, like: Tensor, corners: bool | None = None) -> Tensor:
    """Resize maps bilinearly to the size of others; `corners` on corners, if so."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=bool(corners))


CAFFE_PADDING = (81, 81)
"""Of the first convolution, by which scores and pixels agree where no other layer is padded."""


_VOC_MEAN = (0.48109378, 0.45752457, 0.40787054)


def caffe_colours(x: Tensor) -> Tensor:
    """Return normalised images as networks of Caffe take them: blue first, in steps of 1 / 255.

    The mean colour of Pascal VOC is taken off, as in the author's code.
    """
    std, mean, voc = (
        x.new_tensor(n)[:, None, None] for n in (IMAGENET_STD, IMAGENET_MEAN, _VOC_MEAN)
    )
    return 255 * (x * std + mean - voc).flip(1)


def colours(x: Tensor) -> Tensor:
    """Return normalised images as they were, in [0, 1]."""
    std, mean = (x.new_tensor(n)[:, None, None] for n in (IMAGENET_STD, IMAGENET_MEAN))
    return x * std + mean


def opencv_colours(x: Tensor) -> Tensor:
    """Return normalised images blue first, and divided by 255 after they were normalised.

    Several authors read images by OpenCV, normalise blue by the numbers of red, and divide then.
    """
    std, mean = (x.new_tensor(n)[:, None, None] for n in (IMAGENET_STD, IMAGENET_MEAN))
    return (colours(x).flip(1) - mean) / std / 255


def grown_from_zero(scores: Tensor, like: Tensor) -> Tensor:
    """Return scores of stride 32 at the size of an image, beyond whose rim they are zero.

    That is a transposed convolution with a bilinear kernel, whose first pixel is kept.
    """
    padded = F.pad(scores, (1, 1, 1, 1))
    grown = F.interpolate(padded, scale_factor=32.0, mode="bilinear", align_corners=False)
    return grown[..., 16 : 16 + like.shape[-2], 16 : 16 + like.shape[-1]]


VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions before each of the five poolings (arXiv:1409.1556)."""


class VGG(nn.Module):
    """The convolutions of VGG-16, in five stages.

    Parameters
    ----------
    width : float
        Share of the published channels.
    strides : sequence of int
        Of the five poolings; 1 keeps the size.
    dilations : sequence of int
        Of the stages' convolutions.
    norm : bool
        Whether batch normalisation follows each convolution, as in SegNet.
    ceil : bool
        Whether poolings round sizes up, as in Caffe.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        strides: Sequence[int] = (2, 2, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1, 1),
        norm: bool = False,
        ceil: bool = False,
    ) -> None:
        super().__init__()
        self.ceil = ceil
        self.strides = tuple(strides)
        self.channels = tuple(scaled(stage[-1], width) for stage in VGG16)
        stages, inputs = [], 3
        for stage, dilation in zip(VGG16, dilations, strict=True):
            layers: list[nn.Module] = []
            for channels in stage:
                outputs = scaled(channels, width)
                layers.append(nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation))
                layers += [nn.BatchNorm2d(outputs)] * norm + [nn.ReLU(inplace=True)]
                inputs = outputs
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each pooling."""
        out = []
        for stage, stride in zip(self.stages, self.strides, strict=True):
            # windows of 3 keep the size where a stride of 1 is asked for, as in DeepLab
            window, padding = (2, 0) if stride == 2 else (3, 1)
            x = F.max_pool2d(stage(x), window, stride, padding, ceil_mode=self.ceil)
            out.append(x)
        return out


# blocks of the four stages by depth (arXiv:1512.03385)
_COUNTS = {
    18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3),
}  # fmt: skip


_FIRST_TWO = ("conv1", "conv2")


class SceneTrunk(nn.Module):
    """ResNet as an encoder of four stages (arXiv:1512.03385); names are torchvision's.

    Parameters
    ----------
    depth : {18, 34, 50, 101}
    width : float
        Share of the published channels.
    stride : {8, 16, 32}
        Of the last stage; what it lacks is dilation.
    stem : {"plain", "wide", "narrow"}
        One convolution of 7x7, or three of 3x3 as in ResNet-C (arXiv:1812.01187), which end with
        twice the channels of the plain one, or with as many.
    dilations : sequence of int, optional
        Of the four stages, instead of those that make up for the stride.
    at_once : bool
        Whether the first block of a stage has its whole dilation; else half of it.
    grid : sequence of int
        Dilations of the last stage's blocks, where these differ (arXiv:1706.05587).
    ceil : bool or "caffe"
        Whether the pooling after the stem rounds sizes up; "caffe": it does, and the stride of a
        block is in its first convolution instead of the second.
    """

    def __init__(
        self,
        depth: int = 50,
        width: float = 1.0,
        *,
        stride: int = 32,
        stem: Literal["plain", "wide", "narrow"] = "plain",
        dilations: Sequence[int] | None = None,
        at_once: bool = False,
        grid: Sequence[int] = (),
        ceil: bool | Literal["caffe"] = False,
    ) -> None:
        super().__init__()
        block: type[BasicBlock] | type[StridedBottleneck]
        block = BasicBlock if depth < 50 else StridedBottleneck
        first = scaled(64, width)
        self.ceil = bool(ceil)
        entered = 2 * first if stem == "wide" else first
        if stem == "plain":
            self.stem = step(3, first, 7, stride=2)
        else:
            inner = entered // 2
            self.stem = nn.Sequential(
                step(3, inner, stride=2), step(inner, inner), step(inner, entered)
            )
        # where a stride is left out, dilation keeps the field of view
        strides = {32: (1, 2, 2, 2), 16: (1, 2, 2, 1), 8: (1, 2, 1, 1)}[stride]
        if dilations is None:
            dilations = {32: (1, 1, 1, 1), 16: (1, 1, 1, 2), 8: (1, 1, 2, 4)}[stride]
        channels, inputs = [], entered
        for i, count in enumerate(_COUNTS[depth]):
            part = layer(
                block, inputs, first * 2**i, count, stride=strides[i], dilation=dilations[i]
            )
            if at_once:
                _dilate(part[0], dilations[i])
                if block is BasicBlock:
                    _dilate(part[0], dilations[i], "conv1")
            if ceil == "caffe":
                one, two = (cast(nn.Conv2d, part[0].get_submodule(n)) for n in _FIRST_TWO)
                one.stride, two.stride = two.stride, one.stride
            inputs = first * 2**i * block.expansion
            channels.append(inputs)
            self.add_module(f"layer{i + 1}", part)
        for number, dilation in enumerate(grid):
            _dilate(part[number], dilation)
        self.channels = tuple(channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each stage, of stride 4 to `stride`."""
        x = self.enter(x)
        out = []
        for i in range(1, 5):
            x = self.stage(i, x)
            out.append(x)
        return out

    def enter(self, x: Tensor) -> Tensor:
        """Return the maps of an image before the first stage, of stride 4."""
        return F.max_pool2d(self.stem(x), 3, 2, 1, ceil_mode=self.ceil)

    def stage(self, number: int, x: Tensor) -> Tensor:
        """Return the maps after a stage, 1 to 4."""
        return cast(Tensor, getattr(self, f"layer{number}")(x))


def _dilate(block: nn.Module, dilation: int, name: str = "conv2") -> None:
    """Give a 3x3 convolution of a block another dilation; a bottleneck has but one."""
    inner = cast(nn.Conv2d, block.get_submodule(name))
    inner.dilation = inner.padding = (dilation, dilation)


class ScenePooling(nn.Module):
    """Means over coarser and coarser grids, joined to the map (arXiv:1612.01105)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        sizes: Sequence[int] = (1, 2, 3, 6),
        *,
        corners: bool | None = None,
    ) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        # the paper's own code has corners on corners
        self.corners = corners is not False
        self.steps = nn.ModuleList(step(inputs, outputs, 1) for _ in sizes)
        self.channels = inputs + outputs * len(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with its means, (B, `channels`, H, W)."""
        means = [
            fit(inner(F.adaptive_avg_pool2d(x, size)), x, self.corners)
            for size, inner in zip(self.sizes, self.steps, strict=True)
        ]
        return torch.cat([x, *means], 1)


class AtrousPyramid(nn.Module):
    """Dilated convolutions side by side and the image's mean (arXiv:1706.05587).

    Parameters
    ----------
    inputs, outputs : int
    rates : sequence of int
        Dilations.
    size : int
        Of the convolution that joins them.
    split : bool
        Whether the dilated ones are split into one a channel and one a pixel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rates: Sequence[int] = (6, 12, 18),
        *,
        size: int = 1,
        split: bool = False,
    ) -> None:
        super().__init__()
        dilated = [
            separable(inputs, outputs, rate, relu=True)
            if split
            else step(inputs, outputs, dilation=rate)
            for rate in rates
        ]
        self.branches = nn.ModuleList([step(inputs, outputs, 1), *dilated])
        self.mean = step(inputs, outputs, 1)
        self.join = step(outputs * (len(rates) + 2), outputs, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of `outputs` channels and the same size."""
        found = [branch(x) for branch in self.branches]
        mean = self.mean(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[-2:])
        return cast(Tensor, self.join(torch.cat([*found, mean], 1)))


class Gate(nn.Module):
    """A weight a channel, from the mean over the image (arXiv:1709.01507)."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1, bias=bias),
            nn.BatchNorm2d(outputs), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights, (B, `outputs`, 1, 1)."""
        return cast(Tensor, self.inner(x))


class DeepGate(nn.Module):
    """A weight a channel from the mean over the image, by two layers, as in DFN's own code."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights, (B, `outputs`, 1, 1)."""
        return cast(Tensor, self.inner(x))


__all__ = [
    "VGG", "AtrousPyramid", "DeepGate", "Gate", "ScenePooling", "SceneTrunk", "conv", "fit",
    "scaled", "separable", "step",
]  # fmt: skip
