"""Level set: an answer's outline evolves on the logits and the image's edges.

As in deep extreme level set evolution [1]_, the network says where to start and where to go; the
evolution makes a smooth outline of it. Here it is an option of every model.

References
----------
.. [1] Wang, Z. et al. "Object instance annotation with deep extreme level set evolution", CVPR
   2019.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_intseg.core import contour_evolution as level_set
from napari_intseg.core.segmenter import LOGIT_LIMIT, FloatArray, logit
from napari_intseg.inference.patch import Patch

# logits at which a pixel pulls with three quarters of the force (tanh 1): probabilities of .12 and
# .88
_SURE = 2.0
# logits of a pixel that changed sides lie at least this far from the threshold, so that no rounding
# turns it back
_MARGIN = 1e-3
# of a window, whose evolution takes some seconds; answers with a larger one stay as they are
_MOST_PX = 4_000_000


@dataclass(frozen=True, slots=True)
class LevelSet:
    """Settings of the refinement.

    Parameters
    ----------
    steps, force, curvature, attraction
        See `core.contour_evolution.Motion`.
    reach_px : float, default 8
        Pixels further from the answer's outline stay as they are.
    """

    steps: int = 40
    force: float = 1.0
    curvature: float = 0.2
    attraction: float = 0.5
    reach_px: float = 8.0


def evolve(
    patch: Patch,
    read: Callable[[slice, slice], FloatArray],
    *,
    threshold: float = 0.5,
    settings: LevelSet | None = None,
) -> Patch:
    """Return an answer whose outline has evolved.

    Parameters
    ----------
    patch : Patch
        The answer.
    read : callable
        ``read(rows, cols)`` gives a window of the slice as RGB in [0, 1], float32 (h, w, 3).
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    settings : LevelSet, optional
        Weights, and how far the outline may go.

    Returns
    -------
    Patch
        Logits differ only where a pixel has changed sides: there they are mirrored at the
        threshold. It is returned as it came if there is no outline, or its window is too large.
    """
    how = settings or LevelSet()
    box = patch.box(threshold)
    if box is None or how.steps < 1:
        return patch
    # two pixels more than the outline may move, for gradients beside it
    reach = int(np.ceil(how.reach_px)) + 2
    rows = slice(max(0, box[0] - reach), min(patch.shape[0], box[1] + reach))
    cols = slice(max(0, box[2] - reach), min(patch.shape[1], box[3] + reach))
    if (rows.stop - rows.start) * (cols.stop - cols.start) > _MOST_PX:
        return patch
    limit = float(logit(np.array(threshold, np.float32)))
    logits = patch.on((rows, cols))
    start = logits > limit
    moved = level_set.evolve(
        start,
        np.tanh((logits - np.float32(limit)) / np.float32(_SURE)),
        level_set.stop_at_edges(read(rows, cols)),
        level_set.Motion(how.steps, how.force, how.curvature, how.attraction),
        free=abs(level_set.signed_distance(start)) <= how.reach_px,
    )
    changed = moved != start
    if not changed.any():
        return patch
    away = np.maximum(np.abs(logits - limit), _MARGIN)
    mirrored = np.clip(np.where(moved, limit + away, limit - away), -LOGIT_LIMIT, LOGIT_LIMIT)
    refined = np.asarray(np.where(changed, mirrored, logits), np.float32)
    return Patch(rows.start, cols.start, refined, patch.shape).over(patch)
