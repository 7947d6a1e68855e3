"""Masks of all objects on the planes of a volume, and what was painted over them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.patch import Window, joint_window
from napari_intseg.session.masks.plane_state import PlaneKey, PlaneState, Shown, packed


@dataclass(frozen=True, slots=True)
class PaintedKey:
    """Where history keeps a `Painted`: an object, and a plane of the first axis by its index."""

    label: int
    index: int


@packed("added", "removed")
@dataclass(frozen=True, eq=False)
class Painted:
    """Pixels that were painted, and erased, on one plane; no pixel is both.

    Parameters
    ----------
    row0, col0 : int
        The slice's pixel under the first of both masks.
    added, removed : ndarray of bool, shape (h, w)
        Belongs to the object; does not. Kept packed; read-only.
    """

    row0: int
    col0: int
    added: BoolArray
    removed: BoolArray

    @classmethod
    def joined(
        cls, old: "Painted | None", window: Window, added: BoolArray, removed: BoolArray
    ) -> "Painted | None":
        """Return what was painted before, and what is painted now on a window; the last counts.

        None if neither holds a pixel.
        """
        if not (added.any() or removed.any()):
            return old
        rows, cols = window
        if old is not None:
            rows, cols = joint_window(window, old.slices)
        shape = rows.stop - rows.start, cols.stop - cols.start
        both = np.zeros((2, *shape), bool)
        if old is not None:
            both[:, *_within(old.slices, rows, cols)] = old.added, old.removed
        part = both[:, *_within(window, rows, cols)]
        # the stroke that came last counts where both were
        part[0] = (part[0] | added) & ~removed
        part[1] = (part[1] | removed) & ~added
        return cls(rows.start, cols.start, both[0], both[1])

    @property
    def slices(self) -> Window:
        """Rows and columns of the slice that the masks lie on."""
        height, width = self.added.shape
        return slice(self.row0, self.row0 + height), slice(self.col0, self.col0 + width)

    def lay_over(self, mask: BoolArray, window: Window) -> None:
        """Change a mask of a window of the slice, in place."""
        rows, cols = self.slices
        top, bottom = max(rows.start, window[0].start), min(rows.stop, window[0].stop)
        left, right = max(cols.start, window[1].start), min(cols.stop, window[1].stop)
        if top >= bottom or left >= right:
            return
        inner = (
            slice(top - rows.start, bottom - rows.start),
            slice(left - cols.start, right - cols.start),
        )
        part = mask[
            top - window[0].start : bottom - window[0].start,
            left - window[1].start : right - window[1].start,
        ]
        part |= self.added[inner]
        part &= ~self.removed[inner]

    def line(self, axis: int, index: int, along: slice) -> tuple[BoolArray, BoolArray]:
        """Return both masks where a plane of another axis crosses, for a stretch of that line.

        Parameters
        ----------
        axis : int
            1: the line is a row of this slice; 2: a column.
        index : int
            Which one.
        along : slice
            The part of it that is wanted.
        """
        size = along.stop - along.start
        added, removed = np.zeros((1, size), bool), np.zeros((1, size), bool)
        cut = slice(index, index + 1)
        window = (cut, along) if axis == 1 else (along, cut)
        # `lay_over` takes a window of the slice: a column is a row of the transposed array, no copy
        shaped = added if axis == 1 else added.T
        self.lay_over(shaped, window)
        # laid over a full mask, what is missing afterwards was erased
        everything = ~removed
        self.lay_over(everything if axis == 1 else everything.T, window)
        return added[0], ~everything[0]


def _size_px(window: Window) -> int:
    rows, cols = window
    return int((rows.stop - rows.start) * (cols.stop - cols.start))


def _within(window: Window, rows: slice, cols: slice) -> Window:
    """Return a window of the slice as one of a larger window."""
    return (
        slice(window[0].start - rows.start, window[0].stop - rows.start),
        slice(window[1].start - cols.start, window[1].stop - cols.start),
    )


Painteds = Mapping[int, Painted]


def lay_all_over(mask: BoolArray, plane: Plane, window: Window, painted: Painteds) -> None:
    """Change a mask on a window of a plane of any axis by everything painted, in place."""
    if plane.axis == 0:
        here = painted.get(plane.index)
        if here is not None:
            here.lay_over(mask, window)
        return
    rows, cols = window
    for index, one in painted.items():
        if rows.start <= index < rows.stop:
            added, removed = one.line(plane.axis, plane.index, cols)
            line = mask[index - rows.start]
            line |= added
            line &= ~removed


def by_index(mask: BoolArray, plane: Plane, volume: Volume) -> Iterator[tuple[int, BoolArray]]:
    """Yield the pixels of a mask on a plane of any axis as masks on planes of the first axis."""
    if volume.ndim == 2 or plane.axis == 0:
        yield plane.index, mask
        return
    shape = volume.slice_shape(0)
    for index in np.flatnonzero(mask.any(axis=1)):
        out = np.zeros(shape, bool)
        if plane.axis == 1:
            out[plane.index] = mask[index]
        else:
            out[:, plane.index] = mask[index]
        yield int(index), out


Labels = NDArray[np.int32]

Box = tuple[int, int, int, int]
"""First and last row, first and last column of a slice, half-open."""

_MANY = 32
"""Objects from which `PlaneLabels` are made: so many, asked one by one, take about 2 ms."""

_SMALL_PX = 1 << 16
"""Pixels of a window, or round an object, that are gone through in 0.1 ms: as quickly as the boxes
of hundreds of objects."""

_PX_AN_OBJECT = 5_000
"""Pixels of a large window that are looked up while one object is asked: 8 ns each, and 40 µs. In
a window of 1.6 million, 190 objects took 1.3 ms one by one and 13 ms looked up."""

_PLANES = 2
"""Planes whose labels are at hand: that in view, and one beside it. Four bytes a pixel each."""


class PlaneLabels:
    """The objects of a plane in one array: what a mask meets is looked up, whatever their number.

    Parameters
    ----------
    shape : (int, int)
        Of the plane's slice.

    Attributes
    ----------
    labels : ndarray of int32, shape (H, W)
        Whose each pixel is; 0: nobody's.
    hidden : set of int
        Objects of which pixels may be missing: they are large, or another one, put in place at the
        same time, lies over them for now.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels: Labels = np.zeros(shape, np.int32)
        self.hidden: set[int] = set()
        self._windows: dict[int, Window] = {}

    def put(self, label: int, window: Window | None, mask: BoolArray | None = None) -> None:
        """Put an object's mask on a window in place of the one before; without, take that away."""
        before = self._windows.pop(label, None)
        if before is not None:
            part = self.labels[before]
            part[part == label] = 0
        self.hidden.discard(label)
        if window is not None and mask is not None:
            self._windows[label] = window
            part = self.labels[window]
            covered = part[mask]
            self.hidden.update(np.unique(covered[covered != 0]).tolist())
            part[mask] = label

    def met(self, label: int, window: Window, mask: BoolArray | None) -> set[int]:
        """Return the objects but one that may hold pixels of a window, or of a mask on it."""
        part = self.labels[window]
        others = (part != 0) & (part != label)
        if mask is not None:
            others &= mask
        return self.hidden.union(np.unique(part[others]).tolist())


