"""The README's code runs as written."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from napari_intseg.cli.main import main
from napari_intseg.core.phantom import ct_phantom
from napari_intseg.io.read import read_volume

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_first_script_segments_the_phantom(capsys):
    names: dict = {}
    exec(blocks("python")[0], names)
    assert "random-walker" in capsys.readouterr().out
    found, truth = names["session"].mask[20], names["truth"][20]
    overlap = max((found & (truth == k)).sum() / max(1, (truth == k).sum()) for k in range(1, 7))
    assert overlap > 0.3


def test_contract_runs_as_written(ritm_file, tmp_path, monkeypatch):
    shutil.copy(ritm_file, tmp_path / "coco_lvis_h18s_itermask.pth")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    array = rng.normal(0, 20, (64, 160, 240)).astype(np.int16)
    array[30:50, 100:140, 180:220] += 300
    calls: list[tuple[int, int]] = []
    names: dict = {
        "array": array,
        "mask": array > 150,
        "report": lambda done, total: calls.append((done, total)),
        "stop": lambda: len(calls) >= 3,
    }
    exec("from napari_intseg import Session, Volume, load_model\n" + blocks("python")[1], names)
    session = names["session"]
    assert session.mask.shape == array.shape
    assert session.mask.dtype == bool
    assert session.probability.dtype == np.float32
    assert len(calls) <= 3


def test_shell_lines_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    volume, _ = ct_phantom()
    image = SimpleITK.GetImageFromArray(np.asarray(volume.data))
    image.SetSpacing(volume.spacing[::-1])
    SimpleITK.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    lines = [line for block in blocks("") for line in block.splitlines()]
    lines = [line for line in lines if line.startswith("napari-intseg")]
    assert len(lines) >= 3
    for line in lines:
        assert main(line.split()[1:]) == 0, line
    assert "ritm-hrnet18s" in capsys.readouterr().out
    labels = read_volume(tmp_path / "liver.nii.gz")
    np.testing.assert_allclose(labels.affine, read_volume(tmp_path / "ct.nii.gz").affine)
    assert np.asarray(labels.data).any()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", TEXT))))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
