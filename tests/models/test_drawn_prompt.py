"""Other objects and strokes, which are drawn on a view as a prompt of the bundled network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_intseg.core.prompts import Click, Prompts, Scribble
from napari_intseg.core.segmenter import Query
from napari_intseg.models import bundled
from napari_intseg.models.bundled_engine import build_onnx
from napari_intseg.models.bundled_input import drawn_on
from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.models.weights.store import bundled_folder, write_weights

WEIGHTS = bundled_folder() / "bundled.safetensors"
CLICK = Prompts((Click(30, 30),))
LINE = Scribble(((20, 20), (20, 44)))


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


def asked(model, prompts=CLICK, seen=None):
    image = np.random.default_rng(0).random((96, 96, 3), np.float32)
    return model.predict(Query(model.prepare(image), prompts, others=seen)).logits


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
    given = Prompts((Click(30, 30),), scribbles=(LINE,))
    found = asked(first, given, others()), asked(second, given, others())
    np.testing.assert_allclose(*found, rtol=0, atol=1e-3)


def test_of_several_questions_only_those_with_something_drawn_change(paths):
    model = engine("torch", paths[1])
    image = np.random.default_rng(0).random((96, 96, 3), np.float32)
    plain = Query(model.prepare(image), CLICK)
    alone, beside = model.predict_batch([plain, replace(plain, others=others())])
    np.testing.assert_allclose(alone.logits, asked(model), rtol=0, atol=1e-4)
    assert np.abs(beside.logits - alone.logits).max() > 0.01


def test_strokes_are_drawn_five_pixels_wide_by_their_sign():
    model_sees = Query(
        bundled.Prepared((96, 96), None, 0),
        Prompts((Click(1, 1),), scribbles=(LINE, replace(LINE, positive=False))),
    )
    plain = replace(model_sees, prompts=Prompts((Click(1, 1),)))
    assert drawn_on([plain]) is None
    maps = drawn_on([model_sees, plain])
    assert maps.shape == (2, 3, 96, 96)
    assert not maps[1].any()
    assert not maps[0, 0].any()
    np.testing.assert_array_equal(np.flatnonzero(maps[0, 1, :, 30]), [18, 19, 20, 21, 22])
    np.testing.assert_array_equal(maps[0, 1], maps[0, 2])


def test_a_file_from_before_has_no_such_prompt(tmp_path):
    net = bundled.load_net(WEIGHTS)
    net.drawn = None
    write_weights(tmp_path / "old.safetensors", net.state_dict(), traits={}, card="Made by a test.")
    for name in ("torch", "onnx"):
        model = engine(name, tmp_path / "old.safetensors")
        assert not model.traits.others
        np.testing.assert_array_equal(asked(model, seen=others()), asked(model))
