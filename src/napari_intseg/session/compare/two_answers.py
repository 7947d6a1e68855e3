"""Where two answers agree, how much, and where a person should click next."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Array, BoolArray, bounding_box
from napari_intseg.errors import DataError
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import Patch, Window, joint_window, on_window
from napari_intseg.inference.predict import SliceAnswer, predict_slice
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.inference.view import Flip
from napari_intseg.session.question import Question

BOTH, ONLY_A, ONLY_B = 1, 2, 3
"""Values of an agreement map; 0 where neither says object."""

Agreement = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How two masks lie on each other, in pixels or voxels; overlaps of several planes add up.

    Parameters
    ----------
    both, only_a, only_b : int
        In both masks, in the first alone, in the second alone.
    """

    both: int = 0
    only_a: int = 0
    only_b: int = 0

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(
            self.both + other.both, self.only_a + other.only_a, self.only_b + other.only_b
        )

    @property
    def disagreeing(self) -> int:
        """Pixels in one mask alone."""
        return self.only_a + self.only_b

    @property
    def iou(self) -> float:
        """Intersection over union; 1 if both are empty."""
        union = self.both + self.disagreeing
        return self.both / union if union else 1.0

    @property
    def dice(self) -> float:
        """Dice coefficient; 1 if both are empty."""
        size = 2 * self.both + self.disagreeing
        return 2 * self.both / size if size else 1.0


@dataclass(frozen=True, slots=True)
class SuggestedClick:
    """A place worth a click.

    Parameters
    ----------
    row, col : int
        Pixel of the slice.
    depth_px : float
        Distance to the nearest pixel outside the disagreement.
    """

    row: int
    col: int
    depth_px: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Two models after the same number of clicks on a plane.

    Parameters
    ----------
    clicks : int
        Clicks on the plane.
    overlap : Overlap
        Of their masks.
    seconds : (float, float)
        What each took for the last of the clicks.
    truth : (float, float) or None
        IoU of each with the truth, if there is one.
    """

    clicks: int
    overlap: Overlap
    seconds: tuple[float, float]
    truth: tuple[float, float] | None = None


def overlap(a: BoolArray, b: BoolArray) -> Overlap:
    """Count where two masks lie on each other.

    Parameters
    ----------
    a, b : ndarray of bool
        On the same grid, of any number of axes.

    Raises
    ------
    DataError
        If the shapes differ.
    """
    _check_grids(a, b)
    # counted, not kept: counts of several planes add up to those of the volume
    both = int(np.count_nonzero(a & b))
    return Overlap(both, int(np.count_nonzero(a)) - both, int(np.count_nonzero(b)) - both)


def agreement(a: Array, b: Array) -> Agreement:
    """Return `BOTH`, `ONLY_A`, `ONLY_B` or 0 for each pixel, uint8 of their shape.

    Parameters
    ----------
    a, b : ndarray of bool or int, shape (H, W)
        Masks, or labels on one grid. Labels agree where they are of the same object; where they
        are of two, `ONLY_A` is told.

    Raises
    ------
    DataError
        If the shapes differ.
    """
    _check_grids(a, b)
    out = np.zeros(np.shape(a), np.uint8)
    out[b != 0] = ONLY_B
    out[a != 0] = ONLY_A
    out[(a == b) & (a != 0)] = BOTH
    return out


def deepest(differs: BoolArray) -> SuggestedClick | None:
    """Return the pixel farthest inside a region: where a click says most.

    The robot users of the benchmarks click there, too [1]_. What lies outside the slice counts as
    outside the region; of several such pixels, the first in reading order.

    Parameters
    ----------
    differs : ndarray of bool, shape (H, W)
        Where two masks differ.

    Returns
    -------
    SuggestedClick or None
        None if the region is empty.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """
    box = bounding_box(differs)
    if box is None:
        return None
    row0, row1, col0, col1 = box
    # the rim of one pixel counts as outside, also at the border of the slice
    depth = ndimage.distance_transform_edt(np.pad(differs[row0:row1, col0:col1], 1))
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return SuggestedClick(int(row) - 1 + row0, int(col) - 1 + col0, float(depth[row, col]))


def iou_with(mask: BoolArray, window: Window, truth: BoolArray, truth_px: int) -> float:
    """Return the IoU of a mask that lies in a window with the truth of the whole slice.

    Parameters
    ----------
    mask : ndarray of bool
        Of the window's shape; nothing lies outside.
    window : (slice, slice)
        Of the slice.
    truth : ndarray of bool, shape (H, W)
        Of the slice.
    truth_px : int
        Its pixels, counted once by the caller.
    """
    both = int(np.count_nonzero(mask & truth[window]))
    # the truth's pixels are counted once for all clicks: on a huge slice that is most of the cost
    union = int(np.count_nonzero(mask)) + truth_px - both
    return both / union if union else 1.0


def curve_point(
    clicks: int,
    answers: tuple[SliceAnswer, SliceAnswer],
    thresholds: tuple[float, float],
    truth: BoolArray | None = None,
) -> CurvePoint:
    """Compare two answers on the same slice.

    Parameters
    ----------
    clicks : int
        Clicks that both answer.
    answers, thresholds : pairs
        Of the two models; see `Traits.threshold`.
    truth : ndarray of bool, shape (H, W), optional
        The object.
    """
    patches = answers[0].patch, answers[1].patch
    window = joint_window(*(patch.slices for patch in patches))
    masks = [
        on_window(patch.inside(threshold), patch.slices, window)
        for patch, threshold in zip(patches, thresholds, strict=True)
    ]
    told = None
    if truth is not None:
        size = int(np.count_nonzero(truth))
        told = iou_with(masks[0], window, truth, size), iou_with(masks[1], window, truth, size)
    seconds = answers[0].seconds, answers[1].seconds
    return CurvePoint(clicks, overlap(masks[0], masks[1]), seconds, told)


def curve(
    courses: tuple[Mapping[int, SliceAnswer], Mapping[int, SliceAnswer]],
    thresholds: tuple[float, float],
    truth: BoolArray | None = None,
) -> tuple[CurvePoint, ...]:
    """Return two models' course on a plane, click by click, where both have answered.

    Parameters
    ----------
    courses : pair of mapping of int to SliceAnswer
        Answers by number of clicks; see `Session.course`.
    thresholds : (float, float)
        Of the two models, see `Traits.threshold`.
    truth : ndarray of bool, shape (H, W), optional
        What the plane really holds.
    """
    one, other = courses
    return tuple(
        curve_point(count, (one[count], other[count]), thresholds, truth)
        for count in sorted(one.keys() & other.keys())
    )


def _check_grids(a: Array, b: Array) -> None:
    if np.shape(a) != np.shape(b):
        raise DataError(
            f"masks are on different grids: expected two of one shape, got {np.shape(a)!r} and "
            f"{np.shape(b)!r}. Compare answers on the same plane."
        )


def both_ways(question: Question, prepared: PreparedStore | None = None) -> tuple[Patch, Patch]:
    """Return a model's answer on a slice, and that on the mirrored slice, mirrored back.

    They are the two answers that flip averaging takes the mean of, each with its own history of
    clicks and its own zoom-in. Where they differ, the answer depends on something that it should
    not depend on.

    Parameters
    ----------
    question : Question
        Any that can be answered.
    prepared : PreparedStore, optional
        Where to look for and to keep what the model prepares.

    Returns
    -------
    plain, mirrored : Patch
        Both on the slice as it is.
    """
    volume, plane = question.setup.volume, question.plane
    flip = Flip(volume.slice_shape(plane.axis)[1])
    plain = _asked(question, prepared, None)
    mirrored = _asked(question, prepared, flip)
    return plain.patch, flipped(mirrored.patch)


def differing(question: Question, patches: tuple[Patch, Patch]) -> tuple[Array, tuple[int, int]]:
    """Return where two answers to a question differ, bool, and the slice's pixel it begins at."""
    window = joint_window(*(patch.slices for patch in patches))
    threshold = question.setup.model.traits.threshold
    one, other = (on_window(p.inside(threshold), p.slices, window) for p in patches)
    return one ^ other, (window[0].start, window[1].start)


