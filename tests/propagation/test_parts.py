"""The parts of propagation, each on its own."""

import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.core.segmenter import LOGIT_LIMIT, Traits
from napari_intseg.inference.patch import Patch, trimmed
from napari_intseg.propagation.ending import Appearance, Ending, overlap, ring, ring_reach
from napari_intseg.propagation.guidance import deepest, guidance
from napari_intseg.propagation.stretch import Anchor, Shapes, blend, stretches


def disc(radius, centre=(20, 20), shape=(40, 44)):
    rows, cols = np.indices(shape)
    return (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2


def anchor(index, mask=None):
    patch = Patch.from_mask(disc(5) if mask is None else mask)
    return Anchor(index, patch, not patch.mask().any(), patch)


def spans(found):
    return [
        (s.left.index if s.left else None, s.first, s.last, s.right.index if s.right else None)
        for s in found
    ]


def test_a_range_is_split_at_the_anchors():
    found = stretches(0, [anchor(12), anchor(5)], range(20))
    assert spans(found) == [(None, 0, 4, 5), (5, 6, 11, 12), (12, 13, 19, None)]


def test_an_anchor_outside_the_range_still_guides():
    assert spans(stretches(0, [anchor(2)], range(6, 9))) == [(2, 6, 8, None)]
    assert spans(stretches(0, [anchor(12)], range(6, 9))) == [(None, 6, 8, 12)]
    found = stretches(0, [anchor(2), anchor(12)], range(6, 9))
    assert spans(found) == [(2, 6, 8, 12)]
    assert list(found[0].forward) == [3, 4, 5, 6, 7, 8]
    assert list(found[0].backward) == [11, 10, 9, 8, 7, 6]


def test_neighbouring_anchors_leave_nothing_between():
    assert spans(stretches(0, [anchor(0), anchor(1)], range(2))) == []
    assert stretches(0, [], range(5)) == []


def test_nothing_starts_from_an_empty_anchor():
    empty = anchor(5, np.zeros((40, 44), bool))
    (stretch,) = [s for s in stretches(0, [anchor(0), empty], range(6)) if s.left]
    assert list(stretch.forward) == [1, 2, 3, 4]
    assert list(stretch.backward) == []


def test_models_that_take_a_mask_get_it_with_a_click_at_its_deepest_point():
    mask = disc(6, (15, 25))
    for traits in (
        Traits("a", uses_prev=True),
        Traits("b", frozenset({"click", "mask"})),
    ):
        prompts, initial = guidance(mask, traits)
        assert [(c.row, c.col, c.positive) for c in prompts.clicks] == [(15, 25, True)]
        np.testing.assert_array_equal(initial.mask(), mask)


def test_other_models_get_a_box_or_clicks_around():
    mask = disc(6, (15, 25))
    prompts, initial = guidance(mask, Traits("a", frozenset({"click", "box"})))
    assert initial is None
    assert (prompts.box.row0, prompts.box.row1, prompts.box.col0, prompts.box.col1) == (
        9, 21, 19, 31,
    )  # fmt: skip
    assert len(prompts.clicks) == 1
    kinds = frozenset({"click", "box", "mask"})
    prompts, initial = guidance(mask, Traits("a", kinds, enforced=frozenset({"box"})))
    assert prompts.box is None  # it would keep the object from growing
    prompts, initial = guidance(mask, Traits("b"))
    assert initial is None
    assert prompts.box is None
    negative = [c for c in prompts.clicks if not c.positive]
    assert len(negative) == 8
    assert not any(mask[int(c.row), int(c.col)] for c in negative)


def test_every_large_part_gets_a_click():
    mask = disc(6, (10, 10)) | disc(5, (28, 30))
    mask[0, 43] = True
    prompts, _ = guidance(mask, Traits("a"))
    positive = [(c.row, c.col) for c in prompts.clicks if c.positive]
    assert positive == [(10, 10), (28, 30)]


@pytest.mark.parametrize("apart", [(10, 17), (17, 10), (11, 12), (11, 16), (11, 17)])
def test_parts_that_do_not_touch_are_told_apart_where_each_row_is_one_run(apart):
    mask = np.zeros((40, 44), bool)
    mask[5:11, 10:16] = True
    mask[apart[0] : 20, apart[1] : 22] = True
    count = ndimage.label(mask, np.ones((3, 3)))[1]
    prompts, _ = guidance(mask, Traits("a"))
    assert sum(c.positive for c in prompts.clicks) == count


def test_the_rim_of_the_array_counts_as_outline():
    assert deepest(np.ones((5, 9), bool))[0] == 2
    mask = np.zeros((9, 9), bool)
    mask[3, 7] = True
    assert deepest(mask) == (3, 7)


@pytest.mark.parametrize(
    ("mask", "neighbour", "areas", "likeness", "reason"),
    [
        (disc(8), disc(8), [200], 1.0, None),
        (disc(8) & False, disc(8), [200], 1.0, "faded"),
        (disc(1), disc(2), [2000], 1.0, "faded"),
        (disc(6), disc(5), [200, 60, 81], 1.0, "another"),
        (disc(6, (20, 23)), disc(6), [300, 113], 1.0, "another"),
        (disc(6, (20, 23)), disc(6), [120, 113], 1.0, None),
        (disc(5), disc(6), [300, 113], 1.0, None),
        (disc(8, (20, 31)), disc(8), [200], 1.0, "jumped"),
        (disc(8), disc(8), [200], 0.2, "unlike"),
    ],
)
def test_why_a_walk_stops(mask, neighbour, areas, likeness, reason):
    assert Ending().reason(mask, neighbour, areas, likeness) == reason


def test_a_leak_and_a_reach_end_a_walk():
    assert Ending().reason(disc(8), disc(8), [200], 1.0, growth=2.5) == "leaked"
    assert Ending(max_growth=3).reason(disc(8), disc(8), [200], 1.0, growth=2.5) is None
    assert not Ending().is_beyond(1e6)
    assert Ending(reach_mm=10).is_beyond(10.5)
    assert not Ending(reach_mm=10).is_beyond(10)


def test_a_mask_that_only_shrinks_has_not_jumped():
    assert Ending().reason(disc(3), disc(8), [200], 1.0) is None


def test_likeness_is_one_on_the_object_and_zero_around_it(rng):
    mask = disc(8)
    image = np.where(mask, 0.8, 0.2)[..., None] + rng.normal(0, 0.03, (*mask.shape, 3))
    image = np.clip(image, 0, 1).astype(np.float32)
    appearance = Appearance.of(image, mask)
    assert appearance.likeness(image, mask) == pytest.approx(1)
    assert appearance.likeness(image, ring(mask)) == pytest.approx(0)
    assert appearance.likeness(1 - image, mask) < 0.1
    assert appearance.likeness(image, mask & False) == 1
    known = appearance.belongs(image)
    assert appearance.likeness(image, mask, belongs=known) == appearance.likeness(image, mask)
    assert appearance.likeness(image, mask, belongs=np.zeros_like(known)) == 0


def test_where_surroundings_look_alike_the_object_s_own_grey_still_counts(rng):
    mask = disc(8)
    image = np.clip(rng.normal(0.5, 0.1, (40, 44, 1)), 0, 1).astype(np.float32).repeat(3, axis=2)
    appearance = Appearance.of(image, mask)
    assert appearance.inside - appearance.around < 0.15
    assert appearance.likeness(image, mask) == 1
    assert appearance.likeness(image - 0.1, mask) < 0.7
    assert appearance.likeness(image - 0.2, mask) == 0


def test_the_ring_lies_outside_and_within_its_reach():
    mask = disc(8)
    assert not (ring(mask) & mask).any()
    rows = np.flatnonzero(ring(mask).any(axis=1))
    assert rows[0] >= 12 - ring_reach(mask)
    assert rows[-1] <= 28 + ring_reach(mask)


def test_overlap_of_two_empty_masks_is_one():
    assert overlap(disc(3) & False, disc(3) & False) == 1
    assert overlap(disc(3), disc(3) & False) == 0


def test_a_blend_weighs_probabilities():
    one, other = Patch.from_mask(disc(8, (20, 14))), Patch.from_mask(disc(8, (20, 30)))
    np.testing.assert_array_equal(blend(one, other, 0.8).mask(), one.mask())
    np.testing.assert_array_equal(blend(one, other, 0.2).mask(), other.mask())
    assert blend(Patch.empty((9, 9)), Patch.empty((9, 9)), 0.5).mask().sum() == 0
    np.testing.assert_array_equal(blend(one, Patch.empty(one.shape), 0.6).mask(), one.mask())


def test_between_two_discs_lies_a_disc_of_the_radius_between():
    for weight, radius in ((1, 12), (0.5, 9), (0, 6)):
        mask = Shapes(disc(12), disc(6)).at(weight).mask()
        assert abs(mask.sum() - disc(radius).sum()) < 0.1 * disc(radius).sum()
    assert Shapes(disc(5) & False, disc(5) & False).at(0.5).mask().sum() == 0


def test_trimming_keeps_the_mask():
    logits = np.full((40, 44), -2.0, np.float32)
    logits[disc(5)] = 2
    patch = Patch(0, 0, logits, (40, 44))
    small = trimmed(patch, 0.5, margin=2)
    assert small.logits.size < 300
    np.testing.assert_array_equal(small.mask(), patch.mask())
    assert small.full().min() == -LOGIT_LIMIT
    assert trimmed(patch, 0.999).logits.size == 0
    # what lies close to its mask already is not copied
    assert trimmed(small, 0.5, margin=2) is small
