"""Images that do not fit in memory: labels on disk, levels of a pyramid, and no more read."""

import numpy as np
import pytest

from napari_intseg.ui import big, kept
from napari_intseg.ui.frame import Frame

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
    monkeypatch.setattr(kept, "user_data_path", lambda _: tmp_path / "data")


def test_clicks_on_300_gb_become_labels_on_disk(bench, huge, settle):
    layer = bench.viewer.add_image(huge, contrast_limits=(0, 50_000), name="huge")
    bench.choose_image(layer)
    bench.new_object()
    labels = bench.binder.labels
    assert isinstance(labels.data, zarr.Array)
    assert labels.data.shape == huge.shape
    bench.viewer.dims.set_point(0, 1000)
    bench.binder.points.add((1000, 1040, 880))
    settle()
    written = np.asarray(labels.data[1000, 990:1090, 830:930])
    np.testing.assert_array_equal(written > 0, huge[1000, 990:1090, 830:930] > 0)
    bench.undo()
    settle()
    assert not np.asarray(labels.data[1000, 990:1090, 830:930]).any()


def test_small_grids_stay_in_memory_and_large_ones_take_no_room():
    assert type(big.marks((4, 5))) is np.ndarray
    marks = big.marks((300, 40_000, 40_000))
    marks[(np.array([7, 7]), np.array([3, 4]), np.array([39_999, 5]))] = True
    assert marks[7, 3:5].sum() == 2
    assert not marks[299, -1].any()
    assert big.window_of(marks, (7, slice(3, 4), slice(None))).shape == (1, 40_000)


def test_a_multiscale_image_is_read_at_the_level_that_suits(bench, rng):
    fine = rng.integers(0, 200, (3, 64, 80)).astype(np.uint8)
    levels = [fine, fine[:, ::2, ::2], fine[:, ::4, ::4]]
    layer = bench.viewer.add_image(levels, multiscale=True)
    volume = Frame(layer, "zyx").volume()
    assert volume.shape == fine.shape
    assert volume.data.factors == (1, 2, 4)
    coarse = volume.data[1, 0:64:4, 0:80:4]
    np.testing.assert_array_equal(coarse, levels[2][1])
    times = Frame(layer, "tyx").volume(2)
    assert times.data.factors == (1, 2, 4)
    np.testing.assert_array_equal(times.data[0:64:2, 0:80:2], levels[1][2])


def test_clicks_work_on_a_multiscale_image(bench, settle, squares):
    layer = bench.viewer.add_image([squares, squares[::2, ::2]], multiscale=True)
    bench.choose_image(layer)
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    np.testing.assert_array_equal(bench.binder.labels.data > 0, squares == 200)
