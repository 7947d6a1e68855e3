"""Objects that share pixels by how sure each is."""

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Traits, sigmoid
from napari_intseg.core.volume import Volume
from napari_intseg.inference.patch import Patch
from napari_intseg.session.masks.settle import shares, softmax
from napari_intseg.session.session import Session

SHAPE = (20, 40)


class Cone:
    """Answers with a disc, surest at the last positive click; each negative click takes 3 off."""

    traits = Traits("cone", uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query):
        rows, cols = np.indices(query.prepared.shape)
        clicks = query.prompts.clicks
        at = next(click for click in reversed(clicks) if click.positive)
        radius = 12 - 3 * sum(not click.positive for click in clicks)
        return Answer((radius - np.hypot(rows - at.row, cols - at.col)).astype(np.float32))


@pytest.fixture
def session():
    made = Session(Cone(), Volume(np.zeros(SHAPE, np.uint8)), obey=False, partial=False)
    made.protect(policy="joint")
    made.click((10, 12))
    made.new_object()
    made.click((10, 28))
    return made


def test_two_objects_meet_halfway_whoever_came_first(session):
    labels = session.labels
    assert labels[10, 19] == 1
    assert labels[10, 21] == 2
    keep = Session(Cone(), Volume(np.zeros(SHAPE, np.uint8)), obey=False, partial=False)
    keep.click((10, 12))
    keep.new_object()
    keep.click((10, 28))
    assert keep.labels[10, 21] == 1


def test_a_correction_of_one_gives_its_neighbour_what_that_had_claimed(session):
    before = session.labels
    session.click((10, 38), positive=False)  # object 2 is less sure now
    after = session.labels
    assert before[10, 21] == 2
    assert after[10, 21] == 1
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    session.redo()
    np.testing.assert_array_equal(session.labels, after)


def test_a_locked_object_gives_nothing_away():
    made = Session(Cone(), Volume(np.zeros(SHAPE, np.uint8)), obey=False, partial=False)
    made.protect(policy="joint")
    made.click((10, 12))
    made.lock_object(1)
    first = made.mask
    made.new_object()
    made.click((10, 28))
    np.testing.assert_array_equal(made.labels == 1, first)


def patch(logits, col0=0):
    return Patch(0, col0, np.asarray([logits], np.float32), (1, 6))


def test_every_claimed_pixel_has_one_owner_and_held_ones_none():
    held = np.zeros((1, 6), bool)
    held[0, 4] = True
    found = shares({1: patch([3, 1, 2, -1]), 2: patch([1, 2, 5, 5], 1)}, held)
    assert found[1].tolist() == [[True, True, True, False, False, False]]  # a tie is the first's
    assert found[2].tolist() == [[False, False, False, True, False, False]]


def test_probabilities_add_up_and_one_object_alone_has_its_own():
    found = softmax({1: patch([3, 1, 2, -1]), 2: patch([1, 2, 5, 5], 1)})
    np.testing.assert_allclose(sum(found.values()), 1, atol=1e-6)
    assert found[0][0, 5] == 1
    alone = softmax({7: patch([3, 1, 2, -1])})
    np.testing.assert_allclose(alone[7][0, :4], sigmoid(np.float32([3, 1, 2, -1])), atol=1e-6)
