"""RITM against its reference implementation, and as a segmenter."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, logit, mask_to_logits, sigmoid
from napari_intseg.core.settings import ZoomIn
from napari_intseg.errors import DeviceError, PromptError, WeightsError
from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks
from napari_intseg.models.raw import raw_logits
from napari_intseg.models.registry import load_model
from napari_intseg.models.ritm import build, pack_clicks

VARIANTS = {
    "ritm-hrnet18s": "ritm_hrnet18s_itermask",
    "ritm-hrnet18": "ritm_hrnet18_itermask",
    "ritm-hrnet32": "ritm_hrnet32_itermask",
    "ritm-hrnet18-baseline": "ritm_hrnet18_baseline",
    "ritm-resnet34": "ritm_resnet34_deeplab",
}


def reference_checkpoint(parity: Path, name: str) -> dict[str, Any]:
    """A file's content in the published form, with the fixtures' deterministic weights."""
    sys.path.insert(0, str(parity))
    try:
        from det_weights import det_state_dict
    finally:
        sys.path.remove(str(parity))
    info = json.loads((parity / f"{name}.json").read_text())
    base = json.loads((parity / info["base"]).read_text()) if "base" in info else info
    state_dict = det_state_dict(base["shapes"])
    for key, factor in info.get("overrides", {}).items():
        state_dict[key] = state_dict[key] * factor
    return {"state_dict": state_dict, "config": base["config"]}


def save(checkpoint: Any, path: Path) -> Path:
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def parity(shared: Path) -> Path:
    return shared / "parity"


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the published form of HRNet-18s, random but repeatable."""
    torch.manual_seed(0)
    net = HRNetClicks(ClickInput(with_prev=True), width=18, ocr_width=48, small=True)
    params = {
        "width": 18, "ocr_width": 48, "small": True, "with_aux_output": True,
        "use_leaky_relu": True, "use_rgb_conv": False, "use_disks": True, "norm_radius": 5,
        "with_prev_mask": True,
    }  # fmt: skip
    config = {
        "class": "isegm.model.is_hrnet_model.HRNetModel",
        "params": {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in params.items()
        },
    }
    state_dict = net.state_dict()
    state_dict["maps_transform.3.scale"] *= 100  # untrained, clicks would hardly matter
    path = tmp_path_factory.mktemp("weights") / "coco_lvis_h18s_itermask.pth"
    return save({"state_dict": state_dict, "config": config}, path)


@pytest.fixture(scope="module")
def model(small_file: Path) -> Any:
    return load_model("ritm-hrnet18s", weights=small_file, device="cpu")


def query(model: Any, rng: np.random.Generator, *clicks: Click, prev: Any = None) -> Query:
    image = rng.random((48, 64, 3), np.float32)
    return Query(model.prepare(image), Prompts(clicks), prev)


def assert_as_reference(ours: Any, reference: Any) -> None:
    tolerance = 1e-4 * max(1, reference.std()) + 1e-4 * np.abs(reference)
    worst = np.max(np.abs(ours - reference) - tolerance)
    assert worst <= 0, f"beyond the tolerance by {worst}"


@pytest.mark.parametrize("suffix", ["_scaled", ""])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_published_network_equals_the_reference(
    parity: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    stem = VARIANTS[name] + suffix
    path = save(reference_checkpoint(parity, stem), tmp_path / "checkpoint.pth")
    fixture = np.load(parity / f"{stem}_forward.npz")
    for plain in (True, False):
        model = load_model(name, weights=path, device="cpu", precision="float32", plain=plain)
        prev = fixture["prev_mask"] if model.traits.uses_prev else None
        logits = raw_logits(model, fixture["image"], fixture["points"], prev)
        assert logits.dtype == np.float32
        assert_as_reference(logits, fixture["logits"])
