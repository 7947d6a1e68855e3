"""Where an object ends: measures of a plane against its neighbour and against the anchor."""

from collections.abc import Sequence
from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import BoolArray, FloatArray


def distance_to(mask: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> FloatArray:
    """Return how far each pixel is from a mask, float32 (H, W); 0 on it, infinite without one.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        May be empty.
    spacing : (float, float)
        Between rows and between columns; the distance has their unit.
    """
    # one thread: propagation has the cores for itself, and so has whoever works beside it
    return np.asarray(edt.edt(~mask, anisotropy=spacing, parallel=1), np.float32)


def depth_in(mask: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> FloatArray:
    """Return how deep each pixel lies in a mask, float32 (H, W); beyond the rim is outside."""
    return np.asarray(edt.edt(mask, anisotropy=spacing, black_border=True, parallel=1), np.float32)


# of grey values from 0 to 1; with many more, most would hold no pixel of a small object
_BINS = 32
# on the scale of `belonging`: a smaller difference between object and surroundings tells nothing
_TELLING = 0.15
# of the range [0, 1]: the mean of an object of one single value may still change by this
_NOISE = 0.02
# and that of an object that stands out by this share of its contrast, since outlines are mixed
_OF_CONTRAST = 0.3
# share of the anchor's area: what grows again behind such a neck is something else
NECK = 0.5
# share of the largest area: an object as small as this is about to end
_TAPERED = 0.7
# share of a mask's widest line: a plane across that crosses less of it passes near its rim. With
# 0, .3, .5 and .7 hippocampi came to .60 .62 .62 .61 at a click (docs/results.md)
_MIDDLE = 0.5
# reasons to end that say nothing of a leak: others may know better, see `Ending.overruled`
SOFT = frozenset({"another", "unlike"})


@dataclass(frozen=True, slots=True)
class Ending:
    """When a walk stops; the plane at which it does is left as it was.

    Nothing here counts planes: what may change between two of them is measured against how far the
    outline may move over their distance, see `Restraint`.

    Parameters
    ----------
    min_area : float, default 0.004
        The mask is smaller than this share of the anchor's: the object has faded away.
    min_overlap : float, default 0.5
        Of the smaller of this mask and its neighbour's, less than this share lies in the other:
        the model has jumped to something else.
    max_growth : float, default 2.0
        The model's answer, before it is restrained, is more than so many times the area that the
        outline can have reached, and what is beyond looks like the object: it has leaked.
    max_regrowth : float, default 1.3
        After it had shrunk to less than half of the anchor's area, it is more than so many times
        its smallest area: behind a neck begins something else that touches it.
    min_nested : float, default 0.9
        After its area had fallen below seven tenths of the largest, less than this share of the
        mask lies in its neighbour's: sections of an object that tapers off lie inside each other,
        those of something else that touches it do not.
    min_likeness : float, default 0.5
        Its grey values are less like those of the anchor's mask than this, see `Appearance`. It is
        what ends an object for models that follow a mask wherever it leads; 0 never stops.
    max_spread : float, default 3.0
        It has more than so many times the area of the largest clicked plane; a clicked plane with
        so many times the area that another one can have grown to is not started from, see
        `guard.doubted`. 0: whatever it is.
    max_widening : float, default 1.0
        Behind a clicked plane to which the object had tapered, the mask is more than so many times
        as large as on the plane before the click, see `tapered_to`; 0: whatever it is.
    min_affirmed : float, default 0.5
        None of the planes across, through the deepest point of the clicked mask, affirms as much of
        the mask where it crosses it, as a share of what it affirms of the clicked mask, see
        `guidance.cross_sections`. Where all of them affirm as much, the object goes on although it
        had tapered or its brightness has changed. 0: they are not asked.
    min_alike : float, default 0.8
        Where its grey values are at least so like those of the anchor's mask, that it had tapered
        ends an object only if all planes across deny it; 0: however like they are, it ends.
    keeps_ends : bool, default True
        It was started from a plane that propagation had answered, and is where the object ended
        then: a click there corrects what is known, and one behind the end says that it goes on.
    reach_mm : float or None, default None
        It is farther from the anchor than this; None: wherever it is.
    """

    # chosen on the objects of docs/reference/propagation.md, "Measured": phantom balls,
    # hippocampi, stacks of nuclei and cells, MR and CT organs; expect a little less elsewhere
    min_area: float = 0.004
    min_overlap: float = 0.5
    max_growth: float = 2.0
    max_regrowth: float = 1.3
    min_nested: float = 0.9
    min_likeness: float = 0.5
    reach_mm: float | None = None
    # chosen later, on the volumes of docs/results.md, to end floods
    max_spread: float = 3.0
    # on nuclei 1.1 to 1.6 where a walk went on into the next one, on hippocampi at most .96
    max_widening: float = 1.0
    keeps_ends: bool = True
    # nuclei rose from .58 to .76 at a click, and no kind of object lost more than .006; with .7
    # hippocampi end too early (docs/results/volumes.md, "Planes across as the default")
    min_affirmed: float = 0.5
    # hippocampi that were left too early were at .9 to 1, nuclei and cells behind their ends at
    # .5 to .7 (docs/results.md, "Ends that grey values deny"); other limits were not tried
    min_alike: float = 0.8

    def is_beyond(self, distance_mm: float) -> bool:
        """Whether a plane so far from the anchor is not walked to any more."""
        # distances are sums of floats; a plane exactly at the reach is still walked to
        return self.reach_mm is not None and distance_mm > self.reach_mm + 1e-6

    def reason(
        self,
        mask: BoolArray,
        neighbour: BoolArray,
        areas: Sequence[int],
        likeness: float,
        growth: float = 1.0,
        *,
        largest: int = 0,
        led: int = 0,
        tapered: int = 0,
    ) -> str | None:
        """Return why a walk stops at a mask; None if it goes on.

        Each reason has its text in `guard`, and is an ordinary end or one that is warned of.

        Parameters
        ----------
        mask, neighbour : ndarray of bool, shape (H, W)
            Of this plane and the one before.
        areas : sequence of int
            Pixels on the planes so far, the anchor first, after those that lead to it if any.
        likeness : float
            See `Appearance.likeness`.
        growth : float, default 1.0
            See `max_growth`; 1 if what is beyond does not look like the object.
        largest : int, default 0
            Pixels of the largest clicked plane.
        led : int, default 0
            How many of `areas` are of planes before the one that the walk started from.
        tapered : int, default 0
            From `tapered_to`: pixels on the plane before the one that the walk started from.
        """
        area = int(np.count_nonzero(mask))
        if area == 0 or area < self.min_area * areas[0]:
            return "faded"
        if growth > self.max_growth:
            return "leaked"
        # the anchor itself may be larger than what was clicked in this stretch
        if self.max_spread and area > self.max_spread * max(largest, areas[0]):
            return "grew"
        widens = bool(tapered and self.max_widening) and area > self.max_widening * tapered
        if widens or self._is_another(mask, neighbour, areas, led):
            return "another"
        if contained(mask, neighbour) < self.min_overlap:
            return "jumped"
        return "unlike" if likeness < self.min_likeness else None

    def overruled(
        self,
        why: str | None,
        shares: tuple[float, float] | None,
        *,
        likeness: float = 0.0,
        tapered: int = 0,
    ) -> str | None:
        """Return why a walk stops once planes across and grey values have been heard.

        One plane across alone may leave half of an object out, or flood two. So it takes both to
        end an object, and both to let it go on. That it had tapered is a weak sign, since objects
        bend and branch: where grey values are those of the anchor, one of them is enough to go on,
        and so is that none says anything.

        Parameters
        ----------
        why : str or None
            From `reason`.
        shares : (float, float) or None
            From `affirmed`.
        likeness : float, default 0.0
            See `Appearance.likeness`.
        tapered : int, default 0
            From `tapered_to`. Behind a plane to which the object had tapered, planes across that
            pass through what is left of it see what touches it as well: they end it, but do not
            say that it goes on.
        """
        least, most = (0.0, 1.0) if shares is None else shares
        is_denied = most < self.min_affirmed
        if why is None:
            return "another" if is_denied else None
        if why not in SOFT or tapered or is_denied:
            return why
        is_alike = why == "another" and 0 < self.min_alike <= likeness
        is_affirmed = shares is not None and least >= self.min_affirmed
        return None if is_affirmed or is_alike else why

    def _is_another(
        self, mask: BoolArray, neighbour: BoolArray, areas: Sequence[int], led: int
    ) -> bool:
        """Whether the object had become small, and something else that touches it begins.

        Before the plane that the walk started from, a taper tells only of what grows again: a
        person has said that the object goes on, and it may go on askew.
        """
        low, area = min(areas), int(np.count_nonzero(mask))
        # at least 8 pixels: of fewer, one pixel more or less is a large factor
        if low < NECK * areas[0] and area > self.max_regrowth * max(8, low):
            return True
        inside = int(np.count_nonzero(mask & neighbour))
        if inside >= self.min_nested * area:
            return False
        own = areas[led:]
        grows = area > areas[-1] and areas[-1] < _TAPERED * max(areas)
        return grows or areas[-1] < _TAPERED * max(own)


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """The grey values of an object and of what surrounds it, on the anchor's plane.

    Parameters
    ----------
    belonging : ndarray of float, shape (32,)
        For each grey value, how much it speaks for the object, 0 to 1.
    inside, around : float
        Its mean over the anchor's mask, and over what surrounds it.
    mean, spread : float
        Of the grey values in the anchor's mask; the spread is at least what noise and the mixed
        pixels of an outline may shift the mean by.
    """

    belonging: NDArray[np.float64]
    inside: float
    around: float
    mean: float
    spread: float

    @classmethod
    def of(cls, image: FloatArray, mask: BoolArray) -> "Appearance":
        """Learn from a slice, (H, W) or (H, W, 3) in [0, 1], and its mask, (H, W), not empty."""
        rim, image = ring(mask), _grey(image)
        counts = [np.bincount(_bins(image[m]), minlength=_BINS) for m in (mask, rim)]
        # smoothed over neighbouring bins, and never 0, since a mask may hold few pixels
        smooth = [ndimage.gaussian_filter1d(c / max(1, c.sum()), 1.0) + 1e-4 for c in counts]
        belonging = smooth[0] / (smooth[0] + smooth[1])
        # a mask that fills its slice has no surroundings: the value then decides nothing
        means = [float(belonging[_bins(image[m])].mean()) if m.any() else 0.5 for m in (mask, rim)]
        grey = image[mask]
        contrast = abs(float(grey.mean() - image[rim].mean())) if rim.any() else 0.0
        spread = max(float(grey.std()) + _NOISE, _OF_CONTRAST * contrast)
        return cls(belonging, means[0], means[1], float(grey.mean()), spread)

    @property
    def is_telling(self) -> bool:
        """Whether grey values tell the object from its surroundings."""
        return self.inside - self.around >= _TELLING

    def belongs(self, image: FloatArray) -> FloatArray:
        """Return for each pixel how much it is like the object: 1 as inside, 0 around.

        Zeros where grey values do not tell, see `is_telling`. The image is (H, W) or (H, W, 3),
        the result float32 (H, W).
        """
        grey = _grey(image)
        return self._belonging(grey) if self.is_telling else np.zeros(grey.shape, np.float32)

    def _belonging(self, grey: FloatArray) -> FloatArray:
        by_bin = (self.belonging - self.around) / (self.inside - self.around)
        return np.take(by_bin.astype(np.float32), _bins(grey))

    def likeness(
        self, image: FloatArray, mask: BoolArray, *, belongs: FloatArray | None = None
    ) -> float:
        """Return how much a mask looks like the object, 0 to 1; 1 for an empty mask.

        It is the smaller of two. Against the surroundings: 1 as inside the anchor's mask, 0 as
        around it; not asked where those look alike. On its own: 1 while the mean grey value
        stays within a third of the anchor's spread, falling to 0 at four thirds. `belongs` is what
        the function of that name returns of the image, where it is known.
        """
        if not mask.any():
            return 1.0
        grey = _grey(image)[mask]
        # 1 up to .3 of a spread, 0 from 1.3 on; chosen with `min_likeness`
        own, against = 1.3 - abs(float(grey.mean()) - self.mean) / self.spread, 1.0
        if self.is_telling:
            alike = self._belonging(grey) if belongs is None else belongs[mask]
            against = float(alike.mean())
        return float(np.clip(min(own, against), 0.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class CrossSection:
    """What a model says of an object on a plane across those that are walked through.

    Parameters
    ----------
    side : {0, 1}
        0: it crosses them along a row, 1: along a column.
    at : int
        Which row, or column.
    first_plane, first_px : int
        Where the window begins that was looked at.
    mask : ndarray of bool, shape (D, N)
        The answer in it, plane by plane.
    own : float, default 1.0
        Which share of the clicked mask it affirms, above 0: what it says of other planes is
        measured against that, since a mask may be wider than the object as a whole.
    """

    side: int
    at: int
    first_plane: int
    first_px: int
    mask: BoolArray
    own: float = 1.0

    def on(self, index: int) -> BoolArray | None:
        """Return the line it has in common with a plane, (N,); None outside of the window."""
        row = index - self.first_plane
        return self.mask[row] if 0 <= row < len(self.mask) else None

    def of(self, mask: BoolArray) -> BoolArray:
        """Return the same line of a plane's mask, (H, W)."""
        line = mask[self.at] if self.side == 0 else mask[:, self.at]
        return line[self.first_px : self.first_px + self.mask.shape[1]]


def affirmed(
    sections: Sequence[CrossSection], index: int, mask: BoolArray
) -> tuple[float, float] | None:
    """Return the least and the largest share of a mask, (H, W), that a plane across affirms.

    Of the line on which it crosses the mask, as a share of what it affirms of the clicked mask. One
    that crosses the mask near its rim, or not at all, says nothing: the object leaves it. None
    where that goes for all of them.
    """
    shares = []
    for section in sections:
        line, own = section.on(index), section.of(mask)
        met = int(np.count_nonzero(own))
        widest = int(np.count_nonzero(mask, axis=1 - section.side).max())
        if line is not None and met and met >= _MIDDLE * widest:
            shares.append(int(np.count_nonzero(own & line)) / met / section.own)
    return (min(shares), max(shares)) if shares else None


def tapered_to(behind: Sequence[int], area: int, max_regrowth: float) -> int:
    """Return the pixels of the plane before a clicked one to which an object tapers, else 0.

    Behind it, sections go on to shrink, however large the mask of the click is: a first click near
    the end of an object may well have taken in something else that touches it.

    Parameters
    ----------
    behind : sequence of int
        Pixels on the known planes before the clicked one, the nearest first.
    area : int
        Pixels on that one. Where it is larger again behind a neck, a person has said so.
    max_regrowth : float
        See `Ending`.
    """
    if not behind or behind[0] >= _TAPERED * max(behind):
        return 0
    is_behind_neck = behind[0] < NECK * max(behind) and area > max_regrowth * behind[0]
    return 0 if is_behind_neck else behind[0]


def ring(mask: BoolArray) -> BoolArray:
    """Return what surrounds a mask, as wide as a quarter of its equivalent diameter, or 3 pixels.

    The pixels next to the mask are left out: they are mixed.
    """
    width = max(3.0, 0.5 * float(np.sqrt(np.count_nonzero(mask) / np.pi)))
    distance = distance_to(mask)
    return np.asarray((distance > 1.5) & (distance <= 1.5 + width))


def ring_reach(mask: BoolArray) -> int:
    """Return how many pixels `ring` reaches beyond a mask's box."""
    return int(np.ceil(1.5 + max(3.0, 0.5 * float(np.sqrt(np.count_nonzero(mask) / np.pi))))) + 1


def overlap(one: BoolArray, other: BoolArray) -> float:
    """Return intersection over union; 1 if both are empty."""
    union = int(np.count_nonzero(one | other))
    return float(np.count_nonzero(one & other) / union) if union else 1.0


def contained(one: BoolArray, other: BoolArray) -> float:
    """Return which share of the smaller of two masks lies in the other; 1 if one is empty."""
    least = min(int(np.count_nonzero(one)), int(np.count_nonzero(other)))
    return float(np.count_nonzero(one & other) / least) if least else 1.0


def _grey(image: FloatArray) -> FloatArray:
    return image if image.ndim == 2 else np.asarray(image.mean(axis=-1))


def _bins(grey: FloatArray) -> NDArray[np.uint8]:
    # white itself belongs to the last bin
    return np.asarray(np.minimum(grey * np.float32(_BINS), np.float32(_BINS - 1)), np.uint8)
