"""Names of parameters: from the original checkpoints to those of the transformers library."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Rules = Sequence[tuple[str, str]]

_DECODER: Rules = (
    (r"^mask_decoder\.(.*)\.norm([1-4])\.", r"mask_decoder.\1.layer_norm\2."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.hf_token\.", ".hq_token."),
    (r"\.hf_mlp\.", ".hq_mask_mlp."),
    (r"(mlps\.\d|head|_mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|head|_mlp)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|head|_mlp)\.layers\.2\.", r"\1.proj_out."),
    (r"\.compress_vit_feat\.0\.", ".compress_vit_conv1."),
    (r"\.compress_vit_feat\.1\.", ".compress_vit_norm."),
    (r"\.compress_vit_feat\.3\.", ".compress_vit_conv2."),
    (r"\.embedding_encoder\.0\.", ".encoder_conv1."),
    (r"\.embedding_encoder\.1\.", ".encoder_norm."),
    (r"\.embedding_encoder\.3\.", ".encoder_conv2."),
    (r"\.embedding_maskfeature\.0\.", ".mask_conv1."),
    (r"\.embedding_maskfeature\.1\.", ".mask_norm."),
    (r"\.embedding_maskfeature\.3\.", ".mask_conv2."),
)
_PROMPTS: Rules = (
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$",
     "shared_image_embedding.positional_embedding"),
    (r"\.point_embeddings\.", ".point_embed."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
)  # fmt: skip
_VIT: Rules = (
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.blocks\.(\d+)\.norm([12])\.", r"vision_encoder.layers.\1.layer_norm\2."),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.pos_embed$", "vision_encoder.pos_embed"),
)
SAM_RULES: Rules = (*_VIT, *_PROMPTS, *_DECODER)
"""SAM and SAM-HQ with a plain transformer as encoder."""
TINY_RULES: Rules = ((r"^image_encoder\.", "vision_encoder."), *_PROMPTS, *_DECODER)
"""MobileSAM and SAM-HQ tiny, whose encoder keeps its names."""

# one code under two names, of which files hold either or both
_TIED = "shared_image_embedding.positional_embedding"
_COPY = "prompt_encoder.shared_embedding.positional_embedding"


def renamed(state_dict: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return a state dict under new names, each rule applied to every name in turn.

    Names that are the library's already stay as they are.
    """
    if any(name.startswith("vision_encoder.") for name in state_dict):
        return dict(state_dict)
    out = {}
    for name, value in state_dict.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)  # noqa: PLW2901 - one rule after the other
        out[name] = value
    return out


