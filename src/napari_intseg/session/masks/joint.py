"""Objects of a plane that know each other: each pixel goes to the surest.

Where regions are annotated jointly [1]_, a correction of one changes its neighbours: the scores of
all regions meet in a softmax over objects, and the background is one of them. Answers here come one
object at a time; their logits meet in the same way.

References
----------
.. [1] Agustsson, E., Uijlings, J. R. R., Ferrari, V. "Interactive full image segmentation by
   considering all regions jointly", CVPR 2019, arXiv:1812.01888.
"""

from collections.abc import Mapping

import numpy as np

from napari_intseg.core.segmenter import BoolArray, FloatArray
from napari_intseg.inference.patch import CompactAnswer, Patch


def shares(patches: Mapping[int, Patch], held: BoolArray) -> dict[int, BoolArray]:
    """Return the pixels of each object: those of which it is the surest.

    Parameters
    ----------
    patches : mapping of int to Patch
        Answers by label, on one slice. Logits count from each model's threshold on.
    held : ndarray of bool, shape (H, W)
        Pixels that are none of theirs to share.

    Returns
    -------
    dict of int to ndarray of bool, shape (H, W)
        No pixel belongs to two; none to nobody that one of them claims and is not held. Of two that
        are equally sure, the one with the smaller label has it.
    """
    best = np.zeros(held.shape, np.float32)  # the background's
    owner = np.zeros(held.shape, np.int64)
    for label in sorted(patches):
        patch = patches[label]
        over = _above_threshold(patch)
        wins = over > best[patch.slices]
        best[patch.slices][wins] = over[wins]
        owner[patch.slices][wins] = label
    owner[held] = 0
    return {label: owner == label for label in patches}


def softmax(patches: Mapping[int, Patch]) -> dict[int, FloatArray]:
    """Return the probability of each object on the slice, and of the background under 0.

    They add up to 1 at every pixel, float32 (H, W).
    """
    logits = {label: np.full(patch.shape, -np.inf, np.float32) for label, patch in patches.items()}
    for label, patch in patches.items():
        logits[label][patch.slices] = _above_threshold(patch)
    shape = next(iter(patches.values())).shape
    scores = np.stack([np.zeros(shape, np.float32), *logits.values()])
    scores = np.exp(scores - scores.max(axis=0))
    scores /= scores.sum(axis=0)
    return dict(zip((0, *logits), scores, strict=True))


def _above_threshold(patch: Patch) -> FloatArray:
    """Return logits less that of the threshold, as far as the patch knows it."""
    middle = patch.middle if isinstance(patch, CompactAnswer) else np.float32(0)
    return np.asarray(patch.logits - middle, np.float32)
