"""HDF5: one dataset of a file, with the geometry that ImageJ, ilastik, h5py or we put there."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import check_affine, from_spacing
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.arrays import guessed_axes
from napari_intseg.io.child import check_in_child
from napari_intseg.io.extra import hdf5_extra
from napari_intseg.io.hdf5_check import checked, linked
from napari_intseg.io.paths import check_regular
from napari_intseg.io.pieces import in_pieces
from napari_intseg.io.raster import ORDER, Raster, known_axes, ordered
from napari_intseg.io.source import FileVolume, Source
from napari_intseg.io.units import mm_per_unit, unit_of

ENDINGS = (".h5", ".hdf5", ".hdf")
EAGER_BYTES = 2**26
AFFINE, UNIT, AXES, STEP = "affine_lps_mm", "unit", "axes", "time_step_s"
_MICRONS = "element_size_um"
_MANY = 20


def split_path(path: Path) -> tuple[Path, str]:
    """Return the file and the name of the dataset of ``scan.h5/volumes/raw``; "" if none."""
    for parent in (path, *path.parents):
        if parent.name.lower().endswith(ENDINGS) and parent.is_file():
            return parent, path.relative_to(parent).as_posix().removeprefix(".")
    return path, ""


def read_hdf5(path: Path) -> Raster:
    """Open a dataset; a large one is read when it is indexed.

    Axes are told by our own attribute, by dimension labels or by ilastik's `axistags`, sizes by our
    affine or ImageJ's `element_size_um`.

    Parameters
    ----------
    path : Path
        A file with one image, or the file's path with the dataset's name behind it.

    Raises
    ------
    FileError
        If the dataset is not there, or several are and none is named: they are listed.
    """
    h5py = hdf5_extra()
    file_path, name = split_path(path)
    check_regular(file_path)
    check_in_child("hdf5", file_path)
    file = h5py.File(file_path, "r")
    dataset = _chosen(file, file_path, name)
    dataset = checked(dataset, Path(dataset.file.filename))
    axes = _axes(dataset, path)
    data: Any
    if dataset.nbytes <= EAGER_BYTES:
        data = np.asarray(dataset[()])
        data = data.astype(data.dtype.newbyteorder("="))
    else:
        data = in_pieces(dataset, path)
    data, axes = ordered(data, axes)
    spacing, affine, unit = _place(dataset, axes)
    if affine is None:
        affine = from_spacing(spacing[-sum(a in "zyx" for a in axes) :])
    is_labels = bool(dataset.attrs.get("is_labels", False))
    step = float(dataset.attrs.get(STEP, 0.0))
    return Raster(
        (data,), axes, Source(path, unit=unit), affine, is_labels=is_labels,
        time_step_s=step if math.isfinite(step) and step > 0 else 0.0,
    )  # fmt: skip


def write_hdf5(
    path: Path,
    labels: Array,
    like: Volume,
    time_step_s: float | None = None,
    *,
    is_labels: bool = True,
) -> None:
    """Write labels, or an image, into a new file, compressed, with the whole affine.

    A last axis that `like` does not have holds colours, the first one is time if a step is given,
    0 if it is not known.
    """
    h5py = hdf5_extra()
    content = io.BytesIO()  # HDF5 itself ends the process where a disk is full
    with h5py.File(content, "w") as file:
        name = "labels" if is_labels else "image"
        dataset = file.create_dataset(
            name, data=labels, compression="gzip", compression_opts=4, shuffle=True,
            track_times=False,
        )  # fmt: skip
        timed = time_step_s is not None
        colours = labels.ndim - timed - like.ndim
        axes = "t" * timed + "zyx"[-like.ndim :] + "s" * colours
        for dim, axis in zip(dataset.dims, axes, strict=True):
            dim.label = axis
        unit = like.source.unit if isinstance(like, FileVolume) else "mm"
        dataset.attrs[AXES] = axes
        dataset.attrs[AFFINE] = like.affine
        dataset.attrs[UNIT] = unit
        dataset.attrs["is_labels"] = is_labels
        if time_step_s:
            dataset.attrs[STEP] = time_step_s
        if unit != "pixel":
            sizes = [1e3 * s for s in like.spacing]
            dataset.attrs[_MICRONS] = [1.0] * (3 - len(sizes)) + sizes
    path.write_bytes(content.getbuffer())


def _chosen(file: Any, path: Path, name: str) -> Any:
    h5py = hdf5_extra()
    found: dict[str, Any] = {}

    def visit(key: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "buifc" and item.ndim >= 2:
            found[key] = item

    if name:
        item = linked(file, path, name)
        if isinstance(item, h5py.Dataset):
            return item
    file.visititems(visit)
    if name or len(found) != 1:
        listed = ", ".join(f"{k} {v.shape} {v.dtype}" for k, v in list(found.items())[:_MANY])
        got = f"no dataset {name!r}" if name else f"{len(found)}"
        raise FileError(
            f"file does not say which image is meant: expected one dataset of {listed or 'none'}, "
            f"got {got} in {str(path)!r}. Name one behind the file: {path.name}/"
            f"{next(iter(found), 'NAME')}."
        )
    return next(iter(found.values()))


def _axes(dataset: Any, path: Path) -> str:
    told = dataset.attrs.get(AXES)
    letters = list(_text(told)) if told is not None else []
    if not letters and "axistags" in dataset.attrs:
        tags = json.loads(_text(dataset.attrs["axistags"]))
        letters = [str(axis["key"]) for axis in tags["axes"]]
    if not letters:
        letters = [str(dim.label)[:1].lower() for dim in dataset.dims]
    if (
        len(letters) == dataset.ndim
        and all(a.lower() in ORDER for a in letters if a)
        and all(letters)
    ):
        return known_axes(letters, dataset.shape, path)
    return guessed_axes(dataset)


def _place(dataset: Any, axes: str) -> tuple[tuple[float, float, float], Any, str]:
    """Return spacing in mm, our affine if it is there, and the unit."""
    if AFFINE in dataset.attrs:
        affine = check_affine(np.asarray(dataset.attrs[AFFINE], float))
        unit = _text(dataset.attrs.get(UNIT, "mm"))
        return (1.0, 1.0, 1.0), affine, unit_of(mm_per_unit(unit)) if unit else "mm"
    sizes = np.atleast_1d(np.asarray(dataset.attrs.get(_MICRONS, ()), float))
    spatial = sum(a in "zyx" for a in axes)
    if len(sizes) >= spatial and all(math.isfinite(s) and s for s in sizes):
        z, y, x = (1e-3 * abs(float(s)) for s in (1.0, *sizes)[-3:])
        return (z, y, x), None, "µm"
    return (1.0, 1.0, 1.0), None, "pixel"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
