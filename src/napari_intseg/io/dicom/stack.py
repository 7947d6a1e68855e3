"""Frames of DICOM files, sorted into stacks that share one grid, in order of position."""

import hashlib
import itertools
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from napari_intseg.core.affine import FloatMatrix
from napari_intseg.core.segmenter import Array
from napari_intseg.io.dicom.decoder import Vector
from napari_intseg.io.dicom.header import DicomFrame
from napari_intseg.io.source import ItkGeometry

# positions are written in decimals, of which the last is rounded
_SAME_PLACE_MM = 1e-3
# part of the slices' distance by which rounded positions of
# one place may differ, and the most in mm
_NEAR, _NEAR_MM = 0.02, 0.1
# part of a step by which distances may differ: what rounded positions make of equal ones
_UNEVEN = 0.02
# shift of the last plane against the first, in pixels: less
# is what rounded numbers in headers make of none
_DRIFT_PX = 0.1
# pixels by which a plane may lie beside the others without a word: half of one is what nobody sees
# on the canvas (not tuned)
_ASIDE_PX = 0.5
# values that a message names; the rest is counted
_TOLD = 8
_CT, _INVERSE, _MOSAIC = "CT", "MONOCHROME1", "MOSAIC"
# modalities whose slices belong together even where their headers tell no positions
_STACKED = {"CT", "MR", "PT", "NM", "OT", "SC"}


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames on one grid.

    Parameters
    ----------
    times : tuple of tuple of DicomFrame
        The planes of each time point (or echo, or b-value), in order of position.
    problems : tuple of str
        What a person should know before trusting the geometry.
    tilt_mm : tuple of float
        How far the last plane is shifted against the first, along rows and columns.
    """

    times: tuple[tuple[DicomFrame, ...], ...]
    problems: tuple[str, ...]
    tilt_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def is_regular(self) -> bool:
        """Whether planes lie straight above each other at equal distances."""
        gaps = np.diff(heights(self.times[0]))
        straight = self.tilt_mm == (0.0, 0.0) and not _is_uneven(gaps)
        return straight and not np.any(_sideways_px(self.times[0]) > _ASIDE_PX)

    @property
    def frames(self) -> tuple[DicomFrame, ...]:
        """The planes of the first time point."""
        return self.times[0]


def sort_stacks(frames: Sequence[DicomFrame]) -> list[Stack]:
    """Sort the frames of one series: a stack for each orientation, size and kind.

    Localizers never come to lie between slices, nor do two images that have no position and
    belong to no volume.
    """
    groups: list[list[DicomFrame]] = []
    for frame in frames:
        home = next((g for g in groups if not apart(frame, g[0])), None)
        if home is None:
            groups.append([frame])
        else:
            home.append(frame)
    return [_stack(group) for group in groups]


def heights(frames: Sequence[DicomFrame]) -> FloatMatrix:
    """Return how far along their normal planes lie, in mm; by number where nothing is told."""
    first = frames[0]
    if any(frame.position is None for frame in frames):
        return np.arange(len(frames), dtype=float) * np.float64(first.header.step_mm or 1.0)
    return np.array([np.dot(frame.position or (), first.normal) for frame in frames])


def affine_of(stack: Stack) -> tuple[FloatMatrix, ItkGeometry | None]:
    """Return index ``(plane, row, col)`` to LPS millimetres, and ITK's words for it.

    ITK has none for planes that are shifted against each other. Uneven planes are taken at their
    mean distance, so that the first and the last lie right.
    """
    frames = stack.frames
    first, last = frames[0], frames[-1]
    step = first.normal * (first.header.step_mm or 1.0)
    if len(frames) > 1:
        step = first.normal * (heights(frames)[-1] - heights(frames)[0]) / (len(frames) - 1)
    straight = stack.tilt_mm == (0.0, 0.0)
    if not straight:
        way = np.subtract(last.position or (0, 0, 0), first.position or (0, 0, 0))
        step = way / (len(frames) - 1)
    affine = np.eye(4)
    plane = first.to_lps()
    affine[:3] = np.column_stack([step, plane])
    if not straight:
        return affine, None
    row_mm, col_mm = first.spacing or (1.0, 1.0)
    direction = np.column_stack([first.cols or (1, 0, 0), first.rows or (0, 1, 0), first.normal])
    geometry = ItkGeometry(
        (col_mm, row_mm, float(np.linalg.norm(step))),
        tuple(float(v) for v in first.position or (0, 0, 0)),
        tuple(direction.ravel().tolist()),
    )
    return geometry.affine(), geometry


def apart(frame: DicomFrame, other: DicomFrame) -> str:
    """Return why a frame does not go into one stack with another; nothing if it does."""
    one, two = frame.header, other.header
    size, wanted = ("x".join(map(str, each.shape)) for each in (one, two))
    placed = frame.position is not None, other.position is not None
    is_stacked = one.modality in _STACKED and one.frames == two.frames == 1
    # of what has no position only the frames of one file are compared further
    is_compared = placed[0] or one is two
    reasons = (
        (one.is_localizer > two.is_localizer, "a localizer"),
        (one.is_localizer < two.is_localizer, "no localizer"),
        (one.shape != two.shape, f"{size} pixels, not {wanted}"),
        (one.samples != two.samples, "other colours"),
        (placed[0] < placed[1], "without a position"),
        (placed[0] > placed[1], "with a position"),
        (not placed[0] and one is not two and not is_stacked, "without a position"),
        # cosines and spacing within what rounding in headers makes of equal ones
        (is_compared and not _near(frame.cols, other.cols, 1e-2), "turned otherwise"),
        (is_compared and not _near(frame.rows, other.rows, 1e-2), "turned otherwise"),
        (is_compared and not _near(frame.spacing, other.spacing, 1e-3), "pixels of another size"),
    )
    return next((reason for is_one, reason in reasons if is_one), "")


def _near(one: Vector | None, two: Vector | None, apart_by: float) -> bool:
    if one is None or two is None:
        return one is two
    return all(abs(a - b) <= apart_by for a, b in zip(one, two, strict=True))


def _stack(frames: list[DicomFrame]) -> Stack:
    problems: list[str] = []
    # by name at last: the order in which a folder is listed differs between machines
    ordered = _once(sorted(frames, key=lambda f: (f.order, f.header.file.name)))
    if len(ordered) < len(frames):
        twice = len(frames) - len(ordered)
        are = "slice is" if twice == 1 else "slices are"
        problems.append(f"{twice} {are} there twice; one of each is taken")
    ordered, unnamed = _with_own_uids(ordered)
    if unnamed:
        problems.append(
            f"{unnamed} slices share one SOPInstanceUID or lack it; they are told apart by their "
            "places, and DICOM made of them refers to uids that were made up"
        )
    if ordered[0].position is None:
        return _unplaced(ordered, problems)
    normal = ordered[0].normal
    ordered.sort(key=lambda f: float(np.dot(f.position or (), normal)))
    places = _places(ordered)
    counts = {len(place) for place in places}
    if len(counts) == 1 or len(places) == 1:
        times = tuple(zip(*places, strict=True))
    else:
        double = [f"{heights(place)[0]:.2f}" for place in places if len(place) > 1]
        problems.append(
            f"several slices at one position, the first is taken: at {_list(double)}; "
            f"{len(ordered) - len(places)} left out"
        )
        # time points with gaps cannot be told apart from slices that were repeated
        times = (tuple(place[0] for place in places),)
    if len(places) == 1 and len({frame.along_mm for frame in ordered} - {None}) > 1:
        problems.append(
            "slices tell one position but several slice locations; they are taken as time points"
        )
    tilt_mm = _tilt(times[0])
    problems += _told_of_grid(times[0], tilt_mm)
    return Stack(times, tuple(problems), tilt_mm)


def _unplaced(frames: list[DicomFrame], problems: list[str]) -> Stack:
    if len(frames) > 1:
        problems.append("slices have no position; they are stacked by their number")
    problems += _told_of_header(frames)
    return Stack((tuple(frames),), tuple(problems))


def _places(ordered: list[DicomFrame]) -> list[list[DicomFrame]]:
    """Return the frames at each position, the earliest first.

    Positions that differ by rounding count as one if as many frames lie at each of them then: the
    phases of a series whose headers were rounded, or computed anew.
    """
    at = heights(ordered)
    gaps = np.diff(at)
    step = ordered[0].header.step_mm or float(gaps.max(initial=0.0))
    near = min(_NEAR * step, _NEAR_MM)
    strict, loose = (_split(ordered, at, mm) for mm in (_SAME_PLACE_MM, max(near, _SAME_PLACE_MM)))
    is_even = len({len(place) for place in loose}) == 1 and len(loose[0]) > 1
    apart = np.diff([heights(place).mean() for place in loose])
    # places must be further apart than what is taken for one place, else slices would be merged
    is_clear = len(loose) > 1 and float(apart.min()) > 2 * near
    places = loose if is_even and is_clear else strict
    return [sorted(place, key=lambda f: f.order) for place in places]


def _split(ordered: list[DicomFrame], at: FloatMatrix, apart_mm: float) -> list[list[DicomFrame]]:
    """Return frames in order of height, cut where the next lies further on."""
    cuts = [0, *(np.flatnonzero(np.diff(at) > apart_mm) + 1).tolist(), len(ordered)]
    return [ordered[a:b] for a, b in itertools.pairwise(cuts)]


def _once(frames: Sequence[DicomFrame]) -> list[DicomFrame]:
    """Return frames without those that are there twice.

    Frames of one uid are the same if they lie at one place and have one number; where neither is
    told, if their files are equal to the byte. Programs that take names away give whole series one
    uid, or none.
    """
    seen: dict[Any, DicomFrame] = {}
    for frame in frames:
        key: tuple[Any, ...] = (frame.header.uid, frame.number, frame.position, frame.order)
        if key in seen and not (frame.header.uid and frame.position):
            key = (*key, _digest(frame.header.file))
            first = seen[key[:4]]
            seen.setdefault((*key[:4], _digest(first.header.file)), first)
        seen.setdefault(key, frame)
    return list({id(frame): frame for frame in seen.values()}.values())


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _with_own_uids(frames: list[DicomFrame]) -> tuple[list[DicomFrame], int]:
    """Return frames whose files have each a uid of its own, and of how many it was made up.

    Those made up are the same whenever the same slices are read.
    """
    headers = {id(frame.header): frame for frame in frames}
    counts = Counter(frame.header.uid for frame in headers.values())
    new = {
        key: replace(frame.header, uid=_made_up(frame))
        for key, frame in headers.items()
        if not frame.header.uid or counts[frame.header.uid] > 1
    }
    if len(headers) == 1:
        return frames, 0
    return [replace(f, header=new.get(id(f.header), f.header)) for f in frames], len(new)


def _made_up(frame: DicomFrame) -> str:
    told = (frame.header.series, frame.header.uid, frame.position, frame.order)
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, repr(told)).int}"


def _tilt(frames: Sequence[DicomFrame]) -> tuple[float, float]:
    """Return the shift of the last plane against the first; none if it is a rounding error."""
    first, last = frames[0], frames[-1]
    if len(frames) < 2 or first.position is None or last.position is None:
        return 0.0, 0.0
    way = np.subtract(last.position, first.position)
    shift = [float(np.dot(way, axis or (0, 0, 0))) for axis in (first.rows, first.cols)]
    small = [abs(s) < _DRIFT_PX * mm for s, mm in zip(shift, first.spacing or (1, 1), strict=True)]
    return (0.0, 0.0) if all(small) else (shift[0], shift[1])


def _sideways_px(frames: Sequence[DicomFrame]) -> FloatMatrix:
    """Return how far each plane lies beside the line from the first to the last, in pixels."""
    first, at = frames[0], heights(frames)
    if len(frames) < 3 or any(f.position is None for f in frames) or at[-1] == at[0]:
        return np.zeros(len(frames))
    axes = np.array([first.rows or (0, 1, 0), first.cols or (1, 0, 0)], float)
    places = np.array([f.position for f in frames], float) @ axes.T
    line = places[0] + np.outer((at - at[0]) / (at[-1] - at[0]), places[-1] - places[0])
    return np.asarray(np.abs((places - line) / (first.spacing or (1.0, 1.0))).max(axis=1))


def _told_of_grid(frames: Sequence[DicomFrame], tilt_mm: tuple[float, float]) -> list[str]:
    problems = _told_of_header(frames)
    at = heights(frames)
    if tilt_mm != (0.0, 0.0):
        angle = np.degrees(np.arctan2(np.hypot(*tilt_mm), at[-1] - at[0]))
        problems.append(f"planes are shifted against each other by {angle:.1f}° (gantry tilt)")
    aside = _sideways_px(frames)
    if count := int(np.count_nonzero(aside > _ASIDE_PX)):
        first = at[np.argmax(aside > _ASIDE_PX)]
        are = "slice lies" if count == 1 else "slices lie"
        problems.append(
            f"{count} {are} up to {aside.max():.1f} pixels beside the others, the first at "
            f"{first:.2f} mm"
        )
    gaps = np.diff(at)
    if not _is_uneven(gaps):
        return problems
    usual = _usual(gaps)
    # a gap of twice or three times the usual distance is missing slices, not uneven ones
    counts = np.maximum(np.round(gaps / usual), 1)
    whole = np.abs(gaps - counts * usual) <= 0.1 * usual
    missing = [
        f"{at[i] + (k + 1) * gaps[i] / counts[i]:.2f}"
        for i in np.flatnonzero(whole & (counts > 1))
        for k in range(min(int(counts[i]) - 1, _TOLD + 1))
    ]
    if missing:
        count = int((counts[whole] - 1).sum())
        are = "slice is" if count == 1 else "slices are"
        problems.append(f"{count} {are} missing: at {_list(missing)}")
    if not np.all(whole) or _is_uneven(gaps / counts):
        problems.append(f"slices are unevenly spaced: {gaps.min():.2f} to {gaps.max():.2f} mm")
    return problems


def _told_of_header(frames: Sequence[DicomFrame]) -> list[str]:
    first = frames[0]
    told = []
    if first.spacing is None:
        told.append("pixels have no size; 1 mm is taken")
    told += first.remarks
    for header in {id(frame.header): frame.header for frame in frames}.values():
        if header.missing:
            told.append(
                f"{header.file.name!r} ends before the last {header.missing} of its "
                f"{header.frames} frames, which are missing"
            )
    if _MOSAIC in first.header.kinds:
        told.append("slices lie side by side in one image (a mosaic), which is shown as such")
    told += _told_of_values(frames)
    if first.position is not None and first.cols is None:
        told.append("slices have no valid orientation; axial is taken")
    if first.header.is_assumed:
        step = (
            f"{first.header.step_mm:.4g} mm"
            if first.header.step_mm
            else "1 mm, since none is told,"
        )
        told.append(
            f"the file tells one position for {first.header.frames} frames; they are taken as "
            f"planes {step} apart, in their order"
        )
    return told


def _told_of_values(frames: Sequence[DicomFrame]) -> list[str]:
    told = []
    stored = sum(not frame.is_rescaled for frame in frames)
    if stored and frames[0].header.modality == _CT:
        # quantities that are not: nobody sees it where the offset is missing
        told.append(f"{stored} slices tell no slope and intercept; their values are as stored")
    elif 0 < stored < len(frames):
        told.append(f"{stored} slices tell no slope and intercept, as the others do")
    inverse = sum(frame.header.photometric == _INVERSE for frame in frames)
    if 0 < inverse < len(frames):
        told.append(f"{inverse} slices have white and black exchanged ({_INVERSE})")
    return told


def _is_uneven(gaps: FloatMatrix) -> bool:
    return len(gaps) > 1 and bool(np.ptp(gaps) > _UNEVEN * _usual(gaps))


def _usual(gaps: FloatMatrix) -> float:
    """Return the distance that most neighbours have."""
    # the most frequent gap, not the mean or median: missing slices must not shift it
    return float(Counter(np.round(gaps, 2).tolist()).most_common(1)[0][0]) or float(gaps.min())


def _list(values: list[str]) -> str:
    more = f" and {len(values) - _TOLD} more" if len(values) > _TOLD else ""
    return f"{', '.join(values[:_TOLD])}{more} mm"


def resample(data: Array, stack: Stack) -> tuple[Array, FloatMatrix, ItkGeometry]:
    """Interpolate linearly onto planes that lie straight above each other at equal distances.

    Parameters
    ----------
    data : ndarray, shape (planes, rows, cols) or (planes, rows, cols, 3)
        As stacked.
    stack : Stack
        Where the planes lie.

    Returns
    -------
    data : ndarray
        Of the same type; widened by rows and columns so that a tilted stack is not cut, with the
        lowest value where nothing was imaged.
    affine : ndarray of float, shape (4, 4)
        Index ``(plane, row, col)`` to LPS millimetres.
    geometry : ItkGeometry
        The same in ITK's words.
    """
    frames = stack.frames
    first = frames[0]
    at = heights(frames)
    step = float(np.median(np.diff(at)))
    # 1e-6: the last plane stays although its height was rounded
    wanted = at[0] + step * np.arange(int(np.floor((at[-1] - at[0]) / step + 1e-6)) + 1)
    spacing = np.array(first.spacing or (1.0, 1.0))
    axes = np.array([first.rows or (0, 1, 0), first.cols or (1, 0, 0)], float)
    origin = np.array(first.position or (0, 0, 0), float)
    shifts = np.array([axes @ (np.array(f.position or origin) - origin) for f in frames]) / spacing
    # rows and columns that are needed before the first and behind the last pixel
    before = np.floor(np.minimum(shifts.min(0), 0)).astype(int)
    after = np.ceil(np.maximum(shifts.max(0), 0)).astype(int)
    size = np.array(data.shape[1:3]) - before + after
    lowest = 0 if data.ndim == 4 else data.min()
    pairs = zip(data, shifts - before, strict=True)
    planes = [_moved(plane, shift, size, lowest) for plane, shift in pairs]
    out = np.empty((len(wanted), *planes[0].shape), data.dtype)
    for i, height in enumerate(wanted):
        # a nanometre more, so that a plane that is there is not missed by rounding
        low = min(int(np.searchsorted(at, height + 1e-6, "right")) - 1, len(at) - 2)
        part = float(np.clip((height - at[low]) / (at[low + 1] - at[low]), 0, 1))
        mixed = planes[low] * (1 - part) + planes[low + 1] * part
        # a cast alone would cut off, which darkens every interpolated plane by half a value
        out[i] = np.round(mixed) if data.dtype.kind in "iu" else mixed
    corner = origin + (before * spacing) @ axes
    geometry = ItkGeometry(
        (float(spacing[1]), float(spacing[0]), step),
        tuple(corner.tolist()),
        tuple(np.column_stack([axes[1], axes[0], first.normal]).ravel().tolist()),
    )
    return out, geometry.affine(), geometry


def _moved(plane: Array, shift: FloatMatrix, size: FloatMatrix, lowest: float) -> Array:
    """Return a plane on the wide grid, its first pixel at `shift` of it."""
    wide = np.full((*size.astype(int), *plane.shape[2:]), lowest, np.float32)
    wide[: plane.shape[0], : plane.shape[1]] = plane
    if not np.any(shift):
        return wide
    whole = (*shift, *([0.0] * (plane.ndim - 2)))
    return np.asarray(ndimage.shift(wide, whole, order=1, mode="constant", cval=float(lowest)))
