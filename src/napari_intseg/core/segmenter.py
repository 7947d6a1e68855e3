"""The contract between a model and the engine, and what a model gives up where memory is short."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.prompts import Click, Lasso, PromptKind, Prompts


@dataclass(frozen=True, slots=True)
class ZoomIn:
    """Which part of a slice a model looks at, by the rule of RITM [1]_.

    Parameters
    ----------
    skip_clicks : int, default -1
        No crop while there are at most so many clicks; negative: from the first click on, and a
        first answer that is small is asked for again, zoomed in.
    target_size : int or (int, int) or None, default 400
        Size of the view in pixels: an integer is its longer side, a pair its height and width,
        None leaves the crop's own size.
    min_crop_size : int, default 200
        Crops are at least so large, pixels of the slice.
    expansion : float, default 1.4
        The object's box is enlarged by this factor.
    recompute_iou : float, default 0.5
        The crop is kept while its overlap with the newly proposed one is at least this.
    keep_crop : bool, default True
        False proposes the crop anew at every click (FocalClick).
    threshold : float, default 0.5
        Probability above which a pixel counts as object when a crop is proposed.
    fine_size : int or None, default None
        Longer side of the view from `fine_clicks` clicks on, instead of `target_size`: what is left
        to correct by then is detail.
    fine_clicks : int, default 4
        See `fine_size`.
    narrower : tuple of float, default ()
        The first question on a slice is asked on windows of these shares of its sides as well, one
        after the other, round what was clicked; see `predict.is_steadier`. Later crops may then be
        smaller than `min_crop_size`.
    coarser : float or None, default None
        A view of a tiny slice, at most 58 pixels a side, is enlarged at most so many times while
        the object is not known, so that its longer side may be less than `target_size` and
        `fine_size`; once it is, until it has 96 pixels of the view, and four times in any case.
        None: no limit.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """

    # from here to `threshold` as RITM's evaluation has them (arXiv:2102.06583)
    skip_clicks: int = -1
    target_size: int | tuple[int, int] | None = 400
    min_crop_size: int = 200
    expansion: float = 1.4
    recompute_iou: float = 0.5
    keep_crop: bool = True
    threshold: float = 0.5
    fine_size: int | None = None
    fine_clicks: int = 4
    narrower: tuple[float, ...] = ()
    coarser: float | None = None


FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Array = NDArray[Any]

Frame = tuple[float, float, float, float]

CLICKS: frozenset[PromptKind] = frozenset({"click"})


@dataclass(frozen=True, slots=True)
class Traits:
    """How a model wants to be used; the engine obeys.

    Parameters
    ----------
    name : str
        The name it is registered under.
    prompts : frozenset of str
        Kinds of prompt it takes; `"mask"` says that it can start from an initial mask.
    resample : {"probability", "logits"}
        What is interpolated when an answer returns to the slice: RITM resamples
        probabilities, SAM logits.
    threshold : float
        Probability above which a pixel belongs to the object.
    zoom_in : ZoomIn or None
        The view it was published with; None: it always sees the whole slice, and copes with
        any size itself.
    longer_side_px : int or None
        Views are never larger than this; None: no limit.
    flip : bool
        Whether its answer is averaged with that on the mirrored view.
    uses_prev : bool
        Whether the previous answer changes the next one. Propagation gives the neighbour's
        mask to such a model as guidance, and turns it into prompts for the others.
    needs : frozenset of str
        Kinds of prompt without which it cannot answer; it is not asked before all are there. Of
        extreme points, four.
    embeds : bool
        Whether `prepare` is the slow part and serves every later prompt on the slice (SAM's
        embedding). Planes next to the one in view are then prepared ahead.
    cascade : bool
        Whether its first answer is given back to it as the previous one, with no further click,
        since that makes it better; see `predict.Options`.
    enforced : frozenset of str
        Of "box", "scribble" and "lasso", those that the engine makes answers agree with: nothing
        outside a box and nothing in a negative lasso is object, and all of a scribble has its sign.
        Such a model is also asked to begin with the inside of a lasso; see `begun_by_lassos`.
    others : bool
        Whether it was taught to look at other objects, see `Query`.
    across : bool
        Whether its answer to a single click is good enough to tell, on planes across those that are
        propagated through, where an object ends; see `guidance.cross_sections`.
    """

    name: str
    prompts: frozenset[PromptKind] = CLICKS
    resample: Literal["probability", "logits"] = "probability"
    threshold: float = 0.5
    zoom_in: ZoomIn | None = None
    longer_side_px: int | None = None
    flip: bool = False
    uses_prev: bool = False
    needs: frozenset[PromptKind] = frozenset()
    embeds: bool = False
    cascade: bool = False
    enforced: frozenset[PromptKind] = frozenset()
    others: bool = False
    across: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Prepared:
    """What a model keeps of an image before any prompt.

    Parameters
    ----------
    shape : tuple of int
        ``(H, W)`` of the image.
    payload : Any
        The model's own, for instance an embedding or a normalised tensor.
    nbytes : int
        Main memory it holds, for the bound of the cache.
    device_nbytes : int, default 0
        Memory it holds on a device, or will once it is asked about; counted apart.
    """

    shape: tuple[int, int]
    payload: Any
    nbytes: int
    device_nbytes: int = 0


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SlicePicture:
    """A slice as it is shown, in bytes: what a device cuts views out of itself.

    Parameters
    ----------
    values : ndarray of uint8, shape (H, W) or (H, W, 3)
        Grey or RGB.
    """

    values: Array


@dataclass(frozen=True, slots=True, eq=False)
class PictureView:
    """A rectangle of a picture at another size, in place of the image that a model prepares.

    Parameters
    ----------
    picture : SlicePicture
        The slice.
    box : (int, int, int, int)
        ``(row0, row1, col0, col1)``, half-open, inside the picture.
    shape : (int, int)
        Rows and columns wanted; corners on corners, as `view.View` resamples.
    mirrored : bool, default False
        Whether left and right change places.
    """

    picture: SlicePicture
    box: tuple[int, int, int, int]
    shape: tuple[int, int]
    mirrored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One question to a model.

    Parameters
    ----------
    prepared : Prepared
        Of the image that is asked about, made by the same model.
    prompts : Prompts
        In pixels of that image. Clicks may lie outside it: a click on the slice need not be
        in the view.
    prev_logits : ndarray of float32, shape (H, W), or None
        The previous answer, or an initial mask as logits (see `mask_to_logits`), on the image's
        grid; None when there is none. Finite everywhere.
    state : Any
        `Answer.state` of the previous answer if the view is the same, else None.
    frame : tuple of float or None
        ``(row0, row1, col0, col1)`` of the slice that the image is a view of, half-open, in
        pixels of the image; None: the image is all there is.
    others : ndarray of float32, shape (H, W), or None
        How much of each pixel belongs to other objects, between 0 and 1; None: none is known.
        Models that were not taught other objects do not look at it.
    """

    prepared: Prepared
    prompts: Prompts
    prev_logits: FloatArray | None = None
    state: Any = None
    frame: Frame | None = None
    others: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A model's answer on the image it was asked about.

    Parameters
    ----------
    logits : ndarray of float32, shape (H, W)
        Real-valued, finite; `sigmoid(logits) > threshold` is the object.
    state : Any
        Handed back with the next query on the same view; None if the model needs nothing.
    alternatives : tuple of ndarray of float32
        Further masks as logits (SAM's three), the chosen one included; empty when there is one.
    scores : tuple of float
        The model's own estimate of quality for each of `alternatives`; empty if it has none, and
        then how steady each is counts.
    info : mapping
        Anything worth showing or testing, e.g. the focus box of FocalClick.
    keeps_rest : bool
        Whether the previous answer stays on the slice outside the image; otherwise there is no
        object.
    """

    logits: FloatArray
    state: Any = None
    alternatives: tuple[FloatArray, ...] = ()
    scores: tuple[float, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    keeps_rest: bool = False


class Segmenter(Protocol):
    """A model: prepares an image once, then answers queries on it.

    Calls come from one thread at a time. Neither method changes its arguments, and the same
    query gives the same answer.
    """

    @property
    def traits(self) -> Traits:
        """How it wants to be used."""
        ...

    def prepare(self, image: FloatArray) -> Prepared:
        """Do the work that needs no prompt.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        """
        ...

    def predict(self, query: Query) -> Answer:
        """Answer one query."""
        ...


@runtime_checkable
class BatchSegmenter(Protocol):
    """A model that answers several queries at once, faster than one by one.

    All queries of a batch have the same image size, or one `batch_shape` if it has such a method;
    the answers equal those of `predict`. On a device, see `batching.gains_by_batches`, walks and
    places that are searched go side by side.
    """

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer in the order asked."""
        ...


@runtime_checkable
class MemorySegmenter(Protocol):
    """A model that follows an object through planes by what it remembers of the others."""

    def follow(
        self,
        read: Callable[[int], FloatArray],
        planes: Sequence[int],
        *,
        masks: Mapping[int, BoolArray] | None = None,
        prompts: Mapping[int, Prompts] | None = None,
    ) -> Iterator[tuple[int, FloatArray]]:
        """Yield each plane's index and the object's logits on it, in the order asked.

        Parameters
        ----------
        read : callable
            Gives a plane as RGB in [0, 1], float32 (H, W, 3).
        planes : sequence of int
            In walking order, up or down; a plane that is known is answered with what is known.
        masks : mapping of int to ndarray of bool, shape (H, W)
            The object on planes where it is known. At least one of `masks` and `prompts`.
        prompts : mapping of int to Prompts
            Prompts on planes without a known mask, in pixels of the plane.
        """
        ...


LOGIT_LIMIT = 30.0
"""Logits beyond it are cut: `sigmoid(-30)` is 1e-13, nothing is lost and all stays finite."""


def sigmoid(logits: FloatArray) -> FloatArray:
    """Return probabilities in [0, 1] as float32, of the same shape."""
    out = np.negative(np.asarray(logits, np.float32))
    with np.errstate(over="ignore"):
        # exp(100) is infinite in float32, and 1 / inf is right
        out = np.exp(out, out=out if out.ndim else None)
    out += np.float32(1)
    return np.asarray(np.float32(1) / out, np.float32)


def logit(prob: FloatArray) -> FloatArray:
    """Return the logits of probabilities, cut at ``±LOGIT_LIMIT``, float32 of the same shape."""
    # interpolation may exceed 1 by a rounding
    p = np.clip(np.asarray(prob, np.float32), 0, 1)
    with np.errstate(divide="ignore"):
        odds = np.asarray(1 - p)
        np.divide(p, odds, out=odds)
        np.log(odds, out=odds)
    return np.clip(odds, -LOGIT_LIMIT, LOGIT_LIMIT, out=odds)


@cache
def logit_of(threshold: float) -> float:
    """Return the logit of one probability, as `logit` does, to compare many logits with."""
    return float(logit(np.array(threshold, np.float32)))


def mask_to_logits(mask: BoolArray) -> FloatArray:
    """Return a mask as certain logits: ``LOGIT_LIMIT`` on the object, minus it elsewhere."""
    return np.where(mask, np.float32(LOGIT_LIMIT), np.float32(-LOGIT_LIMIT))


def bounding_box(mask: BoolArray) -> tuple[int, int, int, int] | None:
    """Return ``(row0, row1, col0, col1)`` of a mask's pixels, half-open; None if it has none."""
    # rows first, then columns of these rows alone: most of a large slice holds nothing
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    row0, row1 = int(rows[0]), int(rows[-1]) + 1
    cols = np.flatnonzero(mask[row0:row1].any(axis=0))
    return row0, row1, int(cols[0]), int(cols[-1]) + 1


EXTREME_POINTS = 4
"""Topmost, bottommost, leftmost and rightmost point of an object (arXiv:1711.09081)."""


def takes_click(traits: Traits, click: Click) -> bool:
    """Whether a model takes a click; extreme points are positive clicks."""
    return "click" in traits.prompts or (click.positive and "extreme_points" in traits.prompts)


def takes_lasso(traits: Traits, lasso: Lasso) -> bool:
    """Whether a model takes a lasso; for one that takes boxes alone the box round it stands."""
    return "lasso" in traits.prompts or (lasso.positive and "box" in traits.prompts)


def taken(prompts: Prompts, traits: Traits) -> Prompts:
    """Return what a model takes of some prompts; the rest was given to another model."""
    return Prompts(
        prompts.clicks
        if "click" in traits.prompts
        else tuple(click for click in prompts.clicks if takes_click(traits, click)),
        prompts.box if "box" in traits.prompts else None,
        prompts.scribbles if "scribble" in traits.prompts else (),
        prompts.lassos
        if "lasso" in traits.prompts or not prompts.lassos
        else tuple(lasso for lasso in prompts.lassos if takes_lasso(traits, lasso)),
    )


def with_boxes(prompts: Prompts, traits: Traits) -> Prompts:
    """Return prompts with lassos as boxes, if that is how a model takes them.

    A box that is given beside them counts more than they do.
    """
    if "lasso" in traits.prompts:
        return prompts
    boxes = [lasso.box for lasso in prompts.lassos if takes_lasso(traits, lasso)]
    # a model takes one box: the newest is meant
    box = prompts.box or (boxes[-1] if boxes else None)
    return replace(prompts, box=box, lassos=())


def refused(prompts: Prompts, traits: Traits, held: Prompts | None = None) -> str:
    """Return which kind of new prompt a model does not take, empty if it takes them all.

    Parameters
    ----------
    prompts : Prompts
        What is given now.
    traits : Traits
        Of the model.
    held : Prompts, optional
        What had been given before, perhaps to another model; that is not new.
    """
    held = held or Prompts()
    if "click" not in traits.prompts:
        known = frozenset(held.clicks)
        for click in prompts.clicks:
            if click not in known and not takes_click(traits, click):
                return "negative click" if "extreme_points" in traits.prompts else "click"
    if prompts.box not in (None, held.box) and "box" not in traits.prompts:
        return "box"
    if set(prompts.scribbles) - set(held.scribbles) and "scribble" not in traits.prompts:
        return "scribble"
    for lasso in prompts.lassos:
        if lasso not in held.lassos and not takes_lasso(traits, lasso):
            return "negative lasso" if "box" in traits.prompts else "lasso"
    return ""


def missing(prompts: Prompts, traits: Traits) -> str:
    """Return in words what a model cannot answer without, empty when it can be asked."""
    words = []
    if "extreme_points" in traits.needs:
        left = EXTREME_POINTS - sum(click.positive for click in prompts.clicks)
        if left > 0:
            words.append(f"{left} more extreme point{'' if left == 1 else 's'}")
    if "box" in traits.needs and with_boxes(prompts, traits).box is None:
        words.append("a box round the object")
    if "click" in traits.needs and not any(click.positive for click in prompts.clicks):
        words.append("a click inside the box" if "box" in traits.needs else "a positive click")
    return " and ".join(words)


def explained(traits: Traits) -> str:
    """Return one sentence for people on what a model wants."""
    kinds, needs = traits.prompts, traits.needs
    if "extreme_points" in needs:
        return (
            "Click the four extreme points of the object: top, bottom, left and right, in any "
            "order. Further ones refine the answer."
        )
    if needs == {"box", "click"}:
        return "Draw a box round the object, then click inside it; further clicks correct."
    if needs == {"box"}:
        return "Draw a box round the object; it need not be tight."
    names: dict[PromptKind, str] = {
        "click": "clicks",
        "box": "a box round it",
        "scribble": "scribbles",
        "lasso": "lassos",
    }
    given = [name for kind, name in names.items() if kind in kinds]
    if given == ["clicks"]:
        return "Click on the object, and beside it where the answer is too large."
    listed = given[0] if len(given) == 1 else f"{', '.join(given[:-1])} or {given[-1]}"
    return f"Mark the object by {listed}; combine them as you like."


# parts of messages, in small letters: these errors have no type of their own in all versions
_SAYINGS = (
    "out of memory",  # PyTorch, CUDA, MPS
    "can't allocate memory",  # PyTorch on the CPU
    "not enough memory",  # the same on Windows
    "alloc_failed",  # cuDNN and cuBLAS
    "memory is too",  # our own
)
# oneDNN on the CPU says no more than this, and with a "descriptor" behind it means something else
_VAGUE = ("could not create a primitive", "could not execute a primitive")


@dataclass(frozen=True, slots=True)
class Saving:
    """What is given up; nothing by default.

    Parameters
    ----------
    half : bool
        The network computes in half precision.
    view_px : int or None
        The longer side of what it sees is at most this; None: as large as it was published.
    on_cpu : bool
        It computes on the CPU, in float32.
    exact : bool
        Half precision is what is given up: the network computes in float32.
    """

    half: bool = False
    view_px: int | None = None
    on_cpu: bool = False
    exact: bool = False

    @property
    def told(self) -> str:
        """In words, how much less memory it takes; empty where nothing is given up for that."""
        words = ["in half precision"] * self.half + ["on the CPU"] * self.on_cpu
        if self.view_px is not None:
            words.append(f"from a view of at most {self.view_px} px")
        return ", ".join(words)


NOTHING = Saving()


@runtime_checkable
class SavingSegmenter(Protocol):
    """A model that can do with less memory; the engine asks it to when memory has run out.

    The engine sees to `Saving.view_px` for models without this, and obeys it for all. A model
    that sees every view at a size of its own may look at it in that size.
    """

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What it can give up, in the order to be tried; the first gives up nothing."""
        ...

    @property
    def saving(self) -> Saving:
        """What it gives up now; nothing again after `release`."""
        ...

    def save_memory(self, saving: Saving) -> None:
        """Give this up from now on.

        What was prepared before belongs to what was given up then, and is not shown to it again.
        """
        ...


def is_out_of_memory(err: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on whichever device."""
    # by name, since this room imports no torch
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    said = str(err).lower()
    # an error of another type may quote such a message about something else
    return isinstance(err, RuntimeError) and (
        said in _VAGUE or any(saying in said for saying in _SAYINGS)
    )
