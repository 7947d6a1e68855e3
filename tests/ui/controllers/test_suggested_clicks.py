"""A chain of suggested clicks in the window, on a ViewerModel without Qt."""

import numpy as np
import pytest

from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.ui.controllers import find_more
from napari_intseg.ui.preferences import Preferences


class Growing:
    """Answers with a disc that each positive click and each led question makes larger, to 30."""

    traits = Traits("growing", uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 8)

    def predict(self, query):
        rows, cols = np.indices(query.prepared.shape)
        radius = 10 * sum(click.positive for click in query.prompts.clicks)
        if query.prev_logits is not None and (query.prev_logits > 0).any():
            radius = max(radius, 6 + np.sqrt((query.prev_logits > 0).sum() / np.pi))
        inside = np.hypot(rows - 40, cols - 50) <= min(radius, 30)
        return Answer(np.where(inside, 4, -4).astype(np.float32))


@pytest.fixture
def toy():
    made = Growing()
    made.gate = type("Gate", (), {"set": lambda _: None})()
    return made


@pytest.fixture
def begun(controller, settle):
    controller.choose_image(controller.viewer.add_image(np.zeros((80, 100), np.uint8)))
    controller.new_object()
    controller.image_controller.points.add((40, 50))
    settle()
    return controller.image_controller


def test_a_chain_adds_points_until_the_model_is_content_and_each_is_undone(
    controller, begun, pump, settle, said
):
    first = int((begun.labels.data > 0).sum())
    controller.suggested.start()
    pump.until(lambda: not controller.suggested.is_running)
    settle()
    made = len(begun.points.data) - 1
    assert 1 <= made <= 4
    assert int((begun.labels.data > 0).sum()) > first
    assert "suggested" in said.messages[-1]
    for _ in range(made):
        controller.undo()
        settle()
    assert len(begun.points.data) == 1
    assert int((begun.labels.data > 0).sum()) == first


class Below:
    """A policy that sees one error, 15 pixels below the middle of what it is shown."""

    def depths(self, image, prob, clicks):
        assert len(clicks) >= 1
        found = np.zeros(prob.shape, np.float32)
        found[image.shape[0] // 2 + 15, image.shape[1] // 2] = 0.5
        return found


def test_the_policy_of_the_preferences_says_where(controller, begun, pump, settle, monkeypatch):
    monkeypatch.setattr(find_more, "_policy", {"mine": Below()}.get)
    monkeypatch.setattr(find_more, "preferences", lambda: Preferences(click_policy="mine"))
    controller.suggested.start()
    pump.until(lambda: not controller.suggested.is_running)
    settle()
    assert begun.points.data[1].tolist() == [55, 50]


def test_without_an_object_it_says_what_to_do(controller, said):
    controller.suggested.start()
    assert "Click on the object first" in said.failures[-1]
    assert not controller.suggested.is_running


def test_cancel_stops_it_and_keeps_what_is_done(controller, begun, settle, said):
    controller.suggested.start()
    assert controller.suggested.is_running
    controller.cancel()
    settle()
    assert not controller.suggested.is_running
    assert len(begun.points.data) == 1
    assert "Stopped after 0 clicks" in said.messages[-1]
