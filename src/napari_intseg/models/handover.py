"""One model begins, another goes on from its mask: SAM's first click, RITM's corrections.

On medical images SAM is far ahead at the first click, and RITM from about the fifth [1]_.

References
----------
.. [1] Mazurowski, M. A. et al. "Segment Anything Model for medical image analysis: an experimental
       study", arXiv:2304.10517.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import (
    Answer,
    Array,
    BatchSegmenter,
    FloatArray,
    Prepared,
    Query,
    Segmenter,
    Traits,
    logit,
    mask_to_logits,
)
from napari_intseg.errors import PromptError
from napari_intseg.models.net_model import MadeOf
from napari_intseg.models.registry import DEFAULT_PAIR, THEN, load_model

LONGER_SIDE_PX = 1024
"""Of the whole slice at the first click: what SAM's encoder sees."""

# bytes; more than any SAM keeps of an image. What is kept is known only after it is asked.
_KEPT_BYTES = 32 << 20

By = Literal["first", "then"]


@dataclass(frozen=True, slots=True, eq=False)
class HandoverState:
    """Who answered last, and what that model wants back.

    Parameters
    ----------
    by : {"first", "then"}
        Which of the two.
    inner : tuple
        The model's own memory; of a mirrored view too where there was one.
    """

    by: By
    inner: tuple[Any, ...]


def build(
    name: str,
    _weights: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    first: str | None = None,
    then: str | None = None,
    paths: Mapping[str, Path] = MappingProxyType({}),
    first_clicks: int = 1,
) -> "Handover":
    """Return two models of the registry as one.

    Parameters
    ----------
    name : str
        ``"handover"`` for SAM and RITM, or ``"FIRST-then-THEN"`` with two names of the registry.
    device, precision : str
        Of both; see `load_model`.
    first, then : str, optional
        Names that count instead of those in `name`.
    paths : mapping of str to Path, optional
        Weight files by model; those left out are looked for in the weights folders.
    first_clicks : int, default 1
        So many clicks are answered by the first.

    Raises
    ------
    PromptError
        If the first takes no clicks or the second no mask.
    UnknownModelError, MissingExtraError, WeightsError, DeviceError
        As `load_model` of either.
    """
    begins, _, goes_on = name.partition(THEN)
    if not goes_on:
        begins, goes_on = DEFAULT_PAIR
    one, other = (
        load_model(part, weights=paths.get(part), device=device, precision=precision)
        for part in (first or begins, then or goes_on)
    )
    return Handover(name, one, other, first_clicks=first_clicks)


