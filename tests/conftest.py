import os
from pathlib import Path

import numpy as np
import pytest


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
