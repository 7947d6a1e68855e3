import json
import shutil

import numpy as np
import pytest
from PIL import Image

from napari_intseg.cli import evaluate as command
from napari_intseg.cli.main import main
from napari_intseg.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for name in ("data_GT", "boundary_GT"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for i in range(3):
        mask = np.zeros((50, 60), np.uint8)
        mask[8 : 30 + i, 10:40] = 255
        image = np.repeat(np.where(mask, 190, 40)[..., None], 3, axis=2).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "set" / "data_GT" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "set" / "boundary_GT" / f"{i}.bmp")
    return tmp_path / "set"


def run(*words):
    return main(["evaluate", *map(str, words)])


def test_the_table_is_printed_and_files_are_written(folder, tmp_path, capsys):
    out, page = tmp_path / "o.json", tmp_path / "o.html"
    status = run(
        folder, "--model", "random-walker", "--max-clicks", 3, "--target", 0.5, "--target", 0.9,
        "--json", out, "--report", page,
    )  # fmt: skip
    assert status == 0
    printed = capsys.readouterr()
    head, _, line = printed.out.splitlines()
    assert head.split()[:5] == ["set", "model", "objects", "NoC@50", "NoC@90"]
    assert line.split()[:3] == ["set", "random-walker", "3"]
    found = json.loads(out.read_text())
    assert found["protocol"]["max_clicks"] == 3
    assert len(found["objects"]) == 3
    assert page.read_text().startswith("<!doctype html>")
    assert "3/3" in printed.err  # the progress bar


def test_a_limit_and_quiet_are_obeyed(folder, capsys):
    assert run(folder, "--model", "random-walker", "--limit", 1, "--max-clicks", 1, "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[-1].split()[2] == "1"


def test_an_image_left_out_is_told_and_changes_the_status(folder, capsys):
    (folder / "data_GT" / "1.png").write_bytes(b"broken")
    assert run(folder, "--model", "random-walker", "--max-clicks", 1) == 1
    assert "left out: set 1, random-walker: file cannot be read" in capsys.readouterr().err


def test_a_cancelled_run_writes_what_is_done(folder, tmp_path, monkeypatch, capsys):
    from napari_intseg.evaluation import benchmark

    whole = benchmark.evaluate

    def stopped(*args, on_progress, **options):
        def show(done, total):
            on_progress(done, total)
            if done == 2:
                raise KeyboardInterrupt

        return whole(*args, on_progress=show, **options)

    monkeypatch.setattr(benchmark, "evaluate", stopped)
    out = tmp_path / "o.json"
    assert run(folder, "--model", "random-walker", "--max-clicks", 1, "--json", out) == 130
    found = json.loads(out.read_text())
    assert found["cancelled"]
    assert len(found["objects"]) == 2
    assert "cancelled: 2 results are kept" in capsys.readouterr().err


def test_two_folders_of_one_name_are_told_apart(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "other" / "set")
    run(folder, folder, tmp_path / "other" / "set", "--model", "random-walker", "--max-clicks", 1)
    names = [line[:8].strip() for line in capsys.readouterr().out.splitlines()[2:]]
    assert names == ["set", "set (2)"]


def test_weights_belong_to_models_that_are_evaluated():
    assert command.parse_weights(["a=x=y.pt"], ["a"])["a"].name == "x=y.pt"
    for text in ("x.pt", "b=x.pt"):
        with pytest.raises(DataError, match="weights belong to no model: expected ID=FILE"):
            command.parse_weights([text], ["a"])


def test_a_limit_of_nothing_is_refused(folder, capsys):
    assert run(folder, "--limit", 0) == 2
    assert "limit is too small: expected at least 1 object" in capsys.readouterr().err


def test_outputs_that_exist_are_kept(folder, tmp_path, capsys):
    out = tmp_path / "o.json"
    out.write_text("mine")
    assert run(folder, "--json", out) == 2
    told = capsys.readouterr().err
    assert "output exists: expected a new file" in told
    assert "--overwrite" in told
    assert out.read_text() == "mine"
    words = ("--max-clicks", 1, "--overwrite", "--model", "random-walker")
    assert run(folder, "--json", out, *words) == 0
    assert out.read_text() != "mine"


def test_outputs_without_a_folder_are_refused_before_the_work(folder, tmp_path, capsys):
    assert run(folder, "--report", tmp_path / "nowhere" / "o.html") == 2
    assert "output has no folder: expected an existing one" in capsys.readouterr().err


def test_the_command_that_was_typed_is_kept(folder, tmp_path, monkeypatch):
    out = tmp_path / "o.json"
    words = ["evaluate", str(folder), "--max-clicks", "1", "--json", str(out), "--quiet"]
    words += ["--model", "random-walker"]
    monkeypatch.setattr("sys.argv", ["napari-intseg", *words])
    assert main() == 0
    assert json.loads(out.read_text())["command"] == ["napari-intseg", *words]


def test_masks_are_read_as_told(folder, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    (folder / "data_GT").rename(plain / "images")
    (folder / "boundary_GT").rename(plain / "masks")
    out = tmp_path / "o.json"
    words = ("--model", "random-walker", "--max-clicks", 1, "--json", out)
    assert run(plain, "--masks", "plain=classes", *words) == 0
    assert json.loads(out.read_text())["objects"][0]["object"] == "255.1"
