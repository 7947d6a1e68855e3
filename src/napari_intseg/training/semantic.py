"""Training of the plain semantic networks: one loop, all of them."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_intseg.core import files
from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError, WeightsError
from napari_intseg.models.automatic.semantic_model import (
    MEAN,
    STD,
    infer,
    mark_maps,
    read_semantic,
    takes_annotations,
)
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.models.device import choose_device, memory_guard
from napari_intseg.models.networks import build_semantic
from napari_intseg.models.weights.store import SEMANTIC
from napari_intseg.training.options import SemanticOptions
from napari_intseg.training.sources import IGNORED_CLASS, ClassMap, ClassSource, read_classes

MARKS = 5
"""Annotations of a picture by which a run is measured, as a person begins with a few."""

# annotations of a view: from none to more than a person gives one (not tuned)
_MOST_MARKS = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SemanticRun:
    """What a run came to.

    Parameters
    ----------
    weights : Path
    step : int
    stopped : bool
        Whether it was interrupted; it can be resumed.
    names : tuple of str
        Of the classes.
    before, after, marked : tuple of float
        Intersection over union of each class on what was held out, before, after, and after with
        `MARKS` annotations of each picture, if it takes some; empty if nothing was held out.
    """

    weights: Path
    step: int
    stopped: bool
    names: tuple[str, ...]
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    marked: tuple[float, ...] = ()


def train_semantic(
    options: SemanticOptions,
    *,
    resume: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SemanticRun:
    """Train a network, measure it, and write its weights as one file.

    Parameters
    ----------
    options : SemanticOptions
    resume : bool, default False
        Go on from the checkpoint in the output folder; the same numbers come out as without a
        pause, on the same device.
    on_progress : callable, optional
        Given steps (or seconds) done and in all.
    should_stop : callable, optional

    Raises
    ------
    DataError
        If there is nothing to learn from, or the output holds another run.
    WeightsError
        If a file to start from is of another network.
    """
    source = read_classes(options.folders, dict(options.masks))
    learnt, held = _split(source, options)
    device = choose_device(options.device)
    net = build_semantic(options.network, len(source.names), options.width).to(device)
    # step 0 draws the weights, later ones the views: resuming draws neither twice
    _seeded(options.seed, 0)
    _initialise(net, options, source.names)
    run = _SemanticRun(net, options, source, learnt, device)
    options.output.mkdir(parents=True, exist_ok=True)
    begun = run.load() if resume else run.refuse_other()
    before = begun.get("before")
    if before is None:
        before = measure(net, held, len(source.names), device)
    stopped = run.go(before, on_progress, should_stop)
    after = () if stopped else measure(net, held, len(source.names), device)
    marked: tuple[float, ...] = ()
    if after and takes_annotations(net):
        marked = measure(net, held, len(source.names), device, MARKS)
    weights = options.output / f"{options.name}.safetensors"
    if not stopped:
        _write(net, weights, options, source, after)
        # a finished run leaves nothing that a new one would trip over
        run.checkpoint.unlink(missing_ok=True)
    return SemanticRun(weights, run.step, stopped, source.names, tuple(before), after, marked)


class _SemanticRun:
    """The loop's state: network, optimiser, step, and the file they are kept in."""

    def __init__(
        self, net: Any, options: SemanticOptions, source: ClassSource,
        learnt: tuple[tuple[ClassMap, ...], NDArray[np.float64]], device: torch.device,
    ) -> None:  # fmt: skip
        self.net, self.options, self.source, self.device = net, options, source, device
        self.pictures, self.shares = learnt
        self.optimiser = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=1e-4)
        self.weights = _class_weights(self.pictures, len(source.names)).to(device)
        self.checkpoint = options.output / "semantic.pt"
        self.step = 0
        self.seconds = 0.0

    def refuse_other(self) -> dict[str, Any]:
        """Return an empty state; a run that was stopped is not written over."""
        if self.checkpoint.exists():
            raise DataError(
                f"output holds a run that was stopped: expected an empty folder, got "
                f"{str(self.checkpoint)!r}. Go on with --resume, or choose another folder."
            )
        return {}

    def load(self) -> dict[str, Any]:
        """Return the state of the checkpoint; an empty one if there is none."""
        if not self.checkpoint.exists():
            return {}
        told = load_checkpoint(self.checkpoint)
        who = told.get("who") if isinstance(told, dict) else None
        if who != self._who():
            raise DataError(
                f"output holds another run: expected {who}, got {self._who()}. Repeat the "
                "options of that run, or choose another folder."
            )
        try:
            self.net.load_state_dict(told["net"])
            self.optimiser.load_state_dict(told["optimiser"])
            self.step, self.seconds = int(told["step"]), float(told["seconds"])
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as err:
            raise DataError(
                f"run cannot go on: expected its whole state, got {str(self.checkpoint)!r} "
                f"({' '.join(str(err).split())[:200]}). Choose another folder."
            ) from err
        return dict(told)

    def _who(self) -> str:
        options = self.options
        numbers = (options.network, options.width, options.batch, options.size, options.seed)
        return json.dumps([*numbers, options.rate, list(self.source.names)])

    def save(self, before: tuple[float, ...]) -> None:
        """Write the state in one step: a file is whole, or that of the time before."""
        state = {
            "who": self._who(), "net": self.net.state_dict(), "step": self.step,
            "optimiser": self.optimiser.state_dict(), "seconds": self.seconds,
            "before": list(before),
        }  # fmt: skip
        with files.hidden_folder(self.options.output) as beside:
            torch.save(state, beside / "state")
            files.put(beside / "state", self.checkpoint)

    def go(
        self,
        before: tuple[float, ...],
        on_progress: Callable[[int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> bool:
        """Take the steps that are left; return whether it was told to stop."""
        # time spent before a pause counts: `first` is when it would have begun without one
        options, first, since = self.options, time.monotonic() - self.seconds, time.monotonic()
        self.net.train()
        while not self._is_done():
            self._take()
            self.seconds = time.monotonic() - first
            if on_progress is not None:
                on_progress(*self._progress())
            # asked to stop after the last step, it is simply finished
            if should_stop is not None and should_stop() and not self._is_done():
                self.save(before)
                return True
            if time.monotonic() - since > options.checkpoint_s:
                self.save(before)
                since = time.monotonic()
        return False

    def _is_done(self) -> bool:
        if self.options.minutes is not None:
            return self.seconds >= 60 * self.options.minutes
        return self.step >= self.options.steps

    def _progress(self) -> tuple[int, int]:
        if self.options.minutes is not None:
            whole = round(60 * self.options.minutes)
            return min(round(self.seconds), whole), whole
        return self.step, self.options.steps

    def _take(self) -> None:
        # of the step alone, so that a resumed run draws what one without a pause would
        rng = _seeded(self.options.seed, self.step + 1)
        done, whole = self._progress()
        for group in self.optimiser.param_groups:
            # a short rise, then the falling power of 0.9 that DeepLab and PSPNet train with; never
            # quite zero, or a run by the clock would end with steps for nothing
            rise = min(1.0, (self.step + 1) / 20)
            group["lr"] = self.options.rate * rise * max(1e-3, (1 - done / max(whole, 1)) ** 0.9)
        chosen = rng.choice(len(self.pictures), self.options.batch, p=self.shares)
        views = [make_view(self.pictures[i], self.options.size, rng) for i in chosen]
        x = _normalised(np.stack([image for image, _ in views])).to(self.device)
        truth = torch.from_numpy(np.stack([classes for _, classes in views])).long().to(self.device)
        given = [x]
        if takes_annotations(self.net):
            classes = len(self.source.names)
            marks = np.stack([_marked(view, classes, rng) for _, view in views])
            given.append(torch.from_numpy(marks).to(self.device))
        with memory_guard(self.device):
            loss = semantic_loss(self.net(*given), truth, self.weights)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimiser.step()
        self.step += 1
        if self.step % 50 == 0:
            _log.info("step %d: loss %.3f", self.step, float(loss.detach()))


def semantic_loss(logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Return cross-entropy with a weight a class, and the overlap that is missing (Dice).

    Parameters
    ----------
    logits : Tensor, shape (B, C, H, W)
    truth : Tensor of int64, shape (B, H, W)
        `IGNORED_CLASS` counts for nothing.
    weights : Tensor, shape (C,)
    """
    entropy = F.cross_entropy(logits, truth, weights, ignore_index=IGNORED_CLASS)
    # the entropy of no pixel at all is not a number; zero times the logits keeps the graph
    if not (truth != IGNORED_CLASS).any():
        return logits.sum() * 0.0
    known = (truth != IGNORED_CLASS).unsqueeze(1)
    # ignored pixels count in neither sum of Dice
    prob = logits.softmax(dim=1) * known
    # 255 is no class; its pixels are taken out by `known` right after
    one_hot = F.one_hot(truth.clamp(max=logits.shape[1] - 1), logits.shape[1])
    hot = one_hot.permute(0, 3, 1, 2) * known
    shared = (prob * hot).sum(dim=(0, 2, 3))
    whole = prob.sum(dim=(0, 2, 3)) + hot.sum(dim=(0, 2, 3))
    # a class that no view of the batch shows has no overlap to speak of
    there = hot.sum(dim=(0, 2, 3)) > 0
    # one pixel more on both sides: steady where a class has a few pixels
    dice = 1 - (2 * shared[there] + 1) / (whole[there] + 1)
    return entropy + dice.mean()


def make_view(
    picture: ClassMap, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a square of a picture, turned, mirrored, scaled and in other light.

    Half of the squares are laid round a pixel that is not background.
    """
    # evenly in the logarithm: as often smaller as larger
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    side = max(8, round(size / scale))
    height, width = picture.classes.shape
    row, col = int(rng.integers(height)), int(rng.integers(width))
    inside = np.flatnonzero((picture.classes > 0) & (picture.classes != IGNORED_CLASS))
    # else rare classes would be in few views
    if len(inside) and rng.random() < 0.5:
        row, col = divmod(int(inside[rng.integers(len(inside))]), width)
    row = min(max(row - side // 2, 0), max(0, height - side))
    col = min(max(col - side // 2, 0), max(0, width - side))
    image: Array = picture.image[row : row + side, col : col + side]
    classes: Array = picture.classes[row : row + side, col : col + side]
    down, right = side - classes.shape[0], side - classes.shape[1]
    # the image goes on, but nothing is learnt there: classes are padded with `IGNORED_CLASS`
    image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
    classes = np.pad(classes, ((0, down), (0, right)), constant_values=IGNORED_CLASS)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    # between class 1 and class 3 there is no class 2
    classes = cv2.resize(classes, (size, size), interpolation=cv2.INTER_NEAREST)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    image, classes = np.rot90(image, turns), np.rot90(classes, turns)
    if mirror:
        image, classes = image[:, ::-1], classes[:, ::-1]
    light = image.astype(np.float32) * rng.uniform(0.8, 1.25) + rng.uniform(-20, 20)
    return np.clip(light, 0, 255).astype(np.uint8), np.ascontiguousarray(classes, np.uint8)


def _marked(
    classes: NDArray[np.uint8], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return annotations of a view, see `mark_maps`: none in a third of the views, else a few.

    They lie anywhere, and as often on a rare class as on a common one (arXiv:2003.14200 draws them
    from the truth, too, and not from errors).
    """
    there = [k for k in np.unique(classes).tolist() if k != IGNORED_CLASS]
    marks = []
    for _ in range(0 if rng.random() < 1 / 3 else int(rng.integers(1, _MOST_MARKS + 1))):
        kind = int(there[rng.integers(len(there))]) if there else 0
        at = np.flatnonzero(classes == kind)
        if at.size:
            row, col = divmod(int(at[rng.integers(at.size)]), classes.shape[1])
            marks.append((float(row), float(col), kind))
    return mark_maps(marks, count, classes.shape)


def measure(
    net: Any, held: tuple[ClassMap, ...], classes: int, device: torch.device, marks: int = 0
) -> tuple[float, ...]:
    """Return intersection over union of each class over whole pictures; nan: it is in none.

    After so many annotations of each, where its largest error is deepest, as a person puts them.
    """
    if not held:
        return ()
    shared, union = np.zeros(classes), np.zeros(classes)
    was_training = net.training
    net.eval()
    for picture in held:
        found = _found(net, picture, classes, device, marks)
        known = picture.classes != IGNORED_CLASS
        for k in range(classes):
            one, other = (found == k) & known, (picture.classes == k) & known
            shared[k] += np.count_nonzero(one & other)
            union[k] += np.count_nonzero(one | other)
    net.train(was_training)
    return tuple(float(s / u) if u else float("nan") for s, u in zip(shared, union, strict=True))


def _found(
    net: Any, picture: ClassMap, classes: int, device: torch.device, marks: int
) -> NDArray[np.intp]:
    """Return the class of each pixel, after so many annotations."""
    image = picture.image.astype(np.float32) / np.float32(255)
    found: NDArray[np.intp] = infer(net, image, device).argmax(axis=0)
    given: list[tuple[float, float, int]] = []
    for _ in range(marks):
        wrong = np.pad((found != picture.classes) & (picture.classes != IGNORED_CLASS), 1)
        if not wrong.any():
            break
        depth = cv2.distanceTransform(wrong.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, col = divmod(int(depth.argmax()), depth.shape[1])
        given.append((float(row), float(col), int(picture.classes[row, col])))
        found = infer(net, image, device, marks=mark_maps(given, classes, depth.shape)).argmax(0)
    return found


def _split(
    source: ClassSource, options: SemanticOptions
) -> tuple[tuple[tuple[ClassMap, ...], NDArray[np.float64]], tuple[ClassMap, ...]]:
    """Return what is learnt from, with its shares, and what is only measured."""
    # in order, as sets have none: the same seed has to hold out the same files
    groups = sorted({picture.group for picture in source.pictures})
    # the second number keeps this draw apart from those of steps
    rng = np.random.default_rng((options.seed, 11))
    count = max(1, round(options.held_out * len(groups))) if options.held_out > 0 else 0
    if len(groups) < 3:
        # what is left would be too little to learn from
        count = 0
    out = set(rng.choice(groups, count, replace=False).tolist())
    kept = [i for i, picture in enumerate(source.pictures) if picture.group not in out]
    shares = np.array([source.weights[i] for i in kept])
    learnt = tuple(source.pictures[i] for i in kept)
    held = tuple(picture for picture in source.pictures if picture.group in out)
    return (learnt, shares / shares.sum()), held


def _class_weights(pictures: tuple[ClassMap, ...], classes: int) -> Tensor:
    """Return ``1 / ln(1.02 + share)`` of each class, as ENet's paper (arXiv:1606.02147)."""
    # all bytes, so that ignored pixels have a place; they are cut off below
    counts = np.zeros(256, np.int64)
    for picture in pictures:
        counts += np.bincount(picture.classes.ravel(), minlength=256)
    share = counts[:classes] / max(1, counts[:classes].sum())
    weights = 1 / np.log(1.02 + share)
    # a mean of one keeps the rate meaning the same however many classes there are
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def _normalised(images: NDArray[np.uint8]) -> Tensor:
    values = (images.astype(np.float32) / 255 - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32))


def _seeded(seed: int, step: int) -> np.random.Generator:
    """Return a generator for a step, and seed torch's (dropout) alike."""
    rng = np.random.default_rng((seed, step))
    torch.manual_seed(int(rng.integers(2**31)))
    return rng


def _initialise(net: Any, options: SemanticOptions, names: tuple[str, ...]) -> None:
    """Draw new weights, or take those of a file whose shapes fit."""
    for part in net.modules():
        if isinstance(part, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            # for layers followed by ReLU (He et al., arXiv:1502.01852); pretrained weights are
            # never read
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                torch.nn.init.zeros_(part.bias)
    if options.start is None:
        return
    told, state = read_semantic(options.start)
    if (told.network, told.width) != (options.network, options.width):
        raise WeightsError(
            f"weights are of another network: expected {options.network} of width "
            f"{options.width:g}, got {told.network} of width {told.width:g} in "
            f"{str(options.start)!r}. Name its network and width."
        )
    if told.layout is not None:
        raise WeightsError(
            f"weights cannot be trained on: expected a network as it is built here, got one "
            f"{told.origin} in {str(options.start)!r}. Start from a file that was trained here."
        )
    own = net.state_dict()
    if told.names != names:
        # of the same number of other classes every shape fits: what names the classes is found by
        # building the network for one class more
        more = build_semantic(options.network, len(names) + 1, options.width).state_dict()
        state = {k: v for k, v in state.items() if k in own and own[k].shape == more[k].shape}
    net.load_state_dict(own | state)


def _write(
    net: Any, path: Path, options: SemanticOptions, source: ClassSource, ious: tuple[float, ...]
) -> None:
    from safetensors.torch import save_file

    about = {
        "architecture": SEMANTIC, "network": options.network, "width": repr(options.width),
        "names": json.dumps(list(source.names)), "apart": json.dumps(source.apart),
        # JSON has no nan
        "iou": json.dumps([None if np.isnan(x) else round(x, 4) for x in ious]),
        "steps": str(options.steps),
    }  # fmt: skip
    state = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    # whoever lists models meanwhile sees no half a file
    with files.hidden_folder(path.parent) as beside:
        save_file(state, beside / path.name, about)
        files.put(beside / path.name, path)
