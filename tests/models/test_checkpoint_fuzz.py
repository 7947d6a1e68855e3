"""Damaged weight files lead to an error of ours, never to another or to code that runs."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_intseg.errors import WeightsError
from napari_intseg.models.weights.locate import load_checkpoint


@pytest.fixture(params=["a.pth", "a.safetensors"])
def whole(request, tmp_path):
    path = tmp_path / request.param
    state = {"layer.weight": torch.arange(48.0).reshape(6, 8), "layer.bias": torch.ones(6)}
    if path.suffix == ".pth":
        torch.save({"state_dict": state}, path)
    else:
        save_file(state, path)
    load_checkpoint(path)  # whole, it is read
    return path


@pytest.mark.parametrize("seed", range(30))
def test_damaged_bytes_are_told(whole, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(whole.read_bytes())
    if seed % 3 == 0:
        content = content[: int(rng.integers(len(content)))]
    else:
        for _ in range(int(rng.integers(1, 30))):
            content[int(rng.integers(len(content)))] = int(rng.integers(256))
    whole.write_bytes(content)
    told = ": expected "
    try:
        load_checkpoint(whole)
    except WeightsError as err:
        told = str(err)
    assert ": expected " in told
