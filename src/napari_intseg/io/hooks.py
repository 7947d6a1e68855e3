"""What npe2 calls to read and write files: layers as tuples, napari itself is not needed."""

import itertools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from napari_intseg.core.affine import FloatMatrix, from_napari, from_spacing, to_napari
from napari_intseg.core.recognition import SOFT_TISSUE_HU, is_hounsfield
from napari_intseg.errors import FileError, IntSegError
from napari_intseg.io.cell_tracking import is_ctc, objects_of, read_ctc
from napari_intseg.io.dicom.header import looks_like_dicom
from napari_intseg.io.dicom.reference import colour_of
from napari_intseg.io.ome_zarr import is_zarr, stored_labels
from napari_intseg.io.output_files import METADATA, has_journal, write_beside
from napari_intseg.io.raster import Channel, Raster, hex_colour, in_pieces, ordered
from napari_intseg.io.read import read_raster
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.suffixes import KINDS, READABLE, VIDEOS, WRITABLE, ending_of
from napari_intseg.io.units import factors_mm, seconds_per_unit
from napari_intseg.io.write import write_array, write_labels

KEY = "napari_intseg"
"""Under this key a layer's metadata keep its file's own words, for labels to be written like it."""

# part of the largest entry: napari keeps scale and rotation apart, and putting them together rounds
_SAME = 1e-6


_P = ParamSpec("_P")
_R = TypeVar("_R")

_say: Callable[[str], str] = str


def say_errors_by(translate: Callable[[str], str]) -> None:
    """Have napari's notices tell what goes wrong here in the words that a function gives.

    napari shows the text of an error as it is; the engine knows no languages, a window does.
    """
    global _say  # noqa: PLW0603 - npe2 calls plain functions: there is no object to keep it in
    _say = translate


