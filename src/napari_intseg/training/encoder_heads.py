"""Train small networks: on the bundled encoder, whose weights stay as they are, and of outlines.

For the network that annotated images guide, every step draws tasks: two pictures of one folder, of
which one is annotated, and the other is to be answered for. What the annotation says is all that
the network is told, so it learns to go by it, as in one- and few-shot segmentation [1]_. For the
policy of suggested clicks it draws states: an object, some clicks, and what the bundled network
answers; where that is wrong is what the policy learns. For the network of outlines it draws one
that is wrong by slow waves, with one vertex put right; where its neighbours belong is learnt.

References
----------
.. [1] Shaban, A. et al. "One-shot learning for semantic segmentation", BMVC 2017,
       arXiv:1709.03410.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import DataError
from napari_intseg.models.bundled_input import spread_narrow
from napari_intseg.models.click_policy import (
    CELL,
    VIEW_PX,
    ClickPolicy,
    PolicyNet,
    state_of,
)
from napari_intseg.models.guided.guided_network import (
    DIAMETER_PX,
    OUT_STRIDE,
    GuidedNet,
    GuidedNetwork,
    load_encoder,
    resized,
    shown_places,
)
from napari_intseg.models.vertex_predictors import REACH, CurveGcn, CurveTask, curve_task
from napari_intseg.models.weights.store import CURVE_GCN, GUIDED, POLICY, write_weights
from napari_intseg.training.options import HeadOptions
from napari_intseg.training.sources import Picture, PictureSource, read_source
from napari_intseg.training.step import add_clicks, depth, first_clicks
from napari_intseg.training.synthetic import bent_ring, even_ring

T = TypeVar("T")
L = TypeVar("L", bound=np.generic)

# tasks whose features wait to be learnt from, and how many of them are new at each step: to encode
# two views takes several times as long as to learn from them, so each task is learnt from about
# four times (batch / new)
_POOL, _NEW = 192, 2
# largest norm of a gradient, as in semantic training
_STEEPEST = 5.0
# share of tasks in which everything but the objects is the object: a network that has merely
# learnt what stands out fails these (not tuned)
_TURNED = 0.1
# so many objects are annotated at most, or all; a person gives a few
_MOST_SHOWN = 6
# pictures are kept with objects of at least so many times the diameter: tasks differ in scale
_ROOM = 1.5
# tasks by which a run is measured
_MEASURED = 32


@dataclass(frozen=True, slots=True)
class RunWatch:
    """Who is told how far a run is, and says whether to stop."""

    on_progress: Callable[[int, int], None] | None
    should_stop: Callable[[], bool] | None


@dataclass(frozen=True, slots=True)
class HeadRun:
    """What a run came to.

    Parameters
    ----------
    weights : Path
    step : int
    stopped : bool
        Whether it was interrupted; the weights are those it had.
    before, after : float or None
        Of pictures that were held out; None of none. Guided: mean IoU of places with objects.
        Policy: share of states in which the click is on the side where it should be. Vertices: how
        far the neighbours of a corrected one are off, as a share of that where they are carried.
    """

    weights: Path
    step: int
    stopped: bool
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GuidedTask:
    """Two views: one is annotated, the other asked about.

    Parameters
    ----------
    views : ndarray of float32, shape (2, S, S, 3)
        RGB in [0, 1]; the annotated one first.
    shown : ndarray of float32, shape (S / 8, S / 8)
        See `shown_places`.
    truth : ndarray of float32, shape (S / 4, S / 4)
        Share of objects at each place of the second view; -1 where nothing is known.
    """

    views: FloatArray
    shown: FloatArray
    truth: FloatArray


def train_guided(
    options: HeadOptions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> HeadRun:
    """Train on folders of labelled images, and write the weights as one file.

    Parameters
    ----------
    options : HeadOptions
    on_progress : callable, optional
        Given steps (or seconds) done and in all.
    should_stop : callable, optional
        Asked before each step.

    Raises
    ------
    DataError
        If a folder has no objects.
    FileError
        If a file cannot be read.
    """
    learnt, held, rng = _begun(options)
    learnt, held = [_smaller(one) for one in learnt], [_smaller(one) for one in held]
    net = GuidedNet()
    network = GuidedNetwork(net, load_encoder(), options.device)
    other = np.random.default_rng(options.seed + 1)
    measured = [
        draw_task(held, options.size, other, turned=0) for _ in range(_MEASURED * bool(held))
    ]
    before = measure_guided(network, measured)

    def drawn() -> tuple[list[Tensor], GuidedTask]:
        task = draw_task(learnt, options.size, rng)
        return _encoded(network, task), task

    step, stopped = _learn(
        net, drawn, lambda chosen: _loss(network, chosen), rng=rng,
        options=options, told=RunWatch(on_progress, should_stop),
    )  # fmt: skip
    after = measure_guided(network, measured)
    told = "" if after is None else f"; IoU of places held out {after:.3f}"
    weights = write_weights(
        options.output / f"{options.name}.safetensors",
        net.state_dict(),
        architecture=GUIDED,
        card=f"learnt in {step} steps from {', '.join(s.name for s in learnt)}{told}",
    )
    return HeadRun(weights, step, stopped, before, after)


def _smaller(source: PictureSource) -> PictureSource:
    """Return pictures no larger than any task needs them: drawing from them takes less time."""
    return replace(source, pictures=tuple(_shrunk(one) for one in source.pictures))


def _shrunk(picture: Picture) -> Picture:
    step = int(_diameter(picture) / (_ROOM * DIAMETER_PX))
    if step < 2:
        return picture
    rows, cols = (n // step for n in picture.labels.shape)
    blocks = picture.image[: rows * step, : cols * step].reshape(rows, step, cols, step, -1)
    means = np.rint(blocks.mean((1, 3), dtype=np.float32)).astype(np.uint8)
    # a label is a name: of each block one pixel, not a mean
    half = step // 2
    labels = picture.labels[half : rows * step : step, half : cols * step : step]
    found, areas = np.unique(labels[labels > 0], return_counts=True)
    objects = found.astype(np.int64)
    if not objects.size:
        return picture
    image = means[..., 0] if picture.image.ndim == 2 else means
    return replace(picture, image=image, labels=labels, objects=objects, areas=areas)


def _diameter(picture: Picture) -> float:
    """Return the diameter of a disc as large as the median object."""
    return 2 * float(np.sqrt(np.median(picture.areas) / np.pi))


def _split(
    sources: Sequence[PictureSource], share: float
) -> tuple[list[PictureSource], list[PictureSource]]:
    """Return what is learnt from, and what is measured: the last pictures of each folder."""
    learnt, held = [], []
    for one in sources:
        count = len(one.pictures)
        # a task takes two pictures; of fewer than four none can be spared
        last = round(share * count) if count > 3 else 0
        learnt.append(PictureSource(one.name, one.pictures[: count - last], one.weight))
        if last:
            held.append(PictureSource(one.name, one.pictures[count - last :], one.weight))
    return learnt, held


def _learn(
    net: nn.Module,
    draw: Callable[[], T],
    loss_of: Callable[[Sequence[T]], Tensor],
    *,
    rng: np.random.Generator,
    options: HeadOptions,
    told: RunWatch,
) -> tuple[int, bool]:
    """Take steps; return how many, and whether it was stopped."""
    net.train()
    begun = time.monotonic()
    optimiser = torch.optim.AdamW(net.parameters(), options.rate)
    pool: list[T] = []
    step = 0
    seconds = None if options.minutes is None else options.minutes * 60
    while True:
        done = step / options.steps if seconds is None else (time.monotonic() - begun) / seconds
        stopped = told.should_stop is not None and told.should_stop()
        if done >= 1 or stopped:
            break
        # up within a twentieth of the run, then down to nothing along a cosine
        rate = options.rate * min(1.0, 20 * done + 0.01) * (1 + np.cos(np.pi * done)) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate
        # at the start as many as a step takes; the pool then grows by the new ones
        for _ in range(_NEW if len(pool) >= options.batch else options.batch):
            if len(pool) < _POOL:
                pool.append(draw())
            else:
                pool[int(rng.integers(_POOL))] = draw()
        chosen = [pool[i] for i in rng.choice(len(pool), options.batch, replace=False)]
        loss = loss_of(chosen)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        # one odd picture must not undo all that was learnt
        nn.utils.clip_grad_norm_(net.parameters(), _STEEPEST)
        optimiser.step()
        step += 1
        if told.on_progress is not None:
            total = options.steps if seconds is None else round(seconds)
            told.on_progress(step if seconds is None else min(total, round(done * total)), total)
    net.eval()
    return step, stopped


def _encoded(network: GuidedNetwork, task: GuidedTask) -> list[Tensor]:
    """Return the encoder's maps of both views, in half the memory."""
    views = torch.from_numpy(task.views).permute(0, 3, 1, 2).to(network.device)
    return [one.half() for one in network.maps(views)]


