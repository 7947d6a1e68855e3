import json
import os
import re
import signal

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.evaluation.metrics import dice
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array, write_labels
from napari_intseg.session.journal import replayer

SPACING = (3.0, 0.8, 0.9)


def balls() -> tuple[np.ndarray, np.ndarray]:
    """Two bright balls in a noisy volume, and their labels."""
    z, y, x = np.ogrid[:16, :48, :64]
    labels = np.zeros((16, 48, 64), np.uint8)
    for number, (cy, cx) in enumerate(((24, 18), (22, 46)), start=1):
        labels[((z - 8) * 1.5) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < 81] = number
    noise = np.random.default_rng(0).normal(0, 12, labels.shape)
    return (labels > 0) * 200 + noise - 100, labels


@pytest.fixture
def scan(tmp_path):
    """A file with an oblique volume, as a scanner would write it."""
    image = sitk.GetImageFromArray(balls()[0].round().astype(np.int16))
    image.SetSpacing(SPACING[::-1])
    image.SetOrigin((-20.0, 30.0, 900.5))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    return tmp_path / "scan.nrrd"


def segment(image, output, *words: str) -> int:
    return main(["segment", str(image), "-o", str(output), "--model", "random-walker", *words])


def test_clicks_and_propagation_give_labels_in_the_place_of_the_image(scan, tmp_path, capsys):
    out = tmp_path / "labels.nrrd"
    clicks = ["--click", "6,24,18", "--click", "6,24,32:-", "--click", "10,24,18"]
    assert segment(scan, out, *clicks, "--propagate") == 0
    truth = balls()[1] == 1
    assert dice(read_volume(out).data == 1, truth) > 0.85
    image, labels = sitk.ReadImage(str(scan)), sitk.ReadImage(str(out))
    assert labels.GetSpacing() == image.GetSpacing()
    assert labels.GetOrigin() == image.GetOrigin()
    assert labels.GetDirection() == image.GetDirection()
    told = capsys.readouterr()
    assert "object 1: 3 clicks" in told.out
    assert f"wrote {out}" in told.out
    assert "plane" in told.err


def test_without_propagation_only_clicked_planes_are_filled(scan, tmp_path):
    assert segment(scan, tmp_path / "l.mha", "--click", "8,24,18") == 0
    filled = read_volume(tmp_path / "l.mha").data.any(axis=(1, 2))
    assert np.flatnonzero(filled).tolist() == [8]


def test_planes_limit_the_propagation(scan, tmp_path):
    words = ["--click", "8,24,18", "--propagate", "--planes", "7:10"]
    assert segment(scan, tmp_path / "l.mha", *words) == 0
    filled = read_volume(tmp_path / "l.mha").data.any(axis=(1, 2))
    assert np.flatnonzero(filled).tolist() == [7, 8, 9]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_clicks_name_the_axes_of_the_data_whatever_the_axis_of_the_planes(scan, tmp_path, axis):
    out = tmp_path / "l.mha"
    assert segment(scan, out, "--click", "8,24,18", "--axis", str(axis)) == 0
    labels = read_volume(out).data
    others = tuple(i for i in range(3) if i != axis)
    assert np.flatnonzero(labels.any(axis=others)).tolist() == [(8, 24, 18)[axis]]
    truth = balls()[1].take((8, 24, 18)[axis], axis) == 1
    assert dice(labels.take((8, 24, 18)[axis], axis) > 0, truth) > 0.8


def test_several_objects_each_keep_their_label(scan, tmp_path):
    words = ["--click", "8,24,18", "--click", "8,22,46@5", "--click", "8,36,46:-@5"]
    assert segment(scan, tmp_path / "l.mha", *words, "--label", "2") == 0
    labels, truth = read_volume(tmp_path / "l.mha").data, balls()[1]
    assert set(np.unique(labels)) == {0, 2, 5}
    assert dice(labels[8] == 2, truth[8] == 1) > 0.9
    assert dice(labels[8] == 5, truth[8] == 2) > 0.9


def test_objects_that_share_correct_each_other(tmp_path):
    """Two discs that touch: a click on one says to the other where it ends."""
    rows, cols = np.mgrid[:40, :60]
    truth = np.zeros((40, 60), np.uint8)
    for number, col in ((1, 20), (2, 39)):
        truth[(np.hypot(rows - 20, cols - col) < 10) & (truth == 0)] = number
    tifffile.imwrite(tmp_path / "i.tif", np.where(truth > 0, 200, 20).astype(np.uint8))
    clicks = ["--click", "20,20@1", "--click", "20,39@2", "--overwrite", "--quiet"]
    found = {}
    for share in ([], ["--share"]):
        assert segment(tmp_path / "i.tif", tmp_path / "o.tif", *clicks, *share) == 0
        labels = tifffile.imread(tmp_path / "o.tif")
        found[bool(share)] = [dice(labels == n, truth == n) for n in (1, 2)]
    # the first one took both discs
    assert min(found[False]) < 0.5
    assert min(found[True]) > 0.9
    text = (tmp_path / "o.tif.journal.jsonl").read_text()
    assert text.count(",false]") == 2


