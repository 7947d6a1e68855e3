"""DEXTR, DeepGrabCut and IOG: equal to their reference, and plain about what is missing."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import Query, sigmoid
from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models.guided import deepgrabcut, dextr, iog
from napari_intseg.models.guided.iog import IogNet
from napari_intseg.models.image_input import bumps, cut, load_opencv, paste, resize, to_bytes_range
from napari_intseg.models.net_model import OnDevice
from napari_intseg.models.registry import load_model
from reference_weights import reference_state_dict


def close(values, expected):
    allowed = 1e-4 * max(1.0, expected.std()) + 1e-4 * np.abs(expected)
    return bool((np.abs(values - expected) <= allowed).all())


def saved(folder, state_dict, prefix=""):
    path = folder / "published.pth"
    torch.save({prefix + name: value for name, value in state_dict.items()}, path)
    return path


def rounded_alike(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether bytes are the same, but for the few that OpenCV's vectors round the other way.

    With AVX-512 its cubic resizing rounds some pixels in a million otherwise than with AVX2.
    """
    apart = np.abs(found.astype(int) - wanted)
    return bool(apart.max() <= 1 and np.count_nonzero(apart) <= 1e-4 * apart.size)


@pytest.fixture(scope="module")
def reference(shared, tmp_path_factory):
    """Load a fixture: its arrays, and the model with deterministic weights."""

    def load(model, weights, arrays):
        info = json.loads((shared / "parity" / f"{weights}.json").read_text())
        given = np.load(shared / "parity" / f"{arrays}.npz")
        state_dict = reference_state_dict(info)
        for key in given.files:
            if key.startswith("set:"):
                state_dict[key[4:]] = torch.from_numpy(given[key])
        path = saved(tmp_path_factory.mktemp("weights"), state_dict, "module." * (model == "dextr"))
        loaded = load_model(model, weights=path, device="cpu", precision="float32")
        path.unlink()
        return loaded, given

    return load


def asked(model, given, prompts):
    prepared = model.prepare(given["image"].astype(np.float32) / 255)
    return model.predict(Query(prepared, prompts))


class TestDextr:
    def test_network_equals_the_reference(self, reference):
        model, given = reference("dextr", "dextr_resnet101_psp", "dextr_resnet101_psp_forward")
        heat = to_bytes_range(bumps([(y, x) for x, y in given["points"]], (256, 256)))
        np.testing.assert_allclose(heat, given["heatmap"], atol=1e-3)
        assert close(model.hosted.run(np.dstack([given["image"], heat]))[0], given["logits"])

    def test_predictor_equals_the_reference(self, reference):
        model, given = reference("dextr", "dextr_resnet101_psp", "dextr_predictor")
        for i in (0, 1):
            clicks = tuple(Click(float(y), float(x)) for x, y in given[f"extreme_points_{i}"])
            prob = sigmoid(asked(model, given, Prompts(clicks)).logits)
            expected = np.clip(given[f"prob_{i}"].astype(np.float32), 0, 1)
            np.testing.assert_allclose(prob, expected, atol=1e-3)
            differing = (prob > model.traits.threshold) != given[f"mask_{i}"]
            assert differing.mean() <= 5e-4

    def test_crop_equals_the_reference(self, shared):
        given = np.load(shared / "parity" / "dextr_predictor.npz")
        for i in (0, 1):
            x0, y0, x1, y1 = (int(v) for v in given[f"bbox_{i}"])
            crop = resize(cut(given["image"], (y0, x0, y1, x1)), (512, 512), "bicubic")
            assert rounded_alike(crop, given[f"resized_{i}"])


class TestDeepGrabCut:
    def test_network_equals_the_reference(self, reference):
        model, given = reference(
            "deepgrabcut", "deepgrabcut_resnet101_psp", "deepgrabcut_resnet101_psp_forward"
        )
        image = np.dstack([given["image"], given["distance_map"]])
        assert close(model.hosted.run(image)[0], given["logits"])

    def test_predictor_equals_the_reference(self, reference):
        model, given = reference(
            "deepgrabcut", "deepgrabcut_resnet101_psp", "deepgrabcut_predictor"
        )
        frame = model.prepare(given["image"].astype(np.float32) / 255).payload
        assert rounded_alike(frame, given["resized"])
        for i in (0, 1):
            x0, y0, x1, y1 = given[f"box_{i}"]
            outline = deepgrabcut.box_outline(Box(y0, x0, y1, x1), deepgrabcut.FRAME)
            distance = deepgrabcut.distance_map(outline)
            np.testing.assert_array_equal(distance, given[f"distance_map_{i}"])
            prob = model.probability(frame, distance)
            np.testing.assert_allclose(prob, given[f"prob_{i}"].astype(np.float32), atol=1e-3)
            assert ((prob > model.traits.threshold) != given[f"mask_{i}"]).mean() <= 5e-4

    def test_contour_gives_the_reference_map(self, shared):
        given = np.load(shared / "parity" / "deepgrabcut_predictor.npz")
        distance = deepgrabcut.distance_map(given["contour"])
        np.testing.assert_array_equal(distance, given["contour_distance_map"])


