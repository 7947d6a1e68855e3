"""Several masks with scores, boxes, extreme points and what a model does not take."""

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import PromptError
from napari_intseg.session.session import Session

SCORES = (0.5, 0.9, 0.7)


class Three:
    """Offers squares of radius 2, 4 and 6 round a single click; later answers grow the last one."""

    def __init__(self, **traits) -> None:
        kinds = traits.pop("prompts", frozenset({"click", "box", "mask"}))
        self.traits = Traits("three", kinds, **{"uses_prev": True, **traits})
        self.queries: list[Query] = []

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query):
        self.queries.append(query)
        clicks = query.prompts.clicks
        rows, cols = np.indices(query.prepared.shape)

        def square(radius):
            near = np.maximum(abs(rows - clicks[0].row), abs(cols - clicks[0].col)) <= radius
            return np.where(near, np.float32(5), np.float32(-5))

        if len(clicks) == 1 and query.prev_logits is None:
            masks = tuple(square(r) for r in (2, 4, 6))
            return Answer(masks[1], None, masks, SCORES, {"score": 0.9})
        mask = np.zeros(query.prepared.shape, bool)
        if query.prev_logits is not None:
            mask |= query.prev_logits > 0
        if query.prompts.box is not None:
            box = query.prompts.box
            mask |= (
                (rows >= box.row0) & (rows <= box.row1) & (cols >= box.col0) & (cols <= box.col1)
            )
        for click in clicks:
            mask[round(click.row), round(click.col)] = click.positive
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


@pytest.fixture
def model():
    return Three()


@pytest.fixture
def session(model):
    return Session(model, Volume(np.zeros((30, 40), np.uint8)))


def area(session):
    return int(session.mask.sum())


def test_the_best_comes_first_and_is_the_one_in_place(session):
    assert session.alternatives == ()
    session.click((15, 20))
    offered = session.alternatives
    assert [a.score for a in offered] == [0.9, 0.7, 0.5]
    assert [a.is_chosen for a in offered] == [True, False, False]
    assert area(session) == 81


def test_another_mask_can_be_chosen_and_undone_without_the_model(session, model):
    session.click((15, 20))
    change = session.choose_alternative(1)
    assert (change.title, change.planes, change.objects) == ("Choose mask", (Plane(0, 0),), (1,))
    assert area(session) == 169
    session.choose_alternative(2)
    assert area(session) == 25
    assert [a.is_chosen for a in session.alternatives] == [False, False, True]
    assert session.undo_title == "Choose mask"
    session.undo()
    assert area(session) == 169
    session.undo()
    assert area(session) == 81
    session.redo()
    session.redo()
    assert area(session) == 25
    assert len(model.queries) == 1


def test_the_next_click_goes_on_from_the_chosen_mask(session, model):
    session.click((15, 20))
    session.choose_alternative(2)
    session.click((2, 2))
    assert area(session) == 26
    assert (model.queries[-1].prev_logits > 0).sum() == 25
    assert session.alternatives == ()
    session.undo()
    assert area(session) == 25


def test_a_choice_goes_with_the_clicks_it_was_made_for(session):
    session.click((15, 20))
    session.choose_alternative(2)
    session.click((2, 2))
    session.move_click(0, (16, 21))
    assert area(session) == 82  # the best one again, and the second click


def test_a_choice_is_made_again_when_everything_is_answered_anew(session):
    session.click((15, 20))
    session.choose_alternative(2)
    session.window = "full"
    assert area(session) == 25
    session.model = Three()
    session.predict(Plane(0, 0))
    assert area(session) == 25


def test_a_mask_that_is_not_offered_cannot_be_chosen(session):
    with pytest.raises(PromptError, match="expected an answer with several masks, got 0"):
        session.choose_alternative(0)
    session.click((15, 20))
    with pytest.raises(PromptError, match="expected a number below 3, got 3"):
        session.choose_alternative(3)
    session.finish_object()
    with pytest.raises(PromptError, match="object is finished"):
        session.choose_alternative(1)


def test_in_a_volume_each_plane_has_its_own_masks(model):
    session = Session(model, Volume(np.zeros((5, 30, 40), np.uint8)))
    session.click((1, 15, 20))
    session.click((3, 15, 20))
    session.choose_alternative(2, Plane(0, 1))
    assert session.mask.sum(axis=(1, 2)).tolist() == [0, 25, 0, 81, 0]
    assert session.alternatives_on(Plane(0, 2)) == ()


EXTREMES = ((5, 20), (25, 20), (15, 8), (15, 33))


def test_extreme_points_are_collected_before_the_model_is_asked():
    kinds = frozenset({"extreme_points"})
    model = Three(prompts=kinds, needs=kinds, uses_prev=False)
    session = Session(model, Volume(np.zeros((30, 40), np.uint8)))
    for number, point in enumerate(EXTREMES, 1):
        assert not model.queries
        result = session.click(point)
        left = 4 - number
        words = f"{left} more extreme point{'' if left == 1 else 's'}"
        assert result.info.get("note") == (f"waiting for {words}" if left else None)
        assert len(session.clicks) == number
    assert len(model.queries) == 1
    assert len(model.queries[0].prompts.clicks) == 4
    assert area(session) == 4
    session.remove_click(0)
    assert area(session) == 0
    assert len(session.clicks) == 3
    session.undo()
    assert area(session) == 4
    with pytest.raises(PromptError, match="three takes no negative click"):
        session.click((2, 2), positive=False)


def test_a_box_and_a_click_are_collected_before_the_model_is_asked():
    kinds = frozenset({"box", "click"})
    model = Three(prompts=kinds, needs=kinds)
    session = Session(model, Volume(np.zeros((30, 40), np.uint8)))
    result = session.set_box(Box(5, 5, 10, 10))
    assert result.info == {"note": "waiting for a click inside the box"}
    assert not model.queries
    assert session.prompts(Plane(0, 0)).box == Box(5, 5, 10, 10)
    session.click((7, 7))
    assert len(model.queries) == 1
    session.click((8, 8), positive=False)
    assert len(model.queries) == 2


def test_a_prompt_for_another_model_is_refused_before_anything_runs():
    model = Three(prompts=frozenset({"click", "mask"}))
    session = Session(model, Volume(np.zeros((30, 40), np.uint8)))
    with pytest.raises(PromptError, match=r"three takes no box: expected click, mask, got 'box'"):
        session.set_box(Box(5, 5, 10, 10))
    assert not model.queries
    assert session.prompts(Plane(0, 0)).is_empty


def test_a_box_s_mask_is_handed_to_a_model_that_takes_no_box(session):
    session.set_box(Box(5, 5, 10, 10))
    assert area(session) == 36
    other = Three(prompts=frozenset({"click", "mask"}))
    session.model = other
    assert session.predict(Plane(0, 0)) is None  # it cannot answer a box, and the mask stays
    assert area(session) == 36
    session.click((20, 20))
    assert area(session) == 37
    assert other.queries[-1].prompts == Prompts((Click(20, 20),))
    session.undo()
    assert area(session) == 36


def test_a_painted_mask_is_not_overruled_by_the_box_before_it(session, model):
    session.set_box(Box(5, 5, 10, 10))
    mask = np.zeros((30, 40), bool)
    mask[5:8, 5:8] = True
    session.set_initial_mask(mask)
    assert area(session) == 9
    assert len(model.queries) == 1
    session.click((20, 20))
    assert model.queries[-1].prev_logits is not None
    assert len(model.queries) == 2
    session.set_box(Box(0, 0, 1, 1))
    assert len(model.queries) > 2
