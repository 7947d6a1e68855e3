"""Networks that name the class of every pixel from its context, on ResNet and HRNet.

Context heads (PSPNet, DeepLab v2, v3, v3+, FastFCN), several resolutions (RefineNet, ICNet, HRNet
with and without OCR), weighed channels (BiSeNet, PAN, DFN).

Options other than `depth` are for published files of other projects, which build some of these
networks a little differently; `models.networks.LAYOUTS` says which takes what. `corners` is how
maps are resized, corners on corners or not; `trunk` goes to `SceneTrunk`.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.hrnet import Distribute, HRNet
from napari_intseg.models.nets.semantic_parts import (
    AtrousPyramid,
    DeepGate,
    Gate,
    ScenePooling,
    SceneTrunk,
    caffe_colours,
    fit,
    scaled,
    separable,
    step,
)

Trunk = Mapping[str, Any]
_AS_IT_IS: Trunk = MappingProxyType({})


class SceneFCN(nn.Module):
    """FCN [1]_ on ResNet-50 of stride 8, as torchvision has it.

    Parameters
    ----------
    convs : int
        Before the classes are told.
    joined : bool
        Whether what they were given is joined to what they answer, by one more.

    References
    ----------
    .. [1] Long, J. et al. "Fully convolutional networks for semantic segmentation",
       arXiv:1411.4038.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        convs: int = 1,
        joined: bool = False,
        corners: bool | None = None,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.corners = corners
        self.encoder = SceneTrunk(depth, width, **{"stride": 8, **trunk})
        last, hidden = self.encoder.channels[-1], scaled(512, width)
        self.convs = nn.Sequential(*(step(hidden if i else last, hidden) for i in range(convs)))
        self.join = step(last + hidden, hidden) if joined else None
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = self.encoder(x)[-1]
        y = self.convs(kept)
        if self.join is not None:
            y = self.join(torch.cat([kept, y], 1))
        return fit(self.last(y), x, self.corners)


