"""Measure the first answer to scribbles and boxes beside that to a click: GrabCut's 50 objects.

``python benchmarks/scribbles.py DATA/GrabCut DATA/GrabCut_scribbles``: mean IoU, that of the worst
tenth, and the mean difference to the click with its standard error. The strokes were drawn by hand;
value 1 lies on the object, 2 beside it. Each piece becomes a line along its middle.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.morphology import skeletonize

from napari_intseg.core.prompts import Box, Prompts, Scribble
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.evaluation.metrics import iou
from napari_intseg.evaluation.robot import RobotUser, Truth
from napari_intseg.evaluation.truth import read_image
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.models.registry import load_model

LEAST_PX = 10  # smaller pieces of a stroke are specks
MISNAMED = {"124080": "124084"}  # of the two sets, whose names differ for one image


def line_of(stroke: BoolArray) -> tuple[tuple[float, float], ...]:
    """Return the longest way along the middle of a stroke, a vertex every four pixels."""
    points = np.argwhere(skeletonize(stroke))
    number = {tuple(point): i for i, point in enumerate(points)}
    pairs = [
        (i, number[row + down, col + right], np.hypot(down, right))
        for (row, col), i in number.items()
        for down, right in ((0, 1), (1, -1), (1, 0), (1, 1))
        if (row + down, col + right) in number
    ]
    if not pairs:
        return (tuple(np.argwhere(stroke).mean(axis=0)),)
    first, second, length = zip(*pairs, strict=True)
    steps = coo_array((length, (first, second)), shape=(len(points),) * 2).tocsr()
    # farthest from anywhere is one end of the longest way, farthest from that the other
    away = dijkstra(steps, directed=False, indices=first[0])
    start = int(np.where(np.isfinite(away), away, -1).argmax())
    away, before = dijkstra(steps, directed=False, indices=start, return_predecessors=True)
    way = [int(np.where(np.isfinite(away), away, -1).argmax())]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    kept = [*way[:-1:4], way[-1]]
    return tuple((float(row), float(col)) for row, col in points[kept])


def lines_of(drawn: np.ndarray) -> tuple[Scribble, ...]:
    """Return all strokes of an image of strokes."""
    lines = []
    for value in (1, 2):
        pieces, count = ndimage.label(drawn == value, np.ones((3, 3)))
        sizes = np.bincount(pieces.ravel())
        lines += [
            Scribble(line_of(pieces == i), value == 1)
            for i in range(1, count + 1)
            if sizes[i] >= LEAST_PX
        ]
    return tuple(lines)


def cases(
    grabcut: Path, scribbles: Path, step: int
) -> Iterator[tuple[Volume, Truth, list[tuple[Scribble, ...]]]]:
    """Go through the objects, each with its strokes of both sets."""
    for path in sorted((grabcut / "boundary_GT").iterdir())[::step]:
        drawn = np.array(Image.open(path).convert("L"))
        truth = np.select([drawn == 255, drawn == 128], [1, -1]).astype(np.int8)
        image = next((grabcut / "data_GT").glob(f"{path.stem}.*"))
        name = f"{MISNAMED.get(path.stem, path.stem)}-anno.png"
        sets = [scribbles / f"scribbles-set-{i}" / name for i in (1, 2)]
        strokes = [lines_of(np.array(Image.open(one))) for one in sets]
        yield read_image(image, truth.shape), truth, strokes


def prompts_of(truth: Truth, strokes: list[tuple[Scribble, ...]]) -> dict[str, list[Prompts]]:
    """Return what is given about one object, by the name of its kind."""
    click = RobotUser(truth).next_click(np.zeros(truth.shape, bool))
    rows, cols = np.nonzero(truth == 1)
    box = Box(float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max()))
    given = {"click": [Prompts((click,))], "tight box": [Prompts(box=box)]}
    given["scribbles"] = [Prompts(scribbles=lines) for lines in strokes]
    given["scribbles on the object alone"] = [
        Prompts(scribbles=tuple(line for line in lines if line.positive)) for lines in strokes
    ]
    return given


def scored(model: Segmenter, volume: Volume, truth: Truth, prompts: Prompts) -> float:
    """Return the IoU of the answer to some prompts."""
    answer = predict_slice(
        model, lambda rows, cols: volume.take(Plane(0, 0), rows, cols), truth.shape, prompts,
        Options(resolve_intensity(volume)),
    )  # fmt: skip
    mask = answer.patch.mask(model.traits.threshold)
    return iou(mask[truth >= 0], truth[truth >= 0] == 1)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grabcut", type=Path)
    parser.add_argument("scribbles", type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--step", type=int, default=1, help="every so many-th object")
    args = parser.parse_args()
    model = load_model(args.model, device="cpu")
    found: dict[str, list[list[float]]] = {}
    for volume, truth, strokes in cases(args.grabcut, args.scribbles, args.step):
        for kind, given in prompts_of(truth, strokes).items():
            found.setdefault(kind, []).append([scored(model, volume, truth, one) for one in given])
    clicks = np.array(found["click"])[:, 0]
    for kind, rows in found.items():
        values = np.sort(np.array(rows).ravel())
        # the two sets of one object are no two objects
        more = np.array(rows).mean(axis=1) - clicks
        print(
            f"{kind}: {values.size} answers, IoU {values.mean():.3f}, worst tenth "
            f"{values[: max(1, values.size // 10)].mean():.3f}, more than the click "
            f"{more.mean():+.3f} ± {more.std() / np.sqrt(more.size):.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
