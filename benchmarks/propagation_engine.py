"""Propagate with a model that costs nothing: what the engine alone takes a plane, and its memory.

    python benchmarks/propagation_engine.py --size 1024
    python benchmarks/propagation_engine.py --size 2048 --planes 400 --lazy
    python benchmarks/propagation_engine.py --model bundled    # planes a second with a network

The object is a noisy disc of a fifth of the slice's side in radius. Time is the processor time of
the thread that propagates; with --lazy planes are made when they are read, which counts as well.
Set OMP_NUM_THREADS=1, or matrix products use other threads too.
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg import Session, Volume, load_model
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, ZoomIn

PARTS = 8


class Threshold:
    """Answers with what is bright, seen through a view as the bundled network has it."""

    traits = Traits(
        "threshold",
        frozenset({"click", "mask"}),
        longer_side_px=640,
        uses_prev=True,
        zoom_in=ZoomIn(target_size=384, min_crop_size=128),
    )

    def prepare(self, image: np.ndarray) -> Prepared:
        """Keep the grey values."""
        return Prepared(image.shape[:2], image[..., 0], image.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer with certainty."""
        return Answer(np.where(query.prepared.payload > 0.45, np.float32(9), np.float32(-9)))


class Discs:
    """Planes of a disc, float32, made when they are read."""

    ndim, dtype = 3, np.dtype(np.float32)

    def __init__(self, planes: int, side: int) -> None:
        self.shape = planes, side, side

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        side = self.shape[1]
        rows, cols = (np.arange(side)[i] - side / 2 for i in index[1:])
        disc = np.where(rows[:, None] ** 2 + cols**2 < (side / 5) ** 2, np.float32(150), 0)
        noise = np.random.default_rng(index[0]).standard_normal(disc.shape, np.float32)
        return disc + 8 * noise


def resident_mb() -> float:
    """Return resident memory now, MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Click on the first plane, propagate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", type=int, default=512, help="of a plane's sides, pixels")
    parser.add_argument("--planes", type=int, default=41)
    parser.add_argument("--lazy", action="store_true")
    parser.add_argument("--model", help="a registered name, instead of the one that costs nothing")
    args = parser.parse_args()
    data: Any = Discs(args.planes, args.size)
    if not args.lazy:
        data = np.stack([data[i, :, :] for i in range(args.planes)])
    model = load_model(args.model, device="cpu") if args.model else Threshold()
    session = Session(model, Volume(data, spacing=(2, 0.7, 0.7)), window=(-50, 200))
    session.click((0, args.size / 2, args.size / 2))
    every, last = max(1, (args.planes - 1) // PARTS), time.thread_time()
    began = time.perf_counter()

    def told(done: int, total: int) -> None:
        nonlocal last
        if done % every == 0:
            now = time.thread_time()
            print(
                f"{done} of {total} planes: {(now - last) / every * 1e3:.1f} ms a plane, "
                f"{resident_mb():.0f} MB resident"
            )
            last = now

    session.propagate(on_progress=told)
    print(f"{(args.planes - 1) / (time.perf_counter() - began):.1f} planes a second")


if __name__ == "__main__":
    main()
