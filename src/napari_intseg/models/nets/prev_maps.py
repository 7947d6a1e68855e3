"""How the previous answer enters a network: as it is, or as a map of distances."""

from typing import Literal

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

PrevKind = Literal["probability", "distance", "signed_distance"]

LIMIT_PX = 128.0
"""Distances are cut there, and are 1 then."""


def distance_map(prob: Tensor, *, signed: bool = False) -> Tensor:
    """Return how far each pixel is from the previous mask, as in ITIS [1]_.

    The paper gives the mask as a distance transform and no numbers; those here are of its
    published code, whose weights are not at hand: unproven.

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
