"""Reading OME-Zarr 0.4 and 0.5 (and bare zarr arrays), without reading what is not asked for."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.errors import FileError
from napari_intseg.io.arrays import guessed_axes
from napari_intseg.io.checks import lazy_extra
from napari_intseg.io.paths import data_file
from napari_intseg.io.pieces import OnDisk, in_pieces
from napari_intseg.io.raster import ORDER, Channel, Raster, known_axes, ordered
from napari_intseg.io.source import Source, ZarrScale
from napari_intseg.io.units import factors_mm, seconds_per_unit
from napari_intseg.io.zarr_store import MOST_LEVELS, wrong

MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json")
"""One of these files is in every folder that is a zarr."""

_MOST_LABELS = 1000
"""Labels of one image that become layers: each is one."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """What the metadata say of one multiscale image.

    Parameters
    ----------
    version : str
        Of the format.
    axes : str
        In the letters of `ORDER`.
    units : tuple of str
        One an axis, "" if there is none.
    paths : tuple of str
        Of the levels, the finest first.
    scale, translation : tuple of float
        Of the finest level, one an axis.
    channels : tuple of Channel
        As the image's "omero" part has them.
    is_labels : bool
        Whether it is marked as labels.
    """

    version: str
    axes: str
    units: tuple[str, ...]
    paths: tuple[str, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    channels: tuple[Channel, ...]
    is_labels: bool


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def read_ome_zarr(path: Path) -> Raster:
    """Open an image, labels (``image.zarr/labels/cells``) or a bare array; nothing is read yet.

    Raises
    ------
    FileError
        If it is a group without an image, or with several: they are listed.
    MissingExtraError
        If zarr or dask is not installed.
    """
    node = open_zarr(path)
    if not hasattr(node, "attrs") or hasattr(node, "dtype"):
        return Raster((_shown(node, path),), guessed_axes(node), Source(path, unit="pixel"))
    attributes = dict(node.attrs)
    if "multiscales" not in attributes.get("ome", attributes):
        inside = _images(path)
        if len(inside) != 1:
            raise FileError(
                f"folder does not hold one image: expected one OME-Zarr image, got {len(inside)} "
                f"in {str(path)!r}: {', '.join(inside) or 'none'}. Name one of them, with the "
                "folder before it."
            )
        return read_ome_zarr(path / inside[0])
    about = multiscale_of(attributes, path)
    levels = [_shown(member(node, name, path), path) for name in about.paths]
    axes = about.axes
    if axes != "".join(sorted(axes, key=ORDER.index)):
        levels = [ordered(in_pieces(level, path), axes)[0] for level in levels]
    source, affine = _placed(about, path)
    step = 0.0
    if "t" in axes:
        at = axes.index("t")
        step = about.scale[at] * seconds_per_unit(about.units[at])
    return Raster(
        tuple(levels), "".join(sorted(axes, key=ORDER.index)), source, affine,
        channels=about.channels, time_step_s=step, is_labels=about.is_labels,
    )  # fmt: skip


def label_names(path: Path) -> tuple[str, ...]:
    """Return the names of the labels that are stored with an image."""
    if not is_zarr(path / "labels"):
        return ()
    attributes = dict(open_zarr(path / "labels").attrs)
    names = [str(n) for n in attributes.get("ome", attributes).get("labels", ())]
    return tuple(n for n in names[:_MOST_LABELS] if is_zarr(data_file(path / "labels", n)))


def multiscale_of(attributes: Mapping[str, Any], path: Path) -> Multiscale:
    """Return what a group's attributes say of its first multiscale image."""
    about = attributes.get("ome", attributes)
    image = about["multiscales"][0]
    version = str(about.get("version") or image.get("version") or "0.4")
    told = [a if isinstance(a, Mapping) else {"name": a} for a in image.get("axes", "tczyx")]
    names = [str(a["name"]) for a in told]
    axes = known_axes(names, (), path)
    datasets = image["datasets"]
    if len(datasets) > MOST_LEVELS:
        raise FileError(
            f"file cannot be read: expected at most {MOST_LEVELS} levels, got {len(datasets)} in "
            f"{str(path)!r}. Check its metadata."
        )
    parts = [one.get("coordinateTransformations") or () for one in (datasets[0], image)]
    scale, translation = [1.0] * len(axes), [0.0] * len(axes)
    for transforms in parts:
        scale, translation = _after(scale, translation, transforms, path)
    channels = (about.get("omero") or {}).get("channels") or ()
    return Multiscale(
        version,
        axes,
        tuple(str(a.get("unit") or "") for a in told),
        tuple(str(d["path"]) for d in datasets),
        tuple(scale),
        tuple(translation),
        tuple(_channel(c or {}) for c in channels),
        "image-label" in about,
    )


