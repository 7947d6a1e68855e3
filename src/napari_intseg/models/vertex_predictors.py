"""Networks that say where the vertices of an outline belong once one of them was moved.

Curve-GCN [1]_ moves all vertices at once; Polygon-RNN++ [2]_ says vertex after vertex.

References
----------
.. [1] Ling, H. et al. "Fast interactive object annotation with Curve-GCN", CVPR 2019,
       arXiv:1903.06874.
.. [2] Acuna, D. et al. "Efficient interactive annotation of segmentation datasets with
       Polygon-RNN++", CVPR 2018, arXiv:1803.09693.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.core.files import parse_json
from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.models.nets.click_net import normed
from napari_intseg.models.weights.locate import load_strict
from napari_intseg.models.weights.locate import search_folders as search
from napari_intseg.models.weights.store import CURVE_GCN, POLYGON_RNN, find_own, read_metadata


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
        # inputs: features, place, correction, and whether it is the corrected vertex
        self.enter = nn.Linear(width + 2 + 2 + 1, width)
        self.graph = nn.Sequential(*(RingConv(width) for _ in range(4)))
        self.leave = nn.Linear(width, 2)
        # zeros: before it has learnt anything the curve stays
        nn.init.zeros_(self.leave.weight)
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
            # as grid_sample has it: columns first
            at = (ring.flip(-1) * 2 - 1)[:, None]
            read = F.grid_sample(features, at.to(features), align_corners=False)[:, :, 0]
            entered = self.enter(torch.cat((read.transpose(1, 2), ring, shift, given), -1))
            # the corrected vertex stays where the person put it
            ring = ring + self.leave(self.graph(entered)) * (1 - given)
        return ring


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


KINDS: dict[str, type[CurveGcn] | type[PolygonRnn]] = {
    CURVE_GCN: CurveGcn,
    POLYGON_RNN: PolygonRnn,
}
"""By what a weights file says in its metadata, see `write_weights`."""

SIDE_PX = 224
"""Of the crop that a network sees, as in both papers."""

# margin on either side, as a share of the outline's box; as in both papers
_MARGIN = 0.15

Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def load_vertices(where: str | Path) -> "CurveVertices | RnnVertices":
    """Return a predictor from a weights file; it is called as `inference.contour.follow` is.

    Parameters
    ----------
    where : str or Path
        A file, or the name of one of `napari-intseg train --task vertices`.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or of no such network.
    """
    named = {name: path for kind in KINDS for name, path in find_own(search(), kind).items()}
    path = named.get(str(where), Path(where).expanduser())
    state, metadata = load_checkpoint(path), read_metadata(path)
    kind = KINDS.get(metadata.get("architecture", ""))
    if kind is None:
        raise WeightsError(
            f"weights are of another network: expected {' or '.join(KINDS)}, got "
            f"{metadata.get('architecture')!r} in {str(path)!r}. Choose a file of one of them."
        )
    try:
        net = kind(**parse_json(metadata.get("settings", "{}")))
    except (TypeError, ValueError, RuntimeError) as err:
        raise WeightsError(
            f"weights say a size that there is not: expected settings of {kind.__name__}, got "
            f"{metadata.get('settings', '')[:80]!r} in {str(path)!r}. Convert the file again."
        ) from err
    load_strict(net, {n: v.float() if v.is_floating_point() else v for n, v in state.items()}, path)
    net.eval()
    return CurveVertices(net) if isinstance(net, CurveGcn) else RnnVertices(net)


REACH = 2
"""Neighbours on either side that are moved, as in the interactive Curve-GCN."""


def _neighbours(index: int, count: int, reach: int) -> list[int]:
    reach = min(reach, (count - 1) // 2)
    return [(index + step) % count for step in range(-reach, reach + 1) if step]


@dataclass(frozen=True, slots=True, eq=False)
class CurveTask:
    """An outline with one corrected vertex, as `CurveGcn` takes it, and where it belongs.

    Parameters
    ----------
    crop, ring, shift : Tensor
        See `CurveGcn.forward`; of one object.
    near : Tensor, shape (1, N)
        1 for the neighbours that are moved.
    truth : Tensor, shape (1, N, 2)
        The true outline, in [0, 1] of the crop.
    """

    crop: Tensor
    ring: Tensor
    shift: Tensor
    near: Tensor
    truth: Tensor

    def error(self, net: CurveGcn | None) -> float:
        """Return how far the neighbours are off in the mean, moved by a network or left."""
        found = self.ring if net is None else net(self.crop, self.ring, self.shift)
        away = (found - self.truth).norm(dim=-1)
        return float((away * self.near).sum() / self.near.sum())


def curve_task(
    image: FloatArray, before: Points, truth: Points, index: int, *, reach: int = REACH
) -> CurveTask:
    """Return what the network is given once a vertex of `before` is put where it belongs.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, 3)
    before, truth : ndarray of float, shape (N, 2)
        The wrong outline and the true one, (row, col) in pixels, vertex by vertex.
    index : int
        Which one a person moved.
    reach : int
    """
    after, by = before.copy(), truth[index] - before[index]
    after[index] = truth[index]
    crop, origin, size = _crop(image, after)
    near, shift = np.zeros(len(after)), np.zeros_like(after)
    shift[index] = by / size
    around = _neighbours(index, len(after), reach)
    near[around] = 1
    # neighbours begin where they are carried along, the farther the less: better than left
    # (docs/results.md), and what the network then moves them by is little
    away = [min((at - index) % len(after), (index - at) % len(after)) for at in around]
    after[around] += (1 - np.array(away)[:, None] / (max(away, default=0) + 1)) * by
    parts = ((after - origin) / size, shift, near, (truth - origin) / size)
    return CurveTask(crop, *(torch.from_numpy(one).float()[None] for one in parts))


class CurveVertices:
    """Curve-GCN: neighbours of the corrected vertex are moved, the others stay."""

    def __init__(self, net: CurveGcn, reach: int = REACH) -> None:
        self.net, self.reach = net, reach

    def __call__(self, image: FloatArray, before: Points, after: Points, index: int) -> Points:
        """Return the ring with the neighbours moved; see `inference.contour.follow`."""
        task = curve_task(image, before, after, index, reach=self.reach)
        with torch.inference_mode():
            moved = self.net(task.crop, task.ring, task.shift)[0].double().numpy()
        # `before` is the outline but for the vertex that a person moved
        _, origin, size = _crop(image, after)
        out = after.copy()
        at = _neighbours(index, len(after), self.reach)
        out[at] = moved[at] * size + origin
        return out


class RnnVertices:
    """Polygon-RNN++: the vertices that follow the corrected one are predicted anew."""

    def __init__(self, net: PolygonRnn) -> None:
        self.net = net

    def __call__(self, image: FloatArray, before: Points, after: Points, index: int) -> Points:
        """Return the ring up to the corrected vertex, and what the network says follows."""
        del before
        crop, origin, size = _crop(image, after)
        cells = np.clip((after[: index + 1] - origin) / size * GRID, 0, GRID - 1).astype(np.int64)
        known = torch.from_numpy(cells[:, 0] * GRID + cells[:, 1])
        found = self.net.continued(crop, known).numpy()
        places = (np.stack((found // GRID, found % GRID), 1) + 0.5) / GRID * size + origin
        return np.concatenate((after[: index + 1], places))


def _crop(image: FloatArray, ring: Points) -> tuple[Tensor, Points, Points]:
    """Return a square crop as the network takes it, its first pixel, and its size in pixels."""
    low, high = ring.min(0), ring.max(0)
    side = max(2.0, float((high - low).max()) * (1 + 2 * _MARGIN))
    origin = (low + high) / 2 - side / 2
    at = (np.arange(SIDE_PX) + 0.5) / SIDE_PX * side
    # beyond the image its rim is repeated
    rows = np.clip(np.rint(origin[0] + at), 0, image.shape[0] - 1).astype(int)
    cols = np.clip(np.rint(origin[1] + at), 0, image.shape[1] - 1).astype(int)
    seen = torch.from_numpy(np.ascontiguousarray(image[np.ix_(rows, cols)], np.float32))
    return seen.permute(2, 0, 1)[None], origin, np.full((2,), side)
