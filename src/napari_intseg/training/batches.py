"""Batches of views, made ahead of time by worker processes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from napari_intseg.training.parallel import SOLO, Peers
from napari_intseg.training.sources import Source
from napari_intseg.training.views import draw_view


class ViewDataset(Dataset[tuple[Tensor, ...]]):
    """View by (number, size)."""

    def __init__(self, sources: list[Source], seed: int) -> None:
        self.sources = sources
        self.seed = seed

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, ...]:
        """Return image, truth, clicks, prev as tensors."""
        view = draw_view(self.sources, self.seed, *index)
        return (
            torch.from_numpy(view.image.transpose(2, 0, 1).copy()),
            torch.from_numpy(view.truth)[None],
            torch.from_numpy(view.clicks),
            torch.from_numpy(view.prev)[None],
        )


@dataclass(frozen=True, slots=True)
class StepSampler(Sampler[list[tuple[int, int]]]):
    """The numbers of the views of each step, from `first` on, without end.

    Parameters
    ----------
    first : int
        First step.
    batch : int
        Views a step and process.
    size_at : callable
        Step to side of the views in pixels; asked when the batch is begun.
    """

    first: int
    batch: int
    size_at: Callable[[int], int]
    peers: Peers = SOLO

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield one list of (number, size) a step."""
        step = self.first
        while True:
            size = self.size_at(step)
            first = (step * self.peers.count + self.peers.rank) * self.batch
            yield [(first + i, size) for i in range(self.batch)]
            step += 1


def _one_thread(worker: int) -> None:  # noqa: ARG001
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def make_loader(
    sources: list[Source],
    sampler: StepSampler,
    *,
    seed: int,
    workers: int,
    pin: bool = False,
) -> DataLoader[Any]:
    """Return batches (image uint8, truth uint8, clicks, prev), one a step, without end."""
    ahead = {"prefetch_factor": 3} if workers else {}
    return DataLoader(
        ViewDataset(sources, seed),
        batch_sampler=sampler,
        num_workers=workers,
        worker_init_fn=_one_thread,
        pin_memory=pin,
        **ahead,  # type: ignore[arg-type]
    )


def step_rng(seed: int, step: int, rank: int = 0) -> np.random.Generator:
    """Return the generator of the clicks simulated in a step."""
    return np.random.default_rng((seed, 7, step, rank))
