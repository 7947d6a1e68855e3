"""Measure what following vertices bring: ``python benchmarks/vertices.py FOLDER``.

The outlines of a data set's objects are moved in and out by slow waves, as a model's are that is
wrong in places. At each of a few vertices, one after another on the same wrong outline, the vertex
is put where it belongs, and its neighbours are left, carried along, or carried and drawn to edges.
It prints how far the four neighbours then are from where they belong, in pixels.
"""

import argparse
from pathlib import Path

import numpy as np

from interactive import cases
from napari_intseg.core.volume import Plane
from napari_intseg.inference.contour import REACH, follow
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.models.vertex_predictors import load_vertices
from napari_intseg.training.synthetic import VERTICES, bent_ring, even_ring


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--network", help="of `train --task vertices`, by name or file")
    args = parser.parse_args()
    rng, rows = np.random.default_rng(0), []
    network = None if args.network is None else load_vertices(args.network)
    for volume, truth in cases(args.folder, args.limit):
        ring = even_ring(truth == 1)
        if ring is None:
            continue
        whole = tuple(slice(0, n) for n in truth.shape)
        image = resolve_intensity(volume).to_rgb(volume.take(Plane(0, 0), *whole))
        before = bent_ring(ring, float(np.sqrt(np.count_nonzero(truth == 1))), rng)
        for index in range(0, VERTICES, 8):
            after = before.copy()
            after[index] = ring[index]
            rows.append(
                [
                    _far(after, ring, index),
                    _far(follow(image * 0, before, after, index), ring, index),
                    _far(follow(image, before, after, index), ring, index),
                    *(
                        []
                        if network is None
                        else [_far(network(image, before, after, index), ring, index)]
                    ),
                ]
            )
    left, carried, drawn, *moved = np.mean(rows, axis=0)
    print(
        f"{len(rows)} corrections: neighbours are {left:.2f} px off where they are left, "
        f"{carried:.2f} carried along, {drawn:.2f} drawn to edges; better than left in "
        f"{np.mean([row[2] < row[0] for row in rows]):.0%}"
    )
    if moved:
        less = np.array([row[3] - row[2] for row in rows])
        error = less.std(ddof=1) / np.sqrt(len(less))
        print(
            f"moved by the network {moved[0]:.2f} px, less drawn to edges {less.mean():.2f} ± "
            f"{error:.2f}; better than left in {np.mean([row[3] < row[0] for row in rows]):.0%}"
        )


def _far(ring: np.ndarray, truth: np.ndarray, index: int) -> float:
    """Return how far the neighbours are from the true outline, in pixels, on average."""
    near = [(index + step) % VERTICES for step in range(-REACH, REACH + 1) if step]
    start, end = truth, np.roll(truth, -1, 0)
    return float(np.mean([_to_line(ring[at], start, end) for at in near]))


def _to_line(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Return the distance of a point to the nearest of some lines."""
    way = end - start
    share = ((point - start) * way).sum(1) / np.maximum((way**2).sum(1), 1e-12)
    near = start + np.clip(share, 0, 1)[:, None] * way
    return float(np.hypot(*(point - near).T).min())


if __name__ == "__main__":
    main()
