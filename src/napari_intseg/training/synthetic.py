"""Pictures of invented worlds, for what no free set shows, and noise as a detector makes it.

Label maps get drawn intensities; photons are counted and read out on the detector's own grid.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, BoolArray, FloatArray
from napari_intseg.inference.contour import outline
from napari_intseg.inference.slice_appearance import denoised, noise_level
from napari_intseg.training.sources import Picture, PictureSource, Task, make_picture


@dataclass(frozen=True, slots=True)
class Sensor:
    """How noisy a detector is, and how coarse its grid.

    Parameters
    ----------
    photons : float
        Counted where the image is 1.
    read : float, default 0
        Standard deviation of the read-out, in photons.
    grid : float, default 1
        Pixels of the detector for each pixel of the view along one side, at most 1. A small slice
        is enlarged to a view, so its noise comes as blobs and not pixel by pixel.
    contrast : float, default 1
        Share of the photons that the image modulates; the others are stray light.
    blur_px : float, default 0
        Standard deviation of a smoothing of the noisy image, in pixels of the detector.
    smooth : bool, default False
        Whether it is enlarged with cubic splines and not linearly.
    denoised : bool, default False
        Whether its noise is filtered on its own grid, as that of slices is for models.
    """

    photons: float
    read: float = 0.0
    grid: float = 1.0
    contrast: float = 1.0
    blur_px: float = 0.0
    smooth: bool = False
    denoised: bool = False


def expose(image: FloatArray, sensor: Sensor, rng: Generator) -> FloatArray:
    """Return a view (H, W, 3) as a noisy detector shows it, about in [0, 1], not clipped.

    A grey view stays grey: its three channels are one detector.
    """
    h, w = image.shape[:2]
    is_grey = bool(np.array_equal(image[..., 0], image[..., 1]))
    # one detector: three would make coloured noise of a grey image
    x = image[..., :1] if is_grey else image
    grid = (max(8, round(w * sensor.grid)), max(8, round(h * sensor.grid)))
    x = np.clip(_resize(x, grid, cv2.INTER_AREA), 0, 1)
    # in the middle of what is left, so that mid-grey stays mid-grey
    stray = (1 - sensor.contrast) / 2
    light = (x * sensor.contrast + stray) * sensor.photons
    read = rng.standard_normal(light.shape, np.float32) * np.float32(sensor.read)
    counted = rng.poisson(light).astype(np.float32) + read
    # scaled back, as a viewer shows it, so that noise grows as contrast falls
    seen: Array = (counted / np.float32(sensor.photons) - np.float32(stray)) / np.float32(
        sensor.contrast
    )
    if sensor.blur_px > 0:
        seen = cv2.GaussianBlur(seen, (0, 0), sensor.blur_px).reshape(seen.shape)
    if sensor.denoised:
        shown = np.asarray(np.clip(seen, 0, 1), np.float32)
        level = noise_level(shown.mean(2))
        seen = denoised(shown[..., 0], level)[..., None] if is_grey else denoised(shown, level)
    seen = _resize(seen, (w, h), cv2.INTER_CUBIC if sensor.smooth else cv2.INTER_LINEAR)
    return np.asarray(np.repeat(seen, 3, 2) if is_grey else seen, np.float32)


def _resize(x: Array, size: tuple[int, int], interpolation: int) -> Array:
    """Return an image (H, W, C) of another size; OpenCV drops a single channel."""
    if x.shape[1::-1] == size:
        return x
    out = cv2.resize(np.ascontiguousarray(x), size, interpolation=interpolation)
    return out.reshape(size[1], size[0], x.shape[2])


def draw_sensor(rng: Generator) -> Sensor:
    """Return a detector as confocal stacks, scanners and cameras in poor light are.

    From 4 photons on an object is just seen; above 200 the noise is no more than `augment` adds
    anyway. The grid of .22 is that of a slice of 85 pixels in a view of 384. Few photons come with
    contrast: a step of the image below 1.4 times its noise a pixel is beyond people too.
    """
    # evenly in the logarithm, since noise goes with the root of the photons
    photons = float(np.exp(rng.uniform(np.log(4), np.log(200))))
    # a full step is contrast times photons; at a contrast of the root of 2 / photons that is 1.4
    # times the noise, the root of the photons
    contrast = max(float(rng.uniform(0.3, 1.0)), math.sqrt(2 / photons))
    return Sensor(
        photons,
        read=photons * rng.uniform(0, 0.06),
        grid=float(rng.uniform(0.22, 1.0)),
        contrast=contrast,
        blur_px=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.3 else 0.0,
        smooth=bool(rng.random() < 0.3),
        # half, since noise that is taken for detail stays
        denoised=bool(rng.random() < 0.5),
    )


def stretch(image: FloatArray, rng: Generator) -> Array:
    """Return a view (H, W) or (H, W, 3) whose values cover [0, 1] but for a few percent.

    So viewers show 16 bits.
    """
    low, high = rng.uniform(0, 3), 100 - rng.uniform(0, 2)
    # a quarter of the pixels tells percentiles well enough
    a, b = np.percentile(image[::2, ::2], (low, high))
    # an even view stays even
    return np.asarray((image - a) / max(float(b - a), 1e-3))


STRENGTHS = (Sensor(100, read=2.0), Sensor(30, read=1.5), Sensor(10, read=1.0))
"""In turn: a camera in a hurry, a confocal microscope, one that spares its specimen."""

EVERY = 2
"""Every second object has a noisy copy: clean pictures count twice as much."""


def add_noisy_copies(tasks: Sequence[Task], *, seed: int) -> tuple[Task, ...]:
    """Return the tasks, and noisy copies of some.

    Noise is on the picture's own grid. The same arguments draw the same. Measured by clean
    pictures alone, training for noise looks like a loss and is refused.
    """
    copies = [
        replace(task, picture=_expose(task.picture, number, seed), noisy=True)
        for number, task in enumerate(tasks[::EVERY])
    ]
    return (*tasks, *copies)


def _expose(picture: Picture, number: int, seed: int) -> Picture:
    image = picture.image
    view = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    # the second number keeps draws apart: 11 holds out, 29 draws worlds, 7 clicks
    rng = np.random.default_rng((seed, 13, number))
    sensor = STRENGTHS[number % len(STRENGTHS)]
    seen = expose(view.astype(np.float32) / np.float32(255), sensor, rng)
    values: NDArray[np.uint8] = np.asarray(np.rint(np.clip(seen, 0, 1) * 255), np.uint8)
    return replace(picture, image=values if image.ndim == 3 else values[..., 0].copy())


# as large as the views of a fine-tuning run
SIDE = 256
COUNT = 480
"""Pictures drawn once; every view of one differs, so more of them add little."""

LARGEST = 0.4
"""A region above this share of the picture is ground, not an object."""

Labels = NDArray[np.int32]
World = tuple[FloatArray, Labels]


def make_worlds(weight: float, *, seed: int, count: int = COUNT, side: int = SIDE) -> PictureSource:
    """Return invented pictures as a source to train on; the same arguments draw the same.

    Parameters
    ----------
    weight : float
        See `PictureSource`.
    seed : int
    count : int
        How many pictures, of each kind about as many.
    side : int
        Of the pictures, in pixels.
    """
    drawn = (_draw_picture(seed, index, side) for index in range(count))
    return PictureSource("synthetic", tuple(one for one in drawn if one is not None), weight)


def _draw_picture(seed: int, index: int, side: int) -> Picture | None:
    # by the picture's own number, so that any of them can be drawn alone
    rng = np.random.default_rng((seed, 29, index))
    kind = KINDS[index % len(KINDS)]
    image, labels = kind(rng, side)
    grey = np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)
    return make_picture(f"{kind.__name__.strip('_')}-{index}", grey, labels)


def _field(rng: Generator, side: int, cells: float) -> FloatArray:
    """Return a smooth random field of mean 0 and deviation about 1, with `cells` bumps a side."""
    n = max(2, round(cells))
    grid = rng.standard_normal((n + 2, n + 2)).astype(np.float32)
    # smooth between the drawn points, which linear interpolation would show as a lattice
    wide = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide / max(float(wide.std()), 1e-3), np.float32)


def _texture(rng: Generator, side: int) -> FloatArray:
    """Return fine grain of deviation 1."""
    white = rng.standard_normal((side, side)).astype(np.float32)
    grain = cv2.GaussianBlur(white, (0, 0), rng.uniform(0.5, 2.0))
    return np.asarray(grain / grain.std(), np.float32)


def _soften(image: Array, rng: Generator, low: float, high: float) -> FloatArray:
    values = np.asarray(image, np.float32)
    return np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(low, high)), np.float32)


def _pieces(classes: NDArray[np.int64]) -> Labels:
    """Return one number for each connected piece of each class but the largest regions."""
    labels, used = np.zeros(classes.shape, np.int32), 0
    for value in np.unique(classes):
        # pieces that touch at a corner only are two: people see two
        count, pieces = cv2.connectedComponents((classes == value).astype(np.uint8), connectivity=4)
        labels[pieces > 0] = pieces[pieces > 0] + used
        used += count - 1
    sizes = np.bincount(labels.ravel())
    labels[(sizes > LARGEST * classes.size)[labels]] = 0
    return labels


def _rims(labels: Array) -> BoolArray:
    """Return pixels whose right or lower neighbour has another label."""
    rims = np.zeros(labels.shape, np.bool_)
    rims[:-1] |= labels[:-1] != labels[1:]
    rims[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return rims


def _tissue(rng: Generator, side: int) -> World:
    """Organs in a body: regions of few classes, neighbours often nearly alike."""
    count = int(rng.integers(4, 14))
    fields = [_field(rng, side, rng.uniform(2, 12)) for _ in range(count)]
    # the largest of several smooth fields makes smooth regions that meet without gaps
    classes = np.argmax(fields, 0)
    # one more than there are classes: the last is the air round the body
    levels = rng.uniform(0.1, 0.95, count + 1)
    grain = rng.uniform(0, 0.06, count + 1)
    if rng.random() < 0.5:
        # soft tissue: all within a part of the range, but for one; no two alike, since their edge
        # could not be learnt
        apart = rng.permutation(count) / count
        levels[1:] = rng.uniform(0.2, 0.5) + rng.uniform(0.15, 0.35) * apart
        grain *= 0.4
    if rng.random() < 0.6:
        rows, cols = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        body = (rows / rng.uniform(0.5, 1)) ** 2 + (cols / rng.uniform(0.5, 1)) ** 2
        classes = np.where(body + 0.1 * _field(rng, side, 5) > 1, count, classes)
        levels[count], grain[count] = rng.uniform(0, 0.1), 0.01
    image = levels[classes] + grain[classes] * _texture(rng, side)
    if rng.random() < 0.3:
        # walls round all of them: cortex, fat, capsules
        image = np.where(_rims(classes), rng.uniform(0, 1), image)
    # uneven receivers of MR, uneven light of microscopes
    image *= 1 + rng.uniform(0, 0.15) * _field(rng, side, 3)
    return _soften(image, rng, 0.5, 1.6), _pieces(classes)


def _walls(rng: Generator, side: int) -> World:
    """Cells that touch, seen by their stained walls; a cell reaches to the middle of its wall."""
    n = int(rng.integers(4, 13))
    step = side / n
    # one seed in each cell of a lattice, anywhere but at its edge: cells of about one size
    at = (np.indices((n, n)).reshape(2, -1).T + rng.uniform(0.1, 0.9, (n * n, 2))) * step
    seeds = np.full((side, side), 255, np.uint8)
    seeds[tuple(np.clip(at, 0, side - 1).astype(int).T)] = 0
    # nearest seeds are Voronoi cells, which tissues of packed cells resemble
    _, cells = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # their sides are straight; living ones bend
    bend = rng.uniform(0.05, 0.2) * step
    rows, cols = np.mgrid[:side, :side].astype(np.float32)
    rows, cols = (x + bend * _field(rng, side, n) for x in (rows, cols))
    warped = cv2.remap(
        cells.astype(np.float32),
        cols.astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REFLECT,
    )
    labels = np.asarray(warped, np.int32)
    width = int(rng.integers(1, 4))
    rims = cv2.dilate(_rims(labels).astype(np.uint8), np.ones((width, width), np.uint8))
    shine = rng.uniform(0.3, 0.9) * (1 + rng.uniform(0, 0.4) * _field(rng, side, 8))
    inside = rng.uniform(0, 0.3) * rng.random(int(labels.max()) + 1)[labels]
    image = inside + rims * np.clip(shine, 0.1, None) + 0.03 * _texture(rng, side)
    # bright field shows dark walls
    if rng.random() < 0.3:
        image = rng.uniform(0.6, 1) - image
    return _soften(image, rng, 0.5, 1.5), labels


def _touching(rng: Generator, side: int) -> tuple[Labels, FloatArray]:
    """Return round things that touch, and how thick they are, 0 to 1."""
    labels, height = np.zeros((side, side), np.int32), np.zeros((side, side), np.float32)
    size = rng.uniform(9, 30)
    # round a middle, so that most touch
    crowd = rng.normal(side / 2, side / rng.uniform(3, 6), (int(rng.integers(6, 45)), 2))
    rows, cols = np.mgrid[:side, :side].astype(np.float32)
    for number, (row, col) in enumerate(crowd, 1):
        angle, radius = rng.uniform(0, np.pi), size * rng.uniform(0.7, 1.3)
        long = rng.uniform(1, 1.8)
        y, x = rows - row, cols - col
        along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        turn = np.arctan2(y, x)
        bumps = 1 + rng.uniform(0, 0.12) * np.cos(rng.integers(2, 6) * turn + angle)
        rim = ((along / long) ** 2 + across**2) * long / (radius * bumps) ** 2
        # what came first lies on top
        own = (rim < 1) & (labels == 0)
        labels[own] = number
        height[own] = np.sqrt(1 - rim[own])
    return labels, height


def _lit(rng: Generator, side: int) -> World:
    """Stained round things, each as bright as it likes, dark or bright on their ground."""
    labels, height = _touching(rng, side)
    shine = rng.uniform(0.15, 1, int(labels.max()) + 1)[labels] * (labels > 0)
    flat = rng.uniform(0, 1)
    image = shine * (flat + (1 - flat) * height) * (1 + rng.uniform(0, 0.2) * _texture(rng, side))
    image = rng.uniform(0, 0.2) + rng.uniform(0.4, 1) * image + 0.05 * _field(rng, side, 4)
    return _soften(image, rng, 0.6, 2.0), labels


def _phase(rng: Generator, side: int) -> World:
    """Phase contrast: little light in the cell, a bright halo round it."""
    labels, height = _touching(rng, side)
    inside = (labels > 0).astype(np.float32)
    halo = np.clip(cv2.GaussianBlur(inside, (0, 0), rng.uniform(2, 7)) - inside, 0, None)
    grain = _texture(rng, side) * (0.02 + rng.uniform(0.02, 0.12) * inside)
    tone = rng.uniform(-0.25, 0.1) * (inside * rng.uniform(0, 1) + height)
    edge = rng.uniform(-0.3, 0.1) * _rims(labels)
    image = rng.uniform(0.35, 0.6) + tone + edge + rng.uniform(0.3, 1) * halo + grain
    return _soften(image, rng, 0.5, 1.3), labels


def _relief(rng: Generator, side: int) -> World:
    """Differential interference contrast: lit from one side, the ground as bright as the cell."""
    labels, height = _touching(rng, side)
    smooth: Array = cv2.GaussianBlur(height, (0, 0), rng.uniform(1, 3))
    thick = smooth + rng.uniform(0, 0.1) * _texture(rng, side) * (labels > 0)
    slope_row, slope_col = np.gradient(thick)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.sin(angle) * slope_row + np.cos(angle) * slope_col
    image = 0.5 + rng.uniform(0.1, 0.35) * slope / max(float(slope.std()), 1e-3)
    image += rng.uniform(0, 0.05) * _texture(rng, side) + 0.05 * _field(rng, side, 3)
    return _soften(image, rng, 0.4, 1.0), labels


def _tubes(rng: Generator, side: int) -> World:
    """Thin things: vessels, fibres, and rings."""
    labels = np.zeros((side, side), np.int32)
    for number in range(1, int(rng.integers(3, 9))):
        width = int(rng.integers(3, 11))
        if rng.random() < 0.3:
            middle = tuple(int(v) for v in rng.uniform(0.1, 0.9, 2) * side)
            axes = tuple(int(v) for v in rng.uniform(12, 60, 2))
            cv2.ellipse(labels, middle, axes, rng.uniform(0, 180), 0, 360, number, width)
            continue
        # a heading that changes little from step to step bends as vessels do
        heading = np.cumsum(rng.normal(0, 0.12, 120)) + rng.uniform(0, 2 * np.pi)
        steps = np.column_stack((np.cos(heading), np.sin(heading))) * 3
        way = rng.uniform(0.2, 0.8, 2) * side + np.cumsum(steps, 0)
        cv2.polylines(labels, [np.asarray(np.rint(way), np.int32)], False, number, width)
    # vessels filled by one contrast agent are equally bright; fibres need not be
    one = rng.uniform(0.4, 1) if rng.random() < 0.6 else None
    levels = rng.uniform(0.2, 1, int(labels.max()) + 1)
    shine = np.where(labels > 0, levels[labels] if one is None else one, 0)
    ground = rng.uniform(0, 0.4) + 0.08 * _field(rng, side, rng.uniform(3, 20))
    image = np.where(labels > 0, shine, ground) + rng.uniform(0, 0.08) * _texture(rng, side)
    return _soften(image, rng, 0.5, 1.5), labels


KINDS: tuple[Callable[[Generator, int], World], ...] = (
    _tissue, _walls, _tissue, _lit, _phase, _relief, _tissue, _tubes,
)  # fmt: skip
"""Organs three times: no set but two of single organs teaches them otherwise."""


VERTICES = 40
"""Of an outline, as Curve-GCN has them."""

# waves of an outline's error, of a turn, and their height as a share of the root of the area
_WAVES, _BENT = (2, 3, 5), 0.08


def even_ring(mask: BoolArray) -> NDArray[np.float64] | None:
    """Return the largest outline of a mask (H, W) as `VERTICES` vertices, (V, 2).

    Rows and columns in pixels, at equal distances; None where it has fewer points than half as
    many.
    """
    found = outline(mask, 0.0)
    if not found or len(found[0].points) < VERTICES // 2:
        return None
    closed = np.vstack([found[0].points, found[0].points[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0, along[-1], VERTICES, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], 1)


def bent_ring(ring: NDArray[np.float64], size: float, rng: Generator) -> NDArray[np.float64]:
    """Return an outline that is off by slow waves along its normals, as a model's answer is.

    Parameters
    ----------
    ring : ndarray of float64, shape (V, 2)
        Rows and columns of vertices, in pixels.
    size : float
        Square root of the object's area, in pixels; it is off by a few hundredths of that.
    rng : Generator
    """
    along = np.roll(ring, -1, 0) - np.roll(ring, 1, 0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1)
    normal /= np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
    turn = np.arange(len(ring)) / len(ring) * 2 * np.pi
    waves = [rng.normal() * np.sin(k * turn + rng.uniform(0, 2 * np.pi)) for k in _WAVES]
    bent: NDArray[np.float64] = (
        ring + normal * (np.sum(waves, 0) * _BENT * size / np.sqrt(len(_WAVES)))[:, None]
    )
    return bent
