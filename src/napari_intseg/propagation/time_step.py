"""A volume at one time point: an object of the preceding one is found again, in one piece.

It is looked for on the plane where it was largest. From there it is carried outward plane by plane,
as long as there is something that touches the plane before; the question on a plane is the mask
that it had there at the preceding time point, moved as the neighbouring plane's mask has moved.
So an object may move, grow and leave planes, and cannot fall apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import Array, BoolArray, bounding_box
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.patch import Patch, trimmed
from napari_intseg.propagation.ending import Appearance, Ending
from napari_intseg.propagation.request import Walk, WalkSettings
from napari_intseg.propagation.restraint import Restraint, cut
from napari_intseg.propagation.stretch import Stretch
from napari_intseg.propagation.stretch_walker import StretchWalker

# planes on which an object is looked for before it is given up; each costs `_ASKED` answers at most
_TRIED = 3
# times that it is looked for on one plane, each time from where it was found
_ASKED = 3

Found = tuple[int, Patch, float]
"""Index of a plane, the answer there, and how sure it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """An object at the preceding time point.

    Parameters
    ----------
    patches : mapping of int to Patch
        By plane.
    appearance : Appearance
        Its grey values where a person settled it.
    """

    patches: Mapping[int, Patch]
    appearance: Appearance


