"""Level set from four extreme points: an outline that parts the colours inside from those outside.

Deep extreme level set evolution [1]_ starts from four extreme points, and a network says where the
outline is to go. This is its form without weights: what pushes the outline are the colours on its
two sides, measured anew as it moves, as in active contours without edges [2]_.

References
----------
.. [1] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
   2019.
.. [2] Chan, T., Vese, L. "Active contours without edges", IEEE Transactions on Image Processing 10,
   2001.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from napari_intseg.core.contour_evolution import Motion, evolve, signed_distance, stop_at_edges
from napari_intseg.core.prompts import Click, PromptKind
from napari_intseg.core.segmenter import (
    EXTREME_POINTS,
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
)

PROMPTS: frozenset[PromptKind] = frozenset({"extreme_points"})
# bins of each colour: 512 cells, which the some thousand pixels of a crop fill well enough
_BINS = 8
# how often colours are measured anew; a fifth moved fewer than 1 % of the pixels
_ROUNDS = 4
# share of the box: pixels so far round it are the surroundings, whose colours are those outside
_MARGIN = 0.3
# logits for each pixel of distance from the outline, and the most they become
_SLOPE = 1.0
_LIMIT = 6.0


def build(
    name: str,
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    motion: Motion | None = None,
) -> "LevelSetModel":
    """Return the model; it has no weights and runs on the CPU, whatever is asked."""
    del weights, device, precision
    traits = Traits(name, PROMPTS, longer_side_px=640, needs=PROMPTS)
    return LevelSetModel(traits, motion or Motion())


@dataclass(frozen=True, slots=True)
class LevelSetModel:
    """A level set as a `Segmenter`.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    motion : Motion
        How the outline moves in each of its rounds.
    """

    traits: Traits
    motion: Motion

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image."""
        kept = np.array(image, np.float32)
        return Prepared((image.shape[0], image.shape[1]), kept, kept.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer one query; with fewer than four points nothing is found."""
        image, shape = query.prepared.payload, query.prepared.shape
        points = [click for click in query.prompts.clicks if click.positive]
        if len(points) < EXTREME_POINTS:
            return Answer(np.full(shape, -_LIMIT, np.float32))
        place, free = _window(points, shape)
        start = _between(points, shape)[place]
        mask = start
        edges = stop_at_edges(image[place])
        for _ in range(_ROUNDS):
            # nothing is left to tell apart; the ellipse is the better answer
            if mask.all() or not mask.any():
                mask = start
                break
            mask = evolve(mask, _force(image[place], mask), edges, self.motion, free=free[place])
        logits = np.full(shape, -_LIMIT, np.float32)
        logits[place] = np.clip(_SLOPE * signed_distance(mask), -_LIMIT, _LIMIT)
        return Answer(logits)


def _window(
    points: Sequence[Click], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], BoolArray]:
    """Return the box of the points with a margin, and where the object may be: in the box."""
    free, spans = np.zeros(shape, bool), []
    ends = []
    for values, length in zip(
        ([p.row for p in points], [p.col for p in points]), shape, strict=True
    ):
        low = min(max(0, round(min(values))), length - 1)
        high = min(max(low, round(max(values))), length - 1)
        reach = max(3, round(_MARGIN * (high - low + 1)))
        spans.append(slice(max(0, low - reach), min(length, high + reach + 1)))
        ends.append(slice(low, high + 1))
    free[ends[0], ends[1]] = True
    return (spans[0], spans[1]), free


def _between(points: Sequence[Click], shape: tuple[int, int]) -> BoolArray:
    """Return the ellipse in the box of the points, joined with the polygon that they make."""
    from skimage.draw import polygon

    rows, cols = np.array([p.row for p in points]), np.array([p.col for p in points])
    middle = (rows.max() + rows.min()) / 2, (cols.max() + cols.min()) / 2
    half = max(1.0, (rows.max() - rows.min()) / 2), max(1.0, (cols.max() - cols.min()) / 2)
    r, c = np.ogrid[: shape[0], : shape[1]]
    out = ((r - middle[0]) / half[0]) ** 2 + ((c - middle[1]) / half[1]) ** 2 <= 1
    order = np.argsort(np.arctan2(rows - middle[0], cols - middle[1]))
    out[polygon(rows[order], cols[order], shape)] = True  # type: ignore[no-untyped-call]
    return np.asarray(out)


def _force(image: FloatArray, mask: BoolArray) -> FloatArray:
    """Return how much more a pixel's colour is that of the inside than of the outside, -1 to 1."""
    # two pixels beside the outline are left out: they are mixed
    near = binary_dilation(mask, iterations=2)
    cells = np.minimum((image * _BINS).astype(int), _BINS - 1)
    cells = (cells[..., 0] * _BINS + cells[..., 1]) * _BINS + cells[..., 2]
    inside, outside = (_shares(cells[part]) for part in (mask, ~near))
    odds = np.log(inside) - np.log(outside)
    return np.asarray(np.tanh(gaussian_filter(odds[cells].astype(np.float32), 1) / 2), np.float32)


def _shares(cells: np.ndarray) -> np.ndarray:
    """Return how often each colour is, smoothed over its neighbours; none is impossible."""
    counts = np.bincount(cells, minlength=_BINS**3).reshape(_BINS, _BINS, _BINS).astype(float)
    # a colour that was not seen is unlikely, not impossible; its logarithm stays finite
    smooth = gaussian_filter(counts, 0.7, mode="constant").ravel() + 1e-3 * max(1, cells.size)
    return np.asarray(smooth / smooth.sum())
