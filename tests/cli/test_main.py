import importlib
import subprocess
import sys

import pytest

from napari_intseg.cli import main as cli
from napari_intseg.errors import FileError

HEAVY = ("torch", "napari.", "qtpy", "SimpleITK", "transformers", "skimage", "scipy")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy():
    asked = [["--help"], *([name, "--help"] for name in cli.COMMANDS)]
    done = run_python(
        "import sys\nfrom napari_intseg.cli.main import main\n"
        f"for words in {asked!r}:\n"
        "    assert main(words) == 0, words\n"
        f"    heavy = [m for m in sys.modules if m.startswith({HEAVY!r})]\n"
        "    assert not heavy, (words, heavy)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: napari-intseg") == len(asked)
    assert not done.stderr.strip()


def test_loading_a_model_does_load_torch():
    done = run_python(
        "import sys\nfrom napari_intseg.cli.main import main\n"
        "main(['segment', 'no.nii', '-o', 'no.npy', '--click', '1,2'])\n"
        "print('SimpleITK' in sys.modules)"
    )
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_says_what_it_does(name, capsys):
    module = importlib.import_module(f"napari_intseg.cli.{name}")
    assert cli.main(["--help"]) == 0
    assert module.HELP.split()[0] in capsys.readouterr().out
    assert cli.main([name, "--help"]) == 0
    assert module.DESCRIPTION.split()[0] in capsys.readouterr().out


def test_version_is_told(capsys):
    import napari_intseg

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == napari_intseg.__version__


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["segment"], "required: IMAGE"),
        (["segment", "i.nii", "-o", "l.nii", "--click", "here"], "click is not understood"),
        (["weights"], "ACTION"),
    ],
)
def test_a_strange_command_line_is_one_line_and_status_2(words, told, capsys):
    assert cli.main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("napari-intseg: error: ")
    assert told in lines[0]


def test_errors_of_the_engine_are_one_line_and_others_are_not_hidden(monkeypatch, capsys):
    from napari_intseg.cli import models

    def fail(_args: object) -> int:
        raise FileError("file is strange:\n  expected one line, got two. Look.")

    monkeypatch.setattr(models, "run", fail)
    assert cli.main(["models"]) == 2
    told = capsys.readouterr().err
    assert told == "napari-intseg: error: file is strange: expected one line, got two. Look.\n"

    def break_down(_args: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(models, "run", break_down)
    with pytest.raises(ZeroDivisionError):
        cli.main(["models"])


def test_ctrl_c_is_status_130(monkeypatch, capsys):
    from napari_intseg.cli import models

    def interrupt(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "run", interrupt)
    assert cli.main(["models"]) == 130
    assert "interrupted" in capsys.readouterr().err
