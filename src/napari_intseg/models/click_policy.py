"""A learnt policy for the next click: where a model's answer is most likely wrong, and which way.

After SeedNet [1]_, whose actions are a click of either sign in a cell of a coarse grid, or none.
Its agent is taught by reward; this one imitates the robot user [2]_, who sees the truth: for every
cell it learns how deep the answer's error is there. A small network on the bundled encoder's maps
sees the image, the answer and the clicks. Built from the paper, unproven.

References
----------
.. [1] Song, G., Myeong, H., Lee, K. M. "SeedNet: automatic seed generation with deep reinforcement
       learning for robust interactive segmentation", CVPR 2018.
.. [2] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance for
       interactive segmentation", arXiv:2102.06583.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import FloatArray
from napari_intseg.models.bundled_input import pack_clicks, spread_narrow
from napari_intseg.models.device import choose_device, download, memory_guard, upload
from napari_intseg.models.guided.guided_network import load_encoder, resized
from napari_intseg.models.nets.click_pyramid import (
    STRIDE,
    WIDTHS,
    ClickPyramid,
    ConvNorm,
    WideBlock,
    draw_disks,
)
from napari_intseg.models.weights.locate import load_own
from napari_intseg.models.weights.store import POLICY

CELL = 8
"""Pixels of the view along a cell of the grid of actions."""

VIEW_PX = 256
"""Longer side of the view, which is the surroundings of the object: 32 cells (not tuned)."""

WIDTH = 64


class PolicyNet(nn.Module):
    """The part that is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv2d(WIDTHS[2], WIDTH, 1)
        self.far = nn.Conv2d(WIDTHS[3], WIDTH, 1)
        self.enter = ConvNorm(2 * WIDTH + 4, WIDTH, 3)
        self.inner = nn.Sequential(WideBlock(WIDTH), WideBlock(WIDTH))
        self.head = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, near: Tensor, far: Tensor, state: Tensor) -> Tensor:
        """Return the depth of the error in each cell, (B, 1, h, w).

        In shares of the square root of the object's area: above 0 where object is missing, below
        where there is too much.

        Parameters
        ----------
        near, far : Tensor, shape (B, C, h, w)
            The encoder's maps at strides 8 and 16.
        state : Tensor, shape (B, 4, h, w)
            See `state_of`.
        """
        wide = F.interpolate(self.far(far), near.shape[2:], mode="bilinear", align_corners=False)
        x = torch.cat((self.near(near), wide, state), 1)
        return cast(Tensor, self.head(self.inner(F.relu(self.enter(x)))))


def state_of(prob: Tensor, clicks: Tensor) -> Tensor:
    """Return what is known of the object in each cell, (B, 4, h, w).

    The mean probability, how unsure that is, and whether there are clicks of either sign.

    Parameters
    ----------
    prob : Tensor, shape (B, 1, H, W)
        Of multiples of 32.
    clicks : Tensor, shape (B, N, 3)
        Row, column, sign.
    """
    unsure = F.avg_pool2d(1 - (2 * prob - 1).abs(), CELL)
    return torch.cat(
        (F.avg_pool2d(prob, CELL), unsure, F.max_pool2d(draw_disks(clicks, prob.shape[2:]), CELL)),
        1,
    )


class ClickPolicy:
    """A policy with the encoder it stands on.

    Parameters
    ----------
    net : PolicyNet
        In evaluation mode.
    encoder : ClickPyramid
        The bundled network; taken over and folded.
    device : str
        See `choose_device`.
    """

    def __init__(self, net: PolicyNet, encoder: ClickPyramid, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.net = net.eval().to(self.device)
        self.encoder = encoder.eval().fold().requires_grad_(False).to(self.device)

    def depths(self, image: FloatArray, prob: FloatArray, clicks: Sequence[Click]) -> FloatArray:
        """Return how wrong an answer is at each pixel, float32 (H, W); see `PolicyNet.forward`.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            The object's surroundings, RGB in [0, 1].
        prob : ndarray of float32, shape (H, W)
            The answer.
        clicks : sequence of Click
            In pixels of the image.
        """
        height, width = image.shape[:2]
        scale = VIEW_PX / max(height, width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        moved = [
            Click((c.row + 0.5) * scale - 0.5, (c.col + 0.5) * scale - 0.5, c.positive)
            for c in clicks
        ]
        margins = (0, -size[1] % STRIDE, 0, -size[0] % STRIDE)
        with memory_guard(self.device), torch.inference_mode():
            seen = upload(spread_narrow(image), self.device).permute(2, 0, 1)[None]
            given = upload(prob.astype(np.float32), self.device)[None, None]
            # middle grey, as the bundled network's views are filled up
            seen = F.pad(resized(seen, size), margins, value=0.5)
            given = F.pad(resized(given, size), margins)
            maps = self.encoder.encode(seen)
            points = upload(pack_clicks([moved]), self.device)
            cells = self.net(maps[2], maps[3], state_of(given, points))
            fine = F.interpolate(cells, scale_factor=CELL, mode="bilinear", align_corners=False)
            inside = fine[..., : size[0], : size[1]]
            whole = F.interpolate(inside, (height, width), mode="bilinear", align_corners=False)
            return download(whole[0, 0], exact=True)


def load_policy(weights: str | Path, *, device: str = "auto") -> ClickPolicy:
    """Return a policy on the bundled encoder.

    Parameters
    ----------
    weights : path or str
        A file that ``napari-intseg train --task policy`` wrote, or the name of one in the weights
        folders.
    device : str, default "auto"
        See `choose_device`.

    Raises
    ------
    WeightsError
        If the file is missing, or of another network.
    """
    net = load_own(PolicyNet(), weights, POLICY, "policy")
    return ClickPolicy(net, load_encoder(), device)
