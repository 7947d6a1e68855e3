"""Checkpoints that are hostile, damaged or no checkpoints at all."""

import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from napari_intseg.errors import WeightsError
from napari_intseg.models.weights import load_checkpoint, load_strict


class Hostile:
    """A pickle of it would write a file when loaded carelessly."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("way", ["zip", "legacy", "bare pickle"])
def test_a_checkpoint_that_would_run_code_does_not(tmp_path: Path, way: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "hostile.pth"
    hostile = {"state_dict": {}, "config": Hostile(marker)}
    if way == "bare pickle":
        path.write_bytes(pickle.dumps(hostile, protocol=2))
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=way == "zip")
    with pytest.raises(WeightsError, match=r"not safe to load: .*hostile.pth.*run code") as told:
        load_checkpoint(path)
    assert "weights_only" not in str(told.value), "torch's advice to load it unsafely is not ours"
    assert not marker.exists()
    torch.load(path, weights_only=False) if way != "bare pickle" else pickle.loads(
        path.read_bytes()
    )
    assert marker.exists(), "the trap itself must work"


def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pth"
    torch.save({"state_dict": {"a": torch.zeros(5000)}}, path)
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        whole[:40],
        b"\x80",
        b"no checkpoint at all",
        b"PK\x03\x04",
    ):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"weights cannot be read: .*fetch it again"):
            load_checkpoint(path)
    path = tmp_path / "damaged.safetensors"
    for content in (b"\x00", struct.pack("<Q", 10**12) + b"{}", b"random" * 100):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="weights cannot be read"):
            load_checkpoint(path)


def test_an_empty_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pth"
    empty.touch()
    with pytest.raises(WeightsError, match=r"weights are empty: .*empty.pth' of 0 bytes"):
        load_checkpoint(empty)
    with pytest.raises(WeightsError, match=r"weights are missing: expected a file, got .*gone.pth"):
        load_checkpoint(tmp_path / "gone.pth")
    with pytest.raises(WeightsError, match="weights are a folder: expected a file"):
        load_checkpoint(tmp_path)


def test_plain_values_beside_tensors_are_read(tmp_path: Path) -> None:
    given = {
        "state_dict": {"a": torch.arange(3)},
        "config": {"class": "x", "params": {"y": [0.5, None]}},
    }
    path = tmp_path / "plain.pth"
    torch.save(given, path)
    read = load_checkpoint(path)
    assert read["config"] == given["config"]
    assert torch.equal(read["state_dict"]["a"], torch.arange(3))
    save_file({"a": torch.arange(3)}, tmp_path / "plain.safetensors")
    assert torch.equal(load_checkpoint(tmp_path / "plain.safetensors")["a"], torch.arange(3))


def test_what_is_no_state_dict_is_told() -> None:
    net = torch.nn.Linear(2, 1)
    for given in ([1], {"weight": "text"}):
        with pytest.raises(WeightsError, match=r"no state dict: expected tensors by name.*x.pth"):
            load_strict(net, given, Path("x.pth"))
    load_strict(net, {"weight": torch.ones(1, 2), "bias": torch.ones(1)}, Path("x.pth"))
    assert net.bias.item() == 1.0
    with pytest.raises(WeightsError, match=r"1 missing \(bias\)"):
        load_strict(net, {"weight": torch.ones(1, 2)}, Path("x.pth"))
