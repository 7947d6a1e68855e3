"""Open scan…: several series are never mixed, one is chosen from a list."""

import time

import numpy as np
import pydicom
import pytest
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog

from napari_intseg.errors import FileError
from napari_intseg.io.dicom import list_series
from napari_intseg.io.hooks import get_reader, read_layers
from napari_intseg.ui import series_chooser
from napari_intseg.ui.series_chooser import COLUMNS, SeriesDialog, choose_and_add, open_scan

pytestmark = pytest.mark.gui


def turn(condition, timeout_s=30.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        QApplication.processEvents()
        time.sleep(0.005)


@pytest.fixture
def folder(shared, tmp_path):
    """Two series in one folder: every other slice of a CT, and the rest under another uid."""
    for number, path in enumerate(sorted((shared / "data/samples/ct_dicom_series").iterdir())[:6]):
        dataset = pydicom.dcmread(path)
        dataset.SeriesDescription = "Abdomen"
        if number % 2:
            dataset.SeriesInstanceUID, dataset.SeriesDescription = "1.2.3.4", "Lung"
        dataset.save_as(tmp_path / path.name)
    return tmp_path


def test_headless_several_series_are_listed_and_none_is_read(folder):
    assert get_reader(str(folder)) is read_layers
    with pytest.raises(FileError, match=r"got 2 .*Abdomen.*Lung.*Open scan…"):
        read_layers(str(folder))


def test_the_dialog_lists_them(qtbot, folder):
    dialog = SeriesDialog(list_series(folder))
    qtbot.addWidget(dialog)
    rows = [
        {name: dialog.table.item(row, i).text() for i, name in enumerate(COLUMNS)}
        for row in range(dialog.table.rowCount())
    ]
    assert sorted(row["Description"] for row in rows) == ["Abdomen", "Lung"]
    assert {row["Modality"] for row in rows} == {"CT"}
    assert {row["Slices"] for row in rows} == {"3"}
    assert rows[0]["Spacing (mm)"].startswith("4 × 0.9766")
    assert rows[0]["Size"] == "512 × 512"
    assert dialog.chosen.number == 1
    dialog.table.selectRow(1)
    assert dialog.chosen.number == 2
    assert not dialog.resample.isEnabled()


def test_the_chosen_one_becomes_a_layer(make_napari_viewer, folder, monkeypatch):
    viewer = make_napari_viewer()

    def choose(self):
        self.table.selectRow([s.description for s in list_series(folder)].index("Lung"))
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(SeriesDialog, "exec", choose)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    open_scan(viewer)
    turn(lambda: len(viewer.layers) == 1)
    (layer,) = viewer.layers
    assert layer.name == "Lung"
    assert layer.data.shape == (3, 512, 512)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.scale[0] == pytest.approx(4.0)


def test_one_series_needs_no_question_and_none_is_told(
    make_napari_viewer, folder, tmp_path_factory, monkeypatch
):
    viewer = make_napari_viewer()
    monkeypatch.setattr(SeriesDialog, "exec", lambda _: QDialog.DialogCode.Rejected)
    assert choose_and_add(viewer, folder) is None
    alone = list_series(folder)[0].files[0]
    done = []
    choose_and_add(viewer, alone, on_done=lambda: done.append(True))
    turn(lambda: bool(done))
    assert np.asarray(viewer.layers[0].data).shape == (1, 512, 512)
    told = []
    monkeypatch.setattr(series_chooser, "show_error", told.append)
    choose_and_add(viewer, tmp_path_factory.mktemp("empty"))
    choose_and_add(viewer, folder / "nothing")
    assert "There is no DICOM image" in told[0]
    assert told[1].startswith("file is missing")
