"""Click networks of the papers before RITM, on VGG-16 and on residual networks.

On VGG [1]_ DIOS [2]_ [3]_, FCTSFN [4]_, RIS-Net [5]_, latent diversity [11]_ and revolver [10]_,
whose annotations are on other images; on residual networks ITIS [6]_, DELSE [7]_ and DISIR [8]_
[9]_.

References
----------
.. [1] Simonyan, K., Zisserman, A. "Very deep convolutional networks for large-scale image
       recognition", arXiv:1409.1556.
.. [2] Xu, N. et al. "Deep interactive object selection", CVPR 2016, arXiv:1603.04042.
.. [3] Long, J., Shelhamer, E., Darrell, T. "Fully convolutional networks for semantic
       segmentation", arXiv:1411.4038.
.. [4] Hu, Y., Soltoggio, A., Lock, R., Carter, S. "A fully convolutional two-stream fusion network
       for interactive image segmentation", Neural Networks 109, 2019, arXiv:1807.02480.
.. [5] Liew, J. H. et al. "Regional interactive image segmentation networks", ICCV 2017.
.. [6] Mahadevan, S., Voigtlaender, P., Leibe, B. "Iteratively trained interactive segmentation",
       BMVC 2018, arXiv:1805.04398.
.. [7] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
       2019.
.. [8] Lenczner, G. et al. "Interactive learning for semantic segmentation in Earth observation",
       2020, arXiv:2009.11250, and "DISIR: deep image segmentation with interactive refinement",
       2020, arXiv:2003.14200.
.. [9] Chaurasia, A., Culurciello, E. "LinkNet: exploiting encoder representations for efficient
       semantic segmentation", 2017, arXiv:1707.03718.
.. [10] Rakelly, K. et al. "Few-shot segmentation propagation with guided networks", 2018,
       arXiv:1806.07373.
.. [11] Li, Z., Chen, Q., Koltun, V. "Interactive image segmentation with latent diversity", CVPR
       2018.
"""

import math
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import distance_map
from napari_intseg.models.nets.click_net import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    WholeNet,
    normed,
    smaller,
)
from napari_intseg.models.nets.deeplab import DeepLab, SeparableHead, XceptionDeepLab
from napari_intseg.models.nets.resnet import Backbone, BasicBlock
from napari_intseg.models.nets.resnet import layer as blocks
from napari_intseg.models.nets.semantic_parts import (
    CAFFE_PADDING,
    caffe_colours,
    colours,
    grown_from_zero,
    scaled,
)

# convolutions of the five blocks (arXiv:1409.1556)
DEPTHS = (2, 2, 3, 3, 3)


def vgg_widths(width: int) -> tuple[int, ...]:
    """Return the channels of the five blocks; published with a width of 64."""
    return tuple(width * factor for factor in (1, 2, 4, 8, 8))


