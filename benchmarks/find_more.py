"""Measure how well objects are found from a few examples, on images whose objects are all known.

Of each image a few objects are given, drawn at random (seeded), as their true masks;
`Session.find_alike` looks for the others. The given ones count neither as objects nor as found.
With --across the given objects are those of another image of the set, as `napari-intseg guide` has
them, and all objects of an image count; --network says who learns from them.

    python benchmarks/find_more.py DATA/microscopy/dsb2018 --limit 40
    python benchmarks/find_more.py DATA/microscopy/neuroblastoma --given 5
    python benchmarks/find_more.py DATA/microscopy/dsb2018 --limit 20 --across --network guided
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_intseg import Plane, Session, Volume, load_model
from napari_intseg.core.segmenter import Segmenter
from napari_intseg.evaluation.datasets import Choices, DatasetEntry, open_datasets
from napari_intseg.evaluation.run import seed_of
from napari_intseg.evaluation.truth import read_image, read_labels
from napari_intseg.models.guided.guided_network import GuidedNetwork, load_guided
from napari_intseg.session.question import Setup
from napari_intseg.session.similar import learn, segment_guided

TARGETS = (0.5, 0.75)
PLANE = Plane(0, 0)
COLOUR = 12  # of 255: a picture whose channels differ by more in the mean is no grey one


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on one image.

    Parameters
    ----------
    name, kind : str
        Of the image; "colour", "dark" or "bright" by its background.
    objects, found : int
        How many there are, and how many were found, the given ones left out.
    right : tuple of int
        How many were found as they are, for each of `TARGETS`.
    seconds : float
        Of the search.
    """

    name: str
    kind: str
    objects: int
    found: int
    right: tuple[int, ...]
    seconds: float


