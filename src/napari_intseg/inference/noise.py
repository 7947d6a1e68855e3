"""How noisy a slice is, told from fine detail, and the view without that noise."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_intseg.core.segmenter import FloatArray

_DETAIL = 0.65
"""Detail spread at most so much as detail half as fine is partly noise; white noise alone has 0.5.

Measured where the finest detail is as strong: 0.49 to 0.54 in a noisy confocal stack, 0.51 to 0.63
in a small 16-bit one; 0.65 to 1.1 in 3-mm CT and cords, 1.2 to 1.4 in MR, above 0.9 in photographs.
"""

_LEAST_SHARE = 0.25  # of an image shows noise, if there is any: the rest may be saturated

_LEAST = 0.02
"""Less noise, of values from 0 to 1, does not disturb the network, and may be rounding."""

_SCALES_PX = (0.7, 1.4, 2.8)
"""Widths of the Gaussians between which details are told apart; wider ones leave no white noise."""

_SURELY = 2.2
"""Noise counts as so many times what was measured, so that little of it stays (docs/results.md)."""

_TO_SIGMA = 0.6745  # median of the absolute values of a normal distribution


def noise_level(grey: FloatArray) -> float:
    """Return the standard deviation of the white noise in an image; 0 if it shows none.

    The finest diagonal details of a Haar transform hold noise and the finest structure alike [1]_.
    Averaging two by two pixels halves the spread of noise, but hardly that of structure, which
    continues over neighbouring pixels: so the details of the next scale tell how much of the
    finest ones is structure, even where there is structure all over.

    Parameters
    ----------
    grey : ndarray of float32, shape (H, W)
        In [0, 1].

    References
    ----------
    .. [1] Donoho, D. L., Johnstone, I. M. "Ideal spatial adaptation by wavelet shrinkage",
       Biometrika 81, 1994.
    """
    fine, coarse = _detail(grey, 1), _detail(_means(grey), 2)
    noise = (_DETAIL**2 * fine**2 - coarse**2) / (_DETAIL**2 - 0.25)
    level = float(np.sqrt(max(0.0, min(noise, fine**2))))
    return level if level >= _LEAST else 0.0


def denoised(rgb: FloatArray, level: float) -> FloatArray:
    """Return an image without white noise of a level; the argument is not changed.

    Details at each of a few scales are kept as far as they are stronger, where they are, than noise
    would be: the Wiener filter [1]_ of Lee [2]_, for bands between Gaussians. So edges stay sharp
    where flat parts become smooth.

    Parameters
    ----------
    rgb : ndarray of float32, shape (H, W, 3)
        In [0, 1].
    level : float
        As `noise_level` returns it; 0 returns the image as it is.

    References
    ----------
    .. [1] Wiener, N. "Extrapolation, interpolation, and smoothing of stationary time series", 1949.
    .. [2] Lee, J.-S. "Digital image enhancement and noise filtering by use of local statistics",
       IEEE Transactions on Pattern Analysis and Machine Intelligence 2, 1980.
    """
    if level <= 0:
        return rgb
    is_grey = bool((rgb[..., :1] == rgb).all())
    channels = [
        _filtered(np.ascontiguousarray(rgb[..., i]), level) for i in range(1 if is_grey else 3)
    ]
    return np.stack(channels * (3 if is_grey else 1), axis=2)


def _filtered(image: FloatArray, level: float) -> FloatArray:
    finer, out = image, np.zeros_like(image)
    for width, noise in zip(_SCALES_PX, _noise_of_bands(), strict=True):
        coarser = gaussian_filter(image, width, truncate=3.0)
        band = finer - coarser
        energy = gaussian_filter(band * band, 1.5 * width + 0.5, truncate=3.0)
        share = np.float32((_SURELY * level * noise) ** 2) / np.maximum(energy, np.float32(1e-9))
        out += band * np.maximum(0, 1 - share)
        finer = coarser
    return np.asarray(np.clip(out + finer, 0, 1), np.float32)


@cache
def _noise_of_bands() -> tuple[float, ...]:
    """Return the spread of white noise of spread 1 in each band."""
    point = np.zeros((49, 49))
    point[24, 24] = 1
    finer, spreads = point, []
    for width in _SCALES_PX:
        coarser = gaussian_filter(point, width)
        spreads.append(float(np.sqrt(((finer - coarser) ** 2).sum())))
        finer = coarser
    return tuple(spreads)


def _detail(image: FloatArray, step: int) -> float:
    """Return the spread of the diagonal details between pixels so far apart; 0 for flat images.

    Where nothing differs the image is saturated and tells nothing; if it is so nearly everywhere,
    what differs is the outline of something.
    """
    if min(image.shape) <= step:
        return 0.0
    one, two = image[:-step, :-step], image[:-step, step:]
    three, four = image[step:, :-step], image[step:, step:]
    diagonal = (one - two - three + four) / 2
    varies = (diagonal != 0) | (one != two) | (one != three)
    if np.count_nonzero(varies) < _LEAST_SHARE * varies.size:
        return 0.0
    return float(np.median(np.abs(diagonal[varies]))) / _TO_SIGMA


def _means(image: FloatArray) -> FloatArray:
    """Return the means of all 2x2 pixels that touch."""
    sums = image[:-1, :-1] + image[1:, :-1] + image[:-1, 1:] + image[1:, 1:]
    return np.asarray(sums / 4, np.float32)
