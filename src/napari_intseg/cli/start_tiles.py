"""`napari-intseg start --tiles`: an image that is larger than memory, tile by tile.

Whoever has found objects on a tile keeps them in a record; from the records objects are numbered,
and then each tile's labels are written, its own pieces of an OME-Zarr. So a worker that dies costs
the tiles under way, and what was done is there when the command is given again.
"""

import argparse
import hashlib
import io
import pickle
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from napari_intseg.cli import shared_options
from napari_intseg.cli.each_image import check_running, is_many
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import INTERRUPTED
from napari_intseg.errors import DataError, FileError, PromptError
from napari_intseg.io.suffixes import KINDS, ending_of

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Array
    from napari_intseg.io.source import FileVolume

_LEAST_PX = 64
# a tile of this side has 256 MB of labels
_MOST_PX = 8192
# on either side of a border objects of two tiles are compared so far from it: both see that well
_STRIP_PX = 8
# a large image holds more objects than a console is read for
_MOST_TOLD = 20
# what labels do not depend on
_NOT_LABELS = ("run", "quiet", "workers", "scheduler", "insecure", "resume", "overwrite", "command")
# of a record
_PARTS = ("own", "sizes", "names", "apart", "top", "bottom", "left", "right")
_SIDES = {"bottom": ("top", (1, 0)), "right": ("left", (0, 1))}


def add_arguments(tiles: Any) -> None:
    """Declare the options."""
    tiles.add_argument(
        "--tiles", type=int, metavar="PX",
        help="look at tiles of so many pixels a side (64, 128, 256, …, 8192), of planes of axis 0",
    )  # fmt: skip
    tiles.add_argument(
        "--overlap", type=int, default=64, metavar="PX",
        help="what a tile sees beyond its own pixels (default 64): as much as an object is wide",
    )  # fmt: skip
    tiles.add_argument(
        "--resume", action="store_true", help="keep the tiles that an earlier run has done"
    )


def check(args: argparse.Namespace) -> None:
    """Refuse what does not go with tiles, before anything is read.

    Raises
    ------
    PromptError
        If an option has no effect, or cannot be used.
    FileError
        If the labels cannot be written in pieces.
    """
    size = args.tiles
    if size is None:
        if args.resume:
            raise PromptError(
                "--resume has no effect: expected it with --tiles, got it alone. Add --tiles 1024, "
                "and -o LABELS.zarr."
            )
        several = "--tiles or several images"
        check_running(args, several=several, is_several=is_many(args.image))
        return
    check_running(args, several="--tiles", is_several=True)
    if size & (size - 1) or not _LEAST_PX <= size <= _MOST_PX:
        raise PromptError(
            f"tiles have no such side: expected a power of two from {_LEAST_PX} to {_MOST_PX}, got "
            f"{size!r}. Choose 1024."
        )
    if not 1 <= args.overlap <= size:
        raise PromptError(
            f"overlap cannot be used: expected 1 to {size} pixels, got {args.overlap!r}. Leave it "
            "out."
        )
    others = [f"--{n}" for n in ("masks", "annotate", "example") if getattr(args, n)]
    others += ["--axis"] * (args.axis != 0)
    if others:
        raise PromptError(
            f"{others[0]} does not go with --tiles: expected a model on planes of axis 0, got "
            f"{others[0]}. Leave one out."
        )
    if KINDS.get(ending_of(args.output) or "") != "zarr":
        raise FileError(
            f"tiles need labels that are written in pieces: expected a name ending in .zarr, got "
            f"{str(args.output)!r}. Choose another."
        )


@dataclass(frozen=True, slots=True)
class TileJob:
    """One tile.

    Parameters
    ----------
    packed : bytes
        `_Work`, the same for all tiles, so that a process opens image and model once.
    at : (int, int, int)
        Its plane, and first row and column.
    """

    packed: bytes
    at: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class NumberedTile:
    """A tile whose objects have their numbers, to be put in place.

    Parameters
    ----------
    record : Path
        Of what was found.
    at : (int, int, int)
        See `TileJob`.
    numbers : tuple of int
        Of each finding.
    target : Path
        See `tiled_labels`.
    tile_px : int
        Side of the tiles.
    """

    record: Path
    at: tuple[int, int, int]
    numbers: tuple[int, ...]
    target: Path
    tile_px: int


