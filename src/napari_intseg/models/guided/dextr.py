"""DEXTR: an object from its four extreme points.

References
----------
.. [1] Maninis, K.-K. et al. "Deep extreme cut: from extreme points to object segmentation",
   arXiv:1711.09081.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import Answer, Array, FloatArray, Prepared, Query, Traits
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision
from napari_intseg.models.image_input import (
    Extent,
    answer_of,
    bumps,
    cut,
    empty_answer,
    paste,
    resize,
    to_bytes_range,
)
from napari_intseg.models.net_model import NetModel, OnDevice, random_start_skipped
from napari_intseg.models.nets.resnet import PspResNet
from napari_intseg.models.nets.resnet import resize as resize_corners

# what the network sees, room round the points, their number, and the threshold; all as published
# (arXiv:1711.09081)
SIDE_PX = 512
PAD_PX = 50
POINTS = 4
THRESHOLD = 0.8


def build(
    name: str, weights: Path | None, *, device: str = "auto", precision: Precision = "auto"
) -> "Dextr":
    """Return DEXTR with a published checkpoint.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    """
    # it sees one size, so a smaller view needs no less memory
    return Dextr(
        name, OnDevice.quick(load_psp(required(weights, name)), device, precision, views_px=())
    )


def load_psp(path: Path) -> PspResNet:
    """Return the network of a bare state dict; names may start with ``module.``."""
    loaded = load_checkpoint(path)
    if isinstance(loaded, dict):
        # networks that were trained on several GPUs have the prefix
        loaded = {str(key).removeprefix("module."): value for key, value in loaded.items()}
    with random_start_skipped():
        net = PspResNet()
    load_strict(net, loaded, path)
    return net


class Dextr(NetModel):
    """Four extreme points, in any order, as positive clicks; further ones refine them."""

    def __init__(self, name: str, hosted: OnDevice) -> None:
        self.hosted = hosted
        kinds: frozenset[PromptKind] = frozenset({"extreme_points"})
        self.traits = Traits(name, kinds, threshold=THRESHOLD, needs=kinds)

    def prepare(self, image: FloatArray) -> Prepared:
        """Keep the image as bytes: crops depend on the points."""
        return prepare_bytes(image)

    def predict(self, query: Query) -> Answer:
        """Answer once there are four points; until then the answer is empty and says so."""
        points = [(c.row, c.col) for c in query.prompts.clicks if c.positive]
        shape = query.prepared.shape
        if len(points) < POINTS:
            return empty_answer(shape, f"{POINTS - len(points)} more extreme points")
        image: Array = query.prepared.payload
        tight = (
            round(min(r for r, _ in points)),
            round(min(c for _, c in points)),
            round(max(r for r, _ in points)),
            round(max(c for _, c in points)),
        )
        extent = (tight[0] - PAD_PX, tight[1] - PAD_PX, tight[2] + PAD_PX, tight[3] + PAD_PX)
        prob = self.probability(image, points, extent)
        # extreme points bound the object: nothing beyond them is object
        outside = np.ones(shape, bool)
        outside[max(tight[0], 0) : tight[2] + 1, max(tight[1], 0) : tight[3] + 1] = False
        prob[outside] = 0
        return answer_of(prob)

    def probability(
        self, image: Array, points: Sequence[tuple[float, float]], extent: Extent
    ) -> FloatArray:
        """Return the probability on the slice, zero outside `extent`; may leave [0, 1]."""
        crop = resize(cut(image, extent), (SIDE_PX, SIDE_PX), "bicubic")
        height, width = extent[2] - extent[0] + 1, extent[3] - extent[1] + 1
        moved = [
            (
                # truncated to whole pixels, as published
                float(int(SIDE_PX * (row - extent[0]) / height)),
                float(int(SIDE_PX * (col - extent[1]) / width)),
            )
            for row, col in points
        ]
        heat = to_bytes_range(bumps(moved, (SIDE_PX, SIDE_PX)))
        prob = self.hosted.run(
            np.dstack([crop, heat]),
            lambda net, x: resize_corners(net(x).float(), (SIDE_PX, SIDE_PX)).sigmoid(),
        )[0]
        return paste(resize(prob, (height, width), "bicubic"), extent, image.shape[:2])


def prepare_bytes(image: FloatArray) -> Prepared:
    """Return an image in [0, 1] as uint8, for networks that take 0..255."""
    payload = np.round(np.asarray(image, np.float32) * 255).astype(np.uint8)
    return Prepared((image.shape[0], image.shape[1]), payload, payload.nbytes)
