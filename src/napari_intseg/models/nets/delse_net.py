"""DELSE: a network that says where an outline starts and how it moves, and moves it [1]_.

References
----------
.. [1] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
       2019.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.deeplab import DeepLab, SeparableHead
from napari_intseg.models.nets.itis_net import SPREAD_PX
from napari_intseg.models.nets.resnet import Backbone
from napari_intseg.models.nets.whole_net import WholeNet

STEPS = 5
"""Of the evolution in training and in answers; the paper has as many."""


class DelseNet(WholeNet):
    """DeepLabV3+ with three heads: a first level set, a motion field, a share of curvature.

    Positive clicks are extreme points, or any others; they are drawn as Gaussians.

    Parameters
    ----------
    backbone : str, default "resnet34"
        Published with ResNet-101.
    width : int, default 128
        Channels of the pyramid.
    """

    def __init__(self, backbone: Backbone = "resnet34", width: int = 128) -> None:
        super().__init__(SPREAD_PX, "gaussian", backbone=backbone, width=width)
        self.encoder = DeepLab(backbone, width)
        self.enter = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.heads = nn.ModuleDict(
            {
                name: SeparableHead(width, width // 2, outputs)
                for name, outputs in (("start", 1), ("motion", 2), ("curvature", 1))
            }
        )

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return the level set after its last step as logits, (B, 1, H / 4, W / 4)."""
        extra = self.enter(torch.cat((maps, prev), 1))
        features = self.encoder(image, extra)
        phi: Tensor = self.heads["start"](features)
        motion = torch.tanh(self.heads["motion"](features))
        share = torch.sigmoid(self.heads["curvature"](features))
        for _ in range(STEPS):
            phi = evolved(phi, motion, share)
        return phi


def evolved(phi: Tensor, motion: Tensor, share: Tensor) -> Tensor:
    """Return a level set after one step: carried by a field and smoothed by its curvature.

    Parameters
    ----------
    phi : Tensor, shape (B, 1, H, W)
        Positive inside.
    motion : Tensor, shape (B, 2, H, W)
        Along rows and columns, in [-1, 1].
    share : Tensor, shape (B, 1, H, W)
        Of curvature, in [0, 1].
    """
    rows, cols = slopes(phi)
    steep = torch.sqrt(rows**2 + cols**2 + 1e-6)
    curved = slopes(rows / steep)[0] + slopes(cols / steep)[1]
    return phi + motion[:, :1] * rows + motion[:, 1:] * cols + 0.2 * share * curved * steep


def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return central differences along rows and along columns, of the same shape."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    cols = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return rows, cols
