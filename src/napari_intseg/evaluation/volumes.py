"""One object in a whole volume: click on the worst plane, propagate, look again."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import BoolArray, Segmenter, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.evaluation.robot import RobotUser, Truth, opening
from napari_intseg.evaluation.run import Course, Notes, Protocol, check_grid
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.session.session import Session


def segment_volume(
    model: Segmenter,
    volume: Volume,
    truth: Truth,
    protocol: Protocol | None = None,
    *,
    seed: Sequence[int] = (0,),
    live: bool = False,
    window: WindowChoice = None,
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
        For the rules "random" and "human".
    live : bool, default False
        Click on the plane with the largest connected error instead, if the model takes clicks;
        distances between surfaces are then not measured.
    window : optional
        How values become grey, see `Session`.

    Raises
    ------
    DataError
        If the truth is not on the volume's grid.
    """
    protocol = protocol or Protocol()
    check_grid(truth, volume.shape, "volume")
    # distances between surfaces take longer than the answers, and the live table does not tell them
    notes = Notes(truth, protocol, None if live else volume.spacing)
    session = Session(model, volume, window=window)
    mask = np.zeros(truth.shape, bool)
    made: dict[int, list[Click]] = {}
    cpu: list[float] = []
    rank = planes_by_region if live else planes_by_error
    while not notes.is_over:
        planes = rank(mask, truth)
        plane, click = _next(
            mask, truth, protocol, planes, seed=seed, made=made, traits=model.traits
        )
        if plane is None:
            break
        start, cpu_start = time.perf_counter(), time.process_time()
        marks = _open(session, truth, plane) if plane not in made else ()
        if click is not None:
            session.click((plane, click.row, click.col), positive=click.positive)
        if any(session.mask_on(p).any() for p in session.clicked_planes(0)):
            session.propagate()
        seconds = time.perf_counter() - start
        cpu_seconds = time.process_time() - cpu_start
        given = (*marks, click) if click is not None else marks
        made.setdefault(plane, []).extend(given)
        for mark in given[:-1]:
            notes.take(plane, mark, mask, 0.0)
        cpu += [0.0] * (len(given) - 1) + [cpu_seconds]
        mask = np.array(session.mask)
        wrong = click is not None and RobotUser(truth[plane]).is_wrong(click)
        notes.take(plane, given[-1], mask, seconds, wrong=wrong)
    return replace(notes.course(), cpu_seconds=tuple(cpu))


def _open(session: Session, truth: Truth, plane: int) -> tuple[Click, ...]:
    """Give what the model needs before a click on a plane; return what that costs."""
    begin = opening(truth[plane] == 1, session.model.traits)
    if begin.box is not None:
        session.set_box(begin.box, Plane(0, plane))
    for point in begin.clicks:
        session.click((plane, point.row, point.col))
    return begin.marks


def _next(
    mask: BoolArray,
    truth: Truth,
    protocol: Protocol,
    planes: Sequence[int],
    *,
    seed: Sequence[int],
    made: dict[int, list[Click]],
    traits: Traits,
) -> tuple[int | None, Click | None]:
    """Return the plane to go on with and the click there, None where the model takes none."""
    if "click" in traits.prompts:
        return _next_click(mask, truth, protocol, planes, seed=seed, made=made) or (None, None)
    left = (p for p in planes if p not in made and (truth[p] == 1).any())
    return next(left, None), None


def _next_click(
    mask: BoolArray,
    truth: Truth,
    protocol: Protocol,
    planes: Sequence[int],
    *,
    seed: Sequence[int],
    made: dict[int, list[Click]],
) -> tuple[int, Click] | None:
    """Return the click on the first of the planes that has one left."""
    for plane in planes:
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


def planes_by_region(mask: BoolArray, truth: Truth) -> list[int]:
    """Return the planes of axis 0 that hold errors, that with the largest connected one first."""
    wrong = ((truth == 1) & ~mask) | ((truth == 0) & mask)
    held = np.flatnonzero(wrong.any(axis=(1, 2)))
    sizes = {int(i): _largest_region(wrong[i]) for i in held}
    return sorted(sizes, key=lambda i: -sizes[i])


def _largest_region(wrong: BoolArray) -> int:
    numbered, _ = ndimage.label(wrong)
    return int(np.bincount(numbered.ravel())[1:].max())
