"""Tracks of a time series, and the folders in which the Cell Tracking Challenge keeps them.

A folder holds a TIFF of labels for each time point, and a text file with a line a track: its label,
the first and the last time point, and its parent. The format is that of "File Naming Conventions
and Formats" of the challenge, celltrackingchallenge.net.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core import files
from napari_intseg.core.segmenter import Array
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.file_checks import check_regular

LARGEST = 65_535
"""Track that 16 bits can hold, which is what the format has."""

TRACKED = "_res"
"""How the name of a folder of results ends, in small letters."""

# of masks and of the table of tracks: results of a program, and what people marked
_KINDS = ((re.compile(r"mask(\d+)\.tif"), "res_track.txt"),
          (re.compile(r"man_track(\d+)\.tif"), "man_track.txt"))  # fmt: skip

# four numbers for each of 65,535 tracks take 2 MB
_TABLE_BYTES = 1 << 23

# a larger number in labels is looked up among those there are, not in a table of all
_TABLE = 1 << 24

EventKind = Literal["division", "merge", "continues", "appears", "ends"]


@dataclass(frozen=True, slots=True)
class Event:
    """Where tracks begin or end.

    Parameters
    ----------
    kind : str
        "division", "merge", "continues" (under another number), "appears" or "ends".
    time : int
        The first time point after it; of "ends" as well.
    tracks : tuple of int
        That end there.
    into : tuple of int
        That begin there.
    """

    kind: EventKind
    time: int
    tracks: tuple[int, ...]
    into: tuple[int, ...]

    def __str__(self) -> str:
        before, after = (_listed(numbers) for numbers in (self.tracks, self.into))
        words = {
            "division": f"{before} divides into {after}",
            "merge": f"{before} merge into {after}",
            "continues": f"{before} goes on as {after}",
            "appears": f"{after} appears",
            "ends": f"{before} ends",
        }
        return f"time {self.time}: {words[self.kind]}"


@dataclass(frozen=True, slots=True)
class Tracks:
    """Which objects of a time series are one, and which others they came from.

    A track is one object from the time point where it begins to that where it ends. What comes out
    of a division or a merge is a track of its own.

    Parameters
    ----------
    numbers : tuple of mapping of int to int
        For each time point, by the number of an object there, the track that it belongs to.
    parents : mapping of int to tuple of int
        By track, those that it came from, the one with most overlap first: one after a division,
        several after a merge. Tracks that simply appear are not in it.

    Examples
    --------
    >>> divided = Tracks(({1: 1}, {1: 2, 2: 3}), {2: (1,), 3: (1,)})
    >>> print(*divided.events)
    time 1: 1 divides into 2 and 3
    """

    numbers: tuple[Mapping[int, int], ...]
    parents: Mapping[int, tuple[int, ...]]

    @property
    def spans(self) -> dict[int, tuple[int, int]]:
        """The first and the last time point of each track, sorted by track."""
        found: dict[int, tuple[int, int]] = {}
        for time, tracks in enumerate(self.numbers):
            for track in tracks.values():
                found[track] = (found.get(track, (time, time))[0], time)
        return dict(sorted(found.items()))

    @property
    def children(self) -> dict[int, tuple[int, ...]]:
        """The tracks that came of each, sorted; those of which none came are not in it."""
        found: dict[int, tuple[int, ...]] = {}
        for child in sorted(self.parents):
            for parent in self.parents[child]:
                found[parent] = (*found.get(parent, ()), child)
        return found

    @property
    def events(self) -> tuple[Event, ...]:
        """All that happens, in the order of time; what is there at either end is no event."""
        spans, children, out = self.spans, self.children, []
        for track, (first, last) in spans.items():
            parents = self.parents.get(track, ())
            after = children.get(track, ())
            if len(parents) > 1:
                out.append(Event("merge", first, parents, (track,)))
            elif parents and len(children[parents[0]]) == 1:
                out.append(Event("continues", first, parents, (track,)))
            elif not parents and first > 0:
                out.append(Event("appears", first, (), (track,)))
            if len(after) > 1:
                out.append(Event("division", min(spans[one][0] for one in after), (track,), after))
            elif not after and last < len(self.numbers) - 1:
                out.append(Event("ends", last + 1, (track,), ()))
        return tuple(sorted(out, key=lambda one: (one.time, one.tracks, one.into)))

    def apply(self, labels: Array, time: int) -> NDArray[np.int32]:
        """Return the labels of a time point with the numbers of tracks; what has none becomes 0."""
        known = self.numbers[time]
        # bools would choose rows of the table
        labels = labels.astype(np.uint8) if labels.dtype == bool else labels
        if int(labels.max(initial=0)) <= _TABLE:
            table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
            for number, track in known.items():
                if number < len(table):
                    table[number] = track
            return np.asarray(table[labels])
        found, at = np.unique(labels, return_inverse=True)
        tracks = np.array([known.get(int(number), 0) for number in found], np.int32)
        return np.asarray(tracks[at].reshape(labels.shape))

    def points(self, centres: Sequence[Mapping[int, Sequence[float]]]) -> NDArray[np.float64]:
        """Return a row a track and time point, as a Tracks layer of napari takes them.

        Parameters
        ----------
        centres : sequence of mapping
            For each time point, by the number of an object there, its centre in pixels; see
            `centres_of`.

        Returns
        -------
        ndarray of float, shape (N, D)
            Track, time and position, sorted.
        """
        rows = [
            (track, time, *centres[time][number])
            for time, known in enumerate(self.numbers)
            for number, track in known.items()
        ]
        return np.array(sorted(rows), float)

    @property
    def graph(self) -> dict[int, list[int]]:
        """The parents of each track that has some, as a Tracks layer of napari takes them."""
        return {child: list(parents) for child, parents in sorted(self.parents.items())}


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers or ("",))
    return f"{', '.join(most)} and {last}" if most else last


@dataclass(frozen=True, slots=True, eq=False)
class LabelledObjects:
    """The objects of one time point: numbers, sizes in pixels, and centres in pixels."""

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    centres: NDArray[np.float64]

    @property
    def by_number(self) -> dict[int, tuple[float, ...]]:
        """The centre of each object."""
        rows = zip(self.numbers.tolist(), self.centres.tolist(), strict=True)
        return {number: tuple(centre) for number, centre in rows}


def objects_of(labels: Array) -> LabelledObjects:
    """Return the objects of one time point, sorted by number."""
    where = np.nonzero(labels)
    numbers, at, sizes = np.unique(labels[where], return_inverse=True, return_counts=True)
    sums = [np.bincount(at, axis, len(numbers)) for axis in where]
    centres = np.stack(sums, axis=-1) / sizes[:, np.newaxis]
    return LabelledObjects(numbers.astype(np.int64), sizes.astype(np.int64), centres)


def check_series(labels: Array) -> Array:
    """Return labels if they are those of a time series.

    Raises
    ------
    DataError
        If they are no integers, or not of shape (T, Y, X) or (T, Z, Y, X).
    """
    if labels.ndim not in (3, 4) or np.dtype(labels.dtype).kind not in "bui":
        raise DataError(
            "labels are no time series: expected integers of shape (time, row, column) or (time, "
            f"plane, row, column), got {labels.dtype} of shape {tuple(labels.shape)}. Give labels "
            "of all time points in one array."
        )
    return labels


def is_ctc(folder: Path) -> bool:
    """Whether a folder is one that `read_ctc` reads, by the names in it."""
    return _kind_of(folder) is not None


def write_ctc(
    folder: str | Path,
    labels: Array,
    parents: Mapping[int, Sequence[int]] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write tracked labels as a folder of the Cell Tracking Challenge, whole or not at all.

    Parameters
    ----------
    folder : path
        Such as ``01_RES``; ``mask000.tif``, …, 16 bits, and ``res_track.txt`` are put into it.
    labels : ndarray of integers, shape (T, Y, X) or (T, Z, Y, X)
        Whose numbers are those of the tracks: they are written as they are.
    parents : mapping of int to sequence of int, optional
        By track, those that it came from. The format holds one: of a merge the first is written,
        and the others end.
    overwrite : bool, default False
        Whether such a folder may be replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the labels are no time series, a number is above 65535, a track has a gap or begins
        before its parent has ended.
    FileError
        If the folder exists and may not be replaced, holds anything else, or cannot be written.
    """
    from napari_intseg.io.write import told  # which loads what all other formats need

    folder = check_folder(folder, overwrite=overwrite)
    check_series(labels)
    spans = _spans(labels)
    chosen = {
        child: one[0] for child, one in (parents or {}).items() if len(one) and child in spans
    }
    rows = [(track, *spans[track], chosen.get(track, 0)) for track in sorted(spans)]
    wrong = _wrong_row(rows, len(labels))
    if wrong:
        raise DataError(f"tracks cannot be written: {wrong}. Link the objects again.")
    digits = max(3, len(str(len(labels) - 1)))
    with told(folder), files.hidden_folder(folder.parent) as hidden:
        made = hidden / folder.name
        made.mkdir()
        for time in range(len(labels)):
            _write_frame(made / f"mask{time:0{digits}d}.tif", np.asarray(labels[time]))
        lines = "".join(f"{' '.join(map(str, row))}\n" for row in rows)
        # as bytes: the same on every system
        (made / "res_track.txt").write_bytes(lines.encode("ascii"))
        files.put(made, folder)
    return folder


