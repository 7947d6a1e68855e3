"""Carry a correction: what a person changed on a plane is changed on the planes beside it.

Planes that were answered before keep their answer, but for the pixels that the correction is
about. So a click never costs what was right elsewhere, and ends where its change dies out.
"""

from dataclasses import dataclass

import numpy as np

from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, bounding_box
from napari_intseg.inference.patch import Patch, joint_window
from napari_intseg.propagation.ending import depth_in
from napari_intseg.propagation.restraint import reached

# a change of at most this share of the mask's area, or of so many pixels, comes of
# asking the model again, not of the correction
_SETTLED = 0.01
_SETTLED_PX = 2
# what is taken away spreads by at most this share of its depth from plane to plane. With the whole
# reach of an outline a hippocampus fell from .86 to .81 at a click on its rim; with one pixel alone
# a liver whose planes were all flooded came to .53 instead of .60 after five clicks.
_OF_DEPTH = 0.2
# a little more than a pixel, so that an outline on a pixel grid can recede at all
_LEAST_PX = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What changed on a plane.

    Parameters
    ----------
    added, removed : ndarray of bool, shape (H, W)
        Pixels that became the object, and that stopped being it.
    """

    added: BoolArray
    removed: BoolArray

    @classmethod
    def between(cls, before: BoolArray, after: BoolArray) -> "Correction":
        """Return how one mask became another."""
        return cls(after & ~before, before & ~after)

    def carried(
        self,
        old: BoolArray,
        new: BoolArray,
        reach_mm: float,
        spacing: tuple[float, float],
        firm: BoolArray | None = None,
    ) -> "Correction":
        """Return what it changes on the next plane.

        Parameters
        ----------
        old, new : ndarray of bool, shape (H, W)
            The mask there so far, and what it would be after the correction.
        reach_mm : float
            How far an outline may move from plane to plane.
        spacing : (float, float)
            Between rows and between columns, mm.
        firm : ndarray of bool, shape (H, W), optional
            Pixels that a clicked plane nearby vouches for: they stay.
        """
        added = new & ~old
        # the new answer has to agree, and the change must be able to have come so far
        added &= grown(self.added, reach_mm, spacing)
        removed = old & ~new
        removed &= grown(self.removed, self._removal_mm(reach_mm, spacing), spacing)
        if firm is not None:
            removed &= ~firm
        return Correction(added, removed)

    def _removal_mm(self, reach_mm: float, spacing: tuple[float, float]) -> float:
        """Return how far what is taken away may spread from plane to plane: a share of its depth.

        A flood recedes as fast as an outline may move; a little that is cut off stays little.
        """
        box = bounding_box(self.removed)
        if box is None:
            return 0.0
        deep = float(depth_in(self.removed[box[0] : box[1], box[2] : box[3]], spacing).max())
        least = _LEAST_PX * (spacing[0] + spacing[1]) / 2
        return min(reach_mm, max(least, _OF_DEPTH * deep))

    def applied(self, mask: BoolArray) -> BoolArray:
        """Return a mask with the change made."""
        return np.asarray((mask | self.added) & ~self.removed)

    def is_settled(self, mask: BoolArray) -> bool:
        """Whether too little changes to go on with."""
        changed = int(np.count_nonzero(self.added)) + int(np.count_nonzero(self.removed))
        return changed <= max(_SETTLED_PX, _SETTLED * int(np.count_nonzero(mask)))


def grown(mask: BoolArray, reach_mm: float, spacing: tuple[float, float]) -> BoolArray:
    """Return a mask grown by a disc of a radius in mm; computed round it alone."""
    out = np.zeros_like(mask)
    box = bounding_box(mask)
    if box is not None:
        window = tuple(
            slice(max(0, low - margin), min(size, high + margin))
            for low, high, margin, size in zip(
                box[::2],
                box[1::2],
                (int(np.ceil(reach_mm / s)) + 1 for s in spacing),
                mask.shape,
                strict=True,
            )
        )
        out[window] = reached(mask[window], reach_mm, spacing)
    return out


def inner(mask: BoolArray, away_mm: float, spacing: tuple[float, float]) -> BoolArray:
    """Return what is left of a mask so far from its plane, if its outline moves inwards."""
    return np.asarray(depth_in(mask, spacing) > away_mm)


def corrected(old: Patch, new: Patch | None, change: Correction) -> Patch:
    """Return an answer with a change made, drawn as the new answer draws it.

    Parameters
    ----------
    old : Patch
        What is there.
    new : Patch or None
        The answer that the change comes from; None: it does not come from one.
    change : Correction
        Which pixels.
    """
    changed = change.added | change.removed
    box = bounding_box(changed)
    if box is None:
        return old
    rows, cols = window = joint_window(old.slices, (slice(*box[:2]), slice(*box[2:])))
    logits, changed = old.on(window), changed[window]
    if new is None:
        # no answer says how it looks there; only removals come without one
        logits[changed] = -LOGIT_LIMIT
    else:
        logits[changed] = new.on(window)[changed]
    return Patch(rows.start, cols.start, logits, old.shape)
