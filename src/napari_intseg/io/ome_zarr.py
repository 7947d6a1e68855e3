"""Reading OME-Zarr 0.4 and 0.5 (and bare zarr arrays), without reading what is not asked for."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import FloatMatrix, spacing_of
from napari_intseg.core.files import parse_json, read_text, write_text
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.file_checks import data_file, lazy_extra
from napari_intseg.io.raster import (
    ORDER,
    Channel,
    OnDisk,
    Raster,
    finite,
    guessed_axes,
    in_pieces,
    known_axes,
    label_words,
    omero_channel,
    ordered,
)
from napari_intseg.io.source import FileVolume, Source, ZarrScale
from napari_intseg.io.suffixes import left_out, remark
from napari_intseg.io.units import factors_mm, mm_per_unit, seconds_per_unit
from napari_intseg.io.zarr_store import MOST_LEVELS, has_pieces, wrong

MARKS = (".zgroup", ".zattrs", ".zarray", "zarr.json")
"""One of these files is in every folder that is a zarr."""

# names of labels that are looked at: each becomes a layer, and a damaged list could name millions
_MOST_LABELS = 1000


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
    names, colours : mapping of int to str
        Of the labels, as far as they are told.
    """

    version: str
    axes: str
    units: tuple[str, ...]
    paths: tuple[str, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    channels: tuple[Channel, ...]
    is_labels: bool
    names: Mapping[int, str]
    colours: Mapping[int, str]


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
        # a plate or a folder of images: with one image in it there is nothing to choose
        inside = _images(path)
        if len(inside) != 1:
            raise FileError(
                f"folder does not hold one image: expected one OME-Zarr image, got {len(inside)} "
                f"in {str(path)!r}: {', '.join(inside) or 'none'}. Name one of them, with the "
                "folder before it."
            )
        return read_ome_zarr(path / inside[0])
    about = multiscale_of(attributes, path)
    levels = _levels(node, about, path)
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
        names=about.names, colours=about.colours,
    )  # fmt: skip


def stored_labels(path: Path) -> dict[str, Raster]:
    """Open the labels that are stored with an image, by their names.

    Those that cannot be read are told as left out: the image and the others are none the worse.
    """
    if not is_zarr(path / "labels"):
        return {}
    found = {}
    with left_out(path, "labels"):
        attributes = dict(open_zarr(path / "labels").attrs)
        names = attributes.get("ome", attributes).get("labels") or []
        if not isinstance(names, list):
            raise wrong(path / "labels", "a list of labels", repr(names)[:80])
        for name in map(str, names[:_MOST_LABELS]):
            with left_out(path, f"labels {name!r}"):
                found[name] = read_ome_zarr(data_file(path / "labels", name))
    return found


def _levels(node: Any, about: Multiscale, path: Path) -> list[Any]:
    """Return the finest level and those after it that can be read and fit it."""
    first = _shown(member(node, about.paths[0], path), path)
    levels = [first]
    for name in about.paths[1:]:
        with left_out(path, f"level {name!r}"):
            level = _shown(member(node, name, path), path)
            fits = level.ndim == first.ndim and level.dtype == first.dtype
            if not fits or any(a > b for a, b in zip(level.shape, levels[-1].shape, strict=True)):
                raise wrong(
                    path,
                    f"{first.dtype} of at most {levels[-1].shape}",
                    f"{level.dtype} of {level.shape}",
                )
            levels.append(level)
    return levels


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
    # those of the level come first, those of the whole image are applied behind them (OME-NGFF 0.4)
    parts = [one.get("coordinateTransformations") or () for one in (datasets[0], image)]
    scale, translation = [1.0] * len(axes), [0.0] * len(axes)
    for transforms in parts:
        scale, translation = _after(scale, translation, transforms, path)
    if len(about["multiscales"]) > 1:
        remark(path, f"it holds {len(about['multiscales'])} images, of which the first is read")
    # how channels are shown: what is odd there is no reason to refuse an image
    display = about.get("omero")
    channels = display.get("channels") if isinstance(display, Mapping) else None
    return Multiscale(
        version,
        axes,
        tuple(str(a.get("unit") or "") for a in told),
        tuple(str(d["path"]) for d in datasets),
        tuple(scale),
        tuple(translation),
        tuple(omero_channel(c if isinstance(c, Mapping) else {}) for c in channels)
        if isinstance(channels, list)
        else (),
        "image-label" in about,
        *label_words(about.get("image-label")),
    )


