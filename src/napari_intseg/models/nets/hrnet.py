"""High-resolution network with an OCR head, as RITM, f-BRS and FocalClick use it.

References
----------
.. [1] Wang, J. et al. "Deep high-resolution representation learning for visual recognition",
       arXiv:1908.07919.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import NO_TAPS, Taps, tap
from napari_intseg.models.nets.resnet import BasicBlock, StridedBottleneck, conv, layer


def gather(features: Tensor, scores: Tensor) -> Tensor:
    """Return the object's mean feature, pixels weighted by the softmax of their scores.

    Parameters
    ----------
    features : Tensor, shape (B, C, h, w)
    scores : Tensor, shape (B, 1, h, w)

    Returns
    -------
    Tensor, shape (B, C, 1, 1)
    """
    # in float32: the weights of many pixels are too small for half precision
    weights = scores.float().flatten(2).softmax(-1)  # (B, 1, hw)
    context = torch.matmul(features.float().flatten(2), weights.transpose(1, 2))
    return context[..., None].to(features.dtype)


def _norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class ObjectAttention(nn.Module):
    """What each pixel takes from the objects' features, by attention."""

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel = self._two_layers(channels, key_channels)
        self.f_object = self._two_layers(channels, key_channels)
        self.f_down = nn.Sequential(_conv(channels, key_channels), _norm(key_channels))
        self.f_up = nn.Sequential(_conv(key_channels, channels), _norm(channels))

    @staticmethod
    def _two_layers(channels: int, key_channels: int) -> nn.Sequential:
        first = (_conv(channels, key_channels), _norm(key_channels))
        return nn.Sequential(*first, _conv(key_channels, key_channels), _norm(key_channels))

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return what the pixels take, shaped as their features, (B, C, h, w).

        Parameters
        ----------
        features : Tensor, shape (B, C, h, w)
            Of the pixels.
        context : Tensor, shape (B, C, n, 1)
            Of the n objects.
        """
        query = self.f_pixel(features).flatten(2).transpose(1, 2)  # (B, hw, K)
        key = self.f_object(context).flatten(2)  # (B, K, n)
        value = self.f_down(context).flatten(2).transpose(1, 2)  # (B, n, K)
        weights = (torch.matmul(query, key) * key.shape[1] ** -0.5).softmax(-1)
        taken = torch.matmul(weights, value).transpose(1, 2)
        return cast(Tensor, self.f_up(taken.reshape(features.shape[0], -1, *features.shape[-2:])))


class Distribute(nn.Module):
    """Join the pixels' features with what they take from the objects'."""

    def __init__(self, channels: int, key_channels: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.object_context_block = ObjectAttention(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(
            _conv(2 * channels, channels), _norm(channels), nn.Dropout2d(dropout)
        )

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return features of the same shape, (B, C, h, w)."""
        taken = self.object_context_block(features, context)
        return cast(Tensor, self.conv_bn_dropout(torch.cat([taken, features], 1)))


