"""Where an image looks like the objects a person has drawn: places to ask a model about.

Pixels of the objects and of their surroundings are told apart by a linear discriminant [1]_ of
smoothed brightness, edges and blobs at the objects' own scale, as interactive pixel classifiers do
[2]_; what looks like an object is cut apart along the ridges of its distance map [3]_.

References
----------
.. [1] Fisher, R. A. "The use of multiple measurements in taxonomic problems", Annals of Eugenics
   7, 1936.
.. [2] Berg, S. et al. "ilastik: interactive machine learning for (bio)image analysis", Nature
   Methods 16, 2019.
.. [3] Beucher, S., Meyer, F. "The morphological approach to segmentation: the watershed
   transformation", Mathematical Morphology in Image Processing, 1993.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    find_objects,
    gaussian_filter,
    gaussian_gradient_magnitude,
    gaussian_laplace,
)

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray, FloatArray, mask_to_logits
from napari_intseg.errors import PromptError
from napari_intseg.inference.patch import Patch

LIMIT_PX = 1 << 24
"""Of a slice, after objects have been brought down to `_DIAMETER_PX`."""

# larger objects are looked at on a coarser grid, on which they have about this diameter: time then
# depends on how many fit on the slice, not on the pixels that each has
_DIAMETER_PX = 24.0
# with small examples, dark gaps between nuclei were taken for nuclei; chosen after looking at
# images of dsb2018, so docs/results.md is kind to it there
LEAST_CONTRAST = 0.3
"""So much of the typical contrast is asked of an object."""

# widths of the Gaussians, as shares of the diameter: from edges up to the object with what is round
# it
_SCALES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# pictures of one channel, see `_features`
_EACH = 1 + 2 * len(_SCALES) + len(_SCALES[1:-1])
# pixels up to so many diameters from an object count as its surroundings
_RING = 0.6
# candidates smaller than this share of the smallest example's area, or larger than so many times
# the largest one's, are left out
_LEAST, _MOST = 0.25, 4.0
# fainter candidates are noise of the ground; chosen on dsb2018 as well, see docs/results.md
# noise of the ground reaches about half of this
_LEAST_LIKENESS = 0.1
# a part of which more than this share belongs to an object already is no new one
_KNOWN = 0.3
# this share of the mean variance is added to each variance: features that say the same would make
# the covariance singular
_SHRINKAGE = 1e-3
# pixels of either kind: a variance needs two
_FEWEST = 2
# surroundings that are as like objects as this may be objects that nobody has labelled
_UNLIKE = 0.5
# Gaussian width for gradients: narrower ones measure the noise of single pixels
_FINEST_PX = 0.7
# of the distance map, as a share of the diameter: small bumps of an outline then make no middle of
# their own
_SMOOTHING = 0.1
# middles of two objects are at least this share of the diameter apart
_APART = 0.25

# pixels up to this share of the diameter from an object are next to it
_REACH = 0.15
# of the range [0, 1]; objects whose contrast is less are told by other things than contrast
_FAINTEST = 0.02

Labels = NDArray[np.integer]


class Likeness(Protocol):
    """Says how much the places of an image are like objects that were shown."""

    def __call__(self, image: FloatArray, shape: tuple[int, int]) -> FloatArray:
        """Return, for an image float32 (H, W, 3) in [0, 1], a map of some shape that covers it.

        Above 0 on what is like the objects, around 1 on the objects themselves.
        """


class LikenessNetwork(Protocol):
    """Learns from annotated images what objects look like."""

    def learn(self, examples: Sequence[tuple[FloatArray, Labels]], diameter_px: float) -> Likeness:
        """Look at images, float32 (H, W, 3) in [0, 1], and the labels on them."""


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """What sets objects apart from what is next to them.

    Parameters
    ----------
    typical : ndarray of float32, shape (C,)
        Mean of an object less mean of its surroundings, the median of all objects.
    reach_px : int
        How far the surroundings go.
    """

    typical: FloatArray
    reach_px: int

    @classmethod
    def of(cls, image: FloatArray, labels: NDArray[np.integer], diameter_px: float) -> "Contrast":
        """Return the contrast of a slice's objects.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, C)
            As the model sees it.
        labels : ndarray of int, shape (H, W)
            At least one object.
        diameter_px : float
            Of a usual object.
        """
        # at least two pixels, since the first is often mixed of object and ground
        reach = max(2, round(_REACH * diameter_px))
        found = [
            _difference(image, labels, where, labels[where] == label, reach)
            for label, where in enumerate(find_objects(labels), 1)
            if where is not None
        ]
        known = [one for one in found if one is not None]
        typical = np.median(known, axis=0) if known else np.zeros(image.shape[2])
        return cls(typical.astype(np.float32), reach)

    def share(
        self,
        image: FloatArray,
        labels: NDArray[np.integer],
        where: tuple[slice, slice],
        inside: BoolArray,
    ) -> float:
        """Return how much of the typical contrast a mask has; below 0 if it is the other way round.

        1 where that cannot be told: there are no surroundings, or objects do not stand out.

        Parameters
        ----------
        image, labels
            As in `of`; what objects have is not counted as surroundings.
        where : (slice, slice)
            The window of the slice that the mask lies on.
        inside : ndarray of bool, of the window's shape
            The mask.
        """
        size = float(self.typical @ self.typical)
        if size < _FAINTEST**2:
            return 1.0
        own = _difference(image, labels, where, inside, self.reach_px)
        return 1.0 if own is None else float(own @ self.typical) / size


def _difference(
    image: FloatArray,
    labels: NDArray[np.integer],
    where: tuple[slice, ...],
    inside: BoolArray,
    reach: int,
) -> FloatArray | None:
    """Return the mean of a mask less that of what is next to it; None if nothing is."""
    spans = [
        (max(0, p.start - reach), min(n, p.stop + reach))
        for p, n in zip(where, labels.shape, strict=True)
    ]
    wide = tuple(slice(*span) for span in spans)
    mask = np.zeros([stop - start for start, stop in spans], bool)
    at = tuple(
        slice(p.start - start, p.stop - start) for p, (start, _) in zip(where, spans, strict=True)
    )
    mask[at] = inside
    # what belongs to other objects is not ground
    ring = binary_dilation(mask, iterations=reach) & ~mask & (labels[wide] == 0)
    if not (mask.any() and ring.any()):
        return None
    part = image[wide]
    difference: FloatArray = part[mask].mean(0) - part[ring].mean(0)
    return difference


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A place that may hold one more object.

    Parameters
    ----------
    click : Click
        In its middle, in pixels of the slice.
    patch : Patch
        Roughly what belongs to it, on the slice's grid.
    likeness : float
        How much its pixels are like those of objects; above 0, around 1 for the objects themselves.
    """

    click: Click
    patch: Patch
    likeness: float


