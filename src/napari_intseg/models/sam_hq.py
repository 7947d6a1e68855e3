"""The decoder of SAM-HQ (arXiv:2306.01567), from the parts that the transformers library has.

The library's own forward pass is not used: up to release 5.23 it enlarges the image embedding
from before the transformer instead of the one after it, and so differs from the published model.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.sam_hq.configuration_sam_hq import SamHQMaskDecoderConfig
from transformers.models.sam_hq.modeling_sam_hq import SamHQMaskDecoder


class HighQualityDecoder(SamHQMaskDecoder):
    """SAM's decoder with a fifth mask token that reads finer features.

    Parameters
    ----------
    early_dim : int
        Channels of the encoder's early feature.
    """

    def __init__(self, early_dim: int) -> None:
        config = SamHQMaskDecoderConfig(layer_norm_eps=1e-5, vit_dim=early_dim)
        config._attn_implementation = "sdpa"
        super().__init__(config)

    def fine(self, image: Tensor, early: Tensor) -> Tensor:
        """Return the finer features, which do not depend on prompts.

        Parameters
        ----------
        image : Tensor, shape (1, 256, 64, 64)
            Image embedding.
        early : Tensor, shape (1, 64, 64, C)
            The encoder's early feature.

        Returns
        -------
        Tensor, shape (1, 32, 256, 256)
        """
        late = self.encoder_conv2(self.activation(self.encoder_norm(self.encoder_conv1(image))))
        shallow = self.compress_vit_conv1(early.permute(0, 3, 1, 2))
        shallow = self.compress_vit_conv2(self.activation(self.compress_vit_norm(shallow)))
        out: Tensor = late + shallow
        return out

    def forward(  # type: ignore[override]  # other arguments, as fine features come ready
        self, image: Tensor, grid: Tensor, sparse: Tensor, fine: Tensor
    ) -> tuple[Tensor, ...]:
        """Return SAM's four masks, the fifth, and SAM's four scores.

        Parameters
        ----------
        image : Tensor, shape (1, 256, 64, 64)
            Image embedding with the mask prompt's added.
        grid : Tensor, shape (1, 256, 64, 64)
            Position code.
        sparse : Tensor, shape (1, 1, n, 256)
            Codes of points and corners.
        fine : Tensor, shape (1, 32, 256, 256)
            From `fine`.

        Returns
        -------
        masks : Tensor, shape (4, 256, 256)
        extra : Tensor, shape (1, 256, 256)
        scores : Tensor, shape (4,)
        """
        tokens = [self.iou_token.weight, self.mask_tokens.weight, self.hq_token.weight]
        tokens_out, image_out = self.transformer(
            point_embeddings=torch.cat([*tokens, sparse[0, 0]])[None, None],
            image_embeddings=image,
            image_positional_embeddings=grid,
            attention_similarity=None,
        )
        image_out = image_out.transpose(2, 3).reshape(image.shape)
        up = self.activation(self.upscale_layer_norm(self.upscale_conv1(image_out)))
        up = self.activation(self.upscale_conv2(up))
        heads = (*self.output_hypernetworks_mlps, self.hq_mask_mlp)
        weights = torch.stack([head(tokens_out[0, 0, 1 + i]) for i, head in enumerate(heads)])
        masks = torch.einsum("nc,chw->nhw", weights[:-1], up[0])
        wide = self.activation(self.mask_norm(self.mask_conv1(up)))
        # the last convolution and the product with the fifth token are one, 32 times smaller
        last: Any = self.mask_conv2
        kernel = torch.einsum("nc,cdij->ndij", weights[-1:], last.weight)
        extra = functional.conv2d(wide, kernel, weights[-1:] @ last.bias, padding=1)[0]
        extra = extra + torch.einsum("nc,chw->nhw", weights[-1:], fine[0])
        return masks, extra, self.iou_prediction_head(tokens_out[0, 0, 0])

    def answer(
        self, parts: tuple[Tensor, ...], *, multimask: bool, hq_only: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks (n, 256, 256) and scores (n,) from what `forward` gave, best first."""
        masks, extra, scores = parts
        chosen = torch.argsort(scores[1:], descending=True) + 1 if multimask else [0]
        if hq_only:
            return extra, scores[chosen][:1]
        return masks[chosen] + extra, scores[chosen]