class Canvas:
    """Which object owns which voxel.

    Every object keeps one mask a plane, on planes of any axis. Where planes of different axes
    cross, the mask of the higher rank decides (see `Shown`). What was painted by hand is laid over
    all of them. A voxel belongs to one object: `Document` sees to it.

    Parameters
    ----------
    volume : Volume
        Gives the grid; its data is not read.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self._states: dict[int, dict[int, dict[int, PlaneState]]] = {}
        # few among thousands of propagated ones, and asked for at each step of a propagation
        self._given: set[PlaneKey] = set()
        self._painted: dict[int, dict[int, Painted]] = {}
        # where masks lie, so that a window need not be held against all of hundreds of objects
        self._boxes: dict[Plane, dict[int, Box]] = {}
        self._on_axis: dict[int, set[int]] = {}
        self._plane_labels: dict[Plane, PlaneLabels] = {}

    def put(self, label: int, plane: Plane, state: PlaneState | None) -> None:
        """Put a state in place, or take it away with None."""
        indices = self._states.setdefault(label, {}).setdefault(plane.axis, {})
        if state is None:
            indices.pop(plane.index, None)
        else:
            indices[plane.index] = state
        if state is not None and state.shown is not None:
            rows, cols = state.shown.slices
            box = rows.start, rows.stop, cols.start, cols.stop
            self._boxes.setdefault(plane, {})[label] = box
        elif plane in self._boxes:
            self._boxes[plane].pop(label, None)
        if indices:
            self._on_axis.setdefault(plane.axis, set()).add(label)
        elif plane.axis in self._on_axis:
            self._on_axis[plane.axis].discard(label)
        key = PlaneKey(label, plane)
        if state is not None and state.is_given:
            self._given.add(key)
        else:
            self._given.discard(key)
        for one in self._plane_labels:
            # a mask on another axis decides whether the object is looked up at all
            if one == plane or one.axis != plane.axis:
                self._draw(label, one)

    def given(self, label: int, axis: int | None = None) -> tuple[Plane, ...]:
        """Return the planes on which a person set prompts or a mask, in order."""
        found = (key.plane for key in self._given if key.label == label)
        return tuple(sorted(plane for plane in found if axis in (None, plane.axis)))

    def put_painted(self, label: int, index: int, painted: Painted | None) -> None:
        """Put what was painted on a plane of the first axis in place, or take it away with None."""
        # `labels` goes through the objects by their states: paint alone makes an object, too
        self._states.setdefault(label, {})
        indices = self._painted.setdefault(label, {})
        if painted is None:
            indices.pop(index, None)
        else:
            indices[index] = painted
        for one in self._plane_labels:
            if one.axis != 0 or one.index == index:
                self._draw(label, one)

    def painted(self, label: int) -> Mapping[int, Painted]:
        """Return what was painted for an object, by plane of the first axis."""
        return self._painted.get(label, {})

    def get(self, label: int, plane: Plane) -> PlaneState | None:
        """Return what is known of an object on a plane."""
        return self._states.get(label, {}).get(plane.axis, {}).get(plane.index)

    def states(self, label: int, axis: int | None = None) -> Iterator[tuple[Plane, PlaneState]]:
        """Go through the planes of an object, in order of axis and index."""
        axes = self._states.get(label, {})
        for one in sorted(axes) if axis is None else [axis]:
            for index in sorted(axes.get(one, {})):
                yield Plane(one, index), axes[one][index]

    def states_on(self, plane: Plane) -> Iterator[tuple[int, PlaneState]]:
        """Go through the objects that have a state on a plane, in the order of their labels."""
        for label in sorted(self._states):
            state = self.get(label, plane)
            if state is not None:
                yield label, state

    def whole(self, plane: Plane) -> Window:
        """Return the window that holds all of a plane's slice."""
        height, width = self.volume.slice_shape(plane.axis)
        return slice(0, height), slice(0, width)

    def mask_on(self, label: int, plane: Plane, window: Window | None = None) -> BoolArray:
        """Return an object's mask on a plane, or on a window of it, bool."""
        rows, cols = window or self.whole(plane)
        state = self.get(label, plane)
        own = state.shown if state is not None else None
        if own is None:
            out = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
        else:
            out = own.window(rows, cols)
        for line, values, _ in self._lines(label, plane, (rows, cols), own):
            out[line] = values
        lay_all_over(out, plane, (rows, cols), self.painted(label))
        return out

    def labels_on(self, plane: Plane, window: Window | None = None, *, without: int = 0) -> Labels:
        """Return the labels of all objects but one on a plane, or on a window of it, int32 (H, W).

        `without` 0: of all.
        """
        rows, cols = window or self.whole(plane)
        out = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.int32)
        for label, at, mask in self.others(without, plane, (rows, cols)):
            out[at][mask] = label
        return out

    def mask(self, label: int) -> BoolArray:
        """Return an object's mask of the volume's shape, bool."""
        out = np.zeros(self.volume.shape, bool)
        shown = [(plane, s.shown) for plane, s in self.states(label) if s.shown is not None]
        # by rank, so that the one that decides where planes cross is written last
        for plane, one in sorted(shown, key=lambda pair: pair[1].rank):
            on_slice = self.volume.of(out, plane)
            on_slice[...] = False
            on_slice[one.slices] = one.inside
        for index, painted in self.painted(label).items():
            plane = Plane(0, index)
            painted.lay_over(self.volume.of(out, plane), self.whole(plane))
        return out

    def labels(self) -> Labels:
        """Return the labels of all objects, int32, of the volume's shape."""
        out = np.zeros(self.volume.shape, np.int32)
        for label, axes in self._states.items():
            # only objects with planes of several axes, or paint, need the volume of their own
            if self.painted(label) or sum(bool(indices) for indices in axes.values()) > 1:
                out[self.mask(label)] = label
                continue
            for plane, state in self.states(label):
                if state.shown is not None:
                    on_slice = self.volume.of(out, plane)[state.shown.slices]
                    on_slice[state.shown.inside] = label
        return out

    def others(
        self, label: int, plane: Plane, window: Window, meeting: BoolArray | None = None
    ) -> Iterator[tuple[int, Window, BoolArray]]:
        """Go through the other objects on a window of a plane.

        Parameters
        ----------
        label : int
            The one left out; 0: none.
        plane, window
            Where.
        meeting : ndarray of bool, optional
            On the window: objects that hold none of these pixels may be left out.

        Yields
        ------
        label : int
            Of an object; all of them where the one left out is 0.
        at : (slice, slice)
            The part of the window, counted from its corner, outside which the object has no pixel:
            hundreds of small objects must not each cost an array as large as the window.
        mask : ndarray of bool
            The object there.
        """
        top, left = window[0].start, window[1].start
        if len(self._states) <= (label in self._states):
            return
        near = self._near(label, plane, window, meeting)
        # in the order of the objects, which a set does not keep
        for other in self._states:
            if other == label or other not in near:
                continue
            part = self._part_held(other, plane, window)
            if part is not None:
                rows, cols = part
                at = (
                    slice(rows.start - top, rows.stop - top),
                    slice(cols.start - left, cols.stop - left),
                )
                yield other, at, self.mask_on(other, plane, part)

    def crossing(self, label: int, plane: Plane) -> Iterable[tuple[Plane, PlaneState]]:
        """Return the planes of other axes on which an object has a mask; all cross this one."""
        for axis in self._states.get(label, {}):
            # planes of one axis never meet
            if axis != plane.axis:
                yield from ((p, s) for p, s in self.states(label, axis) if s.shown is not None)

    def touches(self, label: int, plane: Plane) -> bool:
        """Whether an object may have a pixel on a plane."""
        if self.get(label, plane) is not None:
            return True
        painted = self.painted(label)
        if painted if plane.axis else plane.index in painted:
            return True
        return any(bool(i) for axis, i in self._states[label].items() if axis != plane.axis)

    def _labels_of(self, plane: Plane) -> PlaneLabels:
        """Return the labels of a plane, made anew where they are not at hand."""
        found = self._plane_labels.pop(plane, None)
        if found is not None:
            # the last one goes first: that in view stays
            self._plane_labels[plane] = found
            return found
        while len(self._plane_labels) >= _PLANES:
            del self._plane_labels[next(iter(self._plane_labels))]
        found = self._plane_labels[plane] = PlaneLabels(self.volume.slice_shape(plane.axis))
        painted = (label for label, indices in self._painted.items() if indices)
        for label in {*self._boxes.get(plane, ()), *painted}:
            self._draw(label, plane)
        return found

    def _draw(self, label: int, plane: Plane) -> None:
        """Bring the labels of a plane up to date for one object."""
        state = self.get(label, plane)
        painted = None if plane.axis else self.painted(label).get(plane.index)
        shown = None if state is None else state.shown
        windows = [one.slices for one in (shown, painted) if one is not None]
        found = self._plane_labels[plane]
        found.put(label, None)
        if label in self._beyond(plane) or not windows:
            return
        window = joint_window(*windows)
        if _size_px(window) > _SMALL_PX:
            # few are so large, and drawing one at each stroke would take as long as asking it
            found.hidden.add(label)
        else:
            found.put(label, window, self.mask_on(label, plane, window))

    def _beyond(self, plane: Plane) -> set[int]:
        """Return the objects whose pixels on a plane come from others too, which is rare."""
        found = set[int]()
        for axis, labels in self._on_axis.items():
            if axis != plane.axis:
                found |= labels
        if plane.axis:
            found.update(label for label, painted in self._painted.items() if painted)
        return found

    def _near(
        self, label: int, plane: Plane, window: Window, meeting: BoolArray | None
    ) -> set[int]:
        """Return the objects that may have pixels in a window of a plane; see `others`."""
        if len(self._boxes.get(plane, ())) + len(self._painted) < _MANY:
            return self._boxed(plane, window)
        beyond = self._beyond(plane)
        if _size_px(window) > _SMALL_PX:
            near = self._boxed(plane, window)
            if meeting is None or _size_px(window) > _PX_AN_OBJECT * len(near - beyond):
                return near
        return beyond | self._labels_of(plane).met(label, window, meeting)

    def _boxed(self, plane: Plane, window: Window) -> set[int]:
        """Return the objects that may have pixels in a window, by where their masks lie."""
        (rows, cols), found = window, set[int]()
        for label, (row0, row1, col0, col1) in self._boxes.get(plane, {}).items():
            if row0 < rows.stop and rows.start < row1 and col0 < cols.stop and cols.start < col1:
                found.add(label)
        # paint and planes of other axes lie elsewhere than the mask of this plane
        found.update(label for label, painted in self._painted.items() if painted)
        return found | self._beyond(plane)

    def _part_held(self, label: int, plane: Plane, window: Window) -> Window | None:
        """Return the part of a window that an object may have pixels in; None if in none of it."""
        axes = self._states[label]
        # paint and planes of other axes: rare enough to look at the whole window
        if self._painted.get(label) or any(axes[a] for a in axes if a != plane.axis):
            return window if self.touches(label, plane) else None
        state = axes.get(plane.axis, {}).get(plane.index)
        shown = None if state is None else state.shown
        if shown is None:
            return None
        rows, cols = shown.slices
        top, bottom = max(rows.start, window[0].start), min(rows.stop, window[0].stop)
        left, right = max(cols.start, window[1].start), min(cols.stop, window[1].stop)
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)

    def _lines(
        self, label: int, plane: Plane, window: Window, own: Shown | None
    ) -> list[tuple[tuple[int | slice, int | slice], BoolArray, tuple[bool, int]]]:
        """Where crossing planes decide: a row or column of the window, its values and rank."""
        found = []
        for other, state in self.crossing(label, plane):
            shown = state.shown
            assert shown is not None
            # a crossing plane of lower rank decides nothing here
            if own is not None and shown.rank < own.rank:
                continue
            at = other.index - window[_side(other.axis, plane.axis)].start
            along = window[1 - _side(other.axis, plane.axis)]
            if (
                not 0
                <= at
                < window[_side(other.axis, plane.axis)].stop
                - window[_side(other.axis, plane.axis)].start
            ):
                continue
            cut = slice(plane.index, plane.index + 1)
            if _side(plane.axis, other.axis) == 0:
                values = shown.window(cut, along)[0]
            else:
                values = shown.window(along, cut)[:, 0]
            line = (at, slice(None)) if _side(other.axis, plane.axis) == 0 else (slice(None), at)
            found.append((line, values, shown.rank))
        return sorted(found, key=lambda entry: entry[2])


def _side(axis: int, of_axis: int) -> int:
    """Return 0 if an axis of the volume runs along the rows of an axis's slices, 1 if columns."""
    return [a for a in range(3) if a != of_axis].index(axis)