class Vgg(nn.Module):
    """Five blocks of convolutions, each followed by a halving; named as Caffe's files are.

    Parameters
    ----------
    inputs : int
        Channels of the image and what comes with it.
    width : int, default 64
        Channels of the first block.
    blocks : int, default 5
        How many of the five.
    """

    def __init__(self, inputs: int = 3, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.widths = vgg_widths(width)[:blocks]
        for number, (outputs, depth) in enumerate(zip(self.widths, DEPTHS, strict=False), 1):
            for layer in range(1, depth + 1):
                conv = nn.Conv2d(inputs, outputs, 3, padding=1)
                # nothing normalises between the layers
                nn.init.kaiming_normal_(conv.weight)
                setattr(self, f"conv{number}_{layer}", conv)
                inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of each block after its halving, at strides 2, 4, …."""
        found = []
        for number in range(1, len(self.widths) + 1):
            for layer in range(1, DEPTHS[number - 1] + 1):
                x = F.relu(getattr(self, f"conv{number}_{layer}")(x))
            # odd sides round up, as in Caffe, by which these networks were published
            x = F.max_pool2d(x, 2, ceil_mode=True)
            found.append(x)
        return found


LIMIT_PX = 255.0
"""Where distances to clicks are cut, as in the paper."""


class DiosNet(WholeNet):
    """VGG-16 as a fully convolutional network on colours and two distance maps.

    The previous answer is no input. Where the published network pads the image by 100 pixels and
    cuts the answer, this one pads each layer, as later ones do.

    Parameters
    ----------
    stride : {8, 16}, default 8
        Of the finest features that are scored.
    width : int, default 64
        Of VGG's first block.
    hidden : int, default 4096
        Channels of the two layers that were fully connected.
    """

    def __init__(self, stride: Literal[8, 16] = 8, width: int = 64, hidden: int = 4096) -> None:
        super().__init__(LIMIT_PX, "truncated", stride=stride, width=width, hidden=hidden)
        self.stride = stride
        self.encoder = Vgg(5, width)
        self.fc6 = nn.Conv2d(self.encoder.widths[4], hidden, 7, padding=3)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.score_fr = nn.Conv2d(hidden, 1, 1)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight)
        self.score_pool4 = nn.Conv2d(self.encoder.widths[3], 1, 1)
        if stride == 8:
            self.score_pool3 = nn.Conv2d(self.encoder.widths[2], 1, 1)
        self.dropout = nn.Dropout2d(0.5)
        # new channels and scores begin at zero, as the authors did
        with torch.no_grad():
            self.encoder.get_parameter("conv1_1.weight")[:, 3:] = 0
            for score in (self.score_pool4, *([self.score_pool3] if stride == 8 else [])):
                nn.init.zeros_(score.weight)
                assert score.bias is not None
                nn.init.zeros_(score.bias)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the stride of the finest features; the previous answer is unused."""
        del prev
        *_, pool3, pool4, pool5 = self.encoder(torch.cat((image, maps), 1))
        x = self.dropout(torch.relu(self.fc6(pool5)))
        x = self.score_fr(self.dropout(torch.relu(self.fc7(x))))
        x = smaller(x, pool4) + self.score_pool4(pool4)
        if self.stride == 8:
            x = smaller(x, pool3) + self.score_pool3(pool3)
        scores: Tensor = x
        return scores


class FctsfnNet(WholeNet):
    """A two-stream late fusion network, and a multi-scale network that refines its answer.

    Clicks reach the answer through fewer layers than the image does, so that they are not lost on
    the way. The previous answer is no input.

    Parameters
    ----------
    width : int, default 64
        Of the first block of both streams.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__(LIMIT_PX, "truncated", width=width)
        self.encoder, self.interaction = Vgg(3, width), Vgg(2, width, 3)
        deep, clicked = self.encoder.widths[4], self.interaction.widths[2]
        self.fuse = nn.Sequential(
            normed(deep + clicked, deep), normed(deep, deep), nn.Conv2d(deep, 1, 1)
        )
        self.refine = nn.ModuleList(
            nn.Sequential(normed(channels + 3, width), nn.Conv2d(width, 1, 1))
            for channels in (*self.encoder.widths[3::-1], 3)
        )

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the image's size; the previous answer is unused."""
        del prev
        features = self.encoder(image)
        clicked = self.interaction(maps)[-1]
        # late fusion at stride 8: clicks stay sharp
        deep = smaller(features[-1], clicked)
        x: Tensor = self.fuse(torch.cat((deep, clicked), 1))
        for layer, finer in zip(self.refine, (*features[3::-1], image), strict=True):
            x = smaller(x, finer)
            x = x + layer(torch.cat((finer, x, smaller(maps, finer)), 1))
        return x


REGION = 20
"""Cells of a region's features, to a side."""


class RisNet(WholeNet):
    """A global branch, and a local one on the region of each positive click and its negative one.

    The region is the box of a click and the nearest of the other sign, twice as large. Its logits
    are added to the global ones; where several regions lie on one another, their mean is.

    Parameters
    ----------
    width : int, default 64
        Of VGG's first block.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__(LIMIT_PX, "truncated", width=width)
        self.encoder = Vgg(5, width, 4)
        fine, coarse = self.encoder.widths[2:]
        self.whole = nn.Sequential(
            *(normed(coarse, coarse, dilation=dilation) for dilation in (2, 4)),
            nn.Conv2d(coarse, 1, 1),
        )
        self.region = nn.Sequential(normed(fine, fine), normed(fine, fine), nn.Conv2d(fine, 1, 1))

    def answer(self, kept: list[Tensor], clicks: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H, W); the clicks' positions choose the regions."""
        # kept for `respond`, whose arguments are the same for all networks
        self._boxes = [region_boxes(one) for one in clicks]
        return super().answer(kept, clicks, prev)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H / 8, W / 8); the previous answer is unused."""
        del prev
        *_, fine, coarse = self.encoder(torch.cat((image, maps), 1))
        logits = smaller(self.whole(coarse), fine)
        return torch.cat(
            [
                self._with_regions(logits[i : i + 1], fine[i : i + 1], boxes / 8)
                for i, boxes in enumerate(self._boxes)
            ]
        )

    def _with_regions(self, logits: Tensor, fine: Tensor, boxes: Tensor) -> Tensor:
        """Return the logits of one image with those of its regions, boxes in cells of `fine`."""
        if not len(boxes):
            return logits
        height, width = fine.shape[-2:]
        cells = self.region(F.grid_sample(
            fine.expand(len(boxes), -1, -1, -1), grid_of(boxes, (height, width)).to(fine),
            align_corners=False, padding_mode="border",
        ))  # fmt: skip
        back = grid_back(boxes, (height, width)).to(fine)
        local = F.grid_sample(cells, back, align_corners=False)
        # `grid_sample` gives zeros beyond a region, which must not count in the mean
        inside = (back.abs().amax(-1) <= 1).to(fine)[:, None]
        return logits + (local * inside).sum(0) / inside.sum(0).clamp(min=1)


def region_boxes(clicks: Tensor) -> Tensor:
    """Return the boxes (n, 4), row and column of centre then half sizes, of clicks (N, 3)."""
    positive, negative = (clicks[clicks[:, 2] == sign][:, :2] for sign in (1, -1))
    if not len(positive) or not len(negative):
        return clicks.new_zeros((0, 4))
    nearest = negative[torch.cdist(positive, negative).argmin(1)]
    # the box of the two, twice as large; at least 64 pixels to a side, since fewer cells show
    # nothing
    half = (positive - nearest).abs().clamp(min=32)
    return torch.cat(((positive + nearest) / 2, half), 1)


def grid_of(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return where the cells of regions lie on a map, (n, REGION, REGION, 2), for `grid_sample`."""
    at = (torch.arange(REGION, device=boxes.device) + 0.5) / REGION * 2 - 1
    rows = boxes[:, 0, None] + boxes[:, 2, None] * at
    cols = boxes[:, 1, None] + boxes[:, 3, None] * at
    grid = torch.stack(
        (
            (2 * cols / shape[1] - 1)[:, None, :].expand(-1, REGION, -1),
            (2 * rows / shape[0] - 1)[:, :, None].expand(-1, -1, REGION),
        ),
        -1,
    )
    return grid


