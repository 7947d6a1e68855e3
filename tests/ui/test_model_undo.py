"""Undo and redo of a change of model: the loader, and the boxes of the panel, follow."""

import pytest

from napari_intseg.ui.loading import Choice

FIRST, SECOND = Choice("random-walker"), Choice("region-growing", "cpu", "float32")


@pytest.fixture
def swapped(bench, pump, toy, squares, settle):
    """A click, a second model in place of the first, and another click."""
    second = type(toy)()
    models = {FIRST.name: toy, SECOND.name: second}
    bench.loader._load_with = lambda choice, _old, _stop: models[choice.name]
    bench.loader.choose(FIRST)
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    bench.loader.choose(SECOND)
    pump.until(lambda: bench.loader.model is second)
    settle()
    return toy, second


def undo_to(bench, model, settle):
    for _ in range(5):
        if bench.binder.drawer.model is model:
            return
        bench.undo()
        settle()
    raise AssertionError("undo did not reach the model")


def test_undo_brings_back_the_model_and_its_choice(bench, swapped, settle, pump):
    first, second = swapped
    assert bench.loader.choice == SECOND
    undo_to(bench, first, settle)
    assert (bench.loader.model, bench.loader.choice) == (first, FIRST)
    pump.until(lambda: second.released)
    bench.redo()
    settle()
    assert (bench.loader.model, bench.loader.choice) == (second, SECOND)
    pump.until(lambda: first.released)


def test_one_that_is_on_its_way_is_not_given_up(bench, swapped, settle):
    first, _ = swapped
    bench.loader.is_loading = True
    undo_to(bench, first, settle)
    assert bench.loader.choice == SECOND
    bench.loader.is_loading = False
    bench.loader.follow(first)
    assert bench.loader.choice == FIRST


def test_a_new_image_begins_with_the_model_that_undo_brought_back(bench, swapped, settle, squares):
    first, _ = swapped
    undo_to(bench, first, settle)
    bench.choose_image(bench.viewer.add_image(squares, name="other"))
    bench.new_object()
    assert bench.binder.drawer.model is first


def test_a_model_from_elsewhere_is_known_by_its_name(bench, toy):
    bench.loader.follow(type(toy)())
    assert bench.loader.choice == Choice("toy")


@pytest.mark.gui
def test_the_boxes_follow(qtbot, bench, swapped, settle, pump):
    from napari_intseg.ui.panels.model_panel import ModelPanel

    first, second = swapped
    panel = ModelPanel(bench)
    qtbot.addWidget(panel)
    pump.until(lambda: not bench.loader.is_loading and panel.device.count() > 1)
    panel.model.setCurrentIndex(panel.model.findData(FIRST.name))
    pump.until(lambda: bench.loader.model is first and not bench.loader.is_loading)
    settle()
    panel.model.setCurrentIndex(panel.model.findData(SECOND.name))
    panel.precision.setCurrentIndex(panel.precision.findData("float32"))
    pump.until(lambda: bench.loader.model is second and not bench.loader.is_loading)
    settle()
    undo_to(bench, first, settle)
    assert (panel.model.currentData(), panel.precision.currentData()) == (FIRST.name, "auto")
    bench.redo()
    settle()
    assert (panel.model.currentData(), panel.precision.currentData()) == (SECOND.name, "float32")
