"""`napari-intseg start`: exported networks, data sets as published, masks of a folder."""

import json

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.errors import FileError
from napari_intseg.io.read import mask_files, read_mask_folder, read_volume
from napari_intseg.io.suffixes import FileWarning
from published_sets import SETS, ball, nifti
from small_onnx import linear


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A network for which what is bright is a cell."""
    path = linear(tmp_path_factory.mktemp("net") / "bright.onnx", [[0] * 3, [10] * 3], [15, 0])
    told = {
        "title": "Bright cells", "licence": "MIT",
        "output": {"kind": "classes", "names": ["background", "cell"], "apart": True},
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(told))
    return path


@pytest.fixture
def cells(tmp_path):
    picture = np.zeros((40, 60), np.uint8)
    picture[5:15, 5:20] = picture[20:35, 30:50] = 240
    path = tmp_path / "cells.png"
    Image.fromarray(picture).save(path)
    return path, picture > 0


def start(image, out, *words):
    return main(["start", str(image), "-o", str(out), "--device", "cpu", *words])


def test_an_exported_network_is_a_start(cells, net, tmp_path, capsys):
    path, truth = cells
    out = tmp_path / "start.png"
    assert start(path, out, "--model", str(net), "--window", "0,255") == 0
    labels = np.asarray(Image.open(out))
    np.testing.assert_array_equal(labels > 0, truth)
    assert labels.max() == 2
    told = capsys.readouterr().out
    assert told.startswith("Bright cells: published under MIT")
    assert "object 2: cell" in told


@pytest.mark.parametrize("name", SETS)
def test_what_a_set_says_itself_is_a_start(tmp_path, name):
    base = tmp_path / "set"
    base.mkdir()
    SETS[name][0](base)
    if name == "decathlon":
        base /= "Task01"
    if name == "nnunet":
        base /= "Dataset001"
    if name in ("deepglobe-land", "deepglobe-road", "tgs-salt-masks"):
        base /= "train"
    assert start(base, tmp_path / "out", "--masks", "published") == 0
    written = sorted((tmp_path / "out").iterdir())
    assert written
    for path in written:
        assert np.asarray(read_volume(path).data).any()


@pytest.mark.parametrize("name", ["voc", "coco", "davis-2017", "cell-tracking", "brats", "isbi-em"])
def test_a_model_runs_over_a_set_and_is_compared(tmp_path, net, capsys, name):
    (tmp_path / "set").mkdir()
    SETS[name][0](tmp_path / "set")
    out = tmp_path / "out"
    assert start(tmp_path / "set", out, "--model", str(net), "--window", "full") == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert "mean IoU of the best found" in told
    assert float(told.split()[-1]) > 0.5
    assert start(tmp_path / "set", out, "--model", str(net)) == 2
    assert "file exists" in capsys.readouterr().err
    assert start(tmp_path / "set", out, "--model", str(net), "--overwrite", "--quiet") == 0


def test_an_image_of_a_set_that_cannot_be_read_is_left_out(tmp_path, net, capsys):
    (tmp_path / "set").mkdir()
    SETS["voc"][0](tmp_path / "set")
    next(tmp_path.rglob("*.jpg")).write_bytes(b"nothing")
    assert start(tmp_path / "set", tmp_path / "out", "--model", str(net)) == 1
    assert "left out: 2007_1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "words", "told"),
    [
        ("out", ["--masks", "organs"], "has no effect on a data set"),
        ("out", ["--masks", "published", "--planes", "0:1"], "has no effect on a data set"),
        ("out.tif", ["--masks", "published"], "labels of a data set need a folder"),
    ],
)
def test_what_has_no_effect_on_a_set_is_refused(tmp_path, capsys, out, words, told):
    (tmp_path / "set").mkdir()
    SETS["voc"][0](tmp_path / "set")
    assert start(tmp_path / "set", tmp_path / out, *words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "nothing.here"], "no model that segments without clicks"),
        (["--model", "x.onnx", "--weights", "w"], "weights belong to a family"),
        (["--automatic", "segformer"], "weights belong to a family"),
        (["--masks", "organs", "--text", "a"], "masks are there"),
        ([], "one of the arguments --model --automatic --masks is required"),
        (["--model", "a", "--masks", "b"], "not allowed with"),
    ],
)
def test_what_does_not_belong_together_is_refused(cells, tmp_path, capsys, words, told):
    assert start(cells[0], tmp_path / "out.png", *words) == 2
    assert told in capsys.readouterr().err


def test_a_folder_of_organs_is_a_start(tmp_path, capsys):
    nifti(tmp_path / "ct.nii.gz", ball(1, 1, 1).astype(np.int16) * 90)
    organs = tmp_path / "organs"
    nifti(organs / "liver.nii.gz", ball(1, 1))
    nifti(organs / "liver_lesion.nii.gz", ball(1))
    nifti(organs / "spleen.nii.gz", ball(0, 0, 1))
    nifti(organs / "tail.nii.gz", ball())
    (organs / "statistics.json").write_text("{}")
    out = tmp_path / "start.nii.gz"
    assert start(tmp_path / "ct.nii.gz", out, "--masks", str(organs)) == 0
    told = capsys.readouterr().out
    assert "object 1: liver," in told
    assert "object 3: spleen" in told
    assert "tail" not in told
    labels = np.asarray(nibabel.load(out).dataobj)
    np.testing.assert_array_equal(labels == 2, ball(1) > 0)
    np.testing.assert_array_equal(labels == 1, ball(0, 1) > 0)
    single = tmp_path / "again.nii.gz"
    assert start(tmp_path / "ct.nii.gz", single, "--masks", str(out), "--quiet") == 0
    np.testing.assert_array_equal(np.asarray(nibabel.load(single).dataobj), labels)


def test_a_folder_without_masks_or_of_another_grid_is_told(tmp_path, capsys):
    nifti(tmp_path / "ct.nii.gz", ball(1).astype(np.int16))
    (tmp_path / "organs").mkdir()
    out = tmp_path / "start.nii.gz"
    assert start(tmp_path / "ct.nii.gz", out, "--masks", str(tmp_path / "organs")) == 2
    assert "folder holds no masks" in capsys.readouterr().err
    nifti(tmp_path / "organs/liver.nii.gz", ball(1)[:20])
    assert start(tmp_path / "ct.nii.gz", out, "--masks", str(tmp_path / "organs")) == 2
    assert "another grid" in capsys.readouterr().err


def test_masks_of_pictures_are_read_by_name(tmp_path):
    for name, rows in (("b", slice(0, 4)), ("a", slice(2, 9))):
        mask = np.zeros((12, 12), np.uint8)
        mask[rows] = 255
        tifffile.imwrite(tmp_path / f"{name}.tif", mask)
    like = read_volume(tmp_path / "a.tif")
    (tmp_path / ".hidden.tif").write_bytes(b"")
    labels, names = read_mask_folder(tmp_path, like)
    assert names == {1: "a", 2: "b"}
    assert list(mask_files(tmp_path)) == ["a", "b"]
    assert labels[:, 0].tolist() == [2] * 4 + [1] * 5 + [0] * 3


def test_segment_and_batch_begin_with_what_a_model_finds(cells, net, tmp_path, capsys):
    path, truth = cells
    out = tmp_path / "better.png"
    words = ["--init-by", str(net), "--window", "0,255", "--model", "random-walker", "--quiet"]
    shell = ["segment", str(path), "-o", str(out), "--no-journal", *words]
    assert main([*shell, "--click", "10,17:-"]) == 0
    labels = np.asarray(Image.open(out))
    assert labels[10, 17] == 0
    np.testing.assert_array_equal(labels[20:35, 30:50], 2)
    table = tmp_path / "jobs.csv"
    table.write_text(f'image,init by,window\n{path.name},{net},"0,255"\n')
    done = tmp_path / "out"
    assert main(["batch", str(table), "-o", str(done), "--model", "random-walker", "--quiet"]) == 0
    (written,) = done.glob("*.png")
    np.testing.assert_array_equal(np.asarray(Image.open(written)) > 0, truth)
    assert main([*shell, "--overwrite", "--init", str(out)]) == 2
    assert "two starts are given" in capsys.readouterr().err


def test_a_damaged_mask_of_a_folder_is_left_out_and_told(tmp_path):
    for name in "abc":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ones((6, 6), np.uint8))
    like = read_volume(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes((tmp_path / "b.tif").read_bytes()[:40])
    with pytest.warns(FileWarning, match="object 'b' is left out"):
        _, names = read_mask_folder(tmp_path, like)
    assert names == {1: "a", 2: "c"}
    for name in "ac":
        (tmp_path / f"{name}.tif").unlink()
    with pytest.warns(FileWarning), pytest.raises(FileError, match="file cannot be read"):
        read_mask_folder(tmp_path, like)
