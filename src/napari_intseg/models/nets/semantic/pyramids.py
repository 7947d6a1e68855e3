"""Networks with a context head on ResNet: PSPNet, DeepLab v2, v3 and v3+, FastFCN."""

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.semantic.parts import (
    AtrousPyramid,
    ScenePooling,
    SceneTrunk,
    fit,
    scaled,
    step,
)


class PSPNet(nn.Module):
    """PSPNet [1]_ on ResNet-50 of stride 8.

    References
    ----------
    .. [1] Zhao, H. et al. "Pyramid scene parsing network", arXiv:1612.01105.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=8, deep_stem=True)
        last = self.encoder.channels[-1]
        self.pool = ScenePooling(last, last // 4)
        hidden = scaled(512, width)
        self.join = step(self.pool.channels, hidden)
        self.drop = nn.Dropout2d(0.1)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        y = self.join(self.pool(self.encoder(x)[-1]))
        return fit(self.last(self.drop(y)), x)


class DeepLabV2(nn.Module):
    """DeepLab v2 [1]_ on ResNet-101: four dilated classifiers are summed; without its CRF.

    References
    ----------
    .. [1] Chen, L.-C. et al. "DeepLab: semantic image segmentation with deep convolutional nets,
       atrous convolution, and fully connected CRFs", arXiv:1606.00915.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 101) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=8)
        last = self.encoder.channels[-1]
        self.heads = nn.ModuleList(
            nn.Conv2d(last, classes, 3, padding=rate, dilation=rate) for rate in (6, 12, 18, 24)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        y = self.encoder(x)[-1]
        return fit(torch.stack([head(y) for head in self.heads]).sum(dim=0), x)


class DeepLabV3(nn.Module):
    """DeepLab v3 [1]_ on ResNet-50 of stride 16.

    References
    ----------
    .. [1] Chen, L.-C. et al. "Rethinking atrous convolution for semantic image segmentation",
       arXiv:1706.05587.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=16)
        hidden = scaled(256, width)
        self.context = AtrousPyramid(self.encoder.channels[-1], hidden)
        self.join = step(hidden, hidden)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        return fit(self.last(self.join(self.context(self.encoder(x)[-1]))), x)


class DeepLabV3Plus(nn.Module):
    """DeepLab v3+ [1]_ on ResNet-50 of stride 16: v3 with a decoder.

    References
    ----------
    .. [1] Chen, L.-C. et al. "Encoder-decoder with atrous separable convolution for semantic image
       segmentation", arXiv:1802.02611.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=16)
        hidden, low = scaled(256, width), scaled(48, width)
        self.context = AtrousPyramid(self.encoder.channels[-1], hidden)
        self.low = step(self.encoder.channels[0], low, 1)
        self.join = nn.Sequential(step(hidden + low, hidden), step(hidden, hidden))
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = self.encoder(x)
        low = self.low(kept[0])
        y = torch.cat([fit(self.context(kept[-1]), low), low], 1)
        return fit(self.last(self.join(y)), x)


def _separable(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    inner = nn.Conv2d(
        inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False
    )
    return nn.Sequential(inner, nn.BatchNorm2d(inputs), step(inputs, outputs, 1))


class FastFCN(nn.Module):
    """FastFCN [1]_: joint pyramid upsampling on ResNet-50, then the head of DeepLab v3.

    References
    ----------
    .. [1] Wu, H. et al. "FastFCN: rethinking dilated convolution in the backbone for semantic
       segmentation", arXiv:1903.11816.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=32)
        hidden = scaled(512, width)
        self.enter = nn.ModuleList(step(c, hidden) for c in self.encoder.channels[1:])
        self.dilated = nn.ModuleList(_separable(3 * hidden, hidden, rate) for rate in (1, 2, 4, 8))
        self.context = AtrousPyramid(4 * hidden, scaled(256, width))
        self.last = nn.Conv2d(scaled(256, width), classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = [inner(y) for inner, y in zip(self.enter, self.encoder(x)[1:], strict=True)]
        joined = torch.cat([fit(y, kept[0]) for y in kept], 1)
        y = torch.cat([inner(joined) for inner in self.dilated], 1)
        return fit(self.last(self.context(y)), x)
