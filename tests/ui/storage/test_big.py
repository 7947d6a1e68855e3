"""Images that do not fit in memory: labels on disk, levels of a pyramid, and no more read."""

import numpy as np
import pytest

from napari_intseg.ui.layers.image_axes import ImageAxes
from napari_intseg.ui.storage import disk_folders

zarr = pytest.importorskip("zarr")


@pytest.fixture
def huge(tmp_path):
    """300 GB of uint16 that are nowhere, but for a bright square on one plane."""
    shape = (36_000, 2048, 2048)
    array = zarr.create_array(
        str(tmp_path / "huge.zarr"), shape=shape, dtype=np.uint16, chunks=(1, 512, 512)
    )
    array[1000, 1000:1080, 840:920] = 40_000
    return array


@pytest.fixture(autouse=True)
def _data_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(disk_folders, "user_data_path", lambda _: tmp_path / "data")


def test_clicks_on_300_gb_become_labels_on_disk(controller, huge, settle):
    layer = controller.viewer.add_image(huge, contrast_limits=(0, 50_000), name="huge")
    controller.choose_image(layer)
    controller.new_object()
    labels = controller.image_controller.labels
    assert isinstance(labels.data, zarr.Array)
    assert labels.data.shape == huge.shape
    controller.viewer.dims.set_point(0, 1000)
    controller.image_controller.points.add((1000, 1040, 880))
    settle()
    written = np.asarray(labels.data[1000, 990:1090, 830:930])
    np.testing.assert_array_equal(written > 0, huge[1000, 990:1090, 830:930] > 0)
    controller.undo()
    settle()
    assert not np.asarray(labels.data[1000, 990:1090, 830:930]).any()


def test_small_grids_stay_in_memory_and_large_ones_take_no_room():
    assert type(disk_folders.marks((4, 5))) is np.ndarray
    marks = disk_folders.marks((300, 40_000, 40_000))
    marks[(np.array([7, 7]), np.array([3, 4]), np.array([39_999, 5]))] = True
    assert marks[7, 3:5].sum() == 2
    assert not marks[299, -1].any()
    assert np.asarray(marks[7, slice(3, 4), :]).shape == (1, 40_000)


def test_a_multiscale_image_is_read_at_the_level_that_suits(controller, rng):
    fine = rng.integers(0, 200, (3, 64, 80)).astype(np.uint8)
    levels = [fine, fine[:, ::2, ::2], fine[:, ::4, ::4]]
    layer = controller.viewer.add_image(levels, multiscale=True)
    volume = ImageAxes(layer, "zyx").volume()
    assert volume.shape == fine.shape
    assert volume.data.factors == (1, 2, 4)
    coarse = volume.data[1, 0:64:4, 0:80:4]
    np.testing.assert_array_equal(coarse, levels[2][1])
    times = ImageAxes(layer, "tyx").volume(2)
    assert times.data.factors == (1, 2, 4)
    np.testing.assert_array_equal(times.data[0:64:2, 0:80:2], levels[1][2])


def test_clicks_work_on_a_multiscale_image(controller, settle, squares):
    layer = controller.viewer.add_image([squares, squares[::2, ::2]], multiscale=True)
    controller.choose_image(layer)
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, squares == 200)
