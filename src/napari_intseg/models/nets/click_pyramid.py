"""Our own click network: the image is encoded once, clicks pass a light pyramid of their own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_intseg.models.nets.lite0 import CHANNELS, Depthwise, Lite0

WIDTHS = (16, 48, 96, 160, 224)
"""Channels of the click pyramid at strides 2, 4, 8, 16 and 32."""

RADIUS_PX = 5
"""Clicks are disks of this radius, in pixels of the view."""

HEADS = 4
HEAD_DIM = 16

STRIDE = 32
"""Height and width of a view must be multiples of it."""


class ConvNorm(nn.Module):
    """A convolution and batch normalisation; `fold` makes one convolution of both."""

    def __init__(self, inp: int, out: int, kernel: int = 1, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inp, out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised response."""
        y: Tensor = self.norm(self.conv(x))
        return y

    def fold(self) -> None:
        """Put the normalisation into the convolution, for answers only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class WideBlock(nn.Module):
    """A wide depthwise filter and two pointwise layers, added to the input."""

    def __init__(self, width: int, *, kernel: int = 5, expansion: int = 2) -> None:
        super().__init__()
        self.depthwise = Depthwise(width, kernel)
        self.expand = ConvNorm(width, width * expansion)
        self.project = nn.Conv2d(width * expansion, width, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        y: Tensor = self.project(self.act(self.expand(self.depthwise(x))))
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
        self.embed = nn.Conv2d(width, HEADS * HEAD_DIM, 1)
        self.read = ConvNorm(2 * HEADS, width)
        self.stride = stride

    def look(self, features: Tensor) -> Tensor:
        """Return unit vectors (B, heads, dim, h * w) of features (B, width, h, w)."""
        b, _, h, w = features.shape
        return F.normalize(self.embed(features).float().view(b, HEADS, HEAD_DIM, h * w), dim=2)

    def forward(self, looked: Tensor, clicks: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return features (B, width, h, w) from unit vectors and clicks (B, N, 3)."""
        b, n = clicks.shape[:2]
        h, w = shape
        row = (clicks[..., 0] / self.stride).floor().long().clamp(0, h - 1)
        col = (clicks[..., 1] / self.stride).floor().long().clamp(0, w - 1)
        at = (row * w + col)[:, None, None, :].expand(b, HEADS, HEAD_DIM, n)
        keys = looked.gather(3, at)
        likeness = torch.einsum("bhdn,bhdp->bhnp", keys, looked)
        sign = clicks[..., 2][:, None, :, None]
        best = [
            torch.where(sign == s, likeness, likeness.new_full((), -1.0)).amax(2) for s in (1, -1)
        ]
        kind = self.embed.weight.dtype
        y: Tensor = self.read(torch.cat(best, 1).view(b, 2 * HEADS, h, w).to(kind))
        return y


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
        self.fine = nn.Sequential(
            Depthwise(w2, 3),
            ConvNorm(w2, w2 * 2),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Conv2d(w2 * 2, 1, 3, padding=1)

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
        taps = self.encoder(image * 2 - 1)
        maps = [lateral(tap) for lateral, tap in zip(self.lateral, taps, strict=True)]
        return [*maps, *self._look(maps)]

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
        prompt = torch.cat((draw_disks(clicks, prev.shape[2:]).to(prev), prev), 1)
        prompt = prompt.to(maps[0].dtype, memory_format=torch.channels_last)
        fine = F.relu(self.prompt_mix(F.relu(self.prompt(prompt) + maps[0])))
        x, ways = fine, list[Tensor]()
        for level in range(4):
            here = self.down[level](x) + maps[level + 1]
            if level in (1, 2):
                unit = looked[level - 1]
                here = here + self.similar[level - 1](unit, clicks, here.shape[2:]).to(here)
            x = self.inner[level](F.relu(here))
            ways.append(x)
        for step, skip in enumerate((ways[2], ways[1], ways[0])):
            x = self.outer[step](F.relu(_double(self.up[step](x)) + skip))
        x = self.outer[3](x)
        x = self.fine(F.relu(_double(self.up[3](x)) + fine))
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


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def draw_disks(clicks: Tensor, shape: tuple[int, int] | torch.Size) -> Tensor:
    """Return maps (B, 2, H, W) of clicks (B, N, 3): disks on the object, disks off it.

    Nothing in it waits for a device: no place is looked up by a mask.
    """
    b, (h, w) = len(clicks), shape
    reach = torch.arange(-RADIUS_PX, RADIUS_PX + 1, device=clicks.device)
    rows, cols = (one.flatten() for one in torch.meshgrid(reach, reach, indexing="ij"))
    inside = rows**2 + cols**2 <= RADIUS_PX**2
    row = clicks[..., 0].round().long()[..., None] + rows
    col = clicks[..., 1].round().long()[..., None] + cols
    sign = clicks[..., 2][..., None].expand_as(row)
    drawn = inside & (row >= 0) & (row < h) & (col >= 0) & (col < w) & (sign != 0)
    batch = torch.arange(b, device=clicks.device)[:, None, None].expand_as(row)
    at = ((batch * 2 + (sign < 0).long()) * h + row) * w + col
    at = torch.where(drawn, at, b * 2 * h * w)  # all that is not drawn, beyond the end
    maps = torch.zeros(b * 2 * h * w + 1, device=clicks.device)
    maps.index_fill_(0, at.flatten(), 1.0)
    return maps[:-1].view(b, 2, h, w)
