"""RITM against its reference implementation, and as a segmenter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, ZoomIn, mask_to_logits, sigmoid
from napari_intseg.errors import DeviceError, PromptError, WeightsError
from napari_intseg.models.image_input import raw_logits
from napari_intseg.models.registry import load_model
from napari_intseg.models.ritm import build, load_ritm, net_of_config, pack_clicks
from reference_weights import reference_state_dict

VARIANTS = {
    "ritm-hrnet18s": "ritm_hrnet18s_itermask",
    "ritm-hrnet18": "ritm_hrnet18_itermask",
    "ritm-hrnet32": "ritm_hrnet32_itermask",
    "ritm-hrnet18-baseline": "ritm_hrnet18_baseline",
    "ritm-resnet34": "ritm_resnet34_deeplab",
}


def reference_checkpoint(parity: Path, name: str) -> dict[str, Any]:
    """A file's content in the published form, with the fixtures' deterministic weights."""
    info = json.loads((parity / f"{name}.json").read_text())
    base = json.loads((parity / info["base"]).read_text()) if "base" in info else info
    state_dict = reference_state_dict(base | {"overrides": info.get("overrides", {})})
    return {"state_dict": state_dict, "config": base["config"]}


def save(checkpoint: Any, path: Path) -> Path:
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def parity(shared: Path) -> Path:
    return shared / "parity"


@pytest.fixture(scope="module")
def model(ritm_file: Path) -> Any:
    return load_model("ritm-hrnet18s", weights=ritm_file, device="cpu")


def query(model: Any, rng: np.random.Generator, *clicks: Click, prev: Any = None) -> Query:
    image = rng.random((48, 64, 3), np.float32)
    return Query(model.prepare(image), Prompts(clicks), prev)


def assert_as_reference(ours: Any, reference: Any) -> None:
    tolerance = 1e-4 * max(1, reference.std()) + 1e-4 * np.abs(reference)
    worst = np.max(np.abs(ours - reference) - tolerance)
    assert worst <= 0, f"beyond the tolerance by {worst}"


@pytest.fixture(scope="module", params=VARIANTS)
def scaled(request: pytest.FixtureRequest, parity: Path, tmp_path_factory: Any) -> Any:
    """A model's name, its checkpoint scaled so that clicks matter, and what the reference says."""
    stem = VARIANTS[request.param] + "_scaled"
    path = save(reference_checkpoint(parity, stem), tmp_path_factory.mktemp("scaled") / "c.pth")
    yield request.param, path, np.load(parity / f"{stem}_forward.npz")
    path.unlink()


def check_logits(name: str, path: Path, fixture: Any) -> None:
    model = load_model(name, weights=path, device="cpu", precision="float32")
    prev = fixture["prev_mask"] if model.traits.uses_prev else None
    logits = raw_logits(model, fixture["image"], fixture["points"], prev)
    assert logits.dtype == np.float32
    assert_as_reference(logits, fixture["logits"])


def test_every_published_network_equals_the_reference(scaled: Any) -> None:
    check_logits(*scaled)


def test_networks_as_published_equal_the_reference_with_their_auxiliary_logits(scaled: Any) -> None:
    """As they are trained on: nothing is folded."""
    name, path, fixture = scaled
    image = torch.from_numpy(fixture["image"]).permute(2, 0, 1)[None] / 255
    prev = torch.from_numpy(fixture["prev_mask"])[None, None].float()
    with torch.inference_mode():
        found = load_ritm(path)(image, torch.from_numpy(fixture["points"])[None], prev)
    assert_as_reference(found.main[0, 0].numpy(), fixture["logits"])
    assert ("aux_logits" in fixture) == ("deeplab" not in VARIANTS[name])
    if "aux_logits" in fixture:
        assert_as_reference(found.aux[0, 0].numpy(), fixture["aux_logits"])


