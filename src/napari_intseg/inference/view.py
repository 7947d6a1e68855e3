"""The part of a slice a model looks at, and the way back, of answers that are numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    Array,
    FloatArray,
    Frame,
    PictureView,
    Segmenter,
    bounding_box,
    logit,
    logit_of,
    sigmoid,
)
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.memory_ladder import NoNumbers
from napari_intseg.inference.patch import MARGIN_PX, Patch

Seen = TypeVar("Seen", Array, PictureView)


@dataclass(frozen=True, slots=True)
class Flip:
    """A left-right mirrored image of a width in pixels; mirroring twice gives all back."""

    width: int

    def image(self, image: Seen) -> Seen:
        """Mirror an image, (H, W) or (H, W, C), or a `PictureView`; arrays become contiguous."""
        if isinstance(image, PictureView):
            return replace(image, mirrored=not image.mirrored)
        return np.ascontiguousarray(image[:, ::-1])

    def click(self, click: Click) -> Click:
        """Mirror a click."""
        return replace(click, col=self.width - 1 - click.col)

    def prompts(self, prompts: Prompts) -> Prompts:
        """Mirror all prompts."""
        return prompts.moved(lambda row, col: (row, self.width - 1 - col))

    def frame(self, frame: Frame) -> Frame:
        """Mirror the frame of a view's slice."""
        row0, row1, col0, col1 = frame
        return row0, row1, self.width - col1, self.width - col0

    def average(self, logits: FloatArray, mirrored: FloatArray) -> FloatArray:
        """Return the mean of logits and of those on the mirrored image, mirrored back."""
        return np.asarray((logits + mirrored[:, ::-1]) * np.float32(0.5), np.float32)


Indices = NDArray[np.intp]
Plan = tuple[Indices, Indices, FloatArray]
"""What `taps` returns."""


def taps(size: int, out_size: int) -> Plan:
    """Return for each output position its two neighbours and the weight of the second.

    The first and last sample of both grids coincide. Positions are computed in float32, as
    torch's ``interpolate(..., align_corners=True)`` does, so that both agree to rounding.

    Parameters
    ----------
    size, out_size : int
        Samples along the axis before and after, both at least 1.
    """
    scale = np.float32(size - 1) / np.float32(out_size - 1) if out_size > 1 else np.float32(0)
    position = np.arange(out_size, dtype=np.float32) * scale
    low = np.minimum(position.astype(np.intp), size - 1)
    high = np.minimum(low + 1, size - 1)
    return low, high, (position - low).astype(np.float32)


def resize(image: Array, out_shape: tuple[int, int]) -> FloatArray:
    """Interpolate an image bilinearly, corners on corners, without antialiasing.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Finite numbers; it is not changed.
    out_shape : (int, int)
        Rows and columns wanted.

    Returns
    -------
    ndarray of float32, shape (h, w) or (h, w, C)
        A new array, even when the shape is already the one wanted.
    """
    rows, cols = image.shape[:2]
    if (rows, cols) == out_shape:
        return np.array(image, np.float32)
    # the axis that shrinks most first: fewer numbers for the other one
    order = (0, 1) if out_shape[0] * cols <= rows * out_shape[1] else (1, 0)
    result = image
    for axis in order:
        result = interpolate(result, axis, taps(image.shape[axis], out_shape[axis]))
    return result


def interpolate(image: Array, axis: int, plan: Plan) -> FloatArray:
    """Interpolate along one axis at the positions of `taps`; float32."""
    low, high, weight = plan
    # differences at the new positions: with those between samples, there is one gather less to do
    # but an array more to pad, which takes half as long again
    below = np.take(image, low, axis).astype(np.float32, copy=False)
    slope = np.take(image, high, axis).astype(np.float32, copy=False)
    slope -= below
    slope *= weight.reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    slope += below
    return slope


Read = Callable[[slice, slice], Array]
"""Reads a window of a slice, shape (h, w) or (h, w, C); slices may have a step."""

Resample = Literal["probability", "logits"]
"""What of an answer is interpolated."""

Span = tuple[int, int]
"""First and last of rows or columns, half-open."""

Soften = Callable[[FloatArray], FloatArray]
"""Takes noise from an image in [0, 1], shape (h, w) or (h, w, 3)."""

SOFTENED = 2.0
"""A rectangle shrunk more than that keeps its noise: all of it would have to be read and blurred,
which takes longer than the model's answer."""

