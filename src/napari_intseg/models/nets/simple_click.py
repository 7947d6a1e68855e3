"""SimpleClick: a plain vision transformer that takes clicks as a second patch embedding.

References
----------
.. [1] Liu, Q. et al. "SimpleClick: interactive image segmentation with simple vision
   transformers", arXiv:2210.11006.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_intseg.models.nets.click_maps import ClickMaps
from napari_intseg.models.nets.click_net import IMAGENET_MEAN, IMAGENET_STD, ClickInput, Logits
from napari_intseg.models.nets.plain_vit import AllMlpHead, PatchEmbed, PlainViT, SimplePyramid
from napari_intseg.models.nets.taps import NO_TAPS, Taps, tap


@dataclass(frozen=True, slots=True)
class SimpleClickSizes:
    """What distinguishes the published sizes.

    Parameters
    ----------
    side_px : int
        The only image side that the network takes.
    patch_px : int
        Side of a patch.
    dim, depth, heads, mlp_ratio, qkv_bias : int, int, int, float, bool
        Of the transformer.
    pyramid : tuple of int
        Channels of the four scales.
    channels : int
        Of the head.
    upsample : {"x1", "x2", "x4"}
        How often the head doubles its map.
    """

    side_px: int
    patch_px: int
    dim: int
    depth: int
    heads: int
    mlp_ratio: float
    qkv_bias: bool
    pyramid: tuple[int, ...]
    channels: int
    upsample: str


class SimpleClickNet(nn.Module):
    """Image, clicks and previous answer in, logits out; called like a `ClickNet`.

    Notes
    -----
    Taps: "image", the normalised colours; "maps", the click maps.
    """

    def __init__(self, sizes: SimpleClickSizes) -> None:
        super().__init__()
        self.clicks = ClickInput(with_prev=True)
        self.click_maps = ClickMaps(self.clicks.radius, self.clicks.maps)
        patch = (sizes.patch_px, sizes.patch_px)
        self.patch_embed_coords = PatchEmbed(patch, 3, sizes.dim)
        self.backbone = PlainViT(
            img_size=(sizes.side_px, sizes.side_px),
            patch_size=patch,
            in_chans=3,
            embed_dim=sizes.dim,
            depth=sizes.depth,
            num_heads=sizes.heads,
            mlp_ratio=sizes.mlp_ratio,
            qkv_bias=sizes.qkv_bias,
        )
        self.neck = SimplePyramid(sizes.dim, list(sizes.pyramid))
        self.head = AllMlpHead(list(sizes.pyramid), sizes.channels, sizes.upsample)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[None, :, None, None], persistent=False)

    def forward(
        self, image: Tensor, points: Tensor, prev: Tensor | None = None, taps: Taps = NO_TAPS
    ) -> Logits:
        """Return logits at the image's size.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, side, side)
            RGB in [0, 1].
        points : Tensor of float32, shape (B, 2n, 2 or 3)
            See `ClickMaps`.
        prev : Tensor of float32, shape (B, 1, side, side), optional
            The previous probability; zeros if it is left out.
        taps : mapping, optional
            Places where the caller changes what flows by.
        """
        shape = (image.shape[-2], image.shape[-1])
        maps = tap(taps, "maps", self.click_maps(points, shape))
        before = torch.zeros_like(maps[:, :1]) if prev is None else prev
        colours = (image - self.get_buffer("mean")) / self.get_buffer("std")
        colours = tap(taps, "image", colours)
        dtype = self.patch_embed_coords.proj.weight.dtype
        extra = self.patch_embed_coords(torch.cat([before, maps], dim=1).to(dtype))
        logits = self.head(self.neck(self.backbone(colours.to(dtype), extra)))
        # corners on corners, as the reference resizes its last map
        full = F.interpolate(logits.float(), shape, mode="bilinear", align_corners=True)
        return Logits(full, None)
