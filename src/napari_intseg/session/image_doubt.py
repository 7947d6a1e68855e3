"""How unsure a model is of an image that nobody has clicked on yet.

It is asked about the places that stand out most, one click each, and how much each answer would
change with another threshold is its doubt: SAM's stability score [1]_, turned round. Whoever labels
images to train on gains most from those of which the model is least sure (uncertainty sampling
[2]_).

References
----------
.. [1] Kirillov, A. et al. "Segment Anything", ICCV 2023, section 4 and appendix A.
.. [2] Lewis, D. D., Gale, W. A. "A sequential algorithm for training text classifiers", SIGIR 1994.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_intseg.core.segmenter import FloatArray, Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import IntSegError
from napari_intseg.inference.intensity import resolve_intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.session.session import Session

PLACES = 4
"""Places that are asked about: each takes the time of a click, and a folder may hold hundreds of
images (not tuned)."""

# logits on each side of the threshold: the offset of SAM's stability score
_OFFSET = 1.0
# share of the slice's longer side for the blur before places are looked for: grain is no object
_BLUR = 1 / 100
# side of the smallest place that counts: less is noise that the blur has left (not tuned)
_LEAST_SIDE_PX = 5


def doubt_steps(model: Segmenter, volume: Volume) -> Iterator[float]:
    """Go through the places that stand out on an image's middle plane; yield the doubt so far.

    Parameters
    ----------
    model : Segmenter
        Takes clicks.
    volume : Volume
        2-D, or a volume, of which the middle plane of the first axis counts.

    Yields
    ------
    float
        From 0, sure, to 1, the mean over the places asked so far. Nothing is yielded where nothing
        stands out, or the model takes no clicks.

    Examples
    --------
    >>> *_, doubt = doubt_steps(model, volume)  # doctest: +SKIP
    """
    if "click" not in model.traits.prompts or model.traits.needs - {"click"}:
        return
    # the middle plane: ends of a stack are often empty or out of focus
    plane = Plane(0, volume.shape[0] // 2 if volume.ndim == 3 else 0)
    grey = resolve_intensity(volume, None).to_rgb(np.asarray(volume.take(plane))).mean(axis=2)
    session = Session(model, volume)
    doubts: list[float] = []
    for row, col in places(grey):
        session.new_object()
        try:
            answer = session.click((row, col) if volume.ndim == 2 else (plane.index, row, col))
        except IntSegError:
            # where others' pixels lie; it is one of several places
            continue
        if answer.answer is not None:
            doubts.append(doubt_of(answer.answer.patch))
            yield float(np.mean(doubts))


def doubt_of(patch: Patch) -> float:
    """Return how much an answer depends on its threshold: 0, not at all, to 1; an empty one, 1."""
    # IoU of the masks at both thresholds: the stricter lies inside the wider, so counts are enough
    wide = np.count_nonzero(patch.logits > -_OFFSET)
    return 1.0 - np.count_nonzero(patch.logits > _OFFSET) / wide if wide else 1.0


def places(grey: FloatArray, count: int = PLACES) -> list[tuple[int, int]]:
    """Return the middles of what stands out on a slice, the largest first.

    Parameters
    ----------
    grey : ndarray of float, shape (H, W)
    count : int
        At most so many.

    Returns
    -------
    list of (int, int)
        Row and column of the pixel that is deepest inside each part that is brighter, or darker,
        than the slice mostly is.
    """
    soft = ndimage.gaussian_filter(np.asarray(grey, np.float32), max(grey.shape) * _BLUR)
    # the median is the ground's value, since objects cover less than half of most slices
    apart = np.abs(soft - np.median(soft))
    if not np.ptp(apart):
        return []
    labels, _ = ndimage.label(apart > float(threshold_otsu(apart)))  # type: ignore[no-untyped-call]
    sizes = np.bincount(labels.ravel())[1:]
    depth = ndimage.distance_transform_edt(np.pad(labels > 0, 1))[1:-1, 1:-1]
    chosen = [
        int(label)
        for label in np.argsort(-sizes, kind="stable")[:count] + 1
        if sizes[label - 1] >= _LEAST_SIDE_PX**2
    ]
    spots = ndimage.maximum_position(depth, labels, chosen) if chosen else []
    return [(int(row), int(col)) for row, col in spots]
