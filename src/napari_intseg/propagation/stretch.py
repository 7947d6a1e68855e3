"""Planes between two anchors: what propagation works through in one go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, bounding_box, logit, sigmoid
from napari_intseg.inference.patch import Patch, joint_window


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """A plane whose mask a person settled; propagation starts there and never changes it.

    Parameters
    ----------
    index : int
        Along the axis.
    patch : Patch
        The answer there, without what other objects hold.
    is_empty : bool
        Whether the object is absent there: nothing starts from such an anchor.
    source : object
        What the mask was made of; equal as long as it is still the same.
    doubt : str
        Why nothing starts from it although it has a mask, see `guard.doubted`; empty: it is sound.
    is_settled : bool
        Whether a person insisted on the mask, so that it is not doubted.
    removed : Patch or None
        What propagation had said there and a person took away: walks from the other side leave it
        out as well.
    is_remnant : bool
        Whether nobody pointed at the object there: it is what negative clicks left.
    before : Patch or None
        What was in place there when the planes beside it were answered last; None: nothing.
    is_correction : bool
        Whether propagation from another plane had answered it before a person clicked there.
    negatives : tuple of Click
        What was clicked there as not the object, in pixels of the slice.
    """

    index: int
    patch: Patch
    is_empty: bool
    source: object
    doubt: str = ""
    is_settled: bool = False
    removed: Patch | None = None
    is_remnant: bool = False
    before: Patch | None = None
    is_correction: bool = False
    negatives: tuple[Click, ...] = ()

    @property
    def is_start(self) -> bool:
        """Whether walks start from it."""
        return not self.is_empty and not self.doubt


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """What an earlier propagation answered on a stretch, see `correction`.

    Parameters
    ----------
    answers : mapping of int to Patch
        By plane, as they are in place.
    sure : mapping of int to float
        Their confidence.
    known : frozenset of int
        Indices of the stretch's anchors that the answers were made from; what a person changed
        since is at the others.
    done : frozenset of int
        Planes to which these changes have been carried already, by a walk that was broken off.
    """

    answers: Mapping[int, Patch]
    sure: Mapping[int, float]
    known: frozenset[int]
    done: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring planes without an anchor, and the anchors on either side.

    Parameters
    ----------
    axis : int
        The planes are perpendicular to it.
    left, right : Anchor or None
        The nearest before and after it; None if there is none. At least one is there, and it need
        not be next to the planes: those between are passed through and left as they are.
    first, last : int
        The planes to answer, both inclusive.
    earlier : Earlier or None
        What is there already; then only changes are carried.
    """

    axis: int
    left: Anchor | None
    right: Anchor | None
    first: int
    last: int
    earlier: Earlier | None = None

    def __contains__(self, index: int) -> bool:
        return self.first <= index <= self.last

    @property
    def forward(self) -> range:
        """Planes in the order of a walk from the left anchor; none if nothing starts there."""
        if self.left is None or not self._starts(self.left):
            return range(0)
        return range(self.left.index + 1, self.last + 1)

    @property
    def backward(self) -> range:
        """Planes in the order of a walk from the right anchor; none if nothing starts there."""
        if self.right is None or not self._starts(self.right):
            return range(0)
        return range(self.right.index - 1, self.first - 1, -1)

    def _starts(self, anchor: Anchor) -> bool:
        is_known = self.earlier is not None and anchor.index in self.earlier.known
        return anchor.is_start and not is_known


def stretches(axis: int, anchors: Sequence[Anchor], planes: range) -> list[Stretch]:
    """Return a range of planes, split at the anchors, without them.

    Parameters
    ----------
    axis : int
        The planes are perpendicular to it.
    anchors : sequence of Anchor
        In any order.
    planes : range
        With step 1; only these are answered.
    """
    ordered: list[Anchor | None] = [None, *sorted(anchors, key=lambda a: a.index), None]
    found = []
    for left, right in pairwise(ordered):
        first = planes.start if left is None else max(planes.start, left.index + 1)
        last = planes.stop - 1 if right is None else min(planes.stop - 1, right.index - 1)
        if (left is not None or right is not None) and first <= last:
            found.append(Stretch(axis, left, right, first, last))
    return found


Indices = NDArray[np.intp]

