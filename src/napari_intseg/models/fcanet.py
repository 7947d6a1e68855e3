"""FCANet: the first click says where the object is, the later ones correct its outline.

References
----------
.. [1] Lin, Z. et al. "Interactive image segmentation with first click attention", CVPR 2020.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Answer, BoolArray, FloatArray, Prepared, Query, Traits
from napari_intseg.models.checkpoint import load_checkpoint, load_strict, required
from napari_intseg.models.device import Precision
from napari_intseg.models.guided.crops import answer, empty_answer
from napari_intseg.models.guided.dextr import prepare_bytes
from napari_intseg.models.image_input import resize
from napari_intseg.models.memory_saving import NetModel, OnDevice
from napari_intseg.models.nets.fca_net import FcaNet

# as published (Lin, Z. et al., CVPR 2020)
SHORTER_PX = 512
FAR_PX = 255.0


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    connected: bool = True,
) -> "FcaNetModel":
    """Return FCANet with a published checkpoint, ResNet-101 or Res2Net-101.

    Parameters
    ----------
    connected : bool, default True
        Keep only parts of the answer that hold a positive click, as published.

    Raises
    ------
    WeightsError
        If the checkpoint is missing, damaged, foreign or unsafe.
    """
    path = required(weights, name)
    loaded = load_checkpoint(path)
    is_res2net = isinstance(loaded, dict) and "backbone_pre.conv1.0.weight" in loaded
    net = FcaNet("res2net" if is_res2net else "resnet")
    load_strict(net, loaded, path)
    # it sees one size, so a smaller view needs no less memory
    return FcaNetModel(
        name, OnDevice.quick(net, device, precision, views_px=()), connected=connected
    )


class FcaNetModel(NetModel):
    """Clicks, the first of which is positive; the slice is seen with a shorter side of 512."""

    def __init__(self, name: str, hosted: OnDevice, *, connected: bool = True) -> None:
        self.hosted = hosted
        self.connected = connected
        self.traits = Traits(name)

    def prepare(self, image: FloatArray) -> Prepared:
        """Resize the image, as bytes."""
        height, width = image.shape[:2]
        shorter = min(height, width)
        size = int(height * SHORTER_PX / shorter), int(width * SHORTER_PX / shorter)
        payload = resize(prepare_bytes(image).payload, size, "bilinear")
        return Prepared((height, width), payload, payload.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer once there is a positive click: the first of them is the one attended to."""
        clicks, shape = query.prompts.clicks, query.prepared.shape
        first = next((c for c in clicks if c.positive), None)
        if first is None:
            return empty_answer(shape, "a click on the object")
        resized = query.prepared.payload
        groups = ([c for c in clicks if c.positive], [c for c in clicks if not c.positive], [first])
        maps = [distances(group, shape, resized.shape[:2]) for group in groups]
        prob = resize(self.probability(resized, maps), shape, "bilinear")
        if self.connected:
            prob[(prob > self.traits.threshold) & ~clicked_parts(prob > 0.5, clicks)] = 0
        return answer(prob)

    def logits(self, resized: FloatArray, maps: Sequence[FloatArray]) -> FloatArray:
        """Return logits of an image (0..255) and its three distance maps, all of one size."""
        x = np.dstack([np.asarray(resized, np.float32) / 255, *maps])

        def forward(net: torch.nn.Module, x: Tensor) -> Tensor:
            out: Tensor = net(x[:, :3], x[:, 3:])
            return out

        logits: FloatArray = self.hosted.run(x, forward)[0]
        return logits

    def probability(self, resized: FloatArray, maps: Sequence[FloatArray]) -> FloatArray:
        """Return the probability, see `logits`."""
        return np.asarray(1 / (1 + np.exp(-self.logits(resized, maps))), np.float32)


def distances(clicks: Sequence[Click], shape: tuple[int, int], size: tuple[int, int]) -> FloatArray:
    """Return pixels to the nearest click on the resized image, cut at 255.

    Parameters
    ----------
    clicks : sequence of Click
        In pixels of the slice; those outside it are left out.
    shape, size : (int, int)
        Of the slice and of the resized image. Positions are truncated to whole pixels.
    """
    clear = np.ones(size, bool)
    for click in clicks:
        row, col = click.row * size[0] / shape[0], click.col * size[1] / shape[1]
        if 0 <= row < size[0] and 0 <= col < size[1]:
            clear[int(row), int(col)] = False
    if clear.all():
        return np.full(size, FAR_PX, np.float32)
    return np.asarray(np.minimum(ndimage.distance_transform_edt(clear), FAR_PX), np.float32)


def clicked_parts(mask: BoolArray, clicks: Sequence[Click], *, diagonal: bool = False) -> BoolArray:
    """Return the connected parts of a mask that hold a positive click.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
    clicks : sequence of Click
        Negative ones and those outside do not count.
    diagonal : bool, default False
        Whether pixels that touch at a corner are connected.
    """
    parts, _ = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    kept = set()
    for click in clicks:
        row, col = round(click.row), round(click.col)
        if click.positive and 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1]:
            kept.add(int(parts[row, col]))
    return np.asarray(np.isin(parts, sorted(kept - {0})))
