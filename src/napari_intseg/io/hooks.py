"""What npe2 calls to read and write files: layers as tuples, napari itself is not needed."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, to_napari
from napari_intseg.core.recognition import SOFT_TISSUE_HU, is_hounsfield
from napari_intseg.errors import FileError
from napari_intseg.io.beside import METADATA, has_journal, write_beside
from napari_intseg.io.dicom.header import looks_like_dicom
from napari_intseg.io.layer_grid import KEY, file_grid, nearest_order, reordered, time_part
from napari_intseg.io.ome_zarr import is_zarr, label_names
from napari_intseg.io.pieces import in_pieces
from napari_intseg.io.raster import Channel, Raster, ordered
from napari_intseg.io.read import read_raster
from napari_intseg.io.source import FileVolume
from napari_intseg.io.suffixes import KINDS, READABLE, WRITABLE, ending_of
from napari_intseg.io.write import write_array, write_labels

LayerData = tuple[Any, dict[str, Any], str]
OWN = "is_labels"
"""Under this key, what a layer's metadata hold under `KEY` tell that its file holds labels."""

_log = logging.getLogger(__name__)

Reader = Callable[[str], list[LayerData]]

AUTOMATIC = "napari-intseg automatic limits"
"""Key of a layer's metadata: contrast limits that nobody has chosen."""

_PER_MM = {"mm": 1.0, "µm": 1e3, "pixel": 1.0}
_LOOKED_AT = 200
_JPEG = (".jpg", ".jpeg")
_MOST_LAYERS = 1000
"""Channels of a file: spectral cameras have some hundreds, and napari takes a minute for those."""

_SAMPLE_PX = 512
_PERCENTILES = (0.1, 99.9)


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return `read_layers` if it can read a path; None for others and for stacks of files."""
    if not isinstance(path, str):
        if len(path) != 1:
            return None
        path = path[0]
    there = Path(path)
    if there.is_dir():
        return read_layers if is_zarr(there) or _has_dicom(there) else None
    known = ending_of(there) in READABLE or (there.is_file() and looks_like_dicom(there))
    return read_layers if known else None


def read_layers(path: str) -> list[LayerData]:
    """Read a file as layers: one a channel; labels that an OME-Zarr image keeps come along, hidden.

    What a file holds is labels where its format tells so (OME-Zarr, HDF5, an intent of NIfTI), or
    where a journal lies beside it; otherwise an image.

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
        if there.is_dir() and "one DICOM series" in str(err):
            raise FileError(
                f"{err} In napari, choose from the list of File › IO Utilities › Open scan…."
            ) from err
        raise
    if has_journal(there) and not set(raster.axes) & {"c", "s"}:
        raster = replace(raster, is_labels=True)
    layers = layers_of(raster)
    if is_zarr(there):
        for name in label_names(there):
            for data, shown, kind in layers_of(read_raster(there / "labels" / name)):
                layers.append((data, {**shown, "visible": False}, kind))
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
    if "s" in axes and arrays[0].dtype != np.uint8 and "c" not in axes:
        axes = axes.replace("s", "c")  # napari shows colours of 8 bits only
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
    layers = []
    for i in range(arrays[0].shape[at]):
        channel = raster.channels[i] if i < len(raster.channels) else Channel()
        parts = [array[(*where, i)] for array in arrays]
        mixed: dict[str, Any] = {}
        if arrays[0].shape[at] > 1:
            mixed = {"name": f"{name} {channel.name or f'channel {i}'}", "blending": "additive"}
        layers.append(_layer(raster, parts, {**base, **mixed}, channel, is_rgb=axes.endswith("s")))
    return layers


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
    if (metadata.get(KEY) or {}).get(OWN):  # the layer's own file is replaced, as in any program
        like = FileVolume(like.data, replace(like.source, path=Path()), affine=like.affine,
                          channels=like.n_channels > 0)  # fmt: skip
    write_labels(path, np.asarray(array), like, overwrite=True, time_step_s=step or 0.0)
    lines = metadata.get(METADATA)
    if lines:
        write_beside(path, list(lines))
    _tell(path, like)
    return [path]


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
    if raster.is_labels and arrays[0].dtype.kind in "bui":
        return data, shown, "labels"
    shown["rgb"] = is_rgb
    if not is_rgb:
        limits = channel.limits or raster.source.window
        if not limits:
            limits = _limits(arrays[-1])
            if limits:
                shown["metadata"][AUTOMATIC] = limits
        if limits:
            shown["contrast_limits"] = limits
        if channel.colour and channel.colour.lower() not in ("#ffffff", "#000000"):
            shown["colormap"] = channel.colour
    return data, shown, "image"


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
        return SOFT_TISSUE_HU
    low, high = (float(v) for v in np.percentile(values, _PERCENTILES))
    return (low, high) if low < high else None


def _outer_places(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield a quarter, the middle and three quarters along the leading axes."""
    for part in (0.25, 0.5, 0.75) if shape else (0.5,):
        yield tuple(int((n - 1) * part) for n in shape)


def _name(raster: Raster) -> str:
    path = raster.source.path
    ending = ending_of(path)
    name = path.name
    return name[: -len(ending)] if ending and name.lower().endswith(ending) else name


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
