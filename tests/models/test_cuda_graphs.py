"""Recording a network's work and replaying it, by a recorder that runs without CUDA.

It writes down the operations, with what Python computed on the way fixed, as a CUDA graph has it.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import Query, Saving, Traits
from napari_intseg.inference.zoom_in import look
from napari_intseg.models.bundled import Bundled
from napari_intseg.models.bundled_input import pack_clicks
from napari_intseg.models.device import CudaGraphs, Recording, Work
from napari_intseg.models.net_model import OnDevice
from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks
from napari_intseg.models.nets.click_pyramid import STRIDE
from napari_intseg.models.registry import load_model
from napari_intseg.models.ritm import Ritm
from napari_intseg.models.sam.mask_decoder import PromptedNet, to_grid
from napari_intseg.models.sam.sam import SamSegmenter


class Tape(TorchDispatchMode):
    """Writes down every operation, with the tensors that it took and gave."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, out))
        return out

    def play(self) -> dict[int, Tensor]:
        """Do them again on what the first ones took; return new tensors by the old ones' ids."""
        new: dict[int, Tensor] = {}

        def instead(one: Any) -> Any:
            return new.get(id(one), one)

        for func, args, kwargs, out in self.operations:
            again = func(*tree_map(instead, args), **tree_map(instead, kwargs))
            pairs = zip(tree_leaves(out), tree_leaves(again), strict=True)
            new.update((id(one), other) for one, other in pairs)
        return new