class DistributeOne(nn.Module):
    """The same for one object, at inference, with much less work.

    A softmax over one object is 1 at every pixel, so that query and key have no influence, and
    all pixels take the same. The convolution of [taken, own] is then that of their own, plus a
    vector.

    Parameters
    ----------
    published : Distribute
        With its weights loaded; its layers are shared.
    """

    def __init__(self, published: Distribute) -> None:
        super().__init__()
        attention = published.object_context_block
        self.take = nn.Sequential(attention.f_down, attention.f_up)
        join, *after = published.conv_bn_dropout
        assert isinstance(join, nn.Conv2d)
        channels = join.in_channels // 2
        for_taken, for_own = join.weight.detach().chunk(2, 1)
        self.join_taken = _conv(channels, channels)
        self.join_own = nn.Conv2d(channels, channels, 1, bias=join.bias is not None)
        self.join_taken.weight = nn.Parameter(for_taken.clone(), requires_grad=False)
        self.join_own.weight = nn.Parameter(for_own.clone(), requires_grad=False)
        if join.bias is not None:
            self.join_own.bias = nn.Parameter(join.bias.detach(), requires_grad=False)
        self.after = nn.Sequential(*after)

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return features of the same shape, (B, C, h, w)."""
        joined = self.join_own(features)
        joined += self.join_taken(self.take(context))
        return cast(Tensor, self.after(joined))


def _step(inputs: int, outputs: int, *, stride: int, relu: bool = True) -> nn.Sequential:
    activation = [nn.ReLU(inplace=True)] if relu else []
    return nn.Sequential(
        conv(inputs, outputs, 3, stride=stride), nn.BatchNorm2d(outputs), *activation
    )


def resize_to(x: Tensor, like: Tensor, *, corners: bool = True) -> Tensor:
    """Return `x` at the height and width of `like`, bilinear, corners on corners."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    size = (like.shape[-2], like.shape[-1])
    return F.interpolate(x, size, mode="bilinear", align_corners=corners)


