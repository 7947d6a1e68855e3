"""Models that need no clicks, in the window: what they find is a layer to take objects from."""

import json

import numpy as np
import pytest

from napari_intseg.models.automatic import open_model
from napari_intseg.models.automatic.start_model import ClassMark, Finding, StartTraits
from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.automatic_start import AutomaticStart, FoundObject
from small_onnx import linear


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A network for which what is bright is a cell."""
    path = linear(tmp_path_factory.mktemp("net") / "bright.onnx", [[0] * 3, [10] * 3], [15, 0])
    told = {
        "title": "Bright cells",
        "output": {"kind": "classes", "names": ["background", "cell"], "apart": True},
    }
    path.with_suffix(".json").write_text(json.dumps(told))
    return path


@pytest.fixture
def starts(controller, squares):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    return AutomaticStart(controller)


def run(starts, pump, where, **options):
    starts.start(where, **options)
    pump.until(lambda: not starts.is_running)


def test_what_is_found_is_a_layer_to_take_from(
    controller, starts, pump, settle, net, said, squares
):
    run(starts, pump, net)
    bright = squares > 150
    np.testing.assert_array_equal(starts.layer.data > 0, bright)
    assert starts.layer in controller.viewer.layers
    assert starts.found[0] == FoundObject(1, "cell", int((starts.layer.data == 1).sum()))
    assert any("Bright cells found" in text for text in said.messages)
    assert object_actions.take_all(controller, starts.layer) == len(starts.found)
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, bright)


class Told:
    """Finds what it is told of, as a network that takes annotations."""

    traits = StartTraits("told", marks=("cell", "dirt"))

    def __init__(self, marks=()):
        self.marks = marks

    def marked(self, marks):
        return Told(marks)

    def find(self, image, texts=()):
        assert not texts
        found = []
        for one in self.marks:
            mask = np.zeros(image.shape[:2], bool)
            mask[int(one.row), int(one.col)] = True
            found.append(Finding(mask, one.name, 1.0))
        return tuple(found)

    def release(self):
        pass


def test_objects_with_a_class_are_annotations(controller, starts, pump, settle, net, monkeypatch):
    run(starts, pump, net)
    object_actions.take_all(controller, starts.layer)
    settle()
    work = controller.image_controller
    first = int(work.labels.data.max())
    told = Told()
    monkeypatch.setattr(open_model, "load_start_model", lambda *_, **__: told)
    object_actions.call(work, first, "class", "none of the network's")
    run(starts, pump, net)
    assert starts.found == ()
    object_actions.call(work, first, "class", "dirt")
    run(starts, pump, net)
    assert [(one.name, one.size_px) for one in starts.found] == [("dirt", 1)]
    assert work.labels.data[starts.layer.data > 0].tolist() == [first]


class ByExample(Told):
    """Finds the first pixel of each example."""

    traits = StartTraits("examples", takes_text=True, takes_examples=True)

    def by_examples(self, boxes):
        return ByExample([ClassMark(one.row0, one.col0, "like it") for one in boxes])


def test_objects_are_examples_where_nothing_is_said(
    controller, starts, pump, settle, net, said, monkeypatch
):
    monkeypatch.setattr(open_model, "load_start_model", lambda *_, **__: ByExample())
    run(starts, pump, "sam3")
    assert "expected words to look for" in said.failures[-1]
    monkeypatch.undo()
    run(starts, pump, net)
    object_actions.take_all(controller, starts.layer)
    settle()
    data = controller.image_controller.labels.data
    monkeypatch.setattr(open_model, "load_start_model", lambda *_, **__: ByExample())
    run(starts, pump, "sam3")
    assert len(starts.found) == len(np.unique(data)) - 1
    rows, cols = np.nonzero(data == data.max())
    assert starts.layer.data[rows.min(), cols.min()]


def test_a_volume_is_searched_on_one_plane_or_on_all(controller, pump, net, boxes):
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.viewer.dims.set_current_step(0, 5)
    controller.new_object()
    starts = AutomaticStart(controller)
    run(starts, pump, net)
    assert np.flatnonzero(starts.layer.data.any(axis=(1, 2))).tolist() == [5]
    seen = []
    controller.signals.progressed.connect(lambda *told: seen.append(told))
    run(starts, pump, net, every_plane=True)
    np.testing.assert_array_equal(starts.layer.data > 0, boxes > 150)
    pump.drain()
    assert (len(boxes), len(boxes), "planes") in seen


def test_it_stops_between_planes_and_keeps_what_is_done(controller, pump, net, boxes, monkeypatch):
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.new_object()
    starts = AutomaticStart(controller)
    load = open_model.load_start_model

    def once(where, *, device):
        model = load(where, device=device)
        find = model.find

        def cancelling(image, texts=()):
            starts.cancel()
            return find(image, texts)

        monkeypatch.setattr(model, "find", cancelling)
        return model

    monkeypatch.setattr(open_model, "load_start_model", once)
    blank = boxes.copy()
    blank[0, :4, :4] = 255
    controller.choose_image(controller.viewer.add_image(blank))
    controller.new_object()
    run(starts, pump, net, every_plane=True)
    assert starts.layer is not None
    assert starts.layer.data[0, :4, :4].all()
    assert not starts.layer.data[1:].any()


def test_nothing_found_is_told(starts, pump, net, said, controller):
    dark = controller.viewer.add_image(np.zeros((20, 20), np.uint8))
    controller.choose_image(dark)
    controller.new_object()
    run(starts, pump, net)
    assert any("found nothing" in text for text in said.messages)
    assert starts.found == ()


def test_what_cannot_be_asked_is_told(starts, pump, net, said):
    run(starts, pump, net, texts=["cell"])
    assert "expected no words" in said.failures[-1]
    run(starts, pump, "nothing.here")
    assert "no model that segments without clicks" in said.failures[-1]


def test_without_an_image_nothing_is_begun(controller, said):
    starts = AutomaticStart(controller)
    starts.start("bright.onnx")
    assert not starts.is_running
    assert "no image is worked on" in said.failures[-1]


@pytest.mark.gui
def test_the_panel_runs_a_file_and_shows_a_table(qtbot, controller, pump, net, squares):
    from napari_intseg.ui.panels.start_panel import AutomaticPanel

    panel = AutomaticPanel(controller)
    qtbot.addWidget(panel)
    assert not panel.run.isEnabled()
    assert panel.model.currentText() == "everything", "which needs no weights"
    controller.choose_image(controller.viewer.add_image(squares))
    assert panel.run.isEnabled()
    assert panel.table.isHidden()
    panel.add(net)
    panel.run.click()
    assert not panel.run.isEnabled(), "one at a time; the status line has Cancel"
    pump.until(lambda: not panel.starts.is_running)
    assert panel.run.isEnabled()
    assert panel.table.rowCount() == len(panel.starts.found) > 0
    assert panel.table.item(0, 1).text() == "cell"


def moving():
    """A square of 6 pixels that goes right by two pixels a frame, on four frames."""
    frames = np.zeros((4, 24, 30), np.uint8)
    for at, frame in enumerate(frames):
        frame[8:14, 4 + 2 * at : 10 + 2 * at] = 255
    return frames


@pytest.fixture
def series(controller):
    frames = moving()
    controller.choose_image(controller.viewer.add_image(frames))
    controller.choose_axes("tyx")
    controller.viewer.dims.set_current_step(0, 2)
    controller.new_object()
    return frames, AutomaticStart(controller)


def test_a_series_is_searched_at_one_time_point_or_at_all(controller, series, pump, net):
    frames, starts = series
    run(starts, pump, net)
    assert np.flatnonzero(starts.layer.data.any(axis=(1, 2))).tolist() == [2]
    seen = []
    controller.signals.progressed.connect(lambda *told: seen.append(told))
    run(starts, pump, net, every_time=True)
    # it overlaps itself from frame to frame
    np.testing.assert_array_equal(starts.layer.data == 1, frames > 150)
    pump.drain()
    assert (4, 4, "time points") in seen


class Through:
    """Sees frames together; says of each bright pixel how bright all frames are."""

    traits = StartTraits("through", joins_frames=True)

    def __init__(self, between=lambda: None):
        self.between = between

    def find(self, image, texts=()):
        assert not texts
        return (Finding(image[..., 0] > 0.5, "alone", 1.0),)

    def find_through(self, images, *, threshold=None, on_progress=None):
        assert threshold is None
        frames = np.stack([images[at][..., 0] > 0.5 for at in range(len(images))])
        for done in range(len(images)):
            self.between()
            on_progress(done + 1, len(images))
        return frames.astype(np.int32) * 7, {7: "runner"}

    def release(self):
        pass


def test_a_model_for_videos_sees_all_time_points_together(series, pump, monkeypatch, said):
    frames, starts = series
    monkeypatch.setattr(open_model, "load_start_model", lambda *_, **__: Through())
    run(starts, pump, "video")
    assert [one.name for one in starts.found] == ["alone"]
    run(starts, pump, "video", every_time=True)
    assert starts.found == (FoundObject(7, "runner", int((frames > 0).sum())),)
    np.testing.assert_array_equal(starts.layer.data == 7, frames > 0)
    # nothing is known before the end, so nothing is kept
    layers = len(starts._controller.viewer.layers)
    monkeypatch.setattr(open_model, "load_start_model", lambda *_, **__: Through(starts.cancel))
    run(starts, pump, "video", every_time=True)
    assert starts.found == ()
    assert len(starts._controller.viewer.layers) == layers
    assert "found nothing" in said.messages[-1]


def test_planes_of_a_volume_are_followed_through_time(controller, pump, monkeypatch):
    frames = np.stack([np.zeros_like(moving()), moving()], axis=1)
    controller.choose_image(controller.viewer.add_image(frames))
    controller.choose_axes("tzyx")
    controller.viewer.dims.set_current_step(1, 1)
    controller.new_object()
    monkeypatch.setattr(open_model, "load_start_model", lambda *_, **__: Through())
    starts = AutomaticStart(controller)
    run(starts, pump, "video", every_time=True)
    np.testing.assert_array_equal(starts.layer.data == 7, frames > 0)


@pytest.mark.gui
def test_the_panel_offers_time_points_where_there_are_some(qtbot, controller, series):
    from napari_intseg.ui.panels.start_panel import AutomaticPanel

    panel = AutomaticPanel(controller)
    qtbot.addWidget(panel)
    assert not panel.every_time.isHidden()
    assert panel.every.isHidden()
    panel.every.setChecked(True)
    panel.every_time.setChecked(True)
    assert not panel.every.isChecked()
    controller.choose_image(controller.viewer.add_image(series[0]))
    controller.choose_axes("zyx")
    assert panel.every_time.isHidden()
    assert not panel.every.isHidden()
