"""FCANet and Forte et al.: equal to their references."""

import json
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, sigmoid
from napari_intseg.errors import WeightsError
from napari_intseg.models import fcanet, forte
from napari_intseg.models.forte import guided_filter
from napari_intseg.models.registry import load_model
from reference_weights import reference_state_dict


@pytest.fixture(scope="module")
def reference(shared, tmp_path_factory):
    @cache
    def load(model, weights, arrays):
        info = json.loads((shared / "parity" / f"{weights}.json").read_text())
        given = np.load(shared / "parity" / f"{arrays}.npz")
        state_dict = reference_state_dict(info)
        for key in given.files:
            if key.startswith("set:"):
                state_dict[key[4:]] = torch.from_numpy(given[key])
        path = tmp_path_factory.mktemp("weights") / "published.pth"
        torch.save(state_dict, path)
        loaded = load_model(model, weights=path, device="cpu", precision="float32")
        path.unlink()
        return loaded, given

    return load


def close(values, expected):
    allowed = 1e-4 * max(1.0, expected.std()) + 1e-4 * np.abs(expected)
    return bool((np.abs(values - expected) <= allowed).all())


class TestFcaNet:
    @pytest.mark.parametrize("backbone", ["resnet", "res2net"])
    def test_network_equals_the_reference(self, reference, backbone):
        model, given = reference("fcanet", f"fcanet_{backbone}", f"fcanet_{backbone}_forward")
        shape = given["image"].shape[:2]
        maps = []
        for kind in ("pos", "neg", "first"):
            points = given[f"{kind}_points" if kind != "first" else "first_point"]
            clicks = [Click(float(y), float(x)) for x, y in points]
            maps.append(fcanet.distances(clicks, shape, shape))
            np.testing.assert_allclose(maps[-1], given[f"{kind}_dist"], atol=1e-4)
        assert close(model.logits(given["image"], maps), given["logits"])

    def test_predictor_equals_the_reference(self, reference, monkeypatch):
        model, given = reference("fcanet", "fcanet_resnet", "fcanet_predictor")
        prepared = model.prepare(given["image"].astype(np.float32) / 255)
        np.testing.assert_array_equal(prepared.payload, given["resized"])
        clicks = tuple(Click(float(y), float(x), bool(p)) for x, y, p in given["clicks"])
        answered = {}

        def once(resized, maps, ask=model.logits):
            key = b"".join(one.tobytes() for one in maps)
            if key not in answered:
                answered[key] = ask(resized, maps)
            return answered[key]

        monkeypatch.setattr(model, "logits", once)  # both ways below ask the same of the network
        for k in (1, len(clicks)):  # each is asked anew: what was answered before does not count
            query = Query(prepared, Prompts(clicks[:k]))
            model.connected = False
            prob = sigmoid(model.predict(query).logits)
            expected = given["prob"][k - 1].astype(np.float32)
            np.testing.assert_allclose(prob, expected, atol=1e-3)
            assert ((prob > 0.5) != given["mask"][k - 1].astype(bool)).mean() <= 5e-4
            model.connected = True
            kept = sigmoid(model.predict(query).logits) > 0.5
            assert (kept != given["mask_sis"][k - 1].astype(bool)).mean() <= 5e-4

    def test_without_a_positive_click_nothing_runs(self):
        model = fcanet.FcaNetModel("x", SimpleNamespace())
        prepared = model.prepare(np.zeros((30, 40, 3), np.float32))
        answer = model.predict(Query(prepared, Prompts((Click(3, 3, False),))))
        assert answer.info["waiting_for"] == "a click on the object"
        assert (answer.logits < 0).all()

    def test_no_click_is_far_everywhere(self):
        assert (fcanet.distances((), (8, 9), (16, 18)) == 255).all()

    def test_only_clicked_parts_stay(self):
        mask = np.zeros((5, 7), bool)
        mask[1:3, 1:3] = mask[3, 3] = mask[1, 5] = True
        kept = fcanet.clicked_parts(mask, [Click(1, 1), Click(1, 5, False), Click(-4, 90)])
        assert kept.sum() == 4
        touching = fcanet.clicked_parts(mask, [Click(1, 1)], diagonal=True)
        assert touching.sum() == 5


