"""Inside-outside guidance: ResNet-101, a coarse pyramid and a fine network.

References
----------
.. [1] Zhang, S. et al. "Interactive object segmentation with inside-outside guidance", CVPR 2020.
.. [2] Chen, Y. et al. "Cascaded pyramid network for multi-person pose estimation",
   arXiv:1711.07319.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.resnet import (
    Bottleneck,
    PyramidPooling,
    bottleneck_layer,
    conv_norm,
    resize,
)

SIDE_PX = 512
"""The only input size: sizes inside the network are fixed."""
_FINE_PX = 128
_WIDTH = 256


class _Resize(nn.Module):
    """Resize to the fine network's size, or to twice the map's."""

    def __init__(self, side: int | None) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        side = self.side
        return resize(x, (side, side) if side else (2 * x.shape[2], 2 * x.shape[3]))


class IogEncoder(nn.Module):
    """ResNet-101 at stride 16, its last stage with dilations 2, 4, 8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(5, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = bottleneck_layer(64, 64, [1] * 3)
        self.layer2 = bottleneck_layer(256, 128, [1] * 4, stride=2)
        self.layer3 = bottleneck_layer(512, 256, [1] * 23, stride=2)
        self.layer4 = bottleneck_layer(1024, 512, [2, 4, 8])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of the four stages, the deepest first."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps[::-1]


class CoarseNet(nn.Module):
    """A feature pyramid with a prediction at each of its four maps."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Sequential(*conv_norm(c, _WIDTH)) for c in channels)
        self.upsamples = nn.ModuleList(
            nn.Sequential(_Resize(None), *conv_norm(_WIDTH, _WIDTH)[:2]) for _ in channels[1:]
        )
        self.predict = nn.ModuleList(
            nn.Sequential(
                *conv_norm(_WIDTH, _WIDTH),
                nn.Conv2d(_WIDTH, 1, 3, padding=1, bias=False),
                _Resize(_FINE_PX),
                nn.BatchNorm2d(1),
            )
            for _ in channels
        )

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the pyramid's maps and the coarse logits, the deepest first."""
        fused: list[Tensor] = []
        for i, (lateral, x) in enumerate(zip(self.laterals, maps, strict=True)):
            feature = lateral(x)
            if i == 1:
                # the deepest two maps have the same size: added as they are, upsamples[0] is idle
                feature = feature + fused[-1]
            elif i > 1:
                feature = feature + self.upsamples[i - 1](fused[-1])
            fused.append(feature)
        return fused, [p(f) for p, f in zip(self.predict, fused, strict=True)]


class IogFineNet(nn.Module):
    """All maps of the pyramid at one size, the deeper ones through more blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.cascade = nn.ModuleList(
            nn.Sequential(
                *(Bottleneck(_WIDTH, 128, _WIDTH, project=True) for _ in range(3 - i)),
                _Resize(_FINE_PX),
            )
            for i in range(4)
        )
        self.final_predict = nn.Sequential(
            Bottleneck(4 * _WIDTH, 128, _WIDTH, project=True),
            nn.Conv2d(_WIDTH, 1, 3, padding=1, bias=False),
            nn.BatchNorm2d(1),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return logits ``(B, 1, 128, 128)``."""
        same = [cascade(x) for cascade, x in zip(self.cascade, maps, strict=True)]
        logits: Tensor = self.final_predict(torch.cat(same, dim=1))
        return logits


def _click_branch() -> nn.Sequential:
    """Return the layers that bring corrections to a sixteenth of the size, 64 channels."""
    plan = ((2, 64, 3, 2), (64, 128, 3, 2), (128, 256, 3, 2), (256, 256, 3, 2), (256, 64, 1, 1))
    return nn.Sequential(*(m for i, o, k, s in plan for m in conv_norm(i, o, k, stride=s)))


class IogNet(nn.Module):
    """RGB and two guidance channels, all in 0..255, at 512x512 pixels, to logits.

    Parameters
    ----------
    refinement : bool, default False
        Whether two further guidance channels, with the corrections, join the deepest map. Its
        strides are those that fit the published shapes; no reference output confirms them.
    """

    def __init__(self, *, refinement: bool = False) -> None:
        super().__init__()
        self.refinement = refinement
        self.Coarse_net = CoarseNet((512, 1024, 512, 256))
        self.Fine_net = IogFineNet()
        self.backbone = IogEncoder()
        self.psp4 = PyramidPooling(2048 + 64 * refinement, 512)
        if refinement:
            self.iog_points = _click_branch()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the fine logits and the four coarse ones, each ``(B, 1, 512, 512)``."""
        deepest, *others = self.backbone(x[:, :5])
        if self.refinement:
            deepest = torch.cat([deepest, self.iog_points(x[:, 5:])], dim=1)
        maps, coarse = self.Coarse_net([self.psp4(deepest), *others])
        fine = resize(self.Fine_net(maps), (SIDE_PX, SIDE_PX))
        return fine, [resize(c, (SIDE_PX, SIDE_PX)) for c in coarse]
