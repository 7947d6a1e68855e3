"""Folders on disk: labels kept from one day to the next instead of in memory, and embeddings.

napari's own writers come after those that keep the geometry of labels.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import npe2
import numpy as np
import platformdirs
from napari.layers import Image
from napari.settings import get_settings
from numpy.typing import DTypeLike
from platformdirs import user_data_path

from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.errors import FileError
from napari_intseg.io.hooks import KEY
from napari_intseg.io.source import Source
from napari_intseg.io.zarr_store import check_array_folder
from napari_intseg.session.embeddings import EmbeddingFiles
from napari_intseg.session.session import Session
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.messages import Message

OURS = "napari-intseg kept"
"""Key, in the attributes of a zarr group that was made here, of the shape it was made for: by it
our own folders are told from others."""

# side of a chunk within a plane: an answer changes few of them, and each is one small file. Not
# tuned: smaller chunks make many files, larger ones more to write per click.
_CHUNK_PX = 256
# the units as OME-Zarr 0.4 spells them
_UNITS = {"mm": "millimeter", "µm": "micrometer"}
# labels in use by path. Weak, so that a folder is free again once its layer has gone.
_open: "weakref.WeakValueDictionary[Path, Any]" = weakref.WeakValueDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class LabelsOnDisk:
    """Labels on disk.

    Parameters
    ----------
    path : Path
        The OME-Zarr folder; without zarr a sparse ``.npy``.
    array : zarr.Array or numpy.memmap
        Of the grid's shape; written as it is changed.
    is_old : bool
        Whether it was there already, with what it holds.
    """

    path: Path
    array: Any
    is_old: bool


def default_folder(image: Image) -> Path:
    """Return the folder of an image's file if it can be written to, else one of the user's data."""
    # beside the image a person finds them again
    return folder_beside(image) or Path(user_data_path("napari-intseg")) / "labels"


def folder_beside(image: Image) -> Path | None:
    """Return the folder of an image's file; None if results cannot be put there.

    Archives and other people's folders are read-only. A sample lies in the installed package, and
    what is put there is gone with its next version.
    """
    path = _path_of(image)
    if path is None or image.source.sample is not None:
        return None
    # a dataset's path goes on behind its file
    folder = next((parent for parent in path.parents if parent.is_dir()), None)
    return folder if folder is not None and os.access(folder, os.W_OK) else None


def file_of(image: Image) -> Path | None:
    """Return the file or folder that an image layer was read from, None if there is none."""
    found = _path_of(image)
    return found if found is not None and found.exists() else None


def _path_of(image: Image) -> Path | None:
    known = (image.metadata.get(KEY) or {}).get("source")
    path = known.path if isinstance(known, Source) else image.source.path
    return None if path is None else Path(path)


def ending() -> str:
    """Return what the names of kept labels end in: ".zarr", without zarr ".npy"."""
    return ".npy" if find_spec("zarr") is None else ".zarr"


def file_name(name: str) -> str:
    """Return a layer's name as a file can have it: it may hold slashes or colons."""
    return "".join(c if c.isalnum() or c in " -_" else "_" for c in name)


def default_path(image_axes: ImageAxes, dtype: DTypeLike) -> Path:
    """Return where labels of an image are kept unless another place is chosen.

    Labels of the same grid that are there already, and that nobody has open, are gone on with;
    anything else of that name is left alone.
    """
    file, folder = file_of(image_axes.image), default_folder(image_axes.image)
    stem = (image_axes.image.name if file is None else file.name.split(".")[0]) or "image"
    safe = file_name(stem)
    for number in count(1):
        path = folder / f"{safe}_labels{'' if number == 1 else f'-{number}'}{ending()}"
        if not path.exists() or (path not in _open and _fits(path, image_axes.shape, dtype)):
            return path
    raise AssertionError  # numbers do not end


