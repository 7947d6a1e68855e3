"""Level sets: an outline that moves until forces from the image hold it.

The outline is where a function is 0; inside it is positive. A force pushes it outwards where it is
positive, edges of the image draw it to them, and its own curvature keeps it smooth [1]_. Deep
extreme level set evolution [2]_ learns the start and the force from four extreme points; here they
come from a model's logits or from the colours inside and outside.

References
----------
.. [1] Caselles, V., Kimmel, R., Sapiro, G. "Geodesic active contours", IJCV 22, 1997.
.. [2] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
   2019.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_gradient_magnitude

from napari_intseg.core.segmenter import BoolArray, FloatArray

# steps until the function is made a signed distance again, so that its slope stays near 1
_EVERY = 5
# below 0.5, the limit at which curvature of weight 1 stays stable on a pixel grid
_STEP = 0.4
# Gaussian width for the image's gradient, so that noise of single pixels is no edge
_EDGE_PX = 1.0


@dataclass(frozen=True, slots=True)
class Motion:
    """How an outline moves.

    Parameters
    ----------
    steps : int, default 40
        Of 0.4 pixels at most.
    force : float, default 1
        Weight of what pushes it.
    curvature : float, default 0.2
        Weight of what makes it smooth; above 1 it is not stable.
    attraction : float, default 0.5
        Weight of the image's edges.
    """

    # with these four NoC@90 on GrabCut goes from 2.76 to 2.74; no other values are on record
    # (docs/results.md).
    steps: int = 40
    force: float = 1.0
    curvature: float = 0.2
    attraction: float = 0.5


def signed_distance(mask: BoolArray) -> FloatArray:
    """Return distances to a mask's outline in pixels, positive inside, float32 (H, W).

    Where there is no outline it is the image's diagonal, positive or negative.
    """
    far = float(np.hypot(*mask.shape))
    if mask.all() or not mask.any():
        return np.full(mask.shape, far if mask.all() else -far, np.float32)
    inside = distance_transform_edt(mask)
    outside = distance_transform_edt(~mask)
    # half a pixel each: the outline runs between pixels
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), np.float32)


def stop_at_edges(image: FloatArray) -> FloatArray:
    """Return 1 where an image is even, falling towards 0 on its edges, float32 (H, W).

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, C)
        Any range: edges are measured by their mean.
    """
    steep = np.max(
        [gaussian_gradient_magnitude(image[..., c], _EDGE_PX) for c in range(image.shape[2])],
        axis=0,
    )
    # edges are measured against the image's own mean, so that contrast and bit depth do not matter
    mean = float(steep.mean())
    if mean <= 0:
        return np.ones(image.shape[:2], np.float32)
    return np.asarray(1 / (1 + (steep / (2 * mean)) ** 2), np.float32)


def evolve(
    start: BoolArray,
    force: FloatArray,
    edges: FloatArray,
    motion: Motion | None = None,
    *,
    free: BoolArray | None = None,
) -> BoolArray:
    """Return the mask that an outline comes to.

    Parameters
    ----------
    start : ndarray of bool, shape (H, W)
        The mask whose outline moves.
    force : ndarray of float32, shape (H, W)
        In [-1, 1]: outwards where positive.
    edges : ndarray of float32, shape (H, W)
        See `stop_at_edges`.
    motion : Motion, optional
        Weights and number of steps.
    free : ndarray of bool, shape (H, W), optional
        Where pixels may change sides; everywhere by default.
    """
    how = motion or Motion()
    phi = signed_distance(start)
    # without an outline all distances are the image's diagonal, and nothing would ever move
    if abs(phi).min() > 1:
        return start.copy()
    pull_rows, pull_cols = np.gradient(edges)
    for step in range(how.steps):
        rows, cols = np.gradient(phi)
        # where the function is flat there is no direction; the small number avoids 0 / 0
        slope = np.sqrt(rows**2 + cols**2) + 1e-6
        curved = np.gradient(rows / slope, axis=0) + np.gradient(cols / slope, axis=1)
        # the force acts near the outline alone
        near = np.exp(-((phi / 2) ** 2))
        # the function grows where the outline moves out; edges are valleys of `edges`
        speed = how.force * force * near + how.curvature * edges * curved * slope
        speed += how.attraction * (pull_rows * rows + pull_cols * cols)
        phi = phi + _STEP * np.clip(speed, -1, 1)
        if free is not None:
            # half a pixel on its own side: a pixel that is not free cannot change sides by a
            # rounding
            phi = np.where(free, phi, np.where(start, np.maximum(phi, 0.5), np.minimum(phi, -0.5)))
        if step % _EVERY == _EVERY - 1:
            mask = phi > 0
            if mask.all() or not mask.any():
                return np.asarray(mask)
            # made a distance again, but the outline stays between pixels where it was
            again = signed_distance(mask)
            phi = np.where(abs(again) <= 1, np.clip(phi, -1, 1), again)
    # takes away single-pixel steps that are left since the last return to a distance
    return np.asarray(gaussian_filter(phi, 0.5) > 0)
