"""One optimiser step: encode the views once, click as a person would, answer, correct, repeat."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_intseg.core.segmenter import BoolArray, FloatArray
from napari_intseg.models.nets.click_pyramid import ClickPyramid

# room for the first ones (nine at most), late ones (eight) and those between passes
MAX_CLICKS = 24
"""Rows of a click table; the rest of it is zero, which means no click."""

Truth = NDArray[np.uint8]


def depth(region: BoolArray) -> FloatArray:
    """Return the distance to the outside of a region (H, W); beyond the view is outside."""
    # clicks keep off the edge of a view, as they do off an outline
    padded = np.pad(region.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)


def _pick(where: BoolArray, rng: Generator) -> tuple[int, int] | None:
    at = np.flatnonzero(where)
    if not at.size:
        return None
    row, col = divmod(int(at[rng.integers(at.size)]), where.shape[1])
    return row, col


def first_clicks(truth: Truth, rng: Generator) -> FloatArray:
    """Return a table (24, 3) of row, column, sign with the clicks a view starts with.

    Most views start with one click well inside the object. Every fourth starts with several of
    both signs, as in the middle of a person's work.
    """
    table = np.zeros((MAX_CLICKS, 3), np.float32)
    inside = depth(truth == 1)
    deepest = inside.max()
    found = []
    # mostly well inside, three of ten times nearly anywhere: people do not always hit the middle
    share = 0.8 if rng.random() < 0.7 else 0.25
    found.append((_pick((inside >= share * deepest) & (inside > 0), rng), 1.0))
    if rng.random() < 0.25:
        far = cv2.distanceTransform((truth != 1).astype(np.uint8), cv2.DIST_L2, 3)
        # negative clicks near the outline, where people put them, but not on it
        ring = (truth == 0) & (far > 3) & (far < 3 + 0.5 * deepest + 10)
        well = (inside >= 0.2 * deepest) & (inside > 0)
        found += [(_pick(well, rng), 1.0) for _ in range(rng.integers(0, 5))]
        for _ in range(rng.integers(0, 5)):
            found.append((_pick(ring if rng.random() < 0.7 else truth == 0, rng), -1.0))
    rows = [(*at, sign) for at, sign in found if at is not None]
    if rows:
        table[: len(rows)] = rows
    return table


def next_click(prob: FloatArray, truth: Truth, rng: Generator) -> tuple[int, int, float] | None:
    """Return a click on the deepest error of an answer, somewhat off its centre, or None.

    Parameters
    ----------
    prob : ndarray of float32, shape (H, W)
        The answer's probability.
    truth : ndarray of uint8, shape (H, W)
        1 object, 0 background, 255 ignored.
    rng : Generator
        Draws whether the click may lie anywhere at least half as deep as the deepest pixel, or
        only at nine tenths, and then which pixel.
    """
    mask = prob > 0.5
    missed, extra = depth((truth == 1) & ~mask), depth((truth == 0) & mask)
    # the deeper error first, as the robot user of evaluation does
    positive = bool(missed.max() > extra.max())
    depths = missed if positive else extra
    deepest = float(depths.max())
    if deepest <= 0:
        return None
    # half of the clicks are near the deepest place, half are less exact
    share = 0.5 if rng.random() < 0.5 else 0.9
    at = _pick(depths >= share * deepest, rng)
    assert at is not None
    return (*at, 1.0 if positive else -1.0)


def add_clicks(table: FloatArray, prob: FloatArray, truth: Truth, rng: Generator) -> FloatArray:
    """Return the click tables (B, 24, 3) with one more click each; a full table stays.

    `prob` and `truth` have shape (B, H, W).
    """
    out = table.copy()
    for one, answer, right in zip(out, prob, truth, strict=True):
        free = np.flatnonzero(one[:, 2] == 0)
        click = next_click(answer, right, rng)
        if click is not None and free.size:
            one[free[0]] = click
    return out


def rough_mask(truth: Truth, rng: Generator) -> FloatArray:
    """Return a damaged copy of the object (H, W), as a neighbouring slice gives it."""
    mask = (truth == 1).astype(np.uint8)
    # in proportion to the object's size, so that a small one is not lost
    reach = max(1, round(float(np.sqrt(mask.sum())) * rng.uniform(0.02, 0.15)))
    shift = rng.integers(-reach, reach + 1, size=2)
    # objects move between slices
    mask = np.roll(mask, tuple(shift), (0, 1))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = cv2.dilate(mask, kernel) if rng.random() < 0.5 else cv2.erode(mask, kernel)
    # a piece that is missing or too much, as propagation leaves it
    if rng.random() < 0.5:
        row, col = (int(rng.integers(0, n)) for n in mask.shape)
        cv2.circle(mask, (col, row), 2 * reach + 3, int(rng.integers(0, 2)), -1)
    return mask.astype(np.float32)


# as in 8-bit masks; the object is 1
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
    # weights say which pixels count; they teach nothing themselves
    with torch.no_grad():
        weight = (1 - torch.exp(-entropy)) ** gamma * counts
        total = counts.sum((1, 2, 3)).clamp_min(1)
        # a perfect answer has no weights to scale
        weight = weight * (total / weight.sum((1, 2, 3)).clamp_min(1e-6))[:, None, None, None]
    return (entropy * (0.5 * weight + 0.5)).sum((1, 2, 3)) / total


# of the authors' code (isl-org/Intseg): the first answers are taught the most
_EACH = 0.0025


def answers_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the mean loss of views with one answer each, or with several [1]_.

    Of several the best is taught, and all a little, the first most: so the first is likely, and the
    others are what else may be meant.

    Parameters
    ----------
    logits : Tensor of float32, shape (B, K, H, W)
    truth : Tensor of uint8, shape (B, 1, H, W)

    References
    ----------
    .. [1] Li, Z., Chen, Q., Koltun, V. "Interactive image segmentation with latent diversity", CVPR
       2018.
    """
    each = torch.stack([click_loss(one, truth) for one in torch.split(logits, 1, dim=1)])
    if len(each) == 1:
        return each.mean()
    shares = _EACH * 2.0 ** torch.arange(len(each) - 1, -1, -1, device=each.device)
    return (each.amin(0) + (shares[:, None] * each).sum(0)).mean()


