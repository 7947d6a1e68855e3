"""Nobody's name is shown, logged or written, unless asked for."""

import logging

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from napari_intseg.cli.main import main
from napari_intseg.errors import FileError
from napari_intseg.io.dicom.series_reader import DicomWarning, list_series, read_series
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_labels

LABELS = np.pad(np.ones((1, 4, 4), np.uint8), ((2, 2), (4, 4), (5, 5)))


def private(dicom):
    return [dicom.PATIENT, dicom.PATIENT_ID, "Zyxwv", "Qwertz", "19481224", "Doctor"]


def check_silent(dicom, text):
    assert [word for word in private(dicom) if word in text] == []


@pytest.fixture
def folder(tmp_path, dicom):
    """A series whose name is also in places where nobody should look, with a gap to be told."""
    scan = dicom.Scan(heights=[0, 2.5, 5, 10, 12.5])
    slices = scan.slices()
    for data in slices:
        data.OtherPatientNames = dicom.PATIENT
        data.ImageComments = f"for {dicom.PATIENT}"
        data.add_new((0x0011, 0x0010), "LO", "MAKER")
        data.add_new((0x0011, 0x1001), "LO", dicom.PATIENT)
    return scan.write(tmp_path / "s", slices)


def test_the_name_is_in_the_files_that_are_read(folder, dicom):
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert all(word.encode() in content for word in private(dicom))


def test_lists_values_errors_and_logs_do_not_name_the_patient(folder, dicom, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    told = []
    for anonymous in (True, False):
        (series,) = list_series(folder)
        with pytest.warns(DicomWarning) as remarks:
            volume = read_series(series, anonymous=anonymous)
        told += [repr(series), str(series), repr(volume.source), repr(volume.source.dicom)]
        told += [str(volume.source), *(str(remark.message) for remark in remarks)]
    with pytest.raises(FileError) as caught:
        read_volume(folder, series="none")
    told.append(str(caught.value))
    one = next(folder.iterdir())
    for cut in (400, 900, 1200):
        (folder.parent / "cut.dcm").write_bytes(one.read_bytes()[:cut])
        with pytest.raises(FileError) as caught:
            read_volume(folder.parent / "cut.dcm")
        told.append(str(caught.value))
    main(["series", str(folder)])
    out, err = capsys.readouterr()
    assert "phantom" in out
    check_silent(dicom, " ".join([*told, out, err, caplog.text]))


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
@pytest.mark.parametrize(
    "name",
    [
        "l.nii",
        "l.nii.gz",
        "l.nrrd",
        "l.mha",
        "l.tif",
        "l.ome.tif",
        "l.npy",
        "l.dcm",
        "rtstruct.dcm",
    ],
)
def test_nothing_that_is_written_names_the_patient(folder, dicom, tmp_path, name):
    volume = read_volume(folder)
    write_labels(tmp_path / name, LABELS, volume)
    content = (tmp_path / name).read_bytes()
    if name.endswith(".gz"):
        content = str(nibabel.load(tmp_path / name).header).encode()
    check_silent(dicom, content.decode("latin-1"))


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
@pytest.mark.parametrize("name", ["l.dcm", "rtstruct.dcm"])
def test_who_is_imaged_is_written_into_dicom_if_asked_for(folder, dicom, tmp_path, name):
    volume = read_volume(folder, anonymous=False)
    write_labels(tmp_path / name, LABELS, volume)
    data = dcmread(tmp_path / name)
    assert (data.PatientName, data.PatientID) == (dicom.PATIENT, dicom.PATIENT_ID)
    assert (data.PatientBirthDate, data.PatientSex) == ("19481224", "F")
    assert b"Doctor" not in (tmp_path / name).read_bytes()
    write_labels(tmp_path / "l.nii", LABELS, volume)
    check_silent(dicom, (tmp_path / "l.nii").read_bytes().decode("latin-1"))


@pytest.mark.filterwarnings("ignore::napari_intseg.io.dicom.series_reader.DicomWarning")
def test_a_name_in_another_alphabet_is_kept_if_asked_for(tmp_path, dicom):
    scan = dicom.Scan(tags={"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Люкceмбypг"})
    slices = scan.slices()
    for data in slices:
        data.PatientName = "Иванов^Иван"
    volume = read_volume(scan.write(tmp_path / "s", slices), anonymous=False)
    write_labels(tmp_path / "l.dcm", LABELS, volume)
    assert str(dcmread(tmp_path / "l.dcm").PatientName) == "Иванов^Иван"


def test_words_of_a_header_do_not_steer_a_terminal(tmp_path, dicom, capsys):
    slices = dicom.Scan(heights=[0, 2.5, 7.5], tags={"SeriesDescription": "a\x1b[2Jb"}).slices()
    folder = dicom.Scan().write(tmp_path / "s", slices)
    (folder / "x\x1b[31m.dcm").write_bytes(b"half of a slice")
    assert main(["series", str(folder)]) == 0
    clicked = ["segment", str(folder), "--click", "1,5,5", "--model", "region-growing"]
    assert main([*clicked, "--quiet", "-o", str(tmp_path / "o.nii.gz")]) == 0
    assert main([*clicked, "--series", "a\x1b[2J", "-o", str(tmp_path / "p.nii.gz")]) == 2
    out, err = capsys.readouterr()
    assert "a [2Jb" in out
    assert "1 slice is missing" in err
    assert r"x\x1b[31m.dcm" in err
    assert "\x1b" not in out + err
