"""Both guides walked by mouse and keys in a real window, from a file to a result opened again."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from made_series import discs, series
from napari_intseg.io.read import read_volume
from napari_intseg.io.write import write_array
from napari_intseg.ui.controllers.model_loader import Choice
from real_window import LEFT, Window, breathe, turn

pytestmark = pytest.mark.gui

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def opened(make_napari_viewer):
    """Open a file as a person does, then the panel; a model that needs no weights answers."""
    made = []

    def open_file(path):
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1366, 768)
        viewer.open(str(path), plugin="napari-intseg")
        window = Window(viewer)
        loader = window.controller.loader
        loader.choose(Choice("region-growing"))
        turn(lambda: loader.model is not None and loader.model.traits.name == "region-growing")
        window.settle()
        breathe(0.3)
        made.append(window)
        return window

    yield open_file
    for window in made:
        window.close()


@pytest.fixture
def save_as(monkeypatch, tmp_path):
    """Answer the Save dialog with a name."""

    def answer(name):
        chosen = tmp_path / name, ""
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: map(str, chosen))
        return tmp_path / name

    return answer


def world(window, voxel):
    """Return where the two displayed coordinates of a voxel are in the world."""
    image = window.controller.image
    return np.asarray(image.data_to_world(voxel), float)[list(window.viewer.dims.displayed)]


def show_plane(window, index):
    """Turn the slider to a plane of the data."""
    at = window.controller.image.data_to_world((index, 0, 0))[0]
    window.viewer.dims.set_point(0, at)
    breathe()


def test_the_microscopy_guide(opened, save_as, tmp_path):
    z, rows, cols = np.indices((9, 64, 80))
    nuclei = [(z - 4) ** 2 / 9 + (rows - r) ** 2 / 90 + (cols - c) ** 2 / 90 < 1
              for r, c in ((20, 20), (40, 55))]  # fmt: skip
    bright = np.where(nuclei[0] | nuclei[1], 3000, 200)
    rng = np.random.default_rng(0)
    stack = rng.poisson(np.stack([bright, bright // 4], axis=1)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "nuclei.tif", stack, imagej=True, resolution=(4, 4),
        metadata={"axes": "ZCYX", "spacing": 1.0, "unit": "micron", "mode": "composite"},
    )  # fmt: skip
    volume = read_volume(tmp_path / "nuclei.tif")
    write_array(tmp_path / "nuclei.zarr", volume.data, volume)

    window = opened(tmp_path / "nuclei.zarr")
    show_plane(window, 4)
    for number, at in enumerate(((4, 20, 20), (4, 40, 55))):
        if number:
            window.press(Qt.Key.Key_N)
        window.click(world(window, at))
        window.settle()
    window.press(Qt.Key.Key_M, SHIFT)  # propagate all
    window.settle()
    window.press(Qt.Key.Key_K)
    for label, truth in enumerate(nuclei, 1):
        found = window.labels == label
        assert 2 * (found & truth).sum() > 0.8 * (found.sum() + truth.sum())

    path = save_as("labels.ome.tif")
    window.widget.tabs.setCurrentIndex(3)
    window.widget.export_panel.export.click()
    turn(path.exists)
    window.settle()
    table = save_as("nuclei.csv")
    window.widget.export_panel.measure.click()
    turn(table.exists)
    window.settle()
    assert len(list(csv.DictReader(table.open(encoding="utf-8")))) == 2
    (again,) = window.viewer.open(str(path), plugin="napari-intseg", layer_type="labels")
    np.testing.assert_array_equal(np.asarray(again.data), window.labels)
    np.testing.assert_allclose(
        again.data_to_world((3, 7, 9)), window.controller.image.data_to_world((3, 7, 9)), rtol=1e-4
    )


def test_the_ct_guide(opened, save_as, tmp_path):
    z, rows, cols = np.indices((14, 60, 70))
    organ = ((z - 7) / 5) ** 2 + ((rows - 30) / 14) ** 2 + ((cols - 34) / 16) ** 2 < 1
    rng = np.random.default_rng(0)
    hounsfield = np.where(organ, 140, -60) + rng.normal(0, 12, organ.shape)
    image = sitk.GetImageFromArray(hounsfield.astype(np.int16))
    image.SetSpacing((0.8, 0.8, 5.0))
    image.SetOrigin((-120.0, 35.5, 700.25))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, tmp_path / "scan.nii.gz")

    window = opened(tmp_path / "scan.nii.gz")
    show_plane(window, 7)
    window.click(world(window, (7, 30, 34)))
    window.settle()
    window.press(Qt.Key.Key_G)
    window.settle()
    assert "propagated to" in window.widget.status_panel.message
    window.press(Qt.Key.Key_Q)  # the least sure plane
    assert "% sure" in window.widget.status_panel.message
    now = window.controller.image_controller.displayed_slice.plane.index
    window.click(world(window, (now, 2, 2)), LEFT, SHIFT)  # beside the organ
    window.settle()
    window.press(Qt.Key.Key_U)
    window.settle()
    window.press(Qt.Key.Key_K)
    found = window.labels == 1
    assert 2 * (found & organ).sum() > 0.85 * (found.sum() + organ.sum())

    path = save_as("organ.nii.gz")
    window.widget.tabs.setCurrentIndex(3)
    window.widget.export_panel.export.click()
    turn(path.exists)
    window.settle()
    written = sitk.ReadImage(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), window.labels)
    for told in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(written, told)(), getattr(image, told)(), atol=1e-5)
    (again,) = window.viewer.open(str(path), plugin="napari-intseg")
    assert type(again).__name__ == "Labels", "its journal lies beside it"
    np.testing.assert_allclose(
        again.data_to_world((3, 7, 9)), window.controller.image.data_to_world((3, 7, 9)), rtol=1e-5
    )


def test_a_time_series_to_tracks_opened_again(opened, save_as, tmp_path):
    cells, _ = series()
    tifffile.imwrite(
        tmp_path / "cells.tif", (cells > 0).astype(np.uint8) * 200, imagej=True,
        resolution=(2, 2), metadata={"axes": "TYX", "unit": "micron"},
    )  # fmt: skip
    window = opened(tmp_path / "cells.tif")
    for time in range(len(cells)):
        show_plane(window, time)
        there = discs(time)
        for name in ("m", "d1", "d2"):
            if name not in there:
                continue
            window.press(Qt.Key.Key_N)
            window.click(world(window, (time, *there[name][:2])))
            window.settle()
    window.widget.tabs.setCurrentIndex(1)
    window.widget.review_panel.link.click()
    turn(lambda: not window.widget.review_panel.through.linking.is_running)
    window.settle()
    labels = np.asarray(window.labels)
    whole = labels[0].max()
    assert [np.unique(frame[frame > 0]).tolist() for frame in labels[:3]] == [[whole]] * 3
    daughters = np.unique(labels[3][labels[3] > 0]).tolist()
    assert len(daughters) == 2

    path = save_as("01_RES")
    window.widget.tabs.setCurrentIndex(3)
    window.widget.export_panel.export.click()
    turn(lambda: "Wrote 01_RES" in window.widget.status_panel.message)
    assert "neither the spacing nor the place" in window.widget.status_panel.message
    again, tracks = window.viewer.open(str(path), plugin="napari-intseg")
    np.testing.assert_array_equal(np.asarray(again.data), labels)
    assert tracks.graph == {one: [whole] for one in daughters}
    assert len(tracks.data) == 3 + 2 * 3
