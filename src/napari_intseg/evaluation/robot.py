"""A robot user: looks at the errors of a mask and says where a person would click next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

from napari_intseg.core.prompts import Box, Click
from napari_intseg.core.segmenter import BoolArray, FloatArray, Traits
from napari_intseg.errors import DataError

Truth = NDArray[np.int8]
"""1 object, 0 background, -1 ignored."""

Rule = Literal["deepest", "random", "human"]
RULES: tuple[Rule, ...] = ("deepest", "random", "human")

JITTER = 5 / np.hypot(1080, 1920)
"""Standard deviation of a hand's jitter, as a share of the slice's diagonal: of all widths, clicks
of people blurred by 5 pixels at 1,080 x 1,920 told best where others click (arXiv:2410.11722)."""

MISSES = 0.05
"""Share of clicks that miss what they are meant for, in pointing tasks with a mouse
(10.3389/frai.2022.798892)."""

# A click that misses does so by at most so many standard deviations of the jitter
_MISS_BY = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class RobotUser:
    """Clicks on errors, as the benchmarks of interactive segmentation do.

    Parameters
    ----------
    truth : ndarray of int8, shape (H, W)
        1 object, 0 background, -1 ignored.
    rule : {"deepest", "random", "human"}, default "deepest"
        "deepest" is the published protocol [1]_: the error pixel farthest from the boundary of
        its error. "random" draws uniformly from the disk round that pixel with `spread` times
        its depth as radius, which lies inside the same error. "human" draws from the whole of
        that error, each pixel as often as it is deep: of the distributions that need no network,
        the closest to 475,000 clicks of people [2]_. The hand jitters by `JITTER`, and
        `MISSES` of the clicks go to the wrong side of the error's border.
    seed : int or sequence of int, default 0
        For "random" and "human"; the same seed, errors and earlier clicks give the same click.
    spread : float, default 0.5
        For "random": between 0 (the deepest pixel) and 1 (the whole disk that fits into the error).

    Raises
    ------
    DataError
        If `truth` is not 2-D or holds another number, or the rule is unknown.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    .. [2] Antonov, A. et al. "RClicks: realistic click simulation for benchmarking interactive
       segmentation", arXiv:2410.11722.
    """

    truth: Truth
    rule: Rule = "deepest"
    seed: int | Sequence[int] = 0
    spread: float = 0.5

    def __post_init__(self) -> None:
        if self.truth.ndim != 2 or not np.isin(self.truth, (-1, 0, 1)).all():
            raise DataError(
                "truth cannot guide a robot user: expected shape (H, W) with 1 object, 0 "
                f"background and -1 ignored, got shape {self.truth.shape} with values "
                f"{np.unique(self.truth)[:5].tolist()!r}. Choose one object of the labels first."
            )
        if self.rule not in RULES:
            raise DataError(
                f"click rule is unknown: expected one of {', '.join(RULES)}, got {self.rule!r}. "
                "Choose one of them."
            )

    def next_click(self, mask: BoolArray, clicks: Sequence[Click] = ()) -> Click | None:
        """Return the next click, or None when no error is left to click on.

        It is for false negatives if the deepest of them is strictly deeper than the deepest
        false positive, and never twice on a pixel.

        Parameters
        ----------
        mask : ndarray of bool, shape (H, W)
            The answer so far; all False before the first click.
        clicks : sequence of Click
            Those made before, in whole pixels.
        """
        missed = depth((self.truth == 1) & ~mask)
        extra = depth((self.truth == 0) & mask)
        for click in clicks:
            # pixels that were clicked on count for nothing: no click is made twice
            at = int(click.row), int(click.col)
            missed[at] = extra[at] = 0
        # strictly deeper, as in the published protocol
        positive = bool(missed.max() > extra.max())
        depths = missed if positive else extra
        # the first in reading order of equally deep ones, as there
        row, col = (int(i) for i in np.unravel_index(np.argmax(depths), depths.shape))
        if depths[row, col] == 0:
            return None
        if self.rule == "random":
            row, col = self._near(depths, row, col, len(clicks))
        if self.rule == "human":
            row, col = self._by_hand(depths, (row, col), positive, clicks)
        return Click(float(row), float(col), positive)

    def is_wrong(self, click: Click) -> bool:
        """Whether a click says of its pixel what is not true of it."""
        told = self.truth[int(click.row), int(click.col)]
        return bool(told == (0 if click.positive else 1))

    def _rng(self, number: int) -> np.random.Generator:
        seeds = [self.seed] if isinstance(self.seed, int) else list(self.seed)
        # the number of the click is part of the seed, so no generator's state has to be kept
        return np.random.default_rng([*seeds, number])

    def _by_hand(
        self, depths: FloatArray, deepest: tuple[int, int], positive: bool, clicks: Sequence[Click]
    ) -> tuple[int, int]:
        # pixels with a click on them have depth 0 and may cut an error in two
        rng, numbered = self._rng(len(clicks)), label(depths > 0)[0]
        error = numbered == numbered[deepest]
        places, weights = np.argwhere(error), depths[error].astype(float)
        meant = places[rng.choice(len(places), p=weights / weights.sum())]
        sigma_px = JITTER * float(np.hypot(*self.truth.shape))
        missed = self._beside(error, positive, sigma_px) if rng.random() < MISSES else meant[:0]
        if missed.size:
            at = missed[rng.integers(len(missed))]
        else:
            at = np.rint(meant + rng.normal(0, sigma_px, 2)).astype(int)
        # a jitter must not leave the slice
        row, col = (int(i) for i in np.clip(at, 0, np.array(self.truth.shape) - 1))
        # never twice on a pixel; the one that was meant has no click yet
        if any((int(click.row), int(click.col)) == (row, col) for click in clicks):
            return int(meant[0]), int(meant[1])
        return row, col

    def _beside(self, error: BoolArray, positive: bool, sigma_px: float) -> NDArray[np.intp]:
        """Return the pixels beside an error of which its click would not be true."""
        reach = max(1, round(_MISS_BY * sigma_px))
        rows, cols = (np.flatnonzero(error.any(axis=axis)) for axis in (1, 0))
        row0, col0 = max(0, rows[0] - reach), max(0, cols[0] - reach)
        box = np.s_[row0 : rows[-1] + reach + 1, col0 : cols[-1] + reach + 1]
        near = distance_transform_edt(~error[box]) <= reach
        # beside an error of what is missing lies background, and the other way round
        false = self.truth[box] == (0 if positive else 1)
        return np.asarray(np.argwhere(near & false) + np.array((row0, col0)))

    def _near(self, depths: FloatArray, row: int, col: int, number: int) -> tuple[int, int]:
        radius = self.spread * float(depths[row, col])
        rows, cols = np.ogrid[: depths.shape[0], : depths.shape[1]]
        near = np.hypot(rows - row, cols - col) <= radius
        # the disk lies inside the error, apart from pixels that were clicked on
        choices = np.argwhere(near & (depths > 0))
        chosen = choices[self._rng(number).integers(len(choices))]
        return int(chosen[0]), int(chosen[1])


def depth(error: BoolArray) -> FloatArray:
    """Return each error pixel's distance in pixels to the nearest pixel that is none.

    Parameters
    ----------
    error : ndarray of bool, shape (H, W)
        Beyond the image is no error.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Exact and rounded to float32, so that ties are those of the published protocol; 0 where
        there is no error.
    """
    out = np.zeros(error.shape, np.float32)
    rows, cols = np.flatnonzero(error.any(axis=1)), np.flatnonzero(error.any(axis=0))
    if rows.size:
        # distances depend on nothing outside the errors' box and one pixel round it
        box = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        # beyond the image is no error: its edge is a border
        out[box] = distance_transform_edt(np.pad(error[box], 1))[1:-1, 1:-1]
    return out


OPENERS = frozenset({"click", "box", "extreme_points"})
"""Kinds of prompt that the robot user can begin with; one of them is enough."""


@dataclass(frozen=True, slots=True)
class StartPrompts:
    """Prompts that come before the robot's own clicks.

    Parameters
    ----------
    clicks : tuple of Click
        Extreme points; else none.
    box : Box or None
        Round the object, tight.
    marks : tuple of Click
        What it costs, one click each: the extreme points, or two corners of the box, which lie on
        the background as often as not and are noted as negative.
    goes_on : bool
        Whether the model takes the robot's clicks afterwards.
    is_enough : bool
        Whether the model answers these alone.
    """

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    marks: tuple[Click, ...] = ()
    goes_on: bool = True
    is_enough: bool = False


def opening(wanted: BoolArray, traits: Traits) -> StartPrompts:
    """Return what a model is given before the first click.

    Parameters
    ----------
    wanted : ndarray of bool, shape (H, W)
        The object.
    traits : Traits
        Of the model. One that takes clicks and needs nothing else gets an empty opening.
    """
    goes_on = "click" in traits.prompts
    # what it needs, and all it takes if it takes no clicks
    kinds = (traits.needs | (frozenset() if goes_on else traits.prompts)) - {"click"}
    rows, cols = np.nonzero(wanted)
    if not rows.size or not kinds & OPENERS:
        return StartPrompts(goes_on=goes_on)
    # points tell more than the box round them; a model that takes both gets these
    if "extreme_points" in kinds:
        ends = (rows.argmin(), rows.argmax(), cols.argmin(), cols.argmax())
        points = tuple(Click(float(rows[i]), float(cols[i])) for i in ends)
        return StartPrompts(points, None, points, goes_on, True)
    box = Box(float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max()))
    corners = Click(box.row0, box.col0, False), Click(box.row1, box.col1, False)
    return StartPrompts((), box, corners, goes_on, "click" not in traits.needs)
