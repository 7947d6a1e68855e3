"""One object, one model: the robot user clicks until it is content or out of clicks.

On a slice, or in a whole volume: there it clicks on the worst plane, propagates, and looks again.
"""

import time
import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import BoolArray, Prepared, Segmenter, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
from napari_intseg.evaluation.metrics import SurfaceDistance, dice, iou, surface_distance
from napari_intseg.evaluation.robot import RobotUser, Rule, Truth, opening
from napari_intseg.inference.intensity import WindowChoice, resolve_intensity
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.session.session import Session


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the robot user works.

    Parameters
    ----------
    max_clicks : int, default 20
        It gives up after so many.
    targets : tuple of float, default (0.85, 0.90)
        IoUs whose number of clicks is counted.
    rule : {"deepest", "random", "human"}, default "deepest"
        Where it clicks, see `RobotUser`.
    seeds : int, default 1
        For "random" and "human": each object is segmented with so many seeds, 0, 1, ….
    stop_early : bool, default False
        Leave an object when the highest target is reached. NoC stays the same and time is saved;
        the IoU after later clicks is then that at the stop.

    Raises
    ------
    DataError
        If a number is out of range.
    """

    max_clicks: int = 20
    targets: tuple[float, ...] = (0.85, 0.90)
    rule: Rule = "deepest"
    seeds: int = 1
    stop_early: bool = False

    def __post_init__(self) -> None:
        if self.max_clicks < 1 or self.seeds < 1:
            raise DataError(
                "robot user cannot work: expected at least one click and one seed, got "
                f"{self.max_clicks!r} clicks and {self.seeds!r} seeds. Ask for more."
            )
        if not self.targets or not all(0 < target <= 1 for target in self.targets):
            raise DataError(
                f"target is not an IoU: expected numbers above 0 and up to 1, got "
                f"{self.targets!r}. Write 0.9 for 90 %."
            )

    @property
    def seed_range(self) -> range:
        """The seeds that are run: one for the deterministic rule."""
        return range(1 if self.rule == "deepest" else self.seeds)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened on one object, click by click.

    Parameters
    ----------
    clicks : tuple of (plane or None, Click)
        In order.
    ious, dices, seconds : tuple of float
        After, and for, each click. Seconds are the model's and the engine's, not the robot's.
    surfaces : tuple of SurfaceDistance
        After each click, in a volume; else empty.
    kept : bytes
        The mask when the highest target was first reached, else the last one; see `kept_mask`.
    shape : tuple of int
        Of that mask.
    kept_after : int
        How many clicks had been made by then.
    cpu_seconds : tuple of float
        Processor time for each click, all threads together, in a volume; else empty.
    wrong : tuple of bool
        Of each click whether it says of its pixel what is not true; what is given before the
        first click, a box or extreme points, never does.
    """

    clicks: tuple[tuple[int | None, Click], ...]
    ious: tuple[float, ...]
    dices: tuple[float, ...]
    seconds: tuple[float, ...]
    surfaces: tuple[SurfaceDistance, ...] = ()
    kept: bytes = b""
    shape: tuple[int, ...] = ()
    kept_after: int = 0
    cpu_seconds: tuple[float, ...] = ()
    wrong: tuple[bool, ...] = ()

    @property
    def kept_mask(self) -> BoolArray:
        """The mask to show: as it was when the highest target was reached, else the last."""
        bits = np.frombuffer(zlib.decompress(self.kept), np.uint8)
        count = int(np.prod(self.shape))
        return np.unpackbits(bits, count=count).astype(bool).reshape(self.shape)


class PreparedImages:
    """Keeps all that models prepare of one image; thrown away with it."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Prepared] = {}

    def get(self, key: Hashable) -> Prepared | None:
        """Return what was put under a key, None if there is none."""
        return self._held.get(key)

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep something; of views only the latest few, so that memory stays bounded."""
        # views are large; a model seldom goes back to one that it has left
        while len(self._held) >= 8:
            del self._held[next(iter(self._held))]
        self._held[key] = prepared


