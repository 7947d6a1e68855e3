"""`napari-intseg compare`: numbers, page, and one line for every bad input."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_intseg.cli.main import main
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.io.write import write_array, write_labels
from napari_intseg.models import registry
from napari_intseg.models.registry import ModelSpec

SPACING = (3.0, 0.8, 0.8)


class Growing:
    """Square answers whose half side is told for each number of clicks, round the first one."""

    def __init__(self, name, halves):
        self.traits = Traits(name, frozenset({"click", "mask"}))
        self.halves = halves

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query):
        clicks = query.prompts.clicks
        half = self.halves[min(len(clicks), len(self.halves)) - 1]
        rows, cols = np.indices(query.prepared.shape)
        away = np.maximum(abs(rows - clicks[0].row), abs(cols - clicks[0].col))
        return Answer(np.where(away <= half, 6, -6).astype(np.float32))


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    """`early` begins well and stays; `late` begins badly and ends right."""
    halves = {"early": (7,), "late": (2, 6, 10)}

    def make(name, _weights, **_options):
        return Growing(name, halves[name])

    monkeypatch.setattr("napari_intseg.testing.make_growing", make, raising=False)
    for name in halves:
        spec = ModelSpec("napari_intseg.testing:make_growing", name, "toy")
        monkeypatch.setitem(registry.MODELS, name, spec)


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(np.full((60, 70), 90, np.uint8)).save(tmp_path / "cell.png")
    return tmp_path / "cell.png"


@pytest.fixture
def scan(tmp_path):
    data = np.zeros((8, 40, 50), np.int16)
    write_array(tmp_path / "scan.mha", data, Volume(data, spacing=SPACING))
    return tmp_path / "scan.mha"


def truth_at(path, shape, boxes):
    labels = np.zeros(shape, np.uint8)
    for label, where in boxes.items():
        labels[where] = label
    write_labels(
        path, labels, Volume(np.zeros(shape), spacing=SPACING if len(shape) == 3 else (1.0, 1.0))
    )
    return path


def compare(image, *words, models=("early", "late")):
    chosen = [word for name in models for word in ("--model", name)]
    return main(["compare", str(image), *chosen, *words])


THREE = ["--click", "30,30", "--click", "24,30", "--click", "50,60:-"]


def test_every_click_is_compared_and_measured(picture, tmp_path, capsys):
    truth = truth_at(tmp_path / "t.png", (60, 70), {1: np.s_[20:41, 20:41]})
    out = tmp_path / "out.json"
    assert compare(picture, *THREE, "--truth", str(truth), "--json", str(out)) == 0
    found = json.loads(out.read_text())
    assert found["format"] == "napari-intseg comparison 1"
    assert found["models"] == ["early", "late"]
    (one,) = found["objects"]
    assert one["clicks"][2] == {"position": [50.0, 60.0], "positive": False}
    overlaps = [r["pairs"][0] for r in one["rounds"]]
    sizes = [(15, 5), (15, 13), (15, 21)]
    for got, (a, b) in zip(overlaps, sizes, strict=True):
        low, high = sorted((a * a, b * b))
        assert got["iou"] == pytest.approx(low / high)
        assert got["dice"] == pytest.approx(2 * low / (low + high))
        assert got["disagreeing_px"] == high - low
    ious = [r["truth"]["late"]["iou"] for r in one["rounds"]]
    assert ious == pytest.approx([25 / 441, 169 / 441, 1.0])
    assert one["crossings"] == [{"click": 3, "ahead": "late", "behind": "early"}]
    assert all(set(r["seconds"]) == {"early", "late"} for r in one["rounds"])
    told = capsys.readouterr().out
    assert "object 1: early and late: IoU 0.510, Dice 0.676, 216 pixels differ" in told
    assert "object 1: From click 3 on, late leads early." in told
    assert f"wrote {out}" in told


def test_the_next_click_lies_in_the_deepest_disagreement(picture, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert compare(picture, *THREE, "--json", str(out)) == 0
    (spot,) = json.loads(out.read_text())["objects"][0]["next_click"]
    row, col = spot["position"]
    assert 7 < max(abs(row - 30), abs(col - 30)) <= 10
    assert "early and late differ most at" in capsys.readouterr().out
    assert compare(picture, "--click", "30,30", models=("early", "early-then-early")) == 0
    assert "differ most" not in capsys.readouterr().out


def test_the_page_is_whole_and_says_where_curves_cross(picture, tmp_path, read_page):
    truth = truth_at(tmp_path / "t.png", (60, 70), {1: np.s_[20:41, 20:41]})
    out = tmp_path / "out.html"
    assert compare(picture, *THREE, "--truth", str(truth), "--report", str(out), "--quiet") == 0
    text = out.read_text("utf-8")
    page = read_page(text)
    assert page.tags.count("svg") == 1
    assert page.tags.count("polyline") == 2, "a curve for each model"
    assert text.count('class="crossing"') == 1
    assert "From click 3 on, late leads early." in text
    assert page.is_self_contained
    (picture_,) = (a for a in page.attributes if "src" in a)
    assert picture_["alt"] == "Where early and late agree: 216 pixels differ"
    assert not re.search(r"url\(|@import", text)


def test_without_truth_the_curve_is_that_of_the_two(picture, tmp_path, read_page):
    out = tmp_path / "out.html"
    assert compare(picture, *THREE, "--report", str(out)) == 0
    text = out.read_text("utf-8")
    page = read_page(text)
    assert page.tags.count("polyline") == 1
    assert "early and late: 0.11 after 1 click, 0.51 after 3" in text
    assert "leads" not in text


def test_one_model_that_leads_throughout_is_told(picture, tmp_path, capsys):
    truth = truth_at(tmp_path / "t.png", (60, 70), {1: np.s_[20:41, 20:41]})
    words = ["--click", "30,30", "--truth", str(truth)]
    assert compare(picture, *words) == 0
    assert "early leads late at every number of clicks." in capsys.readouterr().out


def test_volumes_are_told_plane_by_plane_and_objects_apart(scan, tmp_path, read_page):
    truth = truth_at(
        tmp_path / "t.mha", (8, 40, 50), {1: np.s_[:, 10:25, 10:25], 5: np.s_[:, 30:38, 30:40]}
    )
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    clicks = ["--click", "3,17,17", "--click", "4,17,17", "--click", "4,34,34@5", "--propagate"]
    words = ["--truth", str(truth), "--json", str(out), "--report", str(page), "--quiet"]
    assert compare(scan, *clicks, *words) == 0
    found = json.loads(out.read_text())
    assert found["shape"] == [8, 40, 50]
    assert found["spacing"] == pytest.approx(SPACING)
    one, five = found["objects"]
    assert (one["label"], five["label"]) == (1, 5)
    assert [r["plane"] for r in one["rounds"]] == [3, 4]
    assert one["rounds"][0]["truth"]["early"]["iou"] == 1.0, "on the planes with clicks"
    assert len(one["planes"]) > 2
    total = sum(p["pairs"][0]["disagreeing_px"] for p in one["planes"])
    assert total == one["pairs"][0]["disagreeing_px"]
    assert len(one["next_click"][0]["position"]) == 3
    text = page.read_text("utf-8")
    read_page(text)
    assert "Disagreement plane by plane" in text
    assert text.count("<h2>Object") == 2


def test_three_models_are_compared_in_pairs(picture, tmp_path, read_page):
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    words = ["--json", str(out), "--report", str(page)]
    assert compare(picture, *THREE, *words, models=("early", "late", "random-walker")) == 0
    (one,) = json.loads(out.read_text())["objects"]
    assert [p["models"] for p in one["pairs"]] == [
        ["early", "late"], ["early", "random-walker"], ["late", "random-walker"],
    ]  # fmt: skip
    assert read_page(page.read_text("utf-8")).tags.count("img") == 3


BAD = {
    "one model": (["--click", "3,3"], ("early",), "expected --model twice or more"),
    "no click": ([], ("early", "late"), "nothing says where the object is"),
    "twice the same": (["--click", "3,3"], ("late", "late"), "a model is named twice"),
    "an unknown model": (["--click", "3,3"], ("early", "nobody"), "model is unknown: .*'nobody'"),
    "a click outside": (["--click", "99,3"], ("early", "late"), "lies outside the data"),
    "a click with too many numbers": (["--click", "1,3,3"], ("early", "late"), "has 3 coordinates"),
    "weights of nobody": (
        ["--click", "3,3", "--weights", "x=y"], ("early", "late"), "weights belong to no model"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_with_one_line_and_2(picture, capsys, name):
    words, models, told = BAD[name]
    assert compare(picture, *words, models=models) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert re.search(told, err)


def test_two_models_with_different_axes_are_refused(scan, capsys):
    words = ["--click", "3,17,17", "--axis", "0", "--axis", "2"]
    assert compare(scan, *words) == 2
    err = capsys.readouterr().err
    assert "two models with different axes" in err
    assert "got axis 0 for early and 2 for late" in err
    assert compare(scan, *words[:3], "2") == 0


def test_output_is_not_replaced_unless_asked(picture, tmp_path, capsys):
    out = tmp_path / "out.json"
    out.write_text("mine")
    assert compare(picture, "--click", "3,3", "--json", str(out)) == 2
    assert "output exists" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert compare(picture, "--click", "3,3", "--json", str(out), "--overwrite") == 0
    assert json.loads(out.read_text())["models"] == ["early", "late"]
    nowhere = tmp_path / "no" / "out.html"
    assert compare(picture, "--click", "3,3", "--report", str(nowhere)) == 2
    assert "output has no folder" in capsys.readouterr().err


def test_a_truth_on_another_grid_or_without_the_object_is_refused(picture, tmp_path, capsys):
    small = truth_at(tmp_path / "small.png", (50, 70), {1: np.s_[2:4, 2:4]})
    assert compare(picture, "--click", "3,3", "--truth", str(small)) == 2
    assert capsys.readouterr().err.count("\n") == 1
    two = truth_at(tmp_path / "two.png", (60, 70), {1: np.s_[2:4, 2:4], 3: np.s_[8:9, 8:9]})
    assert compare(picture, "--click", "3,3@2", "--truth", str(two)) == 2
    assert "truth does not hold the object: expected one of its labels [1, 3], got 2" in (
        capsys.readouterr().err
    )


GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "compare.md"


def test_the_python_of_the_guide_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)
    exec(compile(block, str(GUIDE), "exec"), {})
    told = capsys.readouterr().out.split()
    assert 0.5 < float(told[0]) <= 1
    assert 0.5 < float(told[1]) <= 1


def test_the_shell_lines_of_the_guide_are_understood(capsys):
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    assert len(lines) == 3
    for line in lines:
        assert main(shlex.split(line)[1:]) == 2, "the file is not there"
        err = capsys.readouterr().err
        assert re.search(r"cells|ct\.nii\.gz", err), err


def test_the_picture_of_the_guide_is_there():
    (name,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", GUIDE.read_text("utf-8"))
    assert Image.open(GUIDE.parent / name).size[0] > 1000
