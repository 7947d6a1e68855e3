"""EdgeFlow: edges of the previous mask guide the next answer, and are answered along with it [1]_.

Names of parameters follow the authors' files, but for those of Paddle's own layers; what those are
here stands in `models/weights/recognise.py`.

References
----------
.. [1] Hao, Y. et al. "EdgeFlow: achieving practical interactive segmentation with edge-guided
       flow", ICCV workshops 2021, arXiv:2109.09406.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import map_branch
from napari_intseg.models.nets.click_net import WholeNet, enlarge, normed
from napari_intseg.models.nets.hrnet import HRNet, gather, resize_to
from napari_intseg.models.nets.resnet import conv


class FineNet(nn.Module):
    """Three dilated layers on image, clicks and the coarse answer, at full size."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.atrous1, self.atrous2, self.atrous3 = (self._atrous(inputs, d) for d in (1, 2, 3))
        self.final_predict = nn.Sequential(FineBlock(48, 32), conv(64, 1, 3), nn.BatchNorm2d(1))

    @staticmethod
    def _atrous(inputs: int, dilation: int) -> nn.Sequential:
        return nn.Sequential(
            conv(inputs, 32, 3, dilation=dilation), nn.PReLU(), nn.BatchNorm2d(32),
            conv(32, 16, 1), nn.PReLU(), nn.BatchNorm2d(16),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the same size."""
        found = [layer(x) for layer in (self.atrous1, self.atrous2, self.atrous3)]
        logits: Tensor = self.final_predict(torch.cat(found, 1))
        return logits


class FineBlock(nn.Module):
    """Two 1x1 convolutions and a shortcut; the published files hold a third that is not used."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 2 * width, 1), nn.BatchNorm2d(2 * width)
        self.downsample = nn.Sequential(conv(inputs, 2 * width, 1), nn.BatchNorm2d(2 * width))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of ``2 * width`` channels."""
        y = self.bn3(self.conv3(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


EDGE_PX = 5
"""Width of the edge of a mask: that of a click's disk."""

# channels of the edge's layers, whatever the rest is; as in the authors' files
_WIDE, _NARROW = 256, 48


class EdgeFlowNet(WholeNet):
    """A coarse network, HRNet with clicks fused early and late, and a fine one of dilated layers.

    Parameters
    ----------
    width, ocr_width, small
        See `HRNet`; published with 18 and 64.
    """

    def __init__(self, width: int = 18, ocr_width: int = 64, *, small: bool = False) -> None:
        super().__init__(5.0, "disk", width=width, ocr_width=ocr_width, small=small)
        self.maps_transform = map_branch(3, leaky=True)
        self.feature_extractor = EdgeHRNet(width, ocr_width, small=small)
        self.finenet = FineNet(3 + 3 + 2)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the image's size."""
        given = torch.cat((edge_of(prev), maps), 1)
        coarse, edge = drawn_edges(self.feature_extractor, image, self.maps_transform(given))
        shape = (image.shape[-2], image.shape[-1])
        drawn = enlarge(torch.cat((coarse, edge), 1), shape).sigmoid().to(image.dtype)
        logits: Tensor = self.finenet(torch.cat((image, given, drawn), 1))
        return logits


class EdgeHRNet(HRNet):
    """HRNet whose features meet those of the clicks twice, and which answers an edge as well."""

    def __init__(self, width: int, ocr_width: int, *, small: bool) -> None:
        super().__init__(width, ocr_width, small=small)
        channels = 2 * ocr_width
        # of the four branches, each twice as wide as the one before
        joined = (1 + 2 + 4 + 8) * width
        self.warp1_conv = nn.Sequential(
            conv(64, 256, 3, stride=2), nn.BatchNorm2d(256), nn.ReLU(inplace=True)
        )
        self.warp1_align = Align(256)
        self.warp2_conv = normed(256, joined)
        self.warp2_align = Align(joined)
        self.edge = SqueezeBody(channels)
        self.edge_fusion = nn.Conv2d(2 * channels, _WIDE, 1, bias=False)
        self.edge_out = nn.Sequential(normed(_WIDE, _NARROW), nn.Conv2d(_NARROW, 1, 1, bias=False))


def drawn_edges(net: EdgeHRNet, image: Tensor, clicked: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits of the object and of its edge, both (B, 1, H / 4, W / 4)."""
    x = torch.relu(net.bn1(net.conv1(image))) + clicked
    x = net.layer1(torch.relu(net.bn2(net.conv2(x))))
    clicked = net.warp1_align(net.warp1_conv(clicked), x)
    xs = net.stage2(net._enter(net.transition1, [clicked + x]))
    xs = net.stage3(net._enter(net.transition2, xs))
    xs = net.stage4(net._enter(net.transition3, xs))
    features = torch.cat([resize_to(branch, xs[0]) for branch in xs], 1)
    features = net.warp2_align(net.warp2_conv(clicked), features) + features
    pixels = net.conv3x3_ocr(features)
    told = net.ocr_distri_head(pixels, gather(pixels, net.aux_head(features)))
    edge = net.edge_fusion(torch.cat((net.edge(told), pixels), 1))
    return net.cls_head(told), net.edge_out(edge)


class Align(nn.Module):
    """Move features to where those of the clicks want them, by a flow that both say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down_h = nn.Conv2d(channels, channels, 1, bias=False)
        self.down_l = nn.Conv2d(channels, channels, 1, bias=False)
        self.flow_make = conv(2 * channels, 2, 3)

    def forward(self, clicked: Tensor, features: Tensor) -> Tensor:
        """Return the features, moved."""
        both = torch.cat((self.down_h(features), self.down_l(clicked)), 1)
        return warped(features, self.flow_make(both))


class SqueezeBody(nn.Module):
    """What is left of features when their body, smooth and moved inwards, is taken away: edges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Sequential(*(self._half(channels) for _ in range(2)))
        self.flow_make = conv(2 * channels, 2, 3)

    @staticmethod
    def _half(channels: int) -> nn.Sequential:
        layer = nn.Conv2d(channels, channels, 3, stride=2, groups=channels)
        return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        small = x
        for half in self.down:
            # padded as Paddle's "same" does: the odd pixel goes behind
            missing = [max(0, (-(-n // 2) - 1) * 2 + 3 - n) for n in small.shape[-2:]]
            rows, cols = missing
            ends = (cols // 2, cols - cols // 2, rows // 2, rows - rows // 2)
            small = half(F.pad(small, ends))
        body = F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)
        return x - warped(x, self.flow_make(torch.cat((x, body), 1)))


def warped(x: Tensor, flow: Tensor) -> Tensor:
    """Return features read a flow's pixels away, which is (B, 2, H, W), columns first."""
    height, width = x.shape[-2:]
    rows = torch.linspace(-1, 1, height, device=x.device)
    cols = torch.linspace(-1, 1, width, device=x.device)
    grid = torch.stack(torch.meshgrid(rows, cols, indexing="ij")[::-1], -1)
    # divided by the size and not by half of it, as in the authors' code
    size = torch.tensor([width, height], device=x.device, dtype=torch.float32)
    moved = grid + flow.float().permute(0, 2, 3, 1) / size
    # in float32: half precision is too coarse for positions
    return F.grid_sample(x.float(), moved, align_corners=True).to(x.dtype)


def edge_of(prob: Tensor) -> Tensor:
    """Return 1 near the outline of a mask and 0 elsewhere, shape as given."""
    mask = (prob > 0.5).to(prob.dtype)
    grown = F.max_pool2d(mask, EDGE_PX, 1, EDGE_PX // 2)
    # erosion is dilation of the rest
    shrunk = -F.max_pool2d(-mask, EDGE_PX, 1, EDGE_PX // 2)
    return grown - shrunk
