"""DeepLabV3+ on a residual network.

References
----------
.. [1] Chen, L.-C. et al. "Encoder-decoder with atrous separable convolution for semantic image
       segmentation", arXiv:1802.02611.
"""

from typing import cast

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
