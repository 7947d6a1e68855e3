"""HDF5: one dataset of a file, with the geometry that ImageJ, ilastik, h5py or we put there."""

import io
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.affine import from_spacing
from napari_intseg.core.files import parse_json
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import FileError
from napari_intseg.io.child_process import check_in_child
from napari_intseg.io.file_checks import check_count, check_regular, data_file, hdf5_extra
from napari_intseg.io.raster import ORDER, Raster, guessed_axes, in_pieces, known_axes, ordered
from napari_intseg.io.source import FileVolume, Source, affine_in
from napari_intseg.io.suffixes import remark
from napari_intseg.io.units import mm_per_unit, unit_of

# links that lead to links, and virtual datasets of virtual datasets
# HDF5's own default for links in a name is 16 too; longer chains are circles
_MOST_STEPS = 16

_THIS_FILE = "."
# what a filter may add to a piece: headers and checksums (not tuned: real ones add some bytes)
_SPARE_BYTES = 1 << 16
# what a piece may become when it is unpacked before it is
# looked at more closely: 256 MiB fit into memory
_INFLATED_BYTES = 1 << 28

# numbers in HDF5's list of filters: those that make no bytes fewer, and those that keep the size of
# a piece among their settings and take memory for that (n-bit and scale-offset, LZF)
_DEFLATE, _SHUFFLE, _CHECKSUM, _IN_VALUES, _LZF, _SIZE_AT = 1, 2, 3, (5, 6), 32000, 2


def linked(file: Any, path: Path, name: str) -> Any:
    """Return what a name in a file stands for, None if nothing; links are followed one by one.

    Raises
    ------
    FileError
        If a link leads to a file that lies elsewhere, or in a circle.
    """
    h5py = hdf5_extra()
    parts = [part for part in name.split("/") if part not in ("", ".")]
    node: Any = file
    steps = 0
    while parts:
        part = parts.pop(0)
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if isinstance(link, (h5py.SoftLink, h5py.ExternalLink)):
            steps += 1
            if steps > _MOST_STEPS:
                raise _wrong(path, f"at most {_MOST_STEPS} links in a name", name)
        if isinstance(link, h5py.ExternalLink):
            return _in_other(path, link.filename, "/".join([link.path, *parts]), steps)
        if isinstance(link, h5py.SoftLink):
            node = file if link.path.startswith("/") else node
            parts = [p for p in link.path.split("/") if p not in ("", ".")] + parts
            continue
        node = node.get(part) if link is not None else None
        if node is None:
            return None
    return node


def checked(dataset: Any, path: Path) -> Any:
    """Return a dataset whose values may be read, and that looks for them where we looked.

    By itself HDF5 looks for values beside a file in the folder that the program was started in.

    Raises
    ------
    FileError
        As for `check_dataset`.
    """
    check_dataset(dataset, path)
    if not dataset.external:
        return dataset
    h5py = hdf5_extra()
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(os.fsencode(path.parent.absolute()))
    name = dataset.name.encode()
    # what is open already keeps the folder that it was opened with
    dataset.id.close()
    return h5py.Dataset(h5py.h5d.open(h5py.File(path, "r").id, name, access))


def check_dataset(dataset: Any, path: Path, steps: int = 0) -> None:
    """Ask for values that lie in this file or in those that may be read, and in pieces that fit.

    Parameters
    ----------
    dataset : h5py dataset
    path : Path
        The file that it is in.
    steps : int
        Virtual datasets that led here.

    Raises
    ------
    FileError
        If they do not.
    """
    for name, _, _ in dataset.external or ():
        data_file(path, str(name))
        if steps and not Path(str(name)).is_absolute():
            raise _wrong(path, "datasets in virtual ones that hold their values", str(name))
    if dataset.is_virtual:
        _check_sources(dataset, path, steps)
    elif dataset.chunks is not None:
        _check_chunks(dataset, path)