def test_without_scaled_weights_a_network_equals_the_reference_too(
    parity: Path, tmp_path: Path
) -> None:
    """One is enough: scaled ones differ from these in factors of few layers alone."""
    name, stem = "ritm-hrnet18s", VARIANTS["ritm-hrnet18s"]
    path = save(reference_checkpoint(parity, stem), tmp_path / "checkpoint.pth")
    check_logits(name, path, np.load(parity / f"{stem}_forward.npz"))


def test_state_dicts_have_the_published_names_and_shapes(parity: Path) -> None:
    for stem in VARIANTS.values():
        info = json.loads((parity / f"{stem}.json").read_text())
        net = net_of_config(info["config"], Path(stem))
        assert {k: list(v.shape) for k, v in net.state_dict().items()} == info["shapes"]


def test_defaults_are_those_of_the_published_evaluation(model: Any) -> None:
    traits = model.traits
    assert (traits.zoom_in.skip_clicks, traits.zoom_in.target_size) == (-1, 400)
    assert (traits.zoom_in.min_crop_size, traits.zoom_in.expansion) == (200, 1.4)
    assert (traits.threshold, traits.resample, traits.flip) == (0.49, "probability", True)
    assert traits.uses_prev
    assert traits.longer_side_px == 800
    assert "mask" in traits.prompts


def test_options_replace_the_published_settings(ritm_file: Path) -> None:
    zoom_in = ZoomIn(skip_clicks=1, target_size=(320, 320))
    model = build("ritm-hrnet18s", ritm_file, zoom_in=zoom_in, flip=False, longer_side_px=None)
    assert model.traits.zoom_in == zoom_in
    assert not model.traits.flip
    assert model.traits.longer_side_px is None


def test_folding_and_channels_last_do_not_change_the_answer(
    ritm_file: Path, model: Any, rng: np.random.Generator
) -> None:
    plain = build("ritm-hrnet18s", ritm_file, device="cpu", plain=True)
    kinds = {type(module) for module in model.net.modules()}
    assert torch.nn.BatchNorm2d not in kinds
    assert torch.nn.BatchNorm2d in {type(module) for module in plain.net.modules()}
    prev = rng.normal(0, 3, (48, 64)).astype(np.float32)
    asked = query(model, rng, Click(20, 30), Click(40, 5, positive=False), prev=prev)
    np.testing.assert_allclose(
        model.predict(asked).logits, plain.predict(asked).logits, rtol=1e-4, atol=1e-4
    )


PRECISIONS = pytest.mark.parametrize("precision", ["bfloat16", "float16"])


@PRECISIONS
@pytest.mark.parametrize("scaled", ["ritm-hrnet32", "ritm-resnet34"], indirect=True)
def test_half_precision_gives_nearly_the_same_probabilities(scaled: Any, precision: Any) -> None:
    check_half(*scaled[1:], precision)


@PRECISIONS
def test_half_precision_of_the_smallest_does_too(
    parity: Path, tmp_path: Path, precision: Any
) -> None:
    """Not on the scaled one: there every rounding is amplified a thousandfold."""
    stem = VARIANTS["ritm-hrnet18s"]
    path = save(reference_checkpoint(parity, stem), tmp_path / "checkpoint.pth")
    check_half(path, np.load(parity / f"{stem}_forward.npz"), precision)


def check_half(path: Path, fixture: Any, precision: Any) -> None:
    half = build("ritm", path, device="cpu", precision=precision)
    prev = fixture["prev_mask"] if half.traits.uses_prev else None
    logits = raw_logits(half, fixture["image"], fixture["points"], prev)
    assert next(half.net.parameters()).dtype == getattr(torch, precision)
    assert logits.dtype == np.float32
    ours, reference = sigmoid(logits), sigmoid(fixture["logits"])
    assert np.abs(ours - reference).max() <= 2e-2
    assert np.mean((ours > 0.49) != (reference > 0.49)) <= 0.005


def test_a_batch_answers_as_one_by_one(model: Any, rng: np.random.Generator) -> None:
    queries = [
        query(model, rng, Click(20, 30)),
        query(model, rng, Click(5, 5), Click(9, 60), Click(40, 5, positive=False)),
        query(model, rng, prev=rng.normal(0, 3, (48, 64)).astype(np.float32)),
    ]
    together = model.predict_batch(queries)
    for one, answer in zip(queries, together, strict=True):
        np.testing.assert_allclose(answer.logits, model.predict(one).logits, atol=1e-4)


