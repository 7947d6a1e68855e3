"""Clicks and propagation through a volume that exists only where it is read: time and memory.

python benchmarks/large_volume.py --model random-walker
python benchmarks/large_volume.py --model ritm-hrnet18s --weights FILE --device cuda
python benchmarks/large_volume.py --huge        # 2,000 x 2,048 x 2,048, lazy; prints memory
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg import Session, Volume, load_model


class LazyTube:
    """A bright tube through a volume that exists only where it is read, uint16."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape, self.dtype = shape, np.dtype(np.uint16)

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        plane = index[0]
        rows, cols = (np.arange(n)[i] for n, i in zip(self.shape[1:], index[1:], strict=True))
        centre = self.shape[1] / 2 + 40 * np.sin(plane / 30), self.shape[2] / 2
        radius = min(self.shape[1:]) / 8
        squared = (rows - centre[0])[:, None] ** 2 + (cols - centre[1])[None] ** 2
        noise = np.random.default_rng(plane).integers(0, 6000, squared.shape, np.uint16)
        return np.where(squared <= radius**2, np.uint16(40000), np.uint16(8000)) + noise


def memory_gb() -> float:
    """Return the largest resident memory so far in GB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Click twice, propagate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="random-walker")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--planes", type=int, help="60, or 200 with --huge")
    parser.add_argument("--side", type=int, default=256, help="rows and columns of the phantom")
    parser.add_argument("--huge", action="store_true")
    args = parser.parse_args()

    planes = args.planes or (200 if args.huge else 60)
    shape = (2000, 2048, 2048) if args.huge else (planes + 20, args.side, args.side)
    middle = shape[0] // 2
    model = load_model(args.model, weights=args.weights, device=args.device)
    session = Session(model, Volume(LazyTube(shape)))
    for index in (middle - planes // 4, middle + planes // 4):
        for offset in (0, 3):
            begin = time.perf_counter()
            row = shape[1] / 2 + 40 * np.sin(index / 30) + offset
            session.click((index, row, shape[2] / 2 + offset))
            print(f"click on plane {index}: {1000 * (time.perf_counter() - begin):.0f} ms")
    begin = time.perf_counter()
    change = session.propagate(range(middle - planes // 2, middle + planes // 2))
    seconds = time.perf_counter() - begin
    print(
        f"{args.model} on {args.device}: {len(change.planes)} planes of {shape[1]} x {shape[2]} in "
        f"{seconds:.1f} s, {len(change.planes) / seconds:.1f} planes/s, "
        f"{memory_gb():.2f} GB of memory"
    )


if __name__ == "__main__":
    main()
