"""Writing OME-Zarr 0.4 and 0.5: labels of their own, or beside the image that they belong to."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import spacing_of
from napari_intseg.core.files import write_text
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.checks import lazy_extra
from napari_intseg.io.ome_zarr import Multiscale, is_zarr, multiscale_of, open_zarr
from napari_intseg.io.raster import ORDER
from napari_intseg.io.source import FileVolume, ZarrScale
from napari_intseg.io.units import mm_per_unit

VERSIONS = ("0.4", "0.5")
_CHUNK = {2: (1024, 1024), 3: (64, 256, 256)}
_SMALLEST_PX = 256
_UNITS = {"mm": "millimeter", "µm": "micrometer", "pixel": ""}
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
    if is_labels:
        about["image-label"] = {"version": version}
        if image is not None:
            about["image-label"]["source"] = {"image": "../../"}
    group.attrs.update(about if version == "0.4" else {"ome": {"version": version, **about}})


def _checked(version: str) -> str:
    if version not in VERSIONS:
        raise FileError(
            f"version cannot be written: expected one of {', '.join(VERSIONS)}, got {version!r}. "
            "Write a .zarr of its own."
        )
    return version


def enlist(path: Path) -> None:
    """Enter labels into the list that their image keeps, in one step."""
    image = image_of(path)
    target = None if image is None else _about(image)
    if target is None:
        return
    is_old = target.version == "0.4"
    file = path.parent / (".zattrs" if is_old else "zarr.json")
    content: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
    if is_old:
        about = content
        if not (path.parent / ".zgroup").is_file():
            write_text(path.parent / ".zgroup", json.dumps({"zarr_format": 2}))
    else:
        for key, value in (("zarr_format", 3), ("node_type", "group")):
            content.setdefault(key, value)
        about = content.setdefault("attributes", {}).setdefault("ome", {"version": target.version})
    names = list(about.get("labels", ()))
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


def _stated(like: Volume) -> ZarrScale:
    """Return scale and translation in the words of the format.

    Raises
    ------
    FileError
        If they do not say it all.
    """
    source = like.source if isinstance(like, FileVolume) else None
    if source and source.zarr:
        return source.zarr
    n = like.ndim
    unit = _UNITS[source.unit if source else "mm"]
    mm = mm_per_unit(unit) or 1.0
    matrix = like.affine[2::-1][3 - n :, 3 - n : 3]
    if np.abs(matrix - np.diag(spacing_of(like.affine)[3 - n :])).max() > _FLAT_MM * mm:
        raise FileError(
            "axes are turned, flipped or sheared: expected directions that OME-Zarr can hold, "
            f"which are none but the scanner's own, got {matrix.round(4).tolist()!r}. Write "
            ".nii.gz, .nrrd, .mha or .h5 instead."
        )
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
        extra: dict[str, Any] = {"dimension_names": tuple(axes)}
        if version == "0.4":
            extra = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        array = group.create_array(
            str(len(shapes)), shape=level.shape, dtype=level.dtype, chunks=chunk, **extra
        )
        array[...] = level
        shapes.append(level.shape)
        if max(level.shape[-2:]) <= _SMALLEST_PX:
            return shapes
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