class PSPNet(nn.Module):
    """PSPNet [1]_ on ResNet-50 of stride 8.

    References
    ----------
    .. [1] Zhao, H. et al. "Pyramid scene parsing network", arXiv:1612.01105.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        corners: bool | None = None,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.corners = corners
        self.encoder = SceneTrunk(depth, width, **{"stride": 8, "stem": "wide", **trunk})
        last = self.encoder.channels[-1]
        self.pool = ScenePooling(last, last // 4, corners=corners)
        hidden = scaled(512, width)
        self.join = step(self.pool.channels, hidden)
        self.drop = nn.Dropout2d(0.1)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        y = self.join(self.pool(self.encoder(x)[-1]))
        return fit(self.last(self.drop(y)), x, self.corners)


class DeepLabV2(nn.Module):
    """DeepLab v2 [1]_ on ResNet-101: four dilated classifiers are summed; without its CRF.

    Where it is `published`, it sees an image as the port to PyTorch does: in Caffe's colours, and
    at three sizes, of whose scores each pixel has the greatest.

    References
    ----------
    .. [1] Chen, L.-C. et al. "DeepLab: semantic image segmentation with deep convolutional nets,
       atrous convolution, and fully connected CRFs", arXiv:1606.00915.
    """

    def __init__(
        self, classes: int, width: float = 1.0, *, depth: int = 101, published: bool = False,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.published = published
        self.encoder = SceneTrunk(depth, width, **{"stride": 8, **trunk})
        last = self.encoder.channels[-1]
        # the four rates of "ASPP-L" in the paper
        self.heads = nn.ModuleList(
            nn.Conv2d(last, classes, 3, padding=rate, dilation=rate) for rate in (6, 12, 18, 24)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        x = caffe_colours(x) if self.published else x
        scores = self.scores(x)
        for share in (0.5, 0.75) if self.published else ():
            smaller = F.interpolate(x, scale_factor=share, mode="bilinear", align_corners=False)
            scores = torch.maximum(scores, fit(self.scores(smaller), scores))
        return fit(scores, x)

    def scores(self, x: Tensor) -> Tensor:
        """Return scores of stride 8, of one size of the image."""
        y = self.encoder(x)[-1]
        return torch.stack([head(y) for head in self.heads]).sum(dim=0)


class DeepLabV3(nn.Module):
    """DeepLab v3 [1]_ on ResNet-50 of stride 16.

    References
    ----------
    .. [1] Chen, L.-C. et al. "Rethinking atrous convolution for semantic image segmentation",
       arXiv:1706.05587.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        hidden: int = 256,
        pyramid: Mapping[str, Any] = _AS_IT_IS,
        convs: int = 1,
        corners: bool | None = None,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.corners = corners
        self.encoder = SceneTrunk(depth, width, **{"stride": 16, **trunk})
        inner = scaled(hidden, width)
        self.context = AtrousPyramid(self.encoder.channels[-1], inner, **pyramid)
        self.join = step(inner, inner) if convs else nn.Identity()
        self.last = nn.Conv2d(inner, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        return fit(self.last(self.join(self.context(self.encoder(x)[-1]))), x, self.corners)


class DeepLabV3Plus(nn.Module):
    """DeepLab v3+ [1]_ on ResNet-50 of stride 16: v3 with a decoder.

    References
    ----------
    .. [1] Chen, L.-C. et al. "Encoder-decoder with atrous separable convolution for semantic image
       segmentation", arXiv:1802.02611.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        hidden: int = 256,
        pyramid: Mapping[str, Any] = _AS_IT_IS,
        split: bool = False,
        corners: bool | None = None,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.corners = corners
        self.encoder = SceneTrunk(depth, width, **{"stride": 16, **trunk})
        # 48 channels of the finer features, the best of those that the paper compares
        inner, low = scaled(hidden, width), scaled(48, width)
        self.context = AtrousPyramid(self.encoder.channels[-1], inner, **pyramid)
        self.low = step(self.encoder.channels[0], low, 1)
        self.join = nn.Sequential(*(
            separable(n, inner, relu=True) if split else step(n, inner)
            for n in (inner + low, inner)
        ))  # fmt: skip
        self.last = nn.Conv2d(inner, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = self.encoder(x)
        low = self.low(kept[0])
        y = torch.cat([fit(self.context(kept[-1]), low, self.corners), low], 1)
        return fit(self.last(self.join(y)), x, self.corners)


class FastFCN(nn.Module):
    """FastFCN [1]_: joint pyramid upsampling on ResNet-50, then the head of DeepLab v3.

    References
    ----------
    .. [1] Wu, H. et al. "FastFCN: rethinking dilated convolution in the backbone for semantic
       segmentation", arXiv:1903.11816.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        context: Literal["pyramid", "joined pyramid", "pooling"] = "pyramid",
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, **{"stride": 32, **trunk})
        hidden = scaled(512, width)
        self.enter = nn.ModuleList(step(c, hidden) for c in self.encoder.channels[1:])
        self.dilated = nn.ModuleList(separable(3 * hidden, hidden, rate) for rate in (1, 2, 4, 8))
        inner = scaled(256, width) if context == "pyramid" else hidden
        self.context: nn.Module
        if context == "pooling":
            pool = ScenePooling(4 * hidden, hidden, corners=False)
            self.context = nn.Sequential(pool, step(pool.channels, inner))
        elif context == "pyramid":
            self.context = AtrousPyramid(4 * hidden, inner)
        else:
            self.context = AtrousPyramid(4 * hidden, inner, (12, 24, 36), size=3)
        self.last = nn.Conv2d(inner, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = [inner(y) for inner, y in zip(self.enter, self.encoder(x)[1:], strict=True)]
        joined = torch.cat([fit(y, kept[0]) for y in kept], 1)
        y = torch.cat([inner(joined) for inner in self.dilated], 1)
        return fit(self.last(self.context(y)), x)


class UPerNet(nn.Module):
    """UPerNet [1]_ on ResNet-50: pooled context on top of a pyramid of features.

    References
    ----------
    .. [1] Xiao, T. et al. "Unified perceptual parsing for scene understanding", arXiv:1807.10221.
    """

    def __init__(
        self, classes: int, width: float = 1.0, *, depth: int = 50, trunk: Trunk = _AS_IT_IS
    ) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, **trunk)
        hidden = scaled(512, width)
        self.pool = ScenePooling(self.encoder.channels[-1], hidden, corners=False)
        self.top = step(self.pool.channels, hidden)
        self.enter = nn.ModuleList(step(c, hidden, 1) for c in self.encoder.channels[:-1])
        self.leave = nn.ModuleList(step(hidden, hidden) for _ in self.encoder.channels[:-1])
        self.join = step(4 * hidden, hidden)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        *lower, end = self.encoder(x)
        maps = [enter(y) for enter, y in zip(self.enter, lower, strict=True)]
        maps.append(self.top(self.pool(end)))
        for i in (2, 1, 0):
            maps[i] = maps[i] + fit(maps[i + 1], maps[i])
        out = [leave(y) for leave, y in zip(self.leave, maps[:3], strict=True)]
        joined = self.join(torch.cat([fit(y, out[0]) for y in (*out, maps[3])], 1))
        return fit(self.last(joined), x)