def _check_sources(dataset: Any, path: Path, steps: int) -> None:
    if steps >= _MOST_STEPS:
        raise _wrong(path, f"at most {_MOST_STEPS} virtual datasets in each other", dataset.name)
    sources = {(str(s.file_name), str(s.dset_name)) for s in dataset.virtual_sources()}
    check_count(path, len(sources))
    for file_name, name in sources:
        if file_name == _THIS_FILE:
            inner = linked(dataset.file, path, name)
            if hasattr(inner, "is_virtual"):
                check_dataset(inner, path, steps + 1)
            continue
        if "%" in file_name.replace("%%", ""):
            raise _wrong(path, "virtual datasets of named files", file_name)
        _in_other(path, file_name, name, steps + 1)


def _in_other(path: Path, file_name: str, name: str, steps: int) -> Any:
    """Return what a name in another file stands for, if it may be read; None if it is not there."""
    h5py = hdf5_extra()
    other = data_file(path, file_name)
    if steps > _MOST_STEPS:
        raise _wrong(path, f"at most {_MOST_STEPS} files that lead to each other", file_name)
    if not other.is_file():
        # HDF5 would look for it in other places
        raise _wrong(path, "files that are there", file_name)
    found = linked(h5py.File(other, "r"), other, name)
    if isinstance(found, h5py.Dataset):
        check_dataset(found, other, steps)
    return found


def _check_chunks(dataset: Any, path: Path) -> None:
    """Compare what pieces take in the file with what they hold."""
    whole = int(dataset.dtype.itemsize)
    for n in dataset.chunks:
        whole *= int(n)
    names = _filters(dataset, path, whole)
    large: list[tuple[int, ...]] = []

    def look(chunk: Any) -> None:
        if chunk.size > 2 * whole + _SPARE_BYTES:
            raise _wrong(path, f"pieces of {whole} bytes, packed", f"one of {chunk.size}")
        # deflate makes at most 1,032 bytes of one, see `file_checks.DEFLATE_RATIO`; checked pieces
        # are few, since unpacking them takes time
        if chunk.size * 1040 > max(_INFLATED_BYTES, 2 * whole):
            large.append(tuple(chunk.chunk_offset))

    dataset.id.chunk_iter(look)
    if _DEFLATE not in names or not large:
        return
    # the last filter is the first to be undone
    if names[-1] != _DEFLATE:
        raise _wrong(path, "pieces that deflate packs last", f"filters {names}")
    for offset in large:
        _, raw = dataset.id.read_direct_chunk(offset)
        made = zlib.decompressobj().decompress(raw, 2 * whole + _SPARE_BYTES)
        if len(made) >= 2 * whole + _SPARE_BYTES:
            raise _wrong(path, f"pieces of {whole} bytes", "one that unpacks to more")


def _filters(dataset: Any, path: Path, whole: int) -> list[int]:
    """Return the numbers of the filters of pieces of so many bytes, checksums left out.

    Raises
    ------
    FileError
        If they pack twice, or ask for more memory than a piece takes.
    """
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    # zlib passes over a checksum behind what it unpacks
    names = [one[0] for one in filters if one[0] != _CHECKSUM]
    # packed twice, a piece could unpack to the product of both ratios
    if len([name for name in names if name != _SHUFFLE]) > 1:
        raise _wrong(path, "pieces that are packed once", f"filters {names}")
    values = whole // int(dataset.dtype.itemsize)
    for name, _, settings, *_ in filters:
        most = {_LZF: whole, **dict.fromkeys(_IN_VALUES, values)}.get(name)
        if most is not None and len(settings) > _SIZE_AT and settings[_SIZE_AT] > most:
            raise _wrong(path, f"pieces of {whole} bytes", f"filter {name} of {settings[_SIZE_AT]}")
    return names


def _wrong(path: Path, rule: str, got: str) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule}, got {got!r} in {str(path)!r}. Copy the dataset to "
        "a file of its own."
    )


