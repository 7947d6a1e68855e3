"""Networks that say where the vertices of an outline belong once one of them was moved."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.models.nets.curve_gcn import CurveGcn
from napari_intseg.models.nets.polygon_rnn import GRID, PolygonRnn
from napari_intseg.models.weights.locate import load_strict
from napari_intseg.models.weights.user_trained import read_metadata

KINDS: dict[str, type[CurveGcn] | type[PolygonRnn]] = {
    "curve-gcn-1": CurveGcn,
    "polygon-rnn-1": PolygonRnn,
}
"""By what a weights file says in its metadata, see `write_weights`."""

SIDE_PX = 224
"""Of the crop that a network sees, as in both papers."""

_MARGIN = 0.15  # of the outline's box on either side, as in both papers

Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def load_vertices(path: Path) -> "CurveVertices | RnnVertices":
    """Return a predictor from a weights file; it is called as `inference.vertices.follow` is.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or of no such network.
    """
    state, metadata = load_checkpoint(path), read_metadata(path)
    kind = KINDS.get(metadata.get("architecture", ""))
    if kind is None:
        raise WeightsError(
            f"weights are of another network: expected {' or '.join(KINDS)}, got "
            f"{metadata.get('architecture')!r} in {str(path)!r}. Choose a file of one of them."
        )
    net = kind(**json.loads(metadata.get("settings", "{}")))
    load_strict(net, {n: v.float() if v.is_floating_point() else v for n, v in state.items()}, path)
    net.eval()
    return CurveVertices(net) if isinstance(net, CurveGcn) else RnnVertices(net)


class CurveVertices:
    """Curve-GCN: neighbours of the corrected vertex are moved, the others stay."""

    def __init__(self, net: CurveGcn, reach: int = 2) -> None:
        self.net, self.reach = net, reach

    def __call__(self, image: FloatArray, before: Points, after: Points, index: int) -> Points:
        """Return the ring with the neighbours moved; see `inference.vertices.follow`."""
        crop, origin, size = _crop(image, after)
        shift = np.zeros_like(after)
        shift[index] = (after[index] - before[index]) / size
        ring = (after - origin) / size
        with torch.inference_mode():
            moved = self.net(crop, *(torch.from_numpy(v).float()[None] for v in (ring, shift)))
        out = after.copy()
        count = min(self.reach, (len(after) - 1) // 2)
        for step in (*range(-count, 0), *range(1, count + 1)):
            at = (index + step) % len(after)
            out[at] = moved[0, at].numpy() * size + origin
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
    rows = np.clip(np.rint(origin[0] + at), 0, image.shape[0] - 1).astype(int)
    cols = np.clip(np.rint(origin[1] + at), 0, image.shape[1] - 1).astype(int)
    seen = torch.from_numpy(np.ascontiguousarray(image[np.ix_(rows, cols)], np.float32))
    return seen.permute(2, 0, 1)[None], origin, np.full((2,), side)
