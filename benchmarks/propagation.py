"""Time propagation through a phantom volume: planes per second, model by model.

    python benchmarks/propagation.py --device cuda --model ritm-hrnet18s --planes 32

The network has random weights and runs in full, but the neighbour's mask is passed on in the place
of its answer: so the walk goes to the end, and the time is that of a trained one.
"""

import argparse
import time
from collections.abc import Sequence

from napari_intseg.core.segmenter import Answer, Query
from napari_intseg.core.volume import Plane
from napari_intseg.models.ritm import Ritm
from napari_intseg.session.session import Session
from napari_intseg.testing import phantom_volume
from one_click import NETWORKS, build


class PassingOn(Ritm):
    """Takes the time of its network and answers what it was given."""

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer in the order asked."""
        answers = super().predict_batch(queries)
        return [
            answer if query.prev_logits is None else Answer(query.prev_logits)
            for query, answer in zip(queries, answers, strict=True)
        ]


def main() -> None:
    """Print planes per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", choices=NETWORKS, default="ritm-hrnet18s")
    parser.add_argument("--planes", type=int, default=16)
    parser.add_argument("--size", type=int, default=256, help="of a plane's sides, pixels")
    args = parser.parse_args()
    volume, labels = phantom_volume(shape=(args.planes, args.size, args.size))
    middle = args.planes // 2
    for precision in ("float32", "bfloat16", "auto"):
        model = build(args.model, args.device, precision, kind=PassingOn)
        model.warm_up((args.size, args.size))
        session = Session(model, volume)
        session.set_initial_mask(labels[middle] == 1, Plane(0, middle))
        start = time.perf_counter()
        change = session.propagate()
        seconds = time.perf_counter() - start
        done = len(change.planes)
        print(
            f"{args.model}, {model.device}, {model.dtype}: {done} planes of {args.size}x{args.size}"
            f" in {seconds:.2f} s, {done / seconds:.1f} planes/s"
        )


if __name__ == "__main__":
    main()
