"""`napari-intseg agree`: the table, the map and the consensus that readers agree on."""

import numpy as np
import pytest
import SimpleITK as sitk

from napari_intseg.cli.main import main


@pytest.fixture
def readers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, last in (("a", 12), ("b", 13), ("c", 12)):
        labels = np.zeros((6, 20, 20), np.uint8)
        labels[1:5, 4:last, 4:12] = 1
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing((0.5, 0.5, 3.0))
        sitk.WriteImage(image, f"{name}.nii.gz")
    return tmp_path


@pytest.mark.parametrize("rule", ["majority", "staple"])
def test_all_is_written_with_the_geometry(readers, capsys, rule):
    words = ["-o", "t.csv", "--map", "m.nii.gz", "--consensus", "k.nii.gz", "--rule", rule]
    assert main(["agree", "a.nii.gz", "b.nii.gz", "c.nii.gz", *words]) == 0
    told = capsys.readouterr().out
    assert "3 readers, 1 object: mean Dice" in told
    assert "wrote k.nii.gz" in told
    consensus = sitk.ReadImage("k.nii.gz")
    assert consensus.GetSpacing() == (0.5, 0.5, 3.0)
    out = sitk.GetArrayFromImage(consensus)
    assert out.sum() == 4 * 8 * 8
    apart = sitk.GetArrayFromImage(sitk.ReadImage("m.nii.gz"))
    assert np.argwhere(apart)[:, 1].tolist() == [12] * (4 * 8)
    assert (readers / "t.csv").read_text().startswith("object,voxels a.nii.gz,")


@pytest.mark.usefixtures("readers")
def test_numbers_of_other_readers_are_matched(capsys):
    image = sitk.ReadImage("b.nii.gz") * 9
    sitk.WriteImage(image, "nine.nii.gz")
    assert main(["agree", "a.nii.gz", "nine.nii.gz"]) == 0
    assert "mean Dice 0.000" in capsys.readouterr().out
    assert main(["agree", "a.nii.gz", "nine.nii.gz", "--match", "overlap"]) == 0
    assert "1 object: mean Dice 0.9" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["a.nii.gz"],
        ["a.nii.gz", "gone.nii.gz"],
        ["a.nii.gz", "b.nii.gz", "--map", "b.nii.gz", "--overwrite"],
        ["a.nii.gz", "b.nii.gz", "--map", "k.nii.gz", "--consensus", "k.nii.gz"],
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(readers, capsys, words):
    before = {p.name: p.read_bytes() for p in readers.iterdir()}
    assert main(["agree", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {p.name: p.read_bytes() for p in readers.iterdir()} == before
