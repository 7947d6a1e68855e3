"""The networks of f-BRS against their reference: forward passes, clicks, files."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Segmenter, ZoomIn, sigmoid
from napari_intseg.errors import DeviceError, UnknownModelError, WeightsError
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.models.brs.brs import Brs, build_fbrs, load_fbrs
from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks
from napari_intseg.models.registry import MODELS
from napari_intseg.models.ritm import Ritm
from reference_weights import reference_state_dict

KINDS = ("resnet34", "resnet50", "resnet101", "hrnet18", "hrnet32")
FIRST_CLICKS = {"NoBRS": 6, "f_BRS_B": 6, "f_BRS_A": 3, "f_BRS_C": 3}
"""How far the reference itself is stable (its README)."""


def play(
    model: Segmenter, image: np.ndarray, clicks: np.ndarray, zoom: ZoomIn | None
) -> Iterator[SliceAnswer]:
    """Give the clicks, rows of (positive, row, col), one after another."""
    options = Options.published(Intensity(), zoom_in=zoom, longer_side_px=None)
    given: tuple[Click, ...] = ()
    prev = None
    for positive, row, col in clicks:
        given = (*given, Click(float(row), float(col), bool(positive)))
        prev = predict_slice(
            model,
            lambda rows, cols: image[rows, cols],
            image.shape[:2],
            Prompts(given),
            options,
            prev=prev,
        )
        yield prev


@pytest.fixture(scope="module")
def weights(shared: Path, tmp_path_factory: pytest.TempPathFactory):
    """Write a fixture's deterministic weights, as the published files are."""
    folder = tmp_path_factory.mktemp("fbrs")

    def make(kind: str, **changed: torch.Tensor) -> Path:
        info = json.loads((shared / "parity" / f"fbrs_{kind}.json").read_text())
        path = folder / f"{kind}_{len(changed)}.pth"
        if not path.exists():
            torch.save({**reference_state_dict(info), **changed}, path)
        return path

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_pass_equals_the_reference(shared: Path, weights, kind: str) -> None:
    fixture = np.load(shared / "parity" / f"fbrs_{kind}_forward.npz")
    path = weights(kind)
    net = load_fbrs(path)
    path.unlink()
    info = json.loads((shared / "parity" / f"fbrs_{kind}.json").read_text())
    assert {n: list(v.shape) for n, v in net.state_dict().items()} == info["shapes"]
    image = torch.from_numpy(fixture["image"]).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        logits = net(image, torch.from_numpy(fixture["points"])[None]).main[0, 0].numpy()
    expected = fixture["logits"]
    error = np.abs(logits - expected)
    assert (error <= 1e-4 * max(1, expected.std()) + 1e-4 * np.abs(expected)).all()


@pytest.fixture(scope="module")
def resnet34(shared: Path, weights) -> Path:
    fixture = np.load(shared / "parity" / "fbrs_resnet34_predictor.npz")
    changed = {n[4:]: torch.from_numpy(fixture[n]) for n in fixture.files if n.startswith("set:")}
    return weights("resnet34", **changed)


@pytest.mark.parametrize("name", FIRST_CLICKS)
def test_clicks_equal_the_published_predictor(shared: Path, resnet34: Path, name: str) -> None:
    fixture = np.load(shared / "parity" / "fbrs_resnet34_predictor.npz")
    mode = name.replace("_", "-")
    model = build_fbrs("fbrs-resnet34", resnet34, device="cpu", precision="float32", mode=mode)
    zoom = ZoomIn(skip_clicks=1, target_size=160, min_crop_size=100)
    count = FIRST_CLICKS[name]
    answers = play(model, fixture["image"], fixture["clicks"][:count], zoom)
    for i, answer in enumerate(answers):
        box = (-1, 0, -1, 0) if answer.kept is None else answer.kept.box
        assert (box[0], box[1] - 1, box[2], box[3] - 1) == tuple(fixture[f"roi_{name}"][i])
        prob = sigmoid(answer.patch.full())
        np.testing.assert_allclose(prob, fixture[name][i], rtol=0, atol=1e-3)


