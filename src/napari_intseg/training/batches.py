"""Batches of views, made ahead of time by worker processes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from napari_intseg.training.run_state import SOLO, Peers
from napari_intseg.training.sources import PictureSource
from napari_intseg.training.views import TrainingView, draw_views

Views = tuple[Tensor, ...]
"""Image (B, 3, H, W), then of each object truth (N, 1, H, W), clicks (N, 24, 3), previous
probability (N, 1, H, W) and the number of its image (N,)."""


class ViewDataset(Dataset[list[TrainingView]]):
    """View by (number, size): once for each object that is learnt from it."""

    def __init__(self, sources: list[PictureSource], seed: int, objects: int = 1) -> None:
        self.sources = sources
        self.seed = seed
        self.objects = objects

    def __getitem__(self, index: tuple[int, int]) -> list[TrainingView]:
        """Return at least one view; all have the same image."""
        return draw_views(self.sources, self.seed, *index, self.objects)


def collate(drawn: list[list[TrainingView]]) -> Views:
    """Return the views of a step as tensors; an image with several objects is there once."""
    views = [view for one in drawn for view in one]
    owner = np.repeat(np.arange(len(drawn)), [len(one) for one in drawn])
    images = np.stack([one[0].image.transpose(2, 0, 1) for one in drawn])
    return (
        torch.from_numpy(images),
        torch.from_numpy(np.stack([view.truth for view in views]))[:, None],
        torch.from_numpy(np.stack([view.clicks for view in views])),
        torch.from_numpy(np.stack([view.prev for view in views]))[:, None],
        torch.from_numpy(owner),
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
    sources: list[PictureSource],
    sampler: StepSampler,
    *,
    seed: int,
    workers: int,
    objects: int = 1,
    pin: bool = False,
) -> DataLoader[Any]:
    """Return batches (`Views`), one a step, without end."""
    ahead = {"prefetch_factor": 3} if workers else {}
    return DataLoader(
        ViewDataset(sources, seed, objects),
        collate_fn=collate,
        batch_sampler=sampler,
        num_workers=workers,
        worker_init_fn=_one_thread,
        pin_memory=pin,
        **ahead,  # type: ignore[arg-type]
    )


def step_rng(seed: int, step: int, rank: int = 0) -> np.random.Generator:
    """Return the generator of the clicks simulated in a step."""
    return np.random.default_rng((seed, 7, step, rank))
