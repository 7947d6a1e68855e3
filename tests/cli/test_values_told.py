"""What commands print of sizes and names, and which numbers of objects they take."""

import io
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.core.affine import from_spacing, voxel_size
from napari_intseg.core.volume import Volume
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels


@pytest.fixture
def disc(tmp_path):
    """A flat image with a bright disc."""
    rows, cols = np.mgrid[:60, :70]
    inside = np.hypot(rows - 30, cols - 35) < 10
    tifffile.imwrite(tmp_path / "i.tif", np.where(inside, 200, 30).astype(np.uint8))
    return tmp_path / "i.tif"


def test_a_voxel_of_sheared_axes_is_smaller_than_its_spacings_say():
    affine = from_spacing((2.5, 0.8, 0.7))
    assert voxel_size(affine) == pytest.approx(2.5 * 0.8 * 0.7)
    assert voxel_size(affine, 2) == pytest.approx(0.8 * 0.7)
    affine[:, 0] += 0.5 * affine[:, 1]
    assert voxel_size(affine) == pytest.approx(2.5 * 0.8 * 0.7)


def test_segment_prints_the_volume_of_a_tilted_scan(tmp_path, capsys):
    affine = from_spacing((2.5, 0.8, 0.7))
    affine[1, 0] = -1.2
    tilted = Volume(np.zeros((8, 20, 24), np.int16), affine=affine)
    write_array(tmp_path / "i.nii.gz", tilted.data, tilted)
    labels = np.zeros(tilted.shape, np.uint8)
    labels[2:6, 5:15, 5:15] = 1
    write_labels(tmp_path / "l.nii.gz", labels, tilted)
    words = ["--init", str(tmp_path / "l.nii.gz"), "--model", "random-walker"]
    assert (
        main(["segment", str(tmp_path / "i.nii.gz"), "-o", str(tmp_path / "o.nii.gz"), *words]) == 0
    )
    found = re.search(r"\(([\d.e+]+) mm³\)", capsys.readouterr().out)
    assert float(found[1]) == pytest.approx(400 * 2.5 * 0.8 * 0.7, rel=1e-3)


@pytest.mark.parametrize("prompt", ["--click=30,35@3000000000", "--box=0,5,5,40,50@3000000000"])
def test_a_number_that_labels_cannot_hold_is_refused_in_one_line(disc, tmp_path, prompt, capsys):
    words = ["segment", str(disc), "-o", str(tmp_path / "o.tif"), "--model", "random-walker"]
    assert main([*words, prompt]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert "label cannot be used: expected 1 to 2147483647, got '3000000000'" in told[0]


def test_a_name_that_the_console_lacks_is_no_failure(disc, tmp_path):
    out = tmp_path / "画像.tif"
    done = subprocess.run(
        [sys.executable, "-m", "napari_intseg.cli.main", "segment", disc, "-o", out,
         "--model", "random-walker", "--click", "30,35"],
        capture_output=True, check=False,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rb"\u753b\u50cf.tif" in done.stdout
    assert read_volume(out).data.any()


def test_an_error_about_such_a_name_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "napari_intseg.cli.main", "measure", tmp_path / "画像.tif",
         "-o", tmp_path / "o.csv"],
        capture_output=True, check=False,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert rb"\u753b\u50cf.tif" in done.stderr


def test_what_a_file_lacks_is_one_line_on_the_standard_error(tmp_path, capsys):
    Image.fromarray(np.zeros((6, 7), np.uint8)).save(tmp_path / "i.png")
    with tifffile.TiffWriter(tmp_path / "l.tif") as file:
        file.write(np.ones((3, 4), np.uint8), photometric="minisblack")
        file.write(np.ones((6, 7), np.uint8), photometric="minisblack")
    words = ["measure", str(tmp_path / "l.tif"), "--image", str(tmp_path / "i.png"), "--quiet"]
    assert main([*words, "-o", str(tmp_path / "o.csv")]) == 0
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("napari-intseg: note: 'l.tif': file holds 2 images: number 2")


@pytest.fixture(params=["a\udcffb", "a\x1b[2Jb", "a\u202eb"], ids=["no UTF-8", "escape", "turned"])
def odd_name(request, tmp_path):
    """A folder with an image and labels of a name that a console shows otherwise, or not at all."""
    labels = np.zeros((30, 40), np.uint8)
    labels[5:15, 5:20] = 1
    for folder, values in (("images", labels * 200), ("masks", labels)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / f"{request.param}.tif", values)
    return tmp_path, f"{request.param}.tif"


@pytest.fixture
def ascii_console(monkeypatch):
    """The standard output of a console that knows no other letters."""
    console = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", console)
    return console


@pytest.mark.parametrize(
    "words",
    [
        ["segment", "images/{}", "-o", "o-{}", "--click", "10,10", "--model", "random-walker"],
        ["workload", "o.jsonl", "-o", "w.csv"],
        ["measure", "masks/{}", "-o", "m-{}.csv"],
        ["agree", "masks/{}", "other.tif", "-o", "a.csv"],
        ["evaluate", ".", "--model", "random-walker", "--max-clicks", "1", "--json", "e.json",
         "--report", "e.html"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_names_are_shown_and_steer_nothing(odd_name, ascii_console, monkeypatch, words):
    folder, name = odd_name
    monkeypatch.chdir(folder)
    if words[0] == "agree":
        shutil.copy(folder / "masks" / name, "other.tif")
    if words[0] == "workload":
        first = ["segment", f"images/{name}", "-o", "o.tif", "--click", "10,10"]
        assert main([*first, "--model", "random-walker"]) == 0
        words = ["workload", str(next(folder.glob("*.jsonl"))), *words[2:]]
    assert main([word.format(name) for word in words]) == 0
    ascii_console.flush()
    shown = ascii_console.buffer.getvalue().decode("ascii")
    assert shown.replace("\n", "").isprintable()
    for path in (*folder.glob("*.csv"), *folder.glob("*.html"), *folder.glob("*.json")):
        path.read_text("utf-8")