# share of the smaller mask: masks that overlap less are moved onto each other first
_OVERLAPPING = 0.3


def blend(near: Patch, far: Patch, weight: float) -> Patch:
    """Return the weighted mean of two answers' probabilities.

    Parameters
    ----------
    near, far : Patch
        Of the same plane.
    weight : float
        Of `near`, 0 to 1: the nearer its anchor, the more it counts.
    """
    rows, cols = window = joint_window(near.slices, far.slices)
    prob = weight * sigmoid(near.on(window)) + (1 - weight) * sigmoid(far.on(window))
    logits = logit(np.asarray(prob, np.float32))
    return Patch(rows.start, cols.start, logits, near.shape) if logits.size else near


class Shapes:
    """The shapes between two masks, by their signed distances to the outline [1]_.

    Where the masks hardly overlap, as of an oblique vessel, they are first moved onto each other
    and the shapes between back to their place on the line from one centre to the other.

    Parameters
    ----------
    left, right : ndarray of bool, shape (H, W)
        Masks of two planes.
    spacing : (float, float)
        Between rows and between columns, mm.

    References
    ----------
    .. [1] Raya, S., Udupa, J. "Shape-based interpolation of multidimensional objects", IEEE TMI 9,
       1990, doi:10.1109/42.52980.
    """

    def __init__(
        self, left: BoolArray, right: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        self._shape = left.shape[0], left.shape[1]
        self._boxes = [bounding_box(mask) for mask in (left, right)]
        if None in self._boxes:
            return
        centres = [np.argwhere(mask).mean(axis=0) for mask in (left, right)]
        least = min(int(np.count_nonzero(left)), int(np.count_nonzero(right)))
        is_apart = np.count_nonzero(left & right) < _OVERLAPPING * least
        self._way = centres[1] - centres[0] if is_apart else np.zeros(2)
        # on a common grid, on which the right mask lies over the left one
        moved = np.rint(self._way).astype(int)
        corners = [
            np.array(box, int).reshape(2, 2).T - shift
            for box, shift in zip(self._boxes, (0, moved), strict=True)
            if box is not None
        ]
        self._first = np.minimum(*(c[0] for c in corners))
        size = np.maximum(*(c[1] for c in corners)) - self._first
        self._signed = [
            signed_mm(_placed(mask, c[0] - self._first, size), spacing)
            for mask, c in zip((left, right), corners, strict=True)
        ]

    def at(self, weight: float, threshold: float = 0.5) -> Patch:
        """Return the shape between as an answer: so many mm inside the outline is the logit.

        Parameters
        ----------
        weight : float
            Of the left mask, 0 to 1.
        threshold : float, default 0.5
            The probability that the outline gets.
        """
        if None in self._boxes:
            return Patch.empty(self._shape)
        signed = weight * self._signed[0] + (1 - weight) * self._signed[1]
        # so many mm inside are taken for the logit, so that the outline lies at the threshold
        logits = np.clip(signed + logit(np.array(threshold, np.float32)), -LOGIT_LIMIT, LOGIT_LIMIT)
        row0, col0 = self._first + np.rint(self._way * (1 - weight)).astype(int)
        rows = slice(max(0, -row0), min(logits.shape[0], self._shape[0] - row0))
        cols = slice(max(0, -col0), min(logits.shape[1], self._shape[1] - col0))
        return Patch(
            max(0, int(row0)), max(0, int(col0)), np.asarray(logits[rows, cols], np.float32),
            self._shape,
        )  # fmt: skip


def signed_mm(mask: BoolArray, spacing: tuple[float, float]) -> NDArray[np.float64]:
    """Return the distance to the outline in mm, positive inside; the rim counts as outside."""
    # an object at the slice's edge gets an outline there, too
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded, sampling=spacing)
    outside = ndimage.distance_transform_edt(~padded, sampling=spacing)
    return np.asarray((inside - outside)[1:-1, 1:-1])


def _placed(mask: BoolArray, at: Indices, size: Indices) -> BoolArray:
    """Return an array of a size with the mask's own box at a place."""
    box = bounding_box(mask)
    assert box is not None
    inside = mask[box[0] : box[1], box[2] : box[3]]
    out = np.zeros(size, bool)
    out[at[0] : at[0] + inside.shape[0], at[1] : at[1] + inside.shape[1]] = inside
    return out
