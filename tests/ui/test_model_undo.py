"""Undo and redo of a change of model: the loader, and the boxes of the panel, follow."""

import pytest

from napari_intseg.ui.controllers.model_loader import Choice

FIRST, SECOND = Choice("random-walker"), Choice("region-growing", "cpu", "float32")


@pytest.fixture
def swapped(controller, pump, toy, squares, settle):
    """A click, a second model in place of the first, and another click."""
    second = type(toy)()
    models = {FIRST.name: toy, SECOND.name: second}
    controller.loader._load_with = lambda choice, _old, _stop: models[choice.name]
    controller.loader.choose(FIRST)
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    controller.loader.choose(SECOND)
    pump.until(lambda: controller.loader.model is second)
    settle()
    return toy, second


def undo_to(controller, model, settle):
    for _ in range(5):
        if controller.image_controller.session_store.model is model:
            return
        controller.undo()
        settle()
    raise AssertionError("undo did not reach the model")


def test_undo_brings_back_the_model_and_its_choice(controller, swapped, settle, pump):
    first, second = swapped
    assert controller.loader.choice == SECOND
    undo_to(controller, first, settle)
    assert (controller.loader.model, controller.loader.choice) == (first, FIRST)
    pump.until(lambda: second.released)
    controller.redo()
    settle()
    assert (controller.loader.model, controller.loader.choice) == (second, SECOND)
    pump.until(lambda: first.released)


def test_one_that_is_on_its_way_is_not_given_up(controller, swapped, settle):
    first, _ = swapped
    controller.loader.is_loading = True
    undo_to(controller, first, settle)
    assert controller.loader.choice == SECOND
    controller.loader.is_loading = False
    controller.loader.follow(first)
    assert controller.loader.choice == FIRST


def test_a_new_image_begins_with_the_model_that_undo_brought_back(
    controller, swapped, settle, squares
):
    first, _ = swapped
    undo_to(controller, first, settle)
    controller.choose_image(controller.viewer.add_image(squares, name="other"))
    controller.new_object()
    assert controller.image_controller.session_store.model is first


def test_a_model_from_elsewhere_is_known_by_its_name(controller, toy):
    controller.loader.follow(type(toy)())
    assert controller.loader.choice == Choice("toy")


@pytest.mark.gui
def test_the_boxes_follow(qtbot, controller, swapped, settle, pump):
    from napari_intseg.ui.panels.model_panel import ModelPanel

    first, second = swapped
    panel = ModelPanel(controller)
    qtbot.addWidget(panel)
    pump.until(lambda: not controller.loader.is_loading and panel.device.count() > 1)
    panel.model.setCurrentIndex(panel.model.findData(FIRST.name))
    pump.until(lambda: controller.loader.model is first and not controller.loader.is_loading)
    settle()
    panel.model.setCurrentIndex(panel.model.findData(SECOND.name))
    panel.precision.setCurrentIndex(panel.precision.findData("float32"))
    pump.until(lambda: controller.loader.model is second and not controller.loader.is_loading)
    settle()
    undo_to(controller, first, settle)
    assert (panel.model.currentData(), panel.precision.currentData()) == (FIRST.name, "auto")
    controller.redo()
    settle()
    assert (panel.model.currentData(), panel.precision.currentData()) == (SECOND.name, "float32")
