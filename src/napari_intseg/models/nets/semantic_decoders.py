"""Networks that name each pixel's class by an encoder and a decoder: on VGG-16, U-Nets, ENet.

And one that has no decoder: it says which pixels its answers come from.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input
from torch.overrides import TorchFunctionMode

from napari_intseg.models.nets.mobile_encoders import ChannelNorm
from napari_intseg.models.nets.semantic_parts import (
    CAFFE_PADDING,
    VGG,
    VGG16,
    SceneTrunk,
    caffe_colours,
    colours,
    fit,
    grown_from_zero,
    opencv_colours,
    scaled,
    step,
)


def _classifier(
    inputs: int, hidden: int, size: int, dilation: int = 1, *, padded: bool = True
) -> nn.Sequential:
    """Return VGG's two wide layers as convolutions."""
    padding = dilation * (size // 2) if padded else 0
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, size, padding=padding, dilation=dilation),
        nn.ReLU(inplace=True), nn.Dropout2d(0.5), nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(inplace=True), nn.Dropout2d(0.5),
    )  # fmt: skip


class FCN(nn.Module):
    """FCN-8s [1]_, padded to keep sizes; with `finest` 16 or 32 without the finer bridges.

    Parameters
    ----------
    classes : int
    width : float
        Share of the published channels.
    finest : {8, 16, 32}
        Stride of the finest scores.
    published : bool
        Whether it sees an image as the author's code does: in Caffe's colours, and with all padding
        in the first convolution; for `finest` 32, and for 8, where scores grow by convolutions of
        the file as in the port to PyTorch.

    References
    ----------
    .. [1] Long, J. et al. "Fully convolutional networks for semantic segmentation",
       arXiv:1411.4038.
    """

    def __init__(
        self, classes: int, width: float = 1.0, *, finest: int = 8, published: bool = False
    ) -> None:
        super().__init__()
        self.published = published
        self.encoder = VGG(width, ceil=published)
        hidden = scaled(4096, width)
        self.classifier = _classifier(self.encoder.channels[4], hidden, 7, padded=not published)
        self.score = nn.Conv2d(hidden, classes, 1)
        bridges = {8: (3, 2), 16: (3,), 32: ()}[finest]
        self.stages = bridges
        self.bridges = nn.ModuleList(
            nn.Conv2d(self.encoder.channels[i], classes, 1) for i in bridges
        )
        if published:
            first = cast(nn.Conv2d, cast(nn.Sequential, self.encoder.stages[0])[0])
            first.padding = (100, 100) if bridges else CAFFE_PADDING
        if published and bridges:
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(classes, classes, 2 * by, by, bias=False) for by in (2, 2, 8)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        if self.published:
            x = caffe_colours(x)
        kept = self.encoder(x)
        y = self.score(self.classifier(kept[4]))
        if self.published and self.stages:
            return self._grown(y, kept, x)
        for stage, bridge in zip(self.stages, self.bridges, strict=True):
            y = fit(y, kept[stage]) + bridge(kept[stage])
        return grown_from_zero(y, x) if self.published else fit(y, x)

    def _grown(self, y: Tensor, kept: list[Tensor], like: Tensor) -> Tensor:
        """Return scores at the image's size, as padding by 100 pixels asks for."""
        # where finer scores begin in the padded image's, as in the author's code
        for stage, bridge, grow, at in zip(
            self.stages, self.bridges, self.grow, (5, 9), strict=False
        ):
            y = grow(y)
            finer = bridge(kept[stage])
            y = y + finer[..., at : at + y.shape[-2], at : at + y.shape[-1]]
        y = self.grow[-1](y)
        return y[..., 31 : 31 + like.shape[-2], 31 : 31 + like.shape[-1]]


