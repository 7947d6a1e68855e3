import json

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from napari_intseg.cli.main import main
from napari_intseg.cli.shared_options import window_of
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_labels
from napari_intseg.models.automatic import automatic
from napari_intseg.models.automatic.automatic import Finding
from napari_intseg.models.automatic.hub_models import find_family


@pytest.fixture
def folder(tmp_path, dicom):
    """A ball of 60 HU in 0 HU, 20 planes of 40 x 44, as a series beside another one."""
    scan = dicom.Scan(n=20, shape=(40, 44), step=1.5, tags={"WindowCenter": 40, "WindowWidth": 160})
    z, r, c = np.ogrid[:20, :40, :44]
    ball = ((z - 10) * 1.5) ** 2 + ((r - 20) * 0.8) ** 2 + ((c - 22) * 0.7) ** 2 < 9**2
    slices = scan.slices()
    for plane, data in zip(ball, slices, strict=True):
        data.PixelData = (1024 + 60 * plane).astype(np.uint16).tobytes()
    scan.write(tmp_path / "s", slices)
    dicom.Scan(n=2, tags={"SeriesNumber": 9, "SeriesDescription": "other"}).write(tmp_path / "s")
    return tmp_path / "s"


def segment(folder, out, *words):
    clicks = ("--click", "10,20,22", "--click", "10,3,3:-")
    words = ("--model", "random-walker", "--quiet", *clicks, *words)
    return main(["segment", str(folder), "-o", str(out), *words])


def test_series_are_listed_and_one_is_chosen(folder, tmp_path, capsys):
    assert main(["series", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1: CT 'phantom', 20 slices of 40 x 44, 1.5 x 0.8 x 0.7 mm"
    assert lines[1].startswith("2: CT 'other', 2 slices")
    assert main(["series", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["number"], one["slices"]) for one in told] == [(1, 20), (2, 2)]
    assert segment(folder, tmp_path / "l.dcm") == 2
    assert "--series" in capsys.readouterr().err
    assert segment(folder, tmp_path / "l.dcm", "--series", told[0]["uid"]) == 0
    (tmp_path / "empty").mkdir()
    assert main(["series", str(tmp_path / "empty")]) == 1


def test_clicks_become_dicom_seg_and_rtstruct_with_names(folder, tmp_path, capsys):
    words = ("--series", "1", "--name", "1=liver", "--propagate")
    assert segment(folder, tmp_path / "l.dcm", *words) == 0
    seg = highdicom.seg.segread(tmp_path / "l.dcm")
    assert seg.get_segment_description(1).segment_label == "liver"
    assert seg.get_segment_description(1).SegmentAlgorithmName == "random-walker"
    volume = read_volume(folder, series=1)
    mask = read_mask(tmp_path / "l.dcm", volume)
    truth = volume.data > 30
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
    assert str(seg.PatientName) == ""
    # the segmentation corrected, as contours, with the patient
    more = ("--init", str(tmp_path / "l.dcm"), "--keep-patient", "--series", "1")
    assert segment(folder, tmp_path / "rtstruct.dcm", *more) == 0
    made = dcmread(tmp_path / "rtstruct.dcm")
    assert made.Modality == "RTSTRUCT"
    assert made.PatientName != ""
    assert capsys.readouterr().err == ""


def test_only_dicom_becomes_dicom_and_it_is_said_before_the_work(tmp_path, capsys):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16)), str(tmp_path / "i.mha"))
    assert segment(tmp_path / "i.mha", tmp_path / "l.dcm") == 2
    assert "expected an image that was read from DICOM" in capsys.readouterr().err


def test_what_is_wrong_with_a_series_is_one_line(tmp_path, dicom, capsys):
    folder = dicom.Scan(n=8, shape=(40, 44), shear=(0, -0.3, 0)).write(tmp_path / "s")
    assert segment(folder, tmp_path / "l.dcm", "--click", "3,20,22", "--click", "3,2,2:-") == 2
    err = capsys.readouterr().err
    assert err.startswith("napari-intseg: note: CT 'phantom': planes are shifted")
    main(["segment", str(folder), "-o", str(tmp_path / "r.nii.gz"), "--model", "random-walker",
          "--click", "3,20,22", "--click", "3,2,2:-", "--resample"])  # fmt: skip
    spacing = read_volume(tmp_path / "r.nii.gz").spacing
    assert spacing == pytest.approx((2.5, 0.8, 0.7))


def test_the_window_of_the_file_is_what_the_model_sees(folder):
    class Args:
        window = None

    volume = read_volume(folder, series=1)
    assert window_of(Args, volume) == (-40, 120)
    Args.window = ["lung"]
    assert window_of(Args, volume) == "lung"


def test_a_name_that_is_not_understood_is_quoted(folder, capsys):
    assert segment(folder, "l.dcm", "--name", "liver") == 2
    assert "expected N=NAME" in capsys.readouterr().err


def test_every_command_that_reads_an_image_chooses_a_series(folder, tmp_path, capsys, monkeypatch):
    labels, table = tmp_path / "l.dcm", tmp_path / "l.csv"
    assert segment(folder, labels, "--series", "1") == 0
    journal = str(labels) + ".journal.jsonl"
    clicks = ("--click", "10,20,22", "--click", "10,3,3:-")
    models = ("--model", "random-walker", "--model", "region-growing")

    class Blank:
        family = find_family("mask2former")

        def find(self, image, *_args, **_kwargs):
            return [Finding(image[..., 0] > 0.5, "ball", 0.9)]

    monkeypatch.setattr(automatic, "load_automatic", lambda *_a, **_k: Blank())
    start = ("--automatic", "mask2former", "--weights", "w", "--planes", "10:11")
    commands = {
        "measure": ("measure", str(labels), "--image", str(folder), "-o", str(table)),
        "compare": ("compare", str(folder), *clicks, *models),
        "replay": ("replay", journal, str(folder), "-o", str(tmp_path / "again.dcm")),
        "start": ("start", str(folder), "-o", str(tmp_path / "s.nii.gz"), *start),
    }
    for words in commands.values():
        assert main([*words, "--quiet"]) == 2, words
        assert "--series" in capsys.readouterr().err
        assert main([*words, "--quiet", "--series", "1"]) == 0, words
    volume = read_volume(folder, series=1)
    kept, again = (read_mask(tmp_path / name, volume) for name in ("l.dcm", "again.dcm"))
    np.testing.assert_array_equal(again, kept)
    assert read_volume(tmp_path / "s.nii.gz").shape == volume.shape
    assert len(table.read_text().splitlines()) == 2


@pytest.mark.filterwarnings("default::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_measuring_interpolates_tilted_slices_where_asked(tmp_path, dicom):
    folder = dicom.Scan(n=8, shape=(40, 44), shear=(0, -0.3, 0)).write(tmp_path / "s")
    straight = read_volume(folder, resample=True)
    write_labels(tmp_path / "l.nii.gz", np.ones(straight.shape, np.uint8), straight)
    words = ["measure", str(tmp_path / "l.nii.gz"), "--image", str(folder), "--quiet"]
    assert main([*words, "-o", str(tmp_path / "a.csv")]) == 2
    assert main([*words, "-o", str(tmp_path / "b.csv"), "--resample"]) == 0
