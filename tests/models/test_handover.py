"""Hand-over: who answers which click, what is handed over, and what cannot be paired."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_intseg import Click, Session, Volume
from napari_intseg.core.prompts import Box, Prompts
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    FloatArray,
    Prepared,
    Query,
    Traits,
    ZoomIn,
    logit,
)
from napari_intseg.errors import PromptError, UnknownModelError
from napari_intseg.models import registry
from napari_intseg.models.handover import Handover, HandoverState, build
from napari_intseg.models.registry import ModelSpec, available_models, find_model, load_model
from napari_intseg.testing import SegmenterContract, phantom_image

TRUTH = np.zeros((60, 80), bool)
TRUTH[20:44, 16:50] = True


class Recorder:
    """Answers with the whole object, or with the half of it, and remembers what it was asked."""

    def __init__(self, name: str, *, half: bool = False, **traits: Any) -> None:
        kinds = frozenset({"click", "mask"})
        self.traits = replace(Traits(name, kinds, uses_prev=True), **traits)
        self.half = half
        self.queries: list[Query] = []
        self.images: list[tuple[int, ...]] = []
        self.calls: list[str] = []

    def prepare(self, image: FloatArray) -> Prepared:
        self.images.append(image.shape)
        return Prepared(image.shape[:2], image[..., 0], image.nbytes)

    def predict(self, query: Query) -> Answer:
        self.queries.append(query)
        inside = query.prepared.payload > 0.5
        if self.half:
            inside = inside.copy()
            inside[:, inside.shape[1] * 5 // 12 :] = False
        return Answer(np.where(inside, 5, -5).astype(np.float32), state=len(self.queries))

    def warm_up(self) -> None:
        self.calls.append("warm_up")

    def release(self) -> None:
        self.calls.append("release")


def pair(**then: Any) -> tuple[Handover, Recorder, Recorder]:
    first = Recorder("first", half=True, resample="logits")
    other = Recorder("then", **then)
    return Handover("first-then-then", first, other), first, other


def session(model: Handover) -> Session:
    return Session(model, Volume((TRUTH * 200).astype(np.uint8)))


class TestPairOfBuiltInModels(SegmenterContract):
    """The contract, on a pair that needs no file."""

    model_name = "random-walker-then-bundled"


def test_the_first_answers_one_click_and_the_second_goes_on_from_its_mask() -> None:
    model, first, then = pair()
    work = session(model)
    one = work.click((30, 20))
    half = work.mask
    assert one.answer is not None
    assert one.answer.info["by"] == "first"
    assert 0 < half.sum() < TRUTH.sum()
    two = work.click((30, 45))
    assert two.answer is not None
    assert two.answer.info["by"] == "then"
    np.testing.assert_array_equal(work.mask, TRUTH)
    assert (len(first.queries), len(then.queries)) == (1, 1)
    handed = then.queries[0].prev_logits
    assert handed is not None
    np.testing.assert_array_equal(handed > 0, half)
    assert set(np.unique(handed)) == {-LOGIT_LIMIT, LOGIT_LIMIT}, "a mask, not how sure it was"
    assert then.queries[0].state is None


def test_each_model_gets_its_own_memory_back() -> None:
    model, first, then = pair()
    model.first_clicks = 2
    work = session(model)
    for col in (20, 25, 45, 48):
        work.click((30, col))
    assert [q.state for q in first.queries] == [None, 1]
    assert [q.state for q in then.queries] == [None, 1]


def test_without_a_mask_the_first_is_asked_again() -> None:
    model, first, then = pair()
    prepared = model.prepare(np.repeat(TRUTH[..., None], 3, 2).astype(np.float32))
    empty = np.full(TRUTH.shape, -LOGIT_LIMIT, np.float32)
    clicks = Prompts((Click(2, 2), Click(30, 30)))
    assert model.predict(Query(prepared, clicks, empty)).info["by"] == "first"
    assert first.queries[0].prev_logits is None
    assert not then.queries


def test_a_mask_that_was_there_is_corrected_by_the_second_at_once() -> None:
    model, first, then = pair()
    work = session(model)
    work.set_initial_mask(np.roll(TRUTH, 4, axis=1))
    work.click((30, 17))
    assert not first.queries
    assert len(then.queries) == 1
    np.testing.assert_array_equal(work.mask, TRUTH)


def test_a_box_is_for_the_first_and_not_shown_to_a_second_that_takes_none() -> None:
    boxes = frozenset({"click", "box"})
    first, then = Recorder("first", prompts=boxes), Recorder("then")
    model = Handover("pair", first, then)
    assert "box" in model.traits.prompts
    prepared = model.prepare(np.repeat(TRUTH[..., None], 3, 2).astype(np.float32))
    box = Prompts(box=Box(20, 16, 43, 49))
    answer = model.predict(Query(prepared, box))
    assert first.queries[0].prompts.box is not None
    both = replace(box, clicks=(Click(30, 30),))
    model.predict(Query(prepared, both, answer.logits))
    assert then.queries[0].prompts.box is None


def test_each_image_is_prepared_once_and_only_by_the_model_that_is_asked() -> None:
    model, first, then = pair()
    image = np.repeat(TRUTH[..., None], 3, 2).astype(np.float32)
    prepared = model.prepare(image)
    assert not first.images + then.images
    for _ in range(2):
        model.predict(Query(prepared, Prompts((Click(30, 30),))))
    assert first.images == [image.shape]
    assert not then.images


def test_the_second_sees_its_own_crop_after_the_first_saw_the_whole_slice() -> None:
    model, first, then = pair(zoom_in=ZoomIn(target_size=50, min_crop_size=20))
    work = session(model)
    work.click((30, 20))
    work.click((30, 45))
    assert first.images == [(60, 80, 3)]
    (seen,) = then.images
    assert max(seen[:2]) == 50


def test_mirrored_views_of_the_second_are_averaged_and_those_of_the_first_are_not() -> None:
    model, first, then = pair(flip=True)
    assert not model.traits.flip
    work = session(model)
    work.click((30, 20))
    work.click((30, 45))
    assert len(first.queries) == 1
    plain, mirrored = then.queries
    assert mirrored.prompts.clicks[1].col == 79 - plain.prompts.clicks[1].col
    np.testing.assert_array_equal(mirrored.prev_logits, plain.prev_logits[:, ::-1])  # type: ignore[index]
    np.testing.assert_array_equal(work.mask, TRUTH)


def test_a_mask_stays_the_firsts_own_whatever_the_thresholds() -> None:
    class Unsure(Recorder):
        def predict(self, query: Query) -> Answer:
            probability = np.where(query.prepared.payload > 0.5, 0.62, 0.58)
            return Answer(logit(probability.astype(np.float32)))

    model = Handover("pair", Unsure("first", threshold=0.6), Recorder("then", threshold=0.49))
    work = session(model)
    work.click((30, 30))
    np.testing.assert_array_equal(work.mask, TRUTH)


def test_both_are_warmed_up_and_released() -> None:
    model, first, then = pair()
    model.warm_up()
    model.release()
    assert first.calls == then.calls == ["warm_up", "release"]


def test_state_of_a_stranger_is_not_taken() -> None:
    model, first, _ = pair()
    prepared = model.prepare(np.repeat(TRUTH[..., None], 3, 2).astype(np.float32))
    answer = model.predict(Query(prepared, Prompts((Click(30, 30),)), None, "someone else's"))
    assert isinstance(answer.state, HandoverState)
    assert first.queries[0].state is None


def test_a_second_that_starts_from_no_mask_is_refused() -> None:
    clicks = frozenset({"click"})
    with pytest.raises(PromptError, match="b cannot go on: expected a model that takes a mask"):
        Handover("pair", Recorder("a"), Recorder("b", prompts=clicks))


def test_a_first_that_takes_no_click_is_refused() -> None:
    boxes = frozenset({"box"})
    with pytest.raises(PromptError, match="a cannot begin: expected a model that takes a click"):
        Handover("pair", Recorder("a", prompts=boxes), Recorder("b"))


def test_pairs_are_listed_and_any_other_can_be_named() -> None:
    listed = [name for name, spec in available_models().items() if spec.family == "hand-over"]
    assert listed[0] == "handover"
    for name in listed:
        assert find_model(name).parts
    spec = find_model("random-walker-then-bundled")
    assert spec.parts == ("random-walker", "bundled")
    assert spec.has_weights
    assert spec.is_installed
    assert {"click", "mask"} <= spec.prompts


def test_a_pair_lacks_weights_if_one_of_the_two_does(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setenv("NAPARI_INTSEG_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(
        "napari_intseg.models.weights.store.cache_folder", lambda: tmp_path / "none"
    )
    assert not find_model("random-walker-then-ritm-hrnet18s").has_weights
    assert find_model("random-walker-then-bundled").has_weights


def test_a_pair_with_an_unknown_model_names_it() -> None:
    with pytest.raises(UnknownModelError, match="got 'rtim'"):
        load_model("bundled-then-rtim")


@pytest.fixture
def registered(monkeypatch: Any) -> dict[str, Any]:
    """Two recorders in the registry."""
    made: dict[str, Any] = {}

    def make(name: str, _weights: Path | None, **options: Any) -> Recorder:
        made[name] = options
        return Recorder(name)

    monkeypatch.setattr("napari_intseg.testing.make_recorder", make, raising=False)
    for name in ("one", "two"):
        spec = ModelSpec("napari_intseg.testing:make_recorder", name, "toy")
        monkeypatch.setitem(registry.MODELS, name, spec)
    return made


def test_both_are_found_through_the_registry(registered: dict[str, Any]) -> None:
    model = load_model("one-then-two", device="cpu", precision="float32", first_clicks=3)
    assert isinstance(model, Handover)
    assert (model.first.traits.name, model.then.traits.name) == ("one", "two")
    assert model.traits.name == "one-then-two"
    assert model.first_clicks == 3
    assert registered["one"] == {"device": "cpu", "precision": "float32"}


@pytest.mark.usefixtures("registered")
def test_options_choose_other_models_than_the_default_pair() -> None:
    model = build("handover", first="one", then="two")
    assert (model.first.traits.name, model.then.traits.name) == ("one", "two")
    assert find_model("handover").parts == registry.DEFAULT_PAIR


def test_first_clicks_on_the_phantom_are_the_walkers() -> None:
    image, truth = phantom_image(shape=(96, 128))
    model = load_model("random-walker-then-bundled", device="cpu")
    alone = load_model("random-walker")
    row, col = (float(np.mean(p)) for p in np.nonzero(truth))
    masks = []
    for one in (model, alone):
        work = Session(one, Volume((image[..., 0] * 255).astype(np.uint8)))
        work.click((row, col))
        masks.append(work.mask)
    np.testing.assert_array_equal(*masks)


def test_what_a_second_does_with_its_own_first_answer_and_drawings_is_left_out() -> None:
    drawn = frozenset({"box", "scribble"})
    kinds = drawn | {"click", "mask"}
    then = Recorder("then", prompts=kinds, cascade=True, enforced=drawn, across=True)
    traits = Handover("pair", Recorder("first"), then).traits
    assert not traits.cascade
    assert not traits.across, "planes across are answered by the first"
    assert not traits.enforced
    assert traits.prompts == {"click", "mask"}
    assert find_model("random-walker-then-bundled").prompts == {"click", "mask"}