def _answers(network: GuidedNetwork, chosen: Sequence[tuple[list[Tensor], GuidedTask]]) -> Tensor:
    """Return logits (B, h, w) for the second views."""
    maps = [torch.cat(level).float() for level in zip(*(kept for kept, _ in chosen), strict=True)]
    features, fine = network.net.features(maps)
    shown = torch.from_numpy(np.stack([task.shown for _, task in chosen])).to(network.device)
    memory = network.net.remember(features[::2], shown)
    return network.net.answer(features[1::2], fine[1::2], memory)[:, 0]


def _loss(network: GuidedNetwork, chosen: Sequence[tuple[list[Tensor], GuidedTask]]) -> Tensor:
    """Return cross entropy and one minus the Dice coefficient, of what is known."""
    logits = _answers(network, chosen)
    truth = torch.from_numpy(np.stack([task.truth for _, task in chosen])).to(network.device)
    known = (truth >= 0).float()
    wanted = truth.clamp(min=0)
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * known
    prob = logits.sigmoid() * known
    both, either = (prob * wanted).sum((1, 2)), (prob + wanted * known).sum((1, 2))
    dice = 1 - (2 * both + 1) / (either + 1)
    return each.sum() / known.sum().clamp(min=1) + 0.5 * dice.mean()


def measure_guided(network: GuidedNetwork, tasks: Sequence[GuidedTask]) -> float | None:
    """Return the mean IoU of places with objects; None of no tasks."""
    ious = []
    network.net.eval()
    with torch.no_grad():
        for task in tasks:
            mask = _answers(network, [(_encoded(network, task), task)])[0].cpu().numpy() > 0
            known, truth = task.truth >= 0, task.truth >= 0.5
            either = np.count_nonzero((mask | truth) & known)
            ious.append(np.count_nonzero(mask & truth & known) / either if either else 1.0)
    return float(np.mean(ious)) if ious else None


