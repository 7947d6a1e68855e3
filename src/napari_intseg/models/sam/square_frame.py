"""How an image lies in the square that a SAM looks at, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.models.device import upload, upload_picture

_CPU = torch.device("cpu")

SIDE_PX = 1024
"""Side of the square that prompts are measured in, whatever the image encoder gets."""
LOW_PX = 256
"""Side of the low-resolution logits: what a decoder answers, and takes as mask prompt."""
MASK_LOGIT = 7.0
"""A mask from outside is given as so certain: the logit of 0.999, a usual height for SAM."""

# of SAM's training on bytes; the second pair is ImageNet's
_SAM_MEAN, _SAM_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class SquareFrame:
    """One of the two ways from an image to the square, with its way back.

    Parameters
    ----------
    fit : {"pad", "stretch"}
        "pad": the longer side fills the square, zeros lie right and below (SAM [1]_);
        "stretch": both sides do (EfficientSAM, SAM 2).
    antialias : bool
        Whether "stretch" smooths when it makes an image smaller.
    up : {"bilinear", "bicubic"}
        How low-resolution logits become the image's.

    References
    ----------
    .. [1] Kirillov, A. et al. "Segment Anything", arXiv:2304.02643.
    """

    fit: Literal["pad", "stretch"] = "pad"
    antialias: bool = False
    up: Literal["bilinear", "bicubic"] = "bilinear"

    def filled(self, shape: tuple[int, int], side_px: int = SIDE_PX) -> tuple[int, int]:
        """Return rows and columns of the square that an image of `shape` covers."""
        if self.fit == "stretch":
            return side_px, side_px
        scale = side_px / max(shape)
        # rounded half up, as SAM's code does
        return max(1, int(shape[0] * scale + 0.5)), max(1, int(shape[1] * scale + 0.5))

    def pixels(
        self,
        image: FloatArray,
        side_px: int = SIDE_PX,
        device: torch.device = _CPU,
        *,
        exact: bool = False,
    ) -> Tensor:
        """Return an image as the encoder wants it.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        side_px : int
            Side of the square in pixels.
        device : torch.device
            Where it is wanted. The image travels as bytes; the rest is done there.
        exact : bool, default False
            Whether an image that is stretched travels as it is, not as bytes.

        Returns
        -------
        Tensor of float32, shape (1, 3, side_px, side_px)
            Normalised with the means and deviations of the training.
        """
        size = self.filled((image.shape[0], image.shape[1]), side_px)
        if self.fit == "stretch":
            there = _CPU if device.type == "mps" else device
            planes = upload_picture(image.transpose(2, 0, 1), there, exact=exact)
            fitted = functional.interpolate(
                planes[None], size, mode="bilinear", align_corners=False, antialias=self.antialias
            )
            # resized on the CPU for MPS, which has no antialiasing
            return imagenet(fitted.to(device))
        # SAM was trained on 8-bit images resized by PIL
        planes = resized(image, size, "bilinear", device)
        # padded after normalisation, so that what is padded is the mean colour
        square = _normalised(planes, _SAM_MEAN, _SAM_STD)
        return functional.pad(square, (0, side_px - size[1], 0, side_px - size[0]))

    def position(self, row: float, col: float, shape: tuple[int, int]) -> tuple[float, float]:
        """Return ``(x, y)`` in the square of a position in an image, both in pixels."""
        height, width = self.filled(shape)
        return col * (width / shape[1]), row * (height / shape[0])

    def back(self, low: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return low-resolution logits (n, 256, 256) as logits of the image (n, H, W)."""
        full = low[None].contiguous()
        if self.fit == "pad":
            # to the square first and then to the image, as SAM was evaluated
            square = functional.interpolate(full, (SIDE_PX, SIDE_PX), mode="bilinear")
            height, width = self.filled(shape)
            full = square[..., :height, :width]
        return functional.interpolate(full, shape, mode=self.up, align_corners=False)[0]

    def low(self, logits: FloatArray) -> FloatArray:
        """Return an answer or mask on the image as a mask prompt.

        Parameters
        ----------
        logits : ndarray of float32, shape (H, W)
            Of the image; cut at ``±MASK_LOGIT``.

        Returns
        -------
        ndarray of float32, shape (1, 256, 256)
            What lies beside the image is background.
        """
        size = self.filled((logits.shape[0], logits.shape[1]), LOW_PX)
        # ours may be as large as ±30, which SAM has never seen
        cut = torch.from_numpy(np.clip(logits, -MASK_LOGIT, MASK_LOGIT))[None, None]
        small = functional.interpolate(cut, size, mode="bilinear", antialias=True)
        beside = (0, LOW_PX - size[1], 0, LOW_PX - size[0])
        return np.asarray(functional.pad(small, beside, value=-MASK_LOGIT)[0].numpy(), np.float32)


def resized(
    image: FloatArray,
    size: tuple[int, int],
    how: Literal["bilinear", "bicubic"],
    device: torch.device,
) -> Tensor:
    """Return an image as bytes of another size, as Pillow makes them, on a device.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, 3)
        In [0, 1].
    size : (int, int)
        Rows and columns wanted.
    how : {"bilinear", "bicubic"}
        With antialiasing where the image becomes smaller.
    device : torch.device
        A GPU resizes it itself, see `fitted`.

    Returns
    -------
    Tensor of float32, shape (1, 3, h, w)
        Whole numbers from 0 to 255.
    """
    shown = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    # MPS has no antialiasing
    if device.type in ("cpu", "mps"):
        small = Image.fromarray(shown).resize(size[::-1], Image.Resampling[how.upper()])
        return upload(np.array(small).transpose(2, 0, 1), device)[None].float()
    return fitted(upload(shown.transpose(2, 0, 1), device)[None], size, how)


def fitted(shown: Tensor, size: tuple[int, int], how: Literal["bilinear", "bicubic"]) -> Tensor:
    """Return bytes (1, 3, H, W) at another size, where they are; see `resized`.

    Columns first and then rows, each rounded, halves up, and cut to bytes, as Pillow does; fewer
    than 1 in 500 values differ, by a step of 256.
    """
    found = shown.float()
    for step in ((found.shape[2], size[1]), size):
        found = functional.interpolate(found, step, mode=how, antialias=True)
        found = (found + 0.5).floor().clamp(0, 255)
    return found


def imagenet(planes: Tensor) -> Tensor:
    """Return RGB planes (B, 3, h, w) in [0, 1], normalised as for networks that saw ImageNet."""
    return _normalised(planes, _IMAGENET_MEAN, _IMAGENET_STD)


def _normalised(planes: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    there = torch.tensor([mean, std], device=planes.device)[..., None, None]
    return (planes - there[0]) / there[1]
