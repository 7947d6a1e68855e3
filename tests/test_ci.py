"""The script that an automatic check runs."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("arguments", [["--help"], ["-n"], ["tests/io"], ["a", "b"]])
def test_the_check_takes_no_arguments_and_does_nothing_when_it_gets_some(arguments, tmp_path):
    # without anything on the path, what it would run next ends with 127
    done = subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "run", *arguments], capture_output=True, text=True,
        env={"PATH": str(tmp_path)}, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"expected none, got '{' '.join(arguments)}'" in done.stderr
    assert done.stdout == ""
