"""Labels saved from a real window, by napari's own Save too, are made again from their journal."""

import json

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_intseg.cli.main import main
from napari_intseg.core.volume import Volume
from napari_intseg.io.output_files import METADATA
from napari_intseg.io.read import read_mask, read_volume
from napari_intseg.io.write import write_array
from napari_intseg.session.journal.recorder import read_journal_of
from napari_intseg.ui.controllers.label_export import export_labels
from napari_intseg.ui.controllers.model_loader import Choice
from real_window import PLUGIN, Window, turn

pytestmark = pytest.mark.gui


class Walked(Window):
    """A viewer with the widget docked, and a model that needs no weights."""

    def __init__(self, viewer):
        super().__init__(viewer)
        self.controller.loader.choose(Choice("random-walker"))
        turn(lambda: self.controller.loader.model.traits.name == "random-walker")

    def open(self, path):
        layers = self.viewer.open(str(path), plugin=PLUGIN)
        self.controller.choose_image(layers[0])
        self.controller.new_object()
        self.settle()

    def add(self, *positions, sign="positive"):
        points = self.controller.image_controller.points
        for position in positions:
            label = self.controller.image_controller.session_store.object
            points.feature_defaults = {"sign": sign, "object": label, "order": 0, "axis": 0}
            points.add(position)
            self.settle()

    @property
    def layer(self):
        return self.controller.image_controller.labels


@pytest.fixture
def window(make_napari_viewer):
    made = Walked(make_napari_viewer(show=True))
    yield made
    made.close()


@pytest.fixture
def sagittal(tmp_path):
    """A volume whose planes run along x, so that napari shows its axes in another order."""
    affine = np.eye(4)
    affine[:3, :3] = [[2.0, 0, 0], [0, 0, 0.5], [0, -0.5, 0]]
    data = np.full((9, 24, 30), 100, np.int16)
    data[2:7, 6:18, 8:20] = 900
    data += np.random.default_rng(0).integers(0, 50, data.shape).astype(np.int16)
    write_array(tmp_path / "scan.nii.gz", data, Volume(data, affine=affine))
    return tmp_path / "scan.nii.gz"


def work(window):
    """Do a bit of everything in a volume."""
    middle = [n // 2 for n in window.controller.image_controller.image_axes.shape]
    window.add(middle)
    window.add([middle[0], 1, 1], sign="negative")
    window.controller.propagate()
    window.settle()
    window.controller.new_object()
    window.add([2, 3, 3])
    window.controller.undo()
    window.controller.redo()
    window.layer.selected_label = 2
    with window.layer.block_history():
        window.layer.paint((3, 2, 2), 2)
    window.settle()


def test_what_is_saved_from_the_window_is_made_again(window, sagittal, capsys):
    window.open(sagittal)
    lines = window.layer.metadata[METADATA]
    assert (
        lines is window.controller.image_controller.session_store.journal.lines
    )  # nothing is copied for each action
    count = len(lines)
    work(window)
    assert len(lines) > count
    assert json.loads(json.dumps(lines)) == lines
    assert lines[0]["image"]["sha256"]
    assert str(sagittal.parent) not in json.dumps(lines)
    folder = sagittal.parent
    paths = [folder / "a.nii.gz", folder / "b.mha", folder / "c.nrrd"]
    window.viewer.layers.selection = {window.layer}
    for path in paths[:2]:
        assert window.viewer.layers.save(str(path), selected=True, plugin=PLUGIN) == [str(path)]
    export_labels(window.controller, paths[2])
    window.settle()
    assert (folder / "a.nii.gz.journal.jsonl").is_file()
    scan = read_volume(sagittal)
    labels = [read_mask(path, scan) for path in paths]
    assert set(np.unique(labels[0])) == {0, 1, 2}
    for path, written in zip(paths, labels, strict=True):
        np.testing.assert_array_equal(written, labels[0])
        assert main(["replay", str(path), str(sagittal), "--quiet"]) == 0, capsys.readouterr().err
    again = folder / "again.nrrd"
    assert main(["replay", str(paths[0]), "-o", str(again), "--quiet"]) == 0  # finds the scan
    np.testing.assert_array_equal(read_volume(again).data, labels[0])
    np.testing.assert_array_equal(read_journal_of(paths[2]).lines[:-1], lines)


def test_one_object_goes_back_alone_by_button_and_key(window):
    data = np.full((40, 50), 30, np.uint8)
    data[5:15, 5:20], data[22:36, 25:45] = 200, 120
    window.controller.choose_image(window.viewer.add_image(data))
    panel = window.widget.action_panel
    undo, redo = panel.undo_object, panel.redo_object
    assert not undo.isEnabled()
    assert not redo.isEnabled()
    window.controller.new_object()
    window.settle()
    assert not undo.isEnabled()  # that it was begun is not taken back
    window.add((10, 10))
    window.add((2, 2), sign="negative")
    one = window.layer.data.copy()
    window.controller.new_object()
    window.add((30, 30))
    whole = window.layer.data.copy()
    window.controller.select_object(1)
    assert undo.isEnabled()
    assert not redo.isEnabled()
    assert "current object alone" in undo.toolTip()
    assert "Shift+Z" in undo.text()
    asked = len(read_calls(window))
    undo.click()
    undo.click()
    window.settle()
    assert set(np.unique(window.layer.data)) == {0, 2}
    np.testing.assert_array_equal(window.layer.data == 2, whole == 2)
    assert list(window.controller.image_controller.points.features["object"]) == [2]
    assert not undo.isEnabled()
    canvas = window.viewer.window._qt_viewer.canvas.native
    for _ in range(2):
        QTest.keyClick(canvas, Qt.Key.Key_Y, Qt.KeyboardModifier.ShiftModifier)
        window.settle()
    np.testing.assert_array_equal(window.layer.data, whole)
    np.testing.assert_array_equal(window.layer.data == 1, one == 1)
    assert not redo.isEnabled()
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ShiftModifier)
    window.settle()
    assert redo.isEnabled()
    assert len(window.controller.image_controller.points.data) == 2
    assert len(read_calls(window)) == asked  # the model was not run
    window.controller.undo()  # it was an action of its own
    window.settle()
    np.testing.assert_array_equal(window.layer.data, whole)


def read_calls(window):
    """Answers that came from the model."""
    return [line for line in window.layer.metadata[METADATA] if line.get("do") == "answer"]
