"""ENet: a small network of bottlenecks for real time."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.semantic.parts import scaled


def _inner(
    inputs: int, outputs: int, size: int, *, stride: int = 1, dilation: int = 0
) -> list[nn.Module]:
    """Return a convolution, normalisation and PReLU; a dilation keeps the size."""
    inner = nn.Conv2d(
        inputs, outputs, size, stride, padding=dilation, dilation=dilation or 1, bias=False
    )
    return [inner, nn.BatchNorm2d(outputs), nn.PReLU(outputs)]


class EnetBottleneck(nn.Module):
    """Narrow, convolve, widen, and add; plain, dilated, or as 5x1 and 1x5."""

    def __init__(
        self, channels: int, drop: float, *, dilation: int = 1, asymmetric: bool = False
    ) -> None:
        super().__init__()
        narrow = channels // 4
        if asymmetric:
            middle: list[nn.Module] = [
                nn.Conv2d(narrow, narrow, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(narrow, narrow, (1, 5), padding=(0, 2), bias=False),
                nn.BatchNorm2d(narrow), nn.PReLU(narrow),
            ]  # fmt: skip
        else:
            middle = _inner(narrow, narrow, 3, dilation=dilation)
        self.inner = nn.Sequential(
            *_inner(channels, narrow, 1), *middle, nn.Conv2d(narrow, channels, 1, bias=False),
            nn.BatchNorm2d(channels), nn.Dropout2d(drop),
        )  # fmt: skip
        self.last = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return cast(Tensor, self.last(x + self.inner(x)))


class EnetDown(nn.Module):
    """Halve the size; tells where the pooling took its values."""

    def __init__(self, inputs: int, outputs: int, drop: float) -> None:
        super().__init__()
        narrow = inputs // 4 or 1
        self.inner = nn.Sequential(
            *_inner(inputs, narrow, 2, stride=2), *_inner(narrow, narrow, 3, dilation=1),
            nn.Conv2d(narrow, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.Dropout2d(drop),
        )  # fmt: skip
        self.last = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps of half the size, and the places."""
        x = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        y = self.inner(x)
        pooled = F.pad(pooled, (0, 0, 0, 0, 0, y.shape[1] - pooled.shape[1]))
        return cast(Tensor, self.last(y + pooled)), places


class Up(nn.Module):
    """Double the size; values go back to the places of the pooling."""

    def __init__(self, inputs: int, outputs: int, drop: float) -> None:
        super().__init__()
        narrow = inputs // 4
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.inner = nn.Sequential(
            nn.Conv2d(inputs, narrow, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(inplace=True),
            nn.ConvTranspose2d(narrow, narrow, 3, 2, 1, 1, bias=False), nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True), nn.Conv2d(narrow, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs), nn.Dropout2d(drop),
        )  # fmt: skip

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Return maps of twice the size."""
        main = self.main(x)
        grown = F.max_unpool2d(main, places[:, : main.shape[1]], [2, 2])
        return F.relu(grown + self.inner(x))


class ENet(nn.Module):
    """ENet [1]_.

    References
    ----------
    .. [1] Paszke, A. et al. "ENet: a deep neural network architecture for real-time semantic
       segmentation", arXiv:1606.02147.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        a, b, c = (scaled(n, width) for n in (16, 64, 128))
        self.first = nn.Conv2d(3, a - 3, 3, 2, 1, bias=False)
        self.first_norm = nn.Sequential(nn.BatchNorm2d(a), nn.PReLU(a))
        self.down1 = EnetDown(a, b, 0.01)
        self.stage1 = nn.Sequential(*(EnetBottleneck(b, 0.01) for _ in range(4)))
        self.down2 = EnetDown(b, c, 0.1)
        # dilation of the eight blocks of a stage; 0 stands for 5x1 and 1x5
        plan = (1, 2, 0, 4, 1, 8, 0, 16)
        self.stage2 = nn.Sequential(
            *(EnetBottleneck(c, 0.1, dilation=n or 1, asymmetric=n == 0) for n in (*plan, *plan))
        )
        self.up1 = Up(c, b, 0.1)
        self.stage4 = nn.Sequential(EnetBottleneck(b, 0.1), EnetBottleneck(b, 0.1))
        self.up2 = Up(b, a, 0.1)
        self.stage5 = EnetBottleneck(a, 0.1)
        self.last = nn.ConvTranspose2d(a, classes, 3, 2, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % 8, 0, -height % 8))
        y = self.first_norm(torch.cat([self.first(x), F.max_pool2d(x, 2)], 1))
        y, taken1 = self.down1(y)
        y, taken2 = self.down2(self.stage1(y))
        y = self.up1(self.stage2(y), taken2)
        y = self.up2(self.stage4(y), taken1)
        return cast(Tensor, self.last(self.stage5(y)))[..., :height, :width]
