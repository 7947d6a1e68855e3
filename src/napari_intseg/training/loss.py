"""What a wrong answer costs."""

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = 255


def click_loss(logits: Tensor, truth: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Return normalised focal loss [1]_ plus half the cross-entropy, one value a view.

    The focal weights of a view are scaled to a mean of one, so that a nearly right answer still
    teaches as much as a wrong one; the cross-entropy keeps the first steps steady.

    Parameters
    ----------
    logits : Tensor of float32, shape (B, 1, H, W)
    truth : Tensor of uint8, shape (B, 1, H, W)
        1 object, 0 background, 255 ignored.
    gamma : float, default 2
        How strongly sure pixels are left out.

    Returns
    -------
    Tensor of float32, shape (B,)

    References
    ----------
    .. [1] Sofiiuk, K., Barinova, O., Konushin, A. "AdaptIS: adaptive instance selection network",
       arXiv:1909.07829.
    """
    counts = (truth != IGNORED).float()
    entropy = F.binary_cross_entropy_with_logits(logits, (truth == 1).float(), reduction="none")
    entropy = entropy * counts
    with torch.no_grad():
        weight = (1 - torch.exp(-entropy)) ** gamma * counts
        total = counts.sum((1, 2, 3)).clamp_min(1)
        weight = weight * (total / weight.sum((1, 2, 3)).clamp_min(1e-6))[:, None, None, None]
    return (entropy * (0.5 * weight + 0.5)).sum((1, 2, 3)) / total
