"""An object is followed through time, in 2-D and plane by plane in 3-D."""

import numpy as np
import pytest

from napari_intseg.errors import PromptError
from napari_intseg.session.tracking import tracking_request
from napari_intseg.ui.controllers.review import TimeTracking


@pytest.fixture
def frames():
    """A bright square that moves by 3 columns a time point, uint8 (6, 40, 60)."""
    data = np.zeros((6, 40, 60), np.uint8)
    for time in range(6):
        data[time, 10:24, 8 + 3 * time : 22 + 3 * time] = 200
    return data


@pytest.fixture
def follow(controller, pump, settle):
    through = TimeTracking(controller)

    def run():
        through.start()
        pump.until(lambda: not through.is_running)
        settle()

    return run


def begin(controller, data, axes):
    controller.choose_image(controller.viewer.add_image(data))
    controller.choose_axes(axes)
    controller.new_object()
    return controller.image_controller


def test_a_moving_object_is_followed_both_ways(controller, follow, settle, said, frames):
    image_controller = begin(controller, frames, "tyx")
    controller.viewer.dims.set_point(0, 2)
    image_controller.points.add((2, 17, 20))
    settle()
    follow()
    np.testing.assert_array_equal(image_controller.labels.data > 0, frames > 0)
    assert "followed to 5 time points" in said.messages[-1]
    controller.viewer.dims.set_point(0, 4)
    controller.undo()  # at the time point in the window
    settle()
    assert [bool(image_axes.any()) for image_axes in image_controller.labels.data] == [True] * 4 + [
        False,
        True,
    ]


def test_a_corrected_time_point_is_an_anchor(controller, follow, settle, frames):
    frames[4, 10:24, 20:27] = 0
    image_controller = begin(controller, frames, "tyx")
    image_controller.points.add((0, 17, 15))
    controller.viewer.dims.set_point(0, 4)
    image_controller.points.add((4, 17, 30))
    settle()
    there = image_controller.labels.data[4].copy()
    controller.viewer.dims.set_point(0, 0)
    follow()
    np.testing.assert_array_equal(image_controller.labels.data[4], there)
    assert image_controller.labels.data[3].any()


@pytest.fixture
def propagated(controller, settle, pump, frames):
    """A series of volumes, the object propagated through the first of them."""
    data = np.zeros((6, 5, 40, 60), np.uint8)
    data[:, 1:4] = frames[:, None]
    image_controller = begin(controller, data, "tzyx")
    controller.viewer.dims.set_point([0, 1], [0, 2])
    image_controller.points.add((0, 2, 17, 15))
    settle()
    controller.propagate()
    pump.until(lambda: not controller.is_propagating)
    settle()
    return image_controller, data


def test_a_volume_is_followed_with_progress_and_can_be_stopped(
    controller, propagated, settle, pump, said
):
    image_controller, _ = propagated
    told = []
    controller.signals.progressed.connect(
        lambda done, total, what: told.append((done, total, what))
    )
    through = TimeTracking(controller)
    through.start()
    pump.until(lambda: len(through._times) == 2)
    through.cancel()
    pump.until(lambda: not through.is_running)
    settle()
    assert told[0] == (3, 15, "planes")
    assert told[-1] == (0, 0, "")
    assert "followed to 2 time points" in said.messages[-1]
    there = [bool(volume.any()) for volume in image_controller.labels.data]
    assert there == [True, True, True, False, False, False]


def test_a_volume_is_followed_as_a_whole(propagated, follow):
    image_controller, data = propagated
    follow()
    np.testing.assert_array_equal(image_controller.labels.data > 0, data > 0)
    assert image_controller.session_store.sessions[3].confidences


def test_without_time_or_a_mask_there_is_nothing_to_follow(controller, said, squares, frames):
    through = TimeTracking(controller)
    through.start()
    assert "nothing to follow" in said.failures[-1]
    begin(controller, squares, "yx")
    assert not through.is_possible
    begin(controller, frames, "tyx")
    through.start()
    assert "nothing to follow" in said.failures[-1]
    session = controller.image_controller.session_store.session(0)
    with pytest.raises(PromptError, match="nothing to follow through time"):
        tracking_request({0: session}, session, 1, 1, controller.image_controller.image_axes.volume)
