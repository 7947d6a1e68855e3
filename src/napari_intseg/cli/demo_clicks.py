"""Clicks on two planes of a volume: the user's, a robot's, or on what is bright."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.cli.demo_cases import VolumeCase
from napari_intseg.core.prompts import Click
from napari_intseg.core.volume import Plane
from napari_intseg.errors import DataError
from napari_intseg.session.session import Session

_GRID_PX = 96  # side of the coarse copy in which something bright is looked for


def make_clicks(session: Session, case: VolumeCase, most: int) -> str:
    """Click on two planes across axis 0; return who did.

    Parameters
    ----------
    session : Session
        On the volume of the case.
    case : VolumeCase
        With clicks, or with a truth for the robot, or neither.
    most : int
        Clicks that the robot makes on a plane.

    Raises
    ------
    DataError
        If the truth is empty, or the volume is constant.
    """
    if case.clicks:
        for given in case.clicks:
            session.click(given.position, positive=given.positive)
        return "your clicks"
    if case.truth is not None:
        for plane in two_planes(case.truth):
            _robot(session, plane, session.volume.of(case.truth, plane), most)
        return "a robot user"
    found = bright_structure(session.volume.data)
    for plane in two_planes(found):
        _robot(session, plane, session.volume.of(found, plane), 1)
    return "on the largest bright structure"


def two_planes(truth: NDArray[np.bool_]) -> tuple[Plane, ...]:
    """Return the planes across axis 0 at a quarter and at three quarters of an object.

    Raises
    ------
    DataError
        If the object has no voxel.
    """
    areas = truth.sum(axis=(1, 2))
    if not areas.any():
        raise DataError(
            f"nothing to click on: expected an object, got an empty mask of shape {truth.shape}. "
            "Give --click or another --truth."
        )
    share = np.cumsum(areas) / areas.sum()
    return tuple(Plane(0, int(i)) for i in dict.fromkeys(np.searchsorted(share, (0.25, 0.75))))


def bright_structure(data: Any) -> NDArray[np.bool_]:
    """Return the largest connected structure of the brighter half of a volume, channels averaged.

    Raises
    ------
    DataError
        If all voxels are alike.
    """
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    whole = np.asarray(data)
    grey = whole.mean(axis=-1) if whole.ndim == 4 else whole
    steps = tuple(max(1, n // _GRID_PX) for n in grey.shape)
    coarse = np.nan_to_num(grey[tuple(slice(None, None, s) for s in steps)].astype(np.float32))
    coarse = np.clip(ndimage.gaussian_filter(coarse, 1), *np.percentile(coarse, (1, 99)))
    if coarse.min() == coarse.max():
        raise DataError(
            f"nothing to click on: expected a volume with contrast, got {coarse.min()!r} in all "
            "places. Give --click or another volume."
        )
    otsu: Any = threshold_otsu
    bright = coarse > otsu(coarse[coarse > otsu(coarse)])
    parts, _ = ndimage.label(ndimage.binary_opening(bright) if bright.any() else bright)
    if not parts.any():
        parts = bright.astype(int)
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    for axis, step in enumerate(steps):
        largest = np.repeat(largest, step, axis)
    out: NDArray[np.bool_] = largest[tuple(slice(0, n) for n in grey.shape)]
    return out


def _robot(session: Session, plane: Plane, truth: NDArray[np.bool_], most: int) -> None:
    from napari_intseg.evaluation.robot import RobotUser

    robot = RobotUser(truth.astype(np.int8))
    clicks: list[Click] = []
    for _ in range(most):
        click = robot.next_click(session.mask_on(plane), clicks)
        if click is None:
            break
        session.click(plane.position(click.row, click.col), positive=click.positive)
        clicks.append(click)
