"""Boxes of voxels, and masks and changes that lie in them."""

import numpy as np

from napari_intseg.core.volume import Plane
from napari_intseg.core.volume_segmenter import (
    VolumeChange,
    VolumeMask,
    VolumeSource,
    block_at,
    box_of,
    union_of,
)

# three lengths that differ, so that axes cannot be exchanged unseen
SHAPE = (7, 11, 13)
BLOCK = (slice(1, 3), slice(4, 9), slice(6, 7))


def test_a_box_is_found_again_from_its_mask_and_from_its_first_voxel():
    mask = np.zeros(SHAPE, bool)
    mask[BLOCK] = True
    mask[2, 5, 6] = False  # a hole does not matter
    assert box_of(mask) == BLOCK
    assert block_at((1, 4, 6), mask[BLOCK].shape) == BLOCK
    assert box_of(np.zeros(SHAPE, bool)) is None


def test_a_single_voxel_and_a_whole_volume_have_boxes():
    mask = np.zeros(SHAPE, bool)
    mask[6, 10, 0] = True
    assert box_of(mask) == (slice(6, 7), slice(10, 11), slice(0, 1))
    assert box_of(np.ones(SHAPE, bool)) == tuple(slice(0, n) for n in SHAPE)


def test_the_union_holds_all_boxes_and_none_where_there_are_none():
    other = (slice(0, 2), slice(8, 10), slice(2, 5))
    joint = (slice(0, 3), slice(4, 10), slice(2, 7))
    assert union_of(BLOCK, other) == union_of(other, None, BLOCK) == joint
    assert union_of(None, BLOCK) == BLOCK
    assert union_of() is union_of(None) is None


def test_a_mask_lies_where_its_corner_says():
    inside = np.ones((2, 5, 1), bool)
    inside[0, 0, 0] = False
    mask = VolumeMask((1, 4, 6), inside)
    assert mask.block == BLOCK
    whole = mask.full(SHAPE)
    assert whole.dtype == bool
    assert whole.shape == SHAPE
    np.testing.assert_array_equal(whole[BLOCK], inside)
    assert whole.sum() == inside.sum() == 9


def test_a_change_is_cut_along_every_axis(rng):
    logits = rng.normal(size=(2, 5, 3)).astype(np.float32)
    change = VolumeChange((1, 4, 6), logits)
    whole = np.full(SHAPE, np.nan, np.float32)
    whole[change.block] = logits
    for axis in range(3):
        for index in range(SHAPE[axis]):
            cut = np.take(whole, index, axis=axis)
            got = change.on(Plane(axis, index))
            if np.isnan(cut).all():
                assert got is None
                continue
            row, col, part = got
            height, width = part.shape
            np.testing.assert_array_equal(cut[row : row + height, col : col + width], part)
            assert np.isfinite(part).sum() == np.isfinite(cut).sum()
    assert change.on(Plane(0, 1)) is not None
    assert change.on(Plane(0, 3)) is None


def test_a_volume_in_memory_is_read_in_boxes_as_copies(rng):
    rgb = rng.random((*SHAPE, 3))
    source = VolumeSource.of(rgb, (3.0, 0.5, 0.7))
    assert source.shape == SHAPE
    assert source.spacing == (3.0, 0.5, 0.7)
    assert VolumeSource.of(rgb).spacing == (1.0, 1.0, 1.0)
    read = source.read(BLOCK)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, rgb[BLOCK], rtol=1e-6)
    again = VolumeSource.of(rgb.astype(np.float32))
    again.read(BLOCK)[...] = 7
    assert again.read(again.whole).max() < 1
    assert again.read(again.whole).shape == (*SHAPE, 3)
