"""Noise as a detector makes it: counted photons and read-out on its own grid of pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Array, FloatArray
from napari_intseg.training.sources import Picture, Task


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
    """

    photons: float
    read: float = 0.0
    grid: float = 1.0
    contrast: float = 1.0
    blur_px: float = 0.0
    smooth: bool = False


def expose(image: FloatArray, sensor: Sensor, rng: Generator) -> FloatArray:
    """Return a view (H, W, 3) as a noisy detector shows it, about in [0, 1], not clipped.

    A grey view stays grey: its three channels are one detector.
    """
    h, w = image.shape[:2]
    is_grey = bool(np.array_equal(image[..., 0], image[..., 1]))
    x = image[..., :1] if is_grey else image
    grid = (max(8, round(w * sensor.grid)), max(8, round(h * sensor.grid)))
    x = np.clip(_resize(x, grid, cv2.INTER_AREA), 0, 1)
    stray = (1 - sensor.contrast) / 2
    light = (x * sensor.contrast + stray) * sensor.photons
    read = rng.standard_normal(light.shape, np.float32) * np.float32(sensor.read)
    counted = rng.poisson(light).astype(np.float32) + read
    seen: Array = (counted / np.float32(sensor.photons) - np.float32(stray)) / np.float32(
        sensor.contrast
    )
    if sensor.blur_px > 0:
        seen = cv2.GaussianBlur(seen, (0, 0), sensor.blur_px).reshape(seen.shape)
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
    photons = float(np.exp(rng.uniform(np.log(4), np.log(200))))
    contrast = max(float(rng.uniform(0.3, 1.0)), math.sqrt(2 / photons))
    return Sensor(
        photons,
        read=photons * rng.uniform(0, 0.06),
        grid=float(rng.uniform(0.22, 1.0)),
        contrast=contrast,
        blur_px=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.3 else 0.0,
        smooth=bool(rng.random() < 0.3),
    )


def stretch(image: FloatArray, rng: Generator) -> Array:
    """Return a view whose values cover [0, 1] but for a few percent, as viewers show 16 bits."""
    low, high = rng.uniform(0, 3), 100 - rng.uniform(0, 2)
    a, b = np.percentile(image[::2, ::2], (low, high))
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
    rng = np.random.default_rng((seed, 13, number))
    sensor = STRENGTHS[number % len(STRENGTHS)]
    seen = expose(view.astype(np.float32) / np.float32(255), sensor, rng)
    values: NDArray[np.uint8] = np.asarray(np.rint(np.clip(seen, 0, 1) * 255), np.uint8)
    return replace(picture, image=values if image.ndim == 3 else values[..., 0].copy())
