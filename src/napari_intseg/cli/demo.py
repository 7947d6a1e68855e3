"""`napari-intseg demo`: real images and a volume, segmented before your eyes."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.cli import shared_options
from napari_intseg.cli.output_forms import progress_bar, stop_on_interrupt
from napari_intseg.cli.shared_options import ClickOption
from napari_intseg.core.prompts import Click
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError

if TYPE_CHECKING:
    from napari_intseg.core.segmenter import Segmenter
    from napari_intseg.session.session import Session

SHARED_VARIABLE = "NAPARI_INTSEG_SHARED"
# of TotalSegmentator's labels
_LIVER = 5


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


# clicks placed by hand where a person would give them; the demo shows what each of them changes
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
    # from src/napari_intseg/cli up to the folder that holds the checkout
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


# side of the coarse copy in which something bright is looked for
_GRID_PX = 96


def make_clicks(session: "Session", case: VolumeCase, most: int) -> str:
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
    # by volume, not by index: planes at the thin ends show little of the object
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
    # single bright voxels, such as metal, would shift the threshold
    coarse = np.clip(ndimage.gaussian_filter(coarse, 1), *np.percentile(coarse, (1, 99)))
    if coarse.min() == coarse.max():
        raise DataError(
            f"nothing to click on: expected a volume with contrast, got {coarse.min()!r} in all "
            "places. Give --click or another volume."
        )
    otsu: Any = threshold_otsu
    # twice: the first tells the body from the air, the second what is bright in it
    bright = coarse > otsu(coarse[coarse > otsu(coarse)])
    parts, _ = ndimage.label(ndimage.binary_opening(bright) if bright.any() else bright)
    # opening took everything away: thin structures are taken as they are
    if not parts.any():
        parts = bright.astype(int)
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    for axis, step in enumerate(steps):
        largest = np.repeat(largest, step, axis)
    out: NDArray[np.bool_] = largest[tuple(slice(0, n) for n in grey.shape)]
    return out


def _robot(session: "Session", plane: Plane, truth: NDArray[np.bool_], most: int) -> None:
    from napari_intseg.evaluation.robot import RobotUser

    robot = RobotUser(truth.astype(np.int8))
    clicks: list[Click] = []
    for _ in range(most):
        click = robot.next_click(session.mask_on(plane), clicks)
        if click is None:
            break
        session.click(plane.position(click.row, click.col), positive=click.positive)
        clicks.append(click)


HELP = "segment real images and a volume, and show the result"
DESCRIPTION = """Segment real images with several clicks each, and a volume with clicks on two
planes and propagation. Labels and pictures are written to a folder, and napari opens with the
volume where there is a display.

The volume is the one named, else a real CT from ../shared/data/samples beside the checkout, else a
phantom. Clicks on it are made by a robot user that knows the truth, or, where none is known, on
the largest bright structure; --click makes them yours.

