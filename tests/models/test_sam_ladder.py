"""Memory runs out while SAM embeds: each rung of the way down, and what people are told."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra 'sam'")

from napari_intseg.core.volume import Volume
from napari_intseg.errors import DeviceError
from napari_intseg.models import sam_memory
from napari_intseg.models.sam_adapter import SamSegmenter
from napari_intseg.models.sam_frame import Frame
from napari_intseg.models.sam_memory import embed
from napari_intseg.session.embeddings import EmbeddingFiles
from napari_intseg.session.session import Session

META = torch.device("meta")  # stands for a GPU: autocast and tensors need no hardware here
RUNGS = [
    ("meta", "float32", 1024),
    ("meta", "float16", 1024),
    ("meta", "float16", 768),
    ("meta", "float16", 512),
    ("cpu", "float32", 1024),
    ("cpu", "bfloat16", 512),
]


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have memory run out a number of times; returns what was tried."""

    def make(failures: int) -> list[tuple[str, str, int]]:
        tried: list[tuple[str, str, int]] = []

        def attempt(_net: Any, _image: Any, rung: Any, _home: Any) -> Any:
            device, dtype, side = rung
            tried.append((device.type, str(dtype).removeprefix("torch."), side))
            if len(tried) <= failures:
                raise torch.OutOfMemoryError("out of memory")
            return {"image": torch.zeros(1)}

        monkeypatch.setattr(sam_memory, "_try", attempt)
        return tried

    return make


@pytest.mark.parametrize("failures", range(6))
def test_each_rung_is_tried_in_turn_and_told(ladder: Any, failures: int) -> None:
    tried = ladder(failures)
    _, note = embed(object(), np.zeros((4, 4, 3), np.float32), META, torch.float32)  # type: ignore[arg-type]
    assert tried == RUNGS[: failures + 1]
    device, dtype, side = RUNGS[failures]
    told = f"memory ran out on meta; the image was embedded in {dtype} at {side} px on {device}"
    assert note == (f"{told} instead" if failures else "")


def test_half_precision_is_not_tried_twice(ladder: Any) -> None:
    tried = ladder(2)
    embed(object(), np.zeros((4, 4, 3), np.float32), META, torch.float16)  # type: ignore[arg-type]
    assert tried == RUNGS[1:4]


def test_at_the_end_it_says_what_to_do(ladder: Any) -> None:
    tried = ladder(99)
    with pytest.raises(DeviceError, match=r"expected room on meta, got none even in bfloat16"):
        embed(object(), np.zeros((4, 4, 3), np.float32), META, torch.float32)  # type: ignore[arg-type]
    assert tried == RUNGS


class Net:
    """Answers with what is bright; memory runs out at the usual side."""

    frame = Frame("stretch")

    def __init__(self, room_px: int) -> None:
        self.room_px = room_px
        self.encoded = 0

    def encode(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        self.encoded += 1
        if pixels.shape[-1] > self.room_px:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"image": torch.nn.functional.interpolate(pixels[:, :1].float(), (256, 256))}

    def decode(self, embedding: Any, asked: Any, *, multimask: bool) -> Any:
        masks = embedding["image"][0] * (1 if asked.points is not None else 0)
        return masks.repeat(3 if multimask else 1, 1, 1), torch.tensor([0.9, 0.5, 0.1])[
            : 3 if multimask else 1
        ]


def bright() -> Volume:
    data = np.zeros((3, 40, 50), np.uint8)
    data[:, 10:30, 15:40] = 255
    return Volume(data)


def test_the_note_reaches_the_result_of_a_session() -> None:
    model = SamSegmenter(Net(512), "fake-sam", device=torch.device("cpu"))
    result = Session(model, bright()).click((1, 20, 25))
    note = "memory ran out on cpu; the image was embedded in bfloat16 at 512 px on cpu instead"
    assert result.info["note"] == note
    assert result.patch.mask().sum() == pytest.approx(500, abs=60)
    roomy = SamSegmenter(Net(1024), "fake-sam", device=torch.device("cpu"))
    assert "note" not in Session(roomy, bright()).click((1, 20, 25)).info


def test_what_was_embedded_in_a_hurry_is_not_kept_for_another_day(tmp_path: Any) -> None:
    model = SamSegmenter(Net(512), "fake-sam", device=torch.device("cpu"))
    session = Session(model, bright())
    session.keep_embeddings(EmbeddingFiles(tmp_path))
    session.click((1, 20, 25))
    assert not list(tmp_path.iterdir())
    model.net.room_px = 1024  # type: ignore[attr-defined]
    session.click((2, 20, 25))
    assert len(list(tmp_path.iterdir())) == 1
