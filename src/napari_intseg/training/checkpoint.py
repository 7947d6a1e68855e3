"""Everything a run needs to go on as if it had never been stopped."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from napari_intseg.core import files
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.training.options import TrainOptions

FILE = "checkpoint.pt"

_MAY_CHANGE = frozenset(
    {"output", "minutes", "device", "workers", "threads", "checkpoint_s", "keep_every"}
)
"""Options with which a run may go on differently."""

_LATER = {"synthetic": "0.0", "objects": "1"}
"""Options that came later, and what a run that does not name them had."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Views and simulated clicks are functions of the seed and the step (see `draw_view`,
    `step_rng`), so no generator's state belongs here.

    Parameters
    ----------
    step : int
        Steps done.
    spent_s : float
        Seconds it took.
    best : tuple of float or None
        Rank of the best measurement so far, see `Measured.rank`.
    """

    step: int = 0
    spent_s: float = 0.0
    best: tuple[float, float] | None = None


def fingerprint(options: TrainOptions) -> dict[str, str]:
    """Return the options that must be the same when a run goes on."""
    every = asdict(options)
    every["by_the_clock"] = options.minutes is not None
    return {name: str(value) for name, value in every.items() if name not in _MAY_CHANGE}


def save_state(
    output: Path, options: TrainOptions, progress: Progress, parts: dict[str, Any]
) -> None:
    """Write a checkpoint in one step: being killed meanwhile leaves the last one whole.

    Parameters
    ----------
    output : Path
        Folder of the run.
    options : TrainOptions
    progress : Progress
    parts : dict
        Objects with a `state_dict`, by name.
    """
    state = {name: part.state_dict() for name, part in parts.items()}
    state["progress"] = asdict(progress)
    state["options"] = fingerprint(options)
    with files.hidden_folder(output) as folder:
        torch.save(state, folder / FILE)
        files.put(folder / FILE, output / FILE)


def restore_state(output: Path, options: TrainOptions, parts: dict[str, Any]) -> Progress:
    """Load a checkpoint into parts that have a `load_state_dict`; say where the run stands.

    Raises
    ------
    WeightsError
        If there is no checkpoint, it cannot be read, or belongs to other options.
    """
    state = load_checkpoint(output / FILE)
    wanted = fingerprint(options)
    told = _LATER | state.get("options", {})
    differ = [name for name in wanted if told.get(name) != wanted[name]]
    if differ:
        first = differ[0]
        raise WeightsError(
            f"run cannot go on: expected {first} = {told.get(first)!r} as it began, got "
            f"{wanted[first]!r}. Give the same options, or another output folder."
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    kept = state["progress"]
    best = None if kept["best"] is None else tuple(kept["best"])
    return Progress(kept["step"], kept["spent_s"], best)
