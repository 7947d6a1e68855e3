"""An answer on a slice, stored only for the rectangle that the model looked at."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    BoolArray,
    FloatArray,
    bounding_box,
    logit,
    logit_of,
    mask_to_logits,
    sigmoid,
)
from napari_intseg.errors import DataError

Indices = NDArray[np.intp]
Window = tuple[slice, slice]
"""Rows and columns of a slice, start and stop given."""
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Logits on a rectangle of a slice; everywhere else they are ``-LOGIT_LIMIT``.

    Parameters
    ----------
    row0, col0 : int
        The slice's pixel under the first of the logits.
    logits : ndarray of float32, shape (h, w)
        Lies inside the slice; h and w may be 0.
    shape : (int, int)
        ``(H, W)`` of the slice.
    """

    row0: int
    col0: int
    logits: FloatArray
    shape: tuple[int, int]

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "Patch":
        """Return the answer that holds no object."""
        return cls(0, 0, np.zeros((0, 0), np.float32), shape)

    @classmethod
    def from_mask(cls, mask: BoolArray) -> "Patch":
        """Return a mask of shape (H, W), any dtype, as a certain answer: non-zero is object.

        Raises
        ------
        DataError
            If the mask is not 2-D.
        """
        if np.ndim(mask) != 2:
            raise DataError(
                f"mask is not on a slice: expected shape (H, W), got {np.shape(mask)!r}. "
                "Give one slice of it."
            )
        given = np.asarray(mask) != 0
        box = bounding_box(given)
        if box is None:
            return cls.empty((given.shape[0], given.shape[1]))
        row0, row1, col0, col1 = box
        inside = mask_to_logits(given[row0:row1, col0:col1])
        return cls(row0, col0, inside, (given.shape[0], given.shape[1]))

    @property
    def slices(self) -> Window:
        """Rows and columns of the slice that the logits lie on."""
        height, width = self.logits.shape
        return slice(self.row0, self.row0 + height), slice(self.col0, self.col0 + width)

    def full(self) -> FloatArray:
        """Return the logits of the whole slice, float32 (H, W)."""
        whole = np.full(self.shape, -LOGIT_LIMIT, np.float32)
        whole[self.slices] = self.logits
        return whole

    def mask(self, threshold: float = 0.5) -> BoolArray:
        """Return where the probability exceeds a threshold, bool (H, W)."""
        whole = np.zeros(self.shape, bool)
        whole[self.slices] = self.inside(threshold)
        return whole

    def inside(self, threshold: float = 0.5) -> BoolArray:
        """Return the mask on the patch's own rectangle, bool (h, w)."""
        return np.asarray(self.logits > np.float32(logit_of(threshold)))

    def box(self, threshold: float = 0.5) -> tuple[int, int, int, int] | None:
        """Return ``(row0, row1, col0, col1)`` of the object, half-open; None if there is none."""
        box = bounding_box(self.inside(threshold))
        if box is None:
            return None
        return box[0] + self.row0, box[1] + self.row0, box[2] + self.col0, box[3] + self.col0

    def near(self, limit: float) -> "Patch":  # noqa: ARG002 - for those that are computed late
        """Return a patch that holds all logits above a limit; others may be left out."""
        return self

    def at(self, rows: Indices, cols: Indices) -> FloatArray:
        """Return the logits where some rows and columns of the slice cross, float32.

        `on` gives those of a window, `value` that of one pixel.
        """
        row, col = rows - self.row0, cols - self.col0
        on_rows = np.flatnonzero((row >= 0) & (row < self.logits.shape[0]))
        on_cols = np.flatnonzero((col >= 0) & (col < self.logits.shape[1]))
        here, there = (row[on_rows], col[on_cols]), (on_rows, on_cols)
        if all(_is_run(indices) for indices in here):
            found = self.logits[_run(here)]
        else:
            # one axis after the other takes two thirds of the time of both at once
            found = np.take(np.take(self.logits, here[0], axis=0), here[1], axis=1)
        out = np.full((len(rows), len(cols)), -LOGIT_LIMIT, np.float32)
        out[_run(there) if all(_is_run(indices) for indices in there) else np.ix_(*there)] = found
        return out

    def value(self, row: int, col: int) -> float:
        """Return the logit of one pixel of the slice."""
        logits = self.logits
        row, col = row - self.row0, col - self.col0
        is_inside = 0 <= row < logits.shape[0] and 0 <= col < logits.shape[1]
        return float(logits[row, col]) if is_inside else -LOGIT_LIMIT

    def on(self, window: Window) -> FloatArray:
        """Return the logits on a window of the slice, float32; a copy."""
        return on_window(self.logits, self.slices, window, -LOGIT_LIMIT)

    def over(self, rest: "Patch") -> "Patch":
        """Return this answer where it was given, and another one on the rest of the slice."""
        if not rest.logits.size:
            return self
        if not self.logits.size:
            return rest
        rows, cols = joint_window(self.slices, rest.slices)
        logits = rest.on((rows, cols))
        row, col = self.row0 - rows.start, self.col0 - cols.start
        logits[row : row + self.logits.shape[0], col : col + self.logits.shape[1]] = self.logits
        return Patch(rows.start, cols.start, logits, self.shape)


