"""Where a layer's voxels are, from the words in which napari tells it."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, from_napari, from_spacing
from napari_intseg.errors import FileError
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.units import factors_mm, seconds_per_unit

KEY = "napari_intseg"
"""Under this key a layer's metadata keep its file's own words, for labels to be written like it."""

_SAME = 1e-6


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
        itertools.permutations(range(3)), key=lambda p: sum(cosines[i, p[i]] for i in range(3))
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
