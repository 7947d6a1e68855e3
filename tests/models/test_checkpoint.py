"""Checkpoints that are hostile, damaged or no checkpoints at all."""

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from napari_intseg.errors import WeightsError
from napari_intseg.models.net_model import random_start_skipped
from napari_intseg.models.weights.locate import load_checkpoint, load_strict


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


def zipped(path: Path, pickled: bytes) -> Path:
    """Put a pickle in the place of that of a whole checkpoint."""
    torch.save({"a": torch.zeros(4)}, path)
    with zipfile.ZipFile(path) as whole:
        entries = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as made:
        for name, content in entries.items():
            made.writestr(name, pickled if name.endswith("data.pkl") else content)
    return path


def legacy(path: Path, pickled: bytes) -> Path:
    """Put a pickle in the place of that of a checkpoint from before torch 1.6."""
    magic, protocol = 0x1950A86A20F9469CFC6C, 1001
    start = b"".join(pickle.dumps(one, 2) for one in (magic, protocol, {}))
    path.write_bytes(start + pickled + pickle.dumps([], 2))
    return path


DOUBLED = b"\x80\x02" + b")" + b"q\x00" + b"".join(
    b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(60)
)  # fmt: skip
TENSOR = (
    b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu%stQ%s%s%s\x89NtR."
)


def number(n: int) -> bytes:
    return b"\x8a\x08" + n.to_bytes(8, "little", signed=True)


CODE = {
    "os.system": b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00idq\x01\x85R.",
    "posix.system": b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.",
    "os.system, by the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
    "builtins.eval": b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
    "builtins.getattr": b"\x80\x02cbuiltins\ngetattr\n.",
    "torch.hub.load": b"\x80\x02ctorch.hub\nload\n.",
    "os.system of an instance": b"\x80\x02(X\x02\x00\x00\x00idios\nsystem\n.",
}
UNBOUNDED = {
    "nested tuples": DOUBLED + b".",
    "nested tuples as a key": DOUBLED + b"N}q\xff0\x300h\xffh\x3cNs.",
    "nested tuples that are thrown away": DOUBLED + b"0N.",
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "deep lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a byte array of any size": b"\x80\x02cbuiltins\nbytearray\n" + number(1 << 40) + b"\x85R.",
    "a storage of any size": b"\x80\x02ctorch\nFloatStorage\n" + number(1 << 40) + b"\x85R.",
    "a storage beyond the file": TENSOR
    % (number(1 << 40), number(0), number(4) + b"\x85", number(1) + b"\x85"),
    "a tensor beyond its storage": TENSOR
    % (number(4), number(0), number(1 << 40) + b"\x85", number(1) + b"\x85"),
    "one value as many": TENSOR
    % (number(4), number(0), number(1 << 40) + b"\x85", number(0) + b"\x85"),
}
BROKEN = {
    "cut within a number": b"\x80\x02X\x05",
    "nothing on the stack": b"\x80\x02R.",
    "no mark": b"\x80\x02t.",
    "an empty memory": b"\x80\x02h\x07.",
    "a string without end": b"\x80\x02\x8d" + (1 << 60).to_bytes(8, "little") + b"a.",
    "no end": b"\x80\x02N",
}


@pytest.mark.parametrize("way", [zipped, legacy])
@pytest.mark.parametrize("what", CODE)
def test_what_asks_to_run_code_is_called_so(tmp_path: Path, way: Any, what: str) -> None:
    path = way(tmp_path / "evil.pth", CODE[what])
    with pytest.raises(WeightsError, match=r"asks to run code \(.*\)\. Do not use") as told:
        load_checkpoint(path)
    assert what.partition(" of")[0].partition(",")[0] in str(told.value)


@pytest.mark.parametrize("way", [zipped, legacy])
@pytest.mark.parametrize("what", UNBOUNDED)
def test_what_would_never_end_is_refused(tmp_path: Path, way: Any, what: str) -> None:
    path = way(tmp_path / "evil.pth", UNBOUNDED[what])
    with pytest.raises(WeightsError, match=r"not safe to load: .*Do not use this file"):
        load_checkpoint(path)


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("way", [zipped, legacy, lambda path, content: path.write_bytes(content)])
def test_what_is_broken_is_told_in_one_line(tmp_path: Path, way: Any, what: str) -> None:
    path = tmp_path / "broken.pth"
    way(path, BROKEN[what])
    with pytest.raises(WeightsError, match=r"weights cannot be read: .*fetch it again") as told:
        load_checkpoint(path)
    assert "\n" not in str(told.value)


def test_an_old_file_that_is_cut_behind_its_first_number_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    path.write_bytes(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M")
    with pytest.raises(WeightsError, match=r"weights cannot be read: .*fetch it again"):
        load_checkpoint(path)


def test_parts_that_unpack_to_more_than_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({"a": torch.zeros(4_000_000)}, path)
    with zipfile.ZipFile(path) as whole:
        entries = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    with pytest.raises(WeightsError, match="more memory than the file has bytes"):
        load_checkpoint(path)


def test_parts_whose_names_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.pth"
    torch.save({"a": torch.zeros(3)}, path)
    load_checkpoint(path)
    with zipfile.ZipFile(path, "a") as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        # torch might read this one where another one was checked
        archive.writestr(name.replace("data.pkl", "Data.pkl"), b"")
    with pytest.raises(WeightsError, match="not safe to load"):
        load_checkpoint(path)


@pytest.mark.parametrize("zip_file", [True, False])
def test_what_published_files_hold_is_read(tmp_path: Path, zip_file: bool) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    given = {
        "state_dict": net.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "part": whole[1:, ::2],
        "half": whole.half(),
        "expanded": torch.ones(1).expand(1000),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "optimizer": torch.optim.Adam(net.parameters()).state_dict(),
        "kinds": (torch.Size([1, 2]), torch.device("cpu"), torch.float16, {1, 2}, 1j, b"bytes"),
        "config": {"params": {"size": [1, 2.5, None, True, "text"]}},
    }
    path = tmp_path / "whole.pth"
    torch.save(given, path, _use_new_zipfile_serialization=zip_file)
    read = load_checkpoint(path)
    assert torch.equal(read["part"], given["part"])
    assert torch.equal(read["expanded"], given["expanded"])
    assert read["kinds"] == given["kinds"]
    assert read["config"] == given["config"]
    net.load_state_dict(read["state_dict"])


def test_a_network_that_a_file_will_fill_is_built_without_drawing_random_values():
    before = torch.random.get_rng_state()
    with random_start_skipped():
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        torch.nn.init.trunc_normal_(net[0].weight)
        torch.nn.init.normal_(tensor=net[0].bias)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(net[1].weight, torch.ones(4))  # constants are set as ever
    torch.nn.init.normal_(net[0].bias)
    assert not torch.equal(torch.random.get_rng_state(), before)
