"""The current object as an editable polygon, on a ViewerModel without Qt."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane


@pytest.fixture
def binder(bench, squares, settle):
    """A bright square, rows and columns 10 to 29, as object 1."""
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    return bench.binder


def move(layer, near, to, shape=0):
    """Move the vertex of a polygon that is nearest to a place."""
    data = [np.array(one) for one in layer.data]
    at = np.argmin(np.linalg.norm(data[shape][:, -2:] - near, axis=1))
    data[shape][at, -2:] = to
    layer.data = data


def test_it_has_few_vertices_and_changes_nothing_by_itself(bench, binder, settle):
    before = binder.labels.data.copy()
    bench.outliner.begin()
    settle()
    layer = bench.outliner.layer
    assert len(layer.data) == 1
    assert len(layer.data[0]) <= 8
    assert layer.shape_type == ["polygon"]
    assert str(layer.mode) == "direct"
    assert bench.viewer.layers.selection.active is layer
    np.testing.assert_array_equal(binder.labels.data, before)
    assert binder.drawer.sessions[0].undo_title != "Edit outline"


def test_a_moved_vertex_changes_the_labels_there_and_nowhere_else(bench, binder, settle):
    binder.points.feature_defaults = {"sign": "negative", "object": 1, "order": 0, "axis": 0}
    binder.points.add((25, 12))  # a ragged notch that few vertices cannot tell
    settle()
    before = binder.labels.data.copy()
    bench.outliner.begin(3.0)
    move(bench.outliner.layer, (10, 29), (3, 38))
    settle()
    after = binder.labels.data
    assert after[8, 31] == 1
    assert np.count_nonzero(after != before) > 20
    np.testing.assert_array_equal(after[18:, :20], before[18:, :20])  # the notch keeps every pixel
    np.testing.assert_array_equal(after, binder.drawer.sessions[0].labels)


def test_each_edit_is_one_step_of_undo_and_the_polygon_follows(bench, binder, settle, pump):
    before = binder.labels.data.copy()
    bench.outliner.begin()
    first = [one.copy() for one in bench.outliner.layer.data]
    move(bench.outliner.layer, (10, 29), (3, 38))
    settle()
    assert binder.drawer.sessions[0].undo_title == "Edit outline"
    bench.undo()
    settle()
    pump.drain()
    np.testing.assert_array_equal(binder.labels.data, before)
    np.testing.assert_allclose(bench.outliner.layer.data[0], first[0])
    bench.redo()
    settle()
    assert binder.labels.data[8, 31] == 1


def test_vertices_can_be_added_and_removed(bench, binder, settle):
    bench.outliner.begin()
    layer = bench.outliner.layer
    ring = np.array(layer.data[0])
    corner = np.argmin(np.linalg.norm(ring - (29, 29), axis=1))
    layer.data = [np.insert(ring, corner, [[34, 34]], axis=0)]
    settle()
    assert binder.labels.data[31, 31] == 1
    far = np.linalg.norm(layer.data[0] - (10, 10), axis=1) > 5
    layer.data = [np.array(layer.data[0])[far]]
    settle()
    assert binder.labels.data[10, 10] == 0
    layer.remove([0])
    settle()
    assert not binder.labels.data.any()


def test_a_new_polygon_is_a_new_part_and_one_inside_a_hole(bench, binder, settle):
    bench.outliner.begin()
    square = np.array([[40.0, 60.0], [40.0, 70.0], [50.0, 70.0], [50.0, 60.0]])
    bench.outliner.layer.add(square, shape_type="polygon")
    bench.outliner.layer.add(square - (25, 45), shape_type="polygon")
    settle()
    assert binder.labels.data[45, 65] == 1
    assert binder.labels.data[20, 20] == 0
    assert binder.labels.data[12, 12] == 1


def test_it_never_goes_over_another_object(bench, binder, settle):
    bench.new_object()
    binder.points.add((45, 55))
    settle()
    bench.select_object(1)
    bench.outliner.begin()
    move(bench.outliner.layer, (29, 29), (54, 66))
    settle()
    np.testing.assert_array_equal(
        binder.labels.data == 2, np.isin(np.arange(80), range(45, 70)) & in_rows(35, 55)
    )
    assert binder.labels.data[33, 35] == 1


def in_rows(start, stop):
    return ((np.arange(60) >= start) & (np.arange(60) < stop))[:, None]


def test_the_object_that_was_begun_with_is_edited_whichever_is_current(bench, binder, settle):
    bench.outliner.begin()
    bench.new_object()
    move(bench.outliner.layer, (10, 29), (3, 38))
    settle()
    assert binder.labels.data[8, 31] == 1
    assert binder.drawer.object == 2
    assert binder.drawer.sessions[0].object == 2


def test_done_takes_the_layer_away_and_keeps_the_mask(bench, binder, settle):
    bench.outliner.begin()
    layer = bench.outliner.layer
    move(layer, (10, 29), (3, 38))
    settle()
    bench.outliner.finish()
    assert layer not in bench.viewer.layers
    assert not bench.outliner.is_open
    assert bench.viewer.layers.selection.active is binder.points
    assert binder.labels.data[8, 31] == 1
    binder.points.add((25, 25))  # clicks go on from the corrected mask
    settle()
    assert not layer.events.data.callbacks


def test_removing_the_layer_is_the_same_as_done(bench, binder, settle):
    bench.outliner.begin()
    bench.viewer.layers.remove(bench.outliner.layer)
    assert not bench.outliner.is_open
    settle()
    assert binder.labels.data[20, 20] == 1


def test_a_click_that_changes_the_mask_changes_the_polygon(bench, binder, settle, pump):
    bench.outliner.begin()
    binder.points.feature_defaults = {"sign": "negative", "object": 1, "order": 0, "axis": 0}
    binder.points.add((20, 20))
    settle()
    pump.drain()
    assert len(bench.outliner.layer.data) == 2  # the hole the negative click made


def test_holes_are_polygons_of_their_own(bench, binder, settle):
    binder.points.feature_defaults = {"sign": "negative", "object": 1, "order": 0, "axis": 0}
    binder.points.add((20, 20))
    settle()
    bench.outliner.begin()
    assert len(bench.outliner.layer.data) == 2
    bench.outliner.layer.remove([1])
    settle()
    assert binder.labels.data[20, 20] == 1


def test_on_a_plane_of_a_volume_other_planes_stay(bench, boxes, settle):
    bench.choose_image(bench.viewer.add_image(boxes, scale=(4, 0.5, 0.5)))
    bench.new_object()
    bench.binder.points.add((5, 12, 15))
    settle()
    bench.viewer.dims.set_point(0, 5 * 4)
    bench.outliner.begin()
    layer = bench.outliner.layer
    assert set(layer.data[0][:, 0]) == {5.0}
    move(layer, (19, 24), (28, 28))
    settle()
    labels = bench.binder.labels.data
    assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == [5]
    assert labels[5, 21, 24] == 1
    assert bench.binder.drawer.sessions[0].clicked_planes() == (Plane(0, 5),)


@pytest.mark.usefixtures("binder")
def test_an_object_without_pixels_or_a_locked_one_is_told(bench, said):
    bench.new_object()
    bench.outliner.begin()
    assert "Object 2 has no pixels on this plane" in said.failures[-1]
    bench.select_object(1)
    bench.set_finished(1, True)
    bench.outliner.begin()
    assert "The object is accepted" in said.failures[-1]
    assert not bench.outliner.is_open


@pytest.mark.usefixtures("binder")
def test_locking_the_object_ends_the_edit(bench, pump):
    bench.outliner.begin()
    bench.set_finished(1, True)
    pump.drain()
    assert not bench.outliner.is_open
