"""Networks that weigh channels: BiSeNet, PAN, DFN."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.semantic.parts import Gate, SceneTrunk, fit, scaled, step


class BiSeNet(nn.Module):
    """BiSeNet [1]_ on ResNet-18: a path for place and one for context, joined by a gate.

    References
    ----------
    .. [1] Yu, C. et al. "BiSeNet: bilateral segmentation network for real-time semantic
       segmentation", arXiv:1808.00897.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
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
        self.join_gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c, 1), nn.ReLU(inplace=True),
            nn.Conv2d(c, c, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.last = nn.Sequential(step(c, a), nn.Conv2d(a, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        place = self.place(x)
        mid, end = self.encoder(x)[2:]
        above = self.mean(F.adaptive_avg_pool2d(end, 1)).expand(-1, -1, *end.shape[-2:])
        for y, i in ((end, 1), (mid, 0)):
            own = self.refine[i](y)
            own = own * self.gates[i](own)
            above = self.heads[i](own + fit(above, own))
        joined = self.join(torch.cat([place, fit(above, place)], 1))
        joined = joined + joined * self.join_gate(joined)
        return fit(self.last(joined), x)


class PAN(nn.Module):
    """PAN [1]_ on ResNet-50 of stride 16: attention over a pyramid, and gates from above.

    References
    ----------
    .. [1] Li, H. et al. "Pyramid attention network for semantic segmentation", arXiv:1805.10180.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width, stride=16)
        hidden = scaled(256, width)
        last = self.encoder.channels[-1]
        self.middle, self.mean = step(last, hidden, 1), step(last, hidden, 1)
        self.falling = nn.ModuleList([step(last, 8, 7), step(8, 8, 5), step(8, 8, 3)])
        self.level = nn.ModuleList([step(8, 8, 7), step(8, 8, 5), step(8, 8, 3)])
        self.spread = step(8, hidden, 1)
        lower = self.encoder.channels[2::-1]
        self.enter = nn.ModuleList(step(c, hidden) for c in lower)
        self.gates = nn.ModuleList(Gate(hidden, hidden) for _ in lower)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        *lower, end = self.encoder(x)
        above = self._pyramid(end)
        for y, enter, gate in zip(lower[::-1], self.enter, self.gates, strict=True):
            above = enter(y) * gate(above) + fit(above, y)
        return fit(self.last(above), x)

    def _pyramid(self, end: Tensor) -> Tensor:
        sizes, kept = end, []
        for inner in self.falling:
            # of small images the pyramid ends where a pixel is left
            sizes = inner(F.max_pool2d(sizes, 2, ceil_mode=True))
            kept.append(sizes)
        above: Tensor | None = None
        for y, inner in zip(kept[::-1], list(self.level)[::-1], strict=True):
            own = inner(y)
            above = own if above is None else own + fit(above, own)
        assert above is not None
        mean = self.mean(F.adaptive_avg_pool2d(end, 1))
        return cast(Tensor, self.middle(end) * self.spread(fit(above, end)) + mean)


class Residual(nn.Module):
    """DFN's refinement residual block: unify the channels, then correct them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, outputs, 1)
        self.inner = nn.Sequential(
            step(outputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of `outputs` channels."""
        x = self.enter(x)
        return F.relu(x + self.inner(x))


class DFN(nn.Module):
    """DFN's smooth network [1]_ on ResNet-50: each stage is gated by the one above.

    Its border network only adds a loss in training, and is left out.

    References
    ----------
    .. [1] Yu, C. et al. "Learning a discriminative feature network for semantic segmentation",
       arXiv:1804.09337.
    """

    def __init__(self, classes: int, width: float = 1.0, *, depth: int = 50) -> None:
        super().__init__()
        self.encoder = SceneTrunk(depth, width)
        hidden = scaled(512, width)
        self.mean = step(self.encoder.channels[-1], hidden, 1)
        self.enter = nn.ModuleList(Residual(c, hidden) for c in self.encoder.channels)
        self.gates = nn.ModuleList(Gate(2 * hidden, hidden) for _ in self.encoder.channels)
        self.leave = nn.ModuleList(Residual(hidden, hidden) for _ in self.encoder.channels)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, classes, H, W), of an image (B, 3, H, W)."""
        kept = self.encoder(x)
        above = self.mean(F.adaptive_avg_pool2d(kept[-1], 1))
        for i in range(3, -1, -1):
            own = self.enter[i](kept[i])
            above = fit(above, own)
            above = self.leave[i](above + own * self.gates[i](torch.cat([above, own], 1)))
        return fit(self.last(above), x)
