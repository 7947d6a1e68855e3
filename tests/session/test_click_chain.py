"""Chains of suggested clicks."""

import numpy as np
import pytest

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.session import Session
from napari_intseg.session.suggestions import MOST

SHAPE = (90, 120)


class Growing:
    """Answers with a disc that each positive click and each led question makes larger, to 40."""

    def __init__(self, *, uses_prev=True, step=6.0, logit=4.0):
        self.traits = Traits("growing", uses_prev=uses_prev)
        self.step, self.logit = step, logit

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query: Query):
        rows, cols = np.indices(query.prepared.shape)
        radius = 10 + 10 * (sum(click.positive for click in query.prompts.clicks) - 1)
        if query.prev_logits is not None and (query.prev_logits > 0).any():
            radius = max(radius, self.step + np.sqrt((query.prev_logits > 0).sum() / np.pi))
        inside = np.hypot(rows - 45, cols - 60) <= min(radius, 40)
        return Answer(np.where(inside, self.logit, -self.logit).astype(np.float32))


@pytest.fixture
def session():
    return Session(Growing(), Volume(np.zeros(SHAPE, np.uint8)), obey=False, partial=False)


def test_a_click_is_suggested_where_the_model_would_change_its_mind(session):
    session.click((45, 60))
    before = session.mask
    found = session.suggest_click()
    assert found.click.positive
    assert not before[int(found.click.row), int(found.click.col)]
    assert found.sure > 0.5
    assert (session.mask == before).all()
    assert len(session.clicks) == 1


def test_the_chain_grows_the_mask_until_there_is_nothing_to_doubt_and_is_undone_step_by_step(
    session,
):
    session.click((45, 60))
    areas, shown = [int(session.mask.sum())], []
    made = session.auto_clicks(on_progress=lambda done, most: shown.append((done, most)))
    assert 1 <= made <= MOST
    assert shown == [(n + 1, MOST) for n in range(made)]
    assert len(session.clicks) == made + 1
    assert int(session.mask.sum()) > areas[0]
    for _ in range(made):
        assert session.undo_title == "Suggested click"
        session.undo()
    assert int(session.mask.sum()) == areas[0]


def test_a_content_model_suggests_nothing():
    session = Session(Growing(step=0.0), Volume(np.zeros(SHAPE, np.uint8)))
    session.click((45, 60))
    assert session.suggest_click() is None
    assert session.auto_clicks() == 0


def test_an_unsure_model_suggests_nothing():
    session = Session(Growing(logit=0.05), Volume(np.zeros(SHAPE, np.uint8)), obey=False)
    session.click((45, 60))
    assert session.suggest_click() is None


def test_the_chain_can_be_stopped_and_shortened(session):
    session.click((45, 60))
    assert session.auto_clicks(should_stop=lambda: True) == 0
    assert session.auto_clicks(most=1) == 1
    assert len(session.clicks) == 2


def test_a_model_without_an_ear_for_masks_is_asked_about_the_mirrored_image():
    session = Session(Growing(uses_prev=False), Volume(np.zeros(SHAPE, np.uint8)))
    session.click((45, 60))
    assert session.suggest_click() is None  # both ways agree here but for the middle's half pixel


def test_it_needs_an_answer_and_a_model_that_takes_clicks(session):
    with pytest.raises(PromptError, match="Click on it first"):
        session.suggest_click()
    boxes = Growing()
    boxes.traits = Traits("boxes", frozenset({"box"}))
    with pytest.raises(PromptError, match="clicks of both signs"):
        Session(boxes, Volume(np.zeros(SHAPE, np.uint8))).suggest_click()


def test_a_journal_replays_the_clicks_without_asking_the_policy(session):
    session.click((45, 60))
    session.auto_clicks(most=2)
    done = [line["do"] for line in session.journal.lines if line.get("do") == "add_clicks"]
    assert len(done) == 3
    assert [type(click) for click in session.prompts(session.clicked_planes()[0]).clicks] == [
        Click
    ] * 3
