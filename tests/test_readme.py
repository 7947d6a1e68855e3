"""What the README shows works as it is written."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array

CHECKOUT = Path(__file__).resolve().parents[1]
TEXT = (CHECKOUT / "README.md").read_text("utf-8")
QUESTIONS = (CHECKOUT / "docs" / "questions.md").read_text("utf-8")
WEIGHTS = (CHECKOUT / "docs" / "reference" / "weights.md").read_text("utf-8")


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def lines(command: str) -> list[list[str]]:
    found = "".join(blocks("console")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in found if line.startswith(command)]


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) < 120


def test_one_line_installs_torch_without_cuda_before_anything_needs_it():
    torch, package = lines("pip install")
    assert torch[1:] == ["torch", "--index-url", "https://download.pytorch.org/whl/cpu"]
    assert package[1:] == [".[gui]"]


@pytest.mark.slow
def test_the_python_of_the_readme_and_of_the_page_on_weights_runs(
    ritm_file, tmp_path, monkeypatch, capsys
):
    shutil.copy(ritm_file, tmp_path)
    monkeypatch.chdir(tmp_path)
    given: dict[str, object] = {}
    assert len(blocks("python")) == 2
    for block in (*blocks("python"), blocks("python", WEIGHTS)[-1]):
        exec(compile(block, "README.md", "exec"), given)
    session, inside = given["session"], given["inside"]
    assert session.mask.dtype == bool
    assert session.mask.shape == (6, 160, 240)
    assert session.clicks == ()
    assert "of" in capsys.readouterr().out
    assert read_volume("sphere.nii.gz").data.sum() == inside.sum()


def test_the_first_python_of_the_readme_finds_the_object(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given: dict[str, object] = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), given)
    mask, truth = given["session"].mask, given["inside"]
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9


@pytest.mark.slow
def test_the_shell_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    z, y, x = np.ogrid[:60, :160, :240]
    data = ((z - 40) * 3) ** 2 + (y - 120) ** 2 + (x - 200) ** 2 < 900
    data = data | (((z - 20) * 3) ** 2 + (y - 60) ** 2 + (x - 60) ** 2 < 600)
    write_array("scan.nii.gz", data * np.int16(200), Volume(data, spacing=(3.0, 0.7, 0.7)))
    run = lines("napari-intseg")
    assert len(run) == 5
    for words in run:
        assert main(words) == 0, capsys.readouterr().err
    assert set(np.unique(read_volume("two.nii.gz").data)) == {0, 1, 2}
    assert read_volume("labels.nii.gz").data.any(axis=(1, 2)).sum() > 1
    assert read_volume("better.nii.gz").spacing == read_volume("scan.nii.gz").spacing


def test_the_two_commands_and_the_links_of_the_readme_exist():
    makefile = (CHECKOUT / "Makefile").read_text()
    assert [words[0] for words in lines("make")] == ["demo", "test"]
    for name in ("demo", "test"):
        assert f"\n{name}:" in makefile
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    for page, _, anchor in (link.partition("#") for link in links):
        assert (CHECKOUT / page).exists(), page
        if anchor:
            text = (CHECKOUT / page).read_text("utf-8")
            titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
            assert anchor in {title.lower().replace(" ", "-") for title in titles}


def test_the_extras_of_the_readme_exist():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    groups = re.findall(r"\.\[([a-z,]+)\]", TEXT + QUESTIONS)
    named = {name for group in groups for name in group.split(",")}
    (told,) = re.findall(r"\*\*A model is grey\.\*\*(.*?)\n\n", QUESTIONS, flags=re.DOTALL)
    named |= set(re.findall(r"`([a-z]+)`", told))
    assert {"gui", "sam", "train"} <= named <= extras
