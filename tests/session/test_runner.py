"""A runner says where predictions are computed; the session is the same."""

import numpy as np
import pytest

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.volume import Plane
from napari_intseg.session.predictor import run
from napari_intseg.session.session import Session


@pytest.fixture
def waiting():
    return []


@pytest.fixture
def later(bright, two_balls, waiting):
    def hand_over(request):
        waiting.append(request)

    return Session(bright(), two_balls, runner=hand_over)


def test_a_click_that_is_computed_later_says_so(later, waiting):
    result = later.click((12, 20, 14))
    assert not result.is_complete
    assert result.answer is None
    assert not later.mask.any()
    assert later.is_pending(Plane(0, 12))
    assert later.accept(run(waiting[-1]))
    assert later.mask.any()


def test_the_outcome_is_that_of_a_session_which_answers_at_once(later, waiting, bright, two_balls):
    at_once = Session(bright(), two_balls)
    for click in ((12, 20, 14), (12, 20, 32)):
        later.click(click)
        assert at_once.click(click).is_complete
    later.accept(run(waiting[-1]))  # the last request holds both clicks
    np.testing.assert_array_equal(later.mask, at_once.mask)
    np.testing.assert_array_equal(later.probability, at_once.probability)


def test_a_result_that_was_overtaken_is_refused(later, waiting):
    later.click((12, 20, 14))
    later.set_prompts(Plane(0, 12), Prompts())
    assert not later.accept(run(waiting[-1]))
    assert not later.mask.any()


def test_the_old_name_of_the_journal_warns(later):
    with pytest.warns(DeprecationWarning, match="Session is now called journal"):
        assert later.recorder is later.journal
    assert later.journal.lines[1]["do"] == "begin"
