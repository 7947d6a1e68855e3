"""Clicks become masks: the logic behind the window, on a ViewerModel without Qt."""

import copy

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.object_actions import accept
from napari_intseg.ui.layers.points_codec import COLOURS, SYMBOLS


def begin(controller, image, **kwargs):
    layer = controller.viewer.add_image(image, **kwargs)
    controller.choose_image(layer)
    controller.new_object()
    return layer, controller.image_controller


def test_a_scripted_point_becomes_a_mask(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, (squares == 200).astype(int))
    assert image_controller.points.features.iloc[0].to_dict() == {
        "sign": "positive",
        "object": 1,
        "order": 1,
        "axis": 0,
    }


def test_the_answer_is_that_of_the_session_and_comes_from_the_one_thread(
    controller, toy, settle, squares
):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    session = image_controller.session_store.sessions[0]
    np.testing.assert_array_equal(session.labels, image_controller.labels.data)
    assert toy.threads == {"napari-intseg inference"}


def test_a_negative_point_by_feature_defaults_takes_away(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    image_controller.points.feature_defaults = {
        "sign": "negative",
        "object": 1,
        "order": 0,
        "axis": 0,
    }
    image_controller.points.add((12, 12))
    settle()
    assert image_controller.labels.data[12, 12] == 0
    assert image_controller.labels.data[25, 25] == 1
    assert list(image_controller.points.features["sign"]) == ["positive", "negative"]
    assert list(image_controller.points.features["order"]) == [1, 2]


def test_symbol_and_colour_show_the_sign(controller, settle, squares):
    from napari.utils.colormaps.standardize_color import transform_color

    _, image_controller = begin(controller, squares)
    image_controller.points.add([(20, 20), (50, 50)])
    table = image_controller.points.features.copy()
    table["sign"] = ["positive", "-"]
    image_controller.points.features = table
    settle()
    assert list(image_controller.points.features["sign"]) == ["positive", "negative"]
    assert [str(s) for s in image_controller.points.symbol] == [SYMBOLS[True], SYMBOLS[False]]
    expected = transform_color([COLOURS[True], COLOURS[False]])
    np.testing.assert_allclose(image_controller.points.face_color, expected, atol=1e-6)


def test_a_moved_point_predicts_anew(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    image_controller.points.data = np.array([[45.0, 55.0]])
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, (squares == 100).astype(int))


def test_a_deleted_point_takes_its_mask_along(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    assert image_controller.labels.data.any()
    image_controller.points.selected_data = {0}
    image_controller.points.remove_selected()
    settle()
    assert not image_controller.labels.data.any()


def test_objects_keep_their_pixels(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    controller.new_object()
    image_controller.points.add((45, 55))
    image_controller.points.add((21, 21))  # asks for the first object's square too
    settle()
    np.testing.assert_array_equal(image_controller.labels.data == 1, squares == 200)
    np.testing.assert_array_equal(image_controller.labels.data == 2, squares == 100)


def test_foreign_and_painted_pixels_are_left_alone(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.labels.data_setitem((np.array([15, 16]), np.array([15, 15])), 9)
    image_controller.labels.data_setitem(
        (np.array([2]), np.array([2])), 1
    )  # a brush stroke of the object
    image_controller.points.add((20, 20))
    image_controller.points.add((25, 25))
    settle()
    assert image_controller.labels.data[15, 15] == 9
    assert image_controller.labels.data[2, 2] == 1
    assert image_controller.labels.data[20, 20] == 1


def test_one_click_is_one_step_of_napari_s_undo(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    image_controller.labels.undo()
    settle()
    assert not image_controller.labels.data.any()
    assert len(image_controller.points.data) == 0
    image_controller.labels.redo()
    settle()
    assert image_controller.labels.data[20, 20] == 1
    assert len(image_controller.points.data) == 1


def test_a_large_mask_is_written_in_pieces_yet_is_one_step(controller, settle):
    _, image_controller = begin(controller, np.full((700, 700), 200, np.uint8))
    image_controller.points.add((20, 20))
    settle()
    assert image_controller.labels.data.all()
    image_controller.labels.undo()
    settle()
    assert not image_controller.labels.data.any()


def test_after_napari_s_undo_the_next_click_writes_the_whole_answer(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    image_controller.labels.undo()
    image_controller.points.add((22, 22))
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, (squares == 200).astype(int))


def test_undo_and_redo_take_points_and_pixels_along(controller, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    image_controller.points.add((45, 55))
    settle()
    both = image_controller.labels.data.copy()
    controller.undo()
    settle()
    assert len(image_controller.points.data) == 1
    np.testing.assert_array_equal(image_controller.labels.data, (squares == 200).astype(int))
    controller.undo()
    settle()
    assert len(image_controller.points.data) == 0
    assert not image_controller.labels.data.any()
    controller.redo()
    controller.redo()
    settle()
    np.testing.assert_allclose(image_controller.points.data, [[20, 20], [45, 55]])
    np.testing.assert_array_equal(image_controller.labels.data, both)


def test_undo_runs_no_model(controller, toy, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    asked = len(toy.queries)
    controller.undo()
    controller.redo()
    settle()
    assert len(toy.queries) == asked
    assert image_controller.labels.data.any()


def test_clicks_that_arrive_meanwhile_are_not_lost(controller, toy, pump, settle, squares):
    _, image_controller = begin(controller, squares)
    toy.gate.clear()
    image_controller.points.add((20, 20))
    pump.until(toy.entered.is_set)
    image_controller.points.add((45, 55))
    image_controller.points.add((46, 56))
    toy.gate.set()
    settle()
    assert len(toy.queries[-1].clicks) == 3
    np.testing.assert_array_equal(image_controller.labels.data > 0, squares > 0)


def test_clicks_made_before_the_model_is_there_are_answered(toy, pump, squares):
    from napari.components import ViewerModel

    from napari_intseg.ui.controllers.viewer_controller import ViewerController

    controller = ViewerController(ViewerModel(), pump.post, load_with=lambda *_: toy)
    try:
        _, image_controller = begin(controller, squares)
        image_controller.points.add((20, 20))
        assert not image_controller.labels.data.any()
        controller.loader.choose(controller.loader.choice)
        pump.until(lambda: bool(image_controller.labels.data.any()))
    finally:
        controller.close()


def test_the_image_layer_is_never_changed(controller, settle, squares):
    layer, image_controller = begin(controller, squares, scale=(2, 3), metadata={"a": 1})
    state = copy.deepcopy({k: v for k, v in layer._get_state().items() if k != "data"})
    before = layer.data.copy()
    image_controller.points.add((40, 60))
    settle()
    controller.undo()
    settle()
    after = {k: v for k, v in layer._get_state().items() if k != "data"}
    assert str(state) == str(after)
    np.testing.assert_array_equal(layer.data, before)
    assert layer.data is squares


def test_labels_and_points_lie_where_the_image_lies(controller, settle, boxes):
    layer, image_controller = begin(
        controller,
        boxes,
        scale=(5, 0.7, 0.8),
        translate=(1, 2, 3),
        rotate=20,
        shear=[0.1, 0, 0.2],
        affine=np.diag([1, 2, 1, 1.0]),
        units=("mm", "mm", "mm"),
        axis_labels=("z", "y", "x"),
    )
    for made in (image_controller.labels, image_controller.points):
        for name in ("scale", "translate", "rotate", "shear", "units", "axis_labels"):
            assert str(getattr(made, name)) == str(getattr(layer, name)), name
        corner = (3, 5, 7)
        np.testing.assert_allclose(made.data_to_world(corner), layer.data_to_world(corner))
    image_controller.points.add(
        image_controller.points.world_to_data(layer.data_to_world((5, 12, 15)))
    )
    settle()
    np.testing.assert_array_equal(image_controller.labels.data[5] > 0, boxes[5] == 200)
    assert not image_controller.labels.data[6].any()


def test_a_points_layer_of_another_scale_goes_through_the_world(controller, settle, squares):
    layer, image_controller = begin(controller, squares, scale=(0.5, 0.5))
    image_controller.points.scale = (1, 1)
    image_controller.points.add(layer.data_to_world((20, 20)))
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, (squares == 200).astype(int))


def test_a_point_outside_is_told_and_does_no_harm(controller, said, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((500, 20))
    assert "1 point lies outside the image" in said.failures[-1]
    image_controller.points.add((20, 20))
    settle()
    assert image_controller.labels.data.any()


def test_an_accepted_object_takes_no_further_clicks(controller, said, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    accept(controller)
    assert image_controller.session_store.object == 2
    controller.select_object(1)
    image_controller.points.add((45, 55))
    settle()
    assert "object is finished" in said.failures[-1]
    assert len(image_controller.points.data) == 1
    np.testing.assert_array_equal(image_controller.labels.data, (squares == 200).astype(int))
    controller.set_finished(1, False)
    image_controller.points.add((45, 55))
    settle()
    assert (image_controller.labels.data[squares == 100] == 1).all()


def test_accepting_nothing_says_what_to_do(controller, said, squares):
    begin(controller, squares)
    accept(controller)
    assert "Click on the object first" in said.failures[-1]


def test_an_error_of_the_model_is_told_and_the_next_click_works(
    controller, toy, said, settle, squares
):
    _, image_controller = begin(controller, squares)
    toy.error = RuntimeError("no such kernel")
    image_controller.points.add((20, 20))
    settle()
    assert "RuntimeError: no such kernel" in said.failures[-1]
    toy.error = None
    image_controller.points.add((21, 21))
    settle()
    assert image_controller.labels.data[20, 20] == 1


def test_the_time_of_the_answer_is_told(controller, said, settle, squares):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    where, seconds = said.answers[-1]
    assert where == "object 1"
    assert 0 < seconds < 20


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_plane_in_the_window_is_predicted(controller, settle, boxes, axis):
    _, image_controller = begin(controller, boxes)
    rest = [a for a in range(3) if a != axis]
    controller.viewer.dims.order = (axis, *rest[::-1])
    controller.viewer.dims.set_point(axis, (5, 12, 15)[axis])
    image_controller.points.add((5, 12, 15))
    settle()
    expected = np.zeros(boxes.shape, bool)
    here = [slice(None)] * 3
    here[axis] = (5, 12, 15)[axis]
    expected[tuple(here)] = (boxes == 200)[tuple(here)]
    np.testing.assert_array_equal(image_controller.labels.data > 0, expected)
    assert image_controller.session_store.sessions[0].clicked_planes() == (
        Plane(axis, (5, 12, 15)[axis]),
    )


def test_the_same_labels_come_from_a_script(controller, toy, settle, boxes):
    from napari_intseg.core.volume import Volume
    from napari_intseg.session.session import Session

    _, image_controller = begin(controller, boxes)
    image_controller.points.add((5, 12, 15))
    image_controller.points.add((7, 30, 40))
    settle()
    session = Session(toy, Volume(boxes))
    session.click((5, 12, 15))
    session.click((7, 30, 40))
    np.testing.assert_array_equal(session.labels, image_controller.labels.data)


def test_time_points_have_their_own_clicks(controller, settle, boxes):
    series = np.stack([boxes, boxes[:, ::-1], *[boxes] * 4])
    _, image_controller = begin(controller, series)
    assert image_controller.image_axes.axes == "tzyx"
    image_controller.points.add((1, 5, 40 - 1 - 12, 15))
    image_controller.points.add((2, 6, 12, 15))
    settle()
    assert not image_controller.labels.data[0].any()
    np.testing.assert_array_equal(image_controller.labels.data[1, 5] > 0, series[1, 5] == 200)
    np.testing.assert_array_equal(image_controller.labels.data[2, 6] > 0, series[2, 6] == 200)
    assert np.count_nonzero(image_controller.labels.data.any(axis=(2, 3))) == 2


def test_in_3_d_display_it_says_that_clicks_need_a_2_d_view(controller, said, boxes):
    _, image_controller = begin(controller, boxes)
    assert image_controller.points.mode == "add"
    controller.viewer.dims.ndisplay = 3
    assert "2-D view" in said.messages[-1]
    assert image_controller.points.mode == "pan_zoom"
    controller.viewer.dims.ndisplay = 2
    assert image_controller.points.mode == "add"


def test_a_swapped_model_answers_the_plane_in_the_window(controller, pump, settle, squares, toy):
    _, image_controller = begin(controller, squares)
    image_controller.points.add((20, 20))
    settle()
    other = type(toy)()
    other.predict = lambda query: type(toy).predict(other, query)
    controller.loader._load_with = lambda _choice, _old, _stop: other
    controller.loader.choose(controller.loader.choice)
    pump.until(lambda: controller.loader.model is other)
    settle()
    assert len(other.queries) == 1
    assert not controller.can("redo")
