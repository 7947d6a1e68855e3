"""Choice of device and number format."""

import pytest
import torch

from napari_intseg.errors import DeviceError
from napari_intseg.models.device import (
    choose_device,
    choose_precision,
    convolutions,
    list_devices,
    memory_guard,
)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_cpu(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto").type == expected


def test_a_device_that_exists_is_taken() -> None:
    assert choose_device("cpu").type == "cpu"
    assert list_devices()[0] == "auto"
    assert "cpu" in list_devices()


@pytest.mark.parametrize("name", ["abacus", "cuda:99", ""])
def test_a_device_that_does_not_exist_is_told_with_those_that_do(name: str) -> None:
    with pytest.raises(DeviceError, match=f"expected one of auto, .*cpu, got '{name}'"):
        choose_device(name)


def test_half_precision_is_the_default_on_cuda_alone() -> None:
    assert choose_precision("auto", torch.device("cuda")) == torch.float16
    assert choose_precision("auto", torch.device("cpu")) == torch.float32
    assert choose_precision("bfloat16", torch.device("cpu")) == torch.bfloat16


def test_an_unknown_precision_is_told() -> None:
    with pytest.raises(DeviceError, match=r"expected 'auto' or one of float32, .*got 'float8'"):
        choose_precision("float8", torch.device("cpu"))  # type: ignore[arg-type]


def test_running_out_of_memory_becomes_an_error_of_ours() -> None:
    with memory_guard(torch.device("cpu")):
        pass
    with (
        pytest.raises(DeviceError, match="out of memory: expected room for one answer"),
        memory_guard(torch.device("cpu")),
    ):
        raise torch.OutOfMemoryError("full")


@pytest.mark.parametrize("enabled", [True, False])
def test_a_choice_about_tf32_leaves_the_other_choices_about_cudnn(enabled: bool) -> None:
    now = torch.backends.cudnn
    with now.flags(enabled=enabled, benchmark=True, deterministic=True, allow_tf32=True):
        with convolutions(tf32=False):
            assert (now.enabled, now.benchmark, now.deterministic) == (enabled, True, True)
            assert not now.allow_tf32
        assert now.allow_tf32
