"""Parts of an answer without a click are told."""

import numpy as np
import pytest


@pytest.fixture
def pair(squares):
    """Two squares of one brightness, and a speck."""
    squares[35:55, 45:70] = 200
    squares[2:4, 70:72] = 200
    return squares


@pytest.fixture
def begun(controller, settle, pair):
    controller.viewer.add_image(pair)
    controller.choose_image(controller.viewer.layers[0])
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    return controller.image_controller


def test_another_part_is_told_and_a_speck_is_not(said, begun):
    assert np.count_nonzero(begun.labels.data[35:55, 45:70]) == 500
    assert said.messages[-1].startswith("Another part of the answer, 500 px, has no click")


def test_a_part_with_a_click_is_meant(said, begun, settle):
    begun.points.add((45, 55))
    settle()
    told = [text for text in said.messages if text.startswith("Another part")]
    assert len(told) == 1, "that of the first click alone"