def test_sharing_stays_on_the_planes_of_each_object(scan, tmp_path):
    clicks = ["--click", "6,24,18@1", "--click", "10,22,46@2", "--share", "--quiet"]
    assert segment(scan, tmp_path / "l.mha", *clicks) == 0
    assert ",false]" not in (tmp_path / "l.mha.journal.jsonl").read_text()


def test_an_initial_mask_is_kept_and_corrected(scan, tmp_path):
    volume, truth = read_volume(scan), balls()[1]
    write_labels(tmp_path / "init.mha", truth, volume)
    words = ["--init", str(tmp_path / "init.mha"), "--label", "2"]
    assert segment(scan, tmp_path / "same.mha", *words) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "same.mha").data == 2, truth == 2)
    half = truth * (np.arange(64) < 46)
    write_labels(tmp_path / "half.mha", half == 2, volume)
    words = ["--init", str(tmp_path / "half.mha"), "--click", "8,22,51"]
    assert segment(scan, tmp_path / "whole.mha", *words) == 0
    whole = read_volume(tmp_path / "whole.mha").data
    assert dice(whole[8] == 1, truth[8] == 2) > dice(half[8] == 2, truth[8] == 2)


@pytest.mark.parametrize("number", [1, 5])
def test_the_only_object_that_was_given_is_kept_beside_another(scan, tmp_path, number):
    volume, truth = read_volume(scan), balls()[1]
    given = np.where(truth == 1, number, 0).astype(np.uint8)
    write_labels(tmp_path / "init.mha", given, volume)
    words = ["--init", str(tmp_path / "init.mha"), "--click", "8,24,44@2", "--quiet"]
    assert segment(scan, tmp_path / "both.mha", *words) == 0
    both = read_volume(tmp_path / "both.mha").data
    np.testing.assert_array_equal(both == number, truth == 1)
    assert (both[8] == 2).any()
    # its own number means it, whatever that is
    words = ["--init", str(tmp_path / "init.mha"), "--click", f"8,24,18@{number}", "--quiet"]
    assert segment(scan, tmp_path / "same.mha", *words) == 0
    same = read_volume(tmp_path / "same.mha").data
    np.testing.assert_array_equal(np.delete(same == number, 8, 0), np.delete(truth == 1, 8, 0))


@pytest.mark.parametrize("command", ["segment", "more", "agree"])
def test_labels_below_0_are_refused_and_not_dropped(scan, tmp_path, command, capsys):
    image = sitk.ReadImage(str(scan))
    below = sitk.GetImageFromArray(-balls()[1].astype(np.int16))
    below.CopyInformation(image)
    sitk.WriteImage(below, str(tmp_path / "below.mha"))
    given, out = str(tmp_path / "below.mha"), str(tmp_path / "o.mha")
    words = {
        "segment": [str(scan), "--init", given, "--click", "8,24,18@9", "-o", out],
        "more": [str(scan), given, "-o", out],
        "agree": [given, given, "-o", str(tmp_path / "o.csv")],
    }  # fmt: skip
    assert main([command, *words[command]]) == 2
    assert "labels are not counted from 0: expected" in capsys.readouterr().err


def test_a_flat_picture_becomes_a_picture_of_labels(tmp_path, capsys):
    image = balls()[0][8]
    write_array(tmp_path / "i.tif", np.clip(image + 110, 0, 255).astype(np.uint8), Volume(image))
    assert segment(tmp_path / "i.tif", tmp_path / "l.png", "--click", "24,18", "--quiet") == 0
    assert dice(read_volume(tmp_path / "l.png").data == 1, balls()[1][8] == 1) > 0.9
    assert capsys.readouterr() == ("", "")


def test_probability_is_written_where_it_is_known(scan, tmp_path):
    words = ["--click", "8,24,18", "--probability", str(tmp_path / "p.nrrd")]
    assert segment(scan, tmp_path / "l.nrrd", *words) == 0
    prob, labels = (read_volume(tmp_path / f"{n}.nrrd").data for n in "pl")
    assert prob.dtype == np.float32
    np.testing.assert_array_equal(prob[8] > 0.5, labels[8] > 0)
    assert prob[9].max() == 0


def test_window_may_begin_with_a_minus(scan, tmp_path):
    assert segment(scan, tmp_path / "l.mha", "--click", "8,24,18", "--window", "-90,110") == 0


