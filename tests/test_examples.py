"""The scripts in `examples/` run as they are, each in an empty folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import load_script

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WINDOW = "widget_of_your_own"
TOLD = {
    "one_image": "pixels",
    "folder_of_images": "row_1.png [1]",
    "ct_volume": "ml, Dice 0.9",
    "many_objects": "more objects",
    "compare_two_models": "random-walker",
    "own_model": "pixels are as bright",
    "fine_tune": "my-cells.safetensors",
    "replay_journal": "object 1",
    "correct_labels": "pixels before the click",
}


def test_every_example_is_run_and_described():
    there = {path.stem for path in EXAMPLES.glob("*.py")}
    assert there == {*TOLD, WINDOW}
    page = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"`{name}.py`" in page for name in there)


@pytest.mark.slow
@pytest.mark.parametrize("name", TOLD)
def test_an_example_runs(name, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert TOLD[name] in done.stdout


def test_a_widget_of_ones_own_segments():
    viewer = load_script(EXAMPLES / f"{WINDOW}.py").main(show=False)
    labels = viewer.layers["segmented"].data
    assert labels[124, 44] == 1
    assert labels[125, 102] == 2