def _after(
    scale: Sequence[float], translation: Sequence[float], transforms: Any, path: Path
) -> tuple[list[float], list[float]]:
    """Return scale and translation with further transformations behind them."""
    for transform in transforms:
        kind = transform["type"]
        if kind == "identity":
            continue
        told = transform.get(kind, ()) if kind in ("scale", "translation") else ()
        numbers = [finite(n) for n in told]
        if len(numbers) != len(scale) or not all(math.isfinite(n) for n in numbers):
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
    # axes (z, y, x) of the data along z, y and x of LPS: the affine's rows are x, y, z
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
    if array.size and not has_pieces(path / array.path):
        # zarr leaves out pieces that hold nothing but this, so some may be missing in a whole file
        remark(
            path,
            f"no piece of pixels is stored{f' of {array.path!r}' if array.path else ''}; "
            f"{array.fill_value} is shown everywhere",
        )
    return OnDisk(array, path)


def _images(path: Path) -> list[str]:
    """Return the names of the images right inside a group: those of a plate are one deeper."""
    inside = _nodes(path)
    deeper = [q for p in inside for q in _nodes(p)]
    # plate / row / column / field: a well's images are three folders down
    deepest = [q for p in deeper for q in _nodes(p)]
    for nodes in (inside, deeper, deepest):
        found = [p.relative_to(path).as_posix() for p in nodes if _is_image(p, path)]
        if found:
            return found
    return []


def _nodes(path: Path) -> list[Path]:
    # labels belong to an image, which may be damaged
    return [p for p in sorted(path.iterdir()) if p.name != "labels" and is_zarr(p)]


def _is_image(path: Path, group: Path) -> bool:
    found = False
    with left_out(group, f"{path.relative_to(group).as_posix()!r}"):
        node = open_zarr(path)
        attributes = dict(node.attrs)
        found = not hasattr(node, "dtype") and "multiscales" in attributes.get("ome", attributes)
    return found


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

    # what is consolidated describes arrays a second time, also those that nobody asked for: one of
    # an unknown codec would refuse all
    return zarr.open(CheckedStore(path), mode="r", use_consolidated=False)


