"""What the values of an image are, told from a sample of them: Hounsfield units, a background."""

import numpy as np

from napari_intseg.core.segmenter import Array

Values = Array

SOFT_TISSUE_HU = (-150.0, 250.0)
"""What is shown black and white of Hounsfield units unless something else is asked for: the window
of the abdomen and of soft tissue, level 50 and width 400."""

# air is -1000 HU, lungs around -850, a few tens of HU of noise
_AIR = (-1100.0, -700.0)
# no tissue is there: only edges, and little of the lungs
_BETWEEN = (-600.0, -250.0)
# fat at -100 to muscle, organs with contrast medium
_TISSUE = (-150.0, 200.0)
# padding is -1024 to -3024; metal reaches 3071, or 30000
_LOWEST, _HIGHEST = -4096.0, 20000.0
# shares of the sample
_LEAST_AIR, _LEAST_TISSUE = 0.005, 0.02
# no tissue, nor air, is darker: what lies below was filled in outside of the scanner's circle
_PADDING_BELOW = -1000.0
# of the histogram of brightness in which the background's peak is looked for
_BINS = 128
# an image has a background if so much of it is darker than where its histogram bends
_BACKGROUND_SHARE = 0.25

# less is no foreground but a few bright pixels
_LEAST_FOREGROUND = 0.01


def is_hounsfield(values: Values) -> bool:
    """Return whether values look like Hounsfield units.

    Those of CT lie in two heaps: air at -1000 with the lungs beside it, and tissue round 0; little
    lies between [1]_. Padding outside the scanner's field of view (-1024, -2000, …) is neither.

    Parameters
    ----------
    values : ndarray
        A sample from all over the image, any shape; integer or float, NaN is left out.

    Returns
    -------
    bool
        False for an image without any air: what its numbers mean cannot be told from them.

    References
    ----------
    .. [1] Hounsfield, G. "Computed medical imaging", Nobel lecture, 1979.
    """
    # 8 bits cannot hold -1000
    if values.dtype.kind not in "if" or (values.dtype.kind == "i" and values.dtype.itemsize < 2):
        return False
    finite = values[np.isfinite(values)].astype(np.float64).ravel()
    if finite.size == 0:
        return False
    # what lies at the very lowest value, and there alone, is padding
    lowest = finite.min()
    body = finite[finite > lowest] if lowest < _PADDING_BELOW else finite
    if body.size == 0 or lowest < _LOWEST or body.max() > _HIGHEST:
        return False
    air, between, tissue = (
        np.count_nonzero((body >= low) & (body <= high)) / body.size
        for low, high in (_AIR, _BETWEEN, _TISSUE)
    )
    # the three ranges differ in width, so shares are compared for each unit
    densities = [
        share / (high - low)
        for share, (low, high) in zip(
            (air, between, tissue), (_AIR, _BETWEEN, _TISSUE), strict=True
        )
    ]
    # two heaps with a gap between them, and something denser than fat: a scan of air alone has none
    return bool(
        air >= _LEAST_AIR
        and tissue >= _LEAST_TISSUE
        and densities[1] < 0.5 * densities[2]
        and densities[1] < densities[0]
        and np.percentile(body, 99.9) > _TISSUE[0]
    )


def foreground(values: Values) -> Values:
    """Return the values of a sample without those of its dark background; all if it has none.

    Where the histogram falls from a high peak at its dark end, the triangle method [1]_ finds its
    foot. Percentiles of all would depend on how much air was scanned round the object.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite.

    References
    ----------
    .. [1] Zack, G. W., Rogers, W. E., Latt, S. A. "Automatic measurement of sister chromatid
       exchange frequency", Journal of Histochemistry & Cytochemistry 25, 1977.
    """
    # a few hot or dead pixels must not stretch the histogram
    low, high = np.percentile(values, (0.1, 99.9))
    if not low < high:
        return values
    counts, edges = np.histogram(values, _BINS, (low, high))
    peak = int(counts.argmax())
    # a dark background peaks in the first eighth
    if peak > _BINS // 8:
        # the most frequent value is no dark one
        return values
    foot = _foot(counts, peak)
    above = values[values > edges[foot]]
    is_background = 1 - above.size / values.size >= _BACKGROUND_SHARE
    return above if is_background and above.size >= _LEAST_FOREGROUND * values.size else values


def _foot(counts: Array, peak: int) -> int:
    """Return the bin farthest below the line from a histogram's peak to its bright end."""
    end = len(counts) - 1
    line = np.linspace(counts[peak], counts[end], end - peak + 1)
    return peak + int(np.argmax(line - counts[peak:]))