def flipped(patch: Patch) -> Patch:
    """Return a patch on the mirrored slice; doing it again gives it back."""
    col0 = patch.shape[1] - patch.col0 - patch.logits.shape[1]
    return replace(patch, col0=col0, logits=np.ascontiguousarray(patch.logits[:, ::-1]))


def _asked(question: Question, prepared: PreparedStore | None, flip: Flip | None) -> SliceAnswer:
    setup, plane = question.setup, question.plane
    shape = setup.volume.slice_shape(plane.axis)
    initial = question.initial
    if flip is not None and initial is not None:
        initial = flipped(initial)
    prev: SliceAnswer | None = None

    read_plain = SliceReader(setup.volume, plane, setup.context)

    def read(rows: slice, cols: slice) -> Array:
        return _window(read_plain, rows, cols, flip)

    for count in question.counts:
        prompts: Prompts = question.after(count).prompts
        ask = partial(
            predict_slice,
            setup.model,
            read,
            shape,
            prompts if flip is None else flip.prompts(prompts),
            # averaging with the mirrored slice would make both answers the same
            replace(setup.options, flip=False),
            prev=prev,
            initial=initial,
            prepared=prepared,
            # the mirrored slice has embeddings of its own
            key=(setup, plane) if flip is None else (setup, plane, "mirrored"),
        )
        prev = within_memory(setup.model, ask, store=prepared)
    assert prev is not None
    return prev


def _window(read: SliceReader, rows: slice, cols: slice, flip: Flip | None) -> Array:
    """Read a window of the slice, or of its mirror image."""
    if flip is None:
        return read(rows, cols)
    wanted = range(*cols.indices(flip.width))
    # an empty window: `wanted[-1]` would fail
    if not wanted:
        return read(rows, slice(0, 0))
    there = slice(flip.width - 1 - wanted[-1], flip.width - wanted[0], wanted.step)
    return np.ascontiguousarray(read(rows, there)[:, ::-1])
