import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.errors import WeightsError
from napari_intseg.models.nets.simple_click import SimpleClickNet
from napari_intseg.models.registry import load_model
from napari_intseg.models.ritm import STAND_INS, _vit_sizes, load_simpleclick
from napari_intseg.testing import SegmenterContract, raw_logits
from reference_weights import reference_state_dict

PATCHES_14 = Path(__file__).resolve().parents[2] / "data/parity/simpleclick_patches_14.npy"
TINY = {
    "backbone_params": {
        "img_size": [448, 448], "patch_size": [16, 16], "in_chans": 3, "embed_dim": 32,
        "depth": 4, "num_heads": 2, "mlp_ratio": 4, "qkv_bias": True,
    },
    "neck_params": {"in_dim": 32, "out_dims": [16, 16, 32, 32]},
    "head_params": {"channels": 32, "upsample": "x1", "loss_decode": None},
}  # fmt: skip


def save_as_published(folder: Path, config: dict, state_dict: dict, loss: object = None) -> Path:
    params = {name: {"type": "builtin", "value": value} for name, value in config.items()}
    if loss is not None:
        params["head_params"]["value"] = {**config["head_params"], "loss_decode": loss}
    path = folder / "published.pth"
    torch.save({"state_dict": state_dict, "config": {"class": "x", "params": params}}, path)
    return path


@pytest.fixture
def published_loss(monkeypatch):
    """An object of the class that the published files hold, which exists only while saving."""
    module_name, class_name = STAND_INS[0].rsplit(".", 1)
    module = types.ModuleType(module_name)

    class CrossEntropyLoss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.loss_weight = 1.0
            self.cls_criterion = module.cross_entropy

    def cross_entropy():
        raise AssertionError("must never run")

    for thing, name in ((CrossEntropyLoss, class_name), (cross_entropy, "cross_entropy")):
        thing.__module__, thing.__qualname__ = module_name, name
        setattr(module, name, thing)
    parts = module_name.split(".")
    for i in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:i]), types.ModuleType(parts[i - 1]))
    monkeypatch.setitem(sys.modules, module_name, module)
    return CrossEntropyLoss()


def tiny_net() -> SimpleClickNet:
    torch.manual_seed(0)
    return SimpleClickNet(_vit_sizes(TINY, Path("made")))


def test_published_file_loads_without_running_what_it_names(tmp_path, published_loss, monkeypatch):
    path = save_as_published(tmp_path, TINY, tiny_net().state_dict(), published_loss)
    for name in [n for n in sys.modules if n.startswith("isegm")]:
        monkeypatch.delitem(sys.modules, name)
    net, side = load_simpleclick(path)
    assert side == 448
    assert not [n for n in sys.modules if n.startswith("isegm")]
    assert torch.equal(net.head.conv_seg.weight, tiny_net().head.conv_seg.weight)


def test_other_names_in_the_file_are_refused(tmp_path):
    path = tmp_path / "hostile.pth"

    class Run:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": {}, "config": Run()}, path)
    with pytest.raises(WeightsError, match="not safe to load"):
        load_simpleclick(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_without_configuration_is_refused(tmp_path):
    path = tmp_path / "bare.pth"
    torch.save(tiny_net().state_dict(), path)
    with pytest.raises(WeightsError, match="no configuration: expected 'state_dict' and 'config'"):
        load_simpleclick(path)


def test_a_foreign_configuration_is_refused(tmp_path):
    path = save_as_published(tmp_path, {"width": 18}, {})
    with pytest.raises(WeightsError, match=r"not of SimpleClick: .*backbone_params"):
        load_simpleclick(path)


def test_an_unknown_head_is_refused(tmp_path):
    config = {**TINY, "head_params": {"channels": 32, "upsample": "x8"}}
    with pytest.raises(WeightsError, match="expected upsample x1, x2 or x4"):
        load_simpleclick(save_as_published(tmp_path, config, {}))


def test_weights_must_be_given():
    from napari_intseg.models.ritm import build_simpleclick

    with pytest.raises(WeightsError, match="expected a checkpoint for 'simpleclick-vit-b'"):
        build_simpleclick("simpleclick-vit-b", None)


@pytest.mark.parametrize("size", ["xtiny", "b", "l", "h"])
def test_names_and_shapes_are_the_published_ones(shared, size):
    info = json.loads((shared / "parity" / f"simpleclick_vit_{size}.json").read_text())
    with torch.device("meta"):
        net = SimpleClickNet(_vit_sizes(info["config"], Path("fixture")))
    assert {n: list(v.shape) for n, v in net.state_dict().items()} == info["shapes"]


def assert_close(logits: np.ndarray, expected: np.ndarray) -> None:
    allowed = 1e-4 * max(1.0, expected.std()) + 1e-4 * np.abs(expected)
    assert (np.abs(logits - expected) <= allowed).all()


@pytest.mark.parametrize("size", ["xtiny", "b"])
def test_logits_equal_the_reference(shared, tmp_path, size):
    info = json.loads((shared / "parity" / f"simpleclick_vit_{size}.json").read_text())
    path = save_as_published(tmp_path, info["config"], reference_state_dict(info))
    given = np.load(shared / "parity" / f"simpleclick_vit_{size}_forward.npz")
    model = load_model("simpleclick-vit-b", weights=path, device="cpu")
    path.unlink()
    assert_close(
        raw_logits(model, given["image"], given["points"], given["prev_mask"]), given["logits"]
    )


def test_patches_of_14_pixels_answer_as_when_vit_h_equalled_the_reference(tmp_path):
    """ViT-H has smaller patches and larger windows than the others, and takes 20 s to compute.

    So a small network with its patches stands for it. Its logits were stored when those of ViT-H
    equalled the reference, by the same code.
    """
    config = {**TINY, "backbone_params": {**TINY["backbone_params"], "patch_size": [14, 14]}}
    config["backbone_params"]["depth"] = 8  # four of them see the image as a whole
    with torch.device("meta"):
        net = SimpleClickNet(_vit_sizes(config, Path("made")))
    shapes = {name: list(values.shape) for name, values in net.state_dict().items()}
    path = save_as_published(tmp_path, config, reference_state_dict({"shapes": shapes}))
    model = load_model("simpleclick-vit-b", weights=path, device="cpu")
    rows, cols = np.mgrid[:448, :448]
    image = np.stack([rows % 97 * 2, cols % 61 * 4, (rows + 2 * cols) % 256], 2).astype(np.uint8)
    points = np.array([[100, 150, 0], [120, 200, 2], [30, 20, 1], [-1, -1, -1]], np.float32)
    prev = ((rows - 200) ** 2 + (cols - 250) ** 2 < 90**2).astype(np.float32)
    assert_close(raw_logits(model, image, points, prev)[::8, ::8], np.load(PATCHES_14))


class TestSimpleClick(SegmenterContract):
    shape = (448, 448)

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        self.path = save_as_published(tmp_path, TINY, tiny_net().state_dict())

    def make(self):
        return load_model("simpleclick-vit-b", weights=self.path, device="cpu")
