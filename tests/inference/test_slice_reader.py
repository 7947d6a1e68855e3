"""Levels of an image, and neighbouring planes as channels."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.slice_reader import Pyramid, SliceReader, check_context
from napari_intseg.inference.view import View


class Level:
    """A level that counts the pixels that are read."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype, self.pixels = data, data.shape, data.dtype, 0

    def __getitem__(self, index: object) -> np.ndarray:
        out = self.data[index]
        self.pixels += out.size
        return out


@pytest.fixture
def levels(rng):
    fine = rng.random((3, 64, 80)).astype(np.float32)
    return [
        Level(fine.reshape(3, 64 // f, f, 80 // f, f).mean(axis=(2, 4))) for f in (1, 2, 4)
    ]  # fmt: skip


def test_a_pyramid_looks_like_its_finest_level(levels):
    pyramid = Pyramid(levels)
    assert (pyramid.shape, pyramid.dtype, pyramid.factors) == ((3, 64, 80), np.float32, (1, 2, 4))
    np.testing.assert_array_equal(pyramid[1], levels[0].data[1])
    np.testing.assert_array_equal(pyramid[1, 3:9, 5:7], levels[0].data[1, 3:9, 5:7])
    assert levels[1].pixels == levels[2].pixels == 0


@pytest.mark.parametrize(("step", "level"), [(1, 0), (2, 1), (3, 1), (4, 2), (9, 2)])
def test_a_step_reads_the_level_that_suits(levels, step, level):
    pyramid = Pyramid(levels)
    read = pyramid[2, 8:48:step, 16:64:step]
    assert read.shape == pyramid[2, 8:48, 16:64][::step, ::step].shape
    if step == pyramid.factors[level]:
        first = slice(8 // step, 48 // step), slice(16 // step, 64 // step)
        np.testing.assert_array_equal(read, levels[level].data[2][first])
    assert [one.pixels > 0 for one in levels[1:]] == [level == 1, level == 2]


def test_a_shrunk_view_reads_the_coarse_level_only(levels):
    volume = Volume(Pyramid(levels), channels=False)
    view = View.whole((64, 80), (16, 20))
    rgb = view.read(SliceReader(volume, Plane(0, 1)), Intensity((0.0,), (1.0,)))
    np.testing.assert_allclose(rgb[..., 0], levels[2].data[1], atol=1e-6)
    assert levels[0].pixels == 0
    sharp = View(8, 40, 8, 40, (32, 32), (64, 80))
    rgb = sharp.read(SliceReader(volume, Plane(0, 1)), Intensity((0.0,), (1.0,)))
    np.testing.assert_allclose(rgb[..., 0], levels[0].data[1, 8:40, 8:40], atol=1e-6)


def test_levels_that_do_not_fit_are_refused(levels):
    with pytest.raises(DataError, match="levels are not in order"):
        Pyramid(levels[::-1])
    with pytest.raises(DataError, match="levels do not fit"):
        Pyramid([levels[0], np.zeros((8, 8))])
    with pytest.raises(DataError, match="levels do not fit"):
        Pyramid([])


def test_neighbouring_planes_become_channels():
    data = np.arange(5)[:, None, None] * np.ones((5, 6, 7), int)
    volume = Volume(data)
    window = slice(1, 4), slice(2, 6)
    assert SliceReader(volume, Plane(0, 2))(*window).shape == (3, 4)
    assert SliceReader(volume, Plane(0, 2), 1)(*window)[0, 0].tolist() == [1, 2, 3]
    assert SliceReader(volume, Plane(0, 1), 3)(*window)[0, 0].tolist() == [0, 1, 4]
    assert SliceReader(volume, Plane(2, 6), 1)(slice(0, 5), slice(0, 6)).shape == (5, 6, 3)


@pytest.mark.parametrize(
    ("data", "context"),
    [(np.zeros((5, 6, 7)), -1), (np.zeros((6, 7)), 1), (np.zeros((5, 6, 7, 3)), 1)],
)
def test_there_must_be_neighbouring_planes_and_no_channels(data, context):
    check_context(Volume(data), 0)
    with pytest.raises(DataError, match="neighbouring planes cannot be shown"):
        check_context(Volume(data), context)
