"""napari's Ctrl+Z in the Labels layer and ours are one history, however they are mixed."""

import numpy as np
import pytest

MOST = 24


def act(bench, rng):
    """Do something by hand at a random place; what it is called."""
    binder = bench.binder
    label = int(rng.integers(1, 3))
    row, col = int(rng.integers(2, 58)), int(rng.integers(2, 78))
    what = ("click", "click", "brush", "eraser", "object", "delete", "move")[rng.integers(7)]
    count = len(binder.points.data)
    if what == "click":
        sign = "positive" if rng.random() < 0.7 else "negative"
        at = {"sign": sign, "object": binder.drawer.object, "order": 0, "axis": 0}
        binder.points.feature_defaults = at
        binder.points.add((row, col))
    elif what in ("brush", "eraser"):
        binder.labels.brush_size = int(rng.integers(1, 8))
        with binder.labels.block_history():
            for step in range(3):
                binder.labels.paint((row, col + step), label if what == "brush" else 0)
    elif what == "object":
        bench.new_object()
    elif what == "delete" and count:
        binder.points.selected_data = {int(rng.integers(count))}
        binder.points.remove_selected()
    elif what == "move" and count:
        data = binder.points.data.copy()
        data[int(rng.integers(count))] = row, col
        binder.points.data = data


@pytest.mark.parametrize("seed", range(6))
def test_both_undo_what_the_other_would(bench, settle, squares, toy, seed):
    rng = np.random.default_rng(seed)
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    binder = bench.binder
    ways = {
        "undo": (bench.undo, binder.labels.undo),  # the second is what Ctrl+Z calls
        "redo": (bench.redo, binder.labels.redo),
    }
    history = binder.drawer.sessions[0].document.history
    seen, went_back = {len(history): binder.labels.data.copy()}, 0
    for _ in range(MOST):
        before, asked = len(history), len(toy.queries)
        way = ("do", "do", "undo", "undo", "redo")[rng.integers(5)]
        if way == "do":
            act(bench, rng)
            settle()
            if len(history) != before:
                seen = {n: labels for n, labels in seen.items() if n <= before}
                assert len(history) > before
                for n in range(before + 1, len(history)):
                    seen.pop(n, None)  # between two entries of one action
                seen[len(history)] = binder.labels.data.copy()
        else:
            ways[way][int(rng.integers(2))]()
            settle()
            assert abs(len(history) - before) <= 1
            went_back += len(history) != before
            assert len(toy.queries) == asked
            if len(history) in seen:
                np.testing.assert_array_equal(binder.labels.data, seen[len(history)])
        np.testing.assert_array_equal(binder.labels.data, binder.drawer.sessions[0].labels)
    assert went_back > 2
