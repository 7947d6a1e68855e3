import json

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.errors import PromptError
from napari_intseg.propagation.ending import distance_to
from napari_intseg.propagation.walk import WalkSettings
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay

BOXES = (((4, 16), (3, 12), (3, 12)), ((2, 9), (3, 12), (18, 28)), ((8, 19), (17, 27), (4, 14)))


@pytest.fixture
def boxes():
    """Three boxes, each on other planes, as labels 1 to 3."""
    out = np.zeros((20, 30, 30), np.int32)
    for label, box in enumerate(BOXES, 1):
        out[tuple(slice(*part) for part in box)] = label
    return out


@pytest.fixture
def session(bright, boxes):
    session = Session(bright(), Volume((boxes > 0) * np.uint8(200)))
    for label, box in enumerate(BOXES, 1):
        if label not in session.objects:
            session.new_object(label)
        session.click(tuple(sum(part) / 2 // 1 for part in box))
    return session


def test_every_object_goes_as_far_as_it_goes_alone(session, boxes):
    change = session.propagate_all()
    np.testing.assert_array_equal(session.labels, boxes)
    assert change.objects == (1, 2, 3)
    assert session.object == 3


def test_it_is_one_step_of_undo(session, boxes):
    before = session.labels
    session.propagate_all()
    assert session.undo().title == "Propagate all"
    np.testing.assert_array_equal(session.labels, before)
    session.redo()
    np.testing.assert_array_equal(session.labels, boxes)


def test_one_object_can_be_taken_back_alone(session, boxes):
    session.propagate_all()
    session.undo(object=2)
    np.testing.assert_array_equal(session.labels == 1, boxes == 1)
    assert np.flatnonzero((session.labels == 2).any(axis=(1, 2))).tolist() == [5]


def test_twice_are_two_steps(session, boxes):
    session.propagate_all(range(3, 10))
    between = session.labels
    session.propagate_all()
    np.testing.assert_array_equal(session.labels, boxes)
    session.undo()
    np.testing.assert_array_equal(session.labels, between)


def test_finished_and_empty_objects_are_left_out(session, boxes):
    session.finish_object(1)
    session.new_object(4)
    session.click((0, 0, 0), positive=False)
    assert [label for label in session.objects if session.can_propagate(label)] == [2, 3]
    session.propagate_all()
    assert np.flatnonzero((session.labels == 1).any(axis=(1, 2))).tolist() == [10]
    np.testing.assert_array_equal(session.labels == 3, boxes == 3)


def test_what_was_found_or_painted_counts_as_clicked(session, boxes):
    session.begin_with({Plane(0, 10): boxes[10] == 1}, 7, token="one")
    assert not session.can_propagate(7), "all its pixels are another object's"
    session.remove_object(1)
    session.begin_with({Plane(0, 10): boxes[10] == 1}, 8, token="two")
    assert session.can_propagate(8)
    session.propagate_all()
    np.testing.assert_array_equal(session.labels == 8, boxes == 1)


def test_progress_counts_objects_and_it_can_be_stopped(session, boxes):
    told = []
    session.propagate_all(on_progress=lambda *now: told.append(now))
    assert told == [(1, 3), (2, 3), (3, 3)]
    session.undo()
    session.propagate_all(
        on_progress=lambda *now: told.append(now), should_stop=lambda: len(told) > 3
    )
    assert told[3:] == [(1, 3)]
    done = [(session.labels == label).sum() for label in (1, 2, 3)]
    assert 0 < done[0] < (boxes == 1).sum()  # they take turns: one has ended, others have not


def test_a_replay_makes_the_same_labels_and_the_same_steps(session, boxes):
    session.propagate_all()
    written = parse_journal([json.dumps(line) for line in session.journal.lines])
    again = replay(written, lambda _: session.volume, lambda _: session.model)
    assert again.differences == ()
    other = again.sessions[0]
    np.testing.assert_array_equal(other.labels, boxes)
    assert len(other.document.history) == len(session.document.history)


def test_without_an_object_it_says_what_to_do(bright, session):
    with pytest.raises(PromptError, match="Click on one first"):
        Session(bright(), session.volume).propagate_all()
    with pytest.raises(PromptError, match="within 0 to 19"):
        session.propagate_all(range(30))
    with pytest.raises(PromptError, match="no memory"):
        session.propagate_all(settings=WalkSettings(method="memory"))


def test_planes_are_prepared_once_for_all_objects_even_with_little_memory(bright, boxes):
    class Counts(bright):
        prepared = 0

        def prepare(self, image):
            type(self).prepared += 1
            return super().prepare(image)

    room = 3 * boxes[0].size * 3 * 4  # for the images of three planes
    session = Session(Counts(), Volume((boxes > 0) * np.uint8(200)), cache_bytes=room)
    for label, (_, rows, cols) in enumerate(BOXES, 1):
        if label not in session.objects:
            session.new_object(label)
        session.click((8, sum(rows) // 2, sum(cols) // 2))  # as those that are found on one plane
    Counts.prepared = 0
    session.propagate_all()
    np.testing.assert_array_equal(session.labels, boxes)
    touched = 2 + 17  # planes with an object on them, and one beyond either end
    assert Counts.prepared <= touched + 1


def test_after_a_replay_the_next_is_a_step_of_its_own(session, boxes):
    session.propagate_all(range(3, 10))
    written = parse_journal([json.dumps(line) for line in session.journal.lines])
    other = replay(written, lambda _: session.volume, lambda _: session.model).sessions[0]
    other.propagate_all()
    np.testing.assert_array_equal(other.labels, boxes)
    other.undo()
    np.testing.assert_array_equal(other.labels, session.labels)


class Grows:
    """Answers with the mask it is given and what is near it, the less sure the farther."""

    traits = Traits("grows", uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], None, image.nbytes)

    def predict(self, query):
        given = query.prev_logits > 0
        return Answer(np.float32(3.2) - distance_to(given))


@pytest.mark.parametrize("compete", [True, False])
def test_a_contested_pixel_is_the_more_probable_ones(compete):
    volume = Volume(np.zeros((3, 20, 34), np.uint8))
    session = Session(Grows(), volume, zoom_in=None, compete=compete)
    masks = np.zeros((2, 20, 34), bool)
    masks[0, 5:15, 5:15] = masks[1, 5:15, 17:27] = True
    for label, mask in enumerate(masks, 1):
        if label not in session.objects:
            session.new_object(label)
        session.set_initial_mask(mask, Plane(0, 0))
    session.propagate_all(range(1, 2))
    assert session.labels[1, 10, 14:18].tolist() == ([1, 1, 2, 2] if compete else [1, 1, 1, 2])
    session.undo()
    assert not session.labels[1].any()


def test_what_a_person_gave_and_what_is_accepted_loses_nothing():
    volume = Volume(np.zeros((3, 20, 34), np.uint8))
    for keep in ("given", "finished"):
        session = Session(Grows(), volume, zoom_in=None)
        wide, near = np.zeros((2, 20, 34), bool)
        wide[5:15, 5:17] = near[5:15, 17:27] = True
        session.set_initial_mask(wide, Plane(0, 0))
        if keep == "given":
            session.set_initial_mask(wide, Plane(0, 1))
        else:
            session.propagate(range(1, 2))
            session.finish_object(1)
        before = session.labels[1]
        session.new_object(2)
        session.set_initial_mask(near, Plane(0, 0))
        session.propagate(range(1, 2))
        assert (session.labels[1] == 2).any()
        np.testing.assert_array_equal((session.labels[1] == 1), before == 1)
