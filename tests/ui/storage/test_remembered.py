"""Choices that outlive the window."""

import json
import logging
from pathlib import Path

import pytest

from napari_intseg.ui.storage import recovery as module
from napari_intseg.ui.storage.recovery import remember, remembered, settings_file


@pytest.fixture
def path(tmp_path, monkeypatch):
    found = tmp_path / "made" / "settings.json"
    monkeypatch.setenv("NAPARI_INTSEG_SETTINGS", str(found))
    return found


def test_choices_come_back_and_others_stay(path):
    assert remembered() == {}
    remember(keep=True, folder=None)
    remember(keep=False)
    assert remembered() == {"keep": False, "folder": None}
    assert json.loads(path.read_text()) == remembered()


def test_without_the_variable_it_is_the_users_own_folder(monkeypatch):
    monkeypatch.delenv("NAPARI_INTSEG_SETTINGS", raising=False)
    assert settings_file().parts[-2:] == ("napari-intseg", "settings.json")


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe\x00", b""])
def test_a_damaged_file_counts_as_none_and_is_replaced(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    assert remembered() == {}
    remember(keep=True)
    assert remembered() == {"keep": True}


def test_a_crash_in_the_middle_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    remember(keep=True)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        remember(keep=False)
    monkeypatch.undo()
    assert json.loads(path.read_text()) == {"keep": True}
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_logged_and_stops_nobody(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NAPARI_INTSEG_SETTINGS", str(blocked / "settings.json"))
    with caplog.at_level(logging.WARNING):
        remember(keep=True)
    assert "settings cannot be kept" in caplog.text
    assert remembered() == {}


@pytest.mark.gui
def test_the_tick_and_the_folder_are_there_in_the_next_window(
    make_napari_viewer, tmp_path, monkeypatch
):
    from napari_intseg.ui.dock import SegmentWidget
    from napari_intseg.ui.panels import disk_panel

    folder = tmp_path / "elsewhere"
    monkeypatch.setattr(disk_panel.QFileDialog, "getExistingDirectory", lambda *_: str(folder))

    def opened():
        return SegmentWidget(make_napari_viewer())

    widget = opened()
    assert not widget.embeddings_panel.keep.isChecked()
    assert widget.controller.embedding_folder.files is None
    widget.embeddings_panel.keep.setChecked(True)
    widget.embeddings_panel.choose.click()
    widget.close()

    widget = opened()
    assert widget.embeddings_panel.keep.isChecked()
    assert widget.controller.embedding_folder.files.folder == Path(folder)
    widget.embeddings_panel.keep.setChecked(False)
    widget.close()

    widget = opened()
    assert not widget.embeddings_panel.keep.isChecked()
    assert widget.controller.embedding_folder.files is None
    assert widget.embeddings_panel.folder == folder, "for when it is ticked again"
    widget.close()
