"""Measure what a learnt part of a published network brings: train it with and without, briefly.

Both are trained on the same views, from the same first weights, for as many steps: as many as the
one with the part takes in --seconds of processor time. Then a robot user clicks on views of
pictures that were held out, always on the deepest error. The networks are small for it: in the
place of a residual network is an encoder of seven convolutions, VGG is normalised, the others are
as narrow as `SETTINGS` says. So briefly trained they are far from what they can be; the part is
compared.

    python benchmarks/learnt_parts.py delse itis edgeflow --data dsb2018_nuclei chest_xray
    python benchmarks/learnt_parts.py dios-fcn8s --reference bundled --data dsb2018_nuclei

With --elsewhere the network then clicks on pictures of another kind, as it is and learning from the
corrections (`models/adaptation.py`): in how many clicks it gets to an IoU of 0.8, at most 10.

    python benchmarks/learnt_parts.py itis --data dsb2018_nuclei --elsewhere mushrooms

`cloud` is the network of point clouds, trained on made rooms; on others it is compared with what
needs no training, distances along the cloud.

    python benchmarks/learnt_parts.py cloud

Of `disir-classes` annotations as channels are compared with annotations that are painted over the
answer of a network which learnt without any.

    python benchmarks/learnt_parts.py disir-classes --data dsb2018_nuclei
"""

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from napari_intseg import Volume, load_model
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.evaluation.metrics import noc
from napari_intseg.evaluation.run import Protocol, carried, segment_slice
from napari_intseg.inference import point_cloud
from napari_intseg.models.adaptation import Adapting
from napari_intseg.models.nets.earlier_nets import DEPTHS, Vgg
from napari_intseg.models.networks import find_network
from napari_intseg.training import semantic
from napari_intseg.training.cloud_network import (
    CloudOptions,
    load_cloud_network,
    make_scan,
    measure_cloud,
    train_cloud,
)
from napari_intseg.training.sources import PictureSource, hold_out, read_source
from napari_intseg.training.step import IGNORED, click_step, depth, follow, parameter_groups
from napari_intseg.training.views import Views, collate, draw_views, step_rng

OVERFIT = "learn as many views by heart and measure on these: whether the training works at all"
CLICKS = 5
MOST_CLICKS, TARGET = 10, 0.8
SHOWN = (1, 3, 5)
NETS = "napari_intseg.models.nets"


def _blank(x: torch.Tensor, **_: Any) -> torch.Tensor:
    return torch.zeros_like(x)


