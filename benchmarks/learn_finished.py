"""Measure what the window's *Learn from finished objects* saves on objects that it never saw.

The robot user corrects some objects of a volume, each on the plane where it is largest, with the
bundled model and at most 20 clicks. What it ends with is learnt from as the window does it, by the
same command; then it clicks on all other objects, before and after.

    python benchmarks/learn_finished.py ovule_cells.tif ovule_cells_labels.tif --steps 50
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_intseg import Session, Volume, load_model
from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Plane
from napari_intseg.evaluation.metrics import iou, noc
from napari_intseg.evaluation.robot import RobotUser
from napari_intseg.evaluation.run import Protocol, carried, segment_slice
from napari_intseg.io.read import read_volume
from napari_intseg.training.sources import MIN_AREA_PX, FinishedImage, write_finished
from napari_intseg.ui.controllers.fine_tuning import MINUTES, command

MOST, GOOD = 20, 0.9
TARGETS = (0.85, 0.90)
PROTOCOL = Protocol(MOST, TARGETS, stop_early=True)


def main() -> None:
    """Print the means before and after, and the clicks saved with their standard error."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("image", type=Path, help="a volume")
    parser.add_argument("labels", type=Path, help="all its objects")
    parser.add_argument("--learn", type=int, default=30, metavar="N", help="objects; default 30")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="by the clock; default 3")
    parser.add_argument("--steps", type=int, help="instead, for a machine that is busy")
    args = parser.parse_args()
    volume, labels = read_volume(args.image), np.asarray(read_volume(args.labels).data)
    planes = largest(labels)
    order = np.random.default_rng(0).permutation(sorted(planes)).tolist()
    learn, others = order[: args.learn], order[args.learn :]
    model = load_model("bundled", device="cpu")
    done = np.zeros(labels.shape, np.int32)
    for label in learn:
        index = planes[label]
        mask = corrected(model, slice_of(volume, index), labels[index] == label)
        done[index][mask & (done[index] == 0)] = label
    before = measured(model, volume, labels, {label: planes[label] for label in others})
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        image = FinishedImage(args.image.stem, volume, lambda plane: done[plane.index])
        count = len(write_finished(home / "set", 0, image))
        words = command(home, count, args.minutes)
        if args.steps is not None:
            at = words.index("--minutes")
            words[at : at + 2] = ["--steps", str(args.steps)]
        # open for as long as it runs: it ends with its standard input
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            told = json.loads(process.stdout.readlines()[-1])
        print(f"learnt from {count}, held out: {told}")
        learnt = load_model("bundled", weights=told["weights"], device="cpu")
        after = measured(learnt, volume, labels, {label: planes[label] for label in others})
    for when, rows in (("before", before), ("after", after)):
        means = ", ".join(f"{value:.3f}" for value in rows.mean(0))
        print(f"{len(rows)} others {when}: NoC@85, NoC@90, IoU@1, IoU@3: {means}")
    saved = (before - after)[:, :2].mean(1)
    error = saved.std(ddof=1) / np.sqrt(len(saved))
    print(f"clicks saved: {saved.mean():.2f}, standard error {error:.2f}")


def largest(labels: NDArray[np.integer]) -> dict[int, int]:
    """Return the plane where each object is largest, of those of at least 40 pixels there."""
    best: dict[int, tuple[int, int]] = {}
    for index, plane in enumerate(labels):
        values, counts = np.unique(plane[plane > 0], return_counts=True)
        for label, count in zip(values.tolist(), counts.tolist(), strict=True):
            if count >= MIN_AREA_PX and count > best.get(label, (0, 0))[0]:
                best[label] = count, index
    return {label: index for label, (_, index) in best.items()}


def slice_of(volume: Volume, index: int) -> Volume:
    """Return a plane as an image of its own."""
    return Volume(np.asarray(volume.take(Plane(0, index))))


def corrected(model: Segmenter, image: Volume, truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the best mask that the robot user has had, until IoU 0.9 or for 20 clicks."""
    session, robot = Session(model, image), RobotUser(truth.astype(np.int8))
    masks: list[NDArray[np.bool_]] = [np.zeros(truth.shape, bool)]
    clicks: list[Click] = []
    while len(clicks) < MOST and iou(masks[-1], truth) < GOOD:
        click = robot.next_click(masks[-1], clicks)
        if click is None:
            break
        clicks.append(click)
        session.click((click.row, click.col), positive=click.positive)
        masks.append(np.array(session.mask_on(Plane(0, 0))))
    return max(masks, key=lambda mask: iou(mask, truth))


def measured(
    model: Segmenter, volume: Volume, labels: NDArray[np.integer], planes: dict[int, int]
) -> NDArray[np.float64]:
    """Return NoC@85, NoC@90 and IoU after one and three clicks, a row an object."""
    rows = []
    for label, index in planes.items():
        truth = (labels[index] == label).astype(np.int8)
        ious = carried(segment_slice(model, slice_of(volume, index), truth, PROTOCOL).ious, MOST)
        clicks = [noc(ious, target=target, max_clicks=MOST) for target in TARGETS]
        rows.append([*clicks, ious[0], ious[2]])
    return np.array(rows, float)


if __name__ == "__main__":
    main()
