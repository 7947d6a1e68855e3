"""The window for what is asked about: bone, lung or soft tissue of a CT; one slice of a stack."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Array
from napari_intseg.inference.intensity import CT_WINDOWS, Intensity, slice_limits
from napari_intseg.inference.patch import Patch

Read = Callable[[slice, slice], Array]

_BONE_HU, _LUNG_HU = 300.0, -300.0
"""Beyond either, what was clicked is all white or all black in the soft tissue window, whose limits
are -150 and 250 HU. Organs with contrast medium stay below, fat at -100 HU above."""

_REACH_PX = 2  # round a click: a median of 25 pixels does not follow noise
_SIDE_PX = 256  # so many samples along a side are enough for a slice, or a mask
_NARROWEST = 1 / 16  # of the stack's range: an empty slice is not stretched until its noise shows


def adapted(
    intensity: Intensity,
    read: Read,
    shape: tuple[int, int],
    prompts: Prompts | None = None,
    guide: Patch | None = None,
) -> Intensity:
    """Return how a slice is shown to answer a question about it.

    Parameters
    ----------
    intensity : Intensity
        As it was chosen for the volume.
    read : callable
        Gives a window of the slice.
    shape : (int, int)
        ``(H, W)`` of the slice.
    prompts : Prompts, optional
        The first positive click says what tissue is meant, so that later ones do not change the
        view; without one, the middle of the box.
    guide : Patch, optional
        The object so far, which says it when nothing is clicked.

    Returns
    -------
    Intensity
        With limits that depend on nothing further.
    """
    if intensity.adapts == "no":
        return intensity
    if intensity.adapts == "slice":
        limits = _of_slice(intensity, read, shape)
    else:
        limits = CT_WINDOWS[tissue(read, shape, prompts or Prompts(), guide)].limits
    return replace(intensity, low=(limits[0],), high=(limits[1],), adapts="no")


def tissue(read: Read, shape: tuple[int, int], prompts: Prompts, guide: Patch | None) -> str:
    """Return the CT window for what is meant: "soft tissue", "bone" or "lung"."""
    values = _meant(read, shape, prompts, guide)
    if values is None or not np.isfinite(values).any():
        return "soft tissue"
    typical = float(np.median(values[np.isfinite(values)]))
    if typical > _BONE_HU:
        return "bone"
    return "lung" if typical < _LUNG_HU else "soft tissue"


def subject(prompts: Prompts) -> object:
    """Return all of the prompts that `adapted` looks at."""
    click = next((c for c in prompts.clicks if c.positive), None)
    return click or prompts.box


def _meant(
    read: Read, shape: tuple[int, int], prompts: Prompts, guide: Patch | None
) -> Array | None:
    """Return raw values of what a question is about; None if nothing says what that is."""
    click = next((c for c in prompts.clicks if c.positive), None)
    if click is not None:
        rows, cols = (
            slice(max(0, at - _REACH_PX), at + _REACH_PX + 1)
            for at in (
                min(max(round(at), 0), size - 1)
                for at, size in zip((click.row, click.col), shape, strict=True)
            )
        )
        return read(rows, cols)
    if prompts.box is not None:
        box = prompts.box
        return read(_middle(box.row0, box.row1, shape[0]), _middle(box.col0, box.col1, shape[1]))
    found = None if guide is None else guide.box()
    if guide is None or found is None:
        return None
    rows, cols = (
        slice(start, stop, max(1, (stop - start) // _SIDE_PX))
        for start, stop in (found[:2], found[2:])
    )
    at = [np.arange(span.start, span.stop, span.step) for span in (rows, cols)]
    return read(rows, cols)[guide.at(at[0], at[1]) > 0]


def _middle(first: float, last: float, size: int) -> slice:
    """Return the middle half of a side of a box, at least a pixel of the slice."""
    quarter = (last - first) / 4
    start = min(max(round(first + quarter), 0), size - 1)
    stop = max(start + 1, min(round(last - quarter) + 1, size))
    return slice(start, stop, max(1, (stop - start) // _SIDE_PX))


def _of_slice(intensity: Intensity, read: Read, shape: tuple[int, int]) -> tuple[float, float]:
    rows, cols = (slice(0, n, max(1, n // _SIDE_PX)) for n in shape)
    low, high = slice_limits(read(rows, cols))
    whole = intensity.high[0] - intensity.low[0]
    return low, max(high, low + whole * _NARROWEST)