class Exchange(nn.Module):
    """Branches of falling resolution, each with its blocks, then each added to all others."""

    def __init__(self, widths: tuple[int, ...], blocks: int, *, corners: bool = True) -> None:
        super().__init__()
        self.corners = corners
        self.branches = nn.ModuleList(layer(BasicBlock, w, w, blocks) for w in widths)
        self.fuse_layers = nn.ModuleList()
        for target in range(len(widths)):
            paths = [self._path(widths, source, target) for source in range(len(widths))]
            self.fuse_layers.append(nn.ModuleList(paths))  # type: ignore[arg-type]
        self.relu = nn.ReLU(inplace=True)

    @staticmethod
    def _path(widths: tuple[int, ...], source: int, target: int) -> nn.Sequential | None:
        inputs, outputs = widths[source], widths[target]
        if source == target:
            return None
        if source > target:
            return nn.Sequential(conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))
        halvings = [_step(inputs, inputs, stride=2) for _ in range(target - source - 1)]
        return nn.Sequential(*halvings, _step(inputs, outputs, stride=2, relu=False))

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Return the branches, each at its own resolution."""
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        return [self._fuse(target, xs) for target in range(len(xs))]

    def _fuse(self, target: int, xs: list[Tensor]) -> Tensor:
        paths = cast(nn.ModuleList, self.fuse_layers[target])
        moved = [
            x if source == target else resize_to(paths[source](x), xs[target], corners=self.corners)
            for source, x in enumerate(xs)
        ]
        # a new tensor first, then in place: the branches are still needed for other targets
        total = moved[0] + moved[1]
        for other in moved[2:]:
            total += other
        return cast(Tensor, self.relu(total))


class HRNet(nn.Module):
    """HRNet with the head of OCR; names of parameters are those of the published files.

    Parameters
    ----------
    width : int
        Channels of the finest branch: 18, 32, 48.
    ocr_width : int
        Half the channels of the head; 0: a plain head without OCR.
    small : bool, default False
        The "small v2" variant: fewer blocks and exchanges.
    corners : bool, default True
        Whether branches are resized corners on corners, as the authors do; mmsegmentation does not.

    Notes
    -----
    Taps: "features", the joined branches (B, 15 * width, H / 4, W / 4), and "head", what enters
    the last convolution.
    """

    def __init__(
        self, width: int = 18, ocr_width: int = 64, *, small: bool = False, corners: bool = True
    ) -> None:
        super().__init__()
        self.corners = corners
        # 2 and fewer exchanges in the "small v2" variant, as in the authors' configuration
        blocks = 2 if small else 4
        exchanges = (1, 3, 2) if small else (1, 4, 3)
        widths = tuple(width * 2**k for k in range(4))
        self.conv1 = conv(3, 64, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv(64, 64, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = layer(StridedBottleneck, 64, 64, blocks)
        self.transition1 = self._transition((256,), widths[:2])
        self.stage2 = self._stage(widths[:2], blocks, exchanges[0], corners)
        self.transition2 = self._transition(widths[:2], widths[:3])
        self.stage3 = self._stage(widths[:3], blocks, exchanges[1], corners)
        self.transition3 = self._transition(widths[:3], widths)
        self.stage4 = self._stage(widths, blocks, exchanges[2], corners)
        self.channels = sum(widths)
        self.ocr_width = ocr_width
        self._add_head(self.channels, ocr_width)

    @staticmethod
    def _transition(before: tuple[int, ...], after: tuple[int, ...]) -> nn.ModuleList:
        paths: list[nn.Module | None] = []
        for k, width in enumerate(after):
            if k < len(before):
                same = before[k] == width
                paths.append(None if same else _step(before[k], width, stride=1))
            else:
                paths.append(nn.Sequential(_step(before[-1], width, stride=2)))
        return nn.ModuleList(paths)  # type: ignore[arg-type]

    @staticmethod
    def _stage(
        widths: tuple[int, ...], blocks: int, exchanges: int, corners: bool
    ) -> nn.Sequential:
        return nn.Sequential(*(Exchange(widths, blocks, corners=corners) for _ in range(exchanges)))

    def _add_head(self, channels: int, ocr_width: int) -> None:
        def last(size: int, outputs: int) -> list[nn.Module]:
            inner = nn.Conv2d(channels, outputs, size, padding=size // 2)
            return [inner, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

        if ocr_width == 0:
            self.cls_head: nn.Module = nn.Sequential(*last(3, channels), nn.Conv2d(channels, 1, 1))
            return
        self.conv3x3_ocr = nn.Sequential(*last(3, 2 * ocr_width))
        self.ocr_distri_head: nn.Module = Distribute(2 * ocr_width, ocr_width)
        self.cls_head = nn.Conv2d(2 * ocr_width, 1, 1)
        self.aux_head = nn.Sequential(*last(1, channels), nn.Conv2d(channels, 1, 1))

    def forward(
        self, x: Tensor, extra: Tensor | None = None, taps: Taps = NO_TAPS
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits and auxiliary logits (None without OCR), both (B, 1, H / 4, W / 4).

        Parameters
        ----------
        x : Tensor, shape (B, 3, H, W)
            Normalised RGB.
        extra : Tensor, shape (B, 64, H / 2, W / 2), optional
            Added after the first convolution.
        taps : mapping, optional
            See the notes of the class.
        """
        return self.classify(tap(taps, "features", self.features(x, extra)), taps)

    def features(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Return the four branches, resized to the finest and joined, (B, C, H / 4, W / 4)."""
        x = self.relu(self.bn1(self.conv1(x)))
        if extra is not None:
            # autograd needs the activation's output, hence not the other way round
            x = x + extra if torch.is_grad_enabled() else x.add_(extra)
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))
        xs = self.stage2(self._enter(self.transition1, [x]))
        xs = self.stage3(self._enter(self.transition2, xs))
        xs = self.stage4(self._enter(self.transition3, xs))
        return torch.cat([resize_to(x, xs[0], corners=self.corners) for x in xs], 1)

    @staticmethod
    def _enter(paths: nn.ModuleList, xs: list[Tensor]) -> list[Tensor]:
        # a branch that is new comes from the coarsest one there is
        padded = xs + [xs[-1]] * (len(paths) - len(xs))
        return [x if p is None else p(x) for p, x in zip(paths, padded, strict=True)]

    def classify(self, features: Tensor, taps: Taps = NO_TAPS) -> tuple[Tensor, Tensor | None]:
        """Return logits and auxiliary logits of joined features."""
        if self.ocr_width == 0:
            return self.cls_head(tap(taps, "head", features)), None
        aux = self.aux_head(features)
        pixels = self.conv3x3_ocr(features)
        pixels = self.ocr_distri_head(pixels, gather(pixels, aux))
        return self.cls_head(tap(taps, "head", pixels)), aux
