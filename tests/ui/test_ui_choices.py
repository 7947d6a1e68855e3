"""Images, axes, channels, contrast and layers that come and go, without Qt."""

import numpy as np
import pytest

from napari_intseg.ui.layers.labels_layer import find_changes, find_pieces


@pytest.fixture
def start(controller):
    def begin(image, **kwargs):
        layer = controller.viewer.add_image(image, **kwargs)
        controller.choose_image(layer)
        controller.new_object()
        return layer

    return begin


def setup_of(controller):
    return next(iter(controller.image_controller.session_store.sessions.values())).setup


def test_rgb_is_one_image(controller, start, settle, squares):
    start(np.repeat(squares[..., None], 3, axis=2), rgb=True)
    controller.image_controller.points.add((20, 20))
    settle()
    assert controller.image_controller.labels.data.shape == squares.shape
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, squares == 200)


def test_channels_of_a_stack_can_be_chosen(controller, start, settle, squares):
    start(np.stack([squares, np.zeros_like(squares)]))
    assert controller.axes == "cyx"
    controller.image_controller.points.add((20, 20))
    settle()
    assert setup_of(controller).volume.n_channels == 2
    controller.choose_channels((1,))
    settle()
    assert setup_of(controller).channels == (1,)
    assert controller.image_controller.labels.data.all()  # nothing but darkness in that channel


def test_another_layer_can_be_mixed_in(controller, start, settle, squares):
    other = controller.viewer.add_image(squares[::-1].copy(), name="other")
    start(squares)
    controller.image_controller.points.add((20, 20))
    settle()
    controller.choose_channels(None, (other,))
    settle()
    assert setup_of(controller).volume.n_channels == 2
    assert len(controller.image_controller.points.data) == 1


def test_work_does_not_go_on_with_the_pixels_a_mixed_in_layer_held_before(
    controller, start, settle, squares
):
    other = controller.viewer.add_image(squares[::-1].copy(), name="other")
    start(squares)
    controller.choose_channels(None, (other,))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    other.data = np.full_like(squares, 7)
    assert controller.image_controller is None
    controller.new_object()
    settle()
    assert not controller.image_controller.goes_on
    np.testing.assert_array_equal(setup_of(controller).volume.data[:, :, 1], other.data)


def test_the_axes_can_be_told(controller, start, settle, boxes):
    start(boxes)
    controller.choose_axes("tyx")
    controller.new_object()
    controller.image_controller.points.add((5, 12, 15))
    settle()
    assert list(controller.image_controller.session_store.sessions) == [5]
    np.testing.assert_array_equal(controller.image_controller.labels.data[5] > 0, boxes[5] == 200)


def test_values_that_are_not_8_bit_are_seen_as_displayed(controller, start, settle, squares):
    layer = start(squares.astype(np.int16) - 1000)
    layer.contrast_limits = (-1000, -900)  # both squares are white then
    controller.image_controller.points.add((20, 20))
    settle()
    assert setup_of(controller).window == (-1000.0, -900.0)
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, squares > 0)


def test_8_bit_values_are_taken_as_they_are_until_limits_are_set(
    controller, start, settle, squares
):
    layer = start(squares)
    controller.image_controller.points.add((20, 20))
    settle()
    assert setup_of(controller).window is None
    layer.contrast_limits = (0, 50)
    controller.image_controller.points.add((21, 21))
    settle()
    assert setup_of(controller).window == (0.0, 50.0)
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, squares > 0)


def test_a_change_of_contrast_is_a_step_of_undo(controller, start, settle, squares):
    start(squares)
    controller.image_controller.points.add((20, 20))
    settle()
    controller.choose_window("full")
    controller.image_controller.points.add((45, 55))
    settle()
    controller.undo()
    settle()
    assert (len(controller.image_controller.points.data), setup_of(controller).window) == (
        1,
        "full",
    )
    controller.undo()
    assert setup_of(controller).window is None
    controller.undo()
    settle()
    assert len(controller.image_controller.points.data) == 0
    controller.image_controller.points.add((20, 20))
    settle()
    assert setup_of(controller).window is None  # it stays until another one is chosen


def test_work_on_two_images_goes_side_by_side(controller, start, settle, squares):
    first = start(squares, name="first")
    controller.image_controller.points.add((20, 20))
    settle()
    one = controller.image_controller
    start(squares, name="second")
    controller.image_controller.points.add((45, 55))
    settle()
    controller.choose_image(first)
    assert controller.image_controller is one
    controller.image_controller.points.add((45, 55))
    settle()
    np.testing.assert_array_equal(one.labels.data > 0, squares > 0)


def test_without_an_image_it_says_what_to_do(controller, said):
    controller.new_object()
    assert "Open an image" in said.failures[-1]