@dataclass(frozen=True, slots=True)
class Size:
    """How large objects are.

    Parameters
    ----------
    least_px, most_px : int
        Pixels of the smallest and of the largest.
    diameter_px : float
        Of a disc as large as the median.
    """

    least_px: int
    most_px: int
    diameter_px: float

    @classmethod
    def of(cls, labels: Labels) -> "Size":
        """Return the size of all objects of a slice.

        Raises
        ------
        PromptError
            If there is none.
        """
        return cls.of_areas(_areas(labels))

    @classmethod
    def of_areas(cls, areas: Sequence[int]) -> "Size":
        """Return the size of objects of some areas; see `of`."""
        if not areas:
            raise PromptError(
                "nothing to look for: expected an object on this plane, got none. "
                "Click on an object or two first, then ask for more like them."
            )
        diameter = 2 * float(np.sqrt(np.median(areas) / np.pi))
        return cls(min(areas), max(areas), diameter)

    @property
    def step(self) -> int:
        """Pixels of a block of the coarse grid, on which objects have a usual diameter."""
        # whole pixels, so that positions and masks on the coarse grid lead back exactly
        return max(1, int(self.diameter_px / _DIAMETER_PX))

    def fits(self, area: float, least: float, most: float) -> bool:
        """Whether an area lies between shares of the smallest and of the largest object."""
        return least * self.least_px <= area <= most * self.most_px


