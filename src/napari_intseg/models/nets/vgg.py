"""VGG-16, the encoder of the first deep networks that took clicks.

References
----------
.. [1] Simonyan, K., Zisserman, A. "Very deep convolutional networks for large-scale image
       recognition", arXiv:1409.1556.
"""

import torch.nn.functional as F
from torch import Tensor, nn

DEPTHS = (2, 2, 3, 3, 3)


def vgg_widths(width: int) -> tuple[int, ...]:
    """Return the channels of the five blocks; published with a width of 64."""
    return tuple(width * factor for factor in (1, 2, 4, 8, 8))


class Vgg(nn.Module):
    """Five blocks of convolutions, each followed by a halving; named as Caffe's files are.

    Parameters
    ----------
    inputs : int
        Channels of the image and what comes with it.
    width : int, default 64
        Channels of the first block.
    blocks : int, default 5
        How many of the five.
    """

    def __init__(self, inputs: int = 3, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.widths = vgg_widths(width)[:blocks]
        for number, (outputs, depth) in enumerate(zip(self.widths, DEPTHS, strict=False), 1):
            for layer in range(1, depth + 1):
                conv = nn.Conv2d(inputs, outputs, 3, padding=1)
                nn.init.kaiming_normal_(conv.weight)  # nothing normalises between the layers
                setattr(self, f"conv{number}_{layer}", conv)
                inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of each block after its halving, at strides 2, 4, …."""
        found = []
        for number in range(1, len(self.widths) + 1):
            for layer in range(1, DEPTHS[number - 1] + 1):
                x = F.relu(getattr(self, f"conv{number}_{layer}")(x))
            x = F.max_pool2d(x, 2, ceil_mode=True)
            found.append(x)
        return found
