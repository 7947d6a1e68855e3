"""What attributes of HDF5 datasets say, and what of it is not understood."""

import struct
import warnings
import zlib

import h5py
import numpy as np
import pytest

from napari_intseg.errors import FileError
from napari_intseg.io import hdf5
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


def packed(path, filters, content):
    """One piece of 64 by 64 bytes, packed by somebody else."""
    with h5py.File(path, "w") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((64, 64))
        for name in filters:
            getattr(settings, f"set_{name}")(*([1] if name == "deflate" else []))
        space = h5py.h5s.create_simple((64, 64))
        made = h5py.h5d.create(file.id, b"image", h5py.h5t.STD_U8LE, space, settings)
        made.write_direct_chunk((0, 0), content)
    return path


@pytest.mark.parametrize(
    ("filters", "what"),
    [
        (("deflate", "deflate"), "pieces that are packed once"),
        (("deflate", "fletcher32"), "unpacks to more"),
        (("shuffle", "deflate"), "unpacks to more"),
        (("deflate", "shuffle"), "deflate packs last"),
    ],
)
def test_pieces_that_would_unpack_without_bound_are_refused(tmp_path, monkeypatch, filters, what):
    monkeypatch.setattr(hdf5, "_INFLATED_BYTES", 0)
    monkeypatch.setattr(hdf5, "check_in_child", lambda *_: None)
    path = packed(tmp_path / "i.h5", filters, zlib.compress(bytes(200_000)))
    with pytest.raises(FileError, match=what):
        read_raster(path)


def test_a_filter_that_asks_for_more_memory_than_a_piece_takes_is_refused(tmp_path):
    path = tmp_path / "i.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=np.zeros((64, 64), np.uint8), compression="lzf")
    assert read_raster(path).levels[0].shape == (64, 64)
    # the last of LZF's settings: bytes of a piece
    content, right = path.read_bytes(), struct.pack("<III", 4, 261, 64 * 64)
    assert right in content
    path.write_bytes(content.replace(right, struct.pack("<III", 4, 261, 1 << 31)))
    with pytest.raises(FileError, match="filter 32000"):
        read_raster(path)
