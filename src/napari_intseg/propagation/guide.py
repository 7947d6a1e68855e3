"""How a mask becomes the question on the neighbouring plane."""

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import BoolArray, Traits
from napari_intseg.inference.patch import Patch, bounding_box
from napari_intseg.propagation.distance import depth_in, distance_to
from napari_intseg.propagation.guard import is_flood

_MAX_PARTS = 3
_SMALL_PART = 0.1  # of the largest one's area
_AROUND = 8
_NEAR = 0.5  # of the radius: sections so far apart are still much the same


def guidance(mask: BoolArray, traits: Traits) -> tuple[Prompts, Patch | None]:
    """Turn the neighbour's mask into what a model understands.

    Models that take a mask get it, and a click at its deepest point, the pixel farthest from the
    outline, as people and the robot user of the benchmarks click [1]_. The others get a click in
    each large part. Models that take boxes get the mask's box; those that take neither box nor
    mask get negative clicks around it. Models that need extreme points get those of the mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Of the neighbour; holds at least one pixel.
    traits : Traits
        Of the model.

    Returns
    -------
    Prompts
        In pixels of the slice.
    Patch or None
        The mask to start from, for models that take one.

    References
    ----------
    .. [1] Xu, N. et al. "Deep interactive object selection", CVPR 2016, arXiv:1603.04042.
    """
    if "extreme_points" in traits.needs:
        return Prompts(_extreme_points(mask)), None
    row0, row1, col0, col1 = _box(mask)
    inside = mask[row0:row1, col0:col1]
    takes_mask = traits.uses_prev or "mask" in traits.prompts
    clicks: list[Click] = []
    if "click" in traits.prompts:
        parts = _parts(inside)[: 1 if takes_mask else _MAX_PARTS]
        clicks = [_shifted(deepest(part), row0, col0) for part in parts]
    box = None
    if "box" in traits.prompts:
        box = Box(row0, col0, row1 - 1, col1 - 1)
    elif not takes_mask and "click" in traits.prompts:
        clicks += _around(mask)
    return Prompts(tuple(clicks), box), Patch.from_mask(mask) if takes_mask else None


def start_of(
    near: Mapping[int, BoolArray],
    index: int,
    click: Click,
    *,
    step_mm: float,
    spacing: tuple[float, float],
) -> Patch | None:
    """Return the mask that a first click on a plane starts from: that of a plane nearby, or None.

    Alone, a click on a slice may flood it, although the object is known on the next plane.

    Parameters
    ----------
    near : mapping of int to ndarray of bool, shape (H, W)
        The object's masks on other planes, by index.
    index : int
        Of the plane that was clicked on.
    click : Click
        On the object, within or beside what the mask can have become on the way.
    step_mm : float
        Between neighbouring planes.
    spacing : (float, float)
        Between rows and between columns, mm.
    """
    for other in sorted(near, key=lambda i: abs(i - index)):
        mask, away = near[other], abs(other - index) * step_mm
        radius = float(np.sqrt(np.count_nonzero(mask) * spacing[0] * spacing[1] / np.pi))
        if not radius or is_flood(mask) or away > _NEAR * radius:
            continue
        row, col = (
            int(np.clip(round(v), 0, n - 1))
            for v, n in zip((click.row, click.col), mask.shape, strict=True)
        )
        slack = 1.5 * (spacing[0] + spacing[1]) / 2
        if distance_to(mask, spacing)[row, col] <= away + slack:
            return Patch.from_mask(mask)
    return None


def deepest(mask: BoolArray) -> tuple[int, int]:
    """Return the pixel of a mask that is farthest from its outline; the array's rim is outline."""
    depth = depth_in(mask)
    row, col = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return int(row), int(col)


def _extreme_points(mask: BoolArray) -> tuple[Click, ...]:
    """Return the topmost, bottommost, leftmost and rightmost pixel, the middle one of several."""
    rows, cols = np.nonzero(mask)
    found = []
    for along, across in ((rows, cols), (cols, rows)):
        for end in (along.min(), along.max()):
            ties = np.flatnonzero(along == end)
            at = ties[np.argsort(across[ties])[len(ties) // 2]]
            found.append(Click(int(rows[at]), int(cols[at])))
    return tuple(found)


def _parts(mask: BoolArray) -> list[BoolArray]:
    """Return the connected parts, the largest first, without the small ones."""
    numbered, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    return [numbered == i + 1 for i in order if sizes[i] >= _SMALL_PART * sizes.max()]


def _around(mask: BoolArray) -> list[Click]:
    """Return negative clicks in all directions, well outside the mask but near it."""
    row0, row1, col0, col1 = _box(mask)
    centre = (row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2
    margin = 4 + 0.15 * max(row1 - row0, col1 - col0)
    radii = (row1 - row0) / np.sqrt(2) + margin, (col1 - col0) / np.sqrt(2) + margin
    clicks = []
    for angle in np.arange(_AROUND) * 2 * np.pi / _AROUND:
        row = round(centre[0] + radii[0] * float(np.sin(angle)))
        col = round(centre[1] + radii[1] * float(np.cos(angle)))
        if 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1] and not mask[row, col]:
            clicks.append(Click(row, col, positive=False))
    return clicks


def _box(mask: BoolArray) -> tuple[int, int, int, int]:
    box = bounding_box(mask)
    assert box is not None
    return box


def _shifted(point: tuple[int, int], row0: int, col0: int) -> Click:
    return Click(point[0] + row0, point[1] + col0)
