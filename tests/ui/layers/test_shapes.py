"""Boxes and scribbles from a Shapes layer, on a ViewerModel without Qt."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.object_actions import accept


class BoxToy:
    """Answers with what is bright in the box or touched by a scribble; clicks add and remove."""

    def __init__(self) -> None:
        self.traits = Traits("toy", frozenset({"click", "box", "scribble", "mask"}))
        self.queries: list[Prompts] = []
        self.gate, self.entered, self.error = threading.Event(), threading.Event(), None
        self.gate.set()

    def prepare(self, image):
        return Prepared(image.shape[:2], image.mean(axis=2), image.nbytes)

    def predict(self, query: Query) -> Answer:
        prompts = query.prompts
        self.queries.append(prompts)
        grey = query.prepared.payload
        rows, cols = np.indices(grey.shape)
        mask = np.zeros(grey.shape, bool)
        if prompts.box is not None:
            box = prompts.box
            mask |= (
                (rows >= box.row0) & (rows <= box.row1) & (cols >= box.col0) & (cols <= box.col1)
            )
        for scribble in prompts.scribbles:
            for row, col in scribble.points:
                mask[round(row), round(col)] = scribble.positive
        for click in prompts.clicks:
            mask[np.hypot(rows - click.row, cols - click.col) < 3] = click.positive
        return Answer(np.where(mask, np.float32(8), np.float32(-8)))


@pytest.fixture
def toy():
    return BoxToy()


def begin(controller, image, **kwargs):
    layer = controller.viewer.add_image(image, **kwargs)
    controller.choose_image(layer)
    controller.new_object()
    return controller.image_controller


def rectangle(r0, c0, r1, c1, *plane):
    corners = [(r0, c0), (r0, c1), (r1, c1), (r1, c0)]
    return np.array([[*plane, *corner] for corner in corners], float)


def inside(image_controller, rows, cols):
    mask = np.zeros(image_controller.labels.data.shape[-2:], bool)
    mask[rows[0] : rows[1] + 1, cols[0] : cols[1] + 1] = True
    return mask


def test_a_scripted_rectangle_becomes_a_box_and_a_mask(controller, settle, squares):
    image_controller = begin(controller, squares)
    assert image_controller.boxes.layer is None
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    np.testing.assert_array_equal(
        image_controller.labels.data == 1, inside(image_controller, (10, 30), (12, 40))
    )
    assert shapes.features.iloc[0].to_dict() == {"object": 1, "axis": 0, "sign": "positive"}
    assert image_controller.session_store.sessions[0].prompts(Plane(0, 0)).box == Box(
        10, 12, 30, 40
    )


def test_moving_and_deleting_a_rectangle_predicts_anew_and_undo_brings_it_back(
    controller, settle, squares
):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    shapes.data = [rectangle(5, 5, 9, 9)]
    settle()
    np.testing.assert_array_equal(
        image_controller.labels.data == 1, inside(image_controller, (5, 9), (5, 9))
    )
    shapes.selected_data = {0}
    shapes.remove_selected()
    settle()
    assert not image_controller.labels.data.any()
    controller.undo()
    settle()
    np.testing.assert_array_equal(
        image_controller.labels.data == 1, inside(image_controller, (5, 9), (5, 9))
    )
    np.testing.assert_allclose(shapes.data[0], rectangle(5, 5, 9, 9))
    controller.undo()
    settle()
    np.testing.assert_allclose(shapes.data[0], rectangle(10, 12, 30, 40))
    controller.undo()
    settle()
    assert len(shapes.data) == 0
    assert not image_controller.labels.data.any()
    controller.redo()
    settle()
    np.testing.assert_array_equal(
        image_controller.labels.data == 1, inside(image_controller, (10, 30), (12, 40))
    )


def test_box_and_clicks_make_one_answer(controller, toy, settle, squares):
    image_controller = begin(controller, squares)
    image_controller.boxes.shown().add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    image_controller.points.add((50, 50))
    settle()
    assert toy.queries[-1].box == Box(10, 12, 30, 40)
    assert len(toy.queries[-1].clicks) == 1
    assert image_controller.labels.data[50, 50] == 1
    assert image_controller.labels.data[20, 20] == 1


def test_a_second_rectangle_of_an_object_takes_the_place_of_the_first(controller, settle, squares):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    shapes.add(rectangle(2, 2, 8, 8), shape_type="rectangle")
    settle()
    controller.worker.submit(lambda _: None, lambda _: None)
    settle()
    assert len(shapes.data) == 1
    np.testing.assert_allclose(shapes.data[0], rectangle(2, 2, 8, 8))
    np.testing.assert_array_equal(
        image_controller.labels.data == 1, inside(image_controller, (2, 8), (2, 8))
    )


def test_each_object_has_its_own_box(controller, settle, squares):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(2, 2, 8, 8), shape_type="rectangle")
    settle()
    controller.new_object()
    shapes.add(rectangle(20, 20, 28, 28), shape_type="rectangle")
    settle()
    assert len(shapes.data) == 2
    assert list(shapes.features["object"]) == [1, 2]
    np.testing.assert_array_equal(
        image_controller.labels.data == 1, inside(image_controller, (2, 8), (2, 8))
    )
    np.testing.assert_array_equal(
        image_controller.labels.data == 2, inside(image_controller, (20, 28), (20, 28))
    )


def test_a_rectangle_belongs_to_the_plane_it_was_drawn_on_whatever_the_axis(
    controller, settle, boxes
):
    image_controller = begin(controller, boxes)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(8, 10, 19, 24, 5), shape_type="rectangle")
    settle()
    assert np.flatnonzero(image_controller.labels.data.any(axis=(1, 2))).tolist() == [5]
    across = np.array([[3, 14, 10], [3, 14, 24], [8, 14, 24], [8, 14, 10]], float)
    shapes.add(across, shape_type="rectangle")
    settle()
    assert list(shapes.features["axis"]) == [0, 0]  # what napari stored; the shape itself tells
    session = image_controller.session_store.sessions[0]
    assert session.prompts(Plane(0, 5)).box == Box(8, 10, 19, 24)
    assert session.prompts(Plane(1, 14)).box == Box(3, 10, 8, 24)


def test_a_rectangle_goes_through_the_world(controller, settle, boxes):
    image_controller = begin(
        controller, boxes, scale=(5, 0.5, 0.7), translate=(100, -3, 8), rotate=20
    )
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(8, 10, 19, 24, 5), shape_type="rectangle")
    settle()
    assert image_controller.session_store.sessions[0].prompts(Plane(0, 5)).box == Box(8, 10, 19, 24)
    np.testing.assert_allclose(shapes.scale, image_controller.image_axes.image.scale)
    shapes.scale = shapes.scale * (1, 0.5, 0.5)
    shapes.data = [rectangle(16, 20, 38, 48, 5)]
    settle()
    assert image_controller.session_store.sessions[0].prompts(Plane(0, 5)).box != Box(
        16, 20, 38, 48
    )


def test_time_points_keep_their_own_boxes(controller, settle, boxes):
    controller.choose_image(controller.viewer.add_image(np.stack([boxes, boxes])))
    controller.choose_axes("tzyx")
    controller.new_object()
    image_controller = controller.image_controller
    image_controller.boxes.shown().add(rectangle(8, 10, 19, 24, 1, 5), shape_type="rectangle")
    settle()
    assert np.argwhere(image_controller.labels.data.any(axis=(2, 3))).tolist() == [[1, 5]]


def test_a_path_is_a_scribble_and_its_sign_a_feature(controller, toy, settle, squares):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(np.array([(20.0, 20.0), (22.0, 25.0), (20.0, 29.0)]), shape_type="path")
    settle()
    assert toy.queries[-1].scribbles == (Scribble(((20, 20), (22, 25), (20, 29))),)
    assert image_controller.labels.data[22, 25] == 1
    table = shapes.features.copy()
    table["sign"] = ["negative"]
    shapes.features = table
    settle()
    assert (
        image_controller.session_store.sessions[0].prompts(Plane(0, 0)).scribbles[0].positive
        is False
    )
    assert image_controller.labels.data[22, 25] == 0
    controller.undo()
    settle()
    assert list(shapes.features["sign"]) == ["positive"]
    assert image_controller.labels.data[22, 25] == 1


def test_a_box_is_cut_to_the_image_and_one_outside_is_told(controller, toy, settle, said, squares):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(-20, 50, 30, 200), shape_type="rectangle")
    settle()
    assert toy.queries[-1].box == Box(0, 50, 30, 79)
    shapes.add(rectangle(100, 100, 120, 120), shape_type="rectangle")
    settle()
    assert "1 shape lies outside the image" in said.failures[-1]


def test_a_box_for_a_model_without_boxes_is_refused_and_taken_back(
    controller, toy, settle, said, squares
):
    toy.traits = Traits("ritm", frozenset({"click", "mask"}))
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    assert "ritm takes no box: expected click, mask, got 'box'" in said.failures[-1]
    assert len(shapes.data) == 0
    assert toy.queries == []


def test_a_locked_object_takes_no_box(controller, settle, said, squares):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    accept(controller)
    controller.select_object(1)
    shapes.add(rectangle(2, 2, 8, 8), shape_type="rectangle")
    settle()
    assert "object is finished" in said.failures[-1]
    np.testing.assert_allclose(shapes.data[0], rectangle(10, 12, 30, 40))


def test_removing_the_layer_takes_the_boxes_back_and_undo_makes_it_anew(
    controller, settle, squares
):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    controller.viewer.layers.remove(shapes)
    settle()
    assert not image_controller.labels.data.any()
    assert not image_controller.is_closed
    controller.undo()
    settle()
    assert image_controller.boxes.layer is not shapes
    np.testing.assert_allclose(image_controller.boxes.layer.data[0], rectangle(10, 12, 30, 40))
    assert image_controller.labels.data.any()


def test_a_box_on_one_plane_propagates_with_the_object(controller, toy, settle, pump, boxes):
    toy.traits = Traits("boxer", frozenset({"box"}), needs=frozenset({"box"}))
    image_controller = begin(controller, boxes)
    image_controller.boxes.shown().add(rectangle(8, 10, 19, 24, 5), shape_type="rectangle")
    settle()
    controller.propagate(range(3, 8))
    pump.until(lambda: not controller.is_propagating)
    settle()
    assert np.flatnonzero(image_controller.labels.data.any(axis=(1, 2))).tolist() == [3, 4, 5, 6, 7]
    assert all(q.box == Box(8, 10, 19, 24) and not q.clicks for q in toy.queries)
    with_box = image_controller.session_store.sessions[0].clicked_planes()
    assert with_box == (Plane(0, 5),)


def test_closing_lets_go_of_the_layer(controller, settle, squares):
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(rectangle(10, 12, 30, 40), shape_type="rectangle")
    settle()
    controller.choose_axes("")
    image_controller.close()
    assert not [c for c in shapes.mouse_drag_callbacks if "Boxes" in repr(c)]
    controller.image_controller = None
    controller._binders.clear()
    controller.new_object()
    settle()
    assert controller.image_controller.boxes.layer is shapes  # taken up again, with what is on it
    assert controller.image_controller.labels.data.any()


RING = ((12.0, 12.0), (12.0, 40.0), (30.0, 20.0))


def test_a_polygon_is_a_lasso_with_a_sign_for_a_model_that_takes_them(
    controller, toy, settle, squares
):
    toy.traits = replace(toy.traits, prompts=toy.traits.prompts | {"lasso"})
    image_controller = begin(controller, squares)
    shapes = image_controller.boxes.shown()
    shapes.add(np.array(RING), shape_type="polygon")
    settle()
    assert toy.queries[-1].lassos == (Lasso(RING),)
    table = shapes.features.copy()
    table["sign"] = ["negative"]
    shapes.features = table
    settle()
    session = image_controller.session_store.sessions[0]
    assert session.prompts(Plane(0, 0)).lassos == (Lasso(RING, positive=False),)
    controller.undo()
    settle()
    assert list(shapes.features["sign"]) == ["positive"]
    controller.undo()
    settle()
    assert len(shapes.data) == 0
    controller.redo()
    settle()
    assert shapes.shape_type == ["polygon"]
    np.testing.assert_allclose(shapes.data[0], RING)


def test_a_polygon_is_its_box_for_a_model_without_lassos(controller, toy, settle, squares):
    image_controller = begin(controller, squares)
    image_controller.boxes.shown().add(np.array(RING), shape_type="polygon")
    settle()
    assert toy.queries[-1] == Prompts(box=Box(12, 12, 30, 40))
    assert image_controller.labels.data[29, 39] == 1


def test_a_negative_polygon_is_refused_by_a_model_without_lassos(controller, settle, said, squares):
    image_controller = begin(controller, squares)
    image_controller.clicking.set_defaults(sign="negative")
    shapes = image_controller.boxes.shown()
    image_controller.boxes.set_defaults()
    shapes.add(np.array(RING), shape_type="polygon")
    settle()
    assert "takes no negative lasso" in said.failures[-1]
    assert len(shapes.data) == 0


def test_a_polygon_beyond_the_image_is_cut_at_its_border(controller, toy, settle, squares):
    toy.traits = replace(toy.traits, prompts=toy.traits.prompts | {"lasso"})
    image_controller = begin(controller, squares)
    ring = np.array([(-9.0, 12.0), (12.0, 40.0), (30.0, -7.0)])
    image_controller.boxes.shown().add(ring, shape_type="polygon")
    settle()
    assert toy.queries[-1].lassos == (Lasso(((0, 12), (12, 40), (30, 0))),)
