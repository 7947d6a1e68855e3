"""Measurements of every object, in the units of the image, as a table."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from napari_intseg.core.affine import voxel_size
from napari_intseg.core.files import write_text
from napari_intseg.core.segmenter import Array, BoolArray
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, FileError
from napari_intseg.io.output_files import check_apart, files_of
from napari_intseg.io.source import FileVolume

# rows of distances that are held at once: the hull of a large object has thousands of corners
_BLOCK = 1000
_PER_MM = {"mm": 1.0, "µm": 1e3, "pixel": 1.0}


@dataclass(frozen=True, slots=True)
class Measured:
    """One object.

    Parameters
    ----------
    label : int
    voxels : int
        Pixels, on a flat image.
    size : float
        Volume in mm³; on a flat image area in mm².
    diameter : float
        The largest distance between two of its points, in mm: corners of voxels, not centres.
    centre : tuple of float
        Mean ``(plane, row, col)`` or ``(row, col)``, in voxels.
    means, deviations : tuple of float
        Of the image's values, one a channel; empty without an image.
    """

    label: int
    voxels: int
    size: float
    diameter: float
    centre: tuple[float, ...]
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()


def measure(
    labels: Array,
    like: Volume,
    *,
    intensity: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Measured]:
    """Measure every object.

    Parameters
    ----------
    labels : ndarray of integers, shape (H, W) or (D, H, W)
        0 is background.
    like : Volume
        The image: gives places in mm, and the values.
    intensity : bool, default True
        Whether values are measured; only the boxes round objects are read.
    on_progress : callable, optional
        Told how many of how many objects are measured.

    Returns
    -------
    list of Measured
        By label.

    Raises
    ------
    DataError
        If the labels are on another grid, are no integers, or hold negative numbers.

    References
    ----------
    .. [1] Feret, L. R. "La grosseur des grains", 1930: the diameter, here the largest one, from
       the convex hull.
    """
    labels = np.asarray(labels)
    if labels.shape != like.shape or labels.dtype.kind not in "bui":
        raise DataError(
            f"labels are on another grid: expected integers of shape {like.shape}, got "
            f"{labels.dtype} of {labels.shape}. Give labels of the image's shape."
        )
    numbers = np.unique(labels)
    if numbers[0] < 0:
        raise DataError(
            "labels are not counted from 0: expected 0 for the background and numbers above it, "
            f"got {int(numbers[0])!r}. Renumber them."
        )
    numbers = numbers[numbers > 0]
    # find_objects makes a box for every number up to the
    # largest: with ranks there are as many as objects
    ranks = np.searchsorted(numbers, labels).astype(np.int32) + 1
    ranks[labels == 0] = 0
    found = []
    for i, box in enumerate(ndimage.find_objects(ranks)):
        inside = ranks[box] == i + 1
        start = [edge.start for edge in box]
        values = np.asarray(like.data[tuple(box)])[inside] if intensity else None
        found.append(_measured(int(numbers[i]), inside, start, like.affine, values))
        if on_progress is not None:
            on_progress(i + 1, len(numbers))
    return found


def largest_diameter(mask: BoolArray, axes: NDArray[np.float64]) -> float:
    """Return the largest distance between two points of a mask.

    Parameters
    ----------
    mask : ndarray of bool, 2-D or 3-D
        Not empty.
    axes : ndarray of float, shape (n, mask.ndim)
        Columns: the step from one voxel to the next along each axis, in mm.

    Returns
    -------
    float
        In mm; between the outer corners of voxels.
    """
    lines = mask.reshape(-1, mask.shape[-1])
    hit = np.flatnonzero(lines.any(axis=1))
    # the first and the last voxel of each line are enough: what lies between is not on the hull
    first = lines[hit].argmax(axis=1)
    last = mask.shape[-1] - lines[hit][:, ::-1].argmax(axis=1)
    outer = np.stack(np.unravel_index(hit, mask.shape[:-1]), axis=1)
    steps = np.stack(np.meshgrid(*[(0, 1)] * (mask.ndim - 1), indexing="ij"), -1)
    corners = [
        np.column_stack([outer + step, end])
        for step in steps.reshape(-1, mask.ndim - 1)
        for end in (first, last)
    ]
    # the largest distance is between two corners of the convex hull, which are few
    points = np.unique(np.concatenate(corners), axis=0)
    hull = points[ConvexHull(points).vertices] @ axes.T
    best = 0.0
    for at in range(0, len(hull), _BLOCK):
        apart = hull[at : at + _BLOCK, np.newaxis] - hull
        best = max(best, float(np.einsum("ijk,ijk->ij", apart, apart).max()))
    return math.sqrt(best)


def as_csv(rows: Sequence[Measured], like: Volume) -> str:
    """Return measurements as CSV, units in the names of the columns.

    Lengths are in the unit that the image is spoken of in: millimetres (volumes in ml),
    micrometres, or pixels where it tells no size.
    """
    unit = like.source.unit if isinstance(like, FileVolume) else "mm"
    flat = like.ndim == 2
    name = {"mm": "mm", "µm": "um", "pixel": "px"}[unit]
    size = f"area_{name}2" if flat else "volume_ml" if unit == "mm" else f"volume_{name}3"
    per_size = _PER_MM[unit] ** like.ndim * (1e-3 if size == "volume_ml" else 1.0)
    centre = [f"centre_{axis}_px" for axis in ("plane", "row", "col")[3 - like.ndim :]]
    channels = len(rows[0].means) if rows else 0
    suffixes = [""] if channels == 1 else [f"_{i}" for i in range(channels)]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        ["label", "pixels" if flat else "voxels", size, f"largest_diameter_{name}", *centre]
        + [f"{what}_intensity{suffix}" for suffix in suffixes for what in ("mean", "std")]
    )
    for row in rows:
        numbers = [row.size * per_size, row.diameter * _PER_MM[unit], *row.centre]
        for mean, deviation in zip(row.means, row.deviations, strict=True):
            numbers += [mean, deviation]
        table.writerow([row.label, row.voxels, *(f"{n:.9g}" for n in numbers)])
    return out.getvalue()


def write_measurements(
    path: str | Path, rows: Sequence[Measured], like: Volume, *, overwrite: bool = False
) -> None:
    """Write measurements as a CSV file, whole or not at all.

    Raises
    ------
    FileError
        If the name does not end in ``.csv``, the file exists and must not be replaced, or cannot
        be written.
    """
    path = check_csv(path, *files_of(like), overwrite=overwrite)
    try:
        write_text(path, as_csv(rows, like))
    except OSError as err:
        raise FileError(
            f"file cannot be written: expected a folder that allows it, got {str(path)!r} "
            f"({err.strerror or err}). Choose another folder, or change its permissions."
        ) from err


def check_csv(path: str | Path, *inputs: str | Path | None, overwrite: bool = False) -> Path:
    """Return the path if measurements can be written there; `inputs` are never replaced.

    Raises
    ------
    FileError
        If the name does not end in ``.csv``, the file is one of the inputs, or it exists and must
        not be replaced.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise FileError(
            f"file type cannot hold measurements: expected a name ending in .csv, got "
            f"{str(path)!r}. Choose another name."
        )
    if path.exists() and not overwrite:
        raise FileError(
            f"file exists: expected a new name, got {str(path)!r}. Choose another name, or "
            "allow it to be replaced with --overwrite (overwrite=True in Python)."
        )
    check_apart(path, *inputs)
    return path


def _measured(
    label: int,
    inside: BoolArray,
    start: Sequence[int],
    affine: NDArray[np.float64],
    values: Array | None,
) -> Measured:
    ndim = inside.ndim
    axes = affine[:3, 3 - ndim : 3]
    one = voxel_size(affine, ndim)
    count = int(np.count_nonzero(inside))
    centre = [float(at.mean()) + s for at, s in zip(np.nonzero(inside), start, strict=True)]
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    if values is not None:
        # sums over millions of voxels in float32 lose digits
        given = values.reshape(count, -1).astype(np.float64)
        means, deviations = tuple(given.mean(axis=0)), tuple(given.std(axis=0))
    return Measured(
        label, count, count * one, largest_diameter(inside, axes), tuple(centre), means, deviations
    )