# pixels; a larger rectangle is read with a step: as float RGB it would take 768 MB
_EXACT_PX = 64_000_000
# pixels read at once: 32 MB of a grey block in float32
_BLOCK_PX = 8_000_000
# pixels; the answer on a larger rectangle, more than 64 MB, is kept only where an object may be
_WHOLE_PX = 16_000_000
# pixels; more are interpolated along their rows in parts of so many, which stay in the processor's
# cache: 2,048² took 23 ms instead of 39 with 32,768, 30 with 16,384, and no less with more;
# up to about 512² there is little to gain
_AT_ONCE_PX, _CACHED_PX = 300_000, 32_768
# logit of a probability of 1 %: what is less likely is left out of it
_LIKELY = -4.6
# of a view: a crop round an object holds it in half of its pixels (`ZoomIn.expansion`)
_MOST = 0.4


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of a slice, resampled to a size: image and clicks in, answer back.

    Grids meet corner on corner [1]_: the first and last pixel of the rectangle are the first and
    last of the view. Clicks scale by the ratio of the sizes, as the method was published.

    Parameters
    ----------
    row0, row1, col0, col1 : int
        The rectangle, half-open, inside the slice.
    out_shape : (int, int)
        Rows and columns that the model gets.
    shape : (int, int)
        ``(H, W)`` of the slice.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """

    row0: int
    row1: int
    col0: int
    col1: int
    out_shape: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def whole(cls, shape: tuple[int, int], out_shape: tuple[int, int] | None = None) -> "View":
        """Return the view of a whole slice, at its own size unless another is given."""
        return cls(0, shape[0], 0, shape[1], out_shape or shape, shape)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(row0, row1, col0, col1)``, half-open."""
        return self.row0, self.row1, self.col0, self.col1

    @property
    def box_shape(self) -> tuple[int, int]:
        """Rows and columns of the rectangle."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def frame(self) -> Frame:
        """``(row0, row1, col0, col1)`` of the slice in pixels of the view, half-open."""
        (row0, col0), (row1, col1) = self.position(0, 0), self.position(*self.shape)
        return row0, row1, col0, col1

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the slice that the view shows."""
        return slice(self.row0, self.row1), slice(self.col0, self.col1)

    def limited(self, longer_side_px: int | None) -> "View":
        """Return the same rectangle, its longer side in the view at most so many pixels."""
        if longer_side_px is None or max(self.out_shape) <= longer_side_px:
            return self
        return replace(self, out_shape=longer_side(self.out_shape, longer_side_px))

    def crop(self, image: Array) -> FloatArray:
        """Return the view of an array of the slice's shape, (H, W) or (H, W, C), as float32."""
        return resize(image[self.slices], self.out_shape)

    def cuts_off(self, box: tuple[int, int, int, int] | None) -> bool:
        """Whether what fills a box of the slice touches an edge of the view inside the slice."""
        height, width = self.shape
        return box is not None and (
            (0 < self.row0 >= box[0])
            or (height > self.row1 <= box[1])
            or (0 < self.col0 >= box[2])
            or (width > self.col1 <= box[3])
        )

    @property
    def shrunk(self) -> float:
        """How many pixels of the slice, along a side, become one of the view."""
        return min(s / o for s, o in zip(self.box_shape, self.out_shape, strict=True))

    def read(self, read: Read, intensity: Intensity, *, soften: Soften | None = None) -> FloatArray:
        """Return the view of an image as RGB, reading no more than it needs.

        Parameters
        ----------
        read : callable
            Gives a window of the slice.
        intensity : Intensity
            Turns raw values to RGB, before they are interpolated.
        soften : callable, optional
            Takes noise from the rectangle on the slice's own grid, grey (h, w) where the colours
            agree, else RGB (h, w, 3). One that is shrunk to less than half is left as it is.

        Returns
        -------
        ndarray of float32, shape (h, w, 3)
            In [0, 1]; read-only where the colours agree. Where `read` has `factors`, it is read at
            the coarsest level that still has a sample for each pixel of the view. Rectangles of
            more than 64 million pixels are first thinned out to at least two, so that a huge lazy
            slice is never held whole.
        """
        size, step = self.box_shape, 1
        if size[0] * size[1] > _EXACT_PX:
            # two samples for each pixel of the view are left, so that interpolation still has both
            # neighbours
            step = max(1, min(s // (2 * o) for s, o in zip(size, self.out_shape, strict=True)))
        step = max([step, *(f for f in getattr(read, "factors", (1,)) if f <= self.shrunk)])
        plans, used, _ = _plans((-(-size[0] // step), -(-size[1] // step)), self.out_shape)
        if soften is not None and step == 1 and self.shrunk <= SOFTENED:
            raw = self._gather(read, step, *(np.arange(n) for n in size))
            shown = soften(intensity.to_grey(raw) if raw.ndim == 2 else intensity.to_rgb(raw))
            shown = shown[used[0]][:, used[1]] if _leaves_out(used, size) else shown
        else:
            raw = self._gather(read, step, *used)
            shown = intensity.to_grey(raw) if raw.ndim == 2 else intensity.to_rgb(raw)
        shown = _interpolated(shown, plans)
        if shown.ndim == 3:
            return shown
        # the three colours agree: one is held, since memory for three costs more than the filling
        return np.broadcast_to(shown[..., None], (*shown.shape, 3))

    def _gather(self, read: Read, step: int, rows: Array, cols: Array) -> Array:
        """Read the given rows and columns of the (thinned) rectangle, a block at a time."""
        width = slice(self.col0, self.col1, step)
        block = max(1, _BLOCK_PX // max(1, -(-self.box_shape[1] // step)))
        parts = []
        for first in range(int(rows[0]), int(rows[-1]) + 1, block):
            last = min(first + block, int(rows[-1]) + 1)
            chosen = rows[(rows >= first) & (rows < last)]
            if chosen.size:
                start, stop = int(chosen[0]), int(chosen[-1]) + 1
                end = min(self.row0 + (stop - 1) * step + 1, self.row1)
                part = read(slice(self.row0 + start * step, end, step), width)
                # twice to five times as fast as brackets, for colours at least
                part = part if chosen.size == len(part) else np.take(part, chosen - start, axis=0)
                parts.append(part if cols.size == part.shape[1] else np.take(part, cols, axis=1))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def position(self, row: float, col: float) -> tuple[float, float]:
        """Return where a position on the slice lies in the view; it may lie outside.

        All prompts follow by ``prompts.moved(view.position)``.
        """
        height, width = self.box_shape
        return (
            # by the ratio of sizes, though grids meet at the corners: as RITM scales clicks
            (row - self.row0) * self.out_shape[0] / height,
            (col - self.col0) * self.out_shape[1] / width,
        )

    def click(self, click: Click) -> Click:
        """Return a click of the slice in pixels of the view."""
        row, col = self.position(click.row, click.col)
        return replace(click, row=row, col=col)

    def prev_logits(self, patch: Patch, resample: Resample = "probability") -> FloatArray:
        """Return an answer on the slice as logits of the view, float32 (h, w)."""
        # nothing to resample: exact, and the usual case of small slices
        if self.box_shape == self.out_shape:
            return patch.on(self.slices)
        out = np.full(self.out_shape, -LOGIT_LIMIT, np.float32)
        corner = self.row0, self.col0
        spans = [(s.start - c, s.stop - c) for s, c in zip(patch.slices, corner, strict=True)]
        plans, used, where = _plans(self.box_shape, self.out_shape, spans)
        logits = patch.at(used[0] + self.row0, used[1] + self.col0)
        if resample == "logits":
            out[where] = _interpolated(logits, plans)
        else:
            out[where] = _interpolated(sigmoid(logits), plans, then=logit)
        return out

    def put_back(
        self,
        logits: FloatArray,
        resample: Resample = "probability",
        *,
        whole: bool = True,
    ) -> Patch:
        """Return an answer on the view as an answer on the slice.

        Parameters
        ----------
        logits : ndarray of float32, shape (h, w)
            On the view.
        resample : {"probability", "logits"}
            What is interpolated.
        whole : bool, default True
            Whether all of the view is wanted.

        Returns
        -------
        Patch
            On the view's rectangle; if that has more than 16 million pixels or is not all wanted,
            only where the probability exceeds 1 %, and 8 pixels round it, so that a huge slice
            does not cost what it does not hold. A large one is computed when it is looked at.
        """
        if self.box_shape == self.out_shape:
            return Patch(self.row0, self.col0, np.array(logits, np.float32), self.shape)
        size_px = self.box_shape[0] * self.box_shape[1]
        if not whole or size_px > _WHOLE_PX:
            return self.put_back_near(logits, resample)
        if size_px > _AT_ONCE_PX:
            return AnswerOnView(self, logits, resample)
        return self.put_back_part(logits, resample, ((0, logits.shape[0]), (0, logits.shape[1])))

    def put_back_near(self, logits: FloatArray, resample: Resample) -> Patch:
        """Return an answer on the slice where the probability exceeds 1 %, and near that."""
        found = bounding_box(logits > _LIKELY)
        if found is None:
            return Patch.empty(self.shape)
        margin = math.ceil(MARGIN_PX / self.shrunk)
        rows, cols = ((first - margin, stop + margin) for first, stop in (found[:2], found[2:]))
        return self.put_back_part(logits, resample, (rows, cols))

    def put_back_part(
        self, logits: FloatArray, resample: Resample, spans: tuple[Span, Span]
    ) -> Patch:
        """Return an answer on the slice where some rows and columns of the view take part."""
        plans, used, where = _plans(self.out_shape, self.box_shape, spans)
        values = Patch(0, 0, logits, self.out_shape).at(*used)
        if resample == "logits":
            back = _interpolated(values, plans)
        else:
            back = _interpolated(sigmoid(values), plans, then=logit)
        return Patch(self.row0 + where[0].start, self.col0 + where[1].start, back, self.shape)


class AnswerOnView(Patch):
    """An answer on a view, put back on the slice as far as it is asked for.

    A first question is asked on several views. Of most answers no more counts than how sure the
    outline is, and where; of the one that leads the next question, what that one's view shows.

    Parameters
    ----------
    view : View
        Of another size than its rectangle.
    logits : ndarray of float32, shape (h, w)
        On the view.
    resample : {"probability", "logits"}
        What is interpolated.
    """

    __slots__ = ("_near", "_on_view", "_resample", "_view", "_whole")

    _view: View
    _on_view: FloatArray
    _resample: Resample
    _near: Patch | None
    _whole: FloatArray | None

    def __init__(self, view: View, logits: FloatArray, resample: Resample) -> None:
        values = {"row0": view.row0, "col0": view.col0, "shape": view.shape, "_view": view}
        values |= {"_on_view": logits, "_resample": resample, "_near": None, "_whole": None}
        for name, value in values.items():
            # the class it derives from is frozen
            object.__setattr__(self, name, value)

    @property
    def logits(self) -> FloatArray:
        """On all of the view's rectangle, float32 (h, w)."""
        if self._whole is None:
            height, width = self._on_view.shape
            spans = (0, height), (0, width)
            whole = self._view.put_back_part(self._on_view, self._resample, spans).logits
            object.__setattr__(self, "_whole", whole)
        assert self._whole is not None
        return self._whole

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the view's rectangle; nothing is computed."""
        return self._view.slices

    def near(self, limit: float) -> Patch:
        """Return a patch that holds all logits above a limit; unlikely ones are left out."""
        if self._whole is not None or limit < _LIKELY:
            return self
        if self._near is None:
            found = bounding_box(self._on_view > _LIKELY) or (0, 0, 0, 0)
            size_px = (found[1] - found[0]) * (found[3] - found[2])
            # then all of it may as well be computed, once, for whatever it is asked next
            is_most = size_px > _MOST * self._on_view.size
            near = self if is_most else self._view.put_back_near(self._on_view, self._resample)
            object.__setattr__(self, "_near", near)
        assert self._near is not None
        return self._near

    def box(self, threshold: float = 0.5) -> tuple[int, int, int, int] | None:
        """Return ``(row0, row1, col0, col1)`` of the object, half-open; None if there is none."""
        near = self.near(logit_of(threshold))
        return super().box(threshold) if near is self else near.box(threshold)

    def at(self, rows: Indices, cols: Indices) -> FloatArray:
        """Return the logits where some rows and columns of the slice cross, float32."""
        if self._whole is not None or not (rows.size and cols.size):
            return super().at(rows, cols)
        spans = [
            _taking_part(size, out_size, at - first)
            for size, out_size, at, first in zip(
                self._view.out_shape,
                self._view.box_shape,
                (rows, cols),
                (self.row0, self.col0),
                strict=True,
            )
        ]
        part = self._view.put_back_part(self._on_view, self._resample, (spans[0], spans[1]))
        return part.at(rows, cols)


def _taking_part(size: int, out_size: int, positions: Indices) -> Span:
    """Return the first and last sample, half-open, that some positions are interpolated from."""
    low, high, _ = taps(size, out_size)
    first, last = np.clip((positions.min(), positions.max()), 0, out_size - 1)
    return int(low[first]), int(high[last]) + 1


def longer_side(shape: tuple[int, int], size_px: int) -> tuple[int, int]:
    """Return a shape scaled so that its longer side has a size; no side falls below 1."""
    longest = max(shape)
    scale = size_px / longest
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _plans(
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    spans: Sequence[tuple[int, int]] | None = None,
) -> tuple[list[Plan], list[Indices], tuple[slice, slice]]:
    """Return how to interpolate rows and columns.

    Parameters
    ----------
    shape, out_shape : (int, int)
        Before and after.
    spans : sequence of (int, int), optional
        First and last, half-open, of the rows and columns that count; all by default.

    Returns
    -------
    plans : list of Plan
        Samples are numbered among those that are used.
    used : list of ndarray of int
        These.
    where : (slice, slice)
        Rows and columns of the result: those that a sample which counts takes part in.
    """
    given = spans or [(0, size) for size in shape]
    sides = [
        _side(size, out_size, first, stop)
        for size, out_size, (first, stop) in zip(shape, out_shape, given, strict=True)
    ]
    plans, used = [side[0] for side in sides], [side[1] for side in sides]
    return plans, used, (sides[0][2], sides[1][2])


# planes of a walk are seen in views of much the same sizes
@lru_cache(maxsize=128)
def _side(size: int, out_size: int, first: int, stop: int) -> tuple[Plan, Indices, slice]:
    """Return the same for rows or columns alone; the arrays are shared, and read-only."""
    low, high, weight = taps(size, out_size)
    touched = np.flatnonzero((high >= first) & (low < stop))
    wanted = slice(int(touched[0]), int(touched[-1]) + 1) if touched.size else slice(0, 0)
    low, high = low[wanted], high[wanted]
    # only these rows and columns are read; of lazy data each costs
    is_used = np.zeros(size, bool)
    is_used[low] = is_used[high] = True
    number = np.cumsum(is_used) - 1
    plan, used = (number[low], number[high], weight[wanted]), np.flatnonzero(is_used)
    for array in (*plan, used):
        array.flags.writeable = False
    return plan, used, wanted


def _leaves_out(used: list[Indices], size: tuple[int, int]) -> bool:
    """Whether some rows or columns of a rectangle are not used, see `_plans`."""
    return any(len(one) < n for one, n in zip(used, size, strict=True))


def _interpolated(
    image: FloatArray,
    plans: list[Plan],
    then: Callable[[FloatArray], FloatArray] = lambda image: image,
) -> FloatArray:
    """Return an image interpolated along both axes, and a function of each pixel of that."""
    rows, cols = (len(plan[0]) for plan in plans)
    # along rows single pixels are picked, along columns whole rows, which is quicker: so the rows
    # go first while they are few (384² to 2,048²: 17.6 ms instead of 23.9)
    first = 1 if len(image) < rows else 0
    image = interpolate(image, first, plans[first])
    if rows * cols <= _AT_ONCE_PX:
        return then(interpolate(image, 1 - first, plans[1 - first]))
    out = np.empty((rows, cols, *image.shape[2:]), np.float32)
    step = max(1, _CACHED_PX // cols)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        if first:
            low, high, weight = plans[0]
            some = interpolate(image, 0, (low[part], high[part], weight[part]))
        else:
            some = interpolate(image[part], 1, plans[1])
        out[part] = then(some)
    return out


def missing_numbers(model: Segmenter, answers: Sequence[Answer]) -> str:
    """Return what to tell of the pixels that a model has no number for; empty if there is none.

    Parameters
    ----------
    model : Segmenter
        Which answered.
    answers : sequence of Answer
        To one question: several where views are mirrored.

    Raises
    ------
    NoNumbers
        If it has none for any pixel, or if half precision may be why it has none for some.
    """
    lost, total = 0, 0
    for answer in answers:
        lost += int(np.count_nonzero(np.isnan(answer.logits)))
        total += answer.logits.size
    # a few missing pixels are shown as no object; none at all, or half precision, is worth another
    # attempt
    if lost and (lost == total or getattr(model, "is_half", False)):
        raise NoNumbers(
            f"model answers no number: expected logits of {model.traits.name!r}, got NaN for "
            f"{lost} of {total} pixels in float32. Its weights may be damaged: load them again, or "
            "choose another model."
        )
    return f"the model has no number for {lost} of {total} pixels" if lost else ""


def finite(logits: FloatArray) -> FloatArray:
    """Return logits (H, W), float32, within the limits; NaN is told, and no object."""
    out = np.clip(np.asarray(logits, np.float32), -LOGIT_LIMIT, LOGIT_LIMIT)
    undefined = np.isnan(out)
    if undefined.any():
        out[undefined] = -LOGIT_LIMIT
    return out