class TestForte:
    def test_network_equals_the_reference(self, reference):
        model, given = reference("forte", "forte_resnet50_gnws", "forte_resnet50_gnws_forward")
        image = model.prepare(given["image"].astype(np.float32) / 255).payload
        marks = given["click_map"].astype(np.float32)
        features = forte.click_features(marks)
        np.testing.assert_allclose(features[::4, ::4], given["click_features_sub"], atol=1e-5)
        x = np.dstack([image, features, given["prev_alpha"]])
        split = lambda x: torch.split(x, (3, 6, 1), dim=1)  # noqa: E731
        raw = model.hosted.run(x, lambda net, x: net.raw(*split(x)))[0]
        guide = model.hosted.run(x, lambda net, x: net.decoder.guide(*split(x)[:2]))[0]
        assert close(raw, given["pre_clamp"])
        assert close(guide, given["guide"])
        alpha = model.hosted.run(np.dstack([x, marks]), forte._forward)[0]
        np.testing.assert_allclose(alpha, given["alpha"], atol=5e-4)

    def test_predictor_equals_the_reference(self, reference):
        model, given = reference("forte", "forte_resnet50_gnws", "forte_predictor")
        prepared = model.prepare(given["image"].astype(np.float32) / 255)
        clicks = tuple(Click(float(r), float(c), bool(k)) for r, c, k in given["clicks"])
        state = None
        for k in range(1, len(clicks) + 1):
            answer = model.predict(Query(prepared, Prompts(clicks[:k]), None, state))
            state = answer.state
            np.testing.assert_allclose(sigmoid(answer.logits), given["alpha"][k - 1], atol=5e-4)

    def test_previous_logits_serve_where_there_is_no_state(self, reference):
        model, given = reference("forte", "forte_resnet50_gnws", "forte_predictor")
        prepared = model.prepare(given["image"][::2, ::2].astype(np.float32) / 255)
        clicks = tuple(Click(r / 2, c / 2, bool(k)) for r, c, k in given["clicks"].astype(float))
        first = model.predict(Query(prepared, Prompts(clicks[:1])))
        by_state = model.predict(Query(prepared, Prompts(clicks[:2]), None, first.state))
        by_logits = model.predict(Query(prepared, Prompts(clicks[:2]), first.logits))
        without = model.predict(Query(prepared, Prompts(clicks[:2])))
        assert np.abs(sigmoid(by_state.logits) - sigmoid(by_logits.logits)).max() < 1e-3
        assert np.abs(sigmoid(by_state.logits) - sigmoid(without.logits)).max() > 1e-2


def test_guided_filter_keeps_a_step_that_the_guide_has():
    guide = torch.zeros(1, 1, 12, 12)
    guide[..., 6:] = 1
    noisy = guide + 0.05 * torch.randn(guide.shape, generator=torch.Generator().manual_seed(0))
    smooth = guided_filter(guide, noisy)
    assert (smooth - guide).abs().mean() < (noisy - guide).abs().mean() / 2


@pytest.mark.parametrize("build", [fcanet.build, forte.build])
def test_weights_must_be_given(build):
    with pytest.raises(WeightsError, match="expected a checkpoint for 'x'"):
        build("x", None)


@pytest.mark.parametrize("build", [fcanet.build, forte.build])
def test_a_foreign_file_is_refused(build, tmp_path):
    torch.save({"a.weight": torch.zeros(2)}, tmp_path / "foreign.pth")
    with pytest.raises(WeightsError, match="another model: expected the parameters of"):
        build("x", tmp_path / "foreign.pth")
