"""What backpropagating refinement changes in a network, what it minimises, and how.

References
----------
.. [1] Jang, W.-D., Kim, C.-S. "Interactive image segmentation via backpropagating refinement
       scheme", CVPR 2019.
.. [2] Sofiiuk, K., Petrov, I., Barinova, O., Konushin, A. "f-BRS: rethinking backpropagating
       refinement for interactive segmentation", arXiv:2001.10331.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import FloatArray, Query
from napari_intseg.errors import UnknownModelError
from napari_intseg.models.nets.click_maps import NO_TAPS, Taps
from napari_intseg.models.nets.click_net import DeepLabClicks, HRNetClicks, enlarge

# both weights as in the published code of f-BRS
WEIGHT = 1e-3
"""Of the penalty on parameters that differ from "no change"."""

BIAS_WEIGHT = 10.0
"""How much dearer a bias is than a scale."""


class Differentiable(Protocol):
    """A click model whose logits have a gradient, and that lets others act inside."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def logits(self, queries: Sequence[Query], taps: Taps = NO_TAPS) -> Tensor:
        """Return logits (B, 1, H, W) in the caller's gradient mode."""
        ...


class InjectionPoint(Protocol):
    """Parameters at one place, for one set of views; all zero means no change."""

    @property
    def size(self) -> int:
        """How many parameters there are."""
        ...

    @property
    def plain(self) -> Tensor:
        """The logits without any change, (B, 1, H, W)."""
        ...

    def logits(self, params: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W) under parameters of shape (size,)."""
        ...

    def penalty(self, params: Tensor) -> Tensor:
        """Return what the parameters cost, a scalar."""
        ...


class ScaleAndBias:
    """A scale and a bias for each channel of features (f-BRS).

    Parameters
    ----------
    model : Differentiable
        The click model.
    queries : sequence of Query
        The views.
    places : tuple of str
        Names of taps; the first that the network has is taken.

    Raises
    ------
    UnknownModelError
        If the network has none of them.
    """

    def __init__(
        self, model: Differentiable, queries: Sequence[Query], places: tuple[str, ...]
    ) -> None:
        self._model, self._queries = model, queries
        seen, self.plain = _look(model, queries, (*places, "low"))
        self._place = _first(model, seen, places)
        self._features = seen[self._place]
        self._rest = _rest(getattr(model, "net", None), self._place, seen)
        self.size = 2 * self._features.shape[1]

    def logits(self, params: Tensor) -> Tensor:
        """Return the logits under scales, then biases."""
        scale, bias = params.view(2, 1, -1, 1, 1)
        changed = self._features * (1 + scale) + bias
        # of networks that are not known here, all is repeated
        if self._rest is None:
            return self._model.logits(self._queries, {self._place: lambda _: changed})
        return enlarge(self._rest(changed), self._queries[0].prepared.shape)

    def penalty(self, params: Tensor) -> Tensor:
        """Return the weighted sum of squares."""
        scale, bias = params.chunk(2)
        return WEIGHT * (scale.square().sum() + BIAS_WEIGHT * bias.square().sum())


class AddedToInput:
    """A number added to each pixel of the colours or click maps (RGB-BRS, DistMap-BRS).

    Parameters
    ----------
    model : Differentiable
        The click model.
    queries : sequence of Query
        The views; the second one, if any, is the mirror image of the first.
    places : tuple of str
        Names of taps; the first that the network has is taken.

    Raises
    ------
    UnknownModelError
        If the network has none of them.
    """

    def __init__(
        self, model: Differentiable, queries: Sequence[Query], places: tuple[str, ...]
    ) -> None:
        self._model, self._queries = model, queries
        seen, self.plain = _look(model, queries, places)
        self._place = _first(model, seen, places)
        self._shape = (1, *seen[self._place].shape[1:])
        self.size = seen[self._place][0].numel()

    def logits(self, params: Tensor) -> Tensor:
        """Return the logits with the parameters added."""
        added = self._views(params)
        return self._model.logits(self._queries, {self._place: lambda x: x + added})

    def penalty(self, params: Tensor) -> Tensor:
        """Return the weighted sum of squares over the views."""
        return WEIGHT * self._views(params).square().sum()

    def _views(self, params: Tensor) -> Tensor:
        own = params.view(self._shape)
        # the mirrored view gets the mirrored parameters, so both views are refined as one image
        return own if len(self._queries) == 1 else torch.cat([own, own.flip(-1)])


def _look(
    model: Differentiable, queries: Sequence[Query], places: Sequence[str]
) -> tuple[dict[str, Tensor], Tensor]:
    """Return what passes by at the places that the network has, and the logits."""
    seen: dict[str, Tensor] = {}

    def keep(place: str) -> Callable[[Tensor], Tensor]:
        def note(x: Tensor) -> Tensor:
            # later layers may work in place
            seen[place] = x.clone()
            return x

        return note

    with torch.no_grad():
        logits = model.logits(queries, {place: keep(place) for place in places})
    return seen, logits


def _first(model: Differentiable, seen: dict[str, Tensor], places: tuple[str, ...]) -> str:
    for place in places:
        if place in seen:
            return place
    got = type(getattr(model, "net", model)).__name__
    raise UnknownModelError(
        f"model has no place for this refinement: expected one of {', '.join(places)}, got {got!r} "
        "without. Choose RGB-BRS, or another model."
    )


def _rest(net: Any, place: str, seen: dict[str, Tensor]) -> Callable[[Tensor], Tensor] | None:
    """Return what follows a place, so that it alone is repeated; None: not known."""
    if isinstance(net, HRNetClicks):
        hrnet = net.feature_extractor
        if place == "features":
            return lambda x: hrnet.classify(x)[0]
        return hrnet.cls_head
    if isinstance(net, DeepLabClicks):
        deeplab, head = net.feature_extractor, net.head
        if place == "backbone":
            return lambda x: head(deeplab.head(deeplab.join(seen["low"], x)))
        if place == "features":
            return lambda x: head(deeplab.head(x))
        return head
    return None


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
    # SciPy's, as the published code: another L-BFGS would take other steps
    end, _, _ = fmin_l_bfgs_b(
        objective,
        np.asarray(start, np.float64),
        m=settings.memory,
        # off: the search ends by its own rules, see `_Objective`
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
        # a gradient of 0 is how SciPy is told to stop
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
            # without clicks of one sign there is no window to divide by
            o.square().sum() / (w.sum() + 1e-5)
            for o, w in zip(off, self.windows, strict=True)
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
