"""All objects of a series are linked to tracks, on a ViewerModel without Qt."""

import json

import numpy as np
import pytest
from napari.layers import Tracks

from made_series import series
from napari_intseg.io.cell_tracking import read_ctc, write_ctc
from napari_intseg.io.hooks import read_tracked_layers
from napari_intseg.session.journal.recorder import parse_journal
from napari_intseg.session.journal.replayer import replay
from napari_intseg.session.tracking import link as link_labels
from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.label_export import export_labels
from napari_intseg.ui.controllers.review import Review, TimeLinking, TimeTracking, told_event
from napari_intseg.ui.panels.controls import Buttons
from napari_intseg.ui.panels.review_panel import ReviewPanel
from napari_intseg.ui.qt.keybindings import ACTIONS, Keys


@pytest.fixture
def begun(controller, settle):
    """Work on a series whose objects have other numbers at every time point."""
    labels, _ = series()
    controller.choose_image(controller.viewer.add_image(labels.astype(np.uint8), name="cells"))
    controller.choose_axes("tyx")
    found = controller.viewer.add_labels(labels, name="found")
    for time in range(len(labels)):
        controller.viewer.dims.set_point(0, time)
        object_actions.take_all(controller, found)
    controller.viewer.dims.set_point(0, 0)
    settle()
    return controller.image_controller


@pytest.fixture
def link(controller, pump, settle):
    linking = TimeLinking(controller)

    def run():
        linking.start()
        pump.until(lambda: not linking.is_running)
        settle()
        return linking

    return run


def numbers_at(image_controller, numbers, time):
    """The label in the layer of each object of the made series."""
    labels, _ = series()
    data = image_controller.labels.data[time]
    return {name: int(np.unique(data[labels[time] == n])[0]) for name, n in numbers[time].items()}


def test_what_is_one_object_gets_one_number_and_one_undo_takes_it_back(
    controller, begun, link, said, settle, toy
):
    labels, numbers = series()
    before = begun.labels.data.copy()
    objects = begun.session_store.labels
    np.testing.assert_array_equal(before > 0, labels > 0)
    link()
    assert said.failures == []
    assert "8 tracks. Divisions: 1, merges: 1, appear: 1, end: 1." in said.messages[-1]
    known = [numbers_at(begun, numbers, time) for time in range(len(labels))]
    for name in ("m", "left", "new", "d1", "d2", "ab"):
        assert len({here[name] for here in known if name in here}) == 1, name
    (layer,) = (one for one in controller.viewer.layers if isinstance(one, Tracks))
    assert layer.graph[known[3]["d1"]] == [known[0]["m"]]
    assert set(layer.graph[known[2]["ab"]]) == {known[0]["a"], known[0]["b"]}
    np.testing.assert_array_equal(layer.scale, begun.labels.scale)
    after = begun.labels.data.copy()
    np.testing.assert_array_equal(after > 0, before > 0)
    assert set(begun.session_store.labels) == set(np.unique(after)) - {0}
    assert controller.title_of("undo") == "Link through time"
    controller.viewer.dims.set_point(0, 4)
    controller.undo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    assert begun.session_store.labels == objects
    controller.redo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, after)
    lines = begun.session_store.journal.lines
    done = [line.get("time", 0) for line in lines if line.get("do") == "renumber_objects"]
    assert sorted(done) == [0, 1, 2, 3, 4, 5]
    written = parse_journal([json.dumps(line) for line in lines])
    replayed = replay(written, begun.image_axes.volume, lambda _: toy)
    for time, session in replayed.sessions.items():
        np.testing.assert_array_equal(session.labels, after[time])
    link()  # once more: nothing changes, and the layer is the same
    np.testing.assert_array_equal(begun.labels.data, after)
    assert [one for one in controller.viewer.layers if isinstance(one, Tracks)] == [layer]
    assert controller.viewer.layers.selection.active is begun.points


def test_accepted_and_locked_objects_keep_their_numbers(controller, begun, link, settle):
    _, numbers = series()
    last = numbers_at(begun, numbers, 5)
    object_actions.relabel(controller, last["new"], 77)
    object_actions.relabel(controller, last["ab"], 78)
    begun.session_store.sessions[5].lock_object(77)
    controller.set_finished(78, True)
    settle()
    link()
    for time in (2, 5):
        known = numbers_at(begun, numbers, time)
        assert (known["new"], known["ab"]) == (77, 78)