def member(node: Any, name: str, path: Path) -> Any:
    """Return an array of a group by the name that its metadata give, which stays in the group."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or not {"..", "."}.isdisjoint(parts):
        raise wrong(path, "arrays in the folder of the image", name)
    try:
        return node[name]
    except KeyError as err:
        raise wrong(path, f"an array {name!r}, as its metadata say", "none") from err


VERSIONS = ("0.4", "0.5")
# 1 or 4 million values: few files for a volume, and some MB to unpack for one plane (not tuned)
_CHUNK = {2: (1024, 1024), 3: (64, 256, 256)}
# halving ends with a level of this longer side: viewers show it whole
_SMALLEST_PX = 256
_UNITS = {"mm": "millimeter", "µm": "micrometer", "pixel": ""}
# millimetres by which an affine may differ from plain spacing: rounding alone
_FLAT_MM = 1e-6


def image_of(path: Path) -> Path | None:
    """Return the image that ``image.zarr/labels/NAME`` belongs to; None for other paths."""
    image = path.parent.parent
    return image if path.parent.name == "labels" and is_zarr(image) else None


def check_zarr(path: Path) -> None:
    """Ask for a place where labels can be written without touching an image.

    Raises
    ------
    FileError
        If labels have no place there, or something else than labels is there.
    """
    inside = any(is_zarr(parent) for parent in path.parents)
    if inside and (image_of(path) is None or _about(image_of(path)) is None):
        raise FileError(
            "labels have no place there: expected IMAGE.zarr/labels/NAME of an OME-Zarr image, got "
            f"{str(path)!r}. Name the image's labels, or a new .zarr."
        )
    if path.exists():
        about = _about(path)
        if about is None or not about.is_labels:
            raise FileError(
                f"folder holds something else: expected labels to replace, got {str(path)!r}. "
                "Choose another name; images are not replaced."
            )


def write_ome_zarr(
    path: Path,
    labels: Array,
    like: Volume,
    time_step_s: float | None = None,
    *,
    image: Path | None = None,
    version: str | None = None,
    is_labels: bool = True,
) -> None:
    """Write labels, or an image, as a multiscale group.

    Parameters
    ----------
    path : Path
        The folder to make.
    labels : ndarray, shape of `like`, or with time first or colours last
    like : Volume
        Gives scale, translation and unit; those of OME-Zarr are kept bit for bit.
    time_step_s : float, optional
        That time comes first, and its step; 0 if it is not known. Beside an image it is the
        image's.
    image : Path, optional
        The OME-Zarr image that the labels are for: they get its axes and version.
    version : "0.4" or "0.5", optional
        By default that of the image, else of `like`, else 0.4.
    is_labels : bool, default True
        Whether the values are labels.

    Raises
    ------
    FileError
        If the axes of `like` are turned, flipped or sheared, the image has other time points, or
        the version is unknown.
    """
    zarr = lazy_extra("zarr")
    target = None if image is None else _about(image)
    stated = _stated(like)
    version = _checked(version or (target.version if target else stated.version))
    timed = time_step_s is not None
    axes = "t" * timed + "zyx"[-like.ndim :]
    if labels.ndim > len(axes):
        labels = np.moveaxis(labels, -1, int(timed))
        axes = "".join(sorted(axes + "c", key=ORDER.index))
    step: tuple[float, str] = (time_step_s or 1.0, "second" if time_step_s else "")
    if target is not None and image is not None:
        labels = _extended(labels, axes, open_zarr(image), target, path)
        axes = target.axes
        if "t" in axes:
            step = target.scale[axes.index("t")], target.units[axes.index("t")]
    group = zarr.create_group(str(path), zarr_format=2 if version == "0.4" else 3)
    shapes = _put_levels(group, labels, axes, like.ndim, version)
    about = _attributes(axes, stated, step, shapes, version)
    _tell(group, about, version, image if is_labels else None, is_labels=is_labels)


def _tell(
    group: Any, about: dict[str, Any], version: str, image: Path | None, *, is_labels: bool = True
) -> None:
    """Write what a group holds."""
    if is_labels:
        about["image-label"] = {"version": version}
        if image is not None:
            about["image-label"]["source"] = {"image": "../../"}
    group.attrs.update(about if version == "0.4" else {"ome": {"version": version, **about}})


# the least side of a piece of labels that are written by tiles: levels below are made at the end
_LEAST_PX = 64


def create_tiled(
    path: Path, like: Volume, dtype: Any, tile_px: int, *, image: Path | None = None
) -> None:
    """Make a group for labels that several processes write at once, each its own tiles.

    No piece of any level is written by two, see `put_tile`.

    Parameters
    ----------
    path, like, image
        As in `write_ome_zarr`; only the shape of `like` is looked at, not its values.
    dtype : dtype
        Of the labels.
    tile_px : int
        Side of the tiles, a power of two from 64 on.

    Raises
    ------
    FileError
        As `write_ome_zarr`.
    """
    zarr = lazy_extra("zarr")
    target, stated, axes = None if image is None else _about(image), _stated(like), "zyx"
    axes = axes[-like.ndim :]
    version = _checked(target.version if target else stated.version)
    # takes no memory, whatever its shape
    shape: tuple[int, ...] = like.shape
    step = 1.0, ""
    if target is not None and image is not None:
        nothing = np.broadcast_to(np.zeros((), np.uint8), shape)
        shape = _extended(nothing, axes, open_zarr(image), target, path).shape
        axes = target.axes
        if "t" in axes:
            step = target.scale[axes.index("t")], target.units[axes.index("t")]
    group = zarr.create_group(str(path), zarr_format=2 if version == "0.4" else 3)
    shapes = [shape]
    while max(shapes[-1][-2:]) > _SMALLEST_PX:
        shapes.append((*shape[:-2], *(-(-n // 2) for n in shapes[-1][-2:])))
    for level, one in enumerate(shapes):
        side = min(max(tile_px >> level, _LEAST_PX), _CHUNK[2][0])
        chunk = (1,) * (len(one) - 2) + (side, side)
        _new_level(group, level, (one, dtype, chunk, axes), version)
    _tell(group, _attributes(axes, stated, step, shapes, version), version, image)


def put_tile(path: Path, at: tuple[int, int, int], tile: Array, *, tile_px: int) -> None:
    """Write a tile of labels on all levels of which no other tile has a part.

    Parameters
    ----------
    path : Path
        Made by `create_tiled`.
    at : (int, int, int)
        Its plane, 0 in a flat image, and first row and column, multiples of the tiles' side.
    tile : ndarray, shape (h, w)
        Smaller than the others at the far rims alone.
    tile_px : int
        As in `create_tiled`.
    """
    group = lazy_extra("zarr").open_group(str(path), mode="r+")
    for level in range(len(group)):
        if level and tile_px >> level < _LEAST_PX:
            return
        array, begin = group[str(level)], (n >> level for n in at[1:])
        rows, cols = (slice(n, n + size) for n, size in zip(begin, tile.shape, strict=True))
        array[_plane_index(array, at[0], rows, cols)] = tile
        tile = tile[::2, ::2]


def finish_tiled(path: Path, tile_px: int) -> None:
    """Make the levels that tiles are too small for, plane by plane, from the level above."""
    group = lazy_extra("zarr").open_group(str(path), mode="r+")
    for level in range(1, len(group)):
        array, above = group[str(level)], group[str(level - 1)]
        if tile_px >> level >= _LEAST_PX:
            continue
        depth = array.shape[-3] if array.ndim > 2 else 1
        for plane in range(depth):
            whole = slice(None)
            seen = above[_plane_index(above, plane, whole, whole)]
            array[_plane_index(array, plane, whole, whole)] = seen[::2, ::2]


def _plane_index(array: Any, plane: int, rows: slice, cols: slice) -> tuple[int | slice, ...]:
    # time and channels before the planes have one entry
    outer = (0,) * (array.ndim - 3) + (plane,) if array.ndim > 2 else ()
    return (*outer, rows, cols)


def _new_level(
    group: Any, level: int, about: tuple[tuple[int, ...], Any, tuple[int, ...], str], version: str
) -> Any:
    """Make an array by its shape, type, shape of pieces and axes."""
    shape, dtype, chunk, axes = about
    extra: dict[str, Any] = {"dimension_names": tuple(axes)}
    if version == "0.4":
        # OME-Zarr 0.4 asks for nested folders of pieces
        extra = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    return group.create_array(str(level), shape=shape, dtype=dtype, chunks=chunk, **extra)


def _checked(version: str) -> str:
    if version not in VERSIONS:
        raise FileError(
            f"version cannot be written: expected one of {', '.join(VERSIONS)}, got {version!r}. "
            "Write a .zarr of its own."
        )
    return version


def enlist(path: Path, *, dry: bool = False) -> None:
    """Enter labels into the list that their image keeps, in one step; or see if that can be done.

    Raises
    ------
    FileError
        If what is in the list's place is none.
    """
    image = image_of(path)
    target = None if image is None else _about(image)
    if target is None:
        return
    is_old = target.version == "0.4"
    file = path.parent / (".zattrs" if is_old else "zarr.json")
    try:
        content: dict[str, Any] = {}
        if file.is_file():
            content = parse_json(read_text(file), any_number=True)
        told = content if is_old else content.get("attributes", {}).get("ome", {})
        names = [str(name) for name in told.get("labels", ())]
    except (ValueError, TypeError, AttributeError) as err:
        raise FileError(
            f"list of labels cannot be read: expected the names of an image's labels, got "
            f"{str(file)!r} ({err}). Mend or remove it, or write a .zarr of its own."
        ) from err
    if dry:
        return
    if is_old:
        about = content
        if not (path.parent / ".zgroup").is_file():
            write_text(path.parent / ".zgroup", json.dumps({"zarr_format": 2}))
    else:
        for key, value in (("zarr_format", 3), ("node_type", "group")):
            content.setdefault(key, value)
        about = content.setdefault("attributes", {}).setdefault("ome", {"version": target.version})
    if path.name not in names:
        about["labels"] = [*names, path.name]
        write_text(file, json.dumps(content, indent=2))


def _about(path: Path | None) -> Multiscale | None:
    if path is None or not is_zarr(path):
        return None
    attributes = dict(lazy_extra("zarr").open(str(path), mode="r").attrs)
    if "multiscales" not in attributes.get("ome", attributes):
        return None
    return multiscale_of(attributes, path)


def check_directions(like: Volume) -> None:
    """Check that the format can hold how an image's axes lie.

    Raises
    ------
    FileError
        If they are turned, flipped or sheared.
    """
    source = like.source if isinstance(like, FileVolume) else None
    if source and source.zarr:
        return
    n, mm = like.ndim, mm_per_unit(_UNITS[source.unit if source else "mm"]) or 1.0
    matrix = like.affine[2::-1][3 - n :, 3 - n : 3]
    if np.abs(matrix - np.diag(spacing_of(like.affine)[3 - n :])).max() > _FLAT_MM * mm:
        raise FileError(
            "axes are turned, flipped or sheared: expected directions that OME-Zarr can hold, "
            f"which are none but the scanner's own, got {matrix.round(4).tolist()!r}. Write "
            ".nii.gz, .nrrd, .mha or .h5 instead."
        )


def _stated(like: Volume) -> ZarrScale:
    """Return scale and translation in the words of the format, once its directions are checked."""
    check_directions(like)
    source = like.source if isinstance(like, FileVolume) else None
    if source and source.zarr:
        return source.zarr
    n = like.ndim
    unit = _UNITS[source.unit if source else "mm"]
    mm = mm_per_unit(unit) or 1.0
    start = like.affine[2::-1, 3][3 - n :]
    return ZarrScale(
        "0.4",
        tuple(s / mm for s in like.spacing),
        tuple((start / mm).tolist()),
        (unit,) * n,
    )


def _extended(labels: Array, axes: str, group: Any, target: Multiscale, path: Path) -> Array:
    """Return labels with the axes of their image, one channel, and one time point if it has one."""
    shape = dict(zip(target.axes, group[target.paths[0]].shape, strict=True))
    outside = {a for a in target.axes if a not in axes and a != "c"}
    fits = set(axes) <= set(target.axes) and all(shape[a] == 1 for a in outside)
    if not fits or ("t" in axes and shape["t"] != labels.shape[0]):
        raise FileError(
            f"labels do not fit the image: expected its axes {target.axes} with one time point, or "
            f"all of its time points, got {axes} for shape {tuple(shape.values())} at "
            f"{str(path)!r}. Write a .zarr of its own."
        )
    missing = [i for i, axis in enumerate(target.axes) if axis not in axes]
    return np.expand_dims(labels, missing)


def _put_levels(
    group: Any, labels: Array, axes: str, ndim: int, version: str
) -> list[tuple[int, ...]]:
    """Write labels, and every second row and column of them until they are small."""
    shapes: list[tuple[int, ...]] = []
    level = labels
    outer = len(axes) - ndim
    while True:
        chunk = (1,) * outer + tuple(
            min(n, c) for n, c in zip(level.shape[outer:], _CHUNK[ndim], strict=True)
        )
        array = _new_level(group, len(shapes), (level.shape, level.dtype, chunk, axes), version)
        array[...] = level
        shapes.append(level.shape)
        if max(level.shape[-2:]) <= _SMALLEST_PX:
            return shapes
        # every second pixel, not a mean: labels must not be mixed
        level = level[..., ::2, ::2]


def _attributes(
    axes: str,
    stated: ZarrScale,
    step: tuple[float, str],
    shapes: Sequence[tuple[int, ...]],
    version: str,
) -> dict[str, Any]:
    outer = axes[: len(axes) - len(stated.scale)]
    units = (*(step[1] if a == "t" else "" for a in outer), *stated.units)
    steps_outer = [step[0] if a == "t" else 1.0 for a in outer]
    kinds = {"t": "time", "c": "channel"}
    told = [
        {"name": a, "type": kinds.get(a, "space"), **({"unit": unit} if unit else {})}
        for a, unit in zip(axes, units, strict=True)
    ]
    datasets = []
    for number in range(len(shapes)):
        # every second pixel begins at the first: the levels start at the same place
        steps = [*(1,) * (len(stated.scale) - 2), 2**number, 2**number]
        scale = [s * k for s, k in zip(stated.scale, steps, strict=True)]
        datasets.append(
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": steps_outer + scale},
                    {
                        "type": "translation",
                        "translation": [0.0] * len(outer) + list(stated.translation),
                    },
                ],
            }
        )
    image: dict[str, Any] = {"axes": told, "datasets": datasets}
    if version == "0.4":
        image["version"] = version
    return {"multiscales": [image]}
