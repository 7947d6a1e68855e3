"""Networks that take an image, clicks and, optionally, the previous answer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import (
    NO_TAPS,
    ClickMaps,
    MapKind,
    PrevKind,
    Taps,
    distance_map,
    map_branch,
    tap,
)
from napari_intseg.models.nets.deeplab import DeepLab, SeparableHead
from napari_intseg.models.nets.hrnet import HRNet
from napari_intseg.models.nets.resnet import Backbone

# mean and deviation of colours over ImageNet's images, by which its backbones were trained
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ClickInput:
    """How clicks and the previous answer enter a network.

    Parameters
    ----------
    with_prev : bool
        Whether the previous probability is an input.
    binary_prev : bool
        Whether it is thresholded at 0.5 first.
    prev : {"probability", "distance", "signed_distance"}
        How it is given: as it is, or as distances to the mask (see `distance_map`).
    radius : float
        Of the click maps, in pixels of the network's input.
    maps : {"disk", "distance", "truncated", "gaussian"}
        How clicks are drawn, see `ClickMaps`.
    entry : {"branch", "mixer", "convolution"}
        Through layers of their own, added after the image's first convolution (RITM); mixed
        with the colours into three channels first (BRS); or as "branch", with one convolution.
    leaky : bool
        Leaky activation in those layers.
    norm_last : bool
        In the mixer, the normalisation follows the activation (f-BRS), not the reverse (RITM).
    mean, std : tuple of float
        Normalisation of RGB in [0, 1].
    """

    with_prev: bool = False
    binary_prev: bool = False
    prev: PrevKind = "probability"
    radius: float = 5.0
    maps: MapKind = "disk"
    entry: Literal["branch", "mixer", "convolution"] = "branch"
    leaky: bool = True
    norm_last: bool = False
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


class Logits(NamedTuple):
    """What a network answers, both (B, 1, H, W); `aux` is None where there is no such head."""

    main: Tensor
    aux: Tensor | None


class ClickNet(nn.Module, ABC):
    """The part that all click networks share; a subclass adds `respond`.

    Parameters
    ----------
    clicks : ClickInput
        How clicks enter.

    Notes
    -----
    Taps: "image", the normalised colours; "maps", the click maps (without the previous mask);
    and those of the network proper.
    """

    def __init__(self, clicks: ClickInput) -> None:
        super().__init__()
        self.clicks = clicks
        self.click_maps = ClickMaps(clicks.radius, clicks.maps)
        channels = 3 if clicks.with_prev else 2
        if clicks.entry == "mixer":
            self.rgb_conv = self._mixer(3 + channels, clicks)
        elif clicks.entry == "convolution":
            self.maps_transform: nn.Module = nn.Conv2d(channels, 64, 3, stride=2, padding=1)
        else:
            self.maps_transform = map_branch(channels, leaky=clicks.leaky)
        # not saved: they are settings, not weights
        self.register_buffer("mean", _per_channel(clicks.mean), persistent=False)
        self.register_buffer("std", _per_channel(clicks.std), persistent=False)

    @staticmethod
    def _mixer(channels: int, clicks: ClickInput) -> nn.Sequential:
        inner = channels + 3
        middle: list[nn.Module] = [
            nn.BatchNorm2d(inner),
            nn.LeakyReLU(0.2) if clicks.leaky else nn.ReLU(inplace=True),
        ]
        if clicks.norm_last:
            middle.reverse()
        return nn.Sequential(nn.Conv2d(channels, inner, 1), *middle, nn.Conv2d(inner, 3, 1))

    def forward(
        self, image: Tensor, points: Tensor, prev: Tensor | None = None, taps: Taps = NO_TAPS
    ) -> Logits:
        """Return logits at the image's size.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, H, W)
            RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 2 or 3)
            See `ClickMaps`.
        prev : Tensor of float32, shape (B, 1, H, W), optional
            The previous probability; zeros if it is left out, unused by a network without it.
        taps : mapping, optional
            Places where the caller changes what flows by, see the notes of the classes.
        """
        shape = (image.shape[-2], image.shape[-1])
        maps = tap(taps, "maps", self.click_maps(points, shape))
        if self.clicks.with_prev:
            maps = torch.cat([self._prev(prev, maps), maps], 1)
        colours = tap(taps, "image", self.normalise(image))
        # clicks and colours stay float32 up to here: in bfloat16 positions above 256 are not exact
        dtype = next(self.parameters()).dtype
        colours, maps = colours.to(dtype), maps.to(dtype)
        if self.clicks.entry == "mixer":
            main, aux = self.respond(self.rgb_conv(torch.cat([colours, maps], 1)), None, taps)
        else:
            main, aux = self.respond(colours, self.maps_transform(maps), taps)
        return Logits(enlarge(main, shape), None if aux is None else enlarge(aux, shape))

    def normalise(self, image: Tensor) -> Tensor:
        """Return RGB in [0, 1] as the network was trained on it."""
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return (image - mean) / std

    @abstractmethod
    def respond(
        self, image: Tensor, extra: Tensor | None, taps: Taps
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits and auxiliary logits at the network's own resolution."""

    def _prev(self, prev: Tensor | None, maps: Tensor) -> Tensor:
        if prev is None:
            return torch.zeros_like(maps[:, :1])
        if self.clicks.prev != "probability":
            return distance_map(prev, signed=self.clicks.prev == "signed_distance")
        return (prev > 0.5).float() if self.clicks.binary_prev else prev


