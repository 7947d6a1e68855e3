"""What attributes of HDF5 datasets say, and what of it is not understood."""

import warnings

import h5py
import numpy as np
import pytest

from napari_intseg.io.read import read_raster
from napari_intseg.io.suffixes import FileWarning

IMAGE = np.arange(4 * 6 * 5, dtype=np.uint16).reshape(4, 6, 5)
ODD = {
    "too few sizes": ({"element_size_um": [0.5, 0.25]}, "'element_size_um' is not understood"),
    "no number": ({"element_size_um": [np.nan, 0.5, 0.5]}, "'element_size_um' is not understood"),
    "a text": ({"element_size_um": "2,.5,.5"}, "'element_size_um' is not understood"),
    "of others": ({"resolution": [40, 4, 4]}, "'resolution' is not understood"),
    "packed": ({"scale_factor": 0.5, "add_offset": 10.0}, "as stored, without its 'scale_factor'"),
    "broken tags": ({"axistags": "{nonsense"}, "axes do not fit and are guessed"),
    "tags without keys": ({"axistags": '{"axes": [{}]}'}, "axes do not fit and are guessed"),
    "two tags": (
        {"axistags": '{"axes": [{"key": "y"}, {"key": "x"}]}'}, "do not fit and are guessed: y, x",
    ),
}  # fmt: skip


def stored(path, attributes):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=IMAGE).attrs.update(attributes)
    return path


@pytest.mark.parametrize("what", ODD)
def test_what_is_not_understood_is_told_and_refuses_no_image(tmp_path, what):
    attributes, told = ODD[what]
    with pytest.warns(FileWarning, match=told):
        raster = read_raster(stored(tmp_path / "i.h5", attributes))
    assert (raster.axes, raster.source.unit) == ("zyx", "pixel")
    np.testing.assert_array_equal(raster.levels[0], IMAGE)


def test_what_is_understood_is_taken_without_a_word(tmp_path):
    tags = '{"axes": [{"key": "z"}, {"key": "y"}, {"key": "x"}]}'
    path = stored(tmp_path / "i.h5", {"element_size_um": [2, 0.5, 0.25], "axistags": tags})
    with warnings.catch_warnings():
        warnings.simplefilter("error", FileWarning)
        volume = read_raster(path).volume()
    assert volume.spacing == pytest.approx((2e-3, 5e-4, 2.5e-4))
