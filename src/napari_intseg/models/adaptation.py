"""Continuous adaptation: a network that learns from the corrections on the image at hand.

Each correction says what a few pixels are, and so is a small training example. After each click
the weights take a few steps of gradient descent: towards the answer at the clicks, and towards
what the network said by itself everywhere else [1]_. The weights that are shared stay as they
are; what was learnt is a value that travels with the answer and is gone with the next image.

Built from the paper. There is no reference output to compare with: it is unproven.

References
----------
.. [1] Kontogianni, T., Gygli, M., Uijlings, J., Ferrari, V. "Continuous adaptation for interactive
       object segmentation by learning from corrections", ECCV 2020, arXiv:1911.12709, section 3.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Traits
from napari_intseg.errors import DeviceError
from napari_intseg.models.brs.optimisation import click_windows
from napari_intseg.models.device import Precision, convolutions, memory_guard
from napari_intseg.models.net_model import MadeOf
from napari_intseg.models.ritm import build_exact


class Trainable(Protocol):
    """A click model whose logits have a gradient in the weights of `net`, e.g. a `Ritm`."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    @property
    def net(self) -> nn.Module:
        """The network; its weights are learnt."""
        ...

    @property
    def traits(self) -> Traits:
        """How it wants to be used."""
        ...

    def prepare(self, image: FloatArray) -> Prepared:
        """Do the work that needs no prompt."""
        ...

    def logits(self, queries: Sequence[Query]) -> Tensor:
        """Return logits (B, 1, H, W) in the caller's gradient mode."""
        ...

    def release(self) -> None:
        """Return the device's memory."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network learns from corrections.

    Parameters
    ----------
    steps : int
        Of gradient descent after a click, at most; fewer if all clicks are obeyed surely.
    rate : float
        Learning rate (Adam).
    keep : float
        Weight of the network's own first answer, against 1 for the clicks.
    sure : float
        The probability that a clicked pixel is right with which learning stops.
    limit : int or None
        How many weights may change, the last layers' first; None: all, as in the paper. A
        million keep an answer's memory at 4 MB, and spare the way back through the first layers.
    free_clicks : int
        Nothing is learnt up to so many clicks: the first one is no correction.
    """

    # steps, rate, the weight of what is kept and the certainty are ours, and unproven: there is no
    # published network or output to choose them by (docs/guides/adaptation.md).
    steps: int = 10
    rate: float = 3e-4
    keep: float = 0.5
    sure: float = 0.9
    limit: int | None = 1_000_000
    free_clicks: int = 1


DEFAULT_SCHEDULE = Schedule()


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What was learnt on one view; handed back with the next query on it, and only on it.

    Parameters
    ----------
    image : int
        Checksum of the view.
    names : tuple of str
        Which weights changed.
    changes : ndarray of float32
        By how much, one after the other.
    """

    image: int
    names: tuple[str, ...]
    changes: FloatArray


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    schedule: Schedule = DEFAULT_SCHEDULE,
    **options: Any,
) -> "Adapting":
    """Return RITM that learns from corrections.

    Parameters
    ----------
    name, weights, device, precision, **options
        See `ritm.build_exact`.
    schedule : Schedule
        How it learns.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    DeviceError
        If the device or precision does not exist.
    """
    model = build_exact(name, weights, device=device, precision=precision, **options)
    return Adapting(model, schedule)


class Adapting(MadeOf):
    """A click model that learns from corrections.

    Parameters
    ----------
    model : Trainable
        In float32. Its weights are changed while a question is answered, and are bit-equal to
        what they were afterwards.
    schedule : Schedule
        How it learns.

    Raises
    ------
    DeviceError
        If the model computes in half precision.
    """

    # a gradient in half precision is too coarse to learn by
    saves_by_half = False

    def __init__(self, model: Trainable, schedule: Schedule = DEFAULT_SCHEDULE) -> None:
        dtype = getattr(model, "dtype", torch.float32)
        if dtype != torch.float32:
            raise DeviceError(
                f"model is too coarse to learn: expected a model in torch.float32, got {dtype}. "
                "Load it with precision='float32'."
            )
        self.model = model
        self.schedule = schedule

    @property
    def traits(self) -> Traits:
        """How it wants to be used: as the wrapped model."""
        return self.model.traits

    def prepare(self, image: FloatArray) -> Prepared:
        """Prepare the image, and remember which it is.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        """
        inner = self.model.prepare(image)
        # a state of another image must not be used; comparing all pixels at each click would cost
        # more
        checksum = zlib.crc32(np.ascontiguousarray(image, np.float32).tobytes())
        kept = _Image(inner, checksum)
        return Prepared(inner.shape, kept, inner.nbytes, inner.device_nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer one query; a state of another image or network is not used.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        """
        with memory_guard(self.model.device), convolutions(tf32=False):
            return self._answer(query)

    def _answer(self, query: Query) -> Answer:
        image: _Image = query.prepared.payload
        inner = Query(image.prepared, query.prompts, query.prev_logits)
        # if it was released
        if next(self.model.net.parameters()).device != self.model.device:
            self.model.net.to(self.model.device)
        run = _Weights(self.model, self.schedule.limit)
        changes = run.unpacked(_known(query.state, image.checksum, run.names))
        done = 0
        if len(query.prompts.clicks) > self.schedule.free_clicks:
            logits, changes, done = self._learn(run, inner, changes)
        else:
            with torch.no_grad():
                logits = run.logits(inner, changes)
        learnt = Learnt(image.checksum, run.names, run.packed(changes)) if changes else None
        return Answer(
            np.ascontiguousarray(logits.detach().cpu().numpy()[0, 0], np.float32),
            learnt,
            info={"steps": done},
        )

    def _learn(
        self, run: "_Weights", query: Query, start: list[Tensor]
    ) -> tuple[Tensor, list[Tensor], int]:
        """Return the best logits met, the changes that gave them, and the steps made."""
        schedule, shape = self.schedule, query.prepared.shape
        windows = click_windows([query.prompts.clicks], shape, self.model.device)
        with torch.no_grad():
            own = run.logits(query, []).sigmoid() > self.traits.threshold
        # zeros, not None: an optimiser needs tensors to change
        given = start or run.unpacked(np.zeros(run.size, np.float32))
        changes = [one.clone().requires_grad_() for one in given]
        descent = torch.optim.Adam(changes, lr=schedule.rate)
        best, best_loss, best_logits, done = given, np.inf, torch.empty(0), 0
        for step in range(schedule.steps + 1):
            with torch.enable_grad():
                logits = run.logits(query, changes)
                loss, sure = _loss(logits, windows, own, schedule.keep)
            value = float(loss.detach())
            # Adam may overshoot, so the best step counts and not the last
            if value < best_loss:
                best, best_loss = [one.detach().clone() for one in changes], value
                best_logits = logits.detach()
            if step == schedule.steps or sure >= schedule.sure:
                break
            descent.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            descent.step()
            done += 1
        return best_logits, best, done

    @property
    def parts(self) -> tuple[Trainable]:
        """The wrapped model."""
        return (self.model,)