def draw_task(
    sources: Sequence[PictureSource],
    size: int,
    rng: np.random.Generator,
    *,
    turned: float = _TURNED,
) -> GuidedTask:
    """Draw two views of one folder at one scale, in which objects have about the usual diameter.

    Parameters
    ----------
    sources : sequence of PictureSource
    size : int
        Side of the views, in pixels.
    rng : Generator
    turned : float
        Share of tasks in which everything but the objects is the object.
    """
    source = _source(sources, rng)
    first = source.pictures[int(rng.integers(len(source.pictures)))]
    # the same picture now and then, as when more is looked for where some is annotated
    other = (
        first if rng.random() < 0.1 else source.pictures[int(rng.integers(len(source.pictures)))]
    )
    diameter = _diameter(first)
    # half or twice at the extremes: median sizes of two pictures differ
    scale = DIAMETER_PX / diameter * float(np.exp(rng.normal(0, 0.2)))
    light = _Light.drawn(rng)
    view, labels = _view(first, scale, size, rng)
    query, truth = _view(other, scale, size, rng)
    values = np.unique(labels[labels > 0])
    if rng.random() < 0.5 and values.size > _MOST_SHOWN:
        values = rng.choice(values, int(rng.integers(1, _MOST_SHOWN + 1)), replace=False)
    objects, wanted = np.isin(labels, values), np.where(truth < 0, -1, truth > 0)
    if rng.random() < turned:
        objects, wanted = (labels == 0), np.where(truth < 0, -1, truth == 0)
    return GuidedTask(
        np.stack([spread_narrow(light.cast(one, rng)) for one in (view, query)]),
        shown_places(objects, (size, size), DIAMETER_PX),
        _shares(wanted),
    )