def joint_window(*windows: Window) -> Window:
    """Return the smallest window of the slice that holds all that are not empty."""
    held = [(r, c) for r, c in windows if r.start < r.stop and c.start < c.stop]
    if not held:
        return slice(0, 0), slice(0, 0)
    rows, cols = zip(*held, strict=True)
    return (
        slice(min(s.start for s in rows), max(s.stop for s in rows)),
        slice(min(s.start for s in cols), max(s.stop for s in cols)),
    )


def on_window(values: NDArray[T], at: Window, wanted: Window, rest: float = 0) -> NDArray[T]:
    """Return what lies at a window of the slice on another window, as a copy.

    Parameters
    ----------
    values : ndarray, shape of `at`
        A mask, or logits.
    at, wanted : Window
    rest : float, default 0
        What there is beyond the first window.
    """
    (rows, cols), (own_rows, own_cols) = wanted, at
    shape = rows.stop - rows.start, cols.stop - cols.start
    # zeros are not written: a small object on a large slice costs what it holds
    out = np.full(shape, rest, values.dtype) if rest else np.zeros(shape, values.dtype)
    top, bottom = max(rows.start, own_rows.start), min(rows.stop, own_rows.stop)
    left, right = max(cols.start, own_cols.start), min(cols.stop, own_cols.stop)
    if top < bottom and left < right:
        common = values[
            top - own_rows.start : bottom - own_rows.start,
            left - own_cols.start : right - own_cols.start,
        ]
        out[top - rows.start : bottom - rows.start, left - cols.start : right - cols.start] = common
    return out


def _is_run(indices: Indices) -> bool:
    return bool((np.diff(indices) == 1).all())


def _run(axes: Sequence[Indices]) -> tuple[slice, ...]:
    """Return indices that follow each other as slices, which are copied ten times as fast."""
    return tuple(slice(i[0], i[-1] + 1) if i.size else slice(0, 0) for i in axes)


# logits are rounded to multiples of this; a probability is then right to 0.04 at worst
_STEP = 0.125
# a step then fits in a byte with a sign
_MOST = 127


class CompactAnswer(Patch):
    """A patch whose logits are unpacked when they are asked for.

    They are rounded to eighths and cut at about 16; which pixels belong to the object is exact.

    Parameters
    ----------
    row0, col0, logits, shape
        As in `Patch`.
    threshold : float, default 0.5
        Probability above which a pixel belongs to the object.
    """

    __slots__ = ("_middle", "_packed", "_size")

    _packed: bytes
    _size: tuple[int, int]
    _middle: np.float32

    def __init__(
        self,
        row0: int,
        col0: int,
        logits: FloatArray,
        shape: tuple[int, int],
        threshold: float = 0.5,
    ) -> None:
        middle = np.float32(logit_of(threshold))
        steps = np.subtract(logits, middle, dtype=np.float32)
        np.rint(np.divide(steps, np.float32(_STEP), out=steps), out=steps)
        small = np.clip(steps, -_MOST, _MOST, out=steps).astype(np.int8)
        # never 0: a pixel keeps its side of the threshold, so the mask is exact
        nearly = small == 0
        small[nearly] = np.where(logits[nearly] > middle, 1, -1)
        # the quickest level: answers are packed at every click
        packed = zlib.compress(small.tobytes(), 1)
        size = int(logits.shape[0]), int(logits.shape[1])
        values = {"row0": row0, "col0": col0, "shape": shape}
        for name, value in {**values, "_packed": packed, "_size": size, "_middle": middle}.items():
            # the class it derives from is frozen
            object.__setattr__(self, name, value)

    @property
    def logits(self) -> FloatArray:
        """Unpacked anew at each call, float32 (h, w)."""
        steps = np.frombuffer(zlib.decompress(self._packed), np.int8).reshape(self._size)
        return np.asarray(steps * np.float32(_STEP) + self._middle, np.float32)

    @property
    def slices(self) -> Window:
        """Rows and columns of the slice that the logits lie on; nothing is unpacked."""
        height, width = self._size
        return slice(self.row0, self.row0 + height), slice(self.col0, self.col0 + width)

    @property
    def middle(self) -> np.float32:
        """Logit of the threshold."""
        return self._middle

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return len(self._packed)


MARGIN_PX = 8
"""So far round a mask logits are kept."""