@dataclass
class Notes:
    """What is written down while the robot clicks."""

    truth: Truth
    protocol: Protocol
    spacing: tuple[float, ...] | None
    clicks: list[tuple[int | None, Click]] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    dices: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    surfaces: list[SurfaceDistance] = field(default_factory=list)
    kept: BoolArray | None = None
    kept_after: int = 0
    wrong: list[bool] = field(default_factory=list)

    def take(
        self,
        plane: int | None,
        click: Click,
        mask: BoolArray,
        seconds: float,
        *,
        wrong: bool = False,
    ) -> None:
        """Write down a click, whether it was a wrong one, and the mask it led to."""
        self.wrong.append(wrong)
        valid, wanted = self.truth >= 0, self.truth == 1
        self.clicks.append((plane, click))
        # ignored pixels are left out of both, and can be neither right nor wrong
        self.ious.append(iou(mask[valid], wanted[valid]))
        self.dices.append(dice(mask[valid], wanted[valid]))
        self.seconds.append(seconds)
        if self.spacing is not None:
            # distances need the grid whole, so ignored pixels count as background
            self.surfaces.append(surface_distance(mask & valid, wanted, self.spacing))
        best = max(self.protocol.targets)
        # before this click, so that the mask at which it was reached is kept
        if max(self.ious[:-1], default=0.0) < best:
            self.kept, self.kept_after = mask, len(self.clicks)

    @property
    def is_over(self) -> bool:
        """Whether no further click is wanted."""
        done = self.protocol.stop_early and max(self.ious, default=0) >= max(self.protocol.targets)
        return done or len(self.clicks) >= self.protocol.max_clicks

    def course(self) -> Course:
        """Return what was written."""
        mask = np.zeros(self.truth.shape, bool) if self.kept is None else self.kept
        return Course(
            tuple(self.clicks),
            tuple(self.ious),
            tuple(self.dices),
            tuple(self.seconds),
            tuple(self.surfaces),
            # thousands of masks wait for the report; packed they take a few kB each
            zlib.compress(np.packbits(mask).tobytes()),
            mask.shape,
            self.kept_after,
            wrong=tuple(self.wrong),
        )


def segment_slice(
    model: Segmenter,
    volume: Volume,
    truth: Truth,
    protocol: Protocol | None = None,
    *,
    plane: Plane | None = None,
    seed: Sequence[int] = (0,),
    shelf: PreparedStore | None = None,
) -> Course:
    """Let the robot user segment one object on one slice.

    Parameters
    ----------
    model : Segmenter
        Any that takes clicks, or a box or extreme points, which are then given first and
        counted as clicks; it is asked through `predict_slice`, as people's clicks are.
    volume : Volume
        A 2-D image, or a volume of which one plane is used.
    truth : ndarray of int8, shape (H, W)
        1 object, 0 background, -1 ignored.
    protocol : Protocol, optional
        The published one by default.
    plane : Plane, optional
        Needed for a volume.
    seed : sequence of int
        For the rules "random" and "human".
    shelf : PreparedStore, optional
        Shared by the objects of one image, so that it is prepared once.

    Raises
    ------
    DataError
        If the truth is not on the slice's grid.
    """
    protocol, where = protocol or Protocol(), plane or Plane(0, 0)
    check_grid(truth, volume.slice_shape(where.axis), "slice")
    robot = RobotUser(truth, protocol.rule, seed)
    # distances in mm are told of volumes only
    notes = Notes(truth, protocol, volume.slice_spacing(where.axis) if plane else None)
    asked = _Slice(
        model, volume, where, Options(resolve_intensity(volume)), shelf or PreparedImages()
    )
    start = opening(truth == 1, model.traits)
    clicks, index = start.clicks, plane.index if plane else None
    mask = np.zeros(truth.shape, bool)
    answer = asked.answer(Prompts(clicks, start.box)) if start.is_enough else None
    for number, mark in enumerate(start.marks, start=1):
        # the answer comes with the last of the marks; those before it have none yet
        if answer is not None and number == len(start.marks):
            mask = answer.patch.mask(model.traits.threshold)
        notes.take(index, mark, mask, answer.seconds if answer is not None and mask.any() else 0.0)
    while start.goes_on and not notes.is_over:
        click = robot.next_click(mask, clicks)
        if click is None:
            break
        clicks = (*clicks, click)
        answer = asked.answer(Prompts(clicks, start.box), answer)
        mask = answer.patch.mask(model.traits.threshold)
        notes.take(index, click, mask, answer.seconds, wrong=robot.is_wrong(click))
    return notes.course()


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """A model on one slice, to be asked again and again."""

    model: Segmenter
    volume: Volume
    plane: Plane
    options: Options
    shelf: PreparedStore

    def answer(self, prompts: Prompts, prev: SliceAnswer | None = None) -> SliceAnswer:
        return predict_slice(
            self.model,
            lambda rows, cols: self.volume.take(self.plane, rows, cols),
            self.volume.slice_shape(self.plane.axis),
            prompts,
            self.options,
            prev=prev,
            prepared=self.shelf,
            key=(self.model.traits.name, self.plane),
        )


