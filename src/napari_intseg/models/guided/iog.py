"""Inside-outside guidance: a point on the object and a box round it, then corrections.

References
----------
.. [1] Zhang, S. et al. "Interactive object segmentation with inside-outside guidance", CVPR 2020.
.. [2] Chen, Y. et al. "Cascaded pyramid network for multi-person pose estimation",
       arXiv:1711.07319.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.core.prompts import Box, PromptKind
from napari_intseg.core.segmenter import Answer, Array, FloatArray, Prepared, Query, Traits
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision
from napari_intseg.models.guided.dextr import prepare_bytes
from napari_intseg.models.image_input import (
    Extent,
    answer_of,
    bumps,
    cut,
    empty_answer,
    paste,
    resize,
    to_bytes_range,
)
from napari_intseg.models.net_model import NetModel, OnDevice, random_start_skipped
from napari_intseg.models.nets.resnet import Bottleneck, PyramidPooling, bottleneck_layer, conv_norm
from napari_intseg.models.nets.resnet import resize as resize_maps

SIDE_PX = 512
"""The only input size: sizes inside the network are fixed."""
# side and channels of the maps that the fine network joins, as published
_FINE_PX = 128
_WIDTH = 256


class _Resize(nn.Module):
    """Resize to the fine network's size, or to twice the map's."""

    def __init__(self, side: int | None) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        side = self.side
        return resize_maps(x, (side, side) if side else (2 * x.shape[2], 2 * x.shape[3]))


class IogEncoder(nn.Module):
    """ResNet-101 at stride 16, its last stage with dilations 2, 4, 8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(5, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = bottleneck_layer(64, 64, [1] * 3)
        self.layer2 = bottleneck_layer(256, 128, [1] * 4, stride=2)
        self.layer3 = bottleneck_layer(512, 256, [1] * 23, stride=2)
        self.layer4 = bottleneck_layer(1024, 512, [2, 4, 8])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of the four stages, the deepest first."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps[::-1]


class CoarseNet(nn.Module):
    """A feature pyramid with a prediction at each of its four maps."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Sequential(*conv_norm(c, _WIDTH)) for c in channels)
        self.upsamples = nn.ModuleList(
            nn.Sequential(_Resize(None), *conv_norm(_WIDTH, _WIDTH)[:2]) for _ in channels[1:]
        )
        self.predict = nn.ModuleList(
            nn.Sequential(
                *conv_norm(_WIDTH, _WIDTH),
                nn.Conv2d(_WIDTH, 1, 3, padding=1, bias=False),
                _Resize(_FINE_PX),
                nn.BatchNorm2d(1),
            )
            for _ in channels
        )

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the pyramid's maps and the coarse logits, the deepest first."""
        fused: list[Tensor] = []
        for i, (lateral, x) in enumerate(zip(self.laterals, maps, strict=True)):
            feature = lateral(x)
            if i == 1:
                # the deepest two maps have the same size: added as they are, upsamples[0] is idle
                feature = feature + fused[-1]
            elif i > 1:
                feature = feature + self.upsamples[i - 1](fused[-1])
            fused.append(feature)
        return fused, [p(f) for p, f in zip(self.predict, fused, strict=True)]


class IogFineNet(nn.Module):
    """All maps of the pyramid at one size, the deeper ones through more blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.cascade = nn.ModuleList(
            nn.Sequential(
                *(Bottleneck(_WIDTH, 128, _WIDTH, project=True) for _ in range(3 - i)),
                _Resize(_FINE_PX),
            )
            for i in range(4)
        )
        self.final_predict = nn.Sequential(
            Bottleneck(4 * _WIDTH, 128, _WIDTH, project=True),
            nn.Conv2d(_WIDTH, 1, 3, padding=1, bias=False),
            nn.BatchNorm2d(1),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return logits ``(B, 1, 128, 128)``."""
        same = [cascade(x) for cascade, x in zip(self.cascade, maps, strict=True)]
        logits: Tensor = self.final_predict(torch.cat(same, dim=1))
        return logits


def _click_branch() -> nn.Sequential:
    """Return the layers that bring corrections to a sixteenth of the size, 64 channels."""
    plan = ((2, 64, 3, 2), (64, 128, 3, 2), (128, 256, 3, 2), (256, 256, 3, 2), (256, 64, 1, 1))
    return nn.Sequential(*(m for i, o, k, s in plan for m in conv_norm(i, o, k, stride=s)))


class IogNet(nn.Module):
    """RGB and two guidance channels, all in 0..255, at 512x512 pixels, to logits.

    Parameters
    ----------
    refinement : bool, default False
        Whether two further guidance channels, with the corrections, join the deepest map. Its
        strides are those that fit the published shapes; no reference output confirms them.
    """

    def __init__(self, *, refinement: bool = False) -> None:
        super().__init__()
        self.refinement = refinement
        self.Coarse_net = CoarseNet((512, 1024, 512, 256))
        self.Fine_net = IogFineNet()
        self.backbone = IogEncoder()
        self.psp4 = PyramidPooling(2048 + 64 * refinement, 512)
        if refinement:
            self.iog_points = _click_branch()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the fine logits and the four coarse ones, each ``(B, 1, 512, 512)``."""
        deepest, *others = self.backbone(x[:, :5])
        if self.refinement:
            deepest = torch.cat([deepest, self.iog_points(x[:, 5:])], dim=1)
        maps, coarse = self.Coarse_net([self.psp4(deepest), *others])
        fine = resize_maps(self.Fine_net(maps), (SIDE_PX, SIDE_PX))
        return fine, [resize_maps(c, (SIDE_PX, SIDE_PX)) for c in coarse]


# room round the box, and by how much its corners are moved out; both as published
PAD_PX = 30
MARGIN_PX = 10
FRAME = (SIDE_PX, SIDE_PX)

Points = Sequence[tuple[float, float]]


def build(
    name: str, weights: Path | None, *, device: str = "auto", precision: Precision = "auto"
) -> "Iog":
    """Return IOG with a published checkpoint, with or without its refinement branch.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    """
    path = required(weights, name)
    loaded = load_checkpoint(path)
    has_branch = isinstance(loaded, dict) and any(str(k).startswith("iog_points.") for k in loaded)
    with random_start_skipped():
        net = IogNet(refinement=has_branch)
    load_strict(net, loaded, path)
    # it sees one size, so a smaller view needs no less memory
    return Iog(name, OnDevice.quick(net, device, precision, views_px=()))


class Iog(NetModel):
    """A box and a click inside it; further clicks correct.

    The published networks differ: without the refinement branch, corrections are drawn beside
    the first points; with it they enter through the branch. The branch has no reference output
    to compare with: it is built from the paper, unproven.
    """

    def __init__(self, name: str, hosted: OnDevice) -> None:
        self.hosted = hosted
        kinds: frozenset[PromptKind] = frozenset({"box", "click"})
        self.traits = Traits(name, kinds, needs=kinds)

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image as bytes: crops depend on the box."""
        return prepare_bytes(image)

    def predict(self, query: Query) -> Answer:
        """Answer once there are a box and a positive click; until then say what is missing."""
        box, clicks = query.prompts.box, query.prompts.clicks
        first = next((c for c in clicks if c.positive), None)
        if box is None or first is None:
            missing = "a box round the object" if box is None else "a click inside the box"
            return empty_answer(query.prepared.shape, missing)
        extent = padded(box)
        inside = [to_frame((first.row, first.col), extent)]
        more_in = [to_frame((c.row, c.col), extent) for c in clicks if c.positive][1:]
        more_out = [to_frame((c.row, c.col), extent) for c in clicks if not c.positive]
        prob = self.probability(
            query.prepared.payload, extent, inside, corners(box, extent), (more_in, more_out)
        )
        return answer_of(prob)

    def probability(
        self,
        image: Array,
        extent: Extent,
        inside: Points,
        outside: Points,
        corrections: tuple[Points, Points] = ((), ()),
    ) -> FloatArray:
        """Return the probability on the slice; bicubic: may leave [0, 1].

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W, 3)
        extent : (int, int, int, int)
            The crop that becomes the 512x512 frame.
        inside, outside : sequence of (row, col)
            The first click and the four corners, in pixels of the frame.
        corrections : (sequence, sequence)
            Further positive and negative clicks, in pixels of the frame.
        """
        crop = resize(cut(image, extent).astype(np.float32), FRAME, "bilinear")
        with_more = ([*inside, *corrections[0]], [*outside, *corrections[1]])
        net = self.hosted.net
        assert isinstance(net, IogNet)
        if net.refinement:
            # the first points stay apart: they were trained to be the box and the first click alone
            x = np.dstack([crop, guide(inside, outside), guide(*with_more)])
        else:
            x = np.dstack([crop, guide(*with_more)])
        prob = self.hosted.run(x, lambda net, x: net(x)[0].float().sigmoid())[0]
        size = (extent[2] - extent[0] + 1, extent[3] - extent[1] + 1)
        return paste(resize(prob, size, "bicubic"), extent, image.shape[:2])


def padded(box: Box) -> Extent:
    """Return the crop that the network sees: the box and 30 pixels round it."""
    return (
        round(box.row0) - PAD_PX,
        round(box.col0) - PAD_PX,
        round(box.row1) + PAD_PX,
        round(box.col1) + PAD_PX,
    )


def to_frame(position: tuple[float, float], extent: Extent) -> tuple[float, float]:
    """Return a position of the slice in pixels of the 512x512 frame, pixel centres on centres."""
    row = (position[0] - extent[0] + 0.5) * SIDE_PX / (extent[2] - extent[0] + 1) - 0.5
    col = (position[1] - extent[1] + 0.5) * SIDE_PX / (extent[3] - extent[1] + 1) - 0.5
    return row, col


def corners(box: Box, extent: Extent) -> list[tuple[float, float]]:
    """Return the box's corners in the frame, moved out by 10 pixels and cut to it.

    The first and last pixel of the frame whose centre lies in the box are what counts, as if the
    box had been drawn on the slice and resized.
    """
    first = to_frame((round(box.row0) - 0.5, round(box.col0) - 0.5), extent)
    last = to_frame((round(box.row1) + 0.5, round(box.col1) + 0.5), extent)
    low = [max(math.floor(v) + 1 - MARGIN_PX, 0) for v in first]
    high = [min(math.ceil(v) - 1 + MARGIN_PX, SIDE_PX) for v in last]
    return [(float(r), float(c)) for c in (low[1], high[1]) for r in (low[0], high[0])]


def guide(inside: Points, outside: Points) -> FloatArray:
    """Return the two guidance channels, ``(512, 512, 2)`` in 0..255."""
    return to_bytes_range(np.dstack([bumps(inside, FRAME), bumps(outside, FRAME)]))
