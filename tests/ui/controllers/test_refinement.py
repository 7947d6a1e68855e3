"""Refinement by graph cut in the window: for the image at hand, the next, and not any more."""

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer
from napari_intseg.ui.controllers.view_settings import Refinement


@pytest.fixture
def blurred(toy, monkeypatch):
    """The toy's answers, two pixels too wide and unsure there."""
    predict = toy.predict

    def wide(query):
        from scipy import ndimage

        mask = predict(query).logits > 0
        away = ndimage.distance_transform_edt(~mask)
        return Answer(np.where(mask, 8, np.where(away <= 2, 0.5, -8)).astype(np.float32))

    monkeypatch.setattr(toy, "predict", wide)


@pytest.mark.usefixtures("blurred")
def test_answers_are_refined_from_then_on_and_the_one_in_view_at_once(controller, settle, squares):
    refinement = Refinement(controller)
    controller.choose_image(controller.viewer.add_image(squares))
    controller.choose_window((0, 255))
    controller.new_object()
    controller.image_controller.points.add([20, 20])
    settle()
    truth = squares == 200
    wide = np.count_nonzero((controller.image_controller.labels.data > 0) & ~truth)
    assert wide > 100
    refinement.choose(True)
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, truth)
    refinement.choose(False)
    settle()
    assert np.count_nonzero((controller.image_controller.labels.data > 0) & ~truth) == wide


@pytest.mark.usefixtures("blurred")
def test_the_next_image_is_refined_too(controller, settle, squares):
    refinement = Refinement(controller)
    refinement.choose(True)
    for _ in range(2):
        controller.choose_image(controller.viewer.add_image(squares))
        controller.choose_window((0, 255))
        controller.new_object()
        controller.image_controller.points.add([20, 20])
        settle()
        np.testing.assert_array_equal(controller.image_controller.labels.data > 0, squares == 200)


@pytest.mark.gui
def test_the_model_panel_has_the_choice(qtbot, controller, settle, squares):
    from napari_intseg.ui.panels.model_panel import ModelPanel

    panel = ModelPanel(controller)
    qtbot.addWidget(panel)
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add([20, 20])
    settle()
    panel.refine.setChecked(True)
    settle()
    (session,) = controller.image_controller.session_store.sessions.values()
    assert session.setup.graph_cut is not None
    panel.refine.setChecked(False)
    settle()
    assert session.setup.graph_cut is None
