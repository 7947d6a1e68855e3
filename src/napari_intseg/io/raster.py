"""All that a file holds: every time point, channel and level, with the meaning of each axis.

Arrays on disk are read piece by piece, when they are indexed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError, FileError, IntSegError
from napari_intseg.io.file_checks import check_regular, check_size, check_time, lazy_extra
from napari_intseg.io.source import FileVolume, Source, affine_in
from napari_intseg.io.suffixes import remark


class Lazy:
    """An array seen with some axes fixed, moved, or several arrays stacked; read when indexed.

    Parameters
    ----------
    parts : sequence of array-like
        numpy, dask, zarr or alike, all of one shape.
    fixed : dict of int to int
        Position along axes that are not seen.
    channel : int or None
        The axis that is seen last; with several parts they are the last axis instead.
    """

    def __init__(
        self, parts: Sequence[Any], fixed: dict[int, int] | None = None, channel: int | None = None
    ) -> None:
        self._parts = tuple(parts)
        self._fixed = dict(fixed or {})
        self._channel = channel
        whole = tuple(int(n) for n in parts[0].shape)
        self._seen = [a for a in range(len(whole)) if a not in self._fixed and a != channel]
        last = (len(parts),) if len(parts) > 1 else () if channel is None else (whole[channel],)
        self.shape = (*(whole[a] for a in self._seen), *last)
        self.ndim = len(self.shape)
        self.dtype = np.result_type(*(p.dtype for p in parts))

    @property
    def factors(self) -> tuple[int, ...]:
        """Steps at which the parts have a coarser level to read from; 1 first."""
        return tuple(getattr(self._parts[0], "factors", (1,)))

    def __getitem__(self, index: int | slice | tuple[int | slice, ...]) -> Array:
        """Read with basic indices; axes left out are read whole."""
        given = list(index) if isinstance(index, tuple) else [index]
        given += [slice(None)] * (self.ndim - len(given))
        outer: list[int | slice] = [slice(None)] * (len(self._seen) + len(self._fixed))
        if self._channel is not None:
            outer.append(slice(None))
            outer[self._channel] = given[-1]
        for axis, position in self._fixed.items():
            outer[axis] = position
        for axis, at in zip(self._seen, given, strict=False):
            outer[axis] = at
        if len(self._parts) > 1:
            # numpy resolves slices and negative numbers
            chosen = np.arange(len(self._parts))[given[-1]]
            read = [np.asarray(self._parts[i][tuple(outer)]) for i in np.atleast_1d(chosen)]
            return read[0] if np.ndim(chosen) == 0 else np.stack(read, axis=-1)
        out = np.asarray(self._parts[0][tuple(outer)])
        if self._channel is None or not isinstance(outer[self._channel], slice):
            return out
        # axes indexed by a number are gone from what was read
        before = sum(isinstance(outer[a], slice) for a in range(self._channel))
        return np.moveaxis(out, before, -1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it; called by numpy."""
        whole = self[()]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))


# pieces along an axis: more is a size that lies, and dask would make a task of each
_MOST_ALONG_AXIS = 1 << 20
# pieces of a dask array: its graph has an entry for each, and 10 million of them take a minute
_MOST_PIECES = 1 << 17


class OnDisk:
    """An array that is read when it is indexed, in a type that every part knows.

    Damaged pieces are told in one clear error.

    Parameters
    ----------
    array : zarr array, HDF5 dataset or mapped file
    path : Path
        Where it is stored, for the message.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self._array, self._path = array, path
        self.shape: tuple[int, ...] = tuple(int(n) for n in array.shape)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = _usual_type(np.dtype(array.dtype))
        self.chunks = getattr(array, "chunks", None)

    def __getitem__(self, index: Any) -> Array:
        """Read with basic indices.

        Raises
        ------
        FileError
            If a piece that is needed is damaged.
        """
        try:
            return np.asarray(self._array[index], self.dtype)
        except (IndexError, IntSegError):
            raise
        except Exception as err:
            # each codec has its own errors; all mean the same to a person
            reason = " ".join(str(err).split())[-300:] or type(err).__name__
            raise FileError(
                f"file cannot be read: expected pixels, got a damaged piece in {str(self._path)!r} "
                f"({reason}). Check that it is complete."
            ) from err

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it; called by numpy."""
        whole = self[()]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))


