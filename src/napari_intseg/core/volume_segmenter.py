"""The contract between a model that answers in 3-D at once and the engine.

It stands beside `Segmenter`: a model may fulfil both, and then answers slices of 2-D images by the
one and volumes by the other. Positions are voxels in the order of the data's axes,
``(plane, row, col)``; the centre of the first voxel is 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray, FloatArray, Traits
from napari_intseg.core.volume import Plane

Position = tuple[float, float, float]
"""``(plane, row, col)``."""

Corner = tuple[int, int, int]
"""The first voxel of a box."""

Block = tuple[slice, slice, slice]
"""A box of voxels; start and stop given, no steps."""


@dataclass(frozen=True, slots=True)
class VolumeClick:
    """One point with a sign."""

    at: Position
    positive: bool = True


@dataclass(frozen=True, slots=True)
class VolumeBox:
    """A box round the object; both corners lie inside it, and may be on one plane.

    Parameters
    ----------
    first, last : (float, float, float)
        Voxel centres, each number of `first` at most that of `last`.
    positive : bool, default True
        Whether the object is inside.
    """

    first: Position
    last: Position
    positive: bool = True


@dataclass(frozen=True, slots=True)
class VolumeScribble:
    """A drawn line with a sign; its vertices in drawing order."""

    points: tuple[Position, ...]
    positive: bool = True


@dataclass(frozen=True, slots=True)
class VolumeLasso:
    """A closed line on a plane round what belongs to the object, or round what does not.

    Parameters
    ----------
    plane : Plane
        Where it is drawn.
    points : tuple of (float, float)
        ``(row, col)`` of its vertices on the slice; the last is joined to the first.
    positive : bool, default True
        Whether the inside belongs to the object.
    """

    plane: Plane
    points: tuple[tuple[float, float], ...]
    positive: bool = True


VolumePrompt = VolumeClick | VolumeBox | VolumeScribble | VolumeLasso


@dataclass(frozen=True, slots=True, eq=False)
class VolumeSource:
    """A volume as a model sees it; nothing is read before it is asked for.

    Parameters
    ----------
    shape : (int, int, int)
        ``(D, H, W)``.
    spacing : (float, float, float)
        Millimetres between voxel centres, in axis order.
    read : callable
        Returns a box as RGB in [0, 1], float32 ``(d, h, w, 3)``.
    values : callable or None
        Returns a box of the values as they are stored, float32 ``(d, h, w)``, for models that scale
        them themselves; None where there are channels.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    read: Callable[[Block], FloatArray]
    values: Callable[[Block], FloatArray] | None = None

    @classmethod
    def of(cls, rgb: FloatArray, spacing: Position = (1.0, 1.0, 1.0)) -> "VolumeSource":
        """Return an array in memory, RGB in [0, 1], float32 (D, H, W, 3), as a source."""
        shape = int(rgb.shape[0]), int(rgb.shape[1]), int(rgb.shape[2])
        # a copy, as reading from a file would give
        return cls(shape, spacing, lambda block: np.array(rgb[block], np.float32))

    @property
    def whole(self) -> Block:
        """All of it."""
        depth, height, width = self.shape
        return slice(0, depth), slice(0, height), slice(0, width)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVolume:
    """What a model keeps of a volume before any prompt.

    Parameters
    ----------
    source : VolumeSource
        Whose.
    payload : Any
        The model's own.
    nbytes : int
        Main memory it holds.
    """

    source: VolumeSource
    payload: Any = None
    nbytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class VolumeMask:
    """A mask in a box; outside of it there is no object.

    Parameters
    ----------
    corner : (int, int, int)
        The volume's voxel under the first of the mask.
    inside : ndarray of bool, shape (d, h, w)
        Lies inside the volume.
    """

    corner: Corner
    inside: BoolArray

    @property
    def block(self) -> Block:
        """Where it lies."""
        return block_at(self.corner, self.inside.shape)

    def full(self, shape: tuple[int, int, int]) -> BoolArray:
        """Return it on the whole volume, bool (D, H, W)."""
        out = np.zeros(shape, bool)
        out[self.block] = self.inside
        return out


