"""The current object as an editable polygon, on a ViewerModel without Qt."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.inference.contour import follow
from napari_intseg.models import vertex_predictors
from napari_intseg.ui.layers import polygon_editor
from napari_intseg.ui.preferences import Preferences


@pytest.fixture
def image_controller(controller, squares, settle):
    """A bright square, rows and columns 10 to 29, as object 1."""
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    return controller.image_controller


def move(layer, near, to, shape=0):
    """Move the vertex of a polygon that is nearest to a place."""
    data = [np.array(one) for one in layer.data]
    at = np.argmin(np.linalg.norm(data[shape][:, -2:] - near, axis=1))
    data[shape][at, -2:] = to
    layer.data = data


def test_it_has_few_vertices_and_changes_nothing_by_itself(controller, image_controller, settle):
    before = image_controller.labels.data.copy()
    controller.outliner.begin()
    settle()
    layer = controller.outliner.layer
    assert len(layer.data) == 1
    assert len(layer.data[0]) <= 8
    assert layer.shape_type == ["polygon"]
    assert str(layer.mode) == "direct"
    assert controller.viewer.layers.selection.active is layer
    np.testing.assert_array_equal(image_controller.labels.data, before)
    assert image_controller.session_store.sessions[0].undo_title != "Edit outline"


def test_a_moved_vertex_changes_the_labels_there_and_nowhere_else(
    controller, image_controller, settle
):
    image_controller.points.feature_defaults = {
        "sign": "negative",
        "object": 1,
        "order": 0,
        "axis": 0,
    }
    image_controller.points.add((25, 12))  # a ragged notch that few vertices cannot tell
    settle()
    before = image_controller.labels.data.copy()
    controller.outliner.begin(3.0)
    move(controller.outliner.layer, (10, 29), (3, 38))
    settle()
    after = image_controller.labels.data
    assert after[8, 31] == 1
    assert np.count_nonzero(after != before) > 20
    np.testing.assert_array_equal(after[18:, :20], before[18:, :20])  # the notch keeps every pixel
    np.testing.assert_array_equal(after, image_controller.session_store.sessions[0].labels)


def test_each_edit_is_one_step_of_undo_and_the_polygon_follows(
    controller, image_controller, settle, pump
):
    before = image_controller.labels.data.copy()
    controller.outliner.begin()
    first = [one.copy() for one in controller.outliner.layer.data]
    move(controller.outliner.layer, (10, 29), (3, 38))
    settle()
    assert image_controller.session_store.sessions[0].undo_title == "Edit outline"
    controller.undo()
    settle()
    pump.drain()
    np.testing.assert_array_equal(image_controller.labels.data, before)
    np.testing.assert_allclose(controller.outliner.layer.data[0], first[0])
    controller.redo()
    settle()
    assert image_controller.labels.data[8, 31] == 1


def test_vertices_can_be_added_and_removed(controller, image_controller, settle):
    controller.outliner.begin()
    layer = controller.outliner.layer
    ring = np.array(layer.data[0])
    corner = np.argmin(np.linalg.norm(ring - (29, 29), axis=1))
    layer.data = [np.insert(ring, corner, [[34, 34]], axis=0)]
    settle()
    assert image_controller.labels.data[31, 31] == 1
    far = np.linalg.norm(layer.data[0] - (10, 10), axis=1) > 5
    layer.data = [np.array(layer.data[0])[far]]
    settle()
    assert image_controller.labels.data[10, 10] == 0
    layer.remove([0])
    settle()
    assert not image_controller.labels.data.any()


def test_a_new_polygon_is_a_new_part_and_one_inside_a_hole(controller, image_controller, settle):
    controller.outliner.begin()
    square = np.array([[40.0, 60.0], [40.0, 70.0], [50.0, 70.0], [50.0, 60.0]])
    controller.outliner.layer.add(square, shape_type="polygon")
    controller.outliner.layer.add(square - (25, 45), shape_type="polygon")
    settle()
    assert image_controller.labels.data[45, 65] == 1
    assert image_controller.labels.data[20, 20] == 0
    assert image_controller.labels.data[12, 12] == 1


def test_it_never_goes_over_another_object(controller, image_controller, settle):
    controller.new_object()
    image_controller.points.add((45, 55))
    settle()
    controller.select_object(1)
    controller.outliner.begin()
    move(controller.outliner.layer, (29, 29), (54, 66))
    settle()
    np.testing.assert_array_equal(
        image_controller.labels.data == 2, np.isin(np.arange(80), range(45, 70)) & in_rows(35, 55)
    )
    assert image_controller.labels.data[33, 35] == 1


def in_rows(start, stop):
    return ((np.arange(60) >= start) & (np.arange(60) < stop))[:, None]


def test_the_object_that_was_begun_with_is_edited_whichever_is_current(
    controller, image_controller, settle
):
    controller.outliner.begin()
    controller.new_object()
    move(controller.outliner.layer, (10, 29), (3, 38))
    settle()
    assert image_controller.labels.data[8, 31] == 1
    assert image_controller.session_store.object == 2
    assert image_controller.session_store.sessions[0].object == 2


def test_done_takes_the_layer_away_and_keeps_the_mask(controller, image_controller, settle):
    controller.outliner.begin()
    layer = controller.outliner.layer
    move(layer, (10, 29), (3, 38))
    settle()
    controller.outliner.finish()
    assert layer not in controller.viewer.layers
    assert not controller.outliner.is_open
    assert controller.viewer.layers.selection.active is image_controller.points
    assert image_controller.labels.data[8, 31] == 1
    image_controller.points.add((25, 25))  # clicks go on from the corrected mask
    settle()
    assert not layer.events.data.callbacks


def test_removing_the_layer_is_the_same_as_done(controller, image_controller, settle):
    controller.outliner.begin()
    controller.viewer.layers.remove(controller.outliner.layer)
    assert not controller.outliner.is_open
    settle()
    assert image_controller.labels.data[20, 20] == 1


def test_a_click_that_changes_the_mask_changes_the_polygon(
    controller, image_controller, settle, pump
):
    controller.outliner.begin()
    image_controller.points.feature_defaults = {
        "sign": "negative",
        "object": 1,
        "order": 0,
        "axis": 0,
    }
    image_controller.points.add((20, 20))
    settle()
    pump.drain()
    assert len(controller.outliner.layer.data) == 2  # the hole the negative click made


def test_holes_are_polygons_of_their_own(controller, image_controller, settle):
    image_controller.points.feature_defaults = {
        "sign": "negative",
        "object": 1,
        "order": 0,
        "axis": 0,
    }
    image_controller.points.add((20, 20))
    settle()
    controller.outliner.begin()
    assert len(controller.outliner.layer.data) == 2
    controller.outliner.layer.remove([1])
    settle()
    assert image_controller.labels.data[20, 20] == 1


def test_on_a_plane_of_a_volume_other_planes_stay(controller, boxes, settle):
    controller.choose_image(controller.viewer.add_image(boxes, scale=(4, 0.5, 0.5)))
    controller.new_object()
    controller.image_controller.points.add((5, 12, 15))
    settle()
    controller.viewer.dims.set_point(0, 5 * 4)
    controller.outliner.begin()
    layer = controller.outliner.layer
    assert set(layer.data[0][:, 0]) == {5.0}
    move(layer, (19, 24), (28, 28))
    settle()
    labels = controller.image_controller.labels.data
    assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == [5]
    assert labels[5, 21, 24] == 1
    assert controller.image_controller.session_store.sessions[0].clicked_planes() == (Plane(0, 5),)


@pytest.mark.usefixtures("image_controller")
def test_an_object_without_pixels_or_a_locked_one_is_told(controller, said):
    controller.new_object()
    controller.outliner.begin()
    assert "Object 2 has no pixels on this plane" in said.failures[-1]
    controller.select_object(1)
    controller.set_finished(1, True)
    controller.outliner.begin()
    assert "The object is accepted" in said.failures[-1]
    assert not controller.outliner.is_open


@pytest.mark.usefixtures("image_controller")
def test_locking_the_object_ends_the_edit(controller, pump):
    controller.outliner.begin()
    controller.set_finished(1, True)
    pump.drain()
    assert not controller.outliner.is_open


def test_neighbours_of_a_moved_vertex_follow_it_if_asked(
    controller, image_controller, settle, pump
):
    controller.outliner.begin(0.0)
    layer = controller.outliner.layer
    corners = np.array([[9.5, 9.5], [9.5, 19.5], [9.5, 29.5], [29.5, 29.5], [29.5, 9.5]])
    layer.data = [corners]
    settle()
    asked = []

    def predict(image, _before, after, index):
        asked.append((image.shape, index))
        out = after.copy()
        out[index - 1, 0] = after[index, 0]
        return out

    controller.outliner.predict = predict
    move(layer, (9.5, 19.5), (4.5, 19.5))
    settle()
    assert not asked
    assert image_controller.labels.data[6, 13] == 0
    controller.outliner.neighbours_follow = True
    move(layer, (4.5, 19.5), (3.5, 19.5))
    settle()
    pump.drain()
    assert len(asked) == 1
    assert image_controller.labels.data[6, 13] == 1  # its neighbour went with it
    assert (np.abs(controller.outliner.layer.data[0][:, 0] - 3.5) < 1e-6).sum() == 2


def test_neighbours_go_where_the_network_of_the_preferences_says(controller, said, monkeypatch):
    asked = []
    monkeypatch.setattr(
        polygon_editor, "preferences", lambda: Preferences(vertex_network=" no-such-network ")
    )
    assert controller.outliner._preferred() is follow
    assert "no-such-network" in said.failures[-1]
    monkeypatch.setattr(vertex_predictors, "load_vertices", lambda name: asked.append(name) or str)
    monkeypatch.setattr(
        polygon_editor, "preferences", lambda: Preferences(vertex_network="my-rings")
    )
    assert controller.outliner._preferred() is controller.outliner._preferred() is str
    assert asked == ["my-rings"]
