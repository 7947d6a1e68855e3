"""Measure what the options of a click bring: ``python benchmarks/interactive.py FOLDER``.

The robot user clicks on the objects of a data set that `evaluate` reads, with each option in turn,
by default with the bundled network. It prints NoC@90 of at most 10 clicks, the mean IoU after one,
three and five, the share of clicks after which a mask was worse than before by more than 0.01, and
for several answers the IoU of the best of them. With ``--chain`` clicks are suggested and answered,
as a person would by a key, until nothing is left unsure.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.evaluation.datasets import Choices, open_datasets
from napari_intseg.evaluation.metrics import iou
from napari_intseg.evaluation.robot import RobotUser, Truth
from napari_intseg.evaluation.run import PreparedImages
from napari_intseg.evaluation.truth import read_image, read_labels, truth_of
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.inference.refinement import GraphCut, LevelSet
from napari_intseg.models.click_policy import ClickPolicy, load_policy
from napari_intseg.models.registry import load_model
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import MOST as CHAIN

CHOICES = {
    "plain": {},
    "several": {"several": True},
    "local": {"local": True},
    "regional": {"regional": True},
    "local, regional": {"local": True, "regional": True},
    "level set": {"level_set": LevelSet()},
    "graph cut": {"graph_cut": GraphCut()},
}
WORSE = 0.01  # of IoU; less is the outline's rounding
MOST = 10


def cases(folder: Path, limit: int | None) -> Iterator[tuple[Volume, Truth]]:
    """Go through the objects of a folder."""
    for data in open_datasets(folder, Choices(limit=limit)):
        for entry in data.entries:
            labels = read_labels(entry.mask)
            volume = read_image(entry.image, labels.shape)
            for ref in entry.objects:
                yield volume, truth_of(labels, ref, entry.rules)


def course(
    model: Segmenter, volume: Volume, truth: Truth, options: Options
) -> tuple[list[float], float]:
    """Return the IoU after each click, and that of the best of the first answers."""
    robot, store, clicks = RobotUser(truth), PreparedImages(), tuple[Click, ...]()
    valid, wanted = truth >= 0, truth == 1
    mask, answer, ious, best = np.zeros(truth.shape, bool), None, [], 0.0

    def score(patch) -> float:
        return iou(patch.mask(model.traits.threshold)[valid], wanted[valid])

    while len(clicks) < MOST and (not ious or ious[-1] < 0.9):
        click = robot.next_click(mask, clicks)
        if click is None:
            break
        clicks = (*clicks, click)
        answer = _asked(model, volume, clicks, options, answer, store)
        mask = answer.patch.mask(model.traits.threshold)
        ious.append(score(answer.patch))
        if len(clicks) == 1:
            best = max(score(one) for one in (answer.patch, *answer.alternatives))
    return ious, best


def _asked(  # noqa: PLR0917 - one question
    model: Segmenter,
    volume: Volume,
    clicks: tuple[Click, ...],
    options: Options,
    prev: SliceAnswer | None,
    store: PreparedImages,
) -> SliceAnswer:
    return predict_slice(
        model, lambda rows, cols: volume.take(Plane(0, 0), rows, cols), volume.slice_shape(0),
        Prompts(clicks), options, prev=prev, prepared=store, key=0,
    )  # fmt: skip


def chained(
    model: Segmenter, volume: Volume, truth: Truth, policy: ClickPolicy | None, most: int
) -> tuple[float, float, int]:
    """Return the IoU after the robot's first click and after the chain, and its clicks."""
    session = Session(model, volume)
    session.chain.policy = policy
    valid, wanted = truth >= 0, truth == 1
    click = RobotUser(truth).next_click(np.zeros(truth.shape, bool))
    session.click((click.row, click.col))
    before = iou(session.mask[valid], wanted[valid])
    if not session.mask.any():
        return before, before, 0
    made = session.auto_clicks(most=most)
    return before, iou(session.mask[valid], wanted[valid]), made


def tell_chain(rows: list[tuple[float, float, int]]) -> None:
    """Print what chains of suggested clicks brought."""
    before, after, made = np.array(rows).T
    print(
        f"chain: {len(rows)} objects, IoU {before.mean():.3f} to {after.mean():.3f} by "
        f"{made.mean():.2f} suggested clicks, better on {np.sum(after > before + WORSE)}, worse "
        f"on {np.sum(after < before - WORSE)}"
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--choice", action="append", choices=CHOICES)
    parser.add_argument("--chain", action="store_true")
    parser.add_argument("--policy", help="of --chain: name or file of a learnt policy")
    parser.add_argument("--most", type=int, default=CHAIN, help="suggested clicks of a chain")
    args = parser.parse_args()
    model = load_model(args.model, device="cpu")
    if args.chain:
        policy = load_policy(args.policy, device="cpu") if args.policy else None
        every = cases(args.folder, args.limit)
        tell_chain([chained(model, *case, policy, args.most) for case in every])
        return
    for name in args.choice or CHOICES:
        rows = []
        for volume, truth in cases(args.folder, args.limit):
            options = Options(resolve_intensity(volume), **CHOICES[name])
            rows.append(course(model, volume, truth, options))
        tell(name, rows)


def tell(name: str, rows: list[tuple[list[float], float]]) -> None:
    """Print one line of the table."""
    noc = np.mean([len(ious) if ious[-1] >= 0.9 else MOST for ious, _ in rows])
    after = [np.mean([ious[min(k, len(ious)) - 1] for ious, _ in rows]) for k in (1, 3, 5)]
    steps = np.concatenate([np.diff(ious) for ious, _ in rows])
    best = np.mean([best for _, best in rows])
    print(
        f"{name}: {len(rows)} objects, NoC@90 {noc:.2f}, IoU {after[0]:.3f} {after[1]:.3f} "
        f"{after[2]:.3f}, worse after {np.mean(steps < -WORSE):.1%} of clicks, "
        f"best of first answers {best:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
