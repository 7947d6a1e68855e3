import numpy as np
import pytest

from napari_intseg.cli.main import main
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels
from napari_intseg.testing import phantom_volume


@pytest.fixture
def folder(tmp_path):
    """A volume, labels from clicks in it, and their journal."""
    volume, _ = phantom_volume()
    write_array(tmp_path / "scan.nrrd", volume.data, volume)
    words = ["segment", str(tmp_path / "scan.nrrd"), "-o", str(tmp_path / "labels.nrrd"), "--quiet"]
    clicks = ["--click", "8,24,20@1", "--click", "8,24,44@2", "--model", "random-walker"]
    assert main([*words, *clicks]) == 0
    return tmp_path


def replay(folder, *words):
    journal = folder / "labels.nrrd.journal.jsonl"
    return main(["replay", str(journal), *(str(word) for word in words), "--quiet"])


def test_the_same_labels_are_made_again(folder):
    out = folder / "again.nrrd"
    assert replay(folder, folder / "scan.nrrd", "-o", out, "--compare", folder / "labels.nrrd") == 0
    made, first = read_volume(out).data, read_volume(folder / "labels.nrrd").data
    np.testing.assert_array_equal(made, first)
    assert first.any()


def test_the_image_beside_the_journal_is_found_by_its_content(folder):
    assert replay(folder) == 0


def test_without_the_image_it_is_asked_for(folder, capsys):
    (folder / "scan.nrrd").unlink()
    assert replay(folder) == 2
    assert "image is not beside the journal: expected" in capsys.readouterr().err


def test_differences_are_told(folder, capsys):
    volume = read_volume(folder / "scan.nrrd")
    write_array(folder / "other.nrrd", np.roll(volume.data, 3, axis=2), volume)
    labels = np.zeros(volume.shape, np.uint8)
    write_labels(folder / "none.nrrd", labels, volume)
    assert replay(folder, folder / "other.nrrd", "--compare", folder / "none.nrrd") == 1
    told = capsys.readouterr().err
    assert "difference: image: other values than then" in told
    assert "labels are not those of" in told


def test_a_journal_can_be_left_out(folder):
    words = ["segment", str(folder / "scan.nrrd"), "-o", str(folder / "b.nrrd"), "--quiet"]
    more = ["--click", "8,24,20", "--model", "random-walker", "--no-journal"]
    assert main([*words, *more]) == 0
    assert not (folder / "b.nrrd.journal.jsonl").exists()