class _Work(NamedTuple):
    """The options of the command, how values become RGB, and where records are kept."""

    args: argparse.Namespace
    intensity: Any
    parts: Path
    load: Callable[[argparse.Namespace], tuple[Any, Any]]


def run(
    args: argparse.Namespace,
    volume: "FileVolume",
    planes: range,
    load: Callable[[argparse.Namespace], tuple[Any, Any]],
) -> int:
    """Find, number and write tile by tile.

    Parameters
    ----------
    args : Namespace
        Of `start`.
    volume : FileVolume
        The image; no more of it than a tile is read at a time.
    planes : range
        Those to be looked at.
    load : callable
        Returns the model, and the one that turns boxes into masks.

    Returns
    -------
    int
        0; 130 when interrupted: then ``--resume`` goes on.

    Raises
    ------
    DataError
        If a tile cannot be done.
    """
    from napari_intseg.inference.intensity import resolve_intensity
    from napari_intseg.inference.slice_reader import check_context
    from napari_intseg.io.write import tiled_labels

    check_context(volume, int(args.neighbours))
    # once, since limits that are found by looking must be the same on all tiles
    window = shared_options.window_of(args, volume)
    intensity = resolve_intensity(volume, window, args.channels, args.colours)
    parts = _parts_of(args.output.absolute())
    options = {name: value for name, value in vars(args).items() if name not in _NOT_LABELS}
    packed = pickle.dumps(_Work(argparse.Namespace(**options), intensity, parts, load))
    _begin(args, parts, packed)
    height, width = volume.slice_shape(0)
    places = [
        (plane, row, col)
        for plane in planes
        for row in range(0, height, args.tiles)
        for col in range(0, width, args.tiles)
    ]
    left = [TileJob(packed, at) for at in places if not _record(parts, at).is_file()]
    if not _each(args, find_tile, left, of=len(places)):
        return _interrupted(parts)
    numbers, names = _numbers(parts, places, args.tiles)
    with tiled_labels(
        args.output, volume, highest=len(names), tile_px=args.tiles, overwrite=args.overwrite
    ) as target:
        tiles = [
            NumberedTile(_record(parts, at), at, numbers[at], target.absolute(), args.tiles)
            for at in places
            if numbers[at]
        ]
        if not _each(args, put_labels, tiles, of=len(tiles)):
            # what was there before stays
            _interrupted(parts)
            raise KeyboardInterrupt
    counts = _counts(parts, numbers)
    shutil.rmtree(parts, ignore_errors=True)
    if not args.quiet:
        _tell(names, counts)
        print(f"wrote {args.output}")
    return 0


def _parts_of(output: Path) -> Path:
    """Return the folder of records: beside the labels, or beside the image that they are in."""
    from napari_intseg.io.ome_zarr import image_of

    image = image_of(output)
    if image is None:
        return output.with_name(f"{output.name}.parts")
    return image.with_name(f"{image.name}.{output.name}.parts")


def _interrupted(parts: Path) -> int:
    print(f"interrupted; --resume goes on with {parts}", file=sys.stderr)
    return INTERRUPTED


def _begin(args: argparse.Namespace, parts: Path, packed: bytes) -> None:
    """Make the folder of records, or see that those in it are of the same work."""
    from napari_intseg.core.files import read_text, write_text

    settings, digest = parts / "settings", hashlib.sha256(packed).hexdigest()
    if parts.exists() and not (
        args.resume and settings.is_file() and read_text(settings) == digest
    ):
        rule = "those of the same options" if args.resume else "none, or --resume"
        raise FileError(
            f"tiles of an earlier run are there: expected {rule}, got {str(parts)!r}. Remove that "
            "folder to begin anew, or give the options that it was made with."
        )
    parts.mkdir(exist_ok=True)
    write_text(settings, digest)


def _record(parts: Path, at: tuple[int, int, int]) -> Path:
    # a folder for each row of tiles: in one of thousands of files every write takes longer
    return parts / str(at[0]) / str(at[1]) / f"{at[2]}.npz"


