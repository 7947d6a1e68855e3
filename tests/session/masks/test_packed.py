"""Masks kept packed: the same to the pixel, small, and not to be changed by accident."""

from dataclasses import replace

import numpy as np
import pytest

from napari_intseg.inference.patch import Patch
from napari_intseg.session.masks.plane_state import Bits, Shown, UnpackedCache


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (7, 9), (64, 33)])
def test_a_mask_comes_back_as_it_was(shape, rng):
    mask = rng.random(shape) > 0.5
    back = Bits(mask).unpacked()
    assert back.dtype == bool
    np.testing.assert_array_equal(back, mask)


def test_an_object_s_mask_takes_little():
    rows, cols = np.indices((512, 512))
    mask = np.hypot(rows - 250, cols - 250) < 200
    assert Bits(mask).nbytes < mask.nbytes / 50


def test_what_is_at_hand_is_bounded_and_the_rest_is_unpacked_anew(rng):
    at_hand = UnpackedCache(limit_bytes=250)
    masks = [rng.random((10, 10)) > 0.5 for _ in range(5)]
    kept = [at_hand.pack(mask) for mask in masks]
    first = at_hand.unpack(kept[0])
    assert at_hand.unpack(kept[0]) is first
    for mask, bits in zip(masks, kept, strict=True):
        np.testing.assert_array_equal(at_hand.unpack(bits), mask)
    assert at_hand.nbytes <= 250
    assert at_hand.unpack(kept[0]) is not first
    again = at_hand.unpack(kept[1])
    assert at_hand.pack(again) is kept[1]  # it is packed already


def test_masks_go_with_what_holds_them(rng):
    at_hand = UnpackedCache(limit_bytes=10_000)
    kept = [at_hand.pack(rng.random((10, 10)) > 0.5) for _ in range(3)]
    masks = [at_hand.unpack(bits) for bits in kept]
    assert at_hand.nbytes == 300
    del kept[0]
    assert at_hand.nbytes == 200
    assert at_hand.pack(masks[0]) not in kept  # it is packed anew
    assert at_hand.pack(masks[1]) is kept[0]
    kept.clear()
    assert at_hand.nbytes == 0
    assert not at_hand._packed


def test_a_shown_mask_is_a_copy_that_cannot_be_changed(rng):
    mask = rng.random((6, 8)) > 0.5
    shown = Shown(Patch.empty((6, 8)), mask, (True, 1))
    before = mask.copy()
    mask[:] = False
    np.testing.assert_array_equal(shown.inside, before)
    np.testing.assert_array_equal(replace(shown, rank=(True, 2)).inside, before)
    with pytest.raises(ValueError, match="read-only"):
        shown.inside[0, 0] = True
