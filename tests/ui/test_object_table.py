"""The table of objects, without a window round it: what it does with many objects."""

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, QTimer
from qtpy.QtWidgets import QApplication

from napari_intseg.ui.controllers.object_actions import accept
from napari_intseg.ui.panels.object_panel import ObjectTable
from napari_intseg.ui.qt.keybindings import Focus

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def table(controller, settle, squares):
    """A table of three objects, the last of which *Accept* has begun."""
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    accept(controller)
    controller.image_controller.points.add((45, 60))
    settle()
    made = ObjectTable(controller)
    controller.signals.changed.connect(made.refresh)
    accept(controller)
    controller.set_finished(1, False)
    assert made.objects.labels == (1, 2, 3)
    yield made
    controller.signals.changed.disconnect(made.refresh)
    made.close()


def test_another_number_is_asked_for_in_a_dialog_of_qt(table, controller, qtbot):
    Focus(table)  # watches what is in the dialog as well

    def answer():
        dialog = QApplication.activeModalWidget()
        dialog.setIntValue(9)
        dialog.accept()

    QTimer.singleShot(0, answer)
    with qtbot.captureExceptions() as errors:
        table.ask_number(1)
    assert not errors
    assert controller.image_controller.session_store.labels == (2, 3, 9)


def test_all_that_are_selected_are_accepted_at_once(table, controller, said):
    rows = QItemSelectionModel.SelectionFlag
    table.selectAll()
    actions = {action.text(): action for action in table.menu(1).actions()}
    actions["Accept"].trigger()
    assert all(controller.image_controller.session_store.is_finished(n) for n in (1, 2, 3))
    assert said.messages[-1] == "3 objects are accepted."
    at = table.model().index(0, 0)
    table.selectionModel().select(at, rows.ClearAndSelect | rows.Rows)
    actions = {action.text(): action for action in table.menu(2).actions()}
    actions["Reopen"].trigger()
    finished = [controller.image_controller.session_store.is_finished(n) for n in (1, 2, 3)]
    assert finished == [True, False, True], "outside the selection it is about one row"


def test_a_row_that_is_chosen_says_what_clicks_do_now(table, controller, said):
    controller.new_object()
    assert said.messages[-1] == "Object 3: click on it."
    table.selectRow(0)
    assert said.messages[-1] == "Object 1: clicks go on with it."
    table.selectRow(1)
    assert said.messages[-1].startswith("The object is accepted.")


def test_an_object_begun_by_accept_is_used_before_another_is_begun(table, controller):
    store = controller.image_controller.session_store
    table.selectRow(0)
    controller.new_object()
    assert (store.object, store.labels) == (3, (1, 2, 3)), "no second empty one beside it"
    controller.new_object()
    assert store.object == 4, "asked for again, there is another"


def test_a_click_that_begins_an_object_begins_the_one_of_accept(table, controller, settle):
    store = controller.image_controller.session_store
    controller.each_click_begins = True
    table.selectRow(0)
    controller.image_controller.clicking.click(np.array([2.0, 70.0]))
    settle()
    assert (store.object, store.labels) == (3, (1, 2, 3))
    assert controller.image_controller.clicks_of(3) == 1
    table.selectRow(0)
    controller.new_object()
    assert store.object == 4, "it is in use by now"