class SegNet(nn.Module):
    """SegNet [1]_: the decoder puts values where the encoder's poolings took them.

    References
    ----------
    .. [1] Badrinarayanan, V. et al. "SegNet", arXiv:1511.00561.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = VGG(width, norm=True)
        rising: list[nn.Module] = []
        for i in range(4, -1, -1):
            own = scaled(VGG16[i][-1], width)
            after = scaled(VGG16[i - 1][-1], width) if i else own
            layers: list[nn.Module] = []
            outputs = [own] * (len(VGG16[i]) - 1) + [after] * (i > 0)
            for out in outputs:
                layers += [nn.Conv2d(own, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(True)]
            rising.append(nn.Sequential(*layers))
        self.decoder = nn.ModuleList(rising)
        self.last = nn.Conv2d(scaled(64, width), classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        taken = []
        for stage in self.encoder.stages:
            y = stage(x)
            x, places = F.max_pool2d(y, 2, return_indices=True)
            taken.append((places, y.shape))
        for part, (places, shape) in zip(self.decoder, taken[::-1], strict=True):
            x = part(F.max_unpool2d(x, places, [2, 2], output_size=shape[-2:]))
        return cast(Tensor, self.last(x))


class DeepLabV1(nn.Module):
    """DeepLab v1 with a large field of view on VGG-16 [1]_, without its CRF.

    References
    ----------
    .. [1] Chen, L.-C. et al. "Semantic image segmentation with deep convolutional nets and fully
       connected CRFs", arXiv:1412.7062.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = VGG(width, strides=(2, 2, 2, 1, 1), dilations=(1, 1, 1, 1, 2))
        hidden = scaled(1024, width)
        self.classifier = _classifier(self.encoder.channels[4], hidden, 3, dilation=12)
        self.score = nn.Conv2d(hidden, classes, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return what is classified, of stride 8."""
        return cast(Tensor, self.classifier(self.encoder(x)[4]))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        return fit(self.score(self.features(x)), x)


class ParseNet(DeepLabV1):
    """ParseNet [1]_: DeepLab's network with the image's mean beside each pixel, both normalised.

    References
    ----------
    .. [1] Liu, W. et al. "ParseNet: looking wider to see better", arXiv:1506.04579.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__(classes, width)
        hidden = scaled(1024, width)
        # lengths that the normalised features are given at first, as in the paper
        self.scale = nn.Parameter(torch.full((2, hidden, 1, 1), 10.0))
        self.score = nn.Conv2d(2 * hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        y = self.features(x)
        mean = F.adaptive_avg_pool2d(y, 1)
        own = F.normalize(y, dim=1) * self.scale[0]
        context = (F.normalize(mean, dim=1) * self.scale[1]).expand_as(y)
        return fit(self.score(torch.cat([own, context], 1)), x)


def double(inputs: int, outputs: int, *, bias: bool = False) -> nn.Sequential:
    """Return two convolutions of 3x3."""
    return nn.Sequential(step(inputs, outputs, bias=bias), step(outputs, outputs, bias=bias))


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    """Return maps of twice the size, on corners, at the size of others."""
    x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
    return fit(x, like, corners=True)


class UNet(nn.Module):
    """U-Net [1]_, padded and with batch normalisation: 23 convolutions.

    Parameters
    ----------
    classes : int
    width : float
        Share of the published channels.
    published : bool
        Whether it is built as in UNet++'s code: half the channels, resized on corners.

    References
    ----------
    .. [1] Ronneberger, O. et al. "U-Net", arXiv:1505.04597.
    """

    def __init__(self, classes: int, width: float = 1.0, *, published: bool = False) -> None:
        super().__init__()
        self.published = published
        sizes = [scaled((32 if published else 64) * 2**i, width) for i in range(5)]
        pairs = list(zip([3, *sizes[:-1]], sizes, strict=True))
        self.down = nn.ModuleList(double(a, b, bias=published) for a, b in pairs)
        rising = list(zip(sizes[:0:-1], sizes[-2::-1], strict=True))
        self.up = nn.ModuleList(
            nn.Identity() if published else nn.ConvTranspose2d(a, b, 2, 2) for a, b in rising
        )
        self.join = nn.ModuleList(
            double((a if published else b) + b, b, bias=published) for a, b in rising
        )
        self.last = nn.Conv2d(sizes[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        x = opencv_colours(x) if self.published else x
        kept: list[Tensor] = []
        for i, part in enumerate(self.down):
            x = part(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for up, join, bridge in zip(self.up, self.join, kept[-2::-1], strict=True):
            # sides that are not multiples of 16 come back a pixel short
            grown = _doubled(x, bridge) if self.published else fit(up(x), bridge)
            x = join(torch.cat([bridge, grown], 1))
        return cast(Tensor, self.last(x))


class UNetPlusPlus(nn.Module):
    """UNet++ [1]_: bridges that are nets themselves; the mean of its four outputs.

    Parameters
    ----------
    classes : int
    width : float
        Share of the published channels.
    published : bool
        Whether it is built as in its PyTorch code: resized on corners, the last output alone.

    References
    ----------
    .. [1] Zhou, Z. et al. "UNet++: a nested U-Net architecture", arXiv:1807.10165.
    """

    def __init__(self, classes: int, width: float = 1.0, *, published: bool = False) -> None:
        super().__init__()
        self.published = published
        # half of U-Net's channels at each level, as in the authors' code
        sizes = [scaled(32 * 2**i, width) for i in range(5)]
        self.depth = len(sizes)
        self.nodes, self.ups = nn.ModuleDict(), nn.ModuleDict()
        for i, size in enumerate(sizes):
            self.nodes[f"{i}_0"] = double(sizes[i - 1] if i else 3, size, bias=published)
            for j in range(1, len(sizes) - i):
                below = sizes[i + 1] if published else size
                if not published:
                    self.ups[f"{i}_{j}"] = nn.ConvTranspose2d(sizes[i + 1], size, 2, 2)
                self.nodes[f"{i}_{j}"] = double(j * size + below, size, bias=published)
        heads = sizes[:1] if published else sizes[1:]
        self.last = nn.ModuleList(nn.Conv2d(sizes[0], classes, 1) for _ in heads)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        x = opencv_colours(x) if self.published else x
        done: dict[tuple[int, int], Tensor] = {}
        for i in range(self.depth):
            x = self.nodes[f"{i}_0"](F.max_pool2d(x, 2) if i else x)
            done[i, 0] = x
        for j in range(1, self.depth):
            for i in range(self.depth - j):
                below = done[i + 1, j - 1]
                up = (
                    _doubled(below, done[i, 0]) if self.published
                    else fit(self.ups[f"{i}_{j}"](below), done[i, 0])
                )  # fmt: skip
                row = [done[i, k] for k in range(j)]
                done[i, j] = self.nodes[f"{i}_{j}"](torch.cat([*row, up], 1))
        first = self.depth - len(self.last)
        outs = [head(done[0, j]) for j, head in enumerate(self.last, first)]
        # "accurate mode" of the paper: the mean of all outputs
        return torch.stack(outs).mean(dim=0)


class ShiftedMlp(nn.Module):
    """A tokenised block of UNeXt: features shifted along the height, then the width, and mixed.

    Parameters
    ----------
    channels : int
    turned : bool
        Whether the first channels move up and left, as in the authors' code, or down and right.
    """

    def __init__(self, channels: int, *, turned: bool = False) -> None:
        super().__init__()
        self.turned = turned
        self.norm = nn.LayerNorm(channels)
        self.first = nn.Linear(channels, channels)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.second = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        y = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.first(self._shifted(y, 2).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self._shifted(F.gelu(self.depthwise(y)), 3)
        return x + cast(Tensor, self.second(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    def _shifted(self, x: Tensor, axis: int, reach: int = 2) -> Tensor:
        """Return groups of channels moved by -2 to 2 pixels along an axis, zeros coming in."""
        pad = [0, 0, reach, reach] if axis == 2 else [reach, reach, 0, 0]
        groups = F.pad(x, pad).chunk(2 * reach + 1, 1)
        last = 2 * reach if self.turned else 0
        moved = [g.narrow(axis, abs(last - i), x.shape[axis]) for i, g in enumerate(groups)]
        return torch.cat(moved, 1)


class UNeXt(nn.Module):
    """UNeXt [1]_: three stages of convolutions, two of shifted multi-layer perceptrons.

    Parameters
    ----------
    classes : int
    width : float
        Share of the published channels.
    published : bool
        Whether it is built as the authors' code has it: what the blocks get and give is normalised,
        maps grow before they are cut at zero, convolutions have a bias, and images are read as
        theirs are.

    References
    ----------
    .. [1] Valanarasu, J., Patel, V. "UNeXt: MLP-based rapid medical image segmentation network",
       arXiv:2203.04967.
    """

    def __init__(self, classes: int, width: float = 1.0, *, published: bool = False) -> None:
        super().__init__()
        self.published = published
        sizes = [scaled(c, width) for c in (16, 32, 128, 160, 256)]
        self.down = nn.ModuleList(
            step(a, b, bias=published) for a, b in zip([3, *sizes[:2]], sizes[:3], strict=True)
        )
        pairs = list(pairwise(sizes[2:]))
        self.embed = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs)
        self.mix = nn.ModuleList(ShiftedMlp(b, turned=published) for _, b in pairs)
        rising = list(zip(sizes[::-1], [*sizes[-2::-1], sizes[0]], strict=True))
        self.up = nn.ModuleList(step(a, b, bias=published) for a, b in rising)
        self.mix_up = nn.ModuleList(ShiftedMlp(b, turned=published) for _, b in rising[:2])
        self.last = nn.Conv2d(sizes[0], classes, 1)
        mixed = [*sizes[3:], *(b for _, b in rising[:2])]
        self.enter, self.leave = (
            nn.ModuleList(
                ChannelNorm(b, eps=1e-5) if published else nn.Identity() for b in channels
            )
            for channels in (sizes[3:], mixed)
        )
        if published:
            # the last one is not normalised
            kept = [2, 2, 2, 2, 1]
            self.up = nn.ModuleList(
                cast(nn.Sequential, part)[:n] for part, n in zip(self.up, kept, strict=True)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        if self.published:
            x = opencv_colours(x)
        size, kept = x, []
        for part in self.down:
            x = F.max_pool2d(part(x), 2)
            kept.append(x)
        for i, (embed, mix) in enumerate(zip(self.embed, self.mix, strict=True)):
            x = self.leave[i](mix(self.enter[i](embed(x))))
            kept.append(x)
        for i, (part, bridge) in enumerate(zip(self.up, [*kept[-2::-1], size], strict=True)):
            x = fit(part(x), bridge)
            x = F.relu(x) if self.published else x
            x = x + bridge if i < 4 else x
            x = self.leave[2 + i](self.mix_up[i](x)) if i < 2 else x
        return cast(Tensor, self.last(x))


Activation = Callable[[int], nn.Module]


def _one_slope(_channels: int) -> nn.Module:
    return nn.PReLU()


def _no_slope(_channels: int) -> nn.Module:
    return nn.ReLU(inplace=True)


def _inner(
    inputs: int,
    outputs: int,
    size: int | tuple[int, int],
    activation: Activation,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
) -> list[nn.Module]:
    """Return a convolution, normalisation and activation."""
    inner = nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False)
    return [inner, nn.BatchNorm2d(outputs), activation(outputs)]


class EnetBottleneck(nn.Module):
    """Narrow, convolve, widen, and add; plain, dilated, or as 5x1 and 1x5.

    Parameters
    ----------
    channels : int
    drop : float
    dilation : int, default 1
    asymmetric : bool, default False
    activation : callable, optional
        Makes one for so many channels. With one that is not PReLU's it is built as in the PyTorch
        code: it comes after each convolution, also the last.
    """

    def __init__(
        self,
        channels: int,
        drop: float,
        *,
        dilation: int = 1,
        asymmetric: bool = False,
        activation: Activation = nn.PReLU,
    ) -> None:
        super().__init__()
        narrow = channels // 4
        in_code = activation is not nn.PReLU
        if asymmetric:
            middle = [
                *_inner(narrow, narrow, (5, 1), activation, padding=(2, 0))[: 3 if in_code else 1],
                *_inner(narrow, narrow, (1, 5), activation, padding=(0, 2)),
            ]
        else:
            middle = _inner(narrow, narrow, 3, activation, padding=dilation, dilation=dilation)
        widened = _inner(narrow, channels, 1, activation)[: 3 if in_code else 2]
        self.inner = nn.Sequential(
            *_inner(channels, narrow, 1, activation), *middle, *widened, nn.Dropout2d(drop)
        )
        self.last = activation(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return cast(Tensor, self.last(x + self.inner(x)))


class EnetDown(nn.Module):
    """Halve the size; tells where the pooling took its values."""

    def __init__(
        self, inputs: int, outputs: int, drop: float, activation: Activation = nn.PReLU
    ) -> None:
        super().__init__()
        narrow = inputs // 4 or 1
        widened = _inner(narrow, outputs, 1, activation)[: 2 if activation is nn.PReLU else 3]
        self.inner = nn.Sequential(
            *_inner(inputs, narrow, 2, activation, stride=2),
            *_inner(narrow, narrow, 3, activation, padding=1), *widened, nn.Dropout2d(drop),
        )  # fmt: skip
        self.last = activation(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps of half the size, and the places."""
        # odd sides get one more, so that pooling and unpooling agree
        x = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        y = self.inner(x)
        # the pooled path has fewer channels, and gets zeros for the rest
        pooled = F.pad(pooled, (0, 0, 0, 0, 0, y.shape[1] - pooled.shape[1]))
        return cast(Tensor, self.last(y + pooled)), places


class Up(nn.Module):
    """Double the size; values go back to the places of the pooling."""

    def __init__(self, inputs: int, outputs: int, drop: float, *, published: bool = False) -> None:
        super().__init__()
        narrow = inputs // 4
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        grown = (
            nn.ConvTranspose2d(narrow, narrow, 2, 2, bias=False) if published
            else nn.ConvTranspose2d(narrow, narrow, 3, 2, 1, 1, bias=False)
        )  # fmt: skip
        self.inner = nn.Sequential(
            nn.Conv2d(inputs, narrow, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(inplace=True),
            grown, nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True), nn.Conv2d(narrow, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs), nn.Dropout2d(drop),
        )  # fmt: skip

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Return maps of twice the size."""
        main = self.main(x)
        # the decoder has as many channels as the encoder had before it widened
        grown = F.max_unpool2d(main, places[:, : main.shape[1]], [2, 2])
        return F.relu(grown + self.inner(x))


class ENet(nn.Module):
    """ENet [1]_.

    Parameters
    ----------
    classes : int
    width : float
        Share of the published channels.
    published : bool
        Whether it is built as the PyTorch code has it, which differs from the paper: colours are
        not normalised, the first pooling overlaps, each layer has one slope and the decoder none,
        activations follow every convolution of a block, what grows is not smoothed.

    References
    ----------
    .. [1] Paszke, A. et al. "ENet: a deep neural network architecture for real-time semantic
       segmentation", arXiv:1606.02147.
    """

    def __init__(self, classes: int, width: float = 1.0, *, published: bool = False) -> None:
        super().__init__()
        self.published = published
        first: Activation = _one_slope if published else nn.PReLU
        then: Activation = _no_slope if published else nn.PReLU
        a, b, c = (scaled(n, width) for n in (16, 64, 128))
        self.first = nn.Conv2d(3, a - 3, 3, 2, 1, bias=False)
        self.first_norm = nn.Sequential(nn.BatchNorm2d(a), first(a))
        self.down1 = EnetDown(a, b, 0.01, first)
        self.stage1 = nn.Sequential(*(EnetBottleneck(b, 0.01, activation=first) for _ in range(4)))
        self.down2 = EnetDown(b, c, 0.1, first)
        # dilation of the eight blocks of a stage; 0 stands for 5x1 and 1x5
        plan = (1, 2, 0, 4, 1, 8, 0, 16)
        self.stage2 = nn.Sequential(
            *(
                EnetBottleneck(c, 0.1, dilation=n or 1, asymmetric=n == 0, activation=first)
                for n in (*plan, *plan)
            )
        )
        self.up1 = Up(c, b, 0.1, published=published)
        self.stage4 = nn.Sequential(*(EnetBottleneck(b, 0.1, activation=then) for _ in range(2)))
        self.up2 = Up(b, a, 0.1, published=published)
        self.stage5 = EnetBottleneck(a, 0.1, activation=then)
        self.last = nn.ConvTranspose2d(a, classes, 3, 2, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        height, width = x.shape[-2:]
        x = colours(x) if self.published else x
        # three halvings; what is padded is cut off again
        x = F.pad(x, (0, -width % 8, 0, -height % 8))
        pooled = F.max_pool2d(x, 3, 2, 1) if self.published else F.max_pool2d(x, 2)
        y = self.first_norm(torch.cat([self.first(x), pooled], 1))
        y, taken1 = self.down1(y)
        y, taken2 = self.down2(self.stage1(y))
        y = self.up1(self.stage2(y), taken2)
        y = self.up2(self.stage4(y), taken1)
        return cast(Tensor, self.last(self.stage5(y)))[..., :height, :width]


class PeakNet(nn.Module):
    """Classes of an image, and which pixels each peak of a class comes from (PRM) [1]_.

    Parameters
    ----------
    classes : int
        Each told from all others, by a sigmoid.
    width : float
        Share of the published channels.
    depth : int, default 50
        Of ResNet.
    trunk : mapping
        Further arguments of `SceneTrunk`.

    References
    ----------
    .. [1] Zhou, Y. et al. "Weakly supervised instance segmentation using class peak response",
       arXiv:1804.00880.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        trunk: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, **trunk)
        self.last = nn.Conv2d(self.encoder.channels[-1], classes, 1)

    def responses(self, x: Tensor) -> Tensor:
        """Return the responses of classes, (B, classes, H / 4, W / 4)."""
        found = self.last(self.encoder(x)[-1])
        # peaks are looked for between the places too, as in the authors' demonstration
        return F.interpolate(found, scale_factor=8.0, mode="bilinear", align_corners=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return responses as logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        return fit(self.responses(x), x)

    def sources(self, x: Tensor, peaks: Tensor) -> Tensor:
        """Return which pixels peaks come from, (N, H, W), each map with a sum of 1.

        Parameters
        ----------
        x : Tensor, shape (1, 3, H, W)
        peaks : Tensor of int, shape (N, 3)
            Class, row and column in `responses`.
        """
        with torch.enable_grad(), _PeakMode():
            image = x.detach().clone().requires_grad_()
            found = self.responses(image)[0]
        maps = [x.new_zeros((0, *x.shape[2:]))]
        for kind, row, col in peaks.tolist():
            (back,) = torch.autograd.grad(found[kind, row, col], image, retain_graph=True)
            source = back[0].sum(0).clamp(min=0)
            maps.append((source / source.sum().clamp(min=1e-12))[None])
        return torch.cat(maps)


class _PeakMode(TorchFunctionMode):
    """Convolutions go back by the share of an input in the output, as the paper has it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.conv2d, F.conv2d):
            return _PeakConvolution.apply(*args, **(kwargs or {}))  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


class _PeakConvolution(torch.autograd.Function):
    """A convolution whose gradient goes to what excites it alone."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        x, weight, _, *geometry = args
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.count = geometry, len(args)
        return torch.conv2d(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, weight = ctx.saved_tensors
        # inputs count from the smallest of them on, weights that inhibit not at all
        above, exciting = x - x.min(), weight.relu()
        total = torch.conv2d(above, exciting, None, *ctx.geometry)
        share = torch.where(total < _LEAST, 0.0, grads[0] / (total.abs() + _LEAST))
        back = conv2d_input(x.shape, exciting, share, *ctx.geometry)  # type: ignore[no-untyped-call]
        return above * back, *([None] * (ctx.count - 1))


_LEAST = 1e-10
"""Of an excitation; less is none."""