class HRNetClicks(ClickNet):
    """Clicks into HRNet with OCR: RITM's HRNet-18s, 18 and 32."""

    def __init__(
        self, clicks: ClickInput, *, width: int = 18, ocr_width: int = 64, small: bool = False
    ) -> None:
        super().__init__(clicks)
        self.feature_extractor = HRNet(width, ocr_width, small=small)

    def respond(
        self, image: Tensor, extra: Tensor | None, taps: Taps
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits and auxiliary logits, (B, 1, H / 4, W / 4)."""
        main, aux = self.feature_extractor(image, extra, taps)
        return main, aux


class DeepLabClicks(ClickNet):
    """Clicks into DeepLabV3+: RITM's ResNet-34, and the deeper ones."""

    def __init__(
        self,
        clicks: ClickInput,
        *,
        backbone: Backbone = "resnet34",
        width: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(clicks)
        self.feature_extractor = DeepLab(backbone, width, dropout=dropout)
        self.head = SeparableHead(width, width // 2)

    def respond(self, image: Tensor, extra: Tensor | None, taps: Taps) -> tuple[Tensor, None]:
        """Return logits, (B, 1, H / 4, W / 4), and no auxiliary ones."""
        return self.head(self.feature_extractor(image, extra, taps)), None


def _per_channel(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[None, :, None, None]


def enlarge(logits: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return logits as float32 at the height and width given, bilinear, corners on corners."""
    # corners on corners, as the published networks resize
    return F.interpolate(logits.float(), shape, mode="bilinear", align_corners=True)


class WholeNet(nn.Module, ABC):
    """What such networks share; a subclass adds `respond`.

    They are asked as `ClickPyramid` is, so that one adapter and one training serve all of them:
    `encode` keeps the image, `answer` runs the network.

    Parameters
    ----------
    radius : float
        Of the click maps, see `ClickMaps`.
    maps : str
        How clicks are drawn, see `ClickMaps`.
    **settings
        What the network was built with; kept in its weights file, so that it can be built again.
    """

    def __init__(self, radius: float, maps: MapKind, **settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self.click_maps = ClickMaps(radius, maps)
        # not saved: they are settings, not weights
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[None, :, None, None], persistent=False)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return what is kept of a view: itself, RGB in [0, 1], shape (B, 3, H, W)."""
        return [image]

    def answer(self, kept: list[Tensor], clicks: Tensor, prev: Tensor) -> Tensor:
        """Return logits (B, 1, H, W); see `ClickPyramid.answer`."""
        image = (kept[0] - self.get_buffer("mean")) / self.get_buffer("std")
        shape = (image.shape[-2], image.shape[-1])
        maps = self.click_maps(as_points(clicks), shape)
        logits = self.respond(image, maps.to(image.dtype), prev.to(image.dtype))
        return F.interpolate(logits.float(), shape, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """Encode and answer in one go."""
        return self.answer(self.encode(image), clicks, prev)

    @abstractmethod
    def respond(self, image: Tensor, maps: Tensor, prev: Tensor) -> Tensor:
        """Return logits at the network's own resolution.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            Normalised; height and width are multiples of 32.
        maps : Tensor, shape (B, 2, H, W)
            Of the positive and of the negative clicks.
        prev : Tensor, shape (B, 1, H, W)
            The previous probability; zero when there is none.
        """

    def fold(self) -> "WholeNet":
        """Return the network as it is used for answers only: itself."""
        return self


def as_points(clicks: Tensor) -> Tensor:
    """Return rows (row, column, sign), (B, N, 3), as `ClickMaps` takes them, (B, 2N, 2)."""
    absent = clicks.new_full((), -1.0)
    sides = [torch.where(clicks[..., 2:] == sign, clicks[..., :2], absent) for sign in (1, -1)]
    # `ClickMaps` takes a point with two negative numbers for absent; a click above and left of the
    # view is none such, and is brought to the view's corner
    outside = (clicks[..., :2].amax(-1, keepdim=True) < 0) & (clicks[..., 2:] != 0)
    corners = clicks[..., :2].clamp(min=0)
    for side, sign in enumerate((1, -1)):
        sides[side] = torch.where(outside & (clicks[..., 2:] == sign), corners, sides[side])
    return torch.cat(sides, 1)


def smaller(x: Tensor, like: Tensor) -> Tensor:
    """Return maps at the size of others, bilinear."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def normed(
    inputs: int, outputs: int, size: int = 3, dilation: int = 1, *, bias: bool = False
) -> nn.Sequential:
    """Return a convolution that keeps the size, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, size, padding=dilation * (size // 2), dilation=dilation, bias=bias
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