examples:
  napari-intseg demo
  napari-intseg demo ct.nii.gz --click 40,120,200 --click 55,118,190 --window abdomen"""
# clicks of the robot user on each of the two planes (not tuned)
_ROBOT_CLICKS = 6
# planes in the picture besides the clicked ones, spread evenly
_SHOWN_PLANES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("volume", nargs="?", type=Path, metavar="VOLUME", help="a volume of yours")
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="DIR",
        help="where to write, files of an earlier demo are replaced; default demo-output",
    )  # fmt: skip
    parser.add_argument(
        "--click", type=shared_options.click, action="append", default=[], metavar="P,R,C[:-][@N]",
        help="a click on VOLUME; repeat for more",
    )  # fmt: skip
    parser.add_argument("--truth", type=Path, metavar="MASK", help="of VOLUME, for the Dice")
    parser.add_argument(
        "--window", type=shared_options.window, metavar="W", help="as for `segment`"
    )
    parser.add_argument("--model", metavar="ID", help="one that `napari-intseg models` lists")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="its weight file")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, mps, …")
    parser.add_argument("--no-window", action="store_true", help="never open napari")


def run(args: argparse.Namespace) -> int:
    """Segment, write, tell, and open a window if there can be one; returns 0."""
    from napari_intseg.errors import FileError
    from napari_intseg.models.registry import DEFAULT_MODEL, load_model

    started = time.perf_counter()
    case = find_volume(args.volume, args.truth, args.click, args.window)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise FileError(
            f"folder cannot be made: expected a place that can be written, got "
            f"{str(args.output)!r} ({err.strerror}). Choose another with --output."
        ) from err
    name = args.model or DEFAULT_MODEL
    model = load_model(name, weights=args.weights, device=args.device)
    print(f"model {name}; results go to {args.output}{os.sep}")
    for flat in FLAT:
        _segment_flat(flat, model, args.output)
    files = _segment_volume(case, model, args.output)
    print(f"\nall done in {time.perf_counter() - started:.0f} s")
    _open_window(files, no_window=args.no_window)
    return 0


def _segment_flat(case: "FlatCase", model: "Segmenter", folder: Path) -> None:
    from napari_intseg.core.volume import Plane
    from napari_intseg.session.session import Session

    volume = case.read()
    session = Session(model, volume)
    print(f"\n{case.name}: {case.about}, {_size(volume)}")
    clicks: list[Click] = []
    for label in dict.fromkeys(c.label or 1 for c in case.clicks):
        if label not in session.objects:
            session.new_object(label)
        started = time.perf_counter()
        for click in (c for c in case.clicks if (c.label or 1) == label):
            session.click(click.position, positive=click.positive)
        took = time.perf_counter() - started
        clicks += [placed.click for placed in session.clicks]
        print(f"  object {label}: {_signs(session)}, {session.mask.sum()} pixels, {took:.1f} s")
    _write(session, folder / f"{case.name}_labels.png")
    _write_overlay(session, {Plane(0, 0): clicks}, folder / f"{case.name}_overlay.png")


def _segment_volume(case: "VolumeCase", model: "Segmenter", folder: Path) -> tuple[Path, Path]:
    from napari_intseg.evaluation.metrics import dice
    from napari_intseg.io.write import write_array
    from napari_intseg.session.session import Session

    volume = case.volume
    session = Session(model, volume, window=case.window)
    print(f"\n{case.name}: {case.about}, {_size(volume)}")
    who = make_clicks(session, case, _ROBOT_CLICKS)
    planes = session.clicked_planes(0)
    print(f"  {who}: {_signs(session)} on planes {', '.join(str(p.index) for p in planes)}")
    if case.truth is not None:
        for plane in planes:
            score = dice(session.mask_on(plane), volume.of(case.truth, plane))
            print(f"  Dice on plane {plane.index}: {score:.3f}")
    started = time.perf_counter()
    with stop_on_interrupt() as stopped, progress_bar("  propagation", "plane", leave=False) as bar:
        session.propagate(on_progress=bar, should_stop=stopped)
    took, done = time.perf_counter() - started, len(session.propagated_planes(0))
    print(f"  propagation: {done} planes in {took:.1f} s, {session.mask.sum()} voxels in all")
    if case.truth is not None:
        score = dice(session.mask, case.truth)
        print(f"  Dice of the volume: {score:.3f} ({case.truth_from})")
    image, labels = folder / f"{case.name}_image.nii.gz", folder / f"{case.name}_labels.nii.gz"
    write_array(image, volume.data, volume, overwrite=True)
    _write(session, labels)
    clicks = {plane: list(session.prompts(plane).clicks) for plane in _chosen(session)}
    _write_overlay(session, clicks, folder / f"{case.name}_overlay.png")
    return image, labels


def _chosen(session: "Session") -> list["Plane"]:
    """Return the clicked planes and some of those between and beyond, in order."""
    clicked = session.clicked_planes(0)[:2]
    others = [p for p in session.propagated_planes(0) if session.mask_on(p).any()]
    step = max(1, len(others) // _SHOWN_PLANES)
    return sorted({*clicked, *others[step // 2 :: step][:_SHOWN_PLANES]})


def _write(session: "Session", path: Path) -> None:
    from napari_intseg.io.write import write_labels

    write_labels(path, session.labels, session.volume, overwrite=True)
    print(f"  wrote {path}")


def _write_overlay(session: "Session", clicks: "dict[Plane, list[Click]]", path: Path) -> None:
    from napari_intseg.cli.output_forms import overlay, side_by_side
    from napari_intseg.inference.intensity import resolve_intensity
    from napari_intseg.io.write import write_picture

    volume = session.volume
    intensity = resolve_intensity(volume, session.window)
    flips = _flips(volume)
    pictures = [
        overlay(intensity.to_rgb(volume.take(plane)), session.labels_on(plane), given)[flips]
        for plane, given in clicks.items()
    ]
    write_picture(path, side_by_side(pictures), overwrite=True)
    print(f"  wrote {path}")


def _flips(volume: "Volume") -> tuple[slice, slice]:
    """Return how rows and columns run in a picture so that a patient lies as in napari.

    Files may store them from back to front and from left to right, as NIfTI often does.
    """
    import numpy as np

    # in LPS, as napari is given it, y runs backwards in the patient and x to his left
    rows, cols = (along[np.argmax(np.abs(along))] for along in volume.affine[:3, 1:3].T)
    return slice(None, None, -1 if rows < 0 else 1), slice(None, None, -1 if cols < 0 else 1)


def _open_window(files: tuple[Path, Path], *, no_window: bool) -> None:
    """Open napari in a process of its own, so that the demo needs no Qt."""
    missing = _why_no_window()
    if no_window or missing:
        print("no window: " + ("not wanted" if no_window else missing))
        return
    print("napari opens; close its window to end the demo")
    command = [sys.executable, "-m", "napari_intseg.ui.scripting", *map(str, files)]
    # a window that cannot open must not fail the demo: its files are written
    if subprocess.run(command, check=False).returncode:
        print("napari could not be opened; the files are there all the same")


def _why_no_window() -> str:
    # any that napari can use
    bindings = ("PyQt6", "PySide6", "PyQt5", "PySide2")
    if find_spec("napari") is None or not any(find_spec(b) for b in bindings):
        return "napari is not installed; pip install 'napari-intseg[gui]'"
    on_linux = sys.platform.startswith("linux")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    return ""


def _signs(session: "Session") -> str:
    clicks = session.clicks
    negative = sum(not placed.click.positive for placed in clicks)
    count = f"{len(clicks)} click{'' if len(clicks) == 1 else 's'}"
    return count + (f" ({negative} negative)" if negative else "")


def _size(volume: "Volume") -> str:
    size = " × ".join(map(str, volume.shape)) + (" RGB" if volume.n_channels else "")
    if volume.ndim == 2:
        return f"{size} pixels"
    return f"{size} voxels of " + " × ".join(f"{s:.4g}" for s in volume.spacing) + " mm"
