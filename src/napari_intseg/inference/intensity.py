"""From raw values to what a model takes: RGB in [0, 1], always finite."""

import colorsys
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.recognition import foreground, is_hounsfield
from napari_intseg.core.segmenter import Array, FloatArray
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError

Colour = tuple[float, float, float]

_GREY: Colour = (1.0, 1.0, 1.0)
_RGB: tuple[Colour, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
# statistics of a stack are read from so many planes, spread evenly: reading all would take long
_SAMPLE_PLANES = 9
# and of each so many samples along a side
_SAMPLE_SIDE = 256
# a larger slice is sampled in windows: with a step, all of a compressed file would be read
_STRIDED_SIDE = 4096
# a stack is shown as one while the range of most of its slices is so much of the stack's
_STEADY = 0.5

Adapts = Literal["no", "hounsfield", "slice"]


@dataclass(frozen=True, slots=True)
class Window:
    """A CT window in Hounsfield units."""

    level: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """What is shown black and what white."""
        return self.level - self.width / 2, self.level + self.width / 2


CT_WINDOWS: dict[str, Window] = {
    "abdomen": Window(50, 400),
    "angio": Window(300, 600),
    "bone": Window(400, 1800),
    "brain": Window(40, 80),
    "early stroke": Window(32, 8),
    "liver": Window(30, 150),
    "lung": Window(-600, 1500),
    "mediastinum": Window(50, 350),
    "neck": Window(40, 375),
    "soft tissue": Window(50, 400),
    "spine": Window(50, 250),
    "stroke": Window(40, 40),
    "subdural": Window(75, 215),
    "temporal bone": Window(600, 2800),
}
"""Level and width by name, HU.

The numbers are those of [1]_; where it gives a range the middle is taken (subdural W 130-300
L 50-100, neck W 350-400 L 20-60). Its soft tissue of the abdomen is "abdomen" and "soft tissue",
its bone of the spine is "bone". Each was held against a second source; viewers differ by a few
tens of HU: brain, lung and soft tissue (L 40) [2]_; abdomen (L 60), brain, and "angio", which [1]_
does not have, [3]_; mediastinum, and bone L 500-1000 W 2000-3000, [4]_; spine [5]_; stroke [6]_;
early stroke [7]_; temporal bone (wider still, L 1000 W 4000) [8]_; the liver's width [2]_ (L 90).

References
----------
.. [1] "Windowing (CT)", radiopaedia.org/articles/windowing-ct
.. [2] OHIF Viewers, defaultWindowLevelPresets.ts, docs.ohif.org
.. [3] Orthanc, Stone Web viewer, WindowingPresets, orthanc.uclouvain.be
.. [4] Jamal Aldeen, T. "Understanding CT scan windowing", slidepub.com
.. [5] bookriff.com/what-is-window-level-in-ct-scan
.. [6] "Importance of windowing and levelling", aspectsinstroke.com
.. [7] Lev, M. H. et al. "Acute stroke: improved nonenhanced CT detection", Radiology 213, 1999
.. [8] "In vivo measurements of temporal bone …", abstract at discovery.researcher.life
"""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Limits measured on a sample of the data, for each channel.

    Parameters
    ----------
    low, high : float
        So many per cent of the values are below what is shown black, or white; 0 to 100.
    """

    low: float = 0.5
    high: float = 99.5


OneWindow = str | tuple[float, float] | Window | Percentiles | None


@dataclass(frozen=True, slots=True)
class PerChannel:
    """A window of its own for each channel that is shown, in their order."""

    windows: tuple[OneWindow, ...]


Blending = Literal["additive", "translucent", "opaque", "minimum", "multiplicative"]


@dataclass(frozen=True, slots=True)
class DisplayedChannel:
    """How a viewer draws one channel.

    Parameters
    ----------
    channel : int
        Which, of all that the data has; 0 where it has no axis of channels.
    limits : (float, float)
        Values drawn in the first of the colours, and in the last.
    colours : tuple of (float, float, float)
        Red, green and blue from 0 to 1, evenly spaced between the limits; at least two.
    gamma : float, default 1.0
        Values between the limits, as 0 to 1, are raised to it before they become colours.
    opacity : float, default 1.0
        From 0 to 1.
    blending : {"additive", "translucent", "opaque", "minimum", "multiplicative"}
        How it is laid on what is below; as napari and OpenGL name it.
    """

    channel: int
    limits: tuple[float, float]
    colours: tuple[Colour, ...] = ((0.0, 0.0, 0.0), _GREY)
    gamma: float = 1.0
    opacity: float = 1.0
    blending: Blending = "additive"


@dataclass(frozen=True, slots=True)
class Displayed:
    """Channels in the mix that a viewer displays, the lowest first; those left out are hidden."""

    channels: tuple[DisplayedChannel, ...]


WindowChoice = OneWindow | PerChannel | Displayed

NAMED_COLOURS: dict[str, Colour] = {
    "grey": _GREY,
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
}
"""Colours that a channel can be mapped to, by name."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """How raw values become RGB.

    Parameters
    ----------
    low, high : tuple of float
        The values shown black and white, one for each of `channels`, or one for all.
    channels : tuple of int or None
        Channels that are shown; None: there is no channel axis.
    colours : tuple of (float, float, float)
        The colour of each; they are added up. Grey for one channel; red, green and blue for up
        to three.
    gamma : float, default 1.0
        Values in [0, 1] are raised to it.
    adapts : {"no", "hounsfield", "slice"}
        What else the limits depend on, when they were chosen automatically: "hounsfield": on what
        is clicked, soft tissue, bone or lung; "slice": on the slice. See `adapted`.
    mix : tuple of DisplayedChannel
        As a viewer displays the channels, the lowest first; all but `channels` then says nothing
        more. Empty: they are added up in their colours.
    """

    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (255.0,)
    channels: tuple[int, ...] | None = None
    colours: tuple[Colour, ...] = (_GREY,)
    gamma: float = 1.0
    adapts: Adapts = "no"
    mix: tuple[DisplayedChannel, ...] = ()

    def to_rgb(self, raw: Array) -> FloatArray:
        """Return raw values as RGB; the argument is not changed.

        Parameters
        ----------
        raw : ndarray, shape (H, W) or (H, W, C)
            bool, integer or float. NaN is shown as the lowest value, infinities as the limits.

        Returns
        -------
        ndarray of float32, shape (H, W, 3)
            In [0, 1], finite.
        """
        # neighbouring planes as colours are no channels
        if self.mix and (self.channels is not None or raw.ndim == 2):
            return self._blended(raw)
        if raw.ndim == 2:
            grey = self._scaled(raw, 0)
            return np.repeat(grey[..., None], 3, axis=2)
        channels = self.channels or tuple(range(min(3, raw.shape[2])))
        colours = tuple(self._colour(i, len(channels)) for i in range(len(channels)))
        has_one_window = len(set(self.low)) == len(set(self.high)) == 1
        if channels == (0, 1, 2) and colours == _RGB and has_one_window:
            # a picture: what is not mixed is scaled all at once, in a fraction of the time
            return self._scaled(raw[..., :3], 0)
        out = np.zeros((*raw.shape[:2], 3), np.float32)
        for i, channel in enumerate(channels):
            value = self._scaled(raw[..., channel], i)
            for target, weight in enumerate(colours[i]):
                if weight:
                    out[..., target] += value if weight == 1 else value * np.float32(weight)
        return np.minimum(out, 1.0, out=out)

    def to_grey(self, raw: Array) -> FloatArray:
        """Return the mean of the three colours of `to_rgb`, float32 (H, W); one where all agree."""
        is_grey = raw.ndim == 2 and not self.mix
        return self._scaled(raw, 0) if is_grey else self.to_rgb(raw).mean(axis=-1)

    def written(self) -> dict[str, Any]:
        """Return what it is as plain JSON, to be kept with a result."""
        told: dict[str, Any] = {} if self.adapts == "no" else {"adapts": self.adapts}
        if self.mix:
            told["mix"] = [asdict(one) for one in self.mix]
        return {
            **told,
            "low": list(self.low),
            "high": list(self.high),
            "channels": None if self.channels is None else list(self.channels),
            "colours": [list(colour) for colour in self.colours],
            "gamma": self.gamma,
        }

    def _colour(self, i: int, count: int) -> Colour:
        return self.colours[i] if len(self.colours) == count else default_colours(count)[i]

    def _blended(self, raw: Array) -> FloatArray:
        """Return channels laid on each other as napari 0.9 has OpenGL do it, on black."""
        out = np.zeros((*raw.shape[:2], 3), np.float32)
        # of what is there already, which "additive" weights that by
        alpha = 1.0
        for i, one in enumerate(self.mix):
            value = self._scaled(raw if raw.ndim == 2 else raw[..., one.channel], i)
            value = value if one.gamma == 1 else value ** np.float32(one.gamma)
            colour, share = _coloured(value, one.colours), np.float32(one.opacity)
            # the lowest is not laid on the canvas, whose colour is the theme's
            if not i:
                out = colour if one.blending == "minimum" else share * colour
            elif one.blending == "opaque":
                out, alpha = colour, one.opacity
            elif one.blending == "minimum":
                out, alpha = np.minimum(out, colour), min(alpha, one.opacity)
            else:
                if one.blending == "multiplicative":
                    out = out * colour
                else:
                    under = alpha if one.blending == "additive" else 1.0 - one.opacity
                    out = share * colour + np.float32(under) * out
                # a screen keeps no more than white
                out, alpha = np.minimum(out, 1.0), min(1.0, alpha + one.opacity)
        return np.asarray(out, np.float32)

    def _scaled(self, raw: Array, i: int) -> FloatArray:
        low, high = self.low[i % len(self.low)], self.high[i % len(self.high)]
        # float32 holds every value of small types exactly, and a uint8 becomes exactly v / 255
        small = raw.dtype.itemsize <= 2 or raw.dtype == np.float32
        value: NDArray[np.floating[Any]] = raw.astype(np.float32 if small else np.float64)
        with np.errstate(all="ignore"):
            value -= value.dtype.type(low)
            # limits that are equal would divide by 0
            value /= value.dtype.type(max(high - low, 0) or 1)
        # before NaN is replaced: infinities become the limits here, NaN stays NaN
        np.clip(value, 0.0, 1.0, out=value)
        if raw.dtype.kind == "f":
            value[np.isnan(value)] = 0.0
        if self.gamma != 1.0:
            value = value ** value.dtype.type(self.gamma)
        return np.asarray(value, np.float32)


def _coloured(value: FloatArray, colours: tuple[Colour, ...]) -> FloatArray:
    """Return values in [0, 1] in colours evenly spaced over them, float32 (H, W, 3)."""
    table = np.asarray(colours, np.float32)
    if len(table) == 2:
        return np.asarray(table[0] + value[..., None] * (table[1] - table[0]), np.float32)
    at = np.linspace(0.0, 1.0, len(table))
    parts = [np.interp(value, at, table[:, i]) for i in range(3)]
    return np.stack(parts, axis=-1).astype(np.float32)


def default_colours(count: int) -> tuple[Colour, ...]:
    """Return a colour for each channel: grey; red, green, blue; or as many hues, added up."""
    if count == 1:
        return (_GREY,)
    if count <= 3:
        return _RGB[:count]
    return tuple(colorsys.hsv_to_rgb(i / count, 1.0, 1.0) for i in range(count))


def resolve_intensity(
    volume: Volume,
    window: WindowChoice = None,
    channels: tuple[int, ...] | None = None,
    colours: tuple[str | Colour, ...] | None = None,
) -> Intensity:
    """Choose how a volume's values become RGB.

    Parameters
    ----------
    volume : Volume
        Lazy data is sampled, never read whole.
    window : optional
        None: automatic, see `automatic_limits`; 8-bit values and bool as they are. "percentile":
        from the 0.5th to the 99.5th, for each channel; or `Percentiles`. "full": from the smallest
        to the
        largest value of the sample. A name of `CT_WINDOWS`; a pair (low, high); a `Window` of
        level and width; `PerChannel`, one of these for each channel; or `Displayed`, which says
        channels and colours as well.
    channels : tuple of int, optional
        Which channels are shown, mixed to RGB. By default the first three, so that the alpha of
        RGBA is left out.
    colours : tuple of str or (float, float, float), optional
        What each channel is shown in, names of `NAMED_COLOURS` or red, green and blue from 0 to 1;
        see `default_colours`.

    Raises
    ------
    DataError
        If the name is unknown, the limits are not in order, a channel does not exist, or there is
        not one window or colour for each channel.
    """
    if isinstance(window, Displayed):
        return _displayed(volume, window)
    shown = _check_channels(volume, channels)
    count = len(shown) if shown else 1
    chosen = default_colours(count) if colours is None else _check_colours(colours, count)
    # 8-bit images are shown as they are, and channels each by percentiles of their own
    if window is None and not volume.n_channels and volume.dtype.itemsize > 1:
        black, white, adapts = automatic_limits(volume)
        return Intensity((black,), (white,), shown, chosen, adapts=adapts)
    if not isinstance(window, PerChannel):
        low, high = _limits_of(volume, window, shown)
        return Intensity(low, high, shown, chosen)
    _check_count("window", len(window.windows), count)
    parts = [
        _limits_of(volume, one, None if shown is None else (shown[i],))
        for i, one in enumerate(window.windows)
    ]
    lows, highs = tuple(low[0] for low, _ in parts), tuple(high[0] for _, high in parts)
    return Intensity(lows, highs, shown, chosen)


def automatic_limits(volume: Volume) -> tuple[float, float, Adapts]:
    """Return which values of a grey image of more than 8 bits are shown black and white.

    Hounsfield units (see `is_hounsfield`): the soft tissue window, which gives way to that of bone
    or lung where those are clicked. Anything else: the 0.5th percentile of all values, and the
    99.5th of those that are not background. A stack whose slices differ much in brightness is
    shown slice by slice.

    Parameters
    ----------
    volume : Volume
        Without channels; sampled, never read whole.

    Returns
    -------
    low, high : float
    adapts : str
        See `Intensity`.
    """
    planes = _sampled_planes(volume)
    sample = np.concatenate([plane.ravel() for plane in planes])
    if is_hounsfield(sample):
        return *CT_WINDOWS["soft tissue"].limits, "hounsfield"
    low, high = slice_limits(sample)
    widths = [
        float(np.subtract(*np.percentile(values, (99.5, 0.5))))
        for plane in planes
        if (values := plane[np.isfinite(plane)].astype(np.float64)).size
    ]
    # two planes say nothing about a stack's usual slice
    is_steady = len(planes) < 3 or float(np.median(widths or [0])) >= _STEADY * (high - low)
    return low, high, "no" if is_steady else "slice"


def holds_hounsfield(volume: Volume) -> bool:
    """Return whether a volume's values look like Hounsfield units, by the same sample.

    Parameters
    ----------
    volume : Volume
        Sampled, never read whole; with channels it holds none.

    Returns
    -------
    bool
        See `is_hounsfield`.
    """
    return not volume.n_channels and is_hounsfield(_sample(volume))


def slice_limits(values: Array) -> tuple[float, float]:
    """Return limits for values of any shape, their background left out of the upper one."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = _limits(finite, Percentiles())
    if finite.size:
        # never darker than without this: the foreground alone may be the dark part of it
        high = max(high, float(np.percentile(foreground(finite), Percentiles().high)))
    return low, high


def is_measured(window: WindowChoice) -> bool:
    """Whether the data has to be read to know a window's limits."""
    if isinstance(window, PerChannel):
        return any(is_measured(one) for one in window.windows)
    if isinstance(window, Displayed):
        return False
    return isinstance(window, Percentiles) or window in (None, "percentile", "full")


def check_window(window: WindowChoice, count: int) -> None:
    """Refuse a window that does not exist, without reading data; see `resolve_intensity`.

    Parameters
    ----------
    window : optional
        As in `resolve_intensity`.
    count : int
        Channels that are shown; 1 without a channel axis.
    """
    if isinstance(window, PerChannel):
        _check_count("window", len(window.windows), count)
        for one in window.windows:
            check_window(one, count)
    elif isinstance(window, Displayed):
        _check_displayed(window)
    elif isinstance(window, Percentiles):
        _check_percentiles(window)
    elif not is_measured(window):
        _fixed(window)


def _displayed(volume: Volume, window: Displayed) -> Intensity:
    mix = _check_displayed(window).channels
    shown = tuple(one.channel for one in mix)
    if volume.n_channels:
        _check_channels(volume, shown)
    elif set(shown) != {0}:
        raise DataError(
            f"channel does not exist: expected 0 alone for data of shape {volume.shape}, got "
            f"{shown!r}. Leave the others out."
        )
    low, high = zip(*(one.limits for one in mix), strict=True)
    colours = tuple(one.colours[-1] for one in mix)
    return Intensity(low, high, shown if volume.n_channels else None, colours, mix=mix)


def _check_displayed(window: Displayed) -> Displayed:
    if not window.channels:
        raise DataError("nothing is displayed: expected at least one channel, got none. Show one.")
    for one in window.channels:
        _check_limits(one.limits)
        _check_colours(one.colours, len(one.colours))
        is_drawn = one.gamma > 0 and 0 <= one.opacity <= 1 and len(one.colours) > 1
        if not is_drawn or one.blending not in get_args(Blending):
            raise DataError(
                "channel cannot be drawn: expected two colours or more, gamma above 0, opacity "
                f"from 0 to 1 and blending of {', '.join(get_args(Blending))}, got {one!r}. "
                "Choose others."
            )
    return window


def _limits_of(
    volume: Volume, window: OneWindow, channels: tuple[int, ...] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if window is None:
        fixed = {"b": 1.0, "u": 255.0}.get(volume.dtype.kind)
        if fixed is not None and volume.dtype.itemsize == 1:
            return (0.0,), (fixed,)
        window = Percentiles()
    if window == "percentile":
        window = Percentiles()
    if window == "full":
        window = Percentiles(0.0, 100.0)
    if isinstance(window, Percentiles):
        return _measured(volume, _check_percentiles(window), channels)
    low, high = _fixed(window)
    return (low,), (high,)


def _fixed(window: OneWindow) -> tuple[float, float]:
    """Return the limits of a window that needs no data."""
    if isinstance(window, str):
        if window.lower() not in CT_WINDOWS:
            raise DataError(
                "window is unknown: expected 'percentile', 'full' or one of "
                f"{', '.join(CT_WINDOWS)}, got {window!r}. Choose one, or give (low, high)."
            )
        window = CT_WINDOWS[window.lower()]
    if isinstance(window, Window):
        window = window.limits
    if not isinstance(window, tuple | list) or len(window) != 2:
        raise DataError(
            f"window cannot be used: expected a name or (low, high), got {window!r}. "
            "Give both limits."
        )
    return _check_limits((window[0], window[1]))


def _check_percentiles(window: Percentiles) -> Percentiles:
    if not 0 <= window.low < window.high <= 100:
        raise DataError(
            "percentiles are not in order: expected 0 <= low < high <= 100, got "
            f"{(window.low, window.high)!r}. Give per cent, e.g. Percentiles(1, 99)."
        )
    return window


def _check_colours(colours: tuple[str | Colour, ...], count: int) -> tuple[Colour, ...]:
    _check_count("colour", len(colours), count)
    found: list[Colour] = []
    for colour in colours:
        value = NAMED_COLOURS.get(colour.lower()) if isinstance(colour, str) else colour
        if value is None or len(value) != 3 or not all(0 <= v <= 1 for v in value):
            raise DataError(
                f"colour is unknown: expected one of {', '.join(NAMED_COLOURS)}, or red, green "
                f"and blue from 0 to 1, got {colour!r}. Choose another."
            )
        found.append((float(value[0]), float(value[1]), float(value[2])))
    return tuple(found)


def _check_count(what: str, given: int, count: int) -> None:
    if given != count:
        raise DataError(
            f"{what}s do not fit the channels: expected {count}, one for each channel that is "
            f"shown, got {given!r}. Give as many as channels."
        )


def _check_channels(volume: Volume, channels: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if channels is None:
        return tuple(range(min(3, volume.n_channels))) or None
    chosen = tuple(int(c) for c in channels)
    if not volume.n_channels:
        raise DataError(
            f"data has no channels: expected none to be chosen for data of shape {volume.shape}, "
            f"got {channels!r}. Leave channels out, or read the data with its axis of channels."
        )
    if not chosen or not all(0 <= c < volume.n_channels for c in chosen):
        raise DataError(
            f"channel does not exist: expected some of 0 to {volume.n_channels - 1} for data with "
            f"{volume.n_channels} channels, got {channels!r}. Choose channels of the data."
        )
    return chosen


def _check_limits(window: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(v) for v in window)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise DataError(
            f"window is not in order: expected (low, high) with low < high, got {window!r}. "
            "Give the value shown black first."
        )
    return low, high


def _measured(
    volume: Volume, window: Percentiles, channels: tuple[int, ...] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    sample = _sample(volume)
    columns = [sample] if channels is None else [sample[:, c] for c in channels]
    limits = [_limits(column, window) for column in columns]
    return tuple(low for low, _ in limits), tuple(high for _, high in limits)


def _limits(values: Array, window: Percentiles) -> tuple[float, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, (window.low, window.high))
    if not low < high:
        # an image that is nearly constant
        low, high = finite.min(), finite.max()
    return (float(low), float(high)) if low < high else (float(low), float(low) + 1.0)


def _sample(volume: Volume) -> Array:
    """Return some hundred thousand pixels from all over the volume, (n,) or (n, C)."""
    return np.concatenate(_sampled_planes(volume))


def _sampled_planes(volume: Volume) -> list[Array]:
    """Return a sample of each of a few planes from the first to the last, (n,) or (n, C)."""
    planes = volume.planes(0)
    chosen = np.unique(np.linspace(0, len(planes) - 1, _SAMPLE_PLANES).round().astype(int))
    tail = (volume.n_channels,) if volume.n_channels else ()
    return [
        np.concatenate([part.reshape(-1, *tail) for part in _sample_plane(volume, planes[i])])
        for i in chosen
    ]


def _sample_plane(volume: Volume, plane: Plane) -> list[Array]:
    height, width = volume.slice_shape(0)
    if max(height, width) <= _STRIDED_SIDE:
        step = max(1, max(height, width) // _SAMPLE_SIDE)
        return [volume.take(plane, step=step)]
    # windows instead of a stride, which would read all of a huge lazy plane
    starts = [
        # four windows a side, fewer where they would lie on each other
        np.unique(np.linspace(0, max(0, size - _SAMPLE_SIDE), 4).astype(int))
        for size in (height, width)
    ]
    return [
        volume.take(
            plane,
            slice(int(r), min(int(r) + _SAMPLE_SIDE, height)),
            slice(int(c), min(int(c) + _SAMPLE_SIDE, width)),
            step=2,
        )
        for r in starts[0]
        for c in starts[1]
    ]
