"""Semantic training: what is read, a run that learns, stops and goes on, and what uses it."""

import io
import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.errors import DataError, PromptError, UnknownModelError, WeightsError
from napari_intseg.evaluation.datasets import open_classes
from napari_intseg.models.automatic import open_model
from napari_intseg.models.automatic.open_model import load_start_model
from napari_intseg.models.automatic.semantic_model import (
    infer,
    load_own,
    load_semantic,
    mark_maps,
)
from napari_intseg.models.automatic.start_model import ClassMark, marked
from napari_intseg.models.weights import locate
from napari_intseg.models.weights.store import read_metadata
from napari_intseg.training import semantic
from napari_intseg.training.options import SemanticOptions
from napari_intseg.training.semantic import make_view, measure, semantic_loss, train_semantic
from napari_intseg.training.sources import IGNORED_CLASS, ClassMap, read_classes
from published_sets import SETS


def discs(folder, count=5, *, classes=False):
    """Bright discs on dark ground, and where classes are asked for dark ones on grey."""
    rng = np.random.default_rng(3)
    rows, cols = np.indices((64, 80))
    for i in range(count):
        image, mask = rng.normal(90, 6, (64, 80)), np.zeros((64, 80), np.uint8)
        for k in range(3):
            near = (rows - rng.integers(12, 52)) ** 2 + (cols - rng.integers(12, 68)) ** 2 < 90
            kind = 1 + k % 2 if classes else k + 1
            image[near] = 200 if kind % 2 or not classes else 15
            mask[near] = kind
        for name, data in (("images", image), ("masks", mask)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            path = folder / name / f"{i}.png"
            Image.fromarray(np.clip(data, 0, 255).astype(np.uint8)).save(path)
    return folder


def options(folder, output, **more):
    known = {"network": "unet", "width": 0.125, "steps": 25, "batch": 4, "size": 64}
    return SemanticOptions(((folder, 1.0),), output, device="cpu", **{**known, **more})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = discs(tmp_path_factory.mktemp("cells"))
    output = tmp_path_factory.mktemp("run")
    return train_semantic(options(folder, output, steps=60, name="cells")), folder


def test_a_run_learns_and_is_measured_on_other_files(trained):
    run, _ = trained
    assert run.names == ("background", "object")
    assert run.after[1] > 0.75
    assert run.after[1] > run.before[1] + 0.2
    told = read_metadata(run.weights)
    assert (told["network"], json.loads(told["names"])) == ("unet", ["background", "object"])
    assert json.loads(told["iou"])[1] == pytest.approx(run.after[1], abs=1e-3)
    assert not run.weights.with_name("semantic.pt").exists()


def test_what_was_trained_finds_objects(trained):
    run, folder = trained
    model = load_start_model(run.weights, device="cpu")
    assert model.traits.objects_apart
    image = np.asarray(Image.open(folder / "images/0.png"), np.float32) / 255
    found = model.find(np.repeat(image[..., None], 3, axis=2))
    truth = np.asarray(Image.open(folder / "masks/0.png")) > 0
    together = np.zeros(truth.shape, bool)
    for one in found:
        assert one.name == "object"
        together |= one.mask
    assert np.count_nonzero(together & truth) / np.count_nonzero(together | truth) > 0.7
    assert model.find(np.repeat(image[..., None], 3, axis=2), threshold=1.0) == ()
    with pytest.raises(Exception, match="expected no text"):
        model.find(np.repeat(image[..., None], 3, axis=2), ["cell"])
    model.release()


@pytest.mark.parametrize("network", ["enet", "unet++", "deeplab-v3+", "bisenet"])
def test_other_networks_train_and_are_read_again(tmp_path, network):
    folder = discs(tmp_path / "set", 3, classes=True)
    run = train_semantic(
        options(folder, tmp_path / "run", network=network, steps=3, masks=(("", "classes"),))
    )
    model = load_semantic(run.weights, device="cpu")
    assert run.names == ("background", "1", "2")
    assert not model.traits.objects_apart


@pytest.fixture(scope="module")
def told_apart(tmp_path_factory):
    """A network with annotations, and pictures of two classes that look the same."""
    folder = discs(tmp_path_factory.mktemp("same"), 6, classes=True)
    for path in (folder / "images").glob("*.png"):
        grey = np.where(np.asarray(Image.open(folder / "masks" / path.name)) > 0, 200, 60)
        Image.fromarray(grey.astype(np.uint8)).save(path)
    output = tmp_path_factory.mktemp("marked")
    kinds = (("", "classes"),)
    wanted = options(
        folder, output, network="disir-classes", name="marked", steps=250, masks=kinds, rate=1e-2
    )
    return train_semantic(wanted), folder


def test_annotations_say_what_the_image_does_not(told_apart):
    run, _ = told_apart
    assert run.after[0] > 0.8
    assert np.mean(run.marked[1:]) > np.mean(run.after[1:]) + 0.15


def test_a_scene_is_annotated_in_the_shell_and_keeps_its_place(told_apart, tmp_path, capsys):
    run, folder = told_apart
    image = np.asarray(Image.open(folder / "images/0.png"))
    classes = np.asarray(Image.open(folder / "masks/0.png"))
    # ModelPixelScale and ModelTiepoint of GeoTIFF
    tags = [(33550, 12, 3, (0.5, 0.5, 0.0), True), (33922, 12, 6, (0, 0, 0, 3e5, 5e6, 0), True)]
    scene, out = tmp_path / "scene.tif", tmp_path / "out.tif"
    tifffile.imwrite(scene, image, extratags=tags)
    words = ["start", str(scene), "-o", str(out), "--model", str(run.weights), "--overwrite"]
    found = []
    for name in ("1", "2"):
        row, col = np.argwhere(classes > 0)[40]
        assert main([*words, "--annotate", f"{row},{col}@{name}"]) == 0
        told = capsys.readouterr().out
        number = int(told.split(f": {name},")[0].rsplit("object ", 1)[1])
        found.append(tifffile.imread(out)[row, col] == number)
    assert found == [True, True]
    with tifffile.TiffFile(out) as file:
        assert file.pages[0].tags[33550].value == (0.5, 0.5, 0.0)
    assert main([*words, "--annotate", "1,1@3"]) == 2
    assert "expected one of background, 1, 2" in capsys.readouterr().err
    assert main([*words, "--annotate", "900,1@1"]) == 2
    assert "lies on no image" in capsys.readouterr().err
    assert main([*words, "--annotate", "1,1"]) == 2
    assert "expected ROW,COL@CLASS" in capsys.readouterr().err


def test_other_networks_take_no_annotations(trained):
    run, _ = trained
    with pytest.raises(PromptError, match="takes no annotations"):
        marked(load_semantic(run.weights, device="cpu"), [ClassMark(1, 1, "object")])


def test_an_annotation_is_a_disk_and_the_later_one_counts():
    maps = mark_maps([(10, 10, 0), (10, 13, 1), (0, 0, 2)], 3, (20, 24))
    assert maps[1, 10, 13] == 1
    assert maps[0, 10, 13] == 0
    assert maps[0, 10, 5] == 1
    assert maps.sum(0).max() == 1
    assert maps[2].sum() == 26  # a quarter of a disk of radius 5


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    from safetensors.torch import load_file

    folder = discs(tmp_path / "set", 3)
    whole = train_semantic(options(folder, tmp_path / "whole", steps=6))
    part = options(folder, tmp_path / "part", steps=6)
    calls = iter([False, False, True])
    stopped = train_semantic(part, should_stop=lambda: next(calls))
    assert stopped.stopped
    assert stopped.step == 3
    with pytest.raises(DataError, match="output holds a run that was stopped"):
        train_semantic(part)
    with pytest.raises(DataError, match="output holds another run"):
        train_semantic(options(folder, tmp_path / "part", steps=6, seed=1), resume=True)
    checkpoint = part.output / "semantic.pt"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="weights cannot be read"):
        train_semantic(part, resume=True)
    state = torch.load(io.BytesIO(content), weights_only=True)
    torch.save({"who": state["who"]}, checkpoint)
    with pytest.raises(DataError, match="run cannot go on: expected its whole state"):
        train_semantic(part, resume=True)
    checkpoint.write_bytes(content)
    resumed = train_semantic(part, resume=True)
    one, other = load_file(whole.weights), load_file(resumed.weights)
    for key, values in one.items():
        assert torch.equal(values, other[key]), key


