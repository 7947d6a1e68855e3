"""Forte et al.: clicks and the previous alpha into a matting network with a guided filter.

References
----------
.. [1] Forte, M. et al. "Getting to 99% accuracy in interactive segmentation", arXiv:2003.07932.
.. [2] He, K., Sun, J., Tang, X. "Guided image filtering", TPAMI 2013.
.. [3] Qiao, S. et al. "Micro-batch training with batch-channel normalization and weight
       standardization", arXiv:1903.10520.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from napari_intseg.core.prompts import Click, PromptKind
from napari_intseg.core.segmenter import (
    Answer,
    Array,
    FloatArray,
    Prepared,
    Query,
    Traits,
    logit,
    sigmoid,
)
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision
from napari_intseg.models.fcanet import clicked_parts
from napari_intseg.models.image_input import resize
from napari_intseg.models.net_model import NetModel, OnDevice, random_start_skipped
from napari_intseg.models.nets.click_net import IMAGENET_MEAN, IMAGENET_STD

# slope of leaky ReLU below zero; PyTorch's own default
_SLOPE = 0.01


class StandardConv(nn.Conv2d):
    """Convolution with weights of mean 0 and deviation 1 for each output channel [3]_."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x`."""
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        # both numbers as in the published code
        deviation = torch.sqrt(weight.var(dim=(1, 2, 3), keepdim=True) + 1e-12) + 1e-5
        return F.conv2d(
            x,
            weight / deviation,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
        )


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, channels)