def in_pieces(array: Any, path: Path) -> Any:
    """Return a zarr array or HDF5 dataset as a dask array of the same pieces.

    Raises
    ------
    FileError
        If there are more pieces along an axis than any real image has: a size that lies.
    MissingExtraError
        If dask is not installed.
    """
    da = lazy_extra("dask.array")
    chunks = array.chunks
    if chunks is None:
        return da.from_array(OnDisk(array, path))
    counts = [n / max(1, size) for n, size in zip(array.shape, chunks, strict=True)]
    if max(counts) > _MOST_ALONG_AXIS:
        raise FileError(
            f"file cannot be read: expected an image, got shape {tuple(array.shape)} in pieces of "
            f"{tuple(chunks)} in {str(path)!r}. Check its metadata."
        )
    return da.from_array(OnDisk(array, path), chunks=_joined(array.shape, chunks))


def _joined(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Return pieces of several pieces each, columns and rows first, where there are too many."""
    sizes = [max(1, int(size)) for size in chunks]

    def counts() -> list[int]:
        return [-(-int(n) // size) for n, size in zip(shape, sizes, strict=True)]

    while math.prod(counts()) > _MOST_PIECES:
        divided = [axis for axis, count in enumerate(counts()) if count > 1]
        # rows and columns together: whoever looks at a plane needs all of them
        for axis in [a for a in divided if a >= len(sizes) - 2] or divided[-1:]:
            sizes[axis] *= 2
    return tuple(sizes)


ORDER = "tczyxs"
"""Time, channel, plane, row, column, colour: the order in which axes are brought."""

SPATIAL = "zyx"

MARK, LABELS = "napari-intseg", "labels"
"""What is written into a file of labels, as key and value, where the format has room for words:
it tells labels from an image of whole numbers."""


def are_labels(key: object, value: object) -> bool:
    """Whether a key and a value of a file are the mark that labels get."""
    return (str(key).strip(), str(value).strip()) == (MARK, LABELS)


def hex_colour(parts: Sequence[Any], most: float) -> str:
    """Return red, green and blue from 0 to `most` as ``#rrggbb``; nothing if they are not that."""
    try:
        shares = [float(part) / most for part in parts[:3]]
    except (TypeError, ValueError):
        return ""
    if len(shares) < 3 or not all(0 <= share <= 1 for share in shares):
        return ""
    return "#" + "".join(f"{round(255 * share):02x}" for share in shares)


@dataclass(frozen=True, slots=True)
class Channel:
    """What a file says of a channel: its name, a colour ``#rrggbb`` and the limits to show."""

    name: str = ""
    colour: str = ""
    limits: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """An image file, opened; large ones are read when they are indexed.

    Parameters
    ----------
    levels : tuple of array-like
        The finest first; the others hold the same place in fewer pixels.
    axes : str
        One letter an axis of `levels`, out of `ORDER`. "s" is colour, red to blue.
    source : Source
        The file, and geometry in its own words.
    affine : ndarray of float, shape (4, 4), optional
        Index ``(plane, row, col)`` of the finest level to LPS millimetres; 1 mm by default.
    channels : tuple of Channel
        One for each place along "c", as far as the file tells.
    time_step_s : float
        Seconds between time points; 0 if the file does not tell.
    is_labels : bool
        Whether the values are labels.
    names, colours : mapping of int to str
        What objects are called, and their colours ``#rrggbb``, as far as the file tells.

    Raises
    ------
    DataError
        If it holds no pixel, or no numbers, or its affine is none.
    """

    levels: tuple[Any, ...]
    axes: str
    source: Source
    affine: FloatMatrix | None = None
    channels: tuple[Channel, ...] = ()
    time_step_s: float = 0.0
    is_labels: bool = False
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        levels = tuple(_usual(level, self.source.path) for level in self.levels)
        object.__setattr__(self, "levels", levels)
        if self.affine is not None:
            affine_in(self.source.path, self.affine)
        for level in self.levels:
            if 0 in level.shape:
                raise DataError(
                    "data is empty: expected at least one pixel along each axis, got shape "
                    f"{tuple(level.shape)} in {str(self.source.path)!r}. Open another image."
                )
            if np.dtype(level.dtype).kind not in "buif":
                raise DataError(
                    f"data is not numeric: expected bool, integer or float, got {level.dtype} in "
                    f"{str(self.source.path)!r}. Convert it first."
                )

    def volume(self, time: int | None = None) -> FileVolume:
        """Return one time point, ``(plane, row, col)`` with channels last.

        Raises
        ------
        FileError
            If there are several time points and none is chosen, or two kinds of channels.
        """
        data, axes, path = self.levels[0], self.axes, self.source.path
        fixed = {}
        if "t" in axes:
            at = axes.index("t")
            fixed[at] = check_time(time, int(data.shape[at]), path)
        elif time is not None:
            check_time(time, 1, path)
        fixed |= {axes.index(a): 0 for a in "cs" if a in axes and data.shape[axes.index(a)] == 1}
        colours = [a for a in "cs" if a in axes and axes.index(a) not in fixed]
        if len(colours) > 1:
            raise FileError(
                "file has more axes than a volume: expected planes, rows, columns and channels, "
                f"got axes {axes} of shape {tuple(data.shape)} in {str(path)!r}. Save one volume "
                "to its own file."
            )
        channel = axes.index(colours[0]) if colours else None
        if isinstance(data, np.ndarray):
            data = _arranged(data, fixed, channel)
        elif fixed or channel not in (None, len(axes) - 1):
            data = Lazy([data], fixed, channel)
        return FileVolume(data, self.source, affine=self.affine, channels=bool(colours))


def _usual(level: Any, path: Path) -> Any:
    """Return an array of a type that every part of this package and torch know."""
    if not isinstance(level, np.ndarray):
        return level
    kind = _usual_type(level.dtype)
    if isinstance(level, np.memmap):
        # a copy would be as large as the file
        return level if kind == level.dtype else OnDisk(level, path)
    return level.astype(kind, copy=False)


def _usual_type(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in the machine's own byte order, torch takes no other; floats of 64 bits."""
    is_wide = kind.kind == "f" and kind.itemsize > 8
    return np.dtype(np.float64) if is_wide else kind.newbyteorder("=")


def raster_of(volume: FileVolume) -> Raster:
    """Return a volume as a raster; three or four channels of 8 bits are colours."""
    axes = SPATIAL[-volume.ndim :]
    if volume.n_channels:
        axes += "s" if volume.n_channels in (3, 4) and volume.dtype == np.uint8 else "c"
    return Raster((volume.data,), axes, volume.source, volume.affine)


def ordered(data: Any, axes: str) -> tuple[Any, str]:
    """Return numpy or dask data with its axes in `ORDER`, as a view."""
    wanted = sorted(range(len(axes)), key=lambda i: ORDER.index(axes[i]))
    if wanted != list(range(len(axes))):
        data = data.transpose(wanted)
    return data, "".join(axes[i] for i in wanted)


def omero_channel(told: Mapping[str, Any]) -> Channel:
    """Return what OME-Zarr tells of a channel; any part of it may be null."""
    window = told.get("window")
    ends = window if isinstance(window, Mapping) else {}
    low, high = (finite(ends.get(end)) for end in ("start", "end"))
    colour = str(told.get("color") or "").lstrip("#")
    return Channel(
        str(told.get("label") or ""),
        f"#{colour[:6]}" if re.fullmatch(r"[0-9a-fA-F]{6,8}", colour) else "",
        (low, high) if low < high else None,
    )


def finite(value: Any) -> float:
    """Return a number; not a number where it is none, so that nothing is less or more."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def label_words(about: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Return names and colours of labels in OME-Zarr; what is not as it should be is left out."""
    names: dict[int, str] = {}
    colours: dict[int, str] = {}
    about = about if isinstance(about, Mapping) else {}
    for key in ("properties", "colors"):
        entries = about.get(key)
        for entry in entries if isinstance(entries, list) else ():
            label = entry.get("label-value") if isinstance(entry, Mapping) else None
            if not isinstance(label, int) or label <= 0:
                continue
            # the format leaves open what properties are called
            if key == "properties" and isinstance(entry.get("name"), str):
                names[label] = entry["name"]
            parts = entry.get("rgba")
            if key == "colors" and isinstance(parts, list) and (c := hex_colour(parts, 255.0)):
                colours[label] = c
    return names, colours


# names of axes by which tifffile says that nothing is known of them
_MEANINGLESS = ("", "q", "i")


def known_axes(letters: Sequence[str], shape: Sequence[int], path: Path) -> str:
    """Return axes named by a file in the letters of `ORDER`.

    One axis of unknown meaning counts as planes when there are none.

    Raises
    ------
    FileError
        If more of them are unknown, one comes twice, or rows or columns are missing.
    """
    out = [letter.lower() for letter in letters]
    unknown = [i for i, a in enumerate(out) if a not in ORDER or not a]
    if len(unknown) == 1 and "z" not in out:
        if out[unknown[0]] not in _MEANINGLESS:
            remark(path, f"axis {letters[unknown[0]]!r} is taken for planes")
        out[unknown[0]] = "z"
        unknown = []
    axes = "".join(out)
    if unknown or len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes):
        raise FileError(
            "file has more axes than a volume: expected time, channel, plane, row and column once "
            f"each, got axes {','.join(letters)} of shape {tuple(shape)} in {str(path)!r}. Save "
            "one volume to its own file."
        )
    return axes


def _arranged(data: Array, fixed: dict[int, int], channel: int | None) -> Array:
    where = tuple(fixed.get(i, slice(None)) for i in range(data.ndim))
    seen = data[where]
    if channel is None:
        return seen
    return np.moveaxis(seen, channel - sum(i < channel for i in fixed), -1)


# 512 MiB, as for the other formats: below, reading at once is quicker in every direction
MAPPED_BYTES = 2**29


def read_npy(path: Path, *, timed: bool = False) -> Raster:
    """Read an array; one of more than `MAPPED_BYTES` is mapped, not read.

    Parameters
    ----------
    path : Path
        An ``.npy`` file, without pickled objects.
    timed : bool, default False
        Whether the first of three axes is time.
    """
    size = checked_bytes(path)
    data = np.load(path, mmap_mode="r" if size > MAPPED_BYTES else None)
    return Raster((data,), guessed_axes(data, timed=timed), Source(path, unit="pixel"))


def checked_bytes(path: Path) -> int:
    """Return how many bytes the array of an ``.npy`` file has; 0 for pickled objects.

    Raises
    ------
    ValueError
        If it is no such file.
    FileError
        If the file holds fewer.
    """
    with check_regular(path).open("rb") as file:
        version = np.lib.format.read_magic(file)
        headers: Any = np.lib.format
        read = headers.read_array_header_1_0 if version == (1, 0) else headers.read_array_header_2_0
        shape, _, dtype = read(file)
    if dtype.hasobject:
        return 0
    size = max(1, math.prod(shape) * dtype.itemsize)
    check_size(path, size)
    return int(size)


def guessed_axes(data: Any, *, timed: bool = False) -> str:
    """Return what the axes of an array without names are: planes last of the unknown ones.

    Raises
    ------
    DataError
        If there are too few or too many.
    """
    shape = tuple(int(n) for n in data.shape)
    coloured = _is_coloured(shape)
    inner = len(shape) - coloured
    if inner not in (2, 3, 4, 5):
        raise DataError(
            "data cannot be an image: expected 2 to 5 axes (time, channel, plane, row, column), "
            f"got shape {shape}. Choose a part of it first."
        )
    # from behind: rows and columns are always there, then planes, then time
    axes = "tyx" if timed and inner == 3 else "tczyx" if inner == 5 else "tzyx"[-inner:]
    return axes + "s" * coloured


def _is_coloured(shape: tuple[int, ...]) -> bool:
    """Whether the last axis holds colours, as `Volume` supposes it."""
    if len(shape) < 3 or shape[-1] not in (3, 4):
        return False
    # 3 or 4 planes of a small stack are no colours: rows and columns are more than colours
    return len(shape) > 3 or min(shape[:-1]) > shape[-1]
