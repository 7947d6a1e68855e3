"""Labels on disk: where they are, that they are there the next day, and moving them."""

import gc

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_intseg.errors import FileError
from napari_intseg.io.hooks import KEY
from napari_intseg.io.read import read_raster
from napari_intseg.io.source import Source
from napari_intseg.ui.controllers.label_export import LabelsLocation
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.storage import disk_folders
from napari_intseg.ui.storage.disk_folders import copy, default_path, keep, largest_label, place_of

zarr = pytest.importorskip("zarr")


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch, tmp_path):
    monkeypatch.setattr(disk_folders, "user_data_path", lambda _: tmp_path / "data")
    monkeypatch.setattr(disk_folders, "LARGE_BYTES", 1000)


@pytest.fixture
def image(controller, tmp_path, squares):
    """A slice that is said to have been read from a file."""
    (tmp_path / "scans").mkdir()
    file = tmp_path / "scans" / "cell 1.ome.tif"
    file.touch()
    about = {KEY: {"source": Source(file)}}
    return controller.viewer.add_image(
        squares, metadata=about, scale=(0.5, 0.5), units=("um", "um")
    )


def begin(controller, image):
    controller.choose_image(image)
    controller.new_object()
    return controller.image_controller


def test_they_are_beside_the_image_s_file_and_there_the_next_day(
    controller, image, settle, toy, pump, squares, tmp_path
):
    image_controller = begin(controller, image)
    image_controller.points.add((20, 20))
    settle()
    place = tmp_path / "scans" / "cell 1_labels.zarr"
    assert place_of(image_controller.labels.data) == place
    controller.close()
    controller.viewer.layers.clear()
    del image_controller
    gc.collect()
    other = ViewerController(ViewerModel(), pump.post, load_with=lambda *_: toy)
    try:
        again = other.viewer.add_image(squares, metadata=image.metadata)
        image_controller = begin(other, again)
        assert place_of(image_controller.labels.data) == place
        np.testing.assert_array_equal(np.asarray(image_controller.labels.data) == 1, squares == 200)
        assert image_controller.session_store.object == 2  # what is there is nobody's to overwrite
    finally:
        other.close()


def test_they_are_ome_zarr_that_others_read(controller, image, settle, squares):
    image_controller = begin(controller, image)
    image_controller.points.add((20, 20))
    settle()
    raster = read_raster(place_of(image_controller.labels.data))
    np.testing.assert_array_equal(np.asarray(raster.levels[0]) == 1, squares == 200)
    assert raster.source.unit == "µm"
    assert raster.axes == "yx"


def test_without_a_file_or_leave_to_write_beside_it_the_user_s_data_folder_takes_them(
    controller, image, monkeypatch, squares, tmp_path
):
    bare = ImageAxes(controller.viewer.add_image(squares, name="a/b: c"), "yx")
    assert default_path(bare, np.uint16) == tmp_path / "data" / "labels" / "a_b_ c_labels.zarr"
    monkeypatch.setattr(disk_folders.os, "access", lambda *_: False)
    path = default_path(ImageAxes(image, "yx"), np.uint16)
    assert path == tmp_path / "data" / "labels" / "cell 1_labels.zarr"


def test_what_was_never_written_to_leaves_no_folder(controller, image, tmp_path):
    image_controller = begin(controller, image)
    place = place_of(image_controller.labels.data)
    assert place.is_dir()
    controller.close()
    controller.viewer.layers.clear()
    del image_controller
    gc.collect()
    assert not place.exists()
    assert list((tmp_path / "scans").iterdir()) == [tmp_path / "scans" / "cell 1.ome.tif"]


def test_nothing_else_is_opened_or_replaced(image, tmp_path):
    image_axes, first = ImageAxes(image, "yx"), tmp_path / "scans" / "cell 1_labels.zarr"
    first.mkdir()
    (first / "notes.txt").write_text("mine")
    second = default_path(image_axes, np.uint16)
    assert second.name == "cell 1_labels-2.zarr"
    with pytest.raises(FileError, match="labels have no place there"):
        keep(image_axes, np.uint16, first)
    one = keep(image_axes, np.uint16, second)
    with pytest.raises(FileError, match="nobody has open"):
        keep(image_axes, np.uint16, second)
    assert default_path(image_axes, np.uint16).name == "cell 1_labels-3.zarr"
    with pytest.raises(FileError, match="labels cannot be kept there"):
        keep(image_axes, np.uint16, tmp_path / "scans" / "cell 1.ome.tif" / "labels.zarr")
    assert (first / "notes.txt").read_text() == "mine"
    assert not one.is_old


def test_without_zarr_a_sparse_file_takes_them(image, monkeypatch):
    monkeypatch.setattr(disk_folders, "find_spec", lambda _: None)
    path = default_path(ImageAxes(image, "yx"), np.uint16)
    assert path.name == "cell 1_labels.npy"
    one = keep(ImageAxes(image, "yx"), np.uint16, path)
    one.array[5, 6] = 3
    one.array.flush()
    del one
    gc.collect()
    again = keep(ImageAxes(image, "yx"), np.uint16, default_path(ImageAxes(image, "yx"), np.uint16))
    assert again.is_old
    assert largest_label(again.array) == 3


def test_only_written_pieces_are_looked_at_and_copied(controller, tmp_path):
    layer = controller.viewer.add_image(np.zeros((3, 600, 700), np.uint8))
    image_axes = ImageAxes(layer, "zyx")
    one = keep(image_axes, np.uint16, tmp_path / "one.zarr").array
    assert largest_label(one) == 0
    one[1, 300, 650], one[2, 10, 10] = 7, 4
    assert sorted((w[0].start, w[1].start, w[2].start) for w in disk_folders.held_pieces(one)) == [
        (1, 256, 512),
        (2, 0, 0),
    ]
    assert largest_label(one) == 7
    two = keep(image_axes, np.uint16, tmp_path / "two.zarr").array
    two[0, 0, 0] = 9  # is not in what is copied
    copy(one, two)
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_labels_in_memory_are_moved_to_disk_while_work_goes_on(
    controller, image, monkeypatch, settle, pump, said, toy, squares, tmp_path
):
    monkeypatch.setattr(disk_folders, "LARGE_BYTES", 1 << 40)
    keeping = LabelsLocation(controller)
    keeping.move(tmp_path / "early")
    assert "no labels to keep" in said.failures[-1]
    image_controller = begin(controller, image)
    image_controller.points.add((20, 20))
    settle()
    assert (type(image_controller.labels.data), keeping.place) == (np.ndarray, None)
    chosen = tmp_path / "chosen"
    keeping.move(chosen)
    assert keeping.is_moving
    image_controller.labels.data_setitem((np.array([50]), np.array([70])), 9)  # painted meanwhile
    pump.until(lambda: not keeping.is_moving)
    assert keeping.place == tmp_path / "chosen.zarr"
    assert isinstance(image_controller.labels, Labels)
    there = np.asarray(zarr.open_group(str(keeping.place), mode="r")["0"])
    np.testing.assert_array_equal(there == 1, squares == 200)
    assert there[50, 70] == 9
    image_controller.points.add((45, 50))  # the grey square joins the object
    settle()
    assert np.asarray(image_controller.labels.data)[45, 50] == 1
    controller.undo()
    settle()
    assert np.asarray(image_controller.labels.data)[45, 50] == 0
    assert "data_setitem" not in vars(image_controller.labels)
    keeping.move(tmp_path / "chosen.zarr")
    assert "labels are not written over something" in said.failures[-1]
    assert len(toy.queries) >= 2
