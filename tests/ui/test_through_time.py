"""An object is followed through time, in 2-D and plane by plane in 3-D."""

import numpy as np
import pytest

from napari_intseg.errors import PromptError
from napari_intseg.session.tracking import tracking_request
from napari_intseg.ui.through_time import ThroughTime


@pytest.fixture
def frames():
    """A bright square that moves by 3 columns a time point, uint8 (6, 40, 60)."""
    data = np.zeros((6, 40, 60), np.uint8)
    for time in range(6):
        data[time, 10:24, 8 + 3 * time : 22 + 3 * time] = 200
    return data


@pytest.fixture
def follow(bench, pump, settle):
    through = ThroughTime(bench)

    def run():
        through.start()
        pump.until(lambda: not through.is_running)
        settle()

    return run


def begin(bench, data, axes):
    bench.choose_image(bench.viewer.add_image(data))
    bench.choose_axes(axes)
    bench.new_object()
    return bench.binder


def test_a_moving_object_is_followed_both_ways(bench, follow, settle, said, frames):
    binder = begin(bench, frames, "tyx")
    bench.viewer.dims.set_point(0, 2)
    binder.points.add((2, 17, 20))
    settle()
    follow()
    np.testing.assert_array_equal(binder.labels.data > 0, frames > 0)
    assert "followed to 5 time points" in said.messages[-1]
    bench.viewer.dims.set_point(0, 4)
    bench.undo()  # at the time point in the window
    settle()
    assert [bool(frame.any()) for frame in binder.labels.data] == [True] * 4 + [False, True]


def test_a_corrected_time_point_is_an_anchor(bench, follow, settle, frames):
    frames[4, 10:24, 20:27] = 0
    binder = begin(bench, frames, "tyx")
    binder.points.add((0, 17, 15))
    bench.viewer.dims.set_point(0, 4)
    binder.points.add((4, 17, 30))
    settle()
    there = binder.labels.data[4].copy()
    bench.viewer.dims.set_point(0, 0)
    follow()
    np.testing.assert_array_equal(binder.labels.data[4], there)
    assert binder.labels.data[3].any()


@pytest.fixture
def propagated(bench, settle, pump, frames):
    """A series of volumes, the object propagated through the first of them."""
    data = np.zeros((6, 5, 40, 60), np.uint8)
    data[:, 1:4] = frames[:, None]
    binder = begin(bench, data, "tzyx")
    bench.viewer.dims.set_point([0, 1], [0, 2])
    binder.points.add((0, 2, 17, 15))
    settle()
    bench.propagate()
    pump.until(lambda: not bench.is_propagating)
    settle()
    return binder, data


def test_a_volume_is_followed_with_progress_and_can_be_stopped(
    bench, propagated, settle, pump, said
):
    binder, _ = propagated
    told = []
    bench.voice.progressed.connect(lambda done, total, what: told.append((done, total, what)))
    through = ThroughTime(bench)
    through.start()
    pump.until(lambda: len(through._times) == 2)
    through.cancel()
    pump.until(lambda: not through.is_running)
    settle()
    assert told[0] == (3, 15, "planes")
    assert told[-1] == (0, 0, "")
    assert "followed to 2 time points" in said.messages[-1]
    there = [bool(volume.any()) for volume in binder.labels.data]
    assert there == [True, True, True, False, False, False]


def test_a_volume_is_followed_as_a_whole(propagated, follow):
    binder, data = propagated
    follow()
    np.testing.assert_array_equal(binder.labels.data > 0, data > 0)
    assert binder.drawer.sessions[3].confidences


def test_without_time_or_a_mask_there_is_nothing_to_follow(bench, said, squares, frames):
    through = ThroughTime(bench)
    through.start()
    assert "nothing to follow" in said.failures[-1]
    begin(bench, squares, "yx")
    assert not through.is_possible
    begin(bench, frames, "tyx")
    through.start()
    assert "nothing to follow" in said.failures[-1]
    session = bench.binder.drawer.session(0)
    with pytest.raises(PromptError, match="nothing to follow through time"):
        tracking_request({0: session}, session, 1, 1, bench.binder.frame.volume)