def _after(
    scale: Sequence[float], translation: Sequence[float], transforms: Any, path: Path
) -> tuple[list[float], list[float]]:
    """Return scale and translation with further transformations behind them."""
    for transform in transforms:
        kind = transform["type"]
        if kind == "identity":
            continue
        numbers = [float(n) for n in transform.get(kind, ())]
        is_fine = len(numbers) == len(scale) and all(math.isfinite(n) for n in numbers)
        if not is_fine or kind not in ("scale", "translation"):
            raise FileError(
                f"transformation is not understood: expected a scale or translation of "
                f"{len(scale)} numbers, got {dict(transform)!r} in {str(path)!r}. Check the "
                "metadata of the image."
            )
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, numbers, strict=True)]
            translation = [a * b for a, b in zip(translation, numbers, strict=True)]
        else:
            translation = [a + b for a, b in zip(translation, numbers, strict=True)]
    return list(scale), list(translation)


def _placed(about: Multiscale, path: Path) -> tuple[Source, FloatMatrix]:
    """Return the source with its scale, and index ``(plane, row, col)`` to LPS mm."""
    spatial = [about.axes.index(a) for a in "zyx" if a in about.axes]
    stated = ZarrScale(
        about.version,
        tuple(about.scale[i] for i in spatial),
        tuple(about.translation[i] for i in spatial),
        tuple(about.units[i] for i in spatial),
    )
    factors, unit = factors_mm(stated.units, path)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1]
    for at, size, start, mm in zip(
        range(len(spatial)), stated.scale, stated.translation, factors, strict=True
    ):
        axis = 3 - len(spatial) + at
        affine[2 - axis, axis] = size * mm
        affine[2 - axis, 3] = start * mm
    return Source(path, zarr=stated, unit=unit), affine


def _shown(array: Any, path: Path) -> Any:
    if not hasattr(array, "dtype") or array.dtype.kind not in "buif":
        raise FileError(
            f"file does not hold an image: expected an array of numbers, got {array!r} in "
            f"{str(path)!r}. Name another part of it."
        )
    return OnDisk(array, path)


def _images(path: Path) -> list[str]:
    """Return the names of the images right inside a group: those of a plate are one deeper."""
    inside = [p for p in sorted(path.iterdir()) if is_zarr(p)]
    deeper = [q for p in inside for q in sorted(p.iterdir()) if is_zarr(q)]
    deepest = [q for p in deeper for q in sorted(p.iterdir()) if is_zarr(q)]
    for nodes in (inside, deeper, deepest):
        found = [p.relative_to(path).as_posix() for p in nodes if _is_image(p)]
        if found:
            return found
    return []


def _is_image(path: Path) -> bool:
    node = open_zarr(path)
    attributes = dict(node.attrs)
    return not hasattr(node, "dtype") and "multiscales" in attributes.get("ome", attributes)


def _channel(told: Mapping[str, Any]) -> Channel:
    """Return what is told of a channel; any part of it may be null."""
    window = told.get("window") or {}
    low, high = (_number(window.get(end)) for end in ("start", "end"))
    colour = str(told.get("color") or "").lstrip("#")
    return Channel(
        str(told.get("label") or ""),
        f"#{colour[:6]}" if re.fullmatch(r"[0-9a-fA-F]{6,8}", colour) else "",
        (low, high) if low < high else None,
    )


def _number(value: Any) -> float:
    """Return a number; not a number where it is none, so that nothing is less or more."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def open_zarr(path: Path) -> Any:
    """Open a group or an array to be read.

    Raises
    ------
    FileError
        If its metadata ask for a codec that is not in `zarr_store.CODECS`, or for sizes that
        cannot be.
    MissingExtraError
        If zarr is not installed.
    """
    zarr = lazy_extra("zarr")
    from napari_intseg.io.zarr_checked import CheckedStore

    return zarr.open(CheckedStore(path), mode="r")


def member(node: Any, name: str, path: Path) -> Any:
    """Return an array of a group by the name that its metadata give, which stays in the group."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or not {"..", "."}.isdisjoint(parts):
        raise wrong(path, "arrays in the folder of the image", name)
    whole = "/".join(p for p in (node.path, name) if p)
    node.store.check_array(whole)  # seen already where the metadata are consolidated
    found = node[name]
    node.store.check_array(whole)
    return found
