"""Stepping through the masks that a model offers, on a ViewerModel without Qt."""

import threading

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.ui.controllers import clicks as alternative_masks


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
def image_controller(controller, squares, settle):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((30, 40))
    settle()
    return controller.image_controller


def area(image_controller):
    return int((image_controller.labels.data == 1).sum())


def test_the_next_answer_is_drawn_and_told(controller, image_controller, settle, said):
    assert (
        alternative_masks.told_offer(alternative_masks.offered(controller)) == "1 of 3 · score 0.91"
    )
    assert area(image_controller) == 81
    alternative_masks.step(controller)
    settle()
    assert area(image_controller) == 169
    assert said.messages[-1] == "Answer 2 of 3 · score 0.70."
    alternative_masks.step(controller)
    settle()
    assert area(image_controller) == 25
    alternative_masks.step(controller)
    settle()
    assert area(image_controller) == 81
    alternative_masks.step(controller, -1)
    settle()
    assert area(image_controller) == 25


def test_undo_goes_back_through_the_answers(controller, image_controller, settle, said):
    alternative_masks.step(controller)
    alternative_masks.step(controller)
    settle()
    controller.undo()
    settle()
    assert area(image_controller) == 169
    assert said.messages[-1] == "Undo: Choose mask."
    controller.undo()
    settle()
    assert area(image_controller) == 81
    controller.redo()
    settle()
    assert area(image_controller) == 169


def test_the_next_click_goes_on_from_the_chosen_answer(controller, image_controller, settle):
    alternative_masks.step(controller, -1)
    settle()
    image_controller.points.add((10, 10))
    settle()
    assert area(image_controller) == 25 + 9
    assert alternative_masks.offered(controller) == ()
    assert alternative_masks.told_offer(()) == ""


def test_without_several_answers_it_says_so(controller, image_controller, settle, said):
    image_controller.points.add((10, 10))
    settle()
    alternative_masks.step(controller)
    assert "The model gave one answer here" in said.failures[-1]
    controller.undo()
    settle()
    controller.set_finished(1, True)
    alternative_masks.step(controller)
    assert "The object is accepted" in said.failures[-1]


def test_a_note_of_the_model_reaches_the_status(controller, image_controller, said, settle):
    controller.new_object()
    image_controller.points.add((50, 70))
    settle()
    assert "Three are offered." in said.messages
