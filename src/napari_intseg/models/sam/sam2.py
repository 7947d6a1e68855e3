"""SAM 2.1 and EdgeTAM for images and, with their memory, for planes that follow each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.edgetam_video.configuration_edgetam_video import EdgeTamVideoConfig
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoModel
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig, Sam2VisionConfig
from transformers.models.sam2_video.configuration_sam2_video import Sam2VideoConfig
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoModel

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import LOGIT_LIMIT, BoolArray, FloatArray
from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_strict
from napari_intseg.models.device import (
    Precision,
    download,
)
from napari_intseg.models.net_model import random_start_skipped
from napari_intseg.models.nets.mobile_encoders import RepViT
from napari_intseg.models.sam.keys import library_names
from napari_intseg.models.sam.mask_decoder import (
    GRID,
    Asked,
    Embedding,
    asked_in,
    computing_in,
    corners_first,
    places_first,
    read_weights,
    regroup,
    side_for,
    to_grid,
)
from napari_intseg.models.sam.sam import SamSegmenter
from napari_intseg.models.sam.square_frame import LOW_PX, SIDE_PX, SquareFrame, imagenet, resized

Size = Literal["tiny", "small", "base-plus", "large"]
EDGE = "edgetam"
"""EdgeTAM's name among the sizes: SAM 2 with another encoder and a shorter memory."""

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 96, "blocks": [1, 2, 7, 2], "whole": [5, 7, 9]},
    "small": {"width": 96, "blocks": [1, 2, 11, 2], "whole": [7, 10, 13]},
    "base-plus": {"width": 112, "heads": 2, "blocks": [2, 3, 16, 3], "whole": [12, 16, 20],
                  "ground": [14, 14]},
    "large": {"width": 144, "heads": 2, "blocks": [2, 6, 36, 4], "whole": [23, 33, 43],
              "windows": [8, 4, 16, 8]},
}  # fmt: skip
"""Published sizes of the Hiera encoder (arXiv:2306.00989) in SAM 2.1."""
LIMIT = 32.0
"""Low-resolution logits are cut at plus and minus this."""


def sam2_config(size: Size) -> Sam2VideoConfig:
    """Return the library's configuration of a published size."""
    chosen = SIZES[size]
    width, heads = chosen["width"], chosen.get("heads", 1)
    widths = [width * 2**stage for stage in range(4)]
    trunk = Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads,
        blocks_per_stage=chosen["blocks"],
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[heads * 2**stage for stage in range(4)],
        window_size_per_stage=chosen.get("windows", [8, 4, 14, 7]),
        global_attention_blocks=chosen["whole"],
        window_positional_embedding_background_size=chosen.get("ground", [7, 7]),
    )
    vision = Sam2VisionConfig(backbone_config=trunk, backbone_channel_list=widths[::-1])
    return Sam2VideoConfig(vision_config=vision)


