"""How sure a propagated mask is, by its parts."""

import numpy as np
import pytest

from napari_intseg.inference.patch import Patch
from napari_intseg.propagation.confidence import edge_certainty, interpolated, met, walked
from napari_intseg.propagation.ending import Appearance, ring, ring_reach


def whole(logits):
    return Patch(0, 0, logits, logits.shape)


def test_the_outline_alone_says_how_sharply_it_is_drawn():
    logits = np.full((20, 24), -9.0, np.float32)
    logits[5:15, 6:18] = 9
    # the pixels on either side of the outline
    rim = np.zeros(logits.shape, bool)
    rim[4:16, 6:18] = rim[5:15, 5:19] = True
    rim[6:14, 7:17] = False
    logits[rim] = np.where(logits[rim] > 0, 1.0, -0.5)
    found = edge_certainty(whole(logits), 0.5)
    assert found == pytest.approx(np.tanh(np.abs(logits[rim]) / 2).mean(), abs=1e-5)
    assert edge_certainty(whole(logits * 20), 0.5) > 0.99
    # there is no outline
    assert edge_certainty(whole(np.full((5, 6), -1, np.float32)), 0.5) == 0
    assert edge_certainty(whole(np.full((5, 6), 1, np.float32)), 0.5) == 1


def test_one_part_that_fails_cannot_be_made_up_for():
    assert walked(1, 1, 1, 1) == 1
    assert walked(0.5, 0.5, 0.5, 0.5) == pytest.approx(0.5)
    assert walked(1, 1, 1, 0) == 0
    assert walked(1, 1, 1, 0.0625) == pytest.approx(0.5)
    assert walked(2, 1, 1, 1) == 1


def test_walks_that_met_and_masks_between_two_are_as_sure_as_they_agree():
    assert met(0.8, 0.4, 0.5) == pytest.approx(0.3)
    assert interpolated(0.6, 0.5, lost=False) == pytest.approx(0.6)
    assert interpolated(0.6, 0.0, lost=False) == pytest.approx(1)
    assert interpolated(0.6, 0.25, lost=False) == pytest.approx(0.7)
    assert interpolated(0.6, 0.25, lost=True) == pytest.approx(0.35)


def test_what_is_like_the_object_is_1_and_what_is_like_its_surroundings_0(rng):
    mask = np.zeros((50, 60), bool)
    mask[15:35, 20:40] = True
    image = np.where(mask, 0.7, 0.3) + rng.normal(0, 0.01, mask.shape)
    appearance = Appearance.of(image.astype(np.float32), mask)
    assert appearance.inside > 0.8
    assert appearance.around < 0.2
    assert appearance.mean == pytest.approx(0.7, abs=0.01)
    told = appearance.belongs(image.astype(np.float32))
    assert told[mask].mean() == pytest.approx(1, abs=0.01)
    assert told[ring(mask)].mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("side", [3, 10, 40])
def test_a_ring_lies_within_its_reach(side):
    mask = np.zeros((140, 150), bool)
    mask[50 : 50 + side, 60 : 60 + side] = True
    rows, cols = np.nonzero(ring(mask))
    reach = ring_reach(mask)
    assert 0 <= reach - max(50 - rows.min(), 60 - cols.min()) <= 2
    assert reach > max(rows.max() - 49 - side, cols.max() - 59 - side)
