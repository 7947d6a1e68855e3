"""Click networks on residual networks: ITIS [1]_, DELSE [2]_ and DISIR [3]_.

References
----------
.. [1] Mahadevan, S., Voigtlaender, P., Leibe, B. "Iteratively trained interactive segmentation",
       BMVC 2018, arXiv:1805.04398.
.. [2] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
       2019.
.. [3] Lenczner, G. et al. "Interactive learning for semantic segmentation in Earth observation",
       2020, arXiv:2009.11250, and "DISIR: deep image segmentation with interactive refinement",
       2020, arXiv:2003.14200.
.. [4] Chaurasia, A., Culurciello, E. "LinkNet: exploiting encoder representations for efficient
       semantic segmentation", 2017, arXiv:1707.03718.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import distance_map
from napari_intseg.models.nets.click_net import WholeNet, normed, smaller
from napari_intseg.models.nets.deeplab import DeepLab, SeparableHead
from napari_intseg.models.nets.resnet import Backbone, BasicBlock

SPREAD_PX = 10.0
"""Standard deviation of the Gaussians, as in the paper."""


class ItisNet(WholeNet):
    """DeepLabV3+ whose first convolution sees six channels; published with Xception-65.

    The three that are not colours have a first convolution of their own, whose answer is added:
    that is the same as one convolution of all six.

    Parameters
    ----------
    backbone : str, default "resnet34"
        One of `BACKBONES` of the residual networks.
    width : int, default 128
        Channels of the pyramid.
    """

    def __init__(self, backbone: Backbone = "resnet34", width: int = 128) -> None:
        super().__init__(SPREAD_PX, "gaussian", backbone=backbone, width=width)
        self.encoder = DeepLab(backbone, width)
        self.enter = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.head = SeparableHead(width, width // 2)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H / 4, W / 4)."""
        mask = distance_map(prev.float()).to(maps)
        extra = self.enter(torch.cat((maps, mask), 1))
        logits: Tensor = self.head(self.encoder(image, extra))
        return logits


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
    # where the function is flat there is no direction; the small number avoids 0 / 0
    steep = torch.sqrt(rows**2 + cols**2 + 1e-6)
    curved = slopes(rows / steep)[0] + slopes(cols / steep)[1]
    # 0.2, the weight of curvature in `core.contour_evolution`
    return phi + motion[:, :1] * rows + motion[:, 1:] * cols + 0.2 * share * curved * steep


def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return central differences along rows and along columns, of the same shape."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    cols = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return rows, cols


DISK_PX = 5.0
"""Radius of an annotation; the paper has small disks or distances, and finds them alike."""


class DisirNet(WholeNet):
    """LinkNet on colours, annotations of either class, and the previous answer.

    Parameters
    ----------
    width : int, default 64
        Channels of the first of four stages, as in LinkNet.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__(DISK_PX, "disk", width=width)
        widths = [width * factor for factor in (1, 2, 4, 8)]
        self.enter = nn.Sequential(
            nn.Conv2d(3 + 2 + 1, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        )  # fmt: skip
        before = [width, *widths[:-1]]
        self.encoder = nn.ModuleList(
            nn.Sequential(
                BasicBlock(inputs, outputs, stride=1 if number == 0 else 2),
                BasicBlock(outputs, outputs),
            )
            for number, (inputs, outputs) in enumerate(zip(before, widths, strict=True))
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(
                normed(inputs, inputs // 4, 1), normed(inputs // 4, inputs // 4),
                normed(inputs // 4, outputs, 1),
            )
            for inputs, outputs in zip(widths[::-1], [*widths[-2::-1], width], strict=True)
        )  # fmt: skip
        self.leave = nn.Sequential(normed(width, width // 2), nn.Conv2d(width // 2, 1, 1))

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H / 2, W / 2)."""
        x = self.enter(torch.cat((image, maps, prev), 1))
        ways = [x]
        for stage in self.encoder:
            x = stage(x)
            ways.append(x)
        # the features of a stage's beginning are added to what comes back to it
        for stage, way in zip(self.decoder, ways[-2::-1], strict=True):
            x = smaller(stage(x), way) + way
        x = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        logits: Tensor = self.leave(x)
        return logits
