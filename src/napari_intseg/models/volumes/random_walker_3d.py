"""Random walker in 3-D: what the bundled network says on clicked planes, carried by the image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.segmenter import (
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
    logit,
    sigmoid,
)
from napari_intseg.core.volume import Plane
from napari_intseg.core.volume_segmenter import (
    Block,
    PreparedVolume,
    VolumeChange,
    VolumeMask,
    VolumeQuery,
    VolumeSource,
    union_of,
)
from napari_intseg.models import bundled
from napari_intseg.models.device import Precision
from napari_intseg.models.net_model import MadeOf

Grid = tuple[int, int, int]
"""Voxels of the volume along an edge of a cell of the grid that is solved on."""


def build(
    name: str,
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
) -> "RandomWalker3d":
    """Return the model; its planes are the bundled network's."""
    planes = bundled.build(name, weights, device=device, precision=precision)
    return RandomWalker3d(planes)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the walker moves, each chosen on the objects of docs/results.md.

    Parameters
    ----------
    beta : float
        The larger, the harder it is to cross an edge.
    cells : int
        The grid has at most so many.
    margin : float
        The box reaches so many radii of the object beyond it.
    pull : float
        How strongly each cell is drawn to what its value says, against its six neighbours.
    likeness : float
        Most logits that a value alone gives.
    shape : float
        Logits of the carried outline, a radius inside it.
    taper : float
        How fast the carried outline shrinks beyond the last plane, of the distance.
    """

    # a third of it and three times as much changed mean Dice by less than .02 (docs/results.md)
    beta: float = 6.0
    # 39 cells along each edge of a cube
    cells: int = 60_000
    margin: float = 0.7
    # mean Dice with .02, .06, .2 and .5 was .67, .66, .64 and .63
    pull: float = 0.06
    likeness: float = 3.0
    # mean Dice with 2 and 4 logits was .68 and .66 after one interaction, .79 and .78 after three
    shape: float = 2.0
    # with .15, .35 and .6 mean Dice was .61, .66 and .67 after one interaction, .73, .78 and .81
    # after three
    taper: float = 0.6


class RandomWalker3d(MadeOf):
    """Planes answered by a network are seeds of a random walk with priors [1]_ through the volume.

    Cells of the planes are held at the probabilities of their answers. Elsewhere a cell is drawn to
    what its value says by the histograms of the object and its surroundings on those planes, and
    to the outline carried over from the nearest of them; like neighbours are drawn together. Only
    a box round the object is solved, on a coarser grid where it is large.

    Parameters
    ----------
    planes : Bundled
        Answers planes, and images.
    settings : Settings, optional
        How.

    References
    ----------
    .. [1] Grady, L. "Multilabel random walker image segmentation using prior models", CVPR 2005,
       doi:10.1109/CVPR.2005.239.
    """

    def __init__(self, planes: bundled.Bundled, settings: Settings | None = None) -> None:
        self.planes, self.settings = planes, settings or Settings()

    @property
    def parts(self) -> tuple[bundled.Bundled]:
        """The network."""
        return (self.planes,)

    @property
    def traits(self) -> Traits:
        """Those of the network."""
        return self.planes.traits

    @property
    def answers_planes(self) -> bool:
        """Planes with prompts are the network's."""
        return True

    def prepare(self, image: FloatArray) -> Prepared:
        """Prepare a slice, as the network does."""
        return self.planes.prepare(image)

    def predict(self, query: Query) -> Answer:
        """Answer on a slice, as the network does."""
        return self.planes.predict(query)

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer several queries on slices, as the network does."""
        return self.planes.predict_batch(queries)

    def prepare_volume(self, source: VolumeSource) -> PreparedVolume:
        """Return the volume as it is: only boxes of it are read, when they are asked about."""
        return PreparedVolume(source)

    def predict_volume(self, query: VolumeQuery) -> VolumeChange | None:
        """Carry the planes' answers through the volume; None if it was cancelled."""
        shape = query.prepared.source.shape
        # the network's threshold need not be one half
        middle = float(logit(np.array(self.traits.threshold, np.float32)))
        masks = {plane: logits > middle for plane, logits in query.planes.items()}
        around = _around(masks, query.initial) if masks else None
        if around is None:
            # outside of a change all is as it was
            return VolumeChange((0, 0, 0), np.zeros((0, 0, 0), np.float32))
        # begin small and grow only where needed: the time goes with the cells of the box
        reach = 1.0
        while True:
            block = self._box(around, query, masks, reach)
            found = self._solve(query, block)
            if found is None:
                return None
            if reach >= _MOST_REACH or not _touches(found > middle, block, shape):
                return _within(found, block, query)
            reach *= 2

    def _box(
        self, around: Block, query: VolumeQuery, masks: Mapping[Plane, BoolArray], reach: float
    ) -> Block:
        """Return the box that is solved: the object so far, and some radii of it round it."""
        source = query.prepared.source
        areas = [
            np.count_nonzero(mask) * _pixel_mm2(source, plane) for plane, mask in masks.items()
        ]
        # of a disc as large as the largest mask; at least a voxel, so that a dot has a box as well
        radius = max(float(np.sqrt(max(areas) / np.pi)), *source.spacing)
        thin = {plane.axis for plane in masks}
        spans = []
        for axis, (span, size, mm) in enumerate(
            zip(around, source.shape, source.spacing, strict=True)
        ):
            # across the planes nothing says yet how far the object goes
            beyond = radius * (self.settings.margin + (0.8 * reach if axis in thin else 0.0))
            margin = int(np.ceil(beyond / mm)) + 2
            spans.append(slice(max(0, span.start - margin), min(size, span.stop + margin)))
        return spans[0], spans[1], spans[2]

    def _solve(self, query: VolumeQuery, block: Block) -> FloatArray | None:
        """Return logits on a box; None if it was cancelled."""
        source, settings = query.prepared.source, self.settings
        size = tuple(span.stop - span.start for span in block)
        cell = _cell(size, source.spacing, settings.cells)
        grey = _grey(source.read(block))
        small = _means(grey, cell)
        mm = tuple(s * c for s, c in zip(source.spacing, cell, strict=True))
        fixed, value = _seeds(query.planes, block, cell, small.shape)
        if query.cancelled():
            return None
        ratio = _by_value(grey, query.planes, block, self.traits.threshold)
        most = settings.likeness
        like = np.zeros_like(small) if ratio is None else np.clip(_at(ratio, small), -most, most)
        outline, trust = _carried(fixed, value, mm, settings, _on_grid(query.initial, block, cell))
        # where a mask to start from is trusted, it alone counts and values do not
        prior = sigmoid(np.asarray(like * (trust <= 1) + outline, np.float32))
        walk = _Walk(small, mm, fixed, settings, settings.pull * trust)
        prob = walk.solved(value, prior, query.cancelled)
        if prob is None:
            return None
        # far from zero and one, where a logit is infinite
        found = _enlarged(logit(np.clip(prob, 1e-4, 1 - 1e-4)), cell, size)
        # answers on clicked planes stay as the network gave them, at full resolution
        for plane, logits in query.planes.items():
            _lay(found, block, plane, logits)
        return found


