"""FocalClick against the published predictor (fixtures, section 4)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Answer, Query, Traits, sigmoid
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options
from napari_intseg.inference.zoom_in import look
from napari_intseg.models.focalclick import (
    PUBLISHED_ZOOM_IN,
    FocalClick,
    build,
    net_of_config,
    progressive_merge,
)
from reference_weights import reference_state_dict

SIZES = ("hrnet18s_s1", "hrnet18s_s2", "hrnet32_s2", "segformer_b0_s1", "segformer_b0_s2",
         "segformer_b3_s2")  # fmt: skip
TRAITS = Traits("formula", frozenset({"click", "mask"}), threshold=0.49, uses_prev=True)


def rgb(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("size", SIZES)
def test_both_networks_equal_the_reference(shared: Path, size: str) -> None:
    info = json.loads((shared / "parity" / f"focalclick_{size}.json").read_text())
    given = np.load(shared / "parity" / f"focalclick_{size}_forward.npz")
    net = net_of_config(info["config"], Path("fixture"))
    assert {n: list(v.shape) for n, v in net.state_dict().items()} == info["shapes"]
    net.load_state_dict(reference_state_dict(info))
    net.eval()
    prev = torch.from_numpy(given["prev_mask"]).float()[None, None]
    with torch.no_grad():
        coarse = net(rgb(given["image"]), torch.from_numpy(given["points"])[None], prev)
        assert coarse.aux is not None
        fine = net.refine(
            rgb(given["refine_image"]),
            torch.from_numpy(given["refine_points"])[None],
            coarse.features,
            coarse.logits,
            tuple(map(float, given["refine_bbox"][1:])),
        )
    found = {
        "logits": coarse.logits[0, 0], "aux_logits": coarse.aux[0, 0],
        "feature_sub": coarse.features[0, ::8, ::2, ::2], "refine_coarse": fine.coarse[0, 0],
        "refine_trimap": fine.trimap[0, 0], "refine_logits": fine.logits[0, 0],
    }  # fmt: skip
    for name, tensor in found.items():
        expected = given[name]
        tolerance = 1e-3 if (size, name) == ("hrnet32_s2", "refine_logits") else 1e-4
        allowed = tolerance * max(1, expected.std()) + tolerance * np.abs(expected)
        assert (np.abs(tensor.numpy() - expected) <= allowed).all(), name


def on_slice(window: tuple[int, ...], target: tuple[int, ...]) -> list[int]:
    """Return a window of the view in pixels of the slice; the view is not scaled."""
    row, col = target[0], target[2]
    return [window[0] + row, window[1] + row, window[2] + col, window[3] + col]


CASES = {
    "default": (256, 1.4, PUBLISHED_ZOOM_IN),
    "alt": (192, 1.2, replace(PUBLISHED_ZOOM_IN, expansion=1.6, skip_clicks=-1)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_pipeline_equals_the_published_one(
    shared: Path, play, focal_formula, case: str
) -> None:
    fixture = np.load(shared / "parity" / "focalclick_pipeline.npz")
    side, expansion, zoom = CASES[case]
    net = focal_formula
    model = FocalClick(TRAITS, net, device="cpu", infer_size_px=side, focus_expansion=expansion)
    options = Options.published(Intensity(), zoom_in=zoom)
    answers = play(model, fixture["image"], fixture["clicks"], options)
    for k, answer in enumerate(answers):
        target = answer.seen.box
        assert list(target) == list(fixture[f"target_roi_{case}"][k])
        assert on_slice(answer.info["focus"], target) == list(fixture[f"focus_roi_{case}"][k])
        np.testing.assert_allclose(net.boxes[k], fixture[f"roi_{case}"][k], rtol=1e-5, atol=1e-4)
        prob = sigmoid(answer.patch.full())
        np.testing.assert_allclose(prob, fixture[f"prob_{case}"][k], rtol=0, atol=1e-3)
    assert k == 12


def test_an_initial_mask_is_merged_progressively_as_published(shared: Path, focal_formula) -> None:
    """The merged mask says where to look; the network goes on from its own probability."""
    fixture = np.load(shared / "parity" / "focalclick_pipeline.npz")
    image, shape = fixture["image"], fixture["image"].shape[:2]
    net = focal_formula
    model = FocalClick(TRAITS, net, device="cpu")
    merged, own = fixture["init_mask"] > 0, Patch.from_mask(fixture["init_mask"])
    given: tuple[Click, ...] = ()
    for k, (positive, row, col) in enumerate(fixture["clicks"][:6]):
        given = (*given, Click(float(row), float(col), bool(positive)))
        view = look(PUBLISHED_ZOOM_IN, shape, Prompts(given), Patch.from_mask(merged), None).seen
        crop = view.read(lambda rows, cols: image[rows, cols], Intensity())
        prompts = Prompts(given).moved(view.position)
        query = Query(model.prepare(crop), prompts, view.prev_logits(own))
        answer: Answer = model.predict(query)
        own = view.put_back(answer.logits)
        merged = progressive_merge(own.mask(0.49), merged, given[-1])
        assert list(view.box) == list(fixture["target_roi_init"][k])
        assert on_slice(answer.info["focus"], view.box) == list(fixture["focus_roi_init"][k])
        np.testing.assert_allclose(net.boxes[k], fixture["roi_init"][k], rtol=1e-5, atol=1e-4)
        prob = sigmoid(own.full())
        np.testing.assert_allclose(prob, fixture["prob_init"][k], rtol=0, atol=1e-3)
        assert np.mean(merged != fixture["mask_init"][k]) <= 5e-4


def test_clicks_equal_the_published_predictor(shared: Path, play, tmp_path: Path) -> None:
    fixture = np.load(shared / "parity" / "focalclick_hrnet18s_s2_predictor.npz")
    info = json.loads((shared / "parity" / "focalclick_hrnet18s_s2.json").read_text())
    state_dict = reference_state_dict(info)
    for key in fixture.files:
        if key.startswith("set:"):
            state_dict[key[4:]] = torch.from_numpy(fixture[key])
    path = tmp_path / "last_checkpoint.pth"
    torch.save({"state_dict": state_dict, "config": info["config"]}, path)
    model = build("focalclick-hrnet18s-s2", path, device="cpu")
    answers = play(model, fixture["image"], fixture["clicks"], Options.published(Intensity()))
    for k, answer in enumerate(answers):
        target = answer.seen.box
        assert list(target) == list(fixture["target_roi"][k])
        assert on_slice(answer.info["focus"], target) == list(fixture["focus_roi"][k])
        prob = sigmoid(answer.patch.full())
        np.testing.assert_allclose(prob, fixture["prob"][k], rtol=0, atol=1e-3)
    assert k == 5
