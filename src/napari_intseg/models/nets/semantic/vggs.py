"""Networks on VGG-16: FCN, SegNet, ParseNet, DeepLab v1."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.semantic.parts import VGG, VGG16, fit, scaled


def _classifier(inputs: int, hidden: int, size: int, dilation: int = 1) -> nn.Sequential:
    """Return VGG's two wide layers as convolutions."""
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, size, padding=padding, dilation=dilation),
        nn.ReLU(inplace=True), nn.Dropout2d(0.5), nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(inplace=True), nn.Dropout2d(0.5),
    )  # fmt: skip


class FCN(nn.Module):
    """FCN-8s [1]_, padded to keep sizes; with `finest` 16 or 32 without the finer bridges.

    References
    ----------
    .. [1] Long, J. et al. "Fully convolutional networks for semantic segmentation",
       arXiv:1411.4038.
    """

    def __init__(self, classes: int, width: float = 1.0, *, finest: int = 8) -> None:
        super().__init__()
        self.encoder = VGG(width)
        hidden = scaled(4096, width)
        self.classifier = _classifier(self.encoder.channels[4], hidden, 7)
        self.score = nn.Conv2d(hidden, classes, 1)
        bridges = {8: (3, 2), 16: (3,), 32: ()}[finest]
        self.stages = bridges
        self.bridges = nn.ModuleList(
            nn.Conv2d(self.encoder.channels[i], classes, 1) for i in bridges
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = self.encoder(x)
        y = self.score(self.classifier(kept[4]))
        for stage, bridge in zip(self.stages, self.bridges, strict=True):
            y = fit(y, kept[stage]) + bridge(kept[stage])
        return fit(y, x)


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
