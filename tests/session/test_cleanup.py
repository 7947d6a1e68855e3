"""Clean-up in a session: one entry, and never over other labels."""

import numpy as np
import pytest

from napari_intseg import Plane, Session, Volume
from napari_intseg.errors import PromptError


def messy():
    """A box with a hole on one plane and a stray part."""
    mask = np.zeros((12, 30, 34), bool)
    mask[3:9, 8:20, 8:22] = True
    mask[5, 12:15, 12:15] = False
    mask[6, 2:5, 28:31] = True
    return mask


@pytest.fixture
def session(bright):
    session = Session(bright(), Volume(np.zeros((12, 30, 34), np.uint8), spacing=(2, 1, 1)))
    session.set_initial_mask(messy())
    return session


def test_holes_and_stray_parts_go_in_one_entry_that_can_be_undone(session):
    change = session.clean_up(holes=True, largest=True)
    assert {plane.index for plane in change.planes} == {5, 6}
    tidy = session.mask
    assert tidy[5, 8:20, 8:22].all()
    assert not tidy[6, 2:5, 28:31].any()
    assert session.undo_title == "Clean up"
    session.undo()
    np.testing.assert_array_equal(session.mask, messy())
    session.redo()
    np.testing.assert_array_equal(session.mask, tidy)


def test_other_labels_are_never_written_over(session):
    session.new_object()
    inside = np.zeros((30, 34), bool)
    inside[13, 13] = True
    session.set_initial_mask(inside, Plane(0, 5))
    session.select_object(1)
    session.clean_up(holes=True)
    assert session.labels[5, 13, 13] == 2
    assert session.labels[5, 12, 12] == 1


def test_planes_a_person_worked_on_are_not_smoothed(bright):
    data = np.zeros((12, 30, 34), np.uint8)
    data[2:10, 8:20, 8:22] = 200
    data[6, 8:20, 8:14] = 0
    session = Session(bright(), Volume(data))
    session.click((3, 12, 18))
    session.propagate()
    before = session.mask[6].sum()
    session.clean_up(smooth_mm=1.5)
    assert session.mask[6].sum() > before
    assert Plane(0, 6) in session.propagated_planes(0)
    session.undo()
    session.click((6, 12, 18))
    before = session.mask[6].sum()
    session.clean_up(smooth_mm=1.5)
    assert session.mask[6].sum() == before


def test_a_tidied_plane_stays_so_when_something_else_is_undone(session):
    session.clean_up(holes=True)
    session.select_object(1)
    tidy = session.mask
    session.click((4, 10, 10))
    session.undo()
    np.testing.assert_array_equal(session.mask, tidy)


def test_nothing_to_tidy_makes_no_entry(session):
    session.clean_up(holes=True, largest=True)
    title = session.undo_title
    session.click((4, 25, 25), positive=False)
    session.undo()
    assert session.clean_up(holes=True, largest=True).planes == ()
    assert session.undo_title == title
    session.new_object()
    assert session.clean_up(holes=True).planes == ()


@pytest.mark.parametrize("options", [{}, {"smooth_mm": -1.0}, {"smooth_mm": np.nan}])
def test_without_a_choice_it_is_refused(session, options):
    with pytest.raises(PromptError, match="nothing to clean up by"):
        session.clean_up(**options)


def test_it_works_along_the_axis_of_the_session(bright):
    session = Session(bright(), Volume(np.zeros((30, 12, 34), np.uint8)), axis=1)
    session.set_initial_mask(np.swapaxes(messy(), 0, 1))
    session.clean_up(holes=True, largest=True)
    assert np.swapaxes(session.mask, 0, 1)[5, 13, 13]
