"""Networks that join several resolutions: RefineNet, ICNet, HRNet with and without OCR."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.hrnet import Distribute, HRNet
from napari_intseg.models.nets.semantic.parts import ScenePooling, SceneTrunk, fit, scaled, step


class Units(nn.Module):
    """RefineNet's residual convolution units, without normalisation."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1),
                nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(count)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        for part in self.parts:
            x = x + part(x)
        return x


class Refine(nn.Module):
    """One stage of RefineNet: adapt, fuse with what is above, pool in a chain, adapt again."""

    def __init__(self, inputs: int, above: int, channels: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1), Units(channels, 2))
        self.fuse_own = nn.Conv2d(channels, channels, 3, padding=1)
        self.fuse_above = nn.Conv2d(above, channels, 3, padding=1) if above else None
        self.chain = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.leave = Units(channels, 1)

    def forward(self, own: Tensor, above: Tensor | None) -> Tensor:
        """Return maps at the resolution of `own`."""
        x = self.fuse_own(self.enter(own))
        if self.fuse_above is not None and above is not None:
            x = x + fit(self.fuse_above(above), x)
        x = F.relu(x)
        path = x
        for inner in self.chain:
            path = inner(F.max_pool2d(path, 5, 1, 2))
            x = x + path
        return cast(Tensor, self.leave(x))


class RefineNet(nn.Module):
    """RefineNet [1]_ on ResNet-50, four stages in a cascade.

    References
    ----------
    .. [1] Lin, G. et al. "RefineNet: multi-path refinement networks for high-resolution semantic
       segmentation", arXiv:1611.06612.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width)
        wide, narrow = scaled(512, width), scaled(256, width)
        a, b, c, d = self.encoder.channels
        self.stages = nn.ModuleList(
            [Refine(d, 0, wide), Refine(c, wide, narrow), Refine(b, narrow, narrow),
             Refine(a, narrow, narrow)]
        )  # fmt: skip
        self.last = nn.Conv2d(narrow, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        above: Tensor | None = None
        for stage, own in zip(self.stages, self.encoder(x)[::-1], strict=True):
            above = stage(own, above)
        assert above is not None
        return fit(self.last(above), x)


class ICNet(nn.Module):
    """ICNet [1]_: a deep path sees a quarter of the image, a middle one half, a thin one all.

    References
    ----------
    .. [1] Zhao, H. et al. "ICNet for real-time semantic segmentation on high-resolution images",
       arXiv:1704.08545.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=8)
        half, last = self.encoder.channels[1], self.encoder.channels[3]
        hidden, thin = scaled(128, width), scaled(32, width)
        self.pool = ScenePooling(last, last // 4)
        self.deep = step(self.pool.channels, 2 * hidden, 1)
        self.thin = nn.Sequential(
            step(3, thin, stride=2), step(thin, thin, stride=2), step(thin, 2 * thin, stride=2)
        )
        self.dilated = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c, hidden, 3, padding=2, dilation=2, bias=False), nn.BatchNorm2d(hidden)
            )
            for c in (2 * hidden, hidden)
        )
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, hidden, 1, bias=False), nn.BatchNorm2d(hidden))
            for c in (half, 2 * thin)
        )
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        halved = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
        trunk = self.encoder
        middle = trunk.stage(2, trunk.stage(1, trunk.enter(halved)))
        small = F.interpolate(middle, scale_factor=0.5, mode="bilinear", align_corners=False)
        above = self.deep(self.pool(trunk.stage(4, trunk.stage(3, small))))
        for own, dilated, enter in zip(
            (middle, self.thin(x)), self.dilated, self.enter, strict=True
        ):
            side = enter(own)
            above = F.relu(dilated(fit(above, side)) + side)
        return fit(self.last(above), x)


class HRNetSemantic(nn.Module):
    """HRNet-W48 [1]_, with the object context of OCR [2]_ where it is asked for.

    References
    ----------
    .. [1] Wang, J. et al. "Deep high-resolution representation learning for visual recognition",
       arXiv:1908.07919.
    .. [2] Yuan, Y. et al. "Object-contextual representations for semantic segmentation",
       arXiv:1909.11065.
    """

    def __init__(self, classes: int, width: float = 1.0, *, context: bool = False) -> None:
        super().__init__()
        self.encoder = HRNet(scaled(48, width), 0)
        del self.encoder.cls_head  # its head is for one object
        channels, hidden = self.encoder.channels, scaled(512, width)
        self.context = context
        self.head = step(channels, channels, 1)
        self.aux = nn.Conv2d(channels, classes, 1)
        if context:
            self.enter = step(channels, hidden)
            self.objects = Distribute(hidden, hidden // 2)
            self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        y = self.encoder.features(x)
        first = self.aux(self.head(y))
        if not self.context:
            return fit(first, x)
        pixels = self.enter(y)
        weights = first.flatten(2).softmax(-1)  # (B, classes, hw): where each class is
        regions = torch.matmul(pixels.flatten(2), weights.transpose(1, 2))[..., None]
        return fit(self.last(self.objects(pixels, regions)), x)
