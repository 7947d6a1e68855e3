"""What the README shows works as it is written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array

CHECKOUT = Path(__file__).resolve().parents[1]
TEXT = (CHECKOUT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def lines(command: str) -> list[list[str]]:
    found = "".join(blocks("console")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in found if line.startswith(command)]


@pytest.fixture
def checkpoint(tmp_path):
    """A file as RITM publishes it, with random weights."""
    import torch

    from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks

    torch.manual_seed(0)
    net = HRNetClicks(ClickInput(with_prev=True), width=18, ocr_width=48, small=True)
    given = {"width": 18, "ocr_width": 48, "small": True, "with_aux_output": True}
    given |= {"use_leaky_relu": True, "use_rgb_conv": False, "use_disks": True}
    given |= {"norm_radius": 5, "with_prev_mask": True}
    params = {k: {"type": "builtin", "value": v, "specified": True} for k, v in given.items()}
    config = {"class": "isegm.model.is_hrnet_model.HRNetModel", "params": params}
    path = tmp_path / "coco_lvis_h18s_itermask.pth"
    torch.save({"state_dict": net.state_dict(), "config": config}, path)


@pytest.mark.slow
@pytest.mark.usefixtures("checkpoint")
def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given: dict[str, object] = {}
    for block in blocks("python"):
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
    assert all((CHECKOUT / link).exists() for link in links)


def test_the_extras_of_the_readme_exist():
    from importlib.metadata import metadata

    extras = metadata("napari-intseg").get_all("Provides-Extra")
    assert {"gui", "sam", "lazy"} <= set(extras)
