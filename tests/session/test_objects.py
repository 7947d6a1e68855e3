import numpy as np
import pytest

from napari_intseg import Plane, Session
from napari_intseg.errors import PromptError


def test_each_object_has_its_label(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    assert session.new_object() == 2
    session.click((12, 20, 32))
    assert session.objects == (1, 2)
    assert session.labels[12, 20, 14] == 1
    assert session.labels[12, 20, 32] == 2
    np.testing.assert_array_equal(session.labels_on(Plane(0, 12)), session.labels[12])
    np.testing.assert_array_equal(session.mask, session.labels == 2)
    np.testing.assert_array_equal(session.mask_on(Plane(0, 12), 1), session.labels[12] == 1)


def test_an_object_never_takes_another_s_pixels(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    first = session.mask
    session.new_object()
    session.click((12, 20, 32))
    session.click((12, 20, 14))
    np.testing.assert_array_equal(session.labels == 1, first)
    session.select_object(1)
    session.click((12, 20, 32))
    assert not (session.labels[12] == 1)[:, 24:].any()


def test_pixels_let_go_can_be_taken(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.remove_click(0)
    session.new_object()
    session.click((12, 20, 14))
    assert session.labels[12, 20, 14] == 2
    session.undo()
    session.undo()
    session.undo()
    assert session.labels[12, 20, 14] == 1


def test_where_planes_cross_the_later_answer_decides(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.axis = 1
    session.click((12, 20, 32))
    assert session.mask[12, 20, 32]
    assert not session.mask[12, 20, 14]  # on the later plane it is not
    for plane in (Plane(0, 12), Plane(1, 20), Plane(2, 14), Plane(2, 32)):
        np.testing.assert_array_equal(
            session.mask_on(plane), two_balls.of(session.mask, plane), err_msg=str(plane)
        )
    session.axis = 0
    session.click((12, 18, 14))
    assert session.mask[12, 20, 14]


def test_a_crossing_plane_that_comes_to_light_again_takes_nothing(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.axis = 1
    session.click((5, 20, 45))  # a small disc; hides row 20 of plane 12
    session.new_object()
    session.axis = 0
    session.click((12, 20, 14))  # takes what is hidden
    held = session.mask
    assert held[12, 20, 14]
    session.select_object(1)
    session.remove_click(-1)
    np.testing.assert_array_equal(session.labels == 2, held)
    assert not (session.mask & held).any()


def test_a_finished_object_takes_no_prompts_until_reopened(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.finish_object()
    assert session.is_finished(1)
    with pytest.raises(PromptError, match="object is finished"):
        session.click((12, 20, 14))
    with pytest.raises(PromptError, match="object is finished"):
        session.set_initial_mask(np.zeros(two_balls.shape, bool))
    with pytest.raises(PromptError, match="object is finished"):
        session.propagate()
    session.reopen_object()
    session.click((12, 20, 14))
    assert len(session.clicks) == 2


def test_labels_are_chosen_and_checked(bright, two_balls):
    session = Session(bright(), two_balls)
    assert session.new_object(7) == 7
    assert session.new_object() == 8
    for label in (7, 0, -3):
        with pytest.raises(PromptError, match="label cannot be used"):
            session.new_object(label)
    with pytest.raises(PromptError, match="label is too large: expected at most 2147483647"):
        session.new_object(2**31)
    for act in (session.select_object, session.remove_object, session.finish_object):
        with pytest.raises(PromptError, match="object does not exist"):
            act(5)


def test_a_removed_object_comes_back_whole(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.new_object()
    session.click((12, 20, 32))
    before = session.labels
    change = session.remove_object()
    assert change.planes == (Plane(0, 12),)
    assert session.object == 1
    assert 2 not in session.labels
    session.undo()
    assert session.object == 2
    np.testing.assert_array_equal(session.labels, before)


def test_when_the_only_object_is_removed_label_1_begins_anew(bright, two_balls):
    session = Session(bright(), two_balls)
    session.click((12, 20, 14))
    session.remove_object()
    assert session.objects == (1,)
    assert not session.labels.any()
    assert not session.clicks
    session.click((12, 20, 14))
    assert session.labels.any()
