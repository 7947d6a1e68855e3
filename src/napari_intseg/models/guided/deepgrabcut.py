"""DeepGrabCut: an object from a box that need not be tight.

References
----------
.. [1] Xu, N. et al. "Deep GrabCut for object selection", arXiv:1707.00243.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

from napari_intseg.core.prompts import Box, PromptKind
from napari_intseg.core.segmenter import (
    Answer,
    Array,
    BoolArray,
    FloatArray,
    Prepared,
    Query,
    Traits,
)
from napari_intseg.models.checkpoint import required
from napari_intseg.models.device import Precision
from napari_intseg.models.guided.dextr import THRESHOLD, load_psp, prepare_bytes
from napari_intseg.models.image_input import answer_of, empty_answer, resize
from napari_intseg.models.net_model import NetModel, OnDevice
from napari_intseg.models.nets.resnet import resize as resize_corners

# as published (arXiv:1707.00243)
SIDE_PX = 450
FRAME = (SIDE_PX, SIDE_PX)


def build(
    name: str, weights: Path | None, *, device: str = "auto", precision: Precision = "auto"
) -> "DeepGrabCut":
    """Return DeepGrabCut with a published checkpoint.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    """
    # it sees one size, so a smaller view needs no less memory
    return DeepGrabCut(
        name, OnDevice.quick(load_psp(required(weights, name)), device, precision, views_px=())
    )


class DeepGrabCut(NetModel):
    """A box; the whole slice is seen at 450x450 pixels."""

    def __init__(self, name: str, hosted: OnDevice) -> None:
        self.hosted = hosted
        kinds: frozenset[PromptKind] = frozenset({"box"})
        self.traits = Traits(name, kinds, threshold=THRESHOLD, needs=kinds)

    def prepare(self, image: FloatArray) -> Prepared:
        """Stretch the image to 450x450 pixels, as bytes."""
        payload = resize(prepare_bytes(image).payload, FRAME, "bicubic")
        return Prepared((image.shape[0], image.shape[1]), payload, payload.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer a box; without one the answer is empty and says so."""
        box, shape = query.prompts.box, query.prepared.shape
        if box is None:
            return empty_answer(shape, "a box round the object")
        distance = distance_map(box_outline(box, shape))
        prob = self.probability(query.prepared.payload, distance)
        return answer_of(resize(prob, shape, "bilinear"))

    def probability(self, frame: Array, distance: NDArray[np.uint8]) -> FloatArray:
        """Return the probability on the 450x450 frame."""
        prob: FloatArray = self.hosted.run(
            np.dstack([frame, distance]),
            lambda net, x: resize_corners(net(x).float(), FRAME).sigmoid(),
        )[0]
        return prob


def box_outline(box: Box, shape: tuple[int, int]) -> BoolArray:
    """Return the one-pixel outline of a box of the slice, drawn on the 450x450 frame."""
    (row0, row1), (col0, col1) = (
        # pixel centres on pixel centres
        np.clip(np.round((np.array(ends) + 0.5) * SIDE_PX / n - 0.5), 0, SIDE_PX - 1).astype(int)
        for ends, n in (((box.row0, box.row1), shape[0]), ((box.col0, box.col1), shape[1]))
    )
    outline = np.zeros(FRAME, bool)
    outline[row0 : row1 + 1, [col0, col1]] = True
    outline[[row0, row1], col0 : col1 + 1] = True
    return outline


def distance_map(outline: BoolArray) -> NDArray[np.uint8]:
    """Return 128 less the distance to an outline inside it, 128 more outside, as bytes.

    Parameters
    ----------
    outline : ndarray of bool, shape (H, W)
        A closed contour one pixel wide. Inside is what a 4-connected fill from the centre of its
        box reaches.
    """
    rows, cols = np.nonzero(outline)
    centre = (int(rows.min() + rows.max()) // 2, int(cols.min() + cols.max()) // 2)
    regions, _ = label(~outline)
    inside = (regions == regions[centre]) & ~outline
    away = distance_transform_edt(~outline)
    # a byte: 128 on the outline, as the network was trained
    signed = np.where(inside, 128 - away, 128 + away)
    return np.asarray(np.clip(signed, 0, 255).astype(np.uint8))
