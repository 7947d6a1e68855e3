"""Memory runs out in a SAM: each step of the way down, and what people are told."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra 'sam'")

from napari_intseg.core.segmenter import NOTHING, Saving
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DeviceError
from napari_intseg.models.device import Precision
from napari_intseg.models.sam.mask_decoder import side_for
from napari_intseg.models.sam.sam import SamSegmenter
from napari_intseg.models.sam.square_frame import SquareFrame
from napari_intseg.session.embeddings import EmbeddingFiles, prepare, to_prepare
from napari_intseg.session.session import Session

Tried = tuple[str, str, int]
CPU = [
    ("cpu", "float32", 1024),
    ("cpu", "bfloat16", 1024),
    ("cpu", "bfloat16", 768),
    ("cpu", "bfloat16", 512),
]
# "cpu:0" stands for a GPU: another device to the ladder, and the same to PyTorch
GPU = [(device.replace("cpu", "cpu:0"), dtype, side) for device, dtype, side in CPU]
GPU += [("cpu", "float32", 1024), ("cpu", "float32", 512)]
TOLD = [
    "",
    "computed in half precision",
    "computed in half precision, from a view of at most 768 px",
    "computed in half precision, from a view of at most 512 px",
    "computed on the CPU",
    "computed on the CPU, from a view of at most 512 px",
]


class Net:
    """Answers with what is bright; memory runs out a number of times."""

    frame = SquareFrame("stretch")

    def __init__(self, failures: int, error: Exception, stage: str = "encode") -> None:
        self.failures, self.error, self.stage = failures, error, stage
        self.tried: list[Any] = []
        self.model: SamSegmenter

    def _try(self, stage: str) -> None:
        if stage == self.stage and self.failures:
            self.failures -= 1
            raise self.error

    def encode(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        half = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if half else torch.float32
        self.tried.append(
            (str(self.model.device), str(dtype).removeprefix("torch."), pixels.shape[-1])
        )
        self._try("encode")
        return {"image": torch.nn.functional.interpolate(pixels[:, :1].float(), (256, 256))}

    def decode(self, embedding: Any, _asked: Any, *, multimask: bool) -> Any:
        self._try("decode")
        count = 3 if multimask else 1
        scores = torch.tensor([[0.9, 0.5, 0.1]])[:, :count]
        return embedding["image"].repeat(1, count, 1, 1), scores


def short(
    failures: int,
    device: str = "cpu:0",
    precision: Precision = "float32",
    error: Exception | None = None,
    stage: str = "encode",
) -> SamSegmenter:
    net = Net(failures, error or torch.OutOfMemoryError("CUDA out of memory"), stage)
    net.model = SamSegmenter(net, "fake-sam", device=device, precision=precision)
    return net.model


def bright() -> Volume:
    data = np.zeros((3, 30, 1100), np.uint8)
    data[:, 10:25, 200:600] = 255
    return Volume(data)


CLICK = (1, 15, 400)


@pytest.mark.parametrize("stage", ["encode", "decode"])
@pytest.mark.parametrize("failures", range(6))
def test_each_step_is_taken_in_turn_told_and_kept(stage: str, failures: int) -> None:
    model = short(failures, stage=stage)
    session = Session(model, bright())
    result = session.click(CLICK)
    net: Any = model.net
    assert net.tried == GPU[: failures + 1]
    told = f"memory ran out: {TOLD[failures]}" if failures else ""
    assert result.info.get("note", "") == told
    assert result.patch.mask().sum() == pytest.approx(6000, rel=0.1)
    session.click((2, 15, 400))
    assert net.tried[failures + 1 :] == [GPU[failures]]


def test_half_precision_is_not_tried_twice() -> None:
    model = short(2, precision="float16")
    Session(model, bright()).click(CLICK)
    net: Any = model.net
    assert [side for _, _, side in net.tried] == [1024, 768, 512]


@pytest.mark.parametrize(("device", "tried"), [("cpu", CPU), ("cpu:0", GPU)])
def test_at_the_end_it_says_what_to_do(device: str, tried: list[Tried]) -> None:
    model = short(99, device)
    with pytest.raises(DeviceError, match=r"too small for 'fake-sam'.*choose a smaller model"):
        Session(model, bright()).click(CLICK)
    net: Any = model.net
    assert net.tried == tried
    assert model.saving == NOTHING


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"),
    ],
)
def test_whichever_error_says_so(error: Exception) -> None:
    result = Session(short(1, error=error), bright()).click(CLICK)
    assert result.info["note"] == "memory ran out: computed in half precision"


def test_other_errors_are_not_taken_for_it() -> None:
    model = short(1, error=RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):
        Session(model, bright()).click(CLICK)
    assert model.saving == NOTHING


def test_what_was_embedded_in_a_hurry_is_not_kept_for_another_day(tmp_path: Any) -> None:
    model = short(3)
    session = Session(model, bright())
    session.keep_embeddings(EmbeddingFiles(tmp_path))
    session.click(CLICK)
    assert not list(tmp_path.iterdir())
    model.release()
    session.click((2, 15, 400))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("failures", range(6))
def test_planes_embedded_ahead_take_the_same_steps(failures: int) -> None:
    model = short(failures)
    session = Session(model, bright())
    ahead = to_prepare(session.setup, Plane(0, 1), session.cache)
    assert ahead is not None
    prepare(ahead)
    assert to_prepare(session.setup, Plane(0, 1), session.cache) is None
    session.click(CLICK)
    net: Any = model.net
    assert net.tried == GPU[: failures + 1]  # the click found it


def test_the_square_is_one_that_the_encoders_take() -> None:
    assert [side_for(px) for px in (None, 1024, 768, 700, 512, 256)] == [
        1024, 768, 768, 512, 512, 512,
    ]  # fmt: skip


def test_the_decoder_computes_in_float32_whatever_the_encoder_does() -> None:
    class Weighted(torch.nn.Module, Net):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.layer = torch.nn.Linear(1, 1)

    model = SamSegmenter(Weighted(), "fake-sam", device="cpu:0")
    model.save_memory(Saving(half=True))
    assert model.dtype == torch.bfloat16
    assert model.net.layer.weight.dtype == torch.float32  # type: ignore[attr-defined]