# a half of the steps cost the first click (mean IoU .590 instead of .664 on GrabCut); a quarter, in
# the fourth schedule, gave it back
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
    # both empty is agreement
    return float(((both + 1e-6) / (either + 1e-6)).mean())


def click_step(
    net: ClickPyramid,
    batch: tuple[Tensor, ...],
    *,
    passes: int,
    rng: np.random.Generator,
    precision: torch.dtype,
    shows: bool = False,
) -> tuple[Tensor, StepResult]:
    """Return the loss of a batch, ready for `backward`, and what it looked like.

    Every view is encoded once, for all its objects. Then each is answered `passes` times; between
    two answers it gets one click on its deepest error, and the probability goes back in. All
    passes are supervised: their number buys clicks, not passes of the encoder. A quarter of the
    steps begins after a few answers and clicks that are not: without these a network knows the
    first clicks only, and wavers when it is corrected for the tenth time. `batch` is `Views`; what
    is drawn on them is left out unless the step `shows` it, which the click pyramid alone can see.
    """
    image, truth = batch[:2]
    half = precision != torch.float32
    with torch.autocast(image.device.type, dtype=precision, enabled=half):
        # views come as bytes: a quarter of what is moved to the device
        image = image.float().div(255).contiguous(memory_format=torch.channels_last)
        kept = _shared(net.encode(image), batch[4])
        if shows:
            kept = net.prompted(kept, batch[5].float())
        clicks, prev = _begin(net, kept, batch, rng)
        losses, ious = [], []
        for number in range(passes):
            logits = net.answer(kept, clicks, prev)
            losses.append(answers_loss(logits, truth))
            # as in use: an answer is given back as numbers, not taught through the next one
            prev = torch.sigmoid(logits[:, :1].detach())
            ious.append(batch_iou(prev, truth))
            if number + 1 < passes:
                clicks = _clicked(clicks, prev, truth, rng)
    loss = torch.stack(losses).mean()
    return loss, StepResult(float(loss.detach()), ious[0], ious[-1])


def _shared(kept: list[Tensor], owner: Tensor) -> list[Tensor]:
    """Return what is kept of each object's view; objects of a view share its encoding."""
    if len(owner) == len(kept[0]):
        return kept
    # the first five maps are in the layout that convolutions are faster in; what follows are
    # vectors
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
            prev = torch.sigmoid(net.answer(kept, clicks, prev)[:, :1])
            clicks = _clicked(clicks, prev, truth, rng)
    return clicks, prev


def _clicked(clicks: Tensor, prob: Tensor, truth: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the click tables with one more click each, on the deepest error of an answer."""
    table = add_clicks(
        clicks.cpu().numpy(), prob[:, 0].cpu().numpy(), truth[:, 0].cpu().numpy(), rng
    )
    return torch.from_numpy(table).to(clicks.device)


def parameter_groups(net: ClickPyramid, lr: float, *, encoder: float = 0.3) -> list[dict[str, Any]]:
    """Return the optimiser's groups: the encoder at a share of the rate, vectors without decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        # pretrained layers move less than new ones; all schedules of docs/results.md had this share
        share = encoder if name.startswith("encoder.") else 1.0
        # biases and scales of normalisation are not to be drawn to zero
        # AdamW's usual decay
        key = (lr * share, 0.01 if parameter.ndim > 1 else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": fade, "full_lr": rate}
        for (rate, fade), parameters in groups.items()
    ]


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, step: int, *, decay: float = 0.999) -> None:
    """Move the running average of weights towards the network; faster in the first steps."""
    # else the random first weights would stay in the average for a thousand steps
    keep = min(decay, (1 + step) / (10 + step))
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast.detach(), 1 - keep)
        else:
            slow.copy_(fast)
