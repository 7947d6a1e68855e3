"""Milliseconds of the bundled network: encoding a view, and a warm click on it.

    python benchmarks/bundled_speed.py --threads 2 --size 400

Wall time is what a person waits for; CPU time is told too, as a busy machine does not change it.
"""

import argparse
import time

import numpy as np
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query
from napari_intseg.models.registry import load_model


def median_ms(work, rounds: int) -> tuple[float, float]:
    """Return the medians of wall and CPU time of a function."""
    times = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.median(times[2:], axis=0) * 1000
    return float(wall), float(cpu)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=22)
    parser.add_argument("--precision", default="float32")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_model("bundled", device="cpu", precision=args.precision)
    image = np.random.default_rng(0).random((args.size, args.size, 3), np.float32)
    prepared = model.prepare(image)
    first = model.predict(Query(prepared, Prompts((Click(200, 200),))))
    query = Query(prepared, Prompts((Click(200, 200), Click(90, 80, False))), first.logits)
    for name, work in (
        ("encode a view", lambda: model.prepare(image)),
        ("warm click", lambda: model.predict(query)),
    ):
        wall, cpu = median_ms(work, args.rounds)
        told = f"{args.threads} threads, {args.size}²"
        print(f"{name}: {wall:.1f} ms wall, {cpu:.1f} ms CPU ({told})")


if __name__ == "__main__":
    main()
