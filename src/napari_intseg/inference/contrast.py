"""How objects stand out from what is next to them; what does not is no object."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects

from napari_intseg.core.segmenter import BoolArray, FloatArray

# pixels up to this share of the diameter from an object are next to it
_REACH = 0.15
# of the range [0, 1]; objects whose contrast is less are told by other things than contrast
_FAINTEST = 0.02


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