# pieces that may be declared for each that is there: one object in a volume of 10 GB (not tuned)
_MOST_SPARSE = 1 << 14
ENDINGS = (".h5", ".hdf5", ".hdf")
# 64 MiB and less are read at once, which is quicker than piece by piece (not tuned)
EAGER_BYTES = 2**26
AFFINE, UNIT, AXES, STEP = "affine_lps_mm", "unit", "axes", "time_step_s"
# by which CREMI, funlib and others tell sizes, and by which netCDF packs values
_OTHER_SIZES = ("resolution", "spacing", "voxel_size", "pixel_size")
_PACKED = ("scale_factor", "add_offset")
_MICRONS = "element_size_um"
# names that a message lists
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
    _check_written(dataset, path)
    axes = _axes(dataset, path)
    if packed := [name for name in _PACKED if name in dataset.attrs]:
        remark(path, f"its values are as stored, without its {packed[0]!r}")
    whole = dataset.nbytes <= EAGER_BYTES
    data: Any = np.asarray(dataset[()]) if whole else in_pieces(dataset, path)
    data, axes = ordered(data, axes)
    spacing, affine, unit = _place(dataset, axes, path)
    if affine is None:
        affine = from_spacing(spacing[-sum(a in "zyx" for a in axes) :])
    is_labels = bool(dataset.attrs.get("is_labels", False))
    step = float(dataset.attrs.get(STEP, 0.0))
    return Raster(
        (data,), axes, Source(path, unit=unit), affine, is_labels=is_labels,
        time_step_s=step if math.isfinite(step) and step > 0 else 0.0,
    )  # fmt: skip


def _check_written(dataset: Any, path: Path) -> None:
    """Tell of pixels that were never written, and refuse where hardly any was.

    HDF5 gives its fill value for them, as quickly and as much as the header declares: 2 kB can
    stand for terabytes.
    """
    if dataset.is_virtual or dataset.external or not dataset.nbytes:
        return
    if dataset.chunks is None:
        present, count = int(dataset.id.get_storage_size() > 0), 1
    else:
        sizes = zip(dataset.shape, dataset.chunks, strict=True)
        present = dataset.id.get_num_chunks()
        count = math.prod(-(-int(n) // int(size)) for n, size in sizes)
    if present * _MOST_SPARSE < count and dataset.nbytes > EAGER_BYTES:
        raise _wrong(path, f"pixels of {dataset.nbytes} bytes", f"{present} of {count} pieces")
    if present < count:
        remark(
            path,
            f"{count - present} of its {count} pieces of pixels were never written; "
            f"{np.asarray(dataset.fillvalue).item()} is shown there",
        )


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
    # HDF5 itself ends the process where a disk is full
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        name = "labels" if is_labels else "image"
        dataset = file.create_dataset(
            # gzip is in every build of HDF5; 4 is h5py's default level; without times the same
            # labels make the same file
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
        try:
            tags = parse_json(_text(dataset.attrs["axistags"]))
            letters = [str(axis["key"]) for axis in tags["axes"]]
        except (ValueError, KeyError, TypeError):
            letters = ["?"]
    if not letters:
        letters = [str(dim.label)[:1].lower() for dim in dataset.dims]
    if (
        len(letters) == dataset.ndim
        and all(a.lower() in ORDER for a in letters if a)
        and all(letters)
    ):
        return known_axes(letters, dataset.shape, path)
    if any(letters):
        remark(path, f"names of its axes do not fit and are guessed: {', '.join(letters)[:80]}")
    return guessed_axes(dataset)


def _place(dataset: Any, axes: str, path: Path) -> tuple[tuple[float, float, float], Any, str]:
    """Return spacing in mm, our affine if it is there, and the unit."""
    if AFFINE in dataset.attrs:
        affine = affine_in(path, np.asarray(dataset.attrs[AFFINE], float))
        unit = _text(dataset.attrs.get(UNIT, "mm"))
        return (1.0, 1.0, 1.0), affine, unit_of(mm_per_unit(unit)) if unit else "mm"
    try:
        sizes = np.atleast_1d(np.asarray(dataset.attrs.get(_MICRONS, ()), float))
    except (TypeError, ValueError):
        sizes = np.array([math.nan])
    spatial = sum(a in "zyx" for a in axes)
    if len(sizes) >= spatial and all(math.isfinite(s) and s for s in sizes):
        z, y, x = (1e-3 * abs(float(s)) for s in (1.0, *sizes)[-3:])
        return (z, y, x), None, "µm"
    # told, since which unit and order of axes other programs mean is not
    if others := [name for name in (_MICRONS, *_OTHER_SIZES) if name in dataset.attrs]:
        remark(path, f"its {others[0]!r} is not understood; sizes are taken as pixels")
    return (1.0, 1.0, 1.0), None, "pixel"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
