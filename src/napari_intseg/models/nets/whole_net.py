"""Networks that image, clicks and previous answer pass together, at every click."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import ClickMaps, MapKind
from napari_intseg.models.nets.click_net import IMAGENET_MEAN, IMAGENET_STD


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
    # a click above and left of the view is no absent one; it is brought to the view's corner
    outside = (clicks[..., :2].amax(-1, keepdim=True) < 0) & (clicks[..., 2:] != 0)
    corners = clicks[..., :2].clamp(min=0)
    for side, sign in enumerate((1, -1)):
        sides[side] = torch.where(outside & (clicks[..., 2:] == sign), corners, sides[side])
    return torch.cat(sides, 1)


def smaller(x: Tensor, like: Tensor) -> Tensor:
    """Return maps at the size of others, bilinear."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def normed(inputs: int, outputs: int, size: int = 3, dilation: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, size, padding=dilation * (size // 2), dilation=dilation, bias=False
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
