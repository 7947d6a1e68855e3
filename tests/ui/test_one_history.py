"""napari's Ctrl+Z in the Labels layer and ours are one history, however they are mixed."""

import numpy as np
import pytest

MOST = 24


def act(controller, rng):
    """Do something by hand at a random place; what it is called."""
    image_controller = controller.image_controller
    label = int(rng.integers(1, 3))
    row, col = int(rng.integers(2, 58)), int(rng.integers(2, 78))
    what = ("click", "click", "brush", "eraser", "object", "delete", "move")[rng.integers(7)]
    count = len(image_controller.points.data)
    if what == "click":
        sign = "positive" if rng.random() < 0.7 else "negative"
        at = {"sign": sign, "object": image_controller.session_store.object, "order": 0, "axis": 0}
        image_controller.points.feature_defaults = at
        image_controller.points.add((row, col))
    elif what in ("brush", "eraser"):
        image_controller.labels.brush_size = int(rng.integers(1, 8))
        with image_controller.labels.block_history():
            for step in range(3):
                image_controller.labels.paint((row, col + step), label if what == "brush" else 0)
    elif what == "object":
        controller.new_object()
    elif what == "delete" and count:
        image_controller.points.selected_data = {int(rng.integers(count))}
        image_controller.points.remove_selected()
    elif what == "move" and count:
        data = image_controller.points.data.copy()
        data[int(rng.integers(count))] = row, col
        image_controller.points.data = data


@pytest.mark.parametrize("seed", range(6))
def test_both_undo_what_the_other_would(controller, settle, squares, toy, seed):
    rng = np.random.default_rng(seed)
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    image_controller = controller.image_controller
    ways = {
        "undo": (controller.undo, image_controller.labels.undo),  # the second is what Ctrl+Z calls
        "redo": (controller.redo, image_controller.labels.redo),
    }
    history = image_controller.session_store.sessions[0].document.history
    seen, went_back = {len(history): image_controller.labels.data.copy()}, 0
    for _ in range(MOST):
        before, asked = len(history), len(toy.queries)
        way = ("do", "do", "undo", "undo", "redo")[rng.integers(5)]
        if way == "do":
            act(controller, rng)
            settle()
            if len(history) != before:
                seen = {n: labels for n, labels in seen.items() if n <= before}
                assert len(history) > before
                for n in range(before + 1, len(history)):
                    seen.pop(n, None)  # between two entries of one action
                seen[len(history)] = image_controller.labels.data.copy()
        else:
            ways[way][int(rng.integers(2))]()
            settle()
            assert abs(len(history) - before) <= 1
            went_back += len(history) != before
            assert len(toy.queries) == asked
            if len(history) in seen:
                np.testing.assert_array_equal(image_controller.labels.data, seen[len(history)])
        np.testing.assert_array_equal(
            image_controller.labels.data, image_controller.session_store.sessions[0].labels
        )
    assert went_back > 2