def _no_maps(self: Any, points: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    del self  # ClickMaps
    return torch.zeros(len(points), 2, *shape)


def _no_boxes(clicks: torch.Tensor) -> torch.Tensor:
    return clicks.new_zeros((0, 4))


# what is taken away, and by what
PARTS: dict[str, tuple[str, Callable[[], AbstractContextManager[Any]]]] = {
    "delse": ("evolution of the level set", lambda: patch(f"{NETS}.earlier_nets.STEPS", 0)),
    "itis": (
        "distances to the mask before",
        lambda: patch(f"{NETS}.earlier_nets.distance_map", _blank),
    ),
    "edgeflow": ("edge of the mask before", lambda: patch(f"{NETS}.edge_flow_net.edge_of", _blank)),
    "ris-net": ("regions", lambda: patch(f"{NETS}.earlier_nets.region_boxes", _no_boxes)),
    "latent-diversity": ("six answers", lambda: patch(f"{NETS}.earlier_nets.ANSWERS", 1)),
    **{
        name: (
            "channels of clicks",
            lambda: patch(f"{NETS}.click_maps.ClickMaps.forward", _no_maps),
        )
        for name in ("dios-fcn8s", "disir")
    },
}


# narrower than `train` has them; an encoder of the residual networks is replaced, see below
SETTINGS: dict[str, dict[str, Any]] = {
    "edgeflow": {"width": 8, "ocr_width": 8, "small": True},
    "ris-net": {"width": 8},
    "dios-fcn8s": {"stride": 8, "width": 8, "hidden": 64},
    "disir": {"width": 16},
    "latent-diversity": {"width": 8, "hidden": 16},
}


class SmallEncoder(nn.Module):
    """Seven convolutions in the place of `DeepLab`, asked as it is."""

    def __init__(self, backbone: str, width: int) -> None:
        super().__init__()
        del backbone  # DeepLab's argument
        self.enter = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.rest = nn.Sequential(
            nn.GroupNorm(8, 64), nn.ReLU(), nn.Conv2d(64, width, 3, stride=2, padding=1),
            *(
                part
                for dilation in (1, 2, 4, 8, 1)
                for part in (
                    nn.GroupNorm(8, width), nn.ReLU(),
                    nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation),
                )
            ),
            nn.GroupNorm(8, width), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """Return features (B, width, H / 4, W / 4)."""
        found: torch.Tensor = self.rest(self.enter(x) + extra)
        return found


class NormedVgg(Vgg):
    """VGG whose features are normalised; as published it learns nothing in a hundred steps."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of each block after its halving."""
        found = []
        for number, layers in enumerate(DEPTHS[: len(self.widths)], 1):
            for layer in range(1, layers + 1):
                conv = self.get_submodule(f"conv{number}_{layer}")
                x = F.relu(F.group_norm(conv(x), 4))
            x = F.max_pool2d(x, 2, ceil_mode=True)
            found.append(x)
        return found


def arguments() -> argparse.Namespace:
    """Return what the shell was told."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help="as `train` names them")
    parser.add_argument("--data", nargs="+", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, for each")
    parser.add_argument("--size", type=int, default=96, metavar="PX", help="of views; default 96")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--encoder", type=float, default=0.3, help="share of the rate it learns by")
    parser.add_argument("--views", type=int, default=64, help="to measure on; default 64")
    parser.add_argument("--steps", type=int, metavar="N", help="in the place of --seconds")
    parser.add_argument("--overfit", type=int, default=0, metavar="N", help=OVERFIT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cloud-steps", type=int, default=60, metavar="N", help="default 60")
    parser.add_argument("--elsewhere", type=Path, metavar="FOLDER", help="learn from clicks there")
    parser.add_argument("--masks", help="kind of the masks of classes, as `train` takes it")
    parser.add_argument("--reference", help="a model to measure on the same views")
    return parser.parse_args()


def main() -> None:
    """Print the mean IoU after the clicks with and without each part, and the difference."""
    args = arguments()
    torch.set_num_threads(1)
    if "cloud" in args.networks:
        compare_cloud(args)
        args.networks.remove("cloud")
    if "disir-classes" in args.networks:
        compare_annotations(args)
        args.networks.remove("disir-classes")
    if not args.networks:
        return
    learnt, held = [], []
    for folder in args.data:
        source = read_source(folder)
        rest, tasks = hold_out(source, share=0.15, most=10**6, seed=args.seed)
        names = {task.picture.name for task in tasks}
        learnt.append(rest)
        held.append(replace(source, pictures=tuple(p for p in source.pictures if p.name in names)))
    shown, count = (learnt, args.overfit) if args.overfit else (held, args.views)
    views = collate([draw_views(shown, args.seed, n, args.size, 1) for n in range(count)])
    if args.reference:
        report(args.reference, measure_model(load_model(args.reference), views))
    for name in args.networks:
        trained, steps = train(name, learnt, args, args.steps)
        with_part = measure(trained, views)
        report(f"{name}, {steps} steps", with_part[0])
        if args.elsewhere is not None:
            compare_adapting(trained, read_source(args.elsewhere), args)
        if name not in PARTS or args.elsewhere is not None:
            continue
        title, without = PARTS[name]
        with without():
            trained, _ = train(name, learnt, args, steps)
            plain = measure(trained, views)
        report(f"{name} without {title}", plain[0])
        report_gain(with_part[0] - plain[0])
        if len(with_part) > 1:
            report("  the best of its answers", with_part.max(0))
            report_gain(with_part.max(0) - plain[0])


def report(who: str, ious: np.ndarray) -> None:
    """Print the mean IoU after 1, 3 and 5 clicks."""
    told = ", ".join(f"{ious[:, n - 1].mean():.3f}" for n in SHOWN)
    print(f"{who}: IoU after {SHOWN} clicks {told}, of {len(ious)} views", flush=True)


def report_gain(gain: np.ndarray) -> None:
    """Print a mean difference of IoU and its standard error over views."""
    error = gain.std(0, ddof=1) / np.sqrt(len(gain))
    told = ", ".join(f"{gain[:, n - 1].mean():+.3f} ± {error[n - 1]:.3f}" for n in SHOWN)
    print(f"  gain: {told}", flush=True)


def train(
    name: str, sources: list[PictureSource], args: argparse.Namespace, steps: int | None
) -> tuple[Any, int]:
    """Return a trained network and its steps; None: as many as the time holds."""
    torch.manual_seed(args.seed)
    with (
        patch(f"{NETS}.earlier_nets.DeepLab", SmallEncoder),
        patch(f"{NETS}.earlier_nets.Vgg", NormedVgg),
        # published at 255 pixels, for photographs of twice that: within a view of 64 such distances
        # hardly differ
        patch(f"{NETS}.earlier_nets.LIMIT_PX", args.size / 2),
    ):
        net = find_network(name).build(SETTINGS.get(name))
    net = net.train().to(memory_format=torch.channels_last)
    average = copy.deepcopy(net).requires_grad_(False)
    optimiser = torch.optim.AdamW(parameter_groups(net, args.rate, encoder=args.encoder))
    begun, step, done = time.process_time(), 0, 0.0
    while done < 1:
        for group in optimiser.param_groups:
            group["lr"] = (
                group["full_lr"] * min(1, 10 * done + 0.05) * (1 + np.cos(np.pi * done)) / 2
            )
        first = step * args.batch
        numbers = [(first + i) % (args.overfit or 10**9) for i in range(args.batch)]
        drawn = [draw_views(sources, args.seed, n, args.size, 1) for n in numbers]
        loss, _ = click_step(
            net, collate(drawn), passes=args.passes, rng=step_rng(args.seed, step),
            precision=torch.bfloat16,
        )  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        follow(average, net, step)
        step += 1
        spent = time.process_time() - begun
        done = step / steps if steps is not None else spent / args.seconds
    return average.eval(), step


@torch.inference_mode()
def measure(net: Any, views: Views) -> np.ndarray:
    """Return the IoU of each answer and view after each click of a robot user, (K, N, CLICKS).

    The robot corrects the first answer.
    """
    truth = views[1][:, 0].numpy()
    clicks = torch.zeros(len(truth), CLICKS, 3)
    prob = torch.zeros(len(truth), 1, *truth.shape[1:])
    image = views[0].float().div(255).contiguous(memory_format=torch.channels_last)
    found = []
    with torch.autocast("cpu", torch.bfloat16):
        kept = net.encode(image)
        for number in range(CLICKS):
            for i, right in enumerate(truth):
                mask = prob[i, 0].numpy() > 0.5
                errors = depth((right == 1) & ~mask), depth((right == 0) & mask)
                side = int(errors[1].max() > errors[0].max())
                # of a perfect answer there is nothing left to click on
                if errors[side].max() > 0:
                    at = np.unravel_index(errors[side].argmax(), right.shape)
                    clicks[i, number] = torch.tensor([*at, 1 - 2 * side])
            every = net.answer(kept, clicks, prob).float().sigmoid()
            prob = every[:, :1]
            masks = (every.numpy() > 0.5) & (truth != IGNORED)[:, None]
            right = (truth == 1)[:, None]
            union = (masks | right).sum((2, 3))
            found.append((masks & right).sum((2, 3)) / np.maximum(1, union))
    return np.stack(found, -1).swapaxes(0, 1)


ROOMS = 4


def compare_cloud(args: argparse.Namespace) -> None:
    """Print what the network of clouds and distances alone make of made rooms."""
    begun = time.process_time()
    with TemporaryDirectory() as folder:
        weights, steps, _ = train_cloud(
            CloudOptions((), Path(folder), steps=args.cloud_steps, made=1.0, seed=args.seed)
        )
        network = load_cloud_network(weights, device="cpu")
    spent = time.process_time() - begun
    # of other numbers than those that the training drew
    scans = [make_scan(np.random.default_rng((args.seed, 13, n))) for n in range(ROOMS)]
    for who, segment in (
        (f"cloud, {steps} steps in {spent:.0f} s", network.segment),
        ("distances along the cloud", point_cloud.segment),
    ):
        told = ", ".join(f"{iou:.3f}" for iou in measure_cloud(segment, scans, CLICKS))
        print(f"{who}: IoU after 1 to {CLICKS} clicks {told}, {ROOMS} rooms", flush=True)


def compare_annotations(args: argparse.Namespace) -> None:
    """Print what annotations as channels bring to a network of classes.

    The other network learns without any; an annotation of its answer is painted over it, a disk of
    the same size.
    """

    def unmarked(
        classes: np.ndarray, count: int, rng: np.random.Generator
    ) -> np.ndarray:  # what is drawn from `rng` after it is drawn anew in each step
        del rng
        return semantic.mark_maps((), count, classes.shape)

    def painted(net: Any, image: np.ndarray, device: Any, **given: np.ndarray) -> np.ndarray:
        logits = infer(net, image, device)
        marks = given.get("marks")
        return logits if marks is None else np.where(marks.any(0), 1e6 * marks, logits)

    infer = semantic.infer
    for who, how in (
        ("annotations as channels", {"infer": infer}),
        ("painted over the answer", {"_marked": unmarked, "infer": painted}),
    ):
        begun = time.process_time()
        with TemporaryDirectory() as folder, patch.multiple(semantic, **how):
            run = semantic.train_semantic(semantic.SemanticOptions(
                tuple((one, 1.0) for one in args.data), Path(folder), network="disir-classes",
                width=0.25, steps=args.steps or 200, batch=args.batch, size=args.size,
                rate=args.rate, held_out=0.1, seed=args.seed, device="cpu",
                masks=tuple((one.name, args.masks) for one in args.data if args.masks),
            ))  # fmt: skip
        spent = time.process_time() - begun
        for marks, ious in ((0, run.after), (semantic.MARKS, run.marked)):
            told = ", ".join(f"{name} {iou:.3f}" for name, iou in zip(run.names, ious, strict=True))
            print(f"{who}, {run.step} steps, {spent:.0f} s, {marks} annotations: IoU {told}",
                  flush=True)  # fmt: skip


class Learner:
    """A network as `Adapting` takes it: its logits have a gradient in its weights."""

    def __init__(self, net: Any) -> None:
        self.net, self.device = net.requires_grad_(True), torch.device("cpu")
        self.traits = Traits("learner", frozenset({"click"}))

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the view."""
        return Prepared(
            image.shape[:2], torch.from_numpy(image).permute(2, 0, 1)[None], image.nbytes
        )

    def logits(self, queries: Sequence[Query]) -> torch.Tensor:
        """Return the logits of one question."""
        (query,) = queries
        rows = [(one.row, one.col, 1 if one.positive else -1) for one in query.prompts.clicks]
        prev = torch.zeros(1, 1, *query.prepared.shape)
        if query.prev_logits is not None:
            prev = torch.from_numpy(query.prev_logits)[None, None].sigmoid()
        table = torch.tensor(rows, dtype=torch.float32)[None]
        found: torch.Tensor = self.net.answer([query.prepared.payload], table, prev)
        return found

    def predict(self, query: Query) -> Answer:
        """Answer without learning."""
        with torch.inference_mode():
            return Answer(self.logits([query])[0, 0].numpy())

    def release(self) -> None:
        """Hold nothing."""


def compare_adapting(net: Any, source: PictureSource, args: argparse.Namespace) -> None:
    """Print in how many clicks a network is right on other pictures, learning from them and not."""
    views = collate([draw_views([source], args.seed, n, args.size, 1) for n in range(args.views)])
    learner = Learner(net)
    clicks = []
    for who, model in (("as it is", learner), ("learning from corrections", Adapting(learner))):
        ious = measure_model(model, views, MOST_CLICKS)
        clicks.append([noc(row, target=TARGET, max_clicks=MOST_CLICKS) for row in ious])
        report(f"  {source.name}, {who}, {np.mean(clicks[-1]):.2f} clicks", ious)
    saved = np.subtract(*clicks)
    error = saved.std(ddof=1) / np.sqrt(len(saved))
    print(
        f"  clicks saved: {saved.mean():.2f} ± {error:.2f}, {saved.sum() / np.sum(clicks[0]):.1%}"
    )


def measure_model(model: Any, views: Views, clicks: int = CLICKS) -> np.ndarray:
    """Return the IoU of each view after each click of the same robot, as a model is used."""
    protocol = Protocol(clicks, (1.0,), stop_early=True)
    rows = []
    for image, right in zip(views[0].numpy(), views[1][:, 0].numpy(), strict=True):
        truth = np.where(right == IGNORED, -1, right == 1).astype(np.int8)
        volume = Volume(image.transpose(1, 2, 0), channels=True)
        rows.append(carried(segment_slice(model, volume, truth, protocol).ious, clicks))
    return np.array(rows)


if __name__ == "__main__":
    main()
