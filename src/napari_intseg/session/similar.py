"""Find similar objects: the model is asked wherever the image looks like those there are.

In the same image, or in others: one or a few labelled images guide it there.

References
----------
.. [1] Rakelly, K. et al. "Few-shot segmentation propagation with guided networks", 2018,
       arXiv:1806.07373.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import (
    BoolArray,
    FloatArray,
    Traits,
    bounding_box,
    mask_to_logits,
    missing,
)
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.batching import BatchedModel, gains_by_batches
from napari_intseg.inference.candidates import (
    LEAST_CONTRAST,
    Candidate,
    Contrast,
    Labels,
    LikenessNetwork,
    Size,
    Support,
    find_candidates,
)
from napari_intseg.inference.candidates import LIMIT_PX as LOOKS_LIMIT_PX
from napari_intseg.inference.patch import Patch, Window
from napari_intseg.inference.slice_appearance import PreparedStore
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.session.document import Document
from napari_intseg.session.embeddings import PreparedCache
from napari_intseg.session.predictor import CACHE_BYTES, Predictor, Request, run
from napari_intseg.session.question import Question, Setup
from napari_intseg.session.validate_prompts import check_plane

TITLE = "Find more"

# the second round goes by what the first has found, too; every round asks about all its places
ROUNDS = 2

LIMIT_PX = 1 << 25
"""Pixels that are looked at in one go: features of every pixel are held in memory."""

# an answer is from .3 of the smallest to 3 times the largest given object's area: far from all
# sizes that a person showed it is something else
_LEAST, _MOST = 0.3, 3.0
# places that a device is asked about at once: more would be asked about in vain where objects found
# meanwhile lie there
_ABREAST = 8
# share of an answer that must not belong to another object: less is that object once more
_FREE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """The request of a search on one plane; a value that can be computed in any thread.

    Parameters
    ----------
    setup : Setup
        Who answers, and how the image is seen.
    plane : Plane
        Where.
    window : (slice, slice)
        The rows and columns of it that are looked at.
    labels : ndarray of int, shape of the window
        The objects there are; what they have is left alone.
    prepared : PreparedStore or None
        What the model prepared earlier.
    network : callable or None
        Returns a guided network that learns what objects look like; asked when the search begins.
        None: a linear discriminant does.
    """

    setup: Setup
    plane: Plane
    window: Window
    labels: NDArray[np.integer]
    prepared: PreparedStore | None = None
    network: Callable[[], LikenessNetwork] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SearchStep:
    """How far a search is.

    Parameters
    ----------
    done, total : int
        Places.
    found : ndarray of bool, shape (H, W), or None
        The object at the last one, on the whole slice; None if there is none.
    """

    done: int
    total: int
    found: BoolArray | None = None


class SimilarObjects:
    """Makes search requests: more objects like those of a document.

    Parameters
    ----------
    document : Document
        Holds the objects there are.
    predictor : Predictor
        Holds what the model prepared.

    Attributes
    ----------
    network : callable or None
        Of the requests, see `SearchRequest`.
    """

    def __init__(self, document: Document, predictor: Predictor) -> None:
        self.document, self.predictor = document, predictor
        self.network: Callable[[], LikenessNetwork] | None = None

    def request(
        self, plane: Plane, window: Window | None, labels: NDArray[np.integer] | None
    ) -> SearchRequest:
        """Return what there is to look for: more objects like those on a plane. See `search`.

        Parameters
        ----------
        plane : Plane
            Where.
        window : (slice, slice) or None
            Rows and columns to look at; None: the whole plane.
        labels : ndarray of int, shape of the window, or None
            The objects there are; None: those of the session.

        Raises
        ------
        PromptError
            If the plane does not exist, or is too large to be looked at in one go.
        """
        document, volume = self.document, self.document.volume
        height, width = volume.slice_shape(check_plane(volume, plane).axis)
        rows, cols = (
            slice(*part.indices(n)[:2])
            for part, n in zip(window or (slice(None),) * 2, (height, width), strict=True)
        )
        size = max(0, rows.stop - rows.start) * max(0, cols.stop - cols.start)
        if not 0 < size <= LIMIT_PX:
            raise PromptError(
                f"part of the plane cannot be looked at: expected 1 to {LIMIT_PX} pixels, got "
                f"{size!r}. Choose a smaller window, or crop the image."
            )
        known = (
            document.canvas.labels_on(plane)[rows, cols] if labels is None else np.asarray(labels)
        )
        prepared = self.predictor.prepared
        return SearchRequest(document.setup, plane, (rows, cols), known, prepared, self.network)

    def find(
        self,
        request: SearchRequest,
        begin: Callable[[BoolArray, str], object],
        *,
        on_progress: Callable[[int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        """Search, and begin an object with each mask that is found; all are one step of undo.

        Parameters
        ----------
        request : SearchRequest
            What there is to look for.
        begin : callable
            Begins an object with a mask; with the token that makes all of them one step of undo.
        on_progress : callable or None
            Called with places looked at and places in all.
        should_stop : callable or None
            Asked after each place.
        """
        token = self.document.token(TITLE)
        for step in search(request):
            if step.found is not None:
                begin(step.found, token)
            if on_progress is not None:
                on_progress(step.done, step.total)
            if should_stop is not None and should_stop():
                return


def search(request: SearchRequest) -> Iterator[SearchStep]:
    """Look for objects, the likest places first; depends on the request alone.

    It looks twice: the second time what was found shows what objects look like, too.

    Yields
    ------
    SearchStep
        Once before the places of each round, and after each place. Objects do not overlap.

    Raises
    ------
    PromptError
        If there is no object to go by, or the model cannot be asked by a click or a box.
    """
    setup, plane, window = request.setup, request.plane, request.window
    seen = SliceReader(setup.volume, plane, setup.context)(*window)
    image = setup.options.intensity.to_rgb(seen)
    known = np.zeros(setup.volume.slice_shape(plane.axis), np.int32)
    there = request.labels > 0
    values = np.unique(request.labels[there])
    # small numbers in order: labels can be of any size, and new ones follow
    known[window][there] = np.searchsorted(values, request.labels[there]) + 1
    total, done = 0, 0
    network = None if request.network is None else request.network()
    for _ in range(ROUNDS):
        candidates = find_candidates(image, known[window], network)
        total += len(candidates)
        like = ObjectLooks.of(image, known[window], window)
        yield SearchStep(done, total)
        moved = [_moved(one, window, known.shape) for one in candidates]
        for found in ask_candidates(request, moved, like, known):
            done += 1
            if found is not None:
                known[found] = values.size + done
            yield SearchStep(done, total, found)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectLooks:
    """Typical appearance and size of the objects to look for."""

    image: FloatArray
    window: Window
    size: Size
    contrast: Contrast

    @classmethod
    def of(cls, image: FloatArray, labels: NDArray[np.integer], window: Window) -> "ObjectLooks":
        """Return what the labelled objects of a window look like.

        Parameters
        ----------
        image : ndarray of float32, shape (h, w, C)
            The window as the model sees it.
        labels : ndarray of int, shape (h, w)
            0 is the background.
        window : Window
            Where it lies on the slice.
        """
        size = Size.of(labels)
        return cls(image, window, size, Contrast.of(image, labels, size.diameter_px))

    def stands_out(self, found: BoolArray, known: NDArray[np.integer]) -> bool:
        """Whether a mask stands out from its surroundings as the known objects do; both (H, W)."""
        inside = found[self.window]
        box = bounding_box(inside)
        if box is None:
            return False
        where = slice(box[0], box[1]), slice(box[2], box[3])
        share = self.contrast.share(self.image, known[self.window], where, inside[where])
        return share > LEAST_CONTRAST


def ask_candidates(
    request: SearchRequest,
    candidates: Sequence[Candidate],
    like: ObjectLooks,
    known: NDArray[np.int32],
) -> Iterator[BoolArray | None]:
    """Yield the object at each place without others' pixels; None if it is like none of the known.

    The caller may add to `known` between two places. A device is asked about several at once.
    """
    model, abreast = request.setup.model, 1
    if gains_by_batches(model):
        model, abreast = BatchedModel(model), _ABREAST
        request = replace(request, setup=replace(request.setup, model=model))
    for start in range(0, len(candidates), abreast):
        part = candidates[start : start + abreast]
        # what one of them will turn out to be is not known yet: what lies on it is asked in vain
        free = [one for one in part if not known[_pixel(one)]]
        asks = [partial(_patch_at, request, one) for one in free]
        found = iter(model.run(asks) if isinstance(model, BatchedModel) else (f() for f in asks))
        for one in part:
            patch = next(found) if one in free else None
            # an object found since lies there
            if patch is None or known[_pixel(one)]:
                yield None
            else:
                yield _object_in(patch, model.traits.threshold, like, known)


def _pixel(candidate: Candidate) -> tuple[int, int]:
    return round(candidate.click.row), round(candidate.click.col)


def _patch_at(request: SearchRequest, candidate: Candidate) -> Patch:
    """Return the answer at a place."""
    prompts = _prompts(candidate, request.setup.model.traits)
    question = Question(request.setup, request.plane, prompts, initial=candidate.patch)
    return run(Request(0, 0, question, prepared=request.prepared)).patch


def _object_in(
    patch: Patch, threshold: float, like: ObjectLooks, known: NDArray[np.int32]
) -> BoolArray | None:
    """Return what of an answer belongs to nobody; None if it is like none of the known objects."""
    inside = patch.inside(threshold)
    free = inside & (known[patch.slices] == 0)
    area = int(np.count_nonzero(inside))
    if not like.size.fits(area, _LEAST, _MOST) or np.count_nonzero(free) < _FREE * area:
        return None
    found = replace(patch, logits=mask_to_logits(free)).mask()
    return found if like.stands_out(found, known) else None


def _moved(candidate: Candidate, window: Window, shape: tuple[int, int]) -> Candidate:
    """Return a candidate of a window in the pixels of the slice."""
    row0, col0 = window[0].start, window[1].start
    click, patch = candidate.click, candidate.patch
    return replace(
        candidate,
        click=Click(click.row + row0, click.col + col0),
        patch=Patch(patch.row0 + row0, patch.col0 + col0, patch.logits, shape),
    )


def _prompts(candidate: Candidate, traits: Traits) -> Prompts:
    """Return what a model can be asked a candidate by: its middle, or the box round it, or both."""
    rows, cols = candidate.patch.slices
    box = Box(rows.start, cols.start, rows.stop - 1, cols.stop - 1)
    # a click first: it says least about the size, which is to be found out
    for prompts in (
        Prompts((candidate.click,)),
        Prompts(box=box),
        Prompts((candidate.click,), box),
    ):
        kinds = ({"click"} if prompts.clicks else set()) | ({"box"} if prompts.box else set())
        if kinds <= traits.prompts and not missing(prompts, traits):
            return prompts
    raise PromptError(
        "model cannot look for objects: expected one that takes a click or a box, got "
        f"{traits.name!r}. Choose another model."
    )


@dataclass(frozen=True, slots=True, eq=False)
class Guided:
    """An object that was found in a query image.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Overlaps no other one of the image.
    likeness : float
        Of the place to those of the support, see `Candidate`; small ones are worth a look.
    """

    mask: BoolArray
    likeness: float


def learn(
    examples: Sequence[tuple[Setup, Labels]], network: LikenessNetwork | None = None
) -> Support:
    """Return what annotated objects look like.

    Parameters
    ----------
    examples : sequence of (Setup, ndarray of int, shape (H, W))
        Flat images as the model sees them, and the labels on them.
    network : LikenessNetwork, optional
        A guided network, see `models.guided.guided_network.load_guided`; by default a linear
        discriminant of pixels tells objects from what is round them.

    Raises
    ------
    PromptError
        If there is no object, nothing round one, or an image is no flat one.
    """
    shown = [(_seen(setup), np.asarray(labels)) for setup, labels in examples]
    return Support.of(shown, network)


def segment_guided(support: Support, setup: Setup) -> Iterator[Guided]:
    """Go through the objects of a query image, those from the likest places first.

    Parameters
    ----------
    support : Support
        From `learn`.
    setup : Setup
        The model, and the flat image as it sees it.

    Raises
    ------
    PromptError
        If the image is no flat one or too large, or the model takes neither click nor box.
    """
    image = _seen(setup)
    whole = slice(0, image.shape[0]), slice(0, image.shape[1])
    known = np.zeros(image.shape[:2], np.int32)
    like = ObjectLooks(image, whole, support.size, support.contrast)
    request = SearchRequest(setup, Plane(0, 0), whole, known, PreparedCache(CACHE_BYTES))
    candidates = list(support.candidates(image))
    places = ask_candidates(request, candidates, like, known)
    for number, (candidate, found) in enumerate(zip(candidates, places, strict=True), 1):
        if found is not None:
            known[found] = number
            yield Guided(found, candidate.likeness)


def _seen(setup: Setup) -> np.ndarray:
    volume: Volume = setup.volume
    if volume.ndim != 2 or int(np.prod(volume.shape)) > LOOKS_LIMIT_PX:
        raise PromptError(
            f"image cannot be guided: expected a flat one of at most {LOOKS_LIMIT_PX} pixels, got "
            f"shape {volume.shape}. Take single planes, or crop it."
        )
    rows, cols = (slice(0, n) for n in volume.shape)
    return setup.options.intensity.to_rgb(SliceReader(volume, Plane(0, 0))(rows, cols))
