"""The notebooks in `docs/notebooks/` run as they are, and say what is kept in them."""

import json
import re
from pathlib import Path

import pytest

from scripts import load_script

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
DICE = {
    "microscopy": (r"mean Dice (0\.\d+)", 0.84),
    "ct": (r"Dice (0\.\d+)", 0.9),
    "comparison": (r"bundled +0\.\d+ 0\.\d+ (0\.\d+)", 0.9),
}
NUMBER = r"-?\d+(?:\.\d+)?"


@pytest.fixture(scope="module")
def runner():
    return load_script(FOLDER / "run.py", "notebook_runner")


def kept(path, runner):
    cells = runner.code_cells(json.loads(path.read_text("utf-8")))
    return ["".join(line for out in cell["outputs"] for line in out["text"]) for cell in cells]


def test_every_notebook_is_run_and_linked():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(DICE)
    pages = [page.read_text("utf-8") for page in (FOLDER.parent / "guides").glob("*.md")]
    assert all(any(f"../notebooks/{name}.ipynb" in page for page in pages) for name in DICE)


@pytest.mark.parametrize("name", DICE)
def test_a_notebook_says_what_was_kept_in_it(name, runner, monkeypatch):
    monkeypatch.chdir(FOLDER)
    path = FOLDER / f"{name}.ipynb"
    before = kept(path, runner)
    _, printed = runner.run(path)
    # with bfloat16 and without, an outline differs by a few pixels: a nucleus has 236 or 220
    for old, new in zip(before, printed, strict=True):
        assert re.sub(NUMBER, "#", old) == re.sub(NUMBER, "#", new)
        was, now = ([float(n) for n in re.findall(NUMBER, text)] for text in (old, new))
        assert now == pytest.approx(was, rel=0.1, abs=0.03)
    form, least = DICE[name]
    found = re.search(form, "".join(printed))
    assert found is not None
    assert float(found.group(1)) >= least
