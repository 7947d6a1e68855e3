"""Every registered model without a checkpoint: small networks with weights made from names.

No file is read: networks are built by their adapters from a configuration, at a size that a test
can pay for, and filled with weights that follow from the parameters' names. What is made smaller
is said below; that the published sizes have the published shapes, the parity tests show. The
contract runs on it, and the pictures of `docs/models.md` are drawn with it.
"""

import importlib
import math
import pkgutil
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from napari_intseg.models.weights import catalogue
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE

SIDE_PX = 128
"""Of the square that a network with a fixed input sees, in place of 450 to 1024."""

SAM_GRID = 16
"""Side of the embedding that a SAM answers from, in place of 64."""

RITM_HRNET = {
    "width": 8, "ocr_width": 8, "small": True, "use_leaky_relu": True, "use_rgb_conv": False,
    "use_disks": True, "norm_radius": 5,
}  # fmt: skip
RITM_DEEPLAB = {"backbone": "resnet34", "deeplab_ch": 16, "norm_radius": 5, "use_disks": True}
FOCAL = {"use_disks": True, "norm_radius": 5, "with_prev_mask": True, "use_rgb_conv": False}
SIMPLECLICK = {
    "backbone_params": {
        "img_size": [224, 224], "patch_size": [16, 16], "in_chans": 3, "embed_dim": 32, "depth": 4,
        "num_heads": 2, "mlp_ratio": 4, "qkv_bias": True,
    },
    "neck_params": {"in_dim": 32, "out_dims": [16, 16, 32, 32]},
    "head_params": {"channels": 32, "upsample": "x1", "loss_decode": None},
}  # fmt: skip
SAM_SIZE = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "global_attn_indexes": [1],
}  # fmt: skip


def fill(net: nn.Module) -> None:
    """Set every parameter by its name; convolutions are even in columns, as a mirror asks for."""
    for name, values in [*net.named_parameters(), *net.named_buffers()]:
        if values.is_floating_point():
            values.data.copy_(made_by_name(name, tuple(values.shape)))
        else:
            values.data.zero_()


