"""A network that annotated images guide: it learns, is kept, and segments a folder."""

import numpy as np
import pytest
import tifffile
import torch

from napari_intseg.cli.main import main
from napari_intseg.errors import DataError, WeightsError
from napari_intseg.models.bundled import load_net
from napari_intseg.models.guided import guided_network
from napari_intseg.models.guided.guided_network import (
    PLACES,
    GuidedNet,
    load_guided,
    shown_places,
)
from napari_intseg.models.weights.locate import locate
from napari_intseg.training.encoder_heads import draw_task, train_guided
from napari_intseg.training.options import HeadOptions
from napari_intseg.training.sources import read_source


def discs(seed, count=8):
    """Bright discs on a dark, noisy ground, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((96, 128), np.uint8)
    rows, cols = np.indices(labels.shape)
    for number in range(count):
        row, col = 18 + 32 * (number // 4), 16 + 32 * (number % 4)
        labels[np.hypot(rows - row, cols - col) <= 10] = number + 1
    image = np.where(labels > 0, 180, 40) + rng.normal(0, 8, labels.shape)
    return image.clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("discs")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for seed in range(5):
        image, labels = discs(seed)
        tifffile.imwrite(folder / "images" / f"{seed}.tif", image)
        tifffile.imwrite(folder / "masks" / f"{seed}.tif", labels)
    return folder


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    options = HeadOptions(
        ((folder, 1.0),), output, "discs", steps=40, batch=4, size=64, held_out=0.2, device="cpu",
        rate=3e-3,
    )  # fmt: skip
    return train_guided(options)


def test_a_run_learns_to_go_by_what_is_shown(trained):
    assert trained.after > trained.before + 0.2
    assert trained.after > 0.5


def test_what_was_learnt_segments_a_folder(trained, folder, tmp_path, capsys):
    image, labels = discs(9)
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "l.tif", labels)
    words = ["guide", str(folder / "images"), "--by", f"{tmp_path}/a.tif={tmp_path}/l.tif", "-o",
             str(tmp_path / "out"), "--model", "region-growing", "--network"]  # fmt: skip
    assert main([*words, str(trained.weights)]) == 0
    found = tifffile.imread(tmp_path / "out" / "0.tif") > 0
    truth = discs(0)[1] > 0
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.5
    # the bundled click network is none
    assert main([*words, str(locate("bundled")), "--overwrite"]) == 2
    assert "expected architecture guided-1" in capsys.readouterr().err


def test_the_shell_trains_one(folder, tmp_path, capsys):
    assert main(["train", str(folder), "--task", "guided", "--name", "few", "--output",
                 str(tmp_path / "run"), "--keep-in", str(tmp_path / "kept"), "--steps", "1",
                 "--batch", "2", "--size", "64", "--device", "cpu", "--quiet"]) == 0  # fmt: skip
    assert "guided network 'few'" in capsys.readouterr().out
    assert load_guided(tmp_path / "kept" / "few.safetensors", device="cpu").net is not None


def test_a_task_shows_one_picture_and_asks_about_another(folder):
    task = draw_task([read_source(folder)], 64, np.random.default_rng(0), turned=0)
    assert task.views.shape == (2, 64, 64, 3)
    assert (task.shown == 1).any()
    assert (task.shown == 0).any()
    assert task.truth.shape == (16, 16)
    assert task.truth.max() == 1


def test_places_of_an_annotation_are_on_objects_beside_them_or_neither():
    objects = np.zeros((80, 80), bool)
    objects[32:48, 32:48] = True
    shown = shown_places(objects, (80, 80), 16)
    assert (shown == 1).sum() == 4
    assert shown[0, 0] == -1
    # at the outline a place is of both
    assert shown[4, 3] == -1
    assert shown[4, 2] == 0
    # a speck has a place, too
    speck = np.zeros((80, 80), bool)
    speck[20, 20] = True
    assert (shown_places(speck, (80, 80), 4) == 1).sum() == 1


def test_an_answer_depends_on_what_is_shown():
    torch.manual_seed(0)
    net = GuidedNet().eval()
    torch.nn.init.normal_(net.steer.weight)
    encoder = load_net(locate("bundled")).eval()
    with torch.no_grad():
        features, fine = net.features(encoder.encode(torch.rand(1, 3, 64, 64))[1:5])
        shown = torch.full((1, 8, 8), -1.0)
        shown[0, :4] = 1
        shown[0, 4:6] = 0
        memory = net.remember(features, shown)
        assert memory.kinds.shape == (1, 2 * PLACES)
        assert (memory.kinds == 1).sum() == 32
        assert (memory.kinds == 0).sum() == 16
        one = net.answer(features, fine, memory)
        other = net.answer(features, fine, net.remember(features, 1 - shown.abs()))
    assert one.shape == (1, 1, 16, 16)
    assert not torch.allclose(one, other)


def test_an_annotation_without_a_place_leaves_numbers():
    net = GuidedNet().eval()
    features, fine = torch.rand(1, 64, 4, 4), torch.rand(1, 32, 8, 8)
    with torch.no_grad():
        memory = net.remember(features, torch.full((1, 4, 4), -1.0))
        assert torch.isfinite(net.answer(features, fine, memory)).all()


def test_places_are_compared_in_parts_with_the_same_result(monkeypatch):
    torch.manual_seed(0)
    net = GuidedNet().eval()
    features, shown = torch.rand(2, 64, 6, 7), torch.randint(-1, 2, (2, 6, 7)).float()
    with torch.no_grad():
        memory = net.remember(features, shown)
        whole = net.answer(features, torch.rand(2, 32, 12, 14).fill_(0.3), memory)
        monkeypatch.setattr(guided_network, "_AT_ONCE", 5)
        parts = net.answer(features, torch.rand(2, 32, 12, 14).fill_(0.3), memory)
    torch.testing.assert_close(parts, whole)


def test_numbers_out_of_range_and_missing_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="size of 64 or more"):
        HeadOptions(((tmp_path, 1.0),), tmp_path, size=50)
    with pytest.raises(WeightsError, match="weights are missing"):
        load_guided(tmp_path / "none.safetensors")
