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


STAND_IN = '#!/bin/bash\necho "$(basename "$0") $1"\n[[ "$(basename "$0") $1" != "$FAILS" ]]\n'


@pytest.mark.parametrize(
    ("fails", "done"),
    [
        ("nothing", ["make .venv/.test", "apt-get update", "apt-get install", "make test"]),
        ("apt-get update", ["make .venv/.test", "apt-get update"]),
        ("apt-get install", ["make .venv/.test", "apt-get update", "apt-get install"]),
        ("make .venv/.test", ["make .venv/.test", "apt-get update", "apt-get install"]),
    ],
)
def test_tests_begin_when_all_packages_are_there(fails, done, tmp_path):
    """Those of the system come beside those of Python, and are told after them."""
    for name in ("apt-get", "dpkg-query", "make"):
        (tmp_path / name).write_text(STAND_IN.replace("echo", ":") if name[0] == "d" else STAND_IN)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "sudo").write_text('#!/bin/bash\n[ "$1" = --validate ] || exec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    ran = subprocess.run(
        [ROOT / ".ci" / "run"], capture_output=True, text=True, check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "FAILS": fails},
    )  # fmt: skip
    told = ran.stdout.splitlines()
    assert told[0].startswith("installing xvfb ")
    assert told[1:] == done
    assert (ran.returncode == 0) == (fails == "nothing")