def never() -> bool:
    """Return False: nobody cancels."""
    return False


@dataclass(frozen=True, slots=True, eq=False)
class VolumeQuery:
    """One question to a model about one object.

    Parameters
    ----------
    prepared : PreparedVolume
        Of the volume that is asked about, made by the same model.
    prompts : tuple of VolumePrompt
        All that was given for the object, in order. A model that goes on from its last answer finds
        the prompts of that one at the beginning; where it does not, something was taken back, and
        the answer is as if it had never been given.
    initial : VolumeMask or None
        The object before the first of the prompts, to be corrected; None: it was empty.
    planes : mapping of Plane to ndarray of float32, shape (H, W)
        Logits of the object on planes with prompts, from the model's own `Segmenter.predict`, if
        `VolumeSegmenter.answers_planes`.
    cancelled : callable
        Asked often, at least every half second; True: the answer is not wanted any more.
    """

    prepared: PreparedVolume
    prompts: tuple[VolumePrompt, ...]
    initial: VolumeMask | None = None
    planes: Mapping[Plane, FloatArray] = field(default_factory=dict)
    cancelled: Callable[[], bool] = never


@dataclass(frozen=True, slots=True, eq=False)
class VolumeChange:
    """The object in a box; outside of it the object is as `VolumeQuery.initial` was.

    Parameters
    ----------
    corner : (int, int, int)
        The volume's voxel under the first of the logits.
    logits : ndarray of float32, shape (d, h, w)
        Lies inside the volume, finite; `sigmoid(logits) > threshold` is the object.
    info : mapping
        Anything worth showing or testing; ``"note"`` is for people.
    """

    corner: Corner
    logits: FloatArray
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def block(self) -> Block:
        """Where it lies."""
        return block_at(self.corner, self.logits.shape)

    def on(self, plane: Plane) -> tuple[int, int, FloatArray] | None:
        """Return the first row and column on a plane's slice and the logits from there on.

        None if the plane does not cross the box.
        """
        at = plane.index - self.corner[plane.axis]
        if not 0 <= at < self.logits.shape[plane.axis]:
            return None
        row, col = (c for axis, c in enumerate(self.corner) if axis != plane.axis)
        return row, col, np.ascontiguousarray(np.take(self.logits, at, axis=plane.axis))


@runtime_checkable
class VolumeSegmenter(Protocol):
    """A model that answers prompts with a change of the volume's mask.

    Calls come from one thread at a time. Neither method changes its arguments, and the same query
    gives the same answer, whatever was asked before.
    """

    @property
    def traits(self) -> Traits:
        """Name, kinds of prompt, and the threshold of its probabilities."""
        ...

    @property
    def answers_planes(self) -> bool:
        """Whether planes with prompts are answered by its `Segmenter.predict` first.

        These answers stay as they are; the model carries them through the volume.
        """
        ...

    def prepare_volume(self, source: VolumeSource) -> PreparedVolume:
        """Do the work that needs no prompt.

        Raises
        ------
        DataError
            If the volume is too large for the model.
        """
        ...

    def predict_volume(self, query: VolumeQuery) -> VolumeChange | None:
        """Answer one query; None if it was cancelled."""
        ...


def block_at(corner: Corner, shape: tuple[int, ...]) -> Block:
    """Return the box of a shape that begins at a voxel."""
    (z, y, x), (depth, height, width) = corner, shape
    return slice(z, z + depth), slice(y, y + height), slice(x, x + width)


def box_of(mask: NDArray[np.bool_]) -> Block | None:
    """Return the smallest box that holds a mask (D, H, W); None if it is empty."""
    found = []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not along.size:
            return None
        found.append(slice(int(along[0]), int(along[-1]) + 1))
    return found[0], found[1], found[2]


def union_of(*blocks: Block | None) -> Block | None:
    """Return the smallest box that holds some boxes; None if there are none."""
    given = [block for block in blocks if block is not None]
    if not given:
        return None
    spans = [
        slice(min(block[axis].start for block in given), max(block[axis].stop for block in given))
        for axis in range(3)
    ]
    return spans[0], spans[1], spans[2]
