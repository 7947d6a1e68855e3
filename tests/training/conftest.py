import os

import numpy as np
import pytest
import tifffile
import torch

pytest.importorskip("cv2", reason="training needs opencv (the extra 'train')")


@pytest.fixture(autouse=True)
def few_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    yield
    torch.set_num_threads(before)


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