def test_an_image_that_cannot_be_used_is_told(controller, said):
    controller.choose_image(controller.viewer.add_image(np.zeros((2, 2, 2, 2, 4, 4))))
    assert "expected 2 to 4 axes and channels" in said.failures[-1]


def test_labels_that_are_still_there_are_taken_up_and_kept(controller, start, settle, squares):
    start(squares)
    controller.image_controller.points.add((20, 20))
    settle()
    labels = controller.image_controller.labels
    controller.viewer.layers.remove(controller.image_controller.points)
    assert controller.image_controller is None
    controller.new_object()
    assert controller.image_controller.labels is labels
    controller.image_controller.points.add((45, 55))
    controller.image_controller.points.add((21, 21))
    settle()
    np.testing.assert_array_equal(labels.data == 1, squares == 200)
    np.testing.assert_array_equal(labels.data == 2, squares == 100)


def test_points_that_are_still_there_are_answered_again(controller, start, settle, squares):
    start(squares)
    controller.image_controller.points.add((20, 20))
    settle()
    controller.viewer.layers.remove(controller.image_controller.labels)
    controller.new_object()
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, squares == 200)


def test_replaced_image_data_ends_the_work(controller, start, said, settle, squares):
    layer = start(squares)
    controller.image_controller.points.add((20, 20))
    settle()
    layer.data = squares[::-1].copy()
    assert controller.image_controller is None
    assert "was replaced" in said.failures[-1]


def test_clicks_on_two_axes_share_one_object(controller, start, settle, boxes):
    start(boxes)
    controller.image_controller.points.add((5, 12, 15))
    controller.viewer.dims.order = (1, 0, 2)
    controller.image_controller.points.add((5, 12, 15))
    settle()
    session = controller.image_controller.session_store.sessions[0]
    assert len(session.clicked_planes()) == 2
    np.testing.assert_array_equal(controller.image_controller.labels.data, session.labels)


def test_only_what_differs_is_written_and_nothing_foreign():
    current = np.array([[0, 0, 1, 1, 2, 1]], np.uint16)
    ours = np.array([[0, 0, 1, 1, 0, 0]], bool)
    mask = np.array([[0, 1, 1, 0, 1, 0]], bool)
    ((rows, cols, expected, values),) = find_changes(current, ours, {1: mask})
    assert (rows.tolist(), cols.tolist(), values.tolist()) == ([0, 0], [1, 3], [1, 0])
    assert expected.tolist() == [0, 1]
    (piece,) = find_pieces(current, ours, {1: mask}, (4, slice(None), slice(None)))
    assert [i.tolist() for i in piece.indices] == [[4, 4], [0, 0], [1, 3]]
    assert (piece.expected.tolist(), piece.values.tolist()) == ([0, 1], [1, 0])


def test_pixels_that_are_put_back_while_a_plane_is_looked_at_are_not_written_over(monkeypatch):
    current = np.full((1, 4), 2, np.uint16)
    look = np.nonzero

    def looked_at(where):
        found = look(where)
        current[:] = 1  # another thread
        return found

    monkeypatch.setattr(np, "nonzero", looked_at)
    masks = {2: np.zeros((1, 4), bool)}
    (piece,) = find_pieces(current, np.ones((1, 4), bool), masks, (slice(None), slice(None)))
    assert piece.expected.tolist() == [2, 2, 2, 2]


def test_a_stroke_painted_while_an_answer_is_written_stays(controller, start, pump, settle):
    start(np.full((600, 600), 200, np.uint8))
    image_controller = controller.image_controller
    image_controller.points.add((5, 5))
    pump.until(lambda: bool(image_controller.labels.data[0, 0]))
    assert not image_controller.labels.data[599, 599]
    image_controller.labels.data_setitem((np.array([599]), np.array([599])), 7)
    settle()
    assert image_controller.labels.data[599, 599] == 7
    assert image_controller.labels.data[598, 598] == 1


def test_channels_that_do_not_exist_are_told_when_they_are_chosen(controller, said, squares):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.choose_channels((1,))
    assert "data has no channels: expected none to be chosen" in said.failures[-1]
    assert controller.channels is None
    controller.choose_image(controller.viewer.add_image(np.stack([squares] * 3, -1), rgb=True))
    controller.choose_channels((5,))
    assert "channel does not exist: expected some of 0 to 2" in said.failures[-1]
    controller.choose_channels((2,))
    assert controller.channels == (2,)


def test_a_window_that_cannot_be_used_is_told_when_it_is_chosen(controller, said, squares):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.choose_window("nonsense")
    assert "window is unknown" in said.failures[-1]
    controller.choose_window((9, 3))
    assert "window" in said.failures[-1]
    assert controller.window is None
    controller.choose_window((3, 9))
    assert controller.window == (3, 9)