def _in_language(call: Callable[_P, _R]) -> Callable[_P, _R]:
    @wraps(call)
    def told(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return call(*args, **kwargs)
        except IntSegError as err:
            text = str(err)
            said = _say(text)
            if said == text:
                raise
            raise type(err)(said) from err

    return told


def time_part(data: Any, meta: Mapping[str, Any]) -> tuple[Any, float | None]:
    """Return a layer's array with one axis before the spatial ones at most, and its step if so.

    Parameters
    ----------
    data : array-like
        The layer's, or its levels.
    meta : mapping
        As for `layer_grid`.

    Returns
    -------
    array
        ``(t, z, y, x)``, ``(t, y, x)``, or without time; axes of one are left out.
    step_s : float or None
        Seconds between time points, 0 if the layer does not tell; None: there is no time.

    Raises
    ------
    FileError
        If there are more axes, or those before the spatial ones are channels by their name.
    """
    if meta.get("multiscale") or isinstance(data, (list, tuple)):
        data = data[0]
    outer = data.ndim - bool(meta.get("rgb")) - _spatial(data, meta)
    several = [axis for axis in range(outer) if data.shape[axis] > 1]
    names = [str(name)[:1].lower() for name in meta.get("axis_labels") or ()]
    if len(several) > 1 or any(names[axis : axis + 1] == ["c"] for axis in several):
        raise FileError(
            "layer has more axes than a series: expected time, planes, rows and columns, got shape "
            f"{tuple(data.shape)}. Split it first (Layers › Split stack), and save one at a time."
        )
    data = data[tuple(slice(None) if axis in several else 0 for axis in range(outer))]
    if not several:
        return data, None
    (at,) = several
    units = [str(unit) for unit in meta.get("units") or ()]
    unit = seconds_per_unit(units[at]) if at < len(units) else 0.0
    scale = meta.get("scale")
    return data, (1.0 if scale is None else abs(float(scale[at]))) * unit


def layer_grid(array: Any, meta: Mapping[str, Any]) -> FileVolume:
    """Return a layer's array as a volume, in millimetres, its axes as the layer has them.

    Parameters
    ----------
    array : array-like
        ``(z, y, x)`` or ``(y, x)``, or with channels last.
    meta : mapping
        The layer's, as in a layer data tuple; "rgb" tells of channels.
    """
    colours = bool(meta.get("rgb"))
    n = array.ndim - colours
    path = Path(str(meta.get("name", "layer")))
    units = tuple(meta.get("units") or ())[-n:]
    factors, word = factors_mm(units if len(units) == n else ("",) * n, path)
    scale = meta.get("scale")
    world = world_of(meta, n if scale is None else len(scale))
    outer = range(len(world) - 1 - n)
    # axes before the spatial ones, such as time, have no place in millimetres
    world = np.delete(np.delete(world, outer, 0), outer, 1)
    world[:n] *= np.array(factors)[:, np.newaxis]
    source = Source(path, unit=word)
    return FileVolume(array, source, affine=from_napari(world), channels=colours)


def file_grid(
    array: Any, meta: Mapping[str, Any], *, timed: bool = False
) -> tuple[Any, FileVolume]:
    """Return a layer's array, its axes as in the file, and its grid as a volume.

    The grid has the file's own geometry if the layer's metadata tell it and the layer still lies
    where it was read. Of a DICOM series with several time points it knows the slices if the number
    of the time point is under "time" in what the metadata hold under `KEY`.

    Parameters
    ----------
    array, meta
        As for `layer_grid`.
    timed : bool, default False
        Whether there is time before the other axes; the volume is the first time point then.
    """
    like = layer_grid(array[0] if timed else array, meta)
    n = like.ndim
    known = dict(meta.get("metadata") or {}).get(KEY) or {}
    source, stated = known.get("source"), known.get("affine")
    if not isinstance(source, Source):
        return array, like
    source = source.at_time(known.get("time"))
    stated = from_spacing((1.0,) * n) if stated is None else stated
    order = tuple(known.get("order") or range(3))[:n]
    seen = reordered(stated, order) if n == 3 else stated
    if np.abs(like.affine - seen).max() > _SAME * np.abs(stated).max():
        return array, like
    back = (*np.argsort(order).tolist(), *range(n, array.ndim - timed))
    array = array.transpose((0, *(axis + 1 for axis in back)) if timed else back)
    one = array[0] if timed else array
    return array, FileVolume(one, source, affine=stated, channels=like.n_channels > 0)


def nearest_order(affine: FloatMatrix) -> tuple[int, int, int]:
    """Return which axis of the data runs most along z, which along y, which along x.

    napari shows planes of the data, so sagittal slices must come with their axes in this order.
    """
    linear = np.asarray(affine, float)[2::-1, :3]
    cosines = np.abs(linear / np.linalg.norm(linear, axis=0))
    best = max(
        # all six orders are compared: choosing axis by axis
        # could take one axis twice on an oblique scan
        itertools.permutations(range(3)),
        key=lambda p: sum(cosines[i, p[i]] for i in range(3)),
    )
    return best[0], best[1], best[2]


def reordered(affine: FloatMatrix, order: Sequence[int]) -> FloatMatrix:
    """Return the affine of data whose axes are transposed into an order."""
    return np.asarray(np.asarray(affine, float)[:, [*order, 3]])


def world_of(meta: Mapping[str, Any], ndim: int) -> FloatMatrix:
    """Return index to world of a layer: its affine after scale, shear, rotation and translation."""
    scale = np.ones(ndim) if meta.get("scale") is None else np.asarray(meta["scale"], float)
    inner = np.eye(ndim + 1)
    shear = _matrix(meta.get("shear"), ndim)
    rotate = np.asarray(meta["rotate"], float) if meta.get("rotate") is not None else np.eye(ndim)
    inner[:ndim, :ndim] = rotate @ shear @ np.diag(scale)
    inner[:ndim, ndim] = meta.get("translate") if meta.get("translate") is not None else 0.0
    affine = meta.get("affine")
    return inner if affine is None else np.asarray(np.asarray(affine, float) @ inner)


def _matrix(shear: Any, ndim: int) -> FloatMatrix:
    given = np.asarray(() if shear is None else shear, float)
    if given.ndim == 2:
        return given
    matrix = np.eye(ndim)
    if given.size:
        matrix[np.triu_indices(ndim, 1)] = given
    return matrix


def _spatial(data: Any, meta: Mapping[str, Any]) -> int:
    """Return how many of the last axes are spatial: by their labels, else three at most."""
    ndim = int(data.ndim) - bool(meta.get("rgb"))
    labels = [str(label)[:1].lower() for label in meta.get("axis_labels") or ()]
    if len(labels) == ndim and labels[-2:] == ["y", "x"]:
        return 3 if labels[-3:-2] == ["z"] else 2
    return min(ndim, 3)


LayerData = tuple[Any, dict[str, Any], str]
TRACKED = "is_tracked"
"""Under this key likewise, that a number is one object at all time points."""

OWN = "is_labels"
"""Under this key, what a layer's metadata hold under `KEY` tell that its file holds labels."""

_log = logging.getLogger(__name__)

Reader = Callable[[str], list[LayerData]]

AUTOMATIC = "napari-intseg automatic limits"
"""Key of a layer's metadata: contrast limits that nobody has chosen."""

_PER_MM = {"mm": 1.0, "µm": 1e3, "pixel": 1.0}
# files of a folder that are looked at for a DICOM series:
# napari asks every reader before it opens anything
_LOOKED_AT = 200
_JPEG = (".jpg", ".jpeg")
_RGB = ("#ff0000", "#00ff00", "#0000ff")
"""Of channels whose file names no colours: ImageJ's, and those in which models are shown them."""

# channels of a file: spectral cameras have some hundreds, and napari takes a minute for those
_MOST_LAYERS = 1000

# labels that get a colour though the file tells none of theirs, and the colour of all others
_COLOURED, _UNTOLD = 256, "#d0d0d0"

# side of the part in the middle of a slice from which
# contrast limits are taken: quick for lazy data
_SAMPLE_PX = 512
# single bright or dead pixels do not set the contrast
_PERCENTILES = (0.1, 99.9)


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return what reads a path as layers; None for others and for stacks of files."""
    if not isinstance(path, str):
        # several files are a stack that another reader or napari itself joins
        if len(path) != 1:
            return None
        path = path[0]
    there = Path(path)
    try:
        is_folder = there.is_dir()
    except OSError:
        # longer than a name can be: text that was dropped onto the window
        return None
    if is_folder:
        if is_ctc(there):
            return read_tracked_layers
        return read_layers if is_zarr(there) or _has_dicom(there) else None
    # napari may have what reads them where our package for videos is missing
    opened = (*READABLE, *VIDEOS) if find_spec("av") else READABLE
    known = ending_of(there) in opened or (there.is_file() and looks_like_dicom(there))
    return read_layers if known else None


@_in_language
def read_layers(path: str) -> list[LayerData]:
    """Read a file as layers: one a channel; labels that an OME-Zarr image keeps come along, hidden.

    What a file holds is labels where the file itself tells so (OME-Zarr, HDF5, an intent or a label
    table of NIfTI, segments of DICOM or of 3D Slicer, our mark in the others), or where a journal
    lies beside it; otherwise an image.

    Parameters
    ----------
    path : str
        Whatever `read_raster` reads.

    Returns
    -------
    list of (data, dict, str)
        As napari takes them. The world is in the file's unit, millimetres or micrometres, in array
        order ``(z, y, x)`` of LPS: flipped and oblique images get an `affine`.

    Raises
    ------
    FileError, DataError
        As for `read_raster`.
    """
    there = Path(path)
    try:
        raster = read_raster(there)
    except FileError as err:
        if "one DICOM series" in str(err) and there.is_dir():
            raise FileError(
                f"{err} In napari, choose from the list of File › IO Utilities › Open scan…."
            ) from err
        raise
    if has_journal(there) and not set(raster.axes) & {"c", "s"}:
        raster = replace(raster, is_labels=True)
    layers = layers_of(raster)
    if is_zarr(there):
        for labels in stored_labels(there).values():
            for data, shown, kind in layers_of(labels):
                layers.append((data, {**shown, "visible": False}, kind))
    return layers


@_in_language
def read_tracked_layers(path: str) -> list[LayerData]:
    """Read a folder of the Cell Tracking Challenge as labels, and their tracks with parents.

    Raises
    ------
    FileError
        As for `read_ctc`.
    """
    folder = Path(path)
    labels, tracks = read_ctc(folder)
    axes = "tzyx" if labels.ndim == 4 else "tyx"
    shown = {"name": (folder.parent if folder.name == "TRA" else folder).name, "axis_labels": axes}
    layers: list[LayerData] = [
        (labels, {**shown, "metadata": {KEY: {OWN: True, TRACKED: True}}}, "labels")
    ]
    rows = tracks.points([objects_of(frame).by_number for frame in labels])
    if len(rows):  # napari has no Tracks layer without tracks
        graph = {"name": f"{shown['name']} tracks", "graph": tracks.graph}
        layers.append((rows, {**shown, **graph}, "tracks"))
    return layers


def layers_of(raster: Raster, name: str | None = None) -> list[LayerData]:
    """Return an open file as layers.

    Parameters
    ----------
    raster : Raster
    name : str, optional
        Of the layers; the file's by default.
    """
    name = name or _name(raster)
    levels = [_napari_array(level, raster.axes, raster.source.path) for level in raster.levels]
    axes = levels[0][1]
    arrays = [level for level, _ in levels]
    order = (0, 1, 2)
    if "z" in axes and raster.affine is not None:
        order = nearest_order(raster.affine)
        at = axes.index("z")
        whole = (*range(at), *(at + i for i in order), *range(at + 3, len(axes)))
        arrays = [array.transpose(whole) for array in arrays]
    is_colour = "s" in axes and arrays[0].dtype == np.uint8 and arrays[0].shape[-1] in (3, 4)
    if "s" in axes and not is_colour and "c" not in axes:
        # napari shows colours of 8 bits only, three of them and their opacity
        axes = axes.replace("s", "c")
    grid = axes.replace("c", "").replace("s", "")
    about: dict[str, Any] = {"source": raster.source, "affine": raster.affine, "order": order}
    if raster.is_labels:
        about[OWN] = True
    base = {"name": name, "metadata": {KEY: about}, **_placed(raster, grid, order)}
    if "c" not in axes:
        channel = raster.channels[0] if raster.channels else Channel()
        return [_layer(raster, arrays, base, channel, is_rgb=axes.endswith("s"))]
    at = axes.index("c")
    if arrays[0].shape[at] > _MOST_LAYERS:
        raise FileError(
            f"file has too many channels: expected at most {_MOST_LAYERS}, each of which is a "
            f"layer, got {arrays[0].shape[at]} in {str(raster.source.path)!r}. Save some of them "
            "to a file of their own."
        )
    where: tuple[slice, ...] = (slice(None),) * at
    layers, count = [], arrays[0].shape[at]
    has_colours = any(channel.colour for channel in raster.channels)
    for i in range(count):
        channel = raster.channels[i] if i < len(raster.channels) else Channel()
        if count > 1 and not has_colours:
            # all in grey they could not be told apart
            colour = _RGB[i] if count <= len(_RGB) else hex_colour(colour_of(i + 1), 255.0)
            channel = replace(channel, colour=colour)
        parts = [array[(*where, i)] for array in arrays]
        mixed: dict[str, Any] = {}
        if count > 1:
            mixed = {"name": f"{name} {channel.name or f'channel {i}'}", "blending": "additive"}
        layers.append(_layer(raster, parts, {**base, **mixed}, channel, is_rgb=axes.endswith("s")))
    return layers


@_in_language
def write_labels_layer(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer, placed as it is in the viewer; return the path in a list.

    The journal of the work on it, if its metadata hold one, is written along: see `write_beside`.

    Raises
    ------
    FileError, DataError
        As for `write_labels` and `write_beside`; also if there are more axes than time and space.
    """
    path = _with_ending(path)
    if KINDS.get(ending_of(Path(path)) or "") is None or path.lower().endswith(_JPEG):
        return _left_to_napari(path, data, meta, "labels")
    array, step = time_part(data, meta)
    array, like = file_grid(array, meta, timed=step is not None)
    metadata = dict(meta.get("metadata") or {})
    # the layer's own file is replaced, as in any program
    if (metadata.get(KEY) or {}).get(OWN):
        like = FileVolume(like.data, replace(like.source, path=Path()), affine=like.affine,
                          channels=like.n_channels > 0)  # fmt: skip
    write_labels(path, np.asarray(array), like, overwrite=True, time_step_s=step or 0.0)
    lines = metadata.get(METADATA)
    if lines:
        write_beside(path, list(lines))
    _tell(path, like)
    return [path]


@_in_language
def write_image_layer(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """Write an Image layer, placed as it is in the viewer; return the path in a list.

    Raises
    ------
    FileError, DataError
        As for `write_array`; also if there are more axes than time, space and colours.
    """
    path = _with_ending(path)
    if KINDS.get(ending_of(Path(path)) or "") in (None, "picture"):
        return _left_to_napari(path, data, meta, "image")
    part, step = time_part(data, meta)
    array, like = file_grid(np.asarray(part), meta, timed=step is not None)
    if array.dtype == np.float16:
        # none of the formats holds half precision or booleans as such
        array = array.astype(np.float32)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    write_array(path, array, like, overwrite=True, time_step_s=step)
    _tell(path, like)
    return [path]


def _tell(path: str, like: FileVolume) -> None:
    """Log what was written: napari's Save dialogs say nothing."""
    spacing = " × ".join(f"{mm:.4g}" for mm in like.spacing)
    shape = " × ".join(str(n) for n in like.shape)
    placed = "" if like.affine is None else f", {spacing} mm apart"
    _log.info("wrote %s: %s pixels%s", Path(path).name, shape, placed)


def _with_ending(path: str) -> str:
    """Return a path; one without any ending becomes NIfTI, which keeps the geometry."""
    return path if Path(path).suffix or ending_of(Path(path)) else f"{path}.nii.gz"


def _left_to_napari(path: str, data: Any, meta: Mapping[str, Any], kind: str) -> list[str]:
    """Have napari write what holds no geometry: the Save dialogs come here first.

    Raises
    ------
    FileError
        If it cannot write that either.
    """
    import npe2

    try:
        return list(npe2.write(path, [(data, dict(meta), kind)], plugin_name="napari"))
    except ValueError as err:
        raise FileError(
            f"file type is unknown: expected a name ending in {', '.join(WRITABLE)}, got {path!r}. "
            "Choose another name."
        ) from err


def _layer(
    raster: Raster, arrays: list[Any], base: Mapping[str, Any], channel: Channel, *, is_rgb: bool
) -> LayerData:
    shown = {**base, "metadata": dict(base["metadata"])}
    data = arrays if len(arrays) > 1 else arrays[0]
    if len(arrays) > 1:
        shown["multiscale"] = True
    if raster.is_labels and arrays[0].dtype.kind in "bui" and not is_rgb:
        return data, {**shown, **_named(raster)}, "labels"
    shown["rgb"] = is_rgb
    if not is_rgb:
        limits = channel.limits or raster.source.window
        if not limits:
            # the smallest level of a pyramid: little to read, and its values are those of the image
            limits = _limits(arrays[-1])
            if limits:
                shown["metadata"][AUTOMATIC] = limits
        if limits:
            shown["contrast_limits"] = limits
        if channel.colour and channel.colour.lower() not in ("#ffffff", "#000000"):
            shown["colormap"] = channel.colour
    return data, shown, "image"


# without numba napari opens no layer with a colour of its own for a larger label, which gets that
# of labels without one
_MOST_COLOURED = 1 << 16


def _named(raster: Raster) -> dict[str, Any]:
    """Return names as napari's status line shows them, and the file's colours."""
    out: dict[str, Any] = {}
    # a table may name labels that its pixels cannot hold
    kind = np.dtype(raster.levels[0].dtype)
    most = int(np.iinfo(kind).max) if kind.kind in "iu" else 0
    known = min(most, _MOST_COLOURED)
    told_colours = {label: one for label, one in raster.colours.items() if label <= known}
    if any(raster.names.values()):
        labels = sorted(label for label in raster.names if label <= most)
        told = [raster.names[label] for label in labels]
        # napari asks for a row of the background, too
        out["features"] = {"index": [0, *labels], "name": ["", *told]}
    if told_colours:
        # objects that are begun later get colours as well: one that has none would not be seen
        others = {label: hex_colour(colour_of(label), 255.0) for label in range(1, _COLOURED)}
        out["colormap"] = {None: _UNTOLD, 0: "transparent", **others, **told_colours}
    return out


def _placed(raster: Raster, grid: str, order: Sequence[int]) -> dict[str, Any]:
    """Return where a raster lies, in its unit: scale, and translate or affine."""
    unit = raster.source.unit
    ndim, spatial = len(grid), sum(a in "zyx" for a in grid)
    affine = np.eye(4)
    if raster.affine is not None:
        affine = to_napari(reordered(raster.affine, order))
    if raster.affine is not None:
        affine[:3] *= _PER_MM[unit]
    start = 3 - spatial
    linear, origin = affine[start:3, start:3], affine[start:3, 3]
    spacing = np.linalg.norm(linear, axis=0)
    times = raster.time_step_s or 1.0
    outer = ndim - spatial
    placed: dict[str, Any] = {
        "scale": (*(times if a == "t" else 1.0 for a in grid[:outer]), *spacing.tolist()),
        "axis_labels": tuple(grid),
        "units": (*("s" if raster.time_step_s else "pixel",) * outer, *(unit,) * spatial),
    }
    directions: FloatMatrix = linear / spacing
    if np.array_equal(directions, np.eye(spatial)):
        placed["translate"] = (*(0.0,) * outer, *origin.tolist())
    else:
        whole = np.eye(ndim + 1)
        whole[outer:ndim, outer:ndim] = directions
        whole[outer:ndim, ndim] = origin
        placed["affine"] = whole
    return placed


def _napari_array(level: Any, axes: str, path: Path) -> tuple[Any, str]:
    """Return an array that napari slices by itself, lazy if it was, axes in order."""
    if not isinstance(level, np.ndarray) and not hasattr(level, "dask"):
        level = in_pieces(level, path)
    return ordered(level, axes)


def _limits(array: Any) -> tuple[float, float] | None:
    """Return between which values most of an array lies, from a few windows; None for 8 bits."""
    if array.dtype in (np.uint8, bool):
        return None
    inner = tuple(
        slice(max(0, (n - _SAMPLE_PX) // 2), (n + _SAMPLE_PX) // 2) for n in array.shape[-2:]
    )
    windows = [np.asarray(array[(*at, *inner)]) for at in _outer_places(array.shape[:-2])]
    values = np.concatenate([window.ravel() for window in windows]).astype(float)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    if is_hounsfield(values):
        # percentiles of a CT span air to bone, where organs all look alike
        return SOFT_TISSUE_HU
    low, high = (float(v) for v in np.percentile(values, _PERCENTILES))
    return (low, high) if low < high else None


def _outer_places(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield a quarter, the middle and three quarters along the leading axes."""
    # not the ends, which are often empty; three planes are
    # read fast even over a network (not tuned)
    for part in (0.25, 0.5, 0.75) if shape else (0.5,):
        yield tuple(int((n - 1) * part) for n in shape)


def _name(raster: Raster) -> str:
    path = raster.source.path
    ending = ending_of(path)
    name = path.name
    stem = name[: -len(ending)] if ending and name.lower().endswith(ending) else name
    # an ending may be all there is of a name, such as rtstruct.dcm
    return stem or name


def _has_dicom(folder: Path) -> bool:
    looked = 0
    for at, _, names in os.walk(folder):
        for name in sorted(names):
            if looks_like_dicom(Path(at) / name):
                return True
            looked += 1
            if looked >= _LOOKED_AT:
                return False
    return False
