"""DISIR: annotations and the previous answer as further channels of a small encoder-decoder [1]_.

References
----------
.. [1] Lenczner, G. et al. "Interactive learning for semantic segmentation in Earth observation",
       2020, arXiv:2009.11250, and "DISIR: deep image segmentation with interactive refinement",
       2020, arXiv:2003.14200.
.. [2] Chaurasia, A., Culurciello, E. "LinkNet: exploiting encoder representations for efficient
       semantic segmentation", 2017, arXiv:1707.03718.
"""

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.resnet import BasicBlock
from napari_intseg.models.nets.whole_net import WholeNet, normed, smaller

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
