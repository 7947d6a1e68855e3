"""One object in a whole volume: click on the worst plane, propagate, look again."""

import time
from collections.abc import Sequence

import numpy as np

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray, Segmenter
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.evaluation.robot import RobotUser, Truth
from napari_intseg.evaluation.run import Course, Notes, Protocol
from napari_intseg.session.session import Session


def segment_volume(
    model: Segmenter,
    volume: Volume,
    truth: Truth,
    protocol: Protocol | None = None,
    *,
    seed: Sequence[int] = (0,),
) -> Course:
    """Let the robot user segment one object of a volume.

    It clicks on the plane of axis 0 with the most wrong pixels, where the rule says, and
    propagates after each click. Everything goes through a `Session`, as people's clicks do.

    Parameters
    ----------
    model : Segmenter
        Any model.
    volume : Volume
        3-D; its spacing gives the millimetres.
    truth : ndarray of int8, shape (D, H, W)
        1 object, 0 background, -1 ignored.
    protocol : Protocol, optional
        The published one by default; its IoU is that of the whole object.
    seed : sequence of int
        For the rule "random".

    Raises
    ------
    DataError
        If the truth is not on the volume's grid.
    """
    protocol = protocol or Protocol()
    if truth.shape != volume.shape:
        raise DataError(
            f"truth is on another grid: expected {volume.shape}, as the volume, got "
            f"{truth.shape}. Resample one onto the other's grid first."
        )
    notes = Notes(truth, protocol, volume.spacing)
    session = Session(model, volume)
    mask = np.zeros(truth.shape, bool)
    made: dict[int, list[Click]] = {}
    while not notes.is_over:
        found = _next_click(mask, truth, protocol, seed, made)
        if found is None:
            break
        plane, click = found
        start = time.perf_counter()
        session.click((plane, click.row, click.col), positive=click.positive)
        session.propagate()
        seconds = time.perf_counter() - start
        made.setdefault(plane, []).append(click)
        mask = np.array(session.mask)
        notes.take(plane, click, mask, seconds)
    return notes.course()


def _next_click(
    mask: BoolArray,
    truth: Truth,
    protocol: Protocol,
    seed: Sequence[int],
    made: dict[int, list[Click]],
) -> tuple[int, Click] | None:
    """Return the click on the plane with the most wrong pixels that has one left."""
    for plane in planes_by_error(mask, truth):
        robot = RobotUser(truth[plane], protocol.rule, (*seed, plane))
        click = robot.next_click(mask[plane], made.get(plane, ()))
        if click is not None:
            return plane, click
    return None


def planes_by_error(mask: BoolArray, truth: Truth) -> list[int]:
    """Return the planes of axis 0 that hold errors, those with the most wrong pixels first."""
    wrong = ((truth == 1) & ~mask) | ((truth == 0) & mask)
    counts = wrong.sum(axis=(1, 2))
    return [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
