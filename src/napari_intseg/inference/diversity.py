"""Several masks for the same prompts, from a network that answers with one.

A single click may mean a nucleus or its cell, a wheel or the car. Networks with latent diversity
[1]_ have several heads, those with scale diversity [2]_ are told a size. A network with one head
can be made to answer otherwise, too: on narrower views, where the part fills the view that the
whole filled before, and led by its own first answer, made larger step by step.

References
----------
.. [1] Li, Z., Chen, Q., Koltun, V. "Interactive image segmentation with latent diversity", CVPR
   2018.
.. [2] Liew, J. H. et al. "MultiSeg: semantically meaningful, scale-diverse segmentations from
   minimal user input", ICCV 2019.
"""

from collections.abc import Sequence

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.inference.patch import Patch

ENLARGED = (0.0, 1.0, 2.0)
"""Logits by which the first answer is raised before it leads the next. Chosen on GrabCut, where
steps from -2 to 3 were tried and these three cover the most (docs/results.md)."""

SCALES = (0.75, 0.5)
"""Of the slice's sides: the narrower views of the bundled network."""

# masks with at least this IoU are one: an eye that steps through them sees no difference
_ALIKE = 0.95


def distinct(patches: Sequence[Patch], threshold: float) -> tuple[Patch, ...]:
    """Return patches whose masks differ, in their order; the first is always among them.

    Parameters
    ----------
    patches : sequence of Patch
        At least one, on one slice.
    threshold : float
        Probability above which a pixel belongs to the object. Empty masks are left out.
    """
    kept, masks = [patches[0]], [patches[0].mask(threshold)]
    for patch in patches[1:]:
        mask = patch.mask(threshold)
        if mask.any() and all(_overlap(mask, other) < _ALIKE for other in masks):
            kept.append(patch)
            masks.append(mask)
    return tuple(kept)


def _overlap(first: BoolArray, second: BoolArray) -> float:
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0