def main() -> None:
    """Print a line an image, and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with images/ and masks/")
    parser.add_argument(
        "--given", type=int, default=3, metavar="K", help="objects given; default 3"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most so many images, spread evenly"
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--across", action="store_true", help="given on another image")
    parser.add_argument("--network", help="guided network, with --across: a name or a file")
    args = parser.parse_args()
    model = load_model(args.model, device=args.device)
    entries = chosen(args.data, args.given, args.limit)
    print(line("image", "kind", "objects", "found", *(f"P R F1 @{t:g}" for t in TARGETS), "s"))
    done = []
    named = args.network not in (None, "none")
    network = load_guided(args.network, device=args.device) if named else None
    for i, entry in enumerate(entries):
        if args.across:
            # the one before it: of the first the last
            done.append(measure_across(entry, entries[i - 1], model, network, args.given))
        else:
            done.append(measure(entry, model, args.given, args.seed))
        print(row(done[-1].name, [done[-1]]), flush=True)
    for kind in sorted({one.kind for one in done}):
        print(row(f"all {kind}", [one for one in done if one.kind == kind]))
    print(row("all", done))
    for i, target in enumerate(TARGETS):
        means = np.mean([figures([one], i) for one in done], axis=0)
        print(f"mean of {len(done)} images at {target:g}: {told(means)}")


def chosen(folder: Path, given: int, limit: int | None) -> list[DatasetEntry]:
    """Return the images that have more objects than are given."""
    sets = open_datasets(folder, Choices(min_px=1, max_objects=0))
    entries = [e for one in sets for e in one.entries if len(e.objects) > given]
    count = min(limit or len(entries), len(entries))
    return [entries[i * len(entries) // count] for i in range(count)]


def measure(entry: DatasetEntry, model: Segmenter, given: int, seed: int) -> Found:
    """Give a few objects of an image, and look for the others."""
    labels = read_labels(entry.mask)
    volume = read_image(entry.image, labels.shape)
    rng = np.random.default_rng(seed_of(seed, entry.dataset, entry.name))
    values = [ref.value for ref in entry.objects]
    examples = rng.choice(values, given, replace=False).tolist()
    session = Session(model, volume)
    session.set_initial({PLANE: labels == examples[0]})
    for value in examples[1:]:
        session.begin_with({PLANE: labels == value})
    begin = time.perf_counter()
    found = session.find_alike(PLANE)
    seconds = time.perf_counter() - begin
    others = [value for value in values if value not in examples]
    ious = overlaps(session.labels, found, labels, others)
    right = tuple(int((ious >= target).any(0).sum()) for target in TARGETS)
    return Found(entry.name, kind_of(volume), len(others), len(found), right, seconds)


def measure_across(
    entry: DatasetEntry,
    support: DatasetEntry,
    model: Segmenter,
    network: GuidedNetwork | None,
    given: int,
) -> Found:
    """Give a few objects of usual size on another image, and look for all of an image."""
    known = read_labels(support.mask)
    areas = np.bincount(known.ravel(), minlength=1)[1:]
    # the median ones: a person shows usual objects
    order = np.argsort(areas, kind="stable")[np.count_nonzero(areas == 0) :]
    middle = max(0, (len(order) - given) // 2)
    few = np.where(np.isin(known, order[middle : middle + given] + 1), known, 0)
    labels = read_labels(entry.mask)
    volume = read_image(entry.image, labels.shape)
    begin = time.perf_counter()
    seen = learn([(Setup(model, read_image(support.image, known.shape)), few)], network)
    every = np.zeros(labels.shape, np.int32)
    count = 0
    for one in segment_guided(seen, Setup(model, volume)):
        count += 1
        every[one.mask] = count
    seconds = time.perf_counter() - begin
    values = [ref.value for ref in entry.objects]
    ious = overlaps(every, range(1, count + 1), labels, values)
    right = tuple(int((ious >= target).any(0).sum()) for target in TARGETS)
    return Found(entry.name, kind_of(volume), len(values), count, right, seconds)


def overlaps(
    found: np.ndarray, numbers: Sequence[int], truth: np.ndarray, values: Sequence[int]
) -> np.ndarray:
    """Return the IoU of each label that was found (rows) with each true one (columns).

    No two of either overlap, hence above 0.5 each has at most one partner.
    """
    size = len(numbers) + 1, len(values) + 1
    pairs = np.ravel_multi_index((counted(found, numbers), counted(truth, values)), size)
    both = np.bincount(pairs.ravel(), minlength=size[0] * size[1]).reshape(size)
    either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    ious: np.ndarray = both[1:, 1:] / np.maximum(either[1:, 1:], 1)
    return ious


def counted(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return labels with some values numbered from 1 on, and 0 for all others."""
    numbers = np.zeros(int(labels.max()) + 1, int)
    numbers[list(values)] = np.arange(1, len(values) + 1)
    return numbers[labels]


def kind_of(volume: Volume) -> str:
    """Return what an image looks like, roughly: colour, or grey on dark or on bright ground."""
    image = np.asarray(volume.data)
    if volume.n_channels and np.ptp(image[..., :3].astype(float), axis=-1).mean() > COLOUR:
        return "colour"
    return "bright" if np.median(image) > 127 else "dark"


def figures(done: list[Found], target: int) -> tuple[float, float, float]:
    """Return precision, recall and F1 of all objects of some images; 0 where nothing was found."""
    objects, found = (sum(getattr(one, name) for one in done) for name in ("objects", "found"))
    right = sum(one.right[target] for one in done)
    return right / max(found, 1), right / objects, 2 * right / (found + objects)


def row(name: str, done: list[Found]) -> str:
    """Return the line of an image, or of several as one."""
    kinds = {one.kind for one in done}
    counts = (str(sum(getattr(one, what) for one in done)) for what in ("objects", "found"))
    every = (told(figures(done, i)) for i in range(len(TARGETS)))
    seconds = f"{sum(one.seconds for one in done):.1f}"
    return line(name, kinds.pop() if len(kinds) == 1 else "", *counts, *every, seconds)


def told(values: Iterable[float]) -> str:
    """Return numbers between 0 and 1 with three digits each."""
    return " ".join(f"{value:.3f}" for value in values)


def line(*cells: str) -> str:
    """Return cells in columns."""
    return " ".join(f"{c:<{w}}" for c, w in zip(cells, (20, 7, 8, 6, 18, 18, 6), strict=True))


if __name__ == "__main__":
    main()
