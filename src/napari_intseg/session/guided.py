"""One or a few annotated images segment others: support images guide a model on query images.

Guided networks [1]_ pool features of the annotated pixels of a support image and compare those of a
query with them. Here the guide is what tells the annotated objects from their surroundings, see
`inference.candidates`; where a query looks alike, any click model is asked, and its answers are
taken as far as they are like the annotated objects in size and contrast.

References
----------
.. [1] Rakelly, K. et al. "Few-shot segmentation propagation with guided networks", 2018,
   arXiv:1806.07373.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_intseg.core.segmenter import BoolArray
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.inference.candidates import LIMIT_PX, Labels, Support
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.session.embeddings import PreparedCache
from napari_intseg.session.predictor import CACHE_BYTES
from napari_intseg.session.question import Setup
from napari_intseg.session.similar import ObjectLooks, SearchRequest, ask_candidate


@dataclass(frozen=True, slots=True, eq=False)
class Guided:
    """An object that a query image has.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Overlaps no other one of the image.
    likeness : float
        Of the place to those of the support, see `Candidate`; small ones are worth a look.
    """

    mask: BoolArray
    likeness: float


def learn(examples: Sequence[tuple[Setup, Labels]]) -> Support:
    """Return what annotated objects look like.

    Parameters
    ----------
    examples : sequence of (Setup, ndarray of int, shape (H, W))
        Flat images as the model sees them, and the labels on them.

    Raises
    ------
    PromptError
        If there is no object, nothing round one, or an image is no flat one.
    """
    return Support.of([(_seen(setup), np.asarray(labels)) for setup, labels in examples])


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
    for number, candidate in enumerate(support.candidates(image), 1):
        found = ask_candidate(request, candidate, like, known)
        if found is not None:
            known[found] = number
            yield Guided(found, candidate.likeness)


def _seen(setup: Setup) -> np.ndarray:
    volume: Volume = setup.volume
    if volume.ndim != 2 or int(np.prod(volume.shape)) > LIMIT_PX:
        raise PromptError(
            f"image cannot be guided: expected a flat one of at most {LIMIT_PX} pixels, got shape "
            f"{volume.shape}. Take single planes, or crop it."
        )
    rows, cols = (slice(0, n) for n in volume.shape)
    return setup.options.intensity.to_rgb(SliceReader(volume, Plane(0, 0))(rows, cols))