def grid_back(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return where the cells of a map lie in regions, (n, H, W, 2), for `grid_sample`."""
    rows = torch.arange(shape[0], device=boxes.device) + 0.5
    cols = torch.arange(shape[1], device=boxes.device) + 0.5
    row = (rows - boxes[:, 0, None]) / boxes[:, 2, None]
    col = (cols - boxes[:, 1, None]) / boxes[:, 3, None]
    return torch.stack(
        (col[:, None, :].expand(-1, shape[0], -1), row[:, :, None].expand(-1, -1, shape[1])), -1
    )


class RevolverNet(nn.Module):
    """Late guidance on VGG-16, as the authors' code has it: classes of others' annotations.

    Parameters
    ----------
    width : int, default 64
        Of VGG's first block.
    hidden : int, default 4096
        Channels of the features that are compared; 256 in the authors' light networks.
    """

    def __init__(self, width: int = 64, hidden: int = 4096) -> None:
        super().__init__()
        self.encoder = Vgg(3, width)
        cast(nn.Conv2d, self.encoder.get_submodule("conv1_1")).padding = CAFFE_PADDING
        self.fc6 = nn.Conv2d(self.encoder.widths[4], hidden, 7)
        self.fc7 = nn.Conv2d(2 * hidden, 2 * hidden, 1)
        self.score = nn.Conv2d(2 * hidden, 1, 1)

    def features(self, image: Tensor) -> Tensor:
        """Return features (B, hidden, h, w) of stride 32 of images in [0, 1], 33 pixels at least.

        The first place has its middle at pixel 31.5.
        """
        mean, std = (image.new_tensor(n)[:, None, None] for n in (IMAGENET_MEAN, IMAGENET_STD))
        *_, deep = self.encoder(caffe_colours((image - mean) / std))
        return torch.relu(self.fc6(deep))

    def remember(self, features: Tensor, shown: Tensor) -> Tensor:
        """Return features (K, hidden) pooled under the annotations (K, H, W) of one image."""
        ramp = 1 - (torch.arange(64, device=shown.device) - 31.5).abs() / 32
        kernel = torch.outer(ramp, ramp) / ramp.sum() ** 2
        padded = F.pad(shown[:, None].to(features), (0, 31, 0, 31))
        places = F.conv2d(padded, kernel.to(features)[None, None], stride=32)
        # the small number avoids 0 / 0
        places = places / (places.sum((2, 3), keepdim=True) + 1e-6)
        return (features * places).sum((2, 3))

    def answer(self, features: Tensor, memory: Tensor, like: Tensor) -> Tensor:
        """Return scores (1, K, H, W) of the kinds of a memory (K, hidden), at an image's size."""
        kinds = memory[:, :, None, None].expand(-1, -1, *features.shape[2:])
        both = torch.cat((features.expand(len(memory), -1, -1, -1), kinds), 1)
        scores = self.score(torch.relu(self.fc7(both)))
        return grown_from_zero(scores, like).transpose(0, 1)


ANSWERS = 6
"""Of latent diversity at once, as published."""

# convolutions of VGG-19's blocks that are looked at; of the last block two
_DEPTHS_19 = (2, 2, 4, 4, 2)


class LatentDiversityNet(WholeNet):
    """Six answers at once by a context network on what VGG-19 sees at every size.

    As the authors' code has it: VGG-19 with mean pooling, which is not trained there, on colours
    less the mean of the other end of the spectrum; the second convolution of each block at the
    image's size, beside distances to the clicks and the clicks themselves; then convolutions ever
    more dilated. The previous answer is no input.

    Parameters
    ----------
    width : int, default 64
        Of VGG's first block.
    hidden : int, default 64
        Channels of the context network.
    """

    def __init__(self, width: int = 64, hidden: int = 64) -> None:
        super().__init__(LIMIT_PX, "truncated", width=width, hidden=hidden)
        self.encoder = nn.ModuleDict()
        inputs, joined = 3, 3 + 4
        for number, (outputs, depth) in enumerate(
            zip(vgg_widths(width), _DEPTHS_19, strict=True), 1
        ):
            for layer in range(1, depth + 1):
                conv = nn.Conv2d(inputs, outputs, 3, padding=1)
                # nothing normalises between the layers: else little is left after sixteen of them
                nn.init.kaiming_normal_(conv.weight)
                self.encoder[f"conv{number}_{layer}"] = conv
                inputs = outputs
            joined += outputs
        self.context = nn.ModuleList([_Blended(joined, hidden, 1, 1)])
        for dilation in (1, 2, 4, 8, 16, 32, 64, 128, 1):
            self.context.append(_Blended(hidden, hidden, 3, dilation))
        self.last = nn.Conv2d(hidden, ANSWERS, 1)

    def answer(self, kept: list[Tensor], clicks: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 6, H, W), the first answer first."""
        # a click is the pixel whose distance is zero
        whole = torch.cat((clicks[..., :2].round(), clicks[..., 2:]), -1)
        return super().answer(kept, whole, prev)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 6, H, W); the previous answer is unused."""
        del prev
        blue_first = 255 * colours(image).flip(1)
        # distances are bytes, rounded down; what the square root loses must not lower them
        far = torch.floor(LIMIT_PX * maps + 1e-3)
        given = torch.cat((blue_first, far, LIMIT_PX * (far > 0).to(far)), 1)
        x = blue_first - image.new_tensor(_RED_FIRST_MEAN)[:, None, None]
        seen = [given]
        for name, conv in self.encoder.items():
            block, layer = name.removeprefix("conv").split("_")
            if layer == "1" and block != "1":
                # odd sides round up; what lies beyond does not count
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            x = torch.relu(conv(x))
            if layer == "2":
                seen.append(_enlarged_from_zero(x, (image.shape[-2], image.shape[-1])))
        x = torch.cat(seen, 1) / 255
        for part in self.context:
            x = part(x)
        # answers are in [-1, 1] and cut at a half; a logit is as steep there as they are
        return 4 * (torch.tanh(self.last(x)) - 0.5)


# of ImageNet's colours, red first: the code has them so beside images that are blue first
_RED_FIRST_MEAN = (123.68, 116.779, 103.939)


class _Blended(nn.Module):
    """A dilated convolution and a learnt blend of its answer, normalised and not."""

    def __init__(self, inputs: int, outputs: int, size: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, size, padding=dilation * (size // 2), dilation=dilation, bias=False
        )
        self.plain, self.normalised = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))
        self.beta = nn.Parameter(torch.zeros(outputs))
        # it begins by handing on what it gets
        nn.init.dirac_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same size."""
        x = self.conv(x)
        # by each image's own statistics, in answers too: the code leaves the layer in training
        normal = F.instance_norm(x, eps=1e-3) + self.beta[:, None, None]
        return F.leaky_relu(self.plain * x + self.normalised * normal, 0.2)


def _enlarged_from_zero(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return maps enlarged bilinearly, first pixel on first pixel, as TensorFlow 1 does."""
    for axis, size in ((-2, shape[0]), (-1, shape[1])):
        at = torch.arange(size, device=x.device) * (x.shape[axis] / size)
        low = at.long()
        high = (low + 1).clamp(max=x.shape[axis] - 1)
        share = (at - low).to(x.dtype)
        share = share[:, None] if axis == -2 else share
        x = torch.lerp(x.index_select(axis, low), x.index_select(axis, high), share)
    return x


