"""The first deep network that took clicks: FCN-8s and FCN-16s with five input channels [1]_, [2]_.

References
----------
.. [1] Xu, N. et al. "Deep interactive object selection", CVPR 2016, arXiv:1603.04042.
.. [2] Long, J., Shelhamer, E., Darrell, T. "Fully convolutional networks for semantic
       segmentation", arXiv:1411.4038.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.vgg import Vgg
from napari_intseg.models.nets.whole_net import WholeNet, smaller

LIMIT_PX = 255.0
"""Where distances to clicks are cut, as in the paper."""


class DiosNet(WholeNet):
    """VGG-16 as a fully convolutional network on colours and two distance maps.

    The previous answer is no input. Where the published network pads the image by 100 pixels and
    cuts the answer, this one pads each layer, as later ones do.

    Parameters
    ----------
    stride : {8, 16}, default 8
        Of the finest features that are scored.
    width : int, default 64
        Of VGG's first block.
    hidden : int, default 4096
        Channels of the two layers that were fully connected.
    """

    def __init__(self, stride: Literal[8, 16] = 8, width: int = 64, hidden: int = 4096) -> None:
        super().__init__(LIMIT_PX, "truncated", stride=stride, width=width, hidden=hidden)
        self.stride = stride
        self.encoder = Vgg(5, width)
        self.fc6 = nn.Conv2d(self.encoder.widths[4], hidden, 7, padding=3)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.score_fr = nn.Conv2d(hidden, 1, 1)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight)
        self.score_pool4 = nn.Conv2d(self.encoder.widths[3], 1, 1)
        if stride == 8:
            self.score_pool3 = nn.Conv2d(self.encoder.widths[2], 1, 1)
        self.dropout = nn.Dropout2d(0.5)
        # new channels and scores begin at zero, as the authors did
        with torch.no_grad():
            self.encoder.get_parameter("conv1_1.weight")[:, 3:] = 0
            for score in (self.score_pool4, *([self.score_pool3] if stride == 8 else [])):
                nn.init.zeros_(score.weight)
                assert score.bias is not None
                nn.init.zeros_(score.bias)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the stride of the finest features; the previous answer is unused."""
        del prev
        *_, pool3, pool4, pool5 = self.encoder(torch.cat((image, maps), 1))
        x = self.dropout(torch.relu(self.fc6(pool5)))
        x = self.score_fr(self.dropout(torch.relu(self.fc7(x))))
        x = smaller(x, pool4) + self.score_pool4(pool4)
        if self.stride == 8:
            x = smaller(x, pool3) + self.score_pool3(pool3)
        scores: Tensor = x
        return scores
