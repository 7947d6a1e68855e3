"""Held-out objects in poor light: a network is judged by noisy pictures too."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_intseg.training.sensor import Sensor, expose
from napari_intseg.training.sources import Picture, Task

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
