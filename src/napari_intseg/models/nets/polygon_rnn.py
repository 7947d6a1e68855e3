"""Polygon-RNN++: a recurrent network says vertex after vertex, from those before [1]_.

References
----------
.. [1] Acuna, D. et al. "Efficient interactive annotation of segmentation datasets with
       Polygon-RNN++", CVPR 2018, arXiv:1803.09693.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.whole_net import normed

GRID = 28
"""Cells of the grid that vertices lie on, to a side, as in the paper."""


class ConvLstm(nn.Module):
    """A convolutional LSTM cell."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(inputs + width, 4 * width, 3, padding=1)
        self.width = width

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return the new state, hidden and cell, both (B, width, GRID, GRID)."""
        if state is None:
            zero = x.new_zeros(len(x), self.width, *x.shape[-2:])
            state = zero, zero
        into, keep, out, new = self.gates(torch.cat((x, state[0]), 1)).chunk(4, 1)
        cell = torch.sigmoid(keep) * state[1] + torch.sigmoid(into) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(cell), cell


class PolygonRnn(nn.Module):
    """Encoder, two LSTM layers, and a score of each cell and of the end.

    Parameters
    ----------
    width : int, default 64
        Channels of the encoder; published with a ResNet-50.
    hidden : int, default 16
        Channels of the LSTM; published with 64 and 16.
    """

    def __init__(self, width: int = 64, hidden: int = 16) -> None:
        super().__init__()
        self.settings = {"width": width, "hidden": hidden}
        self.encoder = nn.Sequential(
            normed(3, width // 2), nn.MaxPool2d(2), normed(width // 2, width), nn.MaxPool2d(2),
            normed(width, width), nn.MaxPool2d(2), normed(width, width),
        )  # fmt: skip
        # the two vertices before, and the first one
        self.first, self.second = ConvLstm(width + 3, hidden), ConvLstm(hidden, hidden)
        self.score = nn.Linear(hidden * GRID * GRID, GRID * GRID + 1)

    def features(self, image: Tensor) -> Tensor:
        """Return features (B, width, GRID, GRID) of a crop (B, 3, H, W)."""
        return F.adaptive_avg_pool2d(self.encoder(image), GRID)

    def scores(self, features: Tensor, cells: Tensor) -> Tensor:
        """Return scores of what follows each vertex, (B, N, GRID² + 1); the last ends the polygon.

        Parameters
        ----------
        features : Tensor, shape (B, width, GRID, GRID)
        cells : Tensor of int64, shape (B, N)
            Vertices in order, as ``row * GRID + col``.
        """
        maps = F.one_hot(cells, GRID * GRID).view(*cells.shape, GRID, GRID).to(features)
        one: tuple[Tensor, Tensor] | None = None
        two: tuple[Tensor, Tensor] | None = None
        out = []
        for i in range(cells.shape[1]):
            given = torch.stack((maps[:, i], maps[:, max(0, i - 1)], maps[:, 0]), 1)
            one = self.first(torch.cat((features, given), 1), one)
            two = self.second(one[0], two)
            out.append(self.score(two[0].flatten(1)))
        return torch.stack(out, 1)

    @torch.no_grad()
    def continued(self, image: Tensor, cells: Tensor, *, most: int = 70) -> Tensor:
        """Return the vertices that follow those given, (n,) of cells; one image at a time.

        The polygon ends where the network says so, or after `most` vertices, as in the paper.
        """
        features, known = self.features(image), cells[None]
        while known.shape[1] < most:
            chosen = int(self.scores(features, known)[0, -1].argmax())
            if chosen == GRID * GRID:
                break
            known = torch.cat((known, known.new_tensor([[chosen]])), 1)
        return known[0, len(cells) :]
