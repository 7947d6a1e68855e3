import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import LOGIT_LIMIT, logit, mask_to_logits, sigmoid

ALL = Prompts(
    (Click(1, 2), Click(3, 4, positive=False)),
    Box(1, 2, 5, 9),
    (Scribble(((1, 1), (2, 5)), positive=False),),
)


def test_what_counts_as_given():
    assert Prompts().is_empty
    for one in (Prompts((Click(1, 1, False),)), Prompts(box=Box(0, 0, 1, 1)), ALL):
        assert not one.is_empty
    assert not Prompts((Click(1, 1, False),)).has_positive
    assert not Prompts(scribbles=ALL.scribbles).has_positive
    assert Prompts(scribbles=(Scribble(((1, 1),)),)).has_positive
    assert Prompts(box=Box(0, 0, 1, 1)).has_positive


def test_moving_there_and_back():
    there = ALL.moved(lambda row, col: (2 * row + 1, 10 - col))
    assert there.box == Box(3, 1, 11, 8)
    assert there.clicks[1] == Click(7, 6, positive=False)
    assert there.moved(lambda row, col: ((row - 1) / 2, 10 - col)) == ALL


def test_prompts_can_be_compared_and_used_as_keys():
    assert hash(ALL) == hash(ALL.moved(lambda row, col: (row, col)))


def test_logits_and_probabilities_are_inverse_and_finite(rng):
    logits = rng.uniform(-8, 8, 100).astype(np.float32)
    np.testing.assert_allclose(logit(sigmoid(logits)), logits, rtol=1e-3, atol=1e-3)
    extreme = logit(np.array([0.0, 1.0], np.float32))
    assert extreme.tolist() == [-LOGIT_LIMIT, LOGIT_LIMIT]
    assert sigmoid(np.array([-1000.0, 1000.0], np.float32)) == pytest.approx([0, 1])
    assert mask_to_logits(np.array([True, False])).tolist() == [LOGIT_LIMIT, -LOGIT_LIMIT]