class Sam2Net(nn.Module):
    """SAM 2.1 as one of the family.

    Parameters
    ----------
    size : str
        One of `SIZES`.
    """

    frame = SquareFrame("stretch", antialias=True)
    is_shortened = False
    """Whether fewer vectors than places are remembered."""
    grid: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.body: Any = Sam2VideoModel(sam2_config(size))
        regroup(self.body.mask_decoder)

    def finish(self) -> None:
        """Compute what follows from the weights, once they are loaded."""
        grid = self.body.get_image_wide_positional_embeddings()
        self.register_buffer("grid", places_first(grid.detach()), persistent=False)

    def features(self, pixels: Tensor) -> Embedding:
        """Return what the encoder sees, on the grids of the full square.

        Returns
        -------
        dict
            "image" (1, 256, 64, 64), "high0" (1, 32, 256, 256), "high1" (1, 64, 128, 128).
        """
        return self.maps(pixels)[0]

    def maps(self, pixels: Tensor) -> tuple[Embedding, Tensor]:
        """Return `features`, and the position code (4096, 1, 256) of the coarse ones."""
        out = self.body.vision_encoder(pixels)
        fine, middle, coarse = out.fpn_hidden_states
        decoder = self.body.mask_decoder
        features = {
            "image": to_grid(coarse),
            "high0": to_grid(decoder.conv_s0(fine), 4 * GRID),
            "high1": to_grid(decoder.conv_s1(middle), 2 * GRID),
        }
        # the code of the full square, whatever the side of the image is: memory attends by position
        whole: Any = self.body.vision_encoder.neck.position_encoding
        place = whole(features["image"].shape, coarse.device, torch.float32)
        return features, place.flatten(2).permute(2, 0, 1)

    def encode(self, pixels: Tensor) -> Embedding:
        """Return the embedding of a single image: one without memory."""
        features = self.features(pixels)
        # without memory this code stands for it, as in the published image predictor
        none = self.body.no_memory_embedding.reshape(1, -1, 1, 1)
        return {**features, "image": features["image"] + none}

    def decode(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Return masks and scores, see `SamNet`; a single unstable mask gives way to the best."""
        masks, scores, _, _ = self.heads(embedding, asked, multimask=multimask)
        return masks.clamp(-LIMIT, LIMIT), scores

    def heads(
        self, embedding: Embedding, asked: Asked, *, multimask: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return masks (B, n, 256, 256), scores (B, n), their tokens (B, n, 256), and `seen`.

        The last (B, 1) is negative where the object is thought to be out of sight.
        """
        points, labels = corners_first(asked)
        sparse, dense = self.body.prompt_encoder(points[:, None], labels[:, None], None, asked.mask)
        masks, scores, tokens, seen = self.body.mask_decoder(
            image_embeddings=places_first(embedding["image"]).expand(len(points), -1, -1, -1),
            image_positional_embeddings=self.grid,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=[embedding["high0"], embedding["high1"]],
        )
        return masks[:, 0], scores[:, 0], tokens[:, 0], seen[:, 0]

    def fused(self, image: Tensor, mask: Tensor, score: Tensor) -> Tensor:
        """Return image (1, 256, 64, 64) and mask (1, 1, 1024, 1024) together, (1, 64, 64, 64)."""
        features: Tensor = self.body.memory_encoder(image, mask)[0]
        hidden = self.body.occlusion_spatial_embedding_parameter
        if hidden is None:
            return features
        return torch.where(score > 0, features, features + hidden[..., None, None])

    def shortened(self, fused: Tensor) -> Tensor:
        """Return what is remembered of `fused`, (n, 64): all places."""
        return fused[0].flatten(1).T

    def place_code(self, image: Tensor) -> Tensor:
        """Return the position code of what `shortened` gives, (n, 64)."""
        shape = torch.Size((1, self.body.mem_dim, *image.shape[-2:]))
        code: Tensor = self.body.memory_encoder.position_encoding(shape, image.device, image.dtype)
        return code[0].flatten(1).T

    def pointer_codes(self, times: Tensor, width: int) -> Tensor:
        """Return codes (n, 64) of how far pointers (n, width) lie back, as shares of the most."""
        code: Tensor = self.body.temporal_positional_encoding_projection_layer(
            sine_code(times, width)
        )
        return code


class EdgeTamNet(Sam2Net):
    """EdgeTAM: RepViT sees the image, and a plane is remembered by 512 vectors instead of 4096.

    The library's, but for the encoder, which it takes from a package that is not needed here.
    """

    is_shortened = True

    def __init__(self) -> None:
        nn.Module.__init__(self)
        # a small trunk, which is replaced
        trunk = Sam2HieraDetConfig(blocks_per_stage=[1, 1, 1, 1], global_attention_blocks=[])
        vision = Sam2VisionConfig(
            backbone_config=trunk, backbone_channel_list=[384, 192, 96, 48],
            fpn_top_down_levels=[2, 3],
        )  # fmt: skip
        self.body = EdgeTamVideoModel(
            EdgeTamVideoConfig(
                vision_config=vision, enable_occlusion_spatial_embedding=False,
                enable_temporal_pos_encoding_for_object_pointers=False,
            )
        )  # fmt: skip
        self.body.vision_encoder.backbone = RepTrunk()

    def shortened(self, fused: Tensor) -> Tensor:
        """Return what is remembered of `fused`, (512, 64): what vectors asked all places."""
        code = self.body.memory_encoder.position_encoding(fused.shape, fused.device, fused.dtype)
        out: Tensor = self.body.spatial_perceiver(fused, code)[0]
        return out[0]

    def place_code(self, image: Tensor) -> Tensor:
        """Return the position code of what `shortened` gives: the first half has no place."""
        perceiver = self.body.spatial_perceiver
        side = round(perceiver.num_latents_2d**0.5)
        shape = torch.Size((1, self.body.mem_dim, side, side))
        code: Tensor = perceiver.positional_encoding(shape, image.device, image.dtype)
        places = code[0].flatten(1).T
        return torch.cat((places.new_zeros(perceiver.num_latents_1d, places.shape[1]), places))

    def pointer_codes(self, times: Tensor, width: int) -> Tensor:  # noqa: ARG002
        """Return zeros (n, 64): it is not told how far pointers lie back."""
        return times.new_zeros(len(times), self.body.mem_dim)


class RepTrunk(RepViT):
    """RepViT, with its answer as the library's encoder expects it."""

    def forward(self, x: Tensor, **_: Any) -> Any:
        """Return the features of the stages, channels last."""
        stages = tuple(one.permute(0, 2, 3, 1) for one in super().forward(x))
        return SimpleNamespace(
            last_hidden_state=stages[-1], intermediate_hidden_states=stages,
            hidden_states=None, attentions=None,
        )  # fmt: skip


def find_size(state_dict: dict[str, Any]) -> str | None:
    """Return the size of SAM 2 that a state dict in the library's names has, None if of none.

    `EDGE` is one of them.
    """
    if "spatial_perceiver.latents_1d" in state_dict:
        return EDGE
    code = state_dict.get("vision_encoder.backbone.pos_embed")
    blocks = {name.split(".")[3] for name in state_dict if ".backbone.blocks." in name}
    for size, values in SIZES.items():
        fits = code is not None and code.shape[1] == values["width"]
        if fits and len(blocks) == sum(values["blocks"]):
            return size
    return None


def _called(size: str | None) -> str:
    """Return the registered name of a size."""
    return EDGE if size == EDGE else f"sam2.1-{size}"


def load_net(name: str, weights: Path | None) -> Sam2Net:
    """Return the network of a registered name with its weights, on the CPU.

    Raises
    ------
    WeightsError
        If they are missing, damaged, of another model or another size.
    """
    raw, path = read_weights(name, weights, ())
    state_dict = library_names(raw)
    size, wanted = find_size(state_dict), name.removeprefix("sam2.1-")
    if size != wanted:
        raise WeightsError(
            f"weights are of another SAM 2 size: expected {wanted} for {name!r}, got "
            f"{size or 'no SAM 2.1 at all'} in {str(path)!r}. "
            + (f"Load it as {_called(size)!r}." if size else "Choose the model it belongs to.")
        )
    with random_start_skipped():
        net = EdgeTamNet() if size == EDGE else Sam2Net(cast(Size, size))
    load_strict(net, {f"body.{key}": value for key, value in state_dict.items()}, path)
    net.eval().requires_grad_(False)
    net.finish()
    return net


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    multimask: bool | Literal["auto"] = "auto",
    feed_back: bool = True,
) -> SamSegmenter:
    """Load SAM 2.1 [1]_ or EdgeTAM [2]_, as a `Sam2Segmenter`.

    Parameters
    ----------
    name : str
        A name of the registry: "sam2.1-" and the size, or "edgetam".
    weights : Path
        An original ``.pt`` file, a ``.safetensors`` file, or a Hugging Face folder.
    device, precision : str
        As in `napari_intseg.models.registry.load_model`.
    multimask, feed_back
        See `SamSegmenter`.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged, or of another model or size.
    DeviceError
        If the device does not exist.

    References
    ----------
    .. [1] Ravi, N. et al. "SAM 2: Segment Anything in Images and Videos", arXiv:2408.00714.
    .. [2] Zhou, C. et al. "EdgeTAM: on-device track anything model", arXiv:2501.07256.
    """
    return Sam2Segmenter(
        load_net(name, weights), name,
        device=device, precision=precision, multimask=multimask, feed_back=feed_back,
    )  # fmt: skip


