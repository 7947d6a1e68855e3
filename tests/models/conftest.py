import importlib.util
from pathlib import Path

import pytest
import torch

from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks


@pytest.fixture(scope="session")
def det_state_dict(shared):
    """Make the deterministic weights of a fixture's JSON, its overrides applied."""
    spec = importlib.util.spec_from_file_location(
        "det_weights", shared / "parity" / "det_weights.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make(info: dict) -> dict:
        state_dict = module.det_state_dict(info["shapes"])
        for name, factor in info.get("overrides", {}).items():
            state_dict[name] = state_dict[name] * factor
        return state_dict

    return make


@pytest.fixture(scope="session")
def ritm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    torch.save({"state_dict": state_dict, "config": config}, path)
    return path
