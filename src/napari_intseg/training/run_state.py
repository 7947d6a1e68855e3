"""Everything a run needs to go on as if it had never been stopped."""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from napari_intseg.core import files
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.training.options import TrainOptions

FILE = "checkpoint.pt"

# options with which a run may go on differently: where and how long it computes, and how often it
# writes
_MAY_CHANGE = frozenset(
    {"output", "minutes", "device", "workers", "threads", "checkpoint_s", "keep_every"}
)

# Options that came later, and what a run that does not name them had
_LATER = {
    "synthetic": "0.0", "objects": "1", "network": "click-pyramid", "held_out_by": "files",
    "part": "all",
}  # fmt: skip


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
        Rank of the best measurement so far, see `HeldOutScores.rank`.
    """

    step: int = 0
    spent_s: float = 0.0
    best: tuple[float, float] | None = None


def fingerprint(options: TrainOptions) -> dict[str, str]:
    """Return the options that must be the same when a run goes on."""
    every = asdict(options)
    # how many minutes may change; whether the clock counts changes every rate
    every["by_the_clock"] = options.minutes is not None
    # texts: paths and tuples do not come back from a safe checkpoint as they were
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
    # runs of older versions can go on with what they did without knowing it
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


Result = TypeVar("Result")

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others, for instance while the first one validates."""


@dataclass(frozen=True, slots=True)
class Peers:
    """The processes of a run, seen from one of them.

    Parameters
    ----------
    rank : int
        This one's number; 0 writes, measures and talks.
    count : int
        How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes, measures and talks."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace floating-point tensors by their mean over all processes, in one message."""
        if self.count == 1:
            return
        parts = [tensor for tensor in tensors if tensor.is_floating_point()]
        # one message instead of hundreds of small ones, each of which waits for all
        flat = torch.cat([part.detach().reshape(-1).float() for part in parts])
        dist.all_reduce(flat)
        flat /= self.count
        for part, mean in zip(parts, torch.split(flat, [p.numel() for p in parts]), strict=True):
            part.detach().copy_(mean.view(part.shape))

    def agree(self, value: float) -> float:
        """Return the value that the first process has."""
        if self.count == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(told, 0)
        return float(told)


SOLO = Peers()


def launched_place() -> Peers:
    """Return this process's place among those that `torchrun` started; alone without it.

    They may be on several machines.
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        return SOLO
    return Peers(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def run_with_peers(
    count: int, work: Callable[[Peers], Result], follow: Callable[..., Result], *given: object
) -> Result:
    """Return what `work` returns in this process, while others follow.

    Where `torchrun` started them, this may be one of the others, and `follow` is what runs here.

    Parameters
    ----------
    count : int
        Processes in all, this one included.
    work : callable
        Gets the peers; runs in the first.
    follow : callable
        ``follow(peers, *given)``; runs in each of the others, so it is a function of a module.
    *given
        Further arguments, which can be pickled.
    """
    if count == 1:
        return work(SOLO)
    place = launched_place()
    if place.count > 1:
        if torch.cuda.is_available():
            # of the GPUs of its machine, the one of its number
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        # the launcher's variables say where to meet
        dist.init_process_group("gloo", timeout=PATIENCE)
        try:
            return work(place) if place.leads else follow(place, *given)
        finally:
            dist.destroy_process_group()
    with tempfile.TemporaryDirectory() as folder:
        # a file to meet at: a port might be taken
        meeting = Path(folder) / "meeting"
        # fresh processes: a forked one would inherit threads of torch and locks they hold
        others = spawn(  # type: ignore[no-untyped-call]
            _follow, (count, meeting, follow, given), nprocs=count - 1, join=False
        )
        _meet(meeting, 0, count)
        try:
            result = work(Peers(0, count))
            others.join()
        finally:
            dist.destroy_process_group()
            for process in others.processes:
                # after an error in the first, followers would wait for it until their patience ends
                process.terminate()
        return result


def _follow(
    index: int, count: int, meeting: Path, follow: Callable[..., Any], given: tuple[object, ...]
) -> None:
    if hasattr(os, "setsid"):
        # Ctrl-C is for the first process, which tells the others when to end
        os.setsid()
    _meet(meeting, index + 1, count)
    try:
        follow(Peers(index + 1, count), *given)
    finally:
        dist.destroy_process_group()


def _meet(meeting: Path, rank: int, count: int) -> None:
    address = meeting.as_uri()
    # Gloo is the backend that works on every system, with or without a GPU
    dist.init_process_group(
        "gloo", init_method=address, rank=rank, world_size=count, timeout=PATIENCE
    )
