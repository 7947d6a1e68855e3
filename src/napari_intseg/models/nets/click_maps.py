"""How clicks enter a network, as two maps, and where a caller may change what flows through it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

Taps = Mapping[str, Callable[[Tensor], Tensor]]
NO_TAPS: Taps = MappingProxyType({})


def tap(taps: Taps, place: str, x: Tensor) -> Tensor:
    """Return what the caller makes of `x` at this place; `x` itself if it asked for nothing."""
    return taps[place](x) if place in taps else x


MapKind = Literal["disk", "distance", "truncated", "gaussian"]

FAR = 1e6
"""Squared distance in pixels where there is no click at all, as RITM has it."""


class ClickMaps(nn.Module):
    """Draw clicks as disks, distances or Gaussians.

    Parameters
    ----------
    radius : float, default 5
        Pixels. Disks are 1 within it (rim included) and 0 elsewhere; saturating distances d
        become ``tanh(2 d / radius)``, truncated ones ``min(d / radius, 1)``, both 1 far from any
        click; Gaussians are ``exp(-d² / 2 radius²)``.
    kind : {"disk", "distance", "truncated", "gaussian"}, default "disk"
        Disks as in RITM [1]_; saturating distances as in BRS and f-BRS [2]_; distances cut at a
        limit (255 pixels) as in the first deep method [3]_; Gaussians as in ITIS [4]_. No
        published network with the last two is at hand: they are drawn after the papers.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. arXiv:2102.06583, section 3.1.
    .. [2] Sofiiuk, K., Petrov, I., Barinova, O., Konushin, A. arXiv:2001.10331.
    .. [3] Xu, N. et al. "Deep interactive object selection", arXiv:1603.04042.
    .. [4] Mahadevan, S., Voigtlaender, P., Leibe, B. "Iteratively trained interactive
           segmentation", BMVC 2018, arXiv:1805.04398.
    """

    def __init__(self, radius: float = 5.0, kind: MapKind = "disk") -> None:
        super().__init__()
        self.radius = radius
        self.kind = kind

    def forward(self, points: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return the maps.

        Parameters
        ----------
        points : Tensor of float32, shape (B, 2n, 2 or more)
            Rows ``(row, col, ...)`` in pixels; n positive ones, then n negative. One whose row
            and column are both negative is absent.
        shape : tuple of int
            ``(H, W)``.

        Returns
        -------
        Tensor of float32, shape (B, 2, H, W)
            Positive, negative.
        """
        squared = squared_distances(points, shape)
        if self.kind == "disk":
            return (squared <= self.radius**2).float()
        if self.kind == "gaussian":
            return torch.exp(squared / (-2 * self.radius**2))
        if self.kind == "truncated":
            return (squared.sqrt() / self.radius).clamp(max=1)
        return torch.tanh(2.0 / self.radius * squared.sqrt())


def squared_distances(points: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return squared distances to the nearest positive and negative point, (B, 2, H, W)."""
    batch, count = points.shape[0], points.shape[1] // 2
    points = points[..., :2].float().reshape(batch, 2, count, 2)
    # (B, 2, n, 1, 1)
    absent = points.amax(-1, keepdim=True)[..., None] < 0
    rows = torch.arange(shape[0], device=points.device, dtype=torch.float32)
    cols = torch.arange(shape[1], device=points.device, dtype=torch.float32)
    # (B, 2, n, H)
    by_row = (rows - points[..., 0, None]) ** 2
    by_col = (cols - points[..., 1, None]) ** 2
    nearest = torch.full((batch, 2, *shape), FAR, device=points.device)
    for k in range(count):
        # one at a time: memory stays that of one map
        squared = by_row[:, :, k, :, None] + by_col[:, :, k, None, :]
        nearest = torch.minimum(nearest, squared.masked_fill(absent[:, :, k], FAR))
    return nearest


class Scale(nn.Module):
    """Multiply by the magnitude of one learnt number."""

    # as RITM initialises it
    def __init__(self, start: float = 0.05) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled tensor."""
        return x * self.scale.abs()


def map_branch(channels: int, *, leaky: bool) -> nn.Sequential:
    """Return RITM's layers that turn maps into 64 features at half the size.

    They are added to those of the image after the network's first convolution.
    """
    # both as in RITM's code
    activation = nn.LeakyReLU(0.2, inplace=True) if leaky else nn.ReLU(inplace=True)
    return nn.Sequential(
        nn.Conv2d(channels, 16, 1),
        activation,
        nn.Conv2d(16, 64, 3, stride=2, padding=1),
        Scale(),
    )


PrevKind = Literal["probability", "distance", "signed_distance"]

LIMIT_PX = 128.0
"""Distances are cut there, and are 1 then."""


def distance_map(prob: Tensor, *, signed: bool = False) -> Tensor:
    """Return how far each pixel is from the previous mask, as in ITIS [1]_.

    The paper gives the mask as a distance transform and no numbers; those here are of its
    published code.

    Parameters
    ----------
    prob : Tensor of float32, shape (B, 1, H, W)
        The previous probability; the mask is where it exceeds 0.5. All zero: there is no previous
        answer yet.
    signed : bool, default False
        Inside the mask, minus the distance to its outside; otherwise 0.

    Returns
    -------
    Tensor of float32, shape (B, 1, H, W)
        Euclidean distances in pixels, cut at `LIMIT_PX` and divided by it: in [0, 1], signed in
        [-1, 1]. Without a previous answer 0 everywhere; of an empty mask 1.

    References
    ----------
    .. [1] Mahadevan, S., Voigtlaender, P., Leibe, B. "Iteratively trained interactive
       segmentation", BMVC 2018, arXiv:1805.04398, section 3; code: sabarim/itis.
    """
    # SciPy's exact transform runs on the CPU
    maps = [_of_one(one[0], signed=signed) for one in prob.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(maps)[:, None]).to(prob.device)


def _of_one(prob: np.ndarray, *, signed: bool) -> np.ndarray:
    if not prob.any():
        return np.zeros(prob.shape, np.float32)
    mask = prob > 0.5
    far = distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, LIMIT_PX)
    if signed and mask.any():
        # without a pixel outside, scipy's answer has no meaning
        deep = np.full(mask.shape, LIMIT_PX) if mask.all() else distance_transform_edt(mask)
        far = far - deep
    return np.asarray(np.clip(far / LIMIT_PX, -1, 1), np.float32)
