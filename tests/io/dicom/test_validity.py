"""What dicom3tools finds in our DICOM, against the standard."""

import shutil
import subprocess

import numpy as np
import pytest
from pydicom import dcmread

from napari_intseg.io.dicom.series_reader import list_series, read_series
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels

pytestmark = [
    pytest.mark.skipif(
        shutil.which("dciodvfy") is None, reason="dciodvfy, of dicom3tools, is not installed"
    ),
    pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning"),
]
NAMES = ["l.dcm", "l_rtstruct.dcm"]


def errors_of(path):
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in told.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("name", NAMES)
def test_dciodvfy_finds_no_error(tmp_path, scanned, drawn, name):
    path = tmp_path / name
    write_labels(path, drawn, scanned.volume, names={3: "liver"})
    assert errors_of(path) == []
    broken = dcmread(path)
    del broken.SOPInstanceUID
    broken.save_as(tmp_path / "broken")
    assert errors_of(tmp_path / "broken") != []


@pytest.mark.parametrize("name", NAMES)
def test_nor_for_labels_of_a_multi_frame_image(tmp_path, dicom, drawn, name):
    volume = read_volume(dicom.enhanced(tmp_path / "e.dcm", n=5))
    write_labels(tmp_path / name, drawn[:, :9, :11], volume, names={3: "liver"})
    assert errors_of(tmp_path / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_nor_for_those_that_name_the_patient(tmp_path, dicom, drawn, name):
    (series,) = list_series(dicom.Scan().write(tmp_path / "s"))
    write_labels(tmp_path / name, drawn, read_series(series, anonymous=False))
    assert errors_of(tmp_path / name) == []


def test_nor_for_labels_of_a_resampled_image(tmp_path, dicom):
    (series,) = list_series(dicom.Scan(shear=(0.0, -0.3, 0.0)).write(tmp_path / "s"))
    volume = read_series(series, resample=True)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:3, 2:6, 3:7] = 1
    write_labels(tmp_path / "l.dcm", labels, volume)
    assert errors_of(tmp_path / "l.dcm") == []


@pytest.mark.parametrize("name", NAMES)
def test_names_that_dicom_cannot_hold_are_changed_to_ones_that_it_can(tmp_path, dicom, drawn, name):
    (series,) = list_series(dicom.Scan().write(tmp_path / "s"))
    names = {3: "Leber größer 肝臓 \\ links\n" + "x" * 80, 8: " \t\udc80 \\"}
    write_labels(tmp_path / name, drawn, read_series(series), names=names)
    assert errors_of(tmp_path / name) == []
    data = dcmread(tmp_path / name)
    found = [one.SegmentLabel for one in data.get("SegmentSequence", ())]
    found += [one.ROIName for one in data.get("StructureSetROISequence", ())]
    whole = "Leber größer 肝臓 / links " + "x" * 80
    assert found[0] == whole.encode()[:64].decode()
    assert found[1] == "? /"
