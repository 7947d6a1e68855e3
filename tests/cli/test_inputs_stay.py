"""No command replaces what it reads, and all objects that it is given come out again."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.cli.start import _targets
from napari_intseg.errors import DataError
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_labels

CENTRES = (15, 45, 75)
WALKER = ("--model", "random-walker", "--quiet")


@pytest.fixture
def cells(tmp_path):
    rows, cols = np.mgrid[:60, :90]
    labels = np.zeros((60, 90), np.uint8)
    for number, col in enumerate(CENTRES, 1):
        labels[np.hypot(rows - 30, cols - col) < 10] = number
    tifffile.imwrite(tmp_path / "i.tif", np.where(labels > 0, 200, 30).astype(np.uint8))
    tifffile.imwrite(tmp_path / "l.tif", labels)
    (tmp_path / "soft.tif").symlink_to(tmp_path / "i.tif")
    (tmp_path / "soft.csv").symlink_to(tmp_path / "l.tif")
    (tmp_path / "soft.json").symlink_to(tmp_path / "l.tif")
    return tmp_path


COMMANDS = (
    ("segment", "i.tif", "-o", "i.tif", "--click", "30,45"),
    ("segment", "i.tif", "-o", "soft.tif", "--click", "30,45"),
    ("segment", "soft.tif", "-o", "i.tif", "--click", "30,45"),
    ("segment", "i.tif", "-o", "l.tif", "--init", "l.tif"),
    ("segment", "i.tif", "-o", "o.tif", "--click", "30,45", "--probability", "soft.tif"),
    ("segment", "i.tif", "-o", "o.tif", "--click", "30,45", "--probability", "o.tif"),
    ("more", "i.tif", "l.tif", "-o", "l.tif"),
    ("more", "i.tif", "l.tif", "-o", "i.tif"),
    ("measure", "l.tif", "--image", "i.tif", "-o", "soft.csv"),
    ("replay", "done.tif", "i.tif", "-o", "i.tif"),
    ("replay", "done.tif", "i.tif", "-o", "done.tif"),
    ("replay", "done.tif", "-o", "i.tif"),
    ("compare", "i.tif", "--click", "30,45", "--model", "random-walker", "--model",
     "region-growing", "--truth", "l.tif", "--json", "soft.json"),
    ("compare", "i.tif", "--click", "30,45", "--model", "random-walker", "--model",
     "region-growing", "--report", "i.tif"),
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_input_is_never_an_output(cells, monkeypatch, capsys, words):
    monkeypatch.chdir(cells)
    if "done.tif" in words:
        assert main(["segment", "i.tif", "-o", "done.tif", "--click", "30,45", *WALKER]) == 0
    before = {p.name: p.read_bytes() for p in cells.iterdir()}
    assert main([*words, "--overwrite", "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "output is an input" in told
    assert told.count("\n") == 1
    assert {p.name: p.read_bytes() for p in cells.iterdir()} == before


@pytest.mark.parametrize(
    "words", [(), ("--click", "30,45@2"), ("--click", "30,45"), ("--click", "30,60@7")]
)
def test_all_objects_that_one_starts_from_are_kept(cells, words):
    out = cells / "o.tif"
    command = ["segment", str(cells / "i.tif"), "-o", str(out), "--init", str(cells / "l.tif")]
    assert main([*command, *WALKER, *words]) == 0
    found, given = tifffile.imread(out), tifffile.imread(cells / "l.tif")
    assert {1, 2, 3} <= set(np.unique(found).tolist())
    for number in (1, 3):
        np.testing.assert_array_equal(found == number, given == number)


def test_a_click_without_a_number_is_for_the_object_that_it_lies_in(cells, capsys):
    out = cells / "o.tif"
    command = ["segment", str(cells / "i.tif"), "-o", str(out), "--init", str(cells / "l.tif")]
    assert main([*command, "--model", "random-walker", "--click", "30,75"]) == 0
    told = capsys.readouterr()
    assert "click 30,75 is for object 3, which it lies in" in told.err
    assert "object 3: 1 click" in told.out
    labels = tifffile.imread(out)
    assert [labels[30, col] for col in CENTRES] == [1, 2, 3]


@pytest.mark.filterwarnings("ignore:the source series has no study UID")
def test_objects_and_names_of_dicom_seg_are_kept(shared, tmp_path):
    pytest.importorskip("highdicom")
    folder = shared / "data/samples/ct_dicom_series"
    volume = read_volume(folder)
    labels = np.zeros(volume.shape, np.uint8)
    for number in (1, 2, 3):
        labels[1, 100:110, 60 * number : 60 * number + 12] = number
    names = {1: "liver", 2: "spleen", 3: "odd one"}
    write_labels(tmp_path / "given.dcm", labels, volume, names=names)
    out = tmp_path / "out.dcm"
    words = ["segment", str(folder), "-o", str(out), "--init", str(tmp_path / "given.dcm")]
    assert main([*words, *WALKER, "--name", "3=cyst"]) == 0
    np.testing.assert_array_equal(read_mask(out, volume), labels)
    import pydicom

    told = pydicom.dcmread(out).SegmentSequence
    assert [item.SegmentLabel for item in told] == ["liver", "spleen", "cyst"]


@pytest.mark.parametrize("words", [("--click", "30,45@3000000000"), ("--label", "2147483648")])
def test_labels_beyond_32_bits_are_told(cells, capsys, words):
    command = ["segment", str(cells / "i.tif"), "-o", str(cells / "o.tif"), *WALKER, *words]
    assert main([*command, "--click", "30,15"]) == 2
    assert "2147483647, got" in capsys.readouterr().err
    tifffile.imwrite(cells / "big.tif", np.full((60, 90), 3_000_000_000, np.uint32))
    command = ["segment", str(cells / "i.tif"), "-o", str(cells / "o.tif"), *WALKER]
    assert main([*command, "--init", str(cells / "big.tif")]) == 2
    assert "label is too large" in capsys.readouterr().err


def test_guide_never_replaces_what_it_learns_from(cells, monkeypatch, capsys):
    monkeypatch.chdir(cells)
    (cells / "scans").mkdir()
    (cells / "scans" / "l.tif").write_bytes((cells / "i.tif").read_bytes())
    before = (cells / "l.tif").read_bytes()
    assert main(["guide", "scans", "--by", "i.tif=l.tif", "-o", ".", "--overwrite"]) == 2
    assert "output is an input" in capsys.readouterr().err
    assert (cells / "l.tif").read_bytes() == before


def test_no_image_of_a_folder_is_replaced_by_the_labels_of_another(cells, monkeypatch, capsys):
    monkeypatch.chdir(cells)
    (cells / "d").mkdir()
    for name, given in (("i.tif", "i.tif"), ("i_labels.tif", "l.tif")):
        (cells / "d" / name).write_bytes((cells / given).read_bytes())
    assert main(["more", "d", "l.tif", "-o", "d", "--overwrite", *WALKER]) == 2
    assert "'i_labels.tif' is one that is read" in capsys.readouterr().err
    assert (cells / "d" / "i_labels.tif").read_bytes() == (cells / "l.tif").read_bytes()


@pytest.mark.parametrize("what", ["images/a.tif", "masks/a.tif", "about.json"])
def test_a_report_never_replaces_a_file_of_the_set_that_is_evaluated(
    cells, monkeypatch, capsys, what
):
    monkeypatch.chdir(cells)
    for name, given in (("images", "i.tif"), ("masks", "l.tif")):
        (cells / "set" / name).mkdir(parents=True)
        (cells / "set" / name / "a.tif").write_bytes((cells / given).read_bytes())
    path = cells / "set" / what
    if not path.exists():
        path.write_text("{}")
    before = path.read_bytes()
    words = ["evaluate", "set", *WALKER, "--max-clicks", "1", "--quiet", "--overwrite", "--json"]
    assert main([*words, str(path)]) == 2
    assert "output is an input" in capsys.readouterr().err
    assert path.read_bytes() == before
    if what == "about.json":
        # a report of before may be replaced, wherever it lies
        path.unlink()
        assert main([*words, str(path)]) == 0
        assert main([*words, str(path)]) == 0


@pytest.mark.parametrize("words", [("workload",), ("agree", "l.tif")])
def test_a_report_never_replaces_the_journal_of_labels(cells, monkeypatch, capsys, words):
    monkeypatch.chdir(cells)
    assert main(["segment", "i.tif", "-o", "o.tif", *WALKER, "--click", "30,45"]) == 0
    journal = cells / "o.tif.journal.jsonl"
    before = journal.read_bytes()
    assert main([*words, "o.tif", "-o", journal.name, "--overwrite"]) == 2
    assert "is or belongs to 'o.tif'" in capsys.readouterr().err
    assert journal.read_bytes() == before


def test_labels_of_a_set_never_replace_one_another(tmp_path):
    entries = [SimpleNamespace(name=name, image=Path("i.png")) for name in ("a/b", "a_b")]
    args = SimpleNamespace(output=tmp_path / "out", image=tmp_path / "set", overwrite=True)
    with pytest.raises(DataError, match=r"two images whose labels would be 'a_b.tif'"):
        _targets(args, entries)


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "NAME", "-o", "o.tif", "--click", "1,1"),
        ("measure", "NAME"),
        ("more", "NAME", "l.tif", "-o", "o.tif"),
        ("cloud", "NAME", "-o", "o.csv", "--click", "1,1,1"),
        ("evaluate", "NAME"),
        ("start", "NAME", "-o", "o.tif", "--model", "cells"),
        ("batch", "NAME", "-o", "o"),
        ("weights", "add", "NAME"),
        ("series", "NAME"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["n" * 300, "pipe"])
def test_a_path_that_the_system_refuses_is_one_line(tmp_path, monkeypatch, capsys, words, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert main([name if word == "NAME" else word for word in words]) == 2
    told = capsys.readouterr().err
    assert told.count("napari-intseg: error:") == 1