def check_grid(truth: Truth, shape: tuple[int, ...], name: str) -> None:
    """Refuse a truth that has not the shape of the slice or volume it is of.

    Raises
    ------
    DataError
        If it has another.
    """
    if truth.shape != shape:
        raise DataError(
            f"truth is on another grid: expected {shape}, as the {name}, got {truth.shape}. "
            "Resample one onto the other's grid first."
        )


def seed_of(seed: int, *names: str) -> tuple[int, int]:
    """Return a seed that differs from object to object, whatever the order they come in."""
    # Python's own hash differs from run to run
    return seed, crc32("/".join(names).encode("utf-8", "surrogateescape"))


def carried(values: Sequence[float], count: int) -> list[float]:
    """Return the values after 1, 2, … `count` clicks; the last one stands for those not made."""
    return [values[min(k, len(values) - 1)] for k in range(count)] if values else [0.0] * count


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
        # a box or extreme points once a plane
        marks = _open(session, truth, plane) if plane not in made else ()
        if click is not None:
            session.click((plane, click.row, click.col), positive=click.positive)
        # there is nothing to propagate while every clicked plane is empty
        if any(session.mask_on(p).any() for p in session.clicked_planes(0)):
            session.propagate()
        seconds = time.perf_counter() - start
        cpu_seconds = time.process_time() - cpu_start
        given = (*marks, click) if click is not None else marks
        made.setdefault(plane, []).extend(given)
        for mark in given[:-1]:
            notes.take(plane, mark, mask, 0.0)
        # marks before the last cost a click each, but no answer
        cpu += [0.0] * (len(given) - 1) + [cpu_seconds]
        # a copy: the session writes into its own
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
    # without clicks a plane cannot be corrected, so each is opened once
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
        # each plane has draws of its own
        robot = RobotUser(truth[plane], protocol.rule, (*seed, plane))
        click = robot.next_click(mask[plane], made.get(plane, ()))
        if click is not None:
            return plane, click
    return None


def planes_by_error(mask: BoolArray, truth: Truth) -> list[int]:
    """Return the planes of axis 0 that hold errors, those with the most wrong pixels first.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
    truth : ndarray of uint8, shape (D, H, W)
        1 is the object, 0 is not; other values do not count.
    """
    wrong = ((truth == 1) & ~mask) | ((truth == 0) & mask)
    counts = wrong.sum(axis=(1, 2))
    # of equally wrong planes the first, on every machine
    return [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]


def planes_by_region(mask: BoolArray, truth: Truth) -> list[int]:
    """Return the planes of axis 0 that hold errors, that with the largest connected one first.

    Parameters are those of `planes_by_error`.
    """
    wrong = ((truth == 1) & ~mask) | ((truth == 0) & mask)
    held = np.flatnonzero(wrong.any(axis=(1, 2)))
    sizes = {int(i): _largest_region(wrong[i]) for i in held}
    return sorted(sizes, key=lambda i: -sizes[i])


def _largest_region(wrong: BoolArray) -> int:
    numbered, _ = ndimage.label(wrong)
    return int(np.bincount(numbered.ravel())[1:].max())
