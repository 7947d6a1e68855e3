"""FCANet: the first click says where the object is, the later ones correct its outline.

References
----------
.. [1] Lin, Z. et al. "Interactive image segmentation with first click attention", CVPR 2020.
.. [2] Gao, S. et al. "Res2Net: a new multi-scale backbone architecture", arXiv:1904.01169.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Answer, BoolArray, FloatArray, Prepared, Query, Traits
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision
from napari_intseg.models.guided.dextr import prepare_bytes
from napari_intseg.models.image_input import answer_of, empty_answer, resize
from napari_intseg.models.net_model import NetModel, OnDevice, random_start_skipped
from napari_intseg.models.nets.resnet import bottleneck_layer, conv_norm
from napari_intseg.models.nets.resnet import resize as resize_maps

# Gaussians by their full width at half maximum, as DEXTR draws them
_DECAY = 4 * math.log(2)


class Res2Block(nn.Module):
    """A bottleneck whose 3x3 convolution is a chain over four groups of channels [2]_."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        stride: int,
        dilation: int,
        first: bool,
    ) -> None:
        super().__init__()
        self.first, self.width, self.stride = first, width, stride
        self.conv1 = nn.Conv2d(in_channels, width * 4, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width * 4)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
            for _ in range(3)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
        self.conv3 = nn.Conv2d(width * 4, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if first
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with `out_channels`, smaller by the stride."""
        parts = torch.split(F.relu(self.bn1(self.conv1(x))), self.width, dim=1)
        done: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=False):
            # a stage's first block treats its groups apart, the others chain them
            given = part if self.first or not done else part + done[-1]
            done.append(F.relu(norm(conv(given))))
        last = F.avg_pool2d(parts[3], 3, self.stride, padding=1) if self.stride > 1 else parts[3]
        y = self.bn3(self.conv3(torch.cat([*done, last], dim=1)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def res2_layer(
    in_channels: int, width: int, dilations: Sequence[int], *, stride: int = 1
) -> nn.Sequential:
    """Return one stage of Res2Net-101 (26 channels a group, four groups)."""
    out = width * 4
    blocks = [
        Res2Block(
            in_channels if i == 0 else out,
            width * 26 // 64,
            out,
            stride=stride if i == 0 else 1,
            dilation=dilation,
            first=i == 0,
        )
        for i, dilation in enumerate(dilations)
    ]
    return nn.Sequential(*blocks)


class Stem(nn.Module):
    """Everything down to a quarter of the size."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.conv1: nn.Module
        if backbone == "res2net":
            self.conv1 = nn.Sequential(
                *conv_norm(5, 32, 3, stride=2),
                *conv_norm(32, 32, 3),
                nn.Conv2d(32, 64, 3, padding=1, bias=False),
            )
            self.layer1 = res2_layer(64, 64, [1] * 3)
        else:
            self.conv1 = nn.Conv2d(5, 64, 7, stride=2, padding=3, bias=False)
            self.layer1 = bottleneck_layer(64, 64, [1] * 3)
        self.bn1 = nn.BatchNorm2d(64)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with 256 channels."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        out: Tensor = self.layer1(x)
        return out


class Trunk(nn.Module):
    """The last three stages, down to a sixteenth of the size."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        layer = res2_layer if backbone == "res2net" else bottleneck_layer
        self.layer2 = layer(256, 128, [1] * 4, stride=2)
        self.layer3 = layer(512, 256, [1] * 23, stride=2)
        self.layer4 = layer(1024, 512, [2, 4, 8])

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with 2,048 channels."""
        out: Tensor = self.layer4(self.layer3(self.layer2(x)))
        return out


class FirstClick(nn.Module):
    """Six convolutions over the quarter-size map and the first click's map."""

    def __init__(self) -> None:
        super().__init__()
        plan = (
            (257, 256, 2),
            (256, 256, 1),
            (256, 256, 1),
            (256, 512, 2),
            (512, 512, 1),
            (512, 512, 1),
        )
        self.convs = nn.Sequential(
            *(nn.Sequential(*conv_norm(i, o, 3, stride=s)) for i, o, s in plan)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with 512 channels at a sixteenth of the size."""
        out: Tensor = self.convs(x)
        return out


class AtrousUnit(nn.Module):
    """Dilated convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, rate: int) -> None:
        super().__init__()
        kernel, pad = (1, 0) if rate == 1 else (3, rate)
        self.atrous_conv = nn.Conv2d(
            in_channels, 256, kernel, padding=pad, dilation=rate, bias=False
        )
        self.bn = nn.BatchNorm2d(256)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same size."""
        return F.relu(self.bn(self.atrous_conv(x)))


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling with rates 1, 6, 12 and 18."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.aspp1 = AtrousUnit(in_channels, 1)
        self.aspp2 = AtrousUnit(in_channels, 6)
        self.aspp3 = AtrousUnit(in_channels, 12)
        self.aspp4 = AtrousUnit(in_channels, 18)
        self.global_avg_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_norm(in_channels, 256))
        self.conv1 = nn.Conv2d(1280, 256, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(256)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with 256 channels."""
        maps = [unit(x) for unit in (self.aspp1, self.aspp2, self.aspp3, self.aspp4)]
        maps.append(resize_maps(self.global_avg_pool(x), x.shape[2:]))
        return F.relu(self.bn1(self.conv1(torch.cat(maps, dim=1))))


class FcaDecoder(nn.Module):
    """Deep features joined with the quarter-size map."""

    def __init__(self) -> None:
        super().__init__()
        self.side_conv = nn.Sequential(*conv_norm(256, 48))
        self.merge_conv = nn.Sequential(*conv_norm(304, 256, 3), *conv_norm(256, 256, 3))

    def forward(self, deep: Tensor, side: Tensor) -> Tensor:
        """Return a map with 256 channels at a quarter of the size."""
        side = self.side_conv(side)
        out: Tensor = self.merge_conv(torch.cat([resize_maps(deep, side.shape[2:]), side], dim=1))
        return out


class PredictHead(nn.Module):
    """Two 3x3 convolutions and the logit."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.pred_conv = nn.Sequential(
            *conv_norm(in_channels, width, 3), *conv_norm(width, width, 3), nn.Conv2d(width, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, 1, h, w)``."""
        out: Tensor = self.pred_conv(x)
        return out


class FcaNet(nn.Module):
    """First-click attention network.

    Parameters
    ----------
    backbone : {"resnet", "res2net"}
        ResNet-101 or Res2Net-101.
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.backbone_pre = Stem(backbone)
        self.backbone_last = Trunk(backbone)
        self.my_aspp = Aspp(512 + 2048)
        self.my_decoder = FcaDecoder()
        self.pred_decoder = PredictHead(256, 128)
        self.first_conv = FirstClick()
        # trained beside the answer; unused when predicting
        self.first_pred_decoder = PredictHead(512, 256)

    def forward(self, image: Tensor, distances: Tensor) -> Tensor:
        """Return logits of the image's size.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            RGB in [0, 1], not normalised.
        distances : Tensor, shape (B, 3, H, W)
            Pixels to the nearest positive, negative and first click, cut at 255.
        """
        # widths of the Gaussians of positive, negative and first clicks, in pixels, as published
        sigma = torch.tensor([10.0, 10.0, 30.0], device=image.device, dtype=image.dtype)
        near = torch.exp(-_DECAY * distances**2 / sigma[:, None, None] ** 2)
        side = self.backbone_pre(torch.cat([image, near[:, :2]], dim=1))
        first = self.first_conv(torch.cat([side, resize_maps(near[:, 2:], side.shape[2:])], dim=1))
        deep = self.my_aspp(torch.cat([first, self.backbone_last(side)], dim=1))
        return resize_maps(self.pred_decoder(self.my_decoder(deep, side)), image.shape[2:])


# shorter side of what the network sees, and where distances are cut; as published (Lin, Z. et al.,
# CVPR 2020)
SHORTER_PX = 512
FAR_PX = 255.0


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    connected: bool = True,
) -> "FcaNetModel":
    """Return FCANet with a published checkpoint, ResNet-101 or Res2Net-101.

    Parameters
    ----------
    connected : bool, default True
        Keep only parts of the answer that hold a positive click, as published.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    """
    path = required(weights, name)
    loaded = load_checkpoint(path)
    is_res2net = isinstance(loaded, dict) and "backbone_pre.conv1.0.weight" in loaded
    with random_start_skipped():
        net = FcaNet("res2net" if is_res2net else "resnet")
    load_strict(net, loaded, path)
    # it sees one size, so a smaller view needs no less memory
    return FcaNetModel(
        name, OnDevice.quick(net, device, precision, views_px=()), connected=connected
    )


class FcaNetModel(NetModel):
    """Clicks, the first of which is positive; the slice is seen with a shorter side of 512."""

    def __init__(self, name: str, hosted: OnDevice, *, connected: bool = True) -> None:
        self.hosted = hosted
        self.connected = connected
        # no zoom-in: as published it sees the whole image
        self.traits = Traits(name)

    def prepare(self, image: FloatArray) -> Prepared:
        """Resize the image, as bytes."""
        height, width = image.shape[:2]
        shorter = min(height, width)
        # truncated, as the published code does
        size = int(height * SHORTER_PX / shorter), int(width * SHORTER_PX / shorter)
        payload = resize(prepare_bytes(image).payload, size, "bilinear")
        return Prepared((height, width), payload, payload.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer once there is a positive click: the first of them is the one attended to."""
        clicks, shape = query.prompts.clicks, query.prepared.shape
        first = next((c for c in clicks if c.positive), None)
        if first is None:
            return empty_answer(shape, "a click on the object")
        resized = query.prepared.payload
        groups = ([c for c in clicks if c.positive], [c for c in clicks if not c.positive], [first])
        maps = [distances(group, shape, resized.shape[:2]) for group in groups]
        prob = resize(self.probability(resized, maps), shape, "bilinear")
        if self.connected:
            prob[(prob > self.traits.threshold) & ~clicked_parts(prob > 0.5, clicks)] = 0
        return answer_of(prob)

    def logits(self, resized: FloatArray, maps: Sequence[FloatArray]) -> FloatArray:
        """Return logits of an image (0..255) and its three distance maps, all of one size."""
        x = np.dstack([np.asarray(resized, np.float32) / 255, *maps])

        def forward(net: torch.nn.Module, x: Tensor) -> Tensor:
            out: Tensor = net(x[:, :3], x[:, 3:])
            return out

        logits: FloatArray = self.hosted.run(x, forward)[0]
        return logits

    def probability(self, resized: FloatArray, maps: Sequence[FloatArray]) -> FloatArray:
        """Return the probability, see `logits`."""
        return np.asarray(1 / (1 + np.exp(-self.logits(resized, maps))), np.float32)


def distances(clicks: Sequence[Click], shape: tuple[int, int], size: tuple[int, int]) -> FloatArray:
    """Return pixels to the nearest click on the resized image, cut at 255.

    Parameters
    ----------
    clicks : sequence of Click
        In pixels of the slice; those outside it are left out.
    shape, size : (int, int)
        Of the slice and of the resized image. Positions are truncated to whole pixels.
    """
    clear = np.ones(size, bool)
    for click in clicks:
        row, col = click.row * size[0] / shape[0], click.col * size[1] / shape[1]
        if 0 <= row < size[0] and 0 <= col < size[1]:
            clear[int(row), int(col)] = False
    if clear.all():
        return np.full(size, FAR_PX, np.float32)
    return np.asarray(np.minimum(ndimage.distance_transform_edt(clear), FAR_PX), np.float32)


def clicked_parts(mask: BoolArray, clicks: Sequence[Click], *, diagonal: bool = False) -> BoolArray:
    """Return the connected parts of a mask that hold a positive click.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
    clicks : sequence of Click
        Negative ones and those outside do not count.
    diagonal : bool, default False
        Whether pixels that touch at a corner are connected.
    """
    parts, _ = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    kept = set()
    for click in clicks:
        row, col = round(click.row), round(click.col)
        if click.positive and 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1]:
            kept.add(int(parts[row, col]))
    return np.asarray(np.isin(parts, sorted(kept - {0})))
