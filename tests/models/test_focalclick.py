import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, mask_to_logits, sigmoid
from napari_intseg.errors import WeightsError
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, predict_slice
from napari_intseg.models import focalclick
from napari_intseg.models.focalclick import (
    build,
    focus_crop,
    focus_window,
    load_focalclick,
    net_of_config,
    progressive_merge,
)
from napari_intseg.models.net_model import OnDevice
from napari_intseg.models.nets.focal_click import FocalHRNet, roi_align
from napari_intseg.models.registry import MODELS, load_model
from napari_intseg.testing import phantom_image

HRNET = {
    "class": "isegm.model.is_hrnet_model.HRNetModel",
    "params": {
        name: {"type": "builtin", "value": value, "specified": True}
        for name, value in {
            "pipeline_version": "s2", "width": 18, "ocr_width": 48, "small": True,
            "with_aux_output": True, "use_leaky_relu": True, "use_rgb_conv": False,
            "use_disks": True, "norm_radius": 5, "with_prev_mask": True,
        }.items()
    },
}  # fmt: skip


def changed(**values: object) -> dict:
    params = {name: {"value": value} for name, value in values.items()}
    return {**HRNET, "params": {**HRNET["params"], **params}}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HRNet-18s-S2 in the published form, random but repeatable; clicks matter."""
    torch.manual_seed(0)
    net = net_of_config(HRNET, Path("made"))
    state_dict = net.state_dict()
    state_dict["maps_transform.3.scale"] *= 100
    path = tmp_path_factory.mktemp("weights") / "last_checkpoint.pth"
    torch.save({"state_dict": state_dict, "config": HRNET}, path)
    return path


def box_mask(row0: int, row1: int, col0: int, col1: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[row0:row1, col0:col1] = True
    return mask


def test_without_a_mask_before_the_focus_is_the_object():
    now = box_mask(20, 40, 30, 50)
    # rows 20..39: centre 29.5, length 1.4 * 20, ends truncated
    assert focus_crop(now, np.zeros_like(now), Click(25, 35)) == (15, 43, 25, 53)


def test_a_large_change_is_the_focus():
    before = box_mask(20, 40, 10, 30)
    now = box_mask(20, 40, 10, 50)
    assert focus_crop(now, before, Click(30, 45), 1.0) == (19, 39, 29, 49)


def test_a_small_change_gives_a_square_round_the_click():
    before = box_mask(10, 50, 10, 60)
    now = before | box_mask(20, 25, 60, 64)
    # a fifth of 53, the object's longer side as last minus first column, each way
    assert focus_crop(now, before, Click(22, 61), 1.0) == (10, 33, 49, 72)


def test_a_click_on_no_change_looks_at_all():
    before = box_mask(10, 50, 10, 60)
    for click in (Click(5, 5), Click(-30, 400)):
        assert focus_crop(before, before, click) == (0, 60, 0, 80)


def test_a_mask_without_clicks_has_a_focus_too():
    mask = box_mask(20, 40, 30, 50)
    assert focus_crop(mask, mask, None, 1.0) == (19, 39, 29, 49)


def test_merging_takes_over_the_change_under_the_click_alone():
    before = box_mask(10, 30, 10, 30)
    now = before | box_mask(10, 30, 50, 60) | box_mask(40, 50, 10, 20)
    merged = progressive_merge(now, before, Click(15, 55))
    np.testing.assert_array_equal(merged, before | box_mask(10, 30, 50, 60))
    gone = progressive_merge(box_mask(10, 20, 10, 30), before, Click(25, 15, positive=False))
    np.testing.assert_array_equal(gone, box_mask(10, 20, 10, 30))


def test_aligning_the_whole_map_gives_it_back(rng):
    x = torch.from_numpy(rng.normal(size=(1, 3, 12, 16)).astype(np.float32))
    np.testing.assert_allclose(roi_align(x, (0, 0, 16, 12)), x, atol=1e-6)


def test_an_aligned_window_is_what_lies_at_its_samples(rng):
    """Second source: scipy's interpolation at the cells' sampling points, averaged."""
    x = rng.normal(size=(20, 24)).astype(np.float32)
    x0, y0, x1, y1 = 6.3, 4.7, 14.1, 9.9
    found = roi_align(torch.from_numpy(x)[None, None], (x0, y0, x1, y1))[0, 0]
    rows = y0 - 0.5 + (np.arange(20) + 0.5) * (y1 - y0) / 20  # less than a pixel: one sample
    cols = x0 - 0.5 + (np.arange(24) + 0.5) * (x1 - x0) / 24
    expected = ndimage.map_coordinates(x, np.meshgrid(rows, cols, indexing="ij"), order=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_refined_window_alone_changes_from_the_eleventh_click_on(checkpoint):
    model = build("focalclick-hrnet18s-s2", checkpoint, device="cpu")
    image, truth = phantom_image()
    clicks = tuple(Click(20.0 + 2 * k, 30.0 + 3 * k, k % 3 > 0) for k in range(11))
    prepared, prev = model.prepare(image), mask_to_logits(truth)
    for count, stays in ((10, False), (11, True)):
        answer = model.predict(Query(prepared, Prompts(clicks[:count]), prev))
        row0, row1, col0, col1 = answer.info["focus"]
        outside = np.ones(truth.shape, bool)
        outside[row0:row1, col0:col1] = False
        assert outside.any()
        assert np.array_equal(answer.logits[outside], prev[outside]) == stays


def masks_of(rng, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask and one before it: none, another, one with few changes, or the same moved."""
    shape = tuple(int(n) for n in rng.integers(20, 70, 2))
    noise = rng.normal(size=shape)
    now = ndimage.gaussian_filter(noise, rng.choice([1, 3, 6])) > rng.choice([0, 0.05, 0.3])
    others = ndimage.gaussian_filter(rng.normal(size=shape), 3) > 0.02
    few = now ^ (rng.random(shape) < 0.01)
    return now, (np.zeros(shape, bool), others, few, np.roll(now, 3, 1))[number % 4]


