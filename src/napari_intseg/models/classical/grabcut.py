"""GrabCut: colours of object and background, and the cut between them, from a box or clicks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_intseg.core.prompts import (
    Box,
    Point,
    PromptKind,
    Prompts,
    discs,
    seed_points,
)
from napari_intseg.core.segmenter import (
    Answer,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
    ZoomIn,
)
from napari_intseg.models.image_input import load_opencv

PROMPTS: frozenset[PromptKind] = frozenset({"click", "box", "scribble", "mask"})
# no crop for the first click, then twice the object's box, anew each time: colours of the ground
# have to be in view as well
ZOOM_IN = ZoomIn(skip_clicks=0, target_size=None, min_crop_size=320, expansion=2.0, keep_crop=False)
Trimap = NDArray[np.uint8]

# OpenCV's own numbers
_BACK, _OBJECT, _LIKELY_BACK, _LIKELY_OBJECT = range(4)
# radius of the disc that a click becomes: one pixel has no colours to learn
_SEED_PX = 2.0
# a click alone is taken for a disc of this radius, as a share of the shorter side
_GUESS = 1 / 6
# Gaussians for the object, and as many for the ground (OpenCV's number); fewer pixels than that
# cannot be modelled
_COLOURS = 5
# logits of a mask that knows no probabilities: 95 %
_SURE = 3.0


def build(
    name: str,
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    iterations: int = 5,
) -> "GrabCut":
    """Return the model; it has no weights and runs on the CPU, whatever is asked.

    Parameters
    ----------
    iterations : int, default 5
        How often colours are learnt and cut anew.

    Raises
    ------
    MissingExtraError
        If OpenCV is not installed.
    """
    del weights, device, precision
    # said now, and not at the first click
    load_opencv()
    return GrabCut(
        Traits(name, PROMPTS, zoom_in=ZOOM_IN, longer_side_px=512, uses_prev=True), iterations
    )


@dataclass(frozen=True, slots=True)
class GrabCut:
    """GrabCut [1]_ as OpenCV computes it.

    A box says that everything outside is background, a previous answer or a mask what is likely
    the object; clicks and lines are certain. A click alone is taken for the middle of a disc.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    iterations : int
        See `build`.

    References
    ----------
    .. [1] Rother, C., Kolmogorov, V., Blake, A. "GrabCut: interactive foreground extraction using
       iterated graph cuts", ACM Transactions on Graphics 23, 2004, doi:10.1145/1015706.1015720.
    """

    traits: Traits
    iterations: int = 5

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image as bytes, blue first."""
        payload = np.ascontiguousarray(np.round(image[..., ::-1] * 255).astype(np.uint8))
        return Prepared((image.shape[0], image.shape[1]), payload, payload.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer one query; without anything that says where the object is nothing is found."""
        shape, prompts = query.prepared.shape, query.prompts
        trimap = make_trimap(prompts, query.prev_logits, shape)
        mask = np.isin(trimap, (_OBJECT, _LIKELY_OBJECT))
        if mask.any():
            mask = self._cut(query.prepared.payload, trimap)
            mask = _with_seeds(mask, _points(prompts, shape, positive=True), shape)
        return Answer(np.where(mask, np.float32(_SURE), np.float32(-_SURE)))

    def _cut(self, image: NDArray[np.uint8], trimap: Trimap) -> BoolArray:
        likely = np.isin(trimap, (_OBJECT, _LIKELY_OBJECT))
        if min(np.count_nonzero(likely), np.count_nonzero(~likely)) < _COLOURS:
            return likely
        cv2 = load_opencv()
        # it begins with random means
        cv2.setRNGSeed(0)
        # OpenCV keeps its colour models there: 5 Gaussians of 13 numbers
        scratch = np.zeros((2, 1, 65), np.float64)
        out, _, _ = cv2.grabCut(
            # it writes into the mask
            image, trimap.copy(), None, scratch[0], scratch[1], self.iterations,
            cv2.GC_INIT_WITH_MASK,
        )  # fmt: skip
        return np.isin(out, (_OBJECT, _LIKELY_OBJECT))


def make_trimap(prompts: Prompts, prev_logits: FloatArray | None, shape: tuple[int, int]) -> Trimap:
    """Return what is certain and what is likely before the cut.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        0 background, 1 object, 2 likely background, 3 likely object.
    """
    positive = _points(prompts, shape, positive=True)
    out = np.full(shape, _LIKELY_BACK, np.uint8)
    if prev_logits is not None and (prev_logits > 0).any():
        out[prev_logits > 0] = _LIKELY_OBJECT
    elif prompts.box is not None:
        out[_slices(prompts.box, shape)] = _LIKELY_OBJECT
    else:
        out[discs(positive, shape, _GUESS * min(shape))] = _LIKELY_OBJECT
        # a rim of certain ground, since the ground's colours have to come from somewhere
        out[[0, -1]] = out[:, [0, -1]] = _BACK
    if prompts.box is not None:
        outside = np.ones(shape, bool)
        outside[_slices(prompts.box, shape)] = False
        out[outside] = _BACK
    for point, sign in seed_points(prompts, shape):
        out[discs([point], shape, _SEED_PX)] = _OBJECT if sign else _BACK
    return out


def _points(prompts: Prompts, shape: tuple[int, int], *, positive: bool) -> list[Point]:
    return [p for p, sign in seed_points(prompts, shape) if sign == positive]


def _slices(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    (row0, row1), (col0, col1) = (
        (max(0, round(first)), min(size, round(last) + 1))
        for first, last, size in ((box.row0, box.row1, shape[0]), (box.col0, box.col1, shape[1]))
    )
    return slice(row0, row1), slice(col0, col1)


def _with_seeds(mask: BoolArray, seeds: list[Point], shape: tuple[int, int]) -> BoolArray:
    """Return the parts of a mask that hold a seed; all of it where there is none."""
    parts, _ = ndimage.label(mask)
    held = np.unique(parts[discs(seeds, shape, _SEED_PX)])
    held = held[held > 0]
    return np.isin(parts, held) if held.size else mask
