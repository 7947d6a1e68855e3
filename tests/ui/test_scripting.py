"""The handle for scripts, without a window and with one; and the commands."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from napari.components import ViewerModel

from napari_intseg.errors import DataError, IntSegError, PromptError, UnknownModelError
from napari_intseg.ui.qt.keybindings import ACTIONS
from napari_intseg.ui.scripting import attach

MANIFEST = Path(__file__).parents[2] / "napari.yaml"


@pytest.fixture
def viewer(squares):
    made = ViewerModel()
    made.add_image(squares, name="squares")
    return made


@pytest.fixture
def handle(viewer, toy):
    made = attach(viewer, load_with=lambda _choice, _old, _stop: toy)
    yield made
    made.close()


def test_clicks_become_labels(handle, squares):
    handle.click((20, 20))
    handle.wait()
    np.testing.assert_array_equal(handle.labels == 1, squares == 200)
    handle.click((12, 12), positive=False)
    handle.wait()
    assert handle.labels[12, 12] == 0
    assert list(handle.controller.image_controller.points.features["sign"]) == [
        "positive",
        "negative",
    ]
    handle.click((25, 25))
    handle.wait()
    assert list(handle.controller.image_controller.points.features["sign"])[-1] == "positive"
    handle.undo()
    handle.undo()
    handle.wait()
    np.testing.assert_array_equal(handle.labels == 1, squares == 200)
    handle.redo()
    handle.wait()
    assert handle.labels[12, 12] == 0


def test_objects_are_begun_accepted_and_chosen(handle, squares):
    handle.click((20, 20))
    handle.wait()
    handle.accept()
    handle.click((40, 50))
    handle.wait()
    np.testing.assert_array_equal(handle.labels == 2, squares == 100)
    assert handle.new_object() == 3
    handle.select(1)
    with pytest.raises(PromptError, match="object is unknown: expected one of"):
        handle.select(9)
    with pytest.raises(IntSegError, match=r"accepted|finished"):
        handle.click((15, 15))


@pytest.mark.usefixtures("squares")
def test_objects_are_split_merged_and_renumbered(handle):
    handle.click((45, 55))
    handle.wait()
    whole = handle.labels > 0
    handle.split((45, 48), (45, 66))
    handle.wait()
    assert (handle.labels[45, 48], handle.labels[45, 66]) == (1, 2)
    handle.relabel(2, 7)
    handle.wait()
    assert handle.labels[45, 66] == 7
    handle.merge([7, 1])
    handle.wait()
    np.testing.assert_array_equal(handle.labels, whole)
    with pytest.raises(IntSegError, match="not in object 1"):
        handle.split((45, 48), (2, 2))
    assert not handle.controller.splitter.is_on
    with pytest.raises(IntSegError, match="two or more objects"):
        handle.merge([1])


def test_volumes_are_propagated(viewer, toy, boxes):
    viewer.layers.clear()
    viewer.add_image(boxes, scale=(3, 1, 1))
    handle = attach(viewer, load_with=lambda _choice, _old, _stop: toy)
    handle.click((5, 12, 15))
    handle.propagate()
    handle.wait()
    assert np.flatnonzero(handle.labels.any(axis=(1, 2))).tolist() == list(range(3, 9))
    handle.close()


def test_another_image_is_chosen_by_name(handle, viewer, squares):
    viewer.add_image(squares[:30], name="part")
    handle.choose_image("part")
    handle.click((20, 20))
    handle.wait()
    assert handle.labels.shape == (30, 80)
    assert handle.labels_layer in viewer.layers
    with pytest.raises(DataError, match="image is unknown: expected one of"):
        handle.choose_image("none")


def test_what_cannot_be_is_told(handle):
    with pytest.raises(PromptError, match="there are no labels yet"):
        _ = handle.labels
    with pytest.raises(PromptError, match="another number of axes: expected 2"):
        handle.click((1, 2, 3))
    with pytest.raises(PromptError, match="outside the image"):
        handle.click((1, 80))
    with pytest.raises(PromptError, match="box lies on no plane"):
        handle.box((1, 2), (1, 9))
    with pytest.raises(UnknownModelError, match="model is unknown"):
        handle.choose_model("no such")


def test_it_waits_no_longer_than_it_is_told(handle, toy):
    handle.wait()
    toy.gate.clear()
    handle.click((20, 20))
    with pytest.raises(TimeoutError, match="not done in time: expected at most"):
        handle.wait(0.05)
    toy.gate.set()
    handle.wait()


class TestCommands:
    @pytest.fixture
    def commands(self):
        manifest = yaml.safe_load(MANIFEST.read_text("utf-8"))
        return {one["id"]: one for one in manifest["contributions"]["commands"]}

    def test_every_action_is_one(self, commands):
        for action in ACTIONS:
            assert f"napari-intseg.{action.name}" in commands

    def test_each_is_there_and_told_apart(self, commands):
        titles = [one["title"] for one in commands.values()]
        assert len(titles) == len(set(titles))
        for one in commands.values():
            module, name = one["python_name"].split(":")
            assert callable(getattr(import_module(module), name))


@pytest.mark.gui
def test_in_a_window_the_handle_and_the_commands_use_its_widget(make_napari_viewer, squares):
    from napari_intseg.ui import commands
    from napari_intseg.ui.dock import find_widget

    viewer = make_napari_viewer()
    viewer.add_image(squares, name="squares")
    assert find_widget(viewer) is None
    handle = attach(viewer)
    widget = find_widget(viewer)
    assert widget is not None
    assert attach(viewer).controller is handle.controller
    handle.wait()
    handle.choose_model("region-growing")
    handle.click((20, 20))
    handle.wait()
    assert handle.labels[20, 20] == 1
    assert commands.widget_of(viewer) is widget
    commands.new_object()
    assert handle.controller.image_controller.session_store.object == 2
    commands.all_models()
    assert widget.model_panel.catalogue.isVisible()
    widget.model_panel.catalogue.close()
    commands.show_object()
    handle.close()
    assert find_widget(viewer) is widget
    widget.close()
