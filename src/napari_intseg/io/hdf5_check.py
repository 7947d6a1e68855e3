"""Which datasets of an HDF5 file may be read: those whose values are in files that may be."""

import os
import zlib
from pathlib import Path
from typing import Any

from napari_intseg.errors import FileError
from napari_intseg.io.extra import hdf5_extra
from napari_intseg.io.paths import check_count, data_file

_MOST_STEPS = 16
"""Links that lead to links, and virtual datasets of virtual datasets."""

_THIS_FILE = "."
_SPARE_BYTES = 1 << 16
_INFLATED_BYTES = 1 << 28
"""What a piece may become before it is looked at more closely."""

_DEFLATE = 1


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
    dataset.id.close()  # what is open already keeps the folder that it was opened with
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
    large: list[tuple[int, ...]] = []

    def look(chunk: Any) -> None:
        if chunk.size > 2 * whole + _SPARE_BYTES:
            raise _wrong(path, f"pieces of {whole} bytes, packed", f"one of {chunk.size}")
        if chunk.size * 1040 > max(_INFLATED_BYTES, 2 * whole):
            large.append(tuple(chunk.chunk_offset))

    dataset.id.chunk_iter(look)
    plist = dataset.id.get_create_plist()
    count = plist.get_nfilters()
    if not count or plist.get_filter(count - 1)[0] != _DEFLATE:
        return
    for offset in large:
        _, raw = dataset.id.read_direct_chunk(offset)
        made = zlib.decompressobj().decompress(raw, 2 * whole + _SPARE_BYTES)
        if len(made) >= 2 * whole + _SPARE_BYTES:
            raise _wrong(path, f"pieces of {whole} bytes", "one that unpacks to more")


def _wrong(path: Path, rule: str, got: str) -> FileError:
    return FileError(
        f"file cannot be read: expected {rule}, got {got!r} in {str(path)!r}. Copy the dataset to "
        "a file of its own."
    )