class Taped:
    """Records a tape; counts recordings and replays."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Work, inputs: Sequence[Tensor]) -> Recording:
        self.recorded += 1
        places = tuple(one.clone() for one in inputs)
        with Tape() as tape:
            given = list(work(*places))
        outputs = tuple(torch.full_like(one, torch.nan) for one in given)

        def replay() -> None:
            self.replayed += 1
            new = tape.play()
            for place, one in zip(outputs, given, strict=True):
                # what is returned as it was given was made by no operation
                place.copy_(new.get(id(one), one))

        return Recording(places, outputs, replay)


@pytest.fixture(scope="module")
def loaded() -> Bundled:
    """The bundled network in float32; recordings are forgotten before each use of it."""
    return load_model("bundled", device="cpu", precision="float32")


@pytest.fixture
def model(loaded: Bundled) -> Iterator[Bundled]:
    plain = loaded.hosted.graphs
    yield loaded
    loaded.hosted.graphs = plain


def image(seed: int, shape: tuple[int, int] = (64, 96)) -> np.ndarray:
    return np.random.default_rng(seed).random((*shape, 3), np.float32)


def test_what_comes_again_is_recorded_at_the_third_time_and_replayed_with_what_is_given(model):
    n, images = 5, [image(i, (32, 64)) for i in range(5)]
    clicks = [Prompts((Click(9 + i, 20 + 3 * i), Click(2, 2, i % 2 == 0))) for i in range(n)]
    prev = [None, *(np.float32(8) * (one[..., 0] - 1) for one in images[1:])]
    others = [None, *((one[..., 1] > 0.9).astype(np.float32) for one in images[1:])]

    def ask() -> list[np.ndarray]:
        return [
            model.predict(
                Query(model.prepare(images[i]), clicks[i], prev[i], others=others[i])
            ).logits
            for i in range(n)
        ]

    plain, taped = ask(), Taped()
    model.hosted.graphs = CudaGraphs(taped, kind="cpu")
    replayed = ask()
    # of encoding, answering, and what is drawn, which came one time less
    assert (taped.recorded, len(model.hosted.graphs)) == (3, 3)
    # one each to compare with, and then two, two and one
    assert taped.replayed == 3 + 2 + 2 + 1
    for one, other in zip(replayed, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_was_replayed_for_one_image_is_not_overwritten_by_the_next(model):
    model.hosted.graphs = CudaGraphs(Taped(), kind="cpu")
    prepared = [model.prepare(image(i)) for i in range(5)]
    asked = Prompts((Click(9, 20),))
    later = model.predict(Query(prepared[3], asked)).logits
    model.hosted.graphs = CudaGraphs()
    at_once = model.predict(Query(model.prepare(image(3)), asked)).logits
    np.testing.assert_allclose(later, at_once, atol=1e-5)


def test_another_shape_is_other_work(model):
    taped = Taped()
    model.hosted.graphs = CudaGraphs(taped, kind="cpu")
    for i in range(4):
        model.prepare(image(i, (64, 64 + 32 * (i % 2))))
    assert taped.recorded == 0
    for i in range(4):
        model.prepare(image(i, (64, 64 + 32 * (i % 2))))
    assert (taped.recorded, len(model.hosted.graphs)) == (2, 2)


@pytest.mark.parametrize("saving", [Saving(half=True), None])
def test_recordings_are_forgotten_when_weights_move_or_memory_is_short(model, saving):
    model.hosted.graphs = CudaGraphs(Taped(), kind="cpu")
    for i in range(3):
        model.prepare(image(i))
    assert len(model.hosted.graphs) == 1
    model.release() if saving is None else model.save_memory(saving)
    assert len(model.hosted.graphs) == 0
    model.release()


def test_off_cuda_nothing_is_recorded():
    graphs = CudaGraphs()
    for _ in range(5):
        (found,) = graphs("double", lambda x: [2 * x], torch.ones(2))
    assert len(graphs) == 0
    assert found.tolist() == [2, 2]


def twice(x: Tensor) -> list[Tensor]:
    return [2 * x]


def refuses(_work: Work, _inputs: Sequence[Tensor]) -> Recording:
    raise RuntimeError("operation not permitted when stream is capturing")


def forgets(_work: Work, inputs: Sequence[Tensor]) -> Recording:
    return Recording(tuple(inputs), (torch.zeros(2),), lambda: None)


@pytest.mark.parametrize(("record", "told"), [(refuses, "not permitted"), (forgets, "other num")])
def test_a_recording_that_fails_or_gives_other_numbers_is_not_used(record, told, caplog):
    graphs = CudaGraphs(record, kind="cpu")
    for number in range(5):
        (found,) = graphs("twice", twice, torch.full((2,), float(number)))
        assert found.tolist() == [2 * number] * 2
    assert len(graphs) == 0
    # tried once, not at every click
    assert caplog.text.count(told) == 1


def test_so_many_recordings_are_kept_those_used_last():
    taped = Taped()
    graphs = CudaGraphs(taped, kind="cpu")
    for size in range(1, 70):
        for _ in range(3):
            graphs("twice", twice, torch.ones(size))
    assert len(graphs) == 64
    graphs("twice", twice, torch.ones(69))
    assert taped.recorded == 69


def test_views_have_few_shapes_whatever_is_looked_at(model):
    """Shapes after padding; without them each crop would be recorded anew."""
    zoom, rng = model.traits.zoom_in, np.random.default_rng(0)
    shapes = set()
    for count, _ in product((1, 4), range(400)):
        slice_shape = tuple(int(n) for n in rng.integers(100, 2000, 2))
        row0, row1 = sorted(int(n) for n in rng.integers(0, slice_shape[0], 2))
        col0, col1 = sorted(int(n) for n in rng.integers(0, slice_shape[1], 2))
        given = Prompts(tuple(Click(row0, col0) for _ in range(count)), Box(row0, col0, row1, col1))
        seen = look(zoom, slice_shape, given, None, None).seen.out_shape
        shapes.add(tuple(-(-n // STRIDE) * STRIDE for n in seen))
    # longer sides of 384 and 512 pixels, shorter ones in steps of 32, either way round
    assert len(shapes) <= 2 * 12 - 1 + 2 * 16 - 1
    assert len(shapes) > 20, "else few were tried"


def test_counts_of_clicks_are_few_on_a_device_and_absent_ones_change_nothing(model):
    counts = {pack_clicks([[Click(1, 1)] * n], doubling=True).shape[1] for n in range(25)}
    assert counts == {4, 8, 16, 32}
    prepared, asked = model.prepare(image(0)), Prompts((Click(9, 20), Click(40, 70, False)))
    plain = model.predict(Query(prepared, asked)).logits
    with torch.inference_mode():
        kept, prev = prepared.payload.tensors, torch.zeros(1, 1, 64, 96)
        table = torch.from_numpy(pack_clicks([asked.clicks], doubling=True))
        doubled = model.hosted.net.answer(kept, table, prev)[0, 0].numpy()
    np.testing.assert_allclose(doubled, plain, atol=1e-5)


def test_ritm_is_replayed_for_other_images_and_as_many_clicks_or_a_few_less(monkeypatch):
    # as on a device that computes beside the processor
    monkeypatch.setattr(OnDevice, "is_asynchronous", True)
    torch.manual_seed(0)
    net = HRNetClicks(ClickInput(with_prev=True), width=8, ocr_width=8, small=True).eval()
    model = Ritm(Traits("ritm", uses_prev=True), net, device="cpu", precision="float32")
    more = [Click(5, 6), Click(20, 30), Click(8, 40), Click(30, 3)]

    def ask(clicks: list[Click], seed: int) -> np.ndarray:
        shown = image(seed, (32, 64))
        prev = 8 * (shown[..., 0] - 0.5)
        return model.predict(Query(model.prepare(shown), Prompts(tuple(clicks)), prev)).logits

    given = [more, more[:3], more, more[:3], more]
    plain = [ask(clicks, seed) for seed, clicks in enumerate(given)]
    taped = Taped()
    model.hosted.graphs = CudaGraphs(taped, kind="cpu")
    replayed = [ask(clicks, seed) for seed, clicks in enumerate(given)]
    # compared with once, then replayed twice
    assert (taped.recorded, taped.replayed) == (1, 3)
    for one, other in zip(replayed, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    # what is computed with weights or layers changed is never a recording
    query = Query(model.prepare(image(9, (32, 64))), Prompts(tuple(more)))
    with torch.no_grad():
        model.logits([query])
    assert taped.replayed == 3


class Patches(nn.Module):
    """The least that can be an image encoder under SAM's decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 256, 16, 16)

    def embed(self, pixels: Tensor) -> dict[str, Tensor]:
        return {"image": to_grid(self.body(pixels))}


def test_sams_encoder_and_decoder_are_replayed_for_other_images_and_other_places_of_prompts():
    torch.manual_seed(0)
    net = PromptedNet(Patches()).eval().requires_grad_(False)
    net.finish()
    model = SamSegmenter(net, "mobile-sam", device="cpu", precision="float32")
    # the smallest square, which is quick
    model.save_memory(Saving(view_px=512))
    box = Box(5, 6, 25, 30)
    asked = [Prompts((Click(5 + i, 6),)) for i in range(4)]
    asked += [Prompts((Click(9, 9 + i, i > 0),), box) for i in range(4)]

    def ask() -> list[np.ndarray]:
        prepared = [model.prepare(image(i, (32, 48))) for i in range(4)]
        return [model.predict(Query(prepared[i % 4], one)).logits for i, one in enumerate(asked)]

    plain, taped = ask(), Taped()
    model.hosted.graphs = CudaGraphs(taped, kind="cpu")
    replayed = ask()
    # embedding, and the two kinds of question; compared with once, then replayed once each
    assert (taped.recorded, taped.replayed) == (3, 6)
    for one, other in zip(replayed, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
