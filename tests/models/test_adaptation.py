"""Learning from corrections, on a small network that hardly heeds its clicks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Prepared, Query, Traits, sigmoid
from napari_intseg.errors import DeviceError, WeightsError
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.models.adaptation import Adapting, Learnt, Schedule, build
from napari_intseg.models.nets.click_maps import ClickMaps
from napari_intseg.models.registry import load_model
from napari_intseg.models.ritm import Ritm, pack_clicks
from napari_intseg.testing import SegmenterContract, phantom_image

QUICK = Schedule(steps=20, rate=0.3)


class Toy:
    """Bright is object, and clicks hardly count."""

    device = torch.device("cpu")
    traits = Traits("toy", threshold=0.5)

    def __init__(self) -> None:
        self.maps = ClickMaps(8.0)
        self.net = torch.nn.Sequential(torch.nn.Conv2d(5, 1, 1))
        with torch.no_grad():
            weight = torch.tensor([4.0, 4.0, 4.0, 0.05, -0.05]).view(1, -1, 1, 1)
            self.net[0].weight.copy_(weight)
            self.net[0].bias.fill_(-6.0)
        self.net.requires_grad_(False)

    def prepare(self, image: np.ndarray) -> Prepared:
        return Prepared(image.shape[:2], torch.from_numpy(image).permute(2, 0, 1)[None], 0)

    def logits(self, queries: Any) -> torch.Tensor:
        points = torch.from_numpy(pack_clicks([query.prompts.clicks for query in queries]))
        maps = self.maps(points, queries[0].prepared.shape)
        image = torch.cat([query.prepared.payload for query in queries])
        return self.net(torch.cat([image, maps], 1))

    def release(self) -> None:
        pass


def picture(seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).uniform(0, 0.2, (40, 50, 3)).astype(np.float32)
    image[10:25, 10:30] += 0.7
    return image


BRIGHT, IGNORED = Click(15, 20), Click(32, 40)


def play(model: Adapting, image: np.ndarray, *clicks: Click, state: Any = None):
    query = Query(model.prepare(image), Prompts(clicks), None, state)
    return model.predict(query)


def test_an_ignored_click_is_obeyed_after_learning():
    toy = Toy()
    model = Adapting(toy, QUICK)
    before = sigmoid(toy.logits([Query(toy.prepare(picture()), Prompts((BRIGHT, IGNORED)))])[0, 0])
    assert before[32, 40] < 0.1
    answer = play(model, picture(), BRIGHT, IGNORED)
    after = sigmoid(answer.logits)
    assert after[32, 40] > 0.5
    assert answer.info["steps"] > 0


def test_what_it_said_itself_holds_the_rest():
    def changed(keep: float) -> float:
        model = Adapting(Toy(), Schedule(steps=20, rate=0.3, keep=keep))
        before = play(model, picture(), BRIGHT).logits > 0
        return float(np.mean((play(model, picture(), BRIGHT, IGNORED).logits > 0) != before))

    assert changed(5.0) < changed(0.5) < changed(0.0)


def test_learning_goes_on_from_what_was_learnt():
    model = Adapting(Toy(), Schedule(steps=2, rate=0.05))
    first = play(model, picture(), BRIGHT, IGNORED)
    again = play(model, picture(), BRIGHT, IGNORED, state=first.state)
    assert again.logits[32, 40] > first.logits[32, 40]


def test_without_what_was_learnt_the_first_answer_comes_again():
    model = Adapting(Toy(), QUICK)
    first = play(model, picture(), BRIGHT)
    assert first.state is None
    learnt = play(model, picture(), BRIGHT, IGNORED)
    kept = play(model, picture(), BRIGHT, state=learnt.state)
    assert not np.array_equal(kept.logits, first.logits)  # so that there is something to lose
    np.testing.assert_array_equal(play(model, picture(), BRIGHT).logits, first.logits)


def test_another_image_begins_anew_even_with_the_state_of_the_last():
    model = Adapting(Toy(), QUICK)
    learnt = play(model, picture(), BRIGHT, IGNORED).state
    assert isinstance(learnt, Learnt)
    other = play(model, picture(1), BRIGHT, state=learnt)
    np.testing.assert_array_equal(other.logits, play(model, picture(1), BRIGHT).logits)
    assert other.state is None


def test_the_state_of_another_network_is_not_used():
    learnt = play(Adapting(Toy(), QUICK), picture(), BRIGHT, IGNORED).state
    fewer = Adapting(Toy(), Schedule(limit=1))
    assert play(fewer, picture(), BRIGHT, state=learnt).state is None


def test_shared_weights_stay_bit_equal_and_without_gradient():
    toy = Toy()
    before = {name: value.clone() for name, value in toy.net.state_dict().items()}
    play(Adapting(toy, QUICK), picture(), BRIGHT, IGNORED)
    for name, value in toy.net.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and not p.requires_grad for p in toy.net.parameters())


def test_the_last_weights_up_to_the_limit_change():
    class Two(Toy):
        def __init__(self) -> None:
            super().__init__()
            extra = torch.nn.Conv2d(5, 5, 1).requires_grad_(False)
            self.net = torch.nn.Sequential(extra, self.net[0])

    for limit, names in (
        (None, ("net.1.bias", "net.1.weight", "net.0.bias", "net.0.weight")),
        (6, ("net.1.bias", "net.1.weight")),
    ):
        state = play(Adapting(Two(), Schedule(limit=limit)), picture(), BRIGHT, IGNORED).state
        assert state.names == names


def test_learning_stops_when_all_clicks_are_right():
    model = Adapting(Toy(), Schedule(sure=0.6))
    answer = play(model, picture(), BRIGHT, Click(35, 45, positive=False))
    assert answer.info["steps"] == 0


def test_clicks_outside_the_view_teach_nothing():
    toy = Toy()
    clicks = (Click(-20, 400), Click(-30, 4, positive=False))
    answer = play(Adapting(toy, QUICK), picture(), *clicks)
    assert answer.info["steps"] == 0
    plain = toy.logits([Query(toy.prepare(picture()), Prompts(clicks))])[0, 0]
    np.testing.assert_allclose(answer.logits, plain, atol=1e-5)


def test_half_precision_is_refused():
    toy = Toy()
    toy.dtype = torch.bfloat16
    with pytest.raises(DeviceError, match=r"expected a model in torch.float32, got torch.bfloat16"):
        Adapting(toy)


def test_weights_must_be_given():
    with pytest.raises(WeightsError, match="expected a checkpoint for 'ritm-hrnet18s-adapting'"):
        build("ritm-hrnet18s-adapting", None)


def test_ritm_learns_and_is_itself_again(ritm_file: Path):
    """On the real network: folded, mirrored by the engine, state from click to click."""
    schedule = Schedule(steps=3, rate=1e-3)
    model = load_model("ritm-hrnet18s-adapting", weights=ritm_file, device="cpu", schedule=schedule)
    assert isinstance(model, Adapting)
    assert isinstance(model.model, Ritm)
    before = {name: value.clone() for name, value in model.model.net.state_dict().items()}
    image, truth = phantom_image()

    def ask(clicks, prev=None):
        return predict_slice(
            model, lambda r, c: image[r, c], truth.shape, Prompts(clicks),
            Options.published(zoom_in=None), prev=prev,
        )  # fmt: skip

    first = ask((Click(40, 60),))
    asked = Click(20, 30, not first.patch.mask(0.49)[20, 30])
    second = ask((Click(40, 60), asked), first)
    assert second.info["steps"] == 3
    sign = 1 if asked.positive else -1
    plain = load_model("ritm-hrnet18s", weights=ritm_file, device="cpu")
    unlearnt = predict_slice(
        plain, lambda r, c: image[r, c], truth.shape, Prompts((Click(40, 60), asked)),
        Options.published(zoom_in=None), prev=first,
    )  # fmt: skip
    gained = second.patch.full()[20, 30] - unlearnt.patch.full()[20, 30]
    assert sign * gained > 0.05
    for name, value in model.model.net.state_dict().items():
        assert torch.equal(value, before[name])
    np.testing.assert_array_equal(ask((Click(40, 60),)).patch.full(), first.patch.full())


class TestAdapting(SegmenterContract):
    shape = (40, 50)

    def make(self):
        return Adapting(Toy(), QUICK)
