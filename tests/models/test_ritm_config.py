"""RITM checkpoints that are not what they should be, and options of none that is published."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.errors import WeightsError
from napari_intseg.models.ritm import load_ritm, net_of_config


def save(checkpoint: Any, path: Path) -> Path:
    torch.save(checkpoint, path)
    return path


def changed(path: Path, tmp_path: Path, change: Any) -> Path:
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    return save(checkpoint, tmp_path / "changed.pth")


def test_a_missing_weight_is_named(ritm_file: Path, tmp_path: Path) -> None:
    path = changed(
        ritm_file, tmp_path, lambda c: c["state_dict"].pop("feature_extractor.cls_head.bias")
    )
    with pytest.raises(WeightsError, match=r"1 missing .feature_extractor.cls_head.bias."):
        load_ritm(path)


def test_a_weight_too_many_is_named(ritm_file: Path, tmp_path: Path) -> None:
    path = changed(ritm_file, tmp_path, lambda c: c["state_dict"].update(stray=torch.zeros(1)))
    with pytest.raises(WeightsError, match=r"1 unknown .stray."):
        load_ritm(path)


def test_a_weight_of_another_shape_is_named(ritm_file: Path, tmp_path: Path) -> None:
    path = changed(
        ritm_file, tmp_path, lambda c: c["config"]["params"]["ocr_width"].update(value=64)
    )
    with pytest.raises(WeightsError, match=r"of another shape .feature_extractor.conv3x3_ocr.0"):
        load_ritm(path)


def test_an_unknown_class_is_named_and_never_imported(ritm_file: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    sys.path.insert(0, str(tmp_path))
    try:
        path = changed(ritm_file, tmp_path, lambda c: c["config"].update({"class": "evil.Model"}))
        with pytest.raises(
            WeightsError, match=r"unknown class: expected one of .*got 'evil.Model'"
        ):
            load_ritm(path)
    finally:
        sys.path.remove(str(tmp_path))
    assert "evil" not in sys.modules


@pytest.mark.parametrize("name", [None, ["a"], 3])
def test_a_class_that_is_no_name_is_told(ritm_file: Path, tmp_path: Path, name: Any) -> None:
    path = changed(ritm_file, tmp_path, lambda c: c["config"].update({"class": name}))
    with pytest.raises(WeightsError, match="unknown class"):
        load_ritm(path)


def test_an_unknown_parameter_is_named(ritm_file: Path, tmp_path: Path) -> None:
    extra = {"type": "builtin", "value": "s1", "specified": True}
    path = changed(
        ritm_file, tmp_path, lambda c: c["config"]["params"].update(pipeline_version=extra)
    )
    with pytest.raises(WeightsError, match=r"unknown parameter: expected .*got 'pipeline_version'"):
        load_ritm(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", "wide"), ("width", True), ("width", 0), ("norm_radius", -5), ("use_disks", 1),
        ("norm_layer", "os.system"), ("clicks_groups", [2, 5]), ("norm_mean_std", [[0.5], [0.5]]),
    ],
)  # fmt: skip
def test_an_unknown_value_is_named(ritm_file: Path, tmp_path: Path, name: str, value: Any) -> None:
    path = changed(
        ritm_file, tmp_path, lambda c: c["config"]["params"].update({name: {"value": value}})
    )
    with pytest.raises(WeightsError, match=f"unknown value of the parameter '{name}'"):
        load_ritm(path)


def test_a_checkpoint_of_sam_is_told_apart(tmp_path: Path) -> None:
    state_dict = {
        "image_encoder.pos_embed": torch.zeros(1),
        "mask_decoder.iou_token.weight": torch.zeros(1),
    }
    path = save(state_dict, tmp_path / "sam_vit_b.pth")
    with pytest.raises(WeightsError, match=r"'state_dict' and 'config'.*image_encoder.pos_embed"):
        load_ritm(path)


@pytest.mark.parametrize("entry", ["config", "state_dict"])
def test_a_missing_entry_is_told(ritm_file: Path, tmp_path: Path, entry: str) -> None:
    path = changed(ritm_file, tmp_path, lambda c: c.pop(entry))
    with pytest.raises(WeightsError, match="expected the entries 'state_dict' and 'config'"):
        load_ritm(path)


def test_a_broken_configuration_is_told(ritm_file: Path, tmp_path: Path) -> None:
    path = changed(ritm_file, tmp_path, lambda c: c["config"].pop("params"))
    with pytest.raises(WeightsError, match="broken configuration: expected the entries 'class'"):
        load_ritm(path)


def test_other_published_options_make_a_network(rng: np.random.Generator) -> None:
    """No published file uses them, but their configuration is understood."""
    for params in (
        {"use_rgb_conv": True, "use_disks": False, "norm_radius": 260},
        {
            "use_rgb_conv": False,
            "conv_extend": True,
            "with_prev_mask": True,
            "binary_prev_mask": True,
        },
        {"use_rgb_conv": False, "ocr_width": 0},
    ):
        config = {
            "class": "isegm.model.is_hrnet_model.HRNetModel",
            "params": {
                name: {"value": value}
                for name, value in {"width": 18, "ocr_width": 48, "small": True, **params}.items()
            },
        }
        net = net_of_config(config, Path("made")).eval()
        image = torch.from_numpy(rng.random((1, 3, 32, 40), np.float32))
        with torch.inference_mode():
            logits = net(image, torch.tensor([[[5.0, 5, 0], [-1, -1, -1]]]))
        assert logits.main.shape == (1, 1, 32, 40)
        assert (logits.aux is None) == (params.get("ocr_width") == 0)