def _found(place: Path) -> dict[str, Any]:
    """Return a record.

    Raises
    ------
    FileError
        If it is damaged.
    """
    try:
        with np.load(place) as found:
            return {name: found[name] for name in _PARTS}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as err:
        raise FileError(
            f"record of a tile cannot be read: expected what was found there, got {str(place)!r} "
            f"({type(err).__name__}). Remove it; --resume looks at the tile again."
        ) from err


def _each(
    args: argparse.Namespace, function: Callable[[Any], str], jobs: Sequence[Any], *, of: int
) -> bool:
    """Do all jobs, here, in processes or on a cluster; return whether none was left by Ctrl-C.

    Raises
    ------
    DataError
        If some cannot be done; the others are.
    """
    title = "find" if function is find_tile else "write"
    done, errors = of - len(jobs), dict[tuple[int, int, int], str]()
    with stop_on_interrupt() as stop, progress_bar(title, "tile", quiet=args.quiet) as show:
        show(done, of)
        for job, told in _outcomes(args, function, jobs, stop):
            done += 1
            show(done, of)
            if told:
                errors[job.at] = told
    if errors:
        at, told = min(errors.items())
        raise DataError(
            f"tiles cannot be done: expected objects on all {of}, got an error on {len(errors)}, "
            f"the first at plane, row and column {at} ({told}). --resume tries them again."
        )
    return done == of


def _outcomes(
    args: argparse.Namespace,
    function: Callable[[Any], str],
    jobs: Sequence[Any],
    stop: Callable[[], bool],
) -> Iterator[tuple[Any, str]]:
    """Yield each job with its error, empty if it went well."""
    from napari_intseg.core.workers import futures_on_cluster, run_in_workers

    if args.scheduler is not None:
        for job, future in futures_on_cluster(
            function, jobs, args.scheduler, stop, insecure=args.insecure
        ):
            # what dask itself raises: its workers died, or the cluster is gone
            err = future.exception()
            yield job, str(future.result() if err is None else f"{type(err).__name__}: {err}")
    elif args.workers > 1:
        for job, outcome in run_in_workers(function, jobs, args.workers, stop):
            yield job, str(outcome)
    else:
        for job in jobs:
            if stop():
                return
            yield job, function(job)


@lru_cache(maxsize=1)
def _opened(packed: bytes) -> tuple[_Work, Any, Any, Any]:
    """Return the work, image and models of a command, opened once in a process."""
    # the bytes are of `run`, which started this worker
    work: _Work = pickle.loads(packed)
    return work, shared_options.read_image(work.args), *work.load(work.args)


def find_tile(job: TileJob) -> str:
    """Find objects on a tile and keep a record of them; return an error, empty if it went well."""
    from napari_intseg.core.files import write_bytes
    from napari_intseg.core.volume import Plane
    from napari_intseg.inference.slice_reader import SliceReader
    from napari_intseg.models.automatic.start_model import Numbering

    try:
        work, volume, model, masks_by = _opened(job.packed)
        args, plane = work.args, Plane(0, job.at[0])
        inner, outer = _spans(job.at, args, volume.slice_shape(0))
        image = work.intensity.to_rgb(SliceReader(volume, plane, int(args.neighbours))(*outer))
        found = model.find(image, args.text, threshold=args.threshold, masks_by=masks_by)
        numbering = Numbering(by_name=not model.traits.objects_apart)
        labels = numbering.labels(found, image.shape[:2])
        rows, cols = (
            slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
        )
        names = [numbering.names[n] for n in sorted(numbering.names)]
        place = _record(work.parts, job.at)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, _packed(labels, (rows, cols), names, model.traits.objects_apart))
    except Exception as err:
        # whatever it is, it is told where the command was given
        return f"{type(err).__name__}: {err}"
    return ""


def _spans(
    at: tuple[int, int, int], args: argparse.Namespace, shape: tuple[int, int]
) -> tuple[list[slice], list[slice]]:
    """Return rows and columns of a tile, and those that it is looked at with."""
    ends = list(zip(at[1:], shape, strict=True))
    inner = [slice(start, min(size, start + args.tiles)) for start, size in ends]
    outer = [
        slice(max(0, one.start - args.overlap), min(size, one.stop + args.overlap))
        for one, (_, size) in zip(inner, ends, strict=True)
    ]
    return inner, outer


