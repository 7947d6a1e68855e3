"""FocalClick's networks: a coarse answer on the target, and a finer one on the focus.

References
----------
.. [1] Chen, X. et al. "FocalClick: towards practical interactive image segmentation", CVPR 2022,
       arXiv:2204.02574.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import ClickMaps, Scale, map_branch
from napari_intseg.models.nets.click_net import ClickInput, enlarge
from napari_intseg.models.nets.focal_refiner import FocusBox, Refined, Refiner, roi_align
from napari_intseg.models.nets.hrnet import HRNet
from napari_intseg.models.nets.segformer import SIZES, SegFormer


class Coarse(NamedTuple):
    """Logits and auxiliary logits (B, 1, S, S), and the features (B, C, h, w) under them."""

    logits: Tensor
    aux: Tensor | None
    features: Tensor


class FocalClickNet(nn.Module, ABC):
    """The part that both kinds share; a subclass adds `respond`.

    Parameters
    ----------
    clicks : ClickInput
        Normalisation, and whether the previous mask is binary. Its radius is not used.
    radius : float
        Of the disks that the coarse network sees, in pixels of its input.
    halved : bool
        Whether image and maps are halved after the maps were drawn (S1).
    """

    refiner: nn.Module

    def __init__(self, clicks: ClickInput, *, radius: float, halved: bool) -> None:
        super().__init__()
        self.clicks = clicks
        self.halved = halved
        self.coarse_maps = ClickMaps(radius)
        self.focus_maps = ClickMaps(5.0)
        for name, values in (("mean", clicks.mean), ("std", clicks.std)):
            channels = torch.tensor(values, dtype=torch.float32)[None, :, None, None]
            self.register_buffer(name, channels, persistent=False)

    def forward(self, image: Tensor, points: Tensor, prev: Tensor) -> Coarse:
        """Return the coarse answer.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, S, S)
            The target crop, RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 3)
            See `ClickMaps`.
        prev : Tensor of float32, shape (B, 1, S, S)
            The previous probability.
        """
        shape = (image.shape[-2], image.shape[-1])
        if self.clicks.binary_prev:
            prev = (prev > 0.5).float()
        maps = torch.cat([prev, self.coarse_maps(points, shape)], 1)
        colours = (image - self.get_buffer("mean")) / self.get_buffer("std")
        if self.halved:
            half = (shape[0] // 2, shape[1] // 2)
            maps, colours = enlarge(maps, half), enlarge(colours, half)
        dtype = next(self.parameters()).dtype
        logits, aux, features = self.respond(colours.to(dtype), maps.to(dtype))
        return Coarse(enlarge(logits, shape), enlarge(aux, shape), features)

    def refine(
        self, image: Tensor, points: Tensor, features: Tensor, logits: Tensor, box: FocusBox
    ) -> Refined:
        """Return the finer answer on the focus crop.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, S, S)
            The focus crop, RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 3)
            The clicks in its pixels; they may lie outside.
        features, logits : Tensor
            Of the coarse answer.
        box : FocusBox
            The focus crop in the coarse network's input.
        """
        dtype = next(self.parameters()).dtype
        around = roi_align(features, box, features.shape[-1] / image.shape[-1]).to(dtype)
        coarse = roi_align(logits, box)
        maps = self.focus_maps(points, (image.shape[-2], image.shape[-1]))
        refined: Refined = self.refiner(image, maps, around, coarse)
        return refined

    @abstractmethod
    def respond(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, auxiliary logits and features at the network's own resolution."""


class FocalHRNet(FocalClickNet):
    """On HRNet with OCR: the published HRNet-18s and HRNet-32."""

    def __init__(
        self, clicks: ClickInput, *, width: int, ocr_width: int, small: bool, halved: bool
    ) -> None:
        super().__init__(clicks, radius=2.0 if halved else 5.0, halved=halved)
        self.maps_transform = map_branch(3, leaky=clicks.leaky)
        self.feature_extractor = HRNet(width, ocr_width, small=small)
        self.refiner = Refiner(2 * ocr_width)

    def respond(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, auxiliary logits and what enters the last convolution."""
        seen: dict[str, Tensor] = {}

        def keep(x: Tensor) -> Tensor:
            seen["head"] = x
            return x

        logits, aux = self.feature_extractor(image, self.maps_transform(maps), {"head": keep})
        return logits, aux, seen["head"]


class FocalSegFormer(FocalClickNet):
    """On SegFormer: the published B0 and B3."""

    def __init__(self, clicks: ClickInput, *, size: str, halved: bool) -> None:
        super().__init__(clicks, radius=3.0 if halved else 5.0, halved=halved)
        # in the published files, and without a use
        self.maps_transform = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 3, 2, 1), Scale()
        )
        self.feature_extractor = SegFormer(SIZES[size])
        self.refiner = Refiner(SIZES[size].head, gate=True)

    def respond(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, the same again, and the decoder's features."""
        logits, features = self.feature_extractor(image, maps)
        return logits, logits, features
