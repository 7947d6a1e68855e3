"""Clicks become masks: the logic behind the window, on a ViewerModel without Qt."""

import copy

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.layers import COLOURS, SYMBOLS


def begin(bench, image, **kwargs):
    layer = bench.viewer.add_image(image, **kwargs)
    bench.choose_image(layer)
    bench.new_object()
    return layer, bench.binder


def test_a_scripted_point_becomes_a_mask(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    np.testing.assert_array_equal(binder.labels.data, (squares == 200).astype(int))
    assert binder.points.features.iloc[0].to_dict() == {
        "sign": "positive",
        "object": 1,
        "order": 1,
        "axis": 0,
    }


def test_the_answer_is_that_of_the_session_and_comes_from_the_one_thread(
    bench, toy, settle, squares
):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    session = binder.drawer.sessions[0]
    np.testing.assert_array_equal(session.labels, binder.labels.data)
    assert toy.threads == {"napari-intseg inference"}


def test_a_negative_point_by_feature_defaults_takes_away(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    binder.points.feature_defaults = {"sign": "negative", "object": 1, "order": 0, "axis": 0}
    binder.points.add((12, 12))
    settle()
    assert binder.labels.data[12, 12] == 0
    assert binder.labels.data[25, 25] == 1
    assert list(binder.points.features["sign"]) == ["positive", "negative"]
    assert list(binder.points.features["order"]) == [1, 2]


def test_symbol_and_colour_show_the_sign(bench, settle, squares):
    from napari.utils.colormaps.standardize_color import transform_color

    _, binder = begin(bench, squares)
    binder.points.add([(20, 20), (50, 50)])
    table = binder.points.features.copy()
    table["sign"] = ["positive", "-"]
    binder.points.features = table
    settle()
    assert list(binder.points.features["sign"]) == ["positive", "negative"]
    assert [str(s) for s in binder.points.symbol] == [SYMBOLS[True], SYMBOLS[False]]
    expected = transform_color([COLOURS[True], COLOURS[False]])
    np.testing.assert_allclose(binder.points.face_color, expected, atol=1e-6)


def test_a_moved_point_predicts_anew(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    binder.points.data = np.array([[45.0, 55.0]])
    settle()
    np.testing.assert_array_equal(binder.labels.data, (squares == 100).astype(int))


def test_a_deleted_point_takes_its_mask_along(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    assert binder.labels.data.any()
    binder.points.selected_data = {0}
    binder.points.remove_selected()
    settle()
    assert not binder.labels.data.any()


def test_objects_keep_their_pixels(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    bench.new_object()
    binder.points.add((45, 55))
    binder.points.add((21, 21))  # asks for the first object's square too
    settle()
    np.testing.assert_array_equal(binder.labels.data == 1, squares == 200)
    np.testing.assert_array_equal(binder.labels.data == 2, squares == 100)


def test_foreign_and_painted_pixels_are_left_alone(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.labels.data_setitem((np.array([15, 16]), np.array([15, 15])), 9)
    binder.labels.data_setitem((np.array([2]), np.array([2])), 1)  # a brush stroke of the object
    binder.points.add((20, 20))
    binder.points.add((25, 25))
    settle()
    assert binder.labels.data[15, 15] == 9
    assert binder.labels.data[2, 2] == 1
    assert binder.labels.data[20, 20] == 1


def test_one_click_is_one_step_of_napari_s_undo(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    binder.labels.undo()
    settle()
    assert not binder.labels.data.any()
    assert len(binder.points.data) == 0
    binder.labels.redo()
    settle()
    assert binder.labels.data[20, 20] == 1
    assert len(binder.points.data) == 1


def test_a_large_mask_is_written_in_pieces_yet_is_one_step(bench, settle):
    _, binder = begin(bench, np.full((700, 700), 200, np.uint8))
    binder.points.add((20, 20))
    settle()
    assert binder.labels.data.all()
    binder.labels.undo()
    settle()
    assert not binder.labels.data.any()


def test_after_napari_s_undo_the_next_click_writes_the_whole_answer(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    binder.labels.undo()
    binder.points.add((22, 22))
    settle()
    np.testing.assert_array_equal(binder.labels.data, (squares == 200).astype(int))


def test_undo_and_redo_take_points_and_pixels_along(bench, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    binder.points.add((45, 55))
    settle()
    both = binder.labels.data.copy()
    bench.undo()
    settle()
    assert len(binder.points.data) == 1
    np.testing.assert_array_equal(binder.labels.data, (squares == 200).astype(int))
    bench.undo()
    settle()
    assert len(binder.points.data) == 0
    assert not binder.labels.data.any()
    bench.redo()
    bench.redo()
    settle()
    np.testing.assert_allclose(binder.points.data, [[20, 20], [45, 55]])
    np.testing.assert_array_equal(binder.labels.data, both)


def test_undo_runs_no_model(bench, toy, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    asked = len(toy.queries)
    bench.undo()
    bench.redo()
    settle()
    assert len(toy.queries) == asked
    assert binder.labels.data.any()


def test_clicks_that_arrive_meanwhile_are_not_lost(bench, toy, pump, settle, squares):
    _, binder = begin(bench, squares)
    toy.gate.clear()
    binder.points.add((20, 20))
    pump.until(toy.entered.is_set)
    binder.points.add((45, 55))
    binder.points.add((46, 56))
    toy.gate.set()
    settle()
    assert len(toy.queries[-1].clicks) == 3
    np.testing.assert_array_equal(binder.labels.data > 0, squares > 0)


def test_clicks_made_before_the_model_is_there_are_answered(toy, pump, squares):
    from napari.components import ViewerModel

    from napari_intseg.ui.workbench import Workbench

    bench = Workbench(ViewerModel(), pump.post, load_with=lambda *_: toy)
    try:
        _, binder = begin(bench, squares)
        binder.points.add((20, 20))
        assert not binder.labels.data.any()
        bench.loader.choose(bench.loader.choice)
        pump.until(lambda: bool(binder.labels.data.any()))
    finally:
        bench.close()


def test_the_image_layer_is_never_changed(bench, settle, squares):
    layer, binder = begin(bench, squares, scale=(2, 3), metadata={"a": 1})
    state = copy.deepcopy({k: v for k, v in layer._get_state().items() if k != "data"})
    before = layer.data.copy()
    binder.points.add((40, 60))
    settle()
    bench.undo()
    settle()
    after = {k: v for k, v in layer._get_state().items() if k != "data"}
    assert str(state) == str(after)
    np.testing.assert_array_equal(layer.data, before)
    assert layer.data is squares


def test_labels_and_points_lie_where_the_image_lies(bench, settle, boxes):
    layer, binder = begin(
        bench,
        boxes,
        scale=(5, 0.7, 0.8),
        translate=(1, 2, 3),
        rotate=20,
        shear=[0.1, 0, 0.2],
        affine=np.diag([1, 2, 1, 1.0]),
        units=("mm", "mm", "mm"),
        axis_labels=("z", "y", "x"),
    )
    for made in (binder.labels, binder.points):
        for name in ("scale", "translate", "rotate", "shear", "units", "axis_labels"):
            assert str(getattr(made, name)) == str(getattr(layer, name)), name
        corner = (3, 5, 7)
        np.testing.assert_allclose(made.data_to_world(corner), layer.data_to_world(corner))
    binder.points.add(binder.points.world_to_data(layer.data_to_world((5, 12, 15))))
    settle()
    np.testing.assert_array_equal(binder.labels.data[5] > 0, boxes[5] == 200)
    assert not binder.labels.data[6].any()


def test_a_points_layer_of_another_scale_goes_through_the_world(bench, settle, squares):
    layer, binder = begin(bench, squares, scale=(0.5, 0.5))
    binder.points.scale = (1, 1)
    binder.points.add(layer.data_to_world((20, 20)))
    settle()
    np.testing.assert_array_equal(binder.labels.data, (squares == 200).astype(int))


def test_a_point_outside_is_told_and_does_no_harm(bench, said, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((500, 20))
    assert "1 point lies outside the image" in said.failures[-1]
    binder.points.add((20, 20))
    settle()
    assert binder.labels.data.any()


def test_an_accepted_object_takes_no_further_clicks(bench, said, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    bench.accept_object()
    assert binder.drawer.object == 2
    bench.select_object(1)
    binder.points.add((45, 55))
    settle()
    assert "object is finished" in said.failures[-1]
    assert len(binder.points.data) == 1
    np.testing.assert_array_equal(binder.labels.data, (squares == 200).astype(int))
    bench.set_finished(1, False)
    binder.points.add((45, 55))
    settle()
    assert (binder.labels.data[squares == 100] == 1).all()


def test_accepting_nothing_says_what_to_do(bench, said, squares):
    begin(bench, squares)
    bench.accept_object()
    assert "Click on the object first" in said.failures[-1]


def test_an_error_of_the_model_is_told_and_the_next_click_works(bench, toy, said, settle, squares):
    _, binder = begin(bench, squares)
    toy.error = RuntimeError("no such kernel")
    binder.points.add((20, 20))
    settle()
    assert "RuntimeError: no such kernel" in said.failures[-1]
    toy.error = None
    binder.points.add((21, 21))
    settle()
    assert binder.labels.data[20, 20] == 1


def test_the_time_of_the_answer_is_told(bench, said, settle, squares):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    where, seconds = said.answers[-1]
    assert where == "object 1"
    assert 0 < seconds < 20


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_plane_in_the_window_is_predicted(bench, settle, boxes, axis):
    _, binder = begin(bench, boxes)
    rest = [a for a in range(3) if a != axis]
    bench.viewer.dims.order = (axis, *rest[::-1])
    bench.viewer.dims.set_point(axis, (5, 12, 15)[axis])
    binder.points.add((5, 12, 15))
    settle()
    expected = np.zeros(boxes.shape, bool)
    here = [slice(None)] * 3
    here[axis] = (5, 12, 15)[axis]
    expected[tuple(here)] = (boxes == 200)[tuple(here)]
    np.testing.assert_array_equal(binder.labels.data > 0, expected)
    assert binder.drawer.sessions[0].clicked_planes() == (Plane(axis, (5, 12, 15)[axis]),)


def test_the_same_labels_come_from_a_script(bench, toy, settle, boxes):
    from napari_intseg.core.volume import Volume
    from napari_intseg.session.session import Session

    _, binder = begin(bench, boxes)
    binder.points.add((5, 12, 15))
    binder.points.add((7, 30, 40))
    settle()
    session = Session(toy, Volume(boxes))
    session.click((5, 12, 15))
    session.click((7, 30, 40))
    np.testing.assert_array_equal(session.labels, binder.labels.data)


def test_time_points_have_their_own_clicks(bench, settle, boxes):
    series = np.stack([boxes, boxes[:, ::-1], *[boxes] * 4])
    _, binder = begin(bench, series)
    assert binder.frame.axes == "tzyx"
    binder.points.add((1, 5, 40 - 1 - 12, 15))
    binder.points.add((2, 6, 12, 15))
    settle()
    assert not binder.labels.data[0].any()
    np.testing.assert_array_equal(binder.labels.data[1, 5] > 0, series[1, 5] == 200)
    np.testing.assert_array_equal(binder.labels.data[2, 6] > 0, series[2, 6] == 200)
    assert np.count_nonzero(binder.labels.data.any(axis=(2, 3))) == 2


def test_in_3_d_display_it_says_that_clicks_need_a_2_d_view(bench, said, boxes):
    _, binder = begin(bench, boxes)
    assert binder.points.mode == "add"
    bench.viewer.dims.ndisplay = 3
    assert "2-D view" in said.messages[-1]
    assert binder.points.mode == "pan_zoom"
    bench.viewer.dims.ndisplay = 2
    assert binder.points.mode == "add"


def test_a_swapped_model_answers_the_plane_in_the_window(bench, pump, settle, squares, toy):
    _, binder = begin(bench, squares)
    binder.points.add((20, 20))
    settle()
    other = type(toy)()
    other.predict = lambda query: type(toy).predict(other, query)
    bench.loader._load_with = lambda _choice, _old, _stop: other
    bench.loader.choose(bench.loader.choice)
    pump.until(lambda: bench.loader.model is other)
    settle()
    assert len(other.queries) == 1
    assert not bench.can("redo")
