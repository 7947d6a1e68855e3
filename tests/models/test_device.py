"""Choice of device and number format."""

from functools import partial

import numpy as np
import pytest
import torch

from napari_intseg.core.segmenter import PictureView, SlicePicture
from napari_intseg.errors import DeviceError
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.view import View
from napari_intseg.models import device as device_module
from napari_intseg.models import net_model
from napari_intseg.models.device import (
    choose_device,
    choose_precision,
    convolutions,
    cut_out,
    download_all,
    has_bfloat16,
    list_devices,
    memory_guard,
    packed,
    set_threads,
    unpacked,
    upload_picture,
)
from napari_intseg.models.net_model import OnDevice
from napari_intseg.models.registry import load_model


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_device_cuts_out_views_as_they_are_read(
    rng: np.random.Generator, colours: tuple[int, ...], mirrored: bool
) -> None:
    values = rng.integers(0, 256, (50, 70, *colours)).astype(np.uint8)
    for out_shape in ((60, 96), (20, 17)):
        view = View(5, 45, 8, 64, out_shape, (50, 70))
        wanted = view.read(lambda rows, cols: values[rows, cols], Intensity())
        wanted = wanted[:, ::-1] if mirrored else wanted
        asked = PictureView(SlicePicture(values), view.box, out_shape, mirrored)
        found = cut_out(torch.from_numpy(values), asked)
        np.testing.assert_allclose(found[0].permute(1, 2, 0), wanted, rtol=0, atol=1e-5)


def test_a_picture_goes_to_a_device_once_for_all_views_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosted = OnDevice(torch.nn.Identity(), torch.device("cpu"), torch.float32)
    # a device that is one for images, while tensors stay where they can be looked at
    hosted.device = torch.device("meta")
    sent: list[np.ndarray] = []

    def upload(values: np.ndarray, _device: torch.device) -> torch.Tensor:
        sent.append(values)
        return torch.from_numpy(values)

    monkeypatch.setattr(net_model, "upload", upload)
    picture = SlicePicture(np.eye(8, dtype=np.uint8))
    hosted.cut_out(PictureView(picture, (0, 8, 0, 8), (8, 8)))
    hosted.cut_out(PictureView(picture, (2, 6, 2, 6), (8, 8), mirrored=True))
    assert len(sent) == 1
    assert sent[0] is picture.values


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (("cuda", "xpu", "mps"), "cuda"),
        (("xpu", "mps"), "xpu"),
        (("mps",), "mps"),
        ((), "cpu"),
    ],
)
def test_auto_takes_cuda_then_xpu_then_mps_then_cpu(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: "xpu" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert choose_device("auto").type == expected
    assert list_devices() == ("auto", *(one for one in there if one != "cuda"), "cpu")


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_every_kind_of_device_gives_back_what_is_kept_when_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    emptied = []
    for name in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, name), "empty_cache", partial(emptied.append, name))
    device = torch.device(kind)
    with pytest.raises(DeviceError, match="out of memory"), memory_guard(device):
        raise RuntimeError(f"{kind.upper()} backend out of memory")
    assert emptied == [kind]
    OnDevice(torch.nn.Identity(), device, torch.float32).release()
    assert emptied == [kind] * 3


def test_a_device_that_exists_is_taken() -> None:
    assert choose_device("cpu").type == "cpu"
    assert list_devices()[0] == "auto"
    assert "cpu" in list_devices()


@pytest.mark.parametrize("name", ["abacus", "cuda:99", ""])
def test_a_device_that_does_not_exist_is_told_with_those_that_do(name: str) -> None:
    with pytest.raises(DeviceError, match=f"expected one of auto, .*cpu, got '{name}'"):
        choose_device(name)


@pytest.mark.parametrize(
    ("capability", "wanted"),
    [
        ((6, 1), torch.float32),
        ((7, 0), torch.float16),
        ((7, 5), torch.float16),
        ((8, 0), torch.bfloat16),
        ((9, 0), torch.bfloat16),
    ],
)
def test_cuda_computes_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], wanted: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_precision("auto", torch.device("cuda")) == wanted
    assert choose_precision("float32", torch.device("cuda")) == torch.float32


