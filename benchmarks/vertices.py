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
from napari_intseg.inference.contour import REACH, follow, outline
from napari_intseg.inference.intensity import resolve_intensity

COUNT = 40  # vertices, as Curve-GCN has
WAVES, SHARE = (2, 3, 5), 0.08  # of a turn, and of the root of the area


def ring_of(mask: np.ndarray) -> np.ndarray | None:
    """Return the largest outline of a mask as vertices at equal distances."""
    found = outline(mask, 0.0)
    if not found or len(found[0].points) < COUNT // 2:
        return None
    closed = np.vstack([found[0].points, found[0].points[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0, along[-1], COUNT, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], 1)


def wrong(ring: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Return an outline that is off by slow waves, along its normals."""
    along = np.roll(ring, -1, 0) - np.roll(ring, 1, 0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1)
    normal /= np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
    turn = np.arange(COUNT) / COUNT * 2 * np.pi
    wave = sum(rng.normal() * np.sin(k * turn + rng.uniform(0, 2 * np.pi)) for k in WAVES)
    return ring + normal * (wave * SHARE * size / np.sqrt(len(WAVES)))[:, None]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    rng, rows = np.random.default_rng(0), []
    for volume, truth in cases(args.folder, args.limit):
        ring = ring_of(truth == 1)
        if ring is None:
            continue
        whole = tuple(slice(0, n) for n in truth.shape)
        image = resolve_intensity(volume).to_rgb(volume.take(Plane(0, 0), *whole))
        before = wrong(ring, float(np.sqrt(np.count_nonzero(truth == 1))), rng)
        for index in range(0, COUNT, 8):
            after = before.copy()
            after[index] = ring[index]
            rows.append(
                [
                    _far(after, ring, index),
                    _far(follow(image * 0, before, after, index), ring, index),
                    _far(follow(image, before, after, index), ring, index),
                ]
            )
    left, carried, drawn = np.mean(rows, axis=0)
    print(
        f"{len(rows)} corrections: neighbours are {left:.2f} px off where they are left, "
        f"{carried:.2f} carried along, {drawn:.2f} drawn to edges; better than left in "
        f"{np.mean([row[2] < row[0] for row in rows]):.0%}"
    )


def _far(ring: np.ndarray, truth: np.ndarray, index: int) -> float:
    """Return how far the neighbours are from the true outline, in pixels, on average."""
    near = [(index + step) % COUNT for step in range(-REACH, REACH + 1) if step]
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