# the box grows to so many radii beyond the planes, where the object goes on; a longer one, such as
# a vessel, needs a click further on
_MOST_REACH = 8


def _around(masks: Mapping[Plane, BoolArray], initial: VolumeMask | None) -> Block | None:
    """Return the box of all that is known of the object; None if it is empty."""
    found = None if initial is None else initial.block
    for plane, mask in masks.items():
        if mask.any():
            rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            spans = [
                slice(int(rows[0]), int(rows[-1]) + 1),
                slice(int(cols[0]), int(cols[-1]) + 1),
            ]
            spans.insert(plane.axis, slice(plane.index, plane.index + 1))
            found = union_of(found, (spans[0], spans[1], spans[2]))
    return found


def _pixel_mm2(source: VolumeSource, plane: Plane) -> float:
    return float(np.prod([mm for axis, mm in enumerate(source.spacing) if axis != plane.axis]))


def _touches(mask: BoolArray, block: Block, shape: Grid) -> bool:
    """Whether a mask reaches an end of the box that is not one of the volume."""
    for axis, (span, size) in enumerate(zip(block, shape, strict=True)):
        if span.start > 0 and np.take(mask, 0, axis).any():
            return True
        if span.stop < size and np.take(mask, -1, axis).any():
            return True
    return False


def _within(found: FloatArray, block: Block, query: VolumeQuery) -> VolumeChange:
    """Return an answer with the parts that hang together with a plane's."""
    mask = found > 0
    labels, count = ndimage.label(mask)
    if count > 1:
        kept = np.zeros(count + 1, bool)
        for plane in query.planes:
            at = plane.index - block[plane.axis].start
            if 0 <= at < labels.shape[plane.axis]:
                kept[np.take(labels, at, plane.axis)] = True
        # parts apart from the planes may have been drawn by hand
        if query.initial is not None:
            kept[:] = True
        found[mask & ~kept[labels]] = -1.0
    corner = block[0].start, block[1].start, block[2].start
    return VolumeChange(corner, found, {"box": block})


