import numpy as np
import pytest

from napari_intseg.remote.actor import pack, pack_image, unpack, unpack_image


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.bool_, np.float64])
@pytest.mark.parametrize("shape", [(0,), (5,), (7, 9), (3, 4, 5)])
def test_arrays_come_back_bit_by_bit(dtype, shape):
    array = (np.random.default_rng(0).normal(0, 9, shape)).astype(dtype)
    found = unpack(pack(array))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    found[...] = 0  # it is one's own


def test_strided_arrays_and_odd_values_come_back():
    array = np.array([[np.nan, np.inf], [-np.inf, -0.0], [1, 2]], np.float32)[::-1, ::-1]
    assert unpack(pack(array)).tobytes() == np.ascontiguousarray(array).tobytes()


def test_logits_become_smaller():
    rows, cols = np.mgrid[:128, :128]
    logits = (30 - np.hypot(rows - 60, cols - 64)).astype(np.float32)
    assert len(pack(logits).content) < 0.9 * logits.nbytes


def test_images_of_8_bits_travel_as_8_bits_and_others_whole():
    levels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    eight = levels.astype(np.float32) / np.float32(255)
    assert pack_image(eight).dtype == "|u1"
    assert unpack_image(pack_image(eight)).tobytes() == eight.tobytes()
    fine = np.random.default_rng(1).random((20, 30, 3)).astype(np.float32)
    assert pack_image(fine).dtype == "<f4"
    assert unpack_image(pack_image(fine)).tobytes() == fine.tobytes()