def made_by_name(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the values that `fill` gives a parameter."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if noise.ndim >= 2:
        noise = noise / math.sqrt(max(1, math.prod(noise.shape[1:])))
        return (noise + noise.flip(-1)) / 2 if noise.ndim == 4 else noise
    if name.endswith(("running_var", "weight", "gamma", "scale")):
        return 1 + 0.1 * noise.abs()
    return 0.1 * noise


def published(params: dict[str, Any], kind: str) -> dict[str, Any]:
    told = {name: {"type": "builtin", "value": v} for name, v in params.items()}
    return {"state_dict": {}, "config": {"class": kind, "params": told}}


def ritm_checkpoint(path: Path) -> dict[str, Any]:
    with_prev = "baseline" not in path.name
    if path.name.startswith("r34"):
        return published(RITM_DEEPLAB, "isegm.model.is_deeplab_model.DeeplabModel")
    params = {**RITM_HRNET, "with_prev_mask": with_prev}
    return published(params, "isegm.model.is_hrnet_model.HRNetModel")


def focal_checkpoint(name: str) -> dict[str, Any]:
    version = {"pipeline_version": name[-2:]}
    size = re.search(r"segformer-(b\d)", name)
    if size:
        params = {**FOCAL, **version, "model_version": "b0"}
        return published(params, "isegm.model.is_segformer_model.SegFormerModel")
    params = {**FOCAL, **version, "width": 8, "ocr_width": 8, "small": True}
    return published(params, "isegm.model.is_hrnet_model.HRNetModel")


def config_checkpoint(path: Path, stand_ins: tuple[str, ...] = ()) -> dict[str, Any]:
    if stand_ins:  # of SimpleClick alone
        return {"state_dict": {}, "config": SIMPLECLICK}
    if path.name.startswith("focalclick_"):
        return focal_checkpoint(_focal_name(path))
    return ritm_checkpoint(path)


def fbrs_checkpoint(path: Path) -> dict[str, Any]:
    from napari_intseg.models.brs.brs import _CLICKS
    from napari_intseg.models.nets.click_net import DeepLabClicks, HRNetClicks

    if path.name.startswith("hrnet"):
        return dict(HRNetClicks(_CLICKS, width=8, ocr_width=8, small=True).state_dict())
    depth = re.match(r"resnet\d+", path.name)
    assert depth is not None
    # depth is told from the number of parameters, so it cannot be made smaller
    with torch.device("meta"):
        return dict(DeepLabClicks(_CLICKS, backbone=depth[0], width=16).state_dict())


@contextmanager
def small_zoo(folder: Path, *, few_places: bool = True) -> Iterator[None]:
    """Let every name of the registry be built without a checkpoint, small.

    Parameters
    ----------
    folder : Path
        Where empty files are put in the place of checkpoints.
    few_places : bool, default True
        Whether SAM's decoders answer from `SAM_GRID` squared places, not from the published 64².
    """
    import napari_intseg.models as room

    for module in pkgutil.walk_packages(room.__path__, "napari_intseg.models."):
        importlib.import_module(module.name)
    for key, entry in catalogue.CATALOGUE.items():
        if key != "bundled":  # that one is real
            path = folder / entry.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    with pytest.MonkeyPatch.context() as change:
        change.setenv(FOLDERS_VARIABLE, str(folder))
        _patch_files(change)
        _patch_sizes(change)
        if few_places:
            _patch_grid(change)
        yield


def _patch_files(patch: pytest.MonkeyPatch) -> None:
    room = "napari_intseg.models."
    here = {n.removeprefix(room): m for n, m in sys.modules.items() if n.startswith(room)}

    def load_strict(net: nn.Module, _state_dict: Any, _path: Path) -> None:
        fill(net)

    for name, module in here.items():
        if hasattr(module, "load_strict") and name not in ("bundled", "checkpoint"):
            patch.setattr(module, "load_strict", load_strict)
    reads: dict[str, Callable[..., Any]] = {
        "ritm": config_checkpoint,
        "brs.brs": fbrs_checkpoint,
        **dict.fromkeys(("guided.dextr", "guided.iog", "fcanet", "forte"), lambda _path: {}),
    }
    for name, read in reads.items():
        patch.setattr(here[name], "load_checkpoint", read)
    code = {"vision_encoder.pos_embed": torch.empty(1, 1, 1, SAM_SIZE["hidden_size"])}
    for name in ("sam.sam", "sam.efficient_sam", "sam.sam2"):
        patch.setattr(here[name], "read_weights", lambda _name, path, _rules: (dict(code), path))
    asked: list[str] = []
    load_net = here["sam.sam2"].load_net

    def named(name: str, weights: Path | None) -> Any:
        asked.append(name.removeprefix("sam2.1-"))
        return load_net(name, weights)

    patch.setattr(here["sam.sam2"], "load_net", named)
    patch.setattr(here["sam.sam2"], "library_names", lambda state_dict: state_dict)
    patch.setattr(here["sam.sam2"], "find_size", lambda _state_dict: asked[-1])


def _focal_name(path: Path) -> str:
    return next(k for k, e in catalogue.CATALOGUE.items() if e.file == path.name)


def _patch_sizes(patch: pytest.MonkeyPatch) -> None:
    """Make networks small whose files do not say how large they are."""
    from napari_intseg.models import fcanet, forte
    from napari_intseg.models import fcanet as fcanet_net
    from napari_intseg.models.guided import deepgrabcut, dextr, iog
    from napari_intseg.models.nets import resnet
    from napari_intseg.models.nets.resnet import bottleneck_layer
    from napari_intseg.models.sam import efficient_sam, mask_decoder, sam, sam2

    def one_block(channels: int, width: int, dilations: Any, **how: Any) -> nn.Sequential:
        return bottleneck_layer(channels, width, list(dilations)[:1], **how)

    for net in (resnet, iog, fcanet_net):
        patch.setattr(net, "bottleneck_layer", one_block)
    stage = forte._stage
    patch.setattr(forte, "_stage", lambda i, width, d, stride=1: stage(i, width, d[:1], stride))
    for module in (dextr, deepgrabcut, iog, iog):
        patch.setattr(module, "SIDE_PX", SIDE_PX)
        if hasattr(module, "FRAME"):
            patch.setattr(module, "FRAME", (SIDE_PX, SIDE_PX))
    patch.setattr(iog, "_FINE_PX", SIDE_PX // 4)
    patch.setattr(fcanet, "SHORTER_PX", SIDE_PX)
    for size in ("vit-b", "vit-l", "vit-h"):
        patch.setitem(sam.SIZES, size, SAM_SIZE)
    # the ways of SAM to do with less memory: its encoder sees a smaller square
    patch.setattr(mask_decoder, "SIDE_PX", 16 * SAM_GRID)
    patch.setattr(efficient_sam, "SmallViT", partial(efficient_sam.SmallViT, depth=2))
    for size, told in dict(sam2.SIZES).items():
        small = {**told, "width": 16 * told.get("heads", 1), "blocks": [1, 1, 2, 1], "whole": [3]}
        patch.setitem(sam2.SIZES, size, small)
    wanted: list[str] = []

    def check_size(_name: str, size: str | None, *_rest: Any) -> str:
        wanted.append(size or "vit-b")
        return wanted[-1]

    patch.setattr(sys.modules["napari_intseg.models.sam.sam"], "check_size", check_size)


def _patch_grid(patch: pytest.MonkeyPatch) -> None:
    """Let SAM's decoders, which are as published, answer from fewer places: they cost most."""
    from napari_intseg.models.sam import mask_decoder, sam2, square_frame

    patch.setattr(mask_decoder.to_grid, "__defaults__", (SAM_GRID,))
    for module in (mask_decoder, sam2):
        patch.setattr(module, "GRID", SAM_GRID)
    for module in (square_frame, sam2):
        patch.setattr(module, "LOW_PX", 4 * SAM_GRID)
    # of a mask that is remembered; clicks are measured in the published square as ever
    patch.setattr(sam2, "SIDE_PX", 16 * SAM_GRID)
    prompts: dict[str, Any] = {"patch_size": square_frame.SIDE_PX // SAM_GRID}
    made = partial(mask_decoder.SamPromptEncoderConfig, **prompts)
    patch.setattr(mask_decoder, "SamPromptEncoderConfig", made)
    memory = {"memory_attention_rope_feat_sizes": [SAM_GRID, SAM_GRID]}
    for name in ("Sam2VideoConfig", "EdgeTamVideoConfig"):
        made = partial(getattr(sam2, name), prompt_encoder_config=prompts, **memory)
        patch.setattr(sam2, name, made)