def _source(sources: Sequence[PictureSource], rng: np.random.Generator) -> PictureSource:
    weights = np.array([one.weight for one in sources])
    return sources[int(rng.choice(len(sources), p=weights / weights.sum()))]


def _shares(wanted: NDArray[np.integer]) -> FloatArray:
    """Return the share of objects at each place of stride 4; -1 where most is not known."""
    side = wanted.shape[0] // OUT_STRIDE
    blocks = wanted.reshape(side, OUT_STRIDE, side, OUT_STRIDE).swapaxes(1, 2)
    share = (blocks > 0).mean((2, 3), dtype=np.float32)
    share[(blocks < 0).mean((2, 3)) > 0.5] = -1
    return np.asarray(share, np.float32)


def _view(
    picture: Picture, scale: float, size: int, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Return a part of a picture round one of its objects, (S, S, 3) in [0, 1], and labels."""
    reach = max(2, round(size / scale))
    value = picture.objects[int(rng.integers(len(picture.objects)))]
    rows, cols = np.nonzero(picture.labels == value)
    at = int(rng.integers(len(rows)))
    # the object lies anywhere in the view, not in its middle
    corner = [int(c) - int(rng.integers(reach)) for c in (rows[at], cols[at])]
    # not beyond the picture, as far as that is large enough
    corner = [
        min(max(c, 0), max(n - reach, 0)) for c, n in zip(corner, picture.labels.shape, strict=True)
    ]
    where = tuple(slice(c, c + reach) for c in corner)
    part, labels = picture.image[where], picture.labels[where].astype(np.int32)
    part = part if part.ndim == 3 else part[..., None].repeat(3, 2)
    margins = [(0, reach - n) for n in labels.shape]
    part = np.pad(part, (*margins, (0, 0)), constant_values=128)
    labels = np.pad(labels, margins, constant_values=-1)
    turns, flips = int(rng.integers(4)), rng.random() < 0.5
    step = -1 if flips else 1
    part, labels = np.rot90(part[::step], turns), np.rot90(labels[::step], turns)
    return _at_size(part, labels, size)


def _at_size(
    part: NDArray[np.uint8], labels: NDArray[L], size: int
) -> tuple[FloatArray, NDArray[L]]:
    """Return a square of an image, (S, S, 3) in [0, 1], and its labels, in another size."""
    grid = np.minimum((np.arange(size) + 0.5) * len(labels) / size, len(labels) - 1).astype(int)
    values = torch.from_numpy(np.ascontiguousarray(part, np.float32)).permute(2, 0, 1)[None] / 255
    small = resized(values, (size, size))[0].permute(1, 2, 0).numpy()
    return np.clip(small, 0, 1), labels[grid][:, grid]


@dataclass(frozen=True, slots=True, eq=False)
class _Light:
    """How both pictures of a task are changed, so that no kind of object is known by its looks."""

    inverted: bool
    gamma: float
    order: tuple[int, ...]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_Light":
        order = tuple(rng.permutation(3)) if rng.random() < 0.3 else (0, 1, 2)
        return cls(rng.random() < 0.2, float(np.exp(rng.normal(0, 0.3))), order)

    def cast(self, image: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return one of the two; light and noise differ a little between them."""
        seen = image[..., list(self.order)] ** np.float32(self.gamma)
        seen = 1 - seen if self.inverted else seen
        seen = (seen - 0.5) * np.float32(rng.uniform(0.7, 1.2)) + np.float32(rng.uniform(0.4, 0.6))
        if rng.random() < 0.3:
            seen = seen + rng.normal(0, rng.uniform(0, 0.06), seen.shape)
        return np.asarray(np.clip(seen, 0, 1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PolicyState:
    """What a policy sees of an object, and where the answer is wrong.

    Parameters
    ----------
    near, far : Tensor, shape (1, C, h, w)
        The encoder's maps at strides 8 and 16, in half precision.
    state : Tensor, shape (1, 4, h, w)
        See `state_of`.
    depths : Tensor, shape (1, 1, h, w)
        See `PolicyNet.forward`.
    """

    near: Tensor
    far: Tensor
    state: Tensor
    depths: Tensor


def train_policy(
    options: HeadOptions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> HeadRun:
    """Train a policy for the next click on labelled images, and write its weights as one file.

    Parameters
    ----------
    options : HeadOptions
        Views have `VIEW_PX` a side, whatever `size` says.
    on_progress : callable, optional
        Given steps (or seconds) done and in all.
    should_stop : callable, optional
        Asked before each step.

    Raises
    ------
    DataError
        If a folder has no objects.
    FileError
        If a file cannot be read.
    """
    learnt, held, rng = _begun(options)
    net = PolicyNet()
    policy = ClickPolicy(net, load_encoder(), options.device)
    other = np.random.default_rng(options.seed + 1)
    measured = [draw_state(policy, held, other) for _ in range(_MEASURED)] if held else []
    before = measure_policy(policy, measured)
    step, stopped = _learn(
        net, lambda: draw_state(policy, learnt, rng), lambda chosen: _policy_loss(policy, chosen),
        rng=rng, options=options, told=RunWatch(on_progress, should_stop),
    )  # fmt: skip
    weights = write_weights(
        options.output / f"{options.name}.safetensors",
        net.state_dict(),
        architecture=POLICY,
        card=f"learnt in {step} steps from {', '.join(s.name for s in learnt)}",
    )
    return HeadRun(weights, step, stopped, before, measure_policy(policy, measured))


def _begun(
    options: HeadOptions,
) -> tuple[list[PictureSource], list[PictureSource], np.random.Generator]:
    """Return what is learnt from, what is measured, and random numbers from the run's seed."""
    masks = dict(options.masks)
    sources = [read_source(folder, weight, masks=masks) for folder, weight in options.folders]
    torch.manual_seed(options.seed)
    return (*_split(sources, options.held_out), np.random.default_rng(options.seed))


def draw_state(
    policy: ClickPolicy, sources: Sequence[PictureSource], rng: np.random.Generator
) -> PolicyState:
    """Draw an object, click as in training, and have the bundled network answer."""
    source = _source(sources, rng)
    picture = source.pictures[int(rng.integers(len(source.pictures)))]
    image, truth = _object_view(picture, rng)
    table = first_clicks(truth, rng)[None]
    net, device = policy.encoder, policy.device
    with torch.no_grad():
        seen = torch.from_numpy(spread_narrow(image)).permute(2, 0, 1)[None].to(device)
        kept = net.encode(seen)
        prob = torch.zeros((1, 1, VIEW_PX, VIEW_PX), device=device)
        # late states are rarer in use: chains are short
        for number in range(int(rng.integers(1, 5))):
            if number:
                table = add_clicks(table, prob[0].cpu().numpy(), truth[None], rng)
            prob = net.answer(kept, torch.from_numpy(table).to(device), prob).float().sigmoid()
        state = state_of(prob, torch.from_numpy(table).to(device))
    return PolicyState(
        kept[2].half(), kept[3].half(), state, error_depths(prob[0, 0].cpu().numpy(), truth)
    )


def error_depths(prob: FloatArray, truth: NDArray[np.uint8]) -> Tensor:
    """Return what a policy should say of an answer, (1, 1, h, w); see `PolicyNet.forward`."""
    mask = prob > 0.5
    size = max(1.0, float(np.sqrt(np.count_nonzero(mask))))
    missed, extra = depth((truth == 1) & ~mask), depth((truth == 0) & mask)
    pair = torch.from_numpy(np.stack([missed, extra]))[None] / size
    deepest = F.max_pool2d(pair, CELL)
    return deepest[:, :1] - deepest[:, 1:]


def _object_view(
    picture: Picture, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Return the surroundings of an object, (S, S, 3) in [0, 1], and where it is; 255: ignored."""
    value = picture.objects[int(rng.integers(len(picture.objects)))]
    rows, cols = np.nonzero(picture.labels == value)
    reach = max(16, round(max(np.ptp(rows), np.ptp(cols)) * rng.uniform(1.2, 2.2)))
    corner = [
        round((int(at.min()) + int(at.max()) - reach) / 2 + rng.uniform(-0.1, 0.1) * reach)
        for at in (rows, cols)
    ]
    where = tuple(slice(max(0, c), max(0, c + reach)) for c in corner)
    part = picture.image[where]
    part = part if part.ndim == 3 else part[..., None].repeat(3, 2)
    labels = picture.labels[where].astype(np.int32)
    before = [max(0, -c) for c in corner]
    margins = [(b, reach - b - n) for b, n in zip(before, labels.shape, strict=True)]
    part = np.pad(part, (*margins, (0, 0)), constant_values=128)
    labels = np.pad(labels, margins, constant_values=-1)
    truth = np.where(labels < 0, 255, labels == value).astype(np.uint8)
    return _at_size(part, truth, VIEW_PX)


def _policy_loss(policy: ClickPolicy, chosen: Sequence[PolicyState]) -> Tensor:
    wanted = torch.cat([one.depths for one in chosen]).to(policy.device)
    found = _policy_depths(policy, chosen)
    # most cells are right: those that are wrong count as much as all others together
    weight = torch.where(wanted != 0, (wanted == 0).float().mean() + 0.1, 1.0)
    return 10 * (F.smooth_l1_loss(found, wanted, reduction="none", beta=0.1) * weight).mean()


def _policy_depths(policy: ClickPolicy, chosen: Sequence[PolicyState]) -> Tensor:
    near, far, state = (
        torch.cat([getattr(one, name) for one in chosen]).float().to(policy.device)
        for name in ("near", "far", "state")
    )
    return cast(Tensor, policy.net(near, far, state))


def measure_policy(policy: ClickPolicy, states: Sequence[PolicyState]) -> float | None:
    """Return in what share of wrong answers the deepest error that is seen is one; None of none."""
    policy.net.eval()
    right = []
    with torch.no_grad():
        for one in states:
            found = _policy_depths(policy, [one]).flatten().cpu()
            at = int(found.abs().argmax())
            if one.depths.any():
                right.append(float(found[at] * one.depths.flatten()[at]) > 0)
    return float(np.mean(right)) if right else None


def train_vertices(
    options: HeadOptions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> HeadRun:
    """Train Curve-GCN's correction pass on labelled images; as `train_policy`, which see."""
    learnt, held, rng = _begun(options)
    net, other = CurveGcn(), np.random.default_rng(options.seed + 1)
    measured = [draw_curve(held, other) for _ in range(_MEASURED * bool(held))]

    def loss_of(chosen: Sequence[CurveTask]) -> Tensor:
        batch = [torch.cat([getattr(one, n) for one in chosen]) for n in ("crop", "ring", "shift")]
        off = net(*batch) - torch.cat([one.truth for one in chosen])
        near = torch.cat([one.near for one in chosen])[..., None]
        # 0.01 of the crop is two pixels: errors below it count by their square
        return F.smooth_l1_loss(off * near, torch.zeros_like(off), beta=0.01, reduction="sum") / (
            near.sum()
        )

    step, stopped = _learn(
        net, lambda: draw_curve(learnt, rng), loss_of, rng=rng, options=options,
        told=RunWatch(on_progress, should_stop),
    )  # fmt: skip
    with torch.no_grad():
        left, now = (sum(one.error(n) for one in measured) for n in (None, net))
    weights = write_weights(
        options.output / f"{options.name}.safetensors", net.state_dict(), architecture=CURVE_GCN,
        settings=net.settings, card=f"{step} steps from {', '.join(s.name for s in learnt)}",
    )  # fmt: skip
    share = now / left if measured else None
    return HeadRun(weights, step, stopped, share and 1.0, share)


def draw_curve(sources: Sequence[PictureSource], rng: np.random.Generator) -> CurveTask:
    """Draw an object and an outline that is wrong but for one vertex, which a person put right."""
    for _ in range(100):
        source = _source(sources, rng)
        picture = source.pictures[int(rng.integers(len(source.pictures)))]
        mask = picture.labels == picture.objects[int(rng.integers(len(picture.objects)))]
        ring = even_ring(mask)
        if ring is not None:
            break
    else:
        raise DataError(
            f"objects are too small: expected outlines of 20 pixels or more, got none in "
            f"{', '.join(s.name for s in sources)}. Choose other folders."
        )
    image = picture.image if picture.image.ndim == 3 else picture.image[..., None].repeat(3, 2)
    seen = _Light.drawn(rng).cast(np.asarray(image, np.float32) / np.float32(255), rng)
    before = bent_ring(ring, float(np.sqrt(np.count_nonzero(mask))), rng)
    return curve_task(seen, before, ring, int(rng.integers(len(ring))), reach=REACH)
