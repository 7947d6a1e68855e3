"""`napari-intseg train`: what it makes is a model for the window and the shell."""

import io
import json
import os
import re
import threading

import numpy as np
import pytest
import tifffile

from napari_intseg.cli import train as command
from napari_intseg.cli.main import main
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE

pytest.importorskip("cv2", reason="training needs opencv (the extra 'train')")

QUICK = ["--steps", "2", "--batch", "2", "--size", "64", "--passes", "1", "--workers", "0",
         "--threads", "1", "--validate-every", "9", "--quiet"]  # fmt: skip


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The folder in which models are looked for."""
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def project(tmp_path):
    """A volume as napari saves it, its Labels beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    labels = np.zeros((7, 64, 64), np.uint16)
    labels[1:, 6:26, 6:26], labels[1:, 36:58, 34:56] = 1, 2
    noise = np.random.default_rng(0).normal(0, 6, labels.shape)
    data = (np.where(labels > 0, 180, 50) + noise).astype(np.uint8)
    for name, array in (("cells", data), ("cells_labels", labels)):
        tifffile.imwrite(folder / f"{name}.tif", array, metadata={"axes": "ZYX"})
    return folder


def test_a_project_becomes_a_model_that_the_shell_offers(project, models, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["train", project, "--output", run, "--name", "my-cells", "--keep-in", models]
    assert main([*map(str, words), *QUICK]) == 0
    told = capsys.readouterr()
    line = r"held-out objects %s: NoC@85 \d+\.\d\d, NoC@90 .* after three"
    assert re.search(line % "before", told.out)
    assert re.search(line % "after", told.out)
    assert f"model 'my-cells': {models / 'my-cells.safetensors'}" in told.out
    assert sorted(p.name for p in models.iterdir()) == ["my-cells.safetensors"]
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["my-cells"]["state"] == "ready"
    out = tmp_path / "out.tif"
    words = ["segment", project / "cells.tif", "-o", out, "--click", "3,16,16"]
    assert main([*map(str, words), "--model", "my-cells"]) == 0
    assert tifffile.imread(out)[3].any()


def test_a_run_that_is_there_is_not_begun_again(project, models, tmp_path, capsys):
    words = ["train", str(project), "--output", str(tmp_path / "run"), "--keep-in", str(models)]
    assert main([*words, *QUICK, "--held-out", "0"]) == 0
    assert "held-out" not in capsys.readouterr().out
    assert main([*words, *QUICK, "--held-out", "0"]) == 2
    assert "output folder holds a run" in capsys.readouterr().err
    assert main([*words, *QUICK, "--held-out", "0", "--resume"]) == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--size", "big"], "size is not understood: expected numbers like 256"),
        (["--from", "nobody"], "model is unknown: .*'nobody'"),
    ],
)
def test_bad_input_is_told_in_a_line(project, tmp_path, capsys, given, told):
    words = ["train", str(project), "--output", str(tmp_path / "run"), *given]
    try:
        status = main(words)
    except SystemExit as exit_:  # argparse's own way
        status = exit_.code
    assert status == 2
    assert re.search(told, capsys.readouterr().err)


def test_a_program_that_waits_is_told_in_json(project, models, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "attend", lambda _stream: None)
    words = ["train", project, "--output", tmp_path / "run", "--held-out", 0.5, "--masks"]
    words += ["instances", "--held-out-by", "objects", "--keep-in", models, "--attended"]
    assert main([*map(str, words), *QUICK]) == 0
    *steps, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert steps == [{"done": 1, "total": 2}, {"done": 2, "total": 2}]
    assert last["weights"] == str(tmp_path / "run" / "fine-tuned.safetensors")
    assert last["held_out"] == 1
    assert 1 <= last["after"] <= last["before"] <= 10
    assert last["error"] is None, "of one object"
    assert not models.exists(), "the program that waits puts it where it belongs"


def test_it_ends_with_the_program_that_waits(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda status: (ended.set(), status))
    monkeypatch.setattr(os, "nice", lambda _more: None, raising=False)
    command.attend(io.StringIO(""))
    assert ended.wait(240)
