"""Other objects, which are drawn on a view as a prompt of the bundled network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query
from napari_intseg.models import bundled
from napari_intseg.models.bundled_engine import build_onnx
from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.models.weights.store import bundled_folder, write_weights

WEIGHTS = bundled_folder() / "bundled.safetensors"
CLICK = Prompts((Click(30, 30),))


def others(shape=(96, 96)):
    mask = np.zeros(shape, np.float32)
    mask[20:40, 50:80] = 1
    return mask


def write(path, *, gives: float):
    """Write the bundled weights, with layers out of the prompt that are so far from zero."""
    net = bundled.load_net(WEIGHTS)
    torch.manual_seed(0)
    net.drawn = ClickPyramid().drawn
    for layer in net.drawn.give:
        torch.nn.init.normal_(layer.weight, std=gives)
    write_weights(path, net.state_dict(), traits={}, card="Made by a test.")
    return path


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return write(folder / "zero.safetensors", gives=0.0), write(
        folder / "some.safetensors", gives=0.2
    )


def engine(name: str, path):
    if name == "onnx":
        return build_onnx("some", path)
    return bundled.build("some", path, device="cpu", precision="float32")


def asked(model, seen=None):
    image = np.random.default_rng(0).random((96, 96, 3), np.float32)
    return model.predict(Query(model.prepare(image), CLICK, others=seen)).logits


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_a_network_that_learnt_nothing_of_it_answers_to_the_bit_as_before(paths, name):
    model = engine(name, paths[0])
    np.testing.assert_array_equal(asked(model, seen=others()), asked(model))


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_other_objects_change_an_answer_and_their_absence_does_not(paths, name):
    model = engine(name, paths[1])
    plain = asked(model)
    assert model.traits.others
    assert np.abs(asked(model, seen=others()) - plain).max() > 0.01
    np.testing.assert_array_equal(asked(model, seen=np.zeros((96, 96), np.float32)), plain)
    np.testing.assert_array_equal(asked(engine(name, paths[0])), plain)


def test_both_engines_see_the_same(paths):
    first, second = engine("torch", paths[1]), engine("onnx", paths[1])
    found = asked(first, seen=others()), asked(second, seen=others())
    np.testing.assert_allclose(*found, rtol=0, atol=1e-3)


def test_of_several_questions_only_those_with_something_drawn_change(paths):
    model = engine("torch", paths[1])
    image = np.random.default_rng(0).random((96, 96, 3), np.float32)
    plain = Query(model.prepare(image), CLICK)
    alone, beside = model.predict_batch([plain, replace(plain, others=others())])
    np.testing.assert_allclose(alone.logits, asked(model), rtol=0, atol=1e-4)
    assert np.abs(beside.logits - alone.logits).max() > 0.01


def test_a_file_from_before_has_no_such_prompt(tmp_path):
    net = bundled.load_net(WEIGHTS)
    net.drawn = None
    write_weights(tmp_path / "old.safetensors", net.state_dict(), traits={}, card="Made by a test.")
    for name in ("torch", "onnx"):
        model = engine(name, tmp_path / "old.safetensors")
        assert not model.traits.others
        np.testing.assert_array_equal(asked(model, seen=others()), asked(model))


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_the_bundled_network_leaves_out_an_object_that_touches_and_looks_the_same(name):
    image = np.full((128, 128, 3), 0.2, np.float32)
    image[40:88, 24:104] = 0.7
    right = np.zeros((128, 128), np.float32)
    right[40:88, 64:104] = 1
    model = engine(name, WEIGHTS)
    plain = Query(model.prepare(image), Prompts((Click(64, 44),)))
    both, left = (model.predict(one).logits > 0 for one in (plain, replace(plain, others=right)))
    # without, it takes the two for one; with, hardly any of the other is in it
    assert both[right > 0].mean() > 0.9
    assert left[right > 0].mean() < 0.2
    assert left[40:88, 24:64].mean() > 0.8
