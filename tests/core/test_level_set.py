"""Outlines that evolve."""

import numpy as np
import pytest

from napari_intseg.core.contour_evolution import Motion, evolve, signed_distance, stop_at_edges
from napari_intseg.core.segmenter import sigmoid
from napari_intseg.inference import refinement as level_set
from napari_intseg.inference.patch import Patch


def disc(radius, shape=(80, 100), at=(40, 50)):
    rows, cols = np.indices(shape)
    return np.hypot(rows - at[0], cols - at[1]) <= radius


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


EVEN = np.ones((80, 100), np.float32)


def test_distances_are_those_to_the_outline():
    phi = signed_distance(disc(20))
    assert phi.dtype == np.float32
    assert (phi > 0).tolist() == disc(20).tolist()
    assert phi[40, 50] == pytest.approx(20.5, abs=1)
    assert (signed_distance(np.zeros((3, 4), bool)) == -5).all()
    assert (signed_distance(np.ones((3, 4), bool)) == 5).all()


def test_a_force_moves_the_outline_out_or_in_to_where_it_ends():
    force = np.where(disc(26), 1, -1).astype(np.float32)
    for start in (18, 33):
        out = evolve(disc(start), force, EVEN, Motion(steps=80))
        assert overlap(out, disc(26)) > 0.93 > overlap(disc(start), disc(26))


def test_curvature_takes_a_spike_away_and_leaves_the_disc():
    rough = disc(22).copy()
    rough[39:41, 72:90] = True
    out = evolve(rough, np.zeros(EVEN.shape, np.float32), EVEN, Motion(curvature=0.8))
    assert not out[40, 80]
    assert overlap(out, disc(22)) > 0.9


def test_curvature_rests_on_edges():
    rough = disc(22).copy()
    rough[39:41, 72:90] = True
    even, motion = np.zeros(EVEN.shape, np.float32), Motion(curvature=0.8, attraction=0)
    held = evolve(rough, even, np.full(EVEN.shape, 0.01, np.float32), motion)
    assert held[40, 80]
    assert not evolve(rough, even, EVEN, motion)[40, 80]


def test_a_slope_of_the_mean_counts_as_a_fifth_of_an_edge():
    ramp = np.repeat(np.arange(400, dtype=np.float32)[None, :, None], 30, axis=0)
    for scale in (1, 1000):
        edges = stop_at_edges(ramp * scale)
        assert edges.dtype == np.float32
        # 1 / (1 + (1 / 2) ** 2)
        assert edges[15, 200] == pytest.approx(0.8, abs=0.01)


def test_edges_draw_the_outline_to_them():
    image = np.repeat(disc(25)[..., None], 3, axis=2).astype(np.float32)
    edges = stop_at_edges(image)
    assert edges[40, 50] == pytest.approx(1)
    assert edges[40, 75] < 0.3
    out = evolve(
        disc(23), np.zeros(EVEN.shape, np.float32), edges, Motion(curvature=0.05, attraction=2)
    )
    assert overlap(out, disc(25)) > overlap(disc(23), disc(25)) + 0.05


def test_pixels_that_are_not_free_stay():
    force, free = np.ones(EVEN.shape, np.float32), np.zeros(EVEN.shape, bool)
    free[:, 50:] = True
    out = evolve(disc(15), force, EVEN, Motion(steps=30), free=free)
    assert (out[:, :49] == disc(15)[:, :49]).all()
    assert out[40, 69]


def test_masks_without_an_outline_stay_as_they_are():
    for value in (True, False):
        mask = np.full(EVEN.shape, value)
        assert (evolve(mask, np.ones(EVEN.shape, np.float32), EVEN) == value).all()
    assert (stop_at_edges(np.zeros((9, 9, 3), np.float32)) == 1).all()


def test_an_answer_is_smoothed_near_its_outline_and_bit_equal_elsewhere():
    rng = np.random.default_rng(0)
    logits = (signed_distance(disc(20)) / 2 + rng.normal(0, 1.5, EVEN.shape)).astype(np.float32)
    patch = Patch(5, 7, logits, (120, 140))
    out = level_set.evolve(
        patch, lambda r, c: np.zeros((r.stop - r.start, c.stop - c.start, 3), np.float32)
    )
    before = overlap(patch.mask()[5:85, 7:107], disc(20))
    assert overlap(out.mask()[5:85, 7:107], disc(20)) > before
    same = out.mask() == patch.mask()
    np.testing.assert_array_equal(out.full()[same], patch.full()[same])
    np.testing.assert_allclose(
        sigmoid(out.full()[~same]), 1 - sigmoid(patch.full()[~same]), atol=1e-3
    )


def test_nothing_to_refine_is_returned_as_it_came():
    empty = Patch.empty((5, 6))
    assert level_set.evolve(empty, lambda *_: None) is empty
    some = Patch.from_mask(disc(9))
    assert level_set.evolve(some, lambda *_: None, settings=level_set.LevelSet(steps=0)) is some