class TimePointFinder:
    """Finds an object at a time point.

    Parameters
    ----------
    request : Walk
        Whose volume is that of the time point; its settings say how far the object may move.
    axis : int
        The planes are perpendicular to it.
    before : Before
        What is looked for.
    fixed : mapping of int to Patch
        What a person settled at this time point; it stays.

    Attributes
    ----------
    note : str
        What the model told people with its last answer; empty: nothing.
    """

    def __init__(
        self, request: Walk, axis: int, before: Before, fixed: Mapping[int, Patch]
    ) -> None:
        self._last = request.volume.shape[axis] - 1
        stretch = Stretch(axis, None, None, 0, self._last)
        self._before, self._fixed = before, fixed
        self._through_time = StretchWalker(request, stretch)
        # across planes, once it is known how far it has moved
        near = replace(request, settings=_across(request.settings))
        self._across = StretchWalker(near, stretch)
        self._threshold = self._across.threshold
        self.note = ""
        self.found: dict[int, Patch] = {i: p for i, p in fixed.items() if self._area(p)}

    def find(self) -> Iterator[Found]:
        """Yield plane after plane that has an answer; `found` then holds all of them."""
        if not self.found and not self._fixed:
            yield from self._begun()
        for seed in sorted(self.found):
            for step in (1, -1):
                yield from self._outward(seed, step)

    def _begun(self) -> Iterator[Found]:
        """Find it on one of the planes where it was largest."""
        patches = self._before.patches
        # the largest first: it is the easiest to find again
        for index in sorted(patches, key=lambda i: -self._area(patches[i]))[:_TRIED]:
            guide = patches[index].mask(self._threshold)
            if not guide.any():
                return
            found = self._looked_for(index, guide)
            if found is not None:
                yield self._taken(index, *found)
                return

    def _looked_for(self, index: int, guide: BoolArray) -> tuple[Patch, float] | None:
        """Return the answer on a plane; asked again from where the first one was found."""
        areas, moved, found = [int(np.count_nonzero(guide))], guide, None
        for _ in range(_ASKED):
            again = self._answered(self._through_time, index, moved, guide, areas, most=1)
            found = again or found
            if found is None:
                return None
            by = centre(found[0].mask(self._threshold)) - centre(guide)
            led = shifted(guide, by)
            # the next question would be the same one
            if not led.any() or np.array_equal(led, moved):
                return found
            moved = led
        return found

    def _outward(self, seed: int, step: int) -> Iterator[Found]:
        """Go on from a plane until the object ends or another known plane comes."""
        neighbour = self.found[seed].mask(self._threshold)
        areas, moved = [int(np.count_nonzero(neighbour))], np.zeros(2)
        index = seed + step
        while 0 <= index <= self._last and index not in self.found and index not in self._fixed:
            moved = self._motion(index - step, neighbour, moved)
            guide = self._guide(index, neighbour, moved)
            found = self._answered(self._across, index, guide, neighbour, areas)
            if found is None:
                return
            yield self._taken(index, *found)
            neighbour = found[0].mask(self._threshold)
            areas.append(int(np.count_nonzero(neighbour)))
            index += step

    def _answered(
        self,
        walker: StretchWalker,
        index: int,
        guide: BoolArray,
        neighbour: BoolArray,
        areas: list[int],
        *,
        most: int = 0,
    ) -> tuple[Patch, float] | None:
        """Return the answer on a plane, as far as it touches its neighbour; None at the end."""
        asked, self.note = walker._ask(index, guide), walker.note
        held = walker._held(index, asked, guide, self._before.appearance)
        mask = touching(held.mask, neighbour, most)
        why = walker.request.settings.ending.reason(
            mask, neighbour, areas, held.likeness, held.growth
        )
        if why is not None:
            return None
        whole = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
        patch = cut(held.patch, mask, whole, self._threshold)
        return trimmed(patch, self._threshold), held.sure

    def _guide(self, index: int, neighbour: BoolArray, moved: NDArray[np.float64]) -> BoolArray:
        """Return the mask of the same plane before, moved, near the neighbour; else that one."""
        old = self._before.patches.get(index)
        if old is None:
            return neighbour
        mask = shifted(old.mask(self._threshold), moved)
        walker = self._across
        restraint = walker.request.settings.restraint
        reach_mm = restraint.allowance_mm(neighbour, walker.step_mm, walker.spacing)
        # near the neighbour alone, so that the object stays in one piece
        mask &= ndimage.distance_transform_edt(~neighbour, sampling=walker.spacing) <= reach_mm
        return mask if mask.any() else neighbour

    def _motion(
        self, index: int, mask: BoolArray, otherwise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return rows and columns by which the mask of a plane has moved since before."""
        old = self._before.patches.get(index)
        # nothing to compare with: the motion of the plane before is the best guess
        if old is None or not self._area(old) or not mask.any():
            return otherwise
        return centre(mask) - centre(old.mask(self._threshold))

    def _area(self, patch: Patch) -> int:
        return int(np.count_nonzero(patch.inside(self._threshold)))

    def _taken(self, index: int, patch: Patch, sure: float) -> Found:
        self.found[index] = patch
        return index, patch, sure


def appearance_of(request: Walk, axis: int, index: int, patch: Patch) -> Appearance:
    """Return the grey values of an object on a plane of a request's volume."""
    worker = StretchWalker(request, Stretch(axis, None, None, index, index))
    return Appearance.of(*worker._around(index, patch.mask(worker.threshold)))


def touching(mask: BoolArray, neighbour: BoolArray, most: int = 0) -> BoolArray:
    """Return the parts of a mask that share a pixel with another one.

    Parameters
    ----------
    mask, neighbour : ndarray of bool, shape (H, W)
        On one grid.
    most : int, default 0
        Only so many parts, those that share most; 0: all.
    """
    box = bounding_box(mask)
    if box is None:
        return mask
    window = (slice(box[0], box[1]), slice(box[2], box[3]))
    # corners count as touching
    parts, count = ndimage.label(mask[window], np.ones((3, 3), int))
    shared = np.bincount(parts[neighbour[window]], minlength=count + 1)
    shared[0] = 0
    kept = np.argsort(-shared)[: most or count]
    out = np.zeros_like(mask)
    out[window] = np.isin(parts, kept[shared[kept] > 0])
    return out


def shifted(mask: BoolArray, by: NDArray[np.float64]) -> BoolArray:
    """Return a mask moved by whole rows and columns; what leaves the slice is lost."""
    out = np.zeros_like(mask)
    down, right = (int(d) for d in np.rint(by))
    height, width = mask.shape
    source = mask[
        max(0, -down) : max(0, min(height, height - down)),
        max(0, -right) : max(0, min(width, width - right)),
    ]
    row, col = max(0, down), max(0, right)
    out[row : row + source.shape[0], col : col + source.shape[1]] = source
    return out


def centre(mask: BoolArray) -> NDArray[np.float64]:
    """Return the mean row and column of a mask that holds a pixel."""
    return np.asarray([float(np.mean(where)) for where in np.nonzero(mask)])


def _across(settings: WalkSettings) -> WalkSettings:
    likeness = settings.ending.min_likeness
    return replace(settings, ending=Ending(min_likeness=likeness), restraint=Restraint())


class Frames:
    """An array of a plane's slices, time first; a slice is read when it is indexed.

    Parameters
    ----------
    volume_at : callable
        Returns the volume at a time point; all have the same shape and dtype.
    n_times : int
        How many there are.
    plane : Plane
        Which slice of each.
    """

    def __init__(self, volume_at: Callable[[int], Volume], n_times: int, plane: Plane) -> None:
        first = volume_at(0)
        self._volume_at, self._plane = volume_at, plane
        tail = (first.n_channels,) if first.n_channels else ()
        self.shape = (n_times, *first.slice_shape(plane.axis), *tail)
        self.ndim = len(self.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> Array:
        """Read with basic indices: a time point, rows and columns; channels are read whole."""
        time, rows, cols = index
        assert isinstance(rows, slice)
        assert isinstance(cols, slice)
        if isinstance(time, slice):
            times = range(*time.indices(self.shape[0]))
            return np.stack([self._read(one, rows, cols) for one in times])
        return self._read(int(time), rows, cols)

    def _read(self, time: int, rows: slice, cols: slice) -> Array:
        return self._volume_at(time).take(self._plane, rows, cols)


def as_volume(volume_at: Callable[[int], Volume], n_times: int, plane: Plane) -> Volume:
    """Return a plane through time as a volume; the spacing along time is 1, within as it is."""
    first = volume_at(0)
    data = Frames(volume_at, n_times, plane)
    spacing = (1.0, *first.slice_spacing(plane.axis))
    # said outright: three time points must not be taken for colours
    return Volume(data, spacing=spacing, channels=bool(first.n_channels))
