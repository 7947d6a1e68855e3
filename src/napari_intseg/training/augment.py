"""Make one view look like many kinds of image: cameras, microscopes and scanners."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from napari_intseg.core.segmenter import Array, FloatArray
from napari_intseg.training.sensor import draw_sensor, expose, stretch


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


def _ramp(x: FloatArray, rng: Generator) -> Array:
    """Light from one side, as strong as in a poorly adjusted microscope."""
    h, w = x.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    rows, cols = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
    along = np.sin(angle) * rows + np.cos(angle) * cols
    field = (along - along.min()) / np.ptp(along)
    dark = rng.uniform(0.1, 0.6)
    return np.asarray(x * (dark + (1 - dark) * field)[..., None].astype(np.float32))


def _window(x: FloatArray, rng: Generator) -> Array:
    # as another reader of a CT or of 16-bit microscopy would set it
    low, high = np.percentile(x[::2, ::2], (rng.uniform(0, 30), 100 - rng.uniform(0, 20)))
    return np.asarray(np.clip((x - low) / max(float(high - low), 0.1), 0, 1))


def _faint(x: FloatArray, rng: Generator) -> Array:
    # below .35 of the range the network sees a view spread again, see `spread_narrow`
    share = rng.uniform(0.36, 0.8)
    return np.asarray(x * share + rng.uniform(0, 1 - share))


def _few_levels(x: FloatArray, rng: Generator) -> Array:
    """Few grey levels: what is left when a faint 8-bit image is spread."""
    levels = rng.uniform(12, 60)
    return np.asarray(np.rint(x * levels) / levels)


def _speckle(x: FloatArray, rng: Generator) -> Array:
    """Coherent noise, which multiplies: ultrasound, optical coherence tomography, radar."""
    h, w = x.shape[:2]
    factor, looks = rng.uniform(0.3, 1.0), rng.uniform(3, 20)
    grid = (max(8, int(h * factor)), max(8, int(w * factor)))
    grain = rng.standard_gamma(looks, grid).astype(np.float32) / np.float32(looks)
    return x * cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR)[..., None]


def _sensor(x: FloatArray, rng: Generator) -> Array:
    seen = expose(x, draw_sensor(rng), rng)
    return stretch(seen, rng) if rng.random() < 0.7 else seen


def _compress(x: FloatArray, rng: Generator) -> Array:
    """JPEG, of an image that is enlarged afterwards or not."""
    h, w = x.shape[:2]
    factor = rng.uniform(0.4, 1.0) if rng.random() < 0.5 else 1.0
    small = cv2.resize(x, (int(w * factor), int(h * factor)), interpolation=cv2.INTER_AREA)
    values = np.asarray(np.rint(np.clip(small, 0, 1) * 255), np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(5, 50))]
    seen = cv2.imdecode(cv2.imencode(".jpg", values, quality)[1], cv2.IMREAD_COLOR)
    assert seen is not None
    return cv2.resize(seen, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


STEPS: tuple[tuple[Callable[[FloatArray, Generator], Array], float, float], ...] = (
    # step, how often on colour, how often on grey
    (_grey, 0.15, 0.0),
    (_tint, 0.30, 0.08),
    (_halo, 0.02, 0.08),
    (_invert, 0.05, 0.20),
    (_gamma, 0.30, 0.40),
    (_levels, 0.50, 0.50),
    (_shade, 0.10, 0.15),
    (_ramp, 0.05, 0.08),
    (_window, 0.03, 0.12),
    (_faint, 0.05, 0.08),
    (_few_levels, 0.03, 0.06),
    (_coarse, 0.10, 0.12),
    (_blur, 0.12, 0.15),
    (_noise, 0.15, 0.15),
    (_speckle, 0.02, 0.06),
    (_sensor, 0.12, 0.40),
    (_compress, 0.08, 0.06),
)


def change_intensity(image: FloatArray, rng: Generator) -> FloatArray:
    """Return a view (H, W, 3) in [0, 1] with other levels, colours, blur and noise."""
    is_grey = bool(np.array_equal(image[..., 0], image[..., 1]))
    for step, on_colour, on_grey in STEPS:
        if rng.random() < (on_grey if is_grey else on_colour):
            image = np.asarray(step(image, rng), np.float32)
    return np.asarray(np.clip(image, 0.0, 1.0), np.float32)
