"""Forte et al.: clicks and the previous alpha into a matting network with a guided filter.

References
----------
.. [1] Forte, M. et al. "Getting to 99% accuracy in interactive segmentation", arXiv:2003.07932.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
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
from napari_intseg.models.memory_saving import NetModel, OnDevice
from napari_intseg.models.nets.click_net import IMAGENET_MEAN, IMAGENET_STD
from napari_intseg.models.nets.forte_net import ForteNet

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
