"""Click and propagate 200 planes of a 2,000 x 2,048 x 2,048 volume; print time, reads and memory.

    python benchmarks/huge.py                       # random walker
    python benchmarks/huge.py --model bundled --planes 200

The volume is 16.8 GB of uint16 that exist only where they are read. The exit status is 1 if more
than 3 GB were resident at any time.
"""

import argparse
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg import Plane, Session, Volume, load_model

SHAPE = (2000, 2048, 2048)
LIMIT_GB = 3.0


class Tube:
    """A bright tube that winds through a volume, uint16; counts what is read of it."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape, self.dtype = shape, np.dtype(np.uint16)
        self.bytes_read = 0

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        plane = index[0]
        rows, cols = (np.arange(n)[i] for n, i in zip(self.shape[1:], index[1:], strict=True))
        row, col, radius = tube(plane, self.shape)
        squared = (rows - row)[:, None] ** 2 + (cols - col)[None] ** 2
        noise = np.random.default_rng(plane).integers(0, 6000, squared.shape, np.uint16)
        out = np.where(squared <= radius**2, np.uint16(40000), np.uint16(8000)) + noise
        self.bytes_read += out.nbytes
        return out


def tube(plane: int, shape: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return row, column and radius of the tube on a plane."""
    return shape[1] / 2 + 40 * np.sin(plane / 30), shape[2] / 2 + 25 * np.cos(plane / 40), 250.0


def resident_gb() -> tuple[float, float]:
    """Return resident memory now, and the largest so far, GB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize() / 1e9, peak / 1e9


def main() -> int:
    """Click on two planes, propagate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="random-walker")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--planes", type=int, default=200)
    args = parser.parse_args()
    data, middle = Tube(SHAPE), SHAPE[0] // 2
    session = Session(load_model(args.model, device=args.device), Volume(data))
    print(f"{args.model}: ready, {resident_gb()[0]:.2f} GB resident")
    for index in (middle - args.planes // 4, middle + args.planes // 4):
        row, col, _ = tube(index, SHAPE)
        for offset in (0, 60):
            before, begin = data.bytes_read, time.perf_counter()
            session.click((index, row + offset, col + offset))
            print(
                f"click on plane {index}: {1000 * (time.perf_counter() - begin):.0f} ms, "
                f"{(data.bytes_read - before) / 1e6:.1f} MB read"
            )
    before, begin = data.bytes_read, time.perf_counter()
    planes = range(middle - args.planes // 2, middle + args.planes // 2)
    change = session.propagate(planes)
    seconds = time.perf_counter() - begin
    print(
        f"{len(change.planes)} planes in {seconds:.0f} s, {len(change.planes) / seconds:.1f} "
        f"planes/s, {(data.bytes_read - before) / 1e9:.2f} GB read of {16.8:.1f}"
    )
    agree = []
    for plane in planes[:: max(1, args.planes // 20)]:
        row, col, radius = tube(plane, SHAPE)
        rows, cols = np.ogrid[: SHAPE[1], : SHAPE[2]]
        truth = (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
        mask = session.mask_on(Plane(0, plane))
        agree.append(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))
    now, peak = resident_gb()
    print(
        f"Dice {np.mean(agree):.3f} on {len(agree)} planes; resident {now:.2f} GB, peak {peak:.2f}"
    )
    return int(peak > LIMIT_GB)


if __name__ == "__main__":
    sys.exit(main())