def test_refinement_is_the_default_and_the_bare_network_a_choice(resnet34: Path) -> None:
    assert isinstance(build_fbrs("fbrs-resnet34", resnet34, device="cpu"), Brs)
    bare = build_fbrs("fbrs-resnet34", resnet34, device="cpu", mode="NoBRS")
    assert isinstance(bare, Ritm)
    assert bare.traits.flip
    assert not build_fbrs("fbrs-resnet34", resnet34, device="cpu").traits.flip


def test_names_that_the_network_has_not_are_ignored(weights) -> None:
    path = weights("hrnet18", **{"training_head.weight": torch.zeros(3)})
    net = load_fbrs(path)
    assert "training_head.weight" not in net.state_dict()
    assert net.feature_extractor.ocr_width == 64


def test_a_small_hrnet_is_recognised(tmp_path: Path) -> None:
    clicks = ClickInput(radius=260.0, maps="distance", entry="mixer", norm_last=True)
    small = HRNetClicks(clicks, width=18, ocr_width=48, small=True)
    torch.save(small.state_dict(), tmp_path / "small.pth")
    net = load_fbrs(tmp_path / "small.pth")
    assert net.state_dict().keys() == small.state_dict().keys()


def test_a_missing_name_is_told(tmp_path: Path, resnet34: Path) -> None:
    state_dict = torch.load(resnet34, weights_only=True)
    del state_dict["head.layers.2.bias"]
    torch.save(state_dict, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match=r"1 missing \(head.layers.2.bias\)"):
        load_fbrs(tmp_path / "less.pth")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"state_dict": {}, "config": {}}, "no bare parameters by name"),
        ({"conv.weight": torch.zeros(1)}, "no layers that mix clicks and colours"),
        ({"rgb_conv.3.weight": torch.zeros(3, 8, 1, 1)}, "no convolution feature_extractor.aspp"),
    ],
)
def test_a_file_of_another_family_is_refused(tmp_path: Path, content: dict, told: str) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=f"of another model: expected .*f-BRS.*{told}"):
        load_fbrs(tmp_path / "other.pth")


def test_a_deeper_network_than_any_published_is_refused(tmp_path: Path) -> None:
    content = {f"feature_extractor.backbone.{i}": torch.zeros(1) for i in range(532)}
    content["rgb_conv.3.weight"] = torch.zeros(3, 8, 1, 1)
    content["feature_extractor.aspp.project.0.weight"] = torch.zeros(8, 40, 1, 1)
    torch.save(content, tmp_path / "deep.pth")
    with pytest.raises(WeightsError, match="with 532 parameters in its backbone"):
        load_fbrs(tmp_path / "deep.pth")


def test_an_unknown_refinement_is_refused_before_the_file_is_read() -> None:
    with pytest.raises(UnknownModelError, match=r"NoBRS or one of f-BRS-A.*got 'f-BRS-D'"):
        build_fbrs("fbrs-resnet34", Path("nowhere.pth"), mode="f-BRS-D")  # type: ignore[arg-type]


def test_missing_weights_and_an_unknown_precision_are_told(resnet34: Path) -> None:
    with pytest.raises(WeightsError, match="expected a checkpoint for 'fbrs-resnet34', got None"):
        build_fbrs("fbrs-resnet34", None)
    with pytest.raises(DeviceError, match="precision is unknown"):
        build_fbrs("fbrs-resnet34", resnet34, device="cpu", precision="int4")  # type: ignore[arg-type]


def test_every_registered_name_has_the_prompts_that_the_model_takes(resnet34: Path) -> None:
    names = [name for name, spec in MODELS.items() if spec.family == "fbrs"]
    assert len(names) == 7
    model = build_fbrs(names[0], resnet34, device="cpu")
    assert all(MODELS[name].prompts == model.traits.prompts for name in names)
