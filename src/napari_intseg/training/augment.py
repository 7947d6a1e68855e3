"""Make one view look like many kinds of image: cameras, microscopes and scanners."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from napari_intseg.core.segmenter import Array, FloatArray


def _levels(x: FloatArray, rng: Generator) -> Array:
    return np.asarray((x - 0.5) * np.exp(rng.uniform(-0.4, 0.4)) + 0.5 + rng.uniform(-0.15, 0.15))


def _gamma(x: FloatArray, rng: Generator) -> Array:
    return np.power(np.clip(x, 0, 1), np.exp(rng.uniform(-0.6, 0.6)))


def _grey(x: FloatArray, rng: Generator) -> Array:
    weights = rng.dirichlet((3.0, 3.0, 3.0)).astype(np.float32)
    return np.repeat((x @ weights)[..., None], 3, 2)


def _tint(x: FloatArray, rng: Generator) -> Array:
    gains = np.exp(rng.uniform(-0.25, 0.25, 3)).astype(np.float32)
    return x[..., rng.permutation(3)] * gains if rng.random() < 0.3 else x * gains


def _invert(x: FloatArray, rng: Generator) -> Array:  # noqa: ARG001
    return np.asarray(1.0 - x)


def _blur(x: FloatArray, rng: Generator) -> Array:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 2.0)))


def _noise(x: FloatArray, rng: Generator) -> Array:
    grain = rng.standard_normal(x.shape[:2], np.float32)[..., None] * rng.uniform(0.01, 0.1)
    return x + (grain * x * 2 if rng.random() < 0.3 else grain)


def _shade(x: FloatArray, rng: Generator) -> Array:
    corners = rng.uniform(-0.3, 0.3, (3, 3)).astype(np.float32)
    field = cv2.resize(corners, x.shape[1::-1], interpolation=cv2.INTER_CUBIC)[..., None]
    return x + field if rng.random() < 0.5 else x * (1 + field)


def _coarse(x: FloatArray, rng: Generator) -> Array:
    h, w = x.shape[:2]
    factor = rng.uniform(0.3, 0.8)
    small = cv2.resize(x, (int(w * factor), int(h * factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)


def _halo(x: FloatArray, rng: Generator) -> Array:
    # phase contrast takes the slow part away and leaves a rim of the opposite sign
    slow = cv2.GaussianBlur(x, (0, 0), rng.uniform(3, 10))
    fast = (x - slow * rng.uniform(0.6, 1.0)) * rng.uniform(1.0, 2.5)
    return np.asarray(0.5 + fast * rng.choice((-1, 1)))


STEPS: tuple[tuple[Callable[[FloatArray, Generator], Array], float, float], ...] = (
    # step, how often on colour, how often on grey
    (_grey, 0.15, 0.0),
    (_tint, 0.30, 0.08),
    (_halo, 0.02, 0.08),
    (_invert, 0.05, 0.20),
    (_gamma, 0.30, 0.40),
    (_levels, 0.50, 0.50),
    (_shade, 0.10, 0.15),
    (_coarse, 0.10, 0.12),
    (_blur, 0.12, 0.15),
    (_noise, 0.15, 0.20),
)


def change_intensity(image: FloatArray, rng: Generator) -> FloatArray:
    """Return a view (H, W, 3) in [0, 1] with other levels, colours, blur and noise."""
    is_grey = bool(np.array_equal(image[..., 0], image[..., 1]))
    for step, on_colour, on_grey in STEPS:
        if rng.random() < (on_grey if is_grey else on_colour):
            image = np.asarray(step(image, rng), np.float32)
    return np.asarray(np.clip(image, 0.0, 1.0), np.float32)
