"""The bundled network by ONNX Runtime: as PyTorch answers, and where there is no PyTorch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import Query
from napari_intseg.errors import DeviceError, WeightsError
from napari_intseg.models.bundled_engine import OnnxBundled, draw_disks, read_weights
from napari_intseg.models.registry import load_model
from napari_intseg.models.weights.store import bundled_folder
from napari_intseg.testing import SegmenterContract
from scripts import load_script

CHECKOUT = Path(__file__).resolve().parents[2]
WEIGHTS = bundled_folder() / "bundled.safetensors"
CLICKS = Prompts((Click(30.5, 41.5), Click(70, 20, positive=False)))
ASKED = {
    "clicks": CLICKS,
    "box": Prompts(box=Box(10, 12, 60, 70)),
    "scribble": Prompts(scribbles=(Scribble(((20, 20), (50, 60)), True),)),
}
WITHOUT_TORCH = """
import importlib.machinery, sys

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "torch":
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)

    find_distributions = importlib.machinery.PathFinder.find_distributions

finders = (importlib.machinery.PathFinder, Without)
sys.meta_path[:] = [Without if one is finders[0] else one for one in sys.meta_path]

import numpy as np
from napari_intseg import Session, Volume, load_model
from napari_intseg.errors import MissingExtraError
from napari_intseg.models.registry import find_model

image = np.zeros((64, 64), np.uint8)
image[20:44, 20:44] = 200
session = Session(load_model(), Volume(image))
session.click((32, 32))
assert session.mask[32, 32] and not session.mask[4, 4]
assert "torch" not in sys.modules
for name in ("ritm-hrnet18s", "sam-vit-b"):
    assert not find_model(name).is_installed
    try:
        load_model(name)
    except MissingExtraError as err:
        print(err)
"""


@pytest.fixture(scope="module")
def engines():
    return load_model("bundled", engine="onnx"), load_model(
        "bundled", device="cpu", precision="float32"
    )


def picture(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    disc = (rows - shape[0] / 3) ** 2 + (cols - shape[1] / 3) ** 2 < 400
    noisy = 0.3 + 0.4 * disc[..., None] + rng.normal(0, 0.05, (*shape, 3))
    return noisy.clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("shape", [(96, 96), (90, 131)])
@pytest.mark.parametrize("kind", ASKED)
def test_it_answers_as_pytorch_does(engines, kind, shape):
    image = picture(shape)
    first = [model.predict(Query(model.prepare(image), ASKED[kind])).logits for model in engines]
    assert np.abs(first[0] - first[1]).max() < 1e-3
    again = [
        model.predict(Query(model.prepare(image), ASKED[kind], prev_logits=first[1])).logits
        for model in engines
    ]
    assert np.abs(again[0] - again[1]).max() < 1e-3
    assert first[0].shape == shape


def test_several_questions_are_answered_in_one_pass(engines):
    model, _ = engines
    questions = [
        Query(model.prepare(picture((64, 96), seed)), Prompts(CLICKS.clicks[: seed + 1]))
        for seed in (0, 1)
    ]
    together = model.predict_batch(questions)
    for question, answer in zip(questions, together, strict=True):
        assert np.abs(answer.logits - model.predict(question).logits).max() < 1e-4


def test_clicks_are_drawn_as_in_the_network():
    import torch

    from napari_intseg.models.nets import click_pyramid

    rng = np.random.default_rng(0)
    clicks = rng.uniform(-4, 44, (2, 6, 3)).astype(np.float32)
    clicks[..., 2] = rng.choice((-1, 0, 1), (2, 6))
    clicks[0, 0, :2] = (10.5, 11.5)
    wanted = click_pyramid.draw_disks(torch.from_numpy(clicks), (40, 32)).numpy()
    assert np.array_equal(draw_disks(clicks, (40, 32)), wanted)


def test_the_graphs_are_those_of_the_network():
    """Otherwise: python .ci/make_graphs.py"""
    for name, model in load_script(CHECKOUT / ".ci" / "make_graphs.py").graphs().items():
        import onnx

        kept = onnx.load(bundled_folder() / name, load_external_data=False)
        assert [(n.op_type, *n.input) for n in kept.graph.node] == [
            (n.op_type, *n.input) for n in model.graph.node
        ]
        assert [n.attribute for n in kept.graph.node] == [n.attribute for n in model.graph.node]


def test_without_pytorch_the_default_model_answers_and_others_say_what_they_need():
    code = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = done.stdout.splitlines()
    assert "expected torch. Install it with: pip install 'napari-intseg[torch]'" in first
    assert "pip install 'napari-intseg[sam]'" in second


def test_another_device_needs_pytorch():
    with pytest.raises(DeviceError, match=r"expected auto or cpu with ONNX Runtime, got 'cuda'"):
        load_model("bundled", engine="onnx", device="cuda")
    with pytest.raises(DeviceError, match=r"expected auto or float32"):
        load_model("bundled", engine="onnx", precision="float16")
    with pytest.raises(ValueError, match="expected auto, torch or onnx, got 'jax'"):
        load_model("bundled", engine="jax")


def test_weights_of_another_network_or_damaged_ones_are_refused(tmp_path):
    values = load_file(WEIGHTS)
    other, cut = tmp_path / "other.safetensors", tmp_path / "cut.safetensors"
    save_file(values, other, {"architecture": "itis-1"})
    cut.write_bytes(WEIGHTS.read_bytes()[:5000])
    with pytest.raises(WeightsError, match=r"expected architecture click-pyramid-1, got 'itis-1'"):
        load_model("bundled", engine="onnx", weights=other)
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(cut)
    missing = dict(list(values.items())[:-1])
    save_file(missing, other, {"architecture": "click-pyramid-1"})
    with pytest.raises(WeightsError, match="of another model"):
        load_model("bundled", engine="onnx", weights=other)


class TestOnnxBundled(SegmenterContract):
    def make(self) -> OnnxBundled:
        return load_model("bundled", engine="onnx")