def test_first_ctrl_c_keeps_what_is_done(scan, tmp_path, monkeypatch):
    from napari_intseg.session.session import Session

    propagate = Session.propagate

    def interrupted(self, planes, *, on_progress, should_stop, **settings):
        def progress(done, total):
            on_progress(done, total)
            if done == 2:
                os.kill(os.getpid(), signal.SIGINT)

        return propagate(self, planes, on_progress=progress, should_stop=should_stop, **settings)

    monkeypatch.setattr(Session, "propagate", interrupted)
    out = tmp_path / "l.mha"
    assert segment(scan, out, "--click", "8,24,18", "--propagate") == 130
    filled = read_volume(out).data.any(axis=(1, 2))
    assert 1 < np.count_nonzero(filled) < 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


BAD = {
    "nothing": ([], "nothing says where the object is"),
    "outside": (["--click", "8,24,99"], "outside"),
    "no plane": (["--click", "16,24,18"], "16"),
    "flat click": (["--click", "24,18"], "coordinates"),
    "label 0": (["--click", "8,24,18@0"], "label cannot be used"),
    "planes alone": (["--click", "8,24,18", "--planes", "2:5"], "--planes has no effect"),
    "far planes": (["--click", "8,24,18", "--propagate", "--planes", "2:99"], "99"),
    "axis": (["--click", "8,24,18", "--axis", "3"], "axis does not exist"),
    "model": (["--click", "8,24,18", "--model", "magic"], "model is unknown"),
    "device": (
        ["--click", "8,24,18", "--device", "abacus", "--model", "ritm-hrnet18s"],
        "expected",
    ),
    "window": (["--click", "8,24,18", "--window", "rainbow"], "rainbow"),
    "channel": (["--click", "8,24,18", "--channels", "4"], "channel"),
    "time": (["--click", "8,24,18", "--time", "4"], "time point does not exist"),
    "init": (["--click", "8,24,18", "--init", "gone.nii"], "file is missing"),
    "two probabilities": (
        ["--click", "8,24,18", "--click", "8,22,46@2", "--probability", "p.npy"],
        "probability is of one object",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_2_and_writes_nothing(
    scan, tmp_path, monkeypatch, capsys, case
):
    monkeypatch.chdir(tmp_path)
    words, told = BAD[case]
    assert segment(scan, tmp_path / "l.mha", *words, "--quiet") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("napari-intseg: error: ")
    assert told in lines[0]
    assert [p.name for p in tmp_path.iterdir()] == ["scan.nrrd"]


@pytest.mark.parametrize(
    ("image", "output", "told"),
    [
        ("gone.nii", "l.nii", "file is missing"),
        ("scan.nrrd", "l.jpg", "file type cannot hold labels"),
        ("scan.nrrd", "no/l.nii", "folder is missing"),
        ("scan.nrrd", "scan.nrrd", "file exists"),
    ],
)
def test_bad_files_are_one_line_and_status_2(
    scan, tmp_path, monkeypatch, capsys, image, output, told
):
    monkeypatch.chdir(tmp_path)
    before = scan.read_bytes()
    assert segment(image, output, "--click", "8,24,18") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]
    assert scan.read_bytes() == before


def test_overwrite_replaces(scan, tmp_path):
    (tmp_path / "l.mha").write_text("old")
    assert segment(scan, tmp_path / "l.mha", "--click", "8,24,18", "--overwrite") == 0
    assert read_volume(tmp_path / "l.mha").data.any()


def test_labels_too_large_for_memory_are_written_plane_by_plane(tmp_path, monkeypatch, capsys):
    zarr = pytest.importorskip("zarr")
    image, _ = balls()
    write_array(tmp_path / "scan.zarr", image.round().astype(np.int16), Volume(image))
    words = ["--click", "8,24,18@1", "--click", "8,22,46@2", "--propagate", "--planes", "5:12"]
    told = []
    for name, large in (("whole.zarr", 1 << 40), ("parts.zarr", 1)):
        monkeypatch.setattr(replayer, "LARGE_BYTES", large)
        assert segment(tmp_path / "scan.zarr", tmp_path / name, *words) == 0
        told.append(capsys.readouterr().out.replace(name, "LABELS"))
    assert told[0] == told[1]
    groups = [zarr.open_group(str(tmp_path / f"{n}.zarr"), mode="r") for n in ("whole", "parts")]
    whole, parts = (np.asarray(group["0"]) for group in groups)
    np.testing.assert_array_equal(whole, parts)
    assert set(np.unique(parts)) == {0, 1, 2}
    # the journals, which OME-Zarr keeps in its attributes, end with the same checksum
    sums = [re.findall(r"sha256\W+(\w{64})", json.dumps(dict(group.attrs))) for group in groups]
    assert sums[0][-1] == sums[1][-1] == replayer.labels_checksum(parts)
