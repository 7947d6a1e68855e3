"""Objects are merged, split and renumbered: one entry each, undone and replayed to the pixel."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_intseg import Plane, Session, Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import note_labels, replay

from .conftest import Bright

LEFT, RIGHT = (12, 20, 14), (12, 20, 32)


@pytest.fixture
def session(bright, two_balls):
    """Two objects on several planes, the second propagated."""
    session = Session(bright(), two_balls)
    session.click(LEFT)
    session.new_object()
    session.click(RIGHT)
    session.propagate()
    return session


def again(session):
    note_labels(session)
    written = parse_journal([json.dumps(line) for line in session.journal.lines])
    return replay(written, lambda _: session.volume, lambda _: Bright())


def check_there_and_back(session, act):
    """Undo gives the labels before, redo those after, a replay the same."""
    before, objects, current = session.labels, session.objects, session.object
    act()
    after, then = session.labels, session.objects
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert (session.objects, session.object) == (objects, current)
    session.redo()
    np.testing.assert_array_equal(session.labels, after)
    assert session.objects == then
    replayed = again(session)
    assert replayed.differences == ()
    np.testing.assert_array_equal(replayed.sessions[0].labels, after)


def test_merged_objects_are_one_with_the_first_number(session):
    before = session.labels
    check_there_and_back(session, lambda: session.merge_objects([1, 2]))
    np.testing.assert_array_equal(session.labels, (before > 0).astype(np.int32))
    assert session.objects == (1,)
    assert session.object == 1
    assert session.undo_title == "Merge objects"


def test_clicks_correct_what_was_merged(session):
    session.merge_objects([2, 1])
    assert session.object == 2
    session.click((12, 20, 16), positive=False)
    assert not session.mask[12, 20, 16]
    assert session.mask[RIGHT]
    session.undo()
    assert session.mask[12, 20, 16]


def test_what_was_propagated_stays_so(session):
    planes, sure = session.propagated_planes(0, 2), session.confidences_of(2)
    assert planes
    session.merge_objects([1, 2])
    assert session.propagated_planes(0, 1) == planes
    assert session.confidences_of(1) == sure
    assert session.clicked_planes(0) == (Plane(0, 12),)


def test_an_object_is_split_by_a_click_in_each_part(session):
    session.merge_objects([1, 2])
    whole = session.mask
    check_there_and_back(session, lambda: session.split_object(LEFT, RIGHT))
    labels = session.labels
    np.testing.assert_array_equal(labels > 0, whole)
    assert labels[LEFT] == 1
    assert labels[RIGHT] == 2
    assert (labels == 2).sum() > 0.8 * (labels == 1).sum()
    assert session.object == 1
    session.select_object(2)
    session.click((12, 16, 32), positive=False)
    assert not session.mask[12, 16, 32]


def test_positive_clicks_in_the_other_part_go_with_it(session):
    session.merge_objects([1, 2])
    session.click((12, 22, 32))
    assert len(session.clicks) == 2
    session.split_object(LEFT, RIGHT, new=9)
    assert [placed.click.col for placed in session.clicks] == [14]
    assert session.objects == (1, 9)


def test_parts_on_planes_of_other_axes_are_kept_to_the_pixel(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click(LEFT)
    session.axis = 1
    session.click((12, 18, 14))
    session.paint({Plane(2, 30): np.indices((24, 40))[0] < 3}, 1)
    session.new_object()
    session.axis = 2
    session.click(RIGHT)
    union = session.labels > 0
    check_there_and_back(session, lambda: session.merge_objects([2, 1]))
    np.testing.assert_array_equal(session.labels == 2, union)
    check_there_and_back(session, lambda: session.split_object(LEFT, RIGHT))
    np.testing.assert_array_equal(session.labels > 0, union)


def test_what_was_painted_beside_clicks_on_another_axis_is_kept_to_the_pixel(bright, two_balls):
    session = Session(bright(), two_balls)
    session.axis = 2
    session.click(LEFT)
    stroke = np.zeros(two_balls.slice_shape(0), bool)
    stroke[3:6, 2:11] = True
    session.paint({Plane(0, 4): stroke}, 1)
    session.new_object()
    session.click(RIGHT)
    union = session.labels > 0
    check_there_and_back(session, lambda: session.merge_objects([1, 2]))
    np.testing.assert_array_equal(session.labels == 1, union)


def test_another_number_changes_nothing_else(session):
    before, planes = session.labels, session.propagated_planes(0, 2)
    check_there_and_back(session, lambda: session.relabel_object(2, 17))
    np.testing.assert_array_equal(session.labels, np.where(before == 2, 17, before))
    assert session.objects == (1, 17)
    assert session.object == 17
    assert session.propagated_planes(0, 17) == planes
    assert not session.propagation_request(label=17).stretches  # nor is it propagated anew


@pytest.mark.parametrize("why", ["locked", "accepted", "region"])
def test_what_must_stay_as_it_is_is_refused(session, why):
    if why == "locked":
        session.lock_object(2)
    elif why == "accepted":
        session.finish_object(2)
    else:
        session.protect(region=np.indices((40, 48))[0] < 20)
    before, count = session.labels, len(session.journal.lines)
    for act in (
        lambda: session.merge_objects([1, 2]),
        lambda: session.split_object((12, 14, 32), (12, 26, 32), 2),
        lambda: session.relabel_object(2, 5),
    ):
        with pytest.raises(PromptError, match=r"is locked|outside the region"):
            act()
    np.testing.assert_array_equal(session.labels, before)
    assert len(session.journal.lines) == count


def test_locked_neighbours_keep_their_pixels(session):
    session.lock_object(1)
    held = session.labels == 1
    session.split_object((12, 14, 32), (12, 26, 32))
    np.testing.assert_array_equal(session.labels == 1, held)


def test_what_makes_no_sense_is_refused(session):
    with pytest.raises(PromptError, match="nothing to merge: expected at least 2 objects"):
        session.merge_objects([1, 1])
    with pytest.raises(PromptError, match="object does not exist"):
        session.merge_objects([1, 3])
    with pytest.raises(PromptError, match="label cannot be used"):
        session.relabel_object(1, 2)
    with pytest.raises(PromptError, match="click is not in the object"):
        session.split_object(LEFT, RIGHT)
    with pytest.raises(PromptError, match="outside the data"):
        session.split_object((12, 20, 14), (12, 20, 480), 1)


def test_a_flat_image_is_split_too(bright):
    data = np.zeros((30, 60), np.uint8)
    data[5:25, 5:55] = 200
    session = Session(bright(), Volume(data))
    session.click((15, 20))
    check_there_and_back(session, lambda: session.split_object((15, 12), (15, 48)))
    assert session.labels[15, 12] == 1
    assert session.labels[15, 48] == 2


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["click", "paint", "merge", "split", "number", "exchange", "undo"]),
        st.integers(0, 999),
    ),
    min_size=3,
    max_size=9,
)


@given(acts=ACTS)
@settings(max_examples=40, deadline=None)
def test_whatever_is_done_the_way_back_and_the_journal_agree(acts):
    rng = np.random.default_rng(5)
    session = Session(Bright(), Volume((rng.random((5, 14, 16)) > 0.55).astype(np.uint8) * 200))
    for what, seed in acts:
        dice = np.random.default_rng(seed)
        union = session.labels > 0
        try:
            _do(session, what, dice)
        except PromptError:
            continue
        if what in ("merge", "split", "number", "exchange"):
            np.testing.assert_array_equal(session.labels > 0, union)
    steps = [session.labels]
    while session.undo() is not None:
        steps.append(session.labels)
    for labels in reversed(steps[:-1]):
        session.redo()
        np.testing.assert_array_equal(session.labels, labels)
    assert again(session).differences == ()


def _do(session, what, dice):
    labels = session.objects
    if what == "click":
        session.set_axis(int(dice.integers(3)))
        if dice.random() < 0.5:
            session.new_object()
        session.click([float(dice.integers(n)) for n in session.volume.shape])
    elif what == "paint":
        mask = dice.random((14, 16)) > 0.8
        session.paint({Plane(0, int(dice.integers(5))): mask}, int(dice.choice(labels)))
    elif what == "merge":
        session.merge_objects([int(n) for n in dice.permutation(labels)[:2]])
    elif what == "split":
        held = np.argwhere(session.mask)
        if len(held) > 1:
            first, second = held[dice.choice(len(held), 2, replace=False)]
            session.split_object(first.tolist(), second.tolist())
    elif what == "number":
        session.relabel_object(int(dice.choice(labels)), int(dice.integers(1, 30)))
    elif what == "exchange":
        numbers = dict(zip(labels, map(int, dice.permutation(labels)), strict=True))
        session.renumber_objects(numbers | {labels[0]: max(labels) + 1})
    else:
        session.undo()


def test_objects_exchange_their_numbers_in_one_step(session):
    before = session.labels
    clicks = session.prompts(Plane(0, 12)).clicks
    session.new_object(4)
    session.click((12, 5, 5))
    third = session.labels == 4
    check_there_and_back(session, lambda: session.renumber_objects({1: 2, 2: 1, 4: 9}))
    after = session.labels
    np.testing.assert_array_equal(after == 1, before == 2)
    np.testing.assert_array_equal(after == 2, before == 1)
    np.testing.assert_array_equal(after == 9, third)
    assert session.objects == (1, 2, 9)
    assert session.object == 9
    assert session.undo_title == "Link through time"
    # of one object alone it is not undone: two would have one mask
    assert not session.can_go("undo", 1)
    assert session.undo(1) is None
    session.select_object(1)
    assert session.prompts(Plane(0, 12)).clicks == clicks
    session.renumber_objects({1: 1})  # who keeps its own may be named


def test_new_numbers_leave_what_is_locked_and_are_each_of_one_object(session):
    with pytest.raises(PromptError, match=r"number is in use: .* got 2 for two"):
        session.renumber_objects({1: 2})
    with pytest.raises(PromptError, match="got 7 for two"):
        session.renumber_objects({1: 7, 2: 7})
    with pytest.raises(PromptError):
        session.renumber_objects({1: 0})
    with pytest.raises(PromptError):
        session.renumber_objects({5: 6})
    session.finish_object(2)
    with pytest.raises(PromptError, match="object is locked"):
        session.renumber_objects({2: 5})
    session.renumber_objects({1: 5, 2: 2})
    assert session.objects == (2, 5)
    session.new_object(8)  # of which nothing is known
    session.renumber_objects({5: 8})
    assert session.objects == (2, 8)
