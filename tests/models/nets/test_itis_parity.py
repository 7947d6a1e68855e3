"""ITIS on Xception-65 is equal to the authors' code under TensorFlow.

`tests/data/parity/itis` holds a checkpoint that TensorFlow 2.21 wrote of the authors' network
(DeepLab of sabarim/itis; the layers of slim, which TensorFlow has no more, stood in by its own
operations), an image, a mask, and the logits of the object less those of the background, for one
click without a mask before, and for four clicks with one; clicks and masks were drawn by the
authors' functions. Values are random, and layers have a sixteenth of the channels.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.cli.main import main
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query
from napari_intseg.errors import WeightsError
from napari_intseg.models.networks import NETWORKS
from napari_intseg.models.registry import load_model
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE
from napari_intseg.models.weights.recognise import converted

FOLDER = Path(__file__).resolve().parents[2] / "data" / "parity" / "itis"
CHECKPOINT = FOLDER / "model.ckpt.index"
NETWORK = NETWORKS["itis"]
SETTINGS = {"backbone": "xception65", "width": 2}
CLICKS = {
    "first": [[28, 41, 1]],
    "more": [[28, 41, 1], [40, 60, 1], [10, 20, -1], [50, 80, -1]],
}


@pytest.fixture(scope="module")
def answers():
    with np.load(FOLDER / "answers.npz") as file:
        return dict(file)


@pytest.mark.parametrize("which", CLICKS)
def test_logits_are_those_of_the_authors_code(answers, which):
    net = NETWORK.build(SETTINGS).eval()
    net.load_state_dict(converted(CHECKPOINT, NETWORK, SETTINGS))
    x = torch.from_numpy(answers["image"]).permute(2, 0, 1)[None] / 255
    prev = torch.from_numpy(answers["prev"]).float()[None, None] * (which == "more")
    with torch.no_grad():
        found = net(x, torch.tensor(CLICKS[which])[None].float(), prev)
    expected = answers[which]
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-4 * np.abs(expected).max())
    # an even answer would say nothing of places
    assert expected.std() > 0.1


def test_the_published_width_has_the_channels_of_the_authors_code():
    with torch.device("meta"):
        state = NETWORK.build({"backbone": "xception65", "width": 32}).state_dict()
    units = "body.xception_65.{}.unit_1.separable_conv3_pointwise.conv.weight"
    shapes = {
        units.format("entry_flow.block2"): (256, 256, 1, 1),
        units.format("middle_flow.block1"): (728, 728, 1, 1),
        units.format("exit_flow.block1"): (1024, 1024, 1, 1),
        units.format("exit_flow.block2"): (2048, 1536, 1, 1),
        "body.concat_projection.conv.weight": (256, 1280, 1, 1),
        "body.decoder.feature_projection0.conv.weight": (48, 256, 1, 1),
        "body.decoder.decoder_conv0_depthwise.conv.weight": (304, 1, 3, 3),
        "body.logits.features.conv.weight": (2, 256, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def test_a_file_of_other_inputs_is_refused():
    with pytest.raises(WeightsError, match=r"expected \(2, 5, 3, 3\) .* got \(2, 6, 3, 3\)"):
        converted(CHECKPOINT, NETWORK, {**SETTINGS, "masked": False})


def test_the_shell_converts_it(answers, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    words = ["weights", "convert", str(CHECKPOINT), "--network", "itis", "--name", "my-itis"]
    settings = [word for k, v in SETTINGS.items() for word in ("--setting", f"{k}={v}")]
    assert main([*words, *settings, "--folder", str(tmp_path)]) == 0
    model = load_model("my-itis", device="cpu")
    prepared = model.prepare(answers["image"].astype(np.float32) / 255)
    found = model.predict(Query(prepared, Prompts(clicks=(Click(28, 41),))))
    expected = answers["first"]
    # weights are kept in half precision
    np.testing.assert_allclose(found.logits, expected, atol=0.05 * np.abs(expected).max())