class Units(nn.Module):
    """RefineNet's residual convolution units, without normalisation."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1),
                nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(count)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        for part in self.parts:
            x = x + part(x)
        return x


class Refine(nn.Module):
    """One stage of RefineNet: adapt, fuse with what is above, pool in a chain, adapt again.

    With `chain` and `units` of more than the paper says, as the authors' models for ResNet-101
    have; of these the first stage, which fuses nothing, has no convolution for it.
    """

    def __init__(
        self, inputs: int, above: int, channels: int, *, chain: int = 2, units: int = 1
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1), Units(channels, 2))
        fuse = nn.Conv2d(channels, channels, 3, padding=1)
        self.fuse_own = fuse if above or units == 1 else nn.Identity()
        self.fuse_above = nn.Conv2d(above, channels, 3, padding=1) if above else None
        self.chain = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(chain)
        )
        self.leave = Units(channels, units)

    def forward(self, own: Tensor, above: Tensor | None, corners: bool | None) -> Tensor:
        """Return maps at the resolution of `own`."""
        x = self.fuse_own(self.enter(own))
        if self.fuse_above is not None and above is not None:
            x = x + fit(self.fuse_above(above), x, corners)
        x = F.relu(x)
        path = x
        for inner in self.chain:
            # windows of 5 that keep the size, as in the paper: the chain sees ever larger
            # surroundings
            path = inner(F.max_pool2d(path, 5, 1, 2))
            x = x + path
        return cast(Tensor, self.leave(x))


class RefineNet(nn.Module):
    """RefineNet [1]_ on ResNet-50, four stages in a cascade; `chain` and `units` as in `Refine`.

    References
    ----------
    .. [1] Lin, G. et al. "RefineNet: multi-path refinement networks for high-resolution semantic
       segmentation", arXiv:1611.06612.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        chain: int = 2,
        units: int = 1,
        corners: bool | None = None,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.corners = corners
        self.encoder = SceneTrunk(depth, width, **trunk)
        wide, narrow = scaled(512, width), scaled(256, width)
        a, b, c, d = self.encoder.channels
        sizes = ((d, 0, wide), (c, wide, narrow), (b, narrow, narrow), (a, narrow, narrow))
        self.stages = nn.ModuleList(Refine(*size, chain=chain, units=units) for size in sizes)
        self.last = nn.Conv2d(narrow, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        above: Tensor | None = None
        for stage, own in zip(self.stages, self.encoder(x)[::-1], strict=True):
            above = stage(own, above, self.corners)
        assert above is not None
        return fit(self.last(above), x)


class ICNet(nn.Module):
    """ICNet [1]_: a deep path sees a quarter of the image, a middle one half, a thin one all.

    References
    ----------
    .. [1] Zhao, H. et al. "ICNet for real-time semantic segmentation on high-resolution images",
       arXiv:1704.08545.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        fuller: bool = False,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, **{"stride": 8, **trunk})
        half, last = self.encoder.channels[1], self.encoder.channels[3]
        hidden, thin = scaled(128, width), scaled(32, width)
        self.pool = ScenePooling(last, last // 4, corners=False if fuller else None)
        self.deep = step(self.pool.channels, 2 * hidden, 1)
        self.middle: nn.Module = nn.Identity()
        self.head: nn.Module = nn.Identity()
        if fuller:
            self.deep = nn.Sequential(
                step(self.pool.channels, 4 * hidden), step(4 * hidden, 2 * hidden, 1)
            )
            self.middle, half = step(half, 2 * hidden, 1), 2 * hidden
            self.head = step(hidden, hidden)
        self.thin = nn.Sequential(
            step(3, thin, stride=2), step(thin, thin, stride=2), step(thin, 2 * thin, stride=2)
        )
        after = [nn.ReLU()] if fuller else []
        self.dilated = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c, hidden, 3, padding=2, dilation=2, bias=False), nn.BatchNorm2d(hidden),
                *after,
            )
            for c in (2 * hidden, hidden)
        )  # fmt: skip
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, hidden, 1, bias=False), nn.BatchNorm2d(hidden), *after)
            for c in (half, 2 * thin)
        )
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        # the deep path shares its first two stages with the middle one
        halved = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
        trunk = self.encoder
        middle = trunk.stage(2, trunk.stage(1, trunk.enter(halved)))
        small = F.interpolate(middle, scale_factor=0.5, mode="bilinear", align_corners=False)
        above = self.deep(self.pool(trunk.stage(4, trunk.stage(3, small))))
        sides = (self.middle(middle), self.thin(x))
        for own, dilated, enter in zip(sides, self.dilated, self.enter, strict=True):
            side = enter(own)
            above = F.relu(dilated(fit(above, side)) + side)
        return fit(self.last(self.head(above)), x)


class HRNetSemantic(nn.Module):
    """HRNet-W48 [1]_, with the object context of OCR [2]_ where it is asked for.

    References
    ----------
    .. [1] Wang, J. et al. "Deep high-resolution representation learning for visual recognition",
       arXiv:1908.07919.
    .. [2] Yuan, Y. et al. "Object-contextual representations for semantic segmentation",
       arXiv:1909.11065.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        context: bool = False,
        branch: int = 48,
        small: bool = False,
        corners: bool | None = None,
    ) -> None:
        super().__init__()
        self.encoder = HRNet(
            branch if branch != 48 else scaled(48, width), 0, small=small,
            corners=corners is not False,
        )  # fmt: skip
        # its head is for one object
        del self.encoder.cls_head
        channels, hidden = self.encoder.channels, scaled(512, width)
        self.context = context
        self.head = step(channels, channels, 1)
        self.aux = nn.Conv2d(channels, classes, 1)
        if context:
            self.enter = step(channels, hidden)
            self.objects = Distribute(hidden, hidden // 2)
            self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        y = self.encoder.features(x)
        first = self.aux(self.head(y))
        if not self.context:
            return fit(first, x)
        pixels = self.enter(y)
        # (B, classes, hw): where each class is
        weights = first.flatten(2).softmax(-1)
        regions = torch.matmul(pixels.flatten(2), weights.transpose(1, 2))[..., None]
        return fit(self.last(self.objects(pixels, regions)), x)


class BiSeNet(nn.Module):
    """BiSeNet [1]_ on ResNet-18: a path for place and one for context, joined by a gate.

    References
    ----------
    .. [1] Yu, C. et al. "BiSeNet: bilateral segmentation network for real-time semantic
       segmentation", arXiv:1808.00897.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        late: Literal["", "bilinear", "nearest"] = "",
        short_gate: bool = False,
        hidden: int = 64,
        corners: bool | None = None,
    ) -> None:
        super().__init__()
        self.late, self.corners = late, corners
        a, b, c = (scaled(n, width) for n in (64, 128, 256))
        self.place = nn.Sequential(
            step(3, a, 7, stride=2), step(a, a, stride=2), step(a, a, stride=2), step(a, b, 1)
        )
        self.encoder = SceneTrunk(18, width)
        ends = self.encoder.channels[2:]
        self.refine = nn.ModuleList(step(n, b) for n in ends)
        self.gates = nn.ModuleList(Gate(b, b) for _ in ends)
        self.mean = step(ends[1], b, 1)
        self.heads = nn.ModuleList(step(b, b) for _ in ends)
        self.join = step(2 * b, c, 1)
        inner = step(c, c, 1) if short_gate else nn.Sequential(
            nn.Conv2d(c, c, 1), nn.ReLU(inplace=True), nn.Conv2d(c, c, 1)
        )  # fmt: skip
        self.join_gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), *inner, nn.Sigmoid())
        inner_width = scaled(hidden, width)
        self.last = nn.Sequential(step(c, inner_width), nn.Conv2d(inner_width, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        place = self.place(x)
        near, mid, end = self.encoder(x)[1:]
        above = self.mean(F.adaptive_avg_pool2d(end, 1)).expand(-1, -1, *end.shape[-2:])
        for y, i, finer in ((end, 1, mid), (mid, 0, near)):
            own = self.refine[i](y)
            own = own * self.gates[i](own)
            if self.late:
                above = self.heads[i](self._grown(own + above, finer))
            else:
                above = self.heads[i](own + fit(above, own))
        joined = self.join(torch.cat([place, fit(above, place)], 1))
        joined = joined + joined * self.join_gate(joined)
        return fit(self.last(joined), x, self.corners)

    def _grown(self, x: Tensor, like: Tensor) -> Tensor:
        if self.late == "bilinear":
            return fit(x, like, self.corners)
        return F.interpolate(x, size=like.shape[-2:], mode="nearest")


class PAN(nn.Module):
    """PAN [1]_ on ResNet-50 of stride 16: attention over a pyramid, and gates from above.

    Parameters
    ----------
    published : bool
        As segmentation_models.pytorch builds it: one channel in the pyramid, 32 in the decoder, and
        classes told by 3x3.

    References
    ----------
    .. [1] Li, H. et al. "Pyramid attention network for semantic segmentation", arXiv:1805.10180.
    """

    def __init__(
        self, classes: int, width: float = 1.0, *, depth: int = 50, published: bool = False,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.corners = published
        self.encoder = SceneTrunk(depth, width, **{"stride": 16, **trunk})
        hidden, n = scaled(32 if published else 256, width), 1 if published else 8
        last = self.encoder.channels[-1]
        made = partial(step, bias=published)
        self.middle, self.mean = made(last, hidden, 1), made(last, hidden, 1)
        # 7, 5 and 3 pixels on ever smaller maps, as in the paper
        self.falling = nn.ModuleList([made(last, n, 7), made(n, n, 5), made(n, n, 3)])
        self.level = nn.ModuleList([made(n, n, 7), made(n, n, 5), made(n, n, 3)])
        self.spread = nn.Identity() if published else step(n, hidden, 1)
        lower = self.encoder.channels[2::-1]
        self.enter = nn.ModuleList(made(c, hidden) for c in lower)
        self.gates = nn.ModuleList(Gate(hidden, hidden, bias=published) for _ in lower)
        size = 3 if published else 1
        self.last = nn.Conv2d(hidden, classes, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        *lower, end = self.encoder(x)
        above = self._pyramid(end)
        for y, enter, gate in zip(lower[::-1], self.enter, self.gates, strict=True):
            above = enter(y) * gate(above) + fit(above, y, self.corners)
        return fit(self.last(above), x, self.corners)

    def _pyramid(self, end: Tensor) -> Tensor:
        sizes, kept = end, []
        for inner in self.falling:
            # of small images the pyramid ends where a pixel is left
            up = not self.corners or min(sizes.shape[2:]) < 2
            sizes = inner(F.max_pool2d(sizes, 2, ceil_mode=up))
            kept.append(sizes)
        above: Tensor | None = None
        for y, inner in zip(kept[::-1], list(self.level)[::-1], strict=True):
            own = inner(y)
            above = own if above is None else own + fit(above, own, self.corners)
        assert above is not None
        mean = self.mean(F.adaptive_avg_pool2d(end, 1))
        spread = self.spread(fit(above, end, self.corners))
        return cast(Tensor, self.middle(end) * spread + mean)


class Residual(nn.Module):
    """DFN's refinement residual block: unify the channels, then correct them."""

    def __init__(self, inputs: int, outputs: int, *, relu: bool = True) -> None:
        super().__init__()
        self.relu = relu
        self.enter = nn.Conv2d(inputs, outputs, 1)
        self.inner = nn.Sequential(
            step(outputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of `outputs` channels."""
        x = self.enter(x)
        y = cast(Tensor, x + self.inner(x))
        return F.relu(y) if self.relu else y


class DFN(nn.Module):
    """DFN's smooth network [1]_ on ResNet-50: each stage is gated by the one above.

    Its border network only adds a loss in training, and is left out.

    References
    ----------
    .. [1] Yu, C. et al. "Learning a discriminative feature network for semantic segmentation",
       arXiv:1804.09337.
    """

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        *,
        depth: int = 50,
        published: bool = False,
        corners: bool | None = None,
        trunk: Trunk = _AS_IT_IS,
    ) -> None:
        super().__init__()
        self.corners = corners
        self.encoder = SceneTrunk(depth, width, **trunk)
        hidden = scaled(512, width)
        gate = DeepGate if published else Gate
        self.mean = step(self.encoder.channels[-1], hidden, 1)
        self.enter = nn.ModuleList(Residual(c, hidden) for c in self.encoder.channels)
        self.gates = nn.ModuleList(gate(2 * hidden, hidden) for _ in self.encoder.channels)
        self.leave = nn.ModuleList(Residual(hidden, hidden) for _ in self.encoder.channels)
        # nine maps a class in the authors' code
        inner = 9 * classes if published else hidden
        self.head = Residual(hidden, inner, relu=False) if published else nn.Identity()
        self.last = nn.Conv2d(inner, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = self.encoder(x)
        above = self.mean(F.adaptive_avg_pool2d(kept[-1], 1))
        for i in range(3, -1, -1):
            own = self.enter[i](kept[i])
            above = fit(above, own, self.corners)
            above = self.leave[i](above + own * self.gates[i](torch.cat([above, own], 1)))
        return fit(self.last(self.head(above)), x, self.corners)