@pytest.mark.parametrize("has", [True, False])
def test_a_processor_computes_in_bfloat16_if_it_can_and_the_network_may(
    monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    monkeypatch.setattr(device_module, "has_bfloat16", lambda: has)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == torch.float32
    wanted = torch.bfloat16 if has else torch.float32
    assert choose_precision("auto", cpu, half_on_cpu=True) == wanted
    assert choose_precision("float32", cpu, half_on_cpu=True) == torch.float32
    assert choose_precision("bfloat16", cpu) == torch.bfloat16
    assert choose_precision("auto", torch.device("mps"), half_on_cpu=True) == torch.float32


def test_a_build_without_its_library_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_bfloat16.__wrapped__()


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


def test_what_is_packed_for_one_read_comes_out_as_it_was() -> None:
    values = torch.linspace(-3, 3, 24)
    sent = [values[:3], values.half().view(2, 3, 4), values.view(4, 6).T]
    there = packed(sent)
    assert there.dtype == torch.uint8
    assert len(there) == 3 * 4 + 24 * 2 + 24 * 4
    for one, found in zip(sent, unpacked(there.numpy(), sent), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, one.float().numpy())


def test_on_a_processor_neither_answers_nor_pictures_are_rounded() -> None:
    values = torch.linspace(-50, 50, 7)
    for found in download_all((values, False), (values, True)):
        np.testing.assert_array_equal(found, values.numpy())
    picture = np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 2, 3)
    np.testing.assert_array_equal(upload_picture(picture, torch.device("cpu")).numpy(), picture)


def test_a_picture_is_bytes_on_its_way_to_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    plain = device_module.upload

    def upload(values: np.ndarray, _: torch.device) -> torch.Tensor:
        sent.append(values.dtype)
        return plain(values, torch.device("cpu"))

    monkeypatch.setattr(device_module, "upload", upload)
    there = torch.device("cuda")
    picture = np.arange(256, dtype=np.float32).reshape(16, 16, 1) / 255
    # 8-bit images lose nothing, and what is out of range does not wrap round
    np.testing.assert_array_equal(upload_picture(picture, there).numpy(), picture)
    assert upload_picture(picture * 2 - 0.5, there).numpy().max() == 1
    assert upload_picture(picture, there, exact=True).dtype == torch.float32
    assert sent == [np.uint8, np.uint8, np.float32]


@pytest.mark.parametrize(("quickest", "expected"), [({1: 5, 2: 1, 4: 1.02, 6: 3}, 2), ({}, 1)])
def test_the_fewest_threads_are_taken_that_are_as_quick_as_any(
    monkeypatch: pytest.MonkeyPatch, quickest: dict[int, float], expected: int
) -> None:
    now, clock = [6], [0.0]
    monkeypatch.setattr(torch, "get_num_threads", lambda: now[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: now.__setitem__(0, count))
    monkeypatch.setattr(device_module.time, "perf_counter", lambda: clock[0])
    tried = set()

    def work() -> None:
        tried.add(now[0])
        clock[0] += quickest.get(now[0], 1.0)

    assert set_threads("measure", work) == now[0] == expected
    assert tried == {1, 2, 4, 6}


def test_threads_that_cannot_be_tried_leave_as_many_as_there_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [4]
    monkeypatch.setattr(torch, "get_num_threads", lambda: now[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: now.__setitem__(0, count))

    def fails() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        set_threads("measure", fails)
    assert now == [4]


def test_a_number_of_threads_is_taken_as_it_is_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [4]
    monkeypatch.setattr(torch, "set_num_threads", lambda count: now.__setitem__(0, count))
    model = load_model("bundled", device="cpu", threads=3)
    assert now == [3]
    assert load_model("random-walker", threads=2) is not model
    assert now == [3], "models without a network have no threads to set"
    with pytest.raises(DeviceError, match="expected a number from 1 on or 'measure', got 0"):
        set_threads(0, list)
    with pytest.raises(DeviceError, match="threads cannot be set on another machine"):
        load_model("bundled", device="tcp://127.0.0.1:1", threads=2)
