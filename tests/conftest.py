import os
import signal
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file in one process, for its fixtures, and all windows in one, for the focus."""
    for item in items:
        group = "window" if item.get_closest_marker("gui") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Hear Ctrl-C as in a terminal: a job in the background starts with the signal ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _journals(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journals of tests out of the user's data folder, each test's for itself."""
    monkeypatch.setenv("NAPARI_INTSEG_JOURNALS", str(tmp_path_factory.mktemp("journals")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with fixtures and data beside the checkout (or named by NAPARI_INTSEG_SHARED)."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NAPARI_INTSEG_SHARED", default))
    if not folder.is_dir():
        pytest.skip("no shared folder beside the checkout; set NAPARI_INTSEG_SHARED to name it")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def ritm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the published form of HRNet-18s, random but repeatable."""
    import torch

    from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks

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
