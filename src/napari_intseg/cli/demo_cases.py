"""What the demo segments: images that are always there, and a volume."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.cli.option_values import ClickOption
from napari_intseg.core.prompts import Click
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
from napari_intseg.session.session import Session

SHARED_VARIABLE = "NAPARI_INTSEG_SHARED"
_LIVER = 5  # of TotalSegmentator's labels


@dataclass(frozen=True, slots=True)
class FlatCase:
    """A real image, or a part of it, with clicks chosen by a person; no truth is known."""

    name: str
    about: str
    clicks: tuple[ClickOption, ...]
    part: tuple[slice, ...] = ()

    def read(self) -> Volume:
        """Return the image, which comes with scikit-image."""
        from skimage import data

        return Volume(np.asarray(getattr(data, self.name)())[self.part])


@dataclass(frozen=True, slots=True, eq=False)
class VolumeCase:
    """A volume with an object to segment.

    Parameters
    ----------
    name, about : str
        For files, and for people.
    volume : Volume
        3-D.
    window : Any
        See `resolve_intensity`.
    truth : ndarray of bool or None
        The object; None if it is not known.
    truth_from : str
        Who says so.
    clicks : sequence of ClickOption
        Given by the user; otherwise chosen on two planes.
    """

    name: str
    about: str
    volume: Volume
    window: Any = None
    truth: NDArray[np.bool_] | None = None
    truth_from: str = ""
    clicks: Sequence[ClickOption] = ()


def _clicks(label: int, *positions: tuple[float, float, str]) -> tuple[ClickOption, ...]:
    return tuple(ClickOption((row, col), sign == "+", label) for row, col, sign in positions)


FLAT = (
    FlatCase(
        "cell",
        "a cell under the microscope",
        _clicks(1, (373, 427, "+"), (400, 440, "+"), (373, 340, "-"), (470, 430, "-")),
    ),
    FlatCase(
        "coins",
        "coins, three of them as objects of their own",
        # positive on the coin, negative on its neighbours
        _clicks(1, (53, 334, "+"), (53, 276, "-"), (124, 336, "-"), (40, 322, "+"))
        + _clicks(2, (186, 347, "+"), (195, 272, "-"), (262, 243, "-"), (262, 172, "-"))
        + _clicks(3, (262, 46, "+"), (265, 113, "-"), (197, 44, "-"), (275, 56, "+")),
    ),
    FlatCase(
        "immunohistochemistry",
        "a gland in a part of a stained tissue section",
        _clicks(
            1,
            (130, 135, "+"), (65, 120, "+"), (205, 150, "+"), (110, 180, "+"), (70, 215, "-"),
            (130, 40, "-"),
        ),
        np.s_[270:, 180:],
    ),
)  # fmt: skip


def samples_folder() -> Path | None:
    """Return the folder of real volumes beside the checkout, or None."""
    beside = Path(__file__).resolve().parents[4] / "shared"
    folder = Path(os.environ.get(SHARED_VARIABLE, beside)) / "data" / "samples"
    return folder if folder.is_dir() else None


def find_volume(
    path: Path | None,
    truth: Path | None = None,
    clicks: Sequence[ClickOption] = (),
    window: Any = None,
) -> VolumeCase:
    """Return the volume to segment: the named one, a real one beside the checkout, or the phantom.

    Raises
    ------
    FileError
        If a file cannot be read.
    DataError
        If the named file is no volume, or its truth is on another grid.
    """
    if path is not None:
        return _named(path, truth, clicks, window)
    folder = samples_folder()
    if folder is not None and (folder / "ct.nii.gz").is_file():
        return _real(folder)
    from napari_intseg.core.phantom import ORGANS, ct_phantom

    volume, labels = ct_phantom()
    return VolumeCase(
        "phantom", f"CT phantom, {ORGANS[1]}", volume, "liver", labels == 1, "exact truth"
    )


def _named(
    path: Path, truth: Path | None, clicks: Sequence[ClickOption], window: Any
) -> VolumeCase:
    from napari_intseg.io.read import read_mask, read_volume
    from napari_intseg.io.suffixes import ending_of

    volume = read_volume(path)
    if volume.ndim != 3:
        raise DataError(
            f"demo needs a volume: expected 3-D data, got shape {volume.shape} in {str(path)!r}. "
            "For a flat image use `napari-intseg segment`."
        )
    return VolumeCase(
        path.name[: len(path.name) - len(ending_of(path) or "")] or path.name,
        str(path),
        volume,
        window,
        None if truth is None else read_mask(truth, volume) > 0,
        "" if truth is None else truth.name,
        clicks,
    )


def _real(folder: Path) -> VolumeCase:
    from napari_intseg.io.read import read_mask, read_volume

    volume = read_volume(folder / "ct.nii.gz")
    truth = None
    if (folder / "ct_organs.nii.gz").is_file():
        truth = read_mask(folder / "ct_organs.nii.gz", volume) == _LIVER
    return VolumeCase(
        "ct", "a real CT, ct.nii.gz, liver", volume, "liver", truth, "labels made by a model"
    )


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
