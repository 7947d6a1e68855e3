"""ITIS: DeepLabV3+ on colours, Gaussians of the clicks and distances to the previous mask [1]_.

References
----------
.. [1] Mahadevan, S., Voigtlaender, P., Leibe, B. "Iteratively trained interactive segmentation",
       BMVC 2018, arXiv:1805.04398.
"""

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import distance_map
from napari_intseg.models.nets.deeplab import DeepLab, SeparableHead
from napari_intseg.models.nets.resnet import Backbone
from napari_intseg.models.nets.whole_net import WholeNet

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
