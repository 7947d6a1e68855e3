"""RIS-Net: regions between clicks of both signs are answered by a branch of their own [1]_.

References
----------
.. [1] Liew, J. H. et al. "Regional interactive image segmentation networks", ICCV 2017.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.dios_net import LIMIT_PX
from napari_intseg.models.nets.vgg import Vgg
from napari_intseg.models.nets.whole_net import WholeNet, normed, smaller

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
        inside = (back.abs().amax(-1) <= 1).to(fine)[:, None]
        return logits + (local * inside).sum(0) / inside.sum(0).clamp(min=1)


def region_boxes(clicks: Tensor) -> Tensor:
    """Return the boxes (n, 4), row and column of centre then half sizes, of clicks (N, 3)."""
    positive, negative = (clicks[clicks[:, 2] == sign][:, :2] for sign in (1, -1))
    if not len(positive) or not len(negative):
        return clicks.new_zeros((0, 4))
    nearest = negative[torch.cdist(positive, negative).argmin(1)]
    # the box of the two, twice as large, at least 64 pixels to a side
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