class TestIog:
    def test_network_equals_the_reference(self, reference):
        model, given = reference("iog", "iog_resnet101", "iog_resnet101_forward")
        points = [(float(y), float(x)) for x, y in given["points"]]
        maps = iog.guide(points[:1], points[1:])
        np.testing.assert_allclose(maps[::4, ::4], given["heatmaps_sub"], atol=1e-3)
        x = np.dstack([given["image"], maps])
        both = model.hosted.run(x, lambda net, x: torch.cat([net(x)[0], *net(x)[1]], dim=1))
        assert close(both[0, ::2, ::2], given["logits"])
        assert close(both[1:, ::4, ::4], given["coarse_logits"])

    def test_predictor_equals_the_reference(self, reference):
        model, given = reference("iog", "iog_resnet101", "iog_predictor")
        for i in (0, 1):
            rows, cols = np.nonzero(given[f"gt_{i}"])
            box = Box(rows.min(), cols.min(), rows.max(), cols.max())
            extent = iog.padded(box)
            x0, y0, x1, y1 = (int(v) for v in given[f"bbox_{i}"])
            assert extent == (y0, x0, y1, x1)
            inside, *outside = [(float(y), float(x)) for x, y in given[f"crop_points_{i}"]]
            assert iog.corners(box, extent) == outside
            prob = model.probability(given["image"], extent, [inside], outside)
            expected = given[f"prob_{i}"].astype(np.float32)
            np.testing.assert_allclose(prob, expected, atol=1e-3)

    def test_a_box_and_a_click_answer_the_same_as_its_points(self, reference):
        model, given = reference("iog", "iog_resnet101", "iog_predictor")
        rows, cols = np.nonzero(given["gt_0"])
        box = Box(rows.min(), cols.min(), rows.max(), cols.max())
        extent = iog.padded(box)
        answered = asked(model, given, Prompts((Click(185.0, 170.0),), box=box))
        inside = iog.to_frame((185.0, 170.0), extent)
        prob = model.probability(given["image"], extent, [inside], iog.corners(box, extent))
        np.testing.assert_allclose(sigmoid(answered.logits), np.clip(prob, 0, 1), atol=1e-5)

    def test_refinement_variant_has_the_published_shapes(self, shared):
        info = json.loads((shared / "parity" / "iog_resnet101_refinement.json").read_text())
        with torch.device("meta"):
            net = IogNet(refinement=True)
        assert {n: list(v.shape) for n, v in net.state_dict().items()} == info["shapes"]

    def test_corrections_change_the_answer_of_both_variants(self):
        image = np.random.default_rng(0).random((60, 70, 3)).astype(np.float32)
        box, first = Box(10, 10, 40, 50), Click(25.0, 30.0)
        for refinement in (False, True):
            torch.manual_seed(0)
            net = IogNet(refinement=refinement).eval()
            model = iog.Iog("iog", OnDevice.quick(net, "cpu", "float32"))
            prepared = model.prepare(image)
            one = model.predict(Query(prepared, Prompts((first,), box=box)))
            two = model.predict(
                Query(prepared, Prompts((first, Click(38.0, 45.0, False)), box=box))
            )
            assert one.logits.shape == (60, 70)
            assert np.abs(one.logits - two.logits).max() > 1e-4


class TestIncompletePrompts:
    """Nothing runs, nothing is drawn, and the answer says what it waits for."""

    IMAGE = np.zeros((40, 50, 3), np.float32)

    @pytest.mark.parametrize(
        ("model", "prompts", "missing"),
        [
            (dextr.Dextr, Prompts((Click(1, 1), Click(2, 2, False))), "3 more extreme points"),
            (deepgrabcut.DeepGrabCut, Prompts(), "a box round the object"),
            (iog.Iog, Prompts((Click(1, 1),)), "a box round the object"),
            (iog.Iog, Prompts((Click(1, 1, False),), Box(1, 1, 9, 9)), "a click inside the box"),
        ],
    )
    def test_says_what_is_missing(self, model, prompts, missing):
        made = model("x", SimpleNamespace())  # running it would fail
        answer = made.predict(Query(made.prepare(self.IMAGE), prompts))
        assert answer.info["waiting_for"] == missing
        assert (answer.logits < 0).all()
        assert answer.logits.shape == (40, 50)


def test_cut_and_paste_are_there_and_back():
    image = np.random.default_rng(0).random((8, 9)).astype(np.float32)
    extent = (-3, 4, 5, 12)
    crop = cut(image, extent)
    assert crop.shape == (9, 9)
    back = paste(crop, extent, image.shape)
    np.testing.assert_array_equal(back[:6, 4:], image[:6, 4:])
    assert not back[6:].any()
    assert not back[:, :4].any()


def test_a_crop_wholly_outside_is_zero_and_pastes_nothing():
    image = np.ones((4, 4), np.float32)
    assert not cut(image, (6, 6, 9, 9)).any()
    assert not paste(np.ones((4, 4), np.float32), (6, 6, 9, 9), (4, 4)).any()


def test_a_missing_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"OpenCV is not installed.*napari-intseg\[zoo\]"):
        load_opencv()


@pytest.mark.parametrize("build", [dextr.build, deepgrabcut.build, iog.build])
def test_weights_must_be_given(build):
    with pytest.raises(WeightsError, match="expected a checkpoint for 'x'"):
        build("x", None)


def test_a_foreign_file_is_refused(tmp_path):
    path = saved(tmp_path, {"layer5.final.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="another model: expected the parameters of PspResNet"):
        dextr.build("dextr", path)
