"""Open scan…: several series are never mixed, one is chosen from a list, and nobody waits."""

import threading
import warnings

import numpy as np
import pydicom
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog, QProgressDialog, QPushButton

from napari_intseg.errors import FileError
from napari_intseg.io.dicom.series_reader import DicomWarning, list_series
from napari_intseg.io.hooks import get_reader, read_layers
from napari_intseg.ui.qt import open_scan as opening
from napari_intseg.ui.qt.open_scan import COLUMNS, SeriesDialog, choose_and_add, open_scan
from real_window import turn

pytestmark = pytest.mark.gui

THREAD = "napari-intseg opening"


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD]


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


@pytest.fixture
def slow(monkeypatch):
    """Listing that goes on, file after file, until the gate opens."""
    entered, gate, before = threading.Event(), threading.Event(), opening.list_series

    def listing(path, on_progress):
        entered.set()
        for done in range(100_000):
            on_progress(done % 100, 100)
            if gate.wait(0.002):
                break
        return before(path, on_progress)

    monkeypatch.setattr(opening, "list_series", listing)
    yield entered, gate
    gate.set()


def test_headless_several_series_are_listed_and_none_is_read(folder):
    assert get_reader(str(folder)) is read_layers
    with pytest.raises(FileError, match=r"got 2 .*Abdomen.*Lung.*Open scan…"):
        read_layers(str(folder))


def test_listing_tells_how_far_it_is_and_can_be_ended(folder):
    told = []
    list_series(folder, lambda done, total: told.append((done, total)))
    assert told == [(0, 0)] * 6 + [(i, 6) for i in range(6)]

    def end(done, _total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list_series(folder, end)


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
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    open_scan(viewer)
    turn(lambda: any(isinstance(w, SeriesDialog) for w in QApplication.topLevelWidgets()))
    (dialog,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, SeriesDialog))
    rows = [dialog.table.item(row, 1).text() for row in range(2)]
    dialog.table.selectRow(rows.index("Lung"))
    dialog.accept()
    turn(lambda: len(viewer.layers) == 1)
    (layer,) = viewer.layers
    assert layer.name == "Lung"
    assert layer.data.shape == (3, 512, 512)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.scale[0] == pytest.approx(4.0)
    assert threads() == []


def test_one_series_needs_no_question_and_none_is_told(
    make_napari_viewer, folder, tmp_path_factory, monkeypatch
):
    viewer = make_napari_viewer()
    declined = choose_and_add(viewer, folder)
    turn(lambda: declined.dialog is not None)
    declined.dialog.reject()
    turn(lambda: declined.is_closed)
    alone = list_series(folder)[0].files[0]
    done = []
    choose_and_add(viewer, alone, on_done=lambda: done.append(True))
    turn(lambda: bool(done))
    assert np.asarray(viewer.layers[0].data).shape == (1, 512, 512)
    told = []
    monkeypatch.setattr(opening, "show_error", told.append)
    choose_and_add(viewer, tmp_path_factory.mktemp("empty"))
    turn(lambda: len(told) == 1)
    choose_and_add(viewer, folder / "nothing")
    turn(lambda: len(told) == 2)
    assert "There is no DICOM image" in told[0]
    assert "file is missing" in told[1]
    assert len(viewer.layers) == 1
    assert threads() == []


def test_the_window_stays_alive_and_cancel_ends_it(make_napari_viewer, folder, slow, monkeypatch):
    viewer, told = make_napari_viewer(), []
    monkeypatch.setattr(opening, "show_error", told.append)
    entered, _ = slow
    under_way = choose_and_add(viewer, folder)
    assert entered.wait(240)
    turn(lambda: under_way.is_shown)  # events are handled while it lists
    (bar,) = viewer.window._qt_window.findChildren(QProgressDialog)
    assert "Looking for scans" in bar.labelText()
    turn(lambda: bar.value() > 0)
    bar.findChild(QPushButton).click()
    assert under_way.is_closed
    assert threads() == []
    assert not bar.isVisible()
    assert (len(viewer.layers), told) == (0, [])


def test_closing_the_window_in_the_middle_leaves_nothing(make_napari_viewer, folder, slow):
    viewer = make_napari_viewer(show=True)
    entered, _ = slow
    under_way = choose_and_add(viewer, folder)
    assert entered.wait(240)
    assert threads() == [THREAD]
    viewer.close()
    turn(lambda: under_way.is_closed)
    assert threads() == []
    QApplication.processEvents()
    assert len(viewer.layers) == 0


def test_what_goes_on_after_slow_listing_is_the_same(make_napari_viewer, folder, slow):
    viewer, done = make_napari_viewer(), []
    entered, gate = slow
    choose_and_add(viewer, list_series(folder)[0].files[0], on_done=lambda: done.append(True))
    assert entered.wait(240)
    gate.set()
    turn(lambda: bool(done))
    assert len(viewer.layers) == 1


def test_a_damaged_file_among_others_is_no_reason_to_stop(make_napari_viewer, folder):
    (folder / "zzz").write_bytes(b"\0" * 128 + b"DICM" + b"\1\2\3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DicomWarning)
        under_way = choose_and_add(make_napari_viewer(), folder)
        turn(lambda: under_way.dialog is not None)
    under_way.dialog.reject()
    turn(lambda: under_way.is_closed)