def test_a_device_finds_the_same_window_as_a_processor(rng):
    for number in range(80):
        now, before = masks_of(rng, number)
        (height, width), click = now.shape, None
        if number % 9:
            click = Click(*rng.uniform(-5, (height + 5, width + 5)))
        low, more = -rng.integers(0, 20, 2), rng.integers(0, 9, 2)
        frame = (float(low[0]), float(height + more[0]), float(low[1]), float(width + more[1]))
        given = {"expansion": (1.0, 1.4)[number % 2], "frame": (None, frame)[number // 2 % 2]}
        here = focus_crop(now, before, click, **given)
        there, is_done = focus_window(
            torch.from_numpy(now), torch.from_numpy(before), click, **given
        )
        assert is_done
        assert tuple(there.tolist()) == here, (number, click, given)


def test_a_device_answers_as_a_processor_and_does_so_for_masks_that_wind_too_much(
    checkpoint, monkeypatch
):
    model = build("focalclick-hrnet18s-s2", checkpoint, device="cpu")
    image, truth = phantom_image()
    clicks = tuple(Click(20.0 + 2 * k, 30.0 + 3 * k, k % 3 > 0) for k in range(11))
    prepared, prev = model.prepare(image), np.where(truth, np.float32(2), np.float32(-2))
    # so that there is something to look closer at, and to see
    with torch.no_grad():
        for name, value in model.net.named_parameters():
            if name.endswith("cls_head.weight") or name.startswith("refiner"):
                value.mul_(3)
    queries = [Query(prepared, Prompts(clicks[:n]), prev) for n in (1, 3, 11)]
    queries.append(Query(prepared, Prompts(clicks[:2]), frame=(-9.0, 99.0, 0.0, 140.0)))
    plain = [model.predict(query) for query in queries]
    assert len({answer.info["focus"] for answer in plain}) > 1
    monkeypatch.setattr(OnDevice, "is_asynchronous", True)
    never = [0]

    def winds(mask, **_):
        never[0] += 1
        return torch.zeros(mask.shape, dtype=torch.int64), torch.tensor(False)

    for changed in (None, winds):
        if changed is not None:
            monkeypatch.setattr(focalclick, "regions", changed)
        for query, expected in zip(queries, plain, strict=True):
            found = model.predict(query)
            assert found.info == expected.info
            assert found.keeps_rest == expected.keeps_rest
            # matrices round otherwise than resizing does, which untrained layers make more of
            np.testing.assert_allclose(sigmoid(found.logits), sigmoid(expected.logits), atol=1e-2)
            assert np.abs(sigmoid(found.logits) - sigmoid(expected.logits)).mean() < 1e-5
    assert never == [len(queries)]


def test_local_refinement_leaves_the_rest_bit_equal(checkpoint):
    model = build("focalclick-hrnet18s-s2", checkpoint, device="cpu")
    image, truth = phantom_image()
    painted = Patch.from_mask(truth)
    answer = predict_slice(
        model, lambda r, c: image[r, c], truth.shape, Prompts((Click(5.0, 5.0),)),
        Options(local=True), initial=painted,
    )  # fmt: skip
    changed_px = answer.patch.full() != painted.full()
    regions, count = ndimage.label(changed_px, np.ones((3, 3)))
    assert count <= 1
    assert not changed_px.any() or regions[5, 5] == 1


def test_s1_and_s2_see_disks_of_their_own():
    halved = net_of_config(changed(pipeline_version="s1"), Path("made"))
    whole = net_of_config(HRNET, Path("made"))
    assert isinstance(halved, FocalHRNet)
    assert (halved.halved, halved.coarse_maps.radius) == (True, 2)
    assert (whole.halved, whole.coarse_maps.radius) == (False, 5)


def test_a_file_without_configuration_is_refused(tmp_path):
    path = tmp_path / "bare.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="'config' of a FocalClick checkpoint"):
        load_focalclick(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "not of FocalClick"),
        ({"class": "other.Model", "params": {}}, "got 'other.Model'"),
        ({**HRNET, "params": {"width": {"value": 18}}}, "with a 'pipeline_version'"),
        (changed(pipeline_version="s3"), "value of the parameter 'pipeline_version'"),
        (changed(use_disks=False), "value of the parameter 'use_disks'"),
        (changed(model_version="b0"), "unknown parameter"),
    ],
)
def test_other_configurations_are_refused(config, message):
    with pytest.raises(WeightsError, match=message):
        net_of_config(config, Path("made"))


