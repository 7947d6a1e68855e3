"""Six answers at once: equal to the authors' code under TensorFlow, and offered as masks.

`tests/data/parity/latent_diversity` holds a checkpoint that TensorFlow 2.21 wrote of the authors'
network (`build` of isl-org/Intseg; slim's two layers, which TensorFlow has no more, stood in by its
own operations), VGG-19 as MatConvNet lays it out, a random image, and what the network answered to
one click and to three, every second pixel. Values are random; the context network has 8 channels
instead of 64, VGG a thirty-second of its own.
"""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg import Session, load_model
from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.errors import WeightsError
from napari_intseg.models.networks import NETWORKS
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE
from napari_intseg.models.weights.recognise import VGG_FILE, converted
from napari_intseg.training.step import answers_loss, click_loss

FOLDER = Path(__file__).resolve().parents[2] / "data" / "parity" / "latent_diversity"
NETWORK = NETWORKS["latent-diversity"]
SETTINGS = {"width": 2, "hidden": 8}
CLICKS = {"first": [[12, 20, 1]], "more": [[12, 20, 1], [30, 9, 1], [33, 41, -1]]}


def published():
    net = NETWORK.build(SETTINGS).eval()
    net.load_state_dict(converted(FOLDER / "model.ckpt.index", NETWORK, SETTINGS))
    return net


@pytest.mark.parametrize("which", CLICKS)
def test_answers_are_those_of_the_authors_code(which):
    with np.load(FOLDER / "answers.npz") as file:
        image, expected = file["image"], file[which]
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    clicks = torch.tensor(CLICKS[which])[None].float()
    with torch.no_grad():
        logits = published()(x, clicks, torch.zeros(1, 1, *image.shape[:2]))
    found = logits[0, :, ::2, ::2].numpy() / 4 + 0.5
    np.testing.assert_allclose(found, expected, atol=5e-5)
    # answers that were alike would not tell their order
    assert min(np.abs(a - b).mean() for a, b in pairwise(expected)) > 0.1


def test_vggs_file_is_asked_for_and_a_damaged_one_refused(tmp_path):
    folder = tmp_path / "ours_cvpr18"
    folder.mkdir()
    for path in FOLDER.glob("model.*"):
        shutil.copy(path, folder)
    with pytest.raises(WeightsError, match=r"expected 'imagenet-vgg-verydeep-19\.mat' beside"):
        converted(folder / "model.ckpt.index", NETWORK, SETTINGS)
    content = (FOLDER / VGG_FILE).read_bytes()
    # in the folder above, as the authors' code has it
    (tmp_path / VGG_FILE).write_bytes(content)
    assert len(converted(folder / "model.ckpt.index", NETWORK, SETTINGS)) == 70
    (tmp_path / VGG_FILE).write_bytes(content[:-9000])
    with pytest.raises(WeightsError, match="as MatConvNet has them"):
        converted(folder / "model.ckpt.index", NETWORK, SETTINGS)


def test_the_shell_converts_it_and_its_six_masks_are_offered(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    words = ["weights", "convert", str(FOLDER / "model.ckpt.index"), "--network", NETWORK.name]
    settings = ["--setting", "width=2", "--setting", "hidden=8"]
    assert main([*words, "--name", "six", *settings, "--folder", str(tmp_path)]) == 0
    with np.load(FOLDER / "answers.npz") as file:
        image = file["image"]
    model = load_model("six", device="cpu")
    session = Session(model, Volume(image, channels=True))
    session.click((12, 20))
    offered = session.alternatives
    assert len(offered) == 6
    # the first is the one in place; the steadiest are offered first
    assert sum(one.is_chosen for one in offered) == 1
    scores = [one.score for one in offered]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_the_best_answer_is_taught_and_the_first_more_than_the_last():
    truth = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    truth[..., :2] = 1
    right = torch.where(truth == 1, 3.0, -3.0)
    ways = [torch.cat([right if k == n else -right for k in range(6)], 1) for n in (0, 5)]
    first, last = (float(answers_loss(one, truth)) for one in ways)
    # whichever is right is taken; if it is the last one, the first counts as an error
    assert first < last < float(click_loss(-right, truth))
    assert float(answers_loss(right, truth)) == float(click_loss(right, truth))