def test_weights_of_before_are_gone_on_from(trained, tmp_path):
    run, folder = trained
    again = train_semantic(options(folder, tmp_path / "b", steps=1, start=run.weights, rate=1e-6))
    assert again.before[1] == pytest.approx(run.after[1], abs=0.02)
    with pytest.raises(WeightsError, match="expected enet of width"):
        train_semantic(options(folder, tmp_path / "c", network="enet", start=run.weights))


def test_other_classes_begin_with_all_but_the_last_layer(trained, tmp_path):
    from safetensors.torch import load_file

    run, _ = trained
    folder = discs(tmp_path / "set")
    # as many classes by another name: every shape of the file fits
    kinds = (("", "classes"),)
    for index in range(5):
        path = folder / "masks" / f"{index}.png"
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8) * 7).save(path)
    asked = options(folder, tmp_path / "d", steps=1, start=run.weights, rate=1e-9, masks=kinds)
    other = train_semantic(asked)
    assert other.names == ("background", "7")
    old, new = load_file(run.weights), load_file(other.weights)
    new_layers = {k for k, v in old.items() if v.ndim == 4 and not torch.allclose(v, new[k])}
    assert len(new_layers) == 1
    assert old[new_layers.pop()].shape[0] == 2  # what names the classes


def test_the_shell_trains_and_starts_by_name(tmp_path, monkeypatch, capsys):
    folder = discs(tmp_path / "set")
    monkeypatch.setattr(locate, "search_folders", lambda: (tmp_path / "kept",))
    monkeypatch.setattr(open_model, "search_folders", lambda: (tmp_path / "kept",))
    words = ["--task", "semantic", "--network", "unet", "--width", "0.125", "--steps", "40"]
    more = ["--batch", "4", "--size", "64", "--name", "mine", "--keep-in", str(tmp_path / "kept")]
    run = ["train", str(folder), "--output", str(tmp_path / "run"), "--device", "cpu", "--quiet"]
    assert main([*run, *words, *more]) == 0
    told = capsys.readouterr().out
    assert "IoU on held-out pictures after: background" in told
    assert (tmp_path / "kept/mine.safetensors").is_file()
    out = tmp_path / "start.png"
    image = str(folder / "images/0.png")
    assert main(["start", image, "-o", str(out), "--model", "mine", "--device", "cpu"]) == 0
    assert "U-Net" not in capsys.readouterr().err
    assert np.asarray(Image.open(out)).max() >= 1
    with pytest.raises(UnknownModelError, match="expected one of mine, got 'yours'"):
        load_own("yours")


