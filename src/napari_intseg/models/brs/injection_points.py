"""Where in a network the parameters of backpropagating refinement act.

The queries come as views: one, or the plain and the mirrored one, which share the parameters.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from napari_intseg.core.segmenter import Query
from napari_intseg.errors import UnknownModelError
from napari_intseg.models.nets.click_maps import NO_TAPS, Taps
from napari_intseg.models.nets.click_net import DeepLabClicks, HRNetClicks, enlarge

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
        return own if len(self._queries) == 1 else torch.cat([own, own.flip(-1)])


def _look(
    model: Differentiable, queries: Sequence[Query], places: Sequence[str]
) -> tuple[dict[str, Tensor], Tensor]:
    """Return what passes by at the places that the network has, and the logits."""
    seen: dict[str, Tensor] = {}

    def keep(place: str) -> Callable[[Tensor], Tensor]:
        def note(x: Tensor) -> Tensor:
            seen[place] = x.clone()  # later layers may work in place
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
