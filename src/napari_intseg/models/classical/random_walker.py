"""Random walker: an answer from clicks, scribbles or a mask, with no weights at all."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import random_walker
from skimage.transform import resize

from napari_intseg.core.prompts import PromptKind, Prompts, discs, seed_points
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
    ZoomIn,
    bounding_box,
    logit,
)
from napari_intseg.models.image_input import prepared_values

Box = tuple[int, int, int, int]
Labels = NDArray[np.int32]

PROMPTS: frozenset[PromptKind] = frozenset({"click", "scribble", "mask"})
# no crop for the first click, which the model chooses itself; then twice the object's box, anew
# each time: the walk needs a rim that is background
ZOOM_IN = ZoomIn(
    skip_clicks=0, target_size=None, min_crop_size=1024, expansion=2.0, keep_crop=False
)
_OBJECT, _BACKGROUND = 1, 2
# the smallest crop that is tried reaches so many pixels beyond the clicks
_SMALLEST_PX = 24
# side of the grid on which sizes are tried: coarser than the answer's, since several are solved
_TRIAL_PX = 128
# radius of a click, as a share of the grid's longer side, but at least 2 pixels of it
_SEED = 2 / 96
# contrast below one grey level is noise, and hard to solve for
_FLAT = 0.004
# our own probabilities stay this far from 0 and 1; only a given mask is certain
_UNSURE = 1e-3
# only masks that were given reach it: see `_UNSURE`
_CERTAIN = LOGIT_LIMIT - 1


def build(
    name: str,
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    beta: float = 400.0,
    solve_px: int = 160,
) -> "RandomWalker":
    """Return the model; it has no weights and runs on the CPU, whatever is asked.

    Parameters
    ----------
    beta : float, default 400
        The larger, the harder it is to cross an edge.
    solve_px : int, default 160
        Longer side of the grid on which the equations are solved.
    """
    del weights, device, precision
    traits = Traits(name, PROMPTS, zoom_in=ZOOM_IN, longer_side_px=1024, uses_prev=True)
    return RandomWalker(traits, beta, solve_px)


@dataclass(frozen=True, slots=True)
class RandomWalker:
    """Seeds grow along paths of like intensity, after Grady [1]_, as scikit-image solves it [2]_.

    Positive prompts are seeds of the object; negative ones, and the rim of a crop round all of
    them, are seeds of the background. How large the crop should be is not known on the first
    click: several sizes are tried, and the mask with the clearest edge is taken. Later the crop
    follows the previous answer. A mask to start from gives its core and its surroundings as
    seeds, except near clicks that contradict it.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    beta : float
        The larger, the harder it is to cross an edge.
    solve_px : int
        Longer side of the grid on which the equations are solved.

    References
    ----------
    .. [1] Grady, L. "Random walks for image segmentation", IEEE TPAMI 28, 2006,
       doi:10.1109/TPAMI.2006.233.
    .. [2] van der Walt, S. et al. "scikit-image: image processing in Python", PeerJ 2, 2014,
       doi:10.7717/peerj.453.
    """

    traits: Traits
    beta: float = 400.0
    solve_px: int = 160

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image, with one channel if all three are alike."""
        return prepared_values(image)

    def predict(self, query: Query) -> Answer:
        """Answer one query; nothing outside the crop that was solved belongs to the object."""
        image: FloatArray = query.prepared.payload
        shape, prev = query.prepared.shape, query.prev_logits
        seeds = _Seeds.of(query.prompts, prev, shape)
        logits = np.full(shape, -LOGIT_LIMIT, np.float32)
        before = None if prev is None else bounding_box(prev > 0)
        extent = seeds.extent(shape, before)
        if extent is None:
            return Answer(logits)
        if before is None:
            box = self._choose(image, seeds, extent)
        else:
            # with room round the previous answer and all seeds
            longest = max(extent[1] - extent[0], extent[3] - extent[2])
            box = _grown(extent, max(16, longest // 2), shape)
        window = slice(box[0], box[1]), slice(box[2], box[3])
        _, small, factor = self._solve(image, seeds, box, self.solve_px)
        if factor > 1:
            # to the pixels that the blocks were made of, or a few more
            whole = small.shape[0] * factor, small.shape[1] * factor
            small = np.asarray(resize(small, whole, order=1), np.float32)  # type: ignore[no-untyped-call]
        prob = small[: box[1] - box[0], : box[3] - box[2]]
        logits[window] = logit(np.clip(prob, _UNSURE, 1 - _UNSURE))
        # the core of a given mask stays certain, so that the next question still knows it as given
        if seeds.core is not None:
            logits[seeds.core] = LOGIT_LIMIT
        return Answer(logits, info={"crop": box})

    def _choose(self, image: FloatArray, seeds: "_Seeds", extent: Box) -> Box:
        """Return the crop, of those that double in size, whose mask has the clearest edge."""
        shape = image.shape[0], image.shape[1]
        best, best_score = _grown(extent, max(shape), shape), -1.0
        reach = _SMALLEST_PX
        while True:
            box = _grown(extent, reach, shape)
            small, prob, _ = self._solve(image, seeds, box, _TRIAL_PX)
            score = _edge_contrast(small, prob > 0.5)
            if score > best_score:
                best, best_score = box, score
            if box == (0, shape[0], 0, shape[1]):
                return best
            reach *= 2

    def _solve(
        self, image: FloatArray, seeds: "_Seeds", box: Box, limit_px: int
    ) -> tuple[FloatArray, FloatArray, int]:
        """Return a crop on a grid of limited size, the probability there, and the grid's factor.

        So many pixels of the crop lie along a side of each of the grid's.
        """
        crop = image[box[0] : box[1], box[2] : box[3]]
        factor = -(-max(crop.shape[:2]) // limit_px)
        if factor > 1:
            crop = _shrunk(crop, factor)
        # a little smoothing, so that single noisy pixels are no edges to the walk
        small = ndimage.gaussian_filter(crop, (0.7, 0.7, 0))
        return small, _walk(small, seeds.draw(box, factor), self.beta), factor


@dataclass(frozen=True, slots=True, eq=False)
class _Seeds:
    """What is known of a slice, apart from the rim of the crop: prompts, and parts of a mask."""

    prompts: Prompts
    core: BoolArray | None
    far: BoolArray | None

    @classmethod
    def of(cls, prompts: Prompts, prev: FloatArray | None, shape: tuple[int, int]) -> "_Seeds":
        """Take the prompts, and from a mask its core and what is far from it."""
        given = None if prev is None else prev >= _CERTAIN
        if prev is None or given is None or not given.any():
            return cls(prompts, None, None)
        far = None
        # an answer of ours is certain only in its core; a mask nearly everywhere
        if np.count_nonzero(given) > 0.8 * np.count_nonzero(prev > 0):
            # the slice's edge counts as outline
            depth = ndimage.distance_transform_edt(np.pad(given, 1))[1:-1, 1:-1]
            parts, count = ndimage.label(given)
            deepest = np.concatenate([[0], ndimage.maximum(depth, parts, range(1, count + 1))])
            reach = float(deepest.max())
            # the deeper three fifths: the outline of a given mask may be wrong, its middle is not
            given = given & (depth > 0.4 * deepest[parts])
            far = ndimage.distance_transform_edt(prev <= 0) > max(3.0, 0.5 * reach)
            # a click says more than the mask where both speak
            far = far & ~_near(prompts, shape, reach, positive=True)
            given = given & ~_near(prompts, shape, reach, positive=False)
        else:
            given = given & ~_near(prompts, shape, 3.0, positive=False)
        return cls(prompts, given if given.any() else None, far)

    def extent(self, shape: tuple[int, int], before: Box | None) -> Box | None:
        """Return the box of all that is known inside a slice; None without an object seed.

        `before` is the box of the previous answer, which is known as well.
        """
        core = None if self.core is None else bounding_box(self.core)
        rows, cols = [], []
        for box in (core, before):
            if box is not None:
                rows += [box[0], box[1] - 1]
                cols += [box[2], box[3] - 1]
        has_seed = core is not None
        for (row, col), is_positive in seed_points(self.prompts, shape):
            rows.append(round(row))
            cols.append(round(col))
            has_seed = has_seed or is_positive
        if not has_seed:
            return None
        return (
            max(0, min(rows)),
            min(shape[0], max(rows) + 1),
            max(0, min(cols)),
            min(shape[1], max(cols) + 1),
        )

    def draw(self, box: Box, factor: int) -> Labels:
        """Return the seeds of a crop shrunk by a factor: 1 object, 2 background, 0 unknown."""
        rows = np.arange(box[0], box[1], factor)
        cols = np.arange(box[2], box[3], factor)
        labels = np.zeros((len(rows), len(cols)), np.int32)
        # the rim of the crop is background: without it nothing would stop the object
        labels[[0, -1]] = labels[:, [0, -1]] = _BACKGROUND
        for mask, label in ((self.far, _BACKGROUND), (self.core, _OBJECT)):
            if mask is not None:
                labels[mask[np.ix_(rows, cols)]] = label
        radius = _SEED * max(96, *labels.shape)
        at = np.ogrid[: labels.shape[0], : labels.shape[1]]
        for (row, col), positive in seed_points(self.prompts):
            # a block's centre lies half a block from its corner, as a pixel's does
            r = (row - box[0] + 0.5) / factor - 0.5
            c = (col - box[2] + 0.5) / factor - 0.5
            disc = (at[0] - r) ** 2 + (at[1] - c) ** 2 <= radius**2
            labels[disc] = _OBJECT if positive else _BACKGROUND
        return labels


def _near(prompts: Prompts, shape: tuple[int, int], reach: float, *, positive: bool) -> BoolArray:
    """Return the pixels closer than a distance to a prompt of one sign."""
    return discs((p for p, sign in seed_points(prompts) if sign == positive), shape, reach)


def _grown(box: Box, reach: int, shape: tuple[int, int]) -> Box:
    return (
        max(0, box[0] - reach),
        min(shape[0], box[1] + reach),
        max(0, box[2] - reach),
        min(shape[1], box[3] + reach),
    )


def _edge_contrast(crop: FloatArray, mask: BoolArray) -> float:
    """Return how much a mask's rim differs from what surrounds it, relative to its own spread."""
    area = np.count_nonzero(mask)
    # of a few pixels a contrast is chance
    if area < 12 or area == mask.size:
        return -1.0
    width = max(1, round(0.15 * float(np.sqrt(area / np.pi))))
    inner = mask & (ndimage.distance_transform_edt(mask) <= width)
    outer = ~mask & (ndimage.distance_transform_edt(~mask) <= width)
    step = np.abs(crop[inner].mean(axis=0) - crop[outer].mean(axis=0)).max()
    # keeps a flat object's own spread from making any edge infinitely clear
    return float(step / (crop[mask].std() + 0.05))


def _shrunk(image: FloatArray, factor: int) -> FloatArray:
    """Return the means of square blocks; those at the end may be smaller."""
    result: FloatArray = image
    for axis, column in enumerate(((-1, 1, 1), (1, -1, 1))):
        starts = np.arange(0, image.shape[axis], factor)
        counts = np.diff([*starts, image.shape[axis]]).astype(np.float32)
        result = np.asarray(np.add.reduceat(result, starts, axis=axis) / counts.reshape(column))
    return result


def _walk(image: FloatArray, labels: Labels, beta: float) -> FloatArray:
    """Return the probability that a walker from each pixel meets an object seed first."""
    if not (labels == 0).any() or len(np.unique(labels[labels > 0])) < 2:
        return np.asarray(labels == _OBJECT, np.float32)
    # divided by the spread, so that one `beta` suits images of any contrast
    spread = float(image.std())
    if spread < _FLAT:
        # all ways are alike; a mark on the rim, since scikit-image divides by it
        image, spread, beta = np.zeros_like(image), 1.0, 0.0
        image[0, 0] = 1.0
    with warnings.catch_warnings(), one_thread_of_blas():
        # on rounding and on seeds that leave nothing to solve
        warnings.simplefilter("ignore")
        prob = random_walker(
            image / spread,
            labels,
            beta=beta,
            # multigrid would need pyamg, a direct solver more memory
            mode="cg_j",
            tol=1e-3,
            return_full_prob=True,
            channel_axis=-1,
        )[0]
    # of a part that no seed reaches; it is not the object then
    return np.asarray(np.nan_to_num(prob), np.float32)


# a lock: the number of threads may be the process's or a thread's own, as BLAS was built
_alone = RLock()


@contextmanager
def one_thread_of_blas() -> Iterator[None]:
    """Compute with one thread of BLAS inside, for many small vectors.

    Its threads spin between them: with two, equations of 25,000 unknowns took twice as long as with
    one, and several times as long on a machine that did something else besides. One thread of ours
    at a time is inside, so that each puts back what it found.
    """
    with _alone, _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> Any:
    """Return what holds the libraries' threads; they are looked for once, when all are loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