def find_candidates(
    image: FloatArray, labels: Labels, network: LikenessNetwork | None = None
) -> list[Candidate]:
    """Find places that look like the objects of a slice, the likest first.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, 3)
        As the model sees it, RGB in [0, 1].
    labels : ndarray of int, shape (H, W)
        The objects there are; 0 is what nobody has looked at.
    network : LikenessNetwork, optional
        Says what is like the objects, instead of a linear discriminant.

    Returns
    -------
    list of Candidate
        None of them where objects are already.

    Raises
    ------
    PromptError
        If there is no object to go by, or the slice is too large to be looked at as a whole.
    """
    size = Size.of(labels)
    step = size.step
    small, known = _means(image, step), _every(labels, step)
    if known.size > LIMIT_PX:
        raise PromptError(
            f"slice is too large to look for objects: expected at most {LIMIT_PX} pixels, got "
            f"{known.size}. Crop it, or choose a coarser level."
        )
    if network is None:
        likeness = _likeness(small, known > 0, size.diameter_px / step)
    else:
        # what is left at the rim has no block
        rows, cols = known.shape
        whole = image[: rows * step, : cols * step]
        likeness = network.learn([(image, labels)], size.diameter_px)(whole, (rows, cols))
    contrast = Contrast.of(small, known, size.diameter_px / step)
    return _sorted_out(likeness, small, known, (size, contrast), step, labels.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """What objects look like on images where a person has labelled them, for other images.

    Parameters
    ----------
    likeness : Likeness
        Tells their pixels from those round them.
    size : Size
        Of all of them.
    contrast : Contrast
        Of those on the first image.
    """

    likeness: Likeness
    size: Size
    contrast: Contrast

    @classmethod
    def of(
        cls,
        examples: Sequence[tuple[FloatArray, Labels]],
        network: LikenessNetwork | None = None,
    ) -> "Support":
        """Learn from images, float32 (H, W, 3) in [0, 1], and the labels on them.

        Parameters
        ----------
        examples : sequence of (ndarray, ndarray of int (H, W))
        network : LikenessNetwork, optional
            Learns what objects look like, instead of a linear discriminant.

        Raises
        ------
        PromptError
            If none of them has an object, or nothing round one.
        """
        every = [label for _, labels in examples for label in _areas(labels)]
        size = Size.of_areas(every)
        step = size.step
        diameter = size.diameter_px / step
        held = [(image, labels) for image, labels in examples if (labels > 0).any()]
        shown = [(_means(image, step), _every(labels, step)) for image, labels in held]
        shown = [(image, known) for image, known in shown if (known > 0).any()]
        likeness = _discriminating(shown, diameter)
        contrast = Contrast.of(*shown[0], diameter)
        if network is not None:
            return cls(network.learn(held, size.diameter_px), size, contrast)
        return cls(likeness, size, contrast)

    def candidates(self, image: FloatArray) -> list[Candidate]:
        """Find places on another image that look like the objects, the likest first."""
        step = self.size.step
        small = _means(image, step)
        rows, cols = small.shape[:2]
        known: Labels = np.zeros((rows, cols), np.int32)
        # what is left at the rim has no block
        likeness = self.likeness(image[: rows * step, : cols * step], (rows, cols))
        return _sorted_out(
            likeness, small, known, (self.size, self.contrast), step, image.shape[:2]
        )


def _discriminating(shown: Sequence[tuple[FloatArray, Labels]], diameter_px: float) -> Likeness:
    """Return the likeness of a linear discriminant of pixels, from images on the coarse grid."""
    # three equal channels are one: told three times they would make the covariance singular
    channels = 1 if all(_is_grey(image) for image, _ in shown) else 3
    pairs = [_samples(image, known > 0, diameter_px, channels) for image, known in shown]
    found = [pair for pair in pairs if pair is not None]
    if not found:
        raise PromptError(
            "nothing to learn from: expected objects with something round them, got none that "
            "are large enough. Label a few more."
        )
    inside, outside = (np.concatenate([pair[side] for pair in found], axis=1) for side in (0, 1))
    told = _told(inside, outside)

    def likeness(image: FloatArray, shape: tuple[int, int]) -> FloatArray:
        return _applied(told, _means(image, image.shape[0] // shape[0]), diameter_px)

    return likeness


def _sorted_out(  # noqa: PLR0917 - one picture at one size
    likeness: FloatArray,
    small: FloatArray,
    known: Labels,
    like: tuple[Size, Contrast],
    step: int,
    shape: tuple[int, ...],
) -> list[Candidate]:
    """Return the parts that look like objects, are as large and stand out as much as they do."""
    size, contrast = like
    found = []
    for part in _parts(likeness > 0, size.diameter_px / step):
        count = int(np.count_nonzero(part.inside))
        taken = int(np.count_nonzero(known[part.where][part.inside]))
        if not size.fits(count * step**2, _LEAST, _MOST) or taken > _KNOWN * count:
            continue
        likely = float(likeness[part.where][part.inside].mean())
        share = contrast.share(small, known, part.where, part.inside)
        if likely >= _LEAST_LIKENESS and share > LEAST_CONTRAST:
            # the middle of a block of pixels, counted from the centre of the first pixel
            row, col = ((at + 0.5) * step - 0.5 for at in part.middle)
            found.append(Candidate(Click(row, col), part.enlarged(step, shape), likely))
    return sorted(found, key=lambda one: -one.likeness)


def _areas(labels: Labels) -> list[int]:
    areas = np.bincount(labels.ravel())[1:]
    return [int(area) for area in areas[areas > 0]]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of what looks like objects, on the coarse grid."""

    where: tuple[slice, slice]
    inside: BoolArray
    middle: tuple[int, int]

    def enlarged(self, step: int, shape: tuple[int, ...]) -> Patch:
        """Return it on the slice's grid."""
        fine = self.inside.repeat(step, 0).repeat(step, 1)
        row0, col0 = (part.start * step for part in self.where)
        return Patch(row0, col0, mask_to_logits(fine), (shape[0], shape[1]))


def _means(image: FloatArray, step: int) -> FloatArray:
    """Return the means of blocks, float32; what is left at the rim is left out."""
    rows, cols = (n // step for n in image.shape[:2])
    blocks = image[: rows * step, : cols * step].reshape(rows, step, cols, step, -1)
    means: FloatArray = blocks.mean((1, 3), dtype=np.float32)
    return means


def _every(labels: Labels, step: int) -> Labels:
    """Return the pixel in the middle of each of these blocks."""
    rows, cols = (n // step * step for n in labels.shape)
    # one pixel, not a mean: a label is a name, and means of names say nothing
    return labels[step // 2 : rows : step, step // 2 : cols : step]


def _likeness(image: FloatArray, objects: BoolArray, diameter_px: float) -> FloatArray:
    """Return how much each pixel is like those of objects: 0 between them and what is round them.

    Surroundings that look like objects, since some there may not be labelled, are left out when
    the two are told apart a second time.
    """
    pair = _samples(image, objects, diameter_px)
    if pair is None:
        return np.full(objects.shape, -1, np.float32)
    return _applied(_told(*pair), image, diameter_px)


def _is_grey(image: FloatArray) -> bool:
    return bool((image[..., :1] == image).all())


def _samples(
    image: FloatArray, objects: BoolArray, diameter_px: float, channels: int | None = None
) -> tuple[FloatArray, FloatArray] | None:
    """Return features (k, n) of pixels inside objects and round them; None if there are too few."""
    reach = max(3.0, _RING * diameter_px)
    ring = (distance_transform_edt(~objects) <= reach) & ~objects
    if min(np.count_nonzero(objects), np.count_nonzero(ring)) < _FEWEST:
        return None
    seen = _features(image, diameter_px, channels)
    samples = [(one[objects], one[ring]) for one in seen]
    inside, outside = (np.stack(side) for side in zip(*samples, strict=True))
    return inside, outside


def _told(inside: FloatArray, outside: FloatArray) -> "_Discriminant":
    """Return what tells the two apart, without surroundings that look like objects."""
    told = _discriminant(inside, outside)
    unlike = told.of(outside) < _UNLIKE
    # fewer samples than features cannot be told apart a second time
    if np.count_nonzero(unlike) > len(outside):
        told = _discriminant(inside, outside[:, unlike])
    return told


def _applied(told: "_Discriminant", image: FloatArray, diameter_px: float) -> FloatArray:
    """Return how much each pixel of an image is like those of objects."""
    likeness = np.full(image.shape[:2], told.offset, np.float32)
    for weight, one in zip(
        told.weights, _features(image, diameter_px, len(told.weights) // _EACH), strict=True
    ):
        likeness += weight * one
    return likeness


@dataclass(frozen=True, slots=True, eq=False)
class _Discriminant:
    """Tells two kinds of pixels apart by a weighted sum."""

    weights: FloatArray
    offset: float

    def of(self, features: FloatArray) -> FloatArray:
        """Return the sum for pixels, (n,), of their features, (k, n)."""
        values: FloatArray = self.weights @ features + np.float32(self.offset)
        return values


def _discriminant(inside: FloatArray, outside: FloatArray) -> _Discriminant:
    """Return what is 0 between two kinds of pixels, and about 1 apart from the middle of each."""
    spread = np.cov(inside) + np.cov(outside)
    # the second term keeps the matrix invertible where all features are constant
    spread += np.eye(len(spread)) * (_SHRINKAGE * np.trace(spread) / len(spread) + 1e-9)
    weights = np.linalg.solve(spread, inside.mean(1) - outside.mean(1))
    one, other = weights @ inside, weights @ outside
    widths = one.std() + other.std() + 1e-9
    # as many widths away from one kind as from the other
    level = (one.mean() * other.std() + other.mean() * one.std()) / widths
    return _Discriminant((weights / widths).astype(np.float32), float(-level / widths))


def _features(
    image: FloatArray, diameter_px: float, channels: int | None = None
) -> Iterator[FloatArray]:
    """Go through what tells objects from surroundings, one picture at a time, each (h, w)."""
    count = (1 if _is_grey(image) else image.shape[2]) if channels is None else channels
    for channel in range(count):
        grey = np.ascontiguousarray(image[..., channel])
        yield grey
        for scale in _SCALES:
            sigma = scale * diameter_px
            yield gaussian_filter(grey, sigma)
            yield gaussian_gradient_magnitude(grey, max(sigma, _FINEST_PX))
            if _SCALES[0] < scale < _SCALES[-1]:
                # times the squared width, so that blobs of all sizes answer equally strongly
                yield gaussian_laplace(grey, sigma) * np.float32(sigma**2)


def _parts(likely: BoolArray, diameter_px: float) -> Iterator[_Part]:
    """Cut what looks like objects apart where it is narrow."""
    # imported here, so that scikit-image is loaded only where more objects are looked for
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = distance_transform_edt(likely).astype(np.float32)
    hills = gaussian_filter(depth, diameter_px * _SMOOTHING)
    apart = max(2, round(diameter_px * _APART))
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        hills, min_distance=apart, labels=likely, exclude_border=False
    )
    seeds = np.zeros(likely.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    parts = watershed(-hills, seeds, mask=likely)  # type: ignore[no-untyped-call]
    for number, where in enumerate(find_objects(parts), 1):
        if where is not None:
            row, col = (int(at) for at in peaks[number - 1])
            yield _Part((where[0], where[1]), parts[where] == number, (row, col))
