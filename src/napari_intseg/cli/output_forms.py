"""What commands put out: pictures of masks and clicks, reports, progress bars; and Ctrl-C."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_intseg.core.files import write_text
from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import FileError

Picture = NDArray[np.uint8]

# told apart by the colour-blind too (Okabe and Ito 2008)
_COLOURS = np.array(
    [(0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0)]
)
# green and red, with a plus and a minus in white for those who cannot tell the two apart
_POSITIVE, _NEGATIVE, _WHITE = (40, 200, 60), (230, 40, 40), (255, 255, 255)
# share of the colour over the image, which stays readable through it (not tuned)
_BLEND = 0.35
# between pictures in a row
_GAP_PX = 8
# smaller pictures are enlarged about to this, by whole numbers, so that pixels stay square
_SIDE_PX = 480


def overlay(rgb: FloatArray, labels: NDArray[np.int32], clicks: Sequence[Click] = ()) -> Picture:
    """Paint objects and clicks on a slice.

    Parameters
    ----------
    rgb : ndarray of float32, shape (H, W, 3)
        The slice as the model sees it, in [0, 1].
    labels : ndarray of int32, shape (H, W)
        Each object is tinted and outlined in a colour of its own.
    clicks : sequence of Click
        Green discs with a plus, red discs with a minus.

    Returns
    -------
    ndarray of uint8, shape (k H, k W, 3)
        Small slices are enlarged by a whole number, so that marks and outlines stay fine.
    """
    scale = max(1, _SIDE_PX // max(labels.shape))
    painted = np.repeat(np.repeat(np.asarray(rgb * 255, np.float64), scale, 0), scale, 1)
    large = np.repeat(np.repeat(labels, scale, 0), scale, 1)
    for label in np.unique(large[large > 0]):
        colour = _COLOURS[(int(label) - 1) % len(_COLOURS)]
        inside = large == label
        painted[inside] = (1 - _BLEND) * painted[inside] + _BLEND * colour
        # the outline in full colour, since a tint alone is lost on bright tissue
        painted[inside & ~_eroded(inside)] = colour
    # marks grow with the picture, and are never too small to show their sign (not tuned)
    radius = max(5, max(large.shape) // 90)
    for click in clicks:
        _mark(painted, (click.row + 0.5) * scale, (click.col + 0.5) * scale, radius, click.positive)
    return np.asarray(np.clip(painted, 0, 255).round(), np.uint8)


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Return pictures in one row, the lower ones filled up in black."""
    height = max(p.shape[0] for p in pictures)
    filled = [
        np.pad(p, ((0, height - p.shape[0]), (0, _GAP_PX * (i + 1 < len(pictures))), (0, 0)))
        for i, p in enumerate(pictures)
    ]
    return np.concatenate(filled, axis=1)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take two pixels off the rim."""
    for _ in range(2):
        wide = np.pad(mask, 1, mode="edge")
        mask = mask & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask


def _mark(
    painted: NDArray[np.float64], row: float, col: float, radius: int, positive: bool
) -> None:
    rows, cols = np.ogrid[: painted.shape[0], : painted.shape[1]]
    down, right = abs(rows + 0.5 - row), abs(cols + 0.5 - col)
    distance = np.hypot(down, right)
    # a white rim, so that marks are seen on any ground
    painted[distance <= radius + 1.5] = _WHITE
    painted[distance <= radius] = _POSITIVE if positive else _NEGATIVE
    thin, long = radius / 6, radius * 0.6
    bar = (down <= thin) & (right <= long)
    if positive:
        bar = bar | ((right <= thin) & (down <= long))
    painted[bar] = _WHITE


@contextmanager
def progress_bar(
    title: str, unit: str, *, quiet: bool = False, **options: Any
) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for slow work.

    Parameters
    ----------
    title, unit : str
        What is done, and what is counted.
    quiet : bool, default False
        Show nothing.
    **options
        Of tqdm, e.g. ``unit_scale=True``.

    Yields
    ------
    callable
        To be called with how much is done and how much there is (0: not known).
    """
    # a log wants few lines, a person a bar that moves
    often_s = 0.1 if sys.stderr.isatty() else 10
    with tqdm(
        desc=title, unit=unit, disable=quiet, file=sys.stderr, mininterval=often_s, **options
    ) as bar:

        def show(done: int, total: int) -> None:
            # how much there is may only be known when work has begun
            if total and bar.total != total:
                bar.total = total
            # tqdm counts steps, callers tell sums
            bar.update(done - bar.n)

        yield show


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C ask for a stop instead of ending the program; a second one ends it.

    Yields
    ------
    callable
        Returns whether Ctrl-C was pressed.
    """
    stopped = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    if threading.current_thread() is not threading.main_thread():
        # signals reach the main thread only
        yield lambda: False
        return
    # a signal's handler belongs to the whole process: the old one comes back
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)


def check_report(path: Path | None, *inputs: Path | None, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it.

    Parameters
    ----------
    path : Path or None
        Of the report; None: none is wanted.
    inputs : Path or None
        What the command reads, and what else it writes.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        If it is one of the inputs, exists and must not be replaced, or has no folder.
    """
    from napari_intseg.io.output_files import check_apart

    if path is None:
        return
    if path.exists() and not overwrite:
        raise FileError(
            f"output exists: expected a new file, got {str(path)!r}. Choose another name or "
            "add --overwrite."
        )
    if not path.resolve().parent.is_dir():
        raise FileError(
            f"output has no folder: expected an existing one, got {str(path)!r}. Make it first."
        )
    check_apart(path, *inputs)
    # of a folder that is read, any file may be an image or a table of it, a report excepted
    within = [one for one in inputs if one is not None and one.is_dir()]
    if path.is_file() and not _is_report(path):
        for folder in within:
            if path.resolve().is_relative_to(folder.resolve()):
                raise FileError(
                    f"output is an input: expected a report or a new file in a folder that is "
                    f"read, got {str(path)!r}, which is no report. Choose another name."
                )


def _is_report(path: Path) -> bool:
    """Tell whether a file is a page or a report that this program wrote."""
    with path.open("rb") as file:
        head = file.read(200).lower()
    return head.startswith(b"<!doctype html>") or b'"format": "napari-intseg' in head


def write_report(path: Path, text: str) -> None:
    """Write a report; it appears whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as err:
        raise FileError(
            f"report cannot be written: expected a folder that allows it and room, got "
            f"{str(path)!r} ({err.strerror or err}). Choose another folder."
        ) from err
