"""How one slice is shown to a model: the window for what is asked about, and less noise."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, overload

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Array, FloatArray, PictureView, Prepared, SlicePicture
from napari_intseg.inference.blur import blurred
from napari_intseg.inference.intensity import CT_WINDOWS, Intensity, slice_limits
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.view import SOFTENED, Read, Soften, View

# beyond either, what was clicked is all white or all black in the soft tissue window, whose
# limits are -150 and 250 HU. Organs with contrast medium stay below, fat at -100 HU above.
_BONE_HU, _LUNG_HU = 300.0, -300.0

# a square of 5 by 5 pixels round a click: the median of 25 pixels does not follow noise
_REACH_PX = 2
# colours are looked for so far to each side of a click
_ROUND_PX = 32
# so many samples along a side are enough for the median of a slice or a mask
_SIDE_PX = 256
# the least width of limits, as a share of the stack's: an empty slice is not stretched until its
# noise shows
_NARROWEST = 1 / 16


def adapted(
    intensity: Intensity,
    read: Read,
    shape: tuple[int, int],
    prompts: Prompts | None = None,
    guide: Patch | None = None,
) -> Intensity:
    """Return how a slice is shown to answer a question about it.

    Parameters
    ----------
    intensity : Intensity
        As it was chosen for the volume.
    read : callable
        Gives a window of the slice.
    shape : (int, int)
        ``(H, W)`` of the slice.
    prompts : Prompts, optional
        The first positive click says what tissue is meant, so that later ones do not change the
        view; without one, the middle of the box.
    guide : Patch, optional
        The object so far, which says it when nothing is clicked.

    Returns
    -------
    Intensity
        With limits that depend on nothing further.
    """
    if intensity.adapts == "no":
        return intensity
    if intensity.adapts == "slice":
        limits = _of_slice(intensity, read, shape)
    else:
        limits = CT_WINDOWS[tissue(read, shape, prompts or Prompts(), guide)].limits
    return replace(intensity, low=(limits[0],), high=(limits[1],), adapts="no")


def tissue(read: Read, shape: tuple[int, int], prompts: Prompts, guide: Patch | None) -> str:
    """Return the CT window for what is meant: "soft tissue", "bone" or "lung"."""
    values = _meant(read, shape, prompts, guide)
    if values is None or not np.isfinite(values).any():
        return "soft tissue"
    typical = float(np.median(values[np.isfinite(values)]))
    if typical > _BONE_HU:
        return "bone"
    return "lung" if typical < _LUNG_HU else "soft tissue"


def subject(prompts: Prompts) -> object:
    """Return all of the prompts that `adapted` looks at."""
    click = next((c for c in prompts.clicks if c.positive), None)
    return click or prompts.box


def _meant(
    read: Read, shape: tuple[int, int], prompts: Prompts, guide: Patch | None
) -> Array | None:
    """Return raw values of what a question is about; None if nothing says what that is."""
    click = next((c for c in prompts.clicks if c.positive), None)
    if click is not None:
        rows, cols = (
            slice(max(0, at - _REACH_PX), at + _REACH_PX + 1)
            for at in (
                min(max(round(at), 0), size - 1)
                for at, size in zip((click.row, click.col), shape, strict=True)
            )
        )
        return read(rows, cols)
    if prompts.box is not None:
        box = prompts.box
        return read(_thinned(box.row0, box.row1, shape[0]), _thinned(box.col0, box.col1, shape[1]))
    found = None if guide is None else guide.box()
    if guide is None or found is None:
        return None
    rows, cols = (
        slice(start, stop, max(1, (stop - start) // _SIDE_PX))
        for start, stop in (found[:2], found[2:])
    )
    at = [np.arange(span.start, span.stop, span.step) for span in (rows, cols)]
    # probability one half, whatever the model's threshold: only a median is taken
    return read(rows, cols)[guide.at(at[0], at[1]) > 0]


def _thinned(first: float, last: float, size: int) -> slice:
    """Return the middle half of a side of a box, at least a pixel of the slice."""
    # the middle half, since corners of a box are not the object
    quarter = (last - first) / 4
    start = min(max(round(first + quarter), 0), size - 1)
    stop = max(start + 1, min(round(last - quarter) + 1, size))
    return slice(start, stop, max(1, (stop - start) // _SIDE_PX))


def _of_slice(intensity: Intensity, read: Read, shape: tuple[int, int]) -> tuple[float, float]:
    rows, cols = (slice(0, n, max(1, n // _SIDE_PX)) for n in shape)
    low, high = slice_limits(read(rows, cols))
    whole = intensity.high[0] - intensity.low[0]
    return low, max(high, low + whole * _NARROWEST)


# detail spread at most so much as detail half as fine is partly noise; white noise alone has 0.5.
# Measured where the finest detail is as strong: 0.49 to 0.54 in a noisy confocal stack, 0.51 to
# 0.63 in a small 16-bit one; 0.65 to 1.1 in 3-mm CT and cords, 1.2 to 1.4 in MR, above 0.9 in
# photographs.
_DETAIL = 0.65

# at least this share of the sampled details must vary: the rest may be saturated
_LEAST_SHARE = 0.25

# less noise, of values from 0 to 1, does not disturb the network, and may be rounding
_LEAST = 0.02

# Gaussian widths; details are told apart between one and the next. White noise does not outlast
# the widest.
_SCALES_PX = (0.7, 1.4, 2.8)

# noise counts as so many times what was measured, so that little of it stays. Of 1.6, 2.2 and 3, on
# 6 objects a set: NoC@85 of 5.2 on a confocal stack against 9.5 without the filter, 2.7 on 16-bit
# nuclei against 5.2, 4.0 on noise_peak030 against 7.0 (docs/results.md)
_SURELY = 2.2

# median of the absolute values of a standard normal distribution, to turn a median into sigma
_TO_SIGMA = 0.6745


def noise_level(grey: FloatArray) -> float:
    """Return the standard deviation of the white noise in an image; 0 if it shows none.

    The finest diagonal details of a Haar transform hold noise and the finest structure alike [1]_.
    Averaging two by two pixels halves the spread of noise, but hardly that of structure, which
    continues over neighbouring pixels: so the details of the next scale tell how much of the
    finest ones is structure, even where there is structure all over.

    Parameters
    ----------
    grey : ndarray of float32, shape (H, W)
        In [0, 1].

    References
    ----------
    .. [1] Donoho, D. L., Johnstone, I. M. "Ideal spatial adaptation by wavelet shrinkage",
       Biometrika 81, 1994.
    """
    fine, coarse = _detail(grey, 1), _detail(_means(grey), 2)
    noise = (_DETAIL**2 * fine**2 - coarse**2) / (_DETAIL**2 - 0.25)
    # never more than all of the finest detail
    level = float(np.sqrt(max(0.0, min(noise, fine**2))))
    return level if level >= _LEAST else 0.0


def denoised(image: FloatArray, level: float) -> FloatArray:
    """Return an image without white noise of a level; the argument is not changed.

    Details at each of a few scales are kept as far as they are stronger, where they are, than noise
    would be: the Wiener filter [1]_ of Lee [2]_, for bands between Gaussians. So edges stay sharp
    where flat parts become smooth.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W) or (H, W, 3)
        In [0, 1], grey or RGB.
    level : float
        As `noise_level` returns it; 0 returns the image as it is.

    References
    ----------
    .. [1] Wiener, N. "Extrapolation, interpolation, and smoothing of stationary time series", 1949.
    .. [2] Lee, J.-S. "Digital image enhancement and noise filtering by use of local statistics",
       IEEE Transactions on Pattern Analysis and Machine Intelligence 2, 1980.
    """
    if level <= 0:
        return image
    if image.ndim == 2:
        return _filtered(image, level)
    is_grey = bool((image[..., :1] == image).all())
    channels = [
        _filtered(np.ascontiguousarray(image[..., i]), level) for i in range(1 if is_grey else 3)
    ]
    return np.stack(channels * (3 if is_grey else 1), axis=2)


def _filtered(image: FloatArray, level: float) -> FloatArray:
    finer, out = image, image.copy()
    # written anew for each band, since fresh memory costs as much as the arithmetic
    coarser, spare, band, share = (np.empty_like(out) for _ in range(4))
    for width, noise in zip(_SCALES_PX, _noise_of_bands(), strict=True):
        blurred(image, width, out=coarser)
        np.subtract(finer, coarser, out=band)
        # of the noise, and of the band so far; what was finer is not needed any more
        energy = np.float32((_SURELY * level * noise) ** 2)
        squares = spare if finer is image else finer
        blurred(np.multiply(band, band, out=squares), 1.5 * width + 0.5, out=share)
        np.divide(energy, np.maximum(share, energy, out=share), out=share)
        # what is noise of the band goes
        band *= share
        out -= band
        finer, coarser = coarser, squares
    return np.clip(out, 0, 1, out=out)


@cache
def _noise_of_bands() -> tuple[float, ...]:
    """Return the spread of white noise of spread 1 in each band."""
    point = np.zeros((49, 49))
    point[24, 24] = 1
    finer, spreads = point, []
    for width in _SCALES_PX:
        coarser = gaussian_filter(point, width)
        spreads.append(float(np.sqrt(((finer - coarser) ** 2).sum())))
        finer = coarser
    return tuple(spreads)


def _detail(image: FloatArray, step: int) -> float:
    """Return the spread of the diagonal details between pixels so far apart; 0 for flat images.

    Where nothing differs the image is saturated and tells nothing; if it is so nearly everywhere,
    what differs is the outline of something.
    """
    if min(image.shape) <= step:
        return 0.0
    across = image[:, step:] - image[:, :-step]
    # the diagonal detail is half of it
    twice = across[step:] - across[:-step]
    if np.count_nonzero(twice) < twice.size:
        down = image[step:, :-step] != image[:-step, :-step]
        varies = (twice != 0) | (across[:-step] != 0) | down
        twice = twice[varies]
        if twice.size < _LEAST_SHARE * varies.size:
            return 0.0
    return _median(np.abs(twice, out=twice).ravel()) / 2 / _TO_SIGMA


def _median(values: FloatArray) -> float:
    """Return the median of finite values, as `numpy.median`, which takes ten times as long."""
    middle = len(values) // 2
    parts = np.partition(values, middle)
    if len(values) % 2:
        return float(parts[middle])
    return float((parts[:middle].max() + parts[middle]) / np.float32(2))


def _means(image: FloatArray) -> FloatArray:
    """Return the means of all 2x2 pixels that touch."""
    rows = image[:-1] + image[1:]
    return np.asarray((rows[:, :-1] + rows[:, 1:]) * np.float32(0.25), np.float32)


# slices up to this side are measured once, for all views of them; larger ones view by view
MEASURED_PX = 512
# pixels; of a larger slice a view is cut out here, since little of the slice is looked at
_PICTURE_PX = 4_000_000
# the side of the sample in the middle: 65,000 details, which takes 3 ms
_SAMPLE_PX = 256


class PreparedStore(Protocol):
    """Keeps what models prepared; it may forget at any time."""

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if it is not there any more."""
        ...

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something under a key."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AppliedAppearance:
    """How a slice is shown to answer one question.

    Parameters
    ----------
    intensity : Intensity
        Turns raw values to RGB; it adapts to nothing further.
    name : str
        Empty if it is how all of the volume is shown, else what tells it apart.
    """

    intensity: Intensity
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SliceAppearance:
    """Finds window and noise of a slice; measurements are cached with the embeddings.

    Parameters
    ----------
    read : callable
        Gives a window of the slice.
    shape : (int, int)
        ``(H, W)`` of the slice.
    intensity : Intensity
        As it was chosen for the volume.
    denoise : bool
        Whether noise is taken away.
    store : PreparedStore or None
        Where to keep it.
    key : hashable
        Names image, plane and intensity.
    """

    read: Read
    shape: tuple[int, int]
    intensity: Intensity
    denoise: bool = True
    store: PreparedStore | None = None
    key: Hashable = None

    def shown(
        self, prompts: Prompts | None = None, guide: Patch | None = None
    ) -> AppliedAppearance:
        """Return how the slice is shown to answer a question; see `adapted`."""
        intensity, name = self.intensity, ""
        if self.intensity.adapts != "no":
            given = prompts or Prompts()
            about = subject(given)
            # what a guide says changes with every answer, so only clicks and boxes name a stored
            # window
            known = self._kept(("window", about)) if about or guide is None else None
            intensity = known or adapted(self.intensity, self.read, self.shape, given, guide)
            if known is None and (about or guide is None):
                self._keep(("window", about), intensity)
            if self.intensity.adapts == "hounsfield" and intensity.low != self.intensity.low:
                name = f"{intensity.low[0]:g} to {intensity.high[0]:g}"
        return AppliedAppearance(intensity, name)

    def softener(self, seen: AppliedAppearance) -> Soften | None:
        """Return the filter that denoises a part of the slice; None if it needs none.

        A small slice is measured as a whole, once. Of a large one each part is by itself, so that
        nothing further has to be read.
        """
        if not self.denoise:
            return None
        if max(self.shape) > MEASURED_PX:
            return lambda image: denoised(image, _level(image))
        level = self._kept(("noise", seen.name))
        if level is None:
            raw = self.read(*_sample(self.shape))
            shown = seen.intensity.to_grey(raw) if raw.ndim == 2 else seen.intensity.to_rgb(raw)
            level = _level(shown)
            self._keep(("noise", seen.name), level)
        return None if level == 0 else lambda image: denoised(image, level)

    def is_coloured(self, click: Click, seen: AppliedAppearance) -> bool:
        """Whether the slice is in colour round a click, as photographs are.

        Channels of more than 8 bits are a detector's, in whatever colours they are shown.
        """
        at = zip((click.row, click.col), self.shape, strict=True)
        pixels = [min(max(int(where), 0), size - 1) for where, size in at]
        rows, cols = (slice(max(0, pixel - _ROUND_PX), pixel + _ROUND_PX + 1) for pixel in pixels)
        raw = self.read(rows, cols)
        if raw.ndim == 2 or raw.dtype != np.uint8:
            return False
        shown = seen.intensity.to_rgb(raw)
        # grey pictures that were compressed in colour differ by less
        return float(np.abs(shown - shown.mean(axis=2, keepdims=True)).mean()) > 1 / 255

    @overload
    def view(self, view: View, seen: AppliedAppearance) -> FloatArray: ...

    @overload
    def view(self, view: View, seen: AppliedAppearance, *, as_bytes: bool) -> Any: ...

    def view(self, view: View, seen: AppliedAppearance, *, as_bytes: bool = False) -> Any:
        """Return a view of the slice as a model gets it.

        Parameters
        ----------
        view : View
            Of the slice.
        seen : AppliedAppearance
            From `shown`.
        as_bytes : bool, default False
            Whether the model takes a `PictureView` as well.

        Returns
        -------
        ndarray of float32, shape (h, w, 3), or PictureView
            In [0, 1].
        """
        if as_bytes and (picture := self.picture(view, seen)) is not None:
            return picture
        soften = self.softener(seen) if view.shrunk <= SOFTENED else None
        return view.read(self.read, seen.intensity, soften=soften)

    def picture(self, view: View, seen: AppliedAppearance) -> PictureView | None:
        """Return a view for a model that cuts it out of the slice's bytes itself.

        None where that is not the same: noise is taken away, the slice is large or has levels, or
        there is no store, without which the slice would be made anew for each view.
        """
        is_large = self.shape[0] * self.shape[1] > _PICTURE_PX
        if self.store is None or is_large or getattr(self.read, "factors", (1,)) != (1,):
            return None
        if view.shrunk <= SOFTENED and self.softener(seen) is not None:
            return None
        picture = self._kept(("picture", seen.name))
        if picture is None:
            raw = self.read(slice(0, self.shape[0]), slice(0, self.shape[1]))
            shown = seen.intensity.to_grey(raw) if raw.ndim == 2 else seen.intensity.to_rgb(raw)
            picture = SlicePicture(
                np.clip(np.rint(shown * np.float32(255)), 0, 255).astype(np.uint8)
            )
            size = picture.values.nbytes
            kept = Prepared(self.shape, picture, size, size)
            self.store.put((self.key, ("picture", seen.name)), kept)
        return PictureView(picture, view.box, view.out_shape)

    def _kept(self, what: Hashable) -> Any:
        found = None if self.store is None else self.store.get((self.key, what))
        return None if found is None else found.payload

    def _keep(self, what: Hashable, value: Any) -> None:
        if self.store is not None:
            # the store takes what models prepare; a byte stands for a few numbers
            self.store.put((self.key, what), Prepared(self.shape, value, 1))


def _level(image: FloatArray) -> float:
    middle = image[_sample(image.shape[:2])]
    return noise_level(middle if middle.ndim == 2 else middle.mean(axis=2))


def _sample(shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, cols = (slice(max(0, (n - _SAMPLE_PX) // 2), (n + _SAMPLE_PX) // 2) for n in shape)
    return rows, cols
