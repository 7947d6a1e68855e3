"""One optimiser step: encode the views once, answer and correct several times."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.training.clicks import add_clicks

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


LATE_SHARE = 0.25
"""Share of steps that begin in the middle of a person's work."""

LATE_CLICKS = 9
"""They begin after at most as many clicks, less one, on the network's own answers."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """Mean loss over passes, and mean IoU after the first and the last click."""

    loss: float
    first_iou: float
    last_iou: float


def batch_iou(prob: Tensor, truth: Tensor) -> float:
    """Return the mean IoU of answers and truth of shape (B, 1, H, W); ignored pixels left out."""
    mask, right, counts = prob > 0.5, truth == 1, truth != IGNORED
    both = (mask & right).sum((1, 2, 3)).float()
    either = ((mask | right) & counts).sum((1, 2, 3)).float()
    return float(((both + 1e-6) / (either + 1e-6)).mean())


def click_step(
    net: ClickPyramid,
    batch: tuple[Tensor, ...],
    *,
    passes: int,
    rng: np.random.Generator,
    precision: torch.dtype,
) -> tuple[Tensor, StepResult]:
    """Return the loss of a batch, ready for `backward`, and what it looked like.

    Every view is encoded once, for all its objects. Then each is answered `passes` times; between
    two answers it gets one click on its deepest error, and the probability goes back in. All
    passes are supervised: their number buys clicks, not passes of the encoder. A quarter of the
    steps begins after a few answers and clicks that are not: without these a network knows the
    first clicks only, and wavers when it is corrected for the tenth time. `batch` is `Views`.
    """
    image, truth = batch[:2]
    half = precision != torch.float32
    with torch.autocast(image.device.type, dtype=precision, enabled=half):
        image = image.float().div(255).contiguous(memory_format=torch.channels_last)
        kept = _shared(net.encode(image), batch[4])
        clicks, prev = _begin(net, kept, batch, rng)
        losses, ious = [], []
        for number in range(passes):
            logits = net.answer(kept, clicks, prev)
            losses.append(click_loss(logits, truth).mean())
            prev = torch.sigmoid(logits.detach())
            ious.append(batch_iou(prev, truth))
            if number + 1 < passes:
                clicks = _clicked(clicks, prev, truth, rng)
    loss = torch.stack(losses).mean()
    return loss, StepResult(float(loss.detach()), ious[0], ious[-1])


def _shared(kept: list[Tensor], owner: Tensor) -> list[Tensor]:
    """Return what is kept of each object's view; objects of a view share its encoding."""
    if len(owner) == len(kept[0]):
        return kept
    formats = [torch.channels_last] * 5 + [torch.contiguous_format] * max(0, len(kept) - 5)
    return [
        part.index_select(0, owner).contiguous(memory_format=kind)
        for part, kind in zip(kept, formats, strict=False)
    ]


def _begin(
    net: ClickPyramid, kept: list[Tensor], batch: tuple[Tensor, ...], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return the clicks and the answer that a step begins with."""
    truth, clicks, prev = batch[1:4]
    count = int(rng.integers(1, LATE_CLICKS)) if rng.random() < LATE_SHARE else 0
    # weights that autocast keeps from here would have no gradient in the passes that follow
    kind, half = prev.device.type, torch.is_autocast_enabled(prev.device.type)
    with torch.no_grad(), torch.autocast(kind, enabled=half, cache_enabled=False):
        for _ in range(count):
            prev = torch.sigmoid(net.answer(kept, clicks, prev))
            clicks = _clicked(clicks, prev, truth, rng)
    return clicks, prev


def _clicked(clicks: Tensor, prob: Tensor, truth: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the click tables with one more click each, on the deepest error of an answer."""
    table = add_clicks(
        clicks.cpu().numpy(), prob[:, 0].cpu().numpy(), truth[:, 0].cpu().numpy(), rng
    )
    return torch.from_numpy(table).to(clicks.device)


def parameter_groups(net: ClickPyramid, *, lr: float, decay: float) -> list[dict[str, Any]]:
    """Return the optimiser's groups: the encoder at 0.3 of the rate, vectors without decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        share = 0.3 if name.startswith("encoder.") else 1.0
        key = (lr * share, decay if parameter.ndim > 1 else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": fade, "full_lr": rate}
        for (rate, fade), parameters in groups.items()
    ]


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, step: int, *, decay: float = 0.999) -> None:
    """Move the running average of weights towards the network; faster in the first steps."""
    keep = min(decay, (1 + step) / (10 + step))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast.detach(), 1 - keep)
        else:
            slow.copy_(fast)
