"""The contract over the whole registry: every adapter, with small networks and made weights.

No file is read: networks are built by their adapters from a configuration, at a size that a test
can pay for, and filled with weights that follow from the parameters' names. What is made smaller
is said in `small_zoo`; that the published sizes have the published shapes, the parity tests show.
"""

import importlib
import math
import pkgutil
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import Prepared, Query, Segmenter, Traits, sigmoid
from napari_intseg.core.taking import missing, refused
from napari_intseg.core.volume import Volume
from napari_intseg.errors import PromptError
from napari_intseg.evaluation.run import Protocol, segment_slice
from napari_intseg.models import catalogue
from napari_intseg.models.registry import MODELS, load_model
from napari_intseg.session.session import Session
from napari_intseg.testing import SegmenterContract, phantom_image, prompts_for

SIDE_PX = 128
"""Of the square that a network with a fixed input sees, in place of 450 to 1024."""

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
        if not values.is_floating_point():
            values.data.zero_()
            continue
        made = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        noise = torch.randn(values.shape, generator=made)
        if values.ndim >= 2:
            noise = noise / math.sqrt(max(1, math.prod(values.shape[1:])))
            if values.ndim == 4:
                noise = (noise + noise.flip(-1)) / 2
        elif name.endswith(("running_var", "weight", "gamma", "scale")):
            noise = 1 + 0.1 * noise.abs()
        else:
            noise = 0.1 * noise
        values.data.copy_(noise)


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


def fbrs_checkpoint(path: Path) -> dict[str, Any]:
    from napari_intseg.models.fbrs import _CLICKS
    from napari_intseg.models.nets.click_net import DeepLabClicks, HRNetClicks

    if path.name.startswith("hrnet"):
        return dict(HRNetClicks(_CLICKS, width=8, ocr_width=8, small=True).state_dict())
    depth = re.match(r"resnet\d+", path.name)
    assert depth is not None
    # depth is told from the number of parameters, so it cannot be made smaller
    with torch.device("meta"):
        return dict(DeepLabClicks(_CLICKS, backbone=depth[0], width=16).state_dict())