def trimmed(patch: Patch, threshold: float, margin: int = MARGIN_PX) -> Patch:
    """Return a patch without what lies far from the mask, so that many planes fit in memory."""
    box = patch.box(threshold)
    if box is None:
        return Patch.empty(patch.shape)
    own = patch.slices
    rows = slice(max(own[0].start, box[0] - margin), min(own[0].stop, box[1] + margin))
    cols = slice(max(own[1].start, box[2] - margin), min(own[1].stop, box[3] + margin))
    if (rows, cols) == own:
        return patch
    inside = patch.logits[
        rows.start - own[0].start : rows.stop - own[0].start,
        cols.start - own[1].start : cols.stop - own[1].start,
    ]
    # a copy: a view would keep the whole patch in memory
    return Patch(rows.start, cols.start, np.array(inside), patch.shape)


def joined(patch: Patch, initial: Patch, threshold: float) -> Patch:
    """Return an answer that holds all of another mask."""
    both = patch.over(initial)
    old = initial.on(both.slices)
    held = old > logit_of(threshold)
    logits = np.where(held, np.maximum(old, both.logits), both.logits)
    return Patch(both.row0, both.col0, logits, both.shape)


def is_mostly_lost(patch: Patch, before: Patch, threshold: float) -> bool:
    """Whether an answer holds less than half of the mask before."""
    old = before.inside(threshold)
    left = int(np.count_nonzero(old & (patch.on(before.slices) > logit_of(threshold))))
    return 2 * left < int(np.count_nonzero(old))


def stability(patch: Patch, threshold: float) -> float:
    """Return how little a mask's area depends on the threshold, 0 to 1, as SAM scores masks [1]_.

    It is the area where the logits exceed the threshold's by 1, over that where they fall short of
    it by at most 1; 0 of an empty mask.

    References
    ----------
    .. [1] Kirillov, A. et al. "Segment anything", arXiv:2304.02643.
    """
    middle = float(logit(np.array(threshold, np.float32)))
    logits = patch.near(middle - 1).logits
    loose = int(np.count_nonzero(logits > middle - 1))
    return int(np.count_nonzero(logits > middle + 1)) / loose if loose else 0.0


# a network with one head answers otherwise on narrower views, where the part fills the view that
# the whole filled before, and led by its own first answer, made larger step by step: what networks
# with latent diversity (CVPR 2018) or scale diversity (MultiSeg, ICCV 2019) have heads for
ENLARGED = (0.0, 1.0, 2.0)
"""Logits by which the first answer is raised before it leads the next. Chosen on GrabCut, where
steps from -2 to 3 were tried and these three cover the most (docs/results.md)."""

# of first answers, those that are steadier gain nothing by being asked again (docs/results.md)
_UNSURE = 0.2

# by how much the IoU of a mask is larger than the first one's, for a difference of 1 in its mean
# probability and in that at the click, and for each of `ENLARGED`. Learnt by ridge regression from
# first answers on 435 objects of the training sets, each clicked on by the robot user's rules
# "deepest" and "human"; larger models were no better on sets left out (docs/results.md)
_PER_INSIDE, _PER_CLICK = 0.46, 0.87
_PER_STEP = (-0.006, -0.033, -0.065)
# a smaller gain is not believed; chosen by leaving out one training set at a time
_LEAST_GAIN = 0.02

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


def raised(patch: Patch, step: float) -> Patch:
    """Return a patch with a step added to its logits, within their limits."""
    logits: FloatArray = np.clip(patch.logits + np.float32(step), -LOGIT_LIMIT, LOGIT_LIMIT)
    return Patch(patch.row0, patch.col0, logits, patch.shape)


def is_unsure(patch: Patch, threshold: float) -> bool:
    """Whether a first answer is no empty one, and worth comparing with others by `likeliest`."""
    return stability(patch, threshold) <= _UNSURE and patch.box(threshold) is not None


def likeliest(patches: Sequence[Patch], click: Click, threshold: float) -> int:
    """Return which of some answers to a first click is likely to be nearest to the object.

    It is a learnt guess from how sure each answer is of its inside, and of the click.

    Parameters
    ----------
    patches : sequence of Patch
        The first answer, then those that it led to, raised by each of `ENLARGED`.
    click : Click
        In pixels of the slice.
    threshold : float
        Probability above which a pixel belongs to the object.

    Returns
    -------
    int
        An index; 0 unless another answer is clearly likelier. An empty mask is never taken.
    """
    size = patches[0].shape
    row, col = min(max(int(click.row), 0), size[0] - 1), min(max(int(click.col), 0), size[1] - 1)

    def worth(patch: Patch) -> float:
        inside = patch.logits[patch.inside(threshold)]
        if not inside.size:
            return -np.inf
        at_click = sigmoid(np.array(patch.value(row, col), np.float32))
        return _PER_INSIDE * float(sigmoid(inside).mean()) + _PER_CLICK * float(at_click)

    first = worth(patches[0])
    if first == -np.inf:
        return 0
    gains = [worth(p) - first + step for p, step in zip(patches[1:], _PER_STEP, strict=True)]
    best = int(np.argmax(gains))
    return best + 1 if gains[best] > _LEAST_GAIN else 0
