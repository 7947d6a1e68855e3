"""Measure a network as people will use it: by clicks needed on held-out objects."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.evaluation.metrics import noc
from napari_intseg.evaluation.run import Protocol, carried, segment_slice
from napari_intseg.models.bundled import Bundled, read_traits
from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.training.sources import IGNORED_LABEL, Task

MAX_CLICKS = 10
TARGETS = (0.85, 0.90)


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Means over the held-out objects, noisy copies apart.

    Parameters
    ----------
    noc85, noc90 : float
        Clicks until IoU 0.85 and 0.90, ten at most.
    iou1, iou3, iou5 : float
        After that many clicks.
    noisy85, noisy90 : float or None
        The clicks on noisy copies; None where there are none, and in older runs.
    """

    noc85: float
    noc90: float
    iou1: float
    iou3: float
    iou5: float
    noisy85: float | None = None
    noisy90: float | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: clicks, those on noisy copies a third, then what three leave."""
        clicks = self.noc85 + self.noc90
        if self.noisy85 is not None and self.noisy90 is not None:
            clicks = (2 * clicks + self.noisy85 + self.noisy90) / 3
        return clicks, -self.iou3


def validate(
    net: ClickPyramid,
    tasks: Sequence[Task],
    *,
    traits: Mapping[str, Any] | None = None,
    device: str,
    should_stop: Callable[[], bool] = lambda: False,
) -> HeldOutScores | None:
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
        rows.append((task.noisy, *_clicks_and_ious(model, task, protocol)))
    return _summarise(np.array(rows)) if rows else None


def _clicks_and_ious(model: Bundled, task: Task, protocol: Protocol) -> tuple[float, ...]:
    labels = task.picture.labels
    truth = np.where(labels == IGNORED_LABEL, -1, labels == task.label).astype(np.int8)
    image = task.picture.image
    course = segment_slice(model, Volume(image, channels=image.ndim == 3), truth, protocol)
    ious = carried(course.ious, MAX_CLICKS)
    clicks = [float(noc(ious, target=target, max_clicks=MAX_CLICKS)) for target in TARGETS]
    return (*clicks, ious[0], ious[2], ious[4])


def _summarise(rows: Array) -> HeldOutScores:
    """Return the means of rows (noisy, NoC@85, NoC@90, IoU@1, IoU@3, IoU@5)."""
    noisy = rows[:, 0] == 1
    of_noisy = rows[noisy, 1:3].mean(0).tolist() if noisy.any() else (None, None)
    return HeldOutScores(*rows[~noisy, 1:].mean(0).tolist(), *of_noisy)