# logits where the object is out of sight; these and the numbers below as in the published predictor
_ABSENT = -1024.0
# object pointers that are attended to, at most
_POINTERS = 16
# what makes logits of a mask for the memory, as it was trained
_MASK_SCALE, _MASK_SHIFT = 20.0, -10.0


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """What is kept of one plane.

    Parameters
    ----------
    low : Tensor, shape (256, 256)
        Logits of the answer.
    pointer : Tensor, shape (256,)
        The object, summed up.
    score : Tensor, shape (1,)
        Negative when the object is out of sight.
    features : Tensor of bfloat16, shape (4096, 64), or (512, 64) of EdgeTAM
        Image and mask together.
    """

    low: Tensor
    pointer: Tensor
    score: Tensor
    features: Tensor


@dataclass(slots=True, eq=False)
class TrackerMemory:
    """What is known of one object: planes that were prompted, and planes that were followed."""

    prompted: dict[int, Remembered] = field(default_factory=dict)
    followed: dict[int, Remembered] = field(default_factory=dict)

    def forget(self, index: int) -> None:
        """Drop followed planes that are too far from `index` to be asked again."""
        for far in [at for at in self.followed if abs(at - index) > _POINTERS]:
            del self.followed[far]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPlane:
    """A plane through the encoder, and the position code of the coarse features (4096, 1, 256)."""

    features: Embedding
    place: Tensor

    @property
    def flat(self) -> Tensor:
        """The coarse features as (4096, 1, 256)."""
        return self.features["image"].flatten(2).permute(2, 0, 1)


