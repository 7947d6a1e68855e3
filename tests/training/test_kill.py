"""A run that the system kills goes on as if it had never been."""

import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from napari_intseg.training.loop import read_log

PATIENCE_S = 300


def command(folder, output, start, *more):
    given = {
        "--output": output, "--from": start, "--name": "mine", "--keep-in": output / "kept",
        "--steps": 4, "--batch": 2, "--size": "64", "--passes": 2, "--held-out": 0.1,
        "--validate-every": 99, "--workers": 0, "--threads": 1, "--checkpoint-s": 0,
        "--device": "cpu",
    }  # fmt: skip
    words = [str(part) for pair in given.items() for part in pair]
    program = [sys.executable, "-m", "napari_intseg.cli.main"]
    return [*program, "train", str(folder), *words, "--quiet", *more]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_kill_9_and_resume_give_the_same_weights(make_folder, small_start, tmp_path):
    folder, whole, cut = make_folder(), tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(folder, whole, small_start), check=True, timeout=PATIENCE_S)
    run = subprocess.Popen(command(folder, cut, small_start))
    end = time.monotonic() + PATIENCE_S
    while len(read_log(cut)) < 2 or not (cut / "checkpoint.pt").is_file():
        assert time.monotonic() < end
        assert run.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    subprocess.run(command(folder, cut, small_start, "--resume"), check=True, timeout=PATIENCE_S)
    first, second = (load_file(output / "mine.safetensors") for output in (whole, cut))
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("step", "loss", "noc85"):
        assert [r[name] for r in read_log(whole)] == [r[name] for r in read_log(cut)]
