"""Where a layer's voxels are, from the words in which napari tells it."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, from_napari, from_spacing
from napari_intseg.errors import FileError
from napari_intseg.io.source import FileVolume, Source

KEY = "napari_intseg"
"""Under this key a layer's metadata keep its file's own words, for labels to be written like it."""

MM_PER_UNIT = {
    "nanometer": 1e-6, "micrometer": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "meter": 1e3,
    "inch": 25.4, "nm": 1e-6, "um": 1e-3, "µm": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3,
}  # fmt: skip
_SAME = 1e-6


def spatial_part(data: Any, meta: Mapping[str, Any]) -> Any:
    """Return a layer's array without its leading axes of one: ``(z, y, x)`` or ``(y, x)``.

    Raises
    ------
    FileError
        If there are several time points.
    """
    if meta.get("multiscale") or isinstance(data, (list, tuple)):
        data = data[0]
    colours = bool(meta.get("rgb"))
    n = _spatial(data, meta)
    outer = data.ndim - colours - n
    if any(size > 1 for size in data.shape[:outer]):
        raise FileError(
            "layer holds several time points: expected an image or a volume, got shape "
            f"{tuple(data.shape)}. Split it first (Layers › Split stack), and save one at a time."
        )
    return data[(0,) * outer]


def layer_grid(array: Any, meta: Mapping[str, Any]) -> FileVolume:
    """Return a layer's array as a volume, in millimetres, its axes as the layer has them.

    Parameters
    ----------
    array : array-like
        Of `spatial_part`, or with channels last.
    meta : mapping
        The layer's, as in a layer data tuple; "rgb" tells of channels.
    """
    colours = bool(meta.get("rgb"))
    n = array.ndim - colours
    unit = str(tuple(meta.get("units") or ("pixel",))[-1])
    mm = MM_PER_UNIT.get(unit, 1.0)
    scale = meta.get("scale")
    world = world_of(meta, n if scale is None else len(scale))
    outer = range(len(world) - 1 - n)
    world = np.delete(np.delete(world, outer, 0), outer, 1)
    world[:n] *= mm
    word = "pixel" if unit not in MM_PER_UNIT else "µm" if mm < 1.0 else "mm"
    source = Source(Path(str(meta.get("name", "layer"))), unit=word)
    return FileVolume(array, source, affine=from_napari(world), channels=colours)


def file_grid(array: Any, meta: Mapping[str, Any]) -> tuple[Any, FileVolume]:
    """Return a layer's array, its axes as in the file, and its grid as a volume.

    The grid has the file's own geometry if the layer's metadata tell it and the layer still lies
    where it was read.

    Parameters
    ----------
    array, meta
        As for `layer_grid`.
    """
    like = layer_grid(array, meta)
    n = like.ndim
    known = dict(meta.get("metadata") or {}).get(KEY) or {}
    source, stated = known.get("source"), known.get("affine")
    if not isinstance(source, Source):
        return array, like
    stated = from_spacing((1.0,) * n) if stated is None else stated
    order = tuple(known.get("order") or range(3))[:n]
    seen = reordered(stated, order) if n == 3 else stated
    if np.abs(like.affine - seen).max() > _SAME * np.abs(stated).max():
        return array, like
    back = (*np.argsort(order).tolist(), *range(n, array.ndim))
    array = array.transpose(back)
    return array, FileVolume(array, source, affine=stated, channels=like.n_channels > 0)


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
