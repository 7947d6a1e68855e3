"""MobileSAM, and SAM-HQ with the same small encoder: SAM for a CPU."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from napari_intseg.models.device import Precision, choose_device, choose_precision
from napari_intseg.models.nets.tiny_vit import EARLY_DIM, TinyViT
from napari_intseg.models.sam.adapter import SamSegmenter
from napari_intseg.models.sam.keys import TINY_RULES
from napari_intseg.models.sam.mask_decoder import Embedding, PromptedNet, to_grid
from napari_intseg.models.sam.weight_files import load_into, read_weights


class TinyEncoder(TinyViT):
    """TinyViT with its embedding on SAM's grid, for any side of the square."""

    hq = False

    def embed(self, pixels: Tensor) -> Embedding:
        """Return the embedding, and for SAM-HQ the early feature."""
        image, early = self(pixels)
        embedding = {"image": to_grid(image)}
        if self.hq:
            embedding["early"] = to_grid(early).permute(0, 2, 3, 1)
        return embedding


def make_net(*, hq: bool = False, hq_only: bool = False) -> PromptedNet:
    """Return MobileSAM or SAM-HQ tiny, whose weights are still to be loaded with `load_into`."""
    with torch.device("meta"):
        encoder = TinyEncoder()
        encoder.hq = hq
        return PromptedNet(encoder, early_dim=EARLY_DIM if hq else None, hq_only=hq_only)


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    multimask: bool | Literal["auto"] = "auto",
    feed_back: bool = True,
    hq_only: bool = False,
) -> SamSegmenter:
    """Load MobileSAM [1]_ or SAM-HQ with its encoder [2]_.

    Parameters
    ----------
    name : str
        A name of the registry; with "hq" in it, SAM-HQ.
    weights : Path
        The published file.
    device, precision : str
        As in `napari_intseg.models.registry.load_model`.
    multimask, feed_back
        See `SamSegmenter`.
    hq_only : bool
        SAM-HQ's own mask alone.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged or of another model.
    DeviceError
        If the device does not exist.

    References
    ----------
    .. [1] Zhang, C. et al. "Faster Segment Anything", arXiv:2306.14289.
    .. [2] Ke, L. et al. "Segment Anything in High Quality", arXiv:2306.01567.
    """
    chosen = choose_device(device)
    dtype = choose_precision(precision, chosen)
    state_dict, path = read_weights(name, weights, TINY_RULES)
    net = make_net(hq="hq" in name, hq_only=hq_only)
    load_into(net, state_dict, path)
    return SamSegmenter(
        net, name, device=chosen, dtype=dtype, multimask=multimask, feed_back=feed_back
    )
