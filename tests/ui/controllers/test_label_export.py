"""Export and Measure: what the window writes, and what it asks first."""

import csv
import json
import threading
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.layers import Layer
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_intseg.core.volume import Volume
from napari_intseg.io.hooks import read_layers
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array
from napari_intseg.ui.controllers.label_export import (
    export_labels,
    export_measurements,
    holding_endings,
    own_source,
)
from napari_intseg.ui.controllers.object_actions import NAMES
from napari_intseg.ui.panels.disk_panel import ExportPanel
from napari_intseg.ui.storage import disk_folders
from napari_intseg.ui.storage.disk_folders import default_folder


def open_image(controller, path):
    ((data, meta, kind),) = read_layers(str(path))
    layer = Layer.create(data, meta, kind)
    controller.viewer.add_layer(layer)
    controller.choose_image(layer)
    return layer


def draw(controller, where):
    """Draw an object by hand, as with napari's brush."""
    controller.new_object()
    controller.image_controller.labels.data[where] = 1


@pytest.fixture
def scan(tmp_path):
    """A sagittal scan: its planes run along x."""
    affine = np.eye(4)
    affine[:3, :3] = [[2.0, 0, 0], [0, 0, 0.5], [0, -0.5, 0]]
    affine[:3, 3] = (5, 6, 7)
    data = np.arange(6 * 20 * 24, dtype=np.int16).reshape(6, 20, 24)
    write_array(tmp_path / "scan.nii.gz", data, Volume(data, affine=affine))
    return tmp_path / "scan.nii.gz"


def test_labels_go_back_onto_the_grid_of_the_file(controller, said, pump, scan, tmp_path):
    layer = open_image(controller, scan)
    assert own_source(controller).path == scan
    draw(controller, (3, 4, 5))
    export_labels(controller, tmp_path / "l.nii.gz")
    pump.until(lambda: controller.worker.is_idle and "Wrote l.nii.gz." in said.messages)
    image, labels = (nibabel.load(tmp_path / name) for name in ("scan.nii.gz", "l.nii.gz"))
    assert labels.shape == image.shape
    np.testing.assert_array_equal(labels.affine, image.affine)
    (index,) = np.argwhere(np.asarray(labels.dataobj) == 1)
    world = (labels.affine @ [*index, 1])[:3] * (-1, -1, 1)
    np.testing.assert_allclose(world[::-1], layer.data_to_world((3, 4, 5)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("l.nrrd", ""),
        ("l.tif", " TIFF holds the spacing, but not the place and direction of the image."),
        ("l.npy", " Such a file holds neither the spacing nor the place of the image."),
    ],
)
def test_what_a_format_leaves_out_is_told(controller, said, pump, scan, tmp_path, name, left_out):
    open_image(controller, scan)
    draw(controller, (3, 4, 5))
    export_labels(controller, tmp_path / name)
    pump.until(lambda: controller.worker.is_idle and f"Wrote {name}.{left_out}" in said.messages)


def test_nothing_is_left_out_of_an_image_without_a_place(controller, said, pump, tmp_path):
    controller.choose_image(controller.viewer.add_image(np.zeros((6, 20, 24)), scale=(2, 1, 1)))
    draw(controller, (3, 4, 5))
    export_labels(controller, tmp_path / "l.tif")
    pump.until(lambda: controller.worker.is_idle and "Wrote l.tif." in said.messages)


def test_a_table_has_the_values_of_the_image(controller, said, pump, scan, tmp_path):
    layer = open_image(controller, scan)
    draw(controller, (slice(2, 4), 4, slice(1, 3)))
    export_measurements(controller, tmp_path / "m.csv")
    pump.until(lambda: controller.worker.is_idle and "Measured 1 object: m.csv." in said.messages)
    with (tmp_path / "m.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["volume_ml"]) == pytest.approx(4 * 2 * 0.5 * 0.5 * 1e-3)
    expected = np.asarray(layer.data)[2:4, 4, 1:3].mean()
    assert float(row["mean_intensity"]) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["l.nii.gz", "l.csv"])
def test_cancel_stops_what_is_written_and_leaves_the_old_file(
    controller, said, pump, scan, tmp_path, name
):
    open_image(controller, scan)
    draw(controller, (3, 4, 5))
    (tmp_path / name).write_bytes(b"old")
    export = export_measurements if name.endswith(".csv") else export_labels
    held = threading.Event()
    controller.worker.submit(lambda _: held.wait(240), lambda _: None)
    export(controller, tmp_path / name)
    assert controller.writing
    controller.cancel()
    held.set()
    pump.until(lambda: f"Writing {name} was cancelled; nothing has changed." in said.messages)
    assert (tmp_path / name).read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {"scan.nii.gz", name}
    assert not said.failures
    assert not controller.writing
    export(controller, tmp_path / name)
    pump.until(lambda: not controller.writing)
    assert (tmp_path / name).read_bytes() != b"old"