class _Image(NamedTuple):
    prepared: Prepared
    checksum: int


class _Asked(nn.Module):
    """The network under a name, so that its weights can be replaced for one pass."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.net = model.net
        self._ask = model.logits

    def forward(self, query: Query) -> Tensor:
        return self._ask([query])


class _Weights:
    """The weights of a model that may change, and passes with changed ones."""

    def __init__(self, model: Trainable, limit: int | None) -> None:
        chosen: list[tuple[str, Tensor]] = []
        left = limit
        # from the end: late layers draw the outline, and the way back to them is short
        for name, weight in reversed(list(model.net.named_parameters())):
            if left is not None and weight.numel() > left:
                break
            left = None if left is None else left - weight.numel()
            chosen.append((f"net.{name}", weight.detach()))
        self._model = _Asked(model)
        self._chosen = chosen
        self.names = tuple(name for name, _ in chosen)
        self.size = sum(weight.numel() for _, weight in chosen)

    def logits(self, query: Query, changes: Sequence[Tensor]) -> Tensor:
        """Return logits (1, 1, H, W) under changes; none: those of the shared weights."""
        if not changes:
            return self._model(query)  # type: ignore[no-any-return]
        changed = {
            name: weight + change
            for (name, weight), change in zip(self._chosen, changes, strict=True)
        }
        return functional_call(self._model, changed, (query,))  # type: ignore[no-any-return]

    def packed(self, changes: Sequence[Tensor]) -> FloatArray:
        """Return changes one after the other."""
        return torch.cat([one.detach().flatten() for one in changes]).cpu().numpy()

    def unpacked(self, changes: FloatArray | None) -> list[Tensor]:
        """Return changes by weight; none for None."""
        if changes is None:
            return []
        flat = torch.from_numpy(np.array(changes, np.float32))
        parts = torch.split(flat, [weight.numel() for _, weight in self._chosen])
        return [
            part.view_as(weight).to(weight.device)
            for part, (_, weight) in zip(parts, self._chosen, strict=True)
        ]


def _known(state: Any, image: int, names: tuple[str, ...]) -> FloatArray | None:
    """Return what was learnt, if it was on this image and by this network."""
    if isinstance(state, Learnt) and (state.image, state.names) == (image, names):
        return state.changes
    return None


def _loss(
    logits: Tensor, windows: tuple[Tensor, Tensor], own: Tensor, keep: float
) -> tuple[Tensor, float]:
    """Return the loss, and how sure the network is of the clicked pixel it is least sure of."""
    positive, negative = windows
    # windows of two clicks may overlap
    clicked = (positive + negative).clamp(max=1)
    right = F.binary_cross_entropy_with_logits(logits, positive, clicked, reduction="sum")
    same = F.binary_cross_entropy_with_logits(logits, own.float(), 1 - clicked, reduction="sum")
    loss = right / clicked.sum().clamp(min=1) + keep * same / (1 - clicked).sum().clamp(min=1)
    prob = logits.detach().sigmoid()
    # learning stops by the clicked pixel that the network is least sure of, see `Schedule.sure`
    off = torch.maximum((1 - prob) * positive, prob * negative)
    return loss, 1 - float(off.max())
