"""How sure an answer of propagation is, so that people look at the doubtful planes first.

For a plane answered by one walk it is the geometric mean of four numbers between 0 and 1:

- *edge*: how sharply the model draws the outline, the mean of ``|2 p - 1|`` (hence of ``|logit|``)
  over the pixels on either side of it;
- *change*: the overlap (IoU) with the neighbour's mask it came from;
- *likeness*: how far the grey values are still those of the anchor, see `Appearance`;
- *kept*: the share of the answer that was left after it had been restrained, see `Restraint`.

Between two anchors, where walks from both sides met, the mean of both is multiplied by their
agreement (IoU). An interpolated plane has the overlap of the two masks it lies between in the
middle, rising to 1 beside them; half of that where the model had lost the object.
"""

import numpy as np

from napari_intseg.core.segmenter import BoolArray, bounding_box, logit_of
from napari_intseg.inference.patch import Patch


def walked(edge: float, change: float, likeness: float, kept: float) -> float:
    """Return the confidence of one walk's answer from its four parts, all 0 to 1."""
    parts = np.clip([edge, change, likeness, kept], 0.0, 1.0)
    # the geometric mean: one measure that fails cannot be made up for by the others
    return float(np.prod(parts) ** (1 / len(parts)))


def met(first: float, second: float, agreement: float) -> float:
    """Return the confidence where two walks met; `agreement` is the IoU of their masks."""
    return float(np.clip((first + second) / 2 * agreement, 0.0, 1.0))


def interpolated(overlap: float, weight: float, *, lost: bool) -> float:
    """Return the confidence of an interpolated mask.

    Parameters
    ----------
    overlap : float
        IoU of the two masks it lies between.
    weight : float
        Of one of them, 0 to 1.
    lost : bool
        Whether a model was asked and lost the object.
    """
    # 4 w (1 - w) is 1 in the middle and 0 beside either mask
    sure = 1 - (1 - overlap) * 4 * weight * (1 - weight)
    return float(np.clip(sure * (0.5 if lost else 1.0), 0.0, 1.0))


def edge_certainty(patch: Patch, threshold: float) -> float:
    """Return how sharply an answer's outline is drawn, 0 to 1; 0 without a mask.

    Parameters
    ----------
    patch : Patch
        The answer.
    threshold : float
        Probability above which a pixel belongs to the object.
    """
    logits, middle = patch.logits, np.float32(logit_of(threshold))
    whole = logits > middle
    box = bounding_box(whole)
    if box is None:
        return 0.0
    window = slice(max(0, box[0] - 1), box[1] + 1), slice(max(0, box[2] - 1), box[3] + 1)
    rim = _rim(whole[window])
    if not rim.any():
        # the mask fills its slice: there is no outline to be unsure of
        return 1.0
    # |2 p - 1| of a logit x is tanh(x / 2)
    return float(np.abs(np.tanh((logits[window][rim] - middle) / 2)).mean())


def _rim(inside: BoolArray) -> BoolArray:
    """Return the pixels that have an edge neighbour on the other side of the outline."""
    rim = np.zeros_like(inside)
    rows, cols = inside[1:] != inside[:-1], inside[:, 1:] != inside[:, :-1]
    rim[1:] |= rows
    rim[:-1] |= rows
    rim[:, 1:] |= cols
    rim[:, :-1] |= cols
    return rim
