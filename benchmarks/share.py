"""Measure what objects that lie next to each other gain if they share pixels and clicks.

Of each image one group of objects that touch, or nearly do, is segmented at once: a robot clicks
each object in turn, as often as --clicks says, each time on its deepest error. "keep": an object
keeps its pixels from those after it. "joint": each pixel goes to the surest object. "joint, clicks
shared": then each object's positive clicks are negative ones for the others, after every round.

    python benchmarks/share.py DATA/microscopy/dsb2018 --limit 20
    python benchmarks/share.py DATA/domain/ovule_cell_walls
"""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_intseg import Plane, Session, load_model
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.core.volume import Volume
from napari_intseg.errors import PromptError
from napari_intseg.evaluation.datasets import Choices, open_datasets
from napari_intseg.evaluation.metrics import iou
from napari_intseg.evaluation.robot import RobotUser
from napari_intseg.evaluation.truth import read_image, read_labels

PLANE = Plane(0, 0)
WAYS = ("keep", "joint", "joint, clicks shared")
NEAR_PX = 3  # objects with at most so many pixels between them are neighbours
LEAST_PX = 60


def main() -> None:
    """Print a line a group, and the means with their standard errors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="images; default 20")
    parser.add_argument("--objects", type=int, default=4, metavar="N", help="of a group; default 4")
    parser.add_argument("--clicks", type=int, default=3, metavar="N", help="of each; default 3")
    parser.add_argument("--model", default="bundled")
    args = parser.parse_args()
    model = load_model(args.model)
    entries = [e for one in open_datasets(args.data, Choices(min_px=1)) for e in one.entries]
    step = max(1, len(entries) // args.limit)
    found = []
    for entry in entries[::step][: args.limit]:
        labels = read_labels(entry.mask)
        group = neighbours(labels, args.objects)
        if len(group) < 2:
            continue
        volume = read_image(entry.image, labels.shape)
        truths = [labels == value for value in group]
        found.append([segment(model, volume, truths, args.clicks, way) for way in WAYS])
        told = "  ".join(
            f"{way} {np.round(one, 3)}" for way, one in zip(WAYS, found[-1], strict=True)
        )
        print(f"{entry.name} {len(group)} objects  {told}", flush=True)
    if not found:
        sys.exit("no objects that lie next to each other")
    table = np.array(found)
    for way, values in zip(WAYS, table.transpose(1, 0, 2), strict=True):
        print(f"{way}: mean IoU after 1 to {args.clicks} clicks {np.round(values.mean(0), 3)}")
        less = values - table[:, 0]
        error = less.std(0, ddof=1) / np.sqrt(len(less))
        print(f"  less keep: {np.round(less.mean(0), 3)} ± {np.round(error, 3)} of {len(less)}")


def neighbours(labels: np.ndarray, most: int) -> list[int]:
    """Return an object of usual size and up to `most` - 1 others next to it, the nearest first."""
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    values = values[counts >= LEAST_PX]
    for middle in values[np.argsort(-counts[counts >= LEAST_PX], kind="stable")].tolist():
        away = distance_transform_edt(labels != middle)
        gaps = [(float(away[labels == one].min()), int(one)) for one in values if one != middle]
        near = [one for gap, one in sorted(gaps) if gap <= NEAR_PX + 1]
        if near:
            return [middle, *near][:most]
    return []


def segment(
    model: Segmenter, volume: Volume, truths: list[np.ndarray], clicks: int, way: str
) -> list[float]:
    """Return the mean IoU of objects, bool (H, W) each, after each round of clicks."""
    session = Session(model, volume)
    if way != "keep":
        session.protect(policy="joint")
    numbers = [session.object, *(session.new_object() for _ in truths[1:])]
    out = []
    for _ in range(clicks):
        for number, truth in zip(numbers, truths, strict=True):
            session.select_object(number)
            given = session.prompts(PLANE).clicks
            click = RobotUser(truth.astype(np.int8)).next_click(
                session.mask_on(PLANE, number), given
            )
            if click is not None:
                session.click((click.row, click.col), click.positive)
        if way.endswith("shared"):
            share(session, numbers)
        masks = [session.mask_on(PLANE, number) for number in numbers]
        out.append(float(np.mean([iou(m, t) for m, t in zip(masks, truths, strict=True)])))
    return out


def share(session: Session, numbers: list[int]) -> None:
    """Share the clicks, and answer all objects again."""
    with suppress(PromptError):  # a round of negative clicks alone has none to share
        session.share_corrections(PLANE)
    for number in numbers:
        session.select_object(number)
        session.predict(PLANE)


if __name__ == "__main__":
    main()
