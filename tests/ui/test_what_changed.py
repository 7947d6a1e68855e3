"""What is told of a click: prompts and masks; of anything else, that more has changed."""

from pathlib import Path

import numpy as np
import pytest
from napari._qt._qapp_model.qactions import init_qactions
from napari.plugins import _initialize_plugins

from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.clicks import KeyboardCursor
from napari_intseg.ui.qt.worker_thread import Signals, listen
from scripts import load_script

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


class Told:
    """What was told since it was asked last."""

    def __init__(self, controller):
        self._names = []
        controller.signals.changed.connect(lambda: self._names.append("changed"))
        controller.signals.edited.connect(lambda: self._names.append("edited"))

    def take(self):
        """`changed` brings `edited` with it, so one of the two says it."""
        names, self._names = self._names, []
        return "changed" if "changed" in names else "edited" if names else ""


@pytest.fixture
def told(controller):
    return Told(controller)


@pytest.fixture
def clicked(controller, settle, squares):
    """Work on an image with one click that is answered."""
    controller.choose_image(controller.viewer.add_image(squares, name="squares"))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    return controller.image_controller


class TestClick:
    def test_the_first_one_begins_a_session_which_is_more_than_masks(
        self, controller, told, settle, squares
    ):
        controller.choose_image(controller.viewer.add_image(squares, name="squares"))
        controller.new_object()
        told.take()
        controller.image_controller.points.add((20, 20))
        settle()
        assert told.take() == "changed"

    def test_one_that_corrects_an_object_is_about_prompts_and_masks_alone(
        self, clicked, told, settle
    ):
        told.take()
        clicked.points.add((45, 60))
        settle()
        assert told.take() == "edited"

    def test_one_for_another_object_is_more(self, controller, clicked, told, settle):
        told.take()
        controller.new_object()
        assert told.take() == "changed"
        clicked.points.add((45, 60))
        settle()
        assert told.take() == "edited"

    def test_one_after_the_window_was_changed_is_more(self, controller, clicked, told, settle):
        told.take()
        # no signal tells of it until the click is answered through it
        controller.window = (0.0, 150.0)
        clicked.points.add((45, 60))
        settle()
        assert told.take() == "changed"


class TestUndo:
    def test_of_a_click_is_about_prompts_and_masks_alone(self, controller, clicked, told, settle):
        clicked.points.add((45, 60))
        settle()
        told.take()
        for step in (controller.undo, controller.redo):
            step()
            settle()
            assert told.take() == "edited"

    def test_comes_when_all_that_it_needs_is_asked(self, controller, clicked, settle):
        clicked.points.add((45, 60))
        settle()
        waits = []
        controller.signals.edited.connect(lambda: waits.append(clicked.is_waiting))
        controller.undo()
        # the answer of before is known: nothing waits when panels look
        assert waits
        assert not waits[-1]

    @pytest.mark.usefixtures("clicked")
    def test_of_a_lock_is_more(self, controller, told, settle):
        object_actions.set_locked(controller, True)
        told.take()
        for step in (controller.undo, controller.redo):
            step()
            settle()
            assert told.take() == "changed"

    def test_of_a_propagation_is_more(self, controller, told, settle, boxes):
        controller.choose_image(controller.viewer.add_image(boxes, name="boxes"))
        controller.new_object()
        controller.viewer.dims.set_point(0, 5)
        controller.image_controller.points.add((5, 14, 17))
        settle()
        session = controller.image_controller.session_store.session(0)
        session.propagate()
        assert session.confidences
        told.take()
        controller.undo()
        settle()
        assert told.take() == "changed"

    def test_changes_points_in_place(self, controller, clicked, settle):
        clicked.points.add((45, 60))
        settle()
        table = clicked.points.features.copy()
        table["reader"] = ["one", "two"]
        clicked.points.features = table
        actions = []
        clicked.points.events.data.connect(lambda event: actions.append(str(event.action.value)))
        controller.undo()
        settle()
        controller.redo()
        settle()
        assert actions == ["removing", "removed", "adding", "added"]
        np.testing.assert_array_equal(clicked.points.data, [(20, 20), (45, 60)])
        # a column of somebody else stays with the points that stay
        assert clicked.points.features["reader"].iloc[0] == "one"
        assert clicked.points.features["order"].tolist() == [1, 2]
        # a later click is not moved with the one that came back
        assert not clicked.points.selected_data


class TestStroke:
    def test_in_an_object_is_about_masks_alone_and_a_new_object_is_more(
        self, clicked, told, settle
    ):
        labels = clicked.labels
        told.take()
        for label, wanted in ((1, "edited"), (7, "changed")):
            labels.selected_label = label
            labels.paint((50, 10 * label), label)
            settle()
            assert told.take() == wanted


class TestFollow:
    def test_a_function_is_called_once_for_each_change_it_wants(self):
        signals, seen = Signals(), []

        def call():
            seen.append(None)

        signals.follow(call, edits=False)
        signals.edited.emit()
        assert len(seen) == 0
        signals.changed.emit()
        assert len(seen) == 1
        for _ in range(2):
            signals.follow(call, edits=True)
        signals.edited.emit()
        assert len(seen) == 2
        signals.changed.emit()
        assert len(seen) == 3
        signals.leave(call)
        signals.changed.emit()
        assert len(seen) == 3

    def test_who_has_nothing_to_do_is_not_called(self):
        signals, seen = Signals(), []
        for wanted in (True, True, False, True):
            listen(signals.given, seen.append, False)
            listen(signals.message, seen.append, wanted)
        signals.message.emit("one")
        assert seen == ["one"]


@pytest.mark.usefixtures("clicked")
def test_who_waits_for_clicks_hears_of_them_only_meanwhile(controller, settle):
    edited = controller.signals.edited
    before = len(edited)
    cursor = KeyboardCursor(controller)
    for begin, end in (
        (cursor.toggle, cursor.toggle),
        (
            lambda: setattr(controller.in_3d, "is_on", True),
            lambda: setattr(controller.in_3d, "is_on", False),
        ),
        (controller.outliner.begin, controller.outliner.finish),
    ):
        begin()
        settle()
        assert len(edited) == before + 1
        end()
        settle()
        assert len(edited) == before


@pytest.mark.gui
@pytest.mark.slow
@pytest.mark.usefixtures("qapp")
def test_a_click_enters_no_panel_that_shows_none_of_it(mock_app_model):  # noqa: ARG001
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()
    script = load_script(BENCHMARKS / "click_files.py")
    passed = set(script.in_window(is_shown=False).files)
    for shows in ("object", "prompt", "status"):
        assert f"ui/panels/{shows}_panel.py" in passed
    others = {file for file in passed if file.startswith("ui/panels/")}
    assert len(others) == 3
    assert not {file for file in passed if file.startswith(("ui/compare/", "ui/storage/"))}
    assert len(passed) <= 40
