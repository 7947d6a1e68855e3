"""The fine network of EdgeFlow: dilated layers at full size.

References
----------
.. [1] Hao, Y. et al. "EdgeFlow: achieving practical interactive segmentation with edge-guided
       flow", ICCV workshops 2021, arXiv:2109.09406.
"""

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.resnet import conv


class FineNet(nn.Module):
    """Three dilated layers on image, clicks and the coarse answer, at full size."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.atrous1, self.atrous2, self.atrous3 = (self._atrous(inputs, d) for d in (1, 2, 3))
        self.final_predict = nn.Sequential(FineBlock(48, 32), conv(64, 1, 3), nn.BatchNorm2d(1))

    @staticmethod
    def _atrous(inputs: int, dilation: int) -> nn.Sequential:
        return nn.Sequential(
            conv(inputs, 32, 3, dilation=dilation), nn.PReLU(), nn.BatchNorm2d(32),
            conv(32, 16, 1), nn.PReLU(), nn.BatchNorm2d(16),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the same size."""
        found = [layer(x) for layer in (self.atrous1, self.atrous2, self.atrous3)]
        logits: Tensor = self.final_predict(torch.cat(found, 1))
        return logits


class FineBlock(nn.Module):
    """Two 1x1 convolutions and a shortcut; the published files hold a third that is not used."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 2 * width, 1), nn.BatchNorm2d(2 * width)
        self.downsample = nn.Sequential(conv(inputs, 2 * width, 1), nn.BatchNorm2d(2 * width))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of ``2 * width`` channels."""
        y = self.bn3(self.conv3(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))
