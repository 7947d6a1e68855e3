"""Curve-GCN: a graph network on a closed curve moves its vertices by the image's features [1]_.

References
----------
.. [1] Ling, H. et al. "Fast interactive object annotation with Curve-GCN", CVPR 2019,
       arXiv:1903.06874.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.whole_net import normed


class RingConv(nn.Module):
    """A graph convolution on a ring, with its input added."""

    def __init__(self, width: int, neighbours: int = 4) -> None:
        super().__init__()
        steps = range(1, neighbours // 2 + 1)
        self.steps = [step for n in steps for step in (n, -n)]
        self.own = nn.Linear(width, width)
        self.others = nn.Linear(width, width)
        self.again = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of vertices, shape (B, N, C) as given."""
        mean = torch.stack([x.roll(step, 1) for step in self.steps]).mean(0)
        return torch.relu(x + self.again(torch.relu(self.own(x) + self.others(mean))))


class CurveGcn(nn.Module):
    """Features at the vertices, their places and the correction pass a graph network.

    Published with a ResNet-50 and 40 vertices; the encoder here is small.

    Parameters
    ----------
    width : int, default 64
        Channels of encoder and graph.
    rounds : int, default 2
        How often the curve is moved.
    """

    def __init__(self, width: int = 64, rounds: int = 2) -> None:
        super().__init__()
        self.settings = {"width": width, "rounds": rounds}
        self.encoder = nn.Sequential(
            normed(3, width // 2), nn.MaxPool2d(2), normed(width // 2, width), nn.MaxPool2d(2),
            normed(width, width), *(normed(width, width, dilation=d) for d in (2, 4)),
        )  # fmt: skip
        # features, place, correction, whether it is the corrected vertex
        self.enter = nn.Linear(width + 2 + 2 + 1, width)
        self.graph = nn.Sequential(*(RingConv(width) for _ in range(4)))
        self.leave = nn.Linear(width, 2)
        nn.init.zeros_(self.leave.weight)  # at first the curve stays
        nn.init.zeros_(self.leave.bias)
        self.rounds = rounds

    def forward(self, image: Tensor, ring: Tensor, shift: Tensor) -> Tensor:
        """Return where the vertices belong, (B, N, 2).

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            RGB in [0, 1], cropped round the curve.
        ring : Tensor, shape (B, N, 2)
            Rows and columns in [0, 1] of the crop, the corrected vertex where it was put.
        shift : Tensor, shape (B, N, 2)
            How far each was moved by a person; zero but for the corrected one.
        """
        features = self.encoder(image)
        given = (shift.abs().sum(-1, keepdim=True) > 0).to(ring)
        for _ in range(self.rounds):
            at = (ring.flip(-1) * 2 - 1)[:, None]  # as grid_sample has it: columns first
            read = F.grid_sample(features, at.to(features), align_corners=False)[:, :, 0]
            entered = self.enter(torch.cat((read.transpose(1, 2), ring, shift, given), -1))
            ring = ring + self.leave(self.graph(entered)) * (1 - given)
        return ring
