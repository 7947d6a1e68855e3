"""Locks, regions and overlaps from the window, without Qt."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QCheckBox, QComboBox, QPushButton

from napari_intseg.errors import DataError
from napari_intseg.session.journal.recorder import read_journal
from napari_intseg.ui.controllers.label_export import export_labels
from napari_intseg.ui.controllers.object_actions import (
    accept,
    drop_painted,
    overlap,
    protect,
    protect_region,
    session_now,
    set_locked,
    take_over,
)
from napari_intseg.ui.layers.image_axes import camera_of
from napari_intseg.ui.layers.shapes import region_of
from napari_intseg.ui.panels.protect_panel import ProtectPanel


@pytest.fixture
def image_controller(controller, settle, squares):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    return controller.image_controller


def test_a_region_drawn_as_a_shape_holds(controller, image_controller, settle):
    shape = Shapes([np.array([[0, 0], [0, 79], [40, 79], [40, 0]])], shape_type="polygon")
    assert protect_region(controller, shape)
    before = image_controller.labels.data.copy()
    image_controller.points.add((45, 55))
    settle()
    changed = before != image_controller.labels.data
    assert changed.any()
    assert not changed[42:].any()
    assert protect_region(controller, None)
    assert session_now(controller).protection.region is None


def test_people_are_asked_and_can_take_over(controller, image_controller, settle):
    protect(controller, policy="ask")
    controller.new_object()
    image_controller.points.add((21, 21))
    settle()
    assert overlap(controller) == {1: 400}
    take_over(controller)
    settle()
    assert (image_controller.labels.data[10:30, 10:30] == 2).all()
    assert overlap(controller) == {}


@pytest.mark.usefixtures("image_controller")
def test_a_lock_without_accepting(controller, said):
    set_locked(controller, True)
    assert session_now(controller).is_locked(1)
    protect(controller, inside=1)
    assert "object cannot be changed" in said.failures[-1]
    set_locked(controller, False)
    assert not session_now(controller).is_locked(1)


def test_painted_pixels_can_be_dropped(controller, image_controller, settle, said):
    drop_painted(controller)
    assert said.messages[-1] == "There is nothing of that kind here."
    with image_controller.labels.block_history():
        image_controller.labels.paint((20, 20), 0)
    drop_painted(controller)
    settle()
    assert (image_controller.labels.data[10:30, 10:30] == 1).all()


def test_what_is_no_region_is_told(controller, image_controller, squares, said):
    for layer in (Labels(np.zeros((3, 3), int)), Image(squares), Shapes()):
        with pytest.raises(DataError, match="layer is no region"):
            region_of(layer, image_controller.image_axes)
    assert not protect_region(controller, Image(squares))
    assert "layer is no region" in said.failures[-1]


def test_exported_labels_have_their_journal_beside_them(
    controller, image_controller, settle, tmp_path
):
    export_labels(controller, tmp_path / "labels.tif")
    settle()
    assert read_journal(tmp_path / "labels.tif.journal.jsonl").count == 1
    assert image_controller.labels.data.any()


@pytest.fixture
def panel(qapp, controller):
    assert qapp is not None
    made = ProtectPanel(controller)
    made.show()
    yield made
    made.close_panel()
    made.close()
    made.deleteLater()


def choose(box, text):
    """Choose an entry with the keys, as a person does."""
    box.setFocus()
    for _ in range(box.count()):
        QTest.keyClick(box, Qt.Key.Key_Up)
    for _ in range(box.findText(text)):
        QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == text


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=button.rect().center())


@pytest.mark.gui
def test_the_panel_asks_and_waits_for_nobody(controller, panel, settle, squares, said):
    assert not panel.isEnabled()
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    assert panel.isEnabled()
    assert panel.policy.currentText() == "keep theirs"
    choose(panel.policy, "ask me")
    assert session_now(controller).protection.policy == "ask"
    controller.new_object()
    assert not panel.question.isVisible()
    controller.image_controller.points.add((21, 21))
    settle()
    assert panel.question.isVisible()
    assert "400 pixels of object 1" in panel.question.text()
    assert "reaches into 400 pixels of object 1; they stay" in " ".join(said.messages)
    assert (
        controller.image_controller.labels.data[10:30, 10:30] == 1
    ).all()  # until it is answered
    press(panel.leave)
    assert not panel.question.isVisible()
    controller.image_controller.points.add((22, 22))  # the same pixels: asked and answered
    settle()
    assert not panel.take.isVisible()
    controller.image_controller.points.feature_defaults = {
        "sign": "negative", "object": 2, "order": 0, "axis": 0,
    }  # fmt: skip
    controller.image_controller.points.add((12, 12))
    settle()
    assert panel.take.isVisible()  # other pixels, another question
    press(panel.take)
    settle()
    assert controller.image_controller.labels.data[20, 20] == 2
    assert controller.image_controller.labels.data[12, 12] == 1
    assert not panel.question.isVisible()
    controller.undo()
    settle()
    assert (controller.image_controller.labels.data[10:30, 10:30] == 1).all()


@pytest.mark.gui
def test_accepted_objects_are_locked_and_the_panel_shows_it(
    controller, panel, image_controller, settle
):
    choose(panel.policy, "give way, unless locked")
    assert not panel.lock.isChecked()
    accept(controller)
    controller.select_object(1)
    assert panel.lock.isChecked()
    controller.select_object(2)
    image_controller.points.add((21, 21))
    settle()
    assert (image_controller.labels.data[10:30, 10:30] == 1).all()
    controller.select_object(1)
    panel.lock.setFocus()
    QTest.keyClick(panel.lock, Qt.Key.Key_Space)
    assert not session_now(controller).is_locked(1)
    press(panel.lock)
    assert session_now(controller).is_locked(1)


@pytest.mark.usefixtures("image_controller")
def test_a_new_object_after_accept_is_the_one_that_accept_began(controller, said):
    first = controller.image_controller.session_store.object
    accept(controller)
    following = controller.image_controller.session_store.object
    assert following != first
    controller.new_object()
    assert controller.image_controller.session_store.object == following
    assert said.messages[-1] == f"Object {following}: click on it."
    controller.new_object()  # who asks once more wants another
    assert controller.image_controller.session_store.object == following + 1


@pytest.mark.gui
@pytest.mark.usefixtures("image_controller")
def test_regions_follow_the_layers_there_are(controller, panel, said):
    shape = [np.array([[0, 0], [0, 79], [40, 79], [40, 0]])]
    drawn = controller.viewer.add_shapes(shape, shape_type="polygon", name="liver")
    choose(panel.region, "liver")
    assert session_now(controller).protection.region is not None
    controller.viewer.layers.remove(drawn)
    assert panel.region.currentText() == "as chosen earlier"  # it still holds
    assert panel.region.findText("liver") < 0
    choose(panel.region, "everywhere")
    assert session_now(controller).protection.region is None
    assert panel.region.findText("as chosen earlier") < 0
    controller.undo()
    assert panel.region.currentText() == "as chosen earlier"
    controller.redo()
    choose(panel.inside, "object 1")
    assert session_now(controller).protection.inside == 1
    assert not said.failures


@pytest.mark.gui
def test_all_that_can_be_chosen_is_explained(panel):
    for kind in (QComboBox, QCheckBox, QPushButton):
        widgets = panel.findChildren(kind)
        assert widgets
        assert [one for one in widgets if not one.toolTip()] == []


def test_accept_goes_on_to_the_next_object_that_is_open(controller, image_controller, settle, said):
    store, camera = image_controller.session_store, camera_of(controller.viewer)
    for at in ((45, 60), (2, 70), (50, 10)):
        controller.new_object()
        image_controller.points.add(at)
        settle()
    assert store.labels == (1, 2, 3, 4)
    controller.select_object(2)
    set_locked(controller, True)
    controller.select_object(3)
    accept(controller)
    assert store.object == 4, "the next by number"
    image_controller.labels.corner_pixels = np.array([[30, 30], [59, 79]])  # what the canvas shows
    accept(controller)
    assert store.object == 1, "then round from the first"
    assert "Next: object 1, still open" in said.messages[-1]
    assert camera.center[-2:] == pytest.approx((19.5, 19.5)), "and it is brought into view"
    image_controller.clicking.click(np.array([25.0, 25.0]))
    settle()
    assert image_controller.clicks_of(1) == 2
    accept(controller)
    assert store.object == 5, "the locked one is not asked about: another one is begun"
    assert said.messages[-1] == "Object 1 is accepted. Next: object 5."
    accept(controller)
    assert said.failures[-1].startswith("There is nothing to accept yet.")


@pytest.mark.gui
def test_clicks_are_shared_by_the_objects_of_a_plane(controller, panel, image_controller, settle):
    assert not panel.share.isVisible()
    controller.new_object()
    image_controller.points.add((45, 55))
    settle()
    choose(panel.policy, "share, the surest has them")
    assert panel.share.isVisible()
    press(panel.share)
    settle()
    signs = list(image_controller.points.features["sign"])
    assert sorted(signs) == ["negative", "negative", "positive", "positive"]
    session = session_now(controller)
    here = image_controller.displayed_slice.plane
    assert not any(session.predictor.is_pending(here, label) for label in (1, 2))
    controller.undo()
    settle()
    assert list(image_controller.points.features["sign"]) == ["positive", "positive"]