def test_the_time_point_in_the_window_is_written(controller, said, pump, tmp_path):
    layer = controller.viewer.add_image(np.zeros((3, 30, 40)), axis_labels=("t", "y", "x"))
    controller.choose_image(layer)
    draw(controller, (1, 5, 6))
    controller.viewer.dims.set_point(0, 1)
    export_labels(controller, tmp_path / "l.npy")
    pump.until(lambda: "Wrote l.npy, time point 1 of 3." in said.messages)
    assert np.argwhere(np.load(tmp_path / "l.npy")).tolist() == [[5, 6]]
    export_measurements(controller, tmp_path / "m.csv")
    pump.until(lambda: "Measured 1 object: m.csv, time point 1 of 3." in said.messages)


def test_a_named_object_without_pixels_is_told(controller, said, pump, scan, tmp_path):
    open_image(controller, scan)
    draw(controller, (1, 5, 5))
    names = {1: {"name": "liver"}, 2: {"name": "kidney"}, 3: {"class": "cyst"}}
    controller.image_controller.labels.metadata[NAMES] = names
    export_labels(controller, tmp_path / "l.nii.gz")
    pump.until(lambda: any("Wrote" in one for one in said.messages))
    assert "Without pixels, and so not in the file: 'kidney', 'cyst'." in said.messages[-1]


def test_what_cannot_be_written_is_told(controller, said, pump, tmp_path):
    export_labels(controller, tmp_path / "l.npy")
    export_measurements(controller, tmp_path / "m.csv")
    assert said.failures == ["There are no labels yet. Begin an object and click on it first."] * 2
    controller.choose_image(controller.viewer.add_image(np.zeros((8, 30, 40))))
    draw(controller, (1, 5, 6))
    export_labels(controller, tmp_path / "l.json")
    pump.until(lambda: len(said.failures) == 3)
    assert said.failures[-1].startswith("COCO cannot hold these labels")


@pytest.mark.gui
def test_buttons_ask_for_a_file_and_before_one_is_replaced(
    qapp, controller, said, pump, scan, tmp_path, monkeypatch
):
    assert isinstance(qapp, QApplication)
    panel = ExportPanel(controller)
    assert not panel.export.isEnabled()
    open_image(controller, scan)
    draw(controller, (3, 4, 5))
    assert panel.export.isEnabled()
    asked = []

    def name(_parent, _title, start, filters, **_):
        asked.append((start, filters))
        return str(tmp_path / "mine"), filters.split(";;")[0]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", name)
    panel.export.click()
    pump.until(lambda: "Wrote mine.nii.gz." in said.messages)
    assert asked[0][0] == str(tmp_path / "scan_labels.nii.gz")
    assert "DICOM" not in asked[0][1]
    assert not any(flat in asked[0][1] for flat in ("COCO", "PNG")), "they hold no volume"
    assert "OME-Zarr" not in asked[0][1], "it holds no turned axes"
    assert "OME-TIFF" in asked[0][1]
    panel.measure.click()
    pump.until(lambda: "Measured 1 object: mine.csv." in said.messages)
    before = (tmp_path / "mine.csv").read_bytes()
    (tmp_path / "mine.csv").write_bytes(b"keep")
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    panel.measure.click()
    assert (tmp_path / "mine.csv").read_bytes() == b"keep"
    said.messages.clear()
    panel.measure.click()
    pump.until(lambda: "Measured 1 object: mine.csv." in said.messages)
    assert (tmp_path / "mine.csv").read_bytes() == before
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    said.messages.clear()
    panel.export.click()
    assert not said.messages
    panel.deleteLater()


def test_formats_are_offered_by_whether_they_hold_how_the_axes_lie(controller):
    endings = [".nii.gz", ".zarr", ".ome.tif", ".h5", ".npy"]
    assert holding_endings(controller, endings) == endings, "without labels nothing is known"
    layer = controller.viewer.add_image(np.zeros((2, 6, 20, 24)), axis_labels=("t", "z", "y", "x"))
    controller.choose_image(layer)
    draw(controller, (1, 3, 4, 5))
    assert holding_endings(controller, endings) == endings
    layer = controller.viewer.add_image(np.zeros((6, 20, 24)), scale=(2, -1, 1))
    controller.choose_image(layer)
    draw(controller, (3, 4, 5))
    assert holding_endings(controller, endings) == [".nii.gz", ".ome.tif", ".h5", ".npy"]
    layer = controller.viewer.add_image(np.zeros((6, 20, 24)), shear=(0.3, 0, 0))
    controller.choose_image(layer)
    draw(controller, (3, 4, 5))
    assert holding_endings(controller, endings) == [".nii.gz", ".h5", ".npy"]


