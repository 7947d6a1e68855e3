"""The scripts in `examples/` run as they are, each in an empty folder."""

import json
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


# one after another in one process, which imports PyTorch once for all
RUN = """
import contextlib, io, json, os, runpy, sys, traceback
for name, path, folder in json.loads(sys.argv.pop()):
    os.chdir(folder)
    told, error = io.StringIO(), ""
    with contextlib.redirect_stdout(told):
        try:
            runpy.run_path(path, run_name="__main__")
        except BaseException:
            error = traceback.format_exc()
    print(json.dumps([name, told.getvalue(), error]))
"""
STARTS_PROGRAMS = "replay_journal"
"""What the programs write that it starts goes past `RUN`."""


def run(*command):
    given = [sys.executable, *command]
    return subprocess.run(given, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What each example wrote, and its error, if any, by name."""
    jobs = [
        (name, str(EXAMPLES / f"{name}.py"), str(tmp_path_factory.mktemp(name)))
        for name in TOLD
        if name != STARTS_PROGRAMS
    ]
    done = run("-c", RUN, json.dumps(jobs))
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: outcome for name, *outcome in map(json.loads, done.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TOLD if name != STARTS_PROGRAMS])
def test_an_example_runs(outcomes, name):
    told, error = outcomes[name]
    assert not error
    assert TOLD[name] in told


@pytest.mark.slow
def test_the_example_that_starts_programs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(EXAMPLES / f"{STARTS_PROGRAMS}.py")
    assert done.returncode == 0, done.stderr[-2000:]
    assert TOLD[STARTS_PROGRAMS] in done.stdout


def test_a_widget_of_ones_own_segments():
    viewer = load_script(EXAMPLES / f"{WINDOW}.py").main(show=False)
    labels = viewer.layers["segmented"].data
    assert labels[124, 44] == 1
    assert labels[125, 102] == 2
