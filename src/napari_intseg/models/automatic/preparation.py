"""From an image to the tensor a network takes, and from its maps back to the image's grid.

Images are prepared from what a model's folder says, with Pillow alone: the processors of
`transformers` would ask for torchvision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from napari_intseg.core.segmenter import BoolArray, FloatArray

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BILINEAR = 2  # Pillow's number


@dataclass(frozen=True, slots=True)
class Preparation:
    """How an image becomes the tensor a network takes.

    Parameters
    ----------
    size : mapping of str to int
        ``height`` and ``width``, or ``shortest_edge`` and perhaps ``longest_edge``; empty: as is.
    mean, std : tuple of float
        Of the channels, after scaling to [0, 1].
    factor : float
        From bytes to what is normalised.
    multiple : int
        Sides are padded with zeros to a multiple of this.
    resample : int
        Pillow's number of the interpolation.
    """

    size: Mapping[str, int]
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD
    factor: float = 1 / 255
    multiple: int = 1
    resample: int = _BILINEAR

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Preparation":
        """Return what a ``preprocessor_config.json`` says."""
        size = told.get("size", {}) if told.get("do_resize", True) else {}
        if isinstance(size, int):
            longest = told.get("max_size")
            size = {"shortest_edge": size, **({"longest_edge": longest} if longest else {})}
        normal = told.get("do_normalize", True)
        multiple = told.get("size_divisor", told.get("size_divisibility")) or 1
        return cls(
            {k: int(v) for k, v in size.items() if v},
            tuple(told.get("image_mean") or _MEAN) if normal else (0.0, 0.0, 0.0),
            tuple(told.get("image_std") or _STD) if normal else (1.0, 1.0, 1.0),
            float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale", True) else 1.0,
            int(multiple),
            int(told.get("resample", _BILINEAR)),
        )

    def resized(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return height and width that an image of some shape gets, before padding."""
        if {"height", "width"} <= self.size.keys():
            return self.size["height"], self.size["width"]
        if "shortest_edge" not in self.size:
            return shape
        scale = self.size["shortest_edge"] / min(shape)
        longest = self.size.get("longest_edge")
        if longest is not None and max(shape) * scale > longest:
            scale = longest / max(shape)
        return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))

    def __call__(self, image: FloatArray) -> tuple[Tensor, tuple[int, int]]:
        """Return the tensor (1, 3, h, w), and the height and width that the image has in it."""
        size = self.resized((image.shape[0], image.shape[1]))
        picture = Image.fromarray(np.round(np.asarray(image) * 255).astype(np.uint8))
        if picture.size != size[::-1]:
            picture = picture.resize(size[::-1], Image.Resampling(self.resample))
        values = (np.asarray(picture, np.float32) * self.factor - self.mean) / self.std
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32)).permute(2, 0, 1)[None]
        down, right = (-n % self.multiple for n in size)
        return torch.nn.functional.pad(tensor, (0, right, 0, down)), size


@dataclass(frozen=True, slots=True)
class Frame:
    """Sizes of an image: its own, in the tensor, and the tensor's with padding."""

    shape: tuple[int, int]
    size: tuple[int, int]
    padded: tuple[int, ...]

    def back(self, maps: Tensor) -> Tensor:
        """Return maps (K, h, w) of the padded tensor on the image's grid, (K, H, W)."""
        up = torch.nn.functional.interpolate(
            maps[None].float(), size=self.padded, mode="bilinear", align_corners=False
        )
        up = up[..., : self.size[0], : self.size[1]]
        return torch.nn.functional.interpolate(
            up, size=self.shape, mode="bilinear", align_corners=False
        )[0]

    def labels_back(self, mask: BoolArray) -> BoolArray:
        """Return a mask on the tensor's grid, without padding, on the image's: the nearest."""
        if mask.shape == self.shape:
            return mask
        rows, cols = (
            np.minimum(((np.arange(n) + 0.5) * size / n).astype(np.int64), size - 1)
            for n, size in zip(self.shape, mask.shape, strict=True)
        )
        return np.asarray(mask[rows[:, None], cols[None, :]])

    def on_input(self, maps: Tensor) -> Tensor:
        """Return maps (K, h, w) of the padded tensor on the tensor's grid, padding left out."""
        if tuple(maps.shape[1:]) != tuple(self.padded):
            maps = torch.nn.functional.interpolate(
                maps[None].float(), size=tuple(self.padded), mode="bilinear", align_corners=False
            )[0]
        return maps[:, : self.size[0], : self.size[1]]