def _packed(
    labels: "Array", place: tuple[slice, slice], names: Sequence[str], apart: bool
) -> bytes:
    """Return what is kept of a tile: its own labels, and strips along its borders."""
    present, sizes = np.unique(labels[place], return_counts=True)
    is_object = present > 0
    present, sizes = present[is_object], sizes[is_object]
    # what lies beyond the tile alone is found by those beside it
    table = np.zeros(len(names) + 1, np.int32)
    table[present] = np.arange(1, len(present) + 1)
    labels = table[labels]
    rows, cols = place
    top, bottom, left, right = (
        slice(max(0, at - _STRIP_PX), at + _STRIP_PX)
        for at in (rows.start, rows.stop, cols.start, cols.stop)
    )
    out = io.BytesIO()
    np.savez_compressed(
        out, own=labels[place], sizes=sizes, names=np.array([names[n - 1] for n in present], str),
        apart=np.array(apart), top=labels[top, cols], bottom=labels[bottom, cols],
        left=labels[rows, left], right=labels[rows, right],
    )  # fmt: skip
    return out.getvalue()


def _numbers(
    parts: Path, places: Sequence[tuple[int, int, int]], tile_px: int
) -> tuple[dict[tuple[int, int, int], tuple[int, ...]], dict[int, str]]:
    """Return the numbers of what was found on each tile, and what they are called."""
    from napari_intseg.models.automatic.start_model import (
        Ints,
        number_tiles,
        same_objects,
        shared_pixels,
    )

    names, sizes, first = list[str](), list[Any](), dict[tuple[int, int, int], int]()
    by_name = False
    for at in places:
        found = _found(_record(parts, at))
        first[at] = len(names)
        names += map(str, found["names"])
        sizes.append(found["sizes"])
        by_name = not bool(found["apart"])
    same: list[Ints] = [np.zeros((0, 2), np.int64)]
    shared: list[Ints] = [np.zeros((0, 3), np.int64)]
    for at in places if not by_name else ():
        found = _found(_record(parts, at))
        for side, (opposite, step) in _SIDES.items():
            beside = at[0], at[1] + step[0] * tile_px, at[2] + step[1] * tile_px
            if beside in first:
                other = _found(_record(parts, beside))[opposite]
                pairs = same_objects(found[side], other)
                same.append(pairs - 1 + np.array([first[at], first[beside]]))
        behind = at[0] + 1, at[1], at[2]
        if behind in first:
            pairs = shared_pixels(found["own"], _found(_record(parts, behind))["own"])
            shared.append(pairs + np.array([first[at] - 1, first[behind] - 1, 0]))
    numbers = number_tiles(
        names, np.concatenate(sizes), np.concatenate(same), np.concatenate(shared), by_name=by_name
    )
    ends = [*list(first.values())[1:], len(names)]
    tables = {
        at: tuple(numbers[start:end].tolist())
        for (at, start), end in zip(first.items(), ends, strict=True)
    }
    return tables, dict(zip(numbers[::-1].tolist(), names[::-1], strict=True))


def put_labels(tile: NumberedTile) -> str:
    """Write the labels of a tile; return an error, empty if it went well."""
    from napari_intseg.io.ome_zarr import put_tile

    try:
        table = np.array([0, *tile.numbers], np.uint32)
        own = table[_found(tile.record)["own"]]
        put_tile(tile.target, tile.at, own, tile_px=tile.tile_px)
    except Exception as err:
        # as above
        return f"{type(err).__name__}: {err}"
    return ""


def _counts(parts: Path, numbers: Mapping[tuple[int, int, int], tuple[int, ...]]) -> "Counter[int]":
    counts = Counter[int]()
    for at, own in numbers.items():
        for number, size in zip(own, _found(_record(parts, at))["sizes"].tolist(), strict=True):
            counts[number] += size
    return counts


def _tell(names: Mapping[int, str], counts: "Counter[int]") -> None:
    if not names:
        print("nothing was found")
    for label, name in sorted(names.items())[:_MOST_TOLD]:
        print(f"object {label}: {name}, {counts[label]} pixels")
    if len(names) > _MOST_TOLD:
        print(f"and {len(names) - _MOST_TOLD} more")