class Handover(MadeOf):
    """Two models as one: `first` answers while there is no mask, `then` goes on from it.

    The first sees the whole slice, the second what its own zoom-in shows it. A mask that was there
    before the first click, painted or propagated, is corrected by `then` at once. A box without a
    click is for the first. Mirrored views of `then` are averaged here, so that an embedding of the
    first is not computed twice.

    Parameters
    ----------
    name : str
        The name it is registered under.
    first, then : Segmenter
        Any that takes clicks; any that takes a mask.
    first_clicks : int, default 1
        So many clicks are answered by the first.

    Raises
    ------
    PromptError
        If the first takes no clicks or the second no mask.
    """

    def __init__(
        self, name: str, first: Segmenter, then: Segmenter, *, first_clicks: int = 1
    ) -> None:
        _check(first, "click", "begin", "first")
        _check(then, "mask", "go on", "then")
        self.first, self.then, self.first_clicks = first, then, first_clicks
        self._mirrored = then.traits.flip
        self._limit = float(logit(np.array(then.traits.threshold, np.float32)))
        # moves the first's threshold onto the second's, so that the mask stays the first's own
        self._shift = self._limit - float(logit(np.array(first.traits.threshold, np.float32)))
        zoom = then.traits.zoom_in
        self._traits = replace(
            then.traits,
            name=name,
            # boxes and scribbles begin an object, and that is for the first
            prompts=(then.traits.prompts - then.traits.enforced)
            | (first.traits.prompts & {"click", "box"}),
            # no crop while the first answers: it sees the whole slice
            zoom_in=None if zoom is None else replace(zoom, skip_clicks=first_clicks),
            longer_side_px=max(LONGER_SIDE_PX, then.traits.longer_side_px or 0),
            flip=False,
            uses_prev=True,
            # the first's own answer is no question to the second
            cascade=False,
            others=first.traits.others or then.traits.others,
            # planes across are asked by a first click
            across=first.traits.across,
            # boxes are the first's, which need not obey them
            enforced=frozenset(),
        )

    @property
    def traits(self) -> Traits:
        """How it wants to be used."""
        return self._traits

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image; each model prepares it when it is first asked about it.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        """
        kept = _HandoverImage(np.array(image, np.float32))
        shape, more = (image.shape[0], image.shape[1]), image.nbytes + _KEPT_BYTES
        # on a device what is kept lies there, and the image here
        if any(getattr(part, "is_asynchronous", False) for part in self.parts):
            return Prepared(shape, kept, image.nbytes, more)
        return Prepared(shape, kept, image.nbytes + more)

    def predict(self, query: Query) -> Answer:
        """Answer one query; `Answer.info` says ``by`` whom."""
        state = query.state if isinstance(query.state, HandoverState) else None
        if self._is_for_first(query, state):
            return self._begin(query, state)
        return self._go_on(query, state)

    def warm_up(self) -> None:
        """Have both answer once, so that the first real question does not wait."""
        for model in (self.first, self.then):
            _call(model, "warm_up")

    @property
    def parts(self) -> tuple[Segmenter, Segmenter]:
        """The two models."""
        return self.first, self.then

    def _is_for_first(self, query: Query, state: HandoverState | None) -> bool:
        clicks, prev = query.prompts.clicks, query.prev_logits
        if not clicks and query.prompts.box is not None:
            return True
        if prev is None or not (prev > self._limit).any():
            return True
        return state is not None and state.by == "first" and len(clicks) <= self.first_clicks

    def _begin(self, query: Query, state: HandoverState | None) -> Answer:
        goes_on = state is not None and state.by == "first"
        inner = state.inner[0] if state is not None and goes_on else None
        # another model's logits are not what SAM was taught to take back
        prev = query.prev_logits if goes_on else None
        prepared = query.prepared.payload.prepared(self.first)
        prompts = _taken(query.prompts, self.first.traits)
        answer = self.first.predict(
            Query(prepared, prompts, prev, inner, query.frame, query.others)
        )
        shift = np.float32(self._shift)
        return replace(
            answer,
            logits=answer.logits + shift,
            alternatives=tuple(one + shift for one in answer.alternatives),
            state=HandoverState("first", (answer.state,)),
            info={**answer.info, "by": self.first.traits.name},
        )

    def _go_on(self, query: Query, state: HandoverState | None) -> Answer:
        inner = state.inner if state is not None and state.by == "then" else (None, None)
        prompts, prev = _taken(query.prompts, self.then.traits), query.prev_logits
        if prev is not None and len(prompts.clicks) <= self.first_clicks + 1:
            # a mask is handed over, not how sure it was
            prev = mask_to_logits(prev > self._limit)
        image: _HandoverImage = query.prepared.payload
        others = query.others
        queries = [Query(image.prepared(self.then), prompts, prev, inner[0], query.frame, others)]
        if self._mirrored:
            last = query.prepared.shape[1] - 1
            queries.append(
                Query(
                    image.prepared(self.then, mirrored=True),
                    prompts.moved(lambda row, col: (row, last - col)),
                    None if prev is None else _flipped(prev),
                    inner[1],
                    others=None if others is None else _flipped(others),
                )
            )
        answers = _ask(self.then, queries)
        logits = answers[0].logits
        if self._mirrored:
            logits = (logits + _flipped(answers[1].logits)) * np.float32(0.5)
        states = (*(answer.state for answer in answers), None)
        return replace(
            answers[0],
            logits=logits,
            state=HandoverState("then", states),
            info={**answers[0].info, "by": self.then.traits.name},
        )


class _HandoverImage:
    """An image, and what the two models made of it so far."""

    def __init__(self, image: FloatArray) -> None:
        self._image = image
        self._kept: dict[tuple[int, bool], Prepared] = {}

    def prepared(self, model: Segmenter, *, mirrored: bool = False) -> Prepared:
        """Return what a model prepares of the image or its mirror image, computed once."""
        # by identity: models need not be hashable, and both live as long as this
        key = id(model), mirrored
        if key not in self._kept:
            self._kept[key] = model.prepare(_flipped(self._image) if mirrored else self._image)
        return self._kept[key]


def _flipped(array: Array) -> Array:
    return np.ascontiguousarray(array[:, ::-1])


def _ask(model: Segmenter, queries: list[Query]) -> list[Answer]:
    if len(queries) > 1 and isinstance(model, BatchSegmenter):
        return model.predict_batch(queries)
    return [model.predict(query) for query in queries]


def _taken(prompts: Prompts, traits: Traits) -> Prompts:
    """Return the prompts without those that a model does not take."""
    return replace(
        prompts,
        box=prompts.box if "box" in traits.prompts else None,
        scribbles=prompts.scribbles if "scribble" in traits.prompts else (),
        lassos=prompts.lassos if "lasso" in traits.prompts else (),
    )


def _call(model: Segmenter, name: str) -> None:
    method = getattr(model, name, None)
    if method is not None:
        method()


def _check(model: Segmenter, kind: Literal["click", "mask"], what: str, option: str) -> None:
    traits = model.traits
    if kind not in traits.prompts:
        raise PromptError(
            f"{traits.name} cannot {what}: expected a model that takes a {kind}, got one that "
            f"takes {', '.join(sorted(traits.prompts))}. Choose another as `{option}`."
        )