def keep(image_axes: ImageAxes, dtype: DTypeLike, path: Path) -> LabelsOnDisk:
    """Open labels on disk, or make a place for them.

    Parameters
    ----------
    image_axes : ImageAxes
        Gives the grid.
    dtype : dtype
        Of the labels.
    path : Path
        A folder that is not there yet, or one made here for the same grid.

    Raises
    ------
    FileError
        If something else is there, or nothing can be written there.
    """
    is_old = path.exists()
    if is_old and (path in _open or not _fits(path, image_axes.shape, dtype)):
        raise FileError(
            Message(
                "labels have no place there: expected a new folder, or one with labels of this "
                "image that nobody has open, got {path!r}. Choose another name.",
                path=str(path),
            )
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        array = _opened(path) if is_old else _made(path, image_axes, np.dtype(dtype))
    except OSError as err:
        raise FileError(
            Message(
                "labels cannot be kept there: expected a folder that can be written to, got "
                "{path!r} ({err}). Choose another folder.",
                path=str(path),
                err=err,
            )
        ) from err
    # before anybody else can ask: two layers must not write into one folder
    _open[path] = array
    if not is_old and path.suffix == ".zarr":
        # looking at a large image and closing it again must leave no empty folder behind
        weakref.finalize(array, _tidy, path)
    return LabelsOnDisk(path, array, is_old)


def place_of(array: Any) -> Path | None:
    """Return where an array of `keep` lives on disk; None for any other."""
    return next((path for path, one in _open.items() if one is array), None)


def held_pieces(array: Any) -> Iterator[tuple[slice, ...]]:
    """Go through the parts of labels in which something has been written.

    Of zarr arrays these are the chunks there are; of others every plane of the first axis.
    """
    path = place_of(array)
    if path is None or path.suffix != ".zarr":
        # plane by plane, so that no more than one of them is in memory
        for index in range(array.shape[0]) if array.ndim > 2 else (slice(None),):
            yield (slice(index, index + 1) if isinstance(index, int) else index,)
        return
    for file in (path / "0").rglob("*"):
        at = file.relative_to(path / "0").parts
        # names of chunks are their numbers; `.zarray` and the files of systems are none
        if file.is_file() and all(part.isdigit() for part in at):
            yield tuple(
                slice(int(i) * n, min((int(i) + 1) * n, size))
                for i, n, size in zip(at, array.chunks, array.shape, strict=True)
            )


def largest_label(array: Any) -> int:
    """Return the largest label; only what has been written is read."""
    return max((int(np.max(array[where])) for where in held_pieces(array)), default=0)


def copy(source: Any, target: Any) -> None:
    """Copy labels into a target of the same shape, which is empty or holds an earlier copy."""
    # a piece that both arrays hold comes up twice
    seen = set()
    for array in (source, target):
        for where in held_pieces(array):
            key = tuple((part.start, part.stop) for part in where)
            if key not in seen:
                seen.add(key)
                block: Array = np.asarray(source[where])
                # writing zeros over zeros would make a file for an empty chunk
                if block.any() or np.any(target[where]):
                    target[where] = block


def _made(path: Path, image_axes: ImageAxes, dtype: "np.dtype[Any]") -> Any:
    shape = image_axes.shape
    if path.suffix == ".npy":
        return np.lib.format.open_memmap(path, "w+", dtype, shape)
    import zarr

    # OME-Zarr 0.4 is Zarr 2, and is what most programs read
    group = zarr.create_group(str(path), zarr_format=2)
    group.attrs.update({**_about(image_axes), OURS: list(shape)})
    # one plane deep: answers come plane by plane
    chunks = tuple(1 for _ in shape[:-2]) + tuple(min(_CHUNK_PX, n) for n in shape[-2:])
    return group.create_array(
        "0", shape=shape, dtype=dtype, chunks=chunks,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )  # fmt: skip


def _about(image_axes: ImageAxes) -> dict[str, Any]:
    """Return what OME-Zarr 0.4 says of labels on a grid; of turned axes their lengths only."""
    spacing = dict(zip("zyx"[-len(image_axes.spatial) :], _lengths(image_axes), strict=True))
    unit = _UNITS.get(image_axes.unit)
    axes = [
        {"name": a, "type": "time"}
        if a == "t"
        else {"name": a, "type": "space", **({"unit": unit} if unit else {})}
        for a in image_axes.grid
    ]
    scale = [float(spacing.get(a, 1.0)) for a in image_axes.grid]
    steps = [{"type": "scale", "scale": scale}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    image = {"version": "0.4", "axes": axes, "datasets": datasets}
    return {"multiscales": [image], "image-label": {"version": "0.4"}}


def _lengths(image_axes: ImageAxes) -> list[float]:
    per_mm = {"mm": 1.0, "µm": 1e3}.get(image_axes.unit, 1.0)
    return [length * per_mm for length in image_axes.volume().spacing]


def _opened(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.lib.format.open_memmap(path, "r+")
    import zarr

    return zarr.open_group(str(path), mode="r+", zarr_format=2)["0"]


def _fits(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Whether labels that were kept here before, for such a grid, are there."""
    try:
        if path.suffix == ".npy":
            there = np.load(path, mmap_mode="r")
            return bool(there.shape == shape and there.dtype == np.dtype(dtype))
        import zarr

        # a folder comes from anywhere: sizes and codecs are checked before zarr opens it
        check_array_folder(path / "0")
        group = zarr.open_group(str(path), mode="r", zarr_format=2)
        array: Any = group["0"]
        held: Any = dict(group.attrs).get(OURS)
        # our own key as well as the shape: labels of another program are not written into
        return bool(held == list(shape) and array.dtype == np.dtype(dtype))
    except (ImportError, OSError, KeyError, ValueError):
        # whatever it is, it is not ours
        return False


def _tidy(path: Path) -> None:
    """Take a folder away again in which nobody has ever written a label."""
    with suppress(OSError):
        # a chunk is a file whose name is a number; the hidden ones are zarr's description
        if any(f.is_file() and not f.name.startswith(".") for f in (path / "0").rglob("*")):
            return
        for file in (*(path / "0").glob(".*"), *path.glob(".*")):
            file.unlink()
        # `rmdir` removes empty folders only, so nothing that others have put there is lost
        (path / "0").rmdir()
        path.rmdir()


# not tuned: beside labels of this size the image and the model
# still fit into 16 GB. The window and the guides name the number.
LARGE_BYTES = 4 << 30


def is_large(shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Whether an array has more than 4 GB, too much to be held in memory."""
    # in Python's integers, which cannot overflow
    return int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize > LARGE_BYTES


def marks(shape: tuple[int, ...]) -> BoolArray:
    """Return an array of False: in memory, or in a sparse file beyond 4 GB.

    The file is temporary: it is gone with the array.
    """
    if not is_large(shape, bool):
        return np.zeros(shape, bool)
    with tempfile.TemporaryFile(prefix="napari-intseg-") as file:
        # the map stays valid after its file has been closed and has
        # lost its name; it takes room only where something is written
        return np.memmap(file, np.dtype(bool), "w+", shape=shape)


@dataclass(slots=True)
class EmbeddingFolder:
    """What is chosen now.

    Parameters
    ----------
    files : EmbeddingFiles or None
        None: embeddings stay in memory.
    """

    files: EmbeddingFiles | None = None

    def put(self, files: EmbeddingFiles | None, begun: Iterable[Iterable[Session]]) -> None:
        """Choose anew, for sessions that have begun as well, given image by image."""
        self.files = files
        for sessions in begun:
            for session in sessions:
                session.keep_embeddings(files)


def usual_folder() -> Path:
    """Return where embeddings are kept unless another folder is chosen."""
    return platformdirs.user_cache_path("napari-intseg") / "embeddings"


PLUGIN = "napari-intseg"
_NAPARI = "napari"


def put_writers_first() -> None:
    """Have the Save dialogs open on our writers, so that ``x.nii.gz`` is saved as it is named.

    They open on the writer that was found first, napari's own, which refuses endings that it does
    not know. napari's writers are found last afterwards; ours hand them what they do not write.
    """
    manager = npe2.PluginManager.instance()
    found = [writer.plugin_name for writer in manager.iter_compatible_writers(["labels"])]
    if PLUGIN not in found or _NAPARI not in found[: found.index(PLUGIN)]:
        return
    # enabling it again puts it last; nobody else needs to hear of it
    with manager.events.enablement_changed.blocked():
        manager.disable(_NAPARI)
        manager.enable(_NAPARI)


_PLACED = (
    "*.nii", "*.nii.gz", "*.nrrd", "*.nhdr", "*.mha", "*.mhd", "*.dcm",
    "*.tif", "*.tiff", "*.zarr", f"*.zarr{os.sep}", "*.h5", "*.hdf5", "*.hdf",
)  # fmt: skip
"""Files that our reader opens with sizes and place, and napari's own, which claims all of them, at
most without. napari looks for folders by a separator at the end."""


def prefer_own_reader() -> None:
    """Have files that hold a place or sizes open with our reader, where napari would ask.

    It asks *Choose reader* for each file that several plugins read, its own reader among them. The
    choice is napari's own (*Preferences › Plugins*). Kinds of files for which a person has chosen
    already, or which a third plugin reads, are left to the person.
    """
    chosen = get_settings().plugins.extension2reader
    manager, found = npe2.PluginManager.instance(), dict(chosen)
    for pattern in _PLACED:
        name = pattern.replace("*", "x").rstrip(os.sep)
        readers = {reader.plugin_name for reader in manager.iter_compatible_readers([name])}
        if readers == {_NAPARI, PLUGIN}:
            found.setdefault(pattern, PLUGIN)
    if found != chosen:
        get_settings().plugins.extension2reader = found