@pytest.fixture(scope="module", autouse=True)
def small_zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let every name of the registry be built without a checkpoint, small."""
    pytest.importorskip("cv2", reason="needs the extra 'zoo'")
    pytest.importorskip("transformers", reason="needs the extra 'sam'")
    import napari_intseg.models as room

    for module in pkgutil.iter_modules(room.__path__, "napari_intseg.models."):
        importlib.import_module(module.name)
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_INTSEG_WEIGHTS", str(folder))
        for key, entry in catalogue.CATALOGUE.items():
            if key != "bundled":  # that one is real
                (folder / entry.file).touch()
        _patch_files(patch)
        _patch_sizes(patch)
        yield
    BUILT.clear()


def _patch_files(patch: pytest.MonkeyPatch) -> None:
    room = "napari_intseg.models."
    here = {n.removeprefix(room): m for n, m in sys.modules.items() if n.startswith(room)}

    def load_strict(net: nn.Module, _state_dict: Any, _path: Path) -> None:
        fill(net)

    for name, module in here.items():
        if hasattr(module, "load_strict") and name not in ("bundled", "checkpoint", "weights"):
            patch.setattr(module, "load_strict", load_strict)
    reads: dict[str, Callable[..., Any]] = {
        "ritm_config": ritm_checkpoint,
        "fbrs": fbrs_checkpoint,
        "simpleclick": lambda _path, **_: {"state_dict": {}, "config": SIMPLECLICK},
        "focalclick_config": lambda path: focal_checkpoint(_focal_name(path)),
        **dict.fromkeys(("dextr", "iog", "fcanet", "forte"), lambda _path: {}),
    }
    for name, read in reads.items():
        patch.setattr(here[name], "load_checkpoint", read)
    code = {"vision_encoder.pos_embed": torch.empty(1, 1, 1, SAM_SIZE["hidden_size"])}
    for name in ("sam", "mobile_sam", "efficient_sam", "sam2"):
        patch.setattr(here[name], "read_weights", lambda _name, path, _rules: (dict(code), path))
    asked: list[str] = []
    load_net = here["sam2"].load_net

    def named(name: str, weights: Path | None) -> Any:
        asked.append(name.removeprefix("sam2.1-"))
        return load_net(name, weights)

    patch.setattr(here["sam2"], "load_net", named)
    patch.setattr(here["sam2"], "library_names", lambda state_dict: state_dict)
    patch.setattr(here["sam2"], "find_size", lambda _state_dict: asked[-1])


def _focal_name(path: Path) -> str:
    return next(k for k, e in catalogue.CATALOGUE.items() if e.file == path.name)


def _patch_sizes(patch: pytest.MonkeyPatch) -> None:
    """Make networks small whose files do not say how large they are."""
    from napari_intseg.models import (  # fmt: skip
        deepgrabcut,
        dextr,
        efficient_sam,
        fcanet,
        iog,
        sam2,
        sam_memory,
        sam_sizes,
    )
    from napari_intseg.models.nets import fcanet as fcanet_net
    from napari_intseg.models.nets import forte, iog_net, psp_resnet
    from napari_intseg.models.nets.bottleneck import bottleneck_layer

    def one_block(channels: int, width: int, dilations: Any, **how: Any) -> nn.Sequential:
        return bottleneck_layer(channels, width, list(dilations)[:1], **how)

    for net in (psp_resnet, iog_net, fcanet_net):
        patch.setattr(net, "bottleneck_layer", one_block)
    stage = forte._stage
    patch.setattr(forte, "_stage", lambda i, width, d, stride=1: stage(i, width, d[:1], stride))
    for module in (dextr, deepgrabcut, iog, iog_net):
        patch.setattr(module, "SIDE_PX", SIDE_PX)
        if hasattr(module, "FRAME"):
            patch.setattr(module, "FRAME", (SIDE_PX, SIDE_PX))
    patch.setattr(iog_net, "_FINE_PX", SIDE_PX // 4)
    patch.setattr(fcanet, "SHORTER_PX", SIDE_PX)
    for size in ("vit-b", "vit-l", "vit-h"):
        patch.setitem(sam_sizes.SIZES, size, SAM_SIZE)
    # the ways of SAM to do with less memory: its encoder sees a smaller square
    patch.setattr(sam_memory, "SIDE_PX", 256)
    patch.setattr(efficient_sam, "SmallViT", partial(efficient_sam.SmallViT, depth=2))
    for size, told in dict(sam2.SIZES).items():
        small = {**told, "width": 16 * told.get("heads", 1), "blocks": [1, 1, 2, 1], "whole": [3]}
        patch.setitem(sam2.SIZES, size, small)
    wanted: list[str] = []

    def check_size(_name: str, size: str | None, *_rest: Any) -> str:
        wanted.append(size or "vit-b")
        return wanted[-1]

    patch.setattr(sys.modules["napari_intseg.models.sam"], "check_size", check_size)


BUILT: dict[tuple[str, str], Segmenter] = {}


class Remembering:
    """A model that prepares an image once: an embedding costs more than all answers on it."""

    def __init__(self, model: Any) -> None:
        self.model, self.traits = model, model.traits
        self._kept: dict[tuple[bytes, bool], Prepared] = {}
        self.predict: Callable[[Query], Any] = model.predict
        if hasattr(model, "predict_batch"):
            self.predict_batch = model.predict_batch

    def prepare(self, image: np.ndarray) -> Prepared:
        key = image.tobytes(), image.flags.writeable
        if key not in self._kept:
            self._kept[key] = self.model.prepare(image)
        return self._kept[key]


def built(name: str, precision: str = "float32") -> Any:
    """Return a registered model, made once."""
    if (name, precision) not in BUILT:
        model = load_model(name, device="cpu", precision=precision)
        BUILT[name, precision] = Remembering(model)  # type: ignore[assignment]
    return BUILT[name, precision]


class Contract(SegmenterContract):
    """The contract for one registered name."""

    shape: ClassVar[tuple[int, int]] = (64, 96)
    # kernels are even, yet strides sample other columns, and made weights amplify that
    mirror_tolerance = 0.25

    def make(self) -> Segmenter:
        return built(self.model_name)

    def make_half(self) -> Segmenter:
        return built(self.model_name, "bfloat16")


CHOSEN = (
    "bundled", "ritm-hrnet18s", "ritm-hrnet18-baseline", "ritm-resnet34", "fbrs-resnet34",
    "fbrs-hrnet18", "sam-vit-b", "sam-hq-vit-b", "mobile-sam", "sam-hq-vit-tiny",
    "focalclick-hrnet18s-s2", "focalclick-segformer-b0-s1", "mobile-sam-then-bundled",
)  # fmt: skip
BY_BUILDER = {MODELS[name].builder: name for name in CHOSEN}
FULL = tuple(
    dict.fromkeys((*CHOSEN, *(BY_BUILDER.setdefault(s.builder, n) for n, s in MODELS.items())))
)
"""One name of each adapter and kind of network: these go through the whole contract."""

SHAPES = {"simpleclick-vit-b": (224, 224)}

for _name in FULL:
    _title = "Test" + "".join(part.capitalize() for part in re.split(r"\W", _name))
    globals()[_title] = type(
        _title, (Contract,), {"model_name": _name, "shape": SHAPES.get(_name, Contract.shape)}
    )


def test_every_adapter_goes_through_the_whole_contract() -> None:
    tested = {value.model_name for name, value in globals().items() if name.startswith("Test")}
    assert {MODELS[name].builder for name in tested} == {s.builder for s in MODELS.values()}
    assert {MODELS[name].family for name in tested} == {s.family for s in MODELS.values()}


def image_for(name: str) -> tuple[np.ndarray, np.ndarray]:
    family = MODELS[name].family
    return phantom_image(shape=(224, 224) if family == "simpleclick" else (64, 96))


@pytest.mark.parametrize("name", list(MODELS))
def test_every_registered_model_is_what_the_registry_says_and_answers(name: str) -> None:
    model, spec = built(name), MODELS[name]
    assert model.traits.name == name
    assert model.traits.prompts == spec.prompts
    assert model.traits.needs <= spec.prompts
    image, truth = image_for(name)
    query = Query(model.prepare(image), prompts_for(model.traits, truth))
    first, again = model.predict(query), model.predict(query)
    assert first.logits.shape == truth.shape
    assert first.logits.dtype == np.float32
    np.testing.assert_array_equal(first.logits, again.logits)
    assert np.ptp(sigmoid(first.logits)) > 0  # made weights or not, prompts and image matter
    assert "waiting_for" not in first.info
    if name not in FULL:
        del BUILT[name, "float32"]  # large ones need not stay


@pytest.mark.parametrize("name", list(MODELS))
def test_a_prompt_it_cannot_take_is_refused_before_anything_runs(name: str) -> None:
    class Idle:
        """Has the traits of a model, and fails if it is asked."""

        traits = Traits(name, MODELS[name].prompts)

        def predict(self, _query: Query) -> None:
            raise AssertionError("it was asked")

    session = Session(Idle(), Volume(np.zeros((20, 30), np.uint8)))  # type: ignore[arg-type]
    given = {
        "click": Prompts((Click(5, 5),)),
        "box": Prompts(box=Box(2, 2, 9, 9)),
        "scribble": Prompts(scribbles=(Scribble(((1, 1), (5, 5))),)),
    }
    plane = session.volume.planes(0)[0]
    for kind, prompts in given.items():
        takes = kind in MODELS[name].prompts
        takes = takes or (kind == "click" and "extreme_points" in MODELS[name].prompts)
        if takes:
            session.set_prompts(plane, prompts)
            assert not refused(prompts, Idle.traits)
        else:
            with pytest.raises(PromptError, match=f"{name} takes no {kind}: expected .*got"):
                session.set_prompts(plane, prompts)


@pytest.mark.parametrize("name", FULL)
def test_evaluate_accepts_it(name: str) -> None:
    model = built(name)
    image, truth = image_for(name)
    volume = Volume((image * 255).astype(np.uint8), channels=True)
    truth_image = truth.astype(np.int8)
    course = segment_slice(model, volume, truth_image, Protocol(max_clicks=1))
    assert 1 <= len(course.clicks) <= 4
    assert len(course.ious) == len(course.clicks)
    assert all(0 <= iou <= 1 for iou in course.ious)


def test_what_a_model_needs_is_what_the_contract_gives() -> None:
    _, truth = phantom_image(shape=(64, 96))
    for name in ("dextr", "deepgrabcut", "iog", "bundled"):
        traits = built(name).traits
        assert not missing(prompts_for(traits, truth), traits)
    assert built("dextr").traits.needs == {"extreme_points"}