def test_clicks_go_with_their_objects_and_nothing_is_asked_again(
    controller, link, settle, toy, said
):
    labels, _ = series()
    grey = np.where(labels > 0, 200, 0).astype(np.uint8)
    controller.choose_image(controller.viewer.add_image(grey))
    controller.choose_axes("tyx")
    controller.new_object()
    work = controller.image_controller
    work.points.add((0, 14, 14))
    settle()
    controller.viewer.dims.set_point(0, 1)
    controller.new_object()
    work.points.add((1, 14, 15))
    settle()
    assert sorted(work.points.features["object"]) == [1, 2]
    asked, before = len(toy.queries), work.labels.data > 0
    link()
    assert said.failures == []
    assert work.points.features["object"].tolist() == [1, 1]
    np.testing.assert_array_equal(work.labels.data, before)
    assert len(toy.queries) == asked
    assert work.session_store.object == 1


def test_cancelling_changes_nothing(controller, begun, pump, said, settle):
    through = TimeTracking(controller)
    before = begun.labels.data.copy()
    through.linking.start()
    assert through.linking.is_running
    through.cancel()
    pump.until(lambda: not through.linking.is_running)
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    assert "Linking cancelled" in said.messages[-1]
    assert not any(isinstance(one, Tracks) for one in controller.viewer.layers)


def test_what_was_changed_meanwhile_is_not_renumbered(controller, begun, pump, said):
    linking = TimeLinking(controller)
    linking.start()
    pump.until(lambda: 0 in linking._seen)
    begun.session_store.sessions[0].remove_object(1)
    pump.until(lambda: not linking.is_running)
    assert "Link them again" in said.failures[-1]


def test_without_times_or_objects_it_is_told(controller, link, said):
    TimeLinking(controller).start()
    assert "several time points" in said.failures[-1]
    controller.choose_image(controller.viewer.add_image(np.zeros((3, 20, 30), np.uint8)))
    controller.choose_axes("tyx")
    controller.new_object()
    link()
    assert "nothing to link yet" in said.failures[-1]


def test_tracks_of_a_file_are_taken_at_all_time_points(controller, link, settle, tmp_path):
    labels, _ = series()
    tracks = link_labels(labels)
    tracked = np.stack([tracks.apply(frame, time) for time, frame in enumerate(labels)])
    write_ctc(tmp_path / "01_RES", tracked, tracks.parents)
    controller.choose_image(controller.viewer.add_image(labels.astype(np.uint8)))
    controller.choose_axes("tyx")
    (data, shown, _), _ = read_tracked_layers(str(tmp_path / "01_RES"))
    found = controller.viewer.add_labels(data, metadata=shown["metadata"])
    assert object_actions.take_all(controller, found) == 8
    settle()
    taken = controller.image_controller.labels.data.copy()
    pairs = set(zip(tracked.flat, taken.flat, strict=True))
    assert len(pairs) == 9 == len({one for _, one in pairs})
    controller.viewer.dims.set_point(0, 3)
    controller.undo()
    settle()
    assert not controller.image_controller.labels.data[3].any()
    controller.redo()
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data, taken)
    linking = link()  # what is linked already stays as it is
    np.testing.assert_array_equal(controller.image_controller.labels.data, taken)
    assert len(linking.events) == 4


def test_tracks_are_exported_as_the_challenge_has_them(
    controller, begun, link, pump, said, tmp_path
):
    linking = link()
    export_labels(controller, tmp_path / "01_RES")
    pump.until(lambda: any("Wrote 01_RES" in text for text in said.messages))
    labels, tracks = read_ctc(tmp_path / "01_RES")
    np.testing.assert_array_equal(labels, begun.labels.data)
    assert [event.kind for event in tracks.events if event.kind == "division"] == ["division"]
    assert len(linking.events) == 4
    assert {told_event(event) for event in linking.events} >= {
        str(event) for event in linking.events if event.kind in ("ends", "appears")
    }


@pytest.mark.gui
@pytest.mark.usefixtures("begun")
def test_the_button_is_there_where_time_is_and_says_what_was_found(controller, pump, qtbot, boxes):
    calls = {action.name: controller.cancel for action in ACTIONS}
    keys = Keys(controller.viewer, calls)
    panel = ReviewPanel(controller, Review(controller), Buttons(calls, keys))
    qtbot.addWidget(panel)
    assert not panel.link.isHidden()
    assert "divides" not in panel.link.toolTip()
    panel.link.click()
    assert panel.link.text() == "Stop linking"
    pump.until(lambda: not panel.through.linking.is_running)
    assert panel.link.text() == "Link through time"
    assert "divides into" in panel.link.toolTip()
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.new_object()
    assert panel.link.isHidden(), "there is no time to link through"
    keys.close()
