"""Other objects of a plane, which are shown to a model that knows them."""

import json

import numpy as np
import pytest

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.session.session import Session

SHAPE = (40, 60)
LEFT, RIGHT = (20, 15), (20, 40)


class Wide:
    """Answers with 31 columns round the last click, or those of the box, less what others have."""

    def __init__(self, *, others: bool = True) -> None:
        self.traits = Traits("wide", frozenset({"click", "box", "mask"}), others=others)
        self.seen: list[int] = []

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query: Query):
        self.seen.append(0 if query.others is None else int((query.others > 0.5).sum()))
        given, cols = query.prompts, np.arange(query.prepared.shape[1])
        centre = given.clicks[-1].col if given.clicks else (given.box.col0 + given.box.col1) / 2
        mask = np.broadcast_to(np.abs(cols - centre) <= 15, query.prepared.shape).copy()
        if query.others is not None:
            mask &= query.others < 0.5
        return Answer(np.where(mask, np.float32(4), np.float32(-4)))


def session_of(model=None, **settings) -> Session:
    settings = {"others": True, "obey": False, "look_again": False, **settings}
    return Session(model or Wide(), Volume(np.zeros(SHAPE, np.uint8)), **settings)


def test_a_session_shows_none_unasked():
    model = Wide()
    session = Session(model, Volume(np.zeros(SHAPE, np.uint8)), obey=False, look_again=False)
    session.click(LEFT)
    session.new_object()
    session.click(RIGHT)
    assert model.seen == [0, 0]


def test_a_second_object_is_shown_the_first_and_the_first_nothing():
    model = Wide()
    session = session_of(model)
    session.click(LEFT)
    area = int(session.mask.sum())
    session.new_object()
    session.click(RIGHT)
    assert model.seen == [0, area]


@pytest.mark.parametrize(
    ("model", "settings"), [(Wide(others=False), {}), (Wide(), {"others": False})]
)
def test_a_model_that_does_not_know_them_and_a_session_without_show_nothing(model, settings):
    session = session_of(model, **settings)
    session.click(LEFT)
    session.new_object()
    session.click(RIGHT)
    assert model.seen == [0, 0]


def test_a_model_that_does_not_know_them_goes_on_from_one_that_does():
    model, plain = Wide(), Wide(others=False)
    session = session_of(model)
    session.click(LEFT)
    session.new_object()
    session.click(RIGHT)
    session.model = plain
    session.click((22, 41))
    assert model.seen[-1] > 0
    assert set(plain.seen) == {0}


def test_later_clicks_are_asked_with_what_others_had_at_the_first():
    model = Wide()
    session = session_of(model)
    session.click(LEFT)
    area, first = int(session.mask.sum()), session.object
    session.new_object()
    session.click(RIGHT)
    second = session.object
    session.select_object(first)
    session.remove_object()
    session.select_object(second)
    session.click((22, 41))
    # the last question, and none was asked anew
    assert model.seen == [0, area, area]


def test_a_box_is_shown_them_too():
    model = Wide()
    session = session_of(model)
    session.click(LEFT)
    area = int(session.mask.sum())
    session.new_object()
    session.set_box(Box(5, 28, 30, 52), plane=Plane(0, 0))
    assert model.seen[-1] == area


@pytest.mark.parametrize("is_told", [True, False])
def test_a_replay_shows_them_where_the_journal_says_so(is_told):
    session = session_of()
    session.click(LEFT)
    session.new_object()
    session.click(RIGHT)
    lines = [json.loads(json.dumps(line)) for line in session.journal.lines]
    if not is_told:
        # of a version that did not know them
        next(line for line in lines if line.get("do") == "begin")["setup"].pop("others")
    model = Wide()
    written = parse_journal([json.dumps(line) for line in lines])
    replayed = replay(written, lambda _: session.volume, lambda _: model)
    area = int((session.labels == 1).sum())
    assert model.seen == [0, area if is_told else 0]
    if is_told:
        np.testing.assert_array_equal(replayed.sessions[0].labels, session.labels)