@pytest.mark.parametrize("words", [["--network", "vnet"], ["--width", "3"], ["--batch", "1"]])
def test_the_shell_tells_what_cannot_be_trained(tmp_path, capsys, words):
    folder = discs(tmp_path / "set", 2)
    run = ["train", str(folder), "--output", str(tmp_path / "run"), "--task", "semantic"]
    assert main([*run, *words]) == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("voc", ("background", "cat", "person")),
        ("coco", ("background", "cat", "dog")),
        ("sbd", ("background", "cat", "person")),
        ("crack-forest", ("background", "crack")),
        ("decathlon", ("background", "liver", "tumour")),
        ("kaggle-clouds", ("background", "Fish", "Flower")),
        ("cellpose", ("background", "object")),
        ("davis-2017", ("background", "object")),
        ("isbi-em", ("background", "cell")),
    ],
)
def test_classes_have_the_set_s_names(tmp_path, name, names):
    SETS[name][0](tmp_path)
    source = read_classes([(tmp_path, 1.0)])
    assert set(names) <= set(source.names)
    values = np.unique(np.concatenate([p.classes.ravel() for p in source.pictures]))
    used = {source.names[v] for v in values.tolist() if v != IGNORED_CLASS}
    assert used == set(names)
    assert source.apart == (name in ("crack-forest", "cellpose", "davis-2017"))