class Tracker:
    """Follows one object through planes, as SAM 2's video predictor does [1]_.

    Parameters
    ----------
    net : Sam2Net
        The network.
    count : int
        Number of planes altogether.
    keep_corrections : bool, default True
        Whether a plane that was followed and then corrected counts as prompted from then on.
        The reference's default is not: following once more forgets the correction.
    side_px : int
        Of the square that the image encoder sees.
    dtype : torch.dtype
        What the image encoder computes in.

    References
    ----------
    .. [1] Ravi, N. et al. "SAM 2: Segment Anything in Images and Videos", arXiv:2408.00714.
    """

    def __init__(
        self,
        net: Sam2Net,
        count: int,
        *,
        keep_corrections: bool = True,
        side_px: int = SIDE_PX,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.net, self.count, self.keep_corrections = net, count, keep_corrections
        self.side_px, self.dtype = side_px, dtype
        self.memory = TrackerMemory()

    def look(self, image: FloatArray) -> EncodedPlane:
        """Return a plane as the network sees it; `image` is (H, W, 3) in [0, 1]."""
        # bytes and Pillow, as the published video predictor reads its frames
        device, side = self.net.grid.device, (self.side_px, self.side_px)
        pixels = imagenet(resized(image, side, "bicubic", device) / 255)
        with computing_in(self.dtype, device):
            features, place = self.net.maps(pixels)
        return EncodedPlane({name: value.float() for name, value in features.items()}, place)

    def ask(self, index: int, seen: EncodedPlane, asked: Asked, *, reverse: bool = False) -> Tensor:
        """Answer prompts on a plane, and remember the answer.

        On a plane that was followed before they correct its answer; on any other they start anew,
        without memory.

        Returns
        -------
        Tensor, shape (256, 256)
            Low-resolution logits.
        """
        followed = self.memory.followed.get(index)
        before = followed or self.memory.prompted.get(index)
        if before is not None:
            # cut as the published predictor does before a mask is a prompt
            mask = before.low.clamp(-LIMIT, LIMIT)[None, None]
            asked = Asked(asked.points, asked.labels, asked.box, mask)
        if followed is None:
            image = seen.features["image"] + self.net.body.no_memory_embedding.reshape(1, -1, 1, 1)
        else:
            image = self._with_memory(index, seen, reverse=reverse)
        answer = self._answer(seen, image, asked, is_prompted=True)
        if followed is not None and not self.keep_corrections:
            self.memory.followed[index] = answer
        else:
            self.memory.prompted[index] = answer
            self.memory.followed.pop(index, None)
        return answer.low

    def take(self, index: int, seen: EncodedPlane, mask: BoolArray) -> None:
        """Remember a mask (H, W) that is known, from wherever."""
        given = torch.from_numpy(mask.astype(np.float32))[None, None].to(self.net.grid.device)
        square = functional.interpolate(given, (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True)
        high = square * _MASK_SCALE + _MASK_SHIFT
        low = functional.interpolate(high, (LOW_PX, LOW_PX), mode="bilinear", antialias=True)
        asked = replace(_nothing(square), mask=self.net.body.mask_downsample(square))
        _, _, tokens, _ = self.net.heads(seen.features, asked, multimask=False)
        score = high.new_tensor([_MASK_SCALE * bool(mask.any()) + _MASK_SHIFT])
        pointer = self._pointer(tokens[0, 0], score)
        features = self._features(seen, (square > 0.5).float(), score)
        self.memory.prompted[index] = Remembered(low[0, 0], pointer, score, features)

    def follow(self, index: int, seen: EncodedPlane, *, reverse: bool = False) -> Tensor:
        """Answer on a plane by memory alone, and remember the answer.

        Returns
        -------
        Tensor, shape (256, 256)
            Low-resolution logits; those of a prompted plane are the ones it has.
        """
        if index in self.memory.prompted:
            return self.memory.prompted[index].low
        image = self._with_memory(index, seen, reverse=reverse)
        answer = self._answer(seen, image, _nothing(image), is_prompted=False)
        self.memory.followed[index] = answer
        return self.memory.followed[index].low

    def _answer(
        self, seen: EncodedPlane, image: Tensor, asked: Asked, *, is_prompted: bool
    ) -> Remembered:
        corners = 0 if asked.box is None else 2
        # up to one point does not say what is meant: three masks, of which the best counts
        multimask = asked.points.shape[1] + corners <= 1
        embedding = {**seen.features, "image": image}
        found = self.net.heads(embedding, asked, multimask=multimask)
        masks, scores, tokens, score = (one[0] for one in found)
        # nothing here waits for the device: what is best, and whether it is in sight, stays there
        best = scores.argmax()[None]
        low = torch.where(score > 0, masks.index_select(0, best)[0], _ABSENT)
        high = functional.interpolate(low[None, None], (SIDE_PX, SIDE_PX), mode="bilinear")
        # a mask that a person prompted is certain, one that was followed as sure as it is
        prob = (high > 0).float() if is_prompted else high.sigmoid()
        pointer = self._pointer(tokens.index_select(0, best)[0], score)
        return Remembered(low, pointer, score, self._features(seen, prob, score))

    def _pointer(self, token: Tensor, score: Tensor) -> Tensor:
        body: Any = self.net.body
        return torch.where(score > 0, body.object_pointer_proj(token), body.no_object_pointer[0])

    def _features(self, seen: EncodedPlane, prob: Tensor, score: Tensor) -> Tensor:
        """Return image and mask (1, 1, 1024, 1024) together, as they are remembered."""
        # in bfloat16, as the published predictor keeps them: rounded here and nowhere else
        fused = self._fused(seen, prob, score)
        return self.net.shortened(fused).to(torch.bfloat16).contiguous()

    def _fused(self, seen: EncodedPlane, prob: Tensor, score: Tensor) -> Tensor:
        """Return image and mask together (1, 64, 64, 64), in the network's own precision."""
        return self.net.fused(seen.features["image"], prob * _MASK_SCALE + _MASK_SHIFT, score)

    def _with_memory(self, index: int, seen: EncodedPlane, *, reverse: bool) -> Tensor:
        """Return a plane's coarse features after they attended to the memory."""
        body, sign = self.net.body, -1 if reverse else 1
        entries = [(0, kept) for kept in self.memory.prompted.values()]
        # the farthest first, the order of the published memory
        for apart in range(body.num_maskmem - 1, 0, -1):
            kept = self.memory.followed.get(index - sign * apart)
            if kept is not None:
                entries.append((apart, kept))
        place = self.net.place_code(seen.features["image"])
        times = body.memory_temporal_positional_encoding[:, 0, 0]
        memory = [kept.features.float() for _, kept in entries]
        # prompted planes have distance 0, hence the last code, as published
        places = [place + times[apart - 1] for apart, _ in entries]
        pointers, codes = self._pointers(index, sign)
        # EdgeTAM turns the places of each remembered plane alike: it must know how many planes
        planes = {"num_spatial_memory_tokens": len(memory)} if self.net.is_shortened else {}
        attended = body.memory_attention(
            current_vision_features=seen.flat,
            current_vision_position_embeddings=seen.place,
            memory=torch.cat([*memory, pointers])[:, None],
            memory_posision_embeddings=torch.cat([*places, codes])[:, None],
            num_object_pointer_tokens=len(pointers),
            **planes,
        )
        out: Tensor = attended.reshape(seen.flat.shape).permute(1, 2, 0)
        return out.reshape(seen.features["image"].shape)

    def _pointers(self, index: int, sign: int) -> tuple[Tensor, Tensor]:
        """Return the object pointers of planes before, in pieces, and their codes in time."""
        longest = min(self.count, _POINTERS)
        # of prompted planes only those that lie behind in walking order, as published
        found = [
            (sign * (index - at), kept.pointer)
            for at, kept in self.memory.prompted.items()
            if sign * (index - at) >= 0
        ]
        for apart in range(1, longest):
            kept = self.memory.followed.get(index - sign * apart)
            if kept is not None:
                found.append((apart, kept.pointer))
        size = self.net.body.mem_dim
        if not found:
            none = self.net.grid.new_zeros(0, size)
            return none, none
        pointers = torch.stack([pointer for _, pointer in found])
        times = torch.tensor([float(apart) for apart, _ in found], device=pointers.device)
        codes = self.net.pointer_codes(times / max(1, longest - 1), pointers.shape[1])
        pieces = pointers.shape[1] // size
        return pointers.reshape(-1, size), codes.repeat_interleave(pieces, dim=0)


def _nothing(like: Tensor) -> Asked:
    """Return a question without prompts, on the device of a tensor."""
    labels = torch.zeros((1, 0), dtype=torch.int64, device=like.device)
    return Asked(like.new_zeros(1, 0, 2), labels)


def sine_code(at: Tensor, dim: int) -> Tensor:
    """Return sines and cosines (n, dim) of positions (n,), wavelengths up to 10 000 in pairs."""
    half = dim // 2
    pair = torch.arange(half, device=at.device, dtype=torch.float32) // 2
    angle = at[:, None] / 10000 ** (2 * pair / half)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Sam2Segmenter(SamSegmenter):
    """SAM 2.1 or EdgeTAM: what follows an object through planes, besides answering on an image."""

    def follow(
        self,
        read: Callable[[int], FloatArray],
        planes: Sequence[int],
        *,
        masks: Mapping[int, BoolArray] | None = None,
        prompts: Mapping[int, Prompts] | None = None,
    ) -> Iterator[tuple[int, FloatArray]]:
        """Follow one object; see `napari_intseg.core.segmenter.MemorySegmenter`."""
        return follow_planes(self, read, planes, masks or {}, prompts or {})


def follow_planes(
    model: SamSegmenter,
    read: Callable[[int], FloatArray],
    planes: Sequence[int],
    masks: Mapping[int, BoolArray],
    prompts: Mapping[int, Prompts],
) -> Iterator[tuple[int, FloatArray]]:
    """Yield the index of each plane and the logits there; see `MemorySegmenter.follow`."""
    hosted = model.hosted
    net: Sam2Net = hosted.net
    hosted.bring()
    # downwards, "before" means a larger index
    reverse = len(planes) > 1 and planes[1] < planes[0]
    known = [*planes, *masks, *prompts]
    tracker = Tracker(
        net,
        max(known, default=0) - min(known, default=0) + 1,
        side_px=side_for(hosted.saving.view_px),
        dtype=hosted.dtype,
    )
    for index, mask in masks.items():
        with torch.inference_mode():
            tracker.take(index, tracker.look(read(index)), mask)
    for index, prompt in prompts.items():
        image = read(index)
        with torch.inference_mode():
            here = asked_in(net.frame, image.shape[:2], prompt, hosted.device)
            tracker.ask(index, tracker.look(image), here)
    seen: EncodedPlane | None = None
    for number, index in enumerate(planes):
        image = read(index) if seen is None else image
        with torch.inference_mode():
            seen = tracker.look(image) if seen is None else seen
            low = tracker.follow(index, seen, reverse=reverse)
            full = net.frame.back(low[None], image.shape[:2])[0]
            # else the memory grows with the number of planes
            tracker.memory.forget(index)
        logits = download(full, exact=hosted.dtype == torch.float32)
        seen = None
        if model.is_asynchronous and number + 1 < len(planes):
            # a device encodes the next plane while whoever asks finishes this one
            image = read(planes[number + 1])
            with torch.inference_mode():
                seen = tracker.look(image)
        yield index, np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT)