def tied(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state dict with the position code twice, where the library keeps it twice."""
    out = dict(state_dict)
    if _TIED in out:
        out.setdefault(_COPY, out[_TIED])
    elif _COPY in out:
        out[_TIED] = out[_COPY]
    return out


def unwrapped(checkpoint: Any) -> Any:
    """Return the state dict in a checkpoint, without the wraps that trainers put round it.

    Fine-tuned models come bare, under "model" (SAM 2, MedSAM), "model_state" (micro-sam) or
    "state_dict", and with names that start with "sam." or "module.".
    """
    for key in ("model", "model_state", "model_state_dict", "state_dict"):
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, dict):
        return checkpoint
    checkpoint = {str(name): value for name, value in checkpoint.items()}
    names = list(checkpoint)
    for prefix in ("module.", "sam."):
        if names and all(name.startswith(prefix) for name in names):
            checkpoint = {str(n).removeprefix(prefix): v for n, v in checkpoint.items()}
            names = [str(name) for name in checkpoint]
    return checkpoint


_TOP: Rules = (
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    (r"^sam_prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$",
     "shared_image_embedding.positional_embedding"),
    (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
)  # fmt: skip
_TRUNK: Rules = (
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"(backbone\.blocks\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
    (r"((?:backbone\.blocks|transformer\.layers)\.\d+\.mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"((?:backbone\.blocks|transformer\.layers)\.\d+\.mlp)\.layers\.1\.", r"\1.proj_out."),
)
_SAM2_PROMPTS: Rules = (
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
)
_SAM2_DECODER: Rules = (
    (r"^(mask_decoder|memory_attention)\.(.*)\.norm([1-4])\.", r"\1.\2.layer_norm\3."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"(mlps\.\d|head|object_pointer_proj)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|head|object_pointer_proj)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|head|object_pointer_proj)\.layers\.2\.", r"\1.proj_out."),
)
_MEMORY: Rules = (
    (r"^memory_attention\.norm\.", "memory_attention.layer_norm."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.o_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"(memory_fuser\.layers\.\d)\.gamma$", r"\1.scale"),
    (r"(memory_fuser\.layers\.\d)\.dwconv\.", r"\1.depthwise_conv."),
    (r"(memory_fuser\.layers\.\d)\.norm\.", r"\1.layer_norm."),
    (r"(memory_fuser\.layers\.\d)\.pwconv([12])\.", r"\1.pointwise_conv\2."),
    (r"mask_downsampler\.encoder\.12\.", "mask_downsampler.final_conv."),
)
# of EdgeTAM alone, in front: what is left has SAM 2's names
_EDGE: Rules = (
    (r"^image_encoder\.trunk\.body\.", "vision_encoder.backbone."),
    (r"^memory_attention\.layers\.(\d)\.linear1\.", r"memory_attention.layers.\1.mlp.up_proj."),
    (r"^memory_attention\.layers\.(\d)\.linear2\.", r"memory_attention.layers.\1.mlp.down_proj."),
    (r"^spatial_perceiver\.latents$", "spatial_perceiver.latents_1d"),
    (r"^spatial_perceiver\.norm\.", "spatial_perceiver.layer_norm."),
    (r"^(spatial_perceiver\..*)\.attn\.norm_x\.", r"\1.layer_norm_input."),
    (r"^(spatial_perceiver\..*)\.attn\.norm_latents\.", r"\1.layer_norm_latents."),
    (r"^(spatial_perceiver\..*)\.self_attn\.norm\.", r"\1.layer_norm_self."),
    (r"^(spatial_perceiver\..*)\.attn\.", r"\1.cross_attention."),
    (r"^(spatial_perceiver\..*)\.self_attn\.", r"\1.self_attention."),
    (r"^(spatial_perceiver\..*)\.to_(q|kv)\.", r"\1.\2_proj."),
    (r"^(spatial_perceiver\..*)\.to_out\.", r"\1.o_proj."),
    (r"^(spatial_perceiver\..*)\.(self_)?ff\.0\.", r"\1.\2mlp.layer_norm."),
    (r"^(spatial_perceiver\..*)\.(self_)?ff\.1\.", r"\1.\2mlp.up_proj."),
    (r"^(spatial_perceiver\..*)\.(self_)?ff\.3\.", r"\1.\2mlp.down_proj."),
)
# in this order: later rules expect the names that earlier ones made
_RULES: Rules = (*_TOP, *_TRUNK, *_SAM2_PROMPTS, *_SAM2_DECODER, *_MEMORY)
_EDGE_ONLY = "spatial_perceiver.latents"
_TIMM = "vision_encoder.backbone.timm_model."
_DOWN = re.compile(r"mask_downsampler\.encoder\.(\d+)\.")
_POINT = "prompt_encoder.point_embeddings.{}.weight"


def library_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state dict of SAM 2 or EdgeTAM under the library's names; those stay as they are."""
    if any(name.startswith("vision_encoder.") for name in state_dict):
        # EdgeTAM's encoder is not wrapped here
        return tied(
            {name.replace(_TIMM, "vision_encoder.backbone."): v for name, v in state_dict.items()}
        )
    out = renamed(state_dict, (*_EDGE, *_RULES) if _EDGE_ONLY in state_dict else _RULES)
    for name in [name for name in out if name.endswith(".kv_proj.weight")]:
        out[name.replace("kv_proj", "k_proj")], out[name.replace("kv_proj", "v_proj")] = out.pop(
            name
        ).chunk(2)
    # the published names count convolution, norm and activation of each of the four steps through
    out = {_DOWN.sub(_step, name): value for name, value in out.items()}
    # four tables of one row each became one of four rows
    points = [out.pop(_POINT.format(i)) for i in range(4) if _POINT.format(i) in out]
    if points:
        # not above: what recognises weights reads this file, and needs no torch
        import torch

        out["prompt_encoder.point_embed.weight"] = torch.cat(points)
    return tied(out)


def _step(found: re.Match[str]) -> str:
    step, part = divmod(int(found.group(1)), 3)
    return f"mask_downsampler.layers.{step}.{('conv', 'layer_norm')[part]}."