class StandardBottleneck(nn.Module):
    """ResNet block with group norm and standardised weights."""

    def __init__(
        self, in_channels: int, width: int, *, stride: int, dilation: int, project: bool
    ) -> None:
        super().__init__()
        out = width * 4
        self.conv1 = StandardConv(in_channels, width, 1, bias=False)
        self.bn1 = _norm(width)
        self.conv2 = StandardConv(
            width, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = _norm(width)
        self.conv3 = StandardConv(width, out, 1, bias=False)
        self.bn3 = _norm(out)
        self.downsample = (
            nn.Sequential(StandardConv(in_channels, out, 1, stride=stride, bias=False), _norm(out))
            if project
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a map with four times `width` channels."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def _stage(in_channels: int, width: int, dilations: list[int], stride: int = 1) -> nn.Sequential:
    blocks = [
        StandardBottleneck(
            in_channels if i == 0 else width * 4,
            width,
            stride=stride if i == 0 else 1,
            dilation=dilation,
            project=i == 0,
        )
        for i, dilation in enumerate(dilations)
    ]
    return nn.Sequential(*blocks)


class ForteEncoder(nn.Module):
    """ResNet-50, dilated so that its deepest map has an eighth of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = StandardConv(9, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = _norm(64)
        self.layer1 = _stage(64, 64, [1] * 3)
        self.layer2 = _stage(256, 128, [1] * 4, stride=2)
        # a stage whose stride became dilation starts with half of it
        self.layer3 = _stage(512, 256, [1] + [2] * 5)
        self.layer4 = _stage(1024, 512, [2, 4, 4])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps at a half (64 channels), a quarter (256) and an eighth (2,048)."""
        half = F.relu(self.bn1(self.conv1(x)))
        quarter = self.layer1(F.max_pool2d(half, 3, stride=2, padding=1))
        return half, quarter, self.layer4(self.layer3(self.layer2(quarter)))


class UserEncoder(nn.Module):
    """Click features and the previous alpha, at three sizes."""

    def __init__(self) -> None:
        super().__init__()
        plan = ((7, 32, 1), (32, 64, 2), (64, 128, 1), (128, 256, 2), (256, 256, 2), (256, 256, 1))
        for i, (given, made, stride) in enumerate(plan, start=1):
            setattr(self, f"conv{i}", nn.Conv2d(given, made, 3, stride=stride, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps at a half, a quarter and an eighth of the size."""
        maps = []
        for i in range(1, 7):
            x = F.leaky_relu(getattr(self, f"conv{i}")(x), _SLOPE)
            maps.append(x)
        return maps[1], maps[3], maps[5]


def _unit(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    conv = StandardConv(in_channels, out_channels, kernel, padding=kernel // 2)
    return [conv, _norm(out_channels), nn.LeakyReLU(_SLOPE)]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ForteDecoder(nn.Module):
    """Pyramid pooling and three steps back to full size."""

    def __init__(self) -> None:
        super().__init__()
        deep = 2048 + 256
        self.usr_encoder = UserEncoder()
        self.ppm = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(n), *_unit(deep, 256, 1)) for n in (1, 2, 3, 6)
        )
        self.conv_up1 = nn.Sequential(*_unit(deep + 4 * 256, 256, 3), *_unit(256, 256, 3))
        self.conv_up2 = nn.Sequential(*_unit(3 * 256, 256, 3))
        self.conv_up3 = nn.Sequential(*_unit(256 + 2 * 64, 64, 3))
        self.conv_up4 = nn.Sequential(
            nn.Conv2d(64 + 3 + 6, 32, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(16, 1, 1),
        )
        self.guided_map_conv1 = nn.Conv2d(5, 64, 1)
        self.guided_map_conv2 = nn.Conv2d(64, 1, 1)

    def guide(self, image: Tensor, features: Tensor) -> Tensor:
        """Return the learnt image that guides the filter, ``(B, 1, H, W)``."""
        # of each channel's three features only the sharpest
        hidden = F.relu(self.guided_map_conv1(torch.cat([image, features[:, ::3]], dim=1)))
        out: Tensor = self.guided_map_conv2(hidden)
        return out

    def forward(
        self, image: Tensor, features: Tensor, prev_alpha: Tensor, maps: tuple[Tensor, ...]
    ) -> Tensor:
        """Return the answer before it is cut to [0, 1]."""
        half, quarter, deep = maps
        user_half, user_quarter, user_deep = self.usr_encoder(torch.cat([features, prev_alpha], 1))
        deep = torch.cat([deep, user_deep], dim=1)
        pooled = [
            F.interpolate(pool(deep), deep.shape[2:], mode="bilinear", align_corners=False)
            for pool in self.ppm
        ]
        x = self.conv_up1(torch.cat([deep, *pooled], dim=1))
        x = self.conv_up2(torch.cat([_double(x), quarter, user_quarter], dim=1))
        x = self.conv_up3(torch.cat([_double(x), half, user_half], dim=1))
        out: Tensor = self.conv_up4(torch.cat([_double(x), image, features], dim=1))
        return out


def _window_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over windows, cut at the border."""
    size = 2 * radius + 1
    return F.avg_pool2d(x, size, stride=1, padding=radius, count_include_pad=False)


def guided_filter(guide: Tensor, x: Tensor, *, radius: int = 2, eps: float = 1e-8) -> Tensor:
    """Smooth `x` along the edges of `guide` [2]_.

    Parameters
    ----------
    guide, x : Tensor, shape (B, 1, H, W)
    radius : int
        Windows have ``2 * radius + 1`` pixels a side.
    eps : float
        Variance of the guide below which it counts as flat.
    """
    mean_g, mean_x = _window_mean(guide, radius), _window_mean(x, radius)
    covariance = _window_mean(guide * x, radius) - mean_g * mean_x
    variance = _window_mean(guide * guide, radius) - mean_g * mean_g
    slope = covariance / (variance + eps)
    offset = mean_x - slope * mean_g
    return _window_mean(slope, radius) * guide + _window_mean(offset, radius)


class ForteNet(nn.Module):
    """Image, clicks and the previous alpha to the next alpha."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ForteEncoder()
        self.decoder = ForteDecoder()

    def raw(self, image: Tensor, features: Tensor, prev_alpha: Tensor) -> Tensor:
        """Return the answer before clamping and filtering; arguments as in `forward`."""
        maps = self.encoder(torch.cat([image, features], dim=1))
        out: Tensor = self.decoder(image, features, prev_alpha, maps)
        return out

    def forward(
        self, image: Tensor, features: Tensor, prev_alpha: Tensor, clicks: Tensor
    ) -> Tensor:
        """Return the alpha in [0, 1], ``(B, 1, H, W)``.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            Normalised by ImageNet's mean and deviation; sides are multiples of 32.
        features : Tensor, shape (B, 6, H, W)
            Three Gaussians of the background clicks, three of the foreground clicks.
        prev_alpha : Tensor, shape (B, 1, H, W)
            The previous answer in [0, 1].
        clicks : Tensor, shape (B, 2, H, W)
            1 at background (channel 0) and foreground clicks (channel 1).
        """
        alpha = self.raw(image, features, prev_alpha).clamp(0, 1)
        # clicked pixels are certain before the filter spreads them along edges
        alpha = alpha.masked_fill(clicks[:, :1] == 1, 0.0).masked_fill(clicks[:, 1:] == 1, 1.0)
        return guided_filter(self.decoder.guide(image, features), alpha).clamp(0, 1)


# the encoder halves sides and the decoder doubles them; other sides would not meet
STEP_PX = 32
"""Both sides of what the network sees are multiples of it."""
REACH_PX = (0.02 * 352, 0.08 * 352, 0.16 * 352)
"""Standard deviations of the three Gaussians of a click."""
LONGER_PX = 1024

_PROMPTS: frozenset[PromptKind] = frozenset({"click", "mask"})


def build(
    name: str, weights: Path | None, *, device: str = "auto", precision: Precision = "auto"
) -> "Forte":
    """Return the network with its published checkpoint.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    """
    path = required(weights, name)
    with random_start_skipped():
        net = ForteNet()
    load_strict(net, load_checkpoint(path), path)
    return Forte(name, OnDevice.quick(net, device, precision))


class Forte(NetModel):
    """Clicks and the previous answer; slices above 1,024 pixels are seen smaller."""

    def __init__(self, name: str, hosted: OnDevice) -> None:
        self.hosted = hosted
        self.traits = Traits(name, _PROMPTS, longer_side_px=LONGER_PX, uses_prev=True)

    def prepare(self, image: FloatArray) -> Prepared:
        """Stretch the image to multiples of 32 pixels and normalise it."""
        size = _stretched(image.shape[:2])
        payload = resize(np.asarray(image, np.float64), size, "lanczos")
        payload = np.asarray((payload - IMAGENET_MEAN) / np.array(IMAGENET_STD), np.float32)
        return Prepared((image.shape[0], image.shape[1]), payload, payload.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer; parts without a positive click are dropped. The exact alpha is the state."""
        clicks, shape = query.prompts.clicks, query.prepared.shape
        given = click_map(clicks, shape)
        alpha = self._previous(query)
        # before and after the network: the previous answer may come from elsewhere, with loose
        # parts
        alpha = np.where(_dropped(alpha, clicks), 0.0, alpha)
        image = query.prepared.payload
        size = image.shape[:2]
        marks = resize(given.astype(np.float64), size, "nearest")
        features = click_features(marks)
        prev = resize(alpha, size, "lanczos")
        x = np.dstack([image, features, prev, marks])
        alpha = resize(self.hosted.run(x, _forward)[0], shape, "bilinear").astype(np.float64)
        alpha[given[..., 0]], alpha[given[..., 1]] = 0.0, 1.0
        alpha[_dropped(alpha, clicks)] = 0.0
        # the logits are cut and rounded; the network wants its own alpha back exactly
        return Answer(logit(np.asarray(alpha, np.float32)), state=alpha)

    @staticmethod
    def _previous(query: Query) -> Array:
        if query.state is not None:
            return np.array(query.state, np.float64)
        if query.prev_logits is None:
            return np.zeros(query.prepared.shape)
        return sigmoid(query.prev_logits).astype(np.float64)


def click_map(clicks: Sequence[Click], shape: tuple[int, int]) -> Array:
    """Return bool (H, W, 2), true at negative clicks (channel 0) and positive ones (channel 1)."""
    given = np.zeros((*shape, 2), bool)
    for click in clicks:
        row, col = round(click.row), round(click.col)
        if 0 <= row < shape[0] and 0 <= col < shape[1]:
            given[row, col, int(click.positive)] = True
    return given


def click_features(marks: Array) -> FloatArray:
    """Return three Gaussians round the clicks of each channel, ``(H, W, 6)``; zero without any."""
    features = np.zeros((*marks.shape[:2], 6), np.float32)
    for channel in range(2):
        if marks[..., channel].any():
            away = ndimage.distance_transform_edt(marks[..., channel] == 0)
            for i, reach in enumerate(REACH_PX):
                features[..., 3 * channel + i] = np.exp(-(away**2) / (2 * reach**2))
    return features


def _stretched(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = (math.ceil(n / STEP_PX) * STEP_PX for n in shape[:2])
    return height, width


def _dropped(alpha: Array, clicks: Sequence[Click]) -> Array:
    """Return all but the parts of the object that are connected with a positive click."""
    if not any(c.positive for c in clicks):
        return np.zeros(alpha.shape, bool)
    return np.asarray(~clicked_parts(alpha > 0.5, clicks, diagonal=True))


def _forward(net: nn.Module, x: Tensor) -> Tensor:
    image, features, prev, marks = torch.split(x, [3, 6, 1, 2], dim=1)
    out: Tensor = net(image, features, prev, marks)
    return out