SPREAD_PX = 10.0
"""Standard deviation of the Gaussians, as in the paper."""


class ItisNet(WholeNet):
    """DeepLabV3+ whose first convolution sees six channels; published with Xception-65.

    The three that are not colours have a first convolution of their own, whose answer is added:
    that is the same as one convolution of all six.

    Parameters
    ----------
    backbone : str, default "resnet34"
        One of `BACKBONES` of the residual networks; or "xception65", as the authors' files have it.
    width : int, default 128
        Channels of the pyramid; with Xception of its first convolution, published with 32.
    masked : bool, default True
        With Xception: whether the mask before is an input. The evaluation that the authors'
        files come with has it not.
    """

    def __init__(
        self, backbone: Backbone | Literal["xception65"] = "resnet34", width: int = 128,
        *, masked: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(SPREAD_PX, "gaussian", backbone=backbone, width=width, masked=masked)
        self.masked = masked
        self.body: XceptionDeepLab | None = None
        if backbone == "xception65":
            self.body = XceptionDeepLab(5 + masked, 2, width)
            return
        self.encoder = DeepLab(backbone, width)
        self.enter = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.head = SeparableHead(width, width // 2)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H / 4, W / 4), or with Xception (B, 1, H, W)."""
        mask = distance_map(prev.float()).to(maps)
        if self.body is None:
            extra = self.enter(torch.cat((maps, mask), 1))
            logits: Tensor = self.head(self.encoder(image, extra))
            return logits
        # cut at 20 pixels, and 25 times a density, in the authors' code; negative clicks first
        spread = 2.5 / math.sqrt(2 * math.pi) * maps.clamp(min=math.exp(-2)).flip(1)
        given = (colours(image), *((mask,) if self.masked else ()), spread)
        # all channels go from [0, 1] to [-1, 1], as colours do
        scores = self.body(2 * torch.cat(given, 1) - 1)
        # a softmax over two classes is a sigmoid of their difference
        return _enlarged_from_zero(
            scores[:, 1:] - scores[:, :1], (image.shape[-2], image.shape[-1])
        )


STEPS = 5
"""Of the evolution in training and in answers; the paper has as many."""


class DelseNet(WholeNet):
    """DeepLabV3+ with three heads: a first level set, a motion field, a share of curvature.

    Positive clicks are extreme points, or any others; they are drawn as Gaussians.

    Parameters
    ----------
    backbone : str, default "resnet34"
        Published with ResNet-101.
    width : int, default 128
        Channels of the pyramid.
    """

    def __init__(self, backbone: Backbone = "resnet34", width: int = 128) -> None:
        super().__init__(SPREAD_PX, "gaussian", backbone=backbone, width=width)
        self.encoder = DeepLab(backbone, width)
        self.enter = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.heads = nn.ModuleDict(
            {
                name: SeparableHead(width, width // 2, outputs)
                for name, outputs in (("start", 1), ("motion", 2), ("curvature", 1))
            }
        )

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return the level set after its last step as logits, (B, 1, H / 4, W / 4)."""
        extra = self.enter(torch.cat((maps, prev), 1))
        features = self.encoder(image, extra)
        phi: Tensor = self.heads["start"](features)
        motion = torch.tanh(self.heads["motion"](features))
        share = torch.sigmoid(self.heads["curvature"](features))
        for _ in range(STEPS):
            phi = evolved(phi, motion, share)
        return phi


def evolved(phi: Tensor, motion: Tensor, share: Tensor) -> Tensor:
    """Return a level set after one step: carried by a field and smoothed by its curvature.

    Parameters
    ----------
    phi : Tensor, shape (B, 1, H, W)
        Positive inside.
    motion : Tensor, shape (B, 2, H, W)
        Along rows and columns, in [-1, 1].
    share : Tensor, shape (B, 1, H, W)
        Of curvature, in [0, 1].
    """
    rows, cols = slopes(phi)
    # where the function is flat there is no direction; the small number avoids 0 / 0
    steep = torch.sqrt(rows**2 + cols**2 + 1e-6)
    curved = slopes(rows / steep)[0] + slopes(cols / steep)[1]
    # 0.2, the weight of curvature in `core.contour_evolution`
    return phi + motion[:, :1] * rows + motion[:, 1:] * cols + 0.2 * share * curved * steep


def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return central differences along rows and along columns, of the same shape."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    cols = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return rows, cols


DISK_PX = 5.0
"""Radius of an annotation; the paper has small disks or distances, and finds them alike."""


def link_layers(inputs: int, outputs: int, width: int) -> dict[str, nn.Module]:
    """Return the parts of LinkNet, by the names that `linked` takes them by."""
    widths = [width * factor for factor in (1, 2, 4, 8)]
    before = [width, *widths[:-1]]
    enter = nn.Sequential(
        nn.Conv2d(inputs, width, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
    )  # fmt: skip
    encoder = nn.ModuleList(
        nn.Sequential(
            BasicBlock(first, last, stride=1 if number == 0 else 2), BasicBlock(last, last)
        )
        for number, (first, last) in enumerate(zip(before, widths, strict=True))
    )
    decoder = nn.ModuleList(
        nn.Sequential(
            normed(first, first // 4, 1), normed(first // 4, first // 4),
            normed(first // 4, last, 1),
        )
        for first, last in zip(widths[::-1], [*widths[-2::-1], width], strict=True)
    )  # fmt: skip
    leave = nn.Sequential(normed(width, width // 2), nn.Conv2d(width // 2, outputs, 1))
    return {"enter": enter, "encoder": encoder, "decoder": decoder, "leave": leave}


def published_link_layers(inputs: int, outputs: int, width: int) -> dict[str, nn.Module]:
    """Return the parts of LinkNet as DISIR's code has them: on ResNet-34, grown by convolutions."""
    parts = link_layers(inputs, outputs, width)
    widths = [width * factor for factor in (1, 2, 4, 8)]
    before, counts = [width, *widths[:-1]], (3, 4, 6, 3)
    parts["encoder"] = nn.ModuleList(
        blocks(BasicBlock, first, last, count, stride=1 if number == 0 else 2)
        for number, (first, last, count) in enumerate(zip(before, widths, counts, strict=True))
    )
    for stage, first in zip(cast(nn.ModuleList, parts["decoder"]), widths[::-1], strict=True):
        # the first stage of the encoder keeps the size, as the last one of the decoder does
        cast(nn.Sequential, stage)[1] = grown(first // 4, first // 4, twice=first > width)
    half = width // 2
    parts["leave"] = nn.Sequential(
        grown(width, half, bias=True), normed(half, half, bias=True),
        nn.ConvTranspose2d(half, outputs, 2, 2),
    )  # fmt: skip
    return parts


def grown(inputs: int, outputs: int, *, twice: bool = True, bias: bool = False) -> nn.Sequential:
    """Return a transposed convolution, to twice the size if so, batch normalisation and ReLU."""
    stride, rest = (2, 1) if twice else (1, 0)
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 3, stride, 1, rest, bias=bias),
        nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


def linked(net: Any, x: Tensor, *, enlarge: bool = True) -> Tensor:
    """Return logits of a network with the parts of LinkNet.

    They are at half the size with `enlarge`, else at the one that `leave` grows to.
    """
    x = net.enter(x)
    ways = [x]
    for stage in net.encoder:
        x = stage(x)
        ways.append(x)
    # the features of a stage's beginning are added to what comes back to it
    for stage, way in zip(net.decoder, ways[-2::-1], strict=True):
        x = smaller(stage(x), way) + way
    if enlarge:
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return cast(Tensor, net.leave(x))


class DisirNet(WholeNet):
    """LinkNet on colours, annotations of either class, and the previous answer.

    Parameters
    ----------
    width : int, default 64
        Channels of the first of four stages, as in LinkNet.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__(DISK_PX, "disk", width=width)
        for name, part in link_layers(3 + 2 + 1, 1, width).items():
            setattr(self, name, part)

    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H / 2, W / 2)."""
        return linked(self, torch.cat((image, maps, prev), 1))


class DisirClasses(nn.Module):
    """LinkNet that names the class of every pixel, with a channel for annotations of each class.

    Without annotations their channels are empty, and it is a semantic network like any other.

    Parameters
    ----------
    classes : int
        Background included: it can be annotated as well.
    width : float
        Share of LinkNet's channels.
    published : bool
        Whether it is built as the authors' code has it: on ResNet-34, grown by convolutions, with
        colours in [0, 1], and annotations as distances, see `semantic_model.distance_maps`.
    """

    takes_annotations = True

    def __init__(self, classes: int, width: float = 1.0, *, published: bool = False) -> None:
        super().__init__()
        self.classes = classes
        self.published = published
        make = published_link_layers if published else link_layers
        for name, part in make(3 + classes, classes, scaled(64, width)).items():
            setattr(self, name, part)

    def forward(self, image: Tensor, annotations: Tensor | None = None) -> Tensor:
        """Return logits (B, C, H, W) of normalised images and annotations (B, C, H, W)."""
        if annotations is None:
            annotations = image.new_zeros((len(image), self.classes, *image.shape[2:]))
        if self.published:
            mean, std = (image.new_tensor(n)[:, None, None] for n in (IMAGENET_MEAN, IMAGENET_STD))
            image = image * std + mean
        x = torch.cat((image, annotations.to(image)), 1)
        logits = linked(self, x, enlarge=not self.published)
        return F.interpolate(logits, image.shape[2:], mode="bilinear", align_corners=False)