def check_folder(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Return a folder if tracks can be written there: to be asked before slow work.

    Raises
    ------
    FileError
        As for `write_ctc`.
    """
    folder = Path(folder)
    if not folder.parent.is_dir():
        raise FileError(
            f"folder is missing: expected an existing folder, got {str(folder.parent)!r}. "
            "Make it first."
        )
    if folder.exists() and not overwrite:
        raise FileError(
            f"folder exists: expected a new name, got {str(folder)!r}. Choose another name, or "
            "allow it to be replaced with --overwrite (overwrite=True in Python)."
        )
    pattern, table = _KINDS[0]
    if folder.exists() and not folder.is_dir():
        raise FileError(
            f"folder cannot be written: expected a new name, got the file {str(folder)!r}. Choose "
            "another name."
        )
    others = [
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name != table and not pattern.fullmatch(path.name)
    ]
    if others:
        raise FileError(
            f"folder holds other files: expected mask000.tif and the like, and {table}, got "
            f"{sorted(others)[0]!r} in {str(folder)!r}. Choose another folder."
        )
    return folder


def read_ctc(folder: str | Path) -> tuple[NDArray[np.uint16], Tracks]:
    """Read tracked labels of the Cell Tracking Challenge.

    Parameters
    ----------
    folder : path
        ``01_RES``, ``01_GT/TRA`` or ``01_GT``: with ``mask000.tif``, … and ``res_track.txt``, or
        ``man_track000.tif``, … and ``man_track.txt``.

    Returns
    -------
    labels : ndarray of uint16, shape (T, Y, X) or (T, Z, Y, X)
        Whose numbers are those of the tracks.
    tracks : Tracks
        With the parents that the text says.

    Raises
    ------
    FileError
        If the folder is no such one, a time point is missing or damaged, or the text and the
        labels do not agree.
    """
    folder = Path(folder)
    found = _kind_of(folder)
    if found is None:
        raise FileError(
            "folder holds no tracks: expected mask000.tif and res_track.txt, or man_track000.tif "
            f"and man_track.txt, got {str(folder)!r}. Choose a folder such as 01_RES or 01_GT/TRA."
        )
    there, pattern, table = found
    paths = _frames(there, pattern)
    rows = _rows(there / table)
    wrong = _wrong_row(rows, len(paths))
    if wrong:
        raise FileError(f"tracks cannot be read: {wrong} in {str(there / table)!r}. Correct it.")
    frames: list[NDArray[np.uint16]] = []
    for time, path in enumerate(paths):
        frames.append(_read_frame(path, frames[0].shape if frames else None))
        _check_frame(path, frames[-1], {row[0] for row in rows if row[1] <= time <= row[2]})
    numbers = tuple(
        {track: track for track, first, last, _ in rows if first <= time <= last}
        for time in range(len(paths))
    )
    parents = {track: (parent,) for track, _, _, parent in rows if parent}
    return np.stack(frames), Tracks(numbers, parents)


Row = tuple[int, int, int, int]
"""A track, its first and last time point, and its parent; 0: none."""


def _kind_of(folder: Path) -> tuple[Path, re.Pattern[str], str] | None:
    for there in (folder, folder / "TRA"):
        for pattern, table in _KINDS:
            if (there / table).is_file():
                return there, pattern, table
    return None


def _frames(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Return the masks of all time points; one that is missing is told."""
    found = {}
    for path in sorted(folder.iterdir()):
        named = pattern.fullmatch(path.name)
        if named is not None:
            found[int(named[1])] = path
    missing = next((time for time in range(len(found)) if time not in found), None)
    if missing is not None or not found:
        raise FileError(
            f"time point is missing: expected a mask for {missing or 0}, got {len(found)} masks up "
            f"to {max(found, default=0)} in {str(folder)!r}. Complete the folder."
        )
    return [found[time] for time in range(len(found))]


def _rows(path: Path) -> list[Row]:
    try:
        size = check_regular(path).stat().st_size
        text = path.read_bytes() if size <= _TABLE_BYTES else b""
    except OSError as err:
        raise _no_row(path, str(err.strerror or err)) from err
    if size > _TABLE_BYTES:
        raise _no_row(path, f"{size} bytes")
    rows: list[Row] = []
    for number, line in enumerate(text.decode("utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 4 or not all(re.fullmatch(r"\d{1,9}", part, re.ASCII) for part in parts):
            raise _no_row(path, f"{line[:60]!r} on line {number}")
        track, first, last, parent = (int(part) for part in parts)
        rows.append((track, first, last, parent))
    return rows


def _no_row(path: Path, got: str) -> FileError:
    return FileError(
        "tracks cannot be read: expected lines of four whole numbers (track, first and last time "
        f"point, parent), got {got} of {str(path)!r}. Correct it."
    )


def _wrong_row(rows: Sequence[Row], n_times: int) -> str:
    """Return what is wrong with a table of tracks, as the middle of an error; empty if nothing."""
    spans = {track: (first, last) for track, first, last, _ in rows}
    if len(spans) < len(rows):
        twice = next(t for t in spans if sum(row[0] == t for row in rows) > 1)
        return f"expected each track once, got {twice!r} twice"
    for track, first, last, parent in rows:
        if not 1 <= track <= LARGEST:
            return f"expected numbers from 1 to {LARGEST}, which 16 bits hold, got {track!r}"
        if not first <= last < n_times:
            return (
                f"expected time points from 0 to {n_times - 1}, the first before the last, got "
                f"{first!r} and {last!r} of track {track}"
            )
        if parent and parent not in spans:
            return f"expected a track as the parent of {track}, got {parent!r}, which there is not"
        if parent and spans[parent][1] >= first:
            return (
                f"expected a parent that has ended before {track} begins at {first}, got "
                f"{parent!r}, which ends at {spans[parent][1]}"
            )
    return ""


def _spans(labels: Array) -> dict[int, tuple[int, int]]:
    """Return the first and last time point of each number; a gap is refused."""
    spans: dict[int, tuple[int, int]] = {}
    for time in range(len(labels)):
        for track in map(int, np.unique(np.asarray(labels[time]))):
            if not track:
                continue
            first, last = spans.get(track, (time, time - 1))
            if last != time - 1:
                raise DataError(
                    f"track has a gap: expected {track} at every time point from {first} to "
                    f"{time}, got none at {last + 1}. Complete it, or link the objects again: what "
                    "comes after a gap is then a track of its own."
                )
            spans[track] = (first, time)
    return spans


def _write_frame(path: Path, labels: Array) -> None:
    import tifffile

    tifffile.imwrite(path, labels.astype(np.uint16), photometric="minisblack")


def _read_frame(path: Path, shape: tuple[int, ...] | None) -> NDArray[np.uint16]:
    from napari_intseg.io.tiff import read_series

    try:
        frame = read_series(path)
    except FileError:
        raise
    except Exception as err:  # tifffile has many errors for a damaged file
        reason = " ".join(str(err).split())[-300:] or type(err).__name__
        raise FileError(
            f"file cannot be read: expected labels, got {str(path)!r} ({reason}). Check that it is "
            "complete."
        ) from err
    is_one = frame.ndim in (2, 3) and shape in (None, frame.shape)
    if not is_one or frame.dtype.kind not in "bui" or int(frame.max(initial=0)) > LARGEST:
        wanted = f"of shape {shape}" if shape else "of two or three axes"
        raise FileError(
            f"file holds no tracks: expected whole numbers up to {LARGEST} {wanted}, got "
            f"{frame.dtype} of shape {frame.shape} in {str(path)!r}. Complete the folder."
        )
    return frame.astype(np.uint16)


def _check_frame(path: Path, frame: Array, wanted: set[int]) -> None:
    there = {int(number) for number in np.unique(frame) if number}
    odd = sorted(there ^ wanted)
    if odd:
        got = "it there" if odd[0] in there else "none"
        raise FileError(
            f"labels and tracks do not agree: expected track {odd[0]} "
            f"{'not to be' if odd[0] in there else ''} in {path.name!r} by the text, got {got} of "
            f"{str(path.parent)!r}. Correct one of the two."
        )