@pytest.mark.parametrize("name", SETS)
def test_every_set_can_be_learnt_from(tmp_path, name):
    SETS[name][0](tmp_path)
    source = read_classes([(tmp_path, 2.0)])
    assert sum(source.weights) == pytest.approx(2.0)
    assert open_classes(tmp_path)[0].pairs


def test_a_folder_without_classes_is_told(tmp_path):
    discs(tmp_path, 1)
    Image.fromarray(np.zeros((64, 80), np.uint8)).save(tmp_path / "masks/0.png")
    with pytest.raises(DataError, match="folder has no classes to learn"):
        read_classes([(tmp_path, 1.0)], {"": "classes"})


def test_views_keep_image_and_classes_together():
    image = np.zeros((50, 70, 3), np.uint8)
    image[20:30, 30:50] = 255
    classes = (image[..., 0] > 0).astype(np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(20):
        seen, truth = make_view(ClassMap("a", image, classes), 64, rng)
        assert seen.shape == (64, 64, 3)
        known = truth != IGNORED_CLASS
        bright = seen[..., 0] > 110
        assert np.count_nonzero((bright != (truth == 1)) & known) < 0.1 * known.sum()


def test_pixels_that_are_ignored_do_not_count():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 8, 8)
    truth = torch.randint(0, 3, (1, 8, 8))
    truth[:, :4] = IGNORED_CLASS
    weights = torch.ones(3)
    changed = logits.clone()
    changed[:, :, :4] += torch.randn(3)[:, None, None]
    assert torch.allclose(
        semantic_loss(logits, truth, weights), semantic_loss(changed, truth, weights)
    )
    nothing = torch.full_like(truth, IGNORED_CLASS)
    assert float(semantic_loss(logits, nothing, weights)) == 0


def test_large_images_are_seen_in_squares(monkeypatch):
    class Bright(torch.nn.Module):
        def forward(self, x):
            assert max(x.shape[-2:]) <= 64
            return torch.stack([-x[:, 0], x[:, 0]], 1) * 20

    monkeypatch.setattr("napari_intseg.models.automatic.semantic_model._SIDE", 64)
    monkeypatch.setattr("napari_intseg.models.automatic.semantic_model._OVERLAP", 16)
    image = np.zeros((150, 100, 3), np.float32)
    image[40:120, 30:80] = 1
    prob = infer(Bright(), image, torch.device("cpu"))
    np.testing.assert_array_equal(prob.argmax(axis=0), image[..., 0])
    np.testing.assert_allclose(prob.sum(axis=0), 1, atol=1e-5)


def test_a_class_that_is_nowhere_has_no_overlap():
    class First(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0] * 0 + 1, x[:, 0] * 0, x[:, 0] * 0], 1)

    classes = np.zeros((32, 32), np.uint8)
    classes[:8] = 1
    picture = ClassMap("a", np.zeros((32, 32, 3), np.uint8), classes)
    found = measure(First(), (picture,), 3, torch.device("cpu"))
    assert found[:2] == (0.75, 0.0)
    assert np.isnan(found[2])
    assert semantic.measure(First(), (), 3, torch.device("cpu")) == ()


def test_foreign_files_are_told(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"architecture": "click-pyramid-1"})
    with pytest.raises(WeightsError, match="expected a file of `napari-intseg train --task"):
        load_semantic(path)
    told = {"architecture": "semantic-1", "network": "unet", "width": "7", "names": '["a", "b"]'}
    save_file({"a": torch.zeros(1)}, path, told | {"apart": "true"})
    with pytest.raises(WeightsError, match="weights are damaged"):
        load_semantic(path)
