"""DeepLabV3+ [1]_ on a residual network, and on Xception-65 [2]_ as its authors' files have it.

References
----------
.. [1] Chen, L.-C. et al. "Encoder-decoder with atrous separable convolution for semantic image
       segmentation", arXiv:1802.02611.
.. [2] Chollet, F. "Xception: deep learning with depthwise separable convolutions",
       arXiv:1610.02357.
"""

from collections import OrderedDict
from typing import Literal, cast

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import NO_TAPS, Taps, tap
from napari_intseg.models.nets.hrnet import resize_to
from napari_intseg.models.nets.resnet import Backbone, ResNet, conv


def _normed(inputs: int, outputs: int, size: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        conv(inputs, outputs, size, dilation=dilation), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Separable(nn.Module):
    """A convolution split into one per channel and one per pixel, normalised."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same size."""
        return cast(Tensor, self.body(x))


class SeparableHead(nn.Module):
    """Two separable convolutions and a plain one that gives the logits."""

    def __init__(self, channels: int, width: int, outputs: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Separable(channels, width), Separable(width, width), nn.Conv2d(width, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the same size."""
        return cast(Tensor, self.layers(x))


class _Pool(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_normed(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.gap(x)
        return pooled.expand(-1, -1, *x.shape[-2:])


class _Pyramid(nn.Module):
    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        # for stride 8, as published (arXiv:1802.02611); half of them at stride 16
        dilated = (_normed(inputs, outputs, 3, dilation) for dilation in (12, 24, 36))
        # the published files spell it so
        self.concurent = nn.ModuleList(
            [_normed(inputs, outputs, 1), *dilated, _Pool(inputs, outputs)]
        )
        self.project = nn.Sequential(*_normed(5 * outputs, outputs, 1), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.project(torch.cat([path(x) for path in self.concurent], 1)))


class _Skip(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.skip_project = _normed(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.skip_project(x))


class _Decoder(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Separable(inputs, width), Separable(width, width), nn.Conv2d(width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.block(x))


class DeepLab(nn.Module):
    """DeepLabV3+ without its last layer; names of parameters are those of the published files.

    Parameters
    ----------
    backbone : str
        One of `BACKBONES` of the residual networks.
    width : int
        Channels of the pyramid and of the answer.
    dropout : float, default 0.5
        After the pyramid, in training.

    Notes
    -----
    Taps: "low" and "backbone", the first and last features of the backbone; "features", the
    pyramid's joined with the skipped ones; "head", the answer, which enters the last layers.
    """

    def __init__(
        self, backbone: Backbone = "resnet34", width: int = 128, *, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.backbone = ResNet(backbone)
        low, high = self.backbone.channels
        # 32 channels of the finer features, as in the published files
        self.head = _Decoder(width + 32, width)
        self.skip_project = _Skip(low, 32)
        self.aspp = _Pyramid(high, width, dropout)

    def forward(self, x: Tensor, extra: Tensor | None = None, taps: Taps = NO_TAPS) -> Tensor:
        """Return features, shape (B, width, H / 4, W / 4).

        Parameters
        ----------
        x : Tensor, shape (B, 3, H, W)
            Normalised RGB.
        extra : Tensor, shape (B, 64, H / 2, W / 2), optional
            Added after the first convolution.
        taps : mapping, optional
            See the notes of the class.
        """
        low, high = self.backbone(x, extra)
        joined = self.join(tap(taps, "low", low), tap(taps, "backbone", high))
        return tap(taps, "head", self.head(tap(taps, "features", joined)))

    def join(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the pyramid's features joined with the skipped ones, (B, C, H / 4, W / 4)."""
        low = self.skip_project(low)
        return torch.cat([resize_to(self.aspp(high), low), low], 1)


def _layer(
    inputs: int, outputs: int, size: int = 1, *, stride: int = 1, dilation: int = 1,
    groups: int = 1, eps: float = 1e-5,
) -> nn.Sequential:  # fmt: skip
    """Return a convolution and its normalisation; padded on both sides, also where it halves."""
    convolution = nn.Conv2d(
        inputs, outputs, size, stride, dilation * (size // 2), dilation, groups, bias=False
    )
    return nn.Sequential(OrderedDict(conv=convolution, bn=nn.BatchNorm2d(outputs, eps)))


def _split(
    name: str, inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1, eps: float = 1e-5
) -> dict[str, nn.Module]:
    """Return a convolution per channel and one per pixel, each normalised, by their names."""
    each = _layer(inputs, inputs, 3, stride=stride, dilation=dilation, groups=inputs, eps=eps)
    return {f"{name}_depthwise": each, f"{name}_pointwise": _layer(inputs, outputs, eps=eps)}


class _Unit(nn.ModuleDict):
    """Three separable convolutions, and a way past them, which the last unit has not."""

    # of Xception's normalisations; those of DeepLab have the usual number
    EPS = 1e-3

    def __init__(
        self, inputs: int, widths: tuple[int, int, int], past: Literal["conv", "sum", "none"],
        *, stride: int = 1, dilation: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.past = past
        for number, (first, last) in enumerate(zip((inputs, *widths), widths, strict=False), 1):
            step = stride if number == 3 else 1
            self.update(_split(
                f"separable_conv{number}", first, last, stride=step, dilation=dilation, eps=self.EPS
            ))  # fmt: skip
        if past == "conv":
            self["shortcut"] = _layer(inputs, widths[-1], stride=stride, eps=self.EPS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the answer, and the features after the second convolution."""
        within = self.past == "none"
        y = second = x
        for number in (1, 2, 3):
            y = y if within else torch.relu(y)
            for part in ("depthwise", "pointwise"):
                y = self[f"separable_conv{number}_{part}"](y)
                y = torch.relu(y) if within else y
            second = y if number == 2 else second
        if within:
            return y, second
        return y + (self["shortcut"](x) if self.past == "conv" else x), second


class XceptionDeepLab(nn.Module):
    """DeepLabV3+ on Xception-65 at stride 16; parameters are named as in TensorFlow's files.

    Parameters
    ----------
    inputs, outputs : int
        Channels of the image with what comes beside it, and of the answer.
    width : int, default 32
        Channels of the first convolution; published with 32.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 32) -> None:
        super().__init__()
        one, two, four, eight = (width * factor for factor in (1, 2, 4, 8))
        middle = width * 91 // 4  # 728
        eps = _Unit.EPS
        entry = {"conv1_1": _layer(inputs, one, 3, stride=2, eps=eps),
                 "conv1_2": _layer(one, two, 3, eps=eps)}  # fmt: skip
        for number, (first, last) in enumerate(((two, four), (four, eight), (eight, middle)), 1):
            unit = _Unit(first, (last, last, last), "conv", stride=2)
            entry[f"block{number}"] = nn.Sequential(OrderedDict(unit_1=unit))
        units = {f"unit_{n}": _Unit(middle, (middle, middle, middle), "sum") for n in range(1, 17)}
        high, higher, highest = 4 * eight, 6 * eight, 8 * eight
        leave = _Unit(middle, (middle, high, high), "conv")
        # its unit before would halve: at stride 16 the last one is dilated instead
        last_unit = _Unit(high, (higher, higher, highest), "none", dilation=2)
        self.xception_65 = nn.ModuleDict({
            "entry_flow": nn.ModuleDict(entry),
            "middle_flow": nn.ModuleDict({"block1": nn.ModuleDict(units)}),
            "exit_flow": nn.ModuleDict({
                "block1": nn.ModuleDict({"unit_1": leave}),
                "block2": nn.ModuleDict({"unit_1": last_unit}),
            }),
        })  # fmt: skip
        self.image_pooling, self.aspp0 = _layer(highest, eight), _layer(highest, eight)
        for number, rate in enumerate((6, 12, 18), 1):
            for name, part in _split(f"aspp{number}", highest, eight, dilation=rate).items():
                setattr(self, name, part)
        self.concat_projection = _layer(5 * eight, eight)
        skipped = 3 * width // 2  # 48
        self.decoder = nn.ModuleDict({
            "feature_projection0": _layer(eight, skipped),
            **_split("decoder_conv0", eight + skipped, eight),
            **_split("decoder_conv1", eight, eight),
        })  # fmt: skip
        self.logits = nn.ModuleDict(
            {"features": nn.ModuleDict({"conv": nn.Conv2d(eight, outputs, 1)})}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, outputs, H / 4, W / 4) of colours in [-1, 1]."""
        flows = self.xception_65
        for name in ("conv1_1", "conv1_2"):
            x = torch.relu(flows.get_submodule(f"entry_flow.{name}")(x))
        units = [
            *(flows.get_submodule(f"entry_flow.block{number}.unit_1") for number in (1, 2, 3)),
            *flows.get_submodule("middle_flow.block1").children(),
            *(flows.get_submodule(f"exit_flow.block{number}.unit_1") for number in (1, 2)),
        ]
        low = x
        for number, unit in enumerate(units, 1):
            x, second = unit(x)
            # of the second block before it halves, at stride 4
            low = second if number == 2 else low
        pooled = torch.relu(self.image_pooling(x.mean((2, 3), keepdim=True)))
        found = [pooled.expand(-1, -1, *x.shape[2:]), torch.relu(self.aspp0(x))]
        found += [self._split(self, f"aspp{number}", x) for number in (1, 2, 3)]
        x = torch.relu(self.concat_projection(torch.cat(found, 1)))
        low = torch.relu(self.decoder["feature_projection0"](low))
        x = torch.cat((resize_to(x, low), low), 1)
        for number in (0, 1):
            x = self._split(self.decoder, f"decoder_conv{number}", x)
        return cast(Tensor, self.logits.get_submodule("features.conv")(x))

    @staticmethod
    def _split(parts: nn.Module, name: str, x: Tensor) -> Tensor:
        """Return what a separable convolution answers; here both halves of it are activated."""
        for half in ("depthwise", "pointwise"):
            x = torch.relu(parts.get_submodule(f"{name}_{half}")(x))
        return x