@pytest.mark.gui
def test_another_format_of_the_list_is_what_is_written_also_of_a_map(
    qapp, controller, said, pump, tmp_path, monkeypatch
):
    assert isinstance(qapp, QApplication)
    # ModelPixelScale and ModelTiepoint place an image on a map
    tags = [(33550, 12, 3, (2.0, 2.0, 0.0), True), (33922, 12, 6, (0, 0, 0, 5, 9, 0), True)]
    tifffile.imwrite(tmp_path / "plain.tif", np.eye(20, 24, dtype=np.uint8))
    tifffile.imwrite(tmp_path / "field.tif", np.eye(20, 24, dtype=np.uint8), extratags=tags)
    panel, asked = ExportPanel(controller), []

    def name(_parent, _title, start, filters, **_):
        asked.append(filters.split(";;"))
        return start, asked[-1][-1]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", name)
    open_image(controller, tmp_path / "plain.tif")
    draw(controller, (4, 5))
    panel.export.click()
    pump.until(lambda: any("Wrote plain_labels.npy." in one for one in said.messages))
    open_image(controller, tmp_path / "field.tif")
    draw(controller, (4, 5))
    panel.export.click()
    pump.until(lambda: "Wrote field_labels.map.geojson." in said.messages)
    content = json.loads((tmp_path / "field_labels.map.geojson").read_text())
    corner = np.min(content["features"][0]["geometry"]["coordinates"][0], axis=0)
    assert corner.tolist() == [5 + 2 * 5, 9 - 2 * 5]
    assert [len(one) for one in asked] == [11, 12]
    panel.deleteLater()


@pytest.mark.gui
def test_files_are_proposed_where_they_can_be_kept(qapp, controller, scan, tmp_path, monkeypatch):
    assert isinstance(qapp, QApplication)
    panel, asked = ExportPanel(controller), []

    def name(_parent, _title, start, *_, **__):
        asked.append(Path(start))
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", name)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    (sample,) = controller.viewer.open_sample("napari-intseg", "ct")
    controller.choose_image(sample)
    draw(controller, (3, 4, 5))
    panel.export.click()
    # a sample lies in the package, whose files go with its next version
    assert asked.pop() == tmp_path / "home" / "CT_labels.nii.gz"
    layer = open_image(controller, scan)
    layer.name = "left/right: 1"
    draw(controller, (3, 4, 5))
    panel.export.click()
    assert asked.pop() == tmp_path / "left_right_ 1_labels.nii.gz"
    assert default_folder(layer) == tmp_path
    monkeypatch.setattr(disk_folders.os, "access", lambda *_: False)
    panel.export.click()
    assert asked.pop().parent == tmp_path / "home"
    assert default_folder(layer) == default_folder(sample) != tmp_path
    panel.deleteLater()


def test_a_layer_that_was_moved_is_written_where_it_is_now(controller, said, pump, scan, tmp_path):
    layer = open_image(controller, scan)
    layer.scale = 2 * np.asarray(layer.scale)
    draw(controller, (3, 4, 5))
    export_labels(controller, tmp_path / "l.mha")
    pump.until(lambda: "Wrote l.mha." in said.messages)
    image = sitk.ReadImage(str(tmp_path / "l.mha"))
    np.testing.assert_allclose(image.GetSpacing(), (4.0, 1.0, 1.0))
    assert read_volume(scan).spacing != read_volume(Path(tmp_path / "l.mha")).spacing


def test_a_pyramid_is_measured_at_its_finest_level(controller, said, pump, tmp_path, rng):
    fine = rng.integers(0, 900, (64, 80)).astype(np.uint16)
    layer = controller.viewer.add_image([fine, fine[::2, ::2]], multiscale=True)
    controller.choose_image(layer)
    draw(controller, (slice(5, 9), slice(6, 12)))
    export_measurements(controller, tmp_path / "m.csv")
    pump.until(lambda: "Measured 1 object: m.csv." in said.messages)
    with (tmp_path / "m.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["mean_intensity"]) == pytest.approx(fine[5:9, 6:12].mean())


def test_remarks_on_a_file_are_told_and_objects_have_their_names(
    controller, said, pump, scan, tmp_path, monkeypatch
):
    from napari_intseg.ui.controllers import label_export
    from napari_intseg.ui.controllers.object_actions import call

    given = {}

    def write(_path, _labels, _like, **options):
        given.update(options)
        warnings.warn_explicit("no study UID", UserWarning, label_export.__file__, 1)
        warnings.warn_explicit("of somebody else", UserWarning, "elsewhere.py", 1)

    monkeypatch.setattr(label_export, "write_labels", write)
    open_image(controller, scan)
    draw(controller, (3, 4, 5))
    call(controller.image_controller, 1, "name", "spleen")
    call(controller.image_controller, 1, "class", "organ")
    call(controller.image_controller, 2, "class", "lesion")
    label_export.export_labels(controller, tmp_path / "labels.nii.gz")
    pump.until(lambda: "Wrote" in said.messages[-1])
    left_out = "Without pixels, and so not in the file: 'lesion'."
    assert said.messages[-1] == f"Wrote labels.nii.gz. {left_out} No study UID."
    assert given["names"] == {1: "spleen", 2: "lesion"}
    assert {label: one.class_name for label, one in given["names"].items()} == {
        1: "organ", 2: "lesion",
    }  # fmt: skip
