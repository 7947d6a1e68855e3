"""Labels on disk: where they are, that they are there the next day, and moving them."""

import gc

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_intseg.errors import FileError
from napari_intseg.io.layer_grid import KEY
from napari_intseg.io.read import read_raster
from napari_intseg.io.source import Source
from napari_intseg.ui import big, kept
from napari_intseg.ui.frame import Frame
from napari_intseg.ui.keeping import Keeping
from napari_intseg.ui.kept import copy, default_path, keep, largest_label, place_of
from napari_intseg.ui.workbench import Workbench

zarr = pytest.importorskip("zarr")


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "user_data_path", lambda _: tmp_path / "data")
    monkeypatch.setattr(big, "LARGE_BYTES", 1000)


@pytest.fixture
def image(bench, tmp_path, squares):
    """A slice that is said to have been read from a file."""
    (tmp_path / "scans").mkdir()
    file = tmp_path / "scans" / "cell 1.ome.tif"
    file.touch()
    about = {KEY: {"source": Source(file)}}
    return bench.viewer.add_image(squares, metadata=about, scale=(0.5, 0.5), units=("um", "um"))


def begin(bench, image):
    bench.choose_image(image)
    bench.new_object()
    return bench.binder


def test_they_are_beside_the_image_s_file_and_there_the_next_day(
    bench, image, settle, toy, pump, squares, tmp_path
):
    binder = begin(bench, image)
    binder.points.add((20, 20))
    settle()
    place = tmp_path / "scans" / "cell 1_labels.zarr"
    assert place_of(binder.labels.data) == place
    bench.close()
    bench.viewer.layers.clear()
    del binder
    gc.collect()
    other = Workbench(ViewerModel(), pump.post, load_with=lambda *_: toy)
    try:
        again = other.viewer.add_image(squares, metadata=image.metadata)
        binder = begin(other, again)
        assert place_of(binder.labels.data) == place
        np.testing.assert_array_equal(np.asarray(binder.labels.data) == 1, squares == 200)
        assert binder.drawer.object == 2  # what is there is nobody's to overwrite
    finally:
        other.close()


def test_they_are_ome_zarr_that_others_read(bench, image, settle, squares):
    binder = begin(bench, image)
    binder.points.add((20, 20))
    settle()
    raster = read_raster(place_of(binder.labels.data))
    np.testing.assert_array_equal(np.asarray(raster.levels[0]) == 1, squares == 200)
    assert raster.source.unit == "µm"
    assert raster.axes == "yx"


def test_without_a_file_or_leave_to_write_beside_it_the_user_s_data_folder_takes_them(
    bench, image, monkeypatch, squares, tmp_path
):
    bare = Frame(bench.viewer.add_image(squares, name="a/b: c"), "yx")
    assert default_path(bare, np.uint16) == tmp_path / "data" / "labels" / "a_b_ c_labels.zarr"
    monkeypatch.setattr(kept.os, "access", lambda *_: False)
    path = default_path(Frame(image, "yx"), np.uint16)
    assert path == tmp_path / "data" / "labels" / "cell 1_labels.zarr"


def test_what_was_never_written_to_leaves_no_folder(bench, image, tmp_path):
    binder = begin(bench, image)
    place = place_of(binder.labels.data)
    assert place.is_dir()
    bench.close()
    bench.viewer.layers.clear()
    del binder
    gc.collect()
    assert not place.exists()
    assert list((tmp_path / "scans").iterdir()) == [tmp_path / "scans" / "cell 1.ome.tif"]


def test_nothing_else_is_opened_or_replaced(image, tmp_path):
    frame, first = Frame(image, "yx"), tmp_path / "scans" / "cell 1_labels.zarr"
    first.mkdir()
    (first / "notes.txt").write_text("mine")
    second = default_path(frame, np.uint16)
    assert second.name == "cell 1_labels-2.zarr"
    with pytest.raises(FileError, match="labels have no place there"):
        keep(frame, np.uint16, first)
    one = keep(frame, np.uint16, second)
    with pytest.raises(FileError, match="nobody has open"):
        keep(frame, np.uint16, second)
    assert default_path(frame, np.uint16).name == "cell 1_labels-3.zarr"
    with pytest.raises(FileError, match="labels cannot be kept there"):
        keep(frame, np.uint16, tmp_path / "scans" / "cell 1.ome.tif" / "labels.zarr")
    assert (first / "notes.txt").read_text() == "mine"
    assert not one.is_old


def test_without_zarr_a_sparse_file_takes_them(image, monkeypatch):
    monkeypatch.setattr(kept, "find_spec", lambda _: None)
    path = default_path(Frame(image, "yx"), np.uint16)
    assert path.name == "cell 1_labels.npy"
    one = keep(Frame(image, "yx"), np.uint16, path)
    one.array[5, 6] = 3
    one.array.flush()
    del one
    gc.collect()
    again = keep(Frame(image, "yx"), np.uint16, default_path(Frame(image, "yx"), np.uint16))
    assert again.is_old
    assert largest_label(again.array) == 3


def test_only_written_pieces_are_looked_at_and_copied(bench, tmp_path):
    layer = bench.viewer.add_image(np.zeros((3, 600, 700), np.uint8))
    frame = Frame(layer, "zyx")
    one = keep(frame, np.uint16, tmp_path / "one.zarr").array
    assert largest_label(one) == 0
    one[1, 300, 650], one[2, 10, 10] = 7, 4
    assert sorted((w[0].start, w[1].start, w[2].start) for w in kept.held_pieces(one)) == [
        (1, 256, 512),
        (2, 0, 0),
    ]
    assert largest_label(one) == 7
    two = keep(frame, np.uint16, tmp_path / "two.zarr").array
    two[0, 0, 0] = 9  # is not in what is copied
    copy(one, two)
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_labels_in_memory_are_moved_to_disk_while_work_goes_on(
    bench, image, monkeypatch, settle, pump, said, toy, squares, tmp_path
):
    monkeypatch.setattr(big, "LARGE_BYTES", 1 << 40)
    keeping = Keeping(bench)
    keeping.move(tmp_path / "early")
    assert "no labels to keep" in said.failures[-1]
    binder = begin(bench, image)
    binder.points.add((20, 20))
    settle()
    assert (type(binder.labels.data), keeping.place) == (np.ndarray, None)
    chosen = tmp_path / "chosen"
    keeping.move(chosen)
    assert keeping.is_moving
    binder.labels.data_setitem((np.array([50]), np.array([70])), 9)  # painted meanwhile
    pump.until(lambda: not keeping.is_moving)
    assert keeping.place == tmp_path / "chosen.zarr"
    assert isinstance(binder.labels, Labels)
    there = np.asarray(zarr.open_group(str(keeping.place), mode="r")["0"])
    np.testing.assert_array_equal(there == 1, squares == 200)
    assert there[50, 70] == 9
    binder.points.add((45, 50))  # the grey square joins the object
    settle()
    assert np.asarray(binder.labels.data)[45, 50] == 1
    bench.undo()
    settle()
    assert np.asarray(binder.labels.data)[45, 50] == 0
    assert "data_setitem" not in vars(binder.labels)
    keeping.move(tmp_path / "chosen.zarr")
    assert "labels are not written over something" in said.failures[-1]
    assert len(toy.queries) >= 2
