"""Region growing: from the clicks outward, as long as the values stay alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.special import gammainc, gammaincinv

from napari_intseg.core.prompts import Point, PromptKind, discs, seed_points
from napari_intseg.core.segmenter import (
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
)
from napari_intseg.models.image_input import prepared_values

PROMPTS: frozenset[PromptKind] = frozenset({"click", "scribble"})
# the variance of rounding to bytes: a flat region is not narrower
_LEAST_VARIANCE = 1 / 255**2 / 12
# logits of a mask that knows no probabilities: 95 %
_SURE = 3.0
# radius of the disc that is cut out where even the narrowest interval leaks
_CUT_PX = 3.0
# widths of the interval that are tried, from the whole to a fifth of it
_TRIES = 8


def build(
    name: str,
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    multiplier: float = 2.5,
    iterations: int = 4,
    radius_px: int = 2,
) -> "RegionGrowing":
    """Return the model; it has no weights and runs on the CPU, whatever is asked.

    Parameters
    ----------
    multiplier, iterations, radius_px
        See `grow`.
    """
    del weights, device, precision
    traits = Traits(name, PROMPTS, longer_side_px=1024)
    return RegionGrowing(traits, multiplier, iterations, radius_px)


@dataclass(frozen=True, slots=True)
class RegionGrowing:
    """Confidence-connected region growing [1]_ from positive clicks and lines.

    A negative prompt says that the region has leaked: it is grown again with ever narrower
    intervals until it no longer reaches there; a disc round the prompt is cut out if even the
    narrowest does.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    multiplier, iterations, radius_px
        See `grow`.

    References
    ----------
    .. [1] Ibanez, L. et al. "The ITK software guide", 2nd edition, 2005, section 9.1.3.
    """

    traits: Traits
    multiplier: float = 2.5
    iterations: int = 4
    radius_px: int = 2

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image, with one channel if all three are alike."""
        return prepared_values(image)

    def predict(self, query: Query) -> Answer:
        """Answer one query; without a positive prompt on the image nothing is found."""
        image: FloatArray = query.prepared.payload
        shape = query.prepared.shape
        given = seed_points(query.prompts, shape)
        seeds = [p for p, sign in given if sign]
        stops = [p for p, sign in given if not sign]
        mask = self._grown(image, seeds, stops) if seeds else np.zeros(shape, bool)
        return Answer(np.where(mask, np.float32(_SURE), np.float32(-_SURE)))

    def _grown(self, image: FloatArray, seeds: list[Point], stops: list[Point]) -> BoolArray:
        at = [(round(row), round(col)) for row, col in stops]
        tries = np.linspace(1, 0.2, _TRIES) if stops else np.ones(1)
        for part in tries:
            mask = grow(
                image,
                seeds,
                multiplier=self.multiplier * float(part),
                iterations=self.iterations,
                radius_px=self.radius_px,
            )
            if not any(mask[place] for place in at):
                break
        else:
            return mask & ~discs(stops, (image.shape[0], image.shape[1]), _CUT_PX)
        return mask


def grow(
    image: FloatArray,
    seeds: Sequence[Point],
    *,
    multiplier: float = 2.5,
    iterations: int = 4,
    radius_px: int = 2,
) -> BoolArray:
    """Return the region that is connected to the seeds and like them.

    A pixel is like the region if its value is within so many standard deviations of the mean;
    mean and deviation are those of the seeds' surroundings at first, then of the region itself.
    In colour, deviations are measured along all directions of colour (Mahalanobis' distance), and
    the limit is such that the same share of a normal distribution lies within.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, C)
        In [0, 1].
    seeds : sequence of (row, col)
        At least one, each on a pixel of the image; a seed is always in the region.
    multiplier : float, default 2.5
        The width of the interval, in standard deviations to either side.
    iterations : int, default 4
        How often it is grown again from its own mean.
    radius_px : int, default 2
        Surroundings reach so far from a seed.

    Returns
    -------
    ndarray of bool, shape (H, W)
        4-connected to a seed. On grey images it equals ITK's ConfidenceConnectedImageFilter.
    """
    places = [(round(row), round(col)) for row, col in seeds]
    near = [
        image[max(0, r - radius_px) : r + radius_px + 1, max(0, c - radius_px) : c + radius_px + 1]
        for r, c in places
    ]
    values = np.concatenate([part.reshape(-1, image.shape[2]) for part in near])
    region = np.zeros(image.shape[:2], bool)
    for _ in range(iterations + 1):
        like = _alike(image, values, places, multiplier)
        parts, _ = ndimage.label(like)
        again = np.isin(parts, [parts[place] for place in places])
        if (again == region).all():
            break
        region, values = again, image[again]
    return region


def _alike(
    image: FloatArray, values: FloatArray, places: Sequence[tuple[int, int]], multiplier: float
) -> BoolArray:
    """Return which pixels are like some values; those at the places always are."""
    mean = values.mean(axis=0, dtype=np.float64)
    away = values.astype(np.float64) - mean
    spread = away.T @ away / max(1, len(values) - 1)
    if np.linalg.eigvalsh(spread)[0] < _LEAST_VARIANCE:
        # an interval of no width, or a matrix that cannot be inverted, would leave the seeds alone
        spread = spread + _LEAST_VARIANCE * np.eye(len(mean))
    if len(mean) == 1:
        reach = multiplier * float(np.sqrt(spread[0, 0]))
        at = [float(image[place][0]) for place in places]
        low, high = min(mean[0] - reach, *at), max(mean[0] + reach, *at)
        return np.asarray((image[..., 0] >= low) & (image[..., 0] <= high))
    off = image - mean
    distance = np.einsum("...i,ij,...j", off, np.linalg.inv(spread), off)
    # the squared distance within which the same share lies as in one dimension within the
    # multiplier
    limit = 2 * gammaincinv(len(mean) / 2, gammainc(0.5, multiplier**2 / 2))
    return np.asarray(distance <= max(limit, *(float(distance[place]) for place in places)))