def _cell(size: tuple[int, ...], spacing: tuple[float, ...], cells: int) -> Grid:
    """Return the cells of a grid: enlarged along the axes with the finest spacing first."""
    cell = [1, 1, 1]
    while np.prod([-(-n // c) for n, c in zip(size, cell, strict=True)]) > cells:
        mm = [s * c for s, c in zip(spacing, cell, strict=True)]
        finest = min(mm)
        for axis in range(3):
            # cells become about cubic: an axis that is much coarser already waits for the others
            if mm[axis] <= finest * 1.5:
                cell[axis] += 1
    return cell[0], cell[1], cell[2]


def _grey(rgb: FloatArray) -> FloatArray:
    return np.asarray(rgb.mean(axis=-1), np.float32)


def _means(values: FloatArray, cell: Grid) -> FloatArray:
    """Return the means of cells; those at the end may be smaller."""
    out: NDArray[np.floating[Any]] = values
    for axis, step in enumerate(cell):
        if step > 1:
            starts = np.arange(0, out.shape[axis], step)
            counts = np.diff([*starts, out.shape[axis]]).astype(np.float32)
            form = [-1 if a == axis else 1 for a in range(3)]
            out = np.add.reduceat(out, starts, axis=axis) / counts.reshape(form)
    return np.asarray(out, np.float32)


def _window(block: Block, plane: Plane) -> tuple[slice, slice]:
    rows, cols = (span for axis, span in enumerate(block) if axis != plane.axis)
    return rows, cols


def _seeds(
    held: Mapping[Plane, FloatArray], block: Block, cell: Grid, shape: tuple[int, ...]
) -> tuple[BoolArray, FloatArray]:
    """Return which cells are held, and at which probability."""
    fixed, value = np.zeros(shape, bool), np.zeros(shape, np.float32)
    for plane, logits in held.items():
        at = plane.index - block[plane.axis].start
        if not 0 <= at < block[plane.axis].stop - block[plane.axis].start:
            continue
        prob = sigmoid(logits[_window(block, plane)])
        flat = np.expand_dims(prob, plane.axis)
        sides = tuple(1 if axis == plane.axis else c for axis, c in enumerate(cell))
        index = [slice(None)] * 3
        # the whole cell that the plane runs through
        index[plane.axis] = slice(at // cell[plane.axis], at // cell[plane.axis] + 1)
        fixed[tuple(index)] = True
        value[tuple(index)] = _means(flat, (sides[0], sides[1], sides[2]))
    return fixed, value


def _on_grid(mask: VolumeMask | None, block: Block, cell: Grid) -> FloatArray | None:
    """Return the share of each cell that a mask covers; None without one."""
    if mask is None:
        return None
    out = np.zeros([span.stop - span.start for span in block], np.float32)
    there, here = [], []
    for span, own in zip(block, mask.block, strict=True):
        low, high = max(span.start, own.start), min(span.stop, own.stop)
        there.append(slice(low - own.start, max(high, low) - own.start))
        here.append(slice(low - span.start, max(high, low) - span.start))
    out[tuple(here)] = mask.inside[tuple(there)]
    return _means(out, cell)


# logits of a mask to start from, a cell inside it
_CERTAIN = 4.0
# times as strong as the usual pull: neighbours then hardly move its outline
_TRUSTED = 30.0

# values from 0 to 1; as many as `propagation` counts in its histograms
_BINS = 32
# added to both shares, so that a value seen in fewer of the pixels than this says nothing
_RARE = 1e-3


def _by_value(
    grey: FloatArray, planes: Mapping[Plane, FloatArray], block: Block, threshold: float
) -> NDArray[np.float64] | None:
    """Return logits of the object for each of `_BINS` values, by the planes' histograms."""
    inside, outside = np.zeros(_BINS), np.zeros(_BINS)
    for plane, logits in planes.items():
        at = plane.index - block[plane.axis].start
        if not 0 <= at < grey.shape[plane.axis]:
            continue
        values = np.take(grey, at, plane.axis)
        mask = sigmoid(logits[_window(block, plane)]) > threshold
        inside += np.histogram(values[mask], _BINS, (0, 1))[0]
        outside += np.histogram(values[~mask], _BINS, (0, 1))[0]
    if not inside.any() or not outside.any():
        return None
    # spread by more than a bin, so that the histogram of few pixels has no gaps
    both = [ndimage.gaussian_filter1d(h / h.sum(), 1.2, mode="nearest") for h in (inside, outside)]
    return np.asarray(np.log((both[0] + _RARE) / (both[1] + _RARE)))


def _at(ratio: NDArray[np.float64], values: FloatArray) -> FloatArray:
    """Return what a table says of values, linearly between its bins."""
    # a bin stands for its middle
    at = np.clip(values * _BINS - 0.5, 0, _BINS - 1)
    low = at.astype(np.intp)
    high = np.minimum(low + 1, _BINS - 1)
    share = at - low
    return np.asarray(ratio[low] * (1 - share) + ratio[high] * share, np.float32)


def _carried(
    fixed: BoolArray,
    value: FloatArray,
    mm: tuple[float, ...],
    settings: Settings,
    initial: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Return logits of the outline of the planes, carried to the others and blended between them.

    Between two planes signed distances are interpolated; beyond the last the outline shrinks. With
    a mask to start from, that outline gives way to the mask's within a radius of the planes.

    Returns
    -------
    outline, trust : ndarray of float32
        The logits, and how many times as strongly as usual a cell is drawn to them.
    """
    axis = _axis_of(fixed)
    held = np.flatnonzero(fixed.all(axis=tuple(a for a in range(3) if a != axis)))
    side = tuple(s for a, s in enumerate(mm) if a != axis)
    depths = [_signed(np.take(value, at, axis) > 0.5, side) for at in held]
    # distances are told in radii of the object; at least a cell, for planes that are empty
    radius = max(*(float(depth.max()) for depth in depths), *mm)
    # without this a plane that does not show the object would end it at once, however far away
    depths = [np.clip(depth, -radius, radius) for depth in depths]
    out = np.zeros(fixed.shape, np.float32)
    for index in range(fixed.shape[axis]):
        right = int(np.searchsorted(held, index))
        left = right - 1 if right == len(held) or held[right] != index else right
        if left >= 0 and right < len(held) and left != right:
            share = (index - held[left]) / (held[right] - held[left])
            depth = depths[left] * (1 - share) + depths[right] * share
        else:
            near = min(max(left, 0), len(held) - 1) if right >= len(held) else right
            away = abs(int(held[near]) - index) * mm[axis]
            depth = depths[near] - settings.taper * away
        plane = [slice(None)] * 3
        plane[axis] = index  # type: ignore[call-overload]
        # full strength a radius inside or outside of the outline
        out[tuple(plane)] = np.clip(depth / radius, -1, 1) * settings.shape
    if initial is None:
        return out, np.ones(1, np.float32)
    # near a plane its outline counts, from a radius away on the mask's
    away = np.abs(np.arange(fixed.shape[axis])[:, None] - held).min(axis=1) * mm[axis]
    share = np.clip(away / radius, 0, 1).reshape([-1 if a == axis else 1 for a in range(3)])
    whole = np.clip(_signed(initial > 0.5, mm) / max(mm), -1, 1) * _CERTAIN
    blended = np.asarray(out * (1 - share) + whole * share, np.float32)
    return blended, np.asarray(1 + _TRUSTED * share, np.float32)


def _axis_of(fixed: BoolArray) -> int:
    """Return the axis whose planes are held; the first of several."""
    counts = [
        int(fixed.all(axis=tuple(a for a in range(3) if a != axis)).sum()) for axis in range(3)
    ]
    return int(np.argmax(counts))


def _signed(mask: BoolArray, mm: tuple[float, ...]) -> FloatArray:
    """Return distances to the outline in mm, positive inside; far away where there is none."""
    # no distance without an outline; a thousand mm is farther than any radius
    if not mask.any():
        return np.full(mask.shape, -1e3, np.float32)
    if mask.all():
        return np.full(mask.shape, 1e3, np.float32)
    inner = ndimage.distance_transform_edt(mask, sampling=mm)
    outer = ndimage.distance_transform_edt(~mask, sampling=mm)
    return np.asarray(inner - outer, np.float32)


class _Walk:
    """The equations of one walk: ``sum w (x_i - x_j)^2 + pull * sum (x_i - prior_i)^2`` is least.

    Parameters
    ----------
    image : ndarray of float32, shape (d, h, w)
        Values of the cells.
    mm : tuple of float
        Size of a cell.
    fixed : ndarray of bool
        Cells that are held.
    settings : Settings
        How hard edges are to cross.
    pull : ndarray of float32
        How strongly each cell is drawn to its prior.
    """

    def __init__(
        self,
        image: FloatArray,
        mm: tuple[float, ...],
        fixed: BoolArray,
        settings: Settings,
        pull: FloatArray,
    ) -> None:
        finest = min(mm)
        # a cell of the finest axis, in mm: noise of single cells is no edge
        smooth = ndimage.gaussian_filter(image, [0.6 * finest / m for m in mm])
        # of this box, so that beta means the same in dim and in bright images; never zero
        spread = float(smooth.std()) + 1e-3
        self._free = ~fixed
        self._pull = np.broadcast_to(np.asarray(pull, np.float32), image.shape)
        self._weights: list[FloatArray] = []
        self._total = np.array(self._pull)
        for axis in range(3):
            gap = np.diff(smooth, axis=axis) / spread
            # never quite zero: a cell walled in by edges would hang on its prior alone
            weight = np.exp(-settings.beta * gap**2).astype(np.float32) + np.float32(1e-4)
            # as for a derivative: between farther middles the same difference is less steep
            weight *= np.float32((finest / mm[axis]) ** 2)
            self._weights.append(weight)
            for side in _sides(axis):
                self._total[side] += weight

    def solved(
        self, value: FloatArray, prior: FloatArray, cancelled: Callable[[], bool]
    ) -> FloatArray | None:
        """Return probabilities, those of held cells being `value`; None if it was cancelled."""
        start = np.where(self._free, prior, value).astype(np.float32)
        # the residual: held cells are no unknowns, and have none
        rest = np.asarray((self._pull * prior - self._applied(start)) * self._free, np.float32)
        return _conjugate(self._applied, start, rest, self._total, cancelled)

    def _applied(self, x: FloatArray) -> FloatArray:
        out = self._total * x
        for axis, weight in enumerate(self._weights):
            low, high = _sides(axis)
            out[low] -= weight * x[high]
            out[high] -= weight * x[low]
        out *= self._free
        return out


def _sides(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)


# a bound on the time of an answer, where the accuracy is not reached
_ROUNDS = 150
# of the residual at the start; 1e-4 moves no more than 0.2 % of the voxels
_ACCURACY = 2e-3


def _conjugate(
    apply: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    rest: FloatArray,
    diagonal: FloatArray,
    cancelled: Callable[[], bool],
) -> FloatArray | None:
    """Solve by conjugate gradients with Jacobi's preconditioner; None if it was cancelled."""
    scaled = rest / diagonal
    way, energy = scaled.copy(), float(np.vdot(rest, scaled))
    enough = energy * _ACCURACY**2
    for number in range(_ROUNDS):
        # the second: where the start is exact already, its share of nothing is never reached
        if energy <= enough or energy <= 1e-12:
            break
        # often enough for a click, seldom enough that asking costs nothing
        if number % 8 == 0 and cancelled():
            return None
        moved = apply(way)
        step = np.float32(energy / float(np.vdot(way, moved)))
        x = x + step * way
        rest = rest - step * moved
        scaled = rest / diagonal
        before, energy = energy, float(np.vdot(rest, scaled))
        way = scaled + np.float32(energy / before) * way
    return np.asarray(x, np.float32)


def _enlarged(values: FloatArray, cell: Grid, size: tuple[int, ...]) -> FloatArray:
    """Return values of cells on the voxels they are made of, linearly between their middles."""
    out: NDArray[np.float32] = values
    for axis, (step, length) in enumerate(zip(cell, size, strict=True)):
        if step == 1:
            continue
        # a value stands for the middle of its cell
        at = np.clip((np.arange(length) + 0.5) / step - 0.5, 0, out.shape[axis] - 1)
        low = at.astype(np.intp)
        high = np.minimum(low + 1, out.shape[axis] - 1)
        form = [-1 if a == axis else 1 for a in range(3)]
        share = (at - low).astype(np.float32).reshape(form)
        out = np.take(out, low, axis) * (1 - share) + np.take(out, high, axis) * share
    return np.ascontiguousarray(out, np.float32)


def _lay(found: FloatArray, block: Block, plane: Plane, logits: FloatArray) -> None:
    """Put a plane's own answer in place on a box."""
    at = plane.index - block[plane.axis].start
    if 0 <= at < found.shape[plane.axis]:
        index: list[slice | int] = [slice(None)] * 3
        index[plane.axis] = at
        found[tuple(index)] = logits[_window(block, plane)]


__all__ = ["RandomWalker3d", "Settings", "build"]
