"""The published guided network: equal to the authors' code, and taken by `guide` and its kin.

`tests/data/parity/revolver.npz` holds a query and two annotated images, of which the second shows
nothing of the background, what the authors' code remembered of them and answered (every third
pixel) with values that follow from the names (`small_zoo.made_by_name`), and the names of its file.
VGG-16 had an eighth of its channels.
"""

import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_intseg.cli.main import main
from napari_intseg.errors import WeightsError
from napari_intseg.models.guided.guided_network import RevolverNetwork, load_guided
from napari_intseg.models.networks import REVOLVER
from napari_intseg.models.weights.recognise import converted
from small_zoo import made_by_name

FILE = Path(__file__).resolve().parents[1] / "data" / "parity" / "revolver.npz"
SETTINGS = {"width": 8, "hidden": 512}


@pytest.fixture(scope="module")
def stored():
    with np.load(FILE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def theirs(stored, tmp_path_factory):
    """A file as the authors' code writes it."""
    state = {}
    for line in zlib.decompress(stored["names"].tobytes()).decode().splitlines():
        name, told = line.split()
        state[name] = made_by_name(name, tuple(int(n) for n in told.split("x")))
    path = tmp_path_factory.mktemp("revolver") / "snapshot-iter100000.pth"
    torch.save(state, path)
    return path


def test_memory_and_scores_are_those_of_the_authors_code(stored, theirs):
    net = REVOLVER.build(SETTINGS).eval()
    net.load_state_dict(converted(theirs, REVOLVER, SETTINGS))
    query, *support = torch.from_numpy(stored["images"]).permute(0, 3, 1, 2) / 255
    shown = np.unpackbits(stored["annotations"]).reshape(2, 2, *query.shape[1:])
    with torch.no_grad():
        told = [
            net.remember(net.features(image[None]), torch.from_numpy(one))
            for image, one in zip(support, shown, strict=True)
        ]
        for memory, name in ((told[0], "one"), (stored["memory"], "answer")):
            scores = net.answer(net.features(query[None]), torch.as_tensor(memory), query[None])
            expected = stored[name]
            np.testing.assert_allclose(
                scores[0, :, ::3, ::3], expected, atol=1e-4 * float(np.abs(expected).max())
            )
    # a network of random weights that answered the same everywhere would prove nothing
    assert (stored["answer"][1] - stored["answer"][0]).std() > 0.04
    # of the background only the first one shows something
    mean = torch.stack((told[0][0], (told[0][1] + told[1][1]) / 2))
    np.testing.assert_allclose(mean, stored["memory"], rtol=1e-4, atol=1e-4)


def test_an_image_says_nothing_of_a_kind_that_it_does_not_show():
    torch.manual_seed(0)
    network = RevolverNetwork(REVOLVER.build({"width": 4, "hidden": 8}), "cpu")
    image = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    labels = np.zeros((64, 64), np.int32)
    labels[20:44, 20:44] = 1
    both, on = (network.learn([(image, one)], 120.0).memory for one in (labels, labels + 1))
    assert not on[0].any()
    together = network.learn([(image, labels), (image, labels + 1)], 120.0).memory
    torch.testing.assert_close(together, torch.stack((both[0], (both[1] + on[1]) / 2)))


def test_the_shell_converts_one_and_guides_by_it(theirs, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_INTSEG_WEIGHTS", str(folder))
    words = ["weights", "convert", str(theirs), "--network", "revolver", "--name", "few",
             "--folder", str(folder)]  # fmt: skip
    assert main([*words, "--setting", "width=4", "--setting", "hidden=8"]) == 2
    assert "of another size" in capsys.readouterr().err
    assert main([*words, "--setting", "width=8", "--setting", "hidden=512"]) == 0
    assert "guided network 'few'" in capsys.readouterr().out
    assert isinstance(load_guided("few", device="cpu"), RevolverNetwork)
    with pytest.raises(WeightsError, match="missing"):
        load_guided("fewer")
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:50] = 1
    (tmp_path / "scans").mkdir()
    for name in ("scans/q.tif", "a.tif"):
        tifffile.imwrite(tmp_path / name, labels * 150)
    tifffile.imwrite(tmp_path / "l.tif", labels)
    words = ["guide", str(tmp_path / "scans"), "--by", f"{tmp_path}/a.tif={tmp_path}/l.tif", "-o",
             str(tmp_path / "out"), "--model", "region-growing", "--network", "few"]  # fmt: skip
    assert main([*words, "--device", "cpu"]) == 0
    assert tifffile.imread(tmp_path / "out" / "q.tif").shape == labels.shape
