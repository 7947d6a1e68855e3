"""Stepping through the masks that a model offers, on a ViewerModel without Qt."""

import threading

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.ui import alternatives


class Three:
    """Offers squares of radius 2, 4 and 6 round a single click, the middle one as its answer."""

    traits = Traits("three", frozenset({"click", "mask"}), uses_prev=True)

    def __init__(self) -> None:
        self.gate = threading.Event()

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query: Query) -> Answer:
        rows, cols = np.indices(query.prepared.shape)
        clicks = query.prompts.clicks

        def square(click, radius):
            near = np.maximum(abs(rows - click.row), abs(cols - click.col)) <= radius
            return np.where(near, np.float32(5), np.float32(-5))

        if len(clicks) == 1:
            masks = tuple(square(clicks[0], r) for r in (2, 4, 6))
            return Answer(masks[1], None, masks, (0.5, 0.914, 0.7), {"note": "three are offered"})
        return Answer(np.maximum(query.prev_logits, square(clicks[-1], 1)))


@pytest.fixture
def toy():
    return Three()


@pytest.fixture
def binder(bench, squares, settle):
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    bench.binder.points.add((30, 40))
    settle()
    return bench.binder


def area(binder):
    return int((binder.labels.data == 1).sum())


def test_the_next_answer_is_drawn_and_told(bench, binder, settle, said):
    assert alternatives.told(alternatives.offered(bench)) == "1 of 3 · score 0.91"
    assert area(binder) == 81
    alternatives.step(bench)
    settle()
    assert area(binder) == 169
    assert said.messages[-1] == "Answer 2 of 3 · score 0.70."
    alternatives.step(bench)
    settle()
    assert area(binder) == 25
    alternatives.step(bench)
    settle()
    assert area(binder) == 81
    alternatives.step(bench, -1)
    settle()
    assert area(binder) == 25


def test_undo_goes_back_through_the_answers(bench, binder, settle, said):
    alternatives.step(bench)
    alternatives.step(bench)
    settle()
    bench.undo()
    settle()
    assert area(binder) == 169
    assert said.messages[-1] == "Undo: Choose mask."
    bench.undo()
    settle()
    assert area(binder) == 81
    bench.redo()
    settle()
    assert area(binder) == 169


def test_the_next_click_goes_on_from_the_chosen_answer(bench, binder, settle):
    alternatives.step(bench, -1)
    settle()
    binder.points.add((10, 10))
    settle()
    assert area(binder) == 25 + 9
    assert alternatives.offered(bench) == ()
    assert alternatives.told(()) == ""


def test_without_several_answers_it_says_so(bench, binder, settle, said):
    binder.points.add((10, 10))
    settle()
    alternatives.step(bench)
    assert "The model gave one answer here" in said.failures[-1]
    bench.undo()
    settle()
    bench.set_finished(1, True)
    alternatives.step(bench)
    assert "The object is accepted" in said.failures[-1]


def test_a_note_of_the_model_reaches_the_status(bench, binder, said, settle):
    bench.new_object()
    binder.points.add((50, 70))
    settle()
    assert "Three are offered." in said.messages
