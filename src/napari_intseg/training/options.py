"""What a training run is asked to do: fine-tuning, small networks, semantic networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_intseg.errors import DataError
from napari_intseg.evaluation.truth import Kind
from napari_intseg.models.networks import DEFAULT_NETWORK, find_network
from napari_intseg.training.sources import HeldOutBy

Precision = Literal["auto", "float32", "bfloat16"]
Part = Literal["all", "drawn"]

# a third of it gave 2.75 and 4.17 clicks on nuclei after 25 steps, this 2.83 and 4.42 after 75
FINE_TUNE_RATE = 3e-4
# of the schedule that the bundled weights began with (docs/results.md)
FROM_IMAGENET_RATE = 1.2e-3
RATE = 1e-3
"""AdamW's usual learning rate, for what has no schedule of its own; others were not tried."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a training run is asked to do; the defaults fine-tune on a few dozen images.

    Parameters
    ----------
    folders : tuple of (Path, float)
        Folders to learn from, with their weights: the share of views each gets.
    output : Path
        Folder for checkpoint, log and weights; made if it does not exist.
    name : str
        Of the weights file and of the model it becomes.
    start : str
        "bundled", "imagenet", "nothing", the name of a model that was trained before, or a weights
        file.
    steps : int, default 300
        Optimiser steps.
    minutes : float or None
        Stop by the clock instead. Such a run resumes too, but not bit for bit.
    batch : int, default 8
        Views a step.
    sizes : tuple of int, default (256,)
        Side of the views in pixels, multiples of 32. Several share the run evenly: small views
        at first teach faster.
    passes : int, default 3
        Answers to each view: one, and so many less one after a correcting click.
    rate : float or None
        Learning rate of the click pyramid; None: 3e-4, from ImageNet 1.2e-3.
    held_out : float, default 0.1
        Share of the files that is never learnt from, only measured.
    validate_every : int or None
        Steps between two measurements; None: a tenth of the run.
    checkpoint_s : float, default 120
        Seconds between two checkpoints.
    seed : int, default 0
        Of everything that is drawn.
    device : str, default "auto"
        See `choose_device`.
    precision : {"auto", "float32", "bfloat16"}
        "auto": bfloat16 on CUDA, float32 elsewhere.
    processes : int, default 1
        That take every step together, `batch` views each, their gradients averaged. On a CPU that
        others use too, several of one thread each get further than one of several threads.
    masks : tuple of (str, str)
        Kind of masks ("binary", "instances", "classes") by a part of the folder's name.
    workers : int or None
        Processes that make views; None: as many as cores on CUDA, one elsewhere.
    threads : int or None
        Of torch on a CPU; None: torch's own choice. The same number gives the same bits.
    keep_every : int or None
        Steps between two files of the running average as it is, ``NAME-000200.safetensors``,
        measured or not; None: none.
    synthetic : float, default 0
        Weight, beside those of the folders, of invented pictures: see `make_worlds`.
    objects : int, default 1
        At most so many objects of a view are learnt from its one encoding.
    network : str, default "click-pyramid"
        One of `networks.NETWORKS`. Others than the click pyramid begin with "nothing", or with a
        weights file of theirs.
    held_out_by : {"files", "objects"}, default "files"
        See `sources.hold_out`.
    part : {"all", "drawn"}, default "all"
        "drawn": only what the click pyramid makes of other objects, which are then shown on every
        view; its other weights, and so its answers without others, stay.

    Raises
    ------
    DataError
        If a number is out of range.
    """

    folders: tuple[tuple[Path, float], ...]
    output: Path
    name: str = "fine-tuned"
    start: str = "bundled"
    steps: int = 300
    minutes: float | None = None
    batch: int = 8
    sizes: tuple[int, ...] = (256,)
    passes: int = 3
    rate: float | None = None
    held_out: float = 0.1
    validate_every: int | None = None
    checkpoint_s: float = 120.0
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    processes: int = 1
    masks: tuple[tuple[str, Kind], ...] = ()
    workers: int | None = None
    threads: int | None = None
    keep_every: int | None = None
    synthetic: float = 0.0
    objects: int = 1
    network: str = DEFAULT_NETWORK
    held_out_by: HeldOutBy = "files"
    part: Part = "all"

    def __post_init__(self) -> None:
        if not self.folders or any(weight <= 0 for _, weight in self.folders):
            raise DataError(
                "nothing to learn from: expected at least one folder, each with a weight above "
                f"0, got {[(str(f), w) for f, w in self.folders]!r}. Name a folder."
            )
        # the encoder halves a view five times
        if not self.sizes or any(size < 64 or size % 32 for size in self.sizes):
            raise DataError(
                "views cannot have this size: expected multiples of 32 from 64 pixels on, got "
                f"{self.sizes!r}. Take 256, for example."
            )
        numbers = {"steps": self.steps, "batch": self.batch, "passes": self.passes}
        numbers |= {"processes": self.processes, "objects": self.objects}
        if self.keep_every is not None:
            numbers["keep_every"] = self.keep_every
        wrong = {name: number for name, number in numbers.items() if number < 1}
        if self.minutes is not None and self.minutes <= 0:
            wrong["minutes"] = self.minutes  # type: ignore[assignment]
        if wrong:
            raise DataError(
                f"training cannot be done: expected numbers above 0, got {wrong!r}. Ask for more."
            )
        if self.synthetic < 0:
            raise DataError(
                "weight of invented pictures is out of range: expected 0 or more, got "
                f"{self.synthetic!r}. Take a tenth of the other weights, for example."
            )
        if not 0 <= self.held_out < 1:
            raise DataError(
                "share held out is out of range: expected 0 to below 1, got "
                f"{self.held_out!r}. Take 0.1, for example."
            )
        self._check_network()
        # it becomes a file name
        if not self.name or "/" in self.name or "\\" in self.name:
            raise DataError(
                f"name cannot be that of a model: expected a word, got {self.name!r}. "
                "Leave out slashes."
            )

    def _check_network(self) -> None:
        """Refuse what only the click pyramid can do."""
        network = find_network(self.network)
        if network.name == DEFAULT_NETWORK:
            return
        if self.start in ("bundled", "imagenet"):
            raise DataError(
                f"network cannot start from there: expected 'nothing' or a weights file of "
                f"{network.name!r}, got {self.start!r}. Begin with nothing."
            )
        if self.part == "drawn":
            raise DataError(
                f"network has no such part: expected {DEFAULT_NETWORK!r} to learn what is drawn, "
                f"got {network.name!r}. Learn all of it."
            )

    @property
    def full_rate(self) -> float:
        """The learning rate of the click pyramid at its highest."""
        if self.rate is not None:
            return self.rate
        return FROM_IMAGENET_RATE if self.start in ("imagenet", "nothing") else FINE_TUNE_RATE


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """What a run is asked to do.

    Parameters
    ----------
    folders : tuple of (Path, float)
        Each with images of one kind of object, and their weights.
    output : Path
        Folder for the weights.
    name : str
        Of the weights file.
    steps, batch, size
        Optimiser steps, tasks a step, side of the views in pixels (a multiple of 32).
    minutes : float or None
        Stop by the clock instead.
    rate : float
    held_out : float
        Share of the pictures that is measured only.
    seed : int
    device : str
    masks : tuple of (str, str)
        Kind of masks by a part of the folder's name.

    Raises
    ------
    DataError
        If a number is out of range.
    """

    folders: tuple[tuple[Path, float], ...]
    output: Path
    name: str = "guided"
    steps: int = 300
    batch: int = 8
    size: int = 192
    minutes: float | None = None
    rate: float = RATE
    held_out: float = 0.1
    seed: int = 0
    device: str = "auto"
    masks: tuple[tuple[str, Kind], ...] = ()

    def __post_init__(self) -> None:
        is_fit = self.size >= 64 and self.size % 32 == 0
        _check(self, "a size of 64 or more in multiples of 32", size=is_fit)


@dataclass(frozen=True, slots=True)
class SemanticOptions:
    """What a run is asked to do.

    Parameters
    ----------
    folders : tuple of (Path, float)
        With their weights.
    output : Path
        Folder for checkpoint, log and weights.
    name : str
        Of the weights file and the model it becomes.
    network : str
        One of `NETWORKS`.
    width : float
        Share of the published channels.
    start : Path or None
        Weights of the same network to go on from; the last layer is new where classes differ.
    steps, batch, size
        Optimiser steps, views a step, side of the views in pixels (a multiple of 32).
    minutes : float or None
        Stop by the clock instead.
    rate : float
    held_out : float
        Share of the files that is measured only.
    checkpoint_s : float
        Seconds between two checkpoints.
    seed : int
    device : str
    masks : tuple of (str, str)
        Kind of masks by a part of the folder's name.

    Raises
    ------
    DataError
        If a number is out of range.
    """

    folders: tuple[tuple[Path, float], ...]
    output: Path
    name: str = "semantic"
    network: str = "unet"
    # half the published channels: a quarter of the arithmetic, for a processor
    width: float = 0.5
    start: Path | None = None
    steps: int = 300
    batch: int = 8
    size: int = 256
    minutes: float | None = None
    rate: float = RATE
    held_out: float = 0.1
    checkpoint_s: float = 120.0
    seed: int = 0
    device: str = "auto"
    masks: tuple[tuple[str, Kind], ...] = ()

    def __post_init__(self) -> None:
        _check(
            self,
            "a size in multiples of 32, a width up to 1",
            size=self.size >= 32 and self.size % 32 == 0,
            width=0 < self.width <= 1,
            name=bool(self.name) and "/" not in self.name and "\\" not in self.name,
        )


def _check(options: HeadOptions | SemanticOptions, rule: str, **more: bool) -> None:
    """Refuse a number that is out of range: of those that both have, or of `more`."""
    good = {
        # a batch of two: batch normalisation has no deviation of one
        "steps": options.steps >= 1, "batch": options.batch >= 2, "rate": options.rate > 0,
        "held_out": 0 <= options.held_out < 1,
        "minutes": options.minutes is None or options.minutes > 0,
        "folders": bool(options.folders) and all(weight > 0 for _, weight in options.folders),
        **more,
    }  # fmt: skip
    wrong = [name for name, is_good in good.items() if not is_good]
    if wrong:
        raise DataError(
            "training cannot be done: expected folders, steps and rate above 0, a batch of 2 or "
            f"more, {rule}, a share held out below 1, got "
            f"{wrong[0]}={getattr(options, wrong[0])!r}. Choose another."
        )
