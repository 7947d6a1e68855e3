"""EdgeFlow: edges of the previous mask guide the next answer, and are answered along with it [1]_.

References
----------
.. [1] Hao, Y. et al. "EdgeFlow: achieving practical interactive segmentation with edge-guided
       flow", ICCV workshops 2021, arXiv:2109.09406.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.hrnet import HRNet, gather
from napari_intseg.models.nets.whole_net import WholeNet, normed, smaller

EDGE_PX = 5
"""Width of the edge of a mask, as in the paper."""


class EdgeFlowNet(WholeNet):
    """A coarse network, HRNet with clicks fused early and late, and a fine one of dilated layers.

    Parameters
    ----------
    width, ocr_width, small
        See `HRNet`; published with 18 and 64.
    """

    def __init__(self, width: int = 18, ocr_width: int = 64, *, small: bool = False) -> None:
        super().__init__(5.0, "disk", width=width, ocr_width=ocr_width, small=small)
        self.encoder = HRNet(width, ocr_width, small=small)
        channels = 2 * ocr_width
        # two click maps, the previous mask, its edge
        self.early = nn.Sequential(normed(4, 64), nn.Conv2d(64, 64, 3, stride=2, padding=1))
        self.late = nn.Sequential(normed(4, channels), normed(channels, channels))
        self.edge = nn.Sequential(normed(channels, ocr_width), nn.Conv2d(ocr_width, 1, 1))
        self.coarse = nn.Sequential(normed(channels + 1, ocr_width), nn.Conv2d(ocr_width, 1, 1))
        fine = max(8, ocr_width // 2)
        self.fine = nn.Sequential(
            normed(3 + 4 + 2, fine),
            *(normed(fine, fine, dilation=dilation) for dilation in (2, 4, 8)),
            nn.Conv2d(fine, 1, 1),
        )

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the image's size."""
        given = torch.cat((maps, prev, edge_of(prev)), 1)
        features = self.encoder.features(image, self.early(given))
        context = self.encoder.aux_head(features)
        pixels = self.encoder.conv3x3_ocr(features)
        pixels = self.encoder.ocr_distri_head(pixels, gather(pixels, context))
        pixels = pixels + self.late(smaller(given, pixels))
        edge = self.edge(pixels)
        coarse = self.coarse(torch.cat((pixels, edge.sigmoid()), 1))
        drawn = smaller(torch.cat((coarse, edge), 1), image)
        x: Tensor = drawn[:, :1] + self.fine(torch.cat((image, given, drawn.sigmoid()), 1))
        return x


def edge_of(prob: Tensor) -> Tensor:
    """Return 1 near the outline of a mask and 0 elsewhere, shape as given."""
    mask = (prob > 0.5).to(prob.dtype)
    grown = F.max_pool2d(mask, EDGE_PX, 1, EDGE_PX // 2)
    shrunk = -F.max_pool2d(-mask, EDGE_PX, 1, EDGE_PX // 2)
    return grown - shrunk
