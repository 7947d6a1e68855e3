"""DICOM series: list those in a folder, choose one, read it."""

import logging
import os
import re
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.decoder import DecoderProcess
from napari_intseg.io.dicom.header import (
    DicomFrame,
    DicomOrigin,
    looks_like_dicom,
    read_frames,
    read_patient,
)
from napari_intseg.io.dicom.pixels import (
    damaged,
    decode,
    read_pixels,
    real_plane,
    stored_type,
    type_ahead,
    windows_of,
)
from napari_intseg.io.dicom.stack import Stack, affine_of, apart, heights, sort_stacks
from napari_intseg.io.dicom.stack import resample as resampled_stack
from napari_intseg.io.file_checks import check_time
from napari_intseg.io.source import FileVolume, ItkGeometry, Source

LAZY_BYTES = 2**29
"""Larger series are read slice by slice; smaller ones at once: all directions are quick then."""

# 512 slices of 512 by 512 pixels of 16 bits
CACHE_BYTES = 2**28
_DEFLATED = "1.2.840.10008.1.2.1.99"


class LazySlices:
    """Real values of frames on one grid, as `read_pixels` gives them, read when they are indexed.

    Slices that were read last are kept, up to a limit. Several threads may read at once.

    Parameters
    ----------
    frames : sequence of DicomFrame
        In the order in which planes are wanted; those of several time points one after another.
    dtype : numpy dtype
        Of `type_ahead`.
    times : int, default 0
        How many time points there are; 0: there is no such axis.
    cache_bytes : int, optional
        How much is kept; `CACHE_BYTES` by default.
    """

    def __init__(
        self,
        frames: Sequence[DicomFrame],
        dtype: np.dtype[Any],
        *,
        times: int = 0,
        cache_bytes: int | None = None,
    ) -> None:
        self._frames = tuple(frames)
        header = self._frames[0].header
        self._plane_shape = (*header.shape, *((3,) if header.samples == 3 else ()))
        outer = (times, len(frames) // times) if times else (len(frames),)
        self._numbers = np.arange(len(frames)).reshape(outer)
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._cache_bytes = CACHE_BYTES if cache_bytes is None else cache_bytes
        # napari reads from threads of its own; there is one decoder and one cache
        self._lock = threading.Lock()
        self._decoder = DecoderProcess()
        # ends the decoder's process with the array, without `__del__`, which may come too late
        weakref.finalize(self, self._decoder.close)
        self.shape: tuple[int, ...] = (*outer, *self._plane_shape)
        self.ndim = len(self.shape)
        self.dtype = dtype
        self.chunks = (*(1 for _ in outer), *self._plane_shape)

    def __getitem__(self, index: Any) -> Array:
        """Read with basic indices.

        Raises
        ------
        FileError
            If a slice that is needed is damaged or gone: the file and its place are named.
        """
        given = index if isinstance(index, tuple) else (index,)
        outer = self._numbers.ndim
        numbers = self._numbers[given[:outer]]
        inner = given[outer:]
        if numbers.ndim == 0:
            # a copy: the slice in the cache must not be changed by the one who asked
            return np.array(self._plane(int(numbers))[inner])
        # the shape that indices leave of a plane, found without making one
        shape = np.broadcast_to(np.zeros((), self.dtype), self._plane_shape)[inner].shape
        out = np.empty((numbers.size, *shape), self.dtype)
        for i, number in enumerate(numbers.ravel()):
            out[i] = self._plane(int(number))[inner]
        return out.reshape((*numbers.shape, *shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all of it; called by numpy."""
        whole = self[()]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))

    def _plane(self, number: int) -> Array:
        with self._lock:
            if number not in self._kept:
                self._kept[number] = self._read(number)
            self._kept.move_to_end(number)
            plane = self._kept[number]
            # the slice that was just read stays even if it is larger than the limit
            while len(self._kept) > 1 and len(self._kept) * plane.nbytes > self._cache_bytes:
                self._kept.popitem(last=False)
        return plane

    def _read(self, number: int) -> Array:
        frame = self._frames[number]
        where = _one_slice(frame, number % self._numbers.shape[-1])
        image = decode(frame.header, self._decoder, frame.number, where)
        plane = image[0 if len(image) == 1 else frame.number]
        fits = np.can_cast(plane.dtype, stored_type(frame.header))
        if plane.shape != self._plane_shape or not fits:
            raise damaged(frame.header, f"{where}an image of shape {plane.shape}, {plane.dtype}")
        return plane if plane.ndim == 3 else real_plane(plane, frame, self.dtype)


def lazy_slices(
    times: Sequence[Sequence[DicomFrame]], *, lazy: bool | None = None
) -> LazySlices | None:
    """Return planes that are read when they are asked for; None if they are to be read at once.

    Parameters
    ----------
    times : sequence of sequence of DicomFrame
        The planes of each time point; if there are several, the first axis is time.
    lazy : bool, optional
        By default, whether they take more than `LAZY_BYTES`. Where only the pixels tell what type
        they are of, they are read at once whatever is asked for: palettes, more than 16 bits.
    """
    frames = [frame for planes in times for frame in planes]
    header = frames[0].header
    size = len(frames) * header.shape[0] * header.shape[1] * header.samples * header.allocated // 8
    if not (size > LAZY_BYTES if lazy is None else lazy):
        return None
    several = {frame.header.syntax for frame in frames if frame.header.frames > 1}
    # a frame cannot be cut out of a file that is deflated as a whole, or that tells no syntax
    kind = None if several & {_DEFLATED, ""} else type_ahead(frames)
    count = len(times) if len(times) > 1 else 0
    return None if kind is None else LazySlices(frames, kind, times=count)


def _one_slice(frame: DicomFrame, plane: int) -> str:
    if frame.position is None:
        return f"plane {plane}; "
    return f"plane {plane}, at {np.dot(frame.position, frame.normal):.2f} mm; "


_log = logging.getLogger(__name__)
_UNNAMED = "unnamed"
_INDEX = "DICOMDIR"
_ENDINGS = (".dcm", ".dicom", ".dic", ".ima")
_HIDDEN = ""
_NO_DICOM = "it does not begin as DICOM does"
# files of a folder that are looked at for DICOM, as the queue does, and names that a message tells
_LOOKED_AT, _NAMED = 3, 3


class DicomWarning(UserWarning):
    """Something about a series that a person should know before trusting its geometry."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One image or volume among DICOM files. Nothing in it names the patient.

    Parameters
    ----------
    number : int
        In the list, from 1: one way to choose it.
    uid : str
        Of the series, with ``#2`` and so on where one series holds several stacks; "unnamed" if
        the files have none.
    description, modality : str
        As in the files.
    slices : int
        How many planes.
    shape : tuple of int
        ``(plane, row, col)``.
    spacing : tuple of float
        Millimetres, in the order of `shape`.
    times : int
        Time points (or echoes, or b-values).
    is_localizer : bool
        Whether this is an overview on which others were planned.
    problems : tuple of str
        Missing, double, tilted or uneven slices and the like, with positions in millimetres.
    files : tuple of Path
        In no particular order.
    beside : sequence of Stack
        All of the same series, and localizers of others that were passed over for this one.
    """

    number: int
    uid: str
    description: str
    modality: str
    slices: int
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    times: int
    is_localizer: bool
    problems: tuple[str, ...]
    files: tuple[Path, ...] = field(repr=False)
    folder: Path = field(repr=False)
    stack: Stack = field(repr=False)
    beside: Sequence[Stack] = field(default=(), repr=False)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Images that do not go into this volume, such as a localizer: how many, names, why."""
        reasons: dict[str, list[DicomFrame]] = {}
        for other in self.beside:
            if other is not self.stack:
                frames = [frame for time in other.times for frame in time]
                reasons.setdefault(apart(frames[0], self.stack.frames[0]), []).extend(frames)
        return tuple(
            f"{_counted('image', [f.header.file for f in frames], len(frames))}, {reason}"
            for reason, frames in reasons.items()
        )

    def __str__(self) -> str:
        rows, cols = self.shape[1:]
        size = " x ".join(f"{mm:.4g}" for mm in self.spacing)
        kind = "localizer, " if self.is_localizer else ""
        times = f", {self.times} time points" if self.times > 1 else ""
        trouble = f" ({'; '.join(self.problems)})" if self.problems else ""
        return (
            f"{self.number}: {self.modality or 'image'} {self.description!r}, {kind}{self.slices} "
            f"slice{'s' * (self.slices != 1)} of {rows} x {cols}{times}, {size} mm{trouble}"
        )


def list_series(
    path: str | Path, on_progress: Callable[[int, int], None] | None = None
) -> list[Series]:
    """List the images and volumes among DICOM files, never mixed.

    Parameters
    ----------
    path : path
        A file; or a folder, and the folders in it if it holds no DICOM file itself.
    on_progress : callable, optional
        Told how many of how many files have been read, 0 of 0 while they are looked for; what it
        raises ends the listing.

    Returns
    -------
    list of Series
        In the order of their numbers in the study, localizers behind the others. Other objects
        (structured reports, segmentations, plans) are left out.

    Warns
    -----
    DicomWarning
        If some files cannot be read, or folders in the folder hold DICOM as well.

    Raises
    ------
    FileError
        If the path is missing, or its only file is damaged or holds no image.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"file is missing: expected DICOM, got {str(path)!r}. Check the path.")
    tell = on_progress or _untold
    files, broken = ([path], []) if path.is_file() else _dicom_files(path, tell)
    found, damaged = _headers(files, tell)
    damaged = broken + damaged
    if damaged and not found:
        file, reason = damaged[0]
        raise FileError(
            f"file cannot be read: expected a DICOM image, got {str(file)!r} ({reason}). "
            "Check that it is complete."
        )
    if path.is_file() and not found:
        raise FileError(
            f"file holds no image: expected DICOM with rows and columns, got {str(path)!r}. "
            "Name an image, a folder of slices, or labels (DICOM-SEG, RT-STRUCT)."
        )
    for reason in dict.fromkeys(reason for _, reason in damaged):
        files = [file for file, why in damaged if why == reason]
        _warn(f"{_counted('file', files)} cannot be read: {reason}")
    return _numbered(found, path)


def _headers(
    files: Sequence[Path], tell: Callable[[int, int], None]
) -> tuple[dict[str, list[DicomFrame]], list[tuple[Path, str]]]:
    """Return frames by series, and which files cannot be read and why."""
    found: dict[str, list[DicomFrame]] = {}
    damaged: list[tuple[Path, str]] = []
    for done, file in enumerate(files):
        tell(done, len(files))
        if not looks_like_dicom(file):
            damaged.append((file, _NO_DICOM))
            continue
        try:
            for frame in read_frames(file):
                found.setdefault(frame.header.series, []).append(frame)
        except Exception as err:
            # pydicom has many errors for a damaged header; all mean the same to a person
            _log.debug("no header", exc_info=True)
            damaged.append((file, " ".join(str(err).split())[-200:] or type(err).__name__))
    return found, damaged


def choose_series(path: str | Path, series: int | str | None = None) -> Series:
    """Return the series of a file or folder, or the chosen one of several.

    Parameters
    ----------
    path : path
        As for `list_series`.
    series : int or str, optional
        Its number in the list, or its uid. Not needed if there is one besides localizers.

    Raises
    ------
    FileError
        If there is none, the chosen one does not exist, or there are several and none is chosen.
        The message lists them.
    """
    every = list_series(path)
    if series is not None:
        chosen = [one for one in every if str(series) in (str(one.number), one.uid)]
        if len(chosen) == 1:
            return chosen[0]
        raise FileError(
            f"series does not exist: expected one of {_listed(every)}, got {series!r} in "
            f"{str(path)!r}. Choose another."
        )
    # an overview beside one volume is no choice to be made
    candidates = [one for one in every if not one.is_localizer] or every
    if len(candidates) == 1:
        one = candidates[0]
        scouts = [scout.stack for scout in every if scout.is_localizer]
        return replace(one, beside=[*one.beside, *(s for s in scouts if s not in one.beside)])
    choice = "Name a folder with DICOM files, or a file."
    if every:
        choice = (
            f"Choose one with --series (series= in Python), by number or uid: {_listed(every)}."
        )
    raise FileError(
        f"folder does not hold one image: expected one DICOM series, got {len(candidates)} in "
        f"{str(path)!r}. {choice}"
    )


def read_series(
    series: Series,
    *,
    resample: bool = False,
    anonymous: bool = True,
    time: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    lazy: bool | None = None,
) -> FileVolume:
    """Read a series, its slices in order of position.

    Parameters
    ----------
    series : Series
        As listed.
    resample : bool, default False
        Whether slices that are tilted or unevenly spaced are interpolated onto a regular,
        perpendicular grid. By default they are left as they are: a tilt becomes a shear of the
        affine, and uneven slices are taken at their mean distance.
    anonymous : bool, default True
        Whether the patient's name, number, birth date and sex are left behind. If not, they are
        written into DICOM that is made of this volume; they are shown nowhere all the same.
    time : int, optional
        Which time point, from 0; needed when there are several.
    on_progress : callable, optional
        Told how many of how many slices are read.
    lazy : bool, optional
        Whether a slice is read when it is asked for, and only headers now; by default where the
        series takes more than `dicom_lazy.LAZY_BYTES`. Resampling, palettes and values of more than
        16 bits need all slices at once.

    Returns
    -------
    FileVolume
        Indexed ``(plane, row, col)``, the affine in LPS millimetres; of real values (Hounsfield
        units for CT), or RGB. Its `window` is what the file wants shown black and white, by the
        first window of the middle slice; all of that slice's are in its `windows`.

    Warns
    -----
    DicomWarning
        For each of the series' problems that resampling did not solve, and for images that are
        left out.

    Raises
    ------
    FileError
        If the pixels of all slices are damaged (of a lazy series, or of several time points, those
        of one slice, when they are asked for), or there are several time points and none is chosen.
    """
    stack = series.stack
    frames = stack.times[check_time(time, series.times, series.folder)]
    is_resampled = resample and not stack.is_regular
    # of several time points all have as many planes
    failed = dict[DicomFrame, FileError]() if series.times == 1 else None
    data = _values(frames, on_progress, failed, lazy=False if is_resampled else lazy)
    if failed:
        frames = tuple(frame for frame in frames if frame not in failed)
        beside = [one for one in series.beside if one is not stack]
        stack = sort_stacks(frames)[0]
        series = replace(series, stack=stack, beside=beside)
        damaged_files = [frame.header.file for frame in failed]
        told = _counted("slice", damaged_files, len(failed))
        _warn(f"{told} left out: {next(iter(failed.values()))}")
    affine, geometry = affine_of(stack)
    is_resampled = resample and not stack.is_regular
    if is_resampled:
        data, affine, geometry = resampled_stack(data, stack)
    _tell_problems(series, can_resample=not (stack.is_regular or is_resampled))
    patient = {} if anonymous else read_patient(frames[0].header.file)
    origin = DicomOrigin(frames, is_resampled, patient)
    source = _source(series, geometry, origin)
    return FileVolume(data, source, affine=affine, channels=data.ndim == 4)


def _source(series: Series, geometry: ItkGeometry | None, origin: DicomOrigin) -> Source:
    windows = windows_of(origin.frames[len(origin.frames) // 2])
    return Source(series.folder, itk=geometry, dicom=origin, windows=windows)


def _tell_problems(series: Series, *, can_resample: bool) -> None:
    remedy = ". Ask for resampling if that matters" if can_resample else ""
    # those of the stack are others where slices turned out to be damaged
    for problem in dict.fromkeys((*series.problems, *series.stack.problems)):
        _warn(f"{series.modality} {series.description!r}: {problem}{remedy}")
    for images in series.left_out:
        _warn(f"{series.modality} {series.description!r}: left out: {images}")


def read_dicom(
    path: Path,
    time: int | None = None,
    *,
    series: int | str | None = None,
    resample: bool = False,
    anonymous: bool = True,
) -> FileVolume:
    """Read the one series of a file or folder, or the chosen one.

    Raises
    ------
    FileError
        As for `choose_series` and `read_series`.
    """
    chosen = choose_series(path, series)
    return read_series(chosen, resample=resample, anonymous=anonymous, time=time)


def _values(
    frames: Sequence[DicomFrame],
    on_progress: Callable[[int, int], None] | None,
    failed: dict[DicomFrame, FileError] | None,
    *,
    lazy: bool | None,
) -> Any:
    found = lazy_slices([frames], lazy=lazy)
    if found is None:
        return read_pixels(frames, on_progress, failed)
    if on_progress is not None:
        on_progress(len(frames), len(frames))
    return found


def _warn(text: str) -> None:
    warnings.warn(DicomWarning(text), stacklevel=3)


def _listed(every: Sequence[Series]) -> str:
    return "; ".join(f"{one} [{one.uid}]" for one in every)


def _untold(_done: int, _total: int) -> None:
    pass


def _dicom_files(
    folder: Path, tell: Callable[[int, int], None]
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Return the DICOM files of a folder, or of the folders in it if it has none.

    With them those that are named like them but are none, and why.
    """

    def is_one(path: Path) -> bool:
        tell(0, 0)
        return path.is_file() and path.name != _INDEX and looks_like_dicom(path)

    files = sorted(folder.iterdir())
    found = list(filter(is_one, files))
    if not found:
        files = sorted(Path(at) / name for at, _, names in os.walk(folder) for name in names)
        found = list(filter(is_one, files))
    elif inner := [one for one in files if one.is_dir() and any(map(is_one, _first_in(one)))]:
        _warn(f"{_counted('folder', inner)}: DICOM in it is left out, as some lies beside it")
    known = {*found, folder / _INDEX}
    patterns = {*_ENDINGS, *map(_pattern, found)} - {_HIDDEN}
    others = [one for one in files if one not in known and not one.is_dir()]
    return found, [(one, _no_dicom(one)) for one in others if _pattern(one) in patterns]


def _first_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:_LOOKED_AT]
    except OSError:
        # not for us to read
        return []


def _pattern(file: Path) -> str:
    """Return what the names of the slices of one series have in common."""
    # macOS writes a hidden file beside each on disks of other systems
    if file.name.startswith("."):
        return _HIDDEN
    ending = file.suffix.lower()
    return ending if ending in _ENDINGS else re.sub(r"\d+", "0", file.name.lower())


def _no_dicom(file: Path) -> str:
    if not file.is_file():
        return "a link to a missing file" if file.is_symlink() else "no file"
    try:
        with file.open("rb") as opened:
            return _NO_DICOM if opened.read(1) else "it is empty"
    except OSError as err:
        return err.strerror or type(err).__name__


def _counted(what: str, files: Sequence[Path], count: int = 0) -> str:
    """Return how many there are, by default as many as files, and the names of the first."""
    count, files = count or len(files), list(dict.fromkeys(files))
    names = ", ".join(repr(one.name) for one in files[:_NAMED])
    more = ", …" if len(files) > _NAMED else ""
    return f"{count} {what}{'s' * (count != 1)} ({names}{more})"


def _numbered(found: dict[str, list[DicomFrame]], path: Path) -> list[Series]:
    stacks = [
        (uid or _UNNAMED, i, beside)
        for uid, frames in found.items()
        for beside in [sort_stacks(frames)]
        for i in range(len(beside))
    ]
    stacks.sort(key=lambda one: _place(one[2][one[1]]))
    return [_series(n, *one, path) for n, one in enumerate(stacks, 1)]


def _place(stack: Stack) -> tuple[bool, int, int]:
    header = stack.frames[0].header
    # of stacks with one number the largest comes first: most likely the volume that is meant
    return header.is_localizer, header.number, -len(stack.frames)


def _series(number: int, uid: str, index: int, beside: Sequence[Stack], path: Path) -> Series:
    stack = beside[index]
    first = stack.frames[0]
    at = heights(stack.frames)
    step = (at[-1] - at[0]) / (len(at) - 1) if len(at) > 1 else first.header.step_mm or 1.0
    files = {frame.header.file: None for time in stack.times for frame in time}
    return Series(
        number=number,
        uid=f"{uid}#{index + 1}" if index else uid,
        description=first.header.description,
        modality=first.header.modality,
        slices=len(stack.frames),
        shape=(len(stack.frames), *first.header.shape),
        spacing=(float(step), *(first.spacing or (1.0, 1.0))),
        times=len(stack.times),
        is_localizer=first.header.is_localizer,
        problems=stack.problems,
        files=tuple(files),
        folder=path,
        stack=stack,
        beside=beside,
    )