def test_weights_must_be_given():
    with pytest.raises(WeightsError, match="expected a checkpoint for 'focalclick-hrnet32-s2'"):
        build("focalclick-hrnet32-s2", None)


def test_licences_that_bind_are_told():
    for name, spec in MODELS.items():
        if spec.family == "focalclick":
            assert ("NVIDIA" in spec.licence and "only" in spec.note) == ("segformer" in name)


@pytest.fixture(scope="module")
def segformer(tmp_path_factory, shared) -> Path:
    info = json.loads((shared / "parity" / "focalclick_segformer_b0_s2.json").read_text())
    torch.manual_seed(0)
    net = net_of_config(info["config"], Path("made"))
    path = tmp_path_factory.mktemp("weights") / "last_checkpoint.pth"
    torch.save({"state_dict": net.state_dict(), "config": info["config"]}, path)
    return path


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_segformer_answers_in_either_precision(segformer, precision):
    model = load_model(
        "focalclick-segformer-b0-s2", weights=segformer, device="cpu", precision=precision
    )
    image, truth = phantom_image()
    model.warm_up((64, 64))
    answer = model.predict(Query(model.prepare(image), Prompts((Click(40, 60),))))
    assert answer.logits.shape == truth.shape
    assert np.isfinite(answer.logits).all()
    model.release()
