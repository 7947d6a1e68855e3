import os

import numpy as np
import pytest
import tifffile
import torch

from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.models.weights.store import write_weights

pytest.importorskip("cv2", reason="training needs opencv (the extra 'train')")


@pytest.fixture(autouse=True)
def few_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    yield
    torch.set_num_threads(before)


SMALL_VIEWS = {"target_size": 96, "min_crop_size": 64, "narrower": []}
"""Traits of weights whose held-out objects are asked about in views of the made pictures' size.

Views of 384 pixels took most of a run's time, and what tests claim of a measurement is who, when
and how often, not how well."""


@pytest.fixture
def small_start(tmp_path):
    """Random weights of the bundled network, written for small views."""
    torch.manual_seed(0)
    net = ClickPyramid().state_dict()
    return str(write_weights(tmp_path / "start.safetensors", net, traits=SMALL_VIEWS))


@pytest.fixture
def make_folder(tmp_path):
    """Return a function that writes images of bright discs with their instance masks."""

    def make(name="discs", *, count=8, side=96, seed=0):
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True)
        rows, cols = np.ogrid[:side, :side]
        for i in range(count):
            labels = np.zeros((side, side), np.uint16)
            for label in (1, 2):
                row, col = rng.uniform(20, side - 20), side * (0.25 if label == 1 else 0.75)
                labels[(rows - row) ** 2 + (cols - col) ** 2 <= rng.uniform(9, 16) ** 2] = label
            grey = np.where(labels > 0, 190, 60) + rng.normal(0, 8, labels.shape)
            tifffile.imwrite(folder / "images" / f"i{i}.tif", grey.clip(0, 255).astype(np.uint8))
            tifffile.imwrite(folder / "masks" / f"i{i}.tif", labels)
        return folder

    return make
