"""Axes by name and by guess, and extras that are absent."""

import sys

import numpy as np
import pytest

from napari_intseg.errors import DataError, FileError, MissingExtraError
from napari_intseg.io.file_checks import hdf5_extra, lazy_extra
from napari_intseg.io.raster import Raster, guessed_axes, known_axes, ordered
from napari_intseg.io.read import read_raster, read_volume
from napari_intseg.io.source import Source


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), "yx"),
        ((4, 5, 6), "zyx"),
        ((5, 6, 3), "yxs"),
        ((3, 5, 4), "zyx"),
        ((2, 4, 5, 6), "tzyx"),
        ((4, 5, 6, 3), "zyxs"),
        ((2, 4, 5, 6, 3), "tzyxs"),
        ((2, 3, 4, 5, 6), "tczyx"),
    ],
)
def test_axes_of_bare_arrays_are_guessed(shape, axes):
    assert guessed_axes(np.empty(shape)) == axes


def test_arrays_of_too_few_or_many_axes_are_refused(tmp_path):
    for shape in ((7,), (1, 2, 3, 4, 5, 6)):
        with pytest.raises(DataError, match="data cannot be an image: expected 2 to 5 axes"):
            guessed_axes(np.empty(shape))
    np.save(tmp_path / "t.npy", np.zeros((3, 5, 6)))
    assert read_volume(tmp_path / "t.npy", time=2).shape == (5, 6)
    assert read_raster(tmp_path / "t.npy").axes == "zyx"


def test_an_axis_of_unknown_meaning_counts_as_planes():
    assert known_axes("QYX", (4, 5, 6), "i.tif") == "zyx"
    for letters in ("QRYX", "ZQYX", "ZZYX", "ZCT"):
        with pytest.raises(FileError, match="file has more axes than a volume: expected time"):
            known_axes(letters, (2, 3, 4, 5), "i.tif")


def test_axes_are_brought_in_order(rng):
    data = rng.random((6, 2, 4, 5))
    moved, axes = ordered(data, "xczy")
    assert axes == "czyx"
    np.testing.assert_array_equal(moved, data.transpose(1, 2, 3, 0))


def test_two_kinds_of_channels_are_no_volume():
    raster = Raster((np.zeros((2, 5, 6, 3)),), "cyxs", Source("i.tif"))
    with pytest.raises(FileError, match="rows, columns and channels, got axes cyx"):
        raster.volume()


def test_rasters_hold_numbers_and_some():
    with pytest.raises(DataError, match="data is empty"):
        Raster((np.zeros((0, 5)),), "yx", Source("i"))
    with pytest.raises(DataError, match="data is not numeric"):
        Raster((np.zeros((4, 5), complex),), "yx", Source("i"))


def test_an_absent_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"need zarr: .*napari-intseg\[lazy\]"):
        lazy_extra("zarr")
    with pytest.raises(MissingExtraError, match=r"needs h5py: .*napari-intseg\[hdf5\]"):
        hdf5_extra()
