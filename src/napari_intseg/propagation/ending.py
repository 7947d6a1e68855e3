"""Where an object ends: measures of a plane against its neighbour and against the anchor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import BoolArray, FloatArray

_BINS = 32
_TELLING = 0.15  # less difference between object and surroundings says nothing
_NOISE = 0.02  # grey values that are all alike may still change by this


@dataclass(frozen=True, slots=True)
class Ending:
    """When a walk stops; the plane at which it does is left as it was.

    Parameters
    ----------
    min_area : float, default 0.02
        The mask is smaller than this share of the anchor's: the object has faded away.
    min_iou : float, default 0.5
        It overlaps less with its neighbour's: the model has jumped to something else.
    max_growth : float, default 2.0
        It is more than so many times its neighbour's area: it has leaked.
    max_regrowth : float, default 1.3
        After it had shrunk to less than half of the anchor's area, it is more than so many times
        its smallest area: behind a neck begins something else that touches it.
    min_likeness : float, default 0.7
        Its grey values are less like those of the anchor's mask than this, see `Appearance`. It is
        what ends an object for models that follow a mask wherever it leads; 0 never stops.
    """

    min_area: float = 0.02
    min_iou: float = 0.5
    max_growth: float = 2.0
    max_regrowth: float = 1.3
    min_likeness: float = 0.7

    def reason(
        self, mask: BoolArray, neighbour: BoolArray, areas: Sequence[int], likeness: float
    ) -> str | None:
        """Return why a walk stops at a mask; None if it goes on.

        Parameters
        ----------
        mask, neighbour : ndarray of bool, shape (H, W)
            Of this plane and the one before.
        areas : sequence of int
            Pixels on the planes so far, the anchor first.
        likeness : float
            See `Appearance.likeness`.
        """
        area = int(np.count_nonzero(mask))
        if area == 0 or area < self.min_area * areas[0]:
            return "faded"
        if area > self.max_growth * areas[-1]:
            return "leaked"
        if min(areas) < 0.5 * areas[0] and area > self.max_regrowth * min(areas):
            return "regrown"
        if overlap(mask, neighbour) < self.min_iou:
            return "jumped"
        return "unlike" if likeness < self.min_likeness else None


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """The grey values of an object and of what surrounds it, on the anchor's plane.

    Parameters
    ----------
    belonging : ndarray of float, shape (32,)
        For each grey value, how much it speaks for the object, 0 to 1.
    inside, around : float
        Its mean over the anchor's mask, and over what surrounds it.
    mean, spread : float
        Of the grey values in the anchor's mask.
    """

    belonging: NDArray[np.float64]
    inside: float
    around: float
    mean: float
    spread: float

    @classmethod
    def of(cls, image: FloatArray, mask: BoolArray) -> "Appearance":
        """Learn from a slice, (H, W, 3) in [0, 1], and its mask, (H, W), not empty."""
        rim = ring(mask)
        counts = [np.bincount(_bins(image[m]), minlength=_BINS) for m in (mask, rim)]
        smooth = [ndimage.gaussian_filter1d(c / max(1, c.sum()), 1.0) + 1e-4 for c in counts]
        belonging = smooth[0] / (smooth[0] + smooth[1])
        means = [float(belonging[_bins(image[m])].mean()) if m.any() else 0.5 for m in (mask, rim)]
        grey = image[mask].mean(axis=-1)
        return cls(belonging, means[0], means[1], float(grey.mean()), float(grey.std()))

    def likeness(self, image: FloatArray, mask: BoolArray) -> float:
        """Return how much a mask looks like the object, 0 to 1; 1 for an empty mask.

        It is the smaller of two. Against the surroundings: 1 as inside the anchor's mask, 0 as
        around it; not asked where those look alike. On its own: 1 while the mean grey value
        stays within half the anchor's spread, falling to 0 at one and a half.
        """
        if not mask.any():
            return 1.0
        shift = abs(float(image[mask].mean()) - self.mean) / (self.spread + _NOISE)
        own = 1.5 - shift
        against = 1.0
        if self.inside - self.around >= _TELLING:
            mean = float(self.belonging[_bins(image[mask])].mean())
            against = (mean - self.around) / (self.inside - self.around)
        return float(np.clip(min(own, against), 0.0, 1.0))


def ring(mask: BoolArray) -> BoolArray:
    """Return what surrounds a mask, as wide as a quarter of its equivalent diameter, or 3 pixels.

    The pixels next to the mask are left out: they are mixed.
    """
    width = max(3.0, 0.5 * float(np.sqrt(np.count_nonzero(mask) / np.pi)))
    distance = ndimage.distance_transform_edt(~mask)
    return np.asarray((distance > 1.5) & (distance <= 1.5 + width))


def ring_reach(mask: BoolArray) -> int:
    """Return how many pixels `ring` reaches beyond a mask's box."""
    return int(np.ceil(1.5 + max(3.0, 0.5 * float(np.sqrt(np.count_nonzero(mask) / np.pi))))) + 1


def overlap(one: BoolArray, other: BoolArray) -> float:
    """Return intersection over union; 1 if both are empty."""
    union = int(np.count_nonzero(one | other))
    return float(np.count_nonzero(one & other) / union) if union else 1.0


def _bins(pixels: FloatArray) -> NDArray[np.intp]:
    return np.asarray(np.minimum(pixels.mean(axis=-1) * _BINS, _BINS - 1), np.intp)
