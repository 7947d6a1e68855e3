"""Measure a network as people will use it: by clicks needed on held-out objects."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.volume import Volume
from napari_intseg.evaluation.metrics import noc
from napari_intseg.evaluation.run import Protocol, carried, segment_slice
from napari_intseg.models.bundled import Bundled, read_traits
from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.training.sources import IGNORED_LABEL, Task

MAX_CLICKS = 10
TARGETS = (0.85, 0.90)


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over the held-out objects.

    Parameters
    ----------
    noc85, noc90 : float
        Clicks until IoU 0.85 and 0.90, ten at most.
    iou1, iou3, iou5 : float
        After that many clicks.
    """

    noc85: float
    noc90: float
    iou1: float
    iou3: float
    iou5: float

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: clicks, then what is missing after three."""
        return self.noc85 + self.noc90, -self.iou3


def validate(
    net: ClickPyramid,
    tasks: Sequence[Task],
    *,
    traits: Mapping[str, Any] | None = None,
    device: str,
    should_stop: Callable[[], bool] = lambda: False,
) -> Measured | None:
    """Let the robot user segment held-out objects with a network.

    Parameters
    ----------
    net : ClickPyramid
        Stays as it is: a folded copy answers.
    tasks : sequence of Task
    traits : mapping, optional
        Settings it is used with other than the network's own, see `models.bundled.read_traits`.
    device : str
        See `choose_device`.
    should_stop : callable
        Asked before each object.

    Returns
    -------
    Measured or None
        None without tasks, or when it was stopped.
    """
    told = {"traits": json.dumps(dict(traits or {}))}
    model = Bundled(read_traits("validated", told), copy.deepcopy(net), device=device)
    protocol = Protocol(MAX_CLICKS, TARGETS, stop_early=True)
    rows = []
    for task in tasks:
        if should_stop():
            return None
        labels = task.picture.labels
        truth = np.where(labels == IGNORED_LABEL, -1, labels == task.label).astype(np.int8)
        image = task.picture.image
        course = segment_slice(model, Volume(image, channels=image.ndim == 3), truth, protocol)
        ious = carried(course.ious, MAX_CLICKS)
        clicks = [float(noc(ious, target=target, max_clicks=MAX_CLICKS)) for target in TARGETS]
        rows.append((*clicks, ious[0], ious[2], ious[4]))
    return Measured(*np.mean(rows, axis=0).tolist()) if rows else None