def test_the_same_query_gives_the_same_answer_and_is_not_changed(
    model: Any, rng: np.random.Generator
) -> None:
    image, prev = rng.random((30, 40, 3), np.float32), np.zeros((30, 40), np.float32)
    before = image.copy(), prev.copy()
    asked = Query(model.prepare(image), Prompts((Click(10, 10),)), prev)
    first, second = model.predict(asked), model.predict(asked)
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(prev, before[1])


def test_clicks_and_the_previous_answer_change_the_answer(
    model: Any, rng: np.random.Generator
) -> None:
    prepared = model.prepare(rng.random((48, 64, 3), np.float32))
    mask = np.zeros((48, 64), bool)
    mask[10:30, 10:30] = True
    answers = [
        model.predict(Query(prepared, prompts, prev)).logits
        for prompts, prev in (
            (Prompts(), None),
            (Prompts((Click(20, 20),)), None),
            (Prompts((Click(20, 20, positive=False),)), None),
            (Prompts((Click(20, 20),)), mask_to_logits(mask)),
        )
    ]
    for k, one in enumerate(answers):
        for other in answers[k + 1 :]:
            assert np.abs(one - other).max() > 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (17, 33)])
def test_any_size_is_answered_on_its_own_grid(
    model: Any, rng: np.random.Generator, shape: tuple[int, int]
) -> None:
    prepared = model.prepare(rng.random((*shape, 3), np.float32))
    logits = model.predict(Query(prepared, Prompts((Click(0, 0),)))).logits
    assert logits.shape == shape
    assert np.isfinite(logits).all()


def test_a_model_answers_again_after_its_memory_was_returned(
    model: Any, rng: np.random.Generator
) -> None:
    asked = query(model, rng, Click(20, 30))
    before = model.predict(asked).logits
    model.warm_up((32, 32))
    model.release()
    np.testing.assert_array_equal(model.predict(asked).logits, before)


def test_gradients_reach_the_places_that_brs_changes(model: Any, rng: np.random.Generator) -> None:
    bias = torch.zeros(1, 270, 1, 1, requires_grad=True)
    colours = torch.zeros(1, 3, 48, 64, requires_grad=True)
    maps = torch.zeros(1, 2, 48, 64, requires_grad=True)
    taps = {
        "features": lambda x: x + bias,
        "image": lambda x: x + colours,
        "maps": lambda x: x + maps,
    }
    model.logits([query(model, rng, Click(20, 30))], taps).square().sum().backward()
    for changed in (bias, colours, maps):
        assert changed.grad.abs().sum() > 0


def test_clicks_are_packed_by_sign_with_their_order() -> None:
    clicks = (Click(1, 2), Click(3, 4, positive=False), Click(5, 6))
    packed = pack_clicks([clicks, ()])
    np.testing.assert_array_equal(packed[0], [[1, 2, 0], [5, 6, 2], [3, 4, 1], [-1, -1, -1]])
    assert (packed[1] == -1).all()


def test_raw_logits_wants_points_in_pairs_of_signs(model: Any) -> None:
    with pytest.raises(PromptError, match=r"expected shape \(2n, 2\) or \(2n, 3\), got \(3, 3\)"):
        raw_logits(model, np.zeros((8, 8, 3), np.uint8), np.zeros((3, 3)))


def test_a_missing_checkpoint_says_so() -> None:
    with pytest.raises(WeightsError, match="expected a checkpoint for 'ritm-hrnet18s', got None"):
        build("ritm-hrnet18s", None)


def test_running_out_of_memory_says_what_to_do(ritm_file: Path, rng: np.random.Generator) -> None:
    model = build("ritm-hrnet18s", ritm_file, device="cpu")

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("full")

    model.net.forward = full  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match=r"out of memory.*choose device='cpu'"):
        model.predict(query(model, rng, Click(1, 1)))
