"""Several processes that take every step together, each with views of its own."""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

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


def run_with_peers(
    count: int, work: Callable[[Peers], Result], follow: Callable[..., None], *given: object
) -> Result:
    """Return what `work` returns in this process, while others follow.

    Parameters
    ----------
    count : int
        Processes in all, this one included.
    work : callable
        Gets the peers; runs here.
    follow : callable
        ``follow(peers, *given)``; runs in each of the others, so it is a function of a module.
    *given
        Further arguments, which can be pickled.
    """
    if count == 1:
        return work(SOLO)
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
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
                process.terminate()
        return result


def _follow(
    index: int, count: int, meeting: Path, follow: Callable[..., None], given: tuple[object, ...]
) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is for the first process, which tells the others when to end
    _meet(meeting, index + 1, count)
    try:
        follow(Peers(index + 1, count), *given)
    finally:
        dist.destroy_process_group()


def _meet(meeting: Path, rank: int, count: int) -> None:
    address = meeting.as_uri()
    dist.init_process_group(
        "gloo", init_method=address, rank=rank, world_size=count, timeout=PATIENCE
    )
