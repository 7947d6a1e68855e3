"""What backpropagating refinement minimises, and how.

References
----------
.. [1] Jang, W.-D., Kim, C.-S. "Interactive image segmentation via backpropagating refinement
       scheme", CVPR 2019.
.. [2] Sofiiuk, K., Petrov, I., Barinova, O., Konushin, A. "f-BRS: rethinking backpropagating
       refinement for interactive segmentation", arXiv:2001.10331.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import FloatArray
from napari_intseg.models.brs.injection_points import InjectionPoint

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How long and how strictly parameters are searched; the defaults are the published ones.

    Parameters
    ----------
    evaluations : int
        The search ends with the step that exceeds so many passes through the network.
    steps : int
        At most so many steps of L-BFGS.
    memory : int
        Steps that L-BFGS remembers.
    gradient_limit : float
        The search ends when no component of the gradient is larger.
    same_iou : float
        It also ends when the mask hardly changes: its IoU with the last one exceeds this.
    """

    evaluations: int = 20
    steps: int = 40
    memory: int = 20
    gradient_limit: float = 1e-8
    same_iou: float = 0.99


PUBLISHED_SEARCH = SearchSettings()


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The end of a search: the parameters, and the best logits met on the way (B, 1, H, W)."""

    params: FloatArray
    logits: Tensor
    evaluations: int


def search(
    place: InjectionPoint,
    start: FloatArray,
    windows: tuple[Tensor, Tensor],
    *,
    threshold: float,
    settings: SearchSettings = PUBLISHED_SEARCH,
) -> SearchResult:
    """Look for parameters under which the network obeys the clicks.

    Parameters
    ----------
    place : InjectionPoint
        Where the parameters act.
    start : ndarray of float32, shape (place.size,)
        Where to begin.
    windows : pair of Tensor of float32, each (B, 1, H, W)
        From `click_windows`, positive and negative.
    threshold : float
        Probability above which a pixel is object.
    settings : SearchSettings
        When to stop.
    """
    objective = _Objective(place, windows, threshold, settings.same_iou)
    end, _, _ = fmin_l_bfgs_b(
        objective,
        np.asarray(start, np.float64),
        m=settings.memory,
        factr=0,
        pgtol=settings.gradient_limit,
        maxfun=settings.evaluations,
        maxiter=settings.steps,
    )
    assert objective.best is not None, "the search begins with an evaluation"
    return SearchResult(np.asarray(end, np.float32), objective.best, objective.evaluations)


def click_windows(
    clicks: Sequence[Sequence[Click]], shape: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return where the answer is known: 3x3 pixels round each click.

    Parameters
    ----------
    clicks : sequence of sequence of Click
        Of each view, in its pixels.
    shape : tuple of int
        ``(H, W)`` of the views.
    device : torch.device
        Where to put them.

    Returns
    -------
    pair of Tensor of float32, each (B, 1, H, W)
        1 in the windows of positive clicks, of negative clicks, 0 elsewhere. A window that begins
        above or left of the view is left out, as published; at the other sides it is cut.
    """
    windows = np.zeros((2, len(clicks), 1, *shape), np.float32)
    for view, given in enumerate(clicks):
        for click in given:
            row, col = round(click.row) - 1, round(click.col) - 1
            if row >= 0 and col >= 0:
                side = 0 if click.positive else 1
                windows[side, view, 0, row : row + 3, col : col + 3] = 1
    positive, negative = torch.from_numpy(windows).to(device)
    return positive, negative


class _Objective:
    """The loss and its gradient, and what was best so far; zero gradient ends the search."""

    def __init__(
        self,
        place: InjectionPoint,
        windows: tuple[Tensor, Tensor],
        threshold: float,
        same_iou: float,
    ) -> None:
        self.place = place
        self.windows = windows
        self.threshold = threshold
        self.same_iou = same_iou
        self.best: Tensor | None = None
        self.evaluations = 0
        self._best_loss = np.inf
        self._last: Tensor | None = None

    def __call__(self, x: Doubles) -> tuple[float, Doubles]:
        self.evaluations += 1
        with torch.enable_grad():
            params = torch.from_numpy(x).float().to(self.windows[0].device).requires_grad_()
            logits = self.place.logits(params)
            prob = logits.sigmoid()
            known, wrong = self._disagreement(prob)
            loss = known + self.place.penalty(params)
        value = float(loss.detach())
        if self.best is None or value < self._best_loss:
            self.best, self._best_loss = logits.detach(), value
        if not wrong or self._is_settled(prob.detach() > self.threshold):
            return value, np.zeros_like(x)
        loss.backward()  # type: ignore[no-untyped-call]
        assert params.grad is not None
        return value, params.grad.cpu().numpy().astype(np.float64)

    def _disagreement(self, prob: Tensor) -> tuple[Tensor, bool]:
        """Return the loss at the clicks, and whether any pixel there is on the wrong side."""
        off = ((1 - prob) * self.windows[0], prob * self.windows[1])
        limits = (1 - self.threshold, self.threshold)
        wrong = any(
            float(o.detach().abs().max()) >= limit for o, limit in zip(off, limits, strict=True)
        )
        losses = [
            o.square().sum() / (w.sum() + 1e-5) for o, w in zip(off, self.windows, strict=True)
        ]
        return losses[0] + losses[1], wrong

    def _is_settled(self, mask: Tensor) -> bool:
        last = self._last
        if last is not None:
            both = (mask & last).flatten(1).float().mean(1)
            either = (mask | last).flatten(1).float().mean(1)
            held = either > 0
            if held.any() and float((both[held] / either[held]).mean()) > self.same_iou:
                return True
        self._last = mask
        return False
