"""The network of DEXTR and DeepGrabCut: ResNet-101 at stride 8 with pyramid pooling.

References
----------
.. [1] Maninis, K.-K. et al. "Deep extreme cut", arXiv:1711.09081.
.. [2] Xu, N. et al. "Deep GrabCut for object selection", arXiv:1707.00243.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.bottleneck import PyramidPooling, bottleneck_layer


class PspHead(PyramidPooling):
    """Pyramid pooling and one logit a position."""

    def __init__(self) -> None:
        super().__init__(2048, 512)
        self.final = nn.Conv2d(512, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, 1, h, w)``."""
        logits: Tensor = self.final(super().forward(x))
        return logits


class PspResNet(nn.Module):
    """RGB and one guidance channel, all in 0..255, to logits at an eighth of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = bottleneck_layer(64, 64, [1] * 3, stride_first=True)
        self.layer2 = bottleneck_layer(256, 128, [1] * 4, stride=2, stride_first=True)
        self.layer3 = bottleneck_layer(512, 256, [2] * 23, stride_first=True)
        self.layer4 = bottleneck_layer(1024, 512, [4] * 3, stride_first=True)
        self.layer5 = PspHead()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, 1, h, w)`` for input ``(B, 4, H, W)``."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4, self.layer5):
            x = layer(x)
        return x
