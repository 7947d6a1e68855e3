"""Refinement at test time, on a small network that can be made to err."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits, sigmoid
from napari_intseg.errors import DeviceError, UnknownModelError, WeightsError
from napari_intseg.models.brs import optimisation
from napari_intseg.models.brs.brs import MODES, Brs, BrsState, build
from napari_intseg.models.brs.optimisation import ScaleAndBias, SearchSettings, click_windows
from napari_intseg.models.nets.click_maps import NO_TAPS, ClickMaps, Taps, tap
from napari_intseg.models.nets.click_net import ClickInput, DeepLabClicks
from napari_intseg.models.registry import MODELS, load_model
from napari_intseg.models.ritm import Ritm, pack_clicks

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def hrnet(ritm_file: Path) -> Brs:
    return build("ritm-hrnet18s-fbrs-b", ritm_file, device="cpu")


@pytest.fixture(scope="module")
def deeplab() -> Ritm:
    """A network as f-BRS has them, untrained, with signals that do not die on the way."""
    torch.manual_seed(0)
    clicks = ClickInput(radius=260.0, maps="distance", entry="mixer", norm_last=True)
    net = DeepLabClicks(clicks, width=16).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.ndim == 4 and "backbone" not in name:
                weight.mul_(2)
    return Ritm(Traits("deeplab", threshold=0.49, flip=True), net, device="cpu")


class Toy:
    """Bright is object, and clicks hardly count; everything can be tapped."""

    device = CPU
    traits = Traits("toy", threshold=0.49, flip=True)

    def __init__(self) -> None:
        self.maps = ClickMaps(20.0, "distance")
        self.weight = torch.tensor([4.0, 4.0, 4.0, -0.3, 0.3]).view(1, -1, 1, 1)

    def prepare(self, image: np.ndarray) -> Prepared:
        return Prepared(image.shape[:2], torch.from_numpy(image).permute(2, 0, 1)[None], 0)

    def logits(self, queries: Any, taps: Taps = NO_TAPS) -> torch.Tensor:
        points = torch.from_numpy(pack_clicks([query.prompts.clicks for query in queries]))
        maps = tap(taps, "maps", self.maps(points, queries[0].prepared.shape))
        image = tap(taps, "image", torch.cat([query.prepared.payload for query in queries]) - 0.5)
        x = torch.cat([image, maps], 1)
        for place in ("backbone", "features", "head"):
            x = tap(taps, place, x)
        return (x * self.weight).sum(1, keepdim=True)

    def release(self) -> None:
        pass


def ask(model: Brs, *clicks: Click, state: Any = None, prev: Any = None) -> Query:
    image = np.random.default_rng(0).uniform(0, 1, (48, 64, 3)).astype(np.float32)
    return Query(model.prepare(image), Prompts(clicks), prev, state)


def contradict(model: Brs) -> tuple[Click, Click]:
    """Return a click that agrees with the plain answer, and one that does not."""
    positive = sigmoid(model.predict(ask(model, Click(20, 30))).logits) > model.traits.threshold
    return Click(20, 30, bool(positive[20, 30])), Click(10, 12, not positive[10, 12])


def obeyed(model: Brs, answer: Answer, clicks: tuple[Click, ...]) -> list[bool]:
    mask = sigmoid(answer.logits) > model.traits.threshold
    return [bool(mask[int(c.row), int(c.col)] == c.positive) for c in clicks]


@pytest.mark.parametrize("mode", MODES)
def test_the_answer_obeys_a_click_that_the_network_ignores(mode: Any) -> None:
    model = Brs(Toy(), mode, search=SearchSettings(evaluations=60, steps=60, same_iou=1.0))
    clicks = contradict(model)
    plain = Brs(Toy(), mode, free_clicks=2)
    assert obeyed(plain, plain.predict(ask(plain, *clicks)), clicks) == [True, False]
    refined = model.predict(ask(model, *clicks))
    assert refined.info["evaluations"] > 1
    assert obeyed(model, refined, clicks) == [True, True]


def test_the_mirrored_image_is_refined_to_the_mirrored_answer() -> None:
    for mode in MODES:
        model = Brs(Toy(), mode)  # type: ignore[arg-type]
        clicks = contradict(model)
        query = ask(model, *clicks)
        image = query.prepared.payload[0].payload[0].permute(1, 2, 0).numpy()[:, ::-1]
        mirrored = query.prompts.moved(lambda row, col: (row, 63 - col))
        other = model.predict(Query(model.prepare(np.ascontiguousarray(image)), mirrored)).logits
        np.testing.assert_allclose(model.predict(query).logits, other[:, ::-1], atol=1e-4)


def test_nothing_is_refined_at_the_first_click(deeplab: Ritm) -> None:
    model = Brs(deeplab)
    answer = model.predict(ask(model, Click(20, 30)))
    assert answer.info["evaluations"] == 0
    assert not answer.state.params.any()


def test_parameters_of_the_last_answer_are_where_the_search_begins() -> None:
    model = Brs(Toy(), "f-BRS-C")
    clicks = contradict(model)
    first = model.predict(ask(model, *clicks))
    assert first.state.params.any()
    again = model.predict(ask(model, *clicks, state=first.state))
    assert again.info["evaluations"] < first.info["evaluations"]
    one, fresh = (model.predict(ask(model, clicks[0], state=s)) for s in (first.state, None))
    assert not np.array_equal(one.logits, fresh.logits)


def test_memory_of_another_mode_is_not_taken() -> None:
    model = Brs(Toy())
    clicks = contradict(model)
    fresh = model.predict(ask(model, *clicks))
    other = BrsState("RGB-BRS", np.ones(3 * 48 * 64, np.float32), None)
    foreign = model.predict(ask(model, *clicks, state=other))
    np.testing.assert_array_equal(foreign.logits, fresh.logits)


def test_beyond_the_limit_the_network_is_told_no_more_clicks(
    deeplab: Ritm, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    plain = Ritm.logits

    def watch(self: Ritm, queries: Any, *taps: Any) -> Any:
        told.append(len(queries[0].prompts.clicks))
        return plain(self, queries, *taps)

    monkeypatch.setattr(Ritm, "logits", watch)
    model = Brs(deeplab)
    clicks = [Click(4.0 * i + 2, 5.0 * i + 2, i % 2 == 0) for i in range(10)]
    for count in (3, 10):
        told.clear()
        model.predict(ask(model, *clicks[:count]))
        assert set(told) == {min(count, 8)}


def test_beyond_the_limit_the_previous_answer_stays_too(hrnet: Brs) -> None:
    clicks = [Click(4.0 * i + 2, 5.0 * i + 2, i % 2 == 0) for i in range(9)]
    early = np.full((48, 64), -3, np.float32)
    late = np.full((48, 64), 3, np.float32)
    first = hrnet.predict(ask(hrnet, *clicks[:8], prev=early))
    np.testing.assert_array_equal(first.state.prev_logits, early)
    answers = [
        hrnet.predict(ask(hrnet, *clicks, prev=prev, state=first.state)) for prev in (early, late)
    ]
    np.testing.assert_array_equal(answers[0].logits, answers[1].logits)
    assert answers[1].state.prev_logits is first.state.prev_logits


@pytest.mark.parametrize("place", ["backbone", "features", "head"])
def test_repeating_the_end_alone_equals_repeating_all(
    deeplab: Ritm, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    check_end(deeplab, monkeypatch, place)


@pytest.mark.parametrize("place", ["features", "head"])
def test_repeating_the_end_of_hrnet_equals_repeating_all(
    hrnet: Brs, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    check_end(hrnet.model, monkeypatch, place)


def check_end(model: Any, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    rng = np.random.default_rng(1)
    image = rng.uniform(0, 1, (48, 64, 3)).astype(np.float32)
    queries = [Query(model.prepare(image), Prompts((Click(20, 30),)))]
    short = ScaleAndBias(model, queries, (place,))
    monkeypatch.setattr(optimisation, "_rest", lambda *_: None)
    full = ScaleAndBias(model, queries, (place,))
    params = torch.from_numpy(rng.normal(0, 0.1, short.size).astype(np.float32))
    with torch.no_grad():
        changed = short.logits(params)
        torch.testing.assert_close(changed, full.logits(params), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(short.logits(params * 0), short.plain, rtol=1e-4, atol=1e-4)
    assert (changed - short.plain).abs().max() > 1e-3


def test_windows_are_three_pixels_wide_and_cut_at_the_far_sides() -> None:
    clicks = [(Click(2, 3), Click(7, 9, False)), (Click(0, 5), Click(5, -8), Click(40, 2, False))]
    positive, negative = (w.numpy()[:, 0] for w in click_windows(clicks, (8, 10), CPU))
    assert positive[0, 1:4, 2:5].all()
    assert positive[0].sum() == 9
    assert negative[0, 6:, 8:].all()
    assert negative[0].sum() == 4
    assert not positive[1].any()  # as published, those beyond the first row or column are left out
    assert not negative[1].any()


def test_a_place_that_the_network_has_not_is_told(deeplab: Ritm) -> None:
    model = Brs(deeplab)
    query = ask(model, Click(1, 1))
    with pytest.raises(UnknownModelError, match="expected one of nowhere, got 'DeepLabClicks'"):
        ScaleAndBias(deeplab, [Query(query.prepared.payload[0], query.prompts)], ("nowhere",))


def test_an_unknown_mode_is_refused(deeplab: Ritm) -> None:
    with pytest.raises(UnknownModelError, match=r"expected one of f-BRS-A, .*got 'BRS'"):
        Brs(deeplab, "BRS")  # type: ignore[arg-type]
    with pytest.raises(UnknownModelError, match="got 'BRS'"):
        build("ritm-hrnet18s-fbrs-b", Path("nowhere.pth"), mode="BRS")  # type: ignore[arg-type]


def test_half_precision_is_taken_and_float32_computed(ritm_file: Path) -> None:
    model = build("x", ritm_file, device="cpu", precision="bfloat16")
    assert model.model.dtype == torch.float32  # type: ignore[attr-defined]
    with pytest.raises(DeviceError, match="precision is unknown"):
        build("x", ritm_file, device="cpu", precision="int4")  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="expected a checkpoint for 'x', got None"):
        build("x", None)


def test_a_model_in_half_precision_is_refused(ritm_file: Path) -> None:
    half = load_model("ritm-hrnet18s", weights=ritm_file, device="cpu", precision="bfloat16")
    with pytest.raises(DeviceError, match=r"expected a model in torch.float32, got torch.bfloat16"):
        Brs(half)  # type: ignore[arg-type]


def test_only_one_view_is_refined_without_mirroring(ritm_file: Path) -> None:
    model = build("x", ritm_file, device="cpu", flip=False)
    assert len(model.prepare(np.zeros((8, 9, 3), np.float32)).payload) == 1
    answer = model.predict(ask(model, Click(20, 30), Click(3, 4, False)))
    assert answer.logits.shape == (48, 64)


def test_its_memory_can_be_returned(hrnet: Brs) -> None:
    query = ask(hrnet, Click(20, 30))
    before = hrnet.predict(query).logits
    hrnet.release()
    np.testing.assert_array_equal(hrnet.predict(query).logits, before)


def test_registered_names_take_the_same_prompts(hrnet: Brs) -> None:
    names = [name for name, spec in MODELS.items() if spec.builder.endswith("brs:build")]
    refined = [name for name in names if name.startswith("ritm-")]
    assert len(refined) == 3
    assert all(MODELS[name].prompts == hrnet.traits.prompts for name in refined)
