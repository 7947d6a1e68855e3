"""SAM's prompt encoder and mask decoder round any image encoder, and reading their weights.

Both are of the transformers library; weights come as original checkpoints, single files or Hugging
Face folders.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.sam.configuration_sam import (
    SamConfig,
    SamMaskDecoderConfig,
    SamPromptEncoderConfig,
    SamVisionConfig,
)
from transformers.models.sam.modeling_sam import (
    SamAttention,
    SamMaskDecoder,
    SamPositionalEmbedding,
    SamPromptEncoder,
)
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoAttention
from transformers.models.sam_hq.configuration_sam_hq import SamHQMaskDecoderConfig
from transformers.models.sam_hq.modeling_sam_hq import SamHQMaskDecoder

from napari_intseg.core.prompts import Box, Prompts
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, bounding_box
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint, load_strict
from napari_intseg.models.device import upload
from napari_intseg.models.sam.keys import Rules, renamed, tied, unwrapped
from napari_intseg.models.sam.square_frame import SIDE_PX, SquareFrame

_CPU = torch.device("cpu")

# tokens up to which regrouping is less work: 8 heads of 16 channels against 256
_FEW = 16


class _Regrouped(nn.Module):
    """The arithmetic, for either of the library's attention modules."""

    num_attention_heads: int
    scaling: float
    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear

    @property
    def last(self) -> nn.Linear:
        """The projection of what was attended to."""
        raise AttributeError

    def to_places(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Let tokens (n, C) attend to places (N, C)."""
        heads, dim = self.num_attention_heads, key.shape[1]
        asked = self.q_proj(query).view(len(query), heads, -1).transpose(0, 1) * self.scaling
        # the bias of k_proj shifts all scores of a token alike, and falls out of the softmax
        asked = (asked @ self.k_proj.weight.view(heads, -1, dim)).view(-1, dim)
        weights = (asked @ key.T).softmax(dim=-1)
        mixed = (weights @ value).view(heads, -1, dim)
        found = mixed @ self.v_proj.weight.view(heads, -1, dim).transpose(1, 2)
        out: Tensor = self.last(found.transpose(0, 1).flatten(1) + self.v_proj.bias)
        return out

    def from_places(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Let places (N, C) attend to tokens (n, C)."""
        heads, dim = self.num_attention_heads, query.shape[1]
        offered = self.k_proj(key).view(len(key), heads, -1).transpose(0, 1) * self.scaling
        wanted = (offered @ self.q_proj.weight.view(heads, -1, dim)).view(-1, dim)
        shift = (offered * self.q_proj.bias.view(heads, 1, -1)).sum(dim=-1).flatten()
        # places last, so that the softmax over a few tokens runs along them
        scores = torch.addmm(shift[:, None], wanted, query.T).view(heads, len(key), -1)
        carried = self.v_proj(value).view(len(key), heads, -1).transpose(0, 1)
        back = self.last.weight.view(dim, heads, -1).permute(1, 2, 0)
        weights = scores.softmax(dim=1).view(-1, len(query))
        return torch.addmm(self.last.bias, weights.T, (carried @ back).view(-1, dim))

    def regrouped(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor | None:
        """Return the outcome for a single image and prompt, None where it is not worth while."""
        # a processor takes one question at a time; batches, on a device, are left to the library
        if query.shape[0] != 1 or query.shape[1] != 1:
            return None
        one, other, third = query[0, 0], key[0, 0], value[0, 0]
        if len(one) <= _FEW < len(other):
            return self.to_places(one, other, third)[None, None]
        if len(other) <= _FEW < len(one):
            return self.from_places(one, other, third)[None, None]
        return None


class FewTokens(_Regrouped, SamAttention):
    """The attention of SAM's decoder."""

    @property
    def last(self) -> nn.Linear:
        """The projection of what was attended to."""
        return cast(nn.Linear, self.out_proj)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Any:
        """Attend, (1, 1, n, C) to (1, 1, m, C); the second value is the library's."""
        found = self.regrouped(query, key, value)
        if found is None:
            return super().forward(query, key, value, *rest, **more)
        return found, None


class FewTokens2(_Regrouped, Sam2VideoAttention):
    """The attention of SAM 2's decoder."""

    @property
    def last(self) -> nn.Linear:
        """The projection of what was attended to."""
        return cast(nn.Linear, self.o_proj)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Any:
        """Attend, (1, 1, n, C) to (1, 1, m, C); the second value is the library's."""
        found = self.regrouped(query, key, value)
        if found is None:
            return super().forward(query, key, value, *rest, **more)
        return found, None


def regroup(decoder: Any) -> None:
    """Give a mask decoder of the library this attention; before its weights are loaded."""
    transformer = decoder.transformer
    config = transformer.config
    kind: Any = FewTokens2 if isinstance(_first(transformer), Sam2VideoAttention) else FewTokens
    for layer in transformer.layers:
        layer.cross_attn_token_to_image = kind(config)
        layer.cross_attn_image_to_token = kind(config)
    transformer.final_attn_token_to_image = kind(config)


def _first(transformer: Any) -> nn.Module:
    attention: nn.Module = transformer.final_attn_token_to_image
    return attention


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

    # other arguments, as fine features come ready
    def forward(
        self, image: Tensor, grid: Tensor, sparse: Tensor, fine: Tensor
    ) -> tuple[Tensor, ...]:
        """Return SAM's four masks, the fifth, and SAM's four scores.

        Parameters
        ----------
        image : Tensor, shape (B, 256, 64, 64)
            Image embedding with the mask prompt's added.
        grid : Tensor, shape (1, 256, 64, 64)
            Position code.
        sparse : Tensor, shape (B, 1, n, 256)
            Codes of points and corners.
        fine : Tensor, shape (B or 1, 32, 256, 256)
            From `fine`.

        Returns
        -------
        masks : Tensor, shape (B, 4, 256, 256)
        extra : Tensor, shape (B, 1, 256, 256)
        scores : Tensor, shape (B, 4)
        """
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight, self.hq_token.weight])
        tokens_out, image_out = self.transformer(
            point_embeddings=torch.cat([own.expand(len(sparse), 1, -1, -1), sparse], dim=2),
            image_embeddings=image,
            image_positional_embeddings=grid,
            attention_similarity=None,
        )
        image_out = image_out.transpose(2, 3).reshape(image.shape)
        up = self.activation(self.upscale_layer_norm(self.upscale_conv1(image_out)))
        up = self.activation(self.upscale_conv2(up))
        heads = (*self.output_hypernetworks_mlps, self.hq_mask_mlp)
        made = [head(tokens_out[:, 0, 1 + i]) for i, head in enumerate(heads)]
        weights, own_weights = torch.stack(made[:-1], dim=1), made[-1]
        masks = torch.einsum("bnc,bchw->bnhw", weights, up)
        wide = self.activation(self.mask_norm(self.mask_conv1(up)))
        # the last convolution and the product with the fifth token are one, 32 times smaller; of
        # each question in a group of its own
        last: Any = self.mask_conv2
        kernel = torch.einsum("bc,cdij->bdij", own_weights, last.weight)
        grouped = wide.reshape(1, -1, *wide.shape[2:])
        extra = functional.conv2d(
            grouped, kernel, own_weights @ last.bias, padding=1, groups=len(wide)
        ).transpose(0, 1)
        extra = extra + torch.einsum("bc,bchw->bhw", own_weights, fine.expand_as(up))[:, None]
        return masks, extra, self.iou_prediction_head(tokens_out[:, 0, 0])

    def answer(
        self, parts: tuple[Tensor, ...], *, multimask: bool, hq_only: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks (B, n, 256, 256), scores (B, n) from what `forward` gave, best first."""
        masks, extra, scores = parts
        if multimask:
            chosen = torch.argsort(scores[:, 1:], descending=True) + 1
            scores = scores.gather(1, chosen)
            masks = masks.gather(1, chosen[..., None, None].expand(-1, -1, *masks.shape[2:]))
        else:
            masks, scores = masks[:, :1], scores[:, :1]
        return (extra, scores[:, :1]) if hq_only else (masks + extra, scores)


Embedding = dict[str, Tensor]
"""What a network keeps of an image, each tensor with a batch of 1."""
GRID = 64
"""Side of SAM's image embedding."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Prompts in the square of `sam_frame`: of one question, or of several that are alike in form.

    Parameters
    ----------
    points : Tensor of float32, shape (B, n, 2)
        ``(x, y)`` of the clicks.
    labels : Tensor of int64, shape (B, n)
        1 for a positive click, else 0.
    box : Tensor of float32, shape (B, 4), or None
        ``(x0, y0, x1, y1)``.
    mask : Tensor of float32, shape (B, 1, 256, 256), or None
        Low-resolution logits to start from.
    """

    points: Tensor
    labels: Tensor
    box: Tensor | None = None
    mask: Tensor | None = None

    @property
    def given(self) -> dict[str, Tensor]:
        """What there is of it, by name."""
        told = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in told if value is not None}

    @property
    def form(self) -> tuple[tuple[str, int], ...]:
        """Says which questions fit into one pass.

        Missing clicks are not filled up with points that are none, as SAM fills up by one: each is
        a further token to attend to, and changes the answer.
        """
        return tuple((name, value.shape[1]) for name, value in self.given.items())


def in_passes(asked: Sequence[Asked], most: int) -> list[list[int]]:
    """Return the numbers of questions that go into one pass, those of one form, `most` at once."""
    groups: dict[Any, list[int]] = {}
    for number, one in enumerate(asked):
        groups.setdefault(one.form, []).append(number)
    return [
        group[start : start + most]
        for group in groups.values()
        for start in range(0, len(group), most)
    ]


def joined(asked: Sequence[Asked], device: torch.device) -> Asked:
    """Return questions of one form in main memory as one of several on a device."""
    parts = ((name, [one.given[name] for one in asked]) for name in asked[0].given)
    return Asked(**{name: upload(torch.cat(some).numpy(), device) for name, some in parts})


@dataclass(frozen=True, slots=True, eq=False)
class SamState:
    """What SAM is given back with the next click.

    Parameters
    ----------
    low : ndarray of float32, shape (n, 256, 256)
        Low-resolution logits of every mask that was offered.
    chosen : int
        Which of them was the answer.
    """

    low: FloatArray
    chosen: int

    def continued(self, given: FloatArray | None) -> int:
        """Return which of the offered masks a person went on with: the one most like theirs."""
        if given is None or len(self.low) == 1:
            return self.chosen
        differ = [np.count_nonzero((low > 0) != (given[0] > 0)) for low in self.low]
        return int(np.argmin(differ))


def answer_of(scores: FloatArray, full: FloatArray, low: FloatArray | None) -> Answer:
    """Return an answer of masks (n, H, W), their scores (n,), and their low-resolution logits."""
    told = tuple(map(float, scores))
    chosen = int(np.argmax(told))
    several = len(full) > 1
    return Answer(
        full[chosen],
        state=None if low is None else SamState(low, chosen),
        alternatives=tuple(full) if several else (),
        scores=told if several else (),
        info={"score": told[chosen]},
    )


def box_of(logits: FloatArray) -> Box | None:
    """Return the box round what is object in logits (H, W), None if nothing is."""
    box = bounding_box(logits > 0)
    return None if box is None else Box(box[0], box[2], box[1] - 1, box[3] - 1)


def asked_in(
    frame: SquareFrame,
    shape: tuple[int, ...],
    prompts: Prompts,
    device: torch.device = _CPU,
    *,
    mask: FloatArray | None = None,
) -> Asked:
    """Return clicks and box of an image of `shape` in the square, with a mask (1, 256, 256)."""
    size = (shape[0], shape[1])
    points = [frame.position(click.row, click.col, size) for click in prompts.clicks]
    corners, box = None, prompts.box
    if box is not None:
        first, last = (box.row0, box.col0), (box.row1, box.col1)
        corners = torch.tensor([[*frame.position(*first, size), *frame.position(*last, size)]])
    return Asked(
        torch.tensor(points, dtype=torch.float32, device=device).reshape(1, -1, 2),
        torch.tensor([[int(c.positive) for c in prompts.clicks]], dtype=torch.int64, device=device),
        None if corners is None else corners.to(device),
        None if mask is None else upload(mask[None], device),
    )


class SamNet(Protocol):
    """A network of the family, whatever its parts."""

    @property
    def frame(self) -> SquareFrame:
        """How images lie in its square."""
        ...

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of (1, 3, side, side), any side that is a multiple of 64."""
        ...

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return low-resolution logits (B, n, 256, 256) and the estimated IoU of each (B, n).

        The embedding is of B images, or of one that all questions are about.
        """
        ...


def together(images: Sequence[Prepared], load: Callable[[Prepared], Embedding]) -> Embedding:
    """Return the embeddings of images as one of several, or the one that all of them are."""
    if all(one is images[0] for one in images):
        return load(images[0])
    each = [load(one) for one in images]
    return {name: torch.cat([one[name] for one in each]) for name in each[0]}


class ImageEncoder(Protocol):
    """An image encoder for `PromptedNet`."""

    def embed(self, pixels: Tensor) -> Embedding:
        """Return "image" (1, 256, g, g), and for SAM-HQ "early" (1, g, g, C)."""
        ...


def decoder_config() -> SamMaskDecoderConfig:
    """Return SAM's decoder, with the 1e-5 that its authors' layer norms have."""
    config = SamMaskDecoderConfig(layer_norm_eps=1e-5)
    config._attn_implementation = "sdpa"
    return config


class PromptedNet(nn.Module):
    """An image encoder under SAM's prompt encoder and decoder (arXiv:2304.02643).

    Parameters
    ----------
    encoder : nn.Module with `embed`
        Gives the image embedding.
    early_dim : int or None
        Channels of the encoder's early feature: then the decoder is that of SAM-HQ
        (arXiv:2306.01567).
    hq_only : bool
        SAM-HQ's own mask alone, instead of its sum with SAM's.
    """

    frame = SquareFrame("pad")
    grid: Tensor

    def __init__(
        self, encoder: nn.Module, *, early_dim: int | None = None, hq_only: bool = False
    ) -> None:
        super().__init__()
        vision = SamVisionConfig(num_pos_feats=128)
        prompts = SamPromptEncoderConfig()
        self.vision_encoder = encoder
        self.shared_image_embedding = SamPositionalEmbedding(vision)
        self.prompt_encoder = SamPromptEncoder(
            SamConfig(vision_config=vision, prompt_encoder_config=prompts)
        )
        self.hq_only = hq_only
        self.mask_decoder: nn.Module
        if early_dim is None:
            self.mask_decoder = SamMaskDecoder(decoder_config())
        else:
            self.mask_decoder = HighQualityDecoder(early_dim)
        regroup(self.mask_decoder)

    def finish(self) -> None:
        """Compute what follows from the weights, once they are loaded."""
        self.register_buffer("grid", grid_code(self.shared_image_embedding), persistent=False)

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of an image in the square, see `SamNet`."""
        encoder: ImageEncoder = self.vision_encoder  # type: ignore[assignment]
        embedding = encoder.embed(pixels)
        if isinstance(self.mask_decoder, HighQualityDecoder):
            # not kept: the finer features are what the decoder needs of it
            fine = self.mask_decoder.fine(embedding["image"], embedding.pop("early"))
            embedding["fine"] = fine
        return embedding

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks and scores, see `SamNet`; those of SAM-HQ best first."""
        count, has_points = asked.points.shape[:2]
        sparse, dense = self.prompt_encoder(
            asked.points[:, None] if has_points else None,
            asked.labels[:, None] if has_points else None,
            asked.box[:, None] if asked.box is not None else None,
            asked.mask,
        )
        image = places_first(embedding["image"]).expand(count, -1, -1, -1)
        if isinstance(self.mask_decoder, HighQualityDecoder):
            # a mask alone is a question too; the decoder then gets no points
            if sparse is None:
                sparse = image.new_zeros(count, 1, 0, image.shape[1])
            parts = self.mask_decoder(image + dense, self.grid, sparse, embedding["fine"])
            return self.mask_decoder.answer(parts, multimask=multimask, hq_only=self.hq_only)
        masks, scores = self.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self.grid,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )
        return masks[:, 0], scores[:, 0]


def corners_first(asked: Asked) -> tuple[Tensor, Tensor]:
    """Return points and labels, a box as two points (labels 2 and 3) before the clicks.

    Without any prompt they are one point that is none (label -1).
    """
    points, labels = asked.points, asked.labels
    if asked.box is not None:
        points = torch.cat([asked.box.reshape(-1, 2, 2), points], dim=1)
        corners = torch.arange(2, 4, device=labels.device).expand(len(labels), 2)
        labels = torch.cat([corners, labels], dim=1)
    if points.shape[1] == 0:
        return points.new_zeros(len(points), 1, 2), labels.new_full((len(labels), 1), -1)
    return points, labels


def grid_code(code: nn.Module) -> Tensor:
    """Return the position code of every cell of the embedding, shape (1, 256, 64, 64)."""
    device = next(iter(code.state_dict().values())).device
    centres = (torch.arange(GRID, device=device, dtype=torch.float32) + 0.5) / GRID
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    with torch.no_grad():
        coded: Tensor = code(torch.stack([x, y], dim=-1))
    return places_first(coded.permute(2, 0, 1)[None])


def places_first(features: Tensor) -> Tensor:
    """Return features (1, C, h, w) laid out place by place, as the decoder reads them fastest."""
    return features.contiguous(memory_format=torch.channels_last)


def to_grid(features: Tensor, side: int = GRID) -> Tensor:
    """Return features (1, C, g, g) of a smaller image on the grid that the decoder knows."""
    if features.shape[-1] == side:
        return features
    return nn.functional.interpolate(features.float(), (side, side), mode="bilinear")


# the safe one first
_IN_FOLDER = ("model.safetensors", "pytorch_model.bin")


def read_weights(name: str, weights: Path | None, rules: Rules) -> tuple[dict[str, Any], Path]:
    """Return a state dict in the library's names, and the file it came from.

    Parameters
    ----------
    name : str
        The model they are for.
    weights : Path or None
        A file, or a folder as the Hugging Face hub has them.
    rules : Rules
        How original names become the library's.

    Raises
    ------
    WeightsError
        If there are none, the folder has none in it, or the file is damaged, unsafe or holds no
        tensors by name.
    """
    if weights is None:
        raise WeightsError(
            f"weights are missing: expected a file or folder for {name!r}, got None. Name one."
        )
    path = file_in(weights) if weights.is_dir() else weights
    state_dict = unwrapped(load_checkpoint(path))
    if not isinstance(state_dict, dict) or not all(
        hasattr(v, "shape") for v in state_dict.values()
    ):
        raise WeightsError(
            f"weights hold no state dict: expected tensors by name, got "
            f"{type(state_dict).__name__} in {str(path)!r}. Choose another file."
        )
    return tied(renamed(state_dict, rules)), path


def file_in(folder: Path) -> Path:
    """Return the weight file of a Hugging Face folder.

    Raises
    ------
    WeightsError
        If there is none in it.
    """
    for file in _IN_FOLDER:
        if (folder / file).is_file():
            return folder / file
    found = ", ".join(sorted(p.name for p in folder.iterdir())) or "an empty folder"
    raise WeightsError(
        f"folder has no weights: expected {' or '.join(_IN_FOLDER)} in {str(folder)!r}, got "
        f"{found}. Fetch the whole repository, large files included."
    )


def load_into(net: nn.Module, state_dict: dict[str, Any], path: Path) -> None:
    """Load a state dict strictly into a network made on the meta device, and finish it.

    Raises
    ------
    WeightsError
        If a name is missing or too many, or a shape differs.
    """
    # made on the meta device, it has no memory yet; every value is then loaded, or the load fails
    net.to_empty(device="cpu")
    load_strict(net, state_dict, path)
    net.float().eval().requires_grad_(False)
    finish = getattr(net, "finish", None)
    if callable(finish):
        finish()


SMALLER_PX = (768, 512)
"""Sides of a smaller square, in the order to be tried."""


def side_for(view_px: int | None) -> int:
    """Return the side of the square for views limited to so many pixels; None: not limited."""
    if view_px is None:
        return SIDE_PX
    return next((side for side in SMALLER_PX if side <= view_px), SMALLER_PX[-1])


def embed(net: SamNet, pixels: Tensor, dtype: torch.dtype) -> Embedding:
    """Return the embedding of an image in the square, in float32, where the image is.

    Parameters
    ----------
    net : SamNet
        On the device of the image.
    pixels : Tensor of float32, shape (1, 3, side, side)
        See `SquareFrame.pixels`; the embedding is as if the encoder had seen its full size.
    dtype : torch.dtype
        What to compute in.

    Raises
    ------
    RuntimeError
        If there is no room for it.
    """
    with computing_in(dtype, pixels.device):
        embedding = net.encode(pixels)
    return {name: _kept(value) for name, value in embedding.items()}


def computing_in(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return a context in which layers compute in a number format; weights stay as they are."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def _kept(value: Tensor) -> Tensor:
    # float32, whatever it was computed in: the decoder computes in it, and numpy has no bfloat16
    return value.float().contiguous()
